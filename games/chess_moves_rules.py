"""Chess: making a move, and listing the legal ones.

All kernels work on any record that has the fields of `chess_attacks_rules.BOARD`.
"""

import numpy as np

from alphazero.game.jit import byte_swap, kernel, lowest_bit

from .chess_attacks_rules import (
    BISHOP,
    EIGHT,
    LOW_6,
    NOT_A,
    NOT_H,
    ONE,
    ROOK,
    S6,
    S7,
    S9,
    S16,
    TURN,
    ZERO,
    between,
    bishop_attacks,
    checking_pieces,
    danger_squares,
    knights_of,
    leaper_checks,
    pin_line,
    pinned_pieces,
    rook_attacks,
    slider_checks,
)
from .chess_tables_rules import (
    ACTIONS,
    ANTIDIAGONAL_LINE,
    DIAGONAL_LINE,
    FILE_LINE,
    KING_STEPS,
    KNIGHT_JUMPS,
    MOVES,
    PLANES,
    PROMOTION_PLANES,
    RANK_1,
    RANK_3,
    RANK_8,
)

S12 = np.uint64(12)
C1, G1 = np.uint64(2), np.uint64(6)  # where the king castles to
D1, F1 = np.uint64(3), np.uint64(5)  # and the rook


# -- making a move ---------------------------------------------------------------------------------


@kernel
def make_move(board, after, action):
    """Make a legal move: `after` becomes the board as the other player sees it then. It may be the
    board itself.

    The square of a capture in passing is noted if a pawn stands beside the one that has just moved
    two squares; whether it may really capture is not looked at.
    """
    code = np.uint64(MOVES[np.uint64(action)])
    origin, target = code & LOW_6, (code >> S6) & LOW_6
    from_bit, to_bit = ONE << origin, ONE << target
    both = from_bit | to_bit
    mine = (board.mine & ~from_bit) | to_bit
    theirs = board.theirs & ~to_bit
    pawns, straight, diagonal = board.pawns, board.straights, board.diagonals
    castling = board.castling & ~both
    king, en_passant = np.uint64(board.king), ZERO
    if origin == king:
        castling &= ~RANK_1
        king = target
        if board.mine & to_bit:  # its own rook: castling
            king, rook = (G1, F1) if target > origin else (C1, D1)
            mine = (mine & ~both) | (ONE << king) | (ONE << rook)
            straight = straight & ~to_bit | (ONE << rook)
        else:
            straight &= ~to_bit
        pawns &= ~to_bit
        diagonal &= ~to_bit
    elif pawns & from_bit:
        pawns = (pawns & ~from_bit) | to_bit
        straight &= ~to_bit
        diagonal &= ~to_bit
        if target - origin == S16:
            beside = ((to_bit << ONE) & NOT_A) | ((to_bit >> ONE) & NOT_H)
            if beside & theirs & pawns:
                en_passant = (origin + EIGHT) ^ TURN
        elif to_bit & RANK_8:
            promotion = np.int64(code >> S12)  # 0 to a queen, else KNIGHT, BISHOP, ROOK
            pawns &= ~to_bit
            if promotion in (0, ROOK):
                straight |= to_bit
            if promotion in (0, BISHOP):
                diagonal |= to_bit
        elif target == np.uint64(board.en_passant):  # which is never 0 here
            theirs &= ~(to_bit >> EIGHT)
            pawns &= ~(to_bit >> EIGHT)
    else:
        pawns &= ~to_bit
        straight = moved(straight, origin, target)
        diagonal = moved(diagonal, origin, target)
    turn_round(board, after, mine, theirs, pawns, straight, diagonal, castling, king, en_passant)


@kernel
def moved(pieces, origin, target):
    """A bitboard after whatever stands on `origin`, a piece or none of this kind, moves."""
    from_bit, to_bit = ONE << origin, ONE << target
    return (pieces & ~(from_bit | to_bit)) | (((pieces >> origin) & ONE) << target)


@kernel
def turn_round(board, after, mine, theirs, pawns, straight, diagonal, castling, king, en_passant):
    """Let `after` be a board with these pieces as the other player sees it."""
    their_king = np.uint64(board.their_king)
    after.mine = byte_swap(theirs)
    after.theirs = byte_swap(mine)
    after.pawns = byte_swap(pawns)
    after.straights = byte_swap(straight)
    after.diagonals = byte_swap(diagonal)
    after.castling = byte_swap(castling)
    after.king = their_king ^ TURN
    after.their_king = king ^ TURN
    after.en_passant = en_passant


# -- listing moves ---------------------------------------------------------------------------------


@kernel
def list_moves(board, moves):
    """Write all legal actions into int16 moves, which has room for any number, in no order.

    Returns how many there are.
    """
    king = np.uint64(board.king)
    danger = danger_squares(board)
    checkers = checking_pieces(board)
    count = add_moves(moves, 0, king, KING_STEPS[king] & ~(board.mine | danger))
    allowed = ~board.mine
    if checkers:
        if checkers & (checkers - ONE):
            return count  # in double check only the king can move
        allowed = checkers | between(king, np.uint64(lowest_bit(checkers)))
    elif board.castling & RANK_1:
        count = add_castling(board, moves, count, danger)
    pinned = pinned_pieces(board)
    count = add_piece_moves(board, moves, count, allowed, pinned)
    count = add_pawn_moves(board, moves, count, allowed, pinned)
    if board.en_passant:
        count = add_en_passant(board, moves, count)
    return count


@kernel
def add_moves(moves, count, origin, targets):
    """The moves of one piece."""
    first = origin << S6
    while targets:
        moves[np.uint64(count)] = ACTIONS[first | np.uint64(lowest_bit(targets))]
        count += 1
        targets &= targets - ONE
    return count


@kernel
def add_piece_moves(board, moves, count, allowed, pinned):
    """The moves of knights, bishops, rooks and queens to allowed squares."""
    king, mine, occupied = np.uint64(board.king), board.mine, board.mine | board.theirs
    pieces = knights_of(board) & mine & ~pinned  # a pinned knight cannot move
    while pieces:
        origin = np.uint64(lowest_bit(pieces))
        count = add_moves(moves, count, origin, KNIGHT_JUMPS[origin] & allowed)
        pieces &= pieces - ONE
    pieces = board.diagonals & mine
    while pieces:
        origin = np.uint64(lowest_bit(pieces))
        targets = bishop_attacks(origin, occupied) & allowed
        if pinned & (ONE << origin):
            targets &= pin_line(king, origin)
        count = add_moves(moves, count, origin, targets)
        pieces &= pieces - ONE
    pieces = board.straights & mine
    while pieces:
        origin = np.uint64(lowest_bit(pieces))
        targets = rook_attacks(origin, occupied) & allowed
        if pinned & (ONE << origin):
            targets &= pin_line(king, origin)
        count = add_moves(moves, count, origin, targets)
        pieces &= pieces - ONE
    return count


@kernel
def add_pawn_moves(board, moves, count, allowed, pinned):
    """The moves of pawns to allowed squares, those in passing left out."""
    king = np.uint64(board.king)
    pawns, empty = board.pawns & board.mine, ~(board.mine | board.theirs)
    free = pawns & ~pinned  # a pinned pawn may move along the line to its king
    one = ((free | pawns & FILE_LINE[king]) << EIGHT) & empty
    two = ((one & RANK_3) << EIGHT) & empty & allowed
    targets = board.theirs & allowed
    left = ((free | pawns & ANTIDIAGONAL_LINE[king]) << S7) & NOT_H & targets
    right = ((free | pawns & DIAGONAL_LINE[king]) << S9) & NOT_A & targets
    count = add_steps(moves, count, one & allowed, EIGHT)
    count = add_steps(moves, count, two, S16)
    count = add_steps(moves, count, left, S7)
    return add_steps(moves, count, right, S9)


@kernel
def add_steps(moves, count, targets, step):
    """Pawn moves that all go `step` squares on."""
    promoting = targets & RANK_8
    targets &= ~RANK_8
    while targets:
        target = np.uint64(lowest_bit(targets))
        moves[np.uint64(count)] = ACTIONS[((target - step) << S6) | target]
        count += 1
        targets &= targets - ONE
    while promoting:
        target = np.uint64(lowest_bit(promoting))
        origin = target - step
        moves[np.uint64(count)] = ACTIONS[(origin << S6) | target]
        under = np.int64(origin ^ TURN) * PLANES + PROMOTION_PLANES + np.int64(step) - 7
        for piece in range(3):
            moves[np.uint64(count + 1 + piece)] = under + 3 * piece
        count += 4
        promoting &= promoting - ONE
    return count


@kernel
def add_castling(board, moves, count, danger):
    """Castling, where the king is not in check."""
    king, occupied = np.uint64(board.king), board.mine | board.theirs
    rooks = board.castling & RANK_1
    while rooks:
        rook = np.uint64(lowest_bit(rooks))
        rooks &= rooks - ONE
        king_target, rook_target = (G1, F1) if rook > king else (C1, D1)
        path = span(king, king_target)
        others = occupied & ~((ONE << king) | (ONE << rook))
        if (path & danger) or ((path | span(rook, rook_target)) & others):
            continue
        # In Chess960 the rook may have shielded its king along the rank.
        after = others | (ONE << king_target) | (ONE << rook_target)
        if slider_checks(board, king_target, after) == ZERO:
            moves[np.uint64(count)] = ACTIONS[(king << S6) | rook]
            count += 1
    return count


@kernel
def span(one, other):
    """The squares from one to another of the first rank, both included."""
    low, high = min(one, other), max(one, other)
    return (ONE << (high + ONE)) - (ONE << low)


@kernel
def add_en_passant(board, moves, count):
    """Captures in passing. Two pawns leave their squares at once, so the king is looked at anew."""
    target = np.uint64(board.en_passant)
    to_bit = ONE << target
    pawns = ((to_bit >> S7) & NOT_A) | ((to_bit >> S9) & NOT_H)
    pawns &= board.pawns & board.mine
    captured = to_bit >> EIGHT
    king = np.uint64(board.king)
    while pawns:
        origin = np.uint64(lowest_bit(pawns))
        pawns &= pawns - ONE
        after = (board.mine | board.theirs | to_bit) & ~(captured | (ONE << origin))
        checks = slider_checks(board, king, after) | (leaper_checks(board, king) & ~captured)
        if checks == ZERO:
            moves[np.uint64(count)] = ACTIONS[(origin << S6) | target]
            count += 1
    return count


@kernel
def pass_move(board):
    """Turn the board round without a move."""
    turn_round(
        board, board, board.mine, board.theirs, board.pawns, board.straights, board.diagonals,
        board.castling, np.uint64(board.king), ZERO,
    )  # fmt: skip
