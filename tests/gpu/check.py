"""What only a CUDA device can show, as one table: correctness first, then speed.

    network    every architecture's answers on the device against those of the CPU in float32
    graphs     recorded graphs against the same work afresh, before and after new weights
    learner    a training step, against the CPU's loss, and how many there are in a second
    overlap    evaluations with two batches under way against one at a time
    self-play  evaluations, and their share of the device's matrix rate, by network and board

Self-play goes on for as long as time is left: the last rows are left out rather than the limit
broken. Run by `tests/gpu/check.sh`.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from alphazero.bench.measure import WALL, Effort, rate
from alphazero.bench.selfplay import Workload, measure
from alphazero.config import LearnerConfig, NetworkConfig
from alphazero.game import Game, load
from alphazero.learning.learner import Learner
from alphazero.network.evaluator import Leaves
from alphazero.network.network_evaluator import NetworkEvaluator
from alphazero.network.registry import ARCHITECTURES, build
from alphazero.network.weights import weights_of
from tests.helpers.network_games import random_batch, random_planes, trained

SECONDS = 540.0  # after which no new row is begun
LEAST_FOR_SELF_PLAY = 90.0  # seconds that a row of self-play may take, rules compiled included
LARGEST_ERROR = 0.1  # of the largest logit, and of a probability: bfloat16 through many layers
OVERLAP_GOAL = 1.0  # two batches under way are at least as fast as one
SIZES, BOARDS = ("b6c96", "b10c128", "b20c256"), ("go:size=9,komi=7", "go:size=19")
OPTIONS = {
    "plain": NetworkConfig(size="b6c96"),
    "pooling": NetworkConfig(size="b6c96", global_pooling=True),
    "squeeze": NetworkConfig(size="b6c96", squeeze_excitation=True),
    "convolutional": NetworkConfig(size="b6c96", trunk="convolutional"),
}


class Plan(NamedTuple):
    """How much is done where."""

    device: str
    boards: tuple[str, ...]
    sizes: tuple[str, ...]
    options: dict[str, NetworkConfig]
    rows: int  # of a batch
    games: int  # in parallel
    simulations: int
    effort: Effort


REAL = Plan("cuda", BOARDS, SIZES, OPTIONS, 256, 1024, 64, Effort(3, 0.5))
DRY = Plan(
    "cpu",
    ("tic-tac-toe",),
    ("b1c8",),
    {"pooling": NetworkConfig(size="b1c8", global_pooling=True)},
    8,
    4,
    8,
    Effort.quick(),
)


class Row(NamedTuple):
    """One line of the table."""

    name: str
    value: float
    unit: str
    ok: bool = True
    note: str = ""

    def __str__(self) -> str:
        mark = "ok  " if self.ok else "FAIL"
        return f"{mark}  {self.name:<52} {self.value:>12,.4g}  {self.unit:<14} {self.note}".rstrip()


def leaves_of(game: Game, rows: int, seed: int = 0) -> Leaves:
    """Random planes of whole boards."""
    planes = random_planes(game, rows, seed)
    if game.board_plane is not None:
        planes[:, game.board_plane] = 1
    return Leaves(planes, game.empty_states(rows), np.zeros(rows, np.uint64))


def networks(plan: Plan) -> Iterator[Row]:
    """The device's answers against the CPU's, for every architecture, option and board."""
    for spec in plan.boards:
        game = load(spec)
        leaves = leaves_of(game, plan.rows)
        for architecture in ARCHITECTURES:
            for option, config in plan.options.items():
                network = build(game, config, 1, architecture=architecture).eval()
                one = NetworkEvaluator(network, plan.device).evaluate(leaves)
                other = NetworkEvaluator(network, "cpu", precision="float32").evaluate(leaves)
                scale = float(np.abs(other.logits).max())
                error = float(np.abs(one.logits - other.logits).max()) / scale
                error = max(error, float(np.abs(one.wdl - other.wdl).max()))
                name = f"network: {spec}, {architecture} {option}"
                yield Row(name, error, "largest error", error < LARGEST_ERROR)


def graphs(plan: Plan) -> Iterator[Row]:
    """Recorded graphs in several batch sizes, before and after the weights change."""
    game = load(plan.boards[0])
    old, new = (trained(game, next(iter(plan.options.values())), seed) for seed in (0, 7))
    evaluator = NetworkEvaluator(old, plan.device)
    sizes = (1, 5, plan.rows // 2, plan.rows)
    batches = [leaves_of(game, rows, rows) for rows in sizes]
    before = [evaluator.evaluate(leaves).logits for leaves in batches]
    evaluator.update(weights_of(new))  # raises RuntimeError if a graph does not follow
    fresh = NetworkEvaluator(new, plan.device)
    waits = [evaluator.submit(leaves) for leaves in batches]
    largest, changed = 0.0, True
    for leaves, wait, was in reversed(list(zip(batches, waits, before, strict=True))):
        found, expected = wait().logits, fresh.evaluate(leaves).logits
        largest = max(largest, float(np.abs(found - expected).max() / np.abs(expected).max()))
        changed = changed and not np.array_equal(found, was)
    ok = changed and largest < LARGEST_ERROR
    yield Row(f"graphs: batches of {sizes}, new weights", largest, "largest error", ok)


def learning(plan: Plan) -> Iterator[Row]:
    """A step of the learner on the device and on the CPU, and its speed."""
    game = load(plan.boards[0])
    batch = random_batch(game, plan.rows)
    if game.board_plane is not None:
        batch.planes[:, game.board_plane] = 1
    config = next(iter(plan.options.values()))
    losses = {}
    for device in (plan.device, "cpu"):
        learner = Learner(game, config, LearnerConfig(), device, seed=1)
        losses[device] = learner.step(batch)["loss/total"]
    error = abs(losses[plan.device] - losses["cpu"]) / losses["cpu"]
    yield Row(f"learner: {config.size}, first loss", error, "of the CPU's", error < 0.02)
    learner = Learner(game, config, LearnerConfig(), plan.device, seed=1)

    def step() -> int:
        learner.step(batch)
        return plan.rows

    speed = rate(step, plan.effort, WALL)
    yield Row(f"learner: {config.size}, batches of {plan.rows}", speed, "samples/s")


def overlap(plan: Plan) -> Iterator[Row]:
    """Two batches under way against one: copies beside the work are worth something."""
    game, config = load(plan.boards[0]), next(iter(plan.options.values()))
    evaluator = NetworkEvaluator(build(game, config), plan.device)
    leaves = leaves_of(game, plan.rows)

    def work(under_way: int) -> Callable[[], int]:
        def several() -> int:
            waits = [evaluator.submit(leaves) for _ in range(under_way)]
            for _ in range(20):
                waits.pop(0)()
                waits.append(evaluator.submit(leaves))
            for wait in waits:
                wait()
            return (20 + under_way) * plan.rows

        return several

    one, two = (rate(work(count), plan.effort, WALL) for count in (1, 2))
    ok = plan.device == "cpu" or two / one >= OVERLAP_GOAL
    yield Row("overlap: two batches under way / one", two / one, "x", ok, f"{two:,.0f} evals/s")


def self_play(plan: Plan, until: float) -> Iterator[Row]:
    """Self-play by board and network, while there is time."""
    for spec in plan.boards:
        for size in plan.sizes:
            name = f"self-play: {spec}, {size}"
            if time.monotonic() + LEAST_FOR_SELF_PLAY > until:
                yield Row(f"{name}: no time left", 0.0, "s")
                continue
            workload = Workload(
                spec,
                size,
                plan.device,
                games=plan.games,
                simulations=plan.simulations,
                threads=1 if plan.device == "cpu" else 8,
            )
            wanted = {"self-play", "share of the matrix rate", "device busy"}
            for figure in measure(workload, Effort(1, plan.effort.seconds)):
                what = figure.name.rpartition(", ")[2]
                if what in wanted and figure.value is not None:
                    yield Row(f"{name}, {what}", figure.value, figure.unit, note=figure.note)


def main() -> int:
    """Run all checks; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dry-run", action="store_true", help="without a device: on the CPU")
    options = parser.parse_args()
    has_device = torch.cuda.is_available()
    if not has_device and not options.dry_run:
        print("no CUDA device here: nothing was checked (--dry-run goes through it on the CPU)")
        return 2
    plan = REAL if has_device else DRY
    until = time.monotonic() + SECONDS
    if has_device:
        print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}", flush=True)
    failed = count = 0
    for part in (networks, graphs, learning, overlap, lambda plan: self_play(plan, until)):
        for row in part(plan):
            count += 1
            failed += not row.ok
            if has_device or not row.ok:
                print(row, flush=True)
    if not has_device:
        print(f"no CUDA device here: {count} checks gone through on the CPU, {failed} failed")
    else:
        print(f"{count} rows, {failed} failed, {time.monotonic() - until + SECONDS:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
