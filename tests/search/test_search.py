"""Search as a whole: against a textbook, its invariants, its tactics, and many trees at once.

Tests of single kernels are in the files named after their modules.
"""

import functools
import gc
import weakref
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphazero.config import GumbelConfig, PuctConfig, SearchConfig
from alphazero.errors import UserError
from alphazero.game import Game, Position
from alphazero.game import load as load_anew
from alphazero.network.encoder import Encoder
from alphazero.network.evaluator import (
    Evaluation,
    Evaluator,
    Leaves,
    RolloutEvaluator,
    UniformEvaluator,
)
from alphazero.search.layout import LOSS
from alphazero.search.search import Search, search_many
from alphazero.search.simulate import transform_planes
from tests.helpers import toy_games
from tests.helpers.tree_reading import check_tree, read_tree, run_to_the_end
from tests.judges.textbook_mcts import HashDraws, HashEvaluator, TextbookSearch, assert_same_tree

load = functools.cache(load_anew)
GAMES = {
    "tic-tac-toe": lambda: load("tic-tac-toe"),
    "connect4 4x4": lambda: load("connect4:rows=4,cols=4"),
    "connect4": lambda: load("connect4"),
    "double moves": lambda: toy_games.RANDOM,  # and results of one half
    "repetition": lambda: toy_games.RING,
}
games = pytest.mark.parametrize("name", GAMES)
policies = pytest.mark.parametrize("policy", ["puct", "gumbel"])


def position_in(name: str, seed: int, plies: int) -> Position:
    """A position that is not over, after at most `plies` random moves."""
    game = GAMES[name]()
    rng = np.random.default_rng(seed)
    position = game.position()
    if game is toy_games.RANDOM:
        position = toy_games.position_of(game, seed=seed)
    elif game is toy_games.RING:
        position = toy_games.position_of(game, length=5 + seed % 8)
    for _ in range(plies):
        position.play(int(rng.choice(position.legal_actions())))
        if position.is_over:
            position.undo()
            break
    return position


def searched(position: Position, evaluator: Evaluator, config: SearchConfig, **begin) -> Search:
    search = Search(position.game, evaluator, config)
    search.begin(0, position, **({"seed": 1} | begin))
    run_to_the_end(search)
    return search


def budgets(policy: str, simulations: int, **settings) -> SearchConfig:
    return SearchConfig(policy=policy, simulations=simulations, **settings)


# -- against the textbook --------------------------------------------------------------------------


configs = st.builds(
    SearchConfig,
    policy=st.sampled_from(["puct", "gumbel"]),
    simulations=st.sampled_from([1, 2, 7, 20, 50, 90]),
    solver=st.booleans(),
    puct=st.builds(
        PuctConfig,
        c_init=st.sampled_from([0.5, 1.25, 3.0]),
        c_base=st.sampled_from([5.0, 19652.0]),
        fpu_reduction=st.sampled_from([0.0, 0.2, 1.0]),
        root_fpu_reduction=st.sampled_from([0.0, 0.5]),
    ),
    gumbel=st.builds(
        GumbelConfig,
        max_num_considered_actions=st.sampled_from([2, 3, 4, 16]),
        c_visit=st.sampled_from([5.0, 50.0]),
        c_scale=st.sampled_from([0.1, 1.0]),
    ),
)


@pytest.mark.slow
@games
@given(config=configs, seed=st.integers(0, 10**6), plies=st.integers(0, 8))
@settings(max_examples=25)
def test_visit_for_visit_as_the_textbook(
    name: str, config: SearchConfig, seed: int, plies: int
) -> None:
    position = position_in(name, seed, plies)
    evaluator = HashDraws(position.game, salt=seed)
    search = searched(position, evaluator, config)
    textbook = TextbookSearch(evaluator, config, position)
    textbook.run(config.simulations)
    assert_same_tree(read_tree(search), textbook.root)
    result = search.result(0)
    assert result.visits.tolist() == textbook.visits()
    assert result.simulations == textbook.simulations
    assert result.proven == textbook.root.proven
    np.testing.assert_allclose(result.policy, textbook.policy(), atol=1e-5)
    wdl = [result.wdl, *result.move_wdl[result.visits > 0]]
    np.testing.assert_allclose(wdl, textbook.wdl(), atol=1e-5)


@games
@given(config=configs, seed=st.integers(0, 10**6), choices=st.lists(st.integers(0, 2), max_size=5))
@settings(max_examples=12)
def test_visit_for_visit_as_the_textbook_over_a_whole_game(
    name: str, config: SearchConfig, seed: int, choices: list[int]
) -> None:
    """The tree is kept from move to move, of which `choices` picks among the most visited."""
    position = position_in(name, seed, 0)
    evaluator = HashDraws(position.game, salt=seed)
    search = searched(position, evaluator, config)
    textbook = TextbookSearch(evaluator, config, position)
    textbook.run(config.simulations)
    for choice in choices:
        moves = sorted(textbook.root.children, key=lambda a: -textbook.root.children[a].visits)
        moves = [a for a in moves if textbook.root.children[a].priors]
        if not moves:
            break
        action = moves[choice % len(moves)]
        position.play(action)
        search.reroot(0, position, simulations=30)
        run_to_the_end(search)
        textbook.advance(action)
        textbook.run(30)
        assert_same_tree(read_tree(search), textbook.root)
        assert search.result(0).simulations == textbook.simulations


@games
def test_visit_for_visit_as_the_textbook_under_gumbel_noise(name: str) -> None:
    for seed in range(5):
        position = position_in(name, seed, 1)
        evaluator = HashEvaluator(position.game, salt=seed)
        config = budgets("gumbel", 40, gumbel=GumbelConfig(max_num_considered_actions=4))
        search = searched(position, evaluator, config, seed=seed, noise=True)
        gumbel = {
            a: float(search._trees.root_actions[0, a]["gumbel"]) for a in position.legal_actions()
        }
        textbook = TextbookSearch(evaluator, config, position, gumbel=gumbel)
        textbook.run(40)
        assert_same_tree(read_tree(search), textbook.root)


forcing = st.builds(
    SearchConfig,
    policy=st.just("puct"),
    simulations=st.sampled_from([2, 10, 50, 200]),
    solver=st.booleans(),
    puct=st.builds(
        PuctConfig,
        c_init=st.sampled_from([0.3, 1.25]),
        dirichlet_noise_weight=st.sampled_from([0.0, 0.25, 1.0]),
        dirichlet_total_concentration=st.sampled_from([1.0, 10.83]),
        forced_playouts=st.sampled_from([0.5, 2.0, 8.0]),
    ),
)


@pytest.mark.slow
@games
@given(config=forcing, seed=st.integers(0, 10**6), plies=st.integers(0, 8))
@settings(max_examples=25)
def test_forced_playouts_and_pruned_targets_as_the_textbook(
    name: str, config: SearchConfig, seed: int, plies: int
) -> None:
    position = position_in(name, seed, plies)
    evaluator = HashEvaluator(position.game, salt=seed)
    search = searched(position, evaluator, config, seed=seed, noise=True)
    noised = dict(sorted(read_tree(search).priors.items()))
    textbook = TextbookSearch(evaluator, config, position, noised=noised)
    textbook.run(config.simulations)
    assert_same_tree(read_tree(search), textbook.root)
    result = search.result(0)
    assert result.visits.tolist() == textbook.visits(), "which stay as they were made"
    np.testing.assert_allclose(result.policy, textbook.policy(), atol=1e-5)


# -- invariants ------------------------------------------------------------------------------------


@games
@given(
    config=configs,
    seed=st.integers(0, 10**6),
    leaves=st.sampled_from([1, 2, 5, 16]),
    virtual_loss=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    noise=st.booleans(),
)
@settings(max_examples=25)
def test_invariants_of_a_tree(
    name: str, config: SearchConfig, seed: int, leaves: int, virtual_loss: float, noise: bool
) -> None:
    config = replace(config, leaves_per_tree=leaves, virtual_loss=virtual_loss)
    position = position_in(name, seed, seed % 7)
    search = searched(position, HashEvaluator(position.game, salt=seed), config, noise=noise)
    root = check_tree(search, position)
    result = search.result(0)
    assert result.simulations == root.visits - 1
    assert result.simulations == config.simulations or result.proven is not None
    assert result.simulations <= config.simulations, "the budget is kept exactly"
    assert result.visits.sum() == result.simulations


@games
@policies
def test_invariants_hold_from_move_to_move(name: str, policy: str) -> None:
    for seed in range(3):
        position = position_in(name, seed, 0)
        config = budgets(policy, 25, leaves_per_tree=3)
        search = searched(position, HashEvaluator(position.game, salt=seed), config, noise=True)
        while True:
            position.play(search.result(0).best)
            if position.is_over:
                break
            search.reroot(0, position, simulations=20, noise=True)
            run_to_the_end(search)
            check_tree(search, position, fresh=False)


# -- many trees, many leaves -----------------------------------------------------------------------


@policies
@pytest.mark.parametrize("name", ["tic-tac-toe", "connect4", "repetition"])
def test_a_batch_of_searches_is_as_each_alone(name: str, policy: str) -> None:
    """The evaluator is random, but each leaf's seed depends on its own tree only."""
    positions = [position_in(name, seed, seed % 5) for seed in range(17)]
    game = positions[0].game
    config = budgets(policy, 40, leaves_per_tree=3)
    if game is toy_games.RING:
        evaluator: Evaluator = HashEvaluator(game)  # playouts do not know what came before them
    else:
        evaluator = RolloutEvaluator(game)
    together = search_many(game, evaluator, config, positions, range(100, 117))
    for seed, position, result in zip(range(100, 117), positions, together, strict=True):
        (alone,) = search_many(game, evaluator, config, [position], [seed])
        assert result.visits.tolist() == alone.visits.tolist()
        assert result.policy.tolist() == alone.policy.tolist()
        assert (result.value, result.pv) == (alone.value, alone.pv)


class Unhurried(Evaluator):
    """Evaluates a batch only when it is waited for, as a device might."""

    uses_planes, uses_states = True, True

    def __init__(self, inner: Evaluator) -> None:
        self.inner = inner
        self.under_way = self.most_under_way = 0

    def submit(self, leaves: Leaves) -> Callable[[], Evaluation]:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)

        def answer() -> Evaluation:
            self.under_way -= 1
            return self.inner.evaluate(leaves)

        return answer


@policies
def test_two_pipelines_overlap_and_change_nothing(policy: str) -> None:
    positions = [position_in("connect4", seed, seed % 9) for seed in range(5)]
    game = positions[0].game
    config = budgets(policy, 50, leaves_per_tree=4, symmetry=False)
    expected = search_many(game, HashEvaluator(game), config, positions, range(5))
    evaluator = Unhurried(HashEvaluator(game))
    search = Search(game, evaluator, config, 5, pipelines=2)
    for tree, position in enumerate(positions):
        search.begin(tree, position, seed=tree)
    run_to_the_end(search)
    assert evaluator.most_under_way == 2
    for tree, position in enumerate(positions):
        check_tree(search, position, tree)
        assert search.result(tree).visits.tolist() == expected[tree].visits.tolist()


def test_more_pipelines_than_trees_are_idle() -> None:
    game = load("tic-tac-toe")
    search = Search(game, UniformEvaluator(game), budgets("puct", 10), 2, pipelines=5)
    for tree in range(2):
        search.begin(tree, game.position(), seed=0)
    run_to_the_end(search)
    assert [search.simulations(tree) for tree in range(2)] == [10, 10]


def test_trees_are_not_in_lockstep() -> None:
    """Each finishes at its own step, and begins anew while the others go on, unharmed."""
    game = load("connect4")
    config = budgets("puct", 60)
    search = Search(game, HashEvaluator(game), config, 3)
    wanted = [12, 60, 31]
    for tree, simulations in enumerate(wanted):
        search.begin(tree, game.position(), seed=tree, simulations=simulations)
    finished_at = {}
    second = position_in("connect4", 7, 5)
    for step in range(200):
        for tree in search.step():
            finished_at.setdefault(tree, step)
            if tree == 0 and len(finished_at) == 1:
                search.begin(0, second, seed=9, simulations=90)
        if len(finished_at) == 3 and not search._trees.heads["active"].any():
            break
    # The root's evaluation takes the first step; the answer to the last leaf comes one step later.
    assert finished_at == {tree: simulations + 1 for tree, simulations in enumerate(wanted)}
    for tree in (1, 2):
        alone = searched(
            game.position(), HashEvaluator(game), config, seed=tree, simulations=wanted[tree]
        )
        assert read_tree(search, tree).whole() == read_tree(alone).whole()
    alone = searched(second, HashEvaluator(game), config, seed=9, simulations=90)
    assert read_tree(search, 0).whole() == read_tree(alone).whole()


@policies
def test_leaves_per_tree_are_evaluated_together(policy: str) -> None:
    game = load("connect4")
    config = budgets(policy, 64, leaves_per_tree=8)
    search = searched(game.position(), HashEvaluator(game), config)
    assert search.batches < 64 / 3, "most batches hold several leaves of the tree"
    assert search.rows_evaluated == sum(1 for node in read_tree(search).nodes() if node.priors)
    assert search.simulations(0) == 64


# -- symmetry --------------------------------------------------------------------------------------


class Equivariant(Evaluator):
    """Looks the same at every symmetry of the board, and at nothing else: logits and value are sums
    over stones weighed by distances, in fractions that float32 adds without rounding."""

    def __init__(self, game: Game) -> None:
        _, height, width = game.planes
        rng = np.random.default_rng(5)
        # By channel, use and two distances; so fine that no two sums are equal by accident.
        weights = rng.integers(-(2**14), 2**14, (2, 3, 64, 64)) / 2**16
        row, column = np.divmod(np.arange(height * width), width)
        middle = abs(2 * row - height + 1), abs(2 * column - width + 1)
        square = game.num_actions == height * width
        if square:
            far = np.maximum(*middle) + 8 * np.minimum(*middle)
            across = abs(row[:, None] - row), abs(column[:, None] - column)
            near = np.maximum(*across) + 8 * np.minimum(*across)  # [point, action]
        else:  # columns: only the mirror image is the same
            far = middle[1] + 8 * row
            near = abs(column[:, None] - np.arange(width)) + 8 * row[:, None]
        self.to_logits = weights[:, 0, near % 64, far[:, None] % 64]
        self.to_value = weights[:, 1, far % 64, 0] / 16
        self.bias = weights[0, 2, far if square else middle[1][:width], 0]

    def evaluate(self, leaves: Leaves) -> Evaluation:
        stones = leaves.planes.reshape(len(leaves.planes), 2, -1).astype(np.float64)
        logits = np.einsum("bcp,cpa->ba", stones, self.to_logits) + self.bias
        value = np.einsum("bcp,cp->b", stones, self.to_value)
        assert abs(value).max() < 1
        return Evaluation.of_value(logits.astype(np.float32), value.astype(np.float32))


@policies
@pytest.mark.parametrize("name", ["tic-tac-toe", "connect4"])
def test_random_symmetries_of_leaves_change_nothing_for_an_equivariant_evaluator(
    name: str, policy: str
) -> None:
    """Planes and policy are permuted there and back correctly, or the trees would differ."""
    for seed in range(6):
        position = position_in(name, seed, seed)
        evaluator = Equivariant(position.game)
        config = budgets(policy, 120, leaves_per_tree=2)
        turned = searched(position, evaluator, config, seed=seed)
        straight = searched(position, evaluator, replace(config, symmetry=False))
        assert read_tree(turned).whole() == read_tree(straight).whole()


@given(seed=st.integers(0, 10**6), size=st.integers(1, 9), channels=st.integers(1, 6))
def test_planes_are_transformed_point_by_point(seed: int, size: int, channels: int) -> None:
    """Planes that are the same everywhere take a shorter way."""
    rng = np.random.default_rng(seed)
    planes = rng.integers(0, 256, (channels, size, size), np.uint8)
    planes[rng.random(channels) < 0.3] = rng.integers(0, 256)
    points = rng.permutation(size * size).astype(np.int32)
    out = np.empty_like(planes)
    transform_planes(planes, points, out)
    flat = planes.reshape(channels, -1)
    assert np.array_equal(out.reshape(channels, -1), flat[:, points])


class Spy(UniformEvaluator):
    """Keeps the planes it was asked about, and prefers the action 2."""

    def __init__(self, game: Game) -> None:
        super().__init__(game)
        self.planes: list[np.ndarray] = []

    def evaluate(self, leaves: Leaves) -> Evaluation:
        self.planes.append(leaves.planes.copy())
        logits = np.zeros((len(leaves.planes), 9), np.float32)
        logits[:, 2] = 3.0
        return Evaluation.of_value(logits, np.zeros(len(leaves.planes), np.float32))


def test_a_leaf_is_seen_in_all_its_symmetries_and_its_policy_turned_back() -> None:
    game = load("tic-tac-toe")
    assert game.symmetries is not None
    position = game.position()
    for move in ("a3", "b3"):
        position.play(move)
    seen = set()
    for seed in range(60):
        spy = Spy(game)
        search = searched(position, spy, budgets("puct", 1), seed=seed)
        planes = spy.planes[0][0].reshape(2, 9)
        matching = [
            s
            for s, points in enumerate(game.symmetries.points)
            if (planes == position.planes().reshape(2, 9)[:, points]).all()
        ]
        assert len(matching) == 1
        seen.add(matching[0])
        # What lies at the turned board's point 2 is the point that the evaluator means.
        meant = int(game.symmetries.points[matching[0]][2])
        priors = read_tree(search).priors
        expected = meant if meant in priors else None
        assert expected is None or max(priors, key=priors.__getitem__) == expected
    assert seen == set(range(8))


@policies
def test_a_turned_position_is_searched_as_the_position_turned(policy: str) -> None:
    game = load("connect4")
    for seed in range(8):
        position = position_in("connect4", seed, 9)
        mirrored = game.position()
        for action in position.moves:
            mirrored.play(6 - action)
        evaluator = Equivariant(game)
        results = [
            searched(p, evaluator, budgets(policy, 80)).result(0) for p in (position, mirrored)
        ]
        visits = [dict(zip(r.actions.tolist(), r.visits.tolist(), strict=True)) for r in results]
        assert visits[0] == {6 - action: count for action, count in visits[1].items()}
        assert abs(results[0].value - results[1].value) < 0.01  # ties below fall to another side


def test_random_playouts_visit_symmetric_moves_equally_often() -> None:
    game = load("tic-tac-toe")
    config = budgets("puct", 60, solver=False)
    results = search_many(game, RolloutEvaluator(game), config, [game.position()] * 400, range(400))
    visits = np.array([result.visits for result in results])
    for moves in ([0, 2, 6, 8], [1, 3, 5, 7]):
        shares = visits[:, moves]
        error = shares.std() / np.sqrt(len(shares))
        assert np.abs(shares.mean(axis=0) - shares.mean()).max() < 4 * error
    assert visits[:, 4].mean() > visits[:, :4].mean(), "the centre is best"


@policies
def test_a_uniform_evaluator_gives_equal_moves_equal_values(policy: str) -> None:
    game = load("tic-tac-toe")
    result = searched(game.position(), UniformEvaluator(game), budgets(policy, 9)).result(0)
    assert result.visits.tolist() == [1] * 9
    assert result.q.tolist() == [0.0] * 9
    assert not np.signbit(result.q).any(), "a draw is 0, not -0"
    np.testing.assert_allclose(result.policy, 1 / 9, rtol=1e-6)


# -- keeping the tree ------------------------------------------------------------------------------


@games
@policies
def test_a_move_keeps_exactly_its_subtree(name: str, policy: str) -> None:
    for seed in range(4):
        position = position_in(name, seed, 0)
        config = budgets(policy, 60, leaves_per_tree=1 + 2 * (seed % 2))
        search = searched(position, HashEvaluator(position.game, salt=seed), config)
        for _ in range(4):
            before = read_tree(search)
            expanded = [a for a, child in before.children.items() if child.priors]
            if not expanded:
                break
            action = expanded[seed % len(expanded)]
            position.play(action)
            search.reroot(0, position, simulations=0)
            run_to_the_end(search)
            after = check_tree(search, position, fresh=False)
            assert after.whole() == before.subtree(action)
            search.extend(0, 20)
            run_to_the_end(search)
            check_tree(search, position, fresh=False)


@games
def test_a_move_that_was_not_searched_begins_a_fresh_tree(name: str) -> None:
    position = position_in(name, 3, 0)
    evaluator = HashEvaluator(position.game)
    search = searched(position, evaluator, budgets("puct", 30), simulations=0)
    position.play(position.legal_actions()[-1])
    search.reroot(0, position)
    run_to_the_end(search)
    fresh = searched(position, evaluator, budgets("puct", 30))
    assert read_tree(search).whole() == read_tree(fresh).whole()


@policies
def test_without_reuse_every_move_begins_a_fresh_tree(policy: str) -> None:
    position = position_in("connect4", 3, 2)
    evaluator = HashEvaluator(position.game)
    config = budgets(policy, 30, reuse_tree=False)
    search = searched(position, evaluator, config)
    position.play(search.result(0).best)
    search.reroot(0, position)
    run_to_the_end(search)
    assert read_tree(search).whole() == read_tree(searched(position, evaluator, config)).whole()


def test_a_kept_gumbel_root_halves_by_the_visits_of_its_own_search() -> None:
    position = position_in("connect4", 1, 0)
    config = budgets("gumbel", 100, gumbel=GumbelConfig(max_num_considered_actions=4), solver=False)
    search = searched(position, HashEvaluator(position.game), config)
    for _ in range(3):
        position.play(search.result(0).best)
        before = read_tree(search).children[position.moves[-1]]
        inherited = {action: child.visits for action, child in before.children.items()}
        assert max(inherited.values()) > 10
        search.reroot(0, position, simulations=60)
        run_to_the_end(search)
        after = read_tree(search).children
        new = sorted(child.visits - inherited.get(action, 0) for action, child in after.items())
        # Seven rounds among four, then fifteen between two, and what is left over.
        assert [count for count in new if count] == [7, 7, 23, 23]
        best = search.result(0).best
        assert after[best].visits - inherited.get(best, 0) == 23


def test_a_solved_root_that_is_kept_needs_no_more_simulations() -> None:
    position = connect4_after("d d e e")
    search = searched(position, UniformEvaluator(position.game), budgets("puct", 3000))
    assert search.result(0).proven == 1
    position.play(search.result(0).best)
    search.reroot(0, position)
    run_to_the_end(search)
    result = search.result(0)
    assert (result.proven, result.value, result.simulations) == (-1, -1.0, 0)
    check_tree(search, position, fresh=False)
    search.extend(0, 50)
    run_to_the_end(search)
    assert search.simulations(0) == 0


def test_the_tree_grows_beyond_what_was_planned() -> None:
    position = position_in("connect4", 1, 0)
    evaluator = HashEvaluator(position.game)
    search = searched(position, evaluator, budgets("puct", 5))
    search.extend(0, 700)
    run_to_the_end(search)
    check_tree(search, position)
    assert search.result(0).visits.sum() == 705
    whole = searched(position, evaluator, budgets("puct", 5), simulations=705)
    assert read_tree(search).whole() == read_tree(whole).whole()


# -- proven results --------------------------------------------------------------------------------


def connect4_after(moves: str) -> Position:
    position = load("connect4").position()
    for move in moves.split():
        position.play(move)
    return position


def tic_tac_toe_after(moves: str) -> Position:
    position = load("tic-tac-toe").position()
    for move in moves.split():
        position.play(move)
    return position


TACTICS = [
    # what it is called, position, the moves that do it, the result for the player to move
    ("win in one, rather than block", tic_tac_toe_after("a3 a1 b3 b1"), "c3", 1),
    ("block in one", tic_tac_toe_after("a3 b2 b3"), "c3", 0),
    ("a fork is lost", tic_tac_toe_after("a3 b2 c1 c3 a1"), "b3 a2 c2 b1", -1),
    ("make a fork", tic_tac_toe_after("a3 c1 a1 a2"), "c3", 1),
    ("answer a corner in the centre", tic_tac_toe_after("a3"), "b2", 0),
    ("answer opposite corners on an edge", tic_tac_toe_after("a3 b2 c1"), "b3 b1 a2 c2", 0),
    ("win in one on a column, rather than block", connect4_after("d a d a d a"), "d", 1),
    ("win in one on a row", connect4_after("b b c c d d"), "a e", 1),
    ("win in one on a rising diagonal", connect4_after("a b b c g c c d g d f d"), "d", 1),
    ("win in one on a falling diagonal", connect4_after("g f f e a e e d a d b d"), "d", 1),
    ("block in one on a column", connect4_after("d a d a d"), "d", None),
    ("block in one on a row", connect4_after("b a c a d"), "e", None),
    ("win in three by a double threat", connect4_after("d d e e"), "c f", 1),
    ("stop the double threat", connect4_after("d a e"), "c f", None),
]  # fmt: skip


@policies
@pytest.mark.parametrize("leaves", [1, 8])
@pytest.mark.parametrize(
    ("position", "moves", "value"), [tactic[1:] for tactic in TACTICS], ids=[t[0] for t in TACTICS]
)
def test_tactics(
    policy: str, leaves: int, position: Position, moves: str, value: int | None
) -> None:
    config = budgets(policy, 1500, leaves_per_tree=leaves)
    result = searched(position, UniformEvaluator(position.game), config).result(0)
    assert position.text(result.best) in moves.split()
    assert result.proven in (None, value)
    assert value in (None, 0) or result.proven == value
    if value is not None:
        good = [result.index(position.action(move)) for move in moves.split()]
        assert result.policy[good].sum() > 0.5


def minimax(position: Position, memory: dict) -> float:
    """The exact value for the player to move, by trying everything."""
    if position.is_over:
        return position.value_to_move()
    past = tuple(sorted(position.keys.tolist())) if position.game.uses_keys else ()
    situation = (position.key, position.ply, position.to_play, past)
    if situation not in memory:
        memory[situation] = max(value_of(position, a, memory) for a in position.legal_actions())
    return memory[situation]


def value_of(position: Position, action: int, memory: dict) -> float:
    """The exact value of a move for who makes it."""
    player = position.to_play
    position.play(action)
    value = minimax(position, memory)
    value = value if position.to_play == player else -value
    position.undo()
    return value


LATE = {"tic-tac-toe": 4, "connect4 4x4": 9, "double moves": 3, "repetition": 3}


@policies
@pytest.mark.parametrize("name", LATE)
def test_proven_results_are_those_of_brute_force(name: str, policy: str) -> None:
    memory: dict = {}
    solved = 0
    for seed in range(40):
        position = position_in(name, seed, LATE[name] + seed % 3)
        memory = {} if name in ("double moves", "repetition") else memory  # another game each time
        value = minimax(position, memory)
        evaluator = HashEvaluator(position.game, salt=seed)
        config = budgets(policy, 600, leaves_per_tree=1 + seed % 4)
        search = searched(position, evaluator, config)
        result = search.result(0)
        if result.proven is None:
            assert result.simulations == 600
            continue
        solved += 1
        assert result.proven == result.value == value
        assert value_of(position, result.best, memory) == value
        good = {a for a in position.legal_actions() if value_of(position, a, memory) == value}
        if value != 0 or name == "repetition":
            chosen = {int(a) for a in result.actions[result.policy > 0]}
            assert chosen <= good, "the policy target is on moves that keep the win"
        for node in read_tree(search).nodes():
            if node.proven is not None:
                here = position.copy()
                for action in node.path:
                    here.play(action)
                assert minimax(here, memory) == node.proven
    assert solved >= 10


@policies
@pytest.mark.parametrize("name", ["tic-tac-toe", "connect4", "double moves", "repetition"])
def test_a_move_proven_to_lose_is_not_made_while_there_is_another(name: str, policy: str) -> None:
    avoided = 0
    for seed in range(60):
        position = position_in(
            name, seed, 3 + seed % 20 if name.startswith("connect4") else seed % 7
        )
        evaluator = HashEvaluator(position.game, salt=seed, spread=4.0)
        search = searched(position, evaluator, budgets(policy, 10 + seed % 40))
        result, root = search.result(0), read_tree(search)
        losing = {
            action
            for action, child in root.children.items()
            if child.proven is not None
            and (child.proven if child.to_play == root.to_play else -child.proven) == LOSS
        }
        if 0 < len(losing) < len(root.priors):
            avoided += 1
            assert result.best not in losing
            assert all(result.policy[result.index(action)] == 0 for action in losing)
            rng = np.random.default_rng(seed)
            assert not losing & {result.sample(2.0, rng) for _ in range(20)}
        assert abs(result.policy.sum() - 1) < 1e-5
    assert avoided >= 4


@policies
def test_a_proven_root_ends_the_search_early(policy: str) -> None:
    position = tic_tac_toe_after("a3 a1 b3 b1")
    result = searched(position, UniformEvaluator(position.game), budgets(policy, 5000)).result(0)
    assert result.simulations < 100
    assert (result.proven, result.value) == (1, 1.0)
    assert result.policy.tolist() == [1.0 if a == 2 else 0.0 for a in result.actions]
    assert result.pv == [2]


@policies
def test_without_the_solver_nothing_is_proven(policy: str) -> None:
    position = tic_tac_toe_after("a3 a1 b3 b1")
    config = budgets(policy, 300, solver=False)
    search = searched(position, UniformEvaluator(position.game), config)
    result = search.result(0)
    assert all(node.proven is None for node in read_tree(search).nodes())
    assert result.simulations == 300 and result.proven is None
    assert result.best == 2 and 0 < result.value < 1


def test_half_a_point_is_a_result_but_no_proof() -> None:
    """Only a win, a loss and a draw can be proven."""
    values = set()
    for seed in range(60):
        position = position_in("double moves", seed, 0)
        search = searched(position, HashEvaluator(position.game, salt=seed), budgets("puct", 80))
        for node in read_tree(search).nodes():
            if not node.priors:
                values.add(node.raw_value)
                assert node.q == node.raw_value
                whole = node.raw_value in (-1, 0, 1)
                assert node.proven == (int(node.raw_value) if whole else None)
    assert values == {-1, -0.5, 0, 0.5, 1}


# -- win, draw, loss -------------------------------------------------------------------------------


class Drawish(UniformEvaluator):
    """Says of every position: 0.5 won, 0.4 drawn, 0.1 lost."""

    def evaluate(self, leaves: Leaves) -> Evaluation:
        rows = len(leaves.planes)
        return (
            super().evaluate(leaves)._replace(wdl=np.tile(np.float32([0.5, 0.4, 0.1]), (rows, 1)))
        )


@policies
def test_what_the_evaluator_says_of_draws_is_kept(policy: str) -> None:
    game = load("connect4")
    result = searched(game.position(), Drawish(game), budgets(policy, 30)).result(0)
    np.testing.assert_allclose(result.wdl[1], 0.4, atol=1e-6)
    np.testing.assert_allclose(result.wdl.sum(), 1, atol=1e-6)
    assert result.wdl[0] - result.wdl[2] == pytest.approx(result.value, abs=1e-6)
    visited = result.visits > 0
    np.testing.assert_allclose(result.move_wdl[visited, 1], 0.4, atol=1e-6)
    np.testing.assert_allclose(
        result.move_wdl[:, 0] - result.move_wdl[:, 2], result.q, atol=1e-6, equal_nan=True
    )
    assert np.isnan(result.move_wdl[~visited]).all()


@pytest.mark.parametrize(
    ("moves", "wdl"),
    [("a3 a1 b3 b1", [1, 0, 0]), ("a3 b2 c1 c3 a1", [0, 0, 1]), ("a3 b2 c1 b3 b1 a1", [0, 1, 0])],
)
def test_a_proven_result_is_certain(moves: str, wdl: list[float]) -> None:
    position = tic_tac_toe_after(moves)
    result = searched(position, Drawish(position.game), budgets("puct", 2000)).result(0)
    assert result.proven == wdl[0] - wdl[2] and result.wdl.tolist() == wdl


def test_finished_games_count_as_what_they_are() -> None:
    """Without the solver; a result of one half is as much a draw as a win."""
    for seed in range(20):
        position = position_in("double moves", seed, 0)
        evaluator = HashEvaluator(position.game, salt=seed)
        search = searched(position, evaluator, budgets("puct", 80, solver=False))
        for node in read_tree(search).nodes():
            if not node.priors:
                assert node.draw_sum == node.visits * (1 - abs(node.raw_value))


# -- budgets, and what must not be asked -----------------------------------------------------------


@policies
@pytest.mark.parametrize("leaves", [1, 4])
def test_a_budget_of_none_evaluates_the_root_alone(policy: str, leaves: int) -> None:
    position = position_in("connect4", 2, 3)
    evaluator = HashEvaluator(position.game)
    config = budgets(policy, 10, leaves_per_tree=leaves)
    search = searched(position, evaluator, config, simulations=0)
    result = search.result(0)
    assert (result.simulations, search.rows_evaluated, len(read_tree(search).priors)) == (0, 1, 7)
    assert np.isnan(result.q).all() and not result.visits.any()
    np.testing.assert_allclose(result.policy, result.prior, rtol=1e-5)
    assert result.best == result.actions[result.prior.argmax()] and result.pv == [result.best]
    assert abs(result.value - read_tree(search).raw_value) < 1e-6


@policies
def test_stop_ends_a_search_with_what_it_has_begun(policy: str) -> None:
    position = position_in("connect4", 2, 3)
    search = Search(position.game, HashEvaluator(position.game), budgets(policy, 100))
    search.begin(0, position, seed=1)
    search.stop(0)
    run_to_the_end(search)
    assert search.simulations(0) == 0 and len(read_tree(search).priors) == 7
    search.extend(0, 100)
    for _ in range(20):
        assert search.step() == []
    search.stop(0)
    run_to_the_end(search)
    assert 15 <= search.simulations(0) <= 20
    check_tree(search, position)
    search.stop(0)  # a tree at rest does not mind
    assert search.step() == []


def test_extended_puct_is_as_one_longer_search() -> None:
    position = position_in("connect4", 2, 3)
    evaluator = HashEvaluator(position.game)
    parts = searched(position, evaluator, budgets("puct", 20))
    parts.extend(0, 35)
    run_to_the_end(parts)
    assert parts.simulations(0) == 35, "counted from where it was extended"
    whole = searched(position, evaluator, budgets("puct", 55))
    assert read_tree(parts).whole() == read_tree(whole).whole()


def test_the_seed_decides_everything() -> None:
    position = position_in("connect4", 4, 4)
    evaluator = RolloutEvaluator(position.game)
    trees = [
        read_tree(searched(position, evaluator, budgets("puct", 50), seed=seed)).whole()
        for seed in (7, 7, 8, 7 + 2**64)
    ]
    assert trees[0] == trees[1] == trees[3] and trees[0] != trees[2]


def test_a_finished_game_cannot_be_searched() -> None:
    position = tic_tac_toe_after("a3 a1 b3 b1")
    search = searched(position, UniformEvaluator(position.game), budgets("puct", 30))
    position.play("c3")
    with pytest.raises(ValueError, match="the game is over"):
        search.reroot(0, position)
    with pytest.raises(ValueError, match="the game is over"):
        search.begin(0, position, seed=1)
    with pytest.raises(ValueError, match="the search has not begun"):
        Search(position.game, UniformEvaluator(position.game), budgets("puct", 3)).result(0)


def test_a_tree_that_is_searching_cannot_be_begun_anew() -> None:
    """Leaves at the evaluator would be backed up in the wrong tree."""
    game = load("tic-tac-toe")
    search = Search(game, UniformEvaluator(game), budgets("puct", 30, leaves_per_tree=4))
    search.begin(0, game.position(), seed=1)
    for _ in range(3):
        search.step()
    before = search.simulations(0)
    after = game.position()
    after.play(4)
    for ask in (
        lambda: search.begin(0, game.position(), seed=2),
        lambda: search.reroot(0, after),
        lambda: search.extend(0, 10),
    ):
        with pytest.raises(ValueError, match="still searching"):
            ask()
    assert search.simulations(0) == before
    run_to_the_end(search)
    check_tree(search, game.position())


class Failing(UniformEvaluator):
    def evaluate(self, leaves: Leaves) -> Evaluation:
        raise KeyboardInterrupt


def test_a_search_that_was_interrupted_says_so() -> None:
    game = load("tic-tac-toe")
    search = Search(game, Failing(game), budgets("puct", 30))
    search.begin(0, game.position(), seed=1)
    with pytest.raises(KeyboardInterrupt):
        run_to_the_end(search)
    with pytest.raises(AssertionError, match="begin with a new Search"):
        run_to_the_end(search)


class Wrong(Evaluator):
    def __init__(self, logits: np.ndarray, wdl: np.ndarray) -> None:
        self.answer = Evaluation(logits.astype(np.float32), wdl.astype(np.float32))

    def evaluate(self, leaves: Leaves) -> Evaluation:
        return self.answer


@pytest.mark.parametrize(
    ("logits", "wdl", "message"),
    [
        (np.zeros((1, 8)), np.zeros((1, 3)), "wrong logits"),
        (np.zeros((2, 9)), np.zeros((1, 3)), "wrong logits"),
        (np.zeros((1, 9)), np.zeros((1, 1)), "wrong values"),
        (np.full((1, 9), np.nan), np.zeros((1, 3)), "logits are not numbers"),
        (np.full((1, 9), -np.inf), np.zeros((1, 3)), "logits are not numbers"),
        (np.zeros((1, 9)), np.full((1, 3), np.nan), "not in"),
        (np.zeros((1, 9)), np.array([[1.5, 0, 0]]), "not in"),
    ],
)
def test_a_wrong_answer_of_the_evaluator_is_caught(
    logits: np.ndarray, wdl: np.ndarray, message: str
) -> None:
    game = load("tic-tac-toe")
    with pytest.raises(AssertionError, match=message):
        searched(game.position(), Wrong(logits, wdl), budgets("puct", 5))


def test_a_game_that_breaks_its_word_is_caught() -> None:
    liar = replace(load("tic-tac-toe"), max_legal=3)
    with pytest.raises(AssertionError, match="more legal moves than max_legal"):
        searched(liar.position(), UniformEvaluator(liar), budgets("puct", 50))
    endless = replace(toy_games.RING, max_plies=2)
    position = toy_games.position_of(endless, length=12)
    with pytest.raises(UserError, match="longer than its max_plies"):
        searched(position, HashEvaluator(endless), budgets("puct", 200))


def test_memory_of_a_node() -> None:
    """Bytes allocated and used: itself, its state, 4 bytes per legal move, room for links."""
    position = position_in("connect4", 1, 0)
    search = searched(position, UniformEvaluator(position.game), budgets("puct", 400))
    root = read_tree(search)
    edges = sum(len(node.priors) for node in root.nodes())
    rooms = sum(2 * largest_power(len(node.children)) - 1 for node in root.nodes() if node.children)
    expected = 64 + position.game.state.itemsize + 4 * (edges + rooms) / 401
    assert search.memory_per_node() == pytest.approx(expected)


def largest_power(n: int) -> int:
    """The least power of two that is not below n."""
    return 1 << (n - 1).bit_length()


def test_memory_of_a_node_on_a_large_board() -> None:
    """At most 4 KB with about 360 moves."""
    game = load("go:size=19")
    config = budgets("puct", 3000, leaves_per_tree=64)
    search = searched(game.position(), UniformEvaluator(game), config)
    assert search.memory_per_node() <= 4096


# -- stopping early --------------------------------------------------------------------------------


@pytest.mark.slow
@given(
    name=st.sampled_from(list(GAMES)),
    seed=st.integers(0, 10**6),
    plies=st.integers(0, 8),
    simulations=st.sampled_from([1, 5, 30, 100]),
    leaves=st.sampled_from([1, 3, 8]),
    c_init=st.sampled_from([0.3, 1.25]),
)
@settings(max_examples=60)
def test_stopping_early_never_changes_the_move(
    name: str, seed: int, plies: int, simulations: int, leaves: int, c_init: float
) -> None:
    position = position_in(name, seed, plies)
    evaluator = HashEvaluator(position.game, salt=seed)
    config = budgets(
        "puct",
        simulations,
        solver=False,
        leaves_per_tree=leaves,
        puct=PuctConfig(c_init=c_init, dirichlet_noise_weight=0.0),
    )
    whole, part = (
        searched(position, evaluator, replace(config, stop_early=stop)) for stop in (False, True)
    )
    assert part.result(0).best == whole.result(0).best
    assert part.simulations(0) <= whole.simulations(0) == simulations
    check_tree(part, position)
    # With what is kept of a tree. Noise, here of no weight, has both do all of the first search.
    whole, part = (
        searched(position, evaluator, replace(config, stop_early=stop), noise=True)
        for stop in (False, True)
    )
    position.play(whole.result(0).best)
    if not position.is_over:
        for search in (whole, part):
            search.reroot(0, position)
            run_to_the_end(search)
        assert part.result(0).best == whole.result(0).best
        assert part.simulations(0) <= whole.simulations(0) == simulations


def test_stopping_early_saves_simulations_but_not_under_noise() -> None:
    position = position_in("connect4", 3, 4)
    evaluator = HashEvaluator(position.game, spread=8.0)
    config = budgets("puct", 200, solver=False, stop_early=True)
    search = searched(position, evaluator, config)
    visits = sorted(search.result(0).visits.tolist())
    assert search.simulations(0) < 200
    assert visits[-1] - visits[-2] == 200 - search.simulations(0) + 1, "as soon as it is decided"
    assert searched(position, evaluator, config, noise=True).simulations(0) == 200


# -- misuse ----------------------------------------------------------------------------------------


def test_a_tree_is_kept_for_exactly_one_move() -> None:
    game = load("connect4")
    evaluator = UniformEvaluator(game)
    position = game.position()
    search = Search(game, evaluator, budgets("puct", 20), 2)
    with pytest.raises(ValueError, match="nothing has been searched in tree 0"):
        search.reroot(0, position)
    search.begin(0, position, seed=1)
    run_to_the_end(search)
    with pytest.raises(ValueError, match="exactly one move"):
        search.reroot(0, position)
    position.play("d")
    position.play("d")
    with pytest.raises(ValueError, match="exactly one move"):
        search.reroot(0, position)
    position.undo()
    search.reroot(0, position)
    run_to_the_end(search)
    position.undo()
    position.play("c")
    position.play("c")
    with pytest.raises(ValueError, match="exactly one move"):
        search.reroot(0, position)  # after another move than the one searched
    other = toy_games.position_of(toy_games.RING, length=9)
    ring = Search(other.game, HashEvaluator(other.game), budgets("puct", 5))
    ring.begin(0, toy_games.position_of(toy_games.RING, place=3), seed=1)
    run_to_the_end(ring)
    other.play(0)
    with pytest.raises(ValueError, match="before the last move"):
        ring.reroot(0, other)  # from another start


@pytest.mark.parametrize("simulations", [-1, -100])
def test_simulations_are_not_negative(simulations: int) -> None:
    game = load("tic-tac-toe")
    position = game.position()
    search = searched(position, UniformEvaluator(game), budgets("puct", 5))
    before = read_tree(search).whole()
    position.play(4)
    for ask in (
        lambda: search.begin(0, game.position(), seed=1, simulations=simulations),
        lambda: search.reroot(0, position, simulations=simulations),
        lambda: search.extend(0, simulations),
    ):
        with pytest.raises(ValueError, match="simulations must be at least 0"):
            ask()
    assert read_tree(search).whole() == before


def test_a_position_of_another_game_is_not_searched() -> None:
    game, other = load("connect4"), load("connect4:rows=4,cols=4")
    search = Search(game, UniformEvaluator(game), budgets("puct", 5))
    with pytest.raises(ValueError, match=r"position of connect4:rows=4,cols=4.*made for connect4"):
        search.begin(0, other.position(), seed=1)
    search.begin(0, load_anew("connect4").position(), seed=1)  # the same game
    run_to_the_end(search)


@pytest.mark.parametrize("kind", [UniformEvaluator, RolloutEvaluator])
def test_an_evaluator_of_another_game_is_refused(kind: Callable[[Game], Evaluator]) -> None:
    game, other = load("connect4"), load("connect4:rows=4,cols=4")
    with pytest.raises(
        ValueError, match=r"cannot search connect4\S* the .*made for connect4:rows=4"
    ):
        Search(game, kind(other), budgets("puct", 5, nn_cache_size=8))
    evaluator = Equivariant(other)
    evaluator.encoder = Encoder.of(other)
    with pytest.raises(ValueError, match="has 7 actions: the encoder of the evaluator evaluator"):
        Search(game, evaluator, budgets("puct", 5))


@pytest.mark.slow
def test_a_search_does_not_keep_its_game_alive() -> None:
    """Nor the kernels that were made for it."""
    game = replace(load("tic-tac-toe"))
    searched(game.position(), UniformEvaluator(game), budgets("puct", 5))
    alive = weakref.ref(game)
    del game
    gc.collect()
    assert alive() is None
