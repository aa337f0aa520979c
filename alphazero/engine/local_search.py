"""Exact search of one region of a board: the best score that each side can reach by moves in it.

An AND-OR search answers "does the player to move win?", and the komi is changed until the best
score is known. Both sides may pass, and two passes end the game; repetition within the line is
forbidden as the rules say. Moves elsewhere, ko threats among them, do not exist. What is proven of
a position is remembered without the moves that led there; repetition can make that wrong, in rare
positions.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from alphazero.game import Game
from alphazero.game.jit import mix
from alphazero.game.kernels import NUM_ACTIONS, key, legal, outcome, play, prune, weigh

DEPTHS = (6, 10, 14, 20, 30)  # plies of a line, deeper and deeper until the answer is proven
NODES = 200_000  # positions of one search; it gives up on more
TABLE = 1 << 16  # positions remembered
UNKNOWN = -1
PASSED = np.uint64(2)


def search_region(states, region, beyond, nodes):
    """Return 1 if the player to move in states[0] wins by moves in `region` and passes, 0 if not,
    UNKNOWN after `nodes` positions. A template.

    states [D + 1] is room for lines of D plies; longer ones count as won by that player if `beyond`
    is 1, else as lost. region uint8 [A] marks the actions allowed besides the last one, which is
    the pass. No score may be a draw.
    """
    longest = states.shape[0] - 1
    keys = np.empty(longest + 1, np.uint64)
    names = np.empty(longest + 1, np.uint64)  # of positions in the table
    moves = np.empty((longest, NUM_ACTIONS), np.int32)
    counts = np.empty(longest + 1, np.int32)
    tried = np.empty(longest + 1, np.int32)
    mask = np.empty(NUM_ACTIONS, np.uint8)
    table = np.zeros(TABLE, np.uint64)
    results = np.zeros(TABLE, np.uint8)
    depth, entered = 0, True
    keys[0] = key(states[0])
    names[0] = mix(keys[0] ^ np.uint64(states[0].to_play))
    while True:
        state = states[depth]
        if entered:  # list the moves, the most promising first, but the pass before all others
            entered = False
            if nodes == 0:
                return UNKNOWN
            nodes -= 1
            mask[:] = 0
            legal(state, keys, depth, mask)
            for action in range(NUM_ACTIONS - 1):
                mask[action] &= region[action]
            prune(state, mask)
            mask[NUM_ACTIONS - 1] = 0
            weigh(state, mask)
            moves[depth, 0] = NUM_ACTIONS - 1
            counts[depth], tried[depth] = 1, 0
            for action in range(NUM_ACTIONS - 1):
                if mask[action]:
                    place = counts[depth]
                    while place > 1 and mask[moves[depth, place - 1]] < mask[action]:
                        moves[depth, place] = moves[depth, place - 1]
                        place -= 1
                    moves[depth, place] = action
                    counts[depth] += 1
        wins = False
        if tried[depth] < counts[depth]:
            action = moves[depth, tried[depth]]
            tried[depth] += 1
            after = states[depth + 1]
            states[depth + 1] = state
            play(after, action)
            over, value = outcome(after, keys, depth + 1)
            if over:
                wins = value < 0.0  # for the player who moves next
            else:
                keys[depth + 1] = key(after)
                side = np.uint64(after.to_play) + PASSED * np.uint64(action == NUM_ACTIONS - 1)
                name = mix(keys[depth + 1] ^ side)
                slot = np.int64(name & np.uint64(TABLE - 1))
                if table[slot] == name:
                    wins = results[slot] == 0
                elif depth + 1 == longest:
                    wins = (state.to_play == states[0].to_play) == beyond
                else:
                    depth += 1
                    names[depth] = name
                    entered = True
                    continue
            if not wins:
                continue
        while True:  # the position at `depth` is decided, and perhaps those before it
            slot = np.int64(names[depth] & np.uint64(TABLE - 1))
            table[slot] = names[depth]
            results[slot] = wins
            if depth == 0:
                return np.int64(wins)
            depth -= 1
            if wins:  # for the opponent: try the next move
                break
            wins = True


def bound_search(game: Game) -> Callable[..., int]:
    """The search with a game's rules, compiled."""
    return game.bind(search_region)


def best_score(
    search: Callable[..., int],
    game: Game,
    board: np.ndarray,
    to_play: int,
    region: np.ndarray,
    low: int,
    high: int,
) -> int | None:
    """The first player's best score on the board, komi not counted, when `to_play` begins and moves
    are made in `region` bool [H, W] alone; None if the search gives up.

    It is looked for from `low` to `high`, and is one of them if it lies beyond.
    """
    stones = game.stones
    assert stones is not None, "a game of stones"
    allowed = np.append(region.ravel(), 1).astype(np.uint8)
    state = game.position().state_array.copy()
    stones.set_up(state[0], board, to_play)
    rules = stones.terms(state[0])
    stones.set_rules(state[0], rules._replace(scoring="area", tax="none", button=False))
    while low < high:
        middle = (low + high + 1) // 2
        stones.set_komi(state[0], middle - 0.5)  # won with `middle` or more
        wins = proven_result(search, state, allowed)
        if wins is None:
            return None
        if wins == (to_play == 0):
            low = middle
        else:
            high = middle - 1
    return low


def proven_result(
    search: Callable[..., int], state: np.ndarray, allowed: np.ndarray
) -> bool | None:
    """Return whether the player to move in state [1] wins, None if the search gives up."""
    for depth in DEPTHS:
        states = np.repeat(state, depth + 1)
        for beyond in (False, True):
            wins: Any = search(states, allowed, beyond, NODES)
            if wins == UNKNOWN:
                return None
            if bool(wins) != beyond:  # whatever lies beyond
                return bool(wins)
    return None
