"""Encoders: the default is the game's own, and another one is followed by all that binds one."""

import copy
import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch

from alphazero.config import NetworkConfig, ReplayConfig, SearchConfig, SelfPlayConfig
from alphazero.data.replay import Replay
from alphazero.game import Game, Position, Symmetries, load
from alphazero.game.jit import kernel
from alphazero.network.encoder import NEVER, UNMAPPED_LOGIT, Encoder
from alphazero.network.evaluator import Evaluation, Evaluator, Leaves, UniformEvaluator, cached
from alphazero.network.network_evaluator import NetworkEvaluator
from alphazero.network.registry import build
from alphazero.search.search import Search, search_many
from alphazero.selfplay.play import SelfPlay

TICTACTOE = load("tic-tac-toe")


@kernel
def observe_as_floats(state, keys, n, planes, values):
    """Own and their stones as 0.5 and -2.5 in one plane; plies and player as float inputs."""
    for i in range(9):
        if state.board[i]:
            own = state.board[i] == 1 + state.to_play
            planes[0, i // 3, i % 3] = 0.5 if own else -2.5
    values[0] = state.ply / 10
    values[1] = state.to_play


def foreign(game: Game = TICTACTOE) -> Encoder:
    """Another way to see tic-tac-toe: float planes, float inputs."""
    assert game.symmetries is not None
    return Encoder("floats", (1, 3, 3), observe_as_floats, game.symmetries, 2, np.float32)


def positions_of(game: Game, count: int, seed: int = 0) -> list[Position]:
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < count:
        position = game.position()
        for _ in range(int(rng.integers(1, 8))):
            position.play(int(rng.choice(position.legal_actions())))
            if position.is_over:
                break
        else:
            found.append(position)
    return found


@pytest.mark.parametrize("spec", ["tic-tac-toe", "connect4", "go:size=9,komi=7", "chess"])
def test_the_default_encoder_makes_the_games_own_planes(spec: str) -> None:
    game = load(spec)
    encoder = Encoder.of(game)
    positions = positions_of(game, 12)
    planes, values = encoder.inputs_of(positions)
    assert values is None and planes.dtype == np.uint8
    for row, position in zip(planes, positions, strict=True):
        assert row.tobytes() == position.planes().tobytes()


def test_a_game_has_one_default_encoder_which_does_not_outlive_it() -> None:
    game = replace(TICTACTOE, title="Another")
    encoder = Encoder.of(game)
    assert Encoder.of(game) is encoder is copy.deepcopy(encoder)
    assert Encoder.of(TICTACTOE) is not encoder
    gone = weakref.ref(encoder)
    del game, encoder
    gc.collect()
    assert gone() is None


def test_impossible_inputs_are_refused() -> None:
    symmetries = TICTACTOE.symmetries
    assert symmetries is not None
    for change, message in (
        ({"dtype": np.int32}, "uint8 or float32"),
        ({"plane_scale": (1.0,) * 9}, "9 scales for"),
        ({"planes": (2, 4, 4)}, "symmetries of 9 points"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(Encoder.of(TICTACTOE), **change)


class Recorder(Evaluator):
    """An evaluator with the foreign encoder, whose answer is a function of all its inputs."""

    name = "recorder"

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        rng = np.random.default_rng(0)
        self.weights = rng.normal(size=(11, 10)).astype(np.float32)
        self.asked: list[Leaves] = []

    def evaluate(self, leaves: Leaves) -> Evaluation:
        assert leaves.globals is not None
        self.asked.append(leaves.take(np.arange(len(leaves.planes))))
        flat = [np.append(p, g) for p, g in zip(leaves.planes, leaves.globals, strict=True)]
        answer = np.array([np.tanh(row @ self.weights) for row in flat], np.float32)
        return Evaluation.of_value(answer[:, 1:], answer[:, 0])


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 3])
def test_a_search_hands_over_what_the_evaluators_encoder_makes(threads: int) -> None:
    evaluator = Recorder(foreign())
    config = SearchConfig(policy="puct", simulations=40, symmetry=False, solver=False)
    search = Search(TICTACTOE, evaluator, config, 6, threads=threads)
    for tree, position in enumerate(positions_of(TICTACTOE, 6)):
        search.begin(tree, position, seed=tree)
    search.run()
    assert len(evaluator.asked) > 5
    for leaves in evaluator.asked:
        assert leaves.planes.dtype == leaves.globals.dtype == np.float32
        stones = (leaves.planes != 0).sum(axis=(1, 2, 3))
        np.testing.assert_array_equal(leaves.globals[:, 0], (stones / 10).astype(np.float32))
        np.testing.assert_array_equal(leaves.globals[:, 1], stones % 2)


def test_symmetries_of_float_planes_and_a_cache_change_nothing_they_should_not() -> None:
    config = SearchConfig(policy="puct", simulations=60, solver=False)
    positions = positions_of(TICTACTOE, 5)
    plain, inner = Recorder(foreign()), Recorder(foreign())
    remembering = cached(inner, TICTACTOE, 1 << 12)
    assert remembering.encoder is inner.encoder
    for _ in range(2):
        expected = search_many(TICTACTOE, plain, config, positions, range(5))
        found = search_many(TICTACTOE, remembering, config, positions, range(5))
        for one, other in zip(expected, found, strict=True):
            assert one.visits.tolist() == other.visits.tolist()
    assert sum(len(a.planes) for a in inner.asked) < sum(len(a.planes) for a in plain.asked)
    seen = np.concatenate([leaves.planes for leaves in plain.asked])
    assert set(np.unique(seen)) == {0.0, 0.5, -2.5}


def test_the_replay_window_makes_batches_for_the_networks_encoder() -> None:
    config = SelfPlayConfig(parallel_games=4)
    search = SearchConfig(simulations=8)
    records = SelfPlay(TICTACTOE, UniformEvaluator(TICTACTOE), search, config).play(
        4, first_id=0, seed=1
    )
    replays = [Replay(TICTACTOE, ReplayConfig(), encoder) for encoder in (None, foreign())]
    for replay in replays:
        for record in records:
            replay.add(record)
    one, other = (replay.sample(50, np.random.default_rng(0), q_ratio=0.3) for replay in replays)
    assert one.globals is None and other.globals is not None
    own = Encoder.of(TICTACTOE)
    assert one.planes.shape[1:] == own.planes and other.planes.shape[1:] == (1, 3, 3)
    for name in ("policy", "legal", "wdl", "weight"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    stones = (other.planes != 0).sum(axis=(1, 2, 3))
    np.testing.assert_array_equal(other.globals[:, 0], (stones / 10).astype(np.float32))


# -- the policy ------------------------------------------------------------------------------------


def test_a_policy_of_another_order_is_answered_in_the_games() -> None:
    """Actions in reverse, with two entries that are not moves."""
    game = load("connect4")
    assert game.symmetries is not None
    action_map = np.array([6, 5, NEVER, 4, 3, 2, NEVER, 1, 0])
    encoder = replace(Encoder.of(game), name="reversed", action_map=action_map)
    network = build(game, NetworkConfig(size="b1c16"), encoder=encoder)
    torch.nn.init.normal_(network.policy.outputs.weight)
    assert network.policy_size == 9 and network.num_actions == 7
    evaluator = NetworkEvaluator(network, "cpu", precision="float32")
    assert evaluator.encoder is encoder
    positions = positions_of(game, 6)
    planes, values = encoder.inputs_of(positions)
    states = np.concatenate([position.state_array for position in positions])
    answer = evaluator.evaluate(Leaves(planes, states, np.zeros(6, np.uint64), values))
    with torch.no_grad():
        theirs = network.eval()(torch.from_numpy(planes).float()).policy.numpy()
    assert answer.logits.shape == (6, 7)
    for entry, action in enumerate(action_map):
        if action != NEVER:
            np.testing.assert_allclose(answer.logits[:, action], theirs[:, entry], atol=1e-4)
    search_many(game, evaluator, SearchConfig(simulations=8), positions, range(6))


def test_actions_that_no_entry_means_are_all_but_excluded() -> None:
    encoder = replace(Encoder.of(TICTACTOE), action_map=np.array([4, NEVER]))
    logits = encoder.to_actions(np.array([[1.0, 2.0]], np.float32), 9)
    assert logits[0, 4] == 1 and (np.delete(logits[0], 4) == UNMAPPED_LOGIT).all()


def test_planes_of_another_size_than_the_board_are_fine() -> None:
    @kernel
    def observe(state, keys, n, planes):
        planes[0, 0, 0] = state.ply

    one = Symmetries(np.arange(25, dtype=np.int32)[None], np.arange(9, dtype=np.int32)[None])
    encoder = Encoder("framed", (1, 5, 5), observe, one)
    planes, _ = encoder.inputs_of(positions_of(TICTACTOE, 3))
    assert planes.shape == (3, 1, 5, 5) and planes[:, 0, 0, 0].all()
