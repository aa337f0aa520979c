"""Selection: which edge a simulation takes at each node.

Notation of the papers: N = visits, W = value sum, Q = W / N, P = prior.
PUCT is AlphaZero's rule (Silver et al. 2018, supplement): argmax Q + c P sqrt(N_parent) / (1 + N),
with c growing with the logarithm of N_parent. Gumbel is Danihelka et al. 2022: sequential halving
at the root, and below it the action whose share of visits is furthest behind the improved policy.
"""

import math
from typing import NamedTuple

import numpy as np

from alphazero.jit import borrowing
from alphazero.search.tree import (
    LOSS,
    NOTHING,
    ROOT,
    UNKNOWN,
    decode_prior,
    value_for,
)


class Rules(NamedTuple):
    """The settings of a search as kernels see them; `SearchConfig` explains each."""

    gumbel: bool
    leaves_per_tree: int
    virtual_loss: float
    solver: bool
    symmetries: int  # how many a leaf chooses from; 1 = always the identity
    c_init: float
    c_base: float
    fpu_reduction: float
    root_fpu_reduction: float
    noise_total: float
    noise_weight: float
    considered: int
    c_visit: float
    c_scale: float


@borrowing
def select_edge(trees, t, index, rules):
    """The slot of the edge to follow from an expanded node."""
    if not rules.gumbel:
        return select_puct(trees, t, index, rules)
    if index == ROOT:
        return select_halving(trees, t, rules)
    return select_improved(trees, t, index, rules)


@borrowing
def child_value(node, child, virtual_loss):
    """Q of a visited edge for the player to move at its parent; each visit under way counts as so
    many losses."""
    if child.proven != UNKNOWN:
        return value_for(node.to_play, child, np.float64(child.proven))
    losses = virtual_loss * child.virtual
    total = value_for(node.to_play, child, child.value_sum) - losses
    return total / max(child.visits + losses, 1.0)


@borrowing
def select_puct(trees, t, index, rules):
    """argmax Q + c P sqrt(N) / (1 + n); ties go to the lowest action. Moves proven to lose are left
    alone, unless nothing else is there."""
    nodes, edges = trees.nodes[t], trees.edges[t]
    node = nodes[index]
    first = np.int64(node.first_edge)
    visits = node.visits + node.virtual - 1  # without the simulation that is choosing
    c = rules.c_init + math.log((visits + rules.c_base + 1.0) / rules.c_base)
    explore = c * math.sqrt(visits)
    best, best_action, best_score = 0, 0, -np.inf
    visited_prior = 0.0
    for slot in range(node.num_children):
        edge = edges[first + slot]
        child = nodes[edge.child]
        prior = decode_prior(edge.prior)
        visited_prior += prior
        q = child_value(node, child, rules.virtual_loss)
        if child.proven != UNKNOWN and q == LOSS:
            continue
        score = q + explore * prior / (1 + child.visits + child.virtual)
        if score > best_score or (score == best_score and edge.action < best_action):
            best, best_action, best_score = slot, edge.action, score
    if node.num_children < node.num_edges:
        slot = np.int64(node.num_children)
        edge = edges[first + slot]
        reduction = rules.root_fpu_reduction if index == ROOT else rules.fpu_reduction
        q = node.value_sum / max(node.visits, 1) - reduction * math.sqrt(visited_prior)
        score = q + explore * decode_prior(edge.prior)
        if score > best_score or (score == best_score and edge.action < best_action):
            best = slot
    return best


@borrowing
def mixed_value(trees, t, index, virtual_loss):
    """The value given to unvisited actions: the node's raw value mixed with the visited actions'
    prior-weighted Q (Danihelka et al. 2022, appendix D), and the visits of the most visited."""
    nodes, edges = trees.nodes[t], trees.edges[t]
    node = nodes[index]
    first = np.int64(node.first_edge)
    visits = 0
    most = 0
    prior_sum = 0.0
    weighted = 0.0
    for slot in range(node.num_children):
        edge = edges[first + slot]
        child = nodes[edge.child]
        count = child.visits + child.virtual
        prior = decode_prior(edge.prior) + 1e-12
        visits += count
        most = max(most, count)
        prior_sum += prior
        weighted += prior * child_value(node, child, virtual_loss)
    if visits == 0:
        return np.float64(node.raw_value), 0
    return (node.raw_value + visits * weighted / prior_sum) / (1 + visits), most


@borrowing
def boost(q, most, rules):
    """sigma(Q): how much a value adds to a logit; Q in [-1, 1] is first mapped to [0, 1]."""
    return (rules.c_visit + most) * rules.c_scale * 0.5 * (q + 1.0)


@borrowing
def select_improved(trees, t, index, rules):
    """Below the root: argmax pi'(a) - N(a) / (1 + sum N), where pi' is the prior policy improved by
    completed Q values. All unvisited actions share one boost, so only the best of them can win."""
    nodes, edges = trees.nodes[t], trees.edges[t]
    node = nodes[index]
    first = np.int64(node.first_edge)
    mixed, most = mixed_value(trees, t, index, rules.virtual_loss)
    rest_boost = boost(mixed, most, rules)
    highest = rest_boost
    for slot in range(node.num_children):
        child = nodes[edges[first + slot].child]
        trees.scratch[slot] = boost(child_value(node, child, rules.virtual_loss), most, rules)
        highest = max(highest, trees.scratch[slot])
    total = 0.0
    visits = 0
    rest_prior = 1.0
    for slot in range(node.num_children):
        edge = edges[first + slot]
        child = nodes[edge.child]
        prior = decode_prior(edge.prior)
        rest_prior -= prior
        visits += child.visits + child.virtual
        trees.scratch[slot] = prior * math.exp(trees.scratch[slot] - highest)
        total += trees.scratch[slot]
    rest_weight = math.exp(rest_boost - highest)
    total += max(rest_prior, 0.0) * rest_weight
    best, best_action, best_score = 0, 0, -np.inf
    for slot in range(node.num_children):
        edge = edges[first + slot]
        child = nodes[edge.child]
        if child.proven != UNKNOWN and value_for(node.to_play, child, child.proven) == LOSS:
            continue
        share = (child.visits + child.virtual) / (1.0 + visits)
        score = trees.scratch[slot] / total - share
        if score > best_score or (score == best_score and edge.action < best_action):
            best, best_action, best_score = slot, edge.action, score
    if node.num_children < node.num_edges:
        slot = np.int64(node.num_children)
        edge = edges[first + slot]
        score = decode_prior(edge.prior) * rest_weight / total
        if score > best_score or (score == best_score and edge.action < best_action):
            best = slot
    return best


@borrowing
def root_score(trees, t, slot, mixed, most, rules):
    """Gumbel + logit + sigma(completed Q) of a root edge."""
    edge = trees.edges[t, trees.nodes[t, ROOT].first_edge + slot]
    q = mixed
    if edge.child != NOTHING:
        q = child_value(trees.nodes[t, ROOT], trees.nodes[t, edge.child], rules.virtual_loss)
    logit = np.float64(trees.gumbel[t, edge.action] + trees.root_logits[t, edge.action])
    return logit + boost(q, most, rules)


@borrowing
def searched_visits(trees, t, slot):
    """Visits of a root edge in this search, those under way included, those inherited not."""
    edge = trees.edges[t, trees.nodes[t, ROOT].first_edge + slot]
    if edge.child == NOTHING:
        return 0
    child = trees.nodes[t, edge.child]
    return child.visits + child.virtual - trees.base_visits[t, edge.action]


@borrowing
def select_halving(trees, t, rules):
    """At the root: of the actions with as many visits as the schedule says, the best score."""
    root = trees.nodes[t, ROOT]
    mixed, most = mixed_value(trees, t, ROOT, rules.virtual_loss)
    wanted = trees.schedule[t, trees.started[t]]
    best, best_action, best_score = 0, 0, -np.inf
    fewest = np.int64(2**31)
    for slot in range(root.num_edges):
        visits = searched_visits(trees, t, slot)
        distance = abs(visits - wanted)  # 0 for those considered, unless virtual visits interfere
        if distance > fewest:
            continue
        score = root_score(trees, t, slot, mixed, most, rules)
        action = trees.edges[t, root.first_edge + slot].action
        if (
            distance < fewest
            or score > best_score
            or (score == best_score and action < best_action)
        ):
            best, best_action, best_score, fewest = slot, action, score, distance
    return best
