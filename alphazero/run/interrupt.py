"""Ctrl-C, SIGTERM and SIGHUP as a request to stop, instead of an exception at any point."""

import contextlib
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

T = TypeVar("T")

HANG_UP = getattr(signal, "SIGHUP", None)  # Windows has none
SIGNALS = [number for number in (signal.SIGINT, signal.SIGTERM, HANG_UP) if number is not None]


class Aborted(BaseException):
    """Raised by the signal handler to leave a function run by `Interrupt.run_abortable`."""


class Interrupt:
    """A context in which the first signal sets `requested` and the second ends the process.

    SIGHUP, by which a terminal that closes tells its programs, often more than once, only requests;
    it stays ignored where it is, as under nohup.
    """

    def __init__(self) -> None:
        self.requested = False
        self._may_abort = False

    def run_abortable(self, function: Callable[[], T]) -> T | None:
        """Call a function that a signal may leave at any point; return None then."""
        with contextlib.suppress(Aborted):
            self._may_abort = True
            try:
                return function()
            finally:
                self._may_abort = False
        return None

    def __enter__(self) -> "Interrupt":
        self._before = {}
        if threading.current_thread() is threading.main_thread():  # Python's rule for handlers
            self._before = {number: signal.getsignal(number) for number in SIGNALS}
            if self._before.get(HANG_UP) == signal.SIG_IGN:
                del self._before[HANG_UP]
            for number in self._before:
                signal.signal(number, self._request)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        if number != HANG_UP:
            for other in (signal.SIGINT, signal.SIGTERM):
                signal.signal(other, signal.SIG_DFL)
        if self._may_abort:
            raise Aborted
