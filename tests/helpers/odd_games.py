"""Files of games that break the contract, each in one way: a heap of which players take 1 to 3."""

from pathlib import Path

HEAP = '''
"""Take 1 to 3 from a heap of 12; whoever takes the last wins."""
import numpy as np
from alphazero.game import Game
from alphazero.game.jit import kernel, mix

STATE = np.dtype([("left", np.int64), ("to_play", np.int8), ("ply", np.int16)], align=True)

@kernel
def start(state):
    state.left = 12
    state.to_play = 0
    state.ply = 0

@kernel
def play(state, action):
    state.left -= action + 1
    state.to_play = 1 - state.to_play
    state.ply += 1

@kernel
def legal(state, keys, n, mask):
    for action in range(3):
        mask[action] = action < state.left

@kernel
def outcome(state, keys, n):
    return state.left == 0, -1.0 if state.left == 0 else 0.0

@kernel
def key(state):
    return mix(np.uint64(2 * state.left + state.to_play))

@kernel
def observe(state, keys, n, planes):
    planes[0, 0, state.left] = 1

def str_to_action(state, text):
    if text not in ("1", "2", "3"):
        raise ValueError(f"{text!r} is not 1, 2 or 3")
    return int(text) - 1

GAME = Game(
    name="NAME", title="Heap", state=STATE, num_actions=3, planes=(1, 1, 13), max_plies=12,
    start=start, play=play, legal=legal, outcome=outcome, key=key, observe=observe,
    action_to_str=lambda state, action: str(action + 1), str_to_action=str_to_action,
    render=lambda state, last: f"{state['left']} left{'' if last is None else ', one move made'}",
    uses_keys=False)
'''
TURN = "    state.to_play = 1 - state.to_play\n"
TAKE = "state.left -= action + 1"

# Name -> what is replaced by what.
CHANGES = {
    "heap": {},
    # Without end: the heap is a ring, and both may turn away from 0.
    "endless": {
        TAKE: "state.left = (state.left + (1 if action == 0 else 12)) % 13",
        "range(3)": "range(2)",
        "state.left = 12": "state.left = 6",
        "max_plies=12": "max_plies=60",
    },
    "short": {"max_plies=12": "max_plies=3"},
    "dice": {TAKE: "state.left -= min(state.left, np.random.randint(1, 4))"},
    "three": {TURN: "    state.to_play = (state.to_play + 1) % 3\n"},
    "solo": {TURN: ""},
    "over": {"state.left = 12": "state.left = 0"},
    "fragile": {TAKE: TAKE + '\n    assert state.left != 5, "five is unlucky"'},
    "halves": {"planes[0, 0, state.left] = 1": "planes[0, 0, state.left] = 0.5"},
    "nan": {"planes[0, 0, state.left] = 1": "planes[0, 0, state.left] = np.nan"},
    "hidden": {"action < state.left": "action < state.left and action < 3 - state.to_play"},
    "counted": {"2 * state.left": "64 * state.ply + 2 * state.left"},
    "repeating": {
        "2 * state.left": "64 * state.ply + 2 * state.left",
        "uses_keys=False": "uses_keys=True",
    },
    "many": {"num_actions=3": "num_actions=70_000"},
    "wide": {"num_actions=3": "num_actions=40_000"},
    "byte": {'"ply", np.int16': '"ply", np.int8', "max_plies=12": "max_plies=300"},
}
CHANGES["endless-with-keys"] = CHANGES["endless"] | {"uses_keys=False": "uses_keys=True"}


def write(folder: Path, name: str) -> Path:
    """Write the file of a game and return its path."""
    text = HEAP.replace("NAME", name)
    for old, new in CHANGES[name].items():
        assert old in text, f"{name}: {old!r} is not in the file"
        text = text.replace(old, new)
    path = folder / f"{name.replace('-', '_')}.py"
    path.write_text(text)
    return path
