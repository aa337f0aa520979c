"""A sink of reports that sets Prometheus gauges.

Ray serves them on every machine's metrics port beside its own: `alphazero_selfplay_games` is
`ray_alphazero_selfplay_games` there.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Protocol

from alphazero.run.metrics.events import METRICS, Sink


class Gauge(Protocol):
    """The interface of `ray.util.metrics.Gauge`."""

    def set(self, value: float, tags: dict[str, str]) -> None:
        """Set the value for these tags."""
        ...


MakeGauge = Callable[[str, str, tuple[str, ...]], Gauge]  # (name, description, tags)


class Gauges(Sink):
    """Keeps the newest value of each metric in a gauge.

    The part in <angle brackets> of a name in `METRICS` becomes a tag: `strength/elo/random` is
    `alphazero_strength_elo{opponent="random"}`.
    """

    def __init__(self, make: MakeGauge, tags: Mapping[str, str]) -> None:
        """`tags` are common to all gauges and tell runs apart."""
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

    def close(self) -> None:
        """Set no more gauges: Ray has been shut down."""
        self.is_closed = True


def find_known(name: str) -> tuple[str, str, str]:
    """Return (entry of `METRICS`, its tag, the tag's value), the latter two empty without a tag."""
    if name in METRICS:
        return name, "", ""
    for known in METRICS:
        prefix, bracket, tag = known.partition("<")
        if bracket and name.startswith(prefix):
            return known, tag.rstrip(">"), name.removeprefix(prefix)
    raise ValueError(f"{name!r} is not a metric")
