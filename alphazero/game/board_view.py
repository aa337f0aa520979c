"""The board of a position as data, for terminals, pictures and web pages to draw.

A cell is a number: `row * len(columns) + column`, row by row from the top left. Its name is its
column's label and then its row's, such as `b2`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

KINDS = ("points", "squares", "text")


class Cell(NamedTuple):
    """A place on a board: a short text for the piece or stone there, and its owner."""

    piece: str = ""  # "" for an empty cell
    owner: int | None = None  # 0 the first player, 1 the second, None for nobody


class Segment(NamedTuple):
    """Part of a line of text. In a cell's segment the piece follows one character: a space or the
    bracket of a mark."""

    text: str
    cell: int | None = None  # None for labels and margins


@dataclass(frozen=True)
class BoardView:
    """A board seen from the first player's side, with what is on it.

    `kind` is "points" where pieces stand on the crossings of lines, as in Go, "squares" where they
    stand between them, and "text" for a game that can only draw itself as text. Raises ValueError
    unless there is a cell for every row and column.
    """

    kind: str
    rows: Sequence[str] = ()  # labels from the top
    columns: Sequence[str] = ()  # labels from the left
    cells: Sequence[Cell] = ()  # [len(rows) * len(columns)]
    stars: frozenset[int] = frozenset()  # cells with a dot printed on the board (Go's hoshi)
    last: tuple[int, ...] = ()  # cells of the last move
    threatened: tuple[int, ...] = ()  # cells of pieces to warn about, such as a king in check
    hands: tuple[Mapping[str, int], ...] = ()  # pieces held by each player and how many, if any can
    names: Mapping[str, str] = field(default_factory=dict)  # piece -> English word, such as "king"
    caption: str = ""  # a line below the board, such as "pass"
    drawing: str = ""  # of kind "text": the whole board
    is_upright: bool = False  # the first row is on top from either side, as where pieces fall

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"the kind of a board is {', '.join(KINDS)}, not {self.kind!r}")
        if len(self.cells) != len(self.rows) * len(self.columns):
            raise ValueError(
                f"a board of {len(self.rows)} rows and {len(self.columns)} columns has "
                f"{len(self.rows) * len(self.columns)} cells, not {len(self.cells)}"
            )

    def name(self, cell: int) -> str:
        """The name of a cell: `b2`."""
        row, column = divmod(cell, len(self.columns))
        return self.columns[column] + self.rows[row]

    def turned(self) -> "BoardView":
        """The same board seen from the second player's side, an upright one as in a mirror. A
        drawing stays as it is."""
        if self.is_upright:
            return self._mirrored()
        final = len(self.cells) - 1
        return replace(
            self,
            rows=self.rows[::-1],
            columns=self.columns[::-1],
            cells=self.cells[::-1],
            stars=frozenset(final - cell for cell in self.stars),
            last=tuple(final - cell for cell in self.last),
            threatened=tuple(final - cell for cell in self.threatened),
        )

    def _mirrored(self) -> "BoardView":
        """The same board with left and right exchanged."""
        size = len(self.columns)
        place = [cell - cell % size + size - 1 - cell % size for cell in range(len(self.cells))]
        return replace(
            self,
            columns=self.columns[::-1],
            cells=[self.cells[cell] for cell in place],
            stars=frozenset(place[cell] for cell in self.stars),
            last=tuple(place[cell] for cell in self.last),
            threatened=tuple(place[cell] for cell in self.threatened),
        )

    def text(self) -> str:
        """The board as ASCII lines: ( ) around the last move, [ ] around what is threatened."""
        if self.kind == "text":
            return self.drawing
        lines = ["".join(segment.text for segment in line) for line in self.lines()]
        return "\n".join([*lines, self.caption] if self.caption else lines)

    def lines(self) -> Iterator[list[Segment]]:
        """The lines of the board's text in segments, without the caption.

          A B C          a  b  c
        3 . X .       3  .  X  .  3        points (two characters a cell; a stone's brackets
        2 +(O).       2  . (O) .  2        stand between it and its neighbours) and squares
        """
        points = self.kind == "points"
        width = max(map(len, self.rows), default=0)
        width = max(width, 2) if points else width
        margin, gap = (1, " ") if points else (2, "  ")
        header = [Segment(" " * (width + margin) + gap.join(self.columns))]
        brackets = dict.fromkeys(self.last, "()") | dict.fromkeys(self.threatened, "[]")
        size = len(self.columns)
        yield header
        for row, label in enumerate(self.rows):
            line = [Segment(f"{label:>{width}}" if points else f"{label:>{width}} ")]
            first, gaps = row * size, [" "] * (size + 1)
            for column in range(size):
                left, right = brackets.get(first + column, "  ")
                if not points:
                    line.append(Segment(left + self._piece(first + column) + right, first + column))
                elif left != " ":
                    gaps[column : column + 2] = left, right
            if points:
                texts = [gaps[column] + self._piece(first + column) for column in range(size)]
                texts[-1] += gaps[-1]
                line += [Segment(text, first + column) for column, text in enumerate(texts)]
            line.append(Segment(label if points else f" {label}"))
            yield line
        yield header

    def _piece(self, cell: int) -> str:
        return self.cells[cell].piece or ("+" if cell in self.stars else ".")
