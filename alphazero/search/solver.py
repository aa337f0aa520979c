"""Proven results: how they are backed up, what they mean for the policy, how far the end is.

MCTS-solver (Winands et al. 2008), extended to draws.

The solver proves who wins and not how soon. Every node proven won or lost has a distance: for a win
one move more than the nearest of the winning moves, for a loss one more than the farthest of all
moves. It is an upper bound: a quicker win may exist that was not searched.
"""

from typing import NamedTuple

import numpy as np

from alphazero.game.jit import borrowing
from alphazero.search.layout import LOSS, NOTHING, ROOT, TERMINAL, UNKNOWN, WIN
from alphazero.search.stats import child_at, proven_for, value_for

NO_DISTANCE = -1  # not proven to be won or lost, or the distance is unknown


class ProvenLine(NamedTuple):
    """The line from a move of the root to a proven result; the winner hurries, the loser delays."""

    plies: int  # to the end, the move itself included
    moves: list[int]  # the first LONGEST_LINE of them
    visits: list[int]  # of these moves


@borrowing
def prove(nodes, links, index):
    """Set a node's proven result if its children decide it: one win is enough, otherwise all must
    be proven."""
    node = nodes[index]
    best = LOSS
    complete = node.num_children == node.num_edges
    for i in range(node.num_children):
        child = nodes[links[node.first_link + i]]
        if child.proven == UNKNOWN:
            complete = False
            continue
        result = value_for(node.to_play, child, child.proven)
        if result == WIN:
            node.proven = WIN
            return
        best = max(best, result)
    if complete:
        node.proven = best


@borrowing
def exclude_decided(trees, t, rows, policy):
    """Set to -inf the entries of the root's moves that proofs rule out: all but wins where the root
    is won, and losses unless it is lost. policy float64 [M]; rows [A] as in `improved_policy`."""
    root = trees.nodes[t, ROOT]
    for slot in range(root.num_edges):
        result = UNKNOWN
        child = child_at(trees, t, ROOT, slot)
        if child != NOTHING:
            result = proven_for(root, trees.nodes[t, child])
        if (root.proven == WIN and result != WIN) or (root.proven != LOSS and result == LOSS):
            policy[np.int64(rows[trees.edges[t, root.first_edge + slot].action])] = -np.inf


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
