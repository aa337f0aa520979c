"""The rules of Go as kernels over one state, for boards of up to 19x19.

The board is one array of cells with a border, so that no neighbour is ever out of range. For a
board of N columns a row has W = N + 1 cells, of which the first is border, for both its neighbours:

    # # # #        cell 0 is the corner; point (row, column) is cell (row + 1) W + column + 1;
    # . . .        a smaller board in the same array has more border on its right and below
    # . . .
    # . . .
    # # # #

Stones of one colour that touch form a chain. Every stone knows its chain's head (`chain`), and the
next stone of a ring through the whole chain (`ring`); the head knows how many liberties, that is
different empty cells beside it, the chain has (`liberties`). Captures, suicide and atari are then
questions about a few numbers, and a chain is walked only when it is captured or joins another.

Repetition is recognised by the Zobrist hash of the stones, 63 bits; the 64th is who is to move. The
low bits of a stone's number say which stone it is: where two hashes differ by one stone, it can be
read off, so that all moves are compared with all earlier positions in one pass over the latter.

Cells are unsigned: a signed index is checked for being negative, which makes these loops several
times slower.
"""

import numpy as np

from alphazero.jit import borrow, kernel

LARGEST = 19
EMPTY, BLACK, WHITE, BORDER = 0, 1, 2, 3
SIMPLE, POSITIONAL, SITUATIONAL = 0, 1, 2  # which repetition is forbidden
NOTHING, ALL, ALL_BUT_ONE = 0, 1, 2  # points for handicap stones
PASS_CELL = 0  # among the last moves
RECENT = 5  # last moves that are remembered

TO_PLAY_BIT = np.uint64(1 << 63)
ONE = np.uint64(1)
COLOR_BIT = np.uint64(1 << 9)
CELL_BITS = np.uint64((1 << 9) - 1)


def number_of_cells(size: int) -> int:
    """Rows of size + 1 cells for a border above and below, and the last point's diagonal."""
    return (size + 1) * (size + 2) + 1


STONE_BITS = 10  # of a stone's number that say which it is: colour - 1, then 9 bits of cell
_stones = np.arange(2)[:, None] << 9 | np.arange(number_of_cells(LARGEST))
_ZOBRIST = np.random.default_rng(1).integers(1, 2**53, _stones.shape, dtype=np.uint64)
_ZOBRIST = _ZOBRIST << np.uint64(STONE_BITS) | _stones.astype(np.uint64)


def state_dtype(size: int) -> np.dtype:
    """The state of a board of up to size x size."""
    cells = number_of_cells(size)
    return np.dtype(
        [
            ("hash", np.uint64),  # of the stones
            ("komi", np.float32),  # points for White
            ("chain", np.uint16, cells),  # cell of the chain's head; 0 where no stone is
            ("ring", np.uint16, cells),  # the next stone of the chain
            ("recent", np.int16, RECENT),  # cells of the last moves, the newest first; -1: none
            ("captures", np.int16, 2),  # stones taken by Black and by White
            ("ko", np.uint16),  # cell that may not be retaken at once; 0: none
            ("ply", np.int16),
            ("handicap", np.int16),  # stones that Black has set before the game
            ("color", np.uint8, cells),
            ("liberties", np.uint8, cells),  # of the chain, at its head; at most 241
            ("to_play", np.int8),
            ("passes", np.int8),  # made one after the other
            ("lines", np.int8),  # of the board, at most that of the array
            ("ko_rule", np.int8),
            ("handicap_rule", np.int8),  # what White gets for handicap stones
            ("suicide", np.int8),  # whether a chain of two and more may take its last liberty
        ],
        align=True,
    )


@kernel
def cell_of(action, size):
    """The cell of a point numbered row by row in a size x size array."""
    return np.uint64((action // size + 1) * (size + 1) + action % size + 1)


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
def clear(state, size, board_size):
    """An empty board of board_size in an array of size; nothing is known of a game."""
    width = size + 1
    for i in range(state.color.shape[0]):
        row, column = i // width - 1, i % width - 1
        inside = min(row, column) >= 0 and max(row, column) < board_size
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
    state.lines = board_size


# -- making a move ---------------------------------------------------------------------------------


@kernel
def play_pass(state):
    """The player to move passes."""
    remember(state, PASS_CELL)
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
    elif captured == 1 and state.ring[cell] == cell and state.liberties[head] == 1:
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
    state.hash ^= _ZOBRIST[mine - 1, cell]
    state.chain[cell] = cell
    state.ring[cell] = cell
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
    """Whether no earlier direction leads to the same chain as this one."""
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
        following = np.uint64(state.ring[stone])
        state.color[stone] = EMPTY
        state.chain[stone] = 0
        state.hash ^= _ZOBRIST[mine - 1, stone]
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
                stone = np.uint64(state.ring[stone])
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
    """Whether a stone of a chain is beside this cell."""
    return (
        state.chain[cell - width] == head
        or state.chain[cell - ONE] == head
        or state.chain[cell + ONE] == head
        or state.chain[cell + width] == head
    )


@kernel
def splice(state, one, other):
    """Make one ring of two: each stone goes on where the other did."""
    following = state.ring[one]
    state.ring[one] = state.ring[other]
    state.ring[other] = following


# -- what is legal ---------------------------------------------------------------------------------


@kernel
def mark_moves(state, size, mask):
    """Set the entries of a mask [size * size] where a stone would not be suicide, or where that is
    allowed. Repetition is not looked at."""
    mask = borrow(mask)
    width = np.uint64(size + 1)
    for row in range(state.lines):
        for column in range(state.lines):
            cell = np.uint64((row + 1) * (size + 1) + column + 1)
            if state.color[cell] == EMPTY:
                mask[row * size + column] = (
                    state.color[cell - width] == EMPTY
                    or state.color[cell - ONE] == EMPTY
                    or state.color[cell + ONE] == EMPTY
                    or state.color[cell + width] == EMPTY
                    or can_live(state, cell, width)
                    or (state.suicide and has_friend(state, cell, width))
                )


@kernel
def can_live(state, cell, width):
    """Whether a stone on a cell without empty ones beside it would have a liberty: it captures, or
    joins a chain with another liberty."""
    mine = state.to_play + 1
    for direction in range(4):
        beside = neighbour(cell, direction, width)
        color = state.color[beside]
        if color != BORDER and (state.liberties[state.chain[beside]] == 1) == (color != mine):
            return True
    return False


@kernel
def has_friend(state, cell, width):
    """Whether a chain of the player to move is beside this cell."""
    mine = state.to_play + 1
    for direction in range(4):
        if state.color[neighbour(cell, direction, width)] == mine:
            return True
    return False


@kernel
def mark_forbidden(state, keys, n, size, mask, value):
    """Set to `value` the entries of a mask [size * size] of moves that only the ban of ko and
    repetition forbids; keys[:n] are those of all earlier positions."""
    width = np.uint64(size + 1)
    if state.ko != 0 and not has_friend(state, np.uint64(state.ko), width):
        mask[point_of(state.ko, size)] = value  # who took the stone may fill the point
    if state.ko_rule == SIMPLE or (state.captures[0] == 0 and state.captures[1] == 0):
        return  # a position comes again only after stones have been taken
    keys, mask = borrow(keys), borrow(mask)
    mine = state.to_play + 1
    # Earlier positions with one stone of the mover more, which a move without captures brings back.
    ignored = np.uint64(0)
    expected = state.hash
    if state.ko_rule == POSITIONAL:
        ignored = TO_PLAY_BIT
    elif state.to_play == 0:
        expected |= TO_PLAY_BIT
    colour_bit = np.uint64(mine - 1) * COLOR_BIT
    for i in range(n):
        difference = (keys[i] ^ expected) & ~ignored
        cell = difference & CELL_BITS
        if (
            (difference & COLOR_BIT) == colour_bit
            and cell < state.color.shape[0]
            and difference == _ZOBRIST[mine - 1, cell]
            and state.color[cell] == EMPTY
            and hash_after(state, cell, mine, width) == state.hash ^ difference
        ):
            mask[point_of(cell, size)] = value
    # Moves that capture, or take their own chain off.
    for first in range(state.color.shape[0]):
        head = np.uint64(first)
        if state.chain[head] != head or state.liberties[head] != 1:
            continue
        cell = last_liberty(state, head, width)
        if state.color[head] == mine and (not state.suicide or not is_suicide(state, cell, width)):
            continue
        after = hash_after(state, cell, mine, width) | (expected & TO_PLAY_BIT)
        repeats = 0
        for i in range(n):  # to the end: without a way out the loop compares several at once
            repeats += (keys[i] & ~ignored) == after
        if repeats:
            mask[point_of(cell, size)] = value


@kernel
def point_of(cell, size):
    """The number of a cell's point, row by row in a size x size array."""
    cell = np.int64(cell)
    return (cell // (size + 1) - 1) * size + cell % (size + 1) - 1


@kernel
def last_liberty(state, head, width):
    """The one liberty of a chain that has no other."""
    stone = head
    while True:
        for direction in range(4):
            beside = neighbour(stone, direction, width)
            if state.color[beside] == EMPTY:
                return beside
        stone = np.uint64(state.ring[stone])


@kernel
def is_suicide(state, cell, width):
    """Whether a stone on this empty cell would be left without a liberty."""
    for direction in range(4):
        if state.color[neighbour(cell, direction, width)] == EMPTY:
            return False
    return not can_live(state, cell, width)


@kernel
def hash_after(state, cell, mine, width):
    """The hash of the stones after a move."""
    suicide = is_suicide(state, cell, width)
    taken = mine if suicide else 3 - mine  # the colour of the chains that go
    after = state.hash
    if not suicide:
        after ^= _ZOBRIST[mine - 1, cell]
    for direction in range(4):
        beside = neighbour(cell, direction, width)
        if (
            state.color[beside] == taken
            and state.liberties[state.chain[beside]] == 1
            and is_first(state, cell, direction, width)
        ):
            stone = beside
            while True:
                after ^= _ZOBRIST[taken - 1, stone]
                stone = np.uint64(state.ring[stone])
                if stone == beside:
                    break
    return after


@kernel
def position_key(state):
    """Stones and the player to move."""
    return state.hash | TO_PLAY_BIT if state.to_play == 1 else state.hash


@kernel
def is_own_eye(state, cell, mine, width):
    """Whether a random playout leaves this empty cell alone: only own stones beside it, and the
    opponent on fewer than two of its diagonals (one, at the edge)."""
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


# -- who owns what ---------------------------------------------------------------------------------


@kernel
def fill_area(state, owner, width):
    """Fill owner uint8 [cells]: of every stone its colour, of every empty region the one colour
    that it touches, else 0."""
    stack = np.empty(owner.shape[0], np.uint16)
    for cell in range(owner.shape[0]):
        owner[cell] = state.color[cell]
    for i in range(owner.shape[0]):
        first = np.uint64(i)
        if owner[first] != EMPTY:
            continue
        owner[first] = BORDER  # it has been seen
        stack[0] = first
        count, done, touched = 1, 0, 0
        while done < count:
            cell = np.uint64(stack[done])
            done += 1
            for direction in range(4):
                beside = neighbour(cell, direction, width)
                color = state.color[beside]
                if color == EMPTY:
                    if owner[beside] == EMPTY:
                        owner[beside] = BORDER
                        stack[count] = beside
                        count += 1
                elif color != BORDER:
                    touched |= color
        if touched == 3 or touched == 0:
            touched = 4  # nobody's, told apart from not seen
        for i in range(count):
            owner[stack[i]] = touched
    for cell in range(owner.shape[0]):
        if owner[cell] >= BORDER:
            owner[cell] = 0


@kernel
def white_points(state):
    """Komi, and compensation for handicap stones."""
    points = state.komi
    if state.handicap > 1 and state.handicap_rule != NOTHING:
        points += np.float32(state.handicap - (state.handicap_rule == ALL_BUT_ONE))
    return points


@kernel
def count_score(state, owner):
    """Points of Black less those of White, komi and compensation included; owner [cells]."""
    points = 0
    for cell in range(owner.shape[0]):
        points += (owner[cell] == BLACK) - np.int64(owner[cell] == WHITE)
    return np.float32(points) - white_points(state)
