"""Proven results: how they are backed up, and what they mean for the policy.

MCTS-solver (Winands et al. 2008), extended to draws. It proves who wins and not how soon, which
`measure_plies` in `result.py` finds.
"""

import numpy as np

from alphazero.game.jit import borrowing
from alphazero.search.layout import LOSS, NOTHING, ROOT, UNKNOWN, WIN
from alphazero.search.stats import child_at, proven_for, value_for


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
