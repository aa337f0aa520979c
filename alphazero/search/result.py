"""The result of a search, read from its tree: policy, values, the line expected, the depth."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from alphazero.game.jit import borrowing, borrows
from alphazero.search.layout import EXPANDED, LOSS, NOTHING, ROOT, TERMINAL, UNKNOWN, WIN

# Stubs, in whose place `bind_policy` puts a policy's own kernels.
from alphazero.search.policies import choose, improved_policy
from alphazero.search.stats import (
    child_at,
    child_value,
    fill_wdl,
    node_draw,
    node_value,
    proven_for,
)

LONGEST_LINE = 64  # moves of an expected continuation
NO_DISTANCE = -1  # not proven to be won or lost, or the distance is unknown


class ProvenLine(NamedTuple):
    """The line from a move of the root to a proven result; the winner hurries, the loser delays."""

    plies: int  # to the end, the move itself included
    moves: list[int]  # the first LONGEST_LINE of them
    visits: list[int]  # of these moves


@dataclass(frozen=True)
class SearchResult:
    """The findings of a search. M legal actions, in ascending order; values are for the root's
    player to move."""

    actions: np.ndarray  # int32 [M]
    visits: np.ndarray  # int32 [M]
    q: np.ndarray  # float32 [M], nan where unvisited
    move_wdl: np.ndarray  # float32 [M, 3]: win, draw, loss after each move; nan where unvisited
    prior: np.ndarray  # float32 [M], the evaluator's, before noise
    policy: np.ndarray  # float32 [M], sums to 1: the training target
    value: float  # of the position, in [-1, 1]
    wdl: np.ndarray  # float32 [3]: win, draw, loss of the position; win - loss is its value
    proven: int | None  # -1, 0 or 1 if the search has solved the position
    best: int  # the action to play
    pv: list[int]  # the line expected, beginning with `best`
    simulations: int  # done in this search

    def index(self, action: int) -> int:
        """The row of an action. Raises ValueError if it is not legal here."""
        rows = np.flatnonzero(self.actions == action)
        if not len(rows):
            raise ValueError(f"action {action} is not legal in the position searched")
        return int(rows[0])

    def sample(self, temperature: float, rng: np.random.Generator) -> int:
        """An action drawn from policy ** (1 / temperature); `best` at temperature 0."""
        if temperature <= 0.0:
            return self.best
        weights = (self.policy / self.policy.max()).astype(np.float64) ** (1.0 / temperature)
        below = weights.cumsum()  # faster than numpy's own `choice`
        return int(self.actions[below.searchsorted(below[-1] * rng.random(), side="right")])

    def quickest(self, proven_lines: dict[int, ProvenLine]) -> int:
        """The action to play by `Search.proven_lines`: of proven wins the quickest, in a lost
        position the slowest loss, else `best`."""
        if self.proven == 1:
            wins = [action for action in proven_lines if self.q[self.index(action)] == 1]
            return min(wins, key=lambda action: proven_lines[action].plies, default=self.best)
        if self.proven == -1 and proven_lines:
            return max(proven_lines, key=lambda action: proven_lines[action].plies)
        return self.best


@borrows
def read_root(trees, t, actions, visits, q, move_wdl, priors, policy, wdl):
    """Fill a row for every legal action of the root, which has been evaluated, in ascending order.
    Returns the root's value for its player to move, its result if proven, and the simulations done.

    actions, visits int32 [M]; q float32 [M] and move_wdl float32 [M, 3] are for the root's player
    to move, nan where unvisited; priors float32 [M]; policy float64 [M] is the training target, the
    policy's own; wdl float32 [3] is the root's.
    """
    nodes, edges, rows = trees.nodes[t], trees.edges[t], trees.scratch
    root = nodes[ROOT]
    assert root.status == EXPANDED, "the root has not been evaluated"
    rank_actions(trees, t, rows)
    for slot in range(root.num_edges):
        action = np.int64(edges[root.first_edge + slot].action)
        row = np.int64(rows[action])
        actions[row] = action
        visits[row] = 0
        q[row] = np.nan
        move_wdl[row] = np.nan
        priors[row] = math.exp(np.float64(trees.root_actions[t, action].logit))
        child = child_at(trees, t, ROOT, slot)
        if child != NOTHING:
            visits[row] = nodes[child].visits
            value = child_value(root, nodes[child], 0.0) + 0.0  # never -0.0
            q[row] = value
            fill_wdl(move_wdl[row], value, node_draw(nodes[child]))
    improved_policy(trees, t, rows, priors, policy)  # the policy's
    value = node_value(root)
    if root.proven != UNKNOWN:
        value = np.float64(root.proven)
    fill_wdl(wdl, value, node_draw(root))
    return value, np.int64(root.proven), np.int64(trees.heads[t].done)


@borrowing
def rank_actions(trees, t, rows):
    """Set rows[action] to the place of each root action in ascending order. rows float64 [A]."""
    root, edges = trees.nodes[t, ROOT], trees.edges[t]
    rows[:] = -1.0
    for i in range(root.first_edge, root.first_edge + root.num_edges):
        rows[edges[i].action] = 0.0
    count = 0
    for action in range(rows.shape[0]):
        if rows[action] == 0.0:
            rows[action] = count
            count += 1


@borrows
def expected_line(trees, t, action, out, visits):
    """Fill `out` int32 [L] with an action of the root (NOTHING: the one to play) and the moves to
    play after it, as far as there are visits, and `visits` with theirs; returns the length, 0 if
    the root does not have the action."""
    root = trees.nodes[t, ROOT]
    slot = NOTHING
    for i in range(root.num_edges):
        if trees.edges[t, root.first_edge + i].action == action:
            slot = i
    if root.num_edges == 0 or (slot == NOTHING and action != NOTHING):
        return 0
    index = ROOT
    length = 0
    while length < out.shape[0]:
        if slot == NOTHING:
            slot = choose(trees, t, index)  # the policy's
        out[length] = trees.edges[t, trees.nodes[t, index].first_edge + slot].action
        index = child_at(trees, t, index, slot)
        visits[length] = 0 if index == NOTHING else trees.nodes[t, index].visits
        length += 1
        if index == NOTHING or trees.nodes[t, index].num_children == 0:
            break
        slot = NOTHING
    return length


@borrowing
def measure_depth(trees, t, depth):
    """Fill depth int32 [N] with the moves from the root of tree `t` to every node; returns the
    largest."""
    nodes = trees.nodes[t]
    deepest = 0
    depth[ROOT] = 0
    for index in range(1, trees.heads[t].num_nodes):
        depth[index] = depth[nodes[index].parent] + 1
        deepest = max(deepest, depth[index])
    return deepest


@borrowing
def measure_plies(trees, t, plies):
    """Fill plies int32 [N] with the moves from every node of tree `t` to the end that is proven, or
    NO_DISTANCE."""
    nodes, links = trees.nodes[t], trees.links[t]
    for index in range(trees.heads[t].num_nodes - 1, -1, -1):  # children before their parents
        node = nodes[index]
        plies[index] = NO_DISTANCE
        if node.proven != WIN and node.proven != LOSS:
            continue
        if node.status == TERMINAL:
            plies[index] = 0
            continue
        found, is_known = NO_DISTANCE, True
        for i in range(node.num_children):
            child = np.int64(links[node.first_link + i])
            if proven_for(node, nodes[child]) != node.proven:
                continue
            if plies[child] == NO_DISTANCE:
                is_known = is_known and node.proven == WIN
            elif found == NO_DISTANCE or (plies[child] < found) == (node.proven == WIN):
                found = plies[child]
        if found != NO_DISTANCE and is_known:
            plies[index] = found + 1


@borrowing
def proven_line(trees, t, plies, action, out, visits):
    """Fill `out` int32 [L] with an action of the root and the moves that lead to its proven result,
    and `visits` with theirs; returns the length, 0 if nothing is proven of the action.

    plies int32 [N] are those of `measure_plies`.
    """
    root = trees.nodes[t, ROOT]
    index = NOTHING
    for slot in range(root.num_children):
        if trees.edges[t, root.first_edge + slot].action == action:
            index = child_at(trees, t, ROOT, slot)
    length = 0
    while index != NOTHING and plies[index] != NO_DISTANCE and length < out.shape[0]:
        node = trees.nodes[t, index]
        out[length], visits[length] = node.action, node.visits
        length += 1
        following = NOTHING
        for slot in range(node.num_children):
            child = child_at(trees, t, index, slot)
            same = proven_for(node, trees.nodes[t, child]) == node.proven
            if same and plies[child] == plies[index] - 1:
                following = child
                break
        index = following
    return length
