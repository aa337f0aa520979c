"""Chess: positions as text (FEN), the start positions of Chess960, and the board to look at.

Squares are 0..63 from a1 as White sees them, everywhere in this file; `relative` is the one place
where they become those of the player to move.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np

from alphazero.game import BoardView, Cell

from .chess_attacks_rules import checking_pieces
from .chess_rules import STATE, settle

State = Any
STANDARD = 518  # number of the usual start position among those of Chess960
PLAYERS = ("White", "Black")
NAMES = dict(
    zip("PNBRQKpnbrqk", ("pawn", "knight", "bishop", "rook", "queen", "king") * 2, strict=True)
)
FILES = "abcdefgh"
ORIGINALS = {"q": 1, "r": 2, "b": 2, "n": 2}  # of each player; more of them were pawns
LARGEST_CLOCK = 255  # a state's is a byte
LARGEST_NUMBER = 99_999_999  # plies count to twice as many
LONGEST_FEN = 200


class Setup(NamedTuple):
    """The position that a FEN describes."""

    pieces: dict[int, str]  # by square: PNBRQK White's, pnbrqk Black's
    to_play: int  # 0 White, 1 Black
    rooks: tuple[int, ...]  # squares of rooks that may castle, the order that of FENs
    en_passant: int | None  # the square behind a pawn that has just moved two squares
    clock: int
    ply: int


def square_name(square: int) -> str:
    return FILES[square % 8] + str(square // 8 + 1)


def relative(state: State, square: int) -> int:
    """A square as the player to move sees it, and back."""
    return square ^ 56 if state["to_play"] == 1 else square


# -- states and pieces -----------------------------------------------------------------------------


def pieces_of(state: State) -> dict[int, str]:
    """The pieces on the board: square -> letter."""
    names = ("mine", "theirs", "pawns", "straights", "diagonals", "king", "their_king", "to_play")
    mine, theirs, pawns, straights, diagonals, *kings, to_play = (int(state[n]) for n in names)
    turn, letters = (56, ("pnbrqk", "PNBRQK")) if to_play == 1 else (0, ("PNBRQK", "pnbrqk"))
    pieces = {}
    for squares, own in ((mine, letters[0]), (theirs, letters[1])):
        while squares:
            bit = squares & -squares
            square = bit.bit_length() - 1
            kind = 1 + bool(diagonals & bit) + 2 * bool(straights & bit)
            pieces[square ^ turn] = own[0 if pawns & bit else 5 if square in kings else kind]
            squares ^= bit
    return pieces


def set_up(state: State, setup: Setup) -> None:
    """Make the state this position, without earlier ones."""
    fill(state, setup)
    settle(state)


def fill(state: State, setup: Setup) -> None:
    """Set all fields but the key, and en passant whether or not it is legal."""
    state["to_play"] = setup.to_play

    def board(squares: Any) -> int:
        return sum(1 << relative(state, square) for square in squares)

    def squares(letters: str) -> list[int]:
        return [square for square, letter in setup.pieces.items() if letter in letters]

    mine, theirs = "PNBRQK", "pnbrqk"
    if setup.to_play == 1:
        mine, theirs = theirs, mine
    state["mine"], state["theirs"] = board(squares(mine)), board(squares(theirs))
    state["pawns"], state["straights"] = board(squares("Pp")), board(squares("RrQq"))
    state["diagonals"], state["castling"] = board(squares("BbQq")), board(setup.rooks)
    state["king"] = relative(state, squares(mine[5])[0])
    state["their_king"] = relative(state, squares(theirs[5])[0])
    ep = setup.en_passant
    state["en_passant"] = 0 if ep is None else relative(state, ep)
    state["past"] = 0
    state["clock"], state["ply"] = setup.clock, setup.ply


# -- writing ---------------------------------------------------------------------------------------


def write_fen(state: State) -> str:
    """The position as FEN; a square of en passant only where such a capture is legal. Rooks that
    may castle are KQkq, or a file where another rook stands further out (X-FEN)."""
    pieces, rows = pieces_of(state), []
    for rank in range(7, -1, -1):
        row = "".join(pieces.get(8 * rank + file, ".") for file in range(8))
        for empty in range(8, 0, -1):
            row = row.replace("." * empty, str(empty))
        rows.append(row)
    ep = int(state["en_passant"])
    target = square_name(relative(state, ep)) if ep else "-"
    ply = int(state["ply"])
    placed, color = "/".join(rows), "wb"[int(state["to_play"])]
    return f"{placed} {color} {castling(state)} {target} {int(state['clock'])} {ply // 2 + 1}"


def castling(state: State) -> str:
    """The field of castling rights."""
    pieces, rights, letters = pieces_of(state), int(state["castling"]), ""
    rooks = [relative(state, square) for square in range(64) if rights >> square & 1]
    for square in sorted(rooks, key=lambda square: (square > 7, -square)):
        rook = pieces[square]
        king = next(s for s, letter in pieces.items() if letter == ("K" if rook == "R" else "k"))
        outer = range(square + 1, (square | 7) + 1) if square > king else range(square & 56, square)
        letter = "k" if square > king else "q"
        if any(pieces.get(other) == rook for other in outer):
            letter = FILES[square % 8]
        letters += letter.upper() if rook == "R" else letter
    return letters or "-"


# -- reading ---------------------------------------------------------------------------------------


def read_fen(text: str, chess960: bool = False) -> Setup:
    """Read a FEN. The clocks may be left out; rooks that may castle are KQkq or files (X-FEN,
    Shredder-FEN). Castling and en passant that the pieces rule out are dropped, and a clock beyond
    what a state holds is cut. Raises ValueError with the mistake."""
    if len(text) > LONGEST_FEN:
        raise ValueError(f"a FEN has at most {LONGEST_FEN} characters, not {len(text)}")
    fields = text.split()
    if not 4 <= len(fields) <= 6:
        raise ValueError(
            "a FEN has 4 to 6 fields (pieces, player to move, castling, en passant, clock, number "
            f"of the move), not {len(fields)}"
        )
    placed, color, castles, target, clock, number = [*fields, *("0", "1")[len(fields) - 4 :]]
    pieces = read_pieces(placed)
    if color not in ("w", "b"):
        raise ValueError(f"the player to move is w or b, not {color!r}")
    to_play = "wb".index(color)
    rooks = read_castling(castles, pieces, chess960)
    plies = read_number(clock, "the clock of plies without capture or pawn's move")
    move = max(1, read_number(number, "the number of the move"))
    setup = Setup(
        pieces, to_play, rooks, read_en_passant(target, pieces, to_play),
        min(plies, LARGEST_CLOCK),
        2 * (move - 1) + to_play,
    )  # fmt: skip
    reject_impossible(setup)
    return setup


def read_number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= LARGEST_NUMBER):
        raise ValueError(f"{name} is a whole number from 0 to {LARGEST_NUMBER}, not {text!r}")
    return int(text)


def read_pieces(placed: str) -> dict[int, str]:
    """The first field of a FEN."""
    rows, pieces = placed.split("/"), {}
    if len(rows) != 8:
        raise ValueError(f"the board has 8 ranks, not {len(rows)}: {placed!r}")
    for rank, row in zip(range(7, -1, -1), rows, strict=True):
        file = 0
        for mark in row:
            if mark in "12345678":
                file += int(mark)
            elif mark in "PNBRQKpnbrqk":
                pieces[8 * rank + file] = mark
                file += 1
            else:
                raise ValueError(
                    f"{mark!r} in rank {rank + 1} is no piece: write PNBRQK for White's, pnbrqk "
                    "for Black's and 1 to 8 for empty squares"
                )
        if file != 8:
            raise ValueError(f"rank {rank + 1} has 8 squares, not {file}: {row!r}")
    return pieces


def read_castling(text: str, pieces: dict[int, str], chess960: bool) -> tuple[int, ...]:
    """The squares of the rooks that may castle. Rights that the pieces rule out are dropped; of two
    rooks on one side of the king the outer one is taken. Raises ValueError for other letters."""
    rooks: dict[tuple[bool, bool], int] = {}  # by the owner and the side of its king
    for letter in "" if text == "-" else text:
        if letter not in "KQkqABCDEFGHabcdefgh":
            files = "or files A to H, a to h " if chess960 else ""
            raise ValueError(f"castling is some of KQkq {files}or -, not {text!r}")
        is_white = letter.isupper()
        own_king, own_rook, first = ("K", "R", 0) if is_white else ("k", "r", 56)
        rank = [pieces.get(first + file) for file in range(8)]
        if own_king not in rank:
            continue
        king = rank.index(own_king)
        files = [file for file in range(8) if rank[file] == own_rook]
        if letter in "Kk":
            files = [file for file in files if file > king][-1:]
        elif letter in "Qq":
            files = [file for file in files if file < king][:1]
        else:
            files = [file for file in files if file == FILES.index(letter.lower())]
        if not files or not (chess960 or (king == 4 and files[0] in (0, 7))):
            continue
        side = is_white, files[0] > king
        outer = max if files[0] > king else min
        rooks[side] = outer(first + files[0], rooks.get(side, first + files[0]))
    return tuple(rooks.values())


def read_en_passant(text: str, pieces: dict[int, str], to_play: int) -> int | None:
    """The square behind the pawn that has just moved; None where no pawn can have come."""
    if text == "-":
        return None
    if len(text) != 2 or text[0] not in FILES or text[1] not in "12345678":
        raise ValueError(f"en passant is a square such as e3, or -, not {text!r}")
    rank, ahead, pawn = (6, -8, "p") if to_play == 0 else (3, 8, "P")
    target = FILES.index(text[0]) + 8 * (int(text[1]) - 1)
    is_behind = int(text[1]) == rank and pieces.get(target + ahead) == pawn
    return target if is_behind and not {target, target - ahead} & pieces.keys() else None


def reject_impossible(setup: Setup) -> None:
    """Raise ValueError for what the rules and the engine's tables rule out."""
    pieces = setup.pieces
    for name, king in zip(PLAYERS, "Kk", strict=True):
        own = [letter.lower() for letter in pieces.values() if letter.isupper() == king.isupper()]
        if "k" not in own:
            raise ValueError(f"{name} has no king")
        if own.count("k") > 1:
            raise ValueError(f"{name} has {own.count('k')} kings, not one")
        if len(own) > 16:
            raise ValueError(f"{name} has {len(own)} pieces, at most 16 are possible")
        promoted = sum(max(0, own.count(kind) - count) for kind, count in ORIGINALS.items())
        if own.count("p") + promoted > 8:
            raise ValueError(
                f"{name} has {own.count('p')} pawns and {promoted} pieces that only pawns can have "
                "become: more than 8 in all"
            )
    for square, letter in pieces.items():
        if letter in "Pp" and square // 8 in (0, 7):
            raise ValueError(f"a pawn cannot stand on {square_name(square)}")
    one, other = (square for square, letter in pieces.items() if letter in "Kk")
    if max(abs(one % 8 - other % 8), abs(one // 8 - other // 8)) == 1:
        raise ValueError(
            f"the kings stand beside each other, on {square_name(one)} and {square_name(other)}"
        )
    waiting = PLAYERS[1 - setup.to_play]
    states = np.zeros(1, np.dtype((np.record, STATE)))
    fill(states[0], setup._replace(to_play=1 - setup.to_play, en_passant=None))
    if checking_pieces(states[0]):
        raise ValueError(f"{waiting}'s king is in check though it is not {waiting}'s move")


# -- the start -------------------------------------------------------------------------------------


def start_setup(number: int = STANDARD) -> Setup:
    """The start position of Chess960 with this number (R. Scharnagl's, 0 to 959)."""
    if not (isinstance(number, int) and 0 <= number <= 959):
        raise ValueError(f"start positions have the numbers 0 to 959, not {number!r}")
    rank, rest = [""] * 8, number
    rest, light = divmod(rest, 4)
    rest, dark = divmod(rest, 4)
    rank[2 * light + 1], rank[2 * dark] = "b", "b"
    knights, queen = divmod(rest, 6)
    rank[[file for file in range(8) if not rank[file]][queen]] = "q"
    empty = [file for file in range(8) if not rank[file]]
    for knight in list(itertools.combinations(range(5), 2))[knights]:
        rank[empty[knight]] = "n"
    for piece in "rkr":
        rank[rank.index("")] = piece
    row = "".join(rank)
    pieces = read_pieces(f"{row}/pppppppp/8/8/8/8/PPPPPPPP/{row.upper()}")
    rooks = tuple(square for square, letter in pieces.items() if letter in "Rr")
    return Setup(pieces, 0, rooks, None, 0, 0)


# -- looking at it ---------------------------------------------------------------------------------


def view_board(state: State, moved: set[int]) -> BoardView:
    """The board, with the squares of the last move and a king in check marked."""
    pieces = pieces_of(state)
    squares = [8 * rank + file for rank in range(7, -1, -1) for file in range(8)]
    king = relative(state, int(state["king"])) if checking_pieces(state) else None
    return BoardView(
        "squares",
        rows="87654321",
        columns=FILES,
        cells=[
            Cell(pieces[at], int(pieces[at].islower())) if at in pieces else Cell()
            for at in squares
        ],
        last=tuple(cell for cell, square in enumerate(squares) if square in moved),
        threatened=tuple(cell for cell, square in enumerate(squares) if square == king),
        names=NAMES,
    )
