"""`status RUN`, and the log of a run: what is told of it while it goes and afterwards."""

import json
import logging
import os
import shutil
from pathlib import Path

import pytest

from alphazero.__main__ import main
from alphazero.config import load_config
from alphazero.run.log_throttle import PERIOD, SHOWN, LogThrottle
from alphazero.run.loop import train
from alphazero.run.metrics.events import LogFile
from alphazero.run.metrics.host import HostMetrics
from alphazero.run.metrics.training import FORGET_SECONDS, WorkerStatistics
from alphazero.run.status import Watcher, is_alive, show_bytes, to_text
from alphazero.selfplay.workers.executor import GameBatch, WorkItem

SETTINGS = [
    "network.size=b1c16",
    "search.simulations=4",
    "self_play.parallel_games=4",
    "self_play.games_per_work_item=4",
    "replay.min_positions=20",
    "learner.batch_size=16",
    "evaluation.every_games=8",
    "evaluation.games=2",
    'evaluation.opponents=["random"]',
    "run.games=16",
    "run.report_seconds=0.05",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "run"
    train(load_config(None, SETTINGS), directory=run)
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A finished run that a test may spoil."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


# -- status ----------------------------------------------------------------------------------------


def test_a_finished_run_is_told_in_full(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(run)]) == 0
    told = {line[:12].strip(): line[12:] for line in capsys.readouterr().out.splitlines()}
    assert told["tic-tac-toe"].strip().startswith("finished")
    assert told["games"].split()[0] == "16"
    assert "against random" in told["Elo"]
    assert "step-" in told["checkpoint"] and "old" in told["checkpoint"]
    assert "shards" in told["disk"] and "free" in told["disk"]
    assert told["workers"].strip().startswith("1, 1 have sent games")


def test_programs_read_it_as_json(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(run), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metrics"]["selfplay/games"] == 16
    assert found["workers"][0]["games"] == 16
    assert found["sizes"]["all"] >= found["sizes"]["records"] > 0


def test_a_process_that_is_gone_or_silent_is_told(run: Path) -> None:
    watcher = Watcher(run)
    watcher.run.result.unlink()
    assert watcher.look().state == "stopped"
    watcher.run.lock.write_text(f"process {os.getpid()}\n")
    assert watcher.look().state.startswith("running (process")
    reported = watcher.look().reported
    assert reported is not None
    watcher.clock = lambda: reported + 3600
    assert watcher.look().state.startswith("silent for 1:00:00")
    watcher.run.lock.write_text("process 4194305\n")  # above Linux's largest
    assert not is_alive(4194305)
    assert watcher.look().state.startswith("interrupted")


def test_only_new_lines_are_read_and_half_of_one_waits(run: Path) -> None:
    watcher = Watcher(run)
    assert watcher.look().metrics["selfplay/games"] == 16
    line = json.dumps({"time": 1.0, "step": 17, "values": {"selfplay/games": 17}})
    with watcher.run.metrics.open("a") as file:
        file.write(line[:20])
        file.flush()
        assert watcher.look().metrics["selfplay/games"] == 16
        file.write(line[20:] + "\n")
    assert watcher.look().metrics["selfplay/games"] == 17
    watcher.run.metrics.write_text(line.replace("17}", "3}") + "\n")  # a resumed run cut it
    assert watcher.look().metrics["selfplay/games"] == 3


def test_spoilt_files_are_no_reason_to_fall_silent(run: Path) -> None:
    watcher = Watcher(run)
    watcher.run.workers.write_text("{")
    with watcher.run.metrics.open("ab") as file:
        file.write(b"\xff no line\n[]\n")
    assert to_text(watcher.look()).startswith("tic-tac-toe")


def test_a_folder_without_a_run_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", str(tmp_path)]) == 2
    assert f"there is no run in {tmp_path}" in capsys.readouterr().err
    (tmp_path / "go-2026-11-25-01").mkdir()
    (tmp_path / "go-2026-11-25-01" / "config.toml").touch()
    assert main(["status", str(tmp_path / "go")]) == 2
    assert f"but there is {tmp_path}/go-2026-11-25-01" in capsys.readouterr().err
    (tmp_path / "go").mkdir()
    monkeypatch.chdir(tmp_path / "go")
    assert main(["status", "."]) == 2
    assert f"but there is {tmp_path}/go-2026-11-25-01" in capsys.readouterr().err


def test_sizes_in_words() -> None:
    sizes = [0, 999, 1500, 2.5e6, 3e12]
    assert [show_bytes(size) for size in sizes] == ["0 B", "999 B", "1.5 kB", "2.5 MB", "3 TB"]


# -- who plays, and the machine --------------------------------------------------------------------


def test_workers_are_counted_and_forgotten_after_an_hour() -> None:
    now = 0.0
    workers = WorkerStatistics(lambda: now)
    workers.add(GameBatch(WorkItem(0, 2), 3, [], worker="a"))
    now = FORGET_SECONDS - 1
    workers.add(GameBatch(WorkItem(2, 2), 5, [], worker="b"))
    assert [entry["name"] for entry in json.loads(workers.to_json())["workers"]] == ["a", "b"]
    now = FORGET_SECONDS + 1
    assert [entry["version"] for entry in json.loads(workers.to_json())["workers"]] == [5]


def test_the_machine_is_measured(tmp_path: Path) -> None:
    found = HostMetrics(tmp_path).measure()
    assert found["system/process_cpu"] >= 0
    assert found["system/disk_free"] > 0
    assert 0 <= found.get("system/memory", 0) <= 1


# -- the log ---------------------------------------------------------------------------------------


def test_lines_of_one_kind_are_shown_three_times_and_then_counted() -> None:
    now, said = 0.0, []
    log = logging.getLogger("alphazero.test")
    with LogThrottle(said.append, lambda: now):
        for number in range(10):
            log.warning("worker %d died", number)
        log.warning("another kind")
        assert said[:SHOWN] == [f"warning: worker {number} died" for number in range(SHOWN)]
        assert said[SHOWN:] == ["warning: another kind"]
        now = PERIOD
        log.warning("worker %d died", 10)
        held_back = 10 - SHOWN
        assert said[SHOWN + 1 :] == [
            f"({held_back} more lines like this: worker %d died)",
            "warning: worker 10 died",
        ]
    log.warning("after it")
    assert len(said) == SHOWN + 3


def test_the_log_of_a_run_keeps_what_was_said_with_the_time(finished: Path, tmp_path: Path) -> None:
    assert "0 games" in (finished / "log.txt").read_text()
    file = LogFile(tmp_path / "log.txt")
    file.message("hello")
    file.close()
    assert (tmp_path / "log.txt").read_text()[4] == "-"


def test_old_names_of_metrics_are_understood(run: Path) -> None:
    """In the reports of a run that began with an earlier version."""
    reports = (run / "metrics.jsonl").read_text()
    (run / "metrics.jsonl").write_text(
        reports.replace("learner/replay_ratio", "learner/samples_per_position")
    )
    metrics = Watcher(run).look().metrics
    assert "learner/replay_ratio" in metrics and "learner/samples_per_position" not in metrics
