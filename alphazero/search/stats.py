"""Arithmetic of a node: its priors, values and visits, as every policy and the solver read them.

A value belongs to the player to move at the node where it is stored; `value_for` is the one place
where its sign changes, by comparing who is to move. Notation of the papers: N = visits, W = value
sum, Q = W / N, P = prior.
"""

import math
from typing import Any

import numpy as np

from alphazero.game.jit import borrowing
from alphazero.search.layout import LOSS, NOTHING, UNKNOWN, WIN

PRIOR_SCALE = 65535.0


@borrowing
def encode_prior(prior: float) -> Any:
    """A probability as 16 bits: the square root keeps small ones apart (relative error < 2 % above
    1e-6, < 2e-4 above 0.01)."""
    return np.uint16(math.sqrt(prior) * PRIOR_SCALE + 0.5)


@borrowing
def decode_prior(code: Any) -> float:
    """The probability that `encode_prior` stored."""
    root = code * (1.0 / PRIOR_SCALE)
    return root * root


@borrowing
def value_for(player: int, node: Any, value: float) -> float:
    """Turn a value for the player to move at `node` into the value for `player`."""
    return value if node.to_play == player else -value


@borrowing
def child_at(trees, t, index, slot):
    """The index of the child behind an edge of a node, or NOTHING."""
    node = trees.nodes[t, index]
    if slot >= node.num_children:
        return NOTHING
    return np.int64(trees.links[t, node.first_link + slot])


@borrowing
def node_value(node):
    """Q of a node for its player to move; 0 without visits."""
    return node.value_sum / max(node.visits, 1)


@borrowing
def child_value(node, child, virtual_loss):
    """Q of a child for the player to move at its parent `node`: its proven result, if it has one;
    otherwise each visit under way counts as `virtual_loss` losses."""
    if child.proven != UNKNOWN:
        return value_for(node.to_play, child, np.float64(child.proven))
    losses = virtual_loss * child.virtual
    total = value_for(node.to_play, child, child.value_sum) - losses
    return total / max(child.visits + losses, 1.0)


@borrowing
def result_draw(value):
    """The probability of a draw that goes with the value of a certain result: 1 for 0. A result
    between two whole ones counts as a draw by what it lacks to the nearer win or loss."""
    return 1.0 - abs(value)


@borrowing
def node_draw(node):
    """The mean probability of a draw over a node's visits; its proven result, if it has one. The
    same for both players; 0 without visits."""
    if node.proven != UNKNOWN:
        return result_draw(np.float64(node.proven))
    return node.draw_sum / max(node.visits, 1)


@borrowing
def fill_wdl(out, value, draw):
    """Fill out float32 [3] with the probabilities of a win, a draw and a loss for the player that
    `value`, the win less the loss, belongs to."""
    out[0] = max(0.5 * (1.0 - draw + value), 0.0)
    out[1] = draw
    out[2] = max(0.5 * (1.0 - draw - value), 0.0)


@borrowing
def proven_for(node, child):
    """A child's proven result for the player to move at its parent `node`, or UNKNOWN."""
    if child.proven == UNKNOWN:
        return UNKNOWN
    return np.int64(value_for(node.to_play, child, child.proven))


@borrowing
def mixed_value(trees, t, index, virtual_loss):
    """The value given to unvisited actions: the node's raw value mixed with the visited actions'
    prior-weighted Q (Danihelka et al. 2022, appendix D), and the visits of the most visited."""
    nodes, edges, links = trees.nodes[t], trees.edges[t], trees.links[t]
    node = nodes[index]
    first = node.first_edge
    visits = 0
    most = 0
    prior_sum = 0.0
    weighted = 0.0
    for slot in range(node.num_children):
        child = nodes[links[node.first_link + slot]]
        count = child.visits + child.virtual
        prior = decode_prior(edges[first + slot].prior) + 1e-12
        visits += count
        most = max(most, count)
        prior_sum += prior
        weighted += prior * child_value(node, child, virtual_loss)
    if visits == 0:
        return np.float64(node.raw_value), 0
    return (node.raw_value + visits * weighted / prior_sum) / (1 + visits), most


@borrowing
def most_visited(trees, t, index):
    """The slot of the move to play from a node: a proven win, else the most visited of those not
    proven lost, and of these the one with the highest Q, then the lowest action."""
    nodes, edges = trees.nodes[t], trees.edges[t]
    node = nodes[index]
    best, best_action, best_rank, best_visits, best_score = 0, 0, -2, -1, -np.inf
    for slot in range(node.num_edges):
        edge = edges[node.first_edge + slot]
        rank, visits = 0, 0
        score = decode_prior(edge.prior)
        child = child_at(trees, t, index, slot)
        if child != NOTHING:
            visits = nodes[child].visits
            if visits > 0:
                score = child_value(node, nodes[child], 0.0)
            rank = proof_rank(node, nodes[child])
        if goes_before(
            rank, visits, score, edge.action, best_rank, best_visits, best_score, best_action
        ):
            best, best_action = slot, edge.action
            best_rank, best_visits, best_score = rank, visits, score
    return best


@borrowing
def proof_rank(node, child):
    """1 for a move that is proven to win, -1 for one that is proven to lose, otherwise 0."""
    result = proven_for(node, child)
    return 1 if result == WIN else (-1 if result == LOSS else 0)


@borrowing
def goes_before(rank, visits, score, action, other_rank, other_visits, other_score, other_action):
    """Compare two moves: rank, then visits, then score decide, the higher first, then the lower
    action."""
    if rank != other_rank:
        return rank > other_rank
    if visits != other_visits:
        return visits > other_visits
    if score != other_score:
        return score > other_score
    return action < other_action
