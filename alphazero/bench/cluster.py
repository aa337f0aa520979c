"""How many actors one driver can serve, measured with actors that do not need the cores.

The driver is the process that learns. Games that arrive cost it processor time, and it serves as
many actors as fit into what the learner leaves of a core; so the figures are CPU seconds of that
process per 1000 games, by what they are spent on. Actors that wait in a fake evaluator show whether
anything else limits them: their number can exceed the cores.
"""

import functools
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from alphazero.bench.measure import CPU, WALL, Effort, Measurement
from alphazero.bench.selfplay import Phases
from alphazero.config import Config, load_config
from alphazero.data.record import GameRecord, sparse_policies
from alphazero.data.replay import Replay
from alphazero.game import Game, load
from alphazero.network.evaluator import Evaluation, Leaves, UniformEvaluator
from alphazero.run.interrupt import Interrupt
from alphazero.run.run_directory import RunDirectory
from alphazero.run.source import GameSource
from alphazero.run.state import TrainingState
from alphazero.selfplay.play import SelfPlay
from alphazero.selfplay.workers.executor import (
    Executor,
    GameBatch,
    Weights,
    WorkItem,
    work_items,
)
from alphazero.selfplay.workers.ray import RayExecutor
from alphazero.selfplay.workers.shared_folder import (
    FIRST_CONTRIBUTED,
    SharedFolder,
    SharedFolderExecutor,
)

GAMES = {"go:size=9,komi=7,tidy=true": (1024, 30), "go:size=19,tidy=true": (256, 80)}
FULL_SHARE = 0.25  # of the moves have a policy target, of as many entries as stands above
TEMPLATES = 16  # different games
GAMES_PER_ITEM = 16
GAMES_PER_FILE = 64
ACTORS = (1, 2, 4, 8)
LATENCY = 0.05  # seconds that the fake evaluator takes for a batch
WINDOW = 15.0  # seconds over which games are counted
MEGABYTES = (10, 100)
LISTENERS = 4  # actors that weights are sent to


def cluster_suite(effort: Effort) -> Iterator[Measurement]:
    """Needs Ray, and about two minutes."""
    yield from growth(effort)
    for name, (games, entries) in list(GAMES.items())[: 1 if effort.is_quick else None]:
        game = load(name)
        count = GAMES_PER_FILE if effort.is_quick else games
        templates = [random_game(game, seed, entries) for seed in range(TEMPLATES)]
        plies = statistics.mean(len(record.moves) for record in templates)
        title = f"{name.removesuffix(',tidy=true')}, {plies:.0f} plies"
        yield from driving_actors(title, game, templates, count)
        yield from driving_contributors(title, game, templates, count)
        yield from remembering(title, game, templates, count)
    yield from sending(effort)


# -- how the number of actors matters --------------------------------------------------------------


class SlowEvaluator(UniformEvaluator):
    """Uniform evaluations, each batch after `LATENCY` seconds."""

    def evaluate(self, leaves: Leaves) -> Evaluation:
        time.sleep(LATENCY)
        return super().evaluate(leaves)


class Sleeper:
    """A worker that waits for its evaluator nearly all of the time."""

    def __init__(self) -> None:
        game = load("tic-tac-toe")
        config = load_config(
            None, ["search.simulations=8", f"self_play.parallel_games={GAMES_PER_ITEM}"]
        )
        self.self_play = SelfPlay(game, SlowEvaluator(game), config.search, config.self_play)
        self.version = -1

    def load(self, version: int, weights: Weights) -> None:
        self.version = version

    def play(self, item: WorkItem) -> GameBatch:
        (batch,) = self.stream(item)
        return batch

    def stream(self, item: WorkItem) -> Iterator[GameBatch]:
        before = replace(self.self_play.stats)
        for records in self.self_play.stream(item.ids, seed=0):
            yield GameBatch(item, self.version, records, vars(self.self_play.stats.since(before)))


def growth(effort: Effort) -> Iterator[Measurement]:
    """Simulations and games per second by the number of actors."""
    alone = 0.0
    for actors in ACTORS[:1] if effort.is_quick else ACTORS:
        executor = on_this_machine(Sleeper, work_items(0, GAMES_PER_ITEM), actors)
        with closing(executor):
            executor.start(0, {})
            for _ in range(2 * actors):  # in time, as all began at once
                next_batch(executor)
            games, simulations, began = 0, 0.0, WALL()
            while (seconds := WALL() - began) < (1.0 if effort.is_quick else WINDOW):
                batch = next_batch(executor)
                games += len(batch.records)
                simulations += batch.stats["simulations"]
        title = f"{actors} actor{'s' if actors > 1 else ''}, {LATENCY * 1000:.0f} ms a batch"
        alone = alone or simulations / seconds
        note = f"{simulations / seconds / alone:.2f} times one actor"
        yield Measurement(
            f"{title}, simulations", simulations / seconds, "simulations/s", note=note
        )
        yield Measurement(f"{title}, games", games / seconds, "games/s")


# -- what a driver does for a game -----------------------------------------------------------------


class Repeater:
    """A worker that hands out copies of games that are there already."""

    def __init__(self, templates: list[GameRecord]) -> None:
        self.templates = templates

    def load(self, version: int, weights: Weights) -> None:
        pass

    def play(self, item: WorkItem) -> GameBatch:
        (batch,) = self.stream(item)
        return batch

    def stream(self, item: WorkItem) -> Iterator[GameBatch]:
        copies = renumbered(self.templates, item.first_id, item.games)
        yield GameBatch(item, 0, copies, {"games": float(item.games)})


def driving_actors(
    title: str, game: Game, templates: list[GameRecord], count: int
) -> Iterator[Measurement]:
    """CPU seconds of the learner's process per 1000 games that arrive by way of Ray: everything but
    learning itself."""
    with tempfile.TemporaryDirectory() as folder:
        state = make_state(game, Path(folder))
        make_worker = functools.partial(Repeater, templates)
        executor = on_this_machine(make_worker, work_items(0, GAMES_PER_ITEM), 2)
        with closing(executor):
            executor.start(0, state.published)
            yield from arriving(f"{title}, by Ray", state, executor, count)


def driving_contributors(
    title: str, game: Game, templates: list[GameRecord], count: int
) -> Iterator[Measurement]:
    """The same by way of a folder; games are checked before they count."""
    with tempfile.TemporaryDirectory() as folder:
        state = make_state(game, Path(folder))
        shared = SharedFolder(f"{folder}/share")
        contributors = SharedFolderExecutor(game, state.config, shared, state.run.identify())
        contributors.start(0, state.published)
        files = itertools.count()

        def hand_in(games: int) -> None:
            for _ in range(games // GAMES_PER_FILE):
                file = next(files)
                first = FIRST_CONTRIBUTED + file * GAMES_PER_FILE
                copies = renumbered(templates, first, GAMES_PER_FILE)
                facts = {"run": state.run.identify()}
                shared.upload(f"ab-{file:06d}.npz", copies, facts)

        yield from arriving(f"{title}, by a folder", state, contributors, count, hand_in)


def arriving(
    title: str,
    state: TrainingState,
    executor: Executor,
    count: int,
    hand_in: Callable[[int], None] = lambda games: None,
) -> Iterator[Measurement]:
    """Take `count` games as a run does, after a few that fill caches."""
    phases = Phases()
    executor.collect = phases.timed("to receive them", executor.collect)
    state.store.append = phases.timed("to write them", state.store.append)
    state.replay.add = phases.timed("for the window", state.replay.add)
    source = GameSource(state, executor, Interrupt())
    hand_in(GAMES_PER_FILE)
    take(state, source, GAMES_PER_FILE)
    hand_in(count)
    phases.seconds.clear()
    before, began = state.replay.games, CPU()
    take(state, source, count)
    seconds, games = CPU() - began, state.replay.games - before
    yield Measurement(
        f"{title}: CPU", 1000 * seconds / games, "s/1000 games", note=f"{games / seconds:,.0f}/s"
    )
    for phase, spent in phases.seconds.items():
        yield Measurement(f"{title}: {phase}", 1000 * spent / games, "s/1000 games")


def take(state: TrainingState, source: GameSource, count: int) -> None:
    """Take at least this many games from a source."""
    wanted = state.replay.games + count
    for games in source:
        state.add(games)
        if state.replay.games >= wanted:
            return


def make_state(game: Game, folder: Path) -> TrainingState:
    """Make the state of a run that never has enough games to learn."""
    config: Config = load_config(
        None,
        [
            f"game={game.spec}",
            "network.size=b1c8",
            "replay.min_positions=10000000",
            "replay.window=10000000",
            "replay.max_positions=10000000",
            "run.device=cpu",
        ],
    )
    run = RunDirectory(folder / "run")
    run.create(config)
    return TrainingState(game, config, run)


def remembering(
    title: str, game: Game, templates: list[GameRecord], count: int
) -> Iterator[Measurement]:
    """Memory of a replay window of a million positions, scaled from a smaller one."""
    replay = Replay(game, load_config(None, ["replay.window=1000000"]).replay)
    for record in renumbered(templates, 0, min(count, 128)):
        replay.add(record)
    columns = [column for split in replay._splits.values() for column in vars(split).values()]
    positions = len(replay) + replay.holdout_positions
    taken = sum(column.live.nbytes for column in columns) / positions
    yield Measurement(
        f"{title}: window of a million positions",
        taken * 1e6 / 2**30,
        "GiB",
        note=f"scaled from {positions:,}; up to half as much again while it grows",
    )


# -- weights ---------------------------------------------------------------------------------------


class Listener:
    """A worker that polls and reports the version of its weights."""

    def __init__(self) -> None:
        self.version = -1
        self.weights: Weights = {}

    def load(self, version: int, weights: Weights) -> None:
        self.weights = {name: array.copy() for name, array in weights.items()}
        self.version = version

    def play(self, item: WorkItem) -> GameBatch:
        raise NotImplementedError("it plays nothing")

    def stream(self, item: WorkItem) -> Iterator[GameBatch]:
        while True:
            time.sleep(0.01)
            yield GameBatch(item, self.version, [])


def sending(effort: Effort) -> Iterator[Measurement]:
    """Time from publishing weights until the last of several actors has them."""
    executor = on_this_machine(Listener, work_items(0, 1), LISTENERS)
    with closing(executor):
        executor.start(0, {})
        version = 0
        for megabytes in MEGABYTES[:1] if effort.is_quick else MEGABYTES:
            weights = {"weights": np.zeros(megabytes * 250_000, np.float32)}
            found = []
            for _ in range(effort.repeats):
                version += 1
                began = WALL()
                executor.publish(version, weights)
                have: set[str] = set()
                while len(have) < LISTENERS:
                    batch = next_batch(executor)
                    if batch.version == version:
                        have.add(batch.worker)
                found.append(WALL() - began)
            yield Measurement(
                f"weights of {megabytes} MB to {LISTENERS} actors",
                1000 * statistics.median(found),
                "ms",
                note="one machine; actors look every 10 ms",
            )


# -- what all of these use -------------------------------------------------------------------------


def on_this_machine(
    make_worker: Callable[[], Sleeper | Repeater | Listener], work: Iterator[WorkItem], actors: int
) -> RayExecutor:
    return RayExecutor(make_worker, work, workers=actors, address="local", gpus=False)


def next_batch(executor: Executor) -> GameBatch:
    while (batch := executor.collect(True)) is None:
        pass
    return batch


def random_game(game: Game, seed: int, entries: int) -> GameRecord:
    """A game of random moves whose searches are made up, as large as a real one."""
    rng, position = np.random.default_rng(seed), game.position()
    values: list[float] = []
    rows: list[tuple[np.ndarray, np.ndarray] | None] = []
    while not position.is_over:
        legal = position.legal_actions()
        named = rng.permutation(legal)[:entries]
        weights = rng.random(len(named)) + 0.01
        values.append(float(rng.uniform(-1, 1)))
        rows.append((named, weights / weights.sum()) if rng.random() < FULL_SHARE else None)
        position.play(int(rng.choice(legal)))
    offsets, actions, shares = sparse_policies(rows)
    outcome = position.outcome()
    assert outcome is not None
    return GameRecord(
        game=game.spec,
        game_id=seed,
        seed=0,
        version=0,
        start=None,
        moves=np.array(position.moves),
        root_values=np.array(values),
        policy_offsets=offsets,
        policy_actions=actions,
        policy_weights=shares,
        result=outcome.values[0],
        info={"simulations": 64},
    )


def renumbered(templates: list[GameRecord], first: int, count: int) -> list[GameRecord]:
    return [replace(templates[i % len(templates)], game_id=first + i) for i in range(count)]
