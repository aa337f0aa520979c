"""Reports: stable names, a readable terminal, files that other programs read back."""

import builtins
import io
import json
import logging
import math
import re

import numpy as np
import pytest

from alphazero.errors import UserError
from alphazero.run.metrics.events import (
    ARTIFACTS,
    LINES,
    METRICS,
    Console,
    JsonLines,
    Reporter,
    TensorBoard,
    make_reporter,
    show,
)

VALUES = {
    "run/seconds": 42.0,
    "run/seconds_left": 18.4,
    "selfplay/games": 1234.0,
    "selfplay/games_per_second": 28.06,
    "selfplay/positions": 10432.0,
    "selfplay/positions_per_second": 210.0,
    "selfplay/simulations_per_second": 53210.0,
    "learner/loss": 1.2341,
    "learner/policy_loss": 0.8123,
    "learner/value_loss": 0.4218,
    "strength/elo/random": 412.3,
    "strength/elo/mcts:200": -35.4,
}


class Recorder:
    """A sink that remembers."""

    def __init__(self, fails: bool = False) -> None:
        self.calls: list[tuple] = []
        self.fails = fails

    def _call(self, *call) -> None:
        self.calls.append(call)
        if self.fails:
            raise OSError(28, "No space left on device")

    def numbers(self, now, step, values):
        self._call("numbers", now, step, values)

    def text(self, now, step, name, text):
        self._call("text", now, step, name, text)

    def picture(self, now, step, name, pixels):
        self._call("picture", now, step, name, pixels.shape)

    def message(self, text):
        self._call("message", text)

    def close(self):
        self._call("close")


class Screen(io.StringIO):
    """A terminal that obeys the few control sequences the table uses."""

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        shown: list[str] = [""]
        row = 0
        for part in re.split(r"(\x1b\[\d*[A-Za-z]|\n)", self.getvalue()):
            if part == "\n":
                row += 1
                if row == len(shown):
                    shown.append("")
            elif match := re.fullmatch(r"\x1b\[(\d*)F", part):
                row -= int(match[1])
                assert row >= 0, "the table climbs above the screen"
            elif part == "\x1b[J":
                del shown[row:]
                shown.append("")
            elif part.endswith("m") and part.startswith("\x1b"):
                continue
            elif part:
                assert "\x1b" not in part
                shown[row] += part
        assert shown.pop() == ""
        return shown


# -- names -----------------------------------------------------------------------------------------


def test_every_name_is_explained_and_every_shown_one_known():
    for name, meaning in {**METRICS, **ARTIFACTS}.items():
        assert re.fullmatch(r"[a-z]+/[a-z_]+(/<[a-z]+>)?", name), name
        assert meaning
    assert {name for cells in LINES.values() for name, _, _ in cells} <= METRICS.keys()


@pytest.mark.parametrize(
    "name", ["selfplay/game", "games", "strength/elo", "strength/elo/", "games/sample", ""]
)
def test_an_unknown_metric_is_an_error(name):
    sink = Recorder()
    with pytest.raises(ValueError, match=f"'{name}'; choices: run/seconds"):
        Reporter([sink]).report(1, {"selfplay/games": 1, name: 1})
    assert sink.calls == []


def test_an_unknown_artifact_is_an_error():
    reporter = Reporter([])
    with pytest.raises(ValueError, match="choices: run/config"):
        reporter.text(1, "games/samples", "")
    with pytest.raises(ValueError, match="choices: run/config"):
        reporter.picture(1, "selfplay/games", np.zeros((1, 1, 3), np.uint8))


# -- the reporter ----------------------------------------------------------------------------------


def test_everything_goes_to_every_sink():
    sinks = [Recorder(), Recorder()]
    reporter = Reporter(sinks, clock=lambda: 9.0)
    reporter.report(3, {"learner/loss": np.float32(0.5), "strength/elo/mcts:200": 7})
    reporter.text(4, "games/sample", "1. b2")
    reporter.picture(5, "games/board", np.zeros((2, 4, 3), np.uint8))
    reporter.message("hello")
    reporter.close()
    expected = [
        ("numbers", 9.0, 3, {"learner/loss": 0.5, "strength/elo/mcts:200": 7.0}),
        ("text", 9.0, 4, "games/sample", "1. b2"),
        ("picture", 9.0, 5, "games/board", (2, 4, 3)),
        ("message", "hello"),
        ("close",),
    ]
    assert sinks[0].calls == sinks[1].calls == expected
    assert all(type(value) is float for value in sinks[0].calls[0][3].values())


def test_a_sink_that_cannot_write_is_dropped(caplog):
    broken, sound = Recorder(fails=True), Recorder()
    reporter = Reporter([broken, sound])
    reporter.report(1, {"learner/loss": 1})
    reporter.report(2, {"learner/loss": 1})
    assert len(broken.calls) == 1 and len(sound.calls) == 2
    assert caplog.messages == ["no more reports from Recorder: [Errno 28] No space left on device"]


# -- the terminal ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (0, "time", "0:00"),
        (59.6, "time", "1:00"),
        (3725, "time", "1:02:05"),
        (0.918, "share", "92%"),
        (411.6, "elo", "+412"),
        (-35.4, "elo", "-35"),
        (1234567, "count", "1,234,567"),
        (28.06, "rate", "28.1/s"),
        (999, "rate", "999/s"),
        (53210, "rate", "53.2k/s"),
        (1_230_000, "rate", "1.23M/s"),
        (1.2341, "number", "1.234"),
        (12.34, "number", "12.3"),
        (math.nan, "count", "?"),
        (math.inf, "time", "?"),
    ],
)
def test_show(value, kind, text):
    assert show(value, kind) == text


def test_the_table_on_a_terminal_is_redrawn_in_place():
    screen = Screen()
    console = Console(screen, "tic-tac-toe", environment={"TERM": "xterm"})
    console.numbers(0, 1, {"selfplay/games": 1.0})
    assert screen.lines() == ["tic-tac-toe", "  games       1"]
    console.numbers(1, 2, VALUES)
    expected = [
        "tic-tac-toe",
        "  games       1,234   28.1/s",
        "  positions   10,432   210/s",
        "  simulations 53.2k/s",
        "  loss        1.234   0.812 policy   0.422 value",
        "  strength    random +412   mcts:200 -35",
        "  time        0:42   0:18 left",
    ]
    assert screen.lines() == expected
    console.numbers(2, 3, {"learner/loss": 1.0})  # the rest stays as it was
    console.message("a worker was replaced")
    expected[4] = "  loss        1.000   0.812 policy   0.422 value"
    assert screen.lines() == ["a worker was replaced", *expected]
    console.close()
    console.stream.write("done\n")
    assert screen.lines() == ["a worker was replaced", *expected, "done"]


def test_a_message_before_the_first_numbers_stays():
    screen = Screen()
    console = Console(screen, "go", environment={"TERM": "xterm"})
    console.message("compiling")
    console.numbers(0, 1, {"selfplay/games": 1.0})
    assert screen.lines() == ["compiling", "go", "  games       1"]


def test_a_long_line_is_cut_so_that_it_does_not_wrap(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    screen = Screen()
    console = Console(screen, "connect4" * 9, environment={"TERM": "xterm"})
    console.numbers(0, 1, VALUES)
    assert max(map(len, screen.lines())) == 29


def test_colour_is_left_out_on_request():
    for environment, colour in (
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),  # no-color.org: only when not empty
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
    ):
        screen = Screen()
        console = Console(screen, "go", environment=environment)
        console.numbers(0, 1, VALUES)
        console.numbers(0, 2, VALUES)
        assert ("\x1b[36m" in screen.getvalue()) == colour
        assert "\x1b[7F\x1b[J" in screen.getvalue()  # it is redrawn all the same


@pytest.mark.parametrize("stream", [io.StringIO, Screen])
def test_elsewhere_a_line_now_and_then(stream):
    output = stream()
    console = Console(output, "go", environment={"TERM": "dumb"}, seconds_between_lines=10)
    for second in range(25):
        console.numbers(
            100 + second, second, {"selfplay/games": float(second), "run/seconds": second}
        )
    assert output.getvalue().splitlines() == [
        "go: games 0; time 0:00",
        "go: games 10; time 0:10",
        "go: games 20; time 0:20",
    ]
    console.message("a worker was replaced")
    console.close()
    assert output.getvalue().splitlines()[3:] == [
        "a worker was replaced",
        "go: games 24; time 0:24",
    ]


def test_a_clock_that_is_set_back_does_not_silence_it():
    output = io.StringIO()
    console = Console(output, "go", environment={}, seconds_between_lines=10)
    for now in (5000.0, 1000.0, 1005.0, 1010.0):
        console.numbers(now, 1, {"selfplay/games": now})
    assert output.getvalue().splitlines() == [
        "go: games 5,000", "go: games 1,000", "go: games 1,010",
    ]  # fmt: skip


def test_the_last_line_is_not_printed_twice():
    output = io.StringIO()
    console = Console(output, "go", environment={})
    console.numbers(0, 1, {"selfplay/games": 1.0})
    console.close()
    assert output.getvalue() == "go: games 1\n"


def test_nothing_to_show_is_not_shown():
    output = io.StringIO()
    Console(output, "go", environment={}).close()
    assert output.getvalue() == ""


def test_plain_output_has_no_control_characters():
    output = io.StringIO()
    console = Console(output, "go", environment={"TERM": "xterm"})
    console.numbers(0, 1, VALUES)
    console.message("hello")
    console.close()
    assert "\x1b" not in output.getvalue()
    assert "strength random +412, mcts:200 -35; time 0:42, 0:18 left\n" in output.getvalue()


# -- metrics.jsonl ---------------------------------------------------------------------------------


def read_lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_json_lines(tmp_path):
    path = tmp_path / "metrics.jsonl"
    sink = JsonLines(path)
    sink.numbers(1000.12345, 5, {"learner/loss": 0.5, "selfplay/value_error": math.nan})
    expected = {
        "time": 1000.123,
        "step": 5,
        "values": {"learner/loss": 0.5, "selfplay/value_error": None},
    }
    assert read_lines(path) == [expected]  # at once, not only when it is closed
    sink.numbers(1001, 6, {"learner/loss": 0.25})
    sink.text(1001, 6, "games/sample", "x")
    sink.picture(1001, 6, "games/board", np.zeros((1, 1, 3), np.uint8))
    sink.message("x")
    sink.close()
    assert [line["step"] for line in read_lines(path)] == [5, 6]


def test_resuming_takes_back_what_came_after(tmp_path):
    path = tmp_path / "metrics.jsonl"
    sink = JsonLines(path)
    for step in (10, 20, 20, 30, 40):
        sink.numbers(step, step, {"learner/loss": step})
    sink.close()
    resumed = JsonLines(path, resume_step=20)
    assert [line["step"] for line in read_lines(path)] == [10, 20, 20]
    resumed.numbers(0, 25, {"learner/loss": 1})
    resumed.close()
    assert [line["step"] for line in read_lines(path)] == [10, 20, 20, 25]
    JsonLines(path).close()
    assert [line["step"] for line in read_lines(path)] == [10, 20, 20, 25]
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_a_line_torn_by_a_kill_is_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    sink = JsonLines(path)
    for step in (1, 2):
        sink.numbers(step, step, {"learner/loss": 1})
    sink.close()
    whole = path.read_bytes()
    for torn in (b'{"time": 3, "st', b'{"time": 3, "step": 3}', b"3\n", b"{}\n", b"\xff\n"):
        path.write_bytes(whole + torn)
        JsonLines(path).close()
        assert path.read_bytes() == whole


def test_closing_waits_for_the_disk(tmp_path, monkeypatch):
    sink = JsonLines(tmp_path / "metrics.jsonl")
    synced = []
    monkeypatch.setattr("os.fsync", lambda handle: synced.append(handle))
    handle = sink.file.fileno()
    sink.close()
    assert synced == [handle] and sink.file.closed


def test_metrics_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match=r"cannot write .*metrics.jsonl"):
        JsonLines(tmp_path / "file" / "metrics.jsonl")


# -- TensorBoard -----------------------------------------------------------------------------------


def read_events(directory):
    """What TensorBoard itself would show."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(directory), size_guidance={"images": 0})
    events.Reload()
    return events


def test_tensorboard_reads_numbers_texts_and_pictures(tmp_path):
    sink = TensorBoard(tmp_path)
    sink.numbers(1000.5, 3, {"learner/loss": 0.5, "strength/elo/mcts:200": -35.0})
    sink.numbers(1001.5, 7, {"learner/loss": 0.25})
    sink.text(1002, 8, "games/sample", "1 b2\n  # é")
    pixels = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
    sink.picture(1003, 9, "games/board", pixels)
    sink.message("not shown")
    sink.close()

    events = read_events(tmp_path)
    assert events.Tags()["scalars"] == ["learner/loss", "strength/elo/mcts:200"]
    losses = events.Scalars("learner/loss")
    assert [(e.wall_time, e.step, e.value) for e in losses] == [(1000.5, 3, 0.5), (1001.5, 7, 0.25)]
    (picture,) = events.Images("games/board")
    assert (picture.step, picture.width, picture.height) == (9, 4, 5)
    assert picture.encoded_image_string.startswith(b"\x89PNG")
    (text,) = events.Tensors("games/sample/text_summary")
    assert text.step == 8
    assert text.tensor_proto.string_val[0].decode() == "    1 b2\n      # é"
    assert events.SummaryMetadata("games/sample/text_summary").plugin_data.plugin_name == "text"


def test_tensorboard_forgets_what_came_after_the_step_it_resumes_from(tmp_path):
    first = TensorBoard(tmp_path)
    for step in (10, 20, 30, 40):
        first.numbers(step, step, {"learner/loss": step})
    first.close()
    resumed = TensorBoard(tmp_path, resume_step=20)
    resumed.numbers(50, 25, {"learner/loss": 1})
    resumed.close()
    found = read_events(tmp_path).Scalars("learner/loss")
    assert [event.step for event in found] == [10, 20, 25]


def test_tensorboard_has_one_value_of_a_number_per_step(tmp_path):
    reporter = make_reporter(tmp_path, io.StringIO(), "go")
    for loss, step in ((4.0, 10), (3.0, 10), (2.0, 20), (1.5, 20)):
        reporter.report(step, {"learner/loss": loss})
    reporter.report(20, {"strength/score/random": 0.5})
    reporter.close()
    resumed = make_reporter(tmp_path, io.StringIO(), "go", resume_step=20)
    resumed.report(20, {"learner/loss": 1.0, "learner/steps": 9.0})
    resumed.report(30, {"learner/loss": 0.5})
    resumed.close()
    events = read_events(tmp_path / "tensorboard")
    found = [(event.step, event.value) for event in events.Scalars("learner/loss")]
    assert found == [(10, 4.0), (20, 2.0), (30, 0.5)]
    for name in ("strength/score/random", "learner/steps"):
        assert [event.step for event in events.Scalars(name)] == [20]


def test_numbers_are_on_disk_at_once(tmp_path):
    sink = TensorBoard(tmp_path)
    sink.numbers(1, 3, {"learner/loss": 0.5})
    assert read_events(tmp_path).Scalars("learner/loss")[0].value == 0.5
    sink.close()


def test_without_tensorboard_one_line_says_so(tmp_path, monkeypatch, caplog):
    real_import = builtins.__import__

    def no_tensorboard(name, *args, **kwargs):
        if "tensorboard" in name:
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_tensorboard)
    output = io.StringIO()
    reporter = make_reporter(tmp_path, output, "go")
    reporter.report(1, {"selfplay/games": 1})
    reporter.close()
    assert caplog.messages == ["tensorboard is not installed: metrics go to metrics.jsonl only"]
    assert caplog.records[0].levelno == logging.WARNING
    assert read_lines(tmp_path / "metrics.jsonl")[0]["values"] == {"selfplay/games": 1.0}
    assert output.getvalue() == "go: games 1\n"


def test_the_usual_sinks_resume_together(tmp_path):
    for resume_step in (None, 1):
        reporter = make_reporter(tmp_path, io.StringIO(), "go", resume_step)
        for step in (1, 2) if resume_step is None else (2, 3):
            reporter.report(step, {"selfplay/games": step})
        reporter.close()
    assert [line["step"] for line in read_lines(tmp_path / "metrics.jsonl")] == [1, 2, 3]
    found = read_events(tmp_path / "tensorboard").Scalars("selfplay/games")
    assert [event.step for event in found] == [1, 2, 3]
