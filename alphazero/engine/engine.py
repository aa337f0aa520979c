"""The engine as a front end sees it: it thinks about one position at a time, within limits, and can
be asked to move at once, or to go on until it is told to stop."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

import alphazero
from alphazero.arena.players import find_weights
from alphazero.arena.reference import Reference
from alphazero.arena.tactics import without_network
from alphazero.config import SearchConfig
from alphazero.engine.analysis import LEVELS, Level, Limit, Line, Thought
from alphazero.engine.limits import Enough
from alphazero.engine.options import NETWORK_SIMULATIONS, ROLLOUT_SIMULATIONS
from alphazero.engine.reading import read_lines
from alphazero.engine.search_options import UNTUNED, Tuning, search_config
from alphazero.errors import UserError
from alphazero.game import Game, Position
from alphazero.network.evaluator import CachedEvaluator, Evaluation, Evaluator, Leaves
from alphazero.search.search import Search

__all__ = ["LEVELS", "Engine", "Level", "Limit", "Line", "Thought", "find_evaluator", "make_engine"]

CLOCK_SIMULATIONS = 4096  # at most at once: then a search is extended, if its limit allows it
LARGEST_TREE = 2 << 30  # bytes, after which it gets no more
CACHE_ENTRY = 20  # bytes of a remembered answer beside its logits
WARM_SIMULATIONS = 4  # for all that there is to be compiled
PAUSE_SECONDS = 0.005  # between two looks whether an analysis that is complete may end
NEW_MOVES = 2  # that a kept tree is moved on by: the engine's, and the reply to it
LINE_SIMULATIONS = 400  # spent on the continuation of a move that is not the best
REPORT_SECONDS = 1.0
# The folder of the package's networks, known here without torch, which takes seconds to import.
PRETRAINED = Path(alphazero.__file__).parent / "pretrained"
SLOW_SECONDS = 2.0  # after which a person is told why nothing happens


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
        keep_tree: bool = False,
    ) -> None:
        """`source` is what people read: where the evaluations come from.

        Without a level the engine makes the best move it finds in `simulations` or, if given,
        `seconds`. The same seed makes the same moves in the same positions, but for the clock.
        With `keep_tree` a search goes on with what the one before found out about its position; the
        same moves then need the same positions in the same order.
        """
        self.game, self.source = game, source
        self._evaluator, self._seed = evaluator, seed
        self._searched = evaluator  # the same, or with the tables of
        self._reference: Reference | None = None
        self._limit = Limit(simulations if seconds is None else None, seconds)
        self._level: int | None = None
        self._keep_tree = keep_tree
        self._tuning = UNTUNED
        self._kept: tuple[Search, Position] | None = None
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

    def set_limit(self, *, simulations: int | None = None, seconds: float | None = None) -> None:
        """Think for so long from now on, whatever the level."""
        self._level = None
        self._limit = Limit(simulations, seconds)

    def tune(self, tuning: Tuning) -> None:
        """Search in this way from now on."""
        if tuning != self._tuning:
            self._tuning = tuning
            self._kept = None

    def limit(self, in_earnest: bool = False) -> Limit:
        """What a search may spend unless it is told otherwise."""
        if self._level is not None and not in_earnest:
            level = LEVELS[self._level]
            return Limit(level.simulations, temperature=level.temperature, fresh=True)
        return self._limit

    def warm_up(self, report: Callable[[str], None]) -> None:
        """Have the search compiled, so that the first move comes at once; `report` hears of it when
        it takes a while."""
        slow = threading.Timer(SLOW_SECONDS, report, ["compiling the search (once)…"])
        slow.daemon = True
        slow.start()
        try:
            position = self.game.position()
            for _ in range(2):  # the second time a tree is moved on, if they are kept
                if not position.is_over:
                    thought = self.think(position, limit=Limit(WARM_SIMULATIONS), lines=0)
                    position.play(thought.action)
            self._kept = None
        finally:
            slow.cancel()

    def look_up(self, reference: Reference | None) -> None:
        """Search with the reference's tables of endings, if it has some, from now on."""
        if reference is not self._reference:
            self._reference, self._kept = reference, None
            known = reference or Reference()
            self._searched = known.evaluator(self._evaluator, self.game)

    def forget(self) -> None:
        """Drop what is known from earlier searches."""
        self._kept = None
        if isinstance(self._evaluator, CachedEvaluator):
            self._evaluator.clear()

    # -- thinking ----------------------------------------------------------------------------------

    def think(
        self,
        position: Position,
        *,
        limit: Limit | None = None,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[Thought], None] | None = None,
        every: float = REPORT_SECONDS,
        in_earnest: bool = False,
        lines: int = 1,
        only: Iterable[int] | None = None,
        seed: int | None = None,
    ) -> Thought:
        """Search a position that is not over.

        Ends at the limit, when the result is proven, or once `stop()` is true, but not before one
        simulation is done; without any limit only then. `progress` hears of the state of things
        every so many seconds. In earnest, the level is left aside. The best `lines` moves come with
        what is expected to follow, the others as far as the search knows. With `only`, other moves
        are not considered. Without a seed the engine's own makes a new one for every ply.

        Raises ValueError if none of the moves in `only` is legal.
        """
        limit = self.limit(in_earnest) if limit is None else limit
        started = time.perf_counter()
        search = self._begin(position, limit, only, seed)
        enough = Enough(limit)
        next_report = every
        finished = 0  # simulations before the search was last extended
        while True:
            over = bool(search.step())
            simulations = finished + search.simulations(0)
            elapsed = time.perf_counter() - started
            if simulations and (stop() or enough(search, simulations, elapsed)):
                break
            if over and not self._extend(search, limit, simulations):
                break
            if over:
                finished = simulations
            if progress is not None and simulations and elapsed >= next_report:
                progress(self._thought(search, position, limit, simulations, elapsed))
                next_report = elapsed + every
        search.stop(0)
        search.run()
        simulations = finished + search.simulations(0)
        elapsed = time.perf_counter() - started
        thought = self._thought(search, position, limit, simulations, elapsed)
        if limit.is_endless and not stop():
            if progress is not None:
                progress(thought)
            while not stop():
                time.sleep(PAUSE_SECONDS)
        return replace(thought, lines=self._with_continuations(thought.lines, position, lines))

    def _begin(
        self, position: Position, limit: Limit, only: Iterable[int] | None, seed: int | None
    ) -> Search:
        """A search of the position that has not made a simulation of its own yet."""
        simulations = min(limit.simulations or CLOCK_SIMULATIONS, CLOCK_SIMULATIONS)
        config = search_config(simulations, self._tuning, rave=self._evaluator.traces)
        is_kept = self._keep_tree and only is None and not limit.fresh
        search = self._go_on(position, config) if is_kept else None
        if search is None:
            search = Search(self.game, self._searched, config)
            seed = self._move_seed(position) if seed is None else seed
            search.begin(0, position, seed=seed, simulations=0)
            search.run()
            if only is not None:
                search.restrict(0, only)
        search.extend(0, simulations)
        if is_kept:
            self._kept = search, position.copy()
        return search

    def _go_on(self, position: Position, config: SearchConfig) -> Search | None:
        """The kept search, moved on to this position, if that is what comes next."""
        if self._kept is None:
            return None
        (search, before), self._kept = self._kept, None
        moves = position.moves[len(before.moves) :]
        walk = before.copy()
        try:
            steps = [(walk.play(move), walk.copy())[1] for move in moves[:NEW_MOVES]]
        except ValueError:
            return None
        if search.config.leaves_per_tree != config.leaves_per_tree or not walk.is_same(position):
            return None
        for step in steps:
            search.advance(0, step, simulations=0)
            search.run()
        return search

    def _extend(self, search: Search, limit: Limit, simulations: int) -> bool:
        """Let a search that has come to its end go on, if the limit allows it and it may help."""
        wanted = CLOCK_SIMULATIONS
        if limit.simulations is not None:
            wanted = min(wanted, limit.simulations - simulations)
        if wanted <= 0 or search.is_solved(0) or self._filled(search) >= 1:
            return False
        search.extend(0, wanted)
        return True

    def _filled(self, search: Search) -> float:
        """The share of the memory that a search may take which it has taken."""
        size = search.memory_per_node() * int(search.result(0).visits.sum())
        return size / (self._tuning.memory or LARGEST_TREE)

    def _move_seed(self, position: Position) -> int:
        """Fresh randomness for every ply, the same for the same one."""
        return int(np.random.SeedSequence([self._seed, position.ply]).generate_state(1)[0])

    # -- what it says ------------------------------------------------------------------------------

    def evaluate(self, position: Position, symmetry: int = 0) -> tuple[np.ndarray, float]:
        """The evaluator's policy logits float32 [A] and its value in [-1, 1] for the player to
        move, without a search: of the position under a symmetry, turned back."""
        symmetries = self.game.symmetries
        assert symmetries is not None
        planes = position.planes()
        turned = planes.reshape(len(planes), -1)[:, symmetries.points[symmetry]]
        leaves = Leaves(
            turned.reshape(1, *planes.shape), position.state_array, np.zeros(1, np.uint64)
        )
        answer: Evaluation = self._evaluator.evaluate(leaves)
        return answer.logits[0][symmetries.inverse_actions[symmetry]], float(answer.value[0])

    def auxiliary(self, positions: list[Position]) -> dict[str, np.ndarray]:
        """What the evaluator says of the game's auxiliary targets: float32 [B, *shape] by name."""
        return self._evaluator.auxiliary(np.stack([position.planes() for position in positions]))

    def _thought(
        self, search: Search, position: Position, limit: Limit, simulations: int, seconds: float
    ) -> Thought:
        result = search.result(0)
        lines = read_lines(search, result)
        action = lines[0].action
        if limit.temperature > 0:
            # The prior decides between moves that the few simulations have not come to.
            weights = (result.policy * simulations + result.prior) ** (1 / limit.temperature)
            rng = np.random.default_rng(self._move_seed(position))
            action = int(rng.choice(result.actions, p=weights / weights.sum()))
        value = 2 * lines[0].share - 1 if result.proven is None else float(result.proven)
        return Thought(
            position.to_play,
            value,
            result.proven,
            action,
            lines,
            simulations,
            seconds,
            *search.depth(0),
            filled=self._filled(search),
        )

    def _with_continuations(self, lines: list[Line], position: Position, count: int) -> list[Line]:
        """The lines, of which the first `count` say what follows the move even if the search has
        not looked that far."""
        continued = []
        for line in lines[:count]:
            after = position.copy()
            after.play(line.action)
            if len(line.pv) == 1 and not after.is_over:
                simulations = max(1, min(line.visits, LINE_SIMULATIONS))
                config = search_config(simulations, rave=self._evaluator.traces)
                search = Search(self.game, self._evaluator, config)
                search.begin(0, after, seed=self._move_seed(after))
                search.run()
                follows = search.result(0).pv
                visits = (*line.pv_visits, *(0 for _ in follows))
                line = replace(line, pv=(line.action, *follows), pv_visits=visits)
            continued.append(line)
        return continued + lines[count:]


def make_engine(
    game: Game,
    network: str | None,
    report: Callable[[str], None],
    *,
    simulations: int | None = None,
    seconds: float | None = None,
    level: int | None = None,
    seed: int = 0,
    keep_tree: bool = False,
    device: str = "auto",
    threads: int = 1,
    cache: int = 0,
) -> Engine:
    """The engine for a game, with the network at a path or, without one, the package's own, on a
    device and, if that is the processor, in so many threads.

    Up to `cache` bytes of its answers are remembered. Where there is no network it plays with the
    game's tactics or with random rollouts, and `report` hears of it. Raises UserError.
    """
    evaluator, source = find_evaluator(game, network, device, threads)
    if evaluator.uses_planes and cache >= (size := 4 * game.num_actions + CACHE_ENTRY):
        evaluator = CachedEvaluator(evaluator, game, 1 << (cache // size).bit_length() - 1)
    if not evaluator.uses_planes:
        simulations = simulations or ROLLOUT_SIMULATIONS
        is_player = evaluator.player and not level and not seconds
        how = f"{source} ({evaluator.player}:{simulations})" if is_player else source
        report(f"no trained network for {game.title}: playing with {how}")
    return Engine(
        game,
        evaluator,
        source,
        simulations=simulations or NETWORK_SIMULATIONS,
        seconds=seconds,
        level=level,
        seed=seed,
        keep_tree=keep_tree,
    )


def find_evaluator(
    game: Game, network: str | None, device: str = "auto", threads: int = 1
) -> tuple[Evaluator, str]:
    """The evaluator for `make_engine`, and what people call it."""
    if network is None and not (PRETRAINED / f"{game.name}.safetensors").exists():
        return without_network(game)
    from alphazero.network.network_evaluator import NetworkEvaluator
    from alphazero.network.weights import load_weights, pretrained

    path = pretrained(game) if network is None else find_weights(Path(network))
    if path is None:  # what the package has is for other parameters of this game
        return without_network(game)
    weights, _ = load_weights(path, game)
    source = "the package's network" if network is None else f"the network {network}"
    return NetworkEvaluator(weights, device, threads=threads), source
