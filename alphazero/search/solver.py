"""How deep a tree reaches, and how many moves a proven result is away.

The solver proves who wins and not how soon. Once it has, every proven node has a distance: a win is
one move more than the nearest of the moves that win, a loss one more than the farthest of all. So
far the tree shows it can be done, though a quicker win may not have been looked at.
"""

from typing import NamedTuple

import numpy as np

from alphazero.game.jit import borrowing
from alphazero.search.layout import LOSS, NOTHING, ROOT, TERMINAL, UNKNOWN, WIN
from alphazero.search.result import SearchResult
from alphazero.search.tree import child_at, value_for

NEVER = -1  # not proven to be won or lost, or nobody knows how soon


class Ending(NamedTuple):
    """How a move of the root leads to a proven result: the winner is quick and the loser slow."""

    plies: int  # to the end, the move itself included
    moves: list[int]  # by which it comes about, the first LONGEST_LINE of them
    visits: list[int]  # of these moves


def quickest(result: SearchResult, endings: dict[int, Ending]) -> int:
    """The move to play: of those that win in the quickest way, of those that lose in the slowest
    one, else the search's choice."""
    if result.proven == 1:
        rows = [result.index(action) for action in endings]
        wins = [int(result.actions[row]) for row in rows if result.q[row] == 1]
        return min(wins, key=lambda action: endings[action].plies, default=result.best)
    if result.proven == -1 and endings:
        return max(endings, key=lambda action: endings[action].plies)
    return result.best


@borrowing
def measure_plies(trees, t, plies):
    """Fill plies int32 [N] with the moves from every node of tree `t` to the end that is proven, or
    NEVER."""
    nodes, links = trees.nodes[t], trees.links[t]
    for index in range(trees.heads[t].num_nodes - 1, -1, -1):  # children before their parents
        node = nodes[index]
        plies[index] = NEVER
        if node.proven != WIN and node.proven != LOSS:
            continue
        if node.status == TERMINAL:
            plies[index] = 0
            continue
        found, is_known = NEVER, True
        for i in range(node.num_children):
            child = np.int64(links[node.first_link + i])
            if nodes[child].proven == UNKNOWN:
                continue
            if value_for(node.to_play, nodes[child], nodes[child].proven) != node.proven:
                continue
            if plies[child] == NEVER:
                is_known = is_known and node.proven == WIN
            elif found == NEVER or (plies[child] < found) == (node.proven == WIN):
                found = plies[child]
        if found != NEVER and is_known:
            plies[index] = found + 1


@borrowing
def proven_line(trees, t, plies, action, out, visits):
    """Fill `out` with an action of the root and the moves by which a proven result comes about, the
    winner being quick and the loser slow, and `visits` with theirs; returns the length, 0 if
    nothing is proven of the action."""
    root = trees.nodes[t, ROOT]
    index = NOTHING
    for slot in range(root.num_children):
        if trees.edges[t, root.first_edge + slot].action == action:
            index = child_at(trees, t, ROOT, slot)
    length = 0
    while index != NOTHING and plies[index] != NEVER and length < out.shape[0]:
        node = trees.nodes[t, index]
        out[length], visits[length] = node.action, node.visits
        length += 1
        following = NOTHING
        for slot in range(node.num_children):
            child = child_at(trees, t, index, slot)
            if plies[child] == plies[index] - 1:
                result = value_for(
                    node.to_play, trees.nodes[t, child], trees.nodes[t, child].proven
                )
                if result == node.proven:
                    following = child
                    break
        index = following
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
