"""One simulation step over all trees: back up the last leaves, select new ones, work them out.

    backup_and_select   expand and back up the leaves just evaluated, then descend to new ones
                        (a template, completed by a policy's kernels; it knows no game)
    step_leaves         make the move, judge it, list legal moves, encode
                        (a template, completed by a game's kernels; it knows no policy)

Letters in shapes: T trees, L leaves of one step, R rows of its batch, A actions, C x H x W planes,
S symmetries, G float inputs.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from alphazero.game.jit import borrowing, borrows, next_random, random_below

# Stubs, in whose place `Game.bind` puts a game's own functions.
from alphazero.game.kernels import USES_KEYS, key, legal, outcome, play
from alphazero.network.encoder import Encoder, encode  # the encoder's own
from alphazero.network.evaluator import EXCLUDED
from alphazero.search.layout import (
    DRAW,
    EXPANDED,
    KNOWN,
    LOSS,
    NEW,
    NOTHING,
    ROOT,
    TERMINAL,
    UNKNOWN,
    WIN,
    add_child,
    bring_best_forward,
    records,
)

# Stubs, in whose place `bind_policy` puts a policy's own kernels (`policies/gumbel.py`, ...).
from alphazero.search.policies import USES_AMAF, bind_policy, prepare_root, select
from alphazero.search.policies.rave import backup_amaf, clear_amaf, recall_playout
from alphazero.search.solver import prove
from alphazero.search.stats import child_at, encode_prior, result_draw, value_for

LEAF = np.dtype(
    [
        ("tree", np.int32),
        ("node", np.int32),
        ("row", np.int32),  # of the evaluation, or NOTHING for a finished game
        ("symmetry", np.int32),  # under which it is evaluated
    ],
    align=True,
)


class Batch(NamedTuple):
    """The leaves of one step and what is worked out about them. A thread has its own `leaves`,
    `legal` and `upright`, and writes rows of its own."""

    leaves: np.ndarray  # LEAF [L]
    legal: np.ndarray  # uint8 [L, A]
    planes: np.ndarray  # [R, C, H, W] of the encoder's dtype, by row
    globals: np.ndarray  # float32 [R, G], by row
    seeds: np.ndarray  # uint64 [R], by row
    upright: np.ndarray  # [C, H, W], scratch: planes before their symmetry


def allocate_batch(leaves: int, num_actions: int, encoder: Encoder) -> Batch:
    """Allocate a batch with room for `leaves` leaves."""
    planes, values = encoder.empty(leaves)
    return Batch(
        leaves=records((leaves,), LEAF),
        legal=np.zeros((leaves, num_actions), np.uint8),
        planes=planes,
        globals=values,
        seeds=np.zeros(leaves, np.uint64),
        upright=np.zeros(encoder.planes, encoder.dtype),
    )


# -- backing up and selecting ----------------------------------------------------------------------


@borrows
def backup_and_select(
    trees, batch, leaves, logits, wdl, known, firsts, inverse_actions, first, end, finished
):  # fmt: skip
    """Finish the `leaves` of the last step, then select new ones in trees [first, end).

    logits float32 [rows, A], wdl float32 [rows, 3], known int8 [rows] and, with RAVE, firsts int8
    [rows, A] are the evaluator's answer; inverse_actions int32 [S, A] undoes the symmetries.
    Returns the number of new leaves. Trees that have had their simulations become inactive, and are
    listed in `finished` int32 [T + 1], whose first entry is their number.
    """
    for leaf in range(leaves):
        finish_leaf(trees, batch, leaf, logits, wdl, known, firsts, inverse_actions)
    leaves = 0
    for t in range(first, end):
        head = trees.heads[t]
        if not head.active:
            continue
        if trees.settings[0].stop_early and not head.noise and is_decided(trees, t):
            head.budget = head.started
        leaves = select_leaves(trees, t, batch, leaves)
        if head.done >= head.budget and trees.nodes[t, ROOT].virtual == 0:
            head.active = False
            finished[0] += 1
            finished[finished[0]] = t
    return leaves


@borrows
def finish_leaf(trees, batch, leaf, logits, wdl, known, firsts, inverse_actions):
    """Expand one evaluated leaf, unless its result is certain, and back its value up."""
    found = batch.leaves[leaf]
    t, index, row = np.int64(found.tree), np.int64(found.node), np.int64(found.row)
    node = trees.nodes[t, index]
    value = np.float64(node.raw_value)  # of a finished game
    draw = result_draw(value)
    if row != NOTHING and known[row] != UNKNOWN and index != ROOT:  # whose moves must be compared
        value = np.float64(known[row])
        draw = result_draw(value)
        node.status, node.raw_value = KNOWN, value
        if trees.settings[0].solver:
            node.proven = known[row]
    elif row != NOTHING:
        value = np.float64(wdl[row, 0] - wdl[row, 2])
        draw = np.float64(wdl[row, 1])
        assert draw > -0.001 and abs(value) + draw < 1.001, "the evaluator's wdl is not in [0, 1]"
        actions = inverse_actions[found.symmetry]
        expand(trees, t, index, logits[row], batch.legal[leaf], actions, value)
        if USES_AMAF:
            clear_amaf(trees, t, index)
    elif trees.settings[0].solver and value in (LOSS, DRAW, WIN):
        node.proven = np.int8(value)
    if USES_AMAF:
        trees.scratch[:] = 0.0
        if row != NOTHING:
            recall_playout(trees, node.to_play, firsts[row])
        backup_amaf(trees, t, index, value)
    backup(trees, t, index, value, draw)
    if index == ROOT:
        prepare_root(trees, t)  # the policy's; the root's own evaluation is not a simulation
    else:
        count_simulation(trees, t)


@borrowing
def count_simulation(trees, t):
    """Count a simulation as done; a proven root needs no more of them."""
    head = trees.heads[t]
    head.done += 1
    if trees.nodes[t, ROOT].proven != UNKNOWN:
        head.budget = head.started


@borrowing
def is_decided(trees, t):
    """True if no other move of the root can have as many visits as the most visited one once the
    simulations left are done."""
    head = trees.heads[t]
    most, second = 0, 0
    for slot in range(trees.nodes[t, ROOT].num_children):
        visits = trees.nodes[t, child_at(trees, t, ROOT, slot)].visits
        second = max(second, min(most, visits))
        most = max(most, visits)
    return most - second > head.budget - head.done


@borrows
def select_leaves(trees, t, batch, leaves):
    """Descend in one tree until it has given its share of leaves; returns the new total.

    A simulation that ends in a finished game or a proven node is backed up on the spot.
    """
    nodes, head = trees.nodes[t], trees.heads[t]
    limit = leaves + trees.settings[0].leaves_per_tree
    while leaves < limit and (head.started < head.budget or nodes[ROOT].status == NEW):
        index = descend(trees, t)
        node = nodes[index]
        if node.status == NEW and node.virtual > 1:  # it is being evaluated already
            cancel_descent(trees, t, index)
            break
        if index != ROOT:
            head.started += 1
        if node.status == NEW:
            batch.leaves[leaves].tree = t
            batch.leaves[leaves].node = index
            leaves += 1
        else:
            value = np.float64(node.raw_value)
            if node.status == EXPANDED:
                value = np.float64(node.proven)
            if USES_AMAF:
                trees.scratch[:] = 0.0  # nothing is played after it
                backup_amaf(trees, t, index, value)
            backup(trees, t, index, value, result_draw(value))
            count_simulation(trees, t)
    return leaves


@borrows
def descend(trees, t):
    """Follow the policy's selection from the root to a node without edges to follow, which may be
    new; every node on the way counts one simulation under way."""
    nodes = trees.nodes[t]
    index = ROOT
    while True:
        node = nodes[index]
        node.virtual += 1
        if node.status != EXPANDED or (node.proven != UNKNOWN and index != ROOT):
            return index
        slot = select(trees, t, index)  # the policy's
        child = child_at(trees, t, index, slot)
        index = child if child != NOTHING else add_child(trees, t, index, slot)


@borrowing
def cancel_descent(trees, t, index):
    """Undo a descent to a node: no simulation is under way for it."""
    while index != NOTHING:
        node = trees.nodes[t, index]
        node.virtual -= 1
        index = np.int64(node.parent)


@functools.cache
def bind_backup_and_select(policy: str) -> Callable[..., int]:
    """`backup_and_select` with a policy's kernels, also in the templates that it calls."""
    inner = {}
    for template in (descend, select_leaves, finish_leaf):
        inner[template.__name__] = bind_policy(template, policy, **inner)
    return bind_policy(backup_and_select, policy, **inner)


@borrowing
def expand(trees, t, index, logits, mask, actions, value):
    """Give a node its edges: legal actions with the softmax of their logits as priors.

    logits float32 [A] are under a symmetry that `actions` [A] maps back: action a is logits[
    actions[a]]. EXCLUDED actions get no edge, unless all legal ones are. `value` is the
    evaluator's, for the player to move.
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
            if logit == EXCLUDED:
                continue
            weights[count] = logit
            block[count].action = action
            highest = max(highest, logit)
            count += 1
    if count == 0:
        highest = 0.0
        for action in range(mask.shape[0]):
            if mask[action]:
                weights[count] = 0.0
                block[count].action = action
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
def exponential(x: float) -> float:
    """e to the power of x <= 0 within 1e-12 of its value (2e-22 below x = -50), in arithmetic that
    the compiler vectorises in a loop, unlike a call of `exp`."""
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
def backup(trees, t, leaf, value, draw):
    """Add one simulation that ended at `leaf` with `value` (for the player to move there) and this
    probability of a draw to the nodes on its path, and pass proven results up."""
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
            draw = result_draw(value)
        node.value_sum += value_for(player, node, value)
        node.draw_sum += draw
        node.visits += 1
        node.virtual -= 1
        index = node.parent


# -- the game's part -------------------------------------------------------------------------------


@borrows
def step_leaves(
    trees, states, batch, leaves, first_row, history, length, points, leaf_states, symmetries,
    want_planes, want_states,
):  # fmt: skip
    """The game's part of a step: fill in the states of new nodes and rows of the batch, from
    `first_row` on.

    states [T, N] are those of all nodes, the root's set already; history uint64 [T, plies] holds
    keys of the positions before the root, length [T] of them, with room for those of a path.
    points [S, H * W] are the symmetries of planes, of which a leaf chooses one of the first
    `symmetries`. Returns the row after the last that is to be evaluated.
    """
    row = first_row
    for leaf in range(leaves):
        found = batch.leaves[leaf]
        t, index = found.tree, np.int64(found.node)
        node = trees.nodes[t, index]
        if index != ROOT:
            states[t, index] = states[t, node.parent]
            play(states[t, index], np.int64(node.action))
        state = states[t, index]
        node.to_play = state.to_play
        n = np.int64(length[t])
        if USES_KEYS:
            node.key = key(state)
            n = path_keys(trees.nodes, t, index, history[t], n)
        over, value = outcome(state, history[t], n)
        if over:
            node.status = TERMINAL
            node.raw_value = value
            found.row = NOTHING
            continue
        found.row = row
        batch.legal[leaf, :] = 0
        legal(state, history[t], n, batch.legal[leaf])
        batch.seeds[row] = next_random(trees.heads["rng"], t)
        symmetry = 0
        if symmetries > 1:
            symmetry = random_below(trees.heads["rng"], t, symmetries)
        found.symmetry = symmetry
        if want_planes:
            planes = batch.planes[row] if symmetry == 0 else batch.upright
            planes[:] = 0
            batch.globals[row] = 0
            encode(state, history[t], n, planes, batch.globals[row])
            if symmetry != 0:
                transform_planes(planes, points[symmetry], batch.planes[row])
        if want_states:
            leaf_states[row] = state
        row += 1
    return row


@borrowing
def path_keys(nodes, t, index, history, length):
    """Append the keys of a node's ancestors to those before the root; returns how many keys."""
    depth = 0
    ancestor = nodes[t, index].parent
    while ancestor != NOTHING:
        depth += 1
        ancestor = nodes[t, ancestor].parent
    ancestor = nodes[t, index].parent
    place = length + depth
    assert place <= history.shape[0], "the game is longer than its max_plies"
    while ancestor != NOTHING:
        place -= 1
        history[place] = nodes[t, ancestor].key
        ancestor = nodes[t, ancestor].parent
    return length + depth


@borrowing
def transform_planes(planes, points, out):
    """out[c].flat[i] = planes[c].flat[points[i]] for planes [C, H, W]."""
    count = points.shape[0]
    source = planes.reshape((planes.shape[0], count))
    target = out.reshape((planes.shape[0], count))
    for c in range(source.shape[0]):
        one, other = source[c], target[c]
        first = one[0]
        varies = False
        for i in range(count):
            varies |= one[i] != first
        if varies:
            for i in range(count):
                other[i] = one[points[i]]
        else:  # as most planes are that tell of the rules, and many of an early game
            other[:] = first
