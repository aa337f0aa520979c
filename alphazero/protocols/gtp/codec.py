"""GTP's frame: a line of bytes to a command, and a response to bytes.

7 play b D4 # a comment  ->  Command(id="7", name="play", arguments=("b", "D4"), tail="b D4")
success("7", "")         ->  b"=7\\n\\n"
failure("", "no")        ->  b"? no\\n\\n"
"""

import re
from typing import NamedTuple

# Control characters are removed from a line, but a tab becomes a space.
REMOVED = bytes(code for code in (*range(32), 127) if code not in (9, 10))
TAB_TO_SPACE = bytes.maketrans(b"\t", b" ")
LINE = re.compile(r" *(?:([0-9]+)(?= |$))? *([^ ]*) *(.*)", re.DOTALL)
END = b"\n"  # of a response


class Command(NamedTuple):
    """A line of input."""

    id: str  # digits, or empty
    name: str
    arguments: tuple[str, ...]
    tail: str  # the arguments as written, with their spaces


def parse(line: bytes) -> Command | None:
    """Parse a line; None for a line without a command, which gets no response.

    A lone number is not a command: GNU Go does not respond to it either.
    """
    line = line.translate(TAB_TO_SPACE, REMOVED)
    text = line.partition(b"#")[0].decode("utf-8", errors="replace").replace("\n", "")
    match = LINE.fullmatch(text)
    assert match is not None, "the pattern matches any line"
    number, name, tail = match.groups()
    if not name:
        return None
    tail = tail.rstrip(" ")
    return Command(number or "", name, tuple(filter(None, tail.split(" "))), tail)


def is_interrupt(line: bytes) -> bool:
    """Test for the comment with which GoGui interrupts the running command."""
    return line.translate(TAB_TO_SPACE, REMOVED).split() == [b"#", b"interrupt"]


def success(number: str, text: str) -> bytes:
    """Format the response to a command that succeeded."""
    return _response("=", number, text)


def failure(number: str, message: str) -> bytes:
    """Format the response to a command that failed, with the message on one line."""
    return _response("?", number, " ".join(message.split()))


def header(number: str) -> bytes:
    """Format the first line of a response whose other lines follow one by one."""
    return f"={number}\n".encode()


def body(text: str) -> bytes:
    """Format lines of a response after its first.

    Empty lines, which would end the response, are left out; a line that begins like a response is
    indented.
    """
    lines = (_clean(line) for line in text.split("\n"))
    return "".join(f"{line}\n" for line in lines if line).encode("utf-8", errors="replace")


def _clean(line: str) -> str:
    line = "".join(" " if ord(letter) < 32 else letter for letter in line).rstrip()
    return f" {line}" if line.startswith(("=", "?")) else line


def _response(sign: str, number: str, text: str) -> bytes:
    first, _, others = text.partition("\n")
    first = _clean(first).strip()
    start = f"{sign}{number} {first}" if first else f"{sign}{number}"
    return start.encode("utf-8", errors="replace") + b"\n" + body(others) + END
