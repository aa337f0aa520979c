"""Chess: moves as text, UCI and SAN.

Squares are 0..63 from a1 as White sees them.
"""

import re
from typing import Any, NamedTuple

import numpy as np

from .chess_attacks_rules import checking_pieces
from .chess_fen_rules import FILES, pieces_of, relative, square_name
from .chess_moves_rules import list_moves
from .chess_rules import SCRATCH_MOVES, STATE, play_move
from .chess_tables_rules import ACTIONS, MOVES, OFF_BOARD, PLANES, PROMOTION_PLANES

State = Any
NAMES = {"p": "pawn", "n": "knight", "b": "bishop", "r": "rook", "q": "queen", "k": "king"}
UCI = re.compile(r"([a-h][1-8])-?([a-h][1-8])=?([a-z])?")
SAN = re.compile(r"([KQRBN]?)([a-h]?)([1-8]?)[x:-]?([a-h][1-8])(?:=?\(?([QRBN])\)?)?")
CASTLING = re.compile(r"O-O(-O)?")
# Check, mate, and opinions of the position as people write them: !?, +-, =, ±, +/=.
DECORATION = re.compile(r"( ?e\.?p\.?)?(\+/?[-−–=]|[-−–=]/?\+|[+#!?=±∓⩲⩱∞□])*$")
LONGEST_MOVE = 24
HINT = "write it as e2e4, e7e8q, Nf3, exd5, e8=Q or O-O"


class Squares(NamedTuple):
    """An action on the board."""

    origin: int
    target: int  # the rook's square in castling
    promotion: str  # "n", "b", "r" where it is one to these, else ""
    castles: bool


# -- states and actions ----------------------------------------------------------------------------


def one(state: State) -> np.ndarray:
    """A copy of a state as an array [1]."""
    states = np.zeros(1, np.dtype((np.record, STATE)))
    states[0] = state
    return states


def legal_actions(state: State) -> list[int]:
    """Legal actions in ascending order, whether or not the game is over."""
    moves = np.empty(SCRATCH_MOVES, np.int16)
    return sorted(moves[: list_moves(state, moves)].tolist())


def is_mine(state: State, letter: str | None) -> bool:
    """Return whether there is a piece, of the player to move."""
    return letter is not None and letter.isupper() == (state["to_play"] == 0)


def squares_of(state: State, action: int) -> Squares | None:
    """Where an action leads; None if that is off the board."""
    code = int(MOVES[action])
    if code == OFF_BOARD:
        return None
    origin, target = code & 63, code >> 6 & 63
    mine, rooks = int(state["mine"]), int(state["straights"] & ~state["diagonals"])
    castles = origin == state["king"] and bool(mine & rooks & 1 << target) and target < 8
    promotion = ("", "n", "b", "r")[code >> 12]
    return Squares(relative(state, origin), relative(state, target), promotion, castles)


def action_of(state: State, origin: int, target: int, promotion: str = "") -> int:
    """The action between two squares; -1 if no piece moves so."""
    origin, target = relative(state, origin), relative(state, target)
    if promotion in ("", "q"):
        return int(ACTIONS[64 * origin + target])
    plane = PROMOTION_PLANES + 3 * "nbr".index(promotion) + target - origin - 7
    return PLANES * (origin ^ 56) + plane


def castling_action(state: State, to_the_right: bool) -> int:
    """Castling towards the h-file or the a-file: with the rook that may, or else the corner's."""
    king, rights = int(state["king"]), int(state["castling"]) & 0xFF
    sides = [s for s in range(8) if rights >> s & 1 and (s > king) == to_the_right]
    rook = sides[0] if sides else 7 if to_the_right else 0
    return int(ACTIONS[64 * king + rook])


def promotes(state: State, squares: Squares) -> bool:
    """Return whether a pawn of either player would reach the far rank."""
    is_pawn = int(state["pawns"]) >> relative(state, squares.origin) & 1
    return bool(is_pawn) and relative(state, squares.target) >= 56


# -- writing ---------------------------------------------------------------------------------------


def write_uci(state: State, action: int, chess960: bool) -> str:
    """A move as e2e4, e7e8q, e1g1; castling in Chess960 as the king taking its rook, e1h1."""
    squares = squares_of(state, action)
    if squares is None:
        return f"{square_name(relative(state, action // PLANES ^ 56))}-off-board"
    origin, target, promotion, castles = squares
    if castles and not chess960:
        target = target & 56 | (6 if target > origin else 2)
    elif not promotion and promotes(state, squares):
        promotion = "q"
    return square_name(origin) + square_name(target) + promotion


def write_san(state: State, action: int) -> str:
    """A legal move as people write it: Nf3, exd5, e8=Q+, O-O, Raxd1#."""
    pieces, squares = pieces_of(state), squares_of(state, action)
    legal = legal_actions(state)
    if squares is None or action not in legal:
        raise ValueError(f"{write_uci(state, action, True)} is illegal, and so has no short form")
    origin, target, promotion, castles = squares
    kind, name = pieces[origin].upper(), square_name(target)
    captures = "x" if target in pieces else ""
    if castles:
        text = "O-O" if target > origin else "O-O-O"
    elif kind == "P":
        captures = "x" if (origin - target) % 8 else ""
        text = (FILES[origin % 8] if captures else "") + captures + name
        if promotes(state, squares):
            text += "=" + (promotion or "q").upper()
    else:
        text = kind + which_of_them(state, squares, pieces, legal) + captures + name
    after = one(state)
    play_move(after[0], action)
    if checking_pieces(after[0]):
        text += "+" if legal_actions(after[0]) else "#"
    return text


def which_of_them(state: State, squares: Squares, pieces: dict[int, str], legal: list[int]) -> str:
    """The file, the rank or both that tell a piece from others of its kind with the same target."""
    others = []
    for action in legal:
        other = squares_of(state, action)
        if other is None or other.castles or other.target != squares.target:
            continue
        if other.origin != squares.origin and pieces[other.origin] == pieces[squares.origin]:
            others.append(other.origin)
    if not others:
        return ""
    file, rank = square_name(squares.origin)
    if all(other % 8 != squares.origin % 8 for other in others):
        return file
    return rank if all(other // 8 != squares.origin // 8 for other in others) else file + rank


# -- reading ---------------------------------------------------------------------------------------


def read_move(state: State, text: str) -> int:
    """The action of a move in UCI or SAN, legal or not. Raises ValueError for anything else."""
    text = text.strip()
    if len(text) > LONGEST_MOVE:
        raise ValueError(f"{text[:LONGEST_MOVE]!r}... is no move: {HINT}")
    plain = DECORATION.sub("", text)
    castling = CASTLING.fullmatch(plain.upper().replace("0", "O"))
    if castling:
        action = castling_action(state, to_the_right=castling[1] is None)
        if action < 0:
            raise ValueError(f"{text}: the king has no rook to castle with")
        return action
    coordinates = UCI.fullmatch(plain.lower())
    if coordinates and plain in (plain.lower(), plain.upper()):  # B1c3 is a bishop's move
        return read_uci(state, *coordinates.groups(default=""))
    readings = {plain, plain[:1].upper() + plain[1:].lower(), plain.lower()}
    if plain.endswith(tuple("qrbnQRBN")):  # the piece that a pawn becomes
        readings |= {reading[:-1] + plain[-1].upper() for reading in readings}
    found = [match for match in map(SAN.fullmatch, sorted(readings)) if match]
    if not found:
        raise ValueError(f"{text!r} is no move: {HINT}")
    exact = [match for match in found if match[0] == plain]
    return read_san(state, text, exact) if exact else read_san(state, text, found)


def read_uci(state: State, start: str, end: str, promotion: str) -> int:
    """The action of a move between two squares."""
    origin, target = (FILES.index(s[0]) + 8 * (int(s[1]) - 1) for s in (start, end))
    pieces = pieces_of(state)
    piece = pieces.get(origin)
    near, far = relative(state, origin), relative(state, target)
    if promotion:
        if promotion not in "qrbn":
            raise ValueError(f"a pawn becomes a q, r, b or n, not {promotion!r}")
        if (
            near // 8 != 6
            or far // 8 != 7
            or (piece or "p").lower() != "p"
            or abs(far - near - 8) > 1
        ):
            raise ValueError(f"{start}{end}{promotion}: no pawn is promoted by this move")
    action = action_of(state, origin, target, promotion)
    is_king = is_mine(state, piece) and near == state["king"]
    if is_king and near < 8 and far in (2, 6) and abs(near - far) > 1:
        rook = pieces.get(target)
        if rook is None or rook.lower() != "r" or not is_mine(state, rook):
            castling = castling_action(state, to_the_right=far > near)
            action = castling if castling >= 0 else action
    if action < 0:
        raise ValueError(f"{start}{end}: no piece moves so")
    return action


def read_san(state: State, text: str, readings: list[re.Match[str]]) -> int:
    """The one legal action that fits; or else one that explains what is wrong with it."""
    pieces = pieces_of(state)
    targets = {FILES.index(r[4][0]) + 8 * int(r[4][1]) - 8 for r in readings}
    near = {relative(state, target) for target in targets}
    for list_actions in (lambda: legal_actions(state), lambda: geometric_actions(state, pieces)):
        actions = [action for action in list_actions() if int(MOVES[action]) >> 6 & 63 in near]
        fitting = sorted({a for a in actions for r in readings if fits(state, a, r, pieces)})
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            choices = ", ".join(write_uci(state, action, True) for action in fitting)
            raise ValueError(f"{text} may be any of {choices}: say which")
    kind, _, _, target, _ = readings[0].groups()
    raise ValueError(f"{text}: no {NAMES[(kind or 'p').lower()]} can go to {target}")


def fits(state: State, action: int, reading: re.Match[str], pieces: dict[int, str]) -> bool:
    """Return whether an action fits a move in SAN."""
    squares = squares_of(state, action)
    if squares is None or squares.castles:
        return False
    kind, file, rank, target, promotion = reading.groups(default="")
    origin = square_name(squares.origin)
    if (kind or "P") != pieces[squares.origin].upper() or square_name(squares.target) != target:
        return False
    if file not in ("", origin[0]) or rank not in ("", origin[1]):
        return False
    becomes = (squares.promotion or "q").upper() if promotes(state, squares) else ""
    return promotion == becomes or (not promotion and becomes == "Q")


def geometric_actions(state: State, pieces: dict[int, str]) -> list[int]:
    """Actions of the player to move on an empty board: nothing blocks a piece."""
    own = [square for square, letter in pieces.items() if is_mine(state, letter)]
    return [
        action_of(state, origin, target)
        for origin in own
        for target in range(64)
        if steps(state, pieces[origin], origin, target)
    ]


def steps(state: State, piece: str, origin: int, target: int) -> bool:
    """Return whether a piece can move in this way, pawns ahead or to capture; castling aside."""
    near, far = relative(state, origin), relative(state, target)
    across, ahead = abs(far % 8 - near % 8), far // 8 - near // 8
    straight = (across == 0) != (ahead == 0)
    diagonal = across == abs(ahead) != 0
    match piece.lower():
        case "p":
            return (ahead == 1 and across <= 1) or (ahead == 2 and across == 0 and near // 8 == 1)
        case "n":
            return {across, abs(ahead)} == {1, 2}
        case "b":
            return diagonal
        case "r":
            return straight
        case "q":
            return straight or diagonal
        case _:
            return max(across, abs(ahead)) == 1
