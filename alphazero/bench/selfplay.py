"""Self-play end to end against the bare evaluator: what everything around the network costs."""

import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from alphazero.bench.evaluator import clock_of, evaluating, make_evaluator
from alphazero.bench.measure import Clock, Effort, Measurement, rate
from alphazero.config import SearchConfig, SelfPlayConfig
from alphazero.evaluate import Evaluation, Evaluator, Leaves
from alphazero.game import load
from alphazero.search import leaves as leaf_kernels
from alphazero.training.selfplay import SelfPlay

SIZE = "b4c32"
SIMULATIONS = 64
PARALLEL_GAMES = 64
GAMES = ("tic-tac-toe", "connect4")
GOAL = 0.7  # of the bare evaluator's speed at the same batch size


@dataclass
class Phases:
    """Seconds by what they were spent on."""

    clock: Clock
    seconds: dict[str, float] = field(default_factory=dict)

    def timed(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time added to a phase."""

        def wrapper(*args: Any) -> Any:
            began = self.clock()
            try:
                return function(*args)
            finally:
                self.seconds[phase] = self.seconds.get(phase, 0.0) + self.clock() - began

        return wrapper


class TimedEvaluator(Evaluator):
    """Passes everything on and adds up the time it takes."""

    def __init__(self, inner: Evaluator, phases: Phases) -> None:
        self.name = inner.name
        self._inner = inner
        self._phases = phases

    def submit(self, leaves: Leaves) -> Callable[[], Evaluation]:
        wait = self._phases.timed("evaluate", self._inner.submit)(leaves)
        return self._phases.timed("evaluate", wait)

    def evaluate(self, leaves: Leaves) -> Evaluation:
        return self.submit(leaves)()

    def auxiliary(self, planes: np.ndarray) -> dict[str, np.ndarray]:
        return self._inner.auxiliary(planes)


def selfplay_suite(effort: Effort) -> Iterator[Measurement]:
    """Evaluations per second in self-play and bare, how full the batches are, where time goes."""
    for name in GAMES[:1] if effort.is_quick else GAMES:
        game = load(name)
        network = make_evaluator(game, SIZE)
        phases = Phases(clock_of(network))
        search = SearchConfig(simulations=SIMULATIONS)
        settings = SelfPlayConfig(parallel_games=PARALLEL_GAMES)
        worker = SelfPlay(game, TimedEvaluator(network, phases), search, settings)
        games = 8 if effort.is_quick else 4 * PARALLEL_GAMES
        worker.play(2, first_id=0, seed=0)  # compiles
        before, phases.seconds = copy.copy(worker.stats), {}
        with timed_kernels(worker, phases):
            began = phases.clock()
            worker.play(games, first_id=2, seed=1)
            seconds = phases.clock() - began
        stats = worker.stats.since(before)
        batch = stats.evaluations / stats.batches
        speed = stats.evaluations / seconds
        bare = rate(evaluating(game, network, round(batch)), effort, clock_of(network))
        title = f"{name}, {SIZE}, {PARALLEL_GAMES} games x {SIMULATIONS}"
        yield Measurement(f"{title}, self-play", speed, "evals/s")
        yield Measurement(f"{title}, bare network", bare, "evals/s", note=f"batch {round(batch)}")
        yield Measurement(f"{title}, self-play / bare", speed / bare, "x", GOAL)
        yield Measurement(f"{title}, batch fill", batch / PARALLEL_GAMES, "of 1")
        yield Measurement(f"{title}, simulations", stats.simulations / seconds, "simulations/s")
        yield Measurement(f"{title}, positions", stats.plies / seconds, "positions/s")
        rest = seconds - sum(phases.seconds.values())
        for phase, spent in {**phases.seconds, "moves, records, Python": rest}.items():
            yield Measurement(f"{title}, time in: {phase}", spent / seconds, "of 1")


@contextlib.contextmanager
def timed_kernels(worker: SelfPlay, phases: Phases) -> Iterator[None]:
    """While this is entered, the two kernel calls of every search step are timed.

    The search has no hook for it, so as not to be slowed down by one: a benchmark may reach in.
    """
    search: Any = worker._search
    advance, step_leaves = leaf_kernels.advance, search._step_leaves
    leaf_kernels.advance = phases.timed("back up and select", advance)
    search._step_leaves = phases.timed("play, judge and observe leaves", step_leaves)
    try:
        yield
    finally:
        leaf_kernels.advance, search._step_leaves = advance, step_leaves
