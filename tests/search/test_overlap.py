"""One half of the leaves is chosen while the device has the other: told by order, not by time."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from alphazero.config import SearchConfig, SelfPlayConfig
from alphazero.data.record import GameRecord
from alphazero.game import Game, load
from alphazero.network.evaluator import CachedEvaluator, Evaluation, Evaluator, Leaves, hash_rows
from alphazero.selfplay.play import SelfPlay

ODD = np.uint64(0x9E3779B97F4A7C15)
LATENCY = 0.002  # seconds that the device takes for a batch


class HashedPlanes(Evaluator):
    """Arbitrary logits and values, the same for the same planes."""

    def __init__(self, game: Game) -> None:
        self.actions = game.num_actions

    def evaluate(self, leaves: Leaves) -> Evaluation:
        rows = len(leaves.planes)
        tags = np.empty((rows, 2), np.uint64)
        hash_rows(leaves.planes.reshape(rows, -1), tags)
        powers = np.cumprod(np.full(self.actions + 1, ODD))
        table = (tags[:, :1] * powers >> np.uint64(40)).astype(np.float32) / 2**23 - 1  # [-1, 1)
        return Evaluation.of_value(2 * table[:, 1:], np.float32(0.9) * table[:, 0])


class FakeDevice(Evaluator):
    """Answers each batch after a fixed time in a thread of its own, one batch after the other."""

    pipelines = 2

    def __init__(self, inner: Evaluator) -> None:
        self.inner = inner
        self.journal: list[tuple[str, int]] = []
        self.batches = 0
        self._thread = ThreadPoolExecutor(1)
        self._lock = threading.Lock()

    def submit(self, leaves: Leaves) -> Callable[[], Evaluation]:
        number, before = self.batches, leaves.planes.copy()
        self.batches += 1
        self._note("sent", number)

        def work() -> Evaluation:
            time.sleep(LATENCY)
            assert np.array_equal(leaves.planes, before), "changed while the device had them"
            return self.inner.evaluate(leaves)

        future = self._thread.submit(work)

        def answer() -> Evaluation:
            self._note("wanted", number)
            return future.result()

        return answer

    def _note(self, what: str, number: int) -> None:
        with self._lock:
            self.journal.append((what, number))


def play(
    game: Game, evaluator: Evaluator, games: int = 12, threads: int = 1, **settings: Any
) -> list[GameRecord]:
    search = SearchConfig(simulations=12, **settings)
    worker = SelfPlay(game, evaluator, search, SelfPlayConfig(parallel_games=6, threads=threads))
    return worker.play(games, first_id=0, seed=5)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"leaves_per_tree": 3}, {"nn_cache_size": 64}], ids=str)
def test_games_are_the_same_with_two_halves_as_with_one(settings: dict[str, int]) -> None:
    game = load("connect4")
    expected = play(game, HashedPlanes(game), **settings)
    assert play(game, FakeDevice(HashedPlanes(game)), **settings) == expected


@pytest.mark.slow
@pytest.mark.parametrize("games", [12, 3], ids=["more than trees", "half as many as trees"])
def test_the_device_is_given_one_half_before_the_other_is_asked_for(games: int) -> None:
    """Batch n + 1 has been chosen and sent by the time that the answer to batch n is wanted: a
    device slower than the search never waits for it, not even while moves are made. Only at the
    end, when there are fewer games than trees, one half may have no work to send."""
    game = load("connect4")
    device = FakeDevice(HashedPlanes(game))
    play(game, device, games)
    sent = {number: at for at, (what, number) in enumerate(device.journal) if what == "sent"}
    wanted = {number: at for at, (what, number) in enumerate(device.journal) if what == "wanted"}
    assert sorted(sent) == sorted(wanted) == list(range(device.batches))
    ahead = [sent[number + 1] < wanted[number] for number in range(device.batches - 1)]
    assert all(ahead[: len(ahead) // 2]), "some games have not begun"
    assert sum(ahead) > 0.8 * len(ahead)
    under_way = np.cumsum([1 if what == "sent" else -1 for what, _ in device.journal])
    assert under_way.max() == 2


def test_an_evaluator_that_answers_at_once_is_given_all_leaves_at_once() -> None:
    game = load("connect4")
    device = FakeDevice(HashedPlanes(game))
    device.pipelines = 1
    play(game, device)
    kinds = [what for what, _ in device.journal]
    assert kinds == ["sent", "wanted"] * device.batches


def test_a_cache_passes_on_how_many_batches_are_worth_having_under_way() -> None:
    game = load("connect4")
    assert CachedEvaluator(FakeDevice(HashedPlanes(game)), game, 8).pipelines == 2
    assert CachedEvaluator(HashedPlanes(game), game, 8).pipelines == 1
