"""The rules of Go as kernels over one state, for boards of up to 25x25.

The board is one array of cells with a border, so that no neighbour is ever out of range. For a
board of N columns a row has W = N + 1 cells, of which the first is border, for both its neighbours:

    # # # #        cell 0 is the corner; point (row, column) is cell (row + 1) W + column + 1;
    # . . .        a smaller board in the same array has more border on its right and below
    # . . .
    # . . .
    # # # #

Stones of one colour that touch form a chain. Every stone knows its chain's head (`chain`), and the
next stone of a ring through the whole chain (`ring`, whose high bits remember for superko what has
been taken from a cell); the head knows how many liberties, that is
different empty cells beside it, the chain has (`liberties`). Captures, suicide and atari are then
questions about a few numbers, and a chain is walked only when it is captured or joins another.

Repetition is the matter of `go_ko_rules.py`.

Cells are unsigned: a signed index is checked for being negative, which makes these loops several
times slower.
"""

import numpy as np

from alphazero.game.jit import borrow, kernel

LARGEST = 25  # rows or columns
EMPTY, BLACK, WHITE, BORDER = 0, 1, 2, 3
SIMPLE, POSITIONAL, SITUATIONAL = 0, 1, 2  # which repetition is forbidden

# How points are counted, in the bits of the field `counting`.
HANDICAP = 3  # the bits that say for which handicap stones White gets points
NOTHING, ALL, ALL_BUT_ONE = 0, 1, 2  # these bits
TERRITORY = 4  # territory scoring; 0: area scoring
TAX_SEKI, TAX_ALL = 8, 16  # no points in seki; besides, two less for every living group
FRIENDLY = 32  # dead stones are taken off at the end
BUTTON = 192  # the bits of the half point for the first pass; 0: there is none
ON_OFFER = 64  # these bits before it is taken; then twice as much for Black's, three times White's

PASS_CELL = 0  # among the last moves
RECENT = 5  # last moves that are remembered

ONE = np.uint64(1)


def number_of_cells(rows: int, columns: int) -> int:
    """Rows of columns + 1 cells with a border above and below, and the last point's diagonal."""
    return (columns + 1) * (rows + 2) + 1


def zobrist_numbers(cell_bits: int, seed: int) -> np.ndarray:
    """Random numbers of 63 bits for stones, uint64 [2, 2**cell_bits]: the low bits say which stone
    it is, its colour - 1 and its cell."""
    shape = 2, 1 << cell_bits
    stones = np.arange(2 << cell_bits, dtype=np.uint64).reshape(shape)
    largest = 2 ** (62 - cell_bits)
    numbers = np.random.default_rng(seed).integers(1, largest, shape, dtype=np.uint64)
    return numbers << np.uint64(cell_bits + 1) | stones


CELL_LIMIT, LARGE_CELL_LIMIT = 1 << 9, 1 << 10  # cells of boards such as 19x19, and of larger ones
ZOBRIST, LARGE_ZOBRIST = zobrist_numbers(9, 1), zobrist_numbers(10, 2)
NEXT = np.uint64(LARGE_CELL_LIMIT - 1)  # the bits of `ring` that are a cell
MOST_IN_BYTE = 361  # points of a board on which no chain has more than 255 liberties


def state_dtype(rows: int, columns: int) -> np.dtype:
    """The state of a board of up to rows x columns."""
    cells = number_of_cells(rows, columns)
    count = np.uint8 if rows * columns <= MOST_IN_BYTE else np.uint16
    return np.dtype(
        [
            ("hash", np.uint64),  # of the stones
            ("komi", np.float32),  # points for White
            ("chain", np.uint16, cells),  # cell of the chain's head; 0 where no stone is
            ("ring", np.uint16, cells),  # the next stone of the chain, and what was taken here
            ("recent", np.int16, RECENT),  # cells of the last moves, the newest first; -1: none
            ("captures", np.int16, 2),  # stones taken by Black and by White
            ("ko", np.uint16),  # cell that may not be retaken at once; 0: none
            ("ply", np.int16),
            ("handicap", np.int16),  # stones that Black has set before the game
            ("color", np.uint8, cells),
            ("liberties", count, cells),  # of the chain, at its head; at most 241 on 19x19
            ("to_play", np.int8),
            ("passes", np.int8),  # made one after the other, without that which took the button
            ("lines", np.int8),  # rows of the board; a square one may be smaller than the array
            ("ko_rule", np.int8),
            ("counting", np.uint8),  # how points are counted
            ("suicide", np.int8),  # whether a chain of two and more may take its last liberty
        ],
        align=True,
    )


@kernel
def stone_number(state, color, cell):
    """The number of a stone in hashes. How many cells there are is known at compilation."""
    row = np.uint64(color) - ONE
    if state.color.shape[0] > CELL_LIMIT:
        return LARGE_ZOBRIST[row, cell]
    return ZOBRIST[row, cell]


@kernel
def cell_of(action, columns):
    """The cell of a point numbered row by row in an array of so many columns."""
    return np.uint64((action // columns + 1) * (columns + 1) + action % columns + 1)


@kernel
def neighbour(cell, direction, width):
    """The cell beside this one, in one of the directions 0..3; all unsigned but the direction."""
    if direction == 0:
        return cell - width
    if direction == 1:
        return cell - ONE
    if direction == 2:
        return cell + ONE
    return cell + width


@kernel
def clear(state, columns, board_rows, board_columns):
    """An empty board in the corner of an array of columns; nothing is known of a game."""
    width = columns + 1
    for i in range(state.color.shape[0]):
        row, column = i // width - 1, i % width - 1
        inside = min(row, column) >= 0 and row < board_rows and column < board_columns
        state.color[i] = EMPTY if inside else BORDER
        state.chain[i] = 0
        state.ring[i] = 0
        state.liberties[i] = 0
    for i in range(RECENT):
        state.recent[i] = -1
    state.hash = np.uint64(0)
    state.captures[0] = 0
    state.captures[1] = 0
    state.ko = 0
    state.ply = 0
    state.handicap = 0
    state.to_play = 0
    state.passes = 0
    state.lines = board_rows


# -- making a move ---------------------------------------------------------------------------------


@kernel
def play_pass(state):
    """The player to move passes."""
    remember(state, PASS_CELL)
    if state.counting & BUTTON == ON_OFFER:
        state.counting += ON_OFFER if state.to_play == 0 else 2 * ON_OFFER
    else:
        state.passes += 1
    state.ko = 0
    state.ply += 1
    state.to_play = 1 - state.to_play


@kernel
def play_stone(state, cell, width):
    """The player to move sets a stone on an empty cell where that is legal."""
    assert state.color[cell] == EMPTY, "illegal move: the point is not empty"
    mine = np.uint8(state.to_play + 1)
    captured, last_captured = add_stone(state, cell, mine, width)
    state.captures[state.to_play] += captured
    head = state.chain[cell]
    state.ko = 0
    if state.liberties[head] == 0:  # suicide
        state.captures[1 - state.to_play] += remove_chain(state, cell, width)
    elif captured == 1 and next_stone(state, cell) == cell and state.liberties[head] == 1:
        state.ko = last_captured
    remember(state, cell)
    state.passes = 0
    state.ply += 1
    state.to_play = 1 - state.to_play


@kernel
def remember(state, cell):
    """Note the newest of the last moves."""
    for i in range(RECENT - 1, 0, -1):
        state.recent[i] = state.recent[i - 1]
    state.recent[0] = cell


@kernel
def add_stone(state, cell, mine, width):
    """Set a stone and take what it captures; its own chain may be left without liberties.

    Returns how many stones were captured, and the last of them.
    """
    state.color[cell] = mine
    state.hash ^= stone_number(state, mine, cell)
    state.chain[cell] = cell
    state.ring[cell] = (state.ring[cell] & ~NEXT) | cell
    free = 0
    for direction in range(4):
        beside = neighbour(cell, direction, width)
        if state.color[beside] == EMPTY:
            free += 1
        elif state.color[beside] != BORDER and is_first(state, cell, direction, width):
            state.liberties[state.chain[beside]] -= 1
    state.liberties[cell] = free
    captured, last_captured = 0, cell
    for direction in range(4):
        beside = neighbour(cell, direction, width)
        if state.color[beside] == 3 - mine and state.liberties[state.chain[beside]] == 0:
            captured += remove_chain(state, beside, width)
            last_captured = beside
    join_neighbours(state, cell, mine, width)
    return captured, last_captured


@kernel
def is_first(state, cell, direction, width):
    """Return whether no earlier direction leads to the same chain as this one."""
    head = state.chain[neighbour(cell, direction, width)]
    for earlier in range(direction):
        if state.chain[neighbour(cell, earlier, width)] == head:
            return False
    return True


@kernel
def remove_chain(state, cell, width):
    """Take a chain off the board: the chains around it gain liberties. Returns its stones."""
    mine = state.color[cell]
    stone = cell
    removed = 0
    while True:
        following = next_stone(state, stone)
        state.ring[stone] |= taken_bit(mine)
        state.color[stone] = EMPTY
        state.chain[stone] = 0
        state.hash ^= stone_number(state, mine, stone)
        removed += 1
        for direction in range(4):
            beside = neighbour(stone, direction, width)
            if state.color[beside] == 3 - mine and is_first(state, stone, direction, width):
                state.liberties[state.chain[beside]] += 1
        if following == cell:
            return removed
        stone = following


@kernel
def join_neighbours(state, cell, mine, width):
    """Unite a new stone with the chains of its colour beside it."""
    base = np.uint64(
        0
    )  # the one with the most liberties is likely the largest: the others are walked
    for direction in range(4):
        beside = neighbour(cell, direction, width)
        if state.color[beside] == mine:
            head = np.uint64(state.chain[beside])
            if base == 0 or state.liberties[head] > state.liberties[base]:
                base = head
    if base == 0:
        return
    add_liberties(state, cell, base, width)
    splice(state, cell, base)
    for direction in range(4):
        beside = neighbour(cell, direction, width)
        if state.color[beside] == mine and state.chain[beside] != base:
            stone = beside
            while state.chain[stone] != base:
                add_liberties(state, stone, base, width)
                stone = next_stone(state, stone)
            splice(state, beside, base)


@kernel
def add_liberties(state, stone, base, width):
    """Count the liberties that a stone brings to a chain, and make it one of the chain."""
    for direction in range(4):
        beside = neighbour(stone, direction, width)
        if state.color[beside] == EMPTY and not touches(state, beside, base, width):
            state.liberties[base] += 1
    state.chain[stone] = base


@kernel
def touches(state, cell, head, width):
    """Return whether a stone of a chain is beside this cell."""
    return (
        state.chain[cell - width] == head
        or state.chain[cell - ONE] == head
        or state.chain[cell + ONE] == head
        or state.chain[cell + width] == head
    )


@kernel
def splice(state, one, other):
    """Make one ring of two: each stone goes on where the other did."""
    difference = (state.ring[one] ^ state.ring[other]) & NEXT
    state.ring[one] ^= difference
    state.ring[other] ^= difference


@kernel
def next_stone(state, stone):
    """The stone that follows in the ring of a chain."""
    return state.ring[stone] & NEXT


@kernel
def taken_bit(color):
    """The bit of `ring` that says whether a stone of this colour has ever been taken here."""
    return ONE << np.uint64(13 + color)


# -- what is legal ---------------------------------------------------------------------------------


@kernel
def mark_moves(state, columns, board_columns, mask):
    """Set the entries of a mask [rows * columns] where a stone would not be suicide, or where that
    is allowed, on a board that has so many columns of these. Repetition is not looked at."""
    mask = borrow(mask)
    width = np.uint64(columns + 1)
    for row in range(state.lines):
        for column in range(board_columns):
            cell = np.uint64((row + 1) * (columns + 1) + column + 1)
            if state.color[cell] == EMPTY:
                mask[row * columns + column] = (
                    state.color[cell - width] == EMPTY
                    or state.color[cell - ONE] == EMPTY
                    or state.color[cell + ONE] == EMPTY
                    or state.color[cell + width] == EMPTY
                    or can_live(state, cell, width)
                    or (state.suicide and has_friend(state, cell, width))
                )


@kernel
def can_live(state, cell, width):
    """Return whether a stone on a cell without empty ones beside it would have a liberty: it
    captures, or joins a chain with another liberty."""
    mine = state.to_play + 1
    for direction in range(4):
        beside = neighbour(cell, direction, width)
        color = state.color[beside]
        if color != BORDER and (state.liberties[state.chain[beside]] == 1) == (color != mine):
            return True
    return False


@kernel
def has_friend(state, cell, width):
    """Return whether a chain of the player to move is beside this cell."""
    mine = state.to_play + 1
    for direction in range(4):
        if state.color[neighbour(cell, direction, width)] == mine:
            return True
    return False


@kernel
def is_suicide(state, cell, width):
    """Return whether a stone on this empty cell would be left without a liberty."""
    for direction in range(4):
        if state.color[neighbour(cell, direction, width)] == EMPTY:
            return False
    return not can_live(state, cell, width)


@kernel
def is_own_eye(state, cell, mine, width):
    """Return whether a random playout leaves this empty cell alone: only own stones beside it, and
    the opponent on fewer than two of its diagonals (one, at the edge)."""
    for direction in range(4):
        color = state.color[neighbour(cell, direction, width)]
        if color != mine and color != BORDER:
            return False
    hostile, outside = 0, 0
    for row in (cell - width, cell + width):
        for diagonal in (row - ONE, row + ONE):
            color = state.color[diagonal]
            hostile += color == 3 - mine
            outside += color == BORDER
    return hostile + (outside > 0) < 2
