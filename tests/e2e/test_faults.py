"""What may happen to a cluster while it trains: every acknowledged game is there, once.

Seconds of the simulated cluster and kills of the learner are few here; ALPHAZERO_FAULTS=10 makes
both ten times as many.
"""

import collections
import contextlib
import errno
import importlib.util
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from alphazero.config import load_config
from alphazero.data.store import Store
from alphazero.errors import UserError
from alphazero.learning import checkpoint
from alphazero.run.loop import train
from alphazero.selfplay.workers import ray as cluster

TIMES = int(os.environ.get("ALPHAZERO_FAULTS", "1"))
SETTINGS = """
game = "tic-tac-toe"
network.size = "b1c8"
search.simulations = 8
self_play = {parallel_games = 8, games_per_work_item = 16}
replay = {min_positions = 100, window = 2000}
learner = {batch_size = 64, replay_ratio = 2}
evaluation = {every_games = 0}
"""


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "settings.toml").write_text(SETTINGS)

    def read(*changes: str):
        return load_config(tmp_path / "settings.toml", changes)

    return read


@pytest.fixture
def acknowledged(monkeypatch) -> list[int]:
    """Numbers of the games that the store said are on the disk."""
    found: list[int] = []
    append = Store.append

    def told(store, records):
        new = append(store, records)
        found.extend(record.game_id for record in new)
        return new

    monkeypatch.setattr(Store, "append", told)
    return found


def on_disk(directory: Path) -> list[int]:
    store = Store(directory / "records")
    assert not (directory / "records" / "quarantine").exists(), "a damaged file"
    return [record.game_id for record in store]


# -- the learner -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_learner_killed_while_it_writes_checkpoints_loses_nothing(tmp_path):
    script = Path(__file__).parents[1] / "helpers" / "killer.py"
    environment = os.environ | {"PYTHONPATH": str(script.parents[2])}
    command = [sys.executable, str(script), str(tmp_path / "runs"), str(8 * TIMES), "3"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    print(counts)
    assert counts["within_a_checkpoint"] >= 8 * TIMES and counts["files_read"] > 50
    for name in ("lost", "twice", "corrupt", "promises_broken", "other_weights"):
        assert counts[name] == 0, counts


# -- the disk --------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [0, 3, 10])
def test_a_disk_that_is_full_ends_the_run_and_what_was_acknowledged_stays(
    tmp_path, settings, acknowledged, monkeypatch, room
):
    """The disk takes so many more files, then none; once there is room the run goes on."""
    directory, taken = tmp_path / "run", 0
    train(settings("run.games=32"), directory=directory, stream=io.StringIO())
    fsync = os.fsync

    def full(descriptor):
        nonlocal taken
        taken += 1
        if taken > room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="No space left"):
            train(settings("run.games=400"), directory=directory, stream=io.StringIO())
    assert sorted(on_disk(directory)) == sorted(acknowledged)
    assert checkpoint.latest(directory / "checkpoints") is not None
    train(settings("run.games=400"), directory=directory, stream=io.StringIO())
    assert on_disk(directory) == list(range(400)) == sorted(acknowledged)


def test_a_real_disk_that_is_full(tmp_path, settings, acknowledged):
    """A file system of 400 kB, where this user may mount one."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "none", str(directory)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("this user may not mount a file system")
    try:
        with pytest.raises(UserError, match="No space left"):
            train(
                settings("run.games=100000", "run.checkpoint_steps=20"),
                directory=directory / "run",
                stream=io.StringIO(),
            )
        assert len(acknowledged) > 100
        ids = on_disk(directory / "run")
        assert sorted(ids) == sorted(acknowledged) and len(ids) == len(set(ids))
        for path in checkpoint.checkpoints(directory / "run" / "checkpoints"):
            checkpoint.load(path)
    finally:
        subprocess.run(["umount", str(directory)], check=True)


# -- the cluster -----------------------------------------------------------------------------------


class Chaos(threading.Thread):
    """Kills actors, lets one sleep for a while, and kills a machine in the middle of the run."""

    def __init__(self, machines, nodes, seconds: float):
        super().__init__(daemon=True)
        self.machines, self.nodes, self.seconds = machines, nodes, seconds
        self.counts: collections.Counter[str] = collections.Counter()
        self.spread: list[int] = []
        self.over = threading.Event()

    def run(self) -> None:
        chance = random.Random(5)
        if not self._wait_for(lambda: len(self.actors()) == 3):
            return
        self.spread = sorted(collections.Counter(self.actors().values()).values())
        began = time.monotonic()
        while not self.over.wait(2.0):
            actors = sorted(self.actors())
            late = time.monotonic() - began > self.seconds / 3
            if self.counts["machines killed"] == 0 and late and actors:
                raylet = self.actors().popitem()[1]  # of a machine with an actor
                node = next(node for node in self.nodes if raylet_of(node) == raylet)
                self.machines.remove_node(node, allow_graceful=False)
                self.counts["machines killed"] += 1
            elif self.counts["actors slowed"] <= self.counts["actors killed"] // 3 and actors:
                self._slow(chance.choice(actors))
            elif actors:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chance.choice(actors), signal.SIGKILL)
                    self.counts["actors killed"] += 1

    def _slow(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self.over.wait(2.0)
            os.kill(pid, signal.SIGCONT)
            self.counts["actors slowed"] += 1

    def actors(self) -> dict[int, int]:
        """The actors of this cluster by the process of the raylet that each belongs to."""
        raylets = {raylet_of(node) for node in self.nodes}
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError):
                if b"ray::Actor" in (path / "cmdline").read_bytes():
                    parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
                    if parent in raylets:
                        found[int(path.name)] = parent
        return found

    def _wait_for(self, condition) -> bool:
        while not condition():
            if self.over.wait(0.2):
                return False
        return True


def raylet_of(node) -> int:
    return node.all_processes["raylet"][0].process.pid if "raylet" in node.all_processes else -1


@pytest.mark.slow
def test_a_cluster_that_loses_actors_and_machines_loses_no_game(tmp_path, settings, acknowledged):
    if importlib.util.find_spec("ray") is None:  # imported only once its environment is set
        pytest.skip("Ray is not installed")
    if not Path("/proc/self/stat").exists():
        pytest.skip("needs /proc to find the actors")
    if "ray" in sys.modules:  # how it authenticates is settled once it is imported
        here = f"{__file__}::test_a_cluster_that_loses_actors_and_machines_loses_no_game"
        alone = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            here,
        ]
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "PYTEST_"))}
        done = subprocess.run(alone, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
        return
    cluster.import_ray("local")
    from ray.cluster_utils import Cluster

    seconds = 15.0 * TIMES
    quick = {  # a machine that is gone is noticed in seconds
        "health_check_initial_delay_ms": 1000,
        "health_check_period_ms": 500,
        "health_check_timeout_ms": 1000,
        "health_check_failure_threshold": 3,
    }
    machines = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": quick}
    )
    try:
        nodes = [machines.add_node(num_cpus=1) for _ in range(4)]  # one to spare
        machines.wait_for_nodes(timeout=120)
        chaos = Chaos(machines, nodes, seconds)
        chaos.start()
        config = settings(
            "run.workers=3", f"run.minutes={seconds / 60 + 0.1}", "run.checkpoint_steps=50"
        )
        stream = io.StringIO()
        try:
            summary = train(
                config, directory=tmp_path / "run", address=machines.address, stream=stream
            )
        finally:
            chaos.over.set()
            chaos.join()
    finally:
        machines.shutdown()
    said = stream.getvalue()
    counts = dict(chaos.counts)
    ids = on_disk(tmp_path / "run")
    lost, twice = set(acknowledged) - set(ids), len(ids) - len(set(ids))
    print(counts, f"{len(ids)} games, {len(lost)} lost, {twice} twice,", summary.progress)
    assert chaos.spread == [1, 1, 1], "one actor on every machine"
    assert counts["machines killed"] == 1 and counts["actors killed"] >= 2, counts
    assert counts["actors slowed"] >= 1
    assert "another one takes its games" in said
    assert not lost and not twice and len(ids) == len(acknowledged) > 100
    newest = checkpoint.latest(tmp_path / "run" / "checkpoints")
    assert newest is not None
    saved = checkpoint.load(newest)
    assert saved.counters["games"] == len(ids) and saved.step == summary.progress.steps > 0
    # As many samples as the games allow, and no more: none was learned from twice.
    replay, pace = saved.state["replay"], saved.state["replay_ratio"]
    earned = 2 * replay["training_positions"]
    assert 64 * saved.step + pace["samples"] + pace["skipped"] == pytest.approx(earned)
