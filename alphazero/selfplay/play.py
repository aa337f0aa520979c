"""Self-play: a search over many games at once, which yields finished `GameRecord`s.

A game's moves depend on its own random streams, which come from the run's seed and the game's id,
and not on the games played beside it. Where the network runs on the processor, several threads play
games of their own (`Lane`): each does everything from the choice of leaves to the network's last
layer on one core, and none waits for another.
"""

import math
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

import numpy as np

from alphazero.config import SearchConfig, SelfPlayConfig
from alphazero.data.record import GameRecord
from alphazero.errors import UserError
from alphazero.game import Game, Position, State
from alphazero.network.evaluator import CachedEvaluator, Evaluator, cached
from alphazero.search.search import Search, SearchResult


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_of(config: SelfPlayConfig) -> int:
    """Return the number of threads that the settings ask for, "auto" being all cores."""
    return cores() if config.threads == "auto" else int(config.threads)


@dataclass
class SelfPlayStats:
    """Counters since the worker started."""

    games: int = 0
    plies: int = 0  # searched ones; random opening plies are not counted
    simulations: int = 0
    evaluations: int = 0  # rows requested from the evaluator
    batches: int = 0
    cache_hits: int = 0
    seconds: float = 0.0

    def since(self, before: "SelfPlayStats") -> "SelfPlayStats":
        """Return the difference to an earlier copy."""
        return SelfPlayStats(
            **{name: value - getattr(before, name) for name, value in vars(self).items()}
        )


@dataclass
class _Game:
    """A game in progress."""

    game_id: int
    seed: int
    position: Position
    rng: np.random.Generator
    start: bytes | None  # the start state; None: the game's own
    version: int  # of the weights when it began
    full: bool = True  # whether the current search trains the policy
    values: list[float] = field(default_factory=list)
    policies: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    surprises: list[float] = field(default_factory=list)  # of the policies; NaN: none


NO_POLICY = (np.zeros(0, np.uint16), np.zeros(0, np.float32))


class SelfPlay:
    """Plays games against itself with one evaluator, in one lane or several side by side."""

    def __init__(
        self,
        game: Game,
        evaluator: Evaluator,
        search: SearchConfig,
        self_play: SelfPlayConfig,
        *,
        threads: int | None = None,
    ) -> None:
        """`threads` play, each its own games, if the evaluator answers several at once, else they
        search; None: as the settings say. Games do not depend on their number.

        Raises UserError for varied starts of a game that has only one.
        """
        if self_play.random_start_probability > 0 and game.vary is None:
            raise UserError(
                f"self_play.random_start_probability = {self_play.random_start_probability:g}:"
                f" {game.name} always begins from the same position; must be 0"
            )
        evaluator.steady = True
        threads = threads or threads_of(self_play)
        lanes = threads if evaluator.concurrent else 1
        # The results of searches do not depend on what a cache still holds.
        search = replace(search, nn_cache_size=search.nn_cache_size // lanes)
        self.lanes = [
            Lane(game, evaluator, search, self_play, threads // lanes) for _ in range(lanes)
        ]
        self._pool = ThreadPoolExecutor(lanes, "self-play") if lanes > 1 else None
        self._seconds = 0.0

    @property
    def stats(self) -> SelfPlayStats:
        """A copy of the counters of all lanes."""
        columns = zip(*(vars(lane.stats).values() for lane in self.lanes), strict=True)
        total = SelfPlayStats(*map(sum, columns))
        total.seconds = self._seconds
        return total

    def play(self, games: int, *, first_id: int, seed: int, version: int = 0) -> list[GameRecord]:
        """Play the games first_id, first_id + 1, ... and return them in that order.

        `version` of the evaluator's weights is noted in the records.
        """
        self.weights_changed(version)
        parts = self.stream(range(first_id, first_id + games), seed=seed)
        return [record for part in parts for record in part]

    def stream(
        self, ids: Sequence[int], *, seed: int, seconds: float = math.inf
    ) -> Iterator[list[GameRecord]]:
        """Play the games with these ids and yield the finished ones, sorted by id, every `seconds`
        and at the end; between two yields the evaluator may get other weights, announced by
        `weights_changed`."""
        count = len(self.lanes)
        streams = [
            lane.stream(ids[number::count], seed=seed, seconds=seconds)
            for number, lane in enumerate(self.lanes)
        ]
        finished: list[GameRecord] = []
        while streams:
            began = time.perf_counter()
            parts = self._advance(streams)
            self._seconds += time.perf_counter() - began
            streams = [one for one, part in zip(streams, parts, strict=True) if part is not None]
            finished += [record for part in parts if part is not None for record in part]
            if finished:
                yield sorted(finished, key=lambda record: record.game_id)
                finished = []

    def _advance(self, streams: list[Iterator[list[GameRecord]]]) -> list[list[GameRecord] | None]:
        """Take the next games of every lane, None at its end."""
        if self._pool is None:
            return [next(stream, None) for stream in streams]
        futures = [self._pool.submit(next, stream, None) for stream in streams]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        except BaseException:  # Ctrl-C too, which reaches this thread alone
            for lane in self.lanes:
                lane.stopped = True
            wait(futures)
            raise
        return [future.result() for future in futures]

    def weights_changed(self, version: int) -> None:
        """Clear the caches after a change of the evaluator's weights; games that begin from now on
        are of this version."""
        for lane in self.lanes:
            lane.weights_changed(version)


class Lane:
    """Games of one search, `parallel_games` at once; a lane is used by one thread at a time."""

    def __init__(
        self,
        game: Game,
        evaluator: Evaluator,
        search: SearchConfig,
        self_play: SelfPlayConfig,
        threads: int,
    ) -> None:
        self.game = game
        self.config = self_play
        self.search_config = search
        self.evaluator = evaluator = cached(evaluator, game, search.nn_cache_size)
        self.version = 0  # of the evaluator's weights
        self.stats = SelfPlayStats()
        self.stopped = False  # set by another thread: play no further
        self.search = Search(game, evaluator, search, self_play.parallel_games, threads=threads)

    def stream(
        self, ids: Sequence[int], *, seed: int, seconds: float
    ) -> Iterator[list[GameRecord]]:
        """Play the games with these ids and yield the finished ones, perhaps none, every `seconds`
        and at the end."""
        search, stats = self.search, self.stats
        assert not self.stopped, "play was interrupted: begin with a new SelfPlay"
        began = time.perf_counter()
        rows, batches = search.rows_evaluated, search.batches
        waiting = iter(ids)
        playing: dict[int, _Game] = {}
        finished: list[GameRecord] = []
        count = min(len(ids), search.num_trees)
        for number in range(count):
            tree = number * search.num_trees // count  # spread over pipelines and threads
            playing[tree] = self._begin(tree, next(waiting), seed)
        while playing:
            for tree in search.step():
                game = playing[tree]
                self._move(tree, game, search.result(tree))
                if not game.position.is_over:
                    continue
                finished.append(self._record(game))
                next_id = next(waiting, None)
                if next_id is None:
                    del playing[tree]
                else:
                    playing[tree] = self._begin(tree, next_id, seed)
            if self.stopped:
                return
            if playing and time.perf_counter() - began < seconds:
                continue
            stats.games += len(finished)
            stats.evaluations += search.rows_evaluated - rows
            stats.batches += search.batches - batches
            if isinstance(self.evaluator, CachedEvaluator):
                stats.cache_hits = self.evaluator.hits
            yield finished
            began, finished = time.perf_counter(), []
            rows, batches = search.rows_evaluated, search.batches

    def weights_changed(self, version: int) -> None:
        """Clear the cache after a change of the evaluator's weights; games that begin from now on
        are of this version."""
        if isinstance(self.evaluator, CachedEvaluator) and version != self.version:
            self.evaluator.clear()
        self.version = version

    def _begin(self, tree: int, game_id: int, seed: int) -> _Game:
        rng = np.random.default_rng([seed, game_id])
        start = self._choose_start(rng)
        plies = int(rng.integers(self.config.opening_plies + 1))
        position = random_opening(self.game, plies, rng, start)
        state = None if start is None else start.tobytes()
        game = _Game(game_id, seed, position, rng, state, self.version)
        game.values = [np.nan] * len(position.moves)
        game.policies = [NO_POLICY] * len(position.moves)
        game.surprises = [np.nan] * len(position.moves)
        simulations = self._choose_budget(game)
        tree_seed = int(rng.integers(2**63))
        self.search.begin(tree, position, seed=tree_seed, simulations=simulations, noise=game.full)
        return game

    def _choose_start(self, rng: np.random.Generator) -> State | None:
        """Draw the start state of a game; None for the game's own."""
        share = self.config.random_start_probability
        if share == 0 or rng.random() >= share:
            return None
        assert self.game.vary is not None
        state = Position(self.game).state
        self.game.vary(state, rng)
        return state

    def _choose_budget(self, game: _Game) -> int:
        """Draw the number of simulations: playout-cap randomisation (Wu 2019). A share of the moves
        is searched in full, with noise, and trains the policy; the others are searched fast and
        train it only where they prove a win."""
        share = self.config.playout_cap_full_probability
        game.full = share >= 1.0 or game.rng.random() < share
        full, fast = self.search_config.simulations, self.config.playout_cap_fast_simulations
        return full if game.full else fast

    def _move(self, tree: int, game: _Game, result: SearchResult) -> None:
        """Record a search's result, play the move, and begin the next search if there is one."""
        self.stats.plies += 1
        self.stats.simulations += result.simulations
        game.values.append(result.value)
        # A fast search that proves a win knows the policy as well as a full one.
        trains = game.full or result.proven == 1
        game.policies.append(sparse_policy(result) if trains else NO_POLICY)
        weighs = trains and self.config.policy_surprise_weight > 0
        game.surprises.append(surprise(result) if weighs else np.nan)
        opening = len(game.position.moves) < self.config.temperature_plies
        temperature = self.config.temperature if opening else self.config.temperature_final
        action = result.sample(temperature, game.rng)
        if not game.position.is_legal(action):
            raise self.game.broken(
                f"action {action} was legal when it was searched and now is not, so the same moves"
                " do not lead to the same positions"
            )
        game.position.play(action)
        if not game.position.is_over:
            simulations = self._choose_budget(game)
            self.search.reroot(tree, game.position, simulations=simulations, noise=game.full)

    def _record(self, game: _Game) -> GameRecord:
        outcome = game.position.outcome()
        assert outcome is not None
        lengths = [len(actions) for actions, _ in game.policies]
        return GameRecord(
            game=self.game.spec,
            game_id=game.game_id,
            seed=game.seed,
            version=game.version,
            start=game.start,
            moves=np.array(game.position.moves, np.uint16),
            root_values=np.clip(np.array(game.values, np.float32), -1.0, 1.0),
            policy_offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32),
            policy_actions=np.concatenate([actions for actions, _ in game.policies]),
            policy_weights=np.concatenate([weights for _, weights in game.policies]),
            result=outcome.values[0],
            info={"simulations": self.search_config.simulations},
            sample_weights=sample_weights(game.surprises, self.config.policy_surprise_weight),
        )


OPENING_ATTEMPTS = 1000  # to find an opening that does not end the game
SMALLEST_SHARE = 1e-4  # smaller entries of a policy target are not recorded


def sparse_policy(result: SearchResult) -> tuple[np.ndarray, np.ndarray]:
    """Return a search's policy target as (actions uint16, weights float32), tiny ones dropped."""
    # Among thousands of moves that are about as good, all shares are tiny.
    keep = result.policy > min(SMALLEST_SHARE, result.policy.max() / 10)
    weights = result.policy[keep]
    return result.actions[keep].astype(np.uint16), weights / weights.sum()


def surprise(result: SearchResult) -> float:
    """Return the Kullback-Leibler divergence of the search's policy from the prior, in nats."""
    found = result.policy > 0
    policy, prior = result.policy[found], result.prior[found]
    return float(np.sum(policy * np.log(policy / np.maximum(prior, SMALLEST_SHARE**2))))


def sample_weights(surprises: Sequence[float], share: float) -> np.ndarray:
    """Return the training weights of the plies of one game, float32 [N]: KataGo's policy surprise
    weighting (KataGoMethods.md). `share` of the weight of the plies with a policy target is divided
    among them in proportion to their surprise; plies without one (NaN) have weight 1.
    """
    values = np.maximum(surprises, 0.0)  # keeps NaN; rounding may make it negative
    mean = np.nanmean(values) if np.any(np.isfinite(values)) else 0.0
    if mean == 0.0:
        return np.ones(len(values), np.float32)
    weights = 1 - share + share * values / mean
    return np.where(np.isnan(values), 1.0, weights).astype(np.float32)


def random_opening(
    game: Game, plies: int, rng: np.random.Generator, start: State | None = None
) -> Position:
    """Return an unfinished position after this many random legal moves from a start (None: the
    game's own). Raises UserError if the game is always over by then."""
    for _ in range(OPENING_ATTEMPTS):
        position = Position(game, start)
        while len(position.moves) < plies and not position.is_over:
            position.play(int(rng.choice(position.legal_actions())))
        if not position.is_over:
            return position
    raise UserError(
        f"self_play.opening_plies is too large for {game.spec}: after {plies} random plies the game"
        f" was over {OPENING_ATTEMPTS} times in a row"
    )
