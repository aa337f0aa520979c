"""Reports of a run and their sinks: the terminal, a JSON file, TensorBoard, a log file.

The loop gives numbers with stable names (`METRICS`), texts and pictures (`ARTIFACTS`) to a
`Reporter`, which passes them to its sinks. Only the loop's process reports: workers return their
counts with their games.
"""

import contextlib
import json
import logging
import math
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TextIO

import numpy as np

from alphazero.errors import UserError
from alphazero.files import atomic_write

log = logging.getLogger(__name__)

# Name -> meaning. A part in <angle brackets> stands for any text.
METRICS = {
    "run/seconds": "time of playing and learning, earlier sessions included",
    "run/seconds_left": "time until the run's limit is reached",
    "run/workers": "processes that play",
    "run/workers_replaced": "workers that died and were replaced",
    "selfplay/games": "games finished since the run began",
    "selfplay/positions": "positions searched in these games",
    "selfplay/games_per_second": "games finished per second, since the last report",
    "selfplay/positions_per_second": "positions searched per second",
    "selfplay/simulations_per_second": "simulations per second, all workers together",
    "selfplay/evaluations_per_second": "positions the network evaluated per second",
    "selfplay/batch_fill": "used share of the evaluator's batches",
    "selfplay/cache_hits": "share of evaluations answered from the cache",
    "selfplay/plies": "mean length of a game, in plies",
    "selfplay/first_wins": "share of games the first player won",
    "selfplay/draws": "share of drawn games",
    "selfplay/second_wins": "share of games the second player won",
    "selfplay/policy_entropy": "mean entropy of the policy targets, in nats",
    "selfplay/value_error": "mean squared difference of the search's value and the result",
    "selfplay/version_lag": "age of a game's weights in published versions, median",
    "replay/games": "games ever added to the replay window",
    "replay/positions": "training positions in the replay window",
    "replay/holdout_positions": "held-out positions in the replay window",
    "learner/steps": "optimiser steps",
    "learner/samples_per_second": "positions trained on per second",
    "learner/replay_ratio": "positions trained on per new training position, so far",
    "learner/learning_rate": "learning rate",
    "learner/loss": "weighted sum of the losses",
    "learner/policy_loss": "cross-entropy of the policy, in nats",
    "learner/value_loss": "cross-entropy of win, draw and loss, in nats",
    "learner/auxiliary_loss/<target>": "loss of one of the game's auxiliary targets",
    "learner/policy_entropy": "mean entropy of the network's policy, in nats",
    "learner/policy_accuracy": "share of positions whose best move the policy ranks first",
    "learner/gradient_norm": "norm of the gradient before it is clipped",
    "learner/version": "weights published so far",
    "validation/loss": "weighted sum of the losses on held-out games",
    "validation/policy_loss": "cross-entropy of the policy on held-out games, in nats",
    "validation/value_loss": "cross-entropy of win, draw and loss on held-out games, in nats",
    "validation/policy_accuracy": "share of held-out positions whose best move it ranks first",
    "validation/value_accuracy": "share of held-out positions whose result it predicts",
    "validation/value_calibration": "mean distance of predicted and actual results, in ten bins",
    "strength/elo/<opponent>": "Elo difference to a fixed opponent, draws counting half",
    "strength/score/<opponent>": "share of points against a fixed opponent",
    "strength/lost_lines": "lines of play in which the trained player loses",
    "system/cpu": "CPU load of the whole machine, as a share of its cores",
    "system/process_cpu": "CPU load of the learner's process, in cores",
    "system/memory": "share of the machine's memory in use",
    "system/process_memory": "memory of the learner's process, in bytes",
    "system/device_memory": "memory of the learner on its device, in bytes",
    "system/disk_free": "free space where the run is written, in bytes",
}
# Names of earlier versions, in reports of runs that began with them.
RENAMED = {"learner/samples_per_position": "learner/replay_ratio"}
ARTIFACTS = {
    "run/config": "the resolved settings (text)",
    "games/sample": "a finished game as a score sheet (text)",
    "games/board": "its last position (picture)",
}


class Sink:
    """A destination of reports, which ignores what it does not override.

    `step` never decreases; `now` is in seconds since 1970.
    """

    def numbers(self, now: float, step: int, values: Mapping[str, float]) -> None:
        """Take numbers by the names of `METRICS`."""

    def text(self, now: float, step: int, name: str, text: str) -> None:
        """Take a text by a name of `ARTIFACTS`."""

    def picture(self, now: float, step: int, name: str, pixels: np.ndarray) -> None:
        """Take a picture, uint8 [H, W, 3], by a name of `ARTIFACTS`."""

    def message(self, text: str) -> None:
        """Take a line for people."""

    def close(self) -> None:
        """Flush and release."""


class Reporter:
    """Passes reports to all sinks. A sink that cannot write (a full disk) is dropped with a
    warning: a run does not end because of its metrics."""

    def __init__(self, sinks: Iterable[Sink], clock: Callable[[], float] = time.time) -> None:
        self.sinks = list(sinks)
        self.clock = clock

    def report(self, step: int, values: Mapping[str, float]) -> None:
        """Report numbers by the names of `METRICS`. Raises ValueError for any other name."""
        numbers = {name: float(value) for name, value in values.items()}
        for name in numbers:
            require_known(name, METRICS)
        self._all(lambda sink: sink.numbers(self.clock(), step, numbers))

    def text(self, step: int, name: str, text: str) -> None:
        """Report a text by a name of `ARTIFACTS`."""
        require_known(name, ARTIFACTS)
        self._all(lambda sink: sink.text(self.clock(), step, name, text))

    def picture(self, step: int, name: str, pixels: np.ndarray) -> None:
        """Report a picture, uint8 [H, W, 3], by a name of `ARTIFACTS`."""
        require_known(name, ARTIFACTS)
        self._all(lambda sink: sink.picture(self.clock(), step, name, pixels))

    def message(self, text: str) -> None:
        """Report a line for people."""
        self._all(lambda sink: sink.message(text))

    def close(self) -> None:
        """Close all sinks."""
        self._all(lambda sink: sink.close())

    def _all(self, action: Callable[[Sink], None]) -> None:
        for sink in list(self.sinks):
            try:
                action(sink)
            except OSError as error:
                self.sinks.remove(sink)
                log.warning("no more reports from %s: %s", type(sink).__name__, error)


def require_known(name: str, table: Mapping[str, str]) -> None:
    """Raise ValueError for a name that is not in a table; brackets stand for any text."""
    for known in table:
        prefix = known.partition("<")[0]
        if name == known or (prefix != known and name.startswith(prefix) and name != prefix):
            return
    raise ValueError(f"unknown name {name!r}; choices: {', '.join(table)}")


def make_reporter(
    directory: Path, stream: TextIO, title: str, resume_step: int | None = None
) -> Reporter:
    """Make the usual sinks: the terminal, `metrics.jsonl`, `log.txt` and TensorBoard event files.

    With `resume_step`, what an earlier session reported for later steps is removed.
    """
    lines = JsonLines(directory / "metrics.jsonl", resume_step)
    sinks: list[Sink] = [Console(stream, title), lines, LogFile(directory / "log.txt")]
    try:
        sinks.append(TensorBoard(directory / "tensorboard", resume_step, lines.reported))
    except ImportError:
        log.warning("tensorboard is not installed: metrics go to metrics.jsonl only")
    except OSError as error:
        log.warning("cannot write for tensorboard: %s", error)
    return Reporter(sinks)


# -- the terminal ----------------------------------------------------------------------------------

# Label of a line -> its cells: (metric, format, word after it).
LINES: dict[str, list[tuple[str, str, str]]] = {
    "games": [
        ("selfplay/games", "count", ""),
        ("selfplay/games_per_second", "rate", ""),
        ("selfplay/plies", "number", "plies"),
    ],
    "positions": [
        ("selfplay/positions", "count", ""),
        ("selfplay/positions_per_second", "rate", ""),
    ],
    "simulations": [
        ("selfplay/simulations_per_second", "rate", ""),
        ("selfplay/batch_fill", "share", "batch fill"),
    ],
    "loss": [
        ("learner/loss", "number", ""),
        ("learner/policy_loss", "number", "policy"),
        ("learner/value_loss", "number", "value"),
        ("learner/steps", "count", "steps"),
    ],
    "strength": [("strength/elo/<opponent>", "elo", "")],
    "time": [("run/seconds", "time", ""), ("run/seconds_left", "time", "left")],
}


def show(value: float, kind: str) -> str:
    """Format a number for people; `kind` is time, share, elo, count, rate or number."""
    if not math.isfinite(value):
        return "?"
    if kind == "time":
        minutes, seconds = divmod(round(value), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    if kind == "share":
        return f"{value:.0%}"
    if kind == "elo":
        return f"{value:+.0f}"
    if kind == "count":
        return f"{value:,.0f}"
    if kind == "rate":
        for factor, unit in ((1e6, "M"), (1e3, "k")):
            if value >= factor:
                return f"{value / factor:.3g}{unit}/s"
        return f"{value:.3g}/s"
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


class Console(Sink):
    """A table that is redrawn in place on a terminal; elsewhere a line every few seconds."""

    def __init__(
        self,
        stream: TextIO,
        title: str,
        environment: Mapping[str, str] = os.environ,
        seconds_between_lines: float = 10.0,
    ) -> None:
        self.stream = stream
        self.title = title
        self.seconds_between_lines = seconds_between_lines
        self.live = stream.isatty() and environment.get("TERM") != "dumb"
        self.colour = self.live and not environment.get("NO_COLOR")
        self.latest: dict[str, float] = {}
        self.height = 0  # lines of the table on the screen
        self.printed = -math.inf  # when the last plain line was
        self.pending = False

    def numbers(self, now: float, step: int, values: Mapping[str, float]) -> None:
        self.latest.update(values)
        self.pending = True
        if self.live:
            self._redraw()
        # A clock that was set back must not silence it.
        elif not 0 <= now - self.printed < self.seconds_between_lines:
            self.printed = now
            self._print_line()

    def message(self, text: str) -> None:
        """Print a line above the table."""
        self._write(f"{text}\n")
        if self.live and self.latest:
            self._redraw()

    def close(self) -> None:
        """Leave the last values on the screen."""
        if not self.live and self.pending:
            self._print_line()
        self.height = 0

    def rows(self) -> list[tuple[str, str]]:
        """Return (label, cells) of every line that has values."""
        rows = []
        for label, cells in LINES.items():
            found = []
            for name, kind, word in cells:
                prefix, bracket, _ = name.partition("<")
                for metric, value in self.latest.items():
                    if bracket and metric.startswith(prefix):
                        found.append(f"{metric.removeprefix(prefix)} {show(value, kind)}")
                    elif metric == name:
                        found.append(f"{show(value, kind)} {word}".strip())
            if found:
                rows.append((label, "   ".join(found)))
        return rows

    def _redraw(self) -> None:
        width = max(20, shutil.get_terminal_size().columns - 1)  # a wrapped line would count twice
        lines = [self._style("1", self.title[:width])]
        for label, cells in self.rows():
            lines.append(self._style("36", f"  {label:<12}") + cells[: width - 14])
        self._write("".join(f"{line}\n" for line in lines), height=len(lines))

    def _print_line(self) -> None:
        self.pending = False
        cells = (f"{label} {cells}".replace("   ", ", ") for label, cells in self.rows())
        self._write(f"{self.title}: {'; '.join(cells)}\n")

    def _write(self, text: str, height: int = 0) -> None:
        """Write over the table; the new one has `height` lines."""
        clear = f"\x1b[{self.height}F\x1b[J" if self.height else ""
        self.stream.write(clear + text)
        self.stream.flush()
        self.height = height

    def _style(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text


# -- files -----------------------------------------------------------------------------------------


class JsonLines(Sink):
    """One object per report: {"time": seconds since 1970, "step": 12, "values": {...}}."""

    def __init__(self, path: Path, resume_step: int | None = None) -> None:
        """Append to a file after removing its lines beyond `resume_step`; `reported` are the names
        of numbers that it holds for that very step.

        Raises UserError when the file cannot be written.
        """
        kept = read_reports(path, math.inf if resume_step is None else resume_step)
        reports = [json.loads(line) for line in kept]
        self.reported = {
            name
            for report in reports
            if report["step"] == resume_step
            for name in report.get("values", ())
        }
        atomic_write(path, "".join(f"{line}\n" for line in kept).encode())
        try:
            self.file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error

    def numbers(self, now: float, step: int, values: Mapping[str, float]) -> None:
        # JSON has no infinity and no NaN.
        finite = {name: v if math.isfinite(v) else None for name, v in values.items()}
        line = json.dumps({"time": round(now, 3), "step": step, "values": finite})
        self.file.write(line + "\n")
        self.file.flush()

    def close(self) -> None:
        with contextlib.closing(self.file):
            self.file.flush()
            os.fsync(self.file.fileno())


def read_reports(path: Path, last_step: float) -> list[str]:
    """Read the lines of a report file up to a step, without one torn by a kill."""
    kept = []
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    for line in lines:
        with contextlib.suppress(ValueError, TypeError, KeyError):
            if json.loads(line)["step"] <= last_step:
                kept.append(line.decode())
    return kept


class LogFile(Sink):
    """The messages of a run, each with the time."""

    def __init__(self, path: Path) -> None:
        """Raises UserError when the file cannot be written."""
        try:
            self.file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error

    def message(self, text: str) -> None:
        self.file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
        self.file.flush()

    def close(self) -> None:
        self.file.close()


class TensorBoard(Sink):
    """Event files for `tensorboard --logdir`, with one value of a number per step.

    Several reports may come at one step, as while the learner catches up with the games: the first
    of them counts, so that curves can be watched while they grow and never go back.
    """

    def __init__(
        self, directory: Path, resume_step: int | None = None, reported: Iterable[str] = ()
    ) -> None:
        """`reported` are the names of numbers that are there for `resume_step`.

        Raises ImportError if TensorBoard is not installed, OSError if the folder cannot be written.
        """
        from torch.utils.tensorboard import SummaryWriter

        # Readers discard what earlier files say from the purge step on.
        purge = None if resume_step is None else resume_step + 1
        self.writer = SummaryWriter(str(directory), purge_step=purge)
        self.steps: dict[str, int | None] = dict.fromkeys(reported, resume_step)  # of the newest

    def numbers(self, now: float, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if self.steps.get(name) != step:
                self.writer.add_scalar(name, value, step, walltime=now)
            self.steps[name] = step
        self.writer.flush()

    def text(self, now: float, step: int, name: str, text: str) -> None:
        verbatim = "\n".join(f"    {line}" for line in text.splitlines())  # as Markdown
        self.writer.add_text(name, verbatim, step, walltime=now)
        self.writer.flush()

    def picture(self, now: float, step: int, name: str, pixels: np.ndarray) -> None:
        self.writer.add_image(name, pixels, step, walltime=now, dataformats="HWC")
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()
