"""What happens only at the root: exploration noise, the halving schedule, reading the result."""

import math

import numpy as np

from alphazero.jit import borrowing, random_float
from alphazero.search.select import boost, child_value, mixed_value, root_score, searched_visits
from alphazero.search.tree import (
    EXPANDED,
    LOSS,
    NOTHING,
    ROOT,
    UNKNOWN,
    WIN,
    bring_best_forward,
    decode_prior,
    encode_prior,
    swap_edges,
    value_for,
)


@borrowing
def begin_search(trees, t, budget, noise, rules):
    """Have an inactive tree search for `budget` more simulations; a solved root needs none."""
    root = trees.nodes[t, ROOT]
    trees.budget[t] = budget
    trees.started[t] = 0
    trees.done[t] = 0
    trees.noise[t] = noise
    trees.active[t] = 1
    if root.status == EXPANDED:
        prepare_root(trees, t, rules)
        if root.proven != UNKNOWN:
            trees.budget[t] = 0


@borrowing
def expanded_child(trees, t, action):
    """The root's expanded child behind an action, or NOTHING."""
    root = trees.nodes[t, ROOT]
    for slot in range(root.num_children):
        edge = trees.edges[t, root.first_edge + slot]
        if edge.action == action and trees.nodes[t, edge.child].status == EXPANDED:
            return edge.child
    return NOTHING


@borrowing
def prepare_root(trees, t, rules):
    """Get an expanded root ready for a search: noise, and the schedule of sequential halving."""
    root = trees.nodes[t, ROOT]
    for slot in range(root.num_edges):
        edge = trees.edges[t, root.first_edge + slot]
        visits = 0
        if edge.child != NOTHING:
            visits = trees.nodes[t, edge.child].visits
        trees.base_visits[t, edge.action] = visits
        trees.gumbel[t, edge.action] = 0.0
        if rules.gumbel and trees.noise[t]:
            trees.gumbel[t, edge.action] = sample_gumbel(trees.rng, t)
    if rules.gumbel:
        considered = min(rules.considered, np.int64(root.num_edges))
        fill_schedule(trees.schedule[t], considered, trees.budget[t])
    elif trees.noise[t]:
        add_dirichlet_noise(trees, t, rules)


@borrowing
def restore_logits(trees, t):
    """Set the root's logits from its priors, for a node that has just become the root."""
    root = trees.nodes[t, ROOT]
    for slot in range(root.num_edges):
        edge = trees.edges[t, root.first_edge + slot]
        trees.root_logits[t, edge.action] = math.log(max(decode_prior(edge.prior), 1e-12))


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
def add_dirichlet_noise(trees, t, rules):
    """Mix Dirichlet noise into the evaluator's priors of the root. The concentration is spread over
    the legal moves (KataGo: 10.83 in all, which is AlphaZero's 0.03 each on 19x19)."""
    root = trees.nodes[t, ROOT]
    count = np.int64(root.num_edges)
    total = 0.0
    for slot in range(count):
        trees.scratch[slot] = sample_gamma(trees.rng, t, rules.noise_total / count)
        total += trees.scratch[slot]
    if total <= 0.0:
        return
    for slot in range(count):
        edge = trees.edges[t, root.first_edge + slot]
        noise = trees.scratch[slot] / total
        prior = math.exp(np.float64(trees.root_logits[t, edge.action]))
        edge.prior = encode_prior((1.0 - rules.noise_weight) * prior + rules.noise_weight * noise)
    unvisited = root.first_edge + np.int64(root.num_children)
    bring_best_forward(trees.edges[t], unvisited, root.first_edge + count)


@borrowing
def read_root(trees, t, rules, actions, visits, q, priors, policy):
    """Fill a row for every legal action of the root, in ascending order; returns how many.

    q is for the root's player to move, nan where unvisited. policy is the training target: the
    improved policy of completed Q values (Gumbel), or the shares of visits (PUCT). A proven win
    counts as the only good move, a proven loss as no move at all.
    """
    root = trees.nodes[t, ROOT]
    count = np.int64(root.num_edges)
    rank_actions(trees, t, trees.scratch)
    mixed, most = mixed_value(trees, t, ROOT, 0.0)
    for slot in range(count):
        edge = trees.edges[t, root.first_edge + slot]
        row = np.int64(trees.scratch[edge.action])
        actions[row] = edge.action
        visits[row] = 0
        q[row] = np.nan
        priors[row] = math.exp(np.float64(trees.root_logits[t, edge.action]))
        value = mixed
        result = UNKNOWN
        if edge.child != NOTHING:
            child = trees.nodes[t, edge.child]
            visits[row] = child.visits
            value = child_value(root, child, 0.0) + 0.0  # never -0.0
            q[row] = value
            if child.proven != UNKNOWN:
                result = np.int64(value)
        if rules.gumbel:
            policy[row] = trees.root_logits[t, edge.action] + boost(value, most, rules)
        else:
            policy[row] = visits[row]
        if (root.proven == WIN and result != WIN) or (root.proven != LOSS and result == LOSS):
            policy[row] = -np.inf
    normalise(policy, priors, count, rules.gumbel)
    return count


@borrowing
def rank_actions(trees, t, ranks):
    """Set ranks[action] to the place of each root action in ascending order."""
    root = trees.nodes[t, ROOT]
    ranks[:] = -1.0
    for slot in range(root.num_edges):
        ranks[trees.edges[t, root.first_edge + slot].action] = 0.0
    count = 0
    for action in range(ranks.shape[0]):
        if ranks[action] == 0.0:
            ranks[action] = count
            count += 1


@borrowing
def normalise(policy, priors, count, logits):
    """Make the first `count` entries sum to 1, -inf excluded: as a softmax if they are logits, else
    in proportion (to the priors where all of them are 0)."""
    highest = -np.inf
    for i in range(count):
        highest = max(highest, policy[i])
    total = 0.0
    for i in range(count):
        if policy[i] == -np.inf:
            policy[i] = 0.0
        elif logits:
            policy[i] = math.exp(policy[i] - highest)
        elif highest == 0.0:
            policy[i] = priors[i]
        total += policy[i]
    for i in range(count):
        policy[i] /= total


@borrowing
def best_slot(trees, t, index, rules):
    """The slot of the move to play from a node: a proven win, else the most visited of those not
    proven lost, and of these the one with the highest Q (at a Gumbel root: the best score among the
    most visited of this search), then the lowest action."""
    node = trees.nodes[t, index]
    halving = rules.gumbel and index == ROOT
    mixed, most = mixed_value(trees, t, index, 0.0)
    best, best_action, best_rank, best_visits, best_score = 0, 0, -2, -1, -np.inf
    for slot in range(node.num_edges):
        edge = trees.edges[t, node.first_edge + slot]
        rank, visits = 0, 0
        score = decode_prior(edge.prior)
        if edge.child != NOTHING:
            child = trees.nodes[t, edge.child]
            visits = child.visits
            if visits > 0:
                score = child_value(node, child, 0.0)
            if child.proven != UNKNOWN:
                result = value_for(node.to_play, child, child.proven)
                rank = 1 if result == WIN else (-1 if result == LOSS else 0)
        if halving:
            visits = searched_visits(trees, t, slot)
            score = root_score(trees, t, slot, mixed, most, rules)
        if (
            rank > best_rank
            or (rank == best_rank and visits > best_visits)
            or (rank == best_rank and visits == best_visits and score > best_score)
            or (
                rank == best_rank
                and visits == best_visits
                and score == best_score
                and edge.action < best_action
            )
        ):
            best, best_action = slot, edge.action
            best_rank, best_visits, best_score = rank, visits, score
    return best


@borrowing
def principal_variation(trees, t, rules, out):
    """Fill `out` with the actions of the best line; returns its length."""
    if trees.nodes[t, ROOT].num_edges == 0:
        return 0
    return follow_best(trees, t, rules, best_slot(trees, t, ROOT, rules), out)


@borrowing
def variation(trees, t, rules, action, out):
    """Fill `out` with an action of the root and the best line after it; returns its length, 0 if
    the action is not there."""
    root = trees.nodes[t, ROOT]
    for slot in range(root.num_edges):
        if trees.edges[t, root.first_edge + slot].action == action:
            return follow_best(trees, t, rules, slot, out)
    return 0


@borrowing
def follow_best(trees, t, rules, slot, out):
    """Fill `out` with the action of the root's `slot` and the best ones after it, as far as there
    are visits; returns their number."""
    index = ROOT
    length = 0
    while length < out.shape[0]:
        edge = trees.edges[t, trees.nodes[t, index].first_edge + slot]
        out[length] = edge.action
        length += 1
        index = edge.child
        if index == NOTHING or trees.nodes[t, index].num_children == 0:
            break
        slot = best_slot(trees, t, index, rules)
    return length


@borrowing
def restrict_root(trees, t, allowed):
    """Take from an expanded root without children the moves that are not allowed uint8 [A]; returns
    how many are left. If that would be none, all stay."""
    root, edges = trees.nodes[t, ROOT], trees.edges[t]
    first, end = np.int64(root.first_edge), np.int64(root.first_edge) + np.int64(root.num_edges)
    assert root.num_children == 0, "the root has been searched"
    count, total = 0, 0.0
    for i in range(first, end):
        if allowed[edges[i].action]:
            count += 1
            total += math.exp(np.float64(trees.root_logits[t, edges[i].action]))
    if count == 0:
        return 0
    place = first
    for i in range(first, end):
        action = np.int64(edges[i].action)
        if allowed[action]:
            prior = math.exp(np.float64(trees.root_logits[t, action])) / total
            trees.root_logits[t, action] = math.log(max(prior, 1e-12))
            edges[i].prior = encode_prior(prior)
            if i != place:
                swap_edges(edges, i, place)
            place += 1
    root.num_edges = count
    bring_best_forward(edges, first, first + count)
    return count
