"""Chess: the state, making a move, and how a game ends.

Beside the board a state keeps its key and the last seven moves with what they captured. From these
the earlier positions are worked out when a network is to see them (`chess_planes_rules`): 28 bytes
instead of some 300 for the positions themselves.
"""

import numpy as np

from alphazero.game.jit import borrow, kernel, popcount

from .chess_attacks_rules import (
    BOARD,
    EIGHT,
    KING,
    LOW_6,
    NO_PIECE,
    ONE,
    PAWN,
    QUEEN,
    ROOK,
    S6,
    TURN,
    ZERO,
    checking_pieces,
    kind_on,
    knight_attacks,
    knights_of,
)
from .chess_key_rules import (
    BLACK_TO_MOVE,
    castling_key,
    en_passant_key,
    full_key,
    piece_key,
)
from .chess_moves_rules import C1, D1, F1, G1, S12, add_en_passant, list_moves, make_move
from .chess_tables_rules import (
    ANTIDIAGONAL_LINE,
    DARK,
    DIAGONAL_LINE,
    FILE_LINE,
    MOVES,
    RANK_1,
)

MAX_MOVES = 218  # legal in any position that can come about
# Nine queens, two rooks, two bishops, two knights and a king have no more on an empty board.
SCRATCH_MOVES = 9 * 27 + 2 * 14 + 2 * 13 + 2 * 8 + 10
PAST = 7  # last moves that are remembered
STATE = np.dtype(
    [
        *BOARD[:6],
        ("key", np.uint64),
        ("past", np.uint32, PAST),  # the newest first, see `note_move`; 0: none
        ("ply", np.int32),
        *BOARD[6:],
        ("clock", np.uint8),  # plies since a pawn was moved or a piece captured
        ("to_play", np.int8),
    ],
    align=True,
)

# A move in `past`: from | to << 6 | captured << 12 | one of these | the clock before it << 18
PROMOTED, CASTLED, IN_PASSING = np.uint64(1 << 15), np.uint64(1 << 16), np.uint64(1 << 17)
S18 = np.uint64(18)
IS_MOVE = np.uint64(1 << 26)


# -- making a move ---------------------------------------------------------------------------------


@kernel
def play_move(state, action):
    """Make a legal move."""
    code = np.uint64(MOVES[action])
    origin, target = code & LOW_6, (code >> S6) & LOW_6
    from_bit, to_bit = ONE << origin, ONE << target
    assert state.mine & from_bit, "illegal move: no piece of the player to move is there"
    player, opponent = np.int64(state.to_play), 1 - np.int64(state.to_play)
    kind, captured, flag = kind_on(state, origin), NO_PIECE, ZERO
    arriving, landing = kind, target
    key = state.key ^ BLACK_TO_MOVE ^ piece_key(player, kind, origin, player)
    if state.theirs & to_bit:
        captured = kind_on(state, target)
        key ^= piece_key(opponent, captured, target, player)
    elif state.mine & to_bit:
        assert kind == KING and state.castling & to_bit, "illegal move: onto an own piece"
        flag = CASTLED
        landing, rook = (G1, F1) if target > origin else (C1, D1)
        key ^= piece_key(player, ROOK, target, player) ^ piece_key(player, ROOK, rook, player)
    elif kind == PAWN and state.en_passant and target == np.uint64(state.en_passant):
        captured, flag = PAWN, IN_PASSING
        key ^= piece_key(opponent, PAWN, target - EIGHT, player)
    if kind == PAWN and target >= TURN:
        flag = PROMOTED
        promotion = np.int64(code >> S12)
        arriving = promotion if promotion else QUEEN
    key ^= piece_key(player, arriving, landing, player)
    lost = state.castling & (from_bit | to_bit | (RANK_1 if kind == KING else ZERO))
    key ^= castling_key(lost, player)
    if state.en_passant:
        key ^= en_passant_key(np.uint64(state.en_passant))
    note_move(state, (code & np.uint64(0xFFF)) | (np.uint64(captured) << S12) | flag)
    make_move(state, state, action)
    state.clock = 0 if kind == PAWN or captured != NO_PIECE else min(state.clock + 1, 255)
    state.ply += 1
    state.to_play = opponent
    drop_idle_en_passant(state)
    if state.en_passant:
        key ^= en_passant_key(np.uint64(state.en_passant))
    state.key = key


@kernel
def note_move(state, move):
    """Remember a move, and the clock before it."""
    for i in range(PAST - 1, 0, -1):
        state.past[i] = state.past[i - 1]
    state.past[0] = np.uint32(move | (np.uint64(state.clock) << S18) | IS_MOVE)


@kernel
def drop_idle_en_passant(state):
    """Forget the square of a capture in passing where none is legal: it is no other position."""
    if state.en_passant and add_en_passant(state, np.empty(2, np.int16), 0) == 0:
        state.en_passant = 0


@kernel
def settle(state):
    """Complete a position whose pieces have just been set up."""
    drop_idle_en_passant(state)
    state.key = full_key(state)


# -- the end ---------------------------------------------------------------------------------------


@kernel
def judge(state, keys, n, repetitions, limit):
    """(over, value for the player to move): mate and stalemate; a draw when the position has come
    for the `repetitions`-th time, when no pawn was moved and nothing captured for `limit` plies,
    and when the pieces do not suffice to mate."""
    if not can_move(state):
        return True, -1.0 if checking_pieces(state) else 0.0
    if state.clock >= limit or is_dead(state):
        return True, 0.0
    earlier = repetitions - 1
    return times_before(state.key, keys, n, np.int64(state.clock), earlier) == earlier, 0.0


@kernel
def can_move(state):
    """Return whether there is a legal move. Mostly the king is not in check, and some pawn or
    knight can move that stands on no line through the king, so that it is not pinned."""
    if checking_pieces(state) == ZERO:
        king = np.uint64(state.king)
        lines = FILE_LINE[king] | DIAGONAL_LINE[king] | ANTIDIAGONAL_LINE[king]
        free = state.mine & ~(lines | (np.uint64(0xFF) << (king & TURN)))
        if ((free & state.pawns) << EIGHT) & ~(state.mine | state.theirs):
            return True
        if knight_attacks(free & knights_of(state)) & ~state.mine:
            return True
    return list_moves(state, np.empty(SCRATCH_MOVES, np.int16)) > 0


@kernel
def is_dead(state):
    """Return whether the pieces alone rule every mate out: two kings, with one knight or with
    bishops that are all on squares of one colour."""
    if state.pawns | state.straights:
        return False
    pieces = popcount(state.mine | state.theirs)
    light, dark = state.diagonals & ~DARK, state.diagonals & DARK
    return pieces <= 3 or (
        popcount(state.diagonals) == pieces - 2 and (light == ZERO or dark == ZERO)
    )


@kernel
def times_before(key, keys, n, clock, enough):
    """How often a position after n others was among them, counted up to `enough`. Those before the
    last capture or pawn's move cannot be the same."""
    keys = borrow(keys)
    found = 0
    for back in range(4, min(clock, n) + 1, 2):
        if keys[n - back] == key:
            found += 1
            if found == enough:
                break
    return found
