"""Winograd's convolutions against the definition, on boards that tiles fit and on others."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from alphazero.config import NetworkConfig
from alphazero.network import inference
from alphazero.network import winograd as winograd_module
from alphazero.network.architectures.resnet import Convolution
from alphazero.network.evaluator import Leaves
from alphazero.network.inference import (
    FastLayer,
    InferenceCopy,
    PackedConvolution,
    WinogradConvolution,
    has_packed_operators,
    suits,
)
from alphazero.network.network import Form
from alphazero.network.network_evaluator import NetworkEvaluator
from alphazero.network.weights import weights_of
from alphazero.network.winograd import TILE, WEIGHTS, Winograd, gather, saving, spread
from tests.helpers.network_games import chess_like, random_planes, trained

pytestmark = pytest.mark.skipif(
    not has_packed_operators(torch.float32), reason="the products need oneDNN's operators"
)
TOLERANCE = 2e-5  # of the largest number
CHANNELS = 32


def last(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def test_one_tile_in_one_dimension_is_a_convolution() -> None:
    """F(4, 3) itself: four sums of three products, from six values."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        inputs = rng.standard_normal(6).astype(np.float32)
        weights = rng.standard_normal(3)
        values = WEIGHTS.numpy() @ weights * np.array(spread(*inputs))
        found = gather(*values.astype(np.float32))
        np.testing.assert_allclose(found, np.correlate(inputs, weights), atol=1e-5)


@pytest.mark.parametrize("board", [(19, 19), (9, 9), (8, 8), (6, 7), (1, 2)], ids=str)
def test_a_convolution_is_that_of_the_definition(board: tuple[int, int]) -> None:
    torch.manual_seed(0)
    weight, bias = torch.randn(CHANNELS, CHANNELS, 3, 3) / 17, torch.randn(CHANNELS)
    x, skip = last(torch.randn(5, CHANNELS, *board)), last(torch.randn(5, CHANNELS, *board))
    algorithm = Winograd(CHANNELS, CHANNELS, board)
    transformed, biases = algorithm.transform(weight), bias.repeat(TILE)
    exact = F.conv2d(x.double(), weight.double(), bias.double(), padding=1)
    for other in (None, skip):
        for rectify in (False, True):
            found = algorithm.convolve(x, transformed, biases, other, rectify)
            expected = exact if other is None else exact + other
            expected = expected.relu() if rectify else expected
            assert found.is_contiguous(memory_format=torch.channels_last)
            difference = float((found - expected).abs().max())
            assert difference < TOLERANCE * float(exact.abs().max())


def test_every_point_reaches_its_neighbours_and_no_other() -> None:
    """One stone at a time, with weights that tell directions apart: all edges of all tiles."""
    board = (6, 7)
    weight = torch.zeros(CHANNELS, CHANNELS, 3, 3)
    weight[0, 0] = torch.arange(1.0, 10.0).view(3, 3)
    algorithm = Winograd(CHANNELS, CHANNELS, board)
    stones = torch.eye(42).view(42, 1, *board)
    x = last(torch.cat([stones, torch.zeros(42, CHANNELS - 1, *board)], dim=1))
    biases = torch.zeros(TILE * CHANNELS)
    found = algorithm.convolve(x, algorithm.transform(weight), biases, None, False)
    expected = F.conv2d(stones, weight[:1, :1], padding=1)
    torch.testing.assert_close(found[:, :1], expected, rtol=0, atol=1e-4)
    assert not found[:, 1:].any()


def test_blocks_of_a_batch_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    weight, board = torch.randn(CHANNELS, CHANNELS, 3, 3), (8, 8)
    x, biases = last(torch.randn(11, CHANNELS, *board)), torch.randn(CHANNELS).repeat(TILE)
    whole = Winograd(CHANNELS, CHANNELS, board)
    monkeypatch.setattr(winograd_module, "BLOCK_BYTES", 3 * 4 * 36 * 2 * CHANNELS * 4)
    blocks = Winograd(CHANNELS, CHANNELS, board)
    assert whole._boards >= 11 and blocks._boards == 3
    one = whole.convolve(x, whole.transform(weight), biases, x, True)
    other = blocks.convolve(x, blocks.transform(weight), biases, x, True)
    torch.testing.assert_close(one, other, rtol=0, atol=1e-3)


def test_what_is_not_finite_is_not_hidden_by_the_rectifier() -> None:
    algorithm = Winograd(CHANNELS, CHANNELS, (8, 8))
    x = last(torch.zeros(1, CHANNELS, 8, 8))
    x[0, 0, 4, 4] = torch.nan
    weight, biases = torch.ones(CHANNELS, CHANNELS, 3, 3), torch.zeros(TILE * CHANNELS)
    assert algorithm.convolve(x, algorithm.transform(weight), biases, None, True).isnan().any()


def test_boards_that_tiles_fit_and_wide_layers_are_done_so() -> None:
    assert saving((8, 8)) == 4 and saving((9, 9)) == 2.25
    assert saving((19, 19)) == pytest.approx(3.61)
    assert suits((19, 19), (96, 96)) and suits((8, 8), (32, 64))
    assert not suits((9, 9), (96, 96)) and not suits((8, 8), (16, 16))
    assert not suits((8, 8), (96, 40))

    def kinds(dtype: torch.dtype) -> dict[str, type[FastLayer]]:
        network = trained(chess_like(), NetworkConfig(size="b1c32"))
        copied = InferenceCopy(network, torch.device("cpu"), dtype)
        return {name: type(layer) for name, layer in copied._replaced.items()}

    found = kinds(torch.float32)
    assert found["stem"] == found["value.hidden"] == PackedConvolution
    assert found["blocks.0.first"] == found["blocks.0.second"] == WinogradConvolution
    assert WinogradConvolution not in kinds(torch.bfloat16).values()


def test_a_network_answers_as_with_the_definition_and_follows_new_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    game, config = chess_like(), NetworkConfig(size="b3c32")
    networks = [trained(game, config, seed) for seed in (0, 7)]
    evaluator = NetworkEvaluator(networks[0], "cpu", precision="float32")
    monkeypatch.setattr(inference, "SMALLEST_SAVING", 99.0)
    plain = NetworkEvaluator(networks[0], "cpu", precision="float32")
    planes = random_planes(game, 20)
    leaves = Leaves(planes, np.zeros(20), np.zeros(20, np.uint64))
    for network in (*networks, networks[0]):
        evaluator.update(weights_of(network))
        plain.update(weights_of(network))
        one, other = evaluator.evaluate(leaves), plain.evaluate(leaves)
        largest = float(np.abs(other.logits).max())
        assert np.abs(one.logits - other.logits).max() < TOLERANCE * largest
        assert np.abs(one.value - other.value).max() < TOLERANCE
        assert not np.array_equal(one.logits, other.logits), "the same convolutions"


@pytest.mark.parametrize("forgotten", ["transformed", "weight"])
def test_the_canary_tries_both_ways_of_a_layer(
    forgotten: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few positions go by the definition, many by Winograd: old weights in either are noticed."""
    game, config = chess_like(), NetworkConfig(size="b1c32")
    evaluator = NetworkEvaluator(trained(game, config), "cpu", precision="float32")
    take = WinogradConvolution.take

    def forget(self: WinogradConvolution, form: Form) -> None:
        old = getattr(self, forgotten)
        take(self, form)
        setattr(self, forgotten, old)

    monkeypatch.setattr(WinogradConvolution, "take", forget)
    with pytest.raises(RuntimeError, match=r"blocks\.0\.first made for speed differs"):
        evaluator.update(weights_of(trained(game, config, seed=7)))


def test_few_positions_go_by_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Convolution(CHANNELS, CHANNELS, 3).eval()
    fast = WinogradConvolution(layer.form(), torch.float32, (8, 8))
    fast.take(layer.form())
    sizes: list[int] = []
    convolve = Winograd.convolve

    def count(self: Winograd, x: torch.Tensor, *others: Any) -> torch.Tensor:
        sizes.append(len(x))
        return convolve(self, x, *others)

    monkeypatch.setattr(Winograd, "convolve", count)
    with torch.inference_mode():
        for rows in (1, 11, 12, 30):
            x = last(torch.randn(rows, CHANNELS, 8, 8))
            torch.testing.assert_close(fast(x), layer(x), rtol=0, atol=1e-4)
    assert sizes == [12, 30]
