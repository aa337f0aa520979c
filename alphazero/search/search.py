"""Monte Carlo tree search: many positions at once, each in its own tree, in one batch of leaves.

    search = Search(game, evaluator, config, trees=64)
    search.begin(tree, position, seed=1)      # for every tree
    for tree in search.step(): ...            # those that have had their simulations
        result = search.result(tree)
        position.play(result.best)
        search.reroot(tree, position)         # or begin the next game

Trees are not in lockstep: one that has finished makes its move and goes on while the others search,
so the batch stays full. Where the evaluator works on its own, on a device or in other threads
(`Evaluator.pipelines`), the trees are divided, and one part is selected while it has the others.
Several threads may do that, each in trees of its own. Neither changes a result: a tree has its own
random numbers, and every batch is answered row by row.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from alphazero.config import SearchConfig
from alphazero.errors import UserError
from alphazero.game import Game, Position
from alphazero.network.encoder import Encoder
from alphazero.network.evaluator import UNDECIDED, Evaluation, Evaluator, cached
from alphazero.search.layout import (
    EXPANDED,
    NOTHING,
    ROOT,
    SETTINGS,
    UNKNOWN,
    add_root,
    allocate,
    grown,
    room_for_edges,
    room_for_links,
)
from alphazero.search.pipelines import Pipeline, Pool, Section, divide
from alphazero.search.policies import POLICIES, bind_policy, policy_name
from alphazero.search.result import (
    LONGEST_LINE,
    ProvenLine,
    SearchResult,
    expected_line,
    measure_depth,
    measure_plies,
    proven_line,
    read_root,
)
from alphazero.search.root import begin_search, reroot, restrict_root
from alphazero.search.score import Average, Predictions
from alphazero.search.simulate import bind_backup_and_select, step_leaves

__all__ = ["Search", "SearchResult", "search_many"]


class Search:
    """Trees for several positions of one game, searched together."""

    def __init__(
        self,
        game: Game,
        evaluator: Evaluator,
        config: SearchConfig,
        trees: int = 1,
        *,
        pipelines: int | None = None,
        threads: int = 1,
        predictions: tuple[str, ...] = (),
    ) -> None:
        """`pipelines` is the number of parts that the trees are divided into; None: as the
        evaluator says. Each is searched by `threads` threads, which end with the search. Of the
        evaluator's `predictions` SCORE, perhaps with OWNERSHIP, are kept for `averages`.

        Raises ValueError for an evaluator of another game or one that does not predict these,
        UserError for settings that it cannot serve."""
        self.game = game
        self.config = config
        evaluator = cached(evaluator, game, config.nn_cache_size)
        _require_traces(evaluator, config.puct.rave_equivalence)
        encoder = evaluator.encoder or Encoder.of(game)
        _require_fit(game, evaluator, encoder)
        self.evaluator = evaluator
        self.rows_evaluated = 0  # of all batches so far
        self.batches = 0
        self._policy = POLICIES[policy_name(config)]
        self._kernels = _kernels(policy_name(config))
        capacity = 2 * config.simulations + config.leaves_per_tree + 2
        self._trees = allocate(
            trees, capacity, game.num_actions, game.max_legal, amaf=self._policy.USES_AMAF
        )
        _fill_settings(self._trees.settings[0], config)
        self.predictions = predictions  # names of those that are kept
        self._predictions: Predictions | None = None
        if predictions:
            self._predictions = Predictions(game, evaluator, predictions, trees, capacity)
        self._states = np.zeros((trees, capacity), game.state)
        plies = game.max_plies + 2 if game.uses_keys else 1
        self._history = np.zeros((trees, plies), np.uint64)
        self._history_length = np.zeros(trees, np.int32)
        symmetries = encoder.symmetries
        self._points = np.ascontiguousarray(symmetries.points)
        self._symmetries = 1
        if config.symmetry and evaluator.uses_planes:
            self._symmetries = len(symmetries.points)
        self._inverse_actions = np.ascontiguousarray(symmetries.inverse_actions)
        self._step_leaves = game.bind(step_leaves, encode=encoder.encode)
        self._no_answer = Evaluation(
            np.zeros((1, game.num_actions), np.float32), np.zeros((1, 3), np.float32)
        )
        self._pool = Pool(threads)
        self._pipelines = [
            Pipeline(game, encoder, part, config.leaves_per_tree, threads)
            for part in divide(range(trees), pipelines or evaluator.pipelines)
        ]
        self._no_firsts = np.zeros((1, 0), np.int8)
        self._undecided = np.full(trees * config.leaves_per_tree, UNDECIDED, np.int8)
        self._in_step = False
        self._kept = np.zeros(capacity, np.int32)
        self._moved_to = np.zeros(capacity, np.int32)
        # Of each tree, the moves that led to the position searched last, and its key.
        self._searched: list[tuple[list[int], int] | None] = [None] * trees

    @property
    def num_trees(self) -> int:
        return len(self._states)

    def compile(self) -> None:
        """Compile the kernels that know no game, before a search begins; the rules are not used."""
        trees, root = self._trees, self._trees.nodes[0, ROOT]
        self.step()  # no tree is active
        add_root(trees, 0, 0)
        self._kernels.begin_search(trees, 0, 0, False)
        trees.heads[0]["active"] = False
        root["status"], root["num_edges"] = EXPANDED, 1  # of one move, not searched
        self.result(0)
        self.depth(0)
        self.proven_lines(0)
        line, visits = np.empty((2, LONGEST_LINE), np.int32)
        proven_line(trees, 0, np.zeros(1, np.int32), 0, line, visits)
        self.restrict(0, [0])
        reroot(trees, 0, 0, self._kept, self._moved_to)
        add_root(trees, 0, 0)

    # -- beginning a search ------------------------------------------------------------------------

    def begin(
        self,
        tree: int,
        position: Position,
        *,
        seed: int,
        simulations: int | None = None,
        noise: bool = False,
    ) -> None:
        """Search a position in a fresh tree. `noise` makes the root explore, as in self-play;
        `simulations` None: as the settings say.

        Raises ValueError if the position is of another game or its game is over, `simulations` is
        negative, or the tree is still searching.
        """
        self._require_idle(tree)
        self._require_searchable(position)
        budget = self._budget(simulations)
        self._trees.heads[tree]["rng"] = np.uint64(seed % 2**64)
        self._reset(tree, position)
        self._begin_search(tree, budget, noise)

    def reroot(
        self,
        tree: int,
        position: Position,
        *,
        simulations: int | None = None,
        noise: bool = False,
    ) -> None:
        """Search the position after one more move, keeping the move's subtree.

        `position` is the one searched before with exactly one move made since. `simulations` are
        those of the new search, besides the visits kept.
        Raises ValueError if it is not, and as `begin` does.
        """
        self._require_idle(tree)
        self._require_searchable(position)
        self._require_one_move(tree, position)
        budget = self._budget(simulations)
        kept = 0
        if self.config.reuse_tree:
            kept = reroot(self._trees, tree, position.moves[-1], self._kept, self._moved_to)
        if kept == 0:
            self._reset(tree, position)
        else:
            self._states[tree, :kept] = self._states[tree, self._kept[:kept]]
            if self._predictions is not None:
                self._predictions.keep(tree, self._kept[:kept])
            self._remember(tree, position)
        self._begin_search(tree, budget, noise)

    def restrict(self, tree: int, actions: Iterable[int]) -> None:
        """Have the coming search of a tree consider only these moves of its root, which has been
        evaluated (`begin` with 0 simulations, and `run`) and not searched yet.

        Raises ValueError if none of them is legal, or the tree is still searching.
        """
        self._require_idle(tree)
        allowed = np.zeros(self.game.num_actions, np.uint8)
        allowed[list(actions)] = 1
        if not restrict_root(self._trees, tree, allowed):
            raise ValueError("none of the moves to consider is legal here")

    def extend(self, tree: int, simulations: int) -> None:
        """Continue the search of a tree that has finished; a Gumbel root begins a new round of
        halving.

        Raises ValueError if `simulations` is negative or the tree is still searching.
        """
        self._require_idle(tree)
        noise = bool(self._trees.heads[tree]["noise"])
        self._begin_search(tree, self._budget(simulations), noise)

    def _require_idle(self, tree: int) -> None:
        """Leaves under way would be backed up in a tree that is no longer theirs."""
        if self.is_active(tree):
            raise ValueError(f"tree {tree} is still searching: stop it, and step until it is done")

    def _require_searchable(self, position: Position) -> None:
        if not _is_same_game(position.game, self.game):
            raise ValueError(
                f"cannot search a position of {position.game.spec}:"
                f" this search was made for {self.game.spec}"
            )
        if position.is_over:
            raise ValueError("cannot search: the game is over")

    def _require_one_move(self, tree: int, position: Position) -> None:
        searched = self._searched[tree]
        if searched is None:
            raise ValueError(f"nothing has been searched in tree {tree}: begin a search first")
        moves, key = searched
        if position.moves[:-1] != moves or len(position.moves) != len(moves) + 1:
            raise ValueError(
                f"cannot keep tree {tree}: the position must be the one searched last"
                f" ({len(moves)} moves) and exactly one move more; it has {len(position.moves)}"
                " moves. Begin a new search instead"
            )
        if int(position.keys[-1]) != key:
            raise ValueError(
                f"cannot keep tree {tree}: the position before the last move is another one"
            )

    def _budget(self, simulations: int | None) -> int:
        budget = self.config.simulations if simulations is None else simulations
        if budget < 0:
            raise ValueError(f"simulations must be at least 0, not {budget}")
        return budget

    def _reset(self, tree: int, position: Position) -> None:
        add_root(self._trees, tree, position.to_play)
        self._states[tree, ROOT] = position.state
        self._remember(tree, position)

    def _remember(self, tree: int, position: Position) -> None:
        """Note what is searched in a tree, and the keys of earlier positions for repetition."""
        self._searched[tree] = (position.moves.copy(), position.key)
        if self.game.uses_keys:
            self._history[tree, : len(position.keys)] = position.keys
            self._history_length[tree] = len(position.keys)

    def _begin_search(self, tree: int, budget: int, noise: bool) -> None:
        """Make room for the simulations of a search, and have the tree begin it."""
        self._make_room(int(self._trees.heads[tree]["num_nodes"]) + budget + 1, budget)
        self._kernels.begin_search(self._trees, tree, budget, noise)

    def _make_room(self, nodes: int, simulations: int) -> None:
        trees = self._trees
        if nodes > trees.nodes.shape[1]:
            game, capacity = self.game, max(nodes, 2 * trees.nodes.shape[1])
            edges = room_for_edges(capacity, game.num_actions, game.max_legal)
            self._trees = trees = trees._replace(
                nodes=grown(trees.nodes, capacity),
                edges=grown(trees.edges, edges),
                links=grown(trees.links, room_for_links(capacity)),
                amaf=grown(trees.amaf, capacity if trees.amaf.shape[1] else 0),
            )
            self._states = grown(self._states, capacity)
            if self._predictions is not None:
                self._predictions.grow(capacity)
            self._kept = np.zeros(capacity, np.int32)
            self._moved_to = np.zeros(capacity, np.int32)
        if self._policy.USES_SCHEDULE and simulations > trees.schedule.shape[1]:
            self._trees = trees._replace(schedule=grown(trees.schedule, simulations))

    # -- searching ---------------------------------------------------------------------------------

    def step(self) -> list[int]:
        """Search active trees by a batch of leaves: all of them, or the part whose turn it is, so
        that the device has work while the caller looks at those that finished.
        Returns the trees that finished, in ascending order.

        After an exception from the evaluator, or Ctrl-C, nothing more can be searched here.
        """
        if self._in_step:  # also under `python -O`: the trees may be half written
            raise AssertionError("a step was interrupted: begin with a new Search")
        self._in_step = True
        pipeline = self._next_pipeline()
        self._step_pipeline(pipeline)
        self._in_step = False
        return pipeline.finished()

    def run(self) -> None:
        """Search until every tree has finished."""
        while self._trees.heads["active"].any():
            self.step()

    def is_active(self, tree: int) -> bool:
        """True while a tree is searching."""
        return bool(self._trees.heads[tree]["active"])

    def stop(self, tree: int) -> None:
        """Have a tree finish with the simulations it has begun."""
        if self.is_active(tree):
            head = self._trees.heads[tree]
            head["budget"] = head["started"]

    def _next_pipeline(self) -> Pipeline:
        """One with work to do and nothing under way, else the one that has waited longest."""
        turns = self._pipelines
        if len(turns) > 1:
            active = self._trees.heads["active"]
            idle = [p for p in turns if p.wait is None and active[p.first : p.end].any()]
            waiting = [p for p in turns if p.wait is not None]
            chosen = next(iter(idle + waiting), turns[0])
            turns.remove(chosen)
            turns.append(chosen)
        return turns[-1]

    def _step_pipeline(self, pipeline: Pipeline) -> None:
        """Take the evaluator's answer for a pipeline, select its next leaves and submit them."""
        answer = self._no_answer
        if pipeline.wait is not None:
            answer = pipeline.wait()
            pipeline.wait = None
            self._require_shapes(answer, pipeline.rows)
        if self._predictions is not None:
            for leaves in pipeline.leaves():
                self._predictions.record(leaves, answer.extra or {}, self._states, self._points)
        try:
            self._pool.each(
                functools.partial(self._step_section, pipeline, answer), pipeline.sections
            )
        except Exception as error:  # of a user's rules: their own, or an assert about them
            if self.game.is_shipped or str(error).startswith("the evaluator"):
                raise
            raise self.game.broken(str(error) or type(error).__name__) from error
        rows = pipeline.close_gaps()
        if rows:
            self.rows_evaluated += rows
            self.batches += 1
            pipeline.wait = self.evaluator.submit(pipeline.asked(self.predictions))

    def _require_shapes(self, answer: Evaluation, rows: int) -> None:
        """Check an answer before compiled code, which checks no bounds, reads it.

        Raises AssertionError, under `python -O` as well.
        """
        wide = (rows, self.game.num_actions)
        for what, array, shape in (
            ("logits", answer.logits, wide),
            ("values", answer.wdl, (rows, 3)),
            ("results", answer.known, (rows,)),
            ("firsts", answer.firsts, wide),
        ):
            if array is not None and array.shape != shape:
                raise AssertionError(f"wrong {what}: {array.shape}, not {shape}")

    def _step_section(self, pipeline: Pipeline, answer: Evaluation, section: Section) -> None:
        """One thread's part of a step. It writes only what belongs to its section's trees, and
        nothing that another section reads."""
        trees = section.with_scratch(self._trees)
        section.finished[0] = 0
        section.leaves = self._kernels.backup_and_select(
            trees,
            section.batch,
            section.leaves,
            answer.logits,
            np.ascontiguousarray(answer.wdl),  # one layout, for which the kernel is compiled
            self._undecided if answer.known is None else answer.known,
            self._no_firsts if answer.firsts is None else answer.firsts,
            self._inverse_actions,
            section.first,
            section.end,
            section.finished,
        )
        section.end_row = section.first_row
        if section.leaves:
            section.end_row = self._step_leaves(
                trees,
                self._states,
                section.batch,
                section.leaves,
                section.first_row,
                self._history,
                self._history_length,
                self._points,
                pipeline.states,
                self._symmetries,
                self.evaluator.uses_planes,
                self.evaluator.uses_states,
            )

    # -- reading -----------------------------------------------------------------------------------

    def simulations(self, tree: int) -> int:
        """Simulations done in this tree's present search."""
        return int(self._trees.heads[tree]["done"])

    def is_solved(self, tree: int) -> bool:
        """True if the root's result is proven."""
        return self._trees.nodes[tree, ROOT]["proven"] != UNKNOWN

    def result(self, tree: int) -> SearchResult:
        """The findings of a tree's search so far. Raises ValueError before the root has been
        evaluated."""
        root = self._trees.nodes[tree, ROOT]
        if root["status"] != EXPANDED:
            raise ValueError("the search has not begun: step it first")
        count = int(root["num_edges"])
        actions, visits = np.empty((2, count), np.int32)
        q, prior = np.empty((2, count), np.float32)
        move_wdl, wdl = np.empty((count, 3), np.float32), np.empty(3, np.float32)
        policy = np.empty(count)
        value, proven, simulations = self._kernels.read_root(
            self._trees, tree, actions, visits, q, move_wdl, prior, policy, wdl
        )
        line, _ = self.line(tree)
        return SearchResult(
            actions=actions,
            visits=visits,
            q=q,
            move_wdl=move_wdl,
            prior=prior,
            policy=policy.astype(np.float32),
            value=value,
            wdl=wdl,
            proven=None if proven == UNKNOWN else int(proven),
            best=line[0],
            pv=line,
            simulations=int(simulations),
        )

    def line(self, tree: int, action: int | None = None) -> tuple[list[int], list[int]]:
        """The line that the search of a tree expects, beginning with this move of the root (None:
        the one to play), and the visits of each move; empty if the root does not have the move."""
        first = NOTHING if action is None else action
        line, visits = np.empty((2, LONGEST_LINE), np.int32)
        length = self._kernels.expected_line(self._trees, tree, first, line, visits)
        return line[:length].tolist(), visits[:length].tolist()

    def depth(self, tree: int) -> tuple[float, int]:
        """How many moves the simulations in a tree have gone from its root: mean, maximum."""
        nodes = self._trees.nodes[tree, : int(self._trees.heads[tree]["num_nodes"])]
        depth = np.empty(len(nodes), np.int32)
        deepest = int(measure_depth(self._trees, tree, depth))
        return float(nodes["visits"][1:].sum() / max(int(nodes["visits"][0]) - 1, 1)), deepest

    def proven_lines(self, tree: int) -> dict[int, ProvenLine]:
        """The moves of the root that are proven to win or to lose, with the line to the end."""
        nodes = self._trees.nodes[tree, : int(self._trees.heads[tree]["num_nodes"])]
        plies = np.empty(len(nodes), np.int32)
        measure_plies(self._trees, tree, plies)
        line, visits = np.empty((2, LONGEST_LINE), np.int32)
        found = {}
        # Asked of every move, so that the kernel is not first compiled when something is proven.
        for child in np.flatnonzero(nodes["parent"] == ROOT):
            action = int(nodes["action"][child])
            length = proven_line(self._trees, tree, plies, action, line, visits)
            if length:
                found[action] = ProvenLine(
                    int(plies[child]) + 1, line[:length].tolist(), visits[:length].tolist()
                )
        return found

    def averages(self, tree: int) -> tuple[Average, dict[int, Average]]:
        """Score and ownership averaged over the visits of a tree's root, and of each of its moves
        with visits, by action; for the root's player to move.

        Raises ValueError if the search does not keep them, or has not evaluated the root.
        """
        if self._predictions is None or self._trees.nodes[tree, ROOT]["status"] != EXPANDED:
            raise ValueError("the search keeps no predictions, or has not begun")
        return self._predictions.averages(self._trees, tree)

    def finals(self, tree: int) -> dict[str, np.ndarray]:
        """The predictions that would be right if the game of a tree had ended at its root, float32
        [P] by name, for the player to move. Raises ValueError if the search keeps none."""
        if self._predictions is None:
            raise ValueError("the search keeps no predictions")
        found = self._predictions.finals(self._states[tree, ROOT : ROOT + 1])
        return {name: rows[0] for name, rows in found.items()}

    def memory_per_node(self) -> float:
        """Bytes that a node takes on average: itself, its state, its edges, the links to it."""
        trees = self._trees
        count = int(trees.heads["num_nodes"].sum())
        amaf = trees.amaf.nbytes // (len(trees.amaf) * max(trees.amaf.shape[1], 1))
        kept = 0 if self._predictions is None else self._predictions.memory_per_node
        nodes = count * (trees.nodes.itemsize + self._states.itemsize + amaf + kept)
        edges = int(trees.heads["num_edges"].sum()) * trees.edges.itemsize
        links = int(trees.heads["num_links"].sum()) * trees.links.itemsize
        return (nodes + edges + links) / max(count, 1)


class _Kernels(NamedTuple):
    """The kernels of a search that depend on its policy, bound to it."""

    begin_search: Callable[..., None]
    backup_and_select: Callable[..., int]
    read_root: Callable[..., tuple[float, int, int]]
    expected_line: Callable[..., int]


@functools.cache
def _kernels(policy: str) -> _Kernels:
    """Compiled once for a policy, whatever the game."""
    return _Kernels(
        begin_search=bind_policy(begin_search, policy),
        backup_and_select=bind_backup_and_select(policy),
        read_root=bind_policy(read_root, policy),
        expected_line=bind_policy(expected_line, policy),
    )


def kernels_of(config: SearchConfig) -> tuple[Callable[..., Any], ...]:
    """The kernels of a search with these settings that know no game."""
    return tuple(_kernels(policy_name(config)))


def _is_same_game(one: Game, other: Game) -> bool:
    return one is other or (one.spec == other.spec and one.state == other.state)


def _require_fit(game: Game, evaluator: Evaluator, encoder: Encoder) -> None:
    """Raises ValueError for an evaluator that was made for another game. Parameters that leave
    states and actions as they are, such as komi, make no other one."""
    made = evaluator.game
    if made is not None and (made.name, made.num_actions, made.state) != (
        game.name,
        game.num_actions,
        game.state,
    ):
        raise ValueError(
            f"cannot search {game.spec}: the {evaluator.name} evaluator was made for {made.spec}"
        )
    actions = encoder.symmetries.actions.shape[1]
    if actions != game.num_actions:
        raise ValueError(
            f"cannot search {game.spec}, which has {game.num_actions} actions: the encoder of the"
            f" {evaluator.name} evaluator knows {actions}"
        )


def _require_traces(evaluator: Evaluator, rave: float) -> None:
    """Raises UserError where RAVE would have no playouts to count."""
    if rave and not evaluator.traces:
        raise UserError(
            f"search.puct.rave_equivalence = {rave}: the {evaluator.name} evaluator does not play"
            " games to the end, whose moves could be counted"
        )


def _fill_settings(settings: np.record, config: SearchConfig) -> None:
    """Fill in SETTINGS, whose fields are named as those of the configuration."""
    values = {**vars(config), **vars(config.puct), **vars(config.gumbel)}
    for name in SETTINGS.names or ():
        settings[name] = values[name]


def search_many(
    game: Game,
    evaluator: Evaluator,
    config: SearchConfig,
    positions: Sequence[Position],
    seeds: Sequence[int],
    *,
    simulations: int | None = None,
) -> list[SearchResult]:
    """Search several unfinished positions at once, without noise."""
    search = Search(game, evaluator, config, len(positions))
    for tree, (position, seed) in enumerate(zip(positions, seeds, strict=True)):
        search.begin(tree, position, seed=seed, simulations=simulations)
    search.run()
    return [search.result(tree) for tree in range(len(positions))]
