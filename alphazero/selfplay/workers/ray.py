"""Self-play on Ray actors, on this machine or on a cluster: the only module that imports ray.

    driver (the loop, the learner)                    actor 1 … actor N (one Worker each)
    ──────────────────────────────                    ───────────────────────────────────
    ray.put(weights), once per version  ──────────►   renew: fetched between two batches of games
    play(call, version, [weights])      ──────────►   two calls in flight: one played, one queued
    ray.wait                            ◄──────────   Chunks of finished records, every few seconds

Work is finite calls whose results are streamed. An actor stops when two chunks wait for the driver
(backpressure), so that what is in transit is bounded by the number of actors. A lost actor costs
only its unfinished games: the driver starts another one and submits them again. An ordinary
exception in a worker is a bug and ends the run with the worker's traceback.

Ray's habits that this module deals with (Ray 2.60):
* since 2.59 a local cluster turns token authentication on for the next clusters of this user as
  well; both sides must say so (`RAY_AUTH_MODE`), before ray is imported;
* `ray.init()` joins any cluster it finds on the machine; `address="local"` does not;
* workers run at nice 15: `NICENESS`;
* it replaces the handlers of signals: install others after `start`;
* an exception in an actor's `__init__` looks like a dead actor: the first call makes the worker.
"""

import functools
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from alphazero.cores import object_store_bytes
from alphazero.errors import UserError
from alphazero.selfplay.workers.inline import Call, Chunk, Weights, Worker
from alphazero.selfplay.workers.ray_actor import Actor, Reservation
from alphazero.selfplay.workers.ray_resources import Allotment, allot, cores_wanted

log = logging.getLogger(__name__)

# Below the learner, which the actors wait for, and below what a person does on the same machine. At
# Ray's own 15 an actor gets 3 % of a core that one ordinary process uses as well; at 5 it is 25 %.
NICENESS = "5"
CALLS_IN_FLIGHT = 2  # per actor: the next one is there when one is finished
POLL_SECONDS = 0.5  # how long collect waits at most, so that a signal is noticed
DEATHS_PER_WORKER = 3  # without a finished call in between: something is wrong with all of them
CONNECT_SECONDS = 10.0  # how long a cluster may take to answer
START_SECONDS = 180.0  # a cluster that cannot place one worker in this time is too busy
CHUNKS_IN_TRANSIT = 2  # per call: more are not played before the driver has taken one
GROW_SECONDS = 15.0  # how often a cluster is asked for machines that have joined it
CONTROL = "control"  # what an actor does while it plays


class Pending(NamedTuple):
    """A call in flight."""

    call: Call
    slot: int  # which of the N workers it was given to
    actor: Any  # the actor in that slot at the time


class RayExecutor:
    """Keeps `workers` actors busy with the calls of `work`; see `training.executor.Executor`.

    `workers` 0 means one per GPU or, where there is none, one per core, also of machines that join
    later. `address` joins a running cluster ("auto" or host:port); None takes RAY_ADDRESS and,
    where that is unset, starts Ray on this machine alone.
    `warm_up` runs once on every machine before workers start there (it compiles the game).
    Workers get `gpus_per_worker` of a GPU (0: see `allot`) unless `gpus` is False; `learner_gpus`
    of this machine are the caller's own. They take a core each, or, if `threads` is given, as many
    as `allot` makes of it, which `make_worker` is then called with.
    """

    plays_in_collect, is_exhausted = False, False

    def __init__(
        self,
        make_worker: Callable[..., Worker],
        work: Iterator[Call],
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
        self.reserved: Any = None  # holds the learner's GPUs, if Ray might give them away
        self.actors: list[Any] = []
        self.up: set[int] = set()  # slots whose actor has answered
        self.pending: dict[Any, Pending] = {}  # by the stream of its results
        self.arrived: deque[Any] = deque()  # streams that have something for us
        self.looked_at = 0.0  # when the cluster was asked last how large it is
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
        for slot in self.up:  # for others the messages, each with its weights, would pile up
            renew = self.actors[slot].renew.options(concurrency_group=CONTROL)
            renew.remote(version, [self.weights])

    def collect(self, wait: bool) -> Chunk | None:
        self._grow()
        if not self.arrived:
            self._look(wait)
        while self.arrived:
            stream = self.arrived.popleft()
            pending = self.pending[stream]
            try:
                chunk: Chunk = self.ray.get(next(stream))
            except StopIteration:
                del self.pending[stream]
                self._submit(next(self.work), pending.slot)
                continue
            except self._losses() as error:
                del self.pending[stream]
                self._replace(pending.slot, pending.actor, error)
                self._submit(pending.call, pending.slot)
                continue
            except self.ray.exceptions.RayTaskError as error:
                raise (error.cause if isinstance(error.cause, UserError) else error) from None
            self.deaths_in_a_row = 0
            if self.actors[pending.slot] is pending.actor:
                self.up.add(pending.slot)
            done = pending.call.done.union(record_ids(chunk))
            self.pending[stream] = pending._replace(call=pending.call._replace(done=done))
            return chunk
        return None

    def _look(self, wait: bool) -> None:
        """Find all streams that have something. One look at many streams is much cheaper than a
        look for each of them."""
        streams = list(self.pending)
        self.arrived.extend(self.ray.wait(streams, num_returns=len(streams), timeout=0)[0])
        if wait and not self.arrived:
            self.arrived.extend(self.ray.wait(streams, timeout=POLL_SECONDS)[0])

    def close(self) -> None:
        if hasattr(self, "ray"):
            self.ray.shutdown()
        self.actors, self.pending, self.weights, self.reserved = [], {}, None, None
        self.arrived.clear()

    def pids(self) -> list[int]:
        """Process numbers of the workers, each on its own machine."""
        return self.ray.get([actor.pid.remote() for actor in self.actors])

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
        self._reserve()
        self.workers, self.gpu_share, self.cores = self._allotment()

    def _allotment(self) -> Allotment:
        """What workers there are, and what each gets, of what the cluster has now."""
        machines = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        if not self.gpus:
            machines = [{**machine, "GPU": 0} for machine in machines]
        workers, taken = 0 if self.grows else self.workers, self.learner_gpus * bool(self.reserved)
        return allot(machines, workers, self.gpus_per_worker, threads=self.threads, taken=taken)

    def _reserve(self) -> None:
        """Keep the learner's GPUs from being given to workers, where there are others for them and
        Ray does not know of the learner (as it does of a job with --entrypoint-num-gpus)."""
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
            log.warning("the cluster has no GPU free for the learner, which shares one with others")
            self.reserved = None
            return
        if sorted(got) != list(range(self.learner_gpus)):
            log.warning("Ray keeps the GPUs %s for the learner, which uses the first ones", got)

    def _grow(self) -> None:
        """Start workers on machines that have joined the cluster."""
        now = time.monotonic()
        if not self.grows or self.address == "local" or now - self.looked_at < GROW_SECONDS:
            return
        self.looked_at = now
        more = range(self.workers, self._allotment().workers)
        for slot in more:
            self.actors.append(self._spawn())
            for _ in range(CALLS_IN_FLIGHT):
                self._submit(next(self.work), slot)
        if more:
            self.workers = more.stop
            log.warning("the cluster has grown: %d workers now", self.workers)

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
            "num_cpus": self.cores,
            "num_gpus": self.gpu_share,
            "max_restarts": 0,  # the driver replaces it: only the driver knows what was lost
            "scheduling_strategy": "SPREAD",
        }
        actor = self.ray.remote(concurrency_groups={CONTROL: 1})(Actor)
        make = self.make_worker
        if self.says_threads:
            make = functools.partial(make, threads=self.cores)
        return actor.options(**options).remote(make)

    def _await_workers(self) -> None:
        """Return when every worker is up, or when at least one is and time is over: the others
        join when the cluster has room for them."""
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

    def _submit(self, call: Call, slot: int) -> None:
        if not call.ids:  # it died after its last game
            call = next(self.work)
        actor = self.actors[slot]
        play = actor.play.options(
            num_returns="streaming", _generator_backpressure_num_objects=CHUNKS_IN_TRANSIT
        )
        # A list keeps Ray from fetching the weights before the actor asks for them.
        stream = play.remote(call, self.version, [self.weights])
        self.pending[stream] = Pending(call, slot, actor)

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
        self.up.discard(slot)
        self.ray.kill(actor)  # it may be unreachable rather than dead, and go on
        self.actors[slot] = self._spawn()
        self.replaced += 1


def make_gauge(name: str, description: str, tags: tuple[str, ...]) -> Any:
    """A gauge that this machine's metrics port serves, once Ray is up."""
    from ray.util import metrics

    return metrics.Gauge(name, description, tags)


def record_ids(chunk: Chunk) -> list[int]:
    return [record.game_id for record in chunk.records]


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
