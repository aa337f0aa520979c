"""Measurements: figures with goals, taken as medians of repeats."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import alphazero

Clock = Callable[[], float]
CPU: Clock = time.process_time
WALL: Clock = time.perf_counter


@dataclass(frozen=True)
class Effort:
    """The number of repeats and their length."""

    repeats: int = 5
    seconds: float = 0.5  # of each repeat, at least

    @staticmethod
    def quick() -> "Effort":
        """The least that shows that a suite works."""
        return Effort(repeats=1, seconds=0.0)

    @property
    def is_quick(self) -> bool:
        return self.seconds == 0.0


@dataclass(frozen=True)
class Measurement:
    """One figure. `goal` is the least it should be, `limit` the most; `note` says what it is made
    of."""

    name: str
    value: float | None  # None: not measured, the note says why
    unit: str
    goal: float | None = None
    note: str = ""
    limit: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def rate(work: Callable[[], int], effort: Effort, clock: Clock = CPU) -> float:
    """Median rate of `work` per second, which returns how much it has done.

    It is called once before measuring, to compile and allocate.
    """
    return rates([work], effort, clock)[0]


def rates(works: Sequence[Callable[[], int]], effort: Effort, clock: Clock = CPU) -> list[float]:
    """The `rate` of each of several works. Their repeats alternate, so that a machine that slows
    down for a while slows all of them, and their ratios hold."""
    for work in works:
        work()
    found: list[list[float]] = [[] for _ in works]
    for _ in range(effort.repeats):
        for work, row in zip(works, found, strict=True):
            done, began = 0, clock()
            while True:
                done += work()
                elapsed = clock() - began
                if elapsed > effort.seconds:
                    break
            row.append(done / max(elapsed, 1e-9))
    return [statistics.median(row) for row in found]


def table(measurement: Measurement) -> str:
    """Format a measurement as a line of a table."""
    number, goal = measurement.value, ""
    value = "-" if number is None else f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"
    if measurement.goal is not None and number is not None:
        verdict = "ok" if number >= measurement.goal else "BELOW"
        goal = f"{verdict}, goal {measurement.goal:,.10g}"
    elif measurement.limit is not None and number is not None:
        verdict = "ok" if number <= measurement.limit else "ABOVE"
        goal = f"{verdict}, limit {measurement.limit:,.10g}"
    line = f"  {measurement.name:62}  {value:>12} {measurement.unit:14}  {goal:21}"
    return f"{line}  {measurement.note}".rstrip()


def machine() -> dict[str, str]:
    """The machine and the versions that figures depend on."""
    facts = {"alphazero": alphazero.__version__, "python": platform.python_version()}
    for package in ("numpy", "numba", "torch"):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "none"
    facts["processor"] = processor_name()
    facts["cores"] = str(os.cpu_count())
    if hasattr(os, "getloadavg"):
        facts["load"] = f"{os.getloadavg()[0]:.1f}"
    return facts


def processor_name() -> str:
    """The processor's model, or its architecture where the system does not name it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
