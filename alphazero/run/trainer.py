"""A run's state, and what the loop does to it: count games, learn, look around, remember.

What is learned is a function of the settings and of the games in the order they were stored.
Nothing that a clock decides (reports, checkpoints, when a run was killed) may change it.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from alphazero.arena.exhaustive import Proof, prove_unbeaten
from alphazero.arena.players import make_player
from alphazero.config import Config, to_toml
from alphazero.data.record import GameRecord, start_states
from alphazero.data.replay import Replay
from alphazero.data.replay_ratio import Pace
from alphazero.data.store import Store
from alphazero.errors import UserError
from alphazero.files import atomic_write
from alphazero.game import Game, Position
from alphazero.learning import checkpoint
from alphazero.learning.distributed import make_learner
from alphazero.network.architectures.resnet import Network
from alphazero.network.find import weights_path
from alphazero.network.weights import load_weights
from alphazero.picture import board_picture
from alphazero.run.evaluation import Examiner
from alphazero.run.metrics.events import Reporter
from alphazero.run.metrics.host import System
from alphazero.run.metrics.meter import Meter, validation
from alphazero.run.metrics.workers import Crew
from alphazero.run.run_directory import RunDirectory
from alphazero.selfplay.workers.inline import Chunk, Collect, Executor, Weights
from alphazero.selfplay.workers.shared_folder import FIRST_VOLUNTEERED

LEARNING, VALIDATING = 1, 2  # the streams of random numbers, beside those of the games
VALIDATION_POSITIONS = 512
CHUNKS_PER_SHARD = 64  # at most


@dataclass(frozen=True)
class Progress:
    """How far a run has come since its very beginning."""

    games: int
    positions: int
    steps: int
    seconds: float  # of training


class Trainer:
    """One run under way: its games, its learner, and what is known of both."""

    def __init__(self, game: Game, config: Config, run: RunDirectory) -> None:
        """Begin a run, or find one where its newest checkpoint left it.

        Raises UserError when what is in the folder does not go together.
        """
        self.game, self.config, self.run = game, config, run
        self.store = Store(run.records)
        self.replay = Replay(game, config.replay)
        self.learner = make_learner(game, config)
        samples = config.learner.replay_ratio
        self.pace = Pace(samples, most=samples * config.replay.window)
        self.version = 0  # of the weights that players have
        self.players: Weights = self.learner.weights()
        self.seconds_before = 0.0  # trained in earlier starts
        self.examined_at = 0  # games, when strength was looked at last
        self.has_no_more_games = False  # whether no more games will come
        self.resumed_at = self._resume()  # games in the checkpoint; None without one
        if self.resumed_at is None and (network := network_to_begin_with(config, game)):
            self.learner.start_from(network)
            self.players = self.learner.weights()
        self._on_disk = chunks_on_disk(self.store, self.replay.games)

    def start(self, reporter: Reporter) -> None:
        """Begin to count the time."""
        self.reporter = reporter
        self.meter = Meter(self.game, self.config)
        self.system = System(self.run.path)
        self.crew = Crew()
        self.examiner = Examiner(self.game, self.config)
        self._began = self._saved_at = time.monotonic()
        self._games_before, self._saved_steps = self.replay.games, self.learner.steps
        reporter.text(self.replay.games, "run/config", to_toml(self.config))

    @property
    def next_game(self) -> int:
        """The number of the first game that was never begun, as far as the disk knows."""
        own = (i for shard in self.store.shards for i in shard.ids if i < FIRST_VOLUNTEERED)
        return 1 + max(own, default=-1)

    @property
    def seconds(self) -> float:
        """Of training, earlier starts included."""
        return self.seconds_before + time.monotonic() - self._began

    @property
    def progress(self) -> Progress:
        return Progress(self.replay.games, self.replay.positions, self.learner.steps, self.seconds)

    @property
    def has_games(self) -> bool:
        """Whether all games have come that the run may have."""
        return self.has_no_more_games or 0 < self.config.run.games <= self.replay.games

    @property
    def may_learn(self) -> bool:
        return self.replay.is_ready and self.pace.allows(self.config.learner.batch_size)

    @property
    def is_done(self) -> bool:
        minutes = self.config.run.minutes
        return (0 < minutes * 60 <= self.seconds) or (self.has_games and not self.may_learn)

    # -- what is learned ---------------------------------------------------------------------------

    def collect(self, collect: Collect) -> None:
        """Count the next games, if there are any: those on disk that the checkpoint has not seen,
        then new ones, which go to the disk first."""
        if self.has_games:
            return
        if self._on_disk is not None:
            if not self.may_learn:  # as when they were played
                self._count_from_disk()
            return
        chunk = collect(not self.may_learn)
        if chunk is not None:
            self._keep([chunk, *self._more(collect)])

    def collect_finished(self, executor: Executor) -> None:
        """Store what has arrived before a run is stopped, without learning from it yet."""
        while not executor.plays_in_collect and (chunk := executor.collect(False)) is not None:
            self._keep([chunk, *self._more(executor.collect)])

    def _more(self, collect: Collect) -> Iterator[Chunk]:
        """Chunks that have arrived as well: many workers share one file, and one wait for the
        disk."""
        for _ in range(CHUNKS_PER_SHARD - 1):
            if (chunk := collect(False)) is None:
                return
            yield chunk

    def _keep(self, chunks: list[Chunk]) -> None:
        """Write games down, then count them: those that came once before do not count again."""
        new = {
            record.game_id: record
            for chunk in chunks
            for record in chunk.records
            if record.game_id not in self.store
        }
        self.store.append(list(new.values()))
        for chunk in chunks:
            if chunk.stored is not None:
                chunk.stored()
            if new.keys().isdisjoint(record.game_id for record in chunk.records):
                continue  # it was sent twice, around a crash
            self.meter.add_chunk(chunk, self.version)
            self.crew.saw(chunk)
        self._count(list(new.values()))

    def learn(self) -> bool:
        """One step; whether players get new weights after it."""
        settings = self.config.learner
        batch = self.replay.sample(
            settings.batch_size,
            self._rng(LEARNING),
            symmetry=settings.symmetry,
            q_ratio=settings.q_ratio,
        )
        self.meter.add_step(self.learner.step(batch))
        self.pace.spend(settings.batch_size)
        if self.learner.steps % self.config.run.publish_every_steps:
            return False
        self.version += 1
        self.players = self.learner.weights()
        return True

    def _count(self, records: list[GameRecord]) -> None:
        before = self.replay.training_positions
        for record in records:
            self.replay.add(record)
        self.pace.earn(self.replay.training_positions - before)

    def _count_from_disk(self) -> None:
        assert self._on_disk is not None
        found = next(self._on_disk, None)
        if found is None:
            self._on_disk = None
            return
        games, records = found
        self._count(records)
        self.replay.games = games  # those of a damaged shard keep their numbers

    def _rng(self, stream: int) -> np.random.Generator:
        # Not last of the three: numpy takes [seed, game] for [seed, game, 0].
        return np.random.default_rng([self.config.run.seed, self.learner.steps, stream])

    # -- what is only looked at --------------------------------------------------------------------

    def attend(self, executor: Executor) -> None:
        """Examine, save and report when it is time to."""
        every, run = self.config.evaluation.every_games, self.config.run
        if every and self.replay.games // every > self.examined_at // every:
            self.examine()
        steps = self.learner.steps - self._saved_steps
        if steps >= run.checkpoint_steps or (
            time.monotonic() - self._saved_at >= run.checkpoint_seconds
        ):
            self.save()
        if self.meter.seconds >= run.report_seconds:
            self.report(executor)

    def examine(self) -> None:
        """Look at the strength of the newest weights, and at a game."""
        self.examined_at = self.replay.games
        self.examiner.take(self.learner.weights())
        values = self.examiner.strength()
        if self.config.run.prove:
            values["strength/lost_lines"] = self.examiner.proof().losses
        self.reporter.report(self.replay.games, values)
        for record in self.store.records(len(self.store) - 1):
            self._show(record)

    def _show(self, record: GameRecord) -> None:
        sheet = record.to_text(self.game, top=3)
        position = Position(self.game, start_states(record.start, self.game)[0])
        for action in record.moves.tolist():
            position.play(action)
        atomic_write(self.run.games / f"game-{record.game_id:08d}.txt", sheet.encode())
        self.reporter.text(self.replay.games, "games/sample", sheet)
        board = board_picture(position.board_view())
        self.reporter.picture(self.replay.games, "games/board", board)

    def report(self, executor: Executor) -> None:
        replay, steps = self.replay, self.learner.steps
        samples = steps * self.config.learner.batch_size
        values = {
            "run/seconds": self.seconds,
            "run/workers": executor.workers,
            "run/workers_replaced": executor.replaced,
            "selfplay/games": replay.games,
            "selfplay/positions": replay.positions,
            "replay/games": replay.games,
            "replay/positions": len(replay),
            "replay/holdout_positions": replay.holdout_positions,
            "learner/steps": steps,
            "learner/samples_per_position": samples / max(replay.training_positions, 1),
            "learner/version": self.version,
        }
        if math.isfinite(left := self._seconds_left()):
            values["run/seconds_left"] = left
        if replay.holdout_positions >= VALIDATION_POSITIONS:
            values |= self.validate()
        values |= self.system.measure() | self.meter.report()
        if memory := self.learner.device_memory:
            values["system/device_memory"] = float(memory)
        self.reporter.report(replay.games, values)
        atomic_write(self.run.workers, self.crew.to_json().encode())

    def validate(self) -> dict[str, float]:
        """How well the learner does on held-out positions; nothing without any, or any step."""
        if not (self.learner.steps and self.replay.holdout_positions):
            return {}
        batch = self.replay.sample(VALIDATION_POSITIONS, self._rng(VALIDATING), holdout=True)
        return validation(self.learner.validate(batch))

    def _seconds_left(self) -> float:
        """Until the first limit; infinite without one."""
        run, played = self.config.run, self.replay.games - self._games_before
        left = run.minutes * 60 - self.seconds if run.minutes else math.inf
        if run.games and played:
            per_game = (self.seconds - self.seconds_before) / played
            left = min(left, per_game * (run.games - self.replay.games))
        return max(left, 0.0)

    # -- what is remembered ------------------------------------------------------------------------

    def save(self) -> None:
        """Write a checkpoint, from which the run goes on exactly as from here."""
        state = {
            "learner": self.learner.state_dict(),
            "players": {name: pack(array) for name, array in self.players.items()},
            "version": self.version,
            "replay": self.replay.state(),
            "pace": {"samples": self.pace.samples, "skipped": self.pace.skipped},
            "seconds": self.seconds,
            "examined_at": self.examined_at,
        }
        checkpoint.save(
            self.run.checkpoints,
            self.learner.steps,
            state=state,
            network=self.learner.player(),
            game=self.game,
            config=to_toml(self.config),
            counters=asdict(self.progress),
            keep=self.config.run.keep_checkpoints,
        )
        self._saved_at, self._saved_steps = time.monotonic(), self.learner.steps

    def _resume(self) -> int | None:
        path = checkpoint.latest(self.run.checkpoints)
        if path is None:
            return None
        state = checkpoint.load(path).state
        self.learner.load_state_dict(state["learner"])
        self.players = {name: unpack(array) for name, array in state["players"].items()}
        self.version = state["version"]
        self.replay.restore(state["replay"], self.store)
        self.pace.samples, self.pace.skipped = state["pace"]["samples"], state["pace"]["skipped"]
        self.seconds_before = state["seconds"]
        self.examined_at = state["examined_at"]
        return self.replay.games

    def finish(self) -> Proof | None:
        """The last checkpoint and the last look of a run that has reached its limits.

        What is proven is what people get: the player that `checkpoint:<folder of the run>` means.
        """
        self.save()
        self.examine()
        result, proof = asdict(self.progress), None
        if self.config.run.prove:
            player = make_player(f"checkpoint:{self.run.path}", self.game)
            proof = prove_unbeaten(player, self.game, seed=self.config.run.seed)
            result |= {"lines": proof.lines, "lost_lines": proof.losses}
        self.run.finish(result)
        return proof


def network_to_begin_with(config: Config, game: Game) -> Network | None:
    """The network of `run.start_from`, if it names one. Raises UserError when it does not fit."""
    start = config.run.start_from
    if not start:
        return None
    network, _ = load_weights(weights_path(start), game)
    for name, wanted in asdict(config.network).items():
        if (found := getattr(network.config, name)) != wanted:
            raise UserError(
                f"run.start_from = {start} has network.{name} = {found}, the settings say {wanted}"
            )
    return network


def chunks_on_disk(store: Store, first: int) -> Iterator[tuple[int, list[GameRecord]]]:
    """The games numbered first, first + 1, ... in the chunks they were stored in, each with the
    number of the game after it."""
    number = 0
    for shard in list(store.shards):
        end = number + len(shard.ids)
        if end > first:
            yield end, list(store.records(max(number, first), end))
        number = end


def pack(array: np.ndarray) -> list:
    """A float32 array as a checkpoint can hold it."""
    return [list(array.shape), array.astype(np.float32).tobytes()]


def unpack(packed: list) -> np.ndarray:
    shape, content = packed
    return np.frombuffer(content, np.float32).reshape(shape)
