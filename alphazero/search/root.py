"""What happens only at the root before its search: exploration noise, the schedule of halving, the
moves to consider."""

import math

import numpy as np

from alphazero.game.jit import borrowing, random_float
from alphazero.search.layout import EXPANDED, NOTHING, ROOT, UNKNOWN
from alphazero.search.tree import (
    bring_best_forward,
    child_at,
    decode_prior,
    encode_prior,
    swap_edges,
)


@borrowing
def begin_search(trees, t, budget, noise):
    """Have an inactive tree search for `budget` more simulations; a solved root needs none."""
    root, head = trees.nodes[t, ROOT], trees.heads[t]
    head.budget = budget
    head.started = 0
    head.done = 0
    head.noise = noise
    head.active = True
    if root.status == EXPANDED:
        prepare_root(trees, t)
        if root.proven != UNKNOWN:
            head.budget = 0


@borrowing
def expanded_child(trees, t, action):
    """The root's expanded child behind an action, or NOTHING."""
    nodes = trees.nodes[t]
    for slot in range(nodes[ROOT].num_children):
        child = child_at(trees, t, ROOT, slot)
        if nodes[child].action == action and nodes[child].status == EXPANDED:
            return child
    return NOTHING


@borrowing
def prepare_root(trees, t):
    """Get an expanded root ready for a search: noise, and the schedule of sequential halving."""
    nodes, edges, actions = trees.nodes[t], trees.edges[t], trees.root_actions[t]
    root, head, rules = nodes[ROOT], trees.heads[t], trees.rules[0]
    for slot in range(root.num_edges):
        known = actions[edges[root.first_edge + slot].action]
        child = child_at(trees, t, ROOT, slot)
        known.base_visits = nodes[child].visits if child != NOTHING else 0
        known.gumbel = 0.0
        if rules.gumbel and head.noise:
            known.gumbel = sample_gumbel(trees.heads["rng"], t)
    if rules.gumbel:
        considered = min(rules.max_num_considered_actions, np.int64(root.num_edges))
        fill_schedule(trees.schedule[t], considered, head.budget)
    elif head.noise:
        add_dirichlet_noise(trees, t)


@borrowing
def restore_logits(trees, t):
    """Set the root's logits from its priors, for a node that has just become the root."""
    root, edges = trees.nodes[t, ROOT], trees.edges[t]
    for i in range(root.first_edge, root.first_edge + root.num_edges):
        logit = math.log(max(decode_prior(edges[i].prior), 1e-12))
        trees.root_actions[t, edges[i].action].logit = logit


@borrowing
def fill_schedule(schedule, considered, simulations):
    """schedule[i] = visits that an action must have to be visited by simulation i.

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


@borrowing
def sample_gumbel(rng, t):
    """A sample of the standard Gumbel distribution."""
    u = np.float64(random_float(rng, t)) + 2.0**-25  # never 0, never 1
    return np.float32(-math.log(-math.log(u)))


@borrowing
def sample_gamma(rng, t, shape):
    """A sample of the gamma distribution with scale 1 (Marsaglia and Tsang 2000)."""
    raised = shape + 1.0 if shape < 1.0 else shape
    d = raised - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        u = np.float64(random_float(rng, t)) + 2.0**-25
        angle = 2.0 * math.pi * random_float(rng, t)
        x = math.sqrt(-2.0 * math.log(u)) * math.cos(angle)  # Box-Muller
        v = (1.0 + c * x) ** 3
        if v <= 0.0:
            continue
        u = np.float64(random_float(rng, t)) + 2.0**-25
        if math.log(u) < 0.5 * x * x + d - d * v + d * math.log(v):
            break
    sample = d * v
    if shape < 1.0:
        u = np.float64(random_float(rng, t)) + 2.0**-25
        sample *= u ** (1.0 / shape)
    return sample


@borrowing
def add_dirichlet_noise(trees, t):
    """Mix Dirichlet noise into the evaluator's priors of the root. The concentration is spread over
    the legal moves (KataGo: 10.83 in all, which is AlphaZero's 0.03 each on 19x19)."""
    root, edges, rules = trees.nodes[t, ROOT], trees.edges[t], trees.rules[0]
    count = np.int64(root.num_edges)
    total = 0.0
    for slot in range(count):
        trees.scratch[slot] = sample_gamma(
            trees.heads["rng"], t, rules.dirichlet_total_concentration / count
        )
        total += trees.scratch[slot]
    if total <= 0.0:
        return
    for slot in range(count):
        edge = edges[root.first_edge + slot]
        noise = trees.scratch[slot] / total
        prior = math.exp(np.float64(trees.root_actions[t, edge.action].logit))
        edge.prior = encode_prior(
            (1.0 - rules.dirichlet_noise_weight) * prior + rules.dirichlet_noise_weight * noise
        )
    bring_best_forward(edges, root.first_edge + root.num_children, root.first_edge + count)


@borrowing
def restrict_root(trees, t, allowed):
    """Take from an expanded root without children the moves that are not allowed uint8 [A]; returns
    how many are left. If that would be none, all stay."""
    root, edges, actions = trees.nodes[t, ROOT], trees.edges[t], trees.root_actions[t]
    first, end = root.first_edge, root.first_edge + root.num_edges
    assert root.num_children == 0, "the root has been searched"
    count, total = 0, 0.0
    for i in range(first, end):
        if allowed[edges[i].action]:
            count += 1
            total += math.exp(np.float64(actions[edges[i].action].logit))
    if count == 0:
        return 0
    place = first
    for i in range(first, end):
        action = np.int64(edges[i].action)
        if allowed[action]:
            prior = math.exp(np.float64(actions[action].logit)) / total
            actions[action].logit = math.log(max(prior, 1e-12))
            edges[i].prior = encode_prior(prior)
            if i != place:
                swap_edges(edges, i, place)
            place += 1
    root.num_edges = count
    bring_best_forward(edges, first, first + count)
    return count
