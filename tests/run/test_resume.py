"""A run that is killed and started again ends as one that was left alone, to the bit."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from alphazero.data.record import GameRecord
from alphazero.data.store import Store
from alphazero.learning import checkpoint
from tests.helpers import killed_run

SCRIPT = Path(__file__).parents[1] / "helpers" / "killed_run.py"
KILLED = -signal.SIGKILL


def start(directory: Path, *moment: str) -> subprocess.Popen:
    command = [sys.executable, str(SCRIPT), str(directory), *moment]
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2])}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def run(directory: Path, *moment: str) -> int:
    process = start(directory, *moment)
    _, complaints = process.communicate(timeout=300)
    assert process.returncode in (0, KILLED), complaints
    return process.returncode


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("undisturbed") / "run"
    assert run(directory) == 0
    return directory


def games(directory: Path) -> list[GameRecord]:
    return list(Store(directory / "records"))


def final_state(directory: Path) -> dict:
    path = checkpoint.latest(directory / "checkpoints")
    assert path is not None
    state = checkpoint.load(path).state
    del state["seconds"]  # the one thing that a clock decides
    del state["learner"]["generators"]  # torch's own, from which nothing draws
    return state


def assert_equal(a, b, where: str = "state") -> None:
    assert type(a) is type(b), where
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for name in a:
            assert_equal(a[name], b[name], f"{where}.{name}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for index, parts in enumerate(zip(a, b, strict=True)):
            assert_equal(*parts, f"{where}[{index}]")
    elif isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype and torch.equal(a, b), f"{where} differs"
    else:
        assert a == b, where


def assert_same_run(directory: Path, undisturbed: Path) -> None:
    played, expected = games(directory), games(undisturbed)
    assert [record.game_id for record in played] == list(range(120)), "a game lost or played twice"
    assert played == expected
    assert_equal(final_state(directory), final_state(undisturbed))
    weights = [
        (checkpoint.latest(path / "checkpoints") / "weights.safetensors").read_bytes()
        for path in (directory, undisturbed)
    ]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_killed_at_every_nasty_moment_it_ends_with_the_same_weights_and_games(
    tmp_path, undisturbed
):
    directory = tmp_path / "run"
    counts = {"between two steps": 5, "checkpoint half written": 6, "game file not yet renamed": 6}
    for moment in killed_run.MOMENTS:
        # Each start gets a little further than the one before, or repeats a part of it.
        assert run(directory, moment, str(counts.get(moment, 2))) == KILLED, f"never came: {moment}"
    assert run(directory) == 0
    assert_same_run(directory, undisturbed)
    state = final_state(directory)
    assert state["learner"]["steps"] > 50 and state["version"] > 5, "the run is too small a test"


@pytest.mark.slow
def test_killed_at_random_times_it_ends_with_the_same_weights_and_games(tmp_path, undisturbed):
    directory = tmp_path / "run"
    chance = random.Random(1)
    kills = 0
    for _ in range(10):
        process = start(directory)
        wait_for_lock(directory, process)
        time.sleep(chance.uniform(0.0, 1.0))
        process.kill()
        process.communicate()
        kills += process.returncode == KILLED
        if process.returncode == 0 or kills == 4:
            break
    assert kills >= 2
    assert run(directory) == 0
    assert_same_run(directory, undisturbed)


@pytest.mark.slow
def test_a_signal_stops_with_a_checkpoint_and_the_same_command_goes_on(tmp_path, undisturbed):
    directory = tmp_path / "run"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process = start(directory, "stopped")
        wait_for_lock(directory, process)
        wait_for_games(directory, more=17)
        process.send_signal(number)
        _, complaints = process.communicate(timeout=300)
        assert process.returncode == 0, complaints
        newest = checkpoint.latest(directory / "checkpoints")
        assert newest is not None
        saved = checkpoint.load(newest)
        assert saved.counters["games"] == len(games(directory)), "a checkpoint at the last moment"
        assert not (directory / "result.json").exists()
    assert run(directory) == 0
    assert_same_run(directory, undisturbed)


def wait_for_lock(directory: Path, process: subprocess.Popen) -> None:
    """Until a process has got as far as to hold the folder."""
    lock = directory / "lock"
    wait_for(lambda: lock.exists() and lock.read_text() == f"process {process.pid}\n")


def wait_for_games(directory: Path, more: int) -> None:
    shards = len(list((directory / "records").glob("shard-*")))
    wait_for(lambda: len(list((directory / "records").glob("shard-*"))) >= shards + more // 8)


def wait_for(condition, seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
