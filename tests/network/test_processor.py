"""Batches on the processor in several threads: how they are divided, and what they cost."""

import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable

import numpy as np
import pytest
import torch

from alphazero.config import NetworkConfig, SearchConfig, SelfPlayConfig
from alphazero.game import load
from alphazero.network import network_evaluator as evaluator_module
from alphazero.network.evaluator import Leaves
from alphazero.network.network_evaluator import NetworkEvaluator
from alphazero.network.processor import ProcessorRunner
from alphazero.network.registry import build
from alphazero.network.weights import weights_of
from alphazero.selfplay.play import SelfPlay
from tests.helpers.network_games import column_game, random_planes, trained

PATIENCE = 30.0
CONFIG = NetworkConfig(size="b1c16")


def leaves(planes: np.ndarray) -> Leaves:
    return Leaves(planes, np.zeros(len(planes)), np.zeros(len(planes), np.uint64))


def runner(
    work: Callable[[int], int], threads: int = 2
) -> tuple[ProcessorRunner[int], list[threading.Thread]]:
    """A runner of `work`, and the threads that have done it."""
    used: list[threading.Thread] = []

    def compute(scratch: torch.Tensor, number: int) -> int:
        used.append(threading.current_thread())
        return work(number)

    return ProcessorRunner(compute, lambda: torch.zeros(1), threads), used


def test_one_thread_is_the_callers_and_works_at_once() -> None:
    one, used = runner(lambda number: number + 1, threads=1)
    wait = one.submit(1)
    assert used == [threading.current_thread()] and wait() == 2 and one.idle == 1


def test_two_batches_are_computed_side_by_side() -> None:
    both = threading.Barrier(2)
    two, used = runner(lambda number: number + both.wait(PATIENCE) * 0)
    waits = [two.submit(number) for number in (1, 2)]
    assert two.idle == 1
    assert [wait() for wait in waits] == [1, 2] and two.idle == 2
    assert len(set(used)) == 2


def test_who_waits_for_a_batch_that_nobody_has_begun_computes_it() -> None:
    """Other programs may keep the threads from their cores."""
    go_on = threading.Event()
    two, used = runner(lambda number: number if number else go_on.wait(PATIENCE) * 0)
    held = [two.submit(0) for _ in range(2)]
    while len(used) < 2:
        time.sleep(0.001)
    assert two.submit(7)() == 7 and used[-1] is threading.current_thread()
    go_on.set()
    assert [wait() for wait in held] == [0, 0]


def test_errors_reach_who_waits() -> None:
    def fail(number: int) -> int:
        raise RuntimeError(f"no {number}")

    with pytest.raises(RuntimeError, match="no 3"):
        runner(fail)[0].submit(3)()


def test_a_batch_is_divided_among_threads_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    game = column_game()
    network, planes = trained(game, CONFIG), random_planes(game, 40)
    expected = NetworkEvaluator(network, "cpu").evaluate(leaves(planes))
    monkeypatch.setattr(evaluator_module, "PART_OPERATIONS", 1.0)
    evaluator = NetworkEvaluator(network, "cpu", threads=2)
    assert evaluator.pipelines == 2 and not evaluator.concurrent

    def sizes(rows: int) -> list[int]:
        return [part.stop - part.start for part in evaluator._parts(rows)]

    assert sizes(40) == [24, 24] and sizes(3) == [2, 2]
    wait = evaluator.submit(leaves(planes))
    assert sizes(40) == [40], "both threads have a part"
    answer = wait()
    np.testing.assert_array_equal(answer.logits, expected.logits)
    np.testing.assert_array_equal(answer.wdl, expected.wdl)
    assert sizes(40) == [24, 24]
    dropped = evaluator.submit(leaves(planes))  # by a search that is stopped
    del dropped
    gc.collect()
    evaluator._runner.settle()
    while len(sizes(40)) == 1:  # until the threads have let go of it
        time.sleep(0.001)


def test_small_parts_stay_together() -> None:
    evaluator = NetworkEvaluator(trained(column_game(), CONFIG), "cpu", threads=2)
    assert evaluator._part > 8
    (part,) = evaluator._parts(8)
    assert part.stop >= 8


def test_new_weights_wait_for_batches_under_way() -> None:
    game = column_game()
    old, new, planes = trained(game, CONFIG), trained(game, CONFIG, 7), random_planes(game, 40)
    evaluator = NetworkEvaluator(old, "cpu", threads=2)
    for before, after in ((old, new), (new, old)):
        waits = [evaluator.submit(leaves(planes)) for _ in range(4)]
        evaluator.update(weights_of(after))
        expected = NetworkEvaluator(before, "cpu").evaluate(leaves(planes))
        for wait in waits:
            np.testing.assert_array_equal(wait().logits, expected.logits)


def test_threads_end_with_their_evaluator() -> None:
    game = column_game()
    evaluator = NetworkEvaluator(trained(game, CONFIG), "cpu", threads=2)
    before = set(threading.enumerate())
    for wait in [evaluator.submit(leaves(random_planes(game, 9))) for _ in range(4)]:
        wait()
    threads = set(threading.enumerate()) - before
    assert threads
    gone = weakref.ref(evaluator)
    del evaluator, wait
    assert gone() is None, "without a collection of garbage"
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.mark.slow
def test_two_threads_burn_no_more_than_one_beside_a_busy_program() -> None:
    """Threads that wait for one another spinning burned several times as much."""
    game = load("connect4")
    network = build(game, NetworkConfig(size="b2c32"))

    def cost(threads: int) -> float:
        """CPU seconds of a simulation."""
        evaluator = NetworkEvaluator(network, "cpu")
        settings = SelfPlayConfig(parallel_games=32 // threads, threads=threads)
        worker = SelfPlay(game, evaluator, SearchConfig(simulations=16), settings)
        worker.play(1, first_id=0, seed=0)  # to compile and load
        began = time.process_time()
        worker.play(32, first_id=1, seed=0)
        return (time.process_time() - began) / worker.stats.simulations

    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        costs = [(cost(1), cost(2)) for _ in range(3)]
    finally:
        for process in busy:
            process.kill()
            process.wait()
    one, two = (min(column) for column in zip(*costs, strict=True))
    assert two < 3 * one  # 1.6 where this was written, 11 with torch's own two threads
