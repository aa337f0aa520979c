"""The network's evaluator: as right as the plain network, whatever it does for speed."""

import copy
from typing import Any

import numpy as np
import pytest
import torch

from alphazero.config import NetworkConfig
from alphazero.errors import UserError
from alphazero.game import Game
from alphazero.network import inference
from alphazero.network import network_evaluator as evaluator_module
from alphazero.network.architectures.resnet import Convolution
from alphazero.network.device import choose_device, choose_precision, multiplies_bfloat16
from alphazero.network.evaluator import Evaluation, Leaves
from alphazero.network.inference import (
    DenseConvolution,
    FastLayer,
    InferenceCopy,
    PackedConvolution,
    PlainConvolution,
    SteadyLinear,
    has_packed_operators,
)
from alphazero.network.network import Form, LinearForm, Network
from alphazero.network.network_evaluator import NetworkEvaluator, padded
from alphazero.network.weights import weights_of
from tests.helpers.network_games import (
    chess_like,
    column_game,
    made_up_game,
    point_game,
    random_planes,
    trained,
)

CPU = torch.device("cpu")
CASES = {
    "tic-tac-toe": (point_game(3), NetworkConfig(size="b2c16")),
    "columns": (column_game(), NetworkConfig(size="b2c32")),
    "go with everything": (
        point_game(9, has_pass=True),
        NetworkConfig(size="b3c16", global_pooling=True, squeeze_excitation=True),
    ),
    "alexnet": (point_game(7), NetworkConfig(size="b2c16", trunk="convolutional")),
    "alexnet on a small board": (point_game(3), NetworkConfig(size="b2c16", trunk="convolutional")),
    "chess": (chess_like(), NetworkConfig(size="b1c32")),
    "scaled planes": (
        point_game(5, has_pass=True, plane_scale=(1.0, 1 / 40, 0.5)),
        NetworkConfig(size="b2c16", global_pooling=True),
    ),
    "scaled planes on a small board": (
        point_game(3, plane_scale=(0.1, 1.0, 1.0)),
        NetworkConfig(size="b1c16"),
    ),
    "a long board": (made_up_game((4, 5, 3), 11), NetworkConfig(size="b1c16", global_pooling=True)),
}
SEVERAL = pytest.mark.parametrize(("game", "config"), CASES.values(), ids=CASES)


def leaves(planes: np.ndarray) -> Leaves:
    return Leaves(planes, np.zeros(len(planes)), np.zeros(len(planes), np.uint64))


def plain_answer(network: Network, planes: np.ndarray) -> Evaluation:
    with torch.no_grad():
        output = network.eval()(torch.from_numpy(planes).float())
    chances = output.wdl.softmax(1)
    return Evaluation(output.policy.numpy(), chances.numpy())


def assert_same(one: Evaluation, other: Evaluation) -> None:
    assert np.array_equal(one.logits, other.logits)
    assert np.array_equal(one.wdl, other.wdl)


def assert_close(one: Evaluation, other: Evaluation, logits: float, value: float) -> None:
    np.testing.assert_allclose(one.logits, other.logits, rtol=0, atol=logits)
    np.testing.assert_allclose(one.wdl, other.wdl, rtol=0, atol=value)


@pytest.mark.slow
@SEVERAL
def test_answers_are_those_of_the_plain_network(game: Game, config: NetworkConfig) -> None:
    network, planes = trained(game, config), random_planes(game, 20)
    answer = NetworkEvaluator(network, "cpu", precision="float32").evaluate(leaves(planes))
    expected = plain_answer(network, planes)
    assert_close(answer, expected, 1e-3, 1e-4)
    assert answer.logits.dtype == answer.value.dtype == np.float32
    assert answer.logits.shape == (20, game.num_actions) and answer.value.shape == (20,)
    # Made-up weights spread the answers well beyond what rounding could.
    assert expected.logits.std() > 0.1 and expected.value.std() > 0.01


@SEVERAL
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_machine_without_onednn_gives_the_same_answers(
    game: Game, config: NetworkConfig, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, planes = trained(game, config), random_planes(game, 20)
    expected = NetworkEvaluator(network, "cpu", precision=precision).evaluate(leaves(planes))
    monkeypatch.setattr(inference, "has_packed_operators", lambda dtype: False)
    answer = NetworkEvaluator(network, "cpu", precision=precision).evaluate(leaves(planes))
    scale = 1e-4 if precision == "float32" else 0.05
    assert_close(answer, expected, scale * float(np.abs(expected.logits).max()), 2 * scale)


@SEVERAL
def test_bfloat16_answers_are_nearly_those_of_the_plain_network(
    game: Game, config: NetworkConfig
) -> None:
    network, planes = trained(game, config), random_planes(game, 20)
    answer = NetworkEvaluator(network, "cpu", precision="bfloat16").evaluate(leaves(planes))
    expected = plain_answer(network, planes)
    assert_close(answer, expected, 0.05 * float(np.abs(expected.logits).max()), 0.1)
    assert answer.logits.dtype == answer.value.dtype == np.float32


def test_value_is_the_chance_to_win_less_that_to_lose() -> None:
    game = column_game()
    network = trained(game, NetworkConfig(size="b1c16"))
    with torch.no_grad():
        network.value.wdl.weight.zero_()
        network.value.wdl.bias.copy_(torch.tensor([0.5, 0.3, 0.2]).log())
    answer = NetworkEvaluator(network, "cpu").evaluate(leaves(random_planes(game, 3)))
    np.testing.assert_allclose(answer.value, 0.3, atol=1e-6)


def fast_layers() -> list[tuple[str, type[FastLayer]]]:
    packed = [("packed", PackedConvolution)] if has_packed_operators(torch.float32) else []
    return [("plain", PlainConvolution), ("dense", DenseConvolution), *packed]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for _, kind in fast_layers()], ids=dict(fast_layers()))
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("rectify", [False, True])
@pytest.mark.parametrize("skip", [False, True])
def test_a_fast_layer_does_what_convolution_and_norm_do(
    kind: type[FastLayer], kernel: int, rectify: bool, skip: bool
) -> None:
    torch.manual_seed(0)
    layer = Convolution(4, 6, kernel, rectify).eval()
    layer.norm.running_mean = torch.randn(6)
    layer.norm.running_var = torch.rand(6) + 0.5
    torch.nn.init.normal_(layer.norm.weight)
    torch.nn.init.normal_(layer.norm.bias)
    board = (3, 2)
    form = layer.form()
    fast = kind(form, torch.float32, *([] if kind is PlainConvolution else [board]))  # type: ignore[call-arg]
    with torch.inference_mode():
        fast.take(form)
        x = torch.randn(5, 4, *board).contiguous(memory_format=torch.channels_last)
        other = torch.randn(5, 6, *board).contiguous(memory_format=torch.channels_last)
        before = other.clone()
        answer = fast(x, other) if skip else fast(x)
        expected = layer(x, other) if skip else layer(x)
    torch.testing.assert_close(answer, expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(other, before), "what is added must not change"


def test_a_few_rows_are_multiplied_as_many_are() -> None:
    layer = torch.nn.Linear(336, 7)
    steady = SteadyLinear(torch.float32)
    steady.take(LinearForm(layer))
    x = torch.randn(16, 336)
    x[3:] = 0
    with torch.inference_mode():
        assert torch.equal(steady(x[:3]), steady(x)[:3])
        assert steady(x[:3]).shape == (3, 7)


def test_the_fast_layers_are_where_they_should_be() -> None:
    def kinds(game: Game, dtype: torch.dtype = torch.float32) -> set[type]:
        source = trained(game, NetworkConfig(size="b1c16", squeeze_excitation=True))
        modules = InferenceCopy(source, CPU, dtype).network.modules()
        layers = (FastLayer, Convolution, torch.nn.Conv2d, torch.nn.Linear, torch.nn.BatchNorm2d)
        return {type(module) for module in modules if isinstance(module, layers)}

    packed = PackedConvolution if has_packed_operators(torch.float32) else PlainConvolution
    assert kinds(point_game(3)) == {DenseConvolution, SteadyLinear}
    assert kinds(point_game(4)) == {packed, SteadyLinear}


@SEVERAL
def test_new_weights_take_the_place_of_all_old_ones(game: Game, config: NetworkConfig) -> None:
    old, new = trained(game, config), trained(game, config, seed=7)
    evaluator, planes = NetworkEvaluator(old, "cpu"), random_planes(game, 5)
    before = evaluator.evaluate(leaves(planes))
    evaluator.update(weights_of(new))
    after = evaluator.evaluate(leaves(planes))
    assert_same(after, NetworkEvaluator(new, "cpu").evaluate(leaves(planes)))
    assert not np.array_equal(before.logits, after.logits)
    evaluator.update(weights_of(old))
    assert_same(before, evaluator.evaluate(leaves(planes)))


def test_the_evaluator_has_its_own_copy_of_the_network() -> None:
    game = column_game()
    network = trained(game, NetworkConfig(size="b1c16"))
    given, planes = copy.deepcopy(network), random_planes(game, 5)
    evaluator = NetworkEvaluator(given, "cpu")
    evaluator.update(weights_of(trained(game, NetworkConfig(size="b1c16"), seed=7)))
    assert all(
        np.array_equal(a, b)
        for a, b in zip(weights_of(given).values(), weights_of(network).values(), strict=True)
    )
    before = evaluator.evaluate(leaves(planes))
    torch.nn.init.zeros_(given.stem.convolution.weight)
    given.train()
    assert_same(before, evaluator.evaluate(leaves(planes)))


def test_weights_of_another_network_are_refused_and_change_nothing() -> None:
    game = column_game()
    evaluator = NetworkEvaluator(trained(game, NetworkConfig(size="b1c16")), "cpu")
    planes = random_planes(game, 5)
    before = evaluator.evaluate(leaves(planes))
    with pytest.raises(ValueError, match="weights of another network"):
        evaluator.update(weights_of(trained(game, NetworkConfig(size="b1c32"))))
    assert_same(before, evaluator.evaluate(leaves(planes)))


@pytest.mark.parametrize("kind", [kind for _, kind in fast_layers()], ids=dict(fast_layers()))
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_canary_notices_a_layer_that_does_not_follow(
    kind: type[FastLayer], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = point_game(3) if kind is DenseConvolution else column_game()
    if kind is PackedConvolution and not has_packed_operators(getattr(torch, precision)):
        pytest.skip("oneDNN has no such operators for this processor")
    monkeypatch.setattr(inference, "has_packed_operators", lambda dtype: kind is PackedConvolution)
    first, second = (trained(game, NetworkConfig(size="b2c16"), seed) for seed in (0, 7))
    evaluator = NetworkEvaluator(first, "cpu", precision=precision)
    evaluator.update(weights_of(second))
    take = kind.take

    def forget(self: FastLayer, form: Form) -> None:
        module = getattr(getattr(form, "fold", None), "__self__", None)
        if "blocks.1.second" not in names.get(module, ""):
            take(self, form)

    names = {module: name for name, module in evaluator._plain.named_modules()}
    monkeypatch.setattr(kind, "take", forget)
    with pytest.raises(RuntimeError, match=r"blocks\.1\.second made for speed differs"):
        evaluator.update(weights_of(first))


@pytest.mark.parametrize("name", ["stem.norm.running_var", "policy.outputs.bias", "value.wdl.bias"])
def test_weights_that_are_not_finite_are_refused(name: str) -> None:
    game, config = column_game(), NetworkConfig(size="b1c16")
    evaluator = NetworkEvaluator(trained(game, config), "cpu")
    weights = weights_of(trained(game, config))
    weights[name][0] = np.nan
    with pytest.raises(RuntimeError):
        evaluator.update(weights)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("spoil", ["logits", "wdl"])
def test_an_answer_that_is_not_finite_is_an_error(bad: float, spoil: str) -> None:
    answer = {"logits": np.zeros((3, 4), np.float32), "wdl": np.zeros((3, 3), np.float32)}
    evaluator_module.checked(**answer)
    answer[spoil][1] = bad
    with pytest.raises(RuntimeError, match="not finite"):
        evaluator_module.checked(**answer)


@SEVERAL
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_row_does_not_depend_on_the_others(
    game: Game, config: NetworkConfig, precision: str
) -> None:
    evaluator = NetworkEvaluator(trained(game, config), "cpu", precision=precision)
    planes = random_planes(game, 40)
    full = evaluator.evaluate(leaves(planes))
    changed = planes.copy()
    changed[1::2] = random_planes(game, 40, seed=9)[1::2]
    other = evaluator.evaluate(leaves(changed))
    assert np.array_equal(full.logits[::2], other.logits[::2])
    assert np.array_equal(full.value[::2], other.value[::2])
    assert not np.array_equal(full.logits[1::2], other.logits[1::2])
    for rows in (1, 2, 3, 8, 15, 17, 33):
        part = evaluator.evaluate(leaves(planes[:rows]))
        # Equal to the bit where it was tried; another processor may add up in another order.
        tolerance = 1e-4 if precision == "float32" else 2e-2
        assert_close(part, Evaluation(full.logits[:rows], full.wdl[:rows]), tolerance, tolerance)


def test_on_a_small_board_a_row_is_the_same_to_the_bit_in_every_batch() -> None:
    """Exact resume rests on it: the tests of it play tic-tac-toe."""
    game = point_game(3)
    evaluator = NetworkEvaluator(trained(game, NetworkConfig(size="b1c8")), "cpu")
    planes = random_planes(game, 40)
    full = evaluator.evaluate(leaves(planes))
    for rows in range(1, 40):
        part = evaluator.evaluate(leaves(planes[:rows]))
        assert_same(part, Evaluation(full.logits[:rows], full.wdl[:rows]))
    turned = evaluator.evaluate(leaves(planes[::-1].copy()))
    assert_same(turned, Evaluation(full.logits[::-1], full.wdl[::-1]))


def test_a_steady_evaluator_answers_a_row_the_same_to_the_bit_in_every_batch() -> None:
    """Games that do not depend on the number of threads rest on it, for a search of fewer trees has
    smaller batches."""
    game = point_game(8)  # where Winograd's algorithm is used, but for few boards
    evaluator = NetworkEvaluator(
        trained(game, NetworkConfig(size="b1c32")), "cpu", precision="float32"
    )
    evaluator.steady = True
    planes = random_planes(game, 40)
    full = evaluator.evaluate(leaves(planes))
    for rows in (1, 2, 3, 8, 11, 12, 15, 17, 33):
        part = evaluator.evaluate(leaves(planes[:rows]))
        assert_same(part, Evaluation(full.logits[:rows], full.wdl[:rows]))


def test_a_batch_too_large_for_the_caches_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    game = column_game()
    network, planes = trained(game, NetworkConfig(size="b1c16")), random_planes(game, 50)
    whole = NetworkEvaluator(network, "cpu", precision="float32").evaluate(leaves(planes))
    monkeypatch.setattr(evaluator_module, "LARGEST_BATCH", 16)
    parts = NetworkEvaluator(network, "cpu", precision="float32").evaluate(leaves(planes))
    assert_close(parts, whole, 1e-4, 1e-4)
    assert len(parts.value) == 50
    monkeypatch.setattr(evaluator_module, "CACHE_BYTES", 1)
    parts = NetworkEvaluator(network, "cpu", precision="float32").evaluate(leaves(planes))
    assert_close(parts, whole, 1e-4, 1e-4)


def test_two_batches_can_be_under_way_and_answers_last() -> None:
    game = column_game()
    evaluator = NetworkEvaluator(trained(game, NetworkConfig(size="b1c16")), "cpu")
    first, second = random_planes(game, 9), random_planes(game, 9, seed=1)
    one, other = evaluator.submit(leaves(first)), evaluator.submit(leaves(second))
    answer, kept = other(), one()
    assert_same(answer, evaluator.evaluate(leaves(second)))
    assert_same(kept, evaluator.evaluate(leaves(first)))
    evaluator.evaluate(leaves(random_planes(game, 9, seed=2)))
    assert_same(kept, evaluator.evaluate(leaves(first)))


def test_batch_sizes_are_few_and_waste_little() -> None:
    sizes = [padded(rows) for rows in range(1, 4097)]
    assert all(size >= rows for rows, size in enumerate(sizes, 1))
    assert sizes == sorted(sizes)
    assert all(padded(size) == size for size in sizes)
    assert all(size <= rows * 9 / 8 for rows, size in enumerate(sizes, 1) if rows >= 64)
    assert sorted(set(sizes[:64])) == [1, 2, 4, 8, 16, 24, 32, 40, 48, 56, 64]
    assert sorted(set(sizes[128:256])) == [144, 160, 176, 192, 208, 224, 240, 256]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_torch_works_in_one_thread_and_has_its_own_again_afterwards(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = column_game()
    network, planes = trained(game, NetworkConfig(size="b1c16")), random_planes(game, 40)
    before, used = torch.get_num_threads(), []
    decide = evaluator_module.decide

    def spy(*arguments: Any) -> Any:
        used.append(torch.get_num_threads())
        return decide(*arguments)

    monkeypatch.setattr(evaluator_module, "decide", spy)
    monkeypatch.setattr(evaluator_module, "PART_OPERATIONS", 1.0)
    NetworkEvaluator(network, "cpu", threads=threads).evaluate(leaves(planes))
    assert used == threads * [1] and torch.get_num_threads() == before


def test_an_unknown_device_is_an_error_that_names_the_others() -> None:
    assert choose_device("cpu") == CPU
    for device in ("gpu", "cuda:99", "cup"):
        with pytest.raises(UserError, match=rf'"{device}" is not available here: .*auto.*cpu'):
            choose_device(device)


def test_precision_is_what_the_machine_does_fast() -> None:
    large, small = (
        trained(game, NetworkConfig(size="b1c16")) for game in (column_game(), point_game(3))
    )
    fast = torch.bfloat16 if multiplies_bfloat16() else torch.float32
    assert choose_precision("auto", CPU, large) == fast
    assert choose_precision("auto", CPU, small) == torch.float32
    assert choose_precision("auto", torch.device("cuda"), small) == torch.bfloat16
    assert choose_precision("auto", torch.device("mps"), large) == torch.float32
    assert choose_precision("bfloat16", CPU, large) == torch.bfloat16
    with pytest.raises(UserError, match="float16"):
        choose_precision("float16", CPU, large)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@SEVERAL
def test_a_cuda_device_gives_the_same_answers(game: Game, config: NetworkConfig) -> None:
    network, planes = trained(game, config), random_planes(game, 37)
    evaluator = NetworkEvaluator(network, "cuda")
    expected = plain_answer(network, planes)
    waits = [evaluator.submit(leaves(part)) for part in (planes[:20], planes[20:])]
    first, second = (wait() for wait in waits)
    answer = Evaluation(
        np.concatenate([first.logits, second.logits]), np.concatenate([first.wdl, second.wdl])
    )
    assert_close(answer, expected, 0.1 * float(np.abs(expected.logits).max()), 0.1)
    evaluator.update(weights_of(trained(game, config, seed=7)))
    assert not np.array_equal(answer.logits[:20], evaluator.evaluate(leaves(planes[:20])).logits)
