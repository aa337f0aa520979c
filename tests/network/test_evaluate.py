"""Evaluators without a network: uniform, random playouts, and the cache in front of another one."""

import functools
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphazero.config import SearchConfig
from alphazero.game import Game, Position
from alphazero.game import load as load_anew
from alphazero.network.evaluator import (
    CachedEvaluator,
    Evaluation,
    Evaluator,
    Leaves,
    RolloutEvaluator,
    TracedRolloutEvaluator,
    UniformEvaluator,
    hash_rows,
)
from alphazero.search.search import Search, search_many
from tests.helpers import toy_games
from tests.helpers.tree_reading import read_tree

load = functools.cache(load_anew)


def leaves_of(positions: list[Position], seeds: list[int] | None = None) -> Leaves:
    return Leaves(
        planes=np.stack([position.planes() for position in positions]),
        states=np.concatenate([position.state_array for position in positions]),
        seeds=np.array(seeds or range(len(positions)), np.uint64),
    )


def random_positions(spec: str, count: int, seed: int = 0) -> list[Position]:
    rng = np.random.default_rng(seed)
    positions = []
    while len(positions) < count:
        position = load(spec).position()
        for _ in range(int(rng.integers(20))):
            position.play(int(rng.choice(position.legal_actions())))
            if position.is_over:
                break
        if not position.is_over:
            positions.append(position)
    return positions


class PlaneEvaluator(Evaluator):
    """Arbitrary logits and values, the same for the same planes; counts what it is asked."""

    name = "planes"

    def __init__(self, game: Game, salt: int = 0) -> None:
        size = math.prod(game.planes)
        rng = np.random.default_rng(salt)
        self.weights = rng.normal(size=(size, game.num_actions + 1))
        self.bias = rng.normal(size=game.num_actions + 1)
        self.asked = 0

    def evaluate(self, leaves: Leaves) -> Evaluation:
        self.asked += len(leaves.planes)
        # One row at a time: a matrix product may round differently in another batch.
        rows = [np.tanh(self.bias + planes.ravel() @ self.weights) for planes in leaves.planes]
        answer = np.array(rows, np.float32).reshape(len(rows), -1)
        return Evaluation.of_value(answer[:, 1:], answer[:, 0])


# -- uniform ---------------------------------------------------------------------------------------


def test_uniform_knows_nothing() -> None:
    game = load("connect4")
    evaluator = UniformEvaluator(game)
    for rows in (1, 3, 1000, 2):
        positions = [game.position()] * rows
        answer = evaluator.evaluate(leaves_of(positions))
        logits, value = answer.logits, answer.value
        assert logits.shape == (rows, 7) and logits.dtype == np.float32 and not logits.any()
        assert value.shape == (rows,) and value.dtype == np.float32 and not value.any()


def test_submit_answers_as_evaluate() -> None:
    game = load("connect4")
    leaves = leaves_of(random_positions("connect4", 5))
    evaluator = PlaneEvaluator(game)
    np.testing.assert_array_equal(
        evaluator.submit(leaves)().logits, evaluator.evaluate(leaves).logits
    )
    with pytest.raises(NotImplementedError):
        Evaluator().evaluate(leaves)


# -- random playouts -------------------------------------------------------------------------------


def test_several_playouts_are_counted_one_by_one() -> None:
    """A win and a loss are not two draws."""
    leaves = leaves_of(random_positions("connect4", 40))
    game, playouts = load("connect4"), 16
    found = RolloutEvaluator(game, playouts).evaluate(leaves).wdl
    states, seeds = np.repeat(leaves.states, playouts), np.repeat(leaves.seeds, playouts)
    seeds += np.tile(np.arange(playouts, dtype=np.uint64), len(leaves.states))
    values = np.empty(len(states), np.float32)
    game.playout_batch(states, seeds, values)
    for row, results in zip(found, values.reshape(-1, playouts), strict=True):
        counts = [(results == result).mean() for result in (1, 0, -1)]
        np.testing.assert_allclose(row, counts, atol=1e-6)
    assert found[:, 1].mean() < 0.2  # few games of Connect Four are drawn at random


def expected_of_random_play(position: Position, memory: dict[int, float]) -> float:
    """The exact mean result for the player to move when both play at random."""
    if position.is_over:
        return position.value_to_move()
    if position.key not in memory:
        total = 0.0
        for action in position.legal_actions():
            player = position.to_play
            position.play(action)
            value = expected_of_random_play(position, memory)
            total += value if position.to_play == player else -value
            position.undo()
        memory[position.key] = total / len(position.legal_actions())
    return memory[position.key]


@pytest.mark.parametrize("moves", ["", "b2", "a3 b2", "b3 c1 a2", "a3 b3 c3 b2 a2"])
def test_playouts_are_fair_samples_of_random_play(moves: str) -> None:
    position = load("tic-tac-toe").position()
    for move in moves.split():
        position.play(move)
    count = 20000
    states = np.repeat(position.state_array, count)
    leaves = Leaves(np.zeros((count, 2, 3, 3), np.uint8), states, np.arange(count, dtype=np.uint64))
    answer = RolloutEvaluator(position.game).evaluate(leaves)
    logits, values = answer.logits, answer.value
    assert not logits.any() and logits.shape == (count, 9)
    assert set(values.tolist()) <= {-1.0, 0.0, 1.0}
    expected = expected_of_random_play(position, {})
    assert abs(values.mean() - expected) < 4 * values.std() / math.sqrt(count) + 1e-9


def test_playouts_of_a_game_where_a_side_may_move_twice() -> None:
    for seed in range(6):
        position = toy_games.position_of(toy_games.RANDOM, seed=seed)
        count = 4000
        states = np.repeat(position.state_array, count)
        planes = np.zeros((count, 1, 1, 1), np.uint8)
        leaves = Leaves(planes, states, np.arange(count, dtype=np.uint64))
        values = RolloutEvaluator(position.game).evaluate(leaves).value
        expected = expected_of_random_play(position, {})
        assert abs(values.mean() - expected) < 4.5 * values.std() / math.sqrt(count) + 1e-9


def test_several_playouts_are_averaged_and_spread_less() -> None:
    position = load("tic-tac-toe").position()
    leaves = leaves_of([position] * 4000)
    spread = {}
    for playouts in (1, 16):
        values = RolloutEvaluator(position.game, playouts).evaluate(leaves).value
        assert values.shape == (4000,)
        spread[playouts] = values.std()
    assert abs(spread[1] / spread[16] - 4) < 0.4


def test_a_playout_depends_on_its_own_seed_alone() -> None:
    positions = random_positions("connect4", 40)
    seeds = list(range(500, 540))
    evaluator = RolloutEvaluator(load("connect4"), playouts=3)
    leaves = leaves_of(positions, seeds)
    before = leaves.states.copy()
    together = evaluator.evaluate(leaves).value
    assert (leaves.states == before).all(), "the states belong to the search"
    alone = [
        evaluator.evaluate(leaves_of([position], [seed])).value[0]
        for position, seed in zip(positions, seeds, strict=True)
    ]
    backwards = evaluator.evaluate(leaves_of(positions[::-1], seeds[::-1])).value[::-1]
    assert together.tolist() == alone == backwards.tolist()
    other = evaluator.evaluate(leaves_of(positions, [s + 1000 for s in seeds])).value
    assert together.tolist() != other.tolist()


@pytest.mark.parametrize("spec", ["tic-tac-toe", "connect4"])
def test_traced_playouts_of_a_game_without_weights_are_the_plain_ones(spec: str) -> None:
    leaves = leaves_of(random_positions(spec, 300))
    before = leaves.states.copy()
    traced = TracedRolloutEvaluator(load(spec)).evaluate(leaves)
    plain = RolloutEvaluator(load(spec)).evaluate(leaves)
    assert traced.value.tolist() == plain.value.tolist() and not traced.logits.any()
    assert (leaves.states == before).all(), "the states belong to the search"


def test_a_trace_says_who_took_each_point_first() -> None:
    positions = random_positions("tic-tac-toe", 200, seed=4)
    game, states = positions[0].game, np.concatenate([p.state_array for p in positions])
    firsts = np.zeros((200, 9), np.int8)
    seeds = np.arange(200, dtype=np.uint64)
    game.trace_batch(states, seeds, np.zeros(200, np.float32), firsts)
    for position, end, row in zip(positions, states, firsts, strict=True):
        before, after = position.planes(), Position(game, end).planes()
        if end["to_play"] != position.to_play:
            after = after[::-1]  # planes are the mover's and the other's marks
        mine, theirs = (after.astype(np.int8) - before).reshape(2, 9)
        assert row.tolist() == (mine - theirs).tolist()


def test_playouts_must_be_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        RolloutEvaluator(load("tic-tac-toe"), playouts=0)


# -- the cache -------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["puct", "gumbel"])
@pytest.mark.parametrize("capacity", [1, 20, 10000])
def test_a_cache_changes_nothing_but_the_work(policy: str, capacity: int) -> None:
    positions = random_positions("tic-tac-toe", 12)
    game = positions[0].game
    config = SearchConfig(policy=policy, simulations=80, leaves_per_tree=3)
    plain, inner = PlaneEvaluator(game), PlaneEvaluator(game)
    cached = CachedEvaluator(inner, game, capacity)
    for _ in range(2):
        expected = search_many(game, plain, config, positions, range(12))
        found = search_many(game, cached, config, positions, range(12))
        for one, other in zip(expected, found, strict=True):
            assert one.visits.tolist() == other.visits.tolist()
            assert one.policy.tolist() == other.policy.tolist()
    assert inner.asked == cached.misses
    assert cached.hits + cached.misses == plain.asked
    if capacity == 10000:
        assert cached.hits > plain.asked / 2, "the second time everything is known"


def test_the_cache_may_be_asked_for_by_the_settings() -> None:
    game = load("tic-tac-toe")
    inner = PlaneEvaluator(game)
    config = SearchConfig(policy="puct", simulations=200, nn_cache_size=1000, solver=False)
    search = Search(game, inner, config)
    search.begin(0, game.position(), seed=1)
    search.run()
    assert isinstance(search.evaluator, CachedEvaluator)
    assert inner.asked == search.evaluator.misses < search.rows_evaluated
    plain = Search(
        game, PlaneEvaluator(game), SearchConfig(policy="puct", simulations=200, solver=False)
    )
    plain.begin(0, game.position(), seed=1)
    plain.run()
    assert read_tree(plain).whole() == read_tree(search).whole()
    rollouts = Search(game, RolloutEvaluator(game), config)
    assert isinstance(rollouts.evaluator, RolloutEvaluator), "chance is not to be remembered"


def test_hits_and_misses_are_counted_and_clear_forgets() -> None:
    game = load("connect4")
    positions = random_positions("connect4", 30)
    unique = len({position.planes().tobytes() for position in positions})
    inner = PlaneEvaluator(game)
    cached = CachedEvaluator(inner, game, 1 << 16)
    leaves = leaves_of(positions)
    first = cached.evaluate(leaves)
    assert (cached.hits, cached.misses, inner.asked) == (0, 30, 30)
    second = cached.evaluate(leaves)
    assert cached.hits + cached.misses == 60 and cached.hits >= 30 - (30 - unique)
    np.testing.assert_array_equal(first.logits, second.logits)
    np.testing.assert_array_equal(first.value, second.value)
    cached.clear()
    asked = inner.asked
    cached.evaluate(leaves)
    assert inner.asked == asked + 30


def test_answers_under_way_when_the_cache_is_cleared_are_not_kept() -> None:
    """They may be the old network's."""
    game = load("connect4")
    inner = PlaneEvaluator(game)
    cached = CachedEvaluator(inner, game, 1000)
    leaves = leaves_of(random_positions("connect4", 5))
    wait = cached.submit(leaves)
    cached.clear()
    inner.bias[:] = 0.5
    wait()
    expected = inner.evaluate(leaves)
    found = cached.evaluate(leaves)
    np.testing.assert_array_equal(found.value, expected.value)


def test_positions_that_fall_on_one_entry_replace_each_other_whole() -> None:
    game = load("connect4")
    positions = random_positions("connect4", 200)
    inner = PlaneEvaluator(game)
    cached = CachedEvaluator(inner, game, 4)
    rng = np.random.default_rng(3)
    for _ in range(50):
        chosen = [positions[i] for i in rng.integers(200, size=rng.integers(1, 30))]
        leaves = leaves_of(chosen)
        found, expected = cached.evaluate(leaves), inner.evaluate(leaves)
        np.testing.assert_array_equal(found.logits, expected.logits)
        np.testing.assert_array_equal(found.value, expected.value)
    assert cached.hits


def test_two_batches_under_way_do_not_mix() -> None:
    game = load("connect4")
    positions = random_positions("connect4", 40)
    inner = PlaneEvaluator(game)
    cached = CachedEvaluator(inner, game, 1000)
    batches = [leaves_of(positions[:25]), leaves_of(positions[15:])]
    waits = [cached.submit(leaves) for leaves in batches]
    for wait, leaves in zip(waits, batches, strict=True):
        np.testing.assert_array_equal(wait().value, inner.evaluate(leaves).value)


def test_only_what_depends_on_the_planes_alone_can_be_cached() -> None:
    game = load("tic-tac-toe")
    with pytest.raises(
        ValueError, match="only an evaluator of planes can be cached, not 'rollout'"
    ):
        CachedEvaluator(RolloutEvaluator(game), game, 10)
    assert CachedEvaluator(PlaneEvaluator(game), game, 10).name == "cached planes"


class Short(PlaneEvaluator):
    def evaluate(self, leaves: Leaves) -> Evaluation:
        logits, wdl, *_ = super().evaluate(leaves)
        return Evaluation(logits[:-1], wdl[:-1])


def test_a_short_answer_is_not_stretched() -> None:
    game = load("tic-tac-toe")
    cached = CachedEvaluator(Short(game), game, 10)
    after = game.position()
    after.play(4)
    with pytest.raises((AssertionError, ValueError)):
        cached.evaluate(leaves_of([game.position(), after]))


# -- hashing ---------------------------------------------------------------------------------------


def hashes(rows: np.ndarray) -> np.ndarray:
    tags = np.zeros((len(rows), 2), np.uint64)
    hash_rows(np.ascontiguousarray(rows, np.uint8), tags)
    return tags


def test_hashes_of_many_boards_do_not_collide() -> None:
    """All 3**9 fillings of nine points by two planes, for 128 bits and for each half."""
    boards = np.array(list(itertools.product(range(3), repeat=9)), np.uint8)
    rows = np.concatenate([boards == 1, boards == 2], axis=1).astype(np.uint8)
    tags = hashes(rows)
    for half in tags.T:
        assert len(np.unique(half)) == len(rows)
    low = np.bincount((tags[:, 0] & np.uint64(1023)).astype(np.int64), minlength=1024)
    assert abs(low.var() / low.mean() - 1) < 0.2, "the slots are drawn as if at random"


@given(st.binary(min_size=1, max_size=60), st.data())
def test_a_single_changed_byte_changes_the_hash(row: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(row) - 1))
    other = bytearray(row)
    other[place] ^= data.draw(st.integers(1, 255))
    rows = np.frombuffer(row + bytes(other), np.uint8).reshape(2, -1)
    tags = hashes(rows)
    assert tags[0, 0] != tags[1, 0] and tags[0, 1] != tags[1, 1]
    assert (tags[:, 1] != 0).all(), "an empty entry is never mistaken for a board"
    assert (hashes(rows[:1]) == tags[:1]).all()
