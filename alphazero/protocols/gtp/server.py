"""Lines as they come in, commands one after the other: the threads of a GTP engine.

One thread reads, so that an analysis can end when a line comes and a move when GoGui asks for it.
The other carries out the commands in their order, however many have come at once.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from alphazero.protocols.gtp.frame import is_interrupt
from alphazero.protocols.gtp.front import Front
from alphazero.protocols.stdio import split_lines

IDLE_SECONDS = 0.2  # without a command, after which what takes long is loaded


class Server:
    """One conversation over two streams of bytes."""

    def __init__(
        self,
        front: Front,
        read: Callable[[], bytes],
        write: Callable[[bytes], None],
        is_gone: Callable[[], bool] = lambda: False,
    ) -> None:
        """`read` waits for bytes and returns none at the end, `is_gone` tells whether nobody reads
        the answers any more."""
        self._front, self._read, self._write, self._is_gone = front, read, write, is_gone
        self._lines: queue.SimpleQueue[Incoming | None] = queue.SimpleQueue()
        self._has_ended = False  # the input
        self._count = 0  # lines that have come
        self._interrupted = 0  # the last of them that was to be cut short

    def run(self) -> None:
        """Answer until `quit`, or until the input has ended and everything is answered."""
        threading.Thread(target=self._collect, daemon=True).start()
        try:
            while True:
                incoming = self._next()
                if incoming is None or not self._front.answer(incoming.data, incoming):
                    return
        except BrokenPipeError:  # nobody is there to be told
            return

    def _next(self) -> "Incoming | None":
        try:
            return self._lines.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            self._front.prepare()
            return self._lines.get()

    def _collect(self) -> None:
        try:
            for line in split_lines(self._read):
                if is_interrupt(line):
                    self._interrupted = self._count
                self._count += 1
                self._lines.put(Incoming(self, line, self._count, time.perf_counter()))
        except OSError:  # closed, or never open
            pass
        self._has_ended = True
        self._lines.put(None)

    # -- what a command may know of the lines after its own ----------------------------------------

    def write(self, data: bytes) -> None:
        self._write(data)

    def is_followed(self) -> bool:
        return not self._lines.empty()

    def is_cancelled(self, number: int) -> bool:
        return self._interrupted >= number or (self._has_ended and self._is_gone())


@dataclass
class Incoming:
    """A line with its place among the others."""

    server: Server
    data: bytes
    number: int
    arrived: float

    def write(self, data: bytes) -> None:
        self.server.write(data)

    def is_followed(self) -> bool:
        return self.server.is_followed()

    def is_cancelled(self) -> bool:
        return self.server.is_cancelled(self.number)
