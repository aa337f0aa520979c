"""Monte Carlo tree search: many positions at once, each in its own tree, in one batch of leaves.

    search = Search(game, evaluator, config, trees=64)
    search.begin(tree, position, seed=1)      # for every tree
    for tree in search.step(): ...            # those that have had their simulations
        result = search.result(tree)
        search.advance(tree, result.best)     # or begin the next game

Trees are not in lockstep: one that has finished makes its move and goes on while the others search,
so the batch stays full. Where the evaluator's device works on its own (`Evaluator.pipelines`), the
trees are halved, and one half is selected while the device has the other. Several threads may do
that, each in trees of its own. Neither changes a result: a tree has its own random numbers, and
every batch is answered row by row.
"""

import functools
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from alphazero.config import SearchConfig
from alphazero.errors import UserError
from alphazero.game import Game, Position
from alphazero.network.encoder import Encoder
from alphazero.network.evaluator import UNDECIDED, Evaluation, Evaluator, cached
from alphazero.search import result as result_kernels
from alphazero.search import root as root_kernels
from alphazero.search import simulate as leaf_kernels
from alphazero.search import solver as ending_kernels
from alphazero.search import tree as tree_kernels
from alphazero.search.layout import (
    EXPANDED,
    NOTHING,
    ROOT,
    RULES,
    UNKNOWN,
    allocate,
    grown,
    room_for_edges,
    room_for_links,
)
from alphazero.search.pipelines import Pipeline, Pool, Section, divide
from alphazero.search.result import LONGEST_LINE, SearchResult, read_result
from alphazero.search.solver import Ending

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
    ) -> None:
        """`pipelines` is how many parts the trees are divided into; None: as the evaluator says.
        Each is searched by so many threads, which end with the search."""
        self.game = game
        self.config = config
        evaluator = cached(evaluator, game, config.nn_cache_size)
        _require_traces(evaluator, config.puct.rave_equivalence)
        encoder = evaluator.encoder or Encoder.of(game)
        self.evaluator = evaluator
        self.rows_evaluated = 0  # of all batches so far
        self.batches = 0
        capacity = 2 * config.simulations + config.leaves_per_tree + 2
        self._trees = allocate(
            trees, capacity, game.num_actions, game.max_legal, amaf=config.puct.rave_equivalence > 0
        )
        _set_rules(self._trees.rules[0], config)
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
        self._step_leaves = _step_leaves(game, encoder)
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

    @property
    def num_trees(self) -> int:
        return len(self._states)

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
        """Search a position in a fresh tree. `noise` makes the root explore, as in self-play.

        Raises ValueError if the game is over or the tree is still searching.
        """
        self._require_idle(tree, position)
        self._trees.heads[tree]["rng"] = np.uint64(seed % 2**64)
        self._reset(tree, position)
        self._want(tree, simulations, noise)

    def advance(
        self,
        tree: int,
        position: Position,
        *,
        simulations: int | None = None,
        noise: bool = False,
    ) -> None:
        """Search the position after one more move, keeping what the tree knows of it.

        `position` is the one searched before with a single move made.
        Raises ValueError if the game is over or the tree is still searching.
        """
        self._require_idle(tree, position)
        trees = self._trees
        child = NOTHING
        if self.config.reuse_tree:
            child = root_kernels.expanded_child(trees, tree, position.moves[-1])
        if child == NOTHING:
            self._reset(tree, position)
            self._want(tree, simulations, noise)
            return
        kept = tree_kernels.reroot(trees, tree, child, self._kept, self._moved_to)
        self._states[tree, :kept] = self._states[tree, self._kept[:kept]]
        self._remember_history(tree, position)
        root_kernels.restore_logits(trees, tree)
        self._want(tree, simulations, noise)

    def restrict(self, tree: int, actions: Iterable[int]) -> None:
        """Have the coming search of a tree consider only these moves of its root, which has been
        evaluated (`begin` with 0 simulations, and `run`) and not searched yet.

        Raises ValueError if none of them is legal, or the tree is still searching.
        """
        self._require_idle(tree)
        allowed = np.zeros(self.game.num_actions, np.uint8)
        allowed[list(actions)] = 1
        if not root_kernels.restrict_root(self._trees, tree, allowed):
            raise ValueError("none of the moves to consider is legal here")

    def _require_idle(self, tree: int, position: Position | None = None) -> None:
        """Leaves under way would be backed up in a tree that is no longer theirs."""
        if self._trees.heads[tree]["active"]:
            raise ValueError(f"tree {tree} is still searching: stop it, and step until it is done")
        if position is not None and position.is_over:
            raise ValueError("cannot search: the game is over")

    def _reset(self, tree: int, position: Position) -> None:
        tree_kernels.add_root(self._trees, tree, position.to_play)
        self._states[tree, ROOT] = position.state
        self._remember_history(tree, position)

    def _remember_history(self, tree: int, position: Position) -> None:
        if self.game.uses_keys:
            self._history[tree, : len(position.keys)] = position.keys
            self._history_length[tree] = len(position.keys)

    def _want(self, tree: int, simulations: int | None, noise: bool) -> None:
        """Set what the coming search of a tree may spend, and make room for it."""
        budget = self.config.simulations if simulations is None else simulations
        trees = self._trees
        self._make_room(int(trees.heads[tree]["num_nodes"]) + budget + 1, budget)
        trees = self._trees
        root_kernels.begin_search(trees, tree, budget, noise)

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
            self._kept = np.zeros(capacity, np.int32)
            self._moved_to = np.zeros(capacity, np.int32)
        if self.config.policy == "gumbel" and simulations > trees.schedule.shape[1]:
            self._trees = trees._replace(schedule=grown(trees.schedule, simulations))

    # -- searching ---------------------------------------------------------------------------------

    def step(self) -> list[int]:
        """Advance active trees by a batch of leaves: all of them, or the part whose turn it is, so
        that whatever is done with those that finished does not leave the device without work.
        Returns the trees that finished.

        After an exception from the evaluator, or Ctrl-C, nothing more can be searched here.
        """
        assert not self._in_step, "a step was interrupted: begin with a new Search"
        self._in_step = True
        pipeline = self._next_pipeline()
        self._advance(pipeline)
        self._in_step = False
        return pipeline.finished()

    def run(self) -> None:
        """Search until every tree has finished."""
        while self._trees.heads["active"].any():
            self.step()

    def stop(self, tree: int) -> None:
        """Have a tree finish with the simulations it has begun."""
        if self._trees.heads[tree]["active"]:
            head = self._trees.heads[tree]
            head["budget"] = head["started"]

    def extend(self, tree: int, simulations: int) -> None:
        """Let a tree that has finished go on; a Gumbel root begins a new round of halving.

        Raises ValueError if the tree is still searching.
        """
        self._require_idle(tree)
        self._want(tree, simulations, bool(self._trees.heads[tree]["noise"]))

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

    def _advance(self, pipeline: Pipeline) -> None:
        """Take the evaluator's answer for a pipeline, select its next leaves and send them off."""
        answer = self._no_answer
        if pipeline.wait is not None:
            answer = pipeline.wait()
            pipeline.wait = None
            # Compiled code checks no bounds.
            assert answer.logits.shape == (pipeline.rows, self.game.num_actions), "wrong logits"
            assert answer.wdl.shape == (pipeline.rows, 3), "wrong values"
            assert answer.known is None or answer.known.shape == (pipeline.rows,), "wrong results"
        self._pool.each(functools.partial(self._work, pipeline, answer), pipeline.sections)
        rows = pipeline.close_gaps()
        if rows:
            self.rows_evaluated += rows
            self.batches += 1
            pipeline.wait = self.evaluator.submit(pipeline.asked())

    def _work(self, pipeline: Pipeline, answer: Evaluation, section: Section) -> None:
        """One thread's part of a step. It writes what belongs to its section's trees and nothing
        else; what others read stays as it is."""
        trees = section.with_scratch(self._trees)
        section.finished[0] = 0
        section.leaves = leaf_kernels.advance(
            trees,
            section.batch,
            section.leaves,
            answer.logits,
            answer.value,
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
        """Whether the root's result is proven."""
        return self._trees.nodes[tree, ROOT]["proven"] != UNKNOWN

    def result(self, tree: int) -> SearchResult:
        """What the search of a tree has found so far. Raises ValueError before the root has been
        evaluated."""
        if self._trees.nodes[tree, ROOT]["status"] != EXPANDED:
            raise ValueError("the search has not begun: step it first")
        return read_result(self._trees, tree)

    def line(self, tree: int, action: int) -> tuple[list[int], list[int]]:
        """What the search of a tree expects to be played, beginning with this move of the root, and
        the visits of each move; empty if it is not considered."""
        line, visits = np.empty((2, LONGEST_LINE), np.int32)
        length = result_kernels.variation(self._trees, tree, action, line, visits)
        return line[:length].tolist(), visits[:length].tolist()

    def depth(self, tree: int) -> tuple[float, int]:
        """How many moves the simulations in a tree have gone from its root: on average, at most."""
        nodes = self._trees.nodes[tree, : int(self._trees.heads[tree]["num_nodes"])]
        depth = np.empty(len(nodes), np.int32)
        deepest = int(ending_kernels.measure_depth(self._trees, tree, depth))
        return float(nodes["visits"][1:].sum() / max(int(nodes["visits"][0]) - 1, 1)), deepest

    def endings(self, tree: int) -> dict[int, Ending]:
        """The moves of the root that are proven to win or to lose, and how soon they do."""
        nodes = self._trees.nodes[tree, : int(self._trees.heads[tree]["num_nodes"])]
        plies = np.empty(len(nodes), np.int32)
        ending_kernels.measure_plies(self._trees, tree, plies)
        line, visits = np.empty((2, LONGEST_LINE), np.int32)
        found = {}
        for child in np.flatnonzero((nodes["parent"] == ROOT) & (plies != ending_kernels.NEVER)):
            action = int(nodes["action"][child])
            length = ending_kernels.proven_line(self._trees, tree, plies, action, line, visits)
            moves, theirs = line[:length].tolist(), visits[:length].tolist()
            found[action] = Ending(int(plies[child]) + 1, moves, theirs)
        return found

    def memory_per_node(self) -> float:
        """Bytes that a node takes on average: itself, its state, its edges, the links to it."""
        trees = self._trees
        count = int(trees.heads["num_nodes"].sum())
        amaf = trees.amaf.nbytes // (len(trees.amaf) * max(trees.amaf.shape[1], 1))
        nodes = count * (trees.nodes.itemsize + self._states.itemsize + amaf)
        edges = int(trees.heads["num_edges"].sum()) * trees.edges.itemsize
        links = int(trees.heads["num_links"].sum()) * trees.links.itemsize
        return (nodes + edges + links) / max(count, 1)


@functools.cache
def _step_leaves(game: Game, encoder: Encoder) -> Callable[..., int]:
    """Compiled once per game and encoder, and not for every search."""
    return game.bind(leaf_kernels.step_leaves, encode=encoder.encode)


def _require_traces(evaluator: Evaluator, rave: float) -> None:
    """Raises UserError where RAVE would have nothing to go by."""
    if rave and not evaluator.traces:
        raise UserError(
            f"search.puct.rave_equivalence = {rave}: the {evaluator.name} evaluator does not play"
            " games to the end, whose moves could be counted"
        )


def _set_rules(rules: np.record, config: SearchConfig) -> None:
    """Fill in RULES, whose fields are called as the settings are."""
    settings = {**vars(config), **vars(config.puct), **vars(config.gumbel)}
    for name in RULES.names or ():
        rules[name] = config.policy == "gumbel" if name == "gumbel" else settings[name]


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
