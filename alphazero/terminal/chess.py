"""What is said and shown of a game of pieces besides its moves: check, draws, a painted board."""

from alphazero.terminal.session import Session
from alphazero.terminal.style import RESET, ROW, TEXT_GLYPH, Style, rows_of

GLYPHS = dict(zip("KQRBNPkqrbnp", "♔♕♖♗♘♙♚♛♜♝♞♟", strict=True))
SOLID = dict(zip("KQRBNP", "♚♛♜♝♞♟", strict=True))
CELL = 3  # characters, of which a pair of brackets marks the square

# By number of colours: light and dark squares, those of the last move, of a king in check; White's
# pieces and Black's. Both sides have the solid glyphs, and only their colour tells them apart: an
# outline looks black on dark ground.
PAINTS = {
    256: (
        ("\x1b[48;5;180m", "\x1b[48;5;137m"),
        ("\x1b[48;5;150m", "\x1b[48;5;107m"),
        ("\x1b[48;5;167m", "\x1b[48;5;167m"),
        ("\x1b[1;38;5;231m", "\x1b[38;5;16m"),
    ),
    16: (
        ("\x1b[46m", "\x1b[44m"),
        ("\x1b[42m", "\x1b[42m"),
        ("\x1b[41m", "\x1b[41m"),
        ("\x1b[1;97m", "\x1b[30m"),
    ),
}


class PiecesTalk:
    """A session's game of pieces in words."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def status(self) -> str:
        """What there is to know besides the board: check, or a draw that could be claimed."""
        session = self._session
        position, pieces = session.position, session.game.pieces
        assert pieces is not None, "a game of pieces"
        if session.is_over:
            return ""
        name = session.game.players[position.to_play]
        said = [f"{name} is in check"] if pieces.in_check(position.state) else []
        if claim := pieces.claim(position.state, position.keys):
            said.append(f"{name} may claim a draw ({claim})")
        return "; ".join(said)

    def takes_draw(self, share: float) -> bool:
        """Whether the engine, with this share of the point in view, claims a draw that it may."""
        position, pieces = self._session.position, self._session.game.pieces
        assert pieces is not None, "a game of pieces"
        return share < 0.5 and bool(pieces.claim(position.state, position.keys))

    def fen(self) -> str:
        """The position as FEN."""
        assert self._session.game.pieces is not None, "a game of pieces"
        return self._session.game.pieces.fen(self._session.position.state)


def paint_pieces(board: str, style: Style) -> str:
    """The board with chess pieces on painted squares; the brackets of marked ones stay."""
    if not style.unicode:
        return board
    lines = board.split("\n")
    for number, place in enumerate(rows_of(lines)):
        match = ROW.fullmatch(lines[place])
        assert match is not None, "a row of the board"
        left, cells, right = match.groups()
        squares = [cells[at : at + CELL] for at in range(1, len(cells), CELL)]
        painted = "".join(
            _square(square, (number + column) % 2, style.colours)
            for column, square in enumerate(squares)
        )
        lines[place] = left + cells[0] + painted + right
    return "\n".join(lines)


def _square(cell: str, dark: int, colours: int) -> str:
    """One square; the one at the top left is light from either side."""
    piece = cell[1]
    if not colours:
        dot = "·" if piece == "." else GLYPHS.get(piece, piece) + TEXT_GLYPH
        return cell[0] + dot + cell[2]
    plain, moved, checked, sides = PAINTS[colours]
    ground = {"(": moved, "[": checked}.get(cell[0], plain)[dark]
    glyph = " " if piece == "." else SOLID.get(piece.upper(), piece) + TEXT_GLYPH
    return f"{ground}{sides[piece.islower()]}{cell[0]}{glyph}{cell[2]}{RESET}"
