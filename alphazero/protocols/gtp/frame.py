"""GTP's frame: a line of bytes as a command, and an answer as bytes.

7 play b D4 # a comment  ->  Request(id="7", name="play", arguments=("b", "D4"), tail="b D4")
success("7", "")         ->  b"=7\\n\\n"
failure("", "no")        ->  b"? no\\n\\n"
"""

import re
from typing import NamedTuple

# Control characters are no part of a line, but a tab is a space.
DROPPED = bytes(code for code in (*range(32), 127) if code not in (9, 10))
TAB_TO_SPACE = bytes.maketrans(b"\t", b" ")
FIRST_WORD = re.compile(r" *(?:([0-9]+)(?= |$))? *([^ ]*) *(.*)", re.DOTALL)


class Request(NamedTuple):
    """One command."""

    id: str  # digits, or nothing
    name: str
    arguments: tuple[str, ...]
    tail: str  # the arguments as they were written


def parse(line: bytes) -> Request | None:
    """The command of a line; None for a line that has none, and therefore no answer.

    A number alone is no command either: GNU Go says nothing to it.
    """
    line = line.translate(TAB_TO_SPACE, DROPPED)
    text = line.partition(b"#")[0].decode("utf-8", errors="replace").replace("\n", "")
    match = FIRST_WORD.fullmatch(text)
    assert match is not None, "the pattern takes any line"
    number, name, tail = match.groups()
    if not name:
        return None
    tail = tail.rstrip(" ")
    return Request(number or "", name, tuple(filter(None, tail.split(" "))), tail)


def is_interrupt(line: bytes) -> bool:
    """Whether a line is the comment by which GoGui asks for the end of a running command."""
    return line.translate(TAB_TO_SPACE, DROPPED).split() == [b"#", b"interrupt"]


def success(number: str, text: str) -> bytes:
    """The answer to a command that has been carried out."""
    return _answer("=", number, text)


def failure(number: str, message: str) -> bytes:
    """The answer to a command that has not; the message on one line."""
    return _answer("?", number, " ".join(message.split()))


def header(number: str) -> bytes:
    """The beginning of an answer whose lines come one by one."""
    return f"={number}\n".encode()


def body(text: str) -> bytes:
    """Lines of an answer after the first. None of them is empty, which would end the answer, or
    begins like one."""
    lines = (clean(line) for line in text.split("\n"))
    return "".join(f"{line}\n" for line in lines if line).encode("utf-8", errors="replace")


END = b"\n"  # of an answer


def clean(line: str) -> str:
    line = "".join(" " if ord(letter) < 32 else letter for letter in line).rstrip()
    return f" {line}" if line.startswith(("=", "?")) else line


def _answer(sign: str, number: str, text: str) -> bytes:
    first, _, others = text.partition("\n")
    first = clean(first).strip()
    start = f"{sign}{number} {first}" if first else f"{sign}{number}"
    return start.encode("utf-8", errors="replace") + b"\n" + body(others) + END
