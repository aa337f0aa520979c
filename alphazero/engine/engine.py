"""The engine: searches one position at a time, within limits, and can be stopped at any moment."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from alphazero.arena.level import level_of, restrict
from alphazero.arena.reference import Reference
from alphazero.arena.tactics import without_network
from alphazero.config import RAVE, PuctConfig, SearchConfig
from alphazero.engine.analysis import (
    Analysis,
    Expectation,
    MoveInfo,
    expectations,
    judged,
    move_infos,
)
from alphazero.engine.judge import Judgement, compile_judge, judge
from alphazero.engine.limits import SearchLimits, SearchRequest, StopRule
from alphazero.engine.options import (
    NETWORK_SIMULATIONS,
    ROLLOUT_SIMULATIONS,
    EngineOptions,
    SearchOptions,
)
from alphazero.engine.restrictions import RestrictedEvaluator
from alphazero.engine.territory import scored_by_area
from alphazero.errors import UserError
from alphazero.game import Game, Position, Symmetries
from alphazero.network import find
from alphazero.network.encoder import Encoder
from alphazero.network.evaluator import CachedEvaluator, Evaluation, Evaluator, Leaves, cached
from alphazero.search.score import OWNERSHIP, SCORE
from alphazero.search.search import Search

CHUNK_SIMULATIONS = 4096  # at most at once; the search is extended while its limits allow
LARGEST_TREE = 2 << 30  # bytes, after which a tree grows no more
WARM_UP_SIMULATIONS = 4  # enough to have every kernel compiled
PAUSE_SECONDS = 0.005  # between two checks whether a complete but endless search is stopped
NEW_MOVES = 2  # by which a kept tree is moved on: the engine's move and the reply
CONTINUATION_SIMULATIONS = 400  # spent on the continuation of a move other than the best
LEAVES_PER_TREE = 8  # so that one tree fills a small batch
SIMULATIONS_PER_LEAF = 64  # with fewer per leaf of a batch the search would be too blind


def never() -> bool:
    """Return False: the search is not stopped from outside."""
    return False


class StepFailed(Exception):
    """A step of a search in which the evaluator failed."""


def _step(search: Search) -> bool:
    """Step a search of one tree; True once it has had its simulations. Raises StepFailed."""
    try:
        return bool(search.step())
    except UserError:  # of the game's rules
        raise
    except Exception as error:
        raise StepFailed from error


class Engine:
    """Searches of one tree with limits set by a person."""

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
        """`source` says for people where the evaluations come from.

        Without a level the engine makes the best move it finds in `simulations` or, if given,
        `seconds`. The same seed makes the same moves in the same positions, clocks aside. With
        `keep_tree` a search begins with what the one before found out about its position; the
        same moves then need the same positions in the same order.
        """
        self.game, self.source = game, source
        self._evaluator, self._seed = evaluator, seed
        self._searched = evaluator  # the same, or with the reference's tables
        self._reference: Reference | None = None
        self._limits = SearchLimits(simulations if seconds is None else None, seconds)
        self._level: int | None = None
        self._keep_tree = keep_tree
        self._options = SearchOptions()
        self._kept: tuple[Search, Position] | None = None
        self._judged: tuple[tuple[str, bytes], Judgement] | None = None  # what was judged last
        if level is not None:
            self.set_level(level)

    @property
    def name(self) -> str:
        """The engine with its limits, in words."""
        if self._level is not None:
            return f"{self.source}, level {self._level}"
        if self._limits.seconds is not None:
            return f"{self.source}, {self._limits.seconds:g} s a move"
        return f"{self.source}, {self._limits.simulations} simulations"

    # -- settings ----------------------------------------------------------------------------------

    def limits(self, full_strength: bool = False) -> SearchLimits:
        """The limits of a search that names none; at full strength without the level."""
        if self._level is not None and not full_strength:
            level = level_of(self._level, self.game.name, self._evaluator.uses_planes)
            return SearchLimits(level.simulations, level=level, fresh=True)
        return self._limits

    def set_limits(self, *, simulations: int | None = None, seconds: float | None = None) -> None:
        """Replace the limits, and the level with them."""
        self._level = None
        self._limits = SearchLimits(simulations, seconds)

    def set_level(self, level: int) -> None:
        """Play at one of the levels. Raises UserError."""
        level_of(level, self.game.name)
        self._level = level

    def set_search_options(self, options: SearchOptions) -> None:
        """Replace the parameters of the search; a kept tree is dropped if they differ."""
        if options != self._options:
            self._options, self._kept = options, None

    def use_reference(self, reference: Reference | None) -> None:
        """Search with the reference's endgame tables, if it has some."""
        if reference is not self._reference:
            self._reference, self._kept = reference, None
            self._searched = (reference or Reference()).evaluator(self._evaluator, self.game)

    def forget(self) -> None:
        """Drop everything found by earlier searches."""
        self._kept = None
        if isinstance(self._evaluator, CachedEvaluator):
            self._evaluator.clear()

    def warm_up(self) -> None:
        """Use every kernel, so that none is compiled or loaded in the middle of a game."""
        position = self.game.position()
        encoder = self._evaluator.encoder or Encoder.of(self.game)
        encoder.inputs_of([position])
        if self.game.stones is not None:
            compile_judge(self.game, uses_planes=self._evaluator.uses_planes)
        limits = SearchLimits(WARM_UP_SIMULATIONS)
        if not position.is_over:  # some of the moves, as in searchmoves
            only = position.legal_actions()[:2]
            self.analyze(SearchRequest(position, limits, only, continuations=0, ownership=True))
        for _ in range(2):  # the second time a kept tree is moved on
            if not position.is_over:
                request = SearchRequest(position, limits, continuations=0)
                position.play(self.analyze(request).action)
        self._kept = None

    # -- searching ---------------------------------------------------------------------------------

    def analyze(
        self,
        request: SearchRequest,
        stop: Callable[[], bool] = never,
        on_info: Callable[[Analysis], None] | None = None,
    ) -> Analysis:
        """Search a position, by area scoring (`scored_by_area`).

        Ends at the limits, when the result is proven, or once `stop()` is true, but not before one
        simulation is done; without any limit only when stopped. `on_info` gets the state of things
        every `request.report_every` seconds. If the evaluator fails, the analysis is what has been
        searched until then, and names the problem.

        Raises ValueError if the game is over, or no move of `request.only` is legal; whatever the
        evaluator raises before any move has a visit.
        """
        limits = request.limits or self.limits(request.full_strength)
        started = time.perf_counter()
        search = self._begin(request, limits)
        is_enough = StopRule(limits)
        next_report = request.report_every
        finished = 0  # simulations before the search was last extended
        problem = ""
        try:
            while True:
                over = _step(search)
                simulations = finished + search.simulations(0)
                elapsed = time.perf_counter() - started
                if simulations and (stop() or is_enough(search, simulations, elapsed)):
                    break
                if over and not self._extend(search, limits, simulations):
                    break
                if over:
                    finished = simulations
                if on_info is not None and simulations and elapsed >= next_report:
                    on_info(self._analysis(search, request, limits, simulations, elapsed))
                    next_report = elapsed + request.report_every
            search.stop(0)
            while search.is_active(0):
                _step(search)
        except StepFailed as failed:
            self._kept = None  # nothing more can be searched in it
            error = failed.__cause__
            if error is None or not search.result(0).visits.any():
                raise error or failed from None
            problem = f"the search ended early: {type(error).__name__}: {error}"
        simulations = finished + search.simulations(0)
        elapsed = time.perf_counter() - started
        analysis = self._analysis(search, request, limits, simulations, elapsed)
        if problem:
            return replace(analysis, problem=problem)
        if limits.is_endless and not stop():
            if on_info is not None:
                on_info(analysis)
            while not stop():
                time.sleep(PAUSE_SECONDS)
        moves = self._with_continuations(analysis.moves, request)
        return replace(analysis, moves=moves)

    def _predictions(self, request: SearchRequest) -> tuple[str, ...]:
        """Names of what the search is to keep of the network's predictions."""
        if not self.knows_score:
            return ()
        return (SCORE, OWNERSHIP) if request.ownership else (SCORE,)

    def _begin(self, request: SearchRequest, limits: SearchLimits) -> Search:
        """A search of the position that has not made a simulation of its own yet."""
        position, only = scored_by_area(request.position), request.only
        simulations = min(limits.simulations or CHUNK_SIMULATIONS, CHUNK_SIMULATIONS)
        config = search_config(simulations, self._options, rave=self._evaluator.traces)
        evaluator = self._searched
        if request.restrictions:
            evaluator = RestrictedEvaluator(evaluator, position, request.restrictions)
            config = replace(config, symmetry=False)
        is_kept = self._keep_tree and only is None and not request.restrictions and not limits.fresh
        predictions = self._predictions(request)
        search = self._continued(position, config, predictions) if is_kept else None
        if search is None:
            search = Search(self.game, evaluator, config, predictions=predictions)
            seed = self._move_seed(position) if request.seed is None else request.seed
            search.begin(0, position, seed=seed, simulations=0)
            search.run()
            if only is not None:
                search.restrict(0, only)
            if limits.level is not None:
                restrict(search, 0, position, limits.level, np.random.default_rng(seed))
        search.extend(0, simulations)
        if is_kept:
            self._kept = search, position.copy()
        return search

    def _continued(
        self, position: Position, config: SearchConfig, predictions: tuple[str, ...]
    ) -> Search | None:
        """The kept search, moved on to this position; None if the position does not follow, or the
        search does not keep these predictions."""
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
        if not set(predictions) <= set(search.predictions):
            return None
        for step in steps:
            search.reroot(0, step, simulations=0)
            search.run()
        return search

    def _extend(self, search: Search, limits: SearchLimits, simulations: int) -> bool:
        """Extend a search that has ended, if the limits allow it and more can be found."""
        wanted = CHUNK_SIMULATIONS
        if limits.simulations is not None:
            wanted = min(wanted, limits.simulations - simulations)
        if wanted <= 0 or search.is_solved(0) or self._memory_used(search) >= 1:
            return False
        search.extend(0, wanted)
        return True

    def _memory_used(self, search: Search) -> float:
        """The share of the memory that the tree may take which it has taken."""
        size = search.memory_per_node() * int(search.result(0).visits.sum())
        return size / (self._options.memory or LARGEST_TREE)

    def _move_seed(self, position: Position) -> int:
        """A seed for every ply, always the same for one ply."""
        return int(np.random.SeedSequence([self._seed, position.ply]).generate_state(1)[0])

    def _analysis(
        self,
        search: Search,
        request: SearchRequest,
        limits: SearchLimits,
        simulations: int,
        seconds: float,
    ) -> Analysis:
        position = request.position
        result = search.result(0)
        expected, after = expectations(search)
        moves = move_infos(search, result, expected, after)
        action = moves[0].action
        if limits.temperature > 0:
            # The prior decides between moves that the few simulations have not come to.
            weights = (result.policy * simulations + result.prior) ** (1 / limits.temperature)
            rng = np.random.default_rng(self._move_seed(position))
            action = int(rng.choice(result.actions, p=weights / weights.sum()))
        depth, max_depth = search.depth(0)
        analysis = Analysis(
            to_play=position.to_play,
            value=2 * moves[0].winrate - 1 if result.proven is None else float(result.proven),
            proven=result.proven,
            action=action,
            moves=moves,
            simulations=simulations,
            seconds=seconds,
            depth=depth,
            max_depth=max_depth,
            memory_used=self._memory_used(search),
            draw=moves[0].draw if result.proven is None else float(result.proven == 0),
            mean_value=result.value,
            expected=expected,
        )
        if request.is_ended and expected is not None:
            return judged(analysis, self.judge(position))
        return analysis

    def _with_continuations(self, moves: list[MoveInfo], request: SearchRequest) -> list[MoveInfo]:
        """The moves, with a continuation searched for those of the first ones without one."""
        position, count = scored_by_area(request.position), request.continuations
        evaluator = self._evaluator
        if request.restrictions:
            evaluator = RestrictedEvaluator(evaluator, position, request.restrictions)
        continued = []
        for move in moves[:count]:
            after = position.copy()
            after.play(move.action)
            if len(move.pv) == 1 and not after.is_over:
                simulations = max(1, min(move.visits, CONTINUATION_SIMULATIONS))
                config = search_config(simulations, rave=evaluator.traces)
                if request.restrictions:
                    config = replace(config, symmetry=False)
                search = Search(self.game, evaluator, config)
                search.begin(0, after, seed=self._move_seed(after))
                search.run()
                follows = search.result(0).pv
                visits = (*move.pv_visits, *(0 for _ in follows))
                move = replace(move, pv=(move.action, *follows), pv_visits=visits)
            continued.append(move)
        return continued + moves[count:]

    @property
    def knows_score(self) -> bool:
        """True in games of stones with a network that predicts score and ownership."""
        return self.game.stones is not None and {SCORE, OWNERSHIP} <= set(self._evaluator.predicts)

    # -- without a search --------------------------------------------------------------------------

    def evaluate(self, position: Position, symmetry: int = 0) -> tuple[np.ndarray, float]:
        """Evaluate a position as it looks under a symmetry of the board.

        Returns the probabilities of all actions float32 [A], 0 for illegal ones, and the value in
        [-1, 1] for the player to move.
        """
        answer, symmetries = self._answer(position, symmetry)
        logits = answer.logits[0][symmetries.inverse_actions[symmetry]]
        legal = position.legal_mask() > 0
        weights = np.where(legal, np.exp(logits - logits[legal].max(initial=-np.inf)), 0.0)
        return weights / max(float(weights.sum()), 1e-30), float(answer.value[0])

    def expect(self, position: Position, symmetry: int = 0) -> Expectation | None:
        """Predict the end of a game of stones for the player to move, by the network alone, as the
        position looks under a symmetry; None if the network cannot."""
        if not self.knows_score:
            return None
        answer, symmetries = self._answer(position, symmetry, (SCORE, OWNERSHIP))
        assert answer.extra is not None
        ownership = np.empty(symmetries.points.shape[1], np.float32)
        ownership[symmetries.points[symmetry]] = answer.extra[OWNERSHIP][0].ravel()
        return Expectation(ownership.size * float(answer.extra[SCORE][0, 0]), 0.0, ownership)

    def _answer(
        self, position: Position, symmetry: int, extra: tuple[str, ...] = ()
    ) -> tuple[Evaluation, Symmetries]:
        """The evaluator's answer for one position under a symmetry, and the symmetries."""
        position = scored_by_area(position)
        encoder = self._evaluator.encoder or Encoder.of(self.game)
        symmetries = encoder.symmetries
        planes, values = encoder.inputs_of([position])
        turned = planes.reshape(1, len(planes[0]), -1)[:, :, symmetries.points[symmetry]]
        turned = turned.reshape(planes.shape)
        seeds = np.zeros(1, np.uint64)
        leaves = Leaves(turned, position.state_array, seeds, values, extra)
        return self._evaluator.evaluate(leaves), symmetries

    def judge(self, position: Position) -> Judgement:
        """Judge a game of stones that has ended, or nearly: one opinion for all front ends, the
        same for the same position."""
        asked = position.game.spec, position.state_array.tobytes()
        if self._judged is None or self._judged[0] != asked:
            self._judged = asked, judge(position)
        return self._judged[1]

    def auxiliary(self, positions: Sequence[Position]) -> dict[str, np.ndarray]:
        """The evaluator's answer for the game's auxiliary targets: float32 [B, *shape] by name."""
        encoder = self._evaluator.encoder or Encoder.of(self.game)
        by_area = [scored_by_area(position) for position in positions]
        return self._evaluator.auxiliary(encoder.inputs_of(by_area))


def search_config(
    simulations: int, options: SearchOptions | None = None, *, rave: bool = False
) -> SearchConfig:
    """The search's settings for a number of simulations.

    PUCT can be stopped at any time; sequential halving needs to know its budget. With RAVE for an
    evaluator whose playouts leave traces.
    """
    options = options or SearchOptions()
    leaves = min(max(simulations // SIMULATIONS_PER_LEAF, 1), LEAVES_PER_TREE)
    puct = RAVE if rave else PuctConfig()
    if options.c_puct is not None:
        puct = replace(puct, c_init=options.c_puct)
    if options.fpu_reduction is not None:
        puct = replace(puct, fpu_reduction=options.fpu_reduction)
    return SearchConfig(
        policy="puct",
        simulations=simulations,
        leaves_per_tree=options.leaves or leaves,
        puct=puct,
    )


def make_engine(
    game: Game, options: EngineOptions, report: Callable[[str], None], *, keep_tree: bool = False
) -> Engine:
    """Make the engine for a game as the options say; their `game` is not read.

    Without a network the engine plays with the game's tactics or with random rollouts, and
    `report` is told. Raises UserError.
    """
    evaluator, source = find_evaluator(game, options.network, options.device, options.threads)
    evaluator = cached(evaluator, game, memory=options.cache)
    simulations = options.simulations or NETWORK_SIMULATIONS
    if not evaluator.uses_planes:
        simulations = options.simulations or ROLLOUT_SIMULATIONS
        is_player = evaluator.player and not options.level and not options.seconds
        how = f"{source} ({evaluator.player}:{simulations})" if is_player else source
        report(f"no trained network for {game.title}: playing with {how}")
    return Engine(
        game,
        evaluator,
        source,
        simulations=simulations,
        seconds=options.seconds,
        level=options.level,
        seed=options.seed,
        keep_tree=keep_tree,
    )


def find_evaluator(
    game: Game, network: str | None, device: str = "auto", threads: int = 1
) -> tuple[Evaluator, str]:
    """The evaluator with the network at a path, or with the package's own, and its name for people.

    Without a network: the game's tactics or random rollouts. Raises UserError.
    """
    path = find.pretrained(game) if network is None else network
    if path is None:
        return without_network(game)
    source = "the package's network" if network is None else f"the network {network}"
    return find.evaluator(game, path, device=device, threads=threads), source
