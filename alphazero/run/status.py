"""The status of a run, read from its files alone: by any process, on any machine that sees them.

Nothing is locked and the training process is not contacted, so reading never disturbs it.
"""

import contextlib
import glob
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alphazero.config import load_config
from alphazero.data.store import read_index
from alphazero.errors import UserError
from alphazero.run.metrics.events import RENAMED, show
from alphazero.run.run_directory import RunDirectory

SILENT_SECONDS = 60.0  # beyond three report intervals, after which a run counts as silent
WORKERS_SHOWN = 12


@dataclass
class Status:
    """The status of a run at one moment; times are in seconds since 1970."""

    path: Path
    game: str
    state: str  # "running (process 12 on host)", "stopped", "finished", …
    now: float
    reported: float | None  # time of the last report
    metrics: dict[str, float]  # newest value of every metric
    checkpoint: str | None  # name of the newest one
    checkpoint_age: float | None  # seconds
    workers: list[dict[str, Any]] = field(default_factory=list)  # as `WorkerEntry`
    evaluation_failures: dict[str, str] = field(default_factory=dict)  # of the last evaluation
    sizes: dict[str, int] = field(default_factory=dict)  # bytes, by folder
    free: int = 0  # free bytes on the run's disk
    shards: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**vars(self), "path": str(self.path)}


class Watcher:
    """Reads the status of one run repeatedly, and only the new lines of its reports."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Raises UserError if the folder holds no run."""
        self.run = RunDirectory(path)
        self.clock = clock
        if not self.run.config.exists():
            here = path.expanduser().absolute()
            others = sorted(here.parent.glob(f"{glob.escape(here.name)}-*/config.toml"))
            hint = f"; but there is {others[-1].parent}" if others else ""
            raise UserError(f"there is no run in {path}: no config.toml{hint}")
        config = load_config(self.run.config)
        self.game = config.game
        self.patience = SILENT_SECONDS + 3 * config.run.report_seconds
        self._offset = 0
        self._metrics: dict[str, float] = {}
        self._reported: float | None = None

    def look(self) -> Status:
        """Read the current status."""
        self._read_reports()
        now, workers = self.clock(), read_json(self.run.workers)
        checkpoints = [path for path in self.run.checkpoints.glob("step-*") if path.is_dir()]
        newest = max(checkpoints, key=lambda path: path.name, default=None)
        sizes = {name: size_of(self.run.path / name) for name in ("records", "checkpoints")}
        sizes["all"] = size_of(self.run.path)
        return Status(
            path=self.run.path,
            game=self.game,
            state=self._state(now, workers),
            now=now,
            reported=self._reported,
            metrics=dict(self._metrics),
            checkpoint=newest.name if newest else None,
            checkpoint_age=now - modified(newest) if newest else None,
            workers=workers.get("workers", []),
            evaluation_failures=workers.get("evaluation_failures", {}),
            sizes=sizes,
            free=shutil.disk_usage(self.run.path).free,
            shards=len(read_index(self.run.records / "index.jsonl")),
        )

    def _read_reports(self) -> None:
        """Read the lines of metrics.jsonl that were written since the last time."""
        with contextlib.suppress(FileNotFoundError), self.run.metrics.open("rb") as file:
            if self._offset > file.seek(0, os.SEEK_END):  # it was truncated: the run was resumed
                self._offset = 0
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                    report = json.loads(line)
                    found = {k: v for k, v in report["values"].items() if v is not None}
                    renamed = {RENAMED[k]: v for k, v in found.items() if k in RENAMED}
                    self._metrics |= {k: v for k, v in found.items() if k not in RENAMED} | renamed
                    self._reported = report["time"]

    def _state(self, now: float, workers: dict[str, Any]) -> str:
        """Describe the state in words. A process that was not killed empties its lock file."""
        if self.run.is_finished:
            return "finished"
        if not self.run.lock.exists():
            return "not begun"
        if not (holder := self.run.lock.read_text().strip()):
            return "stopped"
        host = workers.get("host", socket.gethostname())
        number = re.fullmatch(r"process (\d+)", holder)
        if host == socket.gethostname() and number and not is_alive(int(number[1])):
            return "interrupted; rerun the same command to resume"
        if self._reported is not None and now - self._reported > self.patience:
            return f"silent for {show(now - self._reported, 'time')} ({holder} on {host})"
        return f"running ({holder} on {host})"


# Label of a row -> its cells: (metric, format, word after it).
ROWS = [
    ("time", [("run/seconds", "time", "trained"), ("run/seconds_left", "time", "left")]),
    (
        "games",
        [
            ("selfplay/games", "count", ""),
            ("selfplay/games_per_second", "rate", ""),
            ("selfplay/plies", "number", "plies"),
            ("selfplay/version_lag", "number", "versions behind"),
        ],
    ),
    (
        "positions",
        [
            ("selfplay/positions", "count", ""),
            ("selfplay/positions_per_second", "rate", ""),
            ("replay/positions", "count", "in the window"),
        ],
    ),
    (
        "search",
        [
            ("selfplay/simulations_per_second", "rate", "simulations"),
            ("selfplay/evaluations_per_second", "rate", "evaluations"),
            ("selfplay/batch_fill", "share", "batch fill"),
        ],
    ),
    (
        "learner",
        [
            ("learner/steps", "count", "steps"),
            ("learner/samples_per_second", "rate", "samples"),
            ("learner/loss", "number", "loss"),
            ("validation/loss", "number", "on held-out games"),
        ],
    ),
]


def to_text(status: Status) -> str:
    """Format a status for people."""
    metrics = status.metrics
    title = f"{status.game}  {status.state}   {status.path}\n"
    rows: list[tuple[str, str]] = []

    def add(label: str, *cells: tuple[str, str, str]) -> None:
        found = [
            f"{show(metrics[name], kind)} {word}".strip()
            for name, kind, word in cells
            if name in metrics
        ]
        if found:
            rows.append((label, "   ".join(found)))

    for label, cells in ROWS:
        add(label, *cells)
    elo = {
        name.removeprefix("strength/elo/"): value
        for name, value in metrics.items()
        if name.startswith("strength/elo/")
    }
    if elo:
        rows.append(
            ("Elo", "   ".join(f"{show(v, 'elo')} against {name}" for name, v in elo.items()))
        )
    rows += [
        ("warning", f"the last evaluation {title} failed: {reason}")
        for title, reason in status.evaluation_failures.items()
    ]
    if status.checkpoint is not None and status.checkpoint_age is not None:
        age = show(max(status.checkpoint_age, 0), "time")
        rows.append(("checkpoint", f"{status.checkpoint}   {age} old"))
    add(
        "machine",
        ("system/cpu", "share", "of the cores busy"),
        ("system/memory", "share", "of the memory in use"),
    )
    disk = "   ".join(f"{name} {show_bytes(size)}" for name, size in status.sizes.items())
    rows.append(("disk", f"{disk}   {status.shards} shards   {show_bytes(status.free)} free"))
    if status.reported is not None:
        rows.append(("report", f"{show(max(status.now - status.reported, 0), 'time')} old"))
    rows += worker_rows(status)
    width = max(len(label) for label, _ in rows)
    return title + "".join(f"{label:<{width}}  {cells}\n" for label, cells in rows)


def worker_rows(status: Status) -> list[tuple[str, str]]:
    """Return a row for all workers and one for each, the longest silent first."""
    metrics = status.metrics
    wanted = metrics.get("run/workers", 0)
    replaced = metrics.get("run/workers_replaced", 0)
    text = f"{wanted:.0f}, {len(status.workers)} have sent games, {replaced:.0f} were replaced"
    rows = [("workers", text)]
    entries = sorted(status.workers, key=lambda entry: entry["last"])
    for entry in entries[:WORKERS_SHOWN]:
        seconds = max(entry["last"] - entry["first"], 1e-9)
        rows.append(
            (
                "",
                f"{entry['name']:<28}{show(entry['games'], 'count'):>9} games"
                f"{show(entry['games'] / seconds, 'rate'):>9}   version {entry['version']}"
                f"   last games {show(max(status.now - entry['last'], 0), 'time')} ago",
            )
        )
    if len(entries) > WORKERS_SHOWN:
        rows.append(("", f"and {len(entries) - WORKERS_SHOWN} more"))
    return rows


def show_bytes(count: float) -> str:
    """Format a number of bytes, as in 1.5 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def size_of(path: Path) -> int:
    """Return the bytes of all files below a folder; files that vanish meanwhile are not counted."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(folder, name)).st_size
    return total


def modified(path: Path) -> float:
    """Return the time of the last modification."""
    try:
        return path.stat().st_mtime
    except OSError:  # it was replaced meanwhile
        return time.time()


def is_alive(pid: int) -> bool:
    """Return whether a process of this machine exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to another user
        return True
    return True


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty if the file is missing or not an object."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
