"""stdin and stdout of a protocol's server: lines in, bytes out, and the end of the process.

Imports nothing heavy: a server answers before a game or a network is loaded.
"""

import os
import select
import sys
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn, Protocol

from alphazero.command_line import INTERRUPTED

CHUNK = 1 << 16  # bytes


class Server(Protocol):
    """A protocol's end of a conversation. Both methods are called by the thread that reads."""

    def receive(self, line: bytes) -> bool:
        """Take one line of input, without waiting for an engine; False after the last."""
        ...

    def close(self, is_abandoned: Callable[[], bool]) -> None:
        """Finish after the last line. Whatever takes long is given up once `is_abandoned()`: nobody
        reads the answers any more."""
        ...


def serve(make_server: Callable[[Callable[[bytes], None]], Server]) -> NoReturn:
    """Run a server on stdin and stdout until it is told to quit or the input ends, then exit.

    `make_server(write)` makes it; `write` sends bytes, all at once, from any thread.
    """
    streams = Streams()
    server = make_server(streams.write)
    code = 0
    try:
        for line in split_lines(streams.read):
            if not server.receive(line):
                break
        server.close(streams.is_abandoned)
    except KeyboardInterrupt:
        code = INTERRUPTED
    leave(code)


def leave(code: int) -> NoReturn:
    """End the process at once: threads that are still loading large libraries would disturb an
    orderly end."""
    sys.stderr.flush()
    os._exit(code)


class Streams:
    """stdin and stdout. From now on stdout has the answers alone; other prints go to stderr."""

    def __init__(self) -> None:
        self._answers = take_stdout()
        self._writing = threading.Lock()

    def read(self) -> bytes:
        """Wait for bytes; none at the end, or if stdin is not open."""
        try:
            return os.read(0, CHUNK)
        except OSError:
            return b""

    def write(self, data: bytes) -> None:
        """Send bytes, all at once; the process ends if nobody reads them."""
        with self._writing:
            try:
                while data:
                    data = data[os.write(self._answers, data) :]
            except OSError:
                leave(0)

    def is_abandoned(self) -> bool:
        """True once nobody reads the answers any more, as far as the system can tell."""
        return has_no_reader(self._answers)


def take_stdout() -> int:
    """Return a descriptor for the answers; everything printed goes to stderr from now on."""
    sys.stdout.flush()
    answers = os.dup(1)
    try:
        os.dup2(2, 1)
    except OSError:  # there is no stderr
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return answers


def split_lines(read: Callable[[], bytes]) -> Iterator[bytes]:
    """Split chunks of bytes into lines, each with its LF except for an unfinished last one."""
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
    """Return True if a pipe's other end is closed, where the system can tell."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(events & (select.POLLERR | select.POLLNVAL) for _, events in poll.poll(0))
