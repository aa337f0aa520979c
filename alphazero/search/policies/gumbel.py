"""Gumbel AlphaZero (Danihelka et al. 2022): sequential halving of sampled moves at the root, and
below it the move whose share of visits is furthest behind the improved policy.

The improved policy is softmax(logit + sigma(Q)), where Q of an unvisited move is the mixed value.
"""

import math

import numpy as np

from alphazero.game.jit import borrowing, random_float
from alphazero.search.layout import LOSS, NOTHING, ROOT
from alphazero.search.solver import exclude_decided
from alphazero.search.stats import (
    child_at,
    child_value,
    decode_prior,
    goes_before,
    mixed_value,
    most_visited,
    proof_rank,
    proven_for,
)

USES_AMAF = False
USES_SCHEDULE = True


@borrowing
def prepare_root(trees, t):
    """Draw the root's Gumbel noise, if it is to explore, and set the schedule of halving."""
    nodes, edges, actions = trees.nodes[t], trees.edges[t], trees.root_actions[t]
    root, head = nodes[ROOT], trees.heads[t]
    for slot in range(root.num_edges):
        entry = actions[edges[root.first_edge + slot].action]
        child = child_at(trees, t, ROOT, slot)
        entry.base_visits = nodes[child].visits if child != NOTHING else 0
        entry.gumbel = 0.0
        if head.noise:
            entry.gumbel = sample_gumbel(trees.heads["rng"], t)
    considered = min(trees.settings[0].max_num_considered_actions, np.int64(root.num_edges))
    fill_schedule(trees.schedule[t], considered, head.budget)


@borrowing
def select(trees, t, index):
    """Sequential halving at the root, the improved policy below it."""
    if index == ROOT:
        return select_halving(trees, t)
    return select_improved(trees, t, index)


@borrowing
def select_halving(trees, t):
    """At the root: the best score among the actions with as many visits as the schedule says."""
    root, edges = trees.nodes[t, ROOT], trees.edges[t]
    mixed, most = mixed_value(trees, t, ROOT, trees.settings[0].virtual_loss)
    wanted = trees.schedule[t, trees.heads[t].started]
    best, best_action, best_score = 0, 0, -np.inf
    fewest = np.int64(2**31)
    for slot in range(root.num_edges):
        visits = searched_visits(trees, t, slot)
        distance = abs(visits - wanted)  # 0 for those considered, unless virtual visits interfere
        if distance > fewest:
            continue
        score = root_score(trees, t, slot, mixed, most)
        action = edges[root.first_edge + slot].action
        if (
            distance < fewest
            or score > best_score
            or (score == best_score and action < best_action)
        ):
            best, best_action, best_score, fewest = slot, action, score, distance
    return best


@borrowing
def select_improved(trees, t, index):
    """Below the root: argmax pi'(a) - N(a) / (1 + sum N), where pi' is the improved policy. All
    unvisited actions share one sigma, so only the one with the highest prior can win."""
    nodes, edges, links = trees.nodes[t], trees.edges[t], trees.links[t]
    node, settings = nodes[index], trees.settings[0]
    first = node.first_edge
    mixed, most = mixed_value(trees, t, index, settings.virtual_loss)
    rest_sigma = sigma(mixed, most, settings)
    highest = rest_sigma
    for slot in range(node.num_children):
        child = nodes[links[node.first_link + slot]]
        q = child_value(node, child, settings.virtual_loss)
        trees.scratch[slot] = sigma(q, most, settings)
        highest = max(highest, trees.scratch[slot])
    total = 0.0
    visits = 0
    rest_prior = 1.0
    for slot in range(node.num_children):
        child = nodes[links[node.first_link + slot]]
        prior = decode_prior(edges[first + slot].prior)
        rest_prior -= prior
        visits += child.visits + child.virtual
        trees.scratch[slot] = prior * math.exp(trees.scratch[slot] - highest)
        total += trees.scratch[slot]
    rest_weight = math.exp(rest_sigma - highest)
    total += max(rest_prior, 0.0) * rest_weight
    best, best_action, best_score = 0, 0, -np.inf
    for slot in range(node.num_children):
        child = nodes[links[node.first_link + slot]]
        if proven_for(node, child) == LOSS:
            continue
        share = (child.visits + child.virtual) / (1.0 + visits)
        score = trees.scratch[slot] / total - share
        if score > best_score or (score == best_score and child.action < best_action):
            best, best_action, best_score = slot, child.action, score
    if node.num_children < node.num_edges:
        slot = np.int64(node.num_children)
        edge = edges[first + slot]
        score = decode_prior(edge.prior) * rest_weight / total
        if score > best_score or (score == best_score and edge.action < best_action):
            best = slot
    return best


@borrowing
def sigma(q, most, settings):
    """sigma(Q), which is added to a logit; Q in [-1, 1] is first mapped to [0, 1]. `most` are the
    visits of the most visited action."""
    return (settings.c_visit + most) * settings.c_scale * 0.5 * (q + 1.0)


@borrowing
def root_score(trees, t, slot, mixed, most):
    """Gumbel + logit + sigma(completed Q) of a root edge."""
    root, settings = trees.nodes[t, ROOT], trees.settings[0]
    child = child_at(trees, t, ROOT, slot)
    q = mixed
    if child != NOTHING:
        q = child_value(root, trees.nodes[t, child], settings.virtual_loss)
    entry = trees.root_actions[t, trees.edges[t, root.first_edge + slot].action]
    return np.float64(entry.gumbel + entry.logit) + sigma(q, most, settings)


@borrowing
def searched_visits(trees, t, slot):
    """Visits of a root edge in this search: those under way included, those inherited excluded."""
    child = child_at(trees, t, ROOT, slot)
    if child == NOTHING:
        return 0
    node = trees.nodes[t, child]
    return node.visits + node.virtual - trees.root_actions[t, node.action].base_visits


@borrowing
def improved_policy(trees, t, rows, priors, policy):
    """Fill policy float64 [M] with softmax(logit + sigma(completed Q)). A proven win counts as the
    only good move, a proven loss as no move at all."""
    root, edges = trees.nodes[t, ROOT], trees.edges[t]
    mixed, most = mixed_value(trees, t, ROOT, 0.0)
    for slot in range(root.num_edges):
        action = np.int64(edges[root.first_edge + slot].action)
        q = mixed
        child = child_at(trees, t, ROOT, slot)
        if child != NOTHING:
            q = child_value(root, trees.nodes[t, child], 0.0)
        logit = np.float64(trees.root_actions[t, action].logit)
        policy[np.int64(rows[action])] = logit + sigma(q, most, trees.settings[0])
    exclude_decided(trees, t, rows, policy)
    softmax(policy)


@borrowing
def softmax(logits):
    """Replace logits [M], some of which may be -inf, by their softmax."""
    highest = -np.inf
    for i in range(logits.shape[0]):
        highest = max(highest, logits[i])
    total = 0.0
    for i in range(logits.shape[0]):
        logits[i] = math.exp(logits[i] - highest)
        total += logits[i]
    for i in range(logits.shape[0]):
        logits[i] /= total


@borrowing
def choose(trees, t, index):
    """At the root: the best score among the actions most visited in this search, a proven win
    before all others and a proven loss after them; below it the most visited action."""
    if index != ROOT:
        return most_visited(trees, t, index)
    nodes, edges = trees.nodes[t], trees.edges[t]
    root = nodes[ROOT]
    mixed, most = mixed_value(trees, t, ROOT, 0.0)
    best, best_action, best_rank, best_visits, best_score = 0, 0, -2, -1, -np.inf
    for slot in range(root.num_edges):
        action = edges[root.first_edge + slot].action
        child = child_at(trees, t, ROOT, slot)
        rank = proof_rank(root, nodes[child]) if child != NOTHING else 0
        visits = searched_visits(trees, t, slot)
        score = root_score(trees, t, slot, mixed, most)
        if goes_before(
            rank, visits, score, action, best_rank, best_visits, best_score, best_action
        ):
            best, best_action = slot, action
            best_rank, best_visits, best_score = rank, visits, score
    return best


@borrowing
def sample_gumbel(rng, t):
    """A sample of the standard Gumbel distribution."""
    u = np.float64(random_float(rng, t)) + 2.0**-25  # never 0, never 1
    return np.float32(-math.log(-math.log(u)))


@borrowing
def fill_schedule(schedule, considered, simulations):
    """Fill schedule int32 [budget]: the visits of the actions that simulation i may visit.

    Sequential halving (Karnin et al. 2013): every phase gives the actions still considered the same
    number of visits, then keeps the better half, never fewer than two.
    """
    phases = 0
    while (1 << phases) < considered:
        phases += 1
    left = considered
    visits = 0
    i = 0
    while i < simulations:
        rounds = 1
        if phases > 0:
            rounds = max(1, simulations // (phases * left))
        for _ in range(rounds):
            for _ in range(left):
                if i < simulations:
                    schedule[i] = visits
                    i += 1
            visits += 1
        if left > 2:
            left = max(2, left // 2)
