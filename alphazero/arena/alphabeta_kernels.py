"""The kernels of alpha-beta search; `alphabeta.py` says what they do together.

`search_nodes` is a template that `alphazero.jit.bind` gives a game's functions; `play`, `legal`,
`outcome` and `key` below stand in for them.
"""

import math
from typing import NamedTuple

import numpy as np

from alphazero.jit import kernel
from alphazero.kernels import key, legal, outcome, play

WIN = 1_000_000
BEYOND = WIN + 1  # outside every score
SURE = WIN - 50_000  # a score beyond this is a win seen to the end: no game is so long

NEW, OPEN, DONE = 0, 1, 2
LOWER, UPPER, EXACT = 1, 2, 3

FRAME = np.dtype(
    [
        ("status", np.int8),  # NEW: not looked at; OPEN: its moves are being tried; DONE
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
    """The line being searched. D is the greatest depth, M the most legal moves, A all actions."""

    frames: np.ndarray  # FRAME [D + 1]
    states: np.ndarray  # [D + 1]
    moves: np.ndarray  # int32 [D + 1, M], legal actions
    priorities: np.ndarray  # int64 [D + 1, M], of the moves
    keys: np.ndarray  # uint64, of positions before the root, then of the line
    mask: np.ndarray  # uint8 [A]
    killers: np.ndarray  # int32 [D + 1, 2], the actions that last cut off at this depth
    history: np.ndarray  # int64 [2, A], how much each player's actions have cut off
    root_order: np.ndarray  # int32 [A], settles ties at the root


USES_KEYS = True  # replaced by the game's own


@kernel
def heuristic(state):
    """The value for the player to move where the depth ends: without an opinion, a draw."""
    return 0.0


def search_nodes(stack, table, progress, limit):
    """Search on until done (returns True) or `limit` nodes in all; bound to a game by `bind`.

    `progress` is one PROGRESS record in an array, its frame 0 the root.
    """
    run = progress[0]
    ply = run.ply
    while run.nodes < limit:
        frame = stack.frames[ply]
        state = stack.states[ply]
        if frame.status == NEW:
            run.nodes += 1
            n = run.history + ply if USES_KEYS else 0
            over, value = outcome(state, stack.keys, n)
            if over:
                settle(frame, score_of(value), True)
            elif ply == run.depth:
                settle(frame, limited(score_of(heuristic(state))), False)
            else:
                frame.key = key(state)
                if USES_KEYS:
                    stack.keys[n] = frame.key
                known = look_up(table, run, frame, ply, not USES_KEYS)
                if frame.status == NEW:
                    stack.mask[:] = 0
                    legal(state, stack.keys, n, stack.mask)
                    list_moves(stack, ply, known)
        if frame.status == OPEN:
            action = next_action(stack, ply)
            if action >= 0:
                stack.states[ply + 1] = state
                play(stack.states[ply + 1], action)
                open_child(stack, ply, action)
                ply += 1
                continue
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


@kernel
def settle(frame, score, complete):
    frame.best = score
    frame.complete = complete
    frame.status = DONE


@kernel
def look_up(table, run, frame, ply, trusted):
    """The table's move for a position, or -1; settles the frame if the table knows enough."""
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
        settle(frame, entry.score, entry.complete)
    return entry.action


@kernel
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


@kernel
def list_moves(stack, ply, known):
    """List the legal moves of `stack.mask` in a frame, with the order to try them in."""
    frame = stack.frames[ply]
    player = stack.states[ply].to_play
    count = 0
    for action in range(stack.mask.shape[0]):
        if not stack.mask[action]:
            continue
        if action == known:
            priority = np.int64(1) << 62
        elif ply == 0:
            priority = np.int64(stack.root_order[action])
        elif action == stack.killers[ply, 0]:
            priority = (np.int64(1) << 61) + 1
        elif action == stack.killers[ply, 1]:
            priority = np.int64(1) << 61
        else:
            priority = stack.history[player, action]
        stack.moves[ply, count] = action
        stack.priorities[ply, count] = priority
        count += 1
    assert count > 0, "a position that is not over has no legal move"
    frame.count = count
    frame.next = 0
    frame.best = -BEYOND
    frame.action = -1
    frame.complete = True
    frame.status = OPEN


@kernel
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


@kernel
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


@kernel
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
    if score >= frame.beta:
        if frame.action != stack.killers[ply, 0]:
            stack.killers[ply, 1] = stack.killers[ply, 0]
            stack.killers[ply, 0] = frame.action
        stack.history[player, frame.action] += (depth - ply) * (depth - ply)
