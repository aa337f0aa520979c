"""Pictures of boards, judged by the colours at the places where things must be."""

import re
import struct
import zlib

import numpy as np
import pytest

from alphazero.game import load
from alphazero.run.metrics import picture
from alphazero.run.metrics.picture import (
    BACKGROUND,
    CELL,
    DISCS,
    EMPTY,
    FONT,
    INK,
    board_picture,
    png,
)


def colours(pixels: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(pixel) for pixel in pixels.reshape(-1, 3).tolist()}


def at(pixels: np.ndarray, text: str, row: int, column: int, pitch: int = 3) -> tuple[int, ...]:
    """The colour in the middle of a character's place."""
    width = max(CELL // pitch, 6)
    middle = CELL * (row + 1), CELL // 2 + width * column + width // 2
    assert len(text.splitlines()[row]) > column
    return tuple(pixels[middle].tolist())


def test_connect_four():
    position = load("connect4").position()
    for move in "ddeg":
        position.play(move)
    text = position.render()
    lines = text.splitlines()
    pixels = board_picture(text)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (CELL * (len(lines) + 1), 8 * max(map(len, lines)) + CELL, 3)
    discs = 0
    for row, line in enumerate(lines):
        for column, character in enumerate(line):
            colour = at(pixels, text, row, column)
            if character in "XO":
                marked = line[column - 1] == "("
                assert colour == (BACKGROUND if marked else DISCS[character])
                discs += 1
            elif character == ".":
                assert colour == EMPTY
    assert discs == 4


def test_the_mark_is_on_the_disc_and_its_brackets_are_gone():
    plain, marked = board_picture(" X  . "), board_picture("(X) . ")
    changed = np.argwhere((plain != marked).any(axis=2))
    y, x = CELL, CELL // 2 + 8 + 4
    assert 20 < len(changed) < 60
    assert (np.abs(changed - [y, x]).max(axis=0) <= 4).all()


@pytest.mark.parametrize(
    "text", ["(N) . ", "(X . ", " X) . ", "(X] . ", "()X . ", "X() . ", ")X( ."]
)
def test_brackets_around_nothing_or_something_else_are_drawn(text):
    without = re.sub(r"[][()]", " ", text)
    drawn = board_picture(text) != board_picture(without)
    assert drawn.any(axis=2).sum() >= len(re.findall(r"[][()]", text)) * 10  # half under the disc


@pytest.mark.parametrize(
    ("text", "pitch"), [(".X.", 1), (". X .", 2), (".  X  .", 3), (".    X", 5)]
)
def test_points_are_as_far_apart_as_the_rows_whatever_the_spacing(text, pitch):
    pixels = board_picture(text)
    column = text.index("X")
    assert at(pixels, text, 0, column, pitch) == DISCS["X"]
    assert at(pixels, text, 0, 0, pitch) == EMPTY
    discs = (pixels == DISCS["X"]).all(axis=2)
    height, width = (np.ptp(np.flatnonzero(discs.any(axis=axis))) + 1 for axis in (1, 0))
    assert height == width == 19  # and a pixel of edge around it


def test_letters_are_drawn_in_their_colour():
    upper, lower = board_picture("N"), board_picture("n")
    assert colours(upper) == {BACKGROUND, INK[True]}
    assert colours(lower) == {BACKGROUND, INK[False]}
    assert colours(board_picture(" ~\t")) == {BACKGROUND}  # what has no glyph is left out


def test_every_glyph_is_its_own():
    seen = {}
    for character in FONT:
        pixels = board_picture(character.lower())  # X and O are discs, x and o letters
        assert len(colours(pixels)) == 2, character
        seen[(pixels != BACKGROUND).any(axis=2).tobytes()] = character
    assert len(seen) == len(FONT)
    assert len(picture.GLYPHS) == 6 * len(picture.CHARACTERS)


def test_a_glyph_is_drawn_upright_in_the_middle_of_its_place():
    drawn = (board_picture("..L")[:, :, 0] == INK[True][0]).astype(int)
    expected = np.zeros_like(drawn)
    y, x = CELL, CELL // 2 + 2 * CELL + CELL // 2
    expected[y - 5 : y + 5, x - 3 : x - 1] = 1  # the stroke, two pixels for one
    expected[y + 3 : y + 5, x - 1 : x + 3] = 1  # the foot
    assert (drawn == expected).all()


@pytest.mark.parametrize("text", ["", "\n\n", "X", "(X)", "X\n.O\n  X..O"])
def test_any_text_has_a_picture(text):
    assert board_picture(text).size > 0


def test_png_is_read_back_by_the_book():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    content = png(pixels)
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        name, data = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">I", content, at + 8 + length)
        assert checksum == zlib.crc32(name + data)
        chunks[name] = data
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (7, 5, 8, 2, 0, 0, 0)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(5, 22)
    assert (rows[:, 0] == 0).all()
    assert (rows[:, 1:].reshape(5, 7, 3) == pixels).all()
