"""Pictures of boards, judged by the colours at the places where things must be."""

import io

import numpy as np
import pytest
from PIL import Image

from alphazero import picture
from alphazero.game import BoardView, Cell, load
from alphazero.picture import (
    BLACK,
    CELL,
    DARK,
    DISCS,
    HOLE,
    LIGHT,
    LINES,
    MOVED,
    PAPER,
    THREATENED,
    WHITE,
    WOOD,
    board_picture,
    mixed,
    png,
)


def view_after(spec: str, moves: str) -> BoardView:
    position = load(spec).position()
    for move in moves.split():
        position.play(move)
    return position.board_view()


def patch(pixels: np.ndarray, view: BoardView, name: str) -> np.ndarray:
    """The pixels [CELL, CELL, 3] around the cell of this name."""
    cell = next(cell for cell in range(len(view.cells)) if view.name(cell) == name)
    row, column = divmod(cell, len(view.columns))
    top, left = CELL * (row + 1), CELL * (column + 1)
    return pixels[top : top + CELL, left : left + CELL]


def middle(pixels: np.ndarray, view: BoardView, name: str, right: int = 0) -> tuple[int, ...]:
    """The colour so many pixels right of a cell's middle."""
    return tuple(patch(pixels, view, name)[CELL // 2, CELL // 2 + right].tolist())


def corner(pixels: np.ndarray, view: BoardView, name: str) -> tuple[int, ...]:
    return tuple(patch(pixels, view, name)[2, 2].tolist())


def has(pixels: np.ndarray, colour: tuple[int, ...]) -> bool:
    return bool((pixels == colour).all(axis=-1).any())


def test_connect_four_has_discs_in_a_frame():
    view = view_after("connect4", "d d e g")
    pixels = board_picture(view)
    assert pixels.dtype == np.uint8 and pixels.shape == (8 * CELL, 9 * CELL, 3)
    assert [middle(pixels, view, name) for name in ("d1", "d2", "e1")] == [*DISCS, DISCS[0]]
    assert middle(pixels, view, "a1") == HOLE
    assert middle(pixels, view, "g1") == BLACK  # the last move's mark
    assert middle(pixels, view, "g1", right=9) == DISCS[1]


def test_go_has_stones_on_the_crossings_of_lines():
    view = view_after("go:size=9", "C3 G7 D5")
    pixels = board_picture(view)
    assert middle(pixels, view, "C3") == BLACK and middle(pixels, view, "G7") == WHITE
    assert middle(pixels, view, "E5") == LINES and corner(pixels, view, "E5") == WOOD
    ring = [middle(pixels, view, "D5", right) for right in (0, 6, 12)]
    assert ring == [BLACK, WHITE, BLACK]
    assert not has(patch(pixels, view, "A2")[:, : CELL // 2 - 2], LINES)  # lines end at the edge


def test_chess_has_figures_on_two_shades_of_squares():
    view = view_after("chess", "e4 f5 Qh5")
    pixels = board_picture(view)
    assert corner(pixels, view, "a1") == DARK and corner(pixels, view, "h1") == LIGHT
    assert corner(pixels, view, "e8") == THREATENED
    assert corner(pixels, view, "h5") == mixed(LIGHT, MOVED)
    assert corner(pixels, view, "d1") == mixed(LIGHT, MOVED)
    assert not has(patch(pixels, view, "d1"), WHITE)
    assert has(patch(pixels, view, "h5"), WHITE) and has(patch(pixels, view, "d8"), BLACK)
    shapes = {patch(pixels, view, name).tobytes() for name in ("a8", "c8", "g8")}
    assert len(shapes) == 3


def test_without_a_font_of_figures_pieces_are_letters(monkeypatch):
    monkeypatch.setattr(picture, "find_font", lambda names, size: None)
    picture.text_font.cache_clear()
    view = view_after("chess", "")
    pixels = board_picture(view)
    picture.text_font.cache_clear()
    assert has(patch(pixels, view, "e1"), WHITE) and has(patch(pixels, view, "e8"), BLACK)
    assert (patch(pixels, view, "e1") != patch(pixels, view, "c1")).any()


def test_other_pieces_are_letters_in_their_owners_colours():
    view = view_after("tic-tac-toe", "b2 a1")
    pixels = board_picture(view)
    assert has(patch(pixels, view, "b2"), picture.LETTERS[0])
    assert has(patch(pixels, view, "a1"), picture.LETTERS[1])
    assert middle(pixels, view, "c3") == PAPER
    wall = BoardView("squares", rows="1", columns="a", cells=[Cell("#")])
    assert has(board_picture(wall), picture.INK)


def test_labels_and_captions_leave_the_size_as_it_is():
    passed, before = view_after("go:size=9", "C3 pass"), view_after("go:size=9", "C3")
    pixels, plain = board_picture(passed), board_picture(before)
    assert pixels.shape == plain.shape
    assert (pixels[:CELL] != plain[:CELL]).any()
    assert (pixels[-CELL:] == plain[-CELL:]).all() and has(pixels[-CELL:], picture.INK)


@pytest.mark.parametrize("text", ["", "\n\n", "X", "(X)", "X\n.O\n  X..O"])
def test_any_text_has_a_picture(text: str):
    pixels = board_picture(BoardView("text", drawing=text))
    assert pixels.ndim == 3 and pixels.size > 0
    assert (pixels != PAPER).any() == bool(text.strip())


def test_png_holds_the_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    assert (np.asarray(Image.open(io.BytesIO(png(pixels)))) == pixels).all()
