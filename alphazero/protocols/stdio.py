"""Bytes in and out: stdin and stdout of the protocols' front ends.

Imported before anything is known to be needed, so it imports nothing heavy.
"""

import os
import select
import sys
from collections.abc import Callable, Iterator

CHUNK = 1 << 16


class Streams:
    """stdin and stdout, which from now on has the answers alone: what else is printed goes to
    stderr."""

    def __init__(self) -> None:
        self._answers = take_stdout()

    def read(self) -> bytes:
        """Wait for bytes; none at the end."""
        return os.read(0, CHUNK)

    def write(self, data: bytes) -> None:
        """Send bytes, all of them. Raises BrokenPipeError when nobody is there."""
        while data:
            data = data[os.write(self._answers, data) :]

    def is_gone(self) -> bool:
        """Whether nobody reads the answers any more."""
        return has_no_reader(self._answers)


def take_stdout() -> int:
    """A descriptor for the answers alone: what else is printed goes to stderr from now on."""
    sys.stdout.flush()
    answers = os.dup(1)
    try:
        os.dup2(2, 1)
    except OSError:  # there is no stderr
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return answers


def split_lines(read: Callable[[], bytes]) -> Iterator[bytes]:
    """Lines from chunks of bytes, each with its LF but for an unfinished last one."""
    parts: list[bytes] = []
    while chunk := read():
        *complete, rest = chunk.split(b"\n")
        for line in complete:
            yield b"".join([*parts, line, b"\n"])
            parts = []
        if rest:
            parts.append(rest)
    if parts:
        yield b"".join(parts)


def has_no_reader(descriptor: int) -> bool:
    """Whether a pipe's other end is closed, where the system can tell."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(events & (select.POLLERR | select.POLLNVAL) for _, events in poll.poll(0))
