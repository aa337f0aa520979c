"""Work on a CUDA device: what can be said of it without one, in a made-up device's journal, and
what needs one."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from alphazero.config import NetworkConfig
from alphazero.network import inference
from alphazero.network.cuda_graphs import Compute, DeviceRunner
from alphazero.network.evaluator import Leaves
from alphazero.network.inference import InferenceCopy, PlainConvolution, SteadyLinear
from alphazero.network.network_evaluator import (
    NetworkEvaluator,
    answer_on_device,
    input_rows,
    padded,
)
from alphazero.network.weights import weights_of
from tests.helpers.network_games import column_game, point_game, random_planes, trained

CPU = torch.device("cpu")
PLANES = (2, 3, 3)
INPUTS = [(PLANES, torch.uint8), ((2,), torch.float32)]
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


class FakeCuda:
    """Stands in for torch.cuda: does everything at once, and notes which stream it was for."""

    def __init__(self) -> None:
        self.journal: list[str] = []
        self.streams = 0
        self.now: Any = None  # the stream in use
        self.recording: Any = None  # the graph being recorded

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake = self

        class Stream:
            def __init__(self, device: torch.device) -> None:
                self.name = ("in", "work", "out")[fake.streams % 3]
                fake.streams += 1

            def wait_event(self, event: "Event") -> None:
                fake.journal.append(f"{self.name} waits for {event.stream}")

        class Event:
            stream = ""

            def __init__(self, enable_timing: bool = False, blocking: bool = False) -> None: ...

            def record(self) -> None:
                self.stream = fake.now.name

            def elapsed_time(self, later: "Event") -> float:
                assert self.stream == later.stream == "work"
                return 250.0

            def synchronize(self) -> None:
                fake.journal.append(f"this process waits for {self.stream}")

        class CUDAGraph:
            work: Callable[[], None]

            def replay(self) -> None:
                fake.journal.append(f"{fake.now.name} replays")
                self.work()

        @contextlib.contextmanager
        def stream(chosen: Stream) -> Iterator[None]:
            before, fake.now = fake.now, chosen
            yield
            fake.now = before

        @contextlib.contextmanager
        def graph(made: CUDAGraph, **settings: Any) -> Iterator[None]:
            assert settings["capture_error_mode"] == "thread_local"
            fake.recording = made
            yield
            fake.recording = None

        names = {
            "Stream": Stream,
            "Event": Event,
            "CUDAGraph": CUDAGraph,
            "stream": stream,
            "graph": graph,
            "device": lambda device: contextlib.nullcontext(),
            "synchronize": lambda device: self.journal.append("all is done"),
            "graph_pool_handle": lambda: 1,
        }
        for name, value in names.items():
            monkeypatch.setattr(torch.cuda, name, value)

    def recorded(self, compute: Compute) -> Compute:
        """The function, done again on the same memory whenever its graph is replayed."""

        def work(inputs: Sequence[Tensor], whole: bool) -> Tensor:
            found = compute(inputs, whole)
            if self.recording is not None:
                self.recording.work = lambda: found.copy_(compute(inputs, whole))
            return found

        return work


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    cuda = FakeCuda()
    cuda.install(monkeypatch)
    return cuda


def sums(inputs: Sequence[Tensor], whole: bool) -> Tensor:
    """The sum of a row's planes and values, and 1 for whole boards."""
    planes, values = inputs
    total = planes.sum((1, 2, 3), dtype=torch.float32) + values.sum(1)
    return torch.stack([total, torch.full_like(total, whole)], dim=1)


def rows(count: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    planes = rng.integers(0, 9, (count, *PLANES), np.uint8)
    return [planes, rng.integers(0, 9, (count, 2)).astype(np.float32)]


def answers(inputs: list[np.ndarray], whole: bool) -> np.ndarray:
    planes, values = inputs
    total = planes.sum((1, 2, 3)) + values.sum(1)
    return np.stack([total, np.full(len(planes), whole)], 1).astype(np.float32)


def test_batches_under_way_keep_apart_and_are_answered_in_any_order(fake: FakeCuda) -> None:
    runner = DeviceRunner(fake.recorded(sums), INPUTS, 2, CPU, padded)
    rng = np.random.default_rng(0)
    waiting: list[tuple[Callable[[], np.ndarray], np.ndarray]] = []
    kept = []
    for number in range(200):
        if len(waiting) > rng.integers(3):
            wait, expected = waiting.pop(int(rng.integers(len(waiting))))
            kept.append((wait(), expected))
        inputs, whole = rows(int(rng.integers(1, 40)), number), bool(rng.integers(2))
        expected = answers(inputs, whole)
        waiting.append((runner.submit(inputs, whole), expected))
        for array in inputs:
            array[:] = 0  # the search has gone on
    for answer, expected in kept:  # which last, whatever came after
        np.testing.assert_array_equal(answer, expected)
    assert runner.busy == pytest.approx(0.25 * len(kept))


def test_copies_and_work_go_on_side_by_side(fake: FakeCuda) -> None:
    runner = DeviceRunner(fake.recorded(sums), INPUTS, 2, CPU, padded)
    for wait in [runner.submit(rows(3, 0), True) for _ in range(2)]:
        wait()  # now there are two slots and a graph
    fake.journal.clear()
    one, other = runner.submit(rows(3, 1), True), runner.submit(rows(4, 2), True)
    one()
    other()
    a_batch = ["work waits for in", "work replays", "out waits for work"]
    assert fake.journal == 2 * a_batch + 2 * ["this process waits for out"]


def test_a_graph_is_recorded_once_for_each_of_few_batch_sizes(fake: FakeCuda) -> None:
    runner = DeviceRunner(fake.recorded(sums), INPUTS, 2, CPU, padded)
    for count in [*range(1, 65), *range(1, 65)]:
        runner.submit(rows(count, count), True)()
    assert len(runner._graphs) == len({padded(count) for count in range(1, 65)}) == 11
    assert len(runner._free) == 1, "one batch at a time needs one slot"


def test_a_graph_that_does_not_follow_the_weights_is_noticed(fake: FakeCuda) -> None:
    weights = SimpleNamespace(factor=torch.ones(()))
    runner = DeviceRunner(
        fake.recorded(lambda inputs, whole: sums(inputs, whole) * weights.factor),
        INPUTS,
        2,
        CPU,
        padded,
    )
    runner.verify()  # nothing is recorded yet
    runner.submit(rows(5, 0), True)()
    weights.factor.fill_(2.0)
    runner.verify()
    old = fake.recorded  # a graph with memory of its own, which nobody fills
    stale = torch.tensor(1.0)
    runner._compute = old(lambda inputs, whole: sums(inputs, whole) * stale)
    with pytest.raises(RuntimeError, match="a recorded graph's answer differs"):
        runner.verify()


def test_layers_on_a_device_take_weights_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    game, config = point_game(4, has_pass=True), NetworkConfig(size="b2c16", global_pooling=True)
    source = trained(game, config)
    monkeypatch.setattr(inference, "has_packed_operators", lambda dtype: False)
    fast = InferenceCopy(source, CPU, torch.float32)
    layers = list(fast._replaced.values())
    assert {type(layer) for layer in layers} == {PlainConvolution, SteadyLinear}
    old = [tensor for layer in layers for tensor in vars(layer).values() if is_tensor(tensor)]
    before = [tensor.clone() for tensor in old]
    source.load_state_dict(trained(game, config, seed=7).state_dict())
    fast.refresh()
    new = [tensor for layer in layers for tensor in vars(layer).values() if is_tensor(tensor)]
    assert all(one is other for one, other in zip(old, new, strict=True))
    assert not any(torch.equal(one, other) for one, other in zip(before, new, strict=True))


def is_tensor(value: object) -> bool:
    return isinstance(value, Tensor)


def test_the_search_is_not_compiled_anew_for_a_devices_answers(fake: FakeCuda) -> None:
    game = column_game()
    evaluator = NetworkEvaluator(trained(game, NetworkConfig(size="b2c32")), "cpu")
    planes = random_planes(game, 3, seed=0)
    leaves = Leaves(planes, np.zeros(3), np.zeros(3, np.uint64))
    expected = evaluator.evaluate(leaves)
    compute = functools.partial(answer_on_device, evaluator._fast.network, None, evaluator.dtype)
    evaluator._runner = DeviceRunner(
        fake.recorded(compute), input_rows(evaluator.encoder), game.num_actions + 3, CPU, padded
    )
    answer = evaluator.evaluate(leaves)
    np.testing.assert_allclose(answer.logits, expected.logits, atol=1e-5)
    np.testing.assert_allclose(answer.value, expected.value, atol=1e-5)
    assert answer.logits.flags.c_contiguous and answer.wdl.flags.c_contiguous


@needs_cuda
def test_a_device_answers_as_its_network_does_whatever_is_under_way() -> None:
    game, config = column_game(), NetworkConfig(size="b2c32")
    evaluator = NetworkEvaluator(trained(game, config), "cuda")
    assert evaluator.pipelines == 2
    parts = [random_planes(game, count, seed=count) for count in (1, 37, 64, 5, 300, 37)]

    def leaves(planes: np.ndarray) -> Leaves:
        return Leaves(planes, np.zeros(len(planes)), np.zeros(len(planes), np.uint64))

    alone = [evaluator.evaluate(leaves(planes)) for planes in parts]
    waits = [evaluator.submit(leaves(planes)) for planes in parts]
    for expected, wait in zip(reversed(alone), reversed(waits), strict=True):
        answer = wait()
        np.testing.assert_array_equal(answer.logits, expected.logits)
        np.testing.assert_array_equal(answer.value, expected.value)
    assert evaluator.busy > 0
    evaluator.update(weights_of(trained(game, config, seed=7)))
    fresh = NetworkEvaluator(trained(game, config, seed=7), "cuda")
    for planes, old in zip(parts, alone, strict=True):
        new, expected = evaluator.evaluate(leaves(planes)), fresh.evaluate(leaves(planes))
        np.testing.assert_allclose(new.logits, expected.logits, atol=1e-2)
        assert not np.array_equal(new.logits, old.logits)


@needs_cuda
def test_a_device_knows_smaller_boards() -> None:
    game = point_game(9, has_pass=True, board_plane=0)
    evaluator = NetworkEvaluator(trained(game, NetworkConfig(size="b2c16")), "cuda")
    plain = NetworkEvaluator(trained(game, NetworkConfig(size="b2c16")), "cpu", precision="float32")
    planes = random_planes(game, 24)
    planes[:, 0] = 0
    planes[:, 0, :7, :7] = 1
    planes *= planes[:, :1]
    leaves = Leaves(planes, np.zeros(24), np.zeros(24, np.uint64))
    one, other = evaluator.evaluate(leaves), plain.evaluate(leaves)
    np.testing.assert_allclose(one.value, other.value, atol=0.1)
    assert np.abs(one.logits - other.logits).max() < 0.1 * np.abs(other.logits).max()
