"""RAVE: a move is worth what simulations came to that made it later (Gelly and Silver 2011).

All moves as first (AMAF): at every node of a simulation's path, each action that the player to move
there made at some time from there on, in the tree or in the playout, counts as if it had been made
at once. These statistics are biased and plentiful; a move's own are neither. They are blended as

    beta AMAF + (1 - beta) Q,  beta = m / (n + m + m n / k)

with n visits and m of AMAF: the weight of least squared error (section 4.4 there) if AMAF's bias is
such that k visits of a move's own are as accurate as any number of AMAF's.

It pays where an action means much the same at any time of a game, as a stone on a point does.
All but `select` is PUCT's.
"""

import numpy as np

from alphazero.game.jit import borrowing
from alphazero.search.layout import EXPANDED, LOSS, NOTHING, UNKNOWN
from alphazero.search.policies import puct
from alphazero.search.policies.puct import exploration
from alphazero.search.stats import child_value, decode_prior, node_value, value_for

USES_AMAF = True
USES_SCHEDULE = False

prepare_root = puct.prepare_root
improved_policy = puct.improved_policy
choose = puct.choose

VISITS, SUM = 0, 1  # rows of a node's AMAF statistics


@borrowing
def select(trees, t, index):
    """argmax of the blend + c P sqrt(N) / (1 + n); ties go to the lowest action. A move without
    statistics counts as the node's value; one proven to lose is taken only where all moves are."""
    nodes, edges, links = trees.nodes[t], trees.edges[t], trees.links[t]
    node, settings = nodes[index], trees.settings[0]
    first = node.first_edge
    explore = exploration(node.visits + node.virtual - 1, settings)
    amaf_visits, amaf_sums = trees.amaf[t, index, VISITS], trees.amaf[t, index, SUM]
    best, best_action, best_score = 0, 0, -np.inf
    for slot in range(node.num_edges):
        edge = edges[first + slot]
        action = np.int64(edge.action)
        q, count, is_proven = node_value(node), 0.0, False
        if slot < node.num_children:
            child = nodes[links[node.first_link + slot]]
            q = child_value(node, child, settings.virtual_loss)
            count = np.float64(child.visits + child.virtual)
            is_proven = child.proven != UNKNOWN
            if is_proven and q == LOSS:
                continue
        seen = np.float64(amaf_visits[action])
        if seen > 0.0 and not is_proven:
            beta = seen / (count + seen + count * seen / settings.rave_equivalence)
            q += beta * (amaf_sums[action] / seen - q)
        score = q + explore * decode_prior(edge.prior) / (1.0 + count)
        if score > best_score or (score == best_score and action < best_action):
            best, best_action, best_score = slot, action, score
    return best


# -- statistics, which the search keeps for a policy that USES_AMAF --------------------------------


@borrowing
def clear_amaf(trees, t, index):
    """Start a node's statistics at zero."""
    trees.amaf[t, index] = 0.0


@borrowing
def recall_playout(trees, player, firsts):
    """Note in `scratch` who made an action first in a playout: 1 for the first player, -1 for the
    second, 0 for nobody. firsts int8 [A] is relative to `player`: 1 that one, -1 the other."""
    own = side(player)
    for action in range(firsts.shape[0]):
        trees.scratch[action] = own * firsts[action]


@borrowing
def backup_amaf(trees, t, leaf, value):
    """Count one simulation that ended at `leaf` with `value` (for the player to move there) and
    then went on with the playout noted in `scratch`."""
    nodes, made = trees.nodes[t], trees.scratch
    player = nodes[leaf].to_play
    index = leaf
    while index != NOTHING:
        node = nodes[index]
        if node.status == EXPANDED:
            own = side(node.to_play)
            worth = np.float32(value_for(player, node, value))
            visits, sums = trees.amaf[t, index, VISITS], trees.amaf[t, index, SUM]
            for action in range(made.shape[0]):
                hit = np.float32(made[action] == own)
                visits[action] += hit
                sums[action] += hit * worth
        parent = np.int64(node.parent)
        if parent != NOTHING:
            made[node.action] = side(nodes[parent].to_play)
        index = parent


@borrowing
def side(player):
    """A player as a sign."""
    return 1.0 if player == 0 else -1.0
