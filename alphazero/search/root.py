"""The root between searches: begin a search, move to a child, restrict the moves considered."""

import math

import numpy as np

from alphazero.game.jit import borrowing, borrows
from alphazero.search.layout import (
    EXPANDED,
    NOTHING,
    ROOT,
    UNKNOWN,
    bring_best_forward,
    link_child,
    swap_edges,
)

# A stub, in whose place `bind_policy` puts a policy's own kernel.
from alphazero.search.policies import prepare_root
from alphazero.search.stats import child_at, decode_prior, encode_prior


@borrows
def begin_search(trees, t, budget, noise):
    """Have an inactive tree search for `budget` more simulations; a solved root needs none."""
    root, head = trees.nodes[t, ROOT], trees.heads[t]
    head.budget = budget
    head.started = 0
    head.done = 0
    head.noise = noise
    head.active = True
    if root.status == EXPANDED:
        prepare_root(trees, t)  # the policy's
        if root.proven != UNKNOWN:
            head.budget = 0


@borrowing
def reroot(trees, t, action, kept, moved_to):
    """Make the root's child behind an action the root and keep its subtree; returns the number of
    nodes kept, 0 (and nothing is changed) if the child is not there or not expanded.

    kept int32 [N] receives the old index of every node kept, in order; moved_to [N] is scratch.
    """
    nodes, edges = trees.nodes[t], trees.edges[t]
    new_root = NOTHING
    for slot in range(nodes[ROOT].num_children):
        child = child_at(trees, t, ROOT, slot)
        if nodes[child].action == action and nodes[child].status == EXPANDED:
            new_root = child
    if new_root == NOTHING:
        return 0
    count = keep_subtree(trees, t, new_root, kept, moved_to)
    root = nodes[ROOT]
    for i in range(root.first_edge, root.first_edge + root.num_edges):
        logit = math.log(max(decode_prior(edges[i].prior), 1e-12))
        trees.root_actions[t, edges[i].action].logit = logit
    return count


@borrowing
def keep_subtree(trees, t, new_root, kept, moved_to):
    """Drop all nodes but the subtree of `new_root`, which becomes the root; returns their number.

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
        if trees.amaf.shape[1] > 0:
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


@borrowing
def restrict_root(trees, t, allowed):
    """Remove from an expanded root without children the moves that are not allowed uint8 [A];
    returns the number left. If that would be 0, all stay."""
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
