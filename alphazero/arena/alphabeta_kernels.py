"""The kernels of alpha-beta search; `alphabeta.py` says what they do together.

`search_nodes` and `enter` are templates that `alphazero.game.jit.bind` gives a game's functions;
`play`, `legal`, `outcome` and `key` stand in for them, `moves`, `noisy` and `gain` for its
`Tactics`.
"""

import math
from typing import NamedTuple

import numpy as np

from alphazero.game.jit import borrowing, borrows, kernel
from alphazero.game.kernels import key, legal, outcome, play

WIN = 1_000_000
BEYOND = WIN + 1  # outside every score
SURE = WIN - 50_000  # a score beyond this is a win seen to the end: no game is so long

NOISY_PLIES = 32  # at most, beyond the depth limit

NEW, OPEN, DONE = 0, 1, 2
LOWER, UPPER, EXACT = 1, 2, 3

FRAME = np.dtype(
    [
        ("status", np.int8),  # NEW: not looked at; OPEN: its moves are being tried; DONE
        ("noisy", np.int8),  # beyond the depth limit: only noisy moves are tried
        ("complete", np.int8),  # no position under it was cut off by the depth limit
        ("alpha", np.int32),  # the window, as it was when the position was entered
        ("beta", np.int32),
        ("best", np.int32),
        ("action", np.int32),  # that made the best score; -1 before any
        ("trying", np.int32),  # the action that led to the next frame
        ("count", np.int32),  # legal moves
        ("next", np.int32),  # moves tried
        ("key", np.uint64),
    ],
    align=True,
)
ENTRY = np.dtype(
    [
        ("key", np.uint64),
        ("score", np.int32),
        ("action", np.int32),
        ("depth", np.int16),  # plies searched below the position
        ("generation", np.int16),  # of the search that wrote it; 0 is an empty entry
        ("bound", np.int8),  # LOWER, UPPER, EXACT
        ("complete", np.int8),
    ],
    align=True,
)
PROGRESS = np.dtype(
    [
        ("ply", np.int32),  # the frame the search stands at; 0 is the root
        ("depth", np.int32),  # the limit
        ("history", np.int32),  # positions before the root
        ("generation", np.int16),
        ("nodes", np.int64),
    ],
    align=True,
)


class Stack(NamedTuple):
    """The line being searched. D is the greatest depth, noisy moves beyond the limit included, M
    the most legal moves, A all actions."""

    frames: np.ndarray  # FRAME [D + 1]
    states: np.ndarray  # [D + 1]
    moves: np.ndarray  # int32 [D + 1, M], legal actions
    priorities: np.ndarray  # int64 [D + 1, M], of the moves
    keys: np.ndarray  # uint64, of positions before the root, then of the line
    mask: np.ndarray  # uint8 [A]
    killers: np.ndarray  # int32 [D + 1, 2], the actions that last cut off at this depth
    history: np.ndarray  # int64 [2, A], how much each player's actions have cut off
    root_order: np.ndarray  # int32 [A], settles ties at the root


USES_KEYS = True  # replaced by the game's own, and so are those below
HAS_TACTICS = False


@kernel
def heuristic(state):
    """The value for the player to move where the depth ends: without an opinion, a draw."""
    return 0.0


@kernel
def moves(state, actions):
    """`Tactics.moves`."""
    return 0


@kernel
def noisy(state, actions):
    """`Tactics.noisy`."""
    return 0, False


@kernel
def gain(state, action):
    """`Tactics.gain`."""
    return 0


@borrows
def enter(stack, table, run, ply):
    """Enter a new position: settle its frame, or list the moves to try; bound to a game."""
    frame, state, actions = stack.frames[ply], stack.states[ply], stack.moves[ply]
    run.nodes += 1
    n = run.history + ply if USES_KEYS else 0
    over, value = outcome(state, stack.keys, n)
    if over:
        settle(frame, score_of(value), True)
        return
    known = -1
    frame.key = key(state)
    if ply >= run.depth:
        settle(frame, limited(score_of(heuristic(state))), False)
        if not HAS_TACTICS or frame.best >= frame.beta or ply >= run.depth + NOISY_PLIES:
            return
        count, forced = noisy(state, actions)
        if count == 0:
            return
        open_frame(frame, count, True, -BEYOND if forced else frame.best)
    else:
        known = look_up(table, run, frame, ply, HAS_TACTICS or not USES_KEYS, USES_KEYS)
        if frame.status != NEW:
            return
        if HAS_TACTICS:
            count = moves(state, actions)
        else:
            stack.mask[:] = 0
            legal(state, stack.keys, n, stack.mask)
            count = list_masked(stack.mask, actions)
        assert count > 0, "a position that is not over has no legal move"
        open_frame(frame, count, False, -BEYOND)
    if USES_KEYS:
        stack.keys[n] = frame.key
    for i in range(count):
        stack.priorities[ply, i] = gain(state, actions[i]) if HAS_TACTICS else 0
    if not frame.noisy:
        rank_moves(stack, ply, known)


@borrows
def search_nodes(stack, table, progress, limit):
    """Search on until done (returns True) or `limit` nodes in all; bound to a game by `bind`, as
    `enter` is.

    `progress` is one PROGRESS record in an array, its frame 0 the root.
    """
    run = progress[0]
    ply = np.int64(run.ply)
    while run.nodes < limit:
        frame = stack.frames[ply]
        if frame.status == NEW:
            enter(stack, table, run, ply)
        if frame.status == OPEN:
            action = next_action(stack, ply)
            if action >= 0:
                stack.states[ply + 1] = stack.states[ply]
                play(stack.states[ply + 1], action)
                open_child(stack, ply, action)
                ply += 1
                continue
            if not frame.noisy:
                store(table, run, frame, ply)
            frame.status = DONE
        if ply == 0:
            run.ply = 0
            return True
        ply -= 1
        take(stack, ply, run.depth)
    run.ply = ply
    return False


@kernel
def score_of(value):
    """The score of a game that ends with `value` for the player to move."""
    return np.int32(math.floor(value * WIN + 0.5))


@kernel
def limited(score):
    """The score of a heuristic: never as good as a win, nor as bad as a loss."""
    return min(max(score, -SURE + 1), SURE - 1)


@kernel
def nearer(score):
    """A score seen from one move earlier."""
    return score - 1 if score > 0 else score + 1 if score < 0 else score


@borrowing
def settle(frame, score, complete):
    frame.best = score
    frame.complete = complete
    frame.status = DONE


@borrowing
def look_up(table, run, frame, ply, trusted, uses_keys):
    """The table's move for a position, or -1; settles the frame if the table knows enough.

    Where earlier positions count, only a decided value is as good as one found here.
    """
    entry = table[frame.key & np.uint64(table.shape[0] - 1)]
    if entry.key != frame.key or entry.generation != run.generation:
        return -1
    if not trusted or ply == 0:  # the root must find a move
        return entry.action
    deep_enough = entry.depth >= run.depth - ply or entry.complete
    if deep_enough and (
        entry.bound == EXACT
        or (entry.bound == LOWER and entry.score >= frame.beta)
        or (entry.bound == UPPER and entry.score <= frame.alpha)
    ):
        sure = not uses_keys or abs(entry.score) >= SURE
        settle(frame, entry.score, entry.complete if sure else 0)
    return entry.action


@borrowing
def store(table, run, frame, ply):
    """Write a finished frame to the table, over whatever was there."""
    bound = EXACT
    if frame.best >= frame.beta:
        bound = LOWER
    elif frame.best <= frame.alpha:
        bound = UPPER
    # A win or loss seen to the end is one whatever the depth limit hid.
    if (frame.best >= SURE and bound != UPPER) or (frame.best <= -SURE and bound != LOWER):
        frame.complete = True
    entry = table[frame.key & np.uint64(table.shape[0] - 1)]
    entry.key = frame.key
    entry.score = frame.best
    entry.action = frame.action
    entry.depth = run.depth - ply
    entry.generation = run.generation
    entry.bound = bound
    entry.complete = frame.complete


@borrowing
def list_masked(mask, actions):
    """Write the actions of a mask; returns how many."""
    count = 0
    for action in range(mask.shape[0]):
        if mask[action]:
            actions[count] = action
            count += 1
    return count


@borrowing
def open_frame(frame, count, noisy, best):
    """Begin to try so many moves; `best` is the score without any of them."""
    frame.best = best
    frame.count = count
    frame.next = 0
    frame.action = -1
    frame.complete = not noisy
    frame.noisy = noisy
    frame.status = OPEN


@borrowing
def rank_moves(stack, ply, known):
    """Say in which order to try the moves of a frame, of which the gains are known: the table's,
    gains, killers, then those that have cut off most; at the root ties are settled."""
    player = stack.states[ply].to_play
    for i in range(stack.frames[ply].count):
        action, priority = stack.moves[ply, i], stack.priorities[ply, i]
        if action == known:
            priority = np.int64(1) << 62
        elif ply == 0:
            priority = (priority << 32) + stack.root_order[action]
        elif priority > 0:
            priority += np.int64(1) << 61
        elif action == stack.killers[ply, 0]:
            priority = (np.int64(1) << 60) + 1
        elif action == stack.killers[ply, 1]:
            priority = np.int64(1) << 60
        else:
            priority = stack.history[player, action]
        stack.priorities[ply, i] = priority


@borrowing
def next_action(stack, ply):
    """The most promising move not yet tried; -1 when there is none or it cannot matter."""
    frame = stack.frames[ply]
    if frame.next == frame.count or frame.best >= frame.beta:
        return -1
    first = frame.next
    moves, priorities = stack.moves[ply], stack.priorities[ply]
    best = first
    for i in range(first + 1, frame.count):
        if priorities[i] > priorities[best]:
            best = i
    moves[first], moves[best] = moves[best], moves[first]
    priorities[first], priorities[best] = priorities[best], priorities[first]
    frame.next += 1
    return moves[first]


@borrowing
def open_child(stack, ply, action):
    """Enter the position after a move, with the window that its score must fall into to matter.

    The window is a point wider than the parent's, which is what the way there takes off.
    """
    frame, child = stack.frames[ply], stack.frames[ply + 1]
    frame.trying = action
    child.status = NEW
    low, high = max(frame.alpha, frame.best) - 1, frame.beta + 1
    if stack.states[ply].to_play == stack.states[ply + 1].to_play:
        child.alpha, child.beta = low, high
    else:
        child.alpha, child.beta = -high, -low


@borrowing
def take(stack, ply, depth):
    """Count the finished position after `frame.trying` for the frame before it."""
    frame, child = stack.frames[ply], stack.frames[ply + 1]
    player = stack.states[ply].to_play
    score = nearer(child.best)
    if player != stack.states[ply + 1].to_play:
        score = -score
    frame.complete = frame.complete and child.complete
    if score > frame.best:
        frame.best = score
        frame.action = frame.trying
    if score >= frame.beta and not frame.noisy:
        if frame.action != stack.killers[ply, 0]:
            stack.killers[ply, 1] = stack.killers[ply, 0]
            stack.killers[ply, 0] = frame.action
        stack.history[player, frame.action] += (depth - ply) * (depth - ply)
