"""Tic-tac-toe: the smallest game, and the example to copy for your own.

Actions are the cells 0..8, row by row from the top left; people write them a3 ... c1 (the column's
letter and the row's number from below), or as the digit keys of a keypad, 7 8 9 on top.
"""

import numpy as np

from alphazero.game import BoardView, Cell, Game, Symmetries
from alphazero.game.jit import kernel, mix

STATE = np.dtype(
    [
        ("board", np.int8, 9),  # 0 empty, 1 the first player's, 2 the second player's
        ("to_play", np.int8),
        ("ply", np.int16),
        ("winner", np.int8),  # 0 nobody yet, otherwise as on the board
    ],
    align=True,
)


@kernel
def start(state):
    state.board[:] = 0
    state.to_play = 0
    state.ply = 0
    state.winner = 0


@kernel
def play(state, action):
    assert state.board[action] == 0, "illegal move: the cell is occupied"
    stone = state.to_play + 1
    state.board[action] = stone
    state.ply += 1
    state.to_play = 1 - state.to_play
    board = state.board
    row, column = action // 3 * 3, action % 3
    if (
        (board[row] == stone and board[row + 1] == stone and board[row + 2] == stone)
        or (board[column] == stone and board[column + 3] == stone and board[column + 6] == stone)
        or (board[0] == stone and board[4] == stone and board[8] == stone)
        or (board[2] == stone and board[4] == stone and board[6] == stone)
    ):
        state.winner = stone


@kernel
def legal(state, keys, n, mask):
    for cell in range(9):
        mask[cell] = state.board[cell] == 0


@kernel
def outcome(state, keys, n):
    if state.winner != 0:
        return True, -1.0  # the player to move has just been beaten
    return state.ply == 9, 0.0


@kernel
def key(state):
    digits = np.uint64(state.to_play)
    for cell in range(9):
        digits = digits * np.uint64(3) + np.uint64(state.board[cell])
    return mix(digits)


@kernel
def observe(state, keys, n, planes):
    mine = state.to_play + 1
    for cell in range(9):
        stone = state.board[cell]
        if stone != 0:
            planes[0 if stone == mine else 1, cell // 3, cell % 3] = 1


def action_to_str(state, action):
    return "abc"[action % 3] + "321"[action // 3]


def str_to_action(state, text):
    text = text.strip().lower()
    if len(text) == 1 and text in "123456789":
        return (3 - (int(text) + 2) // 3) * 3 + (int(text) - 1) % 3
    if len(text) == 2 and text[0] in "abc" and text[1] in "123":
        return "321".index(text[1]) * 3 + "abc".index(text[0])
    raise ValueError(f"{text!r} is not a cell: write a1 to c3, or a digit 1 to 9 as on a keypad")


def view(state, last_action):
    cells = [(Cell(), Cell("X", 0), Cell("O", 1))[owner] for owner in state["board"]]
    last = () if last_action is None else (last_action,)
    return BoardView("squares", rows="321", columns="abc", cells=cells, last=last)


def explain(state, action):
    return f"the cell is taken by {' XO'[state['board'][action]]}"


def square_symmetries(size: int) -> Symmetries:
    """The eight rotations and reflections of a square board whose actions are its points."""
    points = np.arange(size * size, dtype=np.int32).reshape(size, size)
    turned = [np.rot90(points, quarter) for quarter in range(4)]
    rows = np.stack([board.ravel() for turn in turned for board in (turn, np.fliplr(turn))])
    return Symmetries(points=rows, actions=rows)


GAME = Game(
    name="tic-tac-toe",
    title="Tic-tac-toe",
    state=STATE,
    num_actions=9,
    planes=(2, 3, 3),
    max_plies=9,
    start=start,
    play=play,
    legal=legal,
    outcome=outcome,
    key=key,
    observe=observe,
    action_to_str=action_to_str,
    str_to_action=str_to_action,
    view=view,
    explain=explain,
    players=("X", "O"),
    symmetries=square_symmetries(3),
    uses_keys=False,
    fully_convolutional=True,
)
