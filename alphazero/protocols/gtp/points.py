"""Points of boards as GTP names them: D4 is the fourth column from the left, the fourth line from
below, and there is no column I.

Moves of games other than Go are named after the point that gets a stone, in Connect Four too, where
a move is only a column. Moves that no single point tells keep the name that the game gives them.
"""

import re

from alphazero.game import Game, Position
from alphazero.terminal.style import ROW

COLUMNS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
VERTEX = re.compile(r"([A-HJ-Z])([1-9][0-9]?)", re.ASCII)
PASS = "pass"
EMPTY, FIRST, SECOND, OTHER = ".", "X", "O", "?"  # on a board as `cells` reads it


def spell(row: int, column: int, rows: int) -> str:
    """The name of a point, row 0 on top."""
    return f"{COLUMNS[column]}{rows - row}"


def read_point(text: str, rows: int, columns: int) -> tuple[int, int] | None:
    """The (row, column) of a point's name, None for a point beside the board.

    Raises ValueError for what is no name of a point.
    """
    match = VERTEX.fullmatch(text.upper())
    if match is None:
        raise ValueError(f"{text!r} is not a point")
    row, column = rows - int(match[2]), COLUMNS.index(match[1])
    return (row, column) if row >= 0 and column < columns else None


class Points:
    """A game's moves by the names of points."""

    def __init__(self, game: Game) -> None:
        self.game = game
        self.rows, self.columns = game.planes[1:]

    def text(self, position: Position, action: int) -> str:
        """The name of a legal move here."""
        if self.game.stones is not None:
            if action == self.rows * self.columns:
                return PASS
            return spell(*divmod(action, self.columns), self.rows)
        names = self._names(position)
        return names.get(action, position.text(action))

    def texts(self, position: Position, actions: tuple[int, ...]) -> list[str]:
        """The names of moves that follow each other."""
        if self.game.stones is not None:
            return [self.text(position, action) for action in actions]
        position = position.copy()
        return [(self.text(position, action), position.play(action))[0] for action in actions]

    def action(self, position: Position, text: str) -> int | None:
        """The move of a name, perhaps an illegal one; None for a point that is no move here.

        Raises ValueError for what is no name of a move.
        """
        if self.game.stones is not None:
            if text.lower() == PASS:
                return self.rows * self.columns
            point = read_point(text, self.rows, self.columns)
            return None if point is None else point[0] * self.columns + point[1]
        for action, name in self._names(position).items():
            if name == text.upper():
                return action
        if VERTEX.fullmatch(text.upper()) or text.lower() == PASS:
            return None
        return position.action(text)

    def _names(self, position: Position) -> dict[int, str]:
        """Legal moves that set one stone on an empty point, which no other move does."""
        before = cells(position)
        mine = (FIRST, SECOND)[position.to_play]
        found: dict[str, list[int]] = {}
        for action in position.legal_actions():
            after = position.copy()
            after.play(action)
            new = [
                spell(row, column, self.rows)
                for row, line in enumerate(cells(after))
                for column, mark in enumerate(line)
                if mark == mine and before[row][column] == EMPTY
            ]
            if len(new) == 1:
                found.setdefault(new[0], []).append(action)
        return {actions[0]: name for name, actions in found.items() if len(actions) == 1}


def cells(position: Position) -> list[str]:
    """The board row by row from the top, a character for every point: X and O for the players'
    stones, ? for anything else that is not empty."""
    game = position.game
    if game.stones is not None:
        board = game.stones.board(position.state)
        return ["".join((EMPTY, FIRST, SECOND)[point] for point in row) for row in board]
    marks = {game.players[0]: FIRST, game.players[1]: SECOND, ".": EMPTY, "+": EMPTY}
    matches = (ROW.fullmatch(line) for line in position.render().split("\n"))
    drawn = [match[2].translate({40: None, 41: None, 32: None}) for match in matches if match]
    return ["".join(marks.get(mark, OTHER) for mark in line) for line in drawn]
