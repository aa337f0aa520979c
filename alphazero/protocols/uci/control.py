"""What may still be said to a search that has been asked for."""

import threading
import time


class Control:
    """One `go`, as the thread that reads commands and the one that searches share it."""

    def __init__(self, waits: bool, ponders: bool) -> None:
        """A search that waits has no answer before it is told to stop (`infinite`, `ponder`); one
        that ponders goes on as a usual one once the expected move is made."""
        self._waits, self._ponders = waits, ponders
        self.arrived = time.perf_counter()  # when its time began to run
        self.is_stopped = False
        self._changed = threading.Condition()

    def stop(self) -> None:
        """The answer is wanted now."""
        with self._changed:
            self.is_stopped = True
            self._changed.notify_all()

    def hit(self) -> None:
        """The move that was expected has been made: time runs from now on."""
        with self._changed:
            if self._ponders:
                self._ponders, self.arrived = False, time.perf_counter()
                self._changed.notify_all()

    @property
    def is_pondering(self) -> bool:
        """Whether the position is only expected, so that no time runs yet."""
        return self._ponders and not self.is_stopped

    def wait(self) -> None:
        """Return once the answer may be given."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_stopped or not (self._waits or self._ponders))
