"""The arguments of a GTP command, taken from left to right.

A missing or unreadable argument is a `syntax error`. Surplus arguments are ignored, as in GNU Go;
only `undo` refuses them.
"""

import math

from alphazero.errors import RequestError
from alphazero.protocols.gtp.codec import Command

COLORS = {"b": 0, "black": 0, "w": 1, "white": 1}
BOOLEANS = {"true": True, "false": False}
LARGEST_INT = 2**31 - 1
MOST_DIGITS = 10
SYNTAX_ERROR = "syntax error"


class Arguments:
    """The arguments of one command. All reading methods raise RequestError."""

    def __init__(self, command: Command) -> None:
        self.tail = command.tail
        self._words, self._next = command.arguments, 0

    def __bool__(self) -> bool:
        """Return True while there are arguments left."""
        return self._next < len(self._words)

    def peek(self) -> str:
        """Look at the next argument without taking it; empty at the end."""
        return self._words[self._next] if self else ""

    def word(self) -> str:
        if not self:
            raise RequestError(SYNTAX_ERROR)
        self._next += 1
        return self._words[self._next - 1]

    def rest(self) -> list[str]:
        """Take all arguments left."""
        words = list(self._words[self._next :])
        self._next = len(self._words)
        return words

    def integer(self) -> int:
        return read_integer(self.word())

    def number(self) -> float:
        return read_number(self.word())

    def boolean(self) -> bool:
        return read_boolean(self.word())

    def color(self) -> int:
        """Take a player: 0 for black, 1 for white."""
        word = self.word().lower()
        if word not in COLORS:
            raise RequestError(SYNTAX_ERROR)
        return COLORS[word]

    def moves(self) -> list[tuple[int, str]]:
        """Take all arguments left as pairs of player and vertex."""
        pairs = []
        while self:
            pairs.append((self.color(), self.word()))
        return pairs


def read_integer(word: str) -> int:
    """Parse a decimal number from 0 to 2**31 - 1. Raises RequestError."""
    digits = word.lstrip("0") or word[:1]
    if not (digits.isascii() and digits.isdigit()) or len(digits) > MOST_DIGITS:
        raise RequestError(SYNTAX_ERROR)
    if int(digits) > LARGEST_INT:
        raise RequestError(SYNTAX_ERROR)
    return int(digits)


def read_number(word: str) -> float:
    """Parse a finite number. Raises RequestError."""
    try:
        value = float(word) if "_" not in word else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RequestError(SYNTAX_ERROR)
    return value


def read_boolean(word: str) -> bool:
    """Parse `true` or `false` in any case. Raises RequestError."""
    if word.lower() not in BOOLEANS:
        raise RequestError(SYNTAX_ERROR)
    return BOOLEANS[word.lower()]
