"""Score and ownership in a search: predicted at every node, averaged over visits when read.

The evaluator predicts them together with a node's value, if a search is asked to keep them
(`Search(predictions=...)`); a finished game has its real ones. They lie beside the trees: backing
up and selecting neither read nor write them, and a search without them does nothing more.

The average of a node is over its visits, as its value is:

    visits * average = own visits * own prediction + sum over children of visits * average

where own visits are those that went no further. A position whose result is proven has the score
and the ownership of the end of its proven line, the one with the best score for both players.

Predictions are for the player to move at their node, averages for the player to move at the root.
Letters in shapes: T trees, N nodes, L leaves, P points, M children of the root.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from alphazero.game import Game
from alphazero.game.jit import borrowing
from alphazero.game.kernels import target_batch
from alphazero.network.evaluator import Evaluator
from alphazero.search.layout import NOTHING, ROOT, UNKNOWN, Trees, grown
from alphazero.search.stats import proven_for, value_for

SCORE, OWNERSHIP = "score", "ownership"  # auxiliary targets of a game, by name
OWNERSHIP_SCALE = 127  # in 8 bits, of a point that is surely the player's
BLOCK = 4096  # nodes whose ownership is added up at once


class Average(NamedTuple):
    """Score and ownership averaged over visits, and how much they vary among them."""

    visits: float
    score: float  # in the unit of the game's auxiliary target
    score_stdev: float
    ownership: np.ndarray | None  # float32 [P] in [-1, 1]; None if it is not kept
    ownership_stdev: np.ndarray | None  # float32 [P]


class Predictions:
    """Scores of all nodes of a search and, if it is asked for, the ownership of all points."""

    def __init__(
        self, game: Game, evaluator: Evaluator, names: tuple[str, ...], trees: int, nodes: int
    ) -> None:
        """`names` are SCORE, perhaps with OWNERSHIP. Raises ValueError for what the evaluator does
        not predict."""
        missing = [name for name in names if name not in evaluator.predicts]
        if missing or SCORE not in names:
            raise ValueError(f"the {evaluator.name} evaluator does not predict {missing or SCORE}")
        self.names = names
        points = math.prod(game.planes[1:]) if OWNERSHIP in names else 0
        self._targets: dict[str, Callable[..., None]] = {
            item.name: game.bind(target_batch, target=item.target)
            for item in game.auxiliary
            if item.name in names
        }
        self._score = np.zeros((trees, nodes), np.float32)
        self._ownership = np.zeros((trees, nodes, points), np.int8)

    @property
    def memory_per_node(self) -> int:
        """Bytes that a node takes."""
        return self._score.itemsize + self._ownership.shape[2]

    def grow(self, nodes: int) -> None:
        """Make room for so many nodes per tree."""
        self._score, self._ownership = grown(self._score, nodes), grown(self._ownership, nodes)

    def keep(self, tree: int, kept: np.ndarray) -> None:
        """Follow the nodes of a tree to new places: node i was node kept[i]."""
        for array in (self._score, self._ownership):
            array[tree, : len(kept)] = array[tree, kept]

    # -- at the leaves -----------------------------------------------------------------------------

    def record(
        self,
        leaves: np.ndarray,
        extra: dict[str, np.ndarray],
        states: np.ndarray,
        points: np.ndarray,
    ) -> None:
        """Note what the evaluator, or the end of a game, says of LEAF [L].

        extra float32 [rows, ...] are the evaluator's answers by name, states [T, N] those of all
        nodes, points [S, P] the symmetries.
        """
        ends = leaves["row"] == NOTHING
        if ends.any():
            place = leaves["tree"][ends], leaves["node"][ends]
            self._write(place, self.finals(states[place]))
        seen = leaves[~ends]
        if len(seen):
            answers = {name: extra[name][seen["row"]] for name in self.names}
            if OWNERSHIP in answers:
                upright = np.empty((len(seen), self._ownership.shape[2]), np.float32)
                turned = points[seen["symmetry"]]
                np.put_along_axis(upright, turned, answers[OWNERSHIP].reshape(turned.shape), axis=1)
                answers[OWNERSHIP] = upright
            self._write((seen["tree"], seen["node"]), answers)

    def _write(self, place: tuple[np.ndarray, np.ndarray], found: dict[str, np.ndarray]) -> None:
        self._score[place] = found[SCORE].ravel()
        if OWNERSHIP in found:
            self._ownership[place] = np.rint(OWNERSHIP_SCALE * found[OWNERSHIP])

    def finals(self, states: np.ndarray) -> dict[str, np.ndarray]:
        """The targets of games that ended in states [B], for the player to move there."""
        found = {}
        for name, target in self._targets.items():
            width = 1 if name == SCORE else self._ownership.shape[2]
            found[name] = np.zeros((len(states), width), np.float32)
            target(states, states, found[name])
        return found

    # -- reading -----------------------------------------------------------------------------------

    def averages(self, trees: Trees, tree: int) -> tuple[Average, dict[int, Average]]:
        """The averages of a tree's root, and of its moves with visits by their actions."""
        count = int(trees.heads[tree]["num_nodes"])
        nodes = trees.nodes[tree, :count]
        ends = self._score[tree, :count].astype(np.float64)
        weights = np.empty(count)
        lines, moves = np.empty((2, count), np.int32)
        assign_visits(trees, tree, ends, lines, weights, moves)
        signs = np.where(nodes["to_play"] == nodes["to_play"][ROOT], 1.0, -1.0)
        order = np.argsort(moves, kind="stable")  # the root, then move by move
        parts = np.split(order, np.flatnonzero(np.diff(moves[order])) + 1)
        sums = [self._sum(tree, part, weights[part], signs[part]) for part in parts]
        total = Sum(*(np.sum(column, axis=0) for column in zip(*sums, strict=True)))
        found = {}
        for part, one in zip(parts[1:], sums[1:], strict=True):
            if one.visits > 0:
                found[int(nodes["action"][part[0]])] = one.average()
        if lines[ROOT] != NOTHING:  # the root's result is proven by this move
            return found[int(nodes["action"][lines[ROOT]])], found
        return total.average(), found

    def _sum(self, tree: int, part: np.ndarray, weights: np.ndarray, signs: np.ndarray) -> "Sum":
        """Add up the predictions of some nodes, by index, with weights and signs."""
        scores = signs * self._score[tree, part]
        points = np.zeros((2, self._ownership.shape[2]))
        if points.size:
            for start in range(0, len(part), BLOCK):
                rows = slice(start, start + BLOCK)
                owners = self._ownership[tree, part[rows]] / np.float32(OWNERSHIP_SCALE)
                points[0] += (weights[rows] * signs[rows]).astype(np.float32) @ owners
                points[1] += weights[rows].astype(np.float32) @ owners**2
        first, second = float(weights @ scores), float(weights @ scores**2)
        return Sum(float(weights.sum()), first, second, *points)


class Sum(NamedTuple):
    """Sums over visits."""

    visits: float
    score: float
    score_squares: float
    ownership: np.ndarray  # [P]
    ownership_squares: np.ndarray  # [P]

    def average(self) -> Average:
        """The averages; at least one visit."""
        score = self.score / self.visits
        stdev = math.sqrt(max(self.score_squares / self.visits - score**2, 0.0))
        if not self.ownership.size:
            return Average(self.visits, score, stdev, None, None)
        mean = self.ownership / self.visits
        spread = np.sqrt(np.maximum(self.ownership_squares / self.visits - mean**2, 0.0))
        return Average(self.visits, score, stdev, mean, spread)


@borrowing
def assign_visits(trees, t, ends, lines, weights, moves):
    """Fill weights float64 [N] with the visits that went no further than a node, and moves int32
    [N] with the root's child that it is or is below; the root with itself.

    ends float64 [N] are the scores of the nodes, and become those of the proven lines, which begin
    with the children in lines int32 [N], NOTHING where nothing is proven. Below the root, all
    visits of a proven position count at the end of its line.
    """
    nodes, links = trees.nodes[t], trees.links[t]
    for index in range(trees.heads[t].num_nodes - 1, -1, -1):  # children before their parents
        node = nodes[index]
        lines[index] = NOTHING
        if node.proven == UNKNOWN:
            continue
        for i in range(node.num_children):
            child = np.int64(links[node.first_link + i])
            if proven_for(node, nodes[child]) == node.proven:
                score = value_for(node.to_play, nodes[child], ends[child])
                if lines[index] == NOTHING or score > ends[index]:
                    lines[index], ends[index] = child, score
    weights[ROOT], moves[ROOT] = nodes[ROOT].visits, ROOT
    for index in range(trees.heads[t].num_nodes):  # parents before their children
        node = nodes[index]
        visits = weights[index]
        line = NOTHING if index == ROOT else np.int64(lines[index])
        for i in range(node.num_children):
            child = np.int64(links[node.first_link + i])
            moves[child] = child if index == ROOT else moves[index]
            weights[child] = 0.0
            if visits > 0 and line == NOTHING:
                weights[child] = nodes[child].visits
            elif line == child:
                weights[child] = visits
            weights[index] -= weights[child]
