"""One command as its handler sees it: its arguments, and answering while it runs.

Arguments are taken from left to right; what is missing or makes no sense is a `syntax error`. More
arguments than a command takes do no harm, as in GNU Go; only `undo` refuses them.
"""

import math
from collections.abc import Callable
from typing import Protocol

from alphazero.protocols.gtp.frame import Request, body, header

COLORS = {"b": 0, "black": 0, "w": 1, "white": 1}
BOOLEANS = {"true": True, "false": False}
LARGEST_INT = 2**31 - 1
MOST_DIGITS = 10
SYNTAX_ERROR = "syntax error"


class GtpError(Exception):
    """A command that fails, with the message that is its answer."""


class Line(Protocol):
    """Where a command has come from, and where its answer goes to."""

    arrived: float  # time.perf_counter() when the command was read

    def write(self, data: bytes) -> None:
        """Send bytes, all at once."""
        ...

    def is_followed(self) -> bool:
        """Whether another line has come, or none will: a running analysis ends."""
        ...

    def is_cancelled(self) -> bool:
        """Whether the controller wants the answer now, or is gone."""
        ...


class Call:
    """A command under way."""

    def __init__(self, request: Request, line: Line) -> None:
        self.request, self._line = request, line
        self.has_begun = False  # to answer
        self._next = 0

    @property
    def arrived(self) -> float:
        return self._line.arrived

    # -- arguments ---------------------------------------------------------------------------------

    @property
    def has_more(self) -> bool:
        return self._next < len(self.request.arguments)

    @property
    def tail(self) -> str:
        """All arguments as they were written."""
        return self.request.tail

    def peek(self) -> str:
        """The next argument, which stays there; nothing at the end."""
        return self.request.arguments[self._next] if self.has_more else ""

    def word(self) -> str:
        """The next argument as it is."""
        if not self.has_more:
            raise GtpError(SYNTAX_ERROR)
        self._next += 1
        return self.request.arguments[self._next - 1]

    def rest(self) -> list[str]:
        """All arguments that are left."""
        words = list(self.request.arguments[self._next :])
        self._next = len(self.request.arguments)
        return words

    def integer(self) -> int:
        """A whole number that is not negative."""
        return read_integer(self.word())

    def number(self) -> float:
        return read_number(self.word())

    def boolean(self) -> bool:
        word = self.word()
        if word not in BOOLEANS:
            raise GtpError(SYNTAX_ERROR)
        return BOOLEANS[word]

    def color(self) -> int:
        """The player, 0 for black and 1 for white."""
        word = self.word().lower()
        if word not in COLORS:
            raise GtpError(SYNTAX_ERROR)
        return COLORS[word]

    # -- answering while it runs -------------------------------------------------------------------

    def begin(self) -> None:
        """Begin an answer that consists of lines which come one by one."""
        self.has_begun = True
        self._line.write(header(self.request.id))

    def line(self, text: str) -> None:
        """One of these lines."""
        self._line.write(body(text))

    def is_followed(self) -> bool:
        return self._line.is_followed()

    def is_cancelled(self) -> bool:
        return self._line.is_cancelled()


Handler = Callable[..., str]  # (front, call) -> the answer, or its last lines if it has begun


def read_integer(word: str) -> int:
    digits = word.lstrip("0") or word[:1]
    if not (digits.isascii() and digits.isdigit()) or len(digits) > MOST_DIGITS:
        raise GtpError(SYNTAX_ERROR)
    if int(digits) > LARGEST_INT:
        raise GtpError(SYNTAX_ERROR)
    return int(digits)


def read_number(word: str) -> float:
    """Anything that is written like a number, but not infinity and the like."""
    try:
        value = float(word) if "_" not in word else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise GtpError(SYNTAX_ERROR)
    return value
