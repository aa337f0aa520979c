"""Several learners' processes make the step that one makes."""

import copy

import numpy as np
import pytest
import torch

from alphazero.config import load_config
from alphazero.data.replay import Batch, Replay
from alphazero.errors import UserError
from alphazero.game import load
from alphazero.learning.distributed import (
    ParallelLearner,
    SharedNorm,
    make_learner,
    share_norms,
    shares,
)
from alphazero.learning.learner import Learner
from alphazero.network.registry import build
from tests.helpers.random_records import random_records

SETTINGS = [
    "game=go:size=5,min_size=3",  # smaller boards have masks, and targets that pool over points
    "network.size=b2c16",
    "network.global_pooling=true",
    "learner.optimizer=sgd",
    "learner.learning_rate=0.05",
    "learner.averaging=ema",
    "learner.batch_size=22",
    "replay.holdout=0",
    "self_play.random_start_probability=0.5",
    "run.device=cpu",
]


def batches(game, config, count: int) -> list[Batch]:
    """Batches whose halves differ: in weights, in policy targets, in the size of the board."""
    replay = Replay(game, config.replay)
    for record in random_records(game, 8, fast=0.5):
        replay.add(record)
    rng = np.random.default_rng(3)
    found = []
    for _ in range(count):
        batch = replay.sample(config.learner.batch_size + 1, rng)  # an odd number
        weight = rng.uniform(0.1, 2.0, len(batch.weight)).astype(np.float32)
        policy_mask, planes = batch.policy_mask.copy(), batch.planes.copy()
        policy_mask[:9] = 0.0
        planes[:5, :, 4:], planes[:5, :, :, 4:] = 0, 0  # no part of these boards
        found.append(batch._replace(weight=weight, policy_mask=policy_mask, planes=planes))
    return found


def gradients(learner: Learner) -> dict[str, torch.Tensor]:
    found = {}
    for name, parameter in learner.network.named_parameters():
        assert parameter.grad is not None
        found[name] = parameter.grad.clone()
    return found


@pytest.mark.slow
def test_gradients_and_weights_of_two_processes_are_those_of_one():
    config = load_config(None, [*SETTINGS, "learner.devices=2"])
    game = load(config.game)
    arguments = (game, config.network, config.learner, "cpu", config.run.seed)
    alone = Learner(*arguments, precision="float32")
    together = make_learner(game, config, "float32")
    try:
        assert isinstance(together, ParallelLearner) and together.gpus == 0
        drawn = batches(game, config, 4)
        compare_step(alone, together, drawn[0], tolerance=2e-6)
        one, two = alone.validate(drawn[1]), together.validate(drawn[1])
        assert two == pytest.approx(one, rel=1e-4, abs=1e-5)
        compare_step(alone, together, drawn[1], tolerance=1e-5)
        # A checkpoint of one is a checkpoint of the other, and reaches the helpers too.
        state = copy.deepcopy(alone.state_dict())
        together.load_state_dict(state)
        compare_step(alone, together, drawn[2], tolerance=2e-6)
        assert together.state_dict().keys() == state.keys()
        assert together.state_dict()["network"].keys() == state["network"].keys()
    finally:
        together.close()
    assert not torch.distributed.is_initialized()
    assert all(not process.is_alive() for process in together._processes)
    alone.step(drawn[3])  # and this process sums over itself again


def compare_step(alone: Learner, together: Learner, batch: Batch, tolerance: float) -> None:
    one, two = alone.step(batch), together.step(batch)
    assert one.keys() == two.keys()
    assert two == pytest.approx(one, rel=1e-4, abs=1e-5)
    assert one["learner/gradient_norm"] > 0.01
    expected = gradients(alone)
    for name, gradient in gradients(together).items():
        torch.testing.assert_close(
            gradient, expected[name], rtol=1e-3, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}"
        )
    weights = together.weights()
    for name, array in alone.weights().items():
        np.testing.assert_allclose(weights[name], array, rtol=1e-3, atol=tolerance, err_msg=name)
    states = together.network.state_dict()
    for name, tensor in alone.network.state_dict().items():
        torch.testing.assert_close(states[name], tensor, rtol=1e-3, atol=tolerance)


def test_shares_are_all_of_a_batch():
    config = load_config(None, SETTINGS)
    game = load(config.game)
    (batch,) = batches(game, config, 1)
    parts = shares(batch, 3)
    assert [len(part.weight) for part in parts] == [8, 8, 7]
    for name in batch._fields:
        if name not in ("auxiliary", "globals"):
            joined = np.concatenate([getattr(part, name) for part in parts])
            assert np.array_equal(joined, getattr(batch, name))
    for name, array in batch.auxiliary.items():
        assert np.array_equal(np.concatenate([part.auxiliary[name] for part in parts]), array)


def test_shared_batch_norm_of_one_process_is_batch_norm(monkeypatch):
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor: None)
    game = load("tic-tac-toe")
    config = load_config(None, ["network.size=b1c8"]).network
    plain, shared = build(game, config, 1), build(game, config, 1)
    parameters = list(shared.parameters())
    share_norms(shared)
    assert all(a is b for a, b in zip(parameters, shared.parameters(), strict=True))
    assert sum(isinstance(module, SharedNorm) for module in shared.modules()) > 3
    planes = torch.rand(16, *game.planes, generator=torch.Generator().manual_seed(0))
    for network in (plain, shared):
        network.train()
        output = network(planes)
        (output.policy.square().sum() + output.wdl[:, 0].sum()).backward()
    for a, b in zip(plain.parameters(), shared.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-5)
    expected = plain.state_dict()
    for name, tensor in shared.state_dict().items():
        torch.testing.assert_close(tensor, expected[name])
    torch.testing.assert_close(plain.eval()(planes).policy, shared.eval()(planes).policy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ["learner.devices=23"],
            r"learner.devices = 23: must be at most learner.batch_size \(22\)",
        ),
        (
            ["learner.devices=2", "run.device=mps"],
            "several devices are the first GPUs|not available",
        ),
        (["learner.devices=2", "run.device=cuda:0"], "several devices are|not available"),
    ],
)
def test_devices_that_there_are_not_are_one_clear_line(changes, message):
    with pytest.raises(UserError, match=message):
        config = load_config(None, [*SETTINGS, *changes])
        make_learner(load(config.game), config)
