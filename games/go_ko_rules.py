"""Repetition in Go: what ko and superko forbid.

Positions are known by the Zobrist hash of their stones, 63 bits; the 64th is who is to move. Where
two hashes differ by one stone, its low bits say which: so all moves without captures are compared
with earlier positions in one pass over the latter.
"""

import numpy as np

from alphazero.game.jit import borrow, kernel

from .go_rules import (
    BORDER,
    CELL_LIMIT,
    EMPTY,
    LARGE_CELL_LIMIT,
    PASS_CELL,
    POSITIONAL,
    RECENT,
    SIMPLE,
    has_friend,
    is_first,
    is_suicide,
    neighbour,
    next_stone,
    stone_number,
    taken_bit,
)

TO_PLAY_BIT = np.uint64(1 << 63)
CELL_BITS, LARGE_CELL_BITS = np.uint64(CELL_LIMIT - 1), np.uint64(LARGE_CELL_LIMIT - 1)


@kernel
def position_key(state):
    """Stones and the player to move."""
    return state.hash | TO_PLAY_BIT if state.to_play == 1 else state.hash


@kernel
def mark_forbidden(state, keys, n, columns, mask, value):
    """Set to `value` the entries of a mask [rows * columns] of moves that only the ban of ko and
    repetition forbids; keys[:n] are those of all earlier positions."""
    width = np.uint64(columns + 1)
    if state.ko != 0 and not has_friend(state, np.uint64(state.ko), width):
        mask[point_of(state.ko, columns)] = value  # who took the stone may fill the point
    if state.ko_rule == SIMPLE or (state.captures[0] == 0 and state.captures[1] == 0):
        return  # a position comes again only after stones have been taken
    first = first_that_may_return(state, n)
    if first == n:
        return
    keys, mask = borrow(keys), borrow(mask)
    mine = state.to_play + 1
    ignored = np.uint64(0)
    expected = state.hash
    if state.ko_rule == POSITIONAL:
        ignored = TO_PLAY_BIT
    elif state.to_play == 0:
        expected |= TO_PLAY_BIT
    cell_bits = LARGE_CELL_BITS if state.color.shape[0] > CELL_LIMIT else CELL_BITS
    # Earlier positions with one stone of the mover more, which a move without captures brings back.
    for i in range(first, n):
        difference = (keys[i] ^ expected) & ~ignored
        cell = difference & cell_bits
        if (
            difference == stone_number(state, mine, cell)
            and state.color[cell] == EMPTY
            and hash_after(state, cell, mine, width) == state.hash ^ difference
        ):
            mask[point_of(cell, columns)] = value
    # Moves that capture, or take their own chain off.
    for i in range(state.color.shape[0]):
        head = np.uint64(i)
        if state.chain[head] != head or state.liberties[head] != 1:
            continue
        cell = last_liberty(state, head, width)
        if state.color[head] == mine:
            if not state.suicide or not is_suicide(state, cell, width):
                continue
        elif state.ring[cell] & taken_bit(mine) == 0:
            continue  # no earlier position had a stone of the mover here
        after = hash_after(state, cell, mine, width) | (expected & TO_PLAY_BIT)
        for j in range(first, n):
            if (keys[j] & ~ignored) == after:
                mask[point_of(cell, columns)] = value


@kernel
def first_that_may_return(state, n):
    """Which is the earliest of n earlier positions that the next move could bring back; n if none.

    A stone where none of its colour has ever been taken was not there before it was set. If its
    chain has two liberties it also stays for another move, so no position before it comes again.
    Most often that is so for the last stone.
    """
    for i in range(RECENT):
        cell = np.uint64(max(state.recent[i], PASS_CELL))
        color = state.color[cell]
        if (
            EMPTY < color < BORDER  # a stone
            and state.ring[cell] & taken_bit(color) == 0
            and state.liberties[state.chain[cell]] > 1
        ):
            return max(n - i, 0)
    return 0


@kernel
def point_of(cell, columns):
    """The number of a cell's point, row by row in an array of so many columns."""
    cell = np.int64(cell)
    return (cell // (columns + 1) - 1) * columns + cell % (columns + 1) - 1


@kernel
def last_liberty(state, head, width):
    """The one liberty of a chain that has no other."""
    stone = head
    while True:
        for direction in range(4):
            beside = neighbour(stone, direction, width)
            if state.color[beside] == EMPTY:
                return beside
        stone = next_stone(state, stone)


@kernel
def hash_after(state, cell, mine, width):
    """The hash of the stones after a move."""
    suicide = is_suicide(state, cell, width)
    taken = mine if suicide else 3 - mine  # the colour of the chains that go
    after = state.hash
    if not suicide:
        after ^= stone_number(state, mine, cell)
    for direction in range(4):
        beside = neighbour(cell, direction, width)
        if (
            state.color[beside] == taken
            and state.liberties[state.chain[beside]] == 1
            and is_first(state, cell, direction, width)
        ):
            stone = beside
            while True:
                after ^= stone_number(state, taken, stone)
                stone = next_stone(state, stone)
                if stone == beside:
                    break
    return after
