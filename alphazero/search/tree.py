"""What changes a tree: new nodes and edges, results backed up, a move made in it.

`layout.py` says what lies where. Values are for the player to move at the node they belong to;
`value_for` is the one place where the sign changes, by comparing who is to move.
"""

import math
from typing import Any

import numpy as np

from alphazero.game.jit import borrowing
from alphazero.search.layout import (
    EXPANDED,
    LOSS,
    NEW,
    NOTHING,
    ROOT,
    UNKNOWN,
    WIN,
)

PRIOR_SCALE = 65535.0


@borrowing
def encode_prior(prior: float) -> Any:
    """A probability as 16 bits: the square root keeps small ones apart (relative error < 2 % above
    1e-6, < 2e-4 above 0.01)."""
    return np.uint16(math.sqrt(prior) * PRIOR_SCALE + 0.5)


@borrowing
def exponential(x: float) -> float:
    """e to the power of x <= 0 within 1e-12 of its value (2e-22 below x = -50), in arithmetic that
    works out several at once when it is looped over, as a call of `exp` is not."""
    x = (-50.0 if x < -50.0 else x) * (1 / 1024)
    power = 1.0 + x * (1 / 7)  # the Taylor series, from its end
    power = 1.0 + x * (1 / 6) * power
    power = 1.0 + x * (1 / 5) * power
    power = 1.0 + x * (1 / 4) * power
    power = 1.0 + x * (1 / 3) * power
    power = 1.0 + x * (1 / 2) * power
    power = 1.0 + x * power
    for _ in range(10):
        power *= power
    return power


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
    root, head = trees.nodes[t, ROOT], trees.heads[t]
    clear_node(root, NOTHING, 0)
    root.to_play = to_play
    head.num_nodes = 1
    head.num_edges = 0
    head.num_links = 0


@borrowing
def clear_node(node, parent, action):
    """Make a node new: without visits, edges and children."""
    node.value_sum = 0.0
    node.visits = 0
    node.virtual = 0
    node.num_edges = 0
    node.num_children = 0
    node.action = action
    node.status = NEW
    node.parent = parent
    node.raw_value = 0.0
    node.proven = UNKNOWN


@borrowing
def add_child(trees, t, parent, slot):
    """Create the child behind an unvisited edge of `parent` and return it.

    The edge moves to the end of the visited ones; the best of the rest moves up behind it.
    """
    nodes, edges, head = trees.nodes[t], trees.edges[t], trees.heads[t]
    node = nodes[parent]
    place = node.first_edge + node.num_children
    if node.first_edge + slot != place:
        swap_edges(edges, node.first_edge + slot, place)
    bring_best_forward(edges, place + 1, node.first_edge + node.num_edges)
    index = np.int64(head.num_nodes)
    head.num_nodes = index + 1
    clear_node(nodes[index], parent, edges[place].action)
    link_child(trees.links[t], head, node, index)
    return index


@borrowing
def link_child(links, head, node, child):
    """Make a node the last of another's children."""
    count = np.int64(node.num_children)
    if count & (count - 1) == 0:  # the block is full: its room was 0, 1, 2, 4 ...
        place = np.int64(head.num_links)
        head.num_links = place + max(1, 2 * count)
        for i in range(count):
            links[place + i] = links[node.first_link + i]
        node.first_link = place
    links[node.first_link + count] = child
    node.num_children = count + 1


@borrowing
def child_at(trees, t, index, slot):
    """The child behind an edge of a node, or NOTHING."""
    node = trees.nodes[t, index]
    if slot >= node.num_children:
        return NOTHING
    return np.int64(trees.links[t, node.first_link + slot])


@borrowing
def swap_edges(edges, i, j):
    """Exchange two of one tree's edges [E]."""
    one, other = edges[i], edges[j]
    prior, action = one.prior, one.action
    one.prior, one.action = other.prior, other.action
    other.prior, other.action = prior, action


@borrowing
def bring_best_forward(edges, first, end):
    """Move the edge with the highest prior (then the lowest action) of [first, end) to `first`."""
    rest = edges[first:end]
    highest = -1
    for i in range(rest.shape[0]):
        highest = max(highest, precedence(rest[i]))
    for i in range(rest.shape[0]):
        if precedence(rest[i]) == highest:
            swap_edges(rest, 0, i)
            break


@borrowing
def precedence(edge):
    """A number that is the higher, the sooner an edge is to be visited: no two are equal."""
    return 65536 * np.int64(edge.prior) + 65535 - np.int64(edge.action)


@borrowing
def expand(trees, t, index, logits, mask, actions, value):
    """Give a node its edges: legal actions with the softmax of their logits as priors.

    logits float32 [A] are under a symmetry that `actions` [A] maps back: action a is logits[
    actions[a]]. `value` is the evaluator's, for the player to move.
    """
    node, edges, weights = trees.nodes[t, index], trees.edges[t], trees.scratch
    first = trees.heads[t].num_edges
    # Compiled code checks no bounds.
    assert first + mask.shape[0] <= edges.shape[0], "more legal moves than max_legal"
    block = edges[first : first + mask.shape[0]]
    count = 0
    highest = -np.inf
    for action in range(mask.shape[0]):
        if mask[action]:
            logit = np.float64(logits[actions[action]])
            weights[count] = logit
            block[count].action = action
            highest = max(highest, logit)
            count += 1
    assert count > 0, "a position that is not over has no legal move"
    for i in range(count):
        weights[i] = exponential(weights[i] - highest)
    total = 0.0
    for i in range(count):
        total += weights[i]
    assert total >= 1.0, "the evaluator's logits are not numbers"
    if index == ROOT:
        for i in range(count):
            action = block[i].action
            trees.root_actions[t, action].logit = math.log(max(weights[i] / total, 1e-12))
    for i in range(count):
        block[i].prior = encode_prior(weights[i] / total)
    node.first_edge = first
    node.num_edges = count
    node.status = EXPANDED
    node.raw_value = value
    trees.heads[t].num_edges = first + count
    bring_best_forward(block, 0, count)


@borrowing
def backup(trees, t, leaf, value):
    """Add one simulation that ended at `leaf` with `value` (for the player to move there) to the
    nodes on its path, and pass proven results up (MCTS-solver, Winands et al. 2008)."""
    nodes, links = trees.nodes[t], trees.links[t]
    index = leaf
    player = nodes[leaf].to_play
    child_proven = False
    while index != NOTHING:
        node = nodes[index]
        if child_proven and node.proven == UNKNOWN:
            prove(nodes, links, index)
        child_proven = node.proven != UNKNOWN
        if child_proven:
            value = np.float64(node.proven)
            player = node.to_play
        node.value_sum += value_for(player, node, value)
        node.visits += 1
        node.virtual -= 1
        index = node.parent


@borrowing
def prove(nodes, links, index):
    """Set a node's proven result if its children decide it: one win is enough, otherwise all must
    be proven."""
    node = nodes[index]
    best = LOSS
    complete = node.num_children == node.num_edges
    for i in range(node.num_children):
        child = nodes[links[node.first_link + i]]
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
    nodes, edges, head = trees.nodes[t], trees.edges[t], trees.heads[t]
    count = 0
    num_edges = 0
    head.num_links = 0
    for index in range(new_root, head.num_nodes):
        parent = np.int64(nodes[index].parent)
        moved_to[index] = NOTHING
        if index != new_root and (parent < new_root or moved_to[parent] == NOTHING):
            continue
        moved_to[index] = count
        kept[count] = index
        nodes[count] = nodes[index]
        if trees.rules[0].rave_equivalence > 0.0:
            for action in range(trees.amaf.shape[3]):
                trees.amaf[t, count, 0, action] = trees.amaf[t, index, 0, action]
                trees.amaf[t, count, 1, action] = trees.amaf[t, index, 1, action]
        node = nodes[count]
        for i in range(node.num_edges):
            edges[num_edges + i] = edges[node.first_edge + i]
        node.first_edge = num_edges
        num_edges += node.num_edges
        node.num_children = 0
        node.parent = NOTHING
        if index != new_root:
            node.parent = moved_to[parent]
            link_child(trees.links[t], head, nodes[node.parent], count)
        count += 1
    head.num_nodes = count
    head.num_edges = num_edges
    return count
