"""Connect Four on a board of any size up to 64 cells: `connect4:rows=6,cols=7`.

The board is two bitboards (J. Tromp's layout): column by column from the left, each from the bottom
up with one bit spare on top, so that four in a row is four shifts and no run wraps around.

    5 12 19 26 33 40 47     bit numbers for 6 rows and 7 columns; 6, 13, ... 48 stay empty
    .  .  .  .  .  .  .
    1  8 15 22 29 36 43
    0  7 14 21 28 35 42
"""

import numpy as np

from alphazero.game import BoardView, Cell, Game, Symmetries
from alphazero.game.jit import kernel, mix

STATE = np.dtype(
    [
        ("mine", np.uint64),  # discs of the player to move
        ("theirs", np.uint64),
        ("to_play", np.int8),
        ("ply", np.int16),
        ("won", np.int8),  # 1 once the player who has just moved has four in a row
    ],
    align=True,
)
ONE = np.uint64(1)
COLUMNS = "abcdefghijklmnopqrstuvwxyz"


@kernel
def has_four(discs, height):
    """Return whether a bitboard with columns of `height` bits holds four in a row."""
    for step in (np.uint64(1), height - ONE, height, height + ONE):  # up, falling, across, rising
        pairs = discs & (discs >> step)
        if pairs & (pairs >> (step + step)):
            return True
    return False


def connect4(rows: int = 6, cols: int = 7) -> Game:
    """Connect Four; four in a row wins, a full board is a draw."""
    if not (isinstance(rows, int) and isinstance(cols, int) and rows >= 1 and cols >= 1):
        raise ValueError(f"rows and cols must be whole numbers above 0, not {rows} and {cols}")
    if (rows + 1) * cols > 64 or cols > len(COLUMNS):
        raise ValueError(f"{rows} rows x {cols} cols is too large: (rows + 1) * cols <= 64")
    height = rows + 1

    @kernel
    def start(state):
        state.mine = np.uint64(0)
        state.theirs = np.uint64(0)
        state.to_play = 0
        state.ply = 0
        state.won = 0

    @kernel
    def play(state, action):
        bottom = ONE << np.uint64(action * height)
        column = ((ONE << np.uint64(rows)) - ONE) << np.uint64(action * height)
        discs = state.mine | state.theirs
        disc = (discs + bottom) & column  # the carry of an addition lands on the lowest empty cell
        assert disc != 0, "illegal move: the column is full"
        moved = state.mine | disc
        state.mine = state.theirs
        state.theirs = moved
        state.to_play = 1 - state.to_play
        state.ply += 1
        state.won = has_four(moved, np.uint64(height))

    @kernel
    def legal(state, keys, n, mask):
        discs = state.mine | state.theirs
        for action in range(cols):
            top = ONE << np.uint64(action * height + rows - 1)
            mask[action] = (discs & top) == 0

    @kernel
    def outcome(state, keys, n):
        if state.won:
            return True, -1.0  # the player to move has just been beaten
        return state.ply == rows * cols, 0.0

    @kernel
    def key(state):
        return mix(state.mine + mix(state.theirs + np.uint64(state.to_play)))

    @kernel
    def observe(state, keys, n, planes):
        for column in range(cols):
            for row in range(rows):
                bit = ONE << np.uint64(column * height + row)
                if state.mine & bit:
                    planes[0, rows - 1 - row, column] = 1
                elif state.theirs & bit:
                    planes[1, rows - 1 - row, column] = 1

    def action_to_str(state, action):
        return COLUMNS[action]

    def str_to_action(state, text):
        text = text.strip().lower()
        if text.isdecimal() and 1 <= int(text) <= cols:
            return int(text) - 1
        if len(text) == 1 and text in COLUMNS[:cols]:
            return COLUMNS.index(text)
        last = COLUMNS[cols - 1]
        raise ValueError(f"{text!r} is not a column: write a to {last}, or 1 to {cols}")

    def view(state, last_action):
        first, second = int(state["mine"]), int(state["theirs"])
        if state["to_play"] == 1:
            first, second = second, first
        cells = []
        for row in reversed(range(rows)):
            for column in range(cols):
                bit = 1 << column * height + row
                cells.append(
                    Cell("X", 0) if first & bit else Cell("O", 1) if second & bit else Cell()
                )
        last = ()
        if last_action is not None:
            column = (first | second) >> last_action * height & (1 << rows) - 1
            last = ((rows - column.bit_length()) * cols + last_action,)
        return BoardView(
            "squares",
            rows=[str(row) for row in range(rows, 0, -1)],
            columns=COLUMNS[:cols],
            cells=cells,
            last=last,
            names={"X": "disc", "O": "disc"},
            is_upright=True,
        )

    def explain(state, action):
        return f"column {COLUMNS[action]} is full"

    points = np.arange(rows * cols, dtype=np.int32).reshape(rows, cols)
    actions = np.arange(cols, dtype=np.int32)
    mirror = Symmetries(
        points=np.stack([points.ravel(), np.fliplr(points).ravel()]),
        actions=np.stack([actions, actions[::-1]]),
    )
    return Game(
        name="connect4",
        title="Connect Four",
        state=STATE,
        num_actions=cols,
        planes=(2, rows, cols),
        max_plies=rows * cols,
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
        symmetries=mirror,
        uses_keys=False,
        parameters={"rows": rows, "cols": cols},
    )


GAME = connect4
