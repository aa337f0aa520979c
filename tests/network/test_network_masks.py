"""Boards smaller than the planes: the same answers as on their own, in play and in learning."""

import numpy as np
import pytest
import torch

from alphazero.config import LearnerConfig, NetworkConfig
from alphazero.game import Game
from alphazero.learning import learner as learner_module
from alphazero.learning.learner import Learner
from alphazero.network import inference
from alphazero.network.architectures.resnet import Convolution, ResNet
from alphazero.network.encoder import Inputs
from alphazero.network.evaluator import Evaluation, Leaves
from alphazero.network.network import Network
from alphazero.network.network_evaluator import NetworkEvaluator
from alphazero.network.registry import build
from alphazero.network.weights import copy_weights, weights_of
from tests.helpers.network_games import auxiliary, point_game, random_batch, trained

SMALL, LARGE = 9, 13
BOARD = 1  # the plane that marks the board
CONFIGS = {
    "plain": NetworkConfig(size="b2c16"),
    "pooling": NetworkConfig(size="b3c16", global_pooling=True),
    "squeeze": NetworkConfig(size="b2c16", squeeze_excitation=True),
    "convolutional": NetworkConfig(size="b2c16", trunk="convolutional", global_pooling=True),
    "everything": NetworkConfig(size="b3c32", global_pooling=True, squeeze_excitation=True),
}
SEVERAL = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
CORNERS = {"top left": (0, 0), "bottom right": (LARGE - SMALL, LARGE - SMALL), "middle": (2, 1)}


def go_like(size: int) -> Game:
    return point_game(
        size,
        has_pass=True,
        board_plane=BOARD,
        plane_scale=(1.0, 1.0, 0.1),
        auxiliary=(auxiliary("ownership", (size, size), "tanh"), auxiliary("score", (1,))),
    )


def boards(rows: int) -> np.ndarray:
    """Random planes of whole small boards."""
    planes = np.random.default_rng(0).integers(0, 3, (rows, 3, SMALL, SMALL), np.uint8)
    planes[:, BOARD] = 1
    return planes


def within(planes: np.ndarray, corner: tuple[int, int], size: int = LARGE) -> np.ndarray:
    """The same boards somewhere in larger planes."""
    out = np.zeros((*planes.shape[:2], size, size), np.uint8)
    row, column = corner
    out[:, :, row : row + planes.shape[2], column : column + planes.shape[3]] = planes
    return out


def cropped(logits: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
    """Of the logits for the larger board, those that are moves on the smaller one."""
    row, column = corner
    points = logits[:, :-1].reshape(-1, LARGE, LARGE)
    points = points[:, row : row + SMALL, column : column + SMALL]
    return np.concatenate([points.reshape(len(logits), -1), logits[:, -1:]], axis=1)


def two_networks(config: NetworkConfig) -> tuple[Network, Network]:
    small = trained(go_like(SMALL), config)
    large = build(go_like(LARGE), config).eval()
    copy_weights(weights_of(small), large)
    return small, large


def leaves(planes: np.ndarray) -> Leaves:
    return Leaves(planes, np.zeros(len(planes)), np.zeros(len(planes), np.uint64))


def close(one: np.ndarray, other: np.ndarray, tolerance: float = 2e-5) -> None:
    scale = max(1.0, float(np.abs(other).max()))
    np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * scale)


@SEVERAL
@pytest.mark.parametrize("corner", CORNERS.values(), ids=CORNERS)
@torch.no_grad()
def test_a_board_in_larger_planes_gives_the_answers_it_gives_alone(
    config: NetworkConfig, corner: tuple[int, int]
) -> None:
    small, large = two_networks(config)
    planes = boards(6)
    alone = small(torch.from_numpy(planes).float())
    inside = large(torch.from_numpy(within(planes, corner)).float())
    close(cropped(inside.policy.numpy(), corner), alone.policy.numpy())
    close(inside.wdl.numpy(), alone.wdl.numpy())
    close(inside.auxiliary["score"].numpy(), alone.auxiliary["score"].numpy())
    row, column = corner
    found = inside.auxiliary["ownership"][:, row : row + SMALL, column : column + SMALL]
    close(found.numpy(), alone.auxiliary["ownership"].numpy())
    # It would not without the mask.
    unmasked = large.heads(
        large.trunk(torch.from_numpy(within(planes, corner)).float(), None), None
    )
    assert (unmasked.wdl - alone.wdl).abs().max() > 1e-3


@SEVERAL
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("packed", [True, False])
def test_the_evaluator_masks_as_the_plain_network_does(
    config: NetworkConfig, precision: str, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not packed:
        monkeypatch.setattr(inference, "has_packed_operators", lambda dtype: False)
    small, large = two_networks(config)
    planes = boards(10)
    one = NetworkEvaluator(small, "cpu", precision=precision)
    other = NetworkEvaluator(large, "cpu", precision=precision)
    other.evaluate(leaves(within(boards(24), (0, 0))))  # rows beyond a batch are not clean
    alone = one.evaluate(leaves(planes))
    inside = other.evaluate(leaves(within(planes, (4, 4))))
    tolerance = 2e-5 if precision == "float32" else 0.05
    close(cropped(inside.logits, (4, 4)), alone.logits, tolerance)
    close(inside.value, alone.value, 2 * tolerance)


def test_a_small_board_among_large_ones_changes_no_answer_but_its_own() -> None:
    _, large = two_networks(CONFIGS["everything"])
    evaluator = NetworkEvaluator(large, "cpu", precision="float32")
    whole = np.random.default_rng(1).integers(0, 3, (8, 3, LARGE, LARGE), np.uint8)
    whole[:, BOARD] = 1
    mixed = whole.copy()
    mixed[3] = within(boards(1), (0, 0))
    full, part = evaluator.evaluate(leaves(whole)), evaluator.evaluate(leaves(mixed))
    others = np.arange(8) != 3
    close(part.logits[others], full.logits[others])
    close(part.value[others], full.value[others])
    alone = evaluator.evaluate(leaves(mixed[3:4]))
    close(part.logits[3:4], alone.logits)


def test_whole_boards_use_no_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = two_networks(CONFIGS["plain"])
    evaluator, planes = NetworkEvaluator(small, "cpu"), boards(3)
    before = evaluator.evaluate(leaves(planes))

    masks, decide = [], ResNet.decide

    def noting(network: ResNet, batch: torch.Tensor, mask: torch.Tensor | None = None):
        masks.append(mask)
        return decide(network, batch, mask)

    monkeypatch.setattr(ResNet, "decide", noting)
    same: Evaluation = evaluator.evaluate(leaves(planes))
    assert np.array_equal(before.logits, same.logits)
    assert masks == [None]
    NetworkEvaluator(large, "cpu").evaluate(leaves(within(planes, (0, 0))))
    assert masks[-1] is not None


def test_auxiliary_answers_are_targets_and_nothing_beyond_the_board() -> None:
    small, large = two_networks(CONFIGS["pooling"])
    planes = boards(5)
    evaluator = NetworkEvaluator(large, "cpu")
    evaluator._largest = 2  # cut in parts
    inside = evaluator.auxiliary(Inputs(within(planes, (4, 4)), None))
    alone = NetworkEvaluator(small, "cpu").auxiliary(Inputs(planes, None))
    assert inside["ownership"].shape == (5, LARGE, LARGE) and inside["score"].shape == (5, 1)
    assert inside["ownership"].dtype == np.float32
    assert np.abs(alone["ownership"]).max() <= 1 and alone["ownership"].std() > 0.1
    close(inside["ownership"], np.pad(alone["ownership"], ((0, 0), (4, 0), (4, 0))))
    close(inside["score"], alone["score"])
    with torch.no_grad():
        raw = small(torch.from_numpy(planes).float()).auxiliary["ownership"]
    close(alone["ownership"], raw.tanh().numpy())
    plain = NetworkEvaluator(trained(point_game(5), CONFIGS["plain"]), "cpu")
    assert plain.auxiliary(Inputs(np.zeros((2, 3, 5, 5), np.uint8), None)) == {}


@pytest.mark.parametrize("threads", [1, 2])
def test_auxiliary_targets_come_with_an_evaluation_that_asks_for_them(threads: int) -> None:
    """The same as alone, and nothing else of the answer changes."""
    _, large = two_networks(CONFIGS["pooling"])
    evaluator = NetworkEvaluator(large, "cpu", threads=threads, precision="float32")
    evaluator._largest = 2  # cut in parts
    planes = within(boards(5), (4, 4))
    expected = evaluator.auxiliary(Inputs(planes, None))
    plain = evaluator.evaluate(leaves(planes))
    assert plain.extra is None and set(evaluator.predicts) == {"ownership", "score"}
    for names in (("score",), ("score", "ownership")):
        answer = evaluator.evaluate(leaves(planes)._replace(extra=names))
        assert answer.extra is not None and set(answer.extra) == set(names)
        for name in names:
            close(answer.extra[name], expected[name])
        np.testing.assert_array_equal(answer.logits, plain.logits)
        np.testing.assert_array_equal(answer.wdl, plain.wdl)


@pytest.mark.parametrize("rectify", [True, False])
def test_batch_norm_learns_from_the_board_alone(rectify: bool) -> None:
    torch.manual_seed(0)
    one = Convolution(3, 4, 3, rectify).train()
    torch.nn.init.normal_(one.norm.weight)
    torch.nn.init.normal_(one.norm.bias)
    other = Convolution(3, 4, 3, rectify).train()
    other.load_state_dict(one.state_dict())
    x = torch.randn(5, 3, SMALL, SMALL)
    pad = torch.nn.functional.pad
    mask = pad(torch.ones(5, 1, SMALL, SMALL), (0, 4, 0, 4))
    wide = pad(x, (0, 4, 0, 4))
    alone, inside = one(x), other(wide, mask=mask)
    torch.testing.assert_close(inside, pad(alone, (0, 4, 0, 4)), rtol=1e-4, atol=1e-5)
    for name, expected in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], expected, rtol=1e-4, atol=1e-6)
    alone.square().sum().backward()
    inside.square().sum().backward()
    for expected, parameter in zip(one.parameters(), other.parameters(), strict=True):
        assert expected.grad is not None and parameter.grad is not None
        torch.testing.assert_close(parameter.grad, expected.grad, rtol=1e-3, atol=1e-3)


@SEVERAL
def test_learning_on_small_boards_is_as_in_planes_of_their_size(
    config: NetworkConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In bfloat16 rounding hides what is compared.
    monkeypatch.setattr(learner_module, "choose_precision", lambda *_: torch.float32)
    small, large = go_like(SMALL), go_like(LARGE)
    batch = random_batch(small, 12)
    batch.planes[:, BOARD] = 1

    def inside(array: np.ndarray) -> np.ndarray:
        wide = within(array[:, :-1].reshape(-1, 1, SMALL, SMALL), (0, 0)).astype(array.dtype)
        return np.concatenate([wide.reshape(len(array), -1), array[:, -1:]], axis=1)

    points = ((0, 0), (0, LARGE - SMALL), (0, LARGE - SMALL))
    policy = np.pad(batch.policy[:, :-1].reshape(-1, SMALL, SMALL), points).reshape(12, -1)
    wide = batch._replace(
        planes=within(batch.planes, (0, 0)),
        policy=np.concatenate([policy, batch.policy[:, -1:]], axis=1),
        legal=inside(batch.legal),
        auxiliary={
            "ownership": np.pad(batch.auxiliary["ownership"], points, constant_values=0.7),
            "score": batch.auxiliary["score"],
        },
    )
    settings = LearnerConfig(averaging="none", optimizer="sgd", learning_rate=0.01)
    one, other = (Learner(game, config, settings, "cpu") for game in (small, large))
    copy_weights(one.weights(), other.network)
    for _ in range(2):
        expected, measured = one.step(batch), other.step(wide)
        for name, value in expected.items():
            assert measured[name] == pytest.approx(value, rel=2e-3, abs=1e-4), name
    for name, array in one.weights().items():
        np.testing.assert_allclose(other.weights()[name], array, rtol=1e-2, atol=2e-4)
