"""What a run reports, and where it goes: the terminal, a JSON file, TensorBoard.

The loop hands numbers with stable names (`METRICS`), texts and pictures (`EXHIBITS`) to a
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
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np

from alphazero.errors import UserError
from alphazero.files import atomic_write
from alphazero.picture import png

log = logging.getLogger(__name__)

# Name -> meaning. A part in <angle brackets> stands for any text.
METRICS = {
    "run/seconds": "time since the run began, earlier sessions included",
    "run/seconds_left": "time until the run's limit is reached",
    "run/workers": "processes that play",
    "run/workers_replaced": "workers that died and were replaced",
    "selfplay/games": "games finished since the run began",
    "selfplay/positions": "positions searched in these games",
    "selfplay/games_per_second": "games finished per second, since the last report",
    "selfplay/positions_per_second": "positions searched per second",
    "selfplay/simulations_per_second": "simulations per second, all workers together",
    "selfplay/evaluations_per_second": "positions the network evaluated per second",
    "selfplay/batch_fill": "share of the evaluator's batches that was used",
    "selfplay/cache_hits": "share of evaluations answered from the cache",
    "selfplay/plies": "mean length of a game, in plies",
    "selfplay/first_wins": "share of games the first player won",
    "selfplay/draws": "share of drawn games",
    "selfplay/second_wins": "share of games the second player won",
    "selfplay/policy_entropy": "mean entropy of the policy targets, in nats",
    "selfplay/value_error": "mean squared difference of the search's value and the result",
    "selfplay/version_lag": "weights published since a game's own, median",
    "replay/games": "games ever added to the replay window",
    "replay/positions": "training positions in the replay window",
    "replay/holdout_positions": "held-out positions in the replay window",
    "learner/steps": "optimiser steps",
    "learner/samples_per_second": "positions trained on per second",
    "learner/samples_per_position": "positions trained on per new training position, so far",
    "learner/learning_rate": "learning rate",
    "learner/loss": "weighted sum of the losses",
    "learner/policy_loss": "cross-entropy of the policy, in nats",
    "learner/value_loss": "cross-entropy of win, draw and loss, in nats",
    "learner/auxiliary_loss/<target>": "loss of one of the game's auxiliary targets",
    "learner/policy_entropy": "mean entropy of the network's policy, in nats",
    "learner/policy_accuracy": "share of positions whose best move the policy puts first",
    "learner/gradient_norm": "norm of the gradient before it is clipped",
    "learner/version": "weights published so far",
    "validation/loss": "weighted sum of the losses on held-out games",
    "validation/policy_loss": "cross-entropy of the policy on held-out games, in nats",
    "validation/value_loss": "cross-entropy of win, draw and loss on held-out games, in nats",
    "validation/policy_accuracy": "share of held-out positions whose best move it puts first",
    "validation/value_accuracy": "share of held-out positions whose result it thinks most likely",
    "validation/value_calibration": "mean distance of predicted and actual results, in ten bins",
    "strength/elo/<opponent>": "Elo difference to a fixed opponent, draws counting half",
    "strength/score/<opponent>": "share of points against a fixed opponent",
    "strength/lost_lines": "lines of play in which the trained player loses",
    "system/cpu": "share of the machine's cores that is busy, with whatever",
    "system/process_cpu": "cores that the learner's process keeps busy",
    "system/memory": "share of the machine's memory that is taken",
    "system/process_memory": "memory of the learner's process, in bytes",
    "system/device_memory": "memory that the learner takes on its device, in bytes",
    "system/disk_free": "free space where the run is written, in bytes",
}
EXHIBITS = {
    "run/config": "the resolved settings (text)",
    "games/sample": "a finished game as a score sheet (text)",
    "games/board": "its last position (picture)",
}


class Sink(Protocol):
    """Where reports go. `step` never falls; `now` is in seconds since 1970."""

    def numbers(self, now: float, step: int, values: Mapping[str, float]) -> None: ...

    def text(self, now: float, step: int, name: str, text: str) -> None: ...

    def picture(self, now: float, step: int, name: str, pixels: np.ndarray) -> None: ...

    def message(self, text: str) -> None: ...

    def close(self) -> None: ...


class Reporter:
    """Passes everything to all sinks. One that cannot write (a full disk) is dropped with a
    warning: a run does not end for its metrics."""

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
        """Report a text by a name of `EXHIBITS`."""
        require_known(name, EXHIBITS)
        self._all(lambda sink: sink.text(self.clock(), step, name, text))

    def picture(self, step: int, name: str, pixels: np.ndarray) -> None:
        """Report a picture, uint8 [H, W, 3], by a name of `EXHIBITS`."""
        require_known(name, EXHIBITS)
        self._all(lambda sink: sink.picture(self.clock(), step, name, pixels))

    def message(self, text: str) -> None:
        """Say something once, in words."""
        self._all(lambda sink: sink.message(text))

    def close(self) -> None:
        self._all(lambda sink: sink.close())

    def _all(self, action: Callable[[Sink], None]) -> None:
        for sink in list(self.sinks):
            try:
                action(sink)
            except OSError as error:
                self.sinks.remove(sink)
                log.warning("no more reports from %s: %s", type(sink).__name__, error)


def require_known(name: str, table: Mapping[str, str]) -> None:
    """Raise ValueError for a name that a table does not have, brackets standing for any text."""
    for known in table:
        prefix = known.partition("<")[0]
        if name == known or (prefix != known and name.startswith(prefix) and name != prefix):
            return
    raise ValueError(f"{name!r} is none of the names {', '.join(table)}")


def make_reporter(
    directory: Path, stream: TextIO, title: str, resume_step: int | None = None
) -> Reporter:
    """The usual sinks: the terminal, `metrics.jsonl` and TensorBoard event files in a directory.

    With `resume_step`, what an earlier session reported for later steps is taken back.
    """
    sinks: list[Sink] = [
        Console(stream, title),
        JsonLines(directory / "metrics.jsonl", resume_step),
    ]
    try:
        sinks.append(TensorBoard(directory / "tensorboard", resume_step))
    except ImportError:
        log.warning("tensorboard is not installed: metrics go to metrics.jsonl only")
    return Reporter(sinks)


# -- the terminal ----------------------------------------------------------------------------------

# Label of a line -> what it shows: a metric, how, and after what word.
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
    """A number as people read it."""
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


class Console:
    """A table that is redrawn in place on a terminal; elsewhere a line now and then."""

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
        elif now - self.printed >= self.seconds_between_lines:
            self.printed = now
            self._print_line()

    def text(self, now: float, step: int, name: str, text: str) -> None:
        """Too long for a table."""

    def picture(self, now: float, step: int, name: str, pixels: np.ndarray) -> None:
        """No place for a picture."""

    def message(self, text: str) -> None:
        """Print a line above the table."""
        self._write(f"{text}\n")
        if self.live and self.latest:
            self._redraw()

    def close(self) -> None:
        """Leave the last state on the screen."""
        if not self.live and self.pending:
            self._print_line()
        self.height = 0

    def rows(self) -> list[tuple[str, str]]:
        """(label, what is known) of every line that has something to show."""
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
        width = max(20, shutil.get_terminal_size().columns - 1)  # a wrapped line would be two
        lines = [self._style("1", self.title[:width])]
        for label, cells in self.rows():
            lines.append(self._style("36", f"  {label:<12}") + cells[: width - 14])
        self._write("".join(f"{line}\n" for line in lines), height=len(lines))

    def _print_line(self) -> None:
        self.pending = False
        cells = (f"{label} {cells}".replace("   ", ", ") for label, cells in self.rows())
        self._write(f"{self.title}: {'; '.join(cells)}\n")

    def _write(self, text: str, height: int = 0) -> None:
        """Write in place of the table, which then has `height` lines."""
        clear = f"\x1b[{self.height}F\x1b[J" if self.height else ""
        self.stream.write(clear + text)
        self.stream.flush()
        self.height = height

    def _style(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text


# -- files -----------------------------------------------------------------------------------------


class JsonLines:
    """One object per report: {"time": seconds since 1970, "step": 12, "values": {...}}."""

    def __init__(self, path: Path, resume_step: int | None = None) -> None:
        """Append to a file, whose lines after `resume_step` are removed first.

        Raises UserError when the file cannot be written.
        """
        kept = read_reports(path, math.inf if resume_step is None else resume_step)
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

    def text(self, now: float, step: int, name: str, text: str) -> None:
        """Not a number."""

    def picture(self, now: float, step: int, name: str, pixels: np.ndarray) -> None:
        """Not a number."""

    def message(self, text: str) -> None:
        """Not a number."""

    def close(self) -> None:
        with contextlib.closing(self.file):
            self.file.flush()
            os.fsync(self.file.fileno())


def read_reports(path: Path, last_step: float) -> list[str]:
    """The whole lines of a report file up to a step; a torn one, of a killed run, is left out."""
    kept = []
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    for line in lines:
        with contextlib.suppress(ValueError, TypeError, KeyError):
            if json.loads(line)["step"] <= last_step:
                kept.append(line.decode())
    return kept


class TensorBoard:
    """Event files for `tensorboard --logdir`. Raises ImportError when it is not installed."""

    def __init__(self, directory: Path, resume_step: int | None = None) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        # Generated modules, whose contents no type checker sees.
        self.events: Any = event_pb2
        self.summaries: Any = summary_pb2
        self.tensors: Any = tensor_pb2
        self.string_type: Any = vars(types_pb2)["DT_STRING"]
        self.writer = EventFileWriter(str(directory))
        if resume_step is not None:  # readers forget what earlier files say from this step on
            log_event = self.events.SessionLog(status=self.events.SessionLog.START)
            start = self.events.Event(
                wall_time=time.time(), step=resume_step + 1, session_log=log_event
            )
            self.writer.add_event(start)

    def numbers(self, now: float, step: int, values: Mapping[str, float]) -> None:
        make = self.summaries.Summary.Value
        self._add(now, step, [make(tag=tag, simple_value=v) for tag, v in values.items()])

    def text(self, now: float, step: int, name: str, text: str) -> None:
        kind = self.summaries.SummaryMetadata.PluginData(plugin_name="text")
        code = "\n".join(f"    {line}" for line in text.splitlines())  # Markdown for "as it is"
        value = self.summaries.Summary.Value(
            tag=name,
            metadata=self.summaries.SummaryMetadata(plugin_data=kind),
            tensor=self.tensors.TensorProto(dtype=self.string_type, string_val=[code.encode()]),
        )
        self._add(now, step, [value])

    def picture(self, now: float, step: int, name: str, pixels: np.ndarray) -> None:
        image = self.summaries.Summary.Image(
            height=pixels.shape[0],
            width=pixels.shape[1],
            colorspace=3,  # RGB
            encoded_image_string=png(pixels),
        )
        self._add(now, step, [self.summaries.Summary.Value(tag=name, image=image)])

    def message(self, text: str) -> None:
        """Not about a step."""

    def close(self) -> None:
        self.writer.close()

    def _add(self, now: float, step: int, values: Sequence[Any]) -> None:
        summary = self.summaries.Summary(value=values)
        self.writer.add_event(self.events.Event(wall_time=now, step=step, summary=summary))
        self.writer.flush()
