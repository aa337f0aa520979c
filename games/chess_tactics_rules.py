"""Chess: what brute force is told of the game, which moves are noisy and what a position is worth.

A position is worth its material and where the pieces stand, in hundredths of a pawn, once as in the
middle of a game and once as at its end; how much of the pieces is left says how the two are mixed.
"""

import numpy as np

from alphazero.game.jit import kernel, lowest_bit, popcount

from .chess_attacks_rules import (
    BISHOP,
    KING,
    KNIGHT,
    LOW_6,
    NOT_A,
    NOT_H,
    ONE,
    PAWN,
    QUEEN,
    ROOK,
    S6,
    S7,
    S9,
    TURN,
    ZERO,
    checking_pieces,
    danger_squares,
    kind_on,
    knights_of,
    pinned_pieces,
)
from .chess_moves_rules import (
    S12,
    add_en_passant,
    add_moves,
    add_pawn_moves,
    add_piece_moves,
    list_moves,
)
from .chess_tables_rules import KING_STEPS, MOVES, RANK_8

MATERIAL = ((85, 325, 335, 480, 980, 0), (110, 300, 315, 530, 950, 0))  # middle, end
WORTH = np.array([1, 3, 3, 5, 9, 20, 0], np.int64)  # of a capture, by kind
PHASES = np.array([0, 1, 1, 2, 4, 0], np.int64)
FULL_PHASE = 24  # of all pieces at the start
BISHOP_PAIR = 30
TO_MOVE = 12
HALF_WAY = 600.0  # hundredths of a pawn with which half of a win's value is expected


def _standing() -> np.ndarray:
    """int64 [2 * 6 * 64]: what a piece is worth on a square, as its owner sees the board."""
    table = np.zeros((2, 6, 64), np.int64)
    for square in range(64):
        file, rank = square % 8, square // 8
        ring = 3 - int(max(abs(file - 3.5), abs(rank - 3.5)))  # 0 the border, 3 the centre
        central = file in (3, 4)
        middle, end = table[0, :, square], table[1, :, square]
        middle[PAWN] = (0, 0, 2, 8, 16, 30, 60, 0)[rank] + (10 if central and rank > 1 else 0)
        middle[PAWN] -= 12 if central and rank == 1 else 0
        end[PAWN] = (0, 0, 6, 15, 32, 62, 105, 0)[rank]
        middle[KNIGHT] = (-30, -10, 8, 18)[ring] + (6 if 3 <= rank <= 5 else 0)
        end[KNIGHT] = (-25, -8, 6, 12)[ring]
        middle[BISHOP] = (-12, 2, 7, 10)[ring] + (6 if file in (rank, 7 - rank) else 0)
        middle[BISHOP] -= 8 if rank == 0 else 0
        end[BISHOP] = (-8, 0, 4, 7)[ring]
        middle[ROOK] = (18 if rank == 6 else 0) + (8 if central else 0)
        end[ROOK] = 10 if rank == 6 else 0
        middle[QUEEN] = (-6, 0, 3, 4)[ring] - (6 if rank > 3 else 0)
        end[QUEEN] = (-15, -2, 8, 14)[ring]
        middle[KING] = (20, 32, 12, -8, 0, -8, 32, 20)[file] - 28 * rank
        end[KING] = (-35, -10, 12, 25)[ring]
        for phase, row in enumerate((middle, end)):
            row += MATERIAL[phase]
    return table.reshape(-1)


STANDING = _standing()


@kernel
def list_all(state, actions):
    """Write the legal moves; returns how many."""
    return list_moves(state, actions)


@kernel
def list_noisy(state, actions):
    """Write captures, promotions and, in check, all moves; returns how many, and whether there is a
    check. Captures by a piece of a pawn that a pawn protects are left out: they lose material."""
    if checking_pieces(state):
        return list_moves(state, actions), True
    king, theirs = np.uint64(state.king), state.theirs
    count, near = 0, KING_STEPS[king] & theirs
    if near:
        count = add_moves(actions, 0, king, near & ~danger_squares(state))
    pinned = pinned_pieces(state)
    pawns = theirs & state.pawns
    guarded = ((pawns >> S9) & NOT_H) | ((pawns >> S7) & NOT_A)
    count = add_piece_moves(state, actions, count, theirs & ~(guarded & pawns), pinned)
    count = add_pawn_moves(state, actions, count, theirs | RANK_8, pinned)
    if state.en_passant:
        count = add_en_passant(state, actions, count)
    return count, False


@kernel
def gain(state, action):
    """How much a capture or promotion wins at first sight: the most valuable victim first, of those
    the least valuable attacker. 0 for a quiet move."""
    code = np.uint64(MOVES[action])
    origin, target = code & LOW_6, (code >> S6) & LOW_6
    kind = kind_on(state, origin)
    won = 0
    if (state.theirs >> target) & ONE:
        won = 16 * WORTH[kind_on(state, target)]
    elif kind == PAWN and state.en_passant and target == np.uint64(state.en_passant):
        won = 16
    if kind == PAWN and target >= TURN and code >> S12 == ZERO:
        won += 128
    return won + 7 - kind if won else 0


@kernel
def value(state):
    """Value for the player to move, in (-1, 1)."""
    turn = TURN
    middle, end, phase = TO_MOVE, 0, 0
    for player in range(2):
        pieces, flip, sign = (state.mine, ZERO, 1) if player == 0 else (state.theirs, turn, -1)
        bishops = pieces & state.diagonals & ~state.straights
        if bishops & (bishops - ONE):
            middle += sign * BISHOP_PAIR
            end += sign * BISHOP_PAIR
        for kind in range(6):
            left = pieces & pieces_of_kind(state, kind)
            phase += PHASES[kind] * popcount(left)
            while left:
                square = np.uint64(lowest_bit(left)) ^ flip
                left &= left - ONE
                place = np.uint64(64 * kind) + square
                middle += sign * STANDING[place]
                end += sign * STANDING[np.uint64(384) + place]
    phase = min(phase, FULL_PHASE)
    points = (phase * middle + (FULL_PHASE - phase) * end) / FULL_PHASE
    return points / (abs(points) + HALF_WAY)


@kernel
def pieces_of_kind(state, kind):
    """Bitboard of both players' pieces of a kind."""
    if kind == PAWN:
        return state.pawns
    if kind == KNIGHT:
        return knights_of(state)
    if kind == BISHOP:
        return state.diagonals & ~state.straights
    if kind == ROOK:
        return state.straights & ~state.diagonals
    if kind == QUEEN:
        return state.straights & state.diagonals
    return (ONE << np.uint64(state.king)) | (ONE << np.uint64(state.their_king))
