"""Ray actors with stand-in workers: what is played, with which weights, and what survives."""

import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from alphazero.errors import UserError
from alphazero.selfplay.play import cores
from alphazero.selfplay.workers import ray as cluster
from alphazero.selfplay.workers.executor import GameBatch, WorkItem, work_items
from alphazero.selfplay.workers.ray import RayExecutor

GAMES = 4  # per work item


@pytest.fixture(autouse=True)
def _stand_ins_can_be_imported_by_workers(monkeypatch):
    folders = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(folders))
    monkeypatch.setenv("RAY_worker_niceness", "0")  # other tests run beside this one


class StandIn:
    """Plays nothing; its batches say who played what, with which weights, after how many loads."""

    def __init__(self, folder: Path, failing_game: int = -1, threads: int = 1):
        self.folder = folder
        self.threads = threads
        self.failing_game = failing_game
        self.loads = 0
        self.version = -1
        self.weight = np.nan

    def load(self, version, weights):
        self.loads += 1
        self.version = version
        self.weight = float(weights["w"][0])

    def stream(self, item):
        if self.failing_game in item.ids:
            raise ZeroDivisionError(f"game {self.failing_game} cannot be played")
        with (self.folder / f"started-{os.getpid()}").open("a") as file:
            file.write(f"{item.first_id}\n")
        time.sleep(0.05)
        while (self.folder / "hold").exists():
            time.sleep(0.01)
        facts = {"pid": os.getpid(), "loads": self.loads, "weight": self.weight}
        facts["threads"] = self.threads
        games = [SimpleNamespace(game_id=number) for number in item.ids]
        yield GameBatch(item, self.version, games, facts)


def weights(value):
    return {"w": np.full(300_000, value, np.float32)}


def executor(folder, workers=2, threads=None, **settings):
    make_worker = functools.partial(StandIn, folder, **settings)
    return RayExecutor(make_worker, work_items(0, GAMES), workers=workers, threads=threads)


def pids(players):
    """Process ids of the workers."""
    return players.ray.get([actor.pid.remote() for actor in players.actors])


def collect(ray_executor, batches, *, seconds=300.0):
    """The next so many batches."""
    collected, deadline = [], time.monotonic() + seconds
    while len(collected) < batches and time.monotonic() < deadline:
        batch = ray_executor.collect(wait=True)
        if batch is not None:
            collected.append(batch)
    assert len(collected) == batches, "the workers stopped playing"
    return collected


@pytest.mark.slow
def test_actors_play_on_with_new_weights_after_one_of_them_is_killed(tmp_path, caplog):
    players = executor(tmp_path, threads=2)
    compiled = tmp_path / "compiled"
    players.warm_up = functools.partial(_append_line, compiled)
    try:
        players.start(1, weights(1.0))
        assert len(compiled.read_text().splitlines()) == 1, "one machine is warmed up once"
        before = set(pids(players))
        assert len(before) == 2 and os.getpid() not in before

        first = collect(players, 6)
        assert {batch.version for batch in first} == {1}
        assert {batch.stats["weight"] for batch in first} == {1.0}
        assert {batch.stats["threads"] for batch in first} == {2}
        assert players.ray.available_resources().get("CPU", 0) == max(4, cores()) - 4

        players.publish(2, weights(2.0))
        # At most two calls per actor were under way with the old weights.
        second = collect(players, 12)
        assert [batch.version for batch in second].count(1) <= 4
        for batch in second:
            assert batch.stats["weight"] == batch.version
            assert batch.stats["loads"] == batch.version, "weights are loaded once per version"

        # Kill one that is in the middle of a call, with another call waiting for it.
        (tmp_path / "hold").touch()
        victim = min(before)
        _wait_until(lambda: _unfinished(tmp_path, victim, players))
        os.kill(victim, signal.SIGKILL)
        (tmp_path / "hold").unlink()
        third = collect(players, 12)
        assert players.replaced == 1
        assert "another one takes its games" in caplog.text
        after = set(pids(players))
        assert len(after) == 2 and victim not in after and len(after & before) == 1
        assert {batch.stats["weight"] for batch in third} == {2.0}

        # Every game exactly once: those of the dead actor's calls were played by others.
        rest = collect(players, 4)
        played = [game.game_id for batch in first + second + third + rest for game in batch.records]
        assert len(played) == len(set(played))
        oldest = min(pending.item.first_id for pending in players.pending.values())
        assert set(range(oldest)) <= set(played)
        # Two calls per actor, no more: nothing piles up while the driver does something else.
        assert len(players.pending) == 4
        time.sleep(1.0)
        started = sum(len(file.read_text().split()) for file in tmp_path.glob("started-*"))
        assert started <= len(played) // GAMES + 1 + 4, "calls were submitted behind our back"
        assert players.collect(wait=False) is not None
    finally:
        players.close()


@pytest.mark.slow
def test_an_ordinary_exception_in_a_worker_ends_the_run_with_its_traceback(tmp_path):
    players = executor(tmp_path, workers=1, failing_game=9)
    try:
        players.start(1, weights(1.0))
        collect(players, 2)
        with pytest.raises(ZeroDivisionError, match="game 9 cannot be played") as raised:
            collect(players, 1)
        assert "test_cluster.py" in str(raised.value), "the worker's traceback is shown"
        assert players.replaced == 0
    finally:
        players.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "words"), [("raylet", "Ray on this machine"), ("gcs_server", "its head")]
)
def test_a_lost_cluster_ends_in_one_clear_line(tmp_path, program, words):
    """Within seconds: where its raylet has died, Ray itself ends the process after a while."""
    script = f"""
import functools, os, signal, subprocess
from pathlib import Path
from alphazero.errors import UserError
from tests.selfplay.test_cluster import collect, executor, weights

players = executor(Path({str(tmp_path)!r}))
players.start(1, weights(1.0))
collect(players, 2)
processes = subprocess.run(["ps", "-eo", "pid,ppid,comm"], capture_output=True, text=True).stdout
for line in processes.splitlines():
    pid, parent, name = line.split(None, 2)
    if parent == str(os.getpid()) and name == {program!r}:
        os.kill(int(pid), signal.SIGKILL)
try:
    collect(players, 10**9, seconds=60.0)
except UserError as error:
    print("\\nrefused:", error)
players.close()
print("closed")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("refused: ")]
    assert "the Ray cluster is lost" in line and words in line and "resumes the run" in line


@pytest.mark.slow
def test_a_worker_that_cannot_be_made_ends_the_start(tmp_path):
    players = RayExecutor(functools.partial(_bad_worker), work_items(0, GAMES), workers=1)
    try:
        with pytest.raises(UserError, match=r"^no such network$"):
            players.start(1, weights(1.0))
    finally:
        players.close()


@pytest.mark.slow
def test_a_cluster_is_joined_warmed_up_per_machine_and_left_alone_afterwards(tmp_path):
    ray = cluster.import_ray("local")
    from ray.cluster_utils import Cluster

    machines = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        machines.add_node(num_cpus=2)
        machines.wait_for_nodes(timeout=120)
        players = executor(tmp_path, workers=0)
        players.address = machines.address
        players.warm_up = functools.partial(_append_line, tmp_path / "compiled")
        try:
            players.start(1, weights(1.0))
            assert players.workers == 3, "one for every core of the cluster"
            assert len((tmp_path / "compiled").read_text().splitlines()) == 2, "once per machine"
            assert len({batch.stats["pid"] for batch in collect(players, 12)}) > 1
        finally:
            players.close()
        ray.init(machines.address, logging_level="ERROR", log_to_driver=False)
        assert sum(node["Alive"] for node in ray.nodes()) == 2, "the cluster is not ours to end"
    finally:
        ray.shutdown()
        machines.shutdown()


def test_missing_ray_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'ray\[default\]'.*--local"):
        RayExecutor(lambda: None, work_items(0, GAMES), workers=1).start(0, {})


def test_a_cluster_that_is_not_there_is_one_clear_line():
    players = RayExecutor(lambda: None, work_items(0, GAMES), workers=1, address="127.0.0.1:1")
    try:
        with pytest.raises(UserError, match=r'cannot join the Ray cluster "127.0.0.1:1".*refused'):
            players.start(0, {})
    finally:
        players.close()


def test_address_joins_a_cluster_only_when_somebody_says_so(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    make = functools.partial(RayExecutor, lambda: None, work_items(0, GAMES))
    assert make().address == "local"
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert make().address == "10.0.0.1:6379"
    assert make(address="auto").address == "auto"


def test_environment_for_ray_is_set_and_yields_to_the_persons(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_worker_niceness", "3")
    environment = dict(os.environ)
    monkeypatch.setattr(os, "environ", environment)
    cluster.import_ray("10.0.0.1:6379")
    assert "RAY_AUTH_MODE" not in environment, "without a token Ray would refuse to join"
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("secret")
    cluster.import_ray("10.0.0.1:6379")
    assert environment["RAY_AUTH_MODE"] == "token"
    del environment["RAY_AUTH_MODE"]
    (tmp_path / ".ray" / "auth_token").unlink()
    cluster.import_ray("local")
    assert environment["RAY_AUTH_MODE"] == "token"
    assert environment["RAY_USAGE_STATS_ENABLED"] == "0"
    assert environment["RAY_worker_niceness"] == "3"


def test_work_items_number_the_games_without_gaps():
    work = work_items(7, 3)
    assert [next(work) for _ in range(3)] == [WorkItem(7, 3), WorkItem(10, 3), WorkItem(13, 3)]


def _append_line(path):
    with path.open("a") as file:
        file.write("once\n")


def _bad_worker():
    raise UserError("no such network")


def _unfinished(folder, pid, players):
    """Whether a worker is in the middle of a call that is still waited for."""
    file = folder / f"started-{pid}"
    if not file.exists():
        return False
    last = int(file.read_text().split()[-1])
    streams = [
        stream
        for stream, pending in players.pending.items()
        if pending.item.first_id == last and not pending.item.done
    ]
    return bool(streams) and not players.ray.wait(streams, timeout=0)[0]


def _wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
