"""Pictures of boards without a graphics library: a game's own ASCII board, drawn in colour.

3  .  X  .  3        every character has its place in the picture: X and O are discs,
2  . (O) .  2   ->   points are dots, brackets around a disc become a mark on it (the last
   a  b  c           move), and letters and digits are drawn in a font of 3 x 5 pixels
"""

import itertools
import struct
import zlib

import numpy as np

BACKGROUND = (28, 32, 40)
EMPTY = (74, 82, 98)
INK = {True: (240, 240, 240), False: (146, 154, 170)}  # upper case and the rest
DISCS = {"X": (236, 84, 72), "O": (248, 208, 72), "●": (236, 84, 72), "○": (248, 208, 72)}
BRACKETS = {"(": ")", "[": "]", "{": "}", "<": ">"}
CELL = 24  # pixels between two rows, and between two points of a row

# A glyph is five rows of three pixels, each row an octal digit: "L" is 100 100 100 100 111.
CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ+-|/\\#=:,()[]<>*'!?_"
GLYPHS = (
    "75557 26227 71747 71717 55711 74717 74757 71222 75757 75717 25755 65656 34443 65556 74647 "
    "74644 34553 55755 72227 11152 55655 44447 57755 65555 25552 65644 25563 65655 34216 72222 "
    "55557 55552 55775 55255 55222 71247 02720 00700 22222 11244 44211 57575 07070 02020 00024 "
    "12221 42224 64446 31113 12421 42124 52525 22000 22202 61202 00007 "
)
FONT = {character: GLYPHS[6 * i : 6 * i + 5] for i, character in enumerate(CHARACTERS)}


def board_picture(text: str) -> np.ndarray:
    """A rendered board as pixels, uint8 [H, W, 3]."""
    lines = text.splitlines() or [""]
    pitch = points_apart(lines)
    width = max(CELL // pitch, 6)
    columns = max(map(len, lines))
    picture = np.empty((CELL * (len(lines) + 1), width * columns + CELL, 3), np.float32)
    picture[:] = BACKGROUND
    for row, line in enumerate(lines):
        y = CELL * (row + 1)
        for column, character in enumerate(line):
            x = CELL // 2 + width * column + width // 2
            around = f" {line} "[column], f" {line} "[column + 2]
            marked = BRACKETS.get(around[0]) == around[1]
            if character in DISCS:
                draw_disc(picture, y, x, min(10.0, width * pitch / 2 - 1), DISCS[character])
                if marked:
                    draw_disc(picture, y, x, 3.0, BACKGROUND)
            elif character == ".":
                draw_disc(picture, y, x, 2.5, EMPTY)
            elif character.upper() in FONT and not marks_a_disc(line, column):
                draw_glyph(picture, y, x, FONT[character.upper()], INK[character.isupper()])
    return picture.round().astype(np.uint8)


def points_apart(lines: list[str]) -> int:
    """How many characters lie from one point of the board to the next in its row."""
    gaps = []
    for line in lines:
        points = [i for i, character in enumerate(line) if character == "." or character in DISCS]
        gaps += [after - before for before, after in itertools.pairwise(points)]
    return min(gaps, default=2)


def marks_a_disc(line: str, column: int) -> bool:
    """Whether a character is a bracket around a disc."""
    opens = BRACKETS.get(line[column]) == line[column + 2 : column + 3] != ""
    closes = column >= 2 and BRACKETS.get(line[column - 2]) == line[column]
    return (opens and line[column + 1] in DISCS) or (closes and line[column - 1] in DISCS)


def draw_disc(
    picture: np.ndarray, y: int, x: int, radius: float, colour: tuple[int, int, int]
) -> None:
    """Blend a disc with a smooth edge into float pixels [H, W, 3]."""
    reach = int(radius) + 2
    area = picture[y - reach : y + reach + 1, x - reach : x + reach + 1]
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    share = np.clip(radius + 0.5 - np.hypot(rows, columns), 0, 1)[..., None]
    area += (share * (np.array(colour) - area)).astype(np.float32)


def draw_glyph(
    picture: np.ndarray, y: int, x: int, glyph: str, colour: tuple[int, int, int]
) -> None:
    """Draw a glyph at twice its size, centred."""
    for row, digit in enumerate(glyph):
        for column in range(3):
            if int(digit, 8) >> (2 - column) & 1:
                top, left = y - 5 + 2 * row, x - 3 + 2 * column
                picture[top : top + 2, left : left + 2] = colour


def png(pixels: np.ndarray) -> bytes:
    """Pixels uint8 [H, W, 3] as a PNG file."""
    height, width, channels = pixels.shape
    assert pixels.dtype == np.uint8 and channels == 3, "a picture is uint8 [H, W, 3]"
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, RGB
    rows = np.zeros((height, 1 + width * 3), np.uint8)  # every row begins with its filter: none
    rows[:, 1:] = pixels.reshape(height, -1)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")]
    out = b"\x89PNG\r\n\x1a\n"
    for name, data in chunks:
        checksum = zlib.crc32(name + data)
        out += struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)
    return out
