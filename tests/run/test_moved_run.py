"""Stopping, moving, going on: a run does not belong to the machine that began it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alphazero.config import load_config
from alphazero.data.store import Store
from alphazero.files import durable_path
from alphazero.learning import checkpoint
from alphazero.run.run_directory import RunDirectory

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = """
game = "tic-tac-toe"
network.size = "b1c8"
search.simulations = 6
self_play = {parallel_games = 8, games_per_work_item = 8}
replay = {min_positions = 100, window = 500}
learner = {batch_size = 32, replay_ratio = 2}
run = {games = 1000000, publish_every_steps = 4, checkpoint_steps = 5, report_seconds = 0.01}
evaluation = {every_games = 100, games = 2, opponents = ["random"], simulations = 4}
"""


def test_a_run_of_a_job_is_not_written_where_the_job_lives(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    job = tmp_path / "session" / "runtime_resources" / "working_dir_files" / "_ray_pkg_12ab"
    job.mkdir(parents=True)
    monkeypatch.chdir(job)
    assert durable_path(Path("runs/x")) == tmp_path / "runs/x"
    assert durable_path(tmp_path / "there") == tmp_path / "there"
    monkeypatch.chdir(tmp_path)
    assert durable_path(Path("runs/x")) == tmp_path / "runs/x"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_goes_on_on_another_machine_with_other_workers_and_device(tmp_path, number):
    """Stopped while it plays alone, copied, gone on with two Ray actors on a named device."""
    (tmp_path / "settings.toml").write_text(SETTINGS)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_worker_niceness": "0"}

    def start(*arguments: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", "alphazero", "train", *arguments],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    process = start("settings.toml", "--run-dir", "here")
    here = RunDirectory(tmp_path / "here")
    deadline = time.monotonic() + 120
    while len(list(here.records.glob("*.npz"))) < 10:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    out, complaints = process.communicate(timeout=60)
    assert process.returncode == 0 and "stopped" in out, complaints
    newest = checkpoint.latest(here.checkpoints)
    assert newest is not None
    before = checkpoint.load(newest)
    games = before.counters["games"]
    assert games == len(Store(here.records))

    there = RunDirectory(tmp_path / "there")
    shutil.move(here.path, there.path)
    workers = "2" if number == signal.SIGTERM else "0"
    arguments = ("--workers", workers, "run.device=cpu", f"run.games={games + 100}")
    process = start("--resume", str(there.path), *arguments)
    _, complaints = process.communicate(timeout=120)
    assert process.returncode == 0 and f"{games:,} games" in complaints, complaints
    assert there.is_finished and not here.path.exists()
    newest = checkpoint.latest(there.checkpoints)
    assert newest is not None
    after = checkpoint.load(newest)
    assert after.counters["games"] >= games + 100 and after.step > before.step
    ids = [record.game_id for record in Store(there.records)]
    assert len(ids) == len(set(ids)) == after.counters["games"]
    config = load_config(there.config)
    assert (config.run.workers, config.run.device) == (int(workers), "cpu")
