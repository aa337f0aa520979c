"""Self-play end to end: its speed, the load of its device, the cost of all but the network.

    python -m alphazero bench selfplay --game go:size=9 --network b6c64 --device cpu

Only a stretch of it is measured, from one batch to another, with games at all stages. With
`--threads 2` these are compared with one thread and with two processes, by turns: by the clock,
which says something only on as many quiet cores, and by CPU time, which always does.
"""

import contextlib
import multiprocessing
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from alphazero.bench.evaluator import clock_of, evaluating
from alphazero.bench.measure import CPU, Clock, Effort, Measurement, rate
from alphazero.config import NetworkConfig, SearchConfig, SelfPlayConfig
from alphazero.game import Game, load
from alphazero.network.evaluator import Evaluation, Evaluator, Leaves
from alphazero.network.flops import matrix_rate, operations
from alphazero.network.network import Network
from alphazero.network.network_evaluator import NetworkEvaluator
from alphazero.network.registry import build
from alphazero.selfplay.play import SelfPlay

GAMES = ("tic-tac-toe", "connect4")
GOAL = 0.7  # of the bare evaluator's speed at the same batch size
STRETCH = 20  # times as long as another measurement: a move of every game, at least
TURNS = 3  # of the comparison of threads and processes
SPEEDUP = 1.7  # goal of two threads on two quiet cores
CPU_LIMIT = 1.1  # CPU time of a simulation with several threads, of that with one
ROUNDS = 2  # moves of every game, at least
# Where the CPU time of a simulation goes.
SELECT = "back up and select"
STEP = "play, judge and observe leaves"
EVALUATE = "evaluate"
REST = "moves, records, Python"


@dataclass(frozen=True)
class Workload:
    """The game, the network and the device that are measured."""

    game: str = "connect4"
    network: str = "b4c32"
    device: str = "auto"
    precision: str = "auto"
    games: int = 64  # searched in one batch
    simulations: int = 64
    threads: int = 1  # that play on the processor, else search

    def build(self, game: Game) -> Network:
        return build(game, NetworkConfig(size=self.network))

    def evaluator(self, game: Game) -> NetworkEvaluator:
        return NetworkEvaluator(self.build(game), self.device, precision=self.precision)

    def worker(self, game: Game, evaluator: Evaluator) -> SelfPlay:
        """Self-play whose games begin after random moves, so that soon they are at all stages."""
        search = SearchConfig(simulations=self.simulations)
        plies = int(np.prod(game.planes[1:])) // 2
        settings = SelfPlayConfig(
            parallel_games=self.games, opening_plies=plies, threads=self.threads
        )
        return SelfPlay(game, evaluator, search, settings)


class Reading(NamedTuple):
    """All counters at one moment."""

    wall: float  # seconds, as those that follow
    cpu: float
    busy: float  # of the device, or of the processor with the network
    select: float  # of CPU time, as those that follow
    step: float
    evaluate: float
    simulations: float
    positions: float
    evaluations: float
    batches: float

    def since(self, before: "Reading") -> "Reading":
        return Reading(*(now - then for now, then in zip(self, before, strict=True)))


@dataclass
class Phases:
    """Seconds by what they were spent on."""

    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def timed(
        self, phase: str, function: Callable[..., Any], clock: Clock = CPU
    ) -> Callable[..., Any]:
        """The function, with its time added to a phase."""

        def wrapper(*args: Any) -> Any:
            began = clock()
            try:
                return function(*args)
            finally:
                spent = clock() - began
                with self._lock:
                    self.seconds[phase] = self.seconds.get(phase, 0.0) + spent

        return wrapper


class StretchEnded(Exception):
    """The stretch of self-play has been measured."""


class Observer(Evaluator):
    """Times the network's batches, and calls `before_batch` ahead of each."""

    name = "observer"

    def __init__(
        self, inner: NetworkEvaluator, phases: Phases, before_batch: Callable[[], None]
    ) -> None:
        self.pipelines, self.concurrent = inner.pipelines, inner.concurrent
        self._inner = inner
        self._phases = phases
        self._before_batch = before_batch

    def submit(self, leaves: Leaves) -> Callable[[], Evaluation]:
        self._before_batch()
        clock = time.thread_time if self.concurrent else CPU
        wait = self._phases.timed(EVALUATE, self._inner.submit, clock)(leaves)
        return self._phases.timed(EVALUATE, wait, clock)


def selfplay_suite(effort: Effort, workload: Workload | None = None) -> Iterator[Measurement]:
    """Measure one workload, or small ones that any machine can run."""
    chosen = [Workload(name) for name in (GAMES[:1] if effort.is_quick else GAMES)]
    for one in chosen if workload is None else [workload]:
        yield from measure(one, effort)
        if one.threads > 1:
            yield from compare(one, effort)


def compare(workload: Workload, effort: Effort) -> Iterator[Measurement]:
    """Several threads beside one, and beside as many processes of one thread, by turns."""
    count = workload.threads
    ways = {
        "one thread": (replace(workload, threads=1), 1),
        f"{count} threads": (workload, 1),
        f"{count} processes": (replace(workload, threads=1), count),
    }
    context = multiprocessing.get_context("spawn")
    with contextlib.ExitStack() as stack:
        # One for each process, so that each has its share.
        pools = [stack.enter_context(ProcessPoolExecutor(1, context)) for _ in range(count)]

        def once(work: Workload, processes: int) -> tuple[float, float]:
            """Simulations per second of all processes, and CPU seconds of a simulation."""
            waiting = [pool.submit(stretch_of, work, effort) for pool in pools[:processes]]
            found = [one.result() for one in waiting]
            speed = sum(one.simulations / one.wall for one in found)
            return speed, statistics.mean(one.cpu / one.simulations for one in found)

        for pool in pools:  # compile and load
            pool.submit(stretch_of, replace(workload, threads=1), Effort.quick()).result()
        turns = 1 if effort.is_quick else TURNS
        rows = [{name: once(*way) for name, way in ways.items()} for _ in range(turns)]

    def median(name: str, figure: int) -> float:
        return statistics.median(row[name][figure] for row in rows)

    title = f"{workload.game}, {workload.network}, {workload.games} games x {workload.simulations}"
    for name in ways:
        note = f"by the clock, {median(name, 1) * 1e6:,.3g} µs of CPU time each"
        yield Measurement(f"{title}, {name}", median(name, 0), "simulations/s", note=note)
    single, several, processes = ways
    for name, goal in ((several, SPEEDUP if count == 2 else None), (processes, None)):
        gain = statistics.median(row[name][0] / row[single][0] for row in rows)
        yield Measurement(f"{title}, {name} / {single}", gain, "x", goal, "by the clock")
    cost = statistics.median(row[several][1] / row[single][1] for row in rows)
    name = f"{title}, CPU time of {several} / {single}"
    yield Measurement(name, cost, "x", limit=CPU_LIMIT, note="of a simulation")


def stretch_of(workload: Workload, effort: Effort) -> "Reading":
    """Measure a stretch, in any process."""
    game = load(workload.game)
    return stretch(workload, game, workload.evaluator(game), effort)


def measure(workload: Workload, effort: Effort) -> Iterator[Measurement]:
    """All figures of a workload."""
    game = load(workload.game)
    network = workload.evaluator(game)
    found = stretch(workload, game, network, effort)
    on_cpu = network.device.type == "cpu"
    seconds = found.cpu if on_cpu else found.wall
    batch = round(found.evaluations / found.batches)
    speed = found.evaluations / seconds
    bare = rate(evaluating(game, network, batch), effort, clock_of(network))
    work = operations(workload.build(game))
    floor = matrix_rate(network.device, network.dtype, 0.0 if effort.is_quick else 1.0)
    kind = str(network.dtype).removeprefix("torch.")
    where = f"{kind} on {network.device}"
    title = f"{workload.game}, {workload.network}, {workload.games} games x {workload.simulations}"
    title += f", {workload.threads} threads" if workload.threads > 1 else ""
    room = workload.games / network.pipelines
    clock = "of CPU time" if on_cpu else "of wall time"

    def figure(name: str, value: float, unit: str, note: str = "", goal: float | None = None):
        return Measurement(f"{title}, {name}", value, unit, goal, note)

    yield figure("positions", found.positions / seconds, "positions/s", clock)
    yield figure("simulations", found.simulations / seconds, "simulations/s", clock)
    yield figure("self-play", speed, "evals/s", f"{where}, {clock}")
    yield figure("bare network", bare, "evals/s", f"batch {batch}")
    goal = GOAL if workload.network == Workload.network else None
    yield figure("self-play / bare", speed / bare, "x", goal=goal)
    yield figure(
        "batch fill", found.evaluations / found.batches / room, "of 1", f"of {room:g} rows"
    )
    share = found.busy / found.wall / (workload.threads if network.concurrent else 1)
    yield figure("device busy", share, "of 1", "share of wall time")
    yield figure("matrix rate", floor / 1e9, "GFLOP/s", where)
    note = f"{work / 1e6:,.4g} million operations an evaluation"
    if on_cpu and kind == "float32":
        note += "; above 1 where Winograd needs fewer"
    yield figure("share of the matrix rate", speed * work / floor, "of 1", note)
    cost = found.cpu / found.simulations * 1e6
    yield figure("CPU time", cost, "µs/simulation")
    yield figure("wall time", found.wall / found.simulations * 1e6, "µs/simulation")
    spent = {SELECT: found.select, STEP: found.step, EVALUATE: found.evaluate}
    for phase, share in {**spent, REST: found.cpu - sum(spent.values())}.items():
        note = f"{share / found.simulations * 1e6:,.3g} µs a simulation"
        yield figure(f"time in: {phase}", share / found.cpu, "of 1", note)


def stretch(workload: Workload, game: Game, network: NetworkEvaluator, effort: Effort) -> Reading:
    """The counters' changes while every game made at least `ROUNDS` moves."""
    readings: list[Reading] = []
    turn = threading.Lock()  # of threads

    def before_batch() -> None:
        """Begin once every game has moved; end after `ROUNDS` moves of each and enough time."""
        with turn:
            begin_or_end(sum(lane.search.num_trees for lane in worker.lanes))

    def begin_or_end(trees: int) -> None:
        if not readings:
            if worker.stats.plies >= trees:
                readings.append(read())
            return
        if len(readings) == 2:  # another thread has ended it
            raise StretchEnded
        first = readings[0]
        if time.perf_counter() - first.wall < STRETCH * effort.seconds:
            return
        if positions(worker) - first.positions >= ROUNDS * trees:
            readings.append(read())
            raise StretchEnded

    def read() -> Reading:
        spent = phases.seconds
        return Reading(
            time.perf_counter(),
            CPU(),
            network.busy,
            spent[SELECT],
            spent[STEP],
            spent[EVALUATE],
            simulations(worker),
            positions(worker),
            sum(lane.search.rows_evaluated for lane in worker.lanes),
            sum(lane.search.batches for lane in worker.lanes),
        )

    phases = Phases()
    worker = workload.worker(game, Observer(network, phases, before_batch))
    with timed_kernels(worker, phases), contextlib.suppress(StretchEnded):
        worker.play(1 << 40, first_id=0, seed=1)
    first, last = readings
    return last.since(first)


def heads_of(worker: SelfPlay) -> np.ndarray:
    """The heads of all trees that are searching."""
    heads = np.concatenate([lane.search._trees.heads for lane in worker.lanes])
    return heads[heads["active"]]


def simulations(worker: SelfPlay) -> float:
    """Simulations so far, those of searches under way included."""
    heads = heads_of(worker)
    return worker.stats.simulations + float(heads["done"].sum())


def positions(worker: SelfPlay) -> float:
    """Positions searched so far, those under way by the share that is done."""
    heads = heads_of(worker)
    return worker.stats.plies + float((heads["done"] / np.maximum(heads["budget"], 1)).sum())


@contextlib.contextmanager
def timed_kernels(worker: SelfPlay, phases: Phases) -> Iterator[None]:
    """Time the two kernel calls of every search step.

    The search has no hook for it, which would slow it down: a benchmark may reach in.
    """
    before = []
    for lane in worker.lanes:
        search: Any = lane.search
        kernels, step_leaves = search._kernels, search._step_leaves
        before.append((search, kernels, step_leaves))
        # Several threads may be in them, each of which counts its own time.
        select = phases.timed(SELECT, kernels.backup_and_select, time.thread_time)
        search._kernels = kernels._replace(backup_and_select=select)
        search._step_leaves = phases.timed(STEP, step_leaves, time.thread_time)
    try:
        yield
    finally:
        for search, kernels, step_leaves in before:
            search._kernels, search._step_leaves = kernels, step_leaves
