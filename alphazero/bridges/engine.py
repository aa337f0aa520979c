"""The engine as a front end sees it: it thinks about one position at a time, within limits, and can
be asked to move at once."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

import alphazero
from alphazero.arena.player import find_weights
from alphazero.config import SearchConfig
from alphazero.errors import UserError
from alphazero.evaluate import Evaluator, RolloutEvaluator
from alphazero.game import Game, Position
from alphazero.search.mcts import Search

LEAVES_PER_TREE = 8  # so that one tree fills a small batch
SIMULATIONS_PER_LEAF = 64  # fewer for each leaf of a batch would search too blindly
CLOCK_SIMULATIONS = 4096  # after which a search that only a clock ends asks for more
LINE_SIMULATIONS = 400  # spent on the continuation of a move that is not the best
REPORT_SECONDS = 1.0
# The folder of the package's networks, known here without torch, which takes seconds to import.
PRETRAINED = Path(alphazero.__file__).parent / "pretrained"
SLOW_SECONDS = 2.0  # after which a person is told why nothing happens
NETWORK_SIMULATIONS = (
    800  # AlphaZero's; a fraction of a second for the small networks of the package
)
ROLLOUT_SIMULATIONS = 4000


class Level(NamedTuple):
    """How well the engine plays: it draws its move with weights visits ** (1 / temperature)."""

    simulations: int
    temperature: float


class Limit(NamedTuple):
    """What a search may spend, and how its move is drawn."""

    simulations: int  # without a clock
    seconds: float | None
    temperature: float = 0.0


# Measured with random rollouts at Connect Four, 100 games between neighbours, in Elo upwards from
# level 1: 108, 235, 92, 210, 156, 139, 89, 241, 235. A trained network makes every level stronger.
LEVELS = {
    1: Level(2, 2.0),
    2: Level(4, 1.5),
    3: Level(8, 1.0),
    4: Level(16, 0.8),
    5: Level(32, 0.6),
    6: Level(64, 0.4),
    7: Level(128, 0.25),
    8: Level(256, 0.0),
    9: Level(800, 0.0),
    10: Level(3200, 0.0),
}


@dataclass(frozen=True)
class Line:
    """One move that the engine has looked at, with what it expects to follow."""

    action: int
    share: float  # of the point, 0 to 1, that the player to move expects from it
    visits: int
    pv: tuple[int, ...]  # begins with the action


@dataclass(frozen=True)
class Thought:
    """What the engine thinks of a position."""

    to_play: int
    value: float  # for the player to move, in [-1, 1]
    proven: int | None  # -1, 0, 1 for the player to move where the search has proven it
    action: int  # the move it would make, at its level
    lines: list[Line]  # best first
    simulations: int
    seconds: float

    def share(self, player: int) -> float:
        """The share of the point, 0 to 1, that a player expects; a draw is a half."""
        return (1 + (self.value if player == self.to_play else -self.value)) / 2

    @property
    def rate(self) -> float:
        """Simulations per second."""
        return self.simulations / max(self.seconds, 1e-3)


class Engine:
    """A search of one tree with the limits that a person has set."""

    def __init__(
        self,
        game: Game,
        evaluator: Evaluator,
        source: str,
        *,
        simulations: int,
        seconds: float | None = None,
        level: int | None = None,
        seed: int = 0,
    ) -> None:
        """`source` is what people read: where the evaluations come from.

        Without a level the engine makes the best move it finds in `simulations` or, if given,
        `seconds`. The same seed makes the same moves in the same positions, but for the clock.
        """
        self.game, self.source = game, source
        self._evaluator, self._seed = evaluator, seed
        self._limit = Limit(simulations if seconds is None else CLOCK_SIMULATIONS, seconds)
        self._level: int | None = None
        if level is not None:
            self.set_level(level)

    @property
    def name(self) -> str:
        """The engine with its limits, in words."""
        if self._level is not None:
            return f"{self.source}, level {self._level}"
        if self._limit.seconds is not None:
            return f"{self.source}, {self._limit.seconds:g} s a move"
        return f"{self.source}, {self._limit.simulations} simulations"

    def set_level(self, level: int) -> None:
        """Play at one of the levels from now on. Raises UserError."""
        if level not in LEVELS:
            raise UserError(f"the level must be a whole number from 1 to {len(LEVELS)}")
        self._level = level

    def warm_up(self, report: Callable[[str], None]) -> None:
        """Have the search compiled, so that the first move comes at once; `report` hears of it when
        it takes a while."""
        slow = threading.Timer(SLOW_SECONDS, report, ["compiling the search (once)…"])
        slow.daemon = True
        slow.start()
        try:
            search = Search(self.game, self._evaluator, search_config(2))
            search.begin(0, self.game.position(), seed=0)
            search.run()
            search.result(0)
        finally:
            slow.cancel()

    def think(
        self,
        position: Position,
        *,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[Thought], None] | None = None,
        in_earnest: bool = False,
        lines: int = 1,
    ) -> Thought:
        """Search a position that is not over.

        Ends at the limit, when the result is proven, or once `stop()` is true, but not before one
        simulation is done. `progress` hears of the state of things every second. In earnest, the
        level is left aside. The best `lines` moves come with what is expected to follow.
        """
        limit = self._limits(in_earnest)
        search = Search(self.game, self._evaluator, search_config(limit.simulations))
        search.begin(0, position, seed=self._move_seed(position))
        started = time.perf_counter()
        next_report = REPORT_SECONDS
        finished = 0  # simulations before the search was last extended
        while True:
            over = bool(search.step())
            simulations = finished + search.simulations(0)
            elapsed = time.perf_counter() - started
            out_of_time = limit.seconds is not None and elapsed >= limit.seconds
            if simulations and (stop() or out_of_time):
                search.stop(0)
                search.run()
                break
            if over and (limit.seconds is None or search.is_solved(0)):
                break
            if over:
                finished = simulations
                search.extend(0, CLOCK_SIMULATIONS)
            if progress is not None and simulations and elapsed >= next_report:
                progress(self._thought(search, position, limit, simulations, elapsed))
                next_report = elapsed + REPORT_SECONDS
        simulations = finished + search.simulations(0)
        elapsed = time.perf_counter() - started
        thought = self._thought(search, position, limit, simulations, elapsed)
        return replace(thought, lines=self._with_continuations(thought.lines, position, lines))

    def _limits(self, in_earnest: bool) -> Limit:
        if self._level is not None and not in_earnest:
            level = LEVELS[self._level]
            return Limit(level.simulations, None, level.temperature)
        return self._limit

    def _move_seed(self, position: Position) -> int:
        """Fresh randomness for every ply, the same for the same one."""
        return int(np.random.SeedSequence([self._seed, position.ply]).generate_state(1)[0])

    def _thought(
        self, search: Search, position: Position, limit: Limit, simulations: int, seconds: float
    ) -> Thought:
        result = search.result(0)
        shares = (1 + np.where(np.isnan(result.q), result.value, result.q)) / 2
        order = np.lexsort((-result.prior, -result.visits, -result.policy))
        order = sorted(order, key=lambda row: result.actions[row] != result.best)
        lines = [
            Line(int(result.actions[row]), float(shares[row]), int(result.visits[row]), ())
            for row in order
        ]
        lines[0] = replace(lines[0], pv=tuple(result.pv))
        action = result.best
        if limit.temperature > 0:
            # The prior decides between moves that the few simulations have not come to.
            weights = (result.policy * simulations + result.prior) ** (1 / limit.temperature)
            rng = np.random.default_rng(self._move_seed(position))
            action = int(rng.choice(result.actions, p=weights / weights.sum()))
        value = 2 * lines[0].share - 1 if result.proven is None else float(result.proven)
        return Thought(position.to_play, value, result.proven, action, lines, simulations, seconds)

    def _with_continuations(self, lines: list[Line], position: Position, count: int) -> list[Line]:
        """The lines, of which the first `count` say what follows the move."""
        continued = []
        for line in lines[:count]:
            follows: list[int] = []
            after = position.copy()
            after.play(line.action)
            if not line.pv and not after.is_over:
                simulations = max(1, min(line.visits, LINE_SIMULATIONS))
                search = Search(self.game, self._evaluator, search_config(simulations))
                search.begin(0, after, seed=self._move_seed(after))
                search.run()
                follows = search.result(0).pv
            continued.append(replace(line, pv=line.pv or (line.action, *follows)))
        return continued + lines[count:]


def search_config(simulations: int) -> SearchConfig:
    """PUCT, which can be stopped at any time: sequential halving needs to know its budget."""
    leaves = min(max(simulations // SIMULATIONS_PER_LEAF, 1), LEAVES_PER_TREE)
    return SearchConfig(policy="puct", simulations=simulations, leaves_per_tree=leaves)


def make_engine(
    game: Game,
    network: str | None,
    report: Callable[[str], None],
    *,
    simulations: int | None = None,
    seconds: float | None = None,
    level: int | None = None,
    seed: int = 0,
) -> Engine:
    """The engine for a game, with the network at a path or, without one, the package's own.

    Where there is none it plays with random rollouts, and `report` hears of it. Raises UserError.
    """
    evaluator, source = find_evaluator(game, network)
    if isinstance(evaluator, RolloutEvaluator):
        simulations = simulations or ROLLOUT_SIMULATIONS
        how = "random rollouts" if level or seconds else f"random rollouts (mcts:{simulations})"
        report(f"no trained network for {game.title}: playing with {how}")
    return Engine(
        game,
        evaluator,
        source,
        simulations=simulations or NETWORK_SIMULATIONS,
        seconds=seconds,
        level=level,
        seed=seed,
    )


def find_evaluator(game: Game, network: str | None) -> tuple[Evaluator, str]:
    """The evaluator for `make_engine`, and what people call it."""
    if network is None and not (PRETRAINED / f"{game.name}.safetensors").exists():
        return RolloutEvaluator(game), "random rollouts"
    from alphazero.network.evaluator import NetworkEvaluator
    from alphazero.network.weights import load_weights, pretrained

    path = pretrained(game) if network is None else find_weights(Path(network))
    if path is None:  # what the package has is for other parameters of this game
        return RolloutEvaluator(game), "random rollouts"
    weights, _ = load_weights(path, game)
    source = "the package's network" if network is None else f"the network {network}"
    return NetworkEvaluator(weights), source
