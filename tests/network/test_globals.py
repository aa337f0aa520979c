"""Float inputs of a network beside its planes: in play, in learning, and on the way between."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alphazero.config import (
    LearnerConfig,
    NetworkConfig,
    ReplayConfig,
    SearchConfig,
    SelfPlayConfig,
)
from alphazero.data.replay import Replay
from alphazero.errors import UserError
from alphazero.game import Game, Position
from alphazero.game.check import check
from alphazero.game.jit import kernel, mix
from alphazero.learning.learner import Learner
from alphazero.network.encoder import Encoder
from alphazero.network.evaluator import Leaves
from alphazero.network.flops import operations
from alphazero.network.network_evaluator import NetworkEvaluator
from alphazero.network.registry import build
from alphazero.network.weights import load_weights, save_weights
from alphazero.selfplay.play import SelfPlay
from tests.helpers.network_games import (
    auxiliary,
    column_game,
    point_game,
    random_batch,
    random_globals,
    random_planes,
    trained,
)

CASES = {
    "dense": (point_game(3, globals=2), NetworkConfig(size="b1c16")),
    "columns": (column_game(globals=3), NetworkConfig(size="b2c32", squeeze_excitation=True)),
    "board plane": (
        point_game(7, has_pass=True, board_plane=1, globals=2),
        NetworkConfig(size="b2c16", global_pooling=True),
    ),
    "winograd": (point_game(8, globals=1), NetworkConfig(size="b1c32")),
}
SEVERAL = pytest.mark.parametrize(("game", "config"), CASES.values(), ids=CASES)


def asked(game: Game, rows: int, seed: int = 0) -> Leaves:
    planes = random_planes(game, rows, seed)
    if game.board_plane is not None:  # boards of several sizes, in the corner
        planes[:, game.board_plane] = 0
        for row, side in zip(planes, np.arange(rows) % 4 + game.planes[1] - 3, strict=True):
            row[game.board_plane, :side, :side] = 1
            row *= row[game.board_plane]
    values = random_globals(game, rows, seed)
    return Leaves(planes, np.zeros(rows), np.zeros(rows, np.uint64), values)


@SEVERAL
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_they_change_answers_alike_in_the_plain_network_and_the_fast_one(
    game: Game, config: NetworkConfig, precision: str
) -> None:
    network, leaves = trained(game, config), asked(game, 20)
    with torch.no_grad():
        inputs = torch.from_numpy(leaves.planes).float(), torch.from_numpy(leaves.globals)
        plain = network(*inputs)
        without = network(inputs[0], torch.zeros_like(inputs[1]))
    on_board = plain.policy.numpy()
    evaluator = NetworkEvaluator(network, "cpu", precision=precision)
    answer = evaluator.evaluate(leaves)
    tolerance = (1e-4 if precision == "float32" else 0.05) * float(np.abs(on_board).max())
    np.testing.assert_allclose(answer.logits, on_board, rtol=0, atol=tolerance)
    assert (plain.wdl - without.wdl).abs().max() > 0.01
    # A row has its own, in a batch that is filled up too.
    part = evaluator.evaluate(leaves.take(np.arange(5)))
    np.testing.assert_allclose(part.logits, answer.logits[:5], rtol=0, atol=tolerance)


def test_beyond_the_board_they_add_nothing() -> None:
    """Else a small board would look different in larger planes."""
    make = {"has_pass": True, "board_plane": 1, "globals": 2}
    small, large = (point_game(size, **make) for size in (5, 9))
    config = NetworkConfig(size="b1c16", global_pooling=True)
    networks = [trained(game, config) for game in (small, large)]
    planes, values = random_planes(small, 6), random_globals(small, 6)
    planes[:, 1] = 1
    inside = np.zeros((6, *large.planes), np.uint8)
    inside[:, :, 2:7, 1:6] = planes
    for training in (False, True):
        wdl = [
            network.train(training)(torch.from_numpy(x).float(), torch.from_numpy(values)).wdl
            for network, x in zip(networks, (planes, inside), strict=True)
        ]
        torch.testing.assert_close(*wdl, rtol=1e-4, atol=1e-4)


def test_networks_without_them_have_no_layer_for_them() -> None:
    network = trained(column_game(), NetworkConfig(size="b1c16"))
    assert not any("global_bias" in name for name in network.state_dict())
    more = trained(column_game(globals=4), NetworkConfig(size="b1c16"))
    assert operations(more) - operations(network) == 2 * 4 * 16
    with pytest.raises(AssertionError, match="float inputs"):
        more(torch.zeros(1, *more.planes))


def test_auxiliary_targets_see_them() -> None:
    game = column_game(globals=2, auxiliary=(auxiliary("score", (1,)),))
    evaluator = NetworkEvaluator(trained(game, NetworkConfig(size="b1c16")), "cpu")
    leaves = asked(game, 4)
    assert leaves.globals is not None
    encoder = evaluator.encoder
    one = evaluator.auxiliary(encoder.inputs(leaves.planes, leaves.globals))
    other = evaluator.auxiliary(encoder.inputs(leaves.planes, 0 * leaves.globals))
    assert np.abs(one["score"] - other["score"]).max() > 0.01


def test_a_learner_learns_from_them() -> None:
    game = column_game(globals=2)
    learner = Learner(game, NetworkConfig(size="b1c16"), LearnerConfig(averaging="none"), "cpu")
    layer: Any = learner.network.global_bias
    before = layer.weight.detach().clone()
    learner.step(random_batch(game, 16))
    assert not torch.equal(layer.weight, before)


def test_a_file_says_how_many_there_are(tmp_path: Path) -> None:
    game, other = column_game(globals=2), column_game()
    network = trained(game, NetworkConfig(size="b1c16"))
    save_weights(tmp_path / "two", network, game)
    loaded, header = load_weights(tmp_path / "two", game)
    assert header["globals"] == 2
    leaves = asked(game, 3)
    answers = [NetworkEvaluator(one, "cpu").evaluate(leaves).logits for one in (network, loaded)]
    np.testing.assert_array_equal(*answers)
    with pytest.raises(UserError, match="2 float inputs, which now has 0"):
        load_weights(tmp_path / "two", other)


# -- a game that is all in a float input -----------------------------------------------------------

STATE = np.dtype(
    [("right", np.int8), ("won", np.int8), ("to_play", np.int8), ("ply", np.int16)], align=True
)


@kernel
def start(state):
    state.right = 0
    state.won = 0
    state.to_play = 0
    state.ply = 0


@kernel
def play(state, action):
    state.won = 1 if action == state.right else -1
    state.to_play = 1 - state.to_play
    state.ply += 1


@kernel
def legal(state, keys, n, mask):
    mask[:] = 1


@kernel
def outcome(state, keys, n):
    return state.ply > 0, np.float64(-state.won)


@kernel
def key(state):
    return mix(np.uint64(state.right + 4 * (state.won + 1) + 16 * state.ply))


@kernel
def observe(state, keys, n, planes, values):
    values[0] = state.right - 1.0


def vary(state, rng):
    state["right"] = rng.integers(3)


def no_text(*_):
    return ""


GUESS = Game(
    name="guess",
    title="Guess the number",
    state=STATE,
    num_actions=3,
    planes=(1, 3, 3),
    max_plies=1,
    start=start,
    play=play,
    legal=legal,
    outcome=outcome,
    key=key,
    observe=observe,
    action_to_str=lambda state, action: str(action),
    str_to_action=lambda state, text: int(text) if text in ("0", "1", "2") else no_number(text),
    render=lambda state, last_action: f"{state['right']} after {last_action}",
    uses_keys=False,
    globals=1,
    vary=vary,
)


def no_number(text: str) -> int:
    raise ValueError(f"{text!r} is not 0, 1 or 2")


def positions() -> list[Position]:
    """One for each number."""
    found = []
    for number in range(3):
        state = Position(GUESS).state
        state["right"] = number
        found.append(Position(GUESS, state))
    return found


def test_a_game_declares_them_and_is_checked() -> None:
    assert not check(GUESS, games=20)
    planes, values = positions()[2].inputs()
    assert not planes.any() and values.tolist() == [1.0]
    inputs = Encoder.of(GUESS).inputs_of(positions())
    assert inputs.globals is not None and inputs.globals.tolist() == [[-1], [0], [1]]


@kernel
def observe_infinity(state, keys, n, planes, values):
    values[0] = 1.0 / state.ply


def test_an_observation_that_breaks_the_contract_is_found() -> None:
    for broken, problem in (
        (replace(GUESS, globals=-1), "globals must be at least 0"),
        (replace(GUESS, observe=observe_infinity), "globals: "),
    ):
        assert any(problem in str(failure) for failure in check(broken, games=5)), problem


def test_a_game_whose_best_move_depends_on_one_alone_is_learned() -> None:
    """Play, window, learner and evaluator, round and round: nothing in the planes tells the
    positions apart."""
    config = NetworkConfig(size="b1c16")
    learner = Learner(GUESS, config, LearnerConfig(learning_rate=3e-3, averaging="none"), "cpu")
    evaluator = NetworkEvaluator(build(GUESS, config), "cpu")
    settings = SelfPlayConfig(parallel_games=16, random_start_probability=1.0)
    worker = SelfPlay(GUESS, evaluator, SearchConfig(simulations=8), settings)
    replay, rng = Replay(GUESS, ReplayConfig(holdout=0.0)), np.random.default_rng(0)
    for round_ in range(4):
        evaluator.update(learner.weights())
        for record in worker.play(32, first_id=32 * round_, seed=1, version=round_):
            replay.add(record)
        for _ in range(30):
            batch = replay.sample(64, rng)
            assert not batch.planes.any() and batch.globals is not None
            learner.step(batch)
    evaluator.update(learner.weights())
    planes, values = Encoder.of(GUESS).inputs_of(positions())
    leaves = Leaves(planes, np.zeros(3), np.zeros(3, np.uint64), values)
    answer = evaluator.evaluate(leaves)
    assert answer.logits.argmax(axis=1).tolist() == [0, 1, 2]
    chances = np.exp(answer.logits) / np.exp(answer.logits).sum(axis=1, keepdims=True)
    assert chances.max(axis=1).min() > 0.7
