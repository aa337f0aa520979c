"""Policies at the root: noise, sequential halving, first-play urgency; and the result."""

import functools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphazero.config import GumbelConfig, PuctConfig, SearchConfig
from alphazero.game import Position
from alphazero.game import load as load_anew
from alphazero.network.evaluator import UniformEvaluator
from alphazero.search.layout import NODE, ROOT, UNKNOWN, add_child, add_root, allocate, records
from alphazero.search.policies import bind_policy
from alphazero.search.policies.gumbel import fill_schedule, sample_gumbel, softmax
from alphazero.search.policies.noise import sample_gamma
from alphazero.search.policies.puct import normalise
from alphazero.search.result import read_root
from alphazero.search.search import Search, SearchResult
from alphazero.search.simulate import expand
from alphazero.search.stats import child_value
from tests.helpers.tree_reading import read_tree, run_to_the_end
from tests.judges.textbook_mcts import HashEvaluator, considered_visits

load = functools.cache(load_anew)
policies = pytest.mark.parametrize("policy", ["puct", "gumbel"])


def connect_four(moves: str = "") -> Position:
    position = load("connect4").position()
    for move in moves.split():
        position.play(move)
    return position


def search_of(position: Position, config: SearchConfig, **begin) -> Search:
    search = Search(position.game, HashEvaluator(position.game), config)
    search.begin(0, position, **({"seed": 1} | begin))
    run_to_the_end(search)
    return search


# -- Dirichlet noise -------------------------------------------------------------------------------


FULL = "a a a a a a b b b b b b c c c c c c e d d d d d d"  # four columns; nobody has won


def noises(position: Position, weight: float, count: int = 3000) -> np.ndarray:
    """The root's priors under noise [count, legal], in ascending order of the actions."""
    config = SearchConfig(
        policy="puct", puct=PuctConfig(dirichlet_noise_weight=weight), symmetry=False
    )
    search = Search(position.game, HashEvaluator(position.game), config, count)
    for tree in range(count):
        search.begin(tree, position, seed=tree, simulations=0, noise=True)
    run_to_the_end(search)
    rows = [read_tree(search, tree).priors for tree in range(count)]
    return np.array([[row[action] for action in sorted(row)] for row in rows])


@pytest.mark.parametrize(("moves", "legal"), [("", 7), (FULL, 3)])
def test_dirichlet_noise_has_the_mean_and_spread_of_its_distribution(
    moves: str, legal: int
) -> None:
    """Its parameters add up to 10.83 however many moves there are."""
    noise = noises(connect_four(moves), weight=1.0)
    assert noise.shape == (3000, legal)
    np.testing.assert_allclose(noise.sum(axis=1), 1, atol=1e-3)
    mean = 1 / legal
    variance = mean * (1 - mean) / (PuctConfig().dirichlet_total_concentration + 1)
    error = math.sqrt(variance / len(noise))
    assert np.abs(noise.mean(axis=0) - mean).max() < 4 * error
    np.testing.assert_allclose(noise.var(axis=0), variance, rtol=0.12)
    others = np.corrcoef(noise.T)[~np.eye(legal, dtype=bool)]
    assert np.abs(others + 1 / (legal - 1)).max() < 0.1


def test_noise_is_mixed_into_the_prior_by_its_weight() -> None:
    position = connect_four()
    plain = search_of(position, SearchConfig(policy="puct"), simulations=0)
    prior = plain.result(0).prior
    noised = noises(position, weight=0.25, count=500)
    assert (noised >= 0.75 * prior - 1e-4).all()
    assert (noised <= 0.75 * prior + 0.25 + 1e-4).all()
    np.testing.assert_allclose(noised.mean(axis=0), 0.75 * prior + 0.25 / 7, atol=0.01)


def test_noise_is_for_the_root_alone_and_leaves_the_reported_prior() -> None:
    position = connect_four()
    config = SearchConfig(
        policy="puct", simulations=50, puct=PuctConfig(dirichlet_noise_weight=1.0)
    )
    noised, plain = search_of(position, config, noise=True), search_of(position, config)
    np.testing.assert_array_equal(noised.result(0).prior, plain.result(0).prior)
    trees = read_tree(noised), read_tree(plain)
    assert trees[0].priors != trees[1].priors
    compared = 0
    for action, child in trees[0].children.items():
        if action in trees[1].children and child.priors:
            assert sorted(child.priors.items()) == sorted(trees[1].children[action].priors.items())
            compared += 1
    assert compared


def test_noise_does_not_pile_up_when_a_search_is_extended() -> None:
    position = connect_four()
    search = search_of(position, SearchConfig(policy="puct"), noise=True, simulations=3)
    prior = dict(enumerate(search.result(0).prior))
    for _ in range(20):
        search.extend(0, 2)
        run_to_the_end(search)
        priors = read_tree(search).priors
        assert all(priors[action] >= 0.75 * prior[action] - 1e-4 for action in priors)


@pytest.mark.parametrize("shape", [0.03, 0.4, 1.0, 3.5])
def test_gamma_samples(shape: float) -> None:
    rng = np.array([12345], np.uint64)
    samples = np.array([sample_gamma(rng, 0, shape) for _ in range(20000)])
    assert (samples >= 0).all()
    assert abs(samples.mean() - shape) < 4 * math.sqrt(shape / len(samples))
    spread = math.sqrt((6 / shape + 2) / len(samples))  # of the sample variance, by the kurtosis
    assert abs(samples.var() / shape - 1) < 4 * spread
    # E log X is the digamma function of the shape.
    expected = (math.lgamma(shape + 1e-5) - math.lgamma(shape - 1e-5)) / 2e-5
    logs = np.log(np.maximum(samples, 1e-300))
    assert abs(logs.mean() - expected) < 5 * logs.std() / math.sqrt(len(samples))


def test_gumbel_samples() -> None:
    rng = np.array([777], np.uint64)
    samples = np.sort([sample_gumbel(rng, 0) for _ in range(20000)])
    distribution = np.exp(-np.exp(-samples))
    steps = np.arange(1, len(samples) + 1) / len(samples)
    assert np.abs(distribution - steps).max() < 1.63 / math.sqrt(len(samples))  # 1 % of all seeds


def test_gumbel_noise_draws_moves_from_the_prior() -> None:
    """Gumbel-top-k: with values that do not matter, the best move is a sample of the prior."""
    position = connect_four()
    config = SearchConfig(
        policy="gumbel",
        symmetry=False,
        gumbel=GumbelConfig(max_num_considered_actions=2, c_scale=1e-6),
    )
    count = 4000
    search = Search(position.game, HashEvaluator(position.game), config, count)
    for tree in range(count):
        search.begin(tree, position, seed=tree, simulations=2, noise=True)
    run_to_the_end(search)
    best = np.array([search.result(tree).best for tree in range(count)])
    shares = np.bincount(best, minlength=7) / count
    prior = search.result(0).prior
    assert np.abs(shares - prior).max() < 4 * math.sqrt(0.25 / count)
    # Without noise it is always the likeliest.
    assert search_of(position, config, simulations=2).result(0).best == prior.argmax()


# -- forced playouts -------------------------------------------------------------------------------


def test_root_moves_tried_under_noise_get_their_forced_playouts() -> None:
    """sqrt(k P N) each (Wu 2019), where the value alone would give them fewer."""
    position = connect_four()
    visits = {}
    for k in (0.0, 2.0):
        puct = PuctConfig(c_init=0.2, forced_playouts=k)
        config = SearchConfig(policy="puct", simulations=800, solver=False, puct=puct)
        search = search_of(position, config, noise=True, seed=3)
        root = read_tree(search)
        wanted = {a: math.sqrt(2.0 * root.priors[a] * 800) for a in root.children}
        visits[k] = [root.children[a].visits - wanted[a] for a in root.children]
    assert min(visits[0.0]) < -5, "without forcing some have far fewer"
    assert min(visits[2.0]) > -1, "but for the one that the last simulation could not serve"


@pytest.mark.parametrize("noise", [False, True])
def test_playouts_are_forced_under_noise_alone(noise: bool) -> None:
    position = connect_four()
    trees = []
    for k in (0.0, 2.0):
        puct = PuctConfig(c_init=0.2, forced_playouts=k)
        config = SearchConfig(policy="puct", simulations=300, puct=puct)
        search = search_of(position, config, noise=noise)
        trees.append((read_tree(search).whole(), search.result(0).policy.tolist()))
    assert (trees[0] == trees[1]) != noise


@pytest.mark.slow
def test_the_target_is_pruned_of_what_was_forced() -> None:
    """Worked out by hand from the formulas: three moves, visits 60, 30, 9 and Q 0.5, 0.2, -0.5."""
    trees = allocate(1, 10, 4, 4)
    trees.settings[0].c_init, trees.settings[0].c_base = 1.0, 1e9
    trees.settings[0].forced_playouts = 2.0
    trees.heads[0].noise = True
    add_root(trees, 0, 0)
    priors = np.array([0.4, 0.35, 0.15, 0.1], np.float32)
    expand(trees, 0, ROOT, np.log(priors), np.ones(4, np.uint8), np.arange(4, dtype=np.int32), 0.0)
    for visits, q in ((60, 0.5), (30, 0.2), (9, -0.5)):
        node = trees.nodes[0, add_child(trees, 0, ROOT, trees.nodes[0, ROOT].num_children)]
        node.to_play, node.visits, node.value_sum = 0, visits, q * visits
    trees.nodes[0, ROOT].visits = 100
    actions, seen = np.zeros((2, 4), np.int32)
    q, prior = np.zeros((2, 4), np.float32)
    policy, move_wdl, wdl = np.zeros(4), np.zeros((4, 3), np.float32), np.zeros(3, np.float32)
    read = bind_policy(read_root, "puct")
    read(trees, 0, actions, seen, q, move_wdl, prior, policy, wdl)
    assert seen.tolist() == [60, 30, 9, 0]
    # PUCT of the best: 0.5 + 0.4 * 10 / 61 = 0.5656. The second may lose sqrt(2 * 0.35 * 99) = 8.3
    # playouts, but 0.2 + 0.35 * 10 / (1 + n) < 0.5656 asks for n >= 9: it keeps 22. The third may
    # lose sqrt(2 * 0.15 * 99) = 5.4: it keeps 4 (-0.5 + 1.5 / 5 = -0.2).
    np.testing.assert_allclose(policy, np.array([60, 22, 4, 0]) / 86)
    trees.nodes[0, 2].visits = 12  # -0.1 + 3.5 / 7 = 0.4, -0.1 + 3.5 / 6 = 0.483, / 5 = 0.6
    trees.nodes[0, 2].value_sum = -0.1 * 12
    trees.nodes[0, 3].visits = 6  # one is left after five, and goes as well
    trees.nodes[0, 3].value_sum = -0.5 * 6
    read(trees, 0, actions, seen, q, move_wdl, prior, policy, wdl)
    np.testing.assert_allclose(policy, np.array([60, 5, 0, 0]) / 65)


# -- sequential halving ----------------------------------------------------------------------------

# Every simulation goes to an action that has had this many visits; one column per action
# considered, one row per round.
SCHEDULES = {
    (4, 16): """
        0000
        1111
        22
        33
        44
        55""",
    (8, 24): """
        00000000
        1111
        2222
        33
        44
        55
        66""",
    (16, 64): """
        0000000000000000
        11111111
        22222222
        3333
        4444
        5555
        6666
        77
        88
        99
        AA
        BB
        CC
        DD
        EE""",
    (3, 8): """
        000
        11
        22
        3""",
    (2, 5): """
        00
        11
        2""",
    (1, 4): """
        0
        1
        2
        3""",
    (16, 5): """
        00000""",
}


@pytest.mark.parametrize(("considered", "simulations"), SCHEDULES)
def test_schedule_of_sequential_halving(considered: int, simulations: int) -> None:
    schedule = np.full(simulations, -1, np.int32)
    fill_schedule(schedule, considered, simulations)
    picture = "".join(SCHEDULES[considered, simulations].split())
    assert "".join(f"{visits:X}" for visits in schedule) == picture


@given(considered=st.integers(1, 40), simulations=st.integers(1, 300))
def test_schedule_is_the_textbooks_and_every_phase_is_shared_out_equally(
    considered: int, simulations: int
) -> None:
    schedule = np.full(simulations + 1, -7, np.int32)
    fill_schedule(schedule, considered, simulations)
    assert schedule[simulations] == -7, "nothing is written behind the end"
    assert schedule[:simulations].tolist() == considered_visits(considered, simulations)
    phases = max(1, math.ceil(math.log2(considered)))
    if considered & (considered - 1) == 0 and not simulations % (phases * considered):
        for phase in range(phases):
            left = considered >> phase
            rounds = simulations // (phases * left)
            part = schedule[simulations * phase // phases : simulations * (phase + 1) // phases]
            assert (np.bincount(part)[part[0] :] == left).all() and len(part) == rounds * left


@pytest.mark.parametrize(
    ("considered", "simulations", "expected"),
    [(4, 16, [6, 6, 2, 2]), (2, 30, [15, 15]), (16, 21, [9, 8, 2, 2]), (16, 3, [1, 1, 1])],
)
def test_visits_of_a_gumbel_root(considered: int, simulations: int, expected: list[int]) -> None:
    """16 are considered, but 7 are legal at most; here four."""
    position = connect_four("a a a a a a b b b b b b c c c c c c" if expected[0] != 1 else "")
    config = SearchConfig(
        policy="gumbel", solver=False, gumbel=GumbelConfig(max_num_considered_actions=considered)
    )
    result = search_of(position, config, simulations=simulations).result(0)
    assert sorted(result.visits[result.visits > 0].tolist(), reverse=True) == expected
    assert result.visits[result.index(result.best)] == max(expected)


# -- first-play urgency, virtual loss --------------------------------------------------------------


def test_first_play_urgency_at_the_root_and_below() -> None:
    """When unvisited moves are thought to be hopeless, a node never tries a second one."""
    position = connect_four()
    never = SearchConfig(
        policy="puct", solver=False, puct=PuctConfig(fpu_reduction=100, root_fpu_reduction=100)
    )
    root = read_tree(search_of(position, never, simulations=25))
    assert all(len(node.children) <= 1 for node in root.nodes())
    below = SearchConfig(
        policy="puct", solver=False, puct=PuctConfig(fpu_reduction=100, root_fpu_reduction=0)
    )
    root = read_tree(search_of(position, below, simulations=60))
    assert len(root.children) > 1
    assert all(
        len(node.children) <= 1 for child in root.children.values() for node in child.nodes()
    )
    at_root = SearchConfig(
        policy="puct", solver=False, puct=PuctConfig(fpu_reduction=0, root_fpu_reduction=100)
    )
    root = read_tree(search_of(position, at_root, simulations=60))
    assert len(root.children) == 1
    assert max(len(node.children) for node in root.nodes()) > 1


@given(
    visits=st.integers(0, 50),
    virtual=st.integers(0, 16),
    mean=st.floats(-1, 1),
    virtual_loss=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    player=st.integers(0, 1),
)
def test_visits_under_way_count_as_losses(
    visits: int, virtual: int, mean: float, virtual_loss: float, player: int
) -> None:
    parent, child = records((2,), NODE)
    parent.to_play, child.to_play, child.proven = 0, player, UNKNOWN
    child.visits, child.virtual, child.value_sum = visits, virtual, mean * visits
    q = child_value(parent, child, virtual_loss)
    assert -1 <= q <= 1
    seen = mean if player == 0 else -mean
    losses = virtual_loss * virtual
    if visits + losses >= 1:
        assert abs(q - (seen * visits - losses) / (visits + losses)) < 1e-12
    child.proven = 1
    assert child_value(parent, child, virtual_loss) == (1 if player == 0 else -1)


def test_virtual_loss_spreads_the_leaves_of_a_batch() -> None:
    """Without it all leaves of a batch want the same node, and few fit into one batch."""
    position = connect_four()
    batches = {}
    for virtual_loss in (0.0, 1.0):
        config = SearchConfig(
            policy="puct", simulations=200, leaves_per_tree=16, virtual_loss=virtual_loss
        )
        batches[virtual_loss] = search_of(position, config).batches
    assert batches[1.0] < batches[0.0]


# -- the result ------------------------------------------------------------------------------------


@policies
def test_fields_of_a_result(policy: str) -> None:
    position = connect_four("d d")
    config = SearchConfig(
        policy=policy, simulations=12, gumbel=GumbelConfig(max_num_considered_actions=4)
    )
    search = search_of(position, config)
    result, root = search.result(0), read_tree(search)
    assert result.actions.tolist() == position.legal_actions()
    for row, action in enumerate(result.actions.tolist()):
        if action in root.children:
            child = root.children[action]
            assert result.visits[row] == child.visits
            assert result.q[row] == np.float32(-child.q)
        else:
            assert result.visits[row] == 0 and math.isnan(result.q[row])
        assert abs(result.prior[row] - root.priors[action]) < 1e-4
        assert result.index(action) == row
    assert 0 < (result.visits > 0).sum() < 7 or policy == "puct"
    assert abs(result.policy.sum() - 1) < 1e-6 and (result.policy >= 0).all()
    assert abs(result.prior.sum() - 1) < 1e-5
    assert abs(result.value - root.q) < 1e-12 and result.proven is None
    assert result.simulations == 12 and result.pv[0] == result.best
    line = position.copy()
    for action in result.pv:
        line.play(action)
    if policy == "puct":
        np.testing.assert_allclose(result.policy, result.visits / 12, rtol=1e-6)
        assert result.visits[result.index(result.best)] == result.visits.max()
    with pytest.raises(ValueError, match="action 9 is not legal"):
        result.index(9)


def test_results_do_not_change_when_the_search_goes_on() -> None:
    search = search_of(connect_four(), SearchConfig(policy="puct"), simulations=10)
    result = search.result(0)
    before = [array.copy() for array in (result.actions, result.visits, result.q, result.policy)]
    search.extend(0, 30)
    run_to_the_end(search)
    search.result(0)
    after = [result.actions, result.visits, result.q, result.policy]
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, after, strict=True))


def test_a_result_can_be_read_while_the_search_goes_on() -> None:
    position = connect_four()
    config = SearchConfig(policy="puct", simulations=60, leaves_per_tree=8)
    search = Search(position.game, HashEvaluator(position.game), config)
    search.begin(0, position, seed=1)
    search.step()
    search.step()
    while not search.step():
        result = search.result(0)
        assert abs(result.policy.sum() - 1) < 1e-6
        assert result.best in result.actions and abs(result.value) <= 1


def test_equal_visits_are_decided_by_the_value_then_by_the_lowest_action() -> None:
    position = connect_four()
    uniform = Search(position.game, UniformEvaluator(position.game), SearchConfig(policy="puct"))
    uniform.begin(0, position, seed=1, simulations=7)
    run_to_the_end(uniform)
    assert uniform.result(0).visits.tolist() == [1] * 7 and uniform.result(0).best == 0
    for simulations in range(4, 40):
        result = search_of(position, SearchConfig(policy="puct"), simulations=simulations).result(0)
        most = np.flatnonzero(result.visits == result.visits.max())
        assert result.best == result.actions[most[np.nanargmax(result.q[most])]]


def result_with(policy: list[float], best: int = 0) -> SearchResult:
    n = len(policy)
    return SearchResult(
        actions=np.arange(n, dtype=np.int32),
        visits=np.zeros(n, np.int32),
        q=np.zeros(n, np.float32),
        move_wdl=np.zeros((n, 3), np.float32),
        prior=np.full(n, 1 / n, np.float32),
        policy=np.array(policy, np.float32),
        value=0.0,
        wdl=np.array([0, 1, 0], np.float32),
        proven=None,
        best=best,
        pv=[best],
        simulations=1,
    )


@pytest.mark.parametrize("temperature", [0.25, 0.5, 1.0, 2.0])
def test_temperature_sharpens_or_flattens_the_policy(temperature: float) -> None:
    result = result_with([0.5, 0.3, 0.2, 0.0])
    rng = np.random.default_rng(0)
    draws = np.bincount([result.sample(temperature, rng) for _ in range(4000)], minlength=4)
    expected = np.array([0.5, 0.3, 0.2, 0.0]) ** (1 / temperature)
    expected /= expected.sum()
    assert np.abs(draws / 4000 - expected).max() < 4 * math.sqrt(0.25 / 4000)
    assert draws[3] == 0


def test_at_temperature_zero_the_best_move_is_made() -> None:
    result = result_with([0.5, 0.3, 0.2], best=2)
    rng = np.random.default_rng(0)
    assert {result.sample(0.0, rng) for _ in range(10)} == {2}
    assert {result.sample(1e-3, rng) for _ in range(10)} == {0}, "and close to it no overflow"


def test_normalise() -> None:
    def normalised(policy: list[float]) -> list[float]:
        values = np.array(policy)
        normalise(values, np.array([0.1, 0.2, 0.7], np.float32))
        return np.round(values, 6).tolist()

    no = -math.inf
    assert normalised([1.0, 3.0, no]) == [0.25, 0.75, 0.0]
    assert normalised([0.0, 0.0, 0.0]) == [0.1, 0.2, 0.7], "the priors, where nothing is visited"
    assert normalised([no, 0.0, 0.0]) == [0.0, 0.222222, 0.777778]


def test_softmax() -> None:
    def softened(logits: list[float]) -> list[float]:
        values = np.array(logits)
        softmax(values)
        return np.round(values, 6).tolist()

    assert softened([800.0, 800.0, -math.inf]) == [0.5, 0.5, 0.0]
    assert softened([0.0, math.log(3), -900.0]) == [0.25, 0.75, 0.0]
