"""Clusters from one command: the files of configs/cluster by Ray's own schema, train.py, a job."""

import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from alphazero.__main__ import read_options
from alphazero.cli.train import cluster_arguments
from alphazero.config import load_config
from alphazero.data.store import Store
from alphazero.errors import UserError
from alphazero.learning import checkpoint
from alphazero.run.run_directory import RunDirectory
from alphazero.selfplay.workers import ray as cluster
from alphazero.selfplay.workers.ray import divide_resources

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "configs" / "cluster").glob("*.yaml"))
LAUNCHER = [path for path in FILES if path.stem != "kuberay"]


def read(path: Path) -> dict:
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with ray[default]")
    return yaml.safe_load(path.read_text())


def ray_module(name: str):
    """A module of Ray. Of the environment, which Ray reads once in a process, it must find what
    the engine sets: tests of other files run in this process too."""
    try:
        cluster.import_ray("local")
    except UserError as error:
        pytest.skip(str(error))
    return pytest.importorskip(name)


def prepared(settings: dict) -> dict:
    """What Ray makes of a cluster's settings. Raises when its schema does not allow them."""
    util = ray_module("ray.autoscaler._private.util")
    pytest.importorskip("jsonschema", reason="it comes with ray[default]")
    settings = util.prepare_config(settings)
    util.validate_config(settings)
    return settings


# -- files -----------------------------------------------------------------------------------------


def test_there_is_a_file_for_every_kind_of_cluster():
    assert {path.stem for path in FILES} == {"aws", "gcp", "local", "kuberay"}


@pytest.mark.parametrize("path", LAUNCHER, ids=lambda path: path.stem)
def test_the_launcher_accepts_it(path):
    settings = prepared(read(path))
    assert settings["head_node_type"] in settings["available_node_types"]


@pytest.mark.parametrize("path", LAUNCHER, ids=lambda path: path.stem)
def test_the_launcher_would_notice_a_mistyped_name(path):
    settings = read(path)
    settings["setup_comands"] = settings.pop("setup_commands")
    with pytest.raises(Exception, match="setup_comands"):
        prepared(settings)


@pytest.mark.parametrize("path", LAUNCHER, ids=lambda path: path.stem)
def test_traps_of_the_launcher_are_avoided(path):
    settings = read(path)
    for name in ("head_start_ray_commands", "worker_start_ray_commands"):
        start = settings[name][-1]
        assert start.startswith("unset OMP_NUM_THREADS;"), "ray submit sets it to 1"
        assert "--disable-usage-stats" in start
    everything = path.read_text()
    assert "RAY_AUTH_MODE=token" in everything and "~/.ray/auth_token" in settings["file_mounts"]
    assert settings["file_mounts"]["~/alphazero-engine"] == "."
    assert "~/alphazero" not in settings["file_mounts"], "it would hide the package from train.py"
    assert "--tmux" in everything, "a run that ends with the connection"


def test_kuberay_describes_a_cluster_that_rays_autoscaler_understands(monkeypatch):
    settings = read(ROOT / "configs" / "cluster" / "kuberay.yaml")
    assert settings["kind"] == "RayJob"
    kuberay = ray_module("ray.autoscaler._private.kuberay.autoscaling_config")
    cluster = {
        "metadata": {"name": "x", "namespace": "y"},
        "spec": settings["spec"]["rayClusterSpec"],
    }
    found = kuberay._derive_autoscaling_config_from_ray_cr(cluster)
    types = found["available_node_types"]
    assert types[found["head_node_type"]]["resources"]["GPU"] == 1, "the driver learns there"
    assert types["player"]["max_workers"] == 16 and types["player"]["resources"]["GPU"] == 1
    assert 'RAY_JOB_STOP_WAIT_TIME_S: "60"' in settings["spec"]["runtimeEnvYAML"]
    program, *words = shlex.split(settings["spec"]["entrypoint"])
    assert program == "python" and words[:2] == ["-m", "alphazero"]
    options = read_options(words[2:])
    assert options.workers == "auto" and Path(options.run_dir).is_absolute()
    in_image = Path(options.settings[0])
    assert str(in_image.parents[1]) in (ROOT / "configs/cluster/kuberay.yaml").read_text()
    load_config(ROOT / in_image.relative_to(in_image.parents[1]))


@pytest.mark.parametrize("path", LAUNCHER, ids=lambda path: path.stem)
def test_its_commands_are_ours(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    commands = re.findall(r"train\.py (.*)", path.read_text())
    assert commands
    for command in commands:
        options = read_options(["train", *shlex.split(command)])
        load_config(options.settings[0])
        assert options.run_dir


# -- train.py --------------------------------------------------------------------------------------


def test_train_py_finds_the_projects_settings_and_the_cluster(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    settings = str(ROOT / "configs" / "smoke.toml")
    assert cluster_arguments(["configs/smoke.toml"], tmp_path) == [settings]
    (tmp_path / "ray_bootstrap_config.yaml").touch()
    cluster = ["--address", "auto", "--workers", "auto"]
    assert cluster_arguments(["configs/smoke.toml"], tmp_path) == [settings, *cluster]
    assert cluster_arguments(["x.toml", "--workers=3"], tmp_path) == [
        "x.toml",
        "--workers=3",
        *cluster[:2],
    ]
    assert cluster_arguments(["--address", "h:1", "run.workers=2"], tmp_path) == [
        "--address",
        "h:1",
        "run.workers=2",
    ]
    assert cluster_arguments(["--local"], tmp_path) == ["--local"]
    monkeypatch.setenv("RAY_ADDRESS", "h:1")
    assert cluster_arguments([], tmp_path) == cluster[2:]
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "smoke.toml").touch()
    assert cluster_arguments(["configs/smoke.toml"], tmp_path)[0] == "configs/smoke.toml"


@pytest.mark.slow
def test_train_py_is_the_command(tmp_path):
    command = [sys.executable, str(ROOT / "train.py"), "configs/smoke.toml", "--dry-run"]
    environment = os.environ | {"HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and 'game = "tic-tac-toe"' in done.stdout, done.stderr


# -- who gets what ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("workers", "cpus", "gpus", "asked", "expected"),
    [
        (0, 8, 0, 0, (8, 0.0)),  # one per core
        (3, 8, 0, 0.5, (3, 0.0)),
        (0, 64, 4, 0, (4, 1.0)),  # one per GPU
        (8, 64, 4, 0, (8, 0.5)),  # that share
        (3, 64, 1, 0, (3, 0.33)),  # rounded down, so that all have room
        (2, 64, 4, 0, (2, 1.0)),  # a whole one at most
        (0, 64, 4, 0.25, (16, 0.25)),
        (5, 64, 4, 0.25, (5, 0.25)),
        (1000, 64, 1, 0, (1000, 0.01)),
    ],
)
def test_workers_and_their_share_of_the_gpus(workers, cpus, gpus, asked, expected):
    machines = [{"CPU": cpus, "GPU": gpus}]
    assert divide_resources(machines, workers, asked) == (*expected, 1)
    machines = [{"CPU": cpus / 2, "GPU": gpus / 2 + 1}, {"CPU": cpus / 2, "GPU": gpus / 2}, {}]
    assert divide_resources(machines, workers, asked, taken=1) == (*expected, 1)


@pytest.mark.parametrize(
    ("machines", "workers", "threads", "expected"),
    [
        ([(64, 0)], 0, 0, (64, 0.0, 1)),  # workers fill the cores
        ([(64, 0)], 3, 0, (3, 0.0, 1)),
        ([(64, 0)], 0, 4, (16, 0.0, 4)),  # as many as there are cores for
        ([(64, 0)], 0, 100, (1, 0.0, 100)),  # which Ray will not find
        ([(64, 4)], 0, 0, (4, 1.0, 16)),  # all cores beside a GPU
        ([(64, 4)], 8, 0, (8, 0.5, 8)),  # half of them
        ([(64, 4), (14, 2), (8, 0)], 12, 0, (12, 0.5, 3)),  # where they are fewest
        ([(4, 4)], 8, 0, (8, 0.5, 1)),
        ([(64, 4)], 8, 2, (8, 0.5, 2)),
    ],
)
def test_workers_and_their_cores(machines, workers, threads, expected):
    machines = [{"CPU": cpus, "GPU": gpus} for cpus, gpus in machines]
    assert divide_resources(machines, workers, threads=threads) == expected


def test_a_ray_of_this_machine_has_what_its_workers_reserve(monkeypatch):
    monkeypatch.setattr(cluster, "cores", lambda: 16)
    wanted = {(0, 1): 16, (2, 1): 2, (40, 1): 40, (0, 4): 16, (2, 4): 16, (5, 4): 20}
    wanted |= {(0, 0): 16, (2, 0): 16, (40, 0): 40}
    for (workers, threads), cpus in wanted.items():
        assert cluster.cores_wanted(workers, threads) == cpus


# -- a job -----------------------------------------------------------------------------------------


@pytest.fixture
def head(tmp_path):
    """A Ray of its own, with a token, in a home of its own; nothing else on this machine is
    touched (so never `ray stop`)."""
    ray_module("ray.dashboard.modules.job.cli")
    ports = [free_port() for _ in range(3)]
    token = tmp_path / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text(secrets.token_hex(16))
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": cache,  # kernels that were compiled before are found in a job too
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",
    }
    address = f"http://127.0.0.1:{ports[1]}"
    arguments = f"start --head --block --port {ports[0]} --dashboard-port {ports[1]} --num-cpus 2"
    arguments += f" --dashboard-agent-listen-port {ports[2]}"  # else another Ray may have it
    session = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # the paths of sockets must be short
    command = ["ray", *arguments.split(), "--temp-dir", session]
    command += ["--disable-usage-stats", "--object-store-memory", str(100 << 20)]
    process = subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    yield SimpleNamespace(environment=environment, address=address, home=tmp_path)
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    shutil.rmtree(session, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def job(head, *words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    command = ["ray", "job", *words[:1], "--address", head.address, *words[1:]]
    return subprocess.run(
        command, cwd=cwd, env=head.environment, capture_output=True, text=True, timeout=240
    )


@pytest.mark.slow
def test_ray_job_submit_trains_from_the_working_directory(head):
    """The command of the documents, with settings that end: everything else is as a user has it."""
    for _ in range(60):
        if not (found := job(head, "list")).returncode:
            break
    assert not found.returncode, found.stderr
    done = job(
        head, "submit", "--working-dir", ".", "--runtime-env-json",
        '{"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": "30"}}', "--",
        "python", "-m", "alphazero", "train", "configs/smoke.toml", "--workers", "auto",
        "run.prove=false", "--run-dir", "runs/job",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    # A relative folder is below the home directory: the job's own folder does not last.
    run = RunDirectory(head.home / "runs" / "job")
    assert run.is_finished, done.stdout + done.stderr
    newest = checkpoint.latest(run.checkpoints)
    assert newest is not None and checkpoint.load(newest).step > 0
    ids = [record.game_id for record in Store(run.records)]
    assert len(ids) == len(set(ids)) >= 160
    crew = run.workers.read_text()
    assert crew.count('"name"') == 2, "one for every core of the cluster"

    # An unlimited run that is told to stop saves a checkpoint first.
    endless = job(
        head, "submit", "--no-wait", "--submission-id", "endless", "--working-dir", ".",
        "--runtime-env-json", '{"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": "30"}}', "--",
        "python", "-m", "alphazero", "train", "configs/smoke.toml", "--workers", "2",
        "run.games=100000000", "run.checkpoint_steps=100000000", "--run-dir", "runs/endless",
    )  # fmt: skip
    assert not endless.returncode, endless.stderr
    run = RunDirectory(head.home / "runs" / "endless")
    for _ in range(1200):
        if len(list(run.records.glob("*.npz"))) > 5:
            break
        time.sleep(0.05)
    stopped = job(head, "stop", "endless")
    assert not stopped.returncode, stopped.stderr
    newest = checkpoint.latest(run.checkpoints)
    assert newest is not None, job(head, "logs", "endless").stdout
    assert checkpoint.load(newest).counters["games"] == len(Store(run.records))
    assert run.lock.read_text() == "", "it ended by itself"
