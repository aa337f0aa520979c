"""Score and ownership averaged over a search tree, against a walk written with objects."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphazero.config import PuctConfig, SearchConfig
from alphazero.game import Auxiliary, Position, load
from alphazero.game.jit import kernel
from alphazero.network.evaluator import CachedEvaluator, Evaluation, Leaves
from alphazero.search.score import OWNERSHIP, SCORE, Average
from alphazero.search.search import Search
from tests.helpers.tree_reading import Seen, read_tree, run_to_the_end
from tests.judges.textbook_mcts import HashEvaluator

BOTH = (SCORE, OWNERSHIP)
ROUNDING = 1 / 127  # of a point of ownership


@kernel
def score_target(state, final_state, out):
    out[0] = 0.0
    for cell in range(9):
        owner = final_state.board[cell]
        if owner != 0:
            out[0] += (cell + 1.0) if owner == state.to_play + 1 else -(cell + 1.0)


@kernel
def ownership_target(state, final_state, out):
    for cell in range(9):
        owner = final_state.board[cell]
        out[cell] = 0.0 if owner == 0 else (1.0 if owner == state.to_play + 1 else -1.0)


GAME = dataclasses.replace(
    load("tic-tac-toe"),
    auxiliary=(
        Auxiliary(SCORE, (1,), score_target),
        Auxiliary(OWNERSHIP, (3, 3), ownership_target, "tanh"),
    ),
)


class Opinions(HashEvaluator):
    """Arbitrary priors and values; a score by the number of stones, and stones that are 0.8 their
    player's, which turn with the planes."""

    uses_planes = True
    predicts = BOTH

    def evaluate(self, leaves: Leaves) -> Evaluation:
        found = dict(zip(BOTH, opinion(leaves.states, leaves.planes), strict=True))
        extra = {name: found[name] for name in leaves.extra}
        return super().evaluate(leaves)._replace(extra=extra)


def opinion(states: np.ndarray, planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mine, other = planes[:, 0].astype(np.float32), planes[:, 1].astype(np.float32)
    score = np.sin(states["ply"].astype(np.float32)) + 3.0 * mine.sum(axis=(1, 2))
    return score[:, None], np.float32(0.8) * (mine - other)


def search_of(position: Position, config: SearchConfig, seed: int = 1, **more) -> Search:
    search = Search(GAME, Opinions(GAME, salt=seed), config, predictions=BOTH, **more)
    for tree in range(search.num_trees):
        search.begin(tree, position, seed=seed + tree)
    run_to_the_end(search)
    return search


def position_after(plies: int, seed: int) -> Position:
    rng, position = np.random.default_rng(seed), GAME.position()
    for _ in range(plies):
        position.play(int(rng.choice(position.legal_actions())))
        if position.is_over:
            position.undo()
            break
    return position


# -- the walk with objects -------------------------------------------------------------------------


Moments = tuple[float, float, np.ndarray, np.ndarray]  # sums of score and ownership, and squares


def prediction(position: Position, player: int) -> tuple[float, np.ndarray]:
    """The score and ownership of one position for a player."""
    if position.is_over:
        score, ownership = np.zeros(1, np.float32), np.zeros(9, np.float32)
        score_target(position.state, position.state, score)
        ownership_target(position.state, position.state, ownership)
    else:
        score, ownership = opinion(position.state_array, position.planes()[None])
        score, ownership = score[0], ownership.ravel()
    sign = 1 if position.to_play == player else -1
    return sign * float(score[0]), sign * ownership


def after(position: Position, action: int) -> Position:
    found = position.copy()
    found.play(action)
    return found


def end_of(node: Seen, position: Position) -> Position:
    """The end of a proven position's line, the one with the best score for both players."""
    if not node.children:
        return position
    player = position.to_play
    wanted = [
        (action, child)
        for action, child in node.children.items()
        if child.proven is not None
        and (child.proven if child.to_play == player else -child.proven) == node.proven
    ]
    ends = [end_of(child, after(position, action)) for action, child in wanted]
    return max(ends, key=lambda end: prediction(end, player)[0])


def moments(node: Seen, position: Position, player: int, *, is_root: bool = False) -> Moments:
    """The sums over a node's visits, for a player."""
    here, own = position, node.visits
    if node.proven is not None and not is_root:
        here = end_of(node, position)
        below: list[Moments] = []
    else:
        below = [
            moments(child, after(position, action), player)
            for action, child in node.children.items()
        ]
        own -= sum(child.visits for child in node.children.values())
    score, ownership = prediction(here, player)
    mine = own * score, own * score**2, own * ownership, own * ownership**2
    return tuple(sum(parts) for parts in zip(mine, *below, strict=True))  # type: ignore


def assert_is(found: Average, expected: Moments, visits: int) -> None:
    score, squares, owners, owner_squares = (part / visits for part in expected)
    assert found.visits == pytest.approx(visits)
    assert found.score == pytest.approx(score, abs=1e-5)
    assert found.score_stdev == pytest.approx(math.sqrt(max(squares - score**2, 0)), abs=1e-3)
    np.testing.assert_allclose(found.ownership, owners, atol=ROUNDING)
    spread = np.sqrt(np.maximum(owner_squares - owners**2, 0))
    np.testing.assert_allclose(found.ownership_stdev, spread, atol=0.1)


def check(search: Search, position: Position, tree: int = 0) -> None:
    """Every average of a tree is that of the walk."""
    root, player = read_tree(search, tree), position.to_play
    found, moves = search.averages(tree)
    for action, child in root.children.items():
        assert_is(moves[action], moments(child, after(position, action), player), child.visits)
    if root.proven is None:
        assert_is(found, moments(root, position, player, is_root=True), root.visits)
    else:
        end = end_of(root, position)
        assert found.score == pytest.approx(prediction(end, player)[0])
    assert set(moves) == set(root.children)


# -- tests -----------------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 10**6),
    plies=st.integers(0, 6),
    simulations=st.sampled_from([1, 2, 10, 60]),
    leaves=st.sampled_from([1, 4]),
    solver=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_averages_are_those_over_all_visits(seed, plies, simulations, leaves, solver) -> None:
    position = position_after(plies, seed)
    config = SearchConfig(
        policy="puct", simulations=simulations, leaves_per_tree=leaves, solver=solver
    )
    search = search_of(position, config, seed)
    check(search, position)
    if not search.is_solved(0):
        search.extend(0, 20)
        run_to_the_end(search)
        check(search, position)


def test_the_position_is_the_mean_of_its_moves_and_its_own_evaluation() -> None:
    position = GAME.position()
    search = search_of(position, SearchConfig(policy="puct", simulations=50, solver=False))
    found, moves = search.averages(0)
    assert found.visits == 1 + sum(move.visits for move in moves.values()) == 51
    total = sum(move.visits * move.score for move in moves.values())
    assert found.score == pytest.approx((prediction(position, 0)[0] + total) / 51)


def test_a_kept_subtree_keeps_its_predictions() -> None:
    position = GAME.position()
    search = search_of(position, SearchConfig(policy="puct", simulations=80, solver=False))
    for _ in range(3):
        position.play(search.result(0).best)
        search.reroot(0, position, simulations=30)
        check(search, position) if not search.is_active(0) else None
        run_to_the_end(search)
        check(search, position)


def test_a_tree_that_grows_keeps_its_predictions() -> None:
    position = GAME.position()
    search = search_of(position, SearchConfig(policy="puct", simulations=10, solver=False))
    search.extend(0, 300)
    run_to_the_end(search)
    check(search, position)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("pipelines", [1, 2])
def test_many_trees_keep_apart(threads: int, pipelines: int) -> None:
    position = position_after(2, seed=3)
    config = SearchConfig(policy="puct", simulations=40, leaves_per_tree=3, solver=False)
    search = search_of(position, config, trees=5, threads=threads, pipelines=pipelines)
    for tree in range(5):
        check(search, position, tree)


@pytest.mark.parametrize("policy", ["puct", "gumbel"])
def test_a_search_that_keeps_predictions_finds_the_same(policy) -> None:
    config = SearchConfig(policy=policy, simulations=60, puct=PuctConfig(c_init=2.0))
    position, evaluator = GAME.position(), Opinions(GAME)
    results = []
    for predictions in ((), (SCORE,), BOTH):
        search = Search(GAME, evaluator, config, predictions=predictions)
        search.begin(0, position, seed=5)
        run_to_the_end(search)
        results.append(search.result(0))
        assert search.predictions == predictions
    for other in results[1:]:
        np.testing.assert_array_equal(other.visits, results[0].visits)
        np.testing.assert_array_equal(other.q, results[0].q)


def test_memory_is_taken_only_where_it_is_asked_for() -> None:
    config = SearchConfig(policy="puct", simulations=20)
    sizes = {}
    for predictions in ((), (SCORE,), BOTH):
        search = Search(GAME, Opinions(GAME), config, predictions=predictions)
        search.begin(0, GAME.position(), seed=1)
        run_to_the_end(search)
        sizes[len(predictions)] = search.memory_per_node()
    assert sizes[1] == sizes[0] + 4 and sizes[2] == sizes[1] + 9


def test_what_is_not_predicted_cannot_be_kept() -> None:
    config = SearchConfig(policy="puct", simulations=20)
    with pytest.raises(ValueError, match="does not predict"):
        Search(GAME, HashEvaluator(GAME), config, predictions=(SCORE,))
    search = Search(GAME, Opinions(GAME), config)
    search.begin(0, GAME.position(), seed=1)
    search.run()
    with pytest.raises(ValueError, match="keeps no predictions"):
        search.averages(0)


# -- the cache -------------------------------------------------------------------------------------


class OfPlanes(Opinions):
    """The same of planes alone, so that its answers may be cached; counts its rows."""

    uses_states = False
    rows = 0

    def evaluate(self, leaves: Leaves) -> Evaluation:
        self.rows += len(leaves.planes)
        stones = leaves.planes.sum(axis=(1, 2, 3))
        score = (stones / 4).astype(np.float32)[:, None]
        ownership = np.float32(0.8) * (leaves.planes[:, 0].astype(np.float32) - leaves.planes[:, 1])
        extra = {name: {SCORE: score, OWNERSHIP: ownership}[name] for name in leaves.extra}
        logits = np.zeros((len(stones), 9), np.float32)
        return Evaluation.of_value(logits, np.zeros(len(stones)))._replace(extra=extra)


def test_the_cache_holds_predictions_once_they_are_asked_for() -> None:
    inner = OfPlanes(GAME)
    cache = CachedEvaluator(inner, GAME, 1 << 16)  # with room for every position
    config = SearchConfig(policy="puct", simulations=100, symmetry=False)

    def search(predictions: tuple[str, ...], evaluator=cache) -> Search:
        made = Search(GAME, evaluator, config, predictions=predictions)
        made.begin(0, GAME.position(), seed=1)
        run_to_the_end(made)
        return made

    search(())
    before = inner.rows
    search(())
    assert inner.rows == before, "all from the cache"
    first = search((SCORE,))
    assert inner.rows > before, "the cache has no scores yet"
    before = inner.rows
    again, plain = search((SCORE,)), search((SCORE,), OfPlanes(GAME))
    assert inner.rows == before
    assert first.averages(0) == again.averages(0) == plain.averages(0)
    whole, alone = search(BOTH).averages(0)[0], search(BOTH, OfPlanes(GAME)).averages(0)[0]
    np.testing.assert_array_equal(whole.ownership, alone.ownership)  # type: ignore
    before = inner.rows
    search(())
    assert inner.rows == before, "an entry with more is good for less"


def test_entries_that_hold_more_are_fewer() -> None:
    cache = CachedEvaluator(OfPlanes(GAME), GAME, 1024)
    size = sum(array.nbytes for array in cache._kept.values())
    Search(GAME, cache, SearchConfig(policy="puct", simulations=5), predictions=BOTH)
    leaves = Leaves(
        np.zeros((1, 2, 3, 3), np.uint8), GAME.empty_states(1), np.zeros(1, np.uint64), None, BOTH
    )
    cache.evaluate(leaves)
    assert sum(array.nbytes for array in cache._kept.values()) <= size
