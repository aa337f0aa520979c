"""Chess: why a move is illegal, in words, and how a game ended.

Squares are 0..63 from a1 as White sees them.
"""

from typing import Any

import numpy as np

from .chess_attacks_rules import checking_pieces
from .chess_fen_rules import PLAYERS, pieces_of, relative, square_name
from .chess_moves_rules import make_move, pass_move
from .chess_notation_rules import (
    NAMES,
    Squares,
    is_mine,
    legal_actions,
    one,
    squares_of,
    steps,
)
from .chess_rules import CASTLED, is_dead, times_before
from .chess_tables_rules import KING_STEPS

State = Any


def why_illegal(state: State, action: int) -> str:
    """Why a player may not make this move; empty if it is legal."""
    squares = squares_of(state, action)
    if squares is None:
        return "it leads off the board"
    origin, target, promotion, castles = squares
    pieces, player = pieces_of(state), PLAYERS[int(state["to_play"])]
    piece = pieces.get(origin)
    if piece is None:
        return f"there is no piece on {square_name(origin)}"
    kind = NAMES[piece.lower()]
    if not is_mine(state, piece):
        return f"the {kind} on {square_name(origin)} is not {player}'s"
    if promotion and kind != "pawn":
        return "only a pawn is promoted"
    near, far = relative(state, origin), relative(state, target)
    if castles or (kind == "king" and max(near, far) < 8 and abs(near - far) > 1):
        return why_no_castling(state, squares, pieces)
    if is_mine(state, pieces.get(target)):
        return f"{player}'s own {NAMES[pieces[target].lower()]} is on {square_name(target)}"
    if not steps(state, piece, origin, target):
        return f"a {kind} does not move from {square_name(origin)} to {square_name(target)}"
    blocked = in_the_way(pieces, origin, target)
    if kind == "pawn":
        if origin % 8 == target % 8 and target in pieces:
            blocked = blocked or f"the {on(pieces, target)} is in the way"
        elif origin % 8 != target % 8 and target not in pieces and far != passed_square(state):
            return f"a pawn moves diagonally only to capture, and {square_name(target)} is empty"
    return blocked or why_king_is_lost(state, action, kind, squares, pieces)


def why_king_is_lost(
    state: State, action: int, kind: str, squares: Squares, pieces: dict[int, str]
) -> str:
    """Name the attackers of the king after a move that is right otherwise; "" if there are none."""
    if kind == "king":
        attackers = named(state, attackers_of(state, squares.target), pieces)
        return f"{square_name(squares.target)} is attacked by {attackers}" if attackers else ""
    after = one(state)
    after[0]["en_passant"] = passed_square(state)
    make_move(after[0], after[0], action)
    pass_move(after[0])
    attackers = named(state, checking_pieces(after[0]), pieces)
    if not attackers:
        return ""
    checks = named(state, checking_pieces(state), pieces)
    if checks:
        return f"the king is in check from {checks}"
    return f"the {kind} is pinned to its king by {attackers}"


def passed_square(state: State) -> int:
    """The square that a pawn has just passed, whether or not it may be captured there; else 0."""
    last = int(state["past"][0])
    start, end = last & 63 ^ 56, last >> 6 & 63 ^ 56
    pawn = int(state["pawns"]) >> end & 1
    return (start + end) // 2 if last and pawn and start - end == 16 else int(state["en_passant"])


def why_no_castling(state: State, squares: Squares, pieces: dict[int, str]) -> str:
    """Why the king may not castle with the rook on a square; empty if it may."""
    king, rook = squares.origin, squares.target
    if not squares.castles:
        return f"there is no rook on {square_name(rook)} to castle with"
    if not int(state["castling"]) >> relative(state, rook) & 1:
        return f"the king or the rook on {square_name(rook)} has moved"
    checks = named(state, checking_pieces(state), pieces)
    if checks:
        return f"the king is in check from {checks}"
    first, to_the_right = king & 56, rook > king
    king_target, rook_target = (
        first + (6 if to_the_right else 2),
        first + (5 if to_the_right else 3),
    )
    path = span(king, king_target)
    for square in sorted({*path, *span(rook, rook_target)} - {king, rook}):
        if square in pieces:
            return f"the {on(pieces, square)} is in the way"
    for square in path:
        attackers = named(state, attackers_of(state, square), pieces)
        if attackers:
            return f"the king would be in check on {square_name(square)} from {attackers}"
    states = one(state)
    states[0]["straights"] &= ~np.uint64(1 << relative(state, rook))
    states[0]["mine"] &= ~np.uint64(1 << relative(state, rook))
    attackers = named(state, attackers_of(states[0], king_target), pieces)
    return f"the rook shields its king from {attackers}" if attackers else ""


def attackers_of(state: State, square: int) -> int:
    """Bitboard of the attackers that the king of the player to move would have on a square."""
    states = one(state)
    moved = states[0]
    moved["mine"] &= ~np.uint64(1 << int(moved["king"]))
    moved["king"] = relative(state, square)
    moved["mine"] |= np.uint64(1 << int(moved["king"]))
    moved["theirs"] &= ~np.uint64(1 << int(moved["king"]))  # which it would take
    near = int(KING_STEPS[int(moved["king"])]) & 1 << int(moved["their_king"])
    return int(checking_pieces(moved)) | near


def span(one_end: int, other: int) -> range:
    """The squares of a rank from one to another, both included."""
    return range(min(one_end, other), max(one_end, other) + 1)


def in_the_way(pieces: dict[int, str], origin: int, target: int) -> str:
    """The first piece between two squares of a line."""
    across, up = target % 8 - origin % 8, target // 8 - origin // 8
    if across and up and abs(across) != abs(up):
        return ""  # a knight's jump
    length = max(abs(across), abs(up))
    step = across // length + 8 * (up // length)
    for square in range(origin + step, target, step):
        if square in pieces:
            return f"the {on(pieces, square)} is in the way"
    return ""


def on(pieces: dict[int, str], square: int) -> str:
    return f"{NAMES[pieces[square].lower()]} on {square_name(square)}"


def named(state: State, squares: Any, pieces: dict[int, str]) -> str:
    """The pieces on the squares of a bitboard as the player to move sees it, in words."""
    found = [relative(state, square) for square in range(64) if int(squares) >> square & 1]
    return " and ".join(f"the {on(pieces, square)}" for square in sorted(found))


def how_ended(state: State, keys: np.ndarray, repetitions: int, limit: int) -> str:
    """Why a game is over, in the words of the Laws; empty if it is not, or not by them."""
    checked = bool(checking_pieces(state))
    if not legal_actions(state):
        return "checkmate" if checked else "stalemate"
    if is_dead(state):
        return "insufficient material"
    if int(state["clock"]) >= limit:
        return "fifty moves without progress" if limit == 100 else "75 moves without progress"
    earlier = repetitions - 1
    clock = int(state["clock"])
    if times_before(np.uint64(state["key"]), keys, len(keys), clock, earlier) == earlier:
        return "threefold repetition" if repetitions == 3 else "fivefold repetition"
    return ""


def claim(state: State, keys: np.ndarray) -> str:
    """Why the player to move may claim a draw, over the board; empty if there is no reason."""
    clock = int(state["clock"])
    if clock >= 100:
        return "fifty moves without progress"
    if times_before(np.uint64(state["key"]), keys, len(keys), clock, 2) == 2:
        return "threefold repetition"
    return ""


def marked_squares(state: State, last_action: int | None) -> set[int]:
    """From where to where the last move went; of castling, the king's."""
    if last_action is None:
        return set()
    before = one(state)
    before[0]["to_play"] = 1 - int(state["to_play"])
    squares = squares_of(before[0], last_action)
    assert squares is not None, "the last move is no move"
    origin, target = squares.origin, squares.target
    if int(state["past"][0]) & int(CASTLED):
        target = target & 56 | (6 if target > origin else 2)
    return {origin, target}
