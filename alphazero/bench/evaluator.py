"""Speed of the networks alone: evaluations per second by size and batch."""

from collections.abc import Callable, Iterator

import numpy as np

from alphazero.bench.measure import CPU, WALL, Clock, Effort, Measurement, rate
from alphazero.config import NetworkConfig
from alphazero.evaluate import Evaluator, Leaves
from alphazero.game import Game, load
from alphazero.network.evaluator import NetworkEvaluator
from alphazero.network.model import build

GAME = "connect4"
SIZES = ("b1c16", "b4c32", "b6c96", "b10c128")
BATCHES = (1, 8, 32, 64, 256)
DEVICE_BATCHES = (64, 256, 1024, 4096)


def evaluator_suite(effort: Effort) -> Iterator[Measurement]:
    """Evaluations per second of networks on this machine's best device, one thread on a CPU."""
    game = load(GAME)
    for size in SIZES[:2] if effort.is_quick else SIZES:
        evaluator = make_evaluator(game, size)
        on_cpu = evaluator.device.type == "cpu"
        for batch in BATCHES if on_cpu else DEVICE_BATCHES:
            speed = rate(evaluating(game, evaluator, batch), effort, clock_of(evaluator))
            name = f"{GAME}, {size}, {evaluator.device}, batch {batch}"
            yield Measurement(name, speed, "evals/s")


def make_evaluator(game: Game, size: str) -> NetworkEvaluator:
    return NetworkEvaluator(build(game, NetworkConfig(size=size)), "auto")


def clock_of(evaluator: NetworkEvaluator) -> Clock:
    """CPU seconds say nothing about work that a device does."""
    return CPU if evaluator.device.type == "cpu" else WALL


def evaluating(game: Game, evaluator: Evaluator, batch: int) -> Callable[[], int]:
    """One batch of random planes; returns its size."""
    rng = np.random.default_rng(0)
    leaves = Leaves(
        rng.integers(0, 2, (batch, *game.planes), np.uint8),
        game.empty_states(batch),
        np.zeros(batch, np.uint64),
    )

    def work() -> int:
        evaluator.evaluate(leaves)
        return batch

    return work
