"""What a search has found: policy, values and the line expected, read from the root."""

import math
from dataclasses import dataclass

import numpy as np

from alphazero.game.jit import borrowing
from alphazero.search.layout import EXPANDED, LOSS, NOTHING, ROOT, UNKNOWN, WIN, Trees
from alphazero.search.select import (
    boost,
    child_value,
    exploration,
    forced_playouts,
    mixed_value,
    root_score,
    searched_visits,
)
from alphazero.search.tree import child_at, decode_prior, value_for

LONGEST_LINE = 64  # moves of an expected continuation


@dataclass(frozen=True)
class SearchResult:
    """What a search found. M legal actions, in ascending order; values are for the root's player to
    move."""

    actions: np.ndarray  # int32 [M]
    visits: np.ndarray  # int32 [M]
    q: np.ndarray  # float32 [M], nan where unvisited
    prior: np.ndarray  # float32 [M], the evaluator's, before noise
    policy: np.ndarray  # float32 [M], sums to 1: the training target
    value: float  # of the position, in [-1, 1]
    proven: int | None  # -1, 0 or 1 if the search has solved the position
    best: int  # the action to play
    pv: list[int]  # the line expected, beginning with `best`
    simulations: int  # done in this search

    def index(self, action: int) -> int:
        """The row of an action. Raises ValueError if it is not legal here."""
        rows = np.flatnonzero(self.actions == action)
        if not len(rows):
            raise ValueError(f"action {action} is not legal in the position searched")
        return int(rows[0])

    def sample(self, temperature: float, rng: np.random.Generator) -> int:
        """An action drawn from policy ** (1 / temperature); `best` at temperature 0."""
        if temperature <= 0.0:
            return self.best
        weights = (self.policy / self.policy.max()).astype(np.float64) ** (1.0 / temperature)
        below = weights.cumsum()  # numpy's own `choice` spends most of its time on other things
        return int(self.actions[below.searchsorted(below[-1] * rng.random(), side="right")])


def read_result(trees: Trees, t: int) -> SearchResult:
    """What the search of tree `t`, whose root has been evaluated, has found so far."""
    count = int(trees.nodes[t, ROOT]["num_edges"])
    actions, visits = np.empty((2, count), np.int32)
    q, prior = np.empty((2, count), np.float32)
    policy = np.empty(count)
    line, line_visits = np.empty((2, LONGEST_LINE), np.int32)
    value, proven, simulations = read_root(trees, t, actions, visits, q, prior, policy)
    length = principal_variation(trees, t, line, line_visits)
    return SearchResult(
        actions=actions,
        visits=visits,
        q=q,
        prior=prior,
        policy=policy.astype(np.float32),
        value=value,
        proven=None if proven == UNKNOWN else int(proven),
        best=int(line[0]),
        pv=line[:length].tolist(),
        simulations=int(simulations),
    )


@borrowing
def read_root(trees, t, actions, visits, q, priors, policy):
    """Fill a row for every legal action of the root, which has been evaluated, in ascending order.
    Returns the root's value for its player to move, its result if proven, and the simulations done.

    q is for the root's player to move, nan where unvisited. policy is the training target: the
    improved policy of completed Q values (Gumbel), or the shares of visits (PUCT) without those
    that were forced. A proven win counts as the only good move, a proven loss as no move at all.
    """
    nodes, edges, rules = trees.nodes[t], trees.edges[t], trees.rules[0]
    root = nodes[ROOT]
    assert root.status == EXPANDED, "the root has not been evaluated"
    count = np.int64(root.num_edges)
    rank_actions(trees, t, trees.scratch)
    mixed, most = mixed_value(trees, t, ROOT, 0.0)
    for slot in range(count):
        action = np.int64(edges[root.first_edge + slot].action)
        row = np.int64(trees.scratch[action])
        logit = np.float64(trees.root_actions[t, action].logit)
        actions[row] = action
        visits[row] = 0
        q[row] = np.nan
        priors[row] = math.exp(logit)
        value = mixed
        result = UNKNOWN
        child = child_at(trees, t, ROOT, slot)
        if child != NOTHING:
            visits[row] = nodes[child].visits
            value = child_value(root, nodes[child], 0.0) + 0.0  # never -0.0
            q[row] = value
            if nodes[child].proven != UNKNOWN:
                result = np.int64(value)
        policy[row] = logit + boost(value, most, rules) if rules.gumbel else visits[row]
        if (root.proven == WIN and result != WIN) or (root.proven != LOSS and result == LOSS):
            policy[row] = -np.inf
    if not rules.gumbel and trees.heads[t].noise and rules.forced_playouts > 0.0:
        prune_forced(trees, t, policy)
    normalise(policy, priors, count, rules.gumbel)
    value = root.value_sum / max(root.visits, 1)
    if root.proven != UNKNOWN:
        value = np.float64(root.proven)
    return value, np.int64(root.proven), np.int64(trees.heads[t].done)


@borrowing
def rank_actions(trees, t, ranks):
    """Set ranks[action] to the place of each root action in ascending order."""
    root, edges = trees.nodes[t, ROOT], trees.edges[t]
    ranks[:] = -1.0
    for i in range(root.first_edge, root.first_edge + root.num_edges):
        ranks[edges[i].action] = 0.0
    count = 0
    for action in range(ranks.shape[0]):
        if ranks[action] == 0.0:
            ranks[action] = count
            count += 1


@borrowing
def prune_forced(trees, t, policy):
    """Take from the visits in `policy`, in ascending order of the root's actions, those that only
    forcing explains (policy target pruning, Wu 2019, section 3.2).

    A move other than the best loses as many forced playouts as it can without its PUCT score
    reaching the best move's; one reduced to a single playout loses that too.
    """
    nodes, edges, rules = trees.nodes[t], trees.edges[t], trees.rules[0]
    root = nodes[ROOT]
    best = best_slot(trees, t, ROOT)
    best_child = child_at(trees, t, ROOT, best)
    if best_child == NOTHING:
        return
    explore = exploration(root.visits, rules)
    bound = child_value(root, nodes[best_child], 0.0)
    prior = decode_prior(edges[root.first_edge + best].prior)
    bound += explore * prior / (1 + nodes[best_child].visits)
    for slot in range(root.num_children):
        edge = edges[root.first_edge + slot]
        row = np.int64(trees.scratch[edge.action])
        child = child_at(trees, t, ROOT, slot)
        visits = np.int64(nodes[child].visits)
        if slot != best and policy[row] > 0.0:
            prior = decode_prior(edge.prior)
            q = child_value(root, nodes[child], 0.0)
            fewest = visits - math.floor(forced_playouts(prior, root.visits - 1, rules))
            while visits > max(fewest, 0) and q + explore * prior / visits < bound:
                visits -= 1
            if visits < nodes[child].visits:
                policy[row] = visits if visits > 1 else 0


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
def best_slot(trees, t, index):
    """The slot of the move to play from a node: a proven win, else the most visited of those not
    proven lost, and of these the one with the highest Q (at a Gumbel root: the best score among the
    most visited of this search), then the lowest action."""
    nodes, edges = trees.nodes[t], trees.edges[t]
    node = nodes[index]
    halving = trees.rules[0].gumbel and index == ROOT
    mixed, most = mixed_value(trees, t, index, 0.0)
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
            if nodes[child].proven != UNKNOWN:
                result = value_for(node.to_play, nodes[child], nodes[child].proven)
                rank = 1 if result == WIN else (-1 if result == LOSS else 0)
        if halving:
            visits = searched_visits(trees, t, slot)
            score = root_score(trees, t, slot, mixed, most)
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
def principal_variation(trees, t, out, visits):
    """Fill `out` with the actions of the best line and `visits` with theirs; returns its length."""
    if trees.nodes[t, ROOT].num_edges == 0:
        return 0
    return follow_best(trees, t, best_slot(trees, t, ROOT), out, visits)


@borrowing
def variation(trees, t, action, out, visits):
    """Fill `out` with an action of the root and the best line after it, and `visits` with theirs;
    returns its length, 0 if the action is not there."""
    root = trees.nodes[t, ROOT]
    for slot in range(root.num_edges):
        if trees.edges[t, root.first_edge + slot].action == action:
            return follow_best(trees, t, slot, out, visits)
    return 0


@borrowing
def follow_best(trees, t, slot, out, visits):
    """Fill `out` with the action of the root's `slot` and the best ones after it, as far as there
    are visits, and `visits` with these; returns their number."""
    index = ROOT
    length = 0
    while length < out.shape[0]:
        out[length] = trees.edges[t, trees.nodes[t, index].first_edge + slot].action
        index = child_at(trees, t, index, slot)
        visits[length] = 0 if index == NOTHING else trees.nodes[t, index].visits
        length += 1
        if index == NOTHING or trees.nodes[t, index].num_children == 0:
            break
        slot = best_slot(trees, t, index)
    return length
