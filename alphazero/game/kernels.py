"""A game's functions over many positions: templates that `jit.bind` compiles for each game.

The names `start` ... `observe` below stand in for the game's own functions (DESIGN of the contract:
`alphazero/game/game.py`). Letters in shapes: B positions, A actions, L earlier positions, N plies,
G float inputs.
"""

from typing import Any

import numpy as np

from alphazero.game.jit import borrow, kernel, mix, popcount, random_below

USES_KEYS = True  # replaced by the game's own: False spares the work for games without repetition
MAX_PLIES = 0
NUM_ACTIONS = 0


def start(state: Any) -> None: ...
def play(state: Any, action: Any) -> None: ...
def legal(state: Any, keys: Any, n: Any, mask: Any) -> None: ...
def outcome(state: Any, keys: Any, n: Any) -> Any: ...
def key(state: Any) -> Any: ...
def observe(state: Any, keys: Any, n: Any, *inputs: Any) -> None: ...


def prune(state: Any, mask: Any) -> None: ...


def weigh(state: Any, mask: Any) -> None: ...


def target(state: Any, final_state: Any, out: Any) -> None: ...  # of one of its auxiliary targets


@kernel
def leave_mask(state, mask):
    """For games whose random playouts make any legal move, and each as often."""


def start_batch(states):
    """Fill states [B] with the initial position."""
    for b in range(states.shape[0]):
        start(states[b])


def play_batch(states, actions):
    """Play actions [B], which must be legal, in states [B], in place."""
    for b in range(states.shape[0]):
        play(states[b], actions[b])


def legal_batch(states, keys, lengths, masks):
    """Fill uint8 masks [B, A]; keys [B, L] and lengths [B] are the keys of earlier positions."""
    for b in range(states.shape[0]):
        masks[b, :] = 0
        legal(states[b], keys[b], lengths[b], masks[b])


def outcome_batch(states, keys, lengths, over, values):
    """Fill over uint8 [B] and values float32 [B] (for the player to move, 0 unless over)."""
    for b in range(states.shape[0]):
        finished, value = outcome(states[b], keys[b], lengths[b])
        over[b] = finished
        values[b] = value


def observe_batch(states, keys, lengths, planes, values):
    """Fill uint8 planes [B, C, H, W] and float32 values [B, G], seen by the player to move; keys
    [B, L] and lengths [B] are the keys of earlier positions. For games without float inputs."""
    for b in range(states.shape[0]):
        planes[b] = 0
        observe(states[b], keys[b], lengths[b], planes[b])


def observe_with_globals(states, keys, lengths, planes, values):
    """Fill the inputs as `observe_batch` does, for games with float inputs."""
    for b in range(states.shape[0]):
        planes[b] = 0
        values[b] = 0
        observe(states[b], keys[b], lengths[b], planes[b], values[b])


def target_batch(states, final_states, out):
    """Compute an auxiliary target of states [B], whose games ended in final_states [B], into
    float32 out [B, P]."""
    for b in range(states.shape[0]):
        target(states[b], final_states[b], out[b])


def key_batch(states, keys):
    """Fill uint64 keys [B]."""
    for b in range(states.shape[0]):
        keys[b] = key(states[b])


def replay(moves, states, keys):
    """Play moves [N] from states[0]: fill states [N + 1] and their keys [N + 1]."""
    keys[0] = key(states[0])
    for i in range(moves.shape[0]):
        states[i + 1] = states[i]
        play(states[i + 1], moves[i])
        keys[i + 1] = key(states[i + 1])


def examine(states, keys, n, mask, verdict):
    """Examine states[n], the position after n moves: write its key into keys[n], its legal actions
    into mask [A] (none once the game is over), (over, value) into verdict float32 [2]."""
    state = states[n]
    keys[n] = key(state)
    over, value = outcome(state, keys, n)
    verdict[0] = over
    verdict[1] = value
    mask[:] = 0
    if not over:
        legal(state, keys, n, mask)


def playout_batch(states, seeds, values):
    """Play random moves from states [B] to the end, legal ones that the game does not prune; states
    are left at the final positions.

    values float32 [B] are for the player to move in the position given. Repetition is judged within
    the playout only. Each row depends on its own seed [B] alone.
    """
    rng = np.empty(1, np.uint64)
    keys = np.empty(MAX_PLIES + 1 if USES_KEYS else 1, np.uint64)
    mask = np.empty(NUM_ACTIONS, np.uint8)
    for b in range(states.shape[0]):
        state = states[b]
        player = state.to_play
        rng[0] = mix(seeds[b])
        n = 0
        finished, value = outcome(state, keys, n if USES_KEYS else 0)
        while not finished:
            mask[:] = 0
            legal(state, keys, n if USES_KEYS else 0, mask)
            prune(state, mask)
            action = random_legal(mask, rng)
            assert n < MAX_PLIES, "a game is longer than its max_plies"
            if USES_KEYS:
                keys[n] = key(state)
            n += 1
            play(state, action)
            finished, value = outcome(state, keys, n if USES_KEYS else 0)
        values[b] = value if state.to_play == player else -value


def trace_batch(states, seeds, values, firsts):
    """As `playout_batch`, but for moves drawn by the game's weights, and with a trace.

    Zeroed firsts int8 [B, A] are set where an action was made: to 1 if the player to move in the
    position given was the first to make it, to -1 if the other was.
    """
    rng = np.empty(1, np.uint64)
    keys = np.empty(MAX_PLIES + 1 if USES_KEYS else 1, np.uint64)
    mask = np.empty(NUM_ACTIONS, np.uint8)
    for b in range(states.shape[0]):
        state = states[b]
        player = state.to_play
        rng[0] = mix(seeds[b])
        n = 0
        finished, value = outcome(state, keys, n if USES_KEYS else 0)
        while not finished:
            mask[:] = 0
            legal(state, keys, n if USES_KEYS else 0, mask)
            prune(state, mask)
            weigh(state, mask)
            action = random_weighted(mask, rng)
            assert n < MAX_PLIES, "a game is longer than its max_plies"
            if USES_KEYS:
                keys[n] = key(state)
            n += 1
            if firsts[b, action] == 0:
                firsts[b, action] = 1 if state.to_play == player else -1
            play(state, action)
            finished, value = outcome(state, keys, n if USES_KEYS else 0)
        values[b] = value if state.to_play == player else -value


@kernel
def random_weighted(weights, rng):
    """Draw an index of weights uint8 [A] with probability proportional to its weight."""
    weights = borrow(weights)
    total: Any = 0
    for action in range(weights.shape[0]):
        total += np.int64(weights[action])
    assert total > 0, "a position that is not over has no legal move"
    skip = random_below(rng, 0, total)
    for action in range(weights.shape[0]):
        weight = np.int64(weights[action])
        if skip < weight:
            return action
        skip -= weight
    return -1


@kernel
def random_legal(mask, rng):
    """Draw an index of a mask [A] uniformly among those set.

    Eight entries are counted at once: where few of thousands are set, as in chess, looking at each
    takes four times as long as the rules themselves.
    """
    mask = borrow(mask)
    words = mask[: mask.shape[0] // 8 * 8].view(np.uint64)
    rest = 8 * words.shape[0]
    count = 0
    for i in range(words.shape[0]):
        count += popcount(words[i])
    for action in range(rest, mask.shape[0]):
        count += mask[action]
    assert count > 0, "a position that is not over has no legal move"
    skip = random_below(rng, 0, count)
    word = 0
    while word < words.shape[0] and skip >= popcount(words[word]):
        skip -= popcount(words[word])
        word += 1
    for action in range(8 * word, mask.shape[0]):
        if mask[action]:
            if skip == 0:
                return action
            skip -= 1
    return -1
