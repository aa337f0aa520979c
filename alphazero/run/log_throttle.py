"""A throttled handler of log lines: of each kind only the first few per minute are shown.

A cluster that loses a machine logs a line for every worker on it, and a full disk one for every
write; the lines held back are counted.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

SHOWN = 3  # lines of one kind per period
PERIOD = 60.0  # seconds


@dataclass
class _Kind:
    """Counters of one kind of line: one template of one logger."""

    began: float
    shown: int = 0
    held_back: int = 0


class LogThrottle(logging.Handler):
    """Passes log lines of this package to `say`, `SHOWN` of each kind in `PERIOD` seconds.

    The number of lines held back is reported with the first line after that, or at the end.
    """

    def __init__(
        self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(logging.WARNING)
        self.say = say
        self.clock = clock
        self.kinds: dict[tuple[str, str], _Kind] = {}

    def emit(self, record: logging.LogRecord) -> None:
        now = self.clock()
        self._settle(now)
        kind = self.kinds.setdefault((record.name, str(record.msg)), _Kind(now))
        if kind.shown == SHOWN:
            kind.held_back += 1
            return
        kind.shown += 1
        self.say(f"{record.levelname.lower()}: {self.format(record)}")

    def close(self) -> None:
        """Report the lines still held back."""
        self._settle(float("inf"))
        super().close()

    def _settle(self, now: float) -> None:
        """Report and forget the kinds whose period is over."""
        for key, kind in list(self.kinds.items()):
            if now - kind.began >= PERIOD:
                del self.kinds[key]
                if kind.held_back:
                    self.say(f"({kind.held_back} more lines like this: {key[1]})")

    def __enter__(self) -> "LogThrottle":
        logging.getLogger("alphazero").addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        logging.getLogger("alphazero").removeHandler(self)
        self.close()
