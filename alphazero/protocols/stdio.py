"""stdin and stdout of a protocol's server: lines in, bytes out, and the end of the process.

The process ends as soon as its client has gone, whatever it is doing: when nobody reads stdout any
more, and when stdin ends while answers are due, unless it ends right after its last line. That is a
script's input (`printf 'genmove b\\n' | alphazero gtp`), whose answers are wanted.

Imports nothing heavy: a server answers before a game or a network is loaded.
"""

import contextlib
import os
import select
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import NoReturn, Protocol

from alphazero.command_line import INTERRUPTED

CHUNK = 1 << 16  # bytes
FAILED = 1  # exit code after an error of the program
SCRIPT_SECONDS = 0.5  # at most between a script's last line and the end of its input


class Server(Protocol):
    """A protocol's end of a conversation. Both methods are called by the thread that reads."""

    def receive(self, line: bytes) -> bool:
        """Take one line of input, without waiting for an engine; False after the last."""
        ...

    def close(self) -> None:
        """Finish after the last line."""
        ...


def serve(
    make_server: Callable[[Callable[[bytes], None]], Server], *, finishes: bool = False
) -> NoReturn:
    """Run a server on stdin and stdout until it is told to quit or the input ends, then exit.

    `make_server(write)` makes it; `write` sends bytes, all at once, from any thread. With
    `finishes` the end of the input is only that: all is answered that has come before.
    """
    code = 0
    try:
        streams = Streams()
        streams.watch()
        server = make_server(streams.write)
        for line in split_lines(streams.read):
            if not server.receive(line):
                break
        else:
            if not finishes and streams.silence() > SCRIPT_SECONDS:
                leave(code)
        server.close()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception:  # nothing else would end the other threads
        code = FAILED
        with contextlib.suppress(OSError):
            traceback.print_exc()
    leave(code)


def leave(code: int) -> NoReturn:
    """End the process at once: threads that are still loading large libraries would disturb an
    orderly end."""
    with contextlib.suppress(OSError, ValueError):  # nobody may read that either
        sys.stderr.flush()
    os._exit(code)


class Streams:
    """stdin and stdout. From now on stdout has the answers alone; other prints go to stderr."""

    def __init__(self) -> None:
        self._answers = take_stdout()
        self._writing = threading.Lock()
        self._heard = time.monotonic()  # when the last bytes came

    def read(self) -> bytes:
        """Wait for bytes; none at the end, or if stdin is not open."""
        try:
            data = os.read(0, CHUNK)
        except OSError:
            return b""
        if data:
            self._heard = time.monotonic()
        return data

    def silence(self) -> float:
        """Return the seconds since the last bytes came."""
        return time.monotonic() - self._heard

    def watch(self) -> None:
        """From now on, end the process once nobody reads the answers, where the system tells."""

        def wait() -> None:
            if loses_reader(self._answers):
                leave(0)

        if hasattr(select, "poll"):
            threading.Thread(target=wait, name="watch of stdout", daemon=True).start()

    def write(self, data: bytes) -> None:
        """Send bytes, all at once; the process ends if nobody reads them."""
        with self._writing:
            try:
                while data:
                    data = data[os.write(self._answers, data) :]
            except OSError:
                leave(0)


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


def loses_reader(descriptor: int) -> bool:
    """Wait until the other end of a pipe, a socket or a terminal is closed; False at once where the
    system does not tell."""
    poll = select.poll()
    poll.register(descriptor, 0)  # only errors, which are told unasked
    events = 0
    while not events:
        events = sum(event for _, event in poll.poll())
    return not events & select.POLLNVAL
