"""Which moves a playout should rather make: it takes and saves chains, answers the last move near
it, and seldom puts itself in atari (after Gelly et al. 2006, who take the first of such moves that
there is; here they have more weight).
"""

import numpy as np

from alphazero.game.jit import borrow, kernel

from .go_ko_rules import last_liberty, point_of
from .go_rules import BORDER, EMPTY, ONE, cell_of, is_first, neighbour, next_stone

# How much likelier than another such a move is, in quarters.
SELF_ATARI, ORDINARY, NEAR, TAKE, SAVE, TAKE_AND_SAVE = 1, 4, 12, 60, 200, 255


@kernel
def weigh_moves(state, weights, points, columns):
    """Make of the ones in uint8 [points + 1] weights of moves. A pass keeps its one."""
    weights = borrow(weights)
    width = np.uint64(columns + 1)
    for action in range(points):
        if weights[action]:
            weights[action] = weight_anywhere(state, cell_of(action, columns), width)
    last = np.uint64(max(state.recent[0], 0))
    if last != 0:
        raise_neighbours(state, weights, last, columns, width)
        raise_answers(state, weights, last, columns, width)


@kernel
def weight_anywhere(state, cell, width):
    """The weight of a move for what it does by itself."""
    mine = state.to_play + 1
    empty = 0
    for direction in range(4):
        beside = neighbour(cell, direction, width)
        color = state.color[beside]
        if color == 3 - mine and state.liberties[state.chain[beside]] == 1:
            return TAKE
        empty += color == EMPTY
    if empty < 2 and most_liberties(state, cell, mine, width) < 2:
        return SELF_ATARI
    return ORDINARY


@kernel
def most_liberties(state, cell, mine, width):
    """Upper bound of the liberties of a stone on an empty cell, unless it takes several stones:
    those that two of its chains share count twice."""
    liberties = 0
    for direction in range(4):
        beside = neighbour(cell, direction, width)
        color = state.color[beside]
        if color == EMPTY:
            liberties += 1
        elif color == mine:
            liberties += np.int64(state.liberties[state.chain[beside]]) - 1
        elif color != BORDER and state.liberties[state.chain[beside]] == 1:
            liberties += 1
    return liberties


@kernel
def raise_neighbours(state, weights, last, columns, width):
    """Prefer the eight points around the last move."""
    for row in (last - width, last, last + width):
        for cell in (row - ONE, row, row + ONE):
            if state.color[cell] == EMPTY:
                action = point_of(cell, columns)
                if weights[action] == ORDINARY:
                    weights[action] = NEAR


@kernel
def raise_answers(state, weights, last, columns, width):
    """Save chains that the last move put in atari: by moving out where that gives two liberties, or
    by taking a chain around them."""
    mine = state.to_play + 1
    for direction in range(4):
        beside = neighbour(last, direction, width)
        if (
            state.color[beside] != mine
            or state.liberties[state.chain[beside]] != 1
            or not is_first(state, last, direction, width)
        ):
            continue
        cell = last_liberty(state, beside, width)
        action = point_of(cell, columns)
        if weights[action] and most_liberties(state, cell, mine, width) > 1:
            weights[action] = SAVE
        stone = beside
        while True:
            for side in range(4):
                other = neighbour(stone, side, width)
                if state.color[other] == 3 - mine and state.liberties[state.chain[other]] == 1:
                    action = point_of(last_liberty(state, other, width), columns)
                    if weights[action]:
                        weights[action] = TAKE_AND_SAVE
            stone = np.uint64(next_stone(state, stone))
            if stone == beside:
                break
