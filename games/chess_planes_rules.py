"""Chess: what a network sees.

    14 planes for each of the last positions, the newest first: pawns, knights, bishops, rooks,
       queens and king of the player to move, those of the opponent, repeated once, repeated twice
    then  Black to move; castling (mine to the king's and the queen's side, theirs); the square of a
       capture in passing; plies since a pawn was moved or a piece captured

as in AlphaZero (Silver et al. 2018, table S1), but for two things: the number of moves made, which
says nothing about a position, is left out, and the capture in passing, which cannot be seen at the
start of a game from a set position, is in its place.
"""

import numpy as np

from alphazero.game.jit import borrow, kernel, lowest_bit

from .chess_attacks_rules import (
    BISHOP,
    EIGHT,
    LOW_6,
    NO_PIECE,
    ONE,
    PAWN,
    QUEEN,
    ROOK,
    S6,
    TURN,
    ZERO,
)
from .chess_moves_rules import D1, F1, S12, moved
from .chess_rules import CASTLED, IN_PASSING, PAST, PROMOTED, S18, times_before

POSITION_PLANES = 14
OTHER_PLANES = 7
BLACK, CASTLING, EN_PASSANT, CLOCK = 0, 1, 5, 6  # after those of the positions


@kernel
def show(state, keys, n, planes, positions, limit):
    """Set zeroed planes [14 * positions + 7, 8, 8], the clock up to `limit`."""
    keys, planes = borrow(keys), borrow(planes)
    show_positions(state, keys, n, planes, positions)
    first = POSITION_PLANES * positions
    fill(planes, first + BLACK, state.to_play)
    rooks = state.castling
    while rooks:
        rook = np.uint64(lowest_bit(rooks))
        rooks &= rooks - ONE
        king = np.uint64(state.king) if rook < EIGHT else np.uint64(state.their_king)
        fill(planes, first + CASTLING + 2 * (rook >= EIGHT) + (rook < king), 1)
    if state.en_passant:
        mark(planes, first + EN_PASSANT, ONE << np.uint64(state.en_passant))
    fill(planes, first + CLOCK, min(np.int64(state.clock), limit))


@kernel
def show_positions(state, keys, n, planes, positions):
    """Mark the pieces now and before the last moves, and how often these positions had come."""
    mine, theirs, pawns = state.mine, state.theirs, state.pawns
    straight, diagonal = state.straights, state.diagonals
    my_king, their_king = np.uint64(state.king), np.uint64(state.their_king)
    clock, key = np.int64(state.clock), state.key
    for back in range(positions):
        first = POSITION_PLANES * back
        kings = (ONE << my_king) | (ONE << their_king)
        show_pieces(planes, first, mine, pawns, straight, diagonal, kings)
        show_pieces(planes, first + 6, theirs, pawns, straight, diagonal, kings)
        for i in range(times_before(key, keys, n - back, clock, 2)):
            fill(planes, first + 12 + i, 1)
        if back == PAST or state.past[back] == 0:
            break
        move = np.uint64(state.past[back])
        clock = np.int64((move >> S18) & np.uint64(0xFF))
        if n > back:
            key = keys[n - back - 1]
        turn = TURN if back % 2 == 0 else ZERO  # the last move was the opponent's
        own, other, king = theirs, mine, their_king
        if back % 2 == 1:
            own, other, king = mine, theirs, my_king
        own, other, pawns, straight, diagonal, king = take_back(
            own, other, pawns, straight, diagonal, king, move, turn
        )
        if back % 2 == 1:
            mine, theirs, my_king = own, other, king
        else:
            mine, theirs, their_king = other, own, king


@kernel
def take_back(own, other, pawns, straight, diagonal, king, move, turn):
    """The board before a move of the player who owns `own`. A square of the move is this one here
    after `^ turn`."""
    origin, target = (move & LOW_6) ^ turn, ((move >> S6) & LOW_6) ^ turn
    from_bit, to_bit = ONE << origin, ONE << target
    if move & CASTLED:
        rook = (F1 if target > origin else D1) ^ turn
        own = (own & ~((ONE << king) | (ONE << rook))) | from_bit | to_bit
        straight = (straight & ~(ONE << rook)) | to_bit
        return own, other, pawns, straight, diagonal, origin
    own = (own & ~to_bit) | from_bit
    if king == target:
        king = origin
    if move & PROMOTED:
        pawns |= from_bit
        straight &= ~to_bit
        diagonal &= ~to_bit
    else:
        pawns = moved(pawns, target, origin)
        straight = moved(straight, target, origin)
        diagonal = moved(diagonal, target, origin)
    captured = np.int64((move >> S12) & np.uint64(7))
    if captured != NO_PIECE:
        bit = to_bit
        if move & IN_PASSING:
            bit = to_bit << EIGHT if turn else to_bit >> EIGHT
        other |= bit
        if captured == PAWN:
            pawns |= bit
        if captured in (ROOK, QUEEN):
            straight |= bit
        if captured in (BISHOP, QUEEN):
            diagonal |= bit
    return own, other, pawns, straight, diagonal, king


@kernel
def show_pieces(planes, first, pieces, pawns, straight, diagonal, kings):
    """Mark one player's pieces on six planes."""
    mark(planes, first, pieces & pawns)
    mark(planes, first + 1, pieces & ~(pawns | straight | diagonal | kings))
    mark(planes, first + 2, pieces & diagonal & ~straight)
    mark(planes, first + 3, pieces & straight & ~diagonal)
    mark(planes, first + 4, pieces & straight & diagonal)
    mark(planes, first + 5, pieces & kings)


@kernel
def mark(planes, plane, squares):
    """Mark the squares of a bitboard; the far rank is row 0."""
    while squares:
        point = lowest_bit(squares) ^ 56
        planes[plane, point >> 3, point & 7] = 1
        squares &= squares - ONE


@kernel
def fill(planes, plane, number):
    """Give every point of a plane the same number."""
    for row in range(8):
        for column in range(8):
            planes[plane, row, column] = number
