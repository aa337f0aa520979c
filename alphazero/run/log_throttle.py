"""Log lines of a long run: on the screen and in a file, each kind of line only so often.

A cluster that loses a machine says so once for every worker on it, and a full disk says so for
every write: the first lines of a kind are shown, the others counted.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SHOWN = 3  # lines of one kind in a period
PERIOD = 60.0  # seconds


@dataclass
class _Kind:
    """Lines that differ in their numbers and names only."""

    began: float
    shown: int = 0
    held_back: int = 0


class Journal(logging.Handler):
    """Hands log lines to `say`, of each kind (one template of one logger) `SHOWN` in `PERIOD`
    seconds; how many were held back is said with the first line after that, or at the end."""

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
        """Tell what is still held back."""
        self._settle(float("inf"))
        super().close()

    def _settle(self, now: float) -> None:
        """Forget the kinds whose period is over."""
        for key, kind in list(self.kinds.items()):
            if now - kind.began >= PERIOD:
                del self.kinds[key]
                if kind.held_back:
                    self.say(f"({kind.held_back} more lines like this: {key[1]})")

    def __enter__(self) -> "Journal":
        logging.getLogger("alphazero").addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        logging.getLogger("alphazero").removeHandler(self)
        self.close()


class LogFile:
    """A sink of reports that keeps what was said in words, with the time, and nothing else."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("a", encoding="utf-8")

    def numbers(self, now: float, step: int, values: Mapping[str, float]) -> None:
        """Not words."""

    def text(self, now: float, step: int, name: str, text: str) -> None:
        """Too many words."""

    def picture(self, now: float, step: int, name: str, pixels: np.ndarray) -> None:
        """No words."""

    def message(self, text: str) -> None:
        self.file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
        self.file.flush()

    def close(self) -> None:
        self.file.close()
