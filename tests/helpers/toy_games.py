"""Two games that nobody plays, for what the real ones lack: double moves, split points, a past."""

import numpy as np

from alphazero.game import Game, Position
from alphazero.game.jit import kernel, mix


def no_text(*_):
    return ""


def make_game(name, state, num_actions, max_plies, start, play, legal, outcome, key, uses_keys):
    @kernel
    def observe(state, keys, n, planes):
        planes[0, 0, 0] = 1

    return Game(
        name=name,
        title=name,
        state=state,
        num_actions=num_actions,
        planes=(1, 1, 1),
        max_plies=max_plies,
        start=start,
        play=play,
        legal=legal,
        outcome=outcome,
        key=key,
        observe=observe,
        action_to_str=no_text,
        str_to_action=no_text,  # type: ignore[arg-type]
        render=no_text,
        uses_keys=uses_keys,
    )


# A random game: who moves, which of three moves are legal and how the game ends are read from a
# hash of the seed, the ply and the sum of the moves made, so that lines transpose.

RANDOM_STATE = np.dtype(
    [
        ("seed", np.uint64),
        ("last_ply", np.int64),  # at which every game is over
        ("ends", np.uint64),  # one in so many positions ends it before
        ("total", np.int64),
        ("to_play", np.int8),
        ("ply", np.int16),
    ],
    align=True,
)
FIVE, THREE, SEVEN, ONE = np.uint64(5), np.uint64(3), np.uint64(7), np.uint64(1)
SHIFT = np.uint64(20)


@kernel
def random_hash(state):
    return mix(state.seed * SEVEN + mix(np.uint64(state.ply) * FIVE + mix(np.uint64(state.total))))


@kernel
def random_start(state):
    state.seed = np.uint64(0)
    state.last_ply = 9
    state.ends = SEVEN
    state.total = 0
    state.to_play = 0
    state.ply = 0


@kernel
def random_play(state, action):
    state.total += action
    state.ply += 1
    state.to_play = np.int8(random_hash(state) & ONE)


@kernel
def random_legal(state, keys, n, mask):
    bits = random_hash(state) >> SHIFT
    for action in range(3):
        mask[action] = (bits >> np.uint64(action)) & ONE
    mask[np.int64(bits % THREE)] = 1


@kernel
def random_outcome(state, keys, n):
    drawn = random_hash(state) >> np.uint64(40)
    if state.ply >= state.last_ply or (state.ply >= 2 and drawn % state.ends == 0):
        return True, np.float64(np.int64((drawn >> THREE) % FIVE) - 2) / 2.0
    return False, 0.0


@kernel
def random_key(state):
    return mix(random_hash(state) + np.uint64(state.to_play))


RANDOM = make_game(
    "random-game", RANDOM_STATE, 3, 14,
    random_start, random_play, random_legal, random_outcome, random_key, False,
)  # fmt: skip


# Geography: a token on a ring of `size` places steps 1, 2 or 3 ahead to where it has never been;
# who cannot move has lost. The key is the place alone: the value depends on the past.

RING_STATE = np.dtype(
    [("length", np.int64), ("place", np.int64), ("to_play", np.int8), ("ply", np.int16)], align=True
)


@kernel
def ring_start(state):
    state.length = 7
    state.place = 0
    state.to_play = 0
    state.ply = 0


@kernel
def ring_play(state, action):
    state.place = (state.place + action + 1) % state.length
    state.to_play = 1 - state.to_play
    state.ply += 1


@kernel
def ring_is_open(state, keys, n, action):
    place = (state.place + action + 1) % state.length
    visited = place == state.place
    for i in range(n):
        visited = visited or keys[i] == mix(np.uint64(place))
    return not visited


@kernel
def ring_legal(state, keys, n, mask):
    for action in range(3):
        mask[action] = ring_is_open(state, keys, n, action)


@kernel
def ring_outcome(state, keys, n):
    for action in range(3):
        if ring_is_open(state, keys, n, action):
            return False, 0.0
    return True, -1.0


@kernel
def ring_key(state):
    return mix(np.uint64(state.place))


RING = make_game(
    "geography", RING_STATE, 3, 20, ring_start, ring_play, ring_legal, ring_outcome, ring_key, True
)


def position_of(game, **fields):
    state = game.position().state_array.copy()
    for name, value in fields.items():
        state[name] = value
    return Position(game, state[0])
