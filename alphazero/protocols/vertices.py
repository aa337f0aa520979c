"""Moves as GTP and KataGo's analysis protocol write them.

D4 is the fourth column from the left on the fourth line from below; there is no column I. In games
other than Go a move is named after the point that gets a stone, in Connect Four too, where a move
is only a column. Moves without a point of their own keep the game's notation.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alphazero.game import Game, Position

COLUMNS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
VERTEX = re.compile(r"([A-HJ-Z])([1-9][0-9]?)", re.ASCII)
NUMBERS = re.compile(r"\(\s*([0-9]{1,3})\s*,\s*([0-9]{1,3})\s*\)", re.ASCII)  # KataGo's (x,y)
PASS = "pass"
EMPTY, FIRST, SECOND, OTHER = ".", "X", "O", "?"  # as `marks` writes points


def vertex_text(row: int, column: int, rows: int) -> str:
    """Name a point, row 0 on top."""
    return f"{COLUMNS[column]}{rows - row}"


def read_vertex(text: str, rows: int, columns: int) -> tuple[int, int] | None:
    """Parse a point's name to (row, column); None for a point off the board.

    A point may be written as KataGo's `(x,y)`, from 0, with y from the top. Raises ValueError for a
    text that is not a point's name.
    """
    if numbers := NUMBERS.fullmatch(text):
        column, row = int(numbers[1]), int(numbers[2])
        return (row, column) if row < rows and column < columns else None
    match = VERTEX.fullmatch(text.upper())
    if match is None:
        raise ValueError(f"{text!r} is not a point")
    row, column = rows - int(match[2]), COLUMNS.index(match[1])
    return (row, column) if row >= 0 and column < columns else None


class Vertices:
    """Translates between the actions of a game and the names of points."""

    def __init__(self, game: "Game") -> None:
        self.game = game
        self.rows, self.columns = game.planes[1:]

    def text(self, position: "Position", action: int) -> str:
        """Name a legal move."""
        if self.game.stones is not None:
            if action == self.rows * self.columns:
                return PASS
            return vertex_text(*divmod(action, self.columns), self.rows)
        return self._names(position).get(action, position.text(action))

    def texts(self, position: "Position", actions: tuple[int, ...]) -> list[str]:
        """Name moves that follow each other from the position on."""
        if self.game.stones is not None:
            return [self.text(position, action) for action in actions]
        position = position.copy()
        return [(self.text(position, action), position.play(action))[0] for action in actions]

    def action(self, position: "Position", text: str) -> int | None:
        """Parse a move, perhaps an illegal one; None for a point where no move can be made.

        Raises ValueError for a text that does not name a move.
        """
        if self.game.stones is not None:
            if text.lower() == PASS:
                return self.rows * self.columns
            point = read_vertex(text, self.rows, self.columns)
            return None if point is None else point[0] * self.columns + point[1]
        for action, name in self._names(position).items():
            if name == text.upper():
                return action
        if VERTEX.fullmatch(text.upper()) or text.lower() == PASS:
            return None
        return position.action(text)

    def _names(self, position: "Position") -> dict[int, str]:
        """Name the legal moves that alone put one stone on some empty point."""
        before = marks(position)
        mine = (FIRST, SECOND)[position.to_play]
        found: dict[str, list[int]] = {}
        for action in position.legal_actions():
            after = position.copy()
            after.play(action)
            new = [
                point
                for point, (old, mark) in enumerate(zip(before, marks(after), strict=True))
                if mark == mine and old == EMPTY
            ]
            if len(new) == 1:
                name = vertex_text(*divmod(new[0], self.columns), self.rows)
                found.setdefault(name, []).append(action)
        return {actions[0]: name for name, actions in found.items() if len(actions) == 1}


def marks(position: "Position") -> str:
    """Write the board point by point from the top left: X and O for stones of the two players, ?
    for any other piece, and for every point of a game that can only draw its board."""
    game, view = position.game, position.board_view()
    rows, columns = game.planes[1:]
    if len(view.cells) != rows * columns:
        return OTHER * (rows * columns)
    letters = {"": EMPTY, game.players[0]: FIRST, game.players[1]: SECOND}
    return "".join(letters.get(cell.piece, OTHER) for cell in view.cells)
