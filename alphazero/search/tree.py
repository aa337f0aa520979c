"""Search trees as flat arrays, many in one allocation, and what changes them.

    nodes[t]   0 1 2 3 ...      in order of creation: a parent comes before its children
    edges[t]   |0 0 0 0|1 1 1|2 2 2 2 2| ...     one block per expanded node, legal moves only
                ^visited^ ^rest                  the first `num_children` edges of a block have
                                                 children; the next one has the highest prior left

An unvisited edge matters only through its prior, so selection looks at the visited edges and at
the one best unvisited edge. Visits and values are kept once, in the child node. An edge is 8 bytes
and a node 48 besides its state.

Values are for the player to move at the node they belong to; `value_for` is the one place where the
sign changes, by comparing who is to move.
Letters in shapes: T trees, N nodes and E edges allocated per tree, A actions.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from alphazero.jit import borrowing

ROOT = 0
NOTHING = -1  # no parent, no child

NEW, EXPANDED, TERMINAL = 0, 1, 2  # status of a node; NEW ones wait for their evaluation
LOSS, DRAW, WIN, UNKNOWN = -1, 0, 1, 2  # proven result for the player to move

NODE = np.dtype(
    [
        ("value_sum", np.float64),  # of all visits
        ("key", np.uint64),  # the game's key of the position, if the game uses keys
        ("raw_value", np.float32),  # the evaluator's, or the result of a terminal node
        ("visits", np.int32),
        ("virtual", np.int32),  # simulations under way through this node
        ("parent", np.int32),
        ("first_edge", np.int32),
        ("num_edges", np.int16),
        ("num_children", np.int16),
        ("slot", np.int16),  # which of the parent's edges leads here
        ("to_play", np.int8),
        ("status", np.int8),
        ("proven", np.int8),  # always UNKNOWN without the solver
    ],
    align=True,
)
EDGE = np.dtype([("prior", np.uint16), ("action", np.int16), ("child", np.int32)], align=True)

PRIOR_SCALE = 65535.0


class Trees(NamedTuple):
    """All trees of a search.

    Kernels with a loop first take out `nodes, edges = trees.nodes[t], trees.edges[t]`: to index the
    forest in the loop costs a fifth of all simulations per second.
    """

    nodes: np.ndarray  # NODE [T, N]
    edges: np.ndarray  # EDGE [T, E]
    num_nodes: np.ndarray  # int32 [T]
    num_edges: np.ndarray  # int32 [T]
    budget: np.ndarray  # int32 [T], simulations wanted since the search began
    started: np.ndarray  # int32 [T]
    done: np.ndarray  # int32 [T]
    active: np.ndarray  # uint8 [T]
    noise: np.ndarray  # uint8 [T], whether the root explores
    rng: np.ndarray  # uint64 [T]
    root_logits: np.ndarray  # float32 [T, A], log of the root's priors before noise
    gumbel: np.ndarray  # float32 [T, A], Gumbel noise of root actions
    base_visits: np.ndarray  # int32 [T, A], visits of root actions when the search began
    schedule: np.ndarray  # int32 [T, budget], sequential halving: visits of the actions considered
    scratch: np.ndarray  # float64 [A]


def room_for_edges(nodes: int, num_actions: int, max_legal: int) -> int:
    """Edges that so many nodes can need, and a row of actions more, of which `expand` is sure."""
    return nodes * max_legal + num_actions


def allocate(trees: int, nodes: int, num_actions: int, max_legal: int) -> Trees:
    """Empty trees. Edges are allocated for the worst case; untouched pages cost no memory."""
    edges = room_for_edges(nodes, num_actions, max_legal)
    # As np.record the fields are attributes in plain Python too, when kernels are not compiled.
    return Trees(
        nodes=np.zeros((trees, nodes), np.dtype((np.record, NODE))),
        edges=np.zeros((trees, edges), np.dtype((np.record, EDGE))),
        num_nodes=np.zeros(trees, np.int32),
        num_edges=np.zeros(trees, np.int32),
        budget=np.zeros(trees, np.int32),
        started=np.zeros(trees, np.int32),
        done=np.zeros(trees, np.int32),
        active=np.zeros(trees, np.uint8),
        noise=np.zeros(trees, np.uint8),
        rng=np.zeros(trees, np.uint64),
        root_logits=np.zeros((trees, num_actions), np.float32),
        gumbel=np.zeros((trees, num_actions), np.float32),
        base_visits=np.zeros((trees, num_actions), np.int32),
        schedule=np.zeros((trees, 0), np.int32),
        scratch=np.zeros(num_actions, np.float64),
    )


def grown(array: np.ndarray, columns: int) -> np.ndarray:
    """A copy of a [T, n] array with more, zeroed, columns."""
    larger = np.zeros((array.shape[0], columns), array.dtype)
    larger[:, : array.shape[1]] = array
    return larger


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
    """A value that belongs to `node`'s player to move, as `player` sees it."""
    return value if node.to_play == player else -value


@borrowing
def add_root(trees, t, to_play):
    """Start tree `t` anew with an unexpanded root."""
    root = trees.nodes[t, ROOT]
    root.value_sum = 0.0
    root.raw_value = 0.0
    root.visits = 0
    root.virtual = 0
    root.parent = NOTHING
    root.first_edge = 0
    root.num_edges = 0
    root.num_children = 0
    root.slot = 0
    root.to_play = to_play
    root.status = NEW
    root.proven = UNKNOWN
    trees.num_nodes[t] = 1
    trees.num_edges[t] = 0


@borrowing
def add_child(trees, t, parent, slot):
    """Create the child behind an unvisited edge of `parent` and return it.

    The edge moves to the end of the visited ones; the best of the rest moves up behind it.
    """
    nodes, edges = trees.nodes[t], trees.edges[t]
    node = nodes[parent]
    first = np.int64(node.first_edge)
    place = np.int64(node.num_children)
    if slot != place:
        swap_edges(edges, first + slot, first + place)
    index = trees.num_nodes[t]
    trees.num_nodes[t] = index + 1
    edges[first + place].child = index
    child = nodes[index]
    child.value_sum = 0.0
    child.raw_value = 0.0
    child.visits = 0
    child.virtual = 0
    child.parent = parent
    child.num_edges = 0
    child.num_children = 0
    child.slot = place
    child.status = NEW
    child.proven = UNKNOWN
    node.num_children = place + 1
    bring_best_forward(edges, first + place + 1, first + np.int64(node.num_edges))
    return index


@borrowing
def swap_edges(edges, i, j):
    """Exchange two of one tree's edges [E]."""
    one, other = edges[i], edges[j]
    prior, action, child = one.prior, one.action, one.child
    one.prior, one.action, one.child = other.prior, other.action, other.child
    other.prior, other.action, other.child = prior, action, child


@borrowing
def bring_best_forward(edges, first, end):
    """Move the edge with the highest prior (then the lowest action) of [first, end) to `first`."""
    best = first
    for i in range(first + 1, end):
        edge, highest = edges[i], edges[best]
        if edge.prior > highest.prior or (
            edge.prior == highest.prior and edge.action < highest.action
        ):
            best = i
    if best != first:
        swap_edges(edges, first, best)


@borrowing
def expand(trees, t, index, logits, mask, actions, value):
    """Give a node its edges: legal actions with the softmax of their logits as priors.

    logits float32 [A] are under a symmetry that `actions` [A] maps back: action a is logits[
    actions[a]]. `value` is the evaluator's, for the player to move.
    """
    node, edges, weights = trees.nodes[t, index], trees.edges[t], trees.scratch
    first = np.int64(trees.num_edges[t])
    # Compiled code checks no bounds.
    assert first + mask.shape[0] <= edges.shape[0], "more legal moves than max_legal"
    count = 0
    highest = -np.inf
    for action in range(mask.shape[0]):
        if mask[action]:
            logit = np.float64(logits[actions[action]])
            weights[count] = logit
            edges[first + count].action = action
            highest = max(highest, logit)
            count += 1
    assert count > 0, "a position that is not over has no legal move"
    total = 0.0
    for i in range(count):
        weights[i] = math.exp(weights[i] - highest)
        total += weights[i]
    assert total >= 1.0, "the evaluator's logits are not numbers"
    for i in range(count):
        edge = edges[first + i]
        edge.prior = encode_prior(weights[i] / total)
        edge.child = NOTHING
        if index == ROOT:
            trees.root_logits[t, edge.action] = math.log(max(weights[i] / total, 1e-12))
    node.first_edge = first
    node.num_edges = count
    node.status = EXPANDED
    node.raw_value = value
    trees.num_edges[t] = first + count
    bring_best_forward(edges, first, first + count)


@borrowing
def backup(trees, t, leaf, value):
    """Add one simulation that ended at `leaf` with `value` (for the player to move there) to the
    nodes on its path, and pass proven results up (MCTS-solver, Winands et al. 2008)."""
    nodes, edges = trees.nodes[t], trees.edges[t]
    index = leaf
    player = nodes[leaf].to_play
    child_proven = False
    while index != NOTHING:
        node = nodes[index]
        if child_proven and node.proven == UNKNOWN:
            prove(nodes, edges, index)
        child_proven = node.proven != UNKNOWN
        if child_proven:
            value = np.float64(node.proven)
            player = node.to_play
        node.value_sum += value_for(player, node, value)
        node.visits += 1
        node.virtual -= 1
        index = node.parent


@borrowing
def prove(nodes, edges, index):
    """Set a node's proven result if its children decide it: one win is enough, otherwise all must
    be proven."""
    node = nodes[index]
    best = LOSS
    complete = node.num_children == node.num_edges
    for i in range(node.num_children):
        child = nodes[edges[node.first_edge + i].child]
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
def reroot(trees, t, new_root, kept, moved_to):
    """Keep only the subtree of `new_root`, which becomes the root; returns its number of nodes.

    kept int32 [N] receives the old index of every node kept, in order; moved_to [N] is scratch.
    Nodes and edge blocks lie in order of creation, so each moves to the front of where it was and
    nothing is overwritten.
    """
    nodes, edges = trees.nodes[t], trees.edges[t]
    count = 0
    num_edges = 0
    for index in range(new_root, trees.num_nodes[t]):
        parent = nodes[index].parent
        moved_to[index] = NOTHING
        if index != new_root and (parent < new_root or moved_to[parent] == NOTHING):
            continue
        moved_to[index] = count
        kept[count] = index
        nodes[count] = nodes[index]
        node = nodes[count]
        for i in range(node.num_edges):
            edges[num_edges + i] = edges[node.first_edge + i]
        node.first_edge = num_edges
        num_edges += node.num_edges
        if index == new_root:
            node.parent = NOTHING
        else:
            node.parent = moved_to[parent]
            edges[nodes[node.parent].first_edge + node.slot].child = count
        count += 1
    trees.num_nodes[t] = count
    trees.num_edges[t] = num_edges
    return count
