"""Several threads in the trees of one search: the same trees, games and batches as with one."""

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphazero.config import GumbelConfig, NetworkConfig, PuctConfig, SearchConfig
from alphazero.game import Game
from alphazero.network.encoder import Encoder
from alphazero.network.evaluator import (
    Evaluation,
    Evaluator,
    Leaves,
    RolloutEvaluator,
    TracedRolloutEvaluator,
    UniformEvaluator,
)
from alphazero.network.network_evaluator import NetworkEvaluator
from alphazero.network.registry import build
from alphazero.search import search as search_module
from alphazero.search.layout import NOTHING
from alphazero.search.pipelines import Pool, close_gaps, divide
from alphazero.search.search import Search
from alphazero.search.simulate import allocate_batch
from tests.helpers.network_games import made_up_game
from tests.judges.textbook_mcts import HashEvaluator
from tests.search.test_overlap import FakeDevice, HashedPlanes, play
from tests.search.test_search import GAMES, load, position_in

THREADS = [2, 3, 5]
PATIENCE = 60.0  # seconds after which a thread that should have come is missing

# -- the pool --------------------------------------------------------------------------------------


def test_every_part_has_a_thread_of_its_own_and_the_first_is_the_callers() -> None:
    together = threading.Barrier(3)
    threads: dict[str, threading.Thread] = {}

    def work(part: str) -> None:
        together.wait(PATIENCE)  # all three are at work at once
        threads[part] = threading.current_thread()

    pool = Pool(3)
    pool.each(work, ["a", "b", "c"])
    first = set(threads.values())
    assert threads["a"] is threading.current_thread() and len(first) == 3
    pool.each(work, ["a", "b", "c"])
    assert set(threads.values()) == first, "they are kept"


def test_threads_end_when_their_search_is_dropped() -> None:
    before = set(threading.enumerate())
    search = several("tic-tac-toe", SearchConfig(simulations=8), threads=4)
    search.run()
    started = set(threading.enumerate()) - before
    assert 0 < len(started) <= 3
    del search
    for thread in started:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_one_thread_is_no_thread() -> None:
    before = threading.enumerate()
    several("tic-tac-toe", SearchConfig(simulations=8), threads=1).run()
    assert threading.enumerate() == before


def test_an_exception_is_raised_once_no_thread_is_at_work() -> None:
    late, done = threading.Event(), []

    def work(part: int) -> None:
        if part == 0:
            late.set()
            raise KeyError(part)
        assert late.wait(PATIENCE)
        done.append(part)
        if part == 2:
            raise IndexError(part)

    with pytest.raises(KeyError):
        Pool(4).each(work, range(4))
    assert sorted(done) == [1, 2, 3]
    with pytest.raises(IndexError):
        Pool(4).each(work, range(1, 4))


class Failing(HashedPlanes):
    """Has one value that is none in every batch, at the end."""

    def evaluate(self, leaves: Leaves) -> Evaluation:
        answer = super().evaluate(leaves)
        answer.wdl[-1] = 2.0, 0.0, 0.0
        return answer


def test_what_fails_in_a_thread_fails_the_step() -> None:
    game = load("connect4")
    search = Search(game, Failing(game), SearchConfig(simulations=8), 4, threads=2)
    for tree in range(4):
        search.begin(tree, game.position(), seed=tree)
    with pytest.raises(AssertionError, match="the evaluator's wdl"):
        search.run()
    with pytest.raises(AssertionError, match="a step was interrupted"):
        search.step()


@given(st.integers(0, 50), st.integers(1, 50), st.integers(1, 9))
def test_trees_are_divided_into_nearly_equal_ranges(first: int, trees: int, parts: int) -> None:
    ranges = list(divide(range(first, first + trees), parts))
    assert [tree for part in ranges for tree in part] == list(range(first, first + trees))
    assert len(ranges) == min(parts, trees)
    sizes = [len(part) for part in ranges]
    assert max(sizes) - min(sizes) <= 1


# -- the batch -------------------------------------------------------------------------------------


@given(
    st.lists(
        st.integers(0, 5).flatmap(
            lambda room: st.lists(st.booleans(), max_size=room).map(lambda rows: (room, rows))
        ),
        min_size=1,
        max_size=6,
    )
)
def test_rows_of_all_parts_become_one_block(parts: list[tuple[int, list[bool]]]) -> None:
    """Each part has room for some leaves, has some, and of them some have a row."""
    size = sum(room for room, _ in parts)
    encoder = Encoder.of(made_up_game((2, 1, 3), 1))
    batch = allocate_batch(size, 1, encoder)
    values = np.zeros((size, 8), np.uint8)
    states = np.zeros((size, 4), np.uint8)
    table = np.zeros((len(parts), 3), np.int32)
    batch.planes[:] = 99
    first, tag = 0, 1
    expected: dict[int, int] = {}  # by leaf
    for p, (room, rows) in enumerate(parts):
        row = first
        for leaf, has_row in enumerate(rows, first):
            batch.leaves[leaf]["row"] = row if has_row else NOTHING
            if has_row:
                batch.planes[row], states[row], batch.seeds[row] = tag, tag, tag
                values[row] = tag
                expected[leaf] = tag
                row, tag = row + 1, tag + 1
        table[p] = first, len(rows), row
        first += room
    before = batch.leaves["row"].copy()
    planes = batch.planes.reshape(size, 6)
    moved = close_gaps(batch.leaves, table, planes, values, states, batch.seeds)
    assert moved == tag - 1
    rows = {leaf: int(batch.leaves[leaf]["row"]) for leaf in expected}
    assert sorted(rows.values()) == list(range(tag - 1))
    for leaf, tag_of_leaf in expected.items():
        row = rows[leaf]
        assert (batch.planes[row] == tag_of_leaf).all() and (states[row] == tag_of_leaf).all()
        assert batch.seeds[row] == tag_of_leaf and (values[row] == tag_of_leaf).all()
        assert row == before[leaf] or before[leaf] >= tag - 1, "only the last rows move"
    without = [leaf for leaf in range(size) if leaf not in expected]
    assert (batch.leaves["row"][without] == before[without]).all()


class Listening(Evaluator):
    """Keeps what it is asked."""

    def __init__(self, inner: Evaluator) -> None:
        self.inner = inner
        self.uses_planes, self.uses_states = inner.uses_planes, inner.uses_states
        self.batches: list[list[bytes]] = []

    def evaluate(self, leaves: Leaves) -> Evaluation:
        rows = zip(leaves.planes, leaves.states, leaves.seeds, strict=True)
        self.batches.append(sorted(b"".join(part.tobytes() for part in row) for row in rows))
        return self.inner.evaluate(leaves)


@pytest.mark.parametrize("kind", [HashedPlanes, RolloutEvaluator])
@pytest.mark.parametrize("name", ["tic-tac-toe", "repetition"])
def test_every_batch_has_the_same_rows(kind: Callable[[Game], Evaluator], name: str) -> None:
    config = SearchConfig(policy="puct", simulations=60, leaves_per_tree=3)
    asked = []
    for threads in (1, 3):
        evaluator = Listening(kind(GAMES[name]()))
        search_games(several(name, config, evaluator=evaluator, threads=threads))
        asked.append(evaluator.batches)
    assert asked[0] == asked[1]


# -- the trees -------------------------------------------------------------------------------------

CONFIGS = {
    "gumbel": SearchConfig(simulations=24, gumbel=GumbelConfig(max_num_considered_actions=6)),
    "gumbel, 3 leaves": SearchConfig(simulations=30, leaves_per_tree=3, symmetry=False),
    "puct": SearchConfig(policy="puct", simulations=40, reuse_tree=False),
    "puct, 4 leaves, forced": SearchConfig(
        policy="puct",
        simulations=40,
        leaves_per_tree=4,
        nn_cache_size=32,
        puct=PuctConfig(forced_playouts=2.0),
    ),
    "no solver, early": SearchConfig(
        policy="puct", simulations=40, leaves_per_tree=2, solver=False, stop_early=True
    ),
}
TREES = 7


def several(
    name: str,
    config: SearchConfig,
    *,
    evaluator: Evaluator | None = None,
    threads: int,
    pipelines: int = 1,
) -> Search:
    """Trees whose searches end at different times, half of them with noise; two end at once."""
    game = GAMES[name]()
    evaluator = evaluator or HashedPlanes(game)
    search = Search(game, evaluator, config, TREES, threads=threads, pipelines=pipelines)
    for tree in range(TREES):
        budget = max(1, config.simulations - 5 * (tree // 2))
        position = position_in(name, tree, tree)
        search.begin(tree, position, seed=tree, simulations=budget, noise=tree % 2 == 0)
    return search


def search_games(search: Search, moves: int = 4) -> list[list[tuple[Any, ...]]]:
    """Play on in every tree, with budgets beyond what there is room for; what was found, in the
    order in which trees finished."""
    positions = {tree: position_of(search, tree) for tree in range(TREES)}
    made = dict.fromkeys(positions, 0)
    found = []
    while search._trees.heads["active"].any():
        for tree in search.step():
            result = search.result(tree)
            found.append([tree, result.best, result.value, result.proven, *result.policy.tolist()])
            made[tree] += 1
            positions[tree].play(result.best)
            if made[tree] < moves and not positions[tree].is_over:
                budget = search.config.simulations * (1 + 2 * (made[tree] % 2))
                search.reroot(tree, positions[tree], simulations=budget, noise=made[tree] % 2 == 1)
    return found


def position_of(search: Search, tree: int) -> Any:
    names = [name for name, make in GAMES.items() if make() is search.game]
    return position_in(names[0], tree, tree)


def contents(search: Search) -> dict[str, bytes]:
    """All that a search keeps of its trees, but for what threads scribble on."""
    arrays = search._trees._replace(scratch=np.zeros(0))._asdict()
    arrays |= {"states": search._states, "history": search._history}
    return {name: array.tobytes() for name, array in arrays.items()}


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
@pytest.mark.parametrize("name", GAMES)
def test_trees_are_the_same_for_any_number_of_threads(name: str, config: SearchConfig) -> None:
    one = several(name, config, threads=1)
    found = search_games(one)
    assert one._trees.nodes.shape[1] > 2 * config.simulations + 6, "the arrays have grown"
    for threads in THREADS:
        for pipelines in (1, 2):
            search = several(name, config, threads=threads, pipelines=pipelines)
            there = search_games(search)
            assert sorted(there) == sorted(found)
            assert contents(search) == contents(one)
            if pipelines == 1:
                assert there == found, "trees finish in the same order"


def test_states_reach_the_evaluator_with_their_rows() -> None:
    game = load("tic-tac-toe")
    config = SearchConfig(policy="puct", simulations=60, leaves_per_tree=3)
    kinds: list[Callable[[Game], Evaluator]] = [HashEvaluator, RolloutEvaluator, UniformEvaluator]
    for kind in kinds:
        made = [
            several("tic-tac-toe", config, evaluator=kind(game), threads=threads)
            for threads in (1, 3)
        ]
        assert search_games(made[0]) == search_games(made[1])
        assert contents(made[0]) == contents(made[1])


def test_what_threads_write_is_not_shared() -> None:
    search = several("connect4", SearchConfig(leaves_per_tree=2), threads=3, pipelines=2)
    assert [len(pipeline.sections) for pipeline in search._pipelines] == [3, 3]
    owned = []
    for section in (section for pipeline in search._pipelines for section in pipeline.sections):
        batch = section.batch
        scratch = section.with_scratch(search._trees).scratch
        owned.append([batch.leaves, batch.legal, batch.upright, section.finished, scratch])
        assert len(batch.leaves) == len(batch.legal) == 2 * (section.end - section.first)
    for one, other in itertools.combinations(owned, 2):
        assert not any(np.shares_memory(a, b) for a, b in zip(one, other, strict=True))


def test_what_playouts_say_of_moves_reaches_its_tree() -> None:
    game = load("connect4")
    puct = PuctConfig(rave_equivalence=300.0)
    config = SearchConfig(policy="puct", simulations=40, leaves_per_tree=2, puct=puct)
    made = [
        several("connect4", config, evaluator=TracedRolloutEvaluator(game), threads=threads)
        for threads in (1, 3)
    ]
    assert search_games(made[0]) == search_games(made[1])
    assert contents(made[0]) == contents(made[1])


class Disorderly(Pool):
    """Has one thread do everything, the last part first, and each kernel for all parts before the
    next kernel."""

    def __init__(self, search: Search) -> None:
        super().__init__(1)
        self._search = search

    def each(self, work: Callable[[Any], None], parts: Any) -> None:
        search: Any = self._search
        second = search._step_leaves
        delayed: list[tuple[Any, tuple[Any, ...]]] = []

        def delay(*arguments: Any) -> int:
            delayed.append((part, arguments))
            return 0

        search._step_leaves = delay
        try:
            for part in reversed(parts):
                work(part)
        finally:
            search._step_leaves = second
        for part, arguments in delayed:
            part.end_row = second(*arguments)


class Reversed(Pool):
    """Has one thread do everything, the last part first."""

    def each(self, work: Callable[[Any], None], parts: Any) -> None:
        for part in reversed(parts):
            work(part)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
@pytest.mark.parametrize("name", ["tic-tac-toe", "repetition"])
def test_threads_need_not_keep_any_order(name: str, config: SearchConfig) -> None:
    """What one part reads and another writes would be found out in one order or another, every
    time, as with real threads it is not."""
    one = several(name, config, threads=1)
    found = search_games(one)
    for order in (lambda search: Pool(1), lambda search: Reversed(1), Disorderly):
        search = several(name, config, threads=3)
        search._pool = order(search)
        assert search_games(search) == found
        assert contents(search) == contents(one)


# -- self-play -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("threads", THREADS)
def test_games_are_the_same_for_any_number_of_threads(threads: int) -> None:
    game = load("connect4")
    expected = play(game, HashedPlanes(game), nn_cache_size=64)
    assert play(game, HashedPlanes(game), threads=threads, nn_cache_size=64) == expected
    assert play(game, FakeDevice(HashedPlanes(game)), threads=threads, nn_cache_size=64) == expected


@pytest.mark.slow
def test_games_of_a_network_are_the_same_for_any_number_of_threads() -> None:
    """Rows lie elsewhere in their batches."""
    game = load("connect4:rows=4,cols=5")
    network = build(game, NetworkConfig(size="b1c8"))
    expected = play(game, NetworkEvaluator(network, "cpu"))
    assert play(game, NetworkEvaluator(network, "cpu"), threads=3) == expected
    for threads in (2, 3):
        evaluator = NetworkEvaluator(network, "cpu", threads=threads)
        assert play(game, evaluator, threads=threads) == expected
        assert play(game, evaluator, threads=threads, nn_cache_size=64) == expected


class WatchedDevice(Evaluator):
    """Keeps a batch until something has been selected in the meantime, or until its answer is
    wanted, and notes what happens in which order."""

    pipelines = 2

    def __init__(self, inner: Evaluator) -> None:
        self.inner = inner
        self.journal: list[tuple[str, int]] = []
        self._news = threading.Condition()
        self._device = ThreadPoolExecutor(1)
        self._batches = itertools.count()

    def note(self, what: str, number: int = 0) -> None:
        with self._news:
            self.journal.append((what, number))
            self._news.notify_all()

    def submit(self, leaves: Leaves) -> Callable[[], Evaluation]:
        number = next(self._batches)
        self.note("sent", number)
        sent = len(self.journal)

        def is_due() -> bool:
            return not {("selected", 0), ("wanted", number)}.isdisjoint(self.journal[sent:])

        def work() -> Evaluation:
            with self._news:
                assert self._news.wait_for(is_due, PATIENCE)
            answer = self.inner.evaluate(leaves)
            self.note("answered", number)
            return answer

        future = self._device.submit(work)

        def answer() -> Evaluation:
            self.note("wanted", number)
            return future.result()

        return answer


def test_two_threads_select_one_half_while_the_device_has_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every selection is held up until both threads are at it, so that each has its own."""
    game = load("connect4")
    expected = play(game, HashedPlanes(game))
    device = WatchedDevice(HashedPlanes(game))
    together = threading.Barrier(2, lambda: device.note("selected"))
    kernels = search_module._kernels

    def watched(policy: str) -> Any:
        def select(*arguments: Any) -> int:
            together.wait(PATIENCE)
            return kernels(policy).backup_and_select(*arguments)

        return kernels(policy)._replace(backup_and_select=select)

    monkeypatch.setattr(search_module, "_kernels", watched)
    assert play(game, device, threads=2) == expected
    at = {event: place for place, event in enumerate(device.journal) if event[0] != "selected"}
    selected = [place for place, (what, _) in enumerate(device.journal) if what == "selected"]
    batches = sum(what == "sent" for what, _ in device.journal)
    overlapped = [
        any(at["sent", n] < place < min(at["answered", n], at["wanted", n]) for place in selected)
        for n in range(batches)
    ]
    assert all(overlapped[: batches // 2]), "some games have not begun"
    assert sum(overlapped) > 0.8 * batches
