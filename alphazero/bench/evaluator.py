"""Speed of the networks alone: evaluations per second by size and batch.

KataGo's smallest network, 6 blocks of 96 channels on 19x19, is the yardstick for a core, beside the
speed of numpy's matrix products there: 127 evaluations/s where these do 80 GFLOP/s.
"""

from collections.abc import Callable, Iterator

import numpy as np

from alphazero.bench.measure import CPU, WALL, Clock, Effort, Measurement, rate, rates
from alphazero.config import NetworkConfig
from alphazero.game import Game, load
from alphazero.network.evaluator import Evaluator, Leaves
from alphazero.network.flops import numpy_rate
from alphazero.network.network_evaluator import NetworkEvaluator
from alphazero.network.registry import build

GAME = "connect4"
SIZES = ("b1c16", "b4c32", "b6c96", "b10c128")
BATCHES = (1, 8, 32, 64, 256)
DEVICE_BATCHES = (64, 256, 1024, 4096)
YARDSTICK = NetworkConfig(size="b6c96", global_pooling=True)
YARDSTICK_GAME, YARDSTICK_BATCH = "go:size=19", 8
YARDSTICK_SHARE = 0.9 * 127 / 80  # evaluations for a GFLOP of numpy's


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
    yield from yardstick(effort)


def yardstick(effort: Effort) -> Iterator[Measurement]:
    """KataGo's b6c96 on one core, in every precision, and numpy's products in the same minute."""
    game = load(YARDSTICK_GAME)
    precisions = ["float32"] if effort.is_quick else ["float32", "bfloat16"]
    evaluators = [
        NetworkEvaluator(build(game, YARDSTICK), "cpu", precision=precision)
        for precision in precisions
    ]
    speeds = rates([evaluating(game, one, YARDSTICK_BATCH) for one in evaluators], effort)
    products = numpy_rate(effort.seconds) / 1e9
    title = f"{YARDSTICK_GAME}, {YARDSTICK.size}, cpu, batch {YARDSTICK_BATCH}"
    for precision, speed in zip(precisions, speeds, strict=True):
        yield Measurement(f"{title}, {precision}", speed, "evals/s")
    yield Measurement("numpy, products of float32 matrices, one core", products, "GFLOP/s")
    per_product = speeds[0] / products
    yield Measurement(f"{title}, float32 / products", per_product, "evals/GFLOP", YARDSTICK_SHARE)


def make_evaluator(game: Game, size: str) -> NetworkEvaluator:
    """An untrained network of a size on this machine's best device."""
    return NetworkEvaluator(build(game, NetworkConfig(size=size)), "auto")


def clock_of(evaluator: NetworkEvaluator) -> Clock:
    """CPU time, or wall time for a device whose work CPU seconds do not show."""
    return CPU if evaluator.device.type == "cpu" else WALL


def evaluating(game: Game, evaluator: Evaluator, batch: int) -> Callable[[], int]:
    """Evaluate a batch of random planes for each pipeline; returns the number of rows."""
    planes = np.random.default_rng(0).integers(0, 2, (batch, *game.planes), np.uint8)
    if game.board_plane is not None:
        planes[:, game.board_plane] = 1  # whole boards, as in self-play
    leaves = Leaves(planes, game.empty_states(batch), np.zeros(batch, np.uint64))

    def work() -> int:
        for wait in [evaluator.submit(leaves) for _ in range(evaluator.pipelines)]:
            wait()
        return batch * evaluator.pipelines

    return work
