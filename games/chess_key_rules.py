"""Chess: the 64-bit key that names a position (Zobrist 1970).

Positions are the same for the rules of repetition when the pieces, the player to move, the rights
to castle and a possible capture in passing are (FIDE Laws 9.2.3).
"""

import numpy as np

from alphazero.game.jit import kernel, lowest_bit

from .chess_attacks_rules import ONE, TURN, ZERO, kind_on

# Both players' pieces, rooks that may castle, files of en passant, Black to move.
_RANDOM = np.random.default_rng(64).integers(1, 2**64, 2 * 6 * 64 + 64 + 8 + 1, dtype=np.uint64)
_CASTLING, _EN_PASSANT, _BLACK = 768, 832, 840
BLACK_TO_MOVE = np.uint64(_RANDOM[_BLACK])


@kernel
def piece_key(player, kind, square, to_play):
    """The key of a piece of a player on a square as `to_play` sees it."""
    turn = np.int64(TURN) if to_play == 1 else 0
    piece = 6 * np.int64(player) + kind
    return _RANDOM[np.uint64(64 * piece + (np.int64(square) ^ turn))]


@kernel
def castling_key(rooks, to_play):
    """The key of rooks that may castle."""
    key, turn = ZERO, TURN if to_play == 1 else ZERO
    while rooks:
        key ^= _RANDOM[np.uint64(_CASTLING) + (np.uint64(lowest_bit(rooks)) ^ turn)]
        rooks &= rooks - ONE
    return key


@kernel
def en_passant_key(square):
    """The key of a possible capture in passing."""
    return _RANDOM[np.uint64(_EN_PASSANT) + (square & np.uint64(7))]


@kernel
def full_key(state):
    """The key worked out anew, as after setting a position up."""
    key = castling_key(state.castling, state.to_play)
    occupied = state.mine | state.theirs
    while occupied:
        square = np.uint64(lowest_bit(occupied))
        occupied &= occupied - ONE
        mine = (state.mine >> square) & ONE
        player = state.to_play if mine else 1 - state.to_play
        key ^= piece_key(player, kind_on(state, square), square, state.to_play)
    if state.en_passant:
        key ^= en_passant_key(np.uint64(state.en_passant))
    return key ^ BLACK_TO_MOVE if state.to_play == 1 else key
