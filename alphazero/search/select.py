"""Selection: which edge a simulation takes at each node.

Notation of the papers: N = visits, W = value sum, Q = W / N, P = prior.
PUCT is AlphaZero's rule (Silver et al. 2018, supplement): argmax Q + c P sqrt(N_parent) / (1 + N),
with c growing with the logarithm of N_parent. Gumbel is Danihelka et al. 2022: sequential halving
at the root, and below it the action whose share of visits is furthest behind the improved policy.
"""

import math

import numpy as np

from alphazero.game.jit import borrowing
from alphazero.search.layout import LOSS, NOTHING, ROOT, UNKNOWN
from alphazero.search.tree import child_at, decode_prior, value_for


@borrowing
def select_edge(trees, t, index):
    """The slot of the edge to follow from an expanded node."""
    if not trees.rules[0].gumbel:
        return select_puct(trees, t, index)
    if index == ROOT:
        return select_halving(trees, t)
    return select_improved(trees, t, index)


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
def exploration(visits, rules):
    """c sqrt(N) of a node, where c grows with the logarithm of its visits."""
    c = rules.c_init + math.log((visits + rules.c_base + 1.0) / rules.c_base)
    return c * math.sqrt(visits)


@borrowing
def forced_playouts(prior, playouts, rules):
    """Playouts that a root move, once visited, is given before all others (Wu 2019, section 3.2):
    sqrt(k P N), where N are the playouts of all root moves."""
    return math.sqrt(rules.forced_playouts * prior * playouts)


@borrowing
def select_puct(trees, t, index):
    """argmax Q + c P sqrt(N) / (1 + n); ties go to the lowest action. Moves proven to lose are left
    alone, unless nothing else is there."""
    nodes, edges, links, rules = trees.nodes[t], trees.edges[t], trees.links[t], trees.rules[0]
    node = nodes[index]
    first = node.first_edge
    visits = node.visits + node.virtual - 1  # without the simulation that is choosing
    explore = exploration(visits, rules)
    forcing = index == ROOT and trees.heads[t].noise and rules.forced_playouts > 0.0
    best, best_action, best_score = 0, 0, -np.inf
    visited_prior = 0.0
    for slot in range(node.num_children):
        child = nodes[links[node.first_link + slot]]
        prior = decode_prior(edges[first + slot].prior)
        visited_prior += prior
        q = child_value(node, child, rules.virtual_loss)
        if child.proven != UNKNOWN and q == LOSS:
            continue
        count = child.visits + child.virtual
        score = q + explore * prior / (1 + count)
        if forcing and count < forced_playouts(prior, visits - 1, rules):
            score = np.inf
        if score > best_score or (score == best_score and child.action < best_action):
            best, best_action, best_score = slot, child.action, score
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
def boost(q, most, rules):
    """sigma(Q): how much a value adds to a logit; Q in [-1, 1] is first mapped to [0, 1]."""
    return (rules.c_visit + most) * rules.c_scale * 0.5 * (q + 1.0)


@borrowing
def select_improved(trees, t, index):
    """Below the root: argmax pi'(a) - N(a) / (1 + sum N), where pi' is the prior policy improved by
    completed Q values. All unvisited actions share one boost, so only the best of them can win."""
    nodes, edges, links, rules = trees.nodes[t], trees.edges[t], trees.links[t], trees.rules[0]
    node = nodes[index]
    first = node.first_edge
    mixed, most = mixed_value(trees, t, index, rules.virtual_loss)
    rest_boost = boost(mixed, most, rules)
    highest = rest_boost
    for slot in range(node.num_children):
        child = nodes[links[node.first_link + slot]]
        trees.scratch[slot] = boost(child_value(node, child, rules.virtual_loss), most, rules)
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
    rest_weight = math.exp(rest_boost - highest)
    total += max(rest_prior, 0.0) * rest_weight
    best, best_action, best_score = 0, 0, -np.inf
    for slot in range(node.num_children):
        child = nodes[links[node.first_link + slot]]
        if child.proven != UNKNOWN and value_for(node.to_play, child, child.proven) == LOSS:
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
def root_score(trees, t, slot, mixed, most):
    """Gumbel + logit + sigma(completed Q) of a root edge."""
    root, rules = trees.nodes[t, ROOT], trees.rules[0]
    child = child_at(trees, t, ROOT, slot)
    q = mixed
    if child != NOTHING:
        q = child_value(root, trees.nodes[t, child], rules.virtual_loss)
    known = trees.root_actions[t, trees.edges[t, root.first_edge + slot].action]
    return np.float64(known.gumbel + known.logit) + boost(q, most, rules)


@borrowing
def searched_visits(trees, t, slot):
    """Visits of a root edge in this search, those under way included, those inherited not."""
    child = child_at(trees, t, ROOT, slot)
    if child == NOTHING:
        return 0
    node = trees.nodes[t, child]
    return node.visits + node.virtual - trees.root_actions[t, node.action].base_visits


@borrowing
def select_halving(trees, t):
    """At the root: of the actions with as many visits as the schedule says, the best score."""
    root, edges = trees.nodes[t, ROOT], trees.edges[t]
    mixed, most = mixed_value(trees, t, ROOT, trees.rules[0].virtual_loss)
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
