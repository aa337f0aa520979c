"""Self-play on Ray actors, on this machine or on a cluster; the only module that imports ray.

    driver (the loop, the learner)                    actor 1 … actor N (one Worker each)
    ──────────────────────────────                    ───────────────────────────────────
    ray.put(weights), once per version  ──────────►   renew: fetched between two batches of games
    play(item, version, [weights])      ──────────►   two items in flight: one played, one queued
    ray.wait                            ◄──────────   GameBatches, every few seconds

Work items are finite and their results are streamed. An actor stops when two batches wait for the
driver (backpressure), so the data in transit is bounded by the number of actors. A dead actor costs
only its unfinished games: the driver starts another one and submits them again. An ordinary
exception in a worker is a bug and ends the run with the worker's traceback.

Behaviour of Ray 2.60 that this module deals with:
* since 2.59 a local cluster turns token authentication on for the next clusters of this user as
  well; both sides must set `RAY_AUTH_MODE` before ray is imported;
* `ray.init()` joins any cluster it finds on the machine; `address="local"` does not;
* workers run at nice 15: see `NICENESS`;
* it replaces signal handlers: install others after `start`;
* an exception in an actor's `__init__` looks like a dead actor: the first call makes the worker.
"""

import contextlib
import functools
import logging
import math
import os
import shutil
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from alphazero.errors import UserError
from alphazero.selfplay.play import cores
from alphazero.selfplay.workers.executor import GameBatch, Weights, Worker, WorkItem

log = logging.getLogger(__name__)

# Below the learner, which the actors wait for, and below interactive work on the same machine. At
# Ray's default of 15 an actor gets 3 % of a core shared with one ordinary process; at 5, 25 %.
NICENESS = "5"
ITEMS_IN_FLIGHT = 2  # per actor: the next item is there when one is finished
POLL_SECONDS = 0.5  # longest wait of collect, so that signals are noticed
DEATHS_PER_WORKER = 3  # in a row, without a finished item: all workers are broken
CONNECT_SECONDS = 10.0  # longest wait for a cluster to answer
START_SECONDS = 180.0  # a cluster that cannot place one worker in this time is too busy
BATCHES_IN_TRANSIT = 2  # per item: an actor stops there until the driver takes one
GROW_SECONDS = 15.0  # between two checks for machines that joined the cluster
CHECK_SECONDS = 0.2  # between two looks whether Ray's process on this machine is there
HEAD_SECONDS, HEAD_PATIENCE = 5.0, 20.0  # between two looks at the head; how long it may be away
PATIENCE_SECONDS, IDLE_SECONDS = 30.0, 600.0  # without any worker: a warning, the end
CONTROL = "control"  # concurrency group of the calls that an actor serves while it plays
OBJECT_STORE_BYTES = 512 << 20  # batches and weights in transit; Ray's default is 30 % of memory
SMALLEST_OBJECT_STORE = 80 << 20  # Ray refuses less than 75 MiB


# -- the actors ------------------------------------------------------------------------------------


class Actor:
    """The worker process: `play` runs in one thread, `renew` in another."""

    def __init__(self, make_worker: Callable[[], Worker]):
        self.make_worker = make_worker
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.worker: Worker | None = None
        self.version = -1  # of the worker's weights
        self.newest: tuple[int, list[Any]] = (-1, [])  # newest version published

    def ready(self, version: int, weights: list[Any]) -> None:
        """Make the worker if need be, and load these weights unless it has newer ones."""
        if self.worker is None:
            self.worker = self.make_worker()
        self.renew(version, weights)
        self._load()

    def renew(self, version: int, weights: list[Any]) -> None:
        """Announce weights, which are fetched between two batches of games."""
        if version > self.newest[0]:
            self.newest = version, weights

    def play(self, item: WorkItem, version: int, weights: list[Any]) -> Iterator[GameBatch]:
        """Play an item and yield its finished games every few seconds."""
        self.ready(version, weights)
        assert self.worker is not None
        for batch in self.worker.stream(item):
            yield replace(batch, worker=self.name)
            self._load()

    def _load(self) -> None:
        import ray

        version, weights = self.newest
        if version > self.version:
            assert self.worker is not None
            self.worker.load(version, ray.get(weights[0]))
            self.version = version

    def pid(self) -> int:
        """Return the process id."""
        return os.getpid()


class Reservation:
    """An actor that holds the GPUs which the learner uses in another process."""

    def devices(self) -> list[int]:
        """Return the numbers of the GPUs."""
        import ray

        return [int(number) for number in ray.get_gpu_ids()]


# -- what each worker gets -------------------------------------------------------------------------

Resources = Mapping[str, float]  # of one machine, as Ray counts them: "CPU", "GPU"


class WorkerResources(NamedTuple):
    """The number of workers and the resources of each. A fraction of a GPU is only Ray's
    bookkeeping: it limits neither memory nor time."""

    workers: int
    gpus: float  # of each
    cores: int  # of each, for as many threads


def divide_resources(
    machines: Sequence[Resources],
    workers: int,
    asked: float = 0.0,
    *,
    threads: int = 1,
    taken: float = 0.0,
) -> WorkerResources:
    """Divide the machines' GPUs and cores among workers.

    By default (`workers` and `asked` 0) there is one worker per GPU, or without GPUs one per core.
    `asked` is the fraction of a GPU per worker, `taken` the number of GPUs not for workers.
    `threads` is the number of cores per worker; 0 means one without a GPU, else the worker's share
    of the cores per GPU, on the machine where they are fewest, so that the workers fit everywhere.
    """
    cpus = sum(machine.get("CPU", 0) for machine in machines)
    gpus = sum(machine.get("GPU", 0) for machine in machines) - taken
    if gpus <= 0:
        return WorkerResources(workers or max(1, int(cpus // (threads or 1))), 0.0, threads or 1)
    if asked:
        workers, share = workers or max(1, int(gpus / asked)), asked
    else:
        workers = workers or max(1, int(gpus))
        share = min(1.0, max(0.01, math.floor(100 * gpus / workers) / 100))
    beside = min(
        machine.get("CPU", 0) / machine["GPU"] for machine in machines if machine.get("GPU")
    )
    return WorkerResources(workers, share, threads or max(1, int(share * beside)))


def cores_wanted(workers: int, threads: int) -> int:
    """Return the number of cores to claim for Ray on this machine alone, which may exceed the real
    number: for `workers` (0: one per core) with `threads` each (0: see `divide_resources`)."""
    if threads == 1:
        return workers or cores()
    return max(workers * max(threads, 1), cores())


def object_store_bytes() -> int:
    """Return the shared memory to claim for Ray: less than usual if a container's /dev/shm is
    small."""
    shared_memory = Path("/dev/shm")
    free = shutil.disk_usage(shared_memory).free if shared_memory.exists() else sys.maxsize
    return max(SMALLEST_OBJECT_STORE, min(OBJECT_STORE_BYTES, free // 2))


# -- the driver ------------------------------------------------------------------------------------


class Pending(NamedTuple):
    """A work item in flight."""

    item: WorkItem
    slot: int  # index of the worker it was given to
    actor: Any  # the actor in that slot at the time


class RayExecutor:
    """An `Executor` that keeps `workers` actors busy with the items of `work`.

    `workers` 0 means one per GPU or, without GPUs, one per core, also of machines that join later.
    `address` joins a running cluster ("auto" or host:port); None takes RAY_ADDRESS and, if that is
    unset, starts Ray on this machine alone.
    `warm_up` runs once on every machine before workers start there (it compiles the game).
    Workers get `gpus_per_worker` of a GPU (0: see `divide_resources`) unless `gpus` is False;
    `learner_gpus` of this machine are reserved for the caller. Workers take one core each, or, if
    `threads` is given, as many as `divide_resources` says, which is passed to `make_worker`.
    """

    interruptible, is_exhausted = False, False

    def __init__(
        self,
        make_worker: Callable[..., Worker],
        work: Iterator[WorkItem],
        *,
        workers: int = 0,
        address: str | None = None,
        warm_up: Callable[[], None] | None = None,
        gpus: bool = True,
        gpus_per_worker: float = 0.0,
        learner_gpus: int = 0,
        threads: int | None = None,
    ):
        self.make_worker = make_worker
        self.work = work
        self.workers = workers
        self.address = address or os.environ.get("RAY_ADDRESS") or "local"
        self.warm_up = warm_up
        self.grows = workers == 0
        self.gpus = gpus
        self.gpus_per_worker = gpus_per_worker
        self.learner_gpus = learner_gpus
        self.threads = 1 if threads is None else threads
        self.says_threads = threads is not None
        self.ray: Any = None  # the module, once it is imported with its environment
        self.reserved: Any = None  # an actor that holds the learner's GPUs
        self.actors: list[Any] = []
        self.up: set[int] = set()  # slots whose actor has answered
        self.pending: dict[Any, Pending] = {}  # by the stream of its results
        self.arrived: deque[Any] = deque()  # streams with a batch ready
        self.looked_at = 0.0  # time of the last check of the cluster's size
        self.head = self.raylet = ""  # addresses of processes without which the cluster is lost
        self.head_checked_at = self.checked_at = (
            0.0  # times of the last looks whether they are there
        )
        self.head_seen_at = 0.0
        self.idle_since = math.inf  # time when the last worker was lost
        self.version = -1
        self.weights: Any = None  # reference to the newest weights
        self.replaced = 0  # workers that died and were replaced
        self.deaths_in_a_row = 0

    def start(self, version: int, weights: Weights) -> None:
        self.ray = import_ray(self.address)
        self._connect()
        with self._cluster_errors():
            self._warm_machines()
            self._publish(version, weights)
            self.actors = [self._spawn() for _ in range(self.workers)]
            self._await_workers()
            for slot in list(range(self.workers)) * ITEMS_IN_FLIGHT:
                self._submit(next(self.work), slot)

    def publish(self, version: int, weights: Weights) -> None:
        self.checked_at = 0.0  # Ray ends this process if it puts weights into a store that is gone
        with self._cluster_errors():
            self._require_cluster()
            self._publish(version, weights)

    def collect(self, wait: bool) -> GameBatch | None:
        with self._cluster_errors():
            self._require_cluster()
            return self._collect(wait)

    def drain(self) -> Iterator[GameBatch]:
        try:
            while (batch := self.collect(False)) is not None:
                yield batch
        except UserError as error:  # the run is being stopped, and so is Ray, perhaps
            log.warning("%s", error)

    def _publish(self, version: int, weights: Weights) -> None:
        self.version = version
        self.weights = self.ray.put(weights)  # old ones are freed when no item in flight needs them
        for slot in self.up:  # messages to others would pile up, each with its weights
            renew = self.actors[slot].renew.options(concurrency_group=CONTROL)
            renew.remote(version, [self.weights])

    def _collect(self, wait: bool) -> GameBatch | None:
        self._grow()
        if not self.arrived:
            self._poll(wait)
        while self.arrived:
            stream = self.arrived.popleft()
            pending = self.pending[stream]
            try:
                batch: GameBatch = self.ray.get(next(stream))
            except StopIteration:
                del self.pending[stream]
                self._submit(next(self.work), pending.slot)
                continue
            except self._losses() as error:
                del self.pending[stream]
                self._replace(pending.slot, pending.actor, error)
                self._submit(pending.item, pending.slot)
                continue
            except self.ray.exceptions.RayTaskError as error:
                raise (error.cause if isinstance(error.cause, UserError) else error) from None
            self.deaths_in_a_row = 0
            if self.actors[pending.slot] is pending.actor:
                self.up.add(pending.slot)
            done = pending.item.done.union(record.game_id for record in batch.records)
            self.pending[stream] = pending._replace(item=pending.item._replace(done=done))
            return batch
        return None

    def _poll(self, wait: bool) -> None:
        """Find all streams with a batch ready; one call for many streams is much cheaper than one
        call each."""
        streams = list(self.pending)
        self.arrived.extend(self.ray.wait(streams, num_returns=len(streams), timeout=0)[0])
        if wait and not self.arrived:
            self.arrived.extend(self.ray.wait(streams, timeout=POLL_SECONDS)[0])

    def close(self, finished: bool = False) -> None:
        if self.ray is not None:
            self.ray.shutdown()
        self.actors, self.pending, self.weights, self.reserved = [], {}, None, None
        self.arrived.clear()

    # -- a cluster that is lost --------------------------------------------------------------------

    @contextlib.contextmanager
    def _cluster_errors(self) -> Iterator[None]:
        """Turn Ray's errors about the cluster itself into UserError."""
        try:
            yield
        except self.ray.exceptions.RayTaskError:  # of a worker's own code
            raise
        except (self.ray.exceptions.RayError, ConnectionError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(lost_cluster(reason)) from error

    def _require_cluster(self) -> None:
        """Raise UserError if the cluster's head or Ray on this machine does not answer, or no
        worker has been up for long. Ray itself would end this process, sooner or later, without an
        exception."""
        now = time.monotonic()
        if now - self.checked_at < CHECK_SECONDS:
            return
        self.checked_at = now
        try:
            check_reachable(self.raylet)
        except OSError as error:
            raise UserError(
                lost_cluster(f"Ray on this machine does not answer ({error})")
            ) from error
        if now - self.head_checked_at < HEAD_SECONDS:
            return
        self.head_checked_at = now
        try:
            check_reachable(self.head, HEAD_SECONDS)
            self.head_seen_at = now
        except OSError as error:
            if now - self.head_seen_at > HEAD_PATIENCE:
                raise UserError(lost_cluster(f"its head does not answer ({error})")) from error
        if self.up:
            self.idle_since = math.inf
        elif self.idle_since == math.inf:
            self.idle_since = now
        elif now - self.idle_since >= IDLE_SECONDS:
            raise UserError(lost_cluster(f"no worker was up for {IDLE_SECONDS:.0f} seconds"))
        elif now - self.idle_since >= PATIENCE_SECONDS:
            log.warning("no worker is up: waiting for the cluster to have room")

    # -- starting ----------------------------------------------------------------------------------

    def _connect(self) -> None:
        options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
        if self.address == "local":
            options |= {
                "num_cpus": cores_wanted(self.workers, self.threads),
                "include_dashboard": False,
                "object_store_memory": object_store_bytes(),
            }
        try:
            check_reachable(self.address)
            self.ray.init(self.address, **options)
        except Exception as error:  # Ray raises a bare Exception when the machine is too busy
            reason = (str(error).strip() or repr(error)).splitlines()[0]
            if self.address == "local":
                raise UserError(
                    f"Ray cannot start here: {reason} (--local does without it)"
                ) from error
            raise UserError(
                f'cannot join the Ray cluster "{self.address}": {reason}'
                " (a cluster is taken from --address or RAY_ADDRESS)"
            ) from error
        context = self.ray.get_runtime_context()
        here = context.get_node_id()
        node = next(node for node in self.ray.nodes() if node["NodeID"] == here)
        self.raylet = f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"
        self.head, self.head_seen_at = context.gcs_address, time.monotonic()
        self._reserve()
        self.workers, self.gpu_share, self.cores = self._resources()

    def _resources(self) -> WorkerResources:
        """Divide what the cluster has now among the workers."""
        machines = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        if not self.gpus:
            machines = [{**machine, "GPU": 0} for machine in machines]
        workers, taken = 0 if self.grows else self.workers, self.learner_gpus * bool(self.reserved)
        return divide_resources(
            machines, workers, self.gpus_per_worker, threads=self.threads, taken=taken
        )

    def _reserve(self) -> None:
        """Reserve the learner's GPUs, if there are others for the workers and Ray does not reserve
        them already (as for a job with --entrypoint-num-gpus)."""
        here = self.ray.get_runtime_context().get_node_id()
        nodes = {node["NodeID"]: node["Resources"].get("GPU", 0) for node in self.ray.nodes()}
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        already = visible is not None and len(visible.split(",")) < nodes[here]
        others = sum(nodes.values()) - self.learner_gpus
        if not self.learner_gpus or already or others < 1 or nodes[here] < self.learner_gpus:
            return
        strategy = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        holder = self.ray.remote(Reservation).options(
            num_cpus=0,
            num_gpus=self.learner_gpus,
            scheduling_strategy=strategy(here, soft=False),
        )
        self.reserved = holder.remote()
        try:
            got = self.ray.get(self.reserved.devices.remote(), timeout=CONNECT_SECONDS)
        except self.ray.exceptions.GetTimeoutError:
            log.warning(
                "the cluster has no free GPU for the learner, which shares one with workers"
            )
            self.reserved = None
            return
        if sorted(got) != list(range(self.learner_gpus)):
            log.warning("Ray reserved the GPUs %s for the learner, which uses the first ones", got)

    def _grow(self) -> None:
        """Start workers on machines that have joined the cluster."""
        now = time.monotonic()
        if not self.grows or self.address == "local" or now - self.looked_at < GROW_SECONDS:
            return
        self.looked_at = now
        more = range(self.workers, self._resources().workers)
        for slot in more:
            self.actors.append(self._spawn())
            for _ in range(ITEMS_IN_FLIGHT):
                self._submit(next(self.work), slot)
        if more:
            self.workers = more.stop
            log.warning("the cluster has grown: %d workers now", self.workers)

    def _warm_machines(self) -> None:
        """Compile the game once per machine: N workers that start at once would each compile it."""
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
        self.warm_up()  # this machine, in this process, which needs the game too
        self.ray.get(others)

    def _spawn(self) -> Any:
        options = {
            "num_cpus": self.cores,
            "num_gpus": self.gpu_share,
            "max_restarts": 0,  # the driver replaces it, since it knows which games were lost
            "scheduling_strategy": "SPREAD",
        }
        actor = self.ray.remote(concurrency_groups={CONTROL: 1})(Actor)
        make = self.make_worker
        if self.says_threads:
            make = functools.partial(make, threads=self.cores)
        return actor.options(**options).remote(make)

    def _await_workers(self) -> None:
        """Return when every worker is up, or after START_SECONDS with at least one: the others join
        when the cluster has room for them. Raises UserError when none is up by then."""
        starting = {self._ready(slot): slot for slot in range(self.workers)}
        while starting and (
            ready := self.ray.wait(list(starting), num_returns=1, timeout=START_SECONDS)[0]
        ):
            slot = starting.pop(ready[0])
            try:
                self.ray.get(ready[0])
                self.up.add(slot)
            except self._losses() as error:
                self._replace(slot, self.actors[slot], error)
                starting[self._ready(slot)] = slot
            except self.ray.exceptions.RayTaskError as error:
                raise (error.cause if isinstance(error.cause, UserError) else error) from None
        if not self.up:
            free = self.ray.available_resources()
            raise UserError(
                f"no worker could start within {START_SECONDS:.0f} seconds: each needs"
                f" {self.cores} CPU and {self.gpu_share:g} GPU, and the cluster has"
                f" {free.get('CPU', 0):g} CPU"
                f" and {free.get('GPU', 0):g} GPU free"
            )
        if starting:
            log.warning(
                "%d of %d workers are up; the others join later", len(self.up), self.workers
            )

    def _ready(self, slot: int) -> Any:
        return self.actors[slot].ready.remote(self.version, [self.weights])

    # -- working -----------------------------------------------------------------------------------

    def _submit(self, item: WorkItem, slot: int) -> None:
        if not item.ids:  # the actor died after its last game
            item = next(self.work)
        actor = self.actors[slot]
        play = actor.play.options(
            num_returns="streaming", _generator_backpressure_num_objects=BATCHES_IN_TRANSIT
        )
        # A list keeps Ray from fetching the weights before the actor asks for them.
        stream = play.remote(item, self.version, [self.weights])
        self.pending[stream] = Pending(item, slot, actor)

    def _losses(self) -> tuple[type[Exception], ...]:
        """Exceptions of Ray for a lost actor, machine or result."""
        errors = self.ray.exceptions
        return (
            errors.RayActorError,
            errors.ObjectLostError,
            errors.OutOfMemoryError,
            errors.NodeDiedError,
            errors.WorkerCrashedError,
        )

    def _replace(self, slot: int, actor: Any, error: Exception) -> None:
        """Replace a dead worker, unless the loss of another item has done so already."""
        if self.actors[slot] is not actor:
            return
        if getattr(error, "actor_init_failed", False):  # it could not even unpickle its arguments
            raise error
        self.checked_at = 0.0  # it may have died with its cluster
        self._require_cluster()
        self.deaths_in_a_row += 1
        if self.deaths_in_a_row > DEATHS_PER_WORKER * self.workers:
            raise RuntimeError(
                f"{self.deaths_in_a_row} workers died in a row without finishing any games"
            ) from error
        reason = str(error).strip().splitlines()[0]
        log.warning("a self-play worker died (%s); another one takes its games", reason)
        self.up.discard(slot)
        self.ray.kill(actor)  # it may be alive but unreachable
        self.actors[slot] = self._spawn()
        self.replaced += 1


def make_gauge(name: str, description: str, tags: tuple[str, ...]) -> Any:
    """Make a gauge served on this machine's metrics port; Ray must be running."""
    from ray.util import metrics

    return metrics.Gauge(name, description, tags)


def _call(function: Callable[[], None]) -> None:
    function()


def import_ray(address: str) -> Any:
    """Import ray with the environment that `address` needs. Raises UserError if not installed."""
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


def lost_cluster(reason: str) -> str:
    """The message of a run whose cluster is lost."""
    return (
        f"the Ray cluster is lost: {reason}; games and checkpoints are on the disk,"
        " and the same command resumes the run"
    )


def check_reachable(address: str, seconds: float = CONNECT_SECONDS) -> None:
    """Raise OSError when nothing listens at host:port: Ray would retry for many minutes."""
    host, colon, port = address.rpartition("//")[2].rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), seconds).close()
