"""The learner: its losses against NumPy, its settings one by one, and exact resume."""

import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from alphazero.config import LearnerConfig, NetworkConfig
from alphazero.data.replay import Batch
from alphazero.errors import UserError
from alphazero.learning.divergence import Diverged
from alphazero.learning.learner import (
    Learner,
    auxiliary_loss,
    calibration_error,
    learning_rate,
)
from alphazero.network.weights import weights_of
from tests.helpers.network_games import auxiliary, column_game, point_game, random_batch

# Nine points: everything is float32 on every machine.
GAME = point_game(3, auxiliary=(auxiliary("owner", (3, 3), "bce"), auxiliary("score", ())))
NETWORK = NetworkConfig(size="b1c16")
PLAIN = {"averaging": "none", "gradient_clip": 0.0}


def make_learner(**settings: Any) -> Learner:
    return Learner(GAME, NETWORK, LearnerConfig(**{**PLAIN, **settings}), "cpu")


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def log_softmax(x: np.ndarray) -> np.ndarray:
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


@pytest.mark.slow
def test_it_learns_a_batch_by_heart() -> None:
    learner, batch = make_learner(learning_rate=3e-3), random_batch(GAME, 32)
    first = learner.step(batch)
    for _ in range(300):
        last = learner.step(batch)
    assert first["policy/top1"] < 0.6 and last["policy/top1"] > 0.95
    assert first["value/accuracy"] < 0.7 and last["value/accuracy"] == 1
    assert last["loss/policy"] - last["policy/target_entropy"] < 0.1
    assert last["loss/value"] < 0.05
    assert last["loss/score"] < 0.2 * first["loss/score"]
    assert last["value/calibration"] < 0.05


def test_losses_are_what_numpy_says() -> None:
    learner = make_learner(policy_weight=0.7, value_weight=1.3, auxiliary_weight=0.4)
    for seed in range(3):
        learner.step(random_batch(GAME, 16, seed))
    batch = random_batch(GAME, 16, 9)
    with torch.no_grad():
        output = learner.averaged_network()(torch.from_numpy(batch.planes).float())
    logits = np.where(batch.legal, output.policy.numpy(), -np.inf).astype(np.float64)
    logs = np.where(batch.legal, log_softmax(logits), 0)
    weight = batch.weight.astype(np.float64)
    policy_weight = weight * batch.policy_mask
    owner, target = output.auxiliary["owner"].numpy(), batch.auxiliary["owner"]
    bce = np.logaddexp(0, owner) - owner * target
    expected = {
        "loss/policy": np.average(-(batch.policy * logs).sum(1), weights=policy_weight),
        "loss/value": np.average(
            -(batch.wdl * log_softmax(output.wdl.numpy())).sum(1), weights=weight
        ),
        "loss/owner": np.average(bce.mean((1, 2)), weights=weight),
        "loss/score": np.average(
            (output.auxiliary["score"].numpy() - batch.auxiliary["score"]) ** 2, weights=weight
        ),
        "policy/entropy": np.average(-(np.exp(logs) * batch.legal * logs).sum(1),
                                     weights=policy_weight),
        "policy/target_entropy": np.average(
            -(batch.policy * np.log(np.maximum(batch.policy, 1e-30))).sum(1), weights=policy_weight
        ),
        "policy/top1": np.average(
            logits.argmax(1) == batch.policy.argmax(1), weights=policy_weight
        ),
        "value/accuracy": np.average(
            output.wdl.numpy().argmax(1) == batch.wdl.argmax(1), weights=weight
        ),
    }  # fmt: skip
    expected["loss/total"] = (
        0.7 * expected["loss/policy"]
        + 1.3 * expected["loss/value"]
        + 0.4 * (expected["loss/owner"] + expected["loss/score"])
    )
    measured = learner.validate(batch)
    for name, value in expected.items():
        assert measured[name] == pytest.approx(value, rel=1e-4, abs=1e-5), name


def test_auxiliary_targets_have_weights_of_their_own() -> None:
    batch = random_batch(GAME, 16)
    plain = make_learner(auxiliary_weight=0.5).validate(batch)
    weighed = make_learner(auxiliary_weight=0.5, auxiliary_weights=("owner=1.5",)).validate(batch)
    assert weighed["loss/total"] - plain["loss/total"] == pytest.approx(
        plain["loss/owner"], rel=1e-4
    )
    with pytest.raises(UserError, match=r'"ownr=2": made-up has owner, score'):
        make_learner(auxiliary_weights=("ownr=2",))
    for text in ("owner", "owner=", "owner=-1", "owner=x"):
        with pytest.raises(UserError, match="must be a name and a weight"):
            make_learner(auxiliary_weights=(text,))


def test_the_loss_of_targets_between_minus_one_and_one_is_a_cross_entropy() -> None:
    output, target = torch.randn(4, 2, 3), torch.rand(4, 2, 3) * 2 - 1
    loss = auxiliary_loss("tanh", output, target)
    share = (1 + target) / 2
    chance = (1 + output.tanh()) / 2
    expected = -(share * chance.log() + (1 - share) * (1 - chance).log()).mean((1, 2))
    torch.testing.assert_close(loss, expected)
    mask = torch.ones(4, 2, 3)
    mask[1, 0] = 0
    masked = auxiliary_loss("tanh", output, target, mask)
    torch.testing.assert_close(masked[0], loss[0])
    torch.testing.assert_close(
        masked[1:2], auxiliary_loss("tanh", output[1:2, 1:], target[1:2, 1:])
    )


def test_metrics_have_stable_names_and_are_finite() -> None:
    measured = make_learner().step(random_batch(GAME, 16))
    assert set(measured) == {
        "loss/total",
        "loss/policy",
        "loss/value",
        "loss/owner",
        "loss/score",
        "policy/entropy",
        "policy/target_entropy",
        "policy/top1",
        "value/accuracy",
        "value/calibration",
        "learner/learning_rate",
        "learner/gradient_norm",
    }
    assert all(isinstance(v, float) and math.isfinite(v) for v in measured.values())


def test_validation_changes_nothing() -> None:
    learner = make_learner()
    before = learner.weights()
    validated = learner.validate(random_batch(GAME, 16))
    assert same(before, learner.weights()) and learner.steps == 0
    assert "learner/gradient_norm" not in validated and "loss/total" in validated


def test_samples_without_a_policy_target_do_not_train_the_policy() -> None:
    batch = random_batch(GAME, 16)
    expected = make_learner().validate(batch)
    batch.policy[3] = 1
    assert batch.policy_mask[3] == 0
    assert make_learner().validate(batch) == expected
    without = batch._replace(policy_mask=np.zeros(16, np.float32))
    measured = make_learner().validate(without)
    assert measured["loss/policy"] == measured["policy/top1"] == 0
    assert measured["loss/value"] == expected["loss/value"]


def test_illegal_actions_take_no_part() -> None:
    batch = random_batch(GAME, 16)
    batch.legal[:] = 0
    batch.legal[:, 4] = 1
    only = batch._replace(policy=batch.policy_mask[:, None] * batch.legal.astype(np.float32))
    measured = make_learner().validate(only)
    assert measured["loss/policy"] == pytest.approx(0, abs=1e-6)
    assert measured["policy/entropy"] == pytest.approx(0, abs=1e-6)
    assert measured["policy/top1"] == 1


def test_a_sample_of_weight_zero_counts_for_nothing() -> None:
    batch, other = random_batch(GAME, 16), random_batch(GAME, 16, 5)
    for part, spare in zip(batch[:5], other[:5], strict=True):
        part[4] = spare[4]  # type: ignore[index]
    weight = batch.weight.copy()
    weight[4] = 0
    changed = batch._replace(weight=weight, wdl=batch.wdl.copy(), policy=batch.policy.copy())
    original = make_learner().validate(changed)
    changed.wdl[4] = np.roll(changed.wdl[4], 1)
    changed.policy[4] = np.roll(changed.policy[4], 1)
    assert make_learner().validate(changed) == original


def test_where_several_actions_are_best_each_is_right() -> None:
    batch = random_batch(GAME, 16)
    even = batch._replace(
        policy=np.full((16, 9), 1 / 9, np.float32),
        legal=np.ones((16, 9), np.uint8),
        policy_mask=np.ones(16, np.float32),
    )
    assert make_learner().validate(even)["policy/top1"] == 1


def test_calibration_is_the_mean_surprise_by_prediction() -> None:
    def measure(predicted: list[float], target: list[float], weight: list[float]) -> float:
        def wdl(values: list[float]) -> torch.Tensor:
            return torch.tensor([[(1 + v) / 2, 0, (1 - v) / 2] for v in values])

        return float(calibration_error(wdl(predicted), wdl(target), torch.tensor(weight)))

    assert measure([0.5, 0.5, 0.5, 0.5], [1, 1, 1, -1], [1, 1, 1, 1]) == pytest.approx(0)
    assert measure([0.5, 0.5], [1, 1], [1, 1]) == pytest.approx(0.5)
    # Errors of opposite sign in different bins do not make up for each other.
    assert measure([0.5, -0.5], [1, -1], [1, 1]) == pytest.approx(0.5)
    assert measure([0.5, -0.5], [1, -0.5], [3, 1]) == pytest.approx(0.375)
    assert measure([1.0, -1.0], [1, -1], [1, 1]) == pytest.approx(0)


@pytest.mark.parametrize(
    ("settings", "rates"),
    [
        ({"schedule": "constant"}, {0: 1, 10: 1, 10**6: 1}),
        ({"schedule": "constant", "warmup_steps": 4}, {0: 0.25, 1: 0.5, 3: 1, 4: 1}),
        (
            {"schedule": "step", "schedule_steps": 10, "schedule_factor": 0.5},
            {0: 1, 9: 1, 10: 0.5, 19: 0.5, 20: 0.25},
        ),
        (
            {"schedule": "cosine", "schedule_steps": 10, "schedule_factor": 0.2},
            {0: 1, 5: 0.6, 10: 0.2, 11: 0.2, 1000: 0.2},
        ),
        (
            {"schedule": "cosine", "schedule_steps": 10, "schedule_factor": 0, "warmup_steps": 10},
            {0: 0.1, 5: 0.3, 10: 0},
        ),
    ],
)
def test_the_learning_rate_is_a_function_of_the_step(
    settings: dict[str, Any], rates: dict[int, float]
) -> None:
    config = LearnerConfig(learning_rate=2.0, **settings)
    for step, rate in rates.items():
        assert learning_rate(config, step) == pytest.approx(2 * rate), step


def test_the_scheduled_rate_is_the_one_used() -> None:
    """Once the rate has come down to 0, plain SGD changes no parameter."""
    settings = {"schedule": "cosine", "schedule_steps": 2, "schedule_factor": 0.0}
    learner = make_learner(optimizer="sgd", **settings)
    rates, changed = [], []
    for seed in range(4):
        before = learner.weights()["policy.points.weight"]
        rates.append(learner.step(random_batch(GAME, 16, seed))["learner/learning_rate"])
        changed.append(not np.array_equal(before, learner.weights()["policy.points.weight"]))
    assert rates == pytest.approx([1e-3, 5e-4, 0, 0])
    assert changed == [True, True, False, False]


@pytest.mark.parametrize(
    ("optimizer", "factor"),
    # Nesterov's first step is 1 + momentum times that of plain descent.
    [("adamw", 1 - 0.1 * 0.5), ("sgd", 1 - 0.1 * 0.5 * 1.9)],
)
def test_biases_and_norms_do_not_decay(optimizer: str, factor: float) -> None:
    """Without losses there is only decay: matrices shrink, all else stays."""
    learner = make_learner(
        optimizer=optimizer,
        learning_rate=0.1,
        momentum=0.9,
        weight_decay=0.5,
        policy_weight=0,
        value_weight=0,
        auxiliary_weight=0,
    )
    before = learner.weights()
    learner.step(random_batch(GAME, 16))
    after = learner.weights()
    shrunk = {n for n in before if np.allclose(after[n], before[n] * factor) and before[n].any()}
    kept = {n for n in before if np.array_equal(after[n], before[n])}
    assert shrunk == {name for name in before if before[name].ndim > 1}
    assert kept == {n for n in before if before[n].ndim == 1 and "running" not in n}


def test_gradients_are_clipped_to_their_norm() -> None:
    def step_length(**settings: Any) -> tuple[float, float]:
        learner = make_learner(
            optimizer="sgd", momentum=0, weight_decay=0, learning_rate=0.5, **settings
        )
        before = learner.weights()
        norm = learner.step(random_batch(GAME, 16))["learner/gradient_norm"]
        after = learner.weights()
        names = [name for name in before if "running" not in name]
        moved = sum(float(((after[n] - before[n]).astype(np.float64) ** 2).sum()) for n in names)
        return math.sqrt(moved), norm

    length, norm = step_length(gradient_clip=0)
    assert length == pytest.approx(0.5 * norm, rel=1e-4)
    clipped, reported = step_length(gradient_clip=norm / 4)
    assert clipped == pytest.approx(0.5 * norm / 4, rel=1e-3)
    assert reported == pytest.approx(norm), "the norm is reported as it was before"


def weights_after_each_step(**settings: Any) -> list[dict[str, np.ndarray]]:
    learner = make_learner(**settings)
    found = [learner.weights()]
    for seed in range(12):
        learner.step(random_batch(GAME, 16, seed))
        found.append(learner.weights())
    return found


def test_the_exponential_average_follows_its_formula_statistics_and_all() -> None:
    raw = weights_after_each_step()
    averaged = weights_after_each_step(averaging="ema", ema_decay=0.7)
    for name in raw[0]:
        expected = raw[0][name].astype(np.float64)
        for step in range(1, 13):
            kept = min(0.7, (1 + step) / (10 + step))
            expected = kept * expected + (1 - kept) * raw[step][name]
            np.testing.assert_allclose(averaged[step][name], expected, rtol=1e-4, atol=1e-6)
    assert not np.array_equal(
        averaged[-1]["stem.norm.running_var"], raw[-1]["stem.norm.running_var"]
    )


def test_the_snapshot_average_is_the_mean_of_the_last_snapshots() -> None:
    raw = weights_after_each_step()
    averaged = weights_after_each_step(averaging="swa", swa_steps=3, swa_count=2)
    taken = {0: [0], 2: [2], 3: [3], 5: [3], 6: [3, 6], 8: [3, 6], 9: [6, 9], 12: [9, 12]}
    for step, steps in taken.items():
        for name in raw[0]:
            expected = np.mean([raw[s][name] for s in steps], axis=0, dtype=np.float64)
            np.testing.assert_allclose(averaged[step][name], expected, rtol=1e-5, atol=1e-6)


def losses_of_five_steps(**settings: Any) -> list[float]:
    learner = make_learner(**settings)
    return [learner.step(random_batch(GAME, 16, seed))["loss/total"] for seed in range(5)]


def test_averaging_does_not_touch_what_is_learned() -> None:
    """The gradient is of the raw weights: the same steps are made with every average."""
    losses = [losses_of_five_steps(averaging=name) for name in ("none", "ema", "swa")]
    assert losses[0] == losses[1] == losses[2]


def test_the_player_has_the_averaged_weights() -> None:
    learner = make_learner(averaging="ema")
    for seed in range(3):
        learner.step(random_batch(GAME, 16, seed))
    player = learner.averaged_network()
    assert same(weights_of(player), learner.weights())
    assert not player.training
    learner.step(random_batch(GAME, 16))
    assert not same(weights_of(player), learner.weights())


def test_weights_are_copies() -> None:
    for averaging in ("none", "ema", "swa"):
        learner = make_learner(averaging=averaging, swa_steps=1)
        learner.step(random_batch(GAME, 16))
        weights = learner.weights()
        assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}
        kept = {name: array.copy() for name, array in weights.items()}
        learner.step(random_batch(GAME, 16))
        assert same(kept, weights), averaging


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    return torch.load(io.BytesIO(file.getvalue()), weights_only=True)


SCHEDULE = {"schedule": "cosine", "schedule_steps": 15, "warmup_steps": 12}
RESUMES = {
    "adamw, ema": {"optimizer": "adamw", "averaging": "ema", **SCHEDULE},
    "sgd, swa": {
        "optimizer": "sgd",
        "averaging": "swa",
        "swa_steps": 4,
        "swa_count": 3,
        "schedule": "step",
        "schedule_steps": 7,
        "gradient_clip": 0.5,
    },
    "no average": {"averaging": "none"},
}


@pytest.mark.slow
@pytest.mark.parametrize("settings", RESUMES.values(), ids=RESUMES)
@pytest.mark.parametrize("game", [GAME, column_game()], ids=["points", "columns"])
def test_a_resumed_learner_goes_on_to_the_bit(game: Any, settings: dict[str, Any]) -> None:
    def make(seed: int) -> Learner:
        return Learner(game, NETWORK, LearnerConfig(**settings), "cpu", seed)

    def train(learner: Learner, seeds: range, measured: list[dict[str, float]]) -> None:
        for seed in seeds:
            # Batches drawn from torch's generator show whether that is restored as well.
            extra = int(torch.randint(1000, ()))
            measured.append(learner.step(random_batch(game, 16, 1000 * seed + extra)))

    torch.manual_seed(5)
    whole, all_measured = make(0), []
    train(whole, range(20), all_measured)

    torch.manual_seed(5)
    first, measured = make(0), []
    train(first, range(10), measured)
    state = through_a_file(first.state_dict())
    torch.manual_seed(77)
    second = make(1)
    second.load_state_dict(state)
    assert second.steps == 10 and same(first.weights(), second.weights())
    train(second, range(10, 20), measured)

    assert measured == all_measured
    assert same(whole.weights(), second.weights())
    one, other = through_a_file(whole.state_dict()), through_a_file(second.state_dict())
    assert str(one) == str(other)
    assert all(torch.equal(a, b) for a, b in zip(tensors(one), tensors(other), strict=True))


def tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value
    return [
        t for part in parts if isinstance(part, dict | list | torch.Tensor) for t in tensors(part)
    ]


@pytest.mark.parametrize(
    ("network", "settings", "name"),
    [
        (NetworkConfig(size="b1c32"), {}, "network.size = b1c16"),
        (NetworkConfig(size="b1c16", global_pooling=True), {}, "network.global_pooling = False"),
        (NETWORK, {"optimizer": "sgd"}, "learner.optimizer = adamw"),
        (NETWORK, {"averaging": "swa"}, "learner.averaging = none"),
    ],
)
def test_a_state_of_another_learner_is_refused(
    network: NetworkConfig, settings: dict[str, Any], name: str
) -> None:
    state = make_learner().state_dict()
    other = Learner(GAME, network, LearnerConfig(**{**PLAIN, **settings}), "cpu")
    before = other.weights()
    with pytest.raises(UserError, match=name):
        other.load_state_dict(state)
    assert same(before, other.weights())


def bad_target(batch: Batch) -> None:
    batch.wdl[2, 0] = np.nan


def bad_weight(batch: Batch) -> None:
    batch.weight[2] = np.inf


@pytest.mark.parametrize("spoil", [bad_target, bad_weight])
def test_a_loss_that_is_not_finite_ends_the_run_with_the_step(
    spoil: Callable[[Batch], None],
) -> None:
    learner = make_learner(averaging="ema")
    for seed in range(3):
        learner.step(random_batch(GAME, 16, seed))
    before, batch = learner.weights(), random_batch(GAME, 16)
    spoil(batch)
    with pytest.raises(Diverged, match=r"after 3 steps: the (loss|gradient) is (nan|inf)"):
        learner.step(batch)
    assert learner.steps == 3 and same(before, learner.weights())


def test_a_loss_that_explodes_ends_the_run_and_is_known_before_the_next_step() -> None:
    learner = make_learner(learning_rate=1e4, gradient_clip=0.0)
    batch = random_batch(GAME, 16)
    learner.check(batch)
    learner.step(batch)
    for use in (learner.check, learner.step):
        with pytest.raises(
            Diverged, match=r"after 1 steps: (the loss is .* times its level|.*(nan|inf))"
        ):
            use(batch)
    assert learner.steps == 1


def test_a_weight_that_is_not_finite_is_found() -> None:
    learner = make_learner()
    with torch.no_grad():
        next(learner.network.parameters()).view(-1)[3] = math.inf
    with pytest.raises(Diverged, match="a weight is not finite"):
        learner.check(random_batch(GAME, 16))


def test_a_check_changes_nothing() -> None:
    one, other = make_learner(averaging="ema"), make_learner(averaging="ema")
    for seed in range(3):
        one.check(random_batch(GAME, 16, seed))
        for learner in (one, other):
            learner.step(random_batch(GAME, 16, seed))
    for name, tensor in one.network.state_dict().items():
        assert torch.equal(tensor, other.network.state_dict()[name]), name
    assert same(one.weights(), other.weights())


def test_the_level_of_the_loss_outlives_a_restart() -> None:
    learner = make_learner()
    for seed in range(3):
        learner.step(random_batch(GAME, 16, seed))
    resumed = make_learner(learning_rate=1e4, gradient_clip=0.0)
    resumed.load_state_dict(learner.state_dict())
    resumed.step(random_batch(GAME, 16, 3))
    with pytest.raises(Diverged):
        resumed.step(random_batch(GAME, 16, 4))


def test_a_state_of_a_game_with_other_planes_is_refused() -> None:
    state = make_learner().state_dict()
    name = next(iter(state["network"]))
    state["network"][name] = state["network"][name][:, :1]
    with pytest.raises(UserError, match="other planes or actions"):
        make_learner().load_state_dict(state)


def test_the_seed_draws_the_first_weights() -> None:
    def first(seed: int) -> dict[str, np.ndarray]:
        return Learner(GAME, NETWORK, LearnerConfig(), "cpu", seed).weights()

    assert same(first(1), first(1))
    assert not same(first(1), first(2))
