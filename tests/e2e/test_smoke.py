"""Whole runs as a person starts them, from the settings in configs/."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from alphazero.config import load_config
from alphazero.data.store import Store
from alphazero.game import load
from alphazero.learning import checkpoint

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.toml"))
SMOKE = str(ROOT / "configs" / "smoke.toml")


@pytest.fixture
def start(tmp_path):
    """Starts trainings in a folder of the test, and leaves none behind."""
    started = []

    def start_one(*arguments: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-m", "alphazero", "train", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "RAY_worker_niceness": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def finish(process: subprocess.Popen) -> tuple[int, str, str]:
    out, complaints = process.communicate(timeout=300)
    assert "Traceback" not in complaints, complaints
    return process.returncode, out, complaints


def weights(directory: Path) -> bytes:
    newest = checkpoint.latest(directory / "checkpoints")
    assert newest is not None
    return (newest / "weights.safetensors").read_bytes()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_is_of_a_game_we_have(path):
    config = load_config(path)
    load(config.game)
    assert config.run.games or config.run.minutes, "a run that never ends"
    assert not config.run.directory, "a run that writes where another one may be"


TINY = (  # what makes any run one of seconds; all else is as the file has it
    "network.size=b2c8",
    "search.simulations=4",
    "self_play.playout_cap_fast_simulations=2",
    "self_play.parallel_games=4",
    "self_play.games_per_work_item=4",
    "replay.min_positions=1",
    "learner.batch_size=4",
    "run.games=4",
    "run.minutes=0",
    "evaluation.games=2",
    "evaluation.every_games=4",
    "evaluation.simulations=2",
    'evaluation.opponents=["random"]',
)


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_runs(start, tmp_path, path):
    code, _, progress = finish(start(str(path), "--local", "--run-dir", "run", *TINY))
    assert code == 0 or (code == 1 and load_config(path).run.prove), progress
    newest = newest_checkpoint(tmp_path)
    assert newest.counters["games"] == 4 and newest.counters["steps"] > 0


@pytest.mark.slow
def test_the_smoke_run_twice_with_one_seed_gives_the_same_files(start, tmp_path):
    for name in ("one", "two"):
        code, out, progress = finish(start(SMOKE, "--local", "--run-dir", name))
        assert code in (0, 1), "1 says that some lines are lost, which so short a run may be"
        assert re.search(r"\d+ lines, \d+ lost", out)
        assert "--network one" in out or name == "two", "how to play against it"
        assert "games 160" in progress and "simulations" in progress and "loss" in progress
    assert weights(tmp_path / "one") == weights(tmp_path / "two")
    shards = [
        {path.name: path.read_bytes() for path in (tmp_path / name / "records").glob("*.npz")}
        for name in ("one", "two")
    ]
    assert len(shards[0]) == 10
    assert shards[0] == shards[1]


@pytest.mark.slow
def test_a_run_on_ray_survives_what_may_happen_to_its_processes(start, tmp_path):
    """An actor is killed, then the driver; then the run is stopped by Ctrl-C, then it finishes."""
    records = tmp_path / "run" / "records"
    endless = (SMOKE, "--workers", "2", "run.games=1000000", "--run-dir", "run")

    process = start(*endless)
    wait_for_shards(records, 4, process)
    actors = actors_of(process.pid)
    assert len(actors) == 2
    os.kill(actors[0], signal.SIGKILL)
    wait_for_shards(records, 8, process)
    wait_for(lambda: len(set(actors_of(process.pid)) - {actors[0]}) == 2)
    replaced = actors_of(process.pid)
    assert actors[0] not in replaced and actors[1] in replaced
    process.kill()
    _, _, progress = finish(process)
    assert "another one takes its games" in progress
    wait_for(lambda: not any(Path(f"/proc/{actor}").exists() for actor in replaced))

    acknowledged = unique_games(records)
    process = start(*endless)
    wait_for_shards(records, 4, process)
    process.send_signal(signal.SIGINT)
    _, out, progress = finish(process)
    assert "stopped" in out and f"resuming {tmp_path / 'run'}: {acknowledged} games" in progress
    stopped_at = unique_games(records)
    assert stopped_at > acknowledged
    assert newest_checkpoint(tmp_path).counters["games"] == stopped_at

    limit = stopped_at + 100
    again = (SMOKE, "--workers", "1", f"run.games={limit}", "--run-dir", "run")
    code, out, _ = finish(start(*again))
    assert code in (0, 1) and re.search(r"\d+ lines, \d+ lost", out)
    assert newest_checkpoint(tmp_path).counters["games"] == unique_games(records) >= limit
    assert newest_checkpoint(tmp_path).state["version"] > 1
    assert max(record.version for record in Store(records)) > 1, "actors never got new weights"


def unique_games(records: Path) -> int:
    ids = [record.game_id for record in Store(records)]
    assert len(ids) == len(set(ids)), "a game was counted twice"
    return len(ids)


def newest_checkpoint(folder: Path) -> checkpoint.Checkpoint:
    path = checkpoint.latest(folder / "run" / "checkpoints")
    assert path is not None
    return checkpoint.load(path)


def actors_of(driver: int) -> list[int]:
    """The processes of Ray actors that a driver's cluster started."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if b"ray::Actor" in (path / "cmdline").read_bytes() and driver in ancestors(path):
                found.append(int(path.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


def ancestors(path: Path) -> list[int]:
    pids = []
    while (parent := int((path / "stat").read_text().rpartition(")")[2].split()[1])) > 1:
        pids.append(parent)
        path = path.with_name(str(parent))
    return pids


def wait_for_shards(records: Path, more: int, process: subprocess.Popen) -> None:
    before = len(list(records.glob("*.npz")))

    def arrived() -> bool:
        assert process.poll() is None, process.communicate()
        return len(list(records.glob("*.npz"))) >= before + more

    wait_for(arrived)


def wait_for(condition: Callable[[], bool], seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)
