"""PUCT, AlphaZero's rule (Silver et al. 2018, supplement): argmax Q + c P sqrt(N_parent) / (1 + N),
with c growing with the logarithm of N_parent.

The root explores by Dirichlet noise and, if asked for, by forced playouts (Wu 2019, section 3.2),
which the policy target is then pruned of.
"""

import math

import numpy as np

from alphazero.game.jit import borrowing
from alphazero.search.layout import LOSS, NOTHING, ROOT, UNKNOWN
from alphazero.search.policies.noise import add_dirichlet_noise
from alphazero.search.solver import exclude_decided
from alphazero.search.stats import (
    child_at,
    child_value,
    decode_prior,
    most_visited,
    node_value,
)

USES_AMAF = False
USES_SCHEDULE = False

choose = most_visited


@borrowing
def prepare_root(trees, t):
    """Add noise to the root's priors, if it is to explore."""
    if trees.heads[t].noise:
        add_dirichlet_noise(trees, t)


@borrowing
def select(trees, t, index):
    """argmax Q + c P sqrt(N) / (1 + n); ties go to the lowest action. A move proven to lose is
    taken only where all moves are."""
    nodes, edges, links = trees.nodes[t], trees.edges[t], trees.links[t]
    node, settings = nodes[index], trees.settings[0]
    first = node.first_edge
    visits = node.visits + node.virtual - 1  # without the simulation that is choosing
    explore = exploration(visits, settings)
    forcing = index == ROOT and trees.heads[t].noise and settings.forced_playouts > 0.0
    best, best_action, best_score = 0, 0, -np.inf
    visited_prior = 0.0
    for slot in range(node.num_children):
        child = nodes[links[node.first_link + slot]]
        prior = decode_prior(edges[first + slot].prior)
        visited_prior += prior
        q = child_value(node, child, settings.virtual_loss)
        if child.proven != UNKNOWN and q == LOSS:
            continue
        count = child.visits + child.virtual
        score = q + explore * prior / (1 + count)
        if forcing and count < forced_playouts(prior, visits - 1, settings):
            score = np.inf
        if score > best_score or (score == best_score and child.action < best_action):
            best, best_action, best_score = slot, child.action, score
    if node.num_children < node.num_edges:
        slot = np.int64(node.num_children)
        edge = edges[first + slot]
        reduction = settings.root_fpu_reduction if index == ROOT else settings.fpu_reduction
        q = node_value(node) - reduction * math.sqrt(visited_prior)
        score = q + explore * decode_prior(edge.prior)
        if score > best_score or (score == best_score and edge.action < best_action):
            best = slot
    return best


@borrowing
def exploration(visits, settings):
    """c sqrt(N) of a node, where c grows with the logarithm of its visits."""
    c = settings.c_init + math.log((visits + settings.c_base + 1.0) / settings.c_base)
    return c * math.sqrt(visits)


@borrowing
def forced_playouts(prior, playouts, settings):
    """Playouts that a visited root move must have before others are considered: sqrt(k P N), where
    N are the playouts of all root moves."""
    return math.sqrt(settings.forced_playouts * prior * playouts)


@borrowing
def improved_policy(trees, t, rows, priors, policy):
    """Fill policy float64 [M] with each move's share of the visits, forced ones excluded. A proven
    win counts as the only good move, a proven loss as no move at all."""
    root, edges = trees.nodes[t, ROOT], trees.edges[t]
    for slot in range(root.num_edges):
        child = child_at(trees, t, ROOT, slot)
        visits = np.int64(trees.nodes[t, child].visits) if child != NOTHING else 0
        policy[np.int64(rows[edges[root.first_edge + slot].action])] = visits
    exclude_decided(trees, t, rows, policy)
    if trees.heads[t].noise and trees.settings[0].forced_playouts > 0.0:
        prune_forced(trees, t, rows, policy)
    normalise(policy, priors)


@borrowing
def prune_forced(trees, t, rows, policy):
    """Subtract the forced playouts from the visits in `policy` (policy target pruning).

    A move other than the best loses as many forced playouts as it can without its PUCT score
    reaching the best move's; one reduced to a single playout loses that too.
    """
    nodes, edges, settings = trees.nodes[t], trees.edges[t], trees.settings[0]
    root = nodes[ROOT]
    best = most_visited(trees, t, ROOT)
    best_child = child_at(trees, t, ROOT, best)
    if best_child == NOTHING:
        return
    explore = exploration(root.visits, settings)
    bound = child_value(root, nodes[best_child], 0.0)
    prior = decode_prior(edges[root.first_edge + best].prior)
    bound += explore * prior / (1 + nodes[best_child].visits)
    for slot in range(root.num_children):
        edge = edges[root.first_edge + slot]
        row = np.int64(rows[edge.action])
        child = child_at(trees, t, ROOT, slot)
        visits = np.int64(nodes[child].visits)
        if slot != best and policy[row] > 0.0:
            prior = decode_prior(edge.prior)
            q = child_value(root, nodes[child], 0.0)
            fewest = visits - math.floor(forced_playouts(prior, root.visits - 1, settings))
            while visits > max(fewest, 0) and q + explore * prior / visits < bound:
                visits -= 1
            if visits < nodes[child].visits:
                policy[row] = visits if visits > 1 else 0


@borrowing
def normalise(policy, priors):
    """Scale policy [M] to sum 1, counting -inf as 0; use the priors [M] where all else is 0."""
    highest = -np.inf
    for i in range(policy.shape[0]):
        highest = max(highest, policy[i])
    total = 0.0
    for i in range(policy.shape[0]):
        if policy[i] == -np.inf:
            policy[i] = 0.0
        elif highest == 0.0:
            policy[i] = priors[i]
        total += policy[i]
    for i in range(policy.shape[0]):
        policy[i] /= total
