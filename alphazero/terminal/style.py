"""How a board looks in a terminal: plain text that works everywhere, or painted.

A game draws itself in ASCII, with every row between its number on the left and on the right, and
the last move in brackets:

        a  b  c
     3  .  .  O  3
     2  . (X) .  2
     1  .  .  .  1
        a  b  c

Everything here works on such text, so it needs to know nothing about the game.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

ROW = re.compile(r"(\s*\d+)(\s.*?)(\s\d+\s*|\s*)")  # number, cells, number
BAR_CELLS = 20

# Both the ground and the stones are painted, so that the terminal's own colours do not matter.
# By number of colours: ground, first player, second player, lines.
PAINTS = {
    256: ("\x1b[48;5;180m", "\x1b[38;5;16m", "\x1b[38;5;231m", "\x1b[38;5;94m"),
    16: ("\x1b[43m", "\x1b[30m", "\x1b[97m", "\x1b[30m"),
}
RESET = "\x1b[0m"
TEXT_GLYPH = "\ufe0e"  # asks the terminal not to draw the character before it as an emoji


@dataclass(frozen=True)
class Style:
    """What the terminal can show."""

    unicode: bool = False
    colours: int = 0  # 0, 16 or 256


def choose_style(option: str, stream: TextIO, environment: Mapping[str, str]) -> Style:
    """The style for `--style`: ascii, unicode, or auto (unicode where it is safe).

    `unicode` is a wish that holds for pipes too, but no wish makes an ASCII locale print discs,
    and NO_COLOR and a dumb terminal always switch colours off.
    """
    terminal = environment.get("TERM", "")
    colours = 16
    if "256color" in terminal or environment.get("COLORTERM"):
        colours = 256
    if environment.get("NO_COLOR") or terminal in ("", "dumb"):
        colours = 0
    unicode = (stream.encoding or "").lower().replace("-", "") == "utf8" and option != "ascii"
    if option == "auto":
        # Chinese, Japanese and Korean terminals draw discs two cells wide, which tears the board.
        language = environment.get("LC_ALL") or environment.get("LANG") or ""
        wide = language.startswith(("zh", "ja", "ko"))
        unicode = unicode and stream.isatty() and colours > 0 and not wide
    return Style(unicode, colours if unicode else 0)


def paint(board: str, sides: tuple[str, str], style: Style) -> str:
    """The board with discs for stones, on a painted ground.

    `sides` are the letters of each player: the first one is a stone, others only have its colour.
    """
    if not style.unicode:
        return board
    return "\n".join(_paint_row(line, sides, style.colours) for line in board.split("\n"))


def _paint_row(line: str, sides: tuple[str, str], colours: int) -> str:
    match = ROW.fullmatch(line)
    if match is None:
        return line
    left, cells, right = match.groups()
    return left + paint_cells(cells, sides, colours) + right


def paint_cells(cells: str, sides: tuple[str, str], colours: int) -> str:
    """Part of a row: stones as discs, points as dots, anything else as it is."""
    ground, first, second, lines = PAINTS.get(colours, ("", "", "", ""))
    # With colours both sides have the filled disc: an outline looks black on a dark ground.
    discs = ("●", "●") if colours else ("●", "○")
    glyphs = {".": lines + "·", "+": lines + "+", " ": " "}
    for letters, colour, disc in zip(sides, (first, second), discs, strict=True):
        glyphs |= {letter: colour + letter for letter in letters}
        glyphs[letters[0]] = colour + disc + TEXT_GLYPH
    painted = "".join(glyphs.get(letter, first + letter) for letter in cells)
    return ground + painted + (RESET if colours else "")


def rows_of(lines: Sequence[str]) -> list[int]:
    """Which of the lines of a board are its rows."""
    return [number for number, line in enumerate(lines) if ROW.fullmatch(line)]


def rotate(board: str) -> str:
    """The board from the other side: turned by half a turn, numbers and words still readable."""
    lines = board.split("\n")
    width = max(len(line) for line in lines)
    mirror = str.maketrans("()[]", ")(][")
    turned = []
    for line in reversed(lines):
        reflected = line.ljust(width)[::-1].translate(mirror)
        turned.append(re.sub(r"[A-Za-z0-9]+", lambda word: word[0][::-1], reflected).rstrip())
    return "\n".join(turned)


def percent(share: float) -> str:
    return f"{100 * share:.0f}%"


def win_bar(share: float, name: str) -> str:
    """`[#########...........] X 46%`: the share of the point that the named side expects."""
    filled = round(BAR_CELLS * share)
    return f"[{'#' * filled}{'.' * (BAR_CELLS - filled)}] {name} {percent(share)}"
