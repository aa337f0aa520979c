"""Pictures of boards, drawn with Pillow from their views."""

import functools
import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from alphazero.game import BoardView

CELL = 36  # pixels from one row or column to the next
FINE = 3  # factor by which a picture is drawn larger and then reduced, which smooths edges

Colour = tuple[int, int, int]
WOOD, LINES, PAPER, INK = (222, 184, 116), (74, 56, 30), (244, 241, 234), (64, 64, 72)
BLACK, WHITE = (24, 24, 26), (247, 247, 244)
FRAME, HOLE, DISCS = (38, 82, 166), (24, 54, 116), ((222, 62, 54), (247, 205, 70))
LETTERS = ((196, 58, 52), (44, 92, 170))  # of the two players, on squares
LIGHT, DARK = (238, 220, 184), (178, 134, 96)
MOVED, THREATENED = (150, 190, 96), (222, 84, 74)  # the last move's, that of a king in check

# Solid shapes for both sides, which their colours tell apart. Fonts that have them, by system.
CHESS = {"king": "♚", "queen": "♛", "rook": "♜", "bishop": "♝", "knight": "♞", "pawn": "♟"}
CHESS_FONTS = ("DejaVuSans.ttf", "seguisym.ttf", "Apple Symbols.ttf")
TEXT_FONTS = ("DejaVuSansMono.ttf", "consola.ttf", "Menlo.ttc")


def board_picture(view: BoardView) -> np.ndarray:
    """The board as pixels, uint8 [H, W, 3]. The size depends on the numbers of rows and columns
    alone, but for a view of kind "text"."""
    if view.kind == "text":
        return _text_picture(view.text())
    return _Drawing(view).pixels()


def png(pixels: np.ndarray) -> bytes:
    """Pixels uint8 [H, W, 3] as the content of a PNG file."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


class _Drawing:
    """A board under the brush; a margin of one cell is left on every side."""

    def __init__(self, view: BoardView) -> None:
        self.view = view
        names = set(view.names.values())
        self.is_chess = bool(names & set(CHESS))
        self.has_discs = names == {"disc"}
        self.unit = CELL * FINE
        width, height = (self.unit * (len(labels) + 2) for labels in (view.columns, view.rows))
        ground = WOOD if view.kind == "points" else PAPER
        self.image = Image.new("RGB", (width, height), ground)
        self.brush = ImageDraw.Draw(self.image)

    def pixels(self) -> np.ndarray:
        view = self.view
        if view.kind == "points":
            self.lines()
        elif self.has_discs:
            self.brush.rectangle(self.outline(), fill=FRAME)
        else:
            self.squares()
        for cell, (piece, owner) in enumerate(view.cells):
            if view.kind == "points" and view.names.get(piece, "stone") == "stone":
                if piece:
                    self.stone(cell, owner)
            elif self.has_discs:
                colour = HOLE if owner is None else DISCS[owner]
                self.disc(cell, 0.42, colour)
                if cell in view.last:
                    self.disc(cell, 0.12, BLACK)
            elif piece:
                self.letter(cell, piece, owner)
        self.labels()
        size = self.image.width // FINE, self.image.height // FINE
        return np.asarray(self.image.resize(size, Image.Resampling.BOX))

    def center(self, cell: int) -> tuple[float, float]:
        """The middle of a cell, in pixels (x, y)."""
        row, column = divmod(cell, len(self.view.columns))
        return (column + 1.5) * self.unit, (row + 1.5) * self.unit

    def outline(self) -> tuple[float, float, float, float]:
        """The edges of the squares: left, top, right, bottom."""
        return self.unit, self.unit, self.image.width - self.unit, self.image.height - self.unit

    def lines(self) -> None:
        """The grid of a board of points, and its stars."""
        left, top = self.center(0)
        right, bottom = self.center(len(self.view.cells) - 1)
        for row in range(len(self.view.rows)):
            y = top + row * self.unit
            self.brush.line((left, y, right, y), fill=LINES, width=FINE)
        for column in range(len(self.view.columns)):
            x = left + column * self.unit
            self.brush.line((x, top, x, bottom), fill=LINES, width=FINE)
        for cell in self.view.stars:
            self.disc(cell, 0.1, LINES)

    def squares(self) -> None:
        """Squares in two shades for chess, else on paper; marked ones in a colour."""
        view, half = self.view, self.unit / 2
        for cell in range(len(view.cells)):
            row, column = divmod(cell, len(view.columns))
            ground = ((LIGHT, DARK)[(row + column) % 2]) if self.is_chess else PAPER
            if cell in view.threatened:
                ground = THREATENED
            elif cell in view.last:
                ground = mixed(ground, MOVED)
            x, y = self.center(cell)
            edge = None if self.is_chess else INK
            box = (x - half, y - half, x + half, y + half)
            self.brush.rectangle(box, fill=ground, outline=edge, width=FINE)

    def disc(self, cell: int, radius: float, colour: Colour, edge: Colour | None = None) -> None:
        """A disc with a radius in cells."""
        x, y = self.center(cell)
        reach = radius * self.unit
        box = (x - reach, y - reach, x + reach, y + reach)
        self.brush.ellipse(box, fill=colour, outline=edge, width=FINE)

    def stone(self, cell: int, owner: int | None) -> None:
        colour, other = (BLACK, WHITE) if owner == 0 else (WHITE, BLACK)
        self.disc(cell, 0.46, colour, edge=BLACK)
        if cell in self.view.last:
            self.disc(cell, 0.22, other)
            self.disc(cell, 0.15, colour)

    def letter(self, cell: int, piece: str, owner: int | None) -> None:
        """A piece as a chess figure if a font has them, else as its letter."""
        figure = CHESS.get(self.view.names.get(piece, ""), "")
        font = find_font(CHESS_FONTS, round(0.8 * self.unit)) if figure else None
        if font is not None:
            colours = (WHITE, BLACK) if owner == 0 else (BLACK, WHITE)
            return self.write(self.center(cell), figure, font, *colours)
        colour = INK if owner is None else LETTERS[owner]
        if self.is_chess:
            colour = WHITE if owner == 0 else BLACK
        self.write(self.center(cell), piece, text_font(round(0.62 * self.unit)), colour)

    def labels(self) -> None:
        """The names of rows on the left, of columns below, and the caption at the top."""
        font, colour = text_font(round(0.4 * self.unit)), INK
        middle = self.unit / 2
        for row, label in enumerate(self.view.rows):
            self.write((middle, (row + 1.5) * self.unit), label, font, colour)
        for column, label in enumerate(self.view.columns):
            place = ((column + 1.5) * self.unit, self.image.height - middle)
            self.write(place, label, font, colour)
        self.write((self.image.width / 2, middle), self.view.caption, font, colour)

    def write(
        self,
        place: tuple[float, float],
        text: str,
        font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
        colour: Colour,
        edge: Colour | None = None,
    ) -> None:
        """Write a text around a place (x, y), with an edge around its letters if given."""
        width = 0 if edge is None else FINE
        self.brush.text(
            place, text, fill=colour, font=font, anchor="mm", stroke_width=width, stroke_fill=edge
        )


def _text_picture(text: str) -> np.ndarray:
    """Lines of text, dark on paper."""
    font, margin = text_font(CELL // 2), CELL // 2
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    _, _, right, bottom = ruler.multiline_textbbox((margin, margin), text, font=font)
    size = round(right) + margin, round(bottom) + margin
    image = Image.new("RGB", size, PAPER)
    ImageDraw.Draw(image).multiline_text((margin, margin), text, fill=INK, font=font)
    return np.asarray(image)


def mixed(one: Colour, other: Colour) -> Colour:
    """The colour between two."""
    red, green, blue = ((a + b) // 2 for a, b in zip(one, other, strict=True))
    return red, green, blue


@functools.cache
def find_font(names: tuple[str, ...], size: int) -> ImageFont.FreeTypeFont | None:
    """The first of these fonts that the system has."""
    for name in names:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return None


@functools.cache
def text_font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font for text: one of the system's with letters of one width, or Pillow's own."""
    return find_font(TEXT_FONTS, size) or ImageFont.load_default(size)
