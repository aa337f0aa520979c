"""Self-play on Ray actors, on this machine or on a cluster: the only module that imports ray.

    driver (the loop, the learner)                    actor 1 … actor N (one Worker each)
    ──────────────────────────────                    ───────────────────────────────────
    ray.put(weights), once per version  ──────────►   fetched when a call names a new version
    play(call, version, [weights])      ──────────►   two calls in flight: one played, one queued
    ray.wait                            ◄──────────   Chunk of finished records

Work is finite calls and never an endless method, so backpressure is the window of `ray.wait` and a
lost actor costs only its unfinished calls: the driver starts another one and submits them again. An
ordinary exception in a worker is a bug and ends the run with the worker's traceback.

Ray's habits that this module deals with (Ray 2.60):
* since 2.59 a local cluster turns token authentication on for the next clusters of this user as
  well; both sides must say so (`RAY_AUTH_MODE`), before ray is imported;
* `ray.init()` joins any cluster it finds on the machine; `address="local"` does not;
* workers run at nice 15: `NICENESS`;
* it replaces the handlers of signals: install others after `start`;
* an exception in an actor's `__init__` looks like a dead actor: the first call makes the worker.
"""

import logging
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from alphazero.errors import UserError
from alphazero.training.executor import Call, Chunk, Weights, Worker

log = logging.getLogger(__name__)

# Below the learner, which the actors wait for, and below what a person does on the same machine. At
# Ray's own 15 an actor gets 3 % of a core that one ordinary process uses as well; at 5 it is 25 %.
NICENESS = "5"
CALLS_IN_FLIGHT = 2  # per actor: the next one is there when one is finished
POLL_SECONDS = 0.5  # how long collect waits at most, so that a signal is noticed
DEATHS_PER_WORKER = 3  # without a finished call in between: something is wrong with all of them
CONNECT_SECONDS = 10.0  # how long a cluster may take to answer
START_SECONDS = 180.0  # a cluster that cannot place one worker in this time is too busy
OBJECT_STORE_BYTES = 512 << 20  # chunks and weights in transit; Ray would take 30 % of the memory
SMALLEST_OBJECT_STORE = 80 << 20  # Ray refuses less than 75 MiB


class Pending(NamedTuple):
    """A call in flight."""

    call: Call
    slot: int  # which of the N workers it was given to
    actor: Any  # the actor in that slot at the time


class RayExecutor:
    """Keeps `workers` actors busy with the calls of `work`; see `training.executor.Executor`.

    `workers` 0 means one per core. `address` joins a running cluster ("auto" or host:port);
    None takes RAY_ADDRESS and, where that is unset, starts Ray on this machine alone.
    `warm_up` runs once on every machine before workers start there (it compiles the game).
    """

    plays_in_collect = False

    def __init__(
        self,
        make_worker: Callable[[], Worker],
        work: Iterator[Call],
        *,
        workers: int = 0,
        address: str | None = None,
        warm_up: Callable[[], None] | None = None,
        gpus: bool = True,
    ):
        self.make_worker = make_worker
        self.work = work
        self.workers = workers
        self.address = address or os.environ.get("RAY_ADDRESS") or "local"
        self.warm_up = warm_up
        self.gpus = gpus
        self.actors: list[Any] = []
        self.pending: dict[Any, Pending] = {}  # by the reference to its result
        self.version = -1
        self.weights: Any = None  # reference to the newest weights
        self.replaced = 0  # workers that died and were replaced
        self.deaths_in_a_row = 0

    def start(self, version: int, weights: Weights) -> None:
        self.ray = import_ray(self.address)
        self._connect()
        self._warm_machines()
        self.publish(version, weights)
        self.actors = [self._spawn() for _ in range(self.workers)]
        self._await_workers()
        for slot in list(range(self.workers)) * CALLS_IN_FLIGHT:
            self._submit(next(self.work), slot)

    def publish(self, version: int, weights: Weights) -> None:
        self.version = version
        self.weights = self.ray.put(weights)  # the old ones go when no call in flight needs them

    def collect(self, wait: bool) -> Chunk | None:
        ready, _ = self.ray.wait(
            list(self.pending), num_returns=1, timeout=POLL_SECONDS if wait else 0
        )
        if not ready:
            return None
        pending = self.pending.pop(ready[0])
        try:
            chunk: Chunk = self.ray.get(ready[0])
        except self._losses() as error:
            self._replace(pending.slot, pending.actor, error)
            self._submit(pending.call, pending.slot)
            return None
        except self.ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, UserError) else error) from None
        self.deaths_in_a_row = 0
        self._submit(next(self.work), pending.slot)
        return chunk

    def close(self) -> None:
        if hasattr(self, "ray"):
            self.ray.shutdown()
        self.actors, self.pending, self.weights = [], {}, None

    def pids(self) -> list[int]:
        """Process numbers of the workers, each on its own machine."""
        return self.ray.get([actor.pid.remote() for actor in self.actors])

    # -- starting ----------------------------------------------------------------------------------

    def _connect(self) -> None:
        options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
        if self.address == "local":
            self.workers = self.workers or cores()
            options |= {
                "num_cpus": self.workers,  # a person may ask for more workers than cores
                "include_dashboard": False,
                "object_store_memory": object_store_bytes(),
            }
        try:
            knock(self.address)
            self.ray.init(self.address, **options)
        except Exception as error:  # Ray raises just that when the machine is too busy
            reason = (str(error).strip() or repr(error)).splitlines()[0]
            if self.address == "local":
                raise UserError(
                    f"Ray cannot start here: {reason} (--local does without it)"
                ) from error
            raise UserError(
                f'cannot join the Ray cluster "{self.address}": {reason}'
                " (a cluster is taken from --address or RAY_ADDRESS)"
            ) from error
        resources = self.ray.cluster_resources()
        self.workers = self.workers or max(1, int(resources.get("CPU", 1)))
        # The learner may live on the same device; fractions of one are mere bookkeeping.
        self.gpu_share = 0.0
        if self.gpus and resources.get("GPU"):
            self.gpu_share = max(0.01, int(100 * resources["GPU"] / (self.workers + 1)) / 100)

    def _warm_machines(self) -> None:
        """Fill the cache of compiled kernels once per machine: N workers that start at once would
        each compile the game."""
        if self.warm_up is None:
            return
        strategy = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        here = self.ray.get_runtime_context().get_node_id()
        task = self.ray.remote(_call)
        nodes = [node["NodeID"] for node in self.ray.nodes() if node["Alive"]]
        others = [
            task.options(num_cpus=0, scheduling_strategy=strategy(node, soft=False)).remote(
                self.warm_up
            )
            for node in nodes
            if node != here
        ]
        self.warm_up()  # on this machine in this process, which needs the game too
        self.ray.get(others)

    def _spawn(self) -> Any:
        options = {
            "num_cpus": 1,  # with which Ray sets OMP_NUM_THREADS=1
            "num_gpus": self.gpu_share,
            "max_restarts": 0,  # the driver replaces it: only the driver knows what was lost
            "scheduling_strategy": "SPREAD",
        }
        return self.ray.remote(Actor).options(**options).remote(self.make_worker)

    def _await_workers(self) -> None:
        """Return when every worker is up, or when at least one is and time is over: the others
        join when the cluster has room for them."""
        starting = {self._ready(slot): slot for slot in range(self.workers)}
        up = 0
        while starting and (
            ready := self.ray.wait(list(starting), num_returns=1, timeout=START_SECONDS)[0]
        ):
            slot = starting.pop(ready[0])
            try:
                self.ray.get(ready[0])
                up += 1
            except self._losses() as error:
                self._replace(slot, self.actors[slot], error)
                starting[self._ready(slot)] = slot
            except self.ray.exceptions.RayTaskError as error:
                raise (error.cause if isinstance(error.cause, UserError) else error) from None
        if not up:
            free = self.ray.available_resources()
            raise UserError(
                f"no worker could start within {START_SECONDS:.0f} seconds: each needs 1 CPU"
                f" and {self.gpu_share:g} GPU, and the cluster has {free.get('CPU', 0):g} CPU"
                f" and {free.get('GPU', 0):g} GPU free"
            )
        if starting:
            log.warning("%d of %d workers are up; the others join later", up, self.workers)

    def _ready(self, slot: int) -> Any:
        return self.actors[slot].ready.remote(self.version, [self.weights])

    # -- working -----------------------------------------------------------------------------------

    def _submit(self, call: Call, slot: int) -> None:
        actor = self.actors[slot]
        # A list keeps Ray from fetching the weights before the actor asks for them.
        result = actor.play.remote(call, self.version, [self.weights])
        self.pending[result] = Pending(call, slot, actor)

    def _losses(self) -> tuple[type[Exception], ...]:
        """What Ray raises when an actor, its machine or its result is gone."""
        errors = self.ray.exceptions
        return errors.RayActorError, errors.ObjectLostError, errors.OutOfMemoryError

    def _replace(self, slot: int, actor: Any, error: Exception) -> None:
        """Start another worker in the slot of a dead one, unless another call's loss did so."""
        if self.actors[slot] is not actor:
            return
        if getattr(error, "actor_init_failed", False):  # it could not even unpickle its arguments
            raise error
        self.deaths_in_a_row += 1
        if self.deaths_in_a_row > DEATHS_PER_WORKER * self.workers:
            raise RuntimeError(
                f"{self.deaths_in_a_row} workers died in a row without finishing a call"
            ) from error
        reason = str(error).strip().splitlines()[0]
        log.warning("a self-play worker died (%s); another one takes its games", reason)
        self.ray.kill(actor)  # it may be unreachable rather than dead, and go on
        self.actors[slot] = self._spawn()
        self.replaced += 1


class Actor:
    """What runs in a worker process."""

    def __init__(self, make_worker: Callable[[], Worker]):
        self.make_worker = make_worker
        self.worker: Worker | None = None
        self.version = -1

    def ready(self, version: int, weights: list[Any]) -> None:
        """Make the worker and give it these weights, when it has others."""
        if self.worker is None:
            self.worker = self.make_worker()
        if version != self.version:
            import ray

            self.worker.load(version, ray.get(weights[0]))
            self.version = version

    def play(self, call: Call, version: int, weights: list[Any]) -> Chunk:
        self.ready(version, weights)
        assert self.worker is not None
        return self.worker.play(call)

    def pid(self) -> int:
        return os.getpid()


def _call(function: Callable[[], None]) -> None:
    function()


def import_ray(address: str) -> Any:
    """Import ray with the environment it must find, for a cluster of our own or for joining one."""
    token = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    settings = {"RAY_USAGE_STATS_ENABLED": "0"}
    if address == "local" or token.exists() or "RAY_AUTH_TOKEN" in os.environ:
        # Ray listens on all interfaces. A cluster without authentication ignores the token.
        settings["RAY_AUTH_MODE"] = "token"
    if address == "local":
        settings["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # no second environment per worker
        settings["RAY_worker_niceness"] = NICENESS
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.exceptions
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise UserError(
            "Ray is not installed: pip install 'ray[default]', or train with --local in one process"
        ) from error
    return ray


def knock(address: str) -> None:
    """Raise OSError when nobody listens at host:port: Ray would try for many minutes."""
    host, colon, port = address.rpartition("//")[2].rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def object_store_bytes() -> int:
    """Shared memory for Ray: what we need, where a container's /dev/shm has that much."""
    shared_memory = Path("/dev/shm")
    free = shutil.disk_usage(shared_memory).free if shared_memory.exists() else sys.maxsize
    return max(SMALLEST_OBJECT_STORE, min(OBJECT_STORE_BYTES, free // 2))
