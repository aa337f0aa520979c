"""A person at the keyboard: lines as they come, and Ctrl-C."""

import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, TextIO


def line_reader(script: Sequence[str], stdin: TextIO, stdout: TextIO) -> Callable[[str], str]:
    """A function that prompts for a line: first come the script's, then those of `stdin`.

    It raises EOFError at the end. Lines that nobody has typed into a terminal are echoed, so that
    the output reads as a conversation.
    """
    pending = deque(script)

    def ask(prompt: str) -> str:
        if not pending and stdin is sys.stdin and stdin.isatty():
            return input(prompt)  # with the line editing of readline, where it is loaded
        stdout.write(prompt)
        stdout.flush()
        line = pending.popleft() + "\n" if pending else stdin.readline()
        if not line:
            raise EOFError
        stdout.write(line.rstrip("\n") + "\n")
        return line.rstrip("\n")

    return ask


class Interrupt:
    """Ctrl-C while the engine thinks: the first asks for its move, the second leaves the game.

    In a `with` block; calling the object tells whether the move is wanted now. Signals reach only
    the main thread, so elsewhere it does nothing.
    """

    def __init__(self) -> None:
        self.count = 0
        self._is_main = threading.current_thread() is threading.main_thread()
        self._previous: Any = None

    def __call__(self) -> bool:
        return self.count > 0

    def __enter__(self) -> "Interrupt":
        if self._is_main:
            self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *error: object) -> None:
        if self._is_main:
            signal.signal(signal.SIGINT, self._previous)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 1:
            raise KeyboardInterrupt
