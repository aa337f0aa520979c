"""Self-play in several threads, each with games of its own."""

import threading
import time
from collections.abc import Callable

import pytest

from alphazero.config import SearchConfig, SelfPlayConfig
from alphazero.game import load
from alphazero.network.evaluator import Evaluation, Leaves, UniformEvaluator
from alphazero.selfplay.play import SelfPlay

GAME = load("tic-tac-toe")
PATIENCE = 30.0


class Concurrent(UniformEvaluator):
    """Equal priors for several threads at once; calls a function before each batch."""

    concurrent = True

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        super().__init__(GAME)
        self.before = before
        self.threads: set[threading.Thread] = set()

    def evaluate(self, leaves: Leaves) -> Evaluation:
        self.threads.add(threading.current_thread())
        self.before()
        return super().evaluate(leaves)


def worker(evaluator: UniformEvaluator, threads: int, **settings: int) -> SelfPlay:
    search = SearchConfig(simulations=8, **settings)
    return SelfPlay(GAME, evaluator, search, SelfPlayConfig(parallel_games=4, threads=threads))


@pytest.mark.parametrize("games", [1, 2, 5, 30])
def test_games_and_counters_do_not_depend_on_the_number_of_lanes(games: int) -> None:
    one = worker(UniformEvaluator(GAME), 1)
    expected = one.play(games, first_id=3, seed=1)
    for threads in (2, 3):
        evaluator = Concurrent()
        several = worker(evaluator, threads, nn_cache_size=64)
        assert several.play(games, first_id=3, seed=1) == expected
        assert len(evaluator.threads) <= min(games, threads)
        assert threading.current_thread() not in evaluator.threads
        for name in ("games", "plies", "simulations"):
            assert getattr(several.stats, name) == getattr(one.stats, name)
        assert several.stats.seconds > 0


def test_lanes_play_side_by_side() -> None:
    both, met = threading.Barrier(2), set()

    def before() -> None:
        if threading.current_thread() not in met:
            met.add(threading.current_thread())
            both.wait(PATIENCE)

    evaluator = Concurrent(before)
    worker(evaluator, 2).play(2, first_id=0, seed=0, version=1)
    assert len(evaluator.threads) == 2


def test_an_evaluator_for_one_thread_is_asked_by_one() -> None:
    evaluator = Concurrent()
    evaluator.concurrent = False
    worker(evaluator, 3).play(8, first_id=0, seed=0)
    assert evaluator.threads == {threading.current_thread()}


def test_all_lanes_rest_while_finished_games_are_delivered() -> None:
    """Then the evaluator may get other weights."""
    may_ask = threading.Event()
    may_ask.set()

    def before() -> None:
        assert may_ask.is_set(), "asked between two deliveries"
        time.sleep(0.0005)

    play = worker(Concurrent(before), 2)
    found, deliveries = [], 0
    for version, records in enumerate(play.stream(range(40), seed=1, seconds=0.01)):
        may_ask.clear()
        time.sleep(0.01)
        assert [r.game_id for r in records] == sorted(r.game_id for r in records)
        found += records
        deliveries += 1
        play.weights_changed(version + 1)
        may_ask.set()
    assert sorted(r.game_id for r in found) == list(range(40)) and deliveries > 3
    assert len({r.version for r in found}) > 2


def test_an_error_in_one_lane_stops_the_others_at_once() -> None:
    first: list[threading.Thread] = []

    def before() -> None:
        first.append(threading.current_thread())
        if first[0] is not threading.current_thread():
            raise RuntimeError("the second lane fails")

    play = worker(Concurrent(before), 2)
    with pytest.raises(RuntimeError, match="second lane"):
        play.play(1 << 20, first_id=0, seed=0)
    asked = len(first)
    time.sleep(0.05)
    assert len(first) == asked, "no lane plays on"


def test_threads_end_with_their_self_play() -> None:
    evaluator = Concurrent()
    play = worker(evaluator, 2)
    play.play(8, first_id=0, seed=0)
    del play
    for thread in evaluator.threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
