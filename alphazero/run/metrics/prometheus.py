"""What a run reports, as gauges for Prometheus.

Ray serves them on every machine's metrics port, with its own: `alphazero_selfplay_games` there is
called `ray_alphazero_selfplay_games`. Nothing of this is needed by a run.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from alphazero.run.metrics.events import METRICS


class Gauge(Protocol):
    """As `ray.util.metrics.Gauge`."""

    def set(self, value: float, tags: dict[str, str]) -> None: ...


MakeGauge = Callable[[str, str, tuple[str, ...]], Gauge]  # (name, description, tags)


class Gauges:
    """A sink of reports that keeps the newest number of each name in a gauge.

    What stands in <angle brackets> in `METRICS` becomes a tag: `strength/elo/random` is
    `alphazero_strength_elo{opponent="random"}`.
    """

    def __init__(self, make: MakeGauge, tags: Mapping[str, str]) -> None:
        """`tags` of all of them tell runs apart."""
        self.make, self.tags = make, dict(tags)
        self.gauges: dict[str, Gauge] = {}
        self.is_closed = False

    def numbers(self, now: float, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if self.is_closed or not math.isfinite(value):
                continue
            known, tag, text = find_known(name)
            if known not in self.gauges:
                words = "_".join(["alphazero", *re.findall(r"\w+", known.partition("<")[0])])
                keys = (*self.tags, *([tag] if tag else []))
                self.gauges[known] = self.make(words, METRICS[known], keys)
            self.gauges[known].set(value, self.tags | ({tag: text} if tag else {}))

    def text(self, now: float, step: int, name: str, text: str) -> None:
        """Not a number."""

    def picture(self, now: float, step: int, name: str, pixels: np.ndarray) -> None:
        """Not a number."""

    def message(self, text: str) -> None:
        """Not a number."""

    def close(self) -> None:
        """Ray is gone, and its gauges with it."""
        self.is_closed = True


def find_known(name: str) -> tuple[str, str, str]:
    """(entry of `METRICS`, its tag, what stands for the tag), the latter two empty without one."""
    if name in METRICS:
        return name, "", ""
    for known in METRICS:
        prefix, bracket, tag = known.partition("<")
        if bracket and name.startswith(prefix):
            return known, tag.rstrip(">"), name.removeprefix(prefix)
    raise ValueError(f"{name!r} is no metric")
