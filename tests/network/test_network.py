"""The networks: shapes for every kind of game, what each option does, and how they begin."""

import numpy as np
import pytest
import torch

from alphazero.config import NetworkConfig
from alphazero.errors import UserError
from alphazero.game import Game
from alphazero.network.architectures.resnet import (
    SIZES,
    Block,
    PointHead,
    ResNet,
    flatten,
    parse_size,
    pool,
    pools,
)
from alphazero.network.registry import build
from alphazero.network.weights import copy_weights, weights_of
from tests.helpers.network_games import (
    auxiliary,
    chess_like,
    column_game,
    made_up_game,
    point_game,
    random_planes,
    trained,
)

SMALL = NetworkConfig(size="b1c16")
GAMES = {
    "tic-tac-toe": point_game(3),
    "go 19x19": point_game(19, has_pass=True),
    "columns": column_game(),
    "chess": chess_like(),
    "neither points nor columns": made_up_game((4, 5, 3), 11),
}
CONFIGS = {
    "residual": SMALL,
    "convolutional": NetworkConfig(size="b2c16", trunk="convolutional"),
    "pooling": NetworkConfig(size="b2c16", global_pooling=True),
    "squeeze": NetworkConfig(size="b2c16", squeeze_excitation=True),
    "everything": NetworkConfig(
        size="b2c16", trunk="convolutional", global_pooling=True, squeeze_excitation=True
    ),
}


def floats(game: Game, rows: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(random_planes(game, rows, seed)).float()


@pytest.mark.parametrize(
    ("size", "expected"), [("b1c16", (1, 16)), ("b20c256", (20, 256)), ("b3c7", (3, 7))]
)
def test_a_size_is_blocks_and_channels(size: str, expected: tuple[int, int]) -> None:
    assert parse_size(size) == expected


@pytest.mark.parametrize("size", ["", "large", "b0c16", "b4c0", "4c32", "b4c32x", "b4", "b04c32"])
def test_another_size_is_an_error_that_names_sizes(size: str) -> None:
    with pytest.raises(UserError, match=r"b4c32") as error:
        parse_size(size)
    assert f'"{size}"' in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_a_preset_has_its_blocks_and_channels(size: str) -> None:
    with torch.device("meta"):  # shapes without numbers: b20c256 is large
        network = ResNet(point_game(9), NetworkConfig(size=size))
    blocks, channels = parse_size(size)
    assert len(network.blocks) == blocks
    assert network.stem.convolution.out_channels == channels


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("game", GAMES.values(), ids=GAMES)
def test_outputs_have_their_shapes(game: Game, config: NetworkConfig) -> None:
    output = build(game, config).eval()(floats(game, 2))
    assert output.policy.shape == (2, game.num_actions)
    assert output.wdl.shape == (2, 3)
    assert output.policy.dtype == output.wdl.dtype == torch.float32


@pytest.mark.parametrize("game", GAMES.values(), ids=GAMES)
def test_an_untrained_network_knows_nothing(game: Game) -> None:
    output = build(game, NetworkConfig(size="b4c32")).eval()(floats(game, 16))
    policy, wdl = output.policy.softmax(1), output.wdl.softmax(1)
    assert policy.max() * game.num_actions < 2
    assert policy.min() * game.num_actions > 0.5
    assert (wdl[:, 0] - wdl[:, 2]).abs().max() < 0.2
    # Yet it is no constant: its first steps have something to work with.
    assert output.policy.std() > 1e-4
    assert output.wdl.std() > 1e-4


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_every_weight_learns(config: NetworkConfig) -> None:
    game = point_game(
        5, has_pass=True, auxiliary=(auxiliary("owner", (5, 5)), auxiliary("score", ()))
    )
    network = build(game, config).train()
    output = network(floats(game, 8))
    loss = output.policy.square().sum() + output.wdl[:, 0].sum()
    loss = loss + sum(value.sum() for value in output.auxiliary.values())
    loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_the_same_seed_makes_the_same_network_and_leaves_torch_alone() -> None:
    before = torch.get_rng_state()
    first, second, other = (weights_of(build(column_game(), SMALL, seed)) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["stem.convolution.weight"], other["stem.convolution.weight"])


@pytest.mark.parametrize("has_pass", [False, True])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_one_set_of_weights_serves_several_board_sizes(
    config: NetworkConfig, has_pass: bool
) -> None:
    small, large = point_game(5, has_pass=has_pass), point_game(19, has_pass=has_pass)
    network = build(large, config)
    copy_weights(weights_of(trained(small, config)), network)
    output = network.eval()(floats(large, 2))
    assert output.policy.shape == (2, 361 + has_pass)
    assert torch.isfinite(output.policy).all()


def test_without_pooling_a_point_looks_the_same_on_every_board_size() -> None:
    """b1c16 sees 3 points far, so the middle of a 9x9 board cannot know what is beyond it."""
    small, large = point_game(9), point_game(13)
    one, other = trained(small, SMALL), build(large, SMALL).eval()
    copy_weights(weights_of(one), other)
    planes = floats(small, 4)
    wide = torch.nn.functional.pad(planes, (2, 2, 2, 2))
    middle = one(planes).policy.view(4, 9, 9)[:, 3:6, 3:6]
    same = other(wide).policy.view(4, 13, 13)[:, 5:8, 5:8]
    torch.testing.assert_close(middle, same, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("config", "reaches"),
    [
        (SMALL, False),
        (NetworkConfig(size="b1c16", global_pooling=True), True),
        (NetworkConfig(size="b1c16", squeeze_excitation=True), True),
        (NetworkConfig(size="b1c16", trunk="convolutional"), False),
    ],
)
def test_pooling_and_squeezing_let_the_far_corner_know(
    config: NetworkConfig, reaches: bool
) -> None:
    game = point_game(13)
    network = trained(game, config)
    planes = floats(game, 1)
    changed = planes.clone()
    changed[:, :, 0, 0] = 1 - changed[:, :, 0, 0]
    difference = (network(planes).policy - network(changed).policy).view(13, 13)
    assert difference[0, 0] != 0
    assert bool(difference[12, 12] != 0) == reaches


def test_which_blocks_pool() -> None:
    def pooling(blocks: int) -> list[int]:
        return [index for index in range(blocks) if pools(index, blocks)]

    assert pooling(1) == [0]
    assert pooling(2) == [1]
    assert pooling(6) == [1, 4]
    assert pooling(10) == [1, 4, 7]
    network = build(point_game(5), NetworkConfig(size="b6c16", global_pooling=True))
    with_bias = [i for i, block in enumerate(network.blocks) if block.pooled_bias is not None]
    assert with_bias == [1, 4]


def test_pooled_features_are_mean_scaled_mean_and_maximum() -> None:
    x = torch.randn(2, 3, 4, 9)
    expected = torch.cat([x.mean((2, 3)), x.mean((2, 3)) * (6 - 14) / 10, x.amax((2, 3))], dim=1)
    torch.testing.assert_close(pool(x), expected)


def test_only_the_residual_trunk_adds_its_input() -> None:
    x = torch.rand(2, 16, 5, 5)
    for trunk, expected in (("residual", x), ("convolutional", torch.zeros_like(x))):
        block = Block(16, NetworkConfig(trunk=trunk), pooling=False).eval()
        torch.nn.init.zeros_(block.second.convolution.weight)
        assert torch.equal(block(x), expected)
    wide = build(column_game(), NetworkConfig(trunk="convolutional"))
    assert wide.stem.convolution.kernel_size == (5, 5)


def test_point_heads_number_actions_by_point_then_output_and_the_pass_comes_last() -> None:
    head = PointHead(16, 3, has_pass=False, pooling=False).eval()
    x = torch.randn(2, 16, 4, 5)
    planes = head.points(head.hidden(x))  # [B, 3, 4, 5]
    out = head(x)
    for k, row, column in ((0, 0, 0), (1, 0, 1), (2, 3, 4), (1, 2, 3)):
        assert torch.equal(out[:, (row * 5 + column) * 3 + k], planes[:, k, row, column])

    head = PointHead(16, 1, has_pass=True, pooling=False).eval()
    assert head.passing is not None
    torch.nn.init.constant_(head.passing.bias, 100.0)
    assert (head(x)[:, -1] > 50).all() and (head(x)[:, :-1] < 50).all()


def test_flattening_goes_by_shape_and_not_by_memory() -> None:
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(flatten(x), flatten(x.contiguous(memory_format=torch.channels_last)))
    assert flatten(x)[1, (2 * 5 + 3) * 3 + 1] == x[1, 1, 2, 3]


def test_auxiliary_heads_have_the_shapes_the_game_declares() -> None:
    game = point_game(
        5,
        auxiliary=(auxiliary("owner", (5, 5)), auxiliary("score", ()), auxiliary("bins", (2, 4))),
    )
    output = trained(game, SMALL)(floats(game, 3))
    assert {name: tuple(value.shape) for name, value in output.auxiliary.items()} == {
        "owner": (3, 5, 5),
        "score": (3,),
        "bins": (3, 2, 4),
    }
    # Ownership is a matter of points: it must serve other board sizes as the policy does.
    assert (
        weights_of(build(game, SMALL)).keys()
        == weights_of(
            build(point_game(7, auxiliary=(auxiliary("owner", (7, 7)), *game.auxiliary[1:])), SMALL)
        ).keys()
    )


def test_players_ask_for_policy_and_value_alone() -> None:
    game = point_game(5, auxiliary=(auxiliary("score", ()),))
    network, planes = trained(game, SMALL), floats(game, 3)
    output = network(planes)
    policy, wdl = network.decide(planes)
    assert torch.equal(policy, output.policy) and torch.equal(wdl, output.wdl)


def test_planes_are_multiplied_by_their_scale() -> None:
    game, plain = point_game(5, plane_scale=(1.0, 0.025, 0.5)), point_game(5)
    network = trained(game, SMALL)
    other = build(plain, SMALL).eval()
    copy_weights(weights_of(network), other)  # the scale is no weight
    planes = floats(game, 3)
    scaled = planes * torch.tensor(game.plane_scale)[:, None, None]
    assert torch.equal(network(planes).policy, other(scaled).policy)
    assert not torch.equal(network(planes).policy, other(planes).policy)
    with pytest.raises(ValueError, match="2 scales for 3 planes"):
        build(point_game(5, plane_scale=(1.0, 0.5)), SMALL)


def test_a_game_whose_actions_are_not_points_cannot_be_fully_convolutional() -> None:
    game = made_up_game((2, 6, 7), 7, fully_convolutional=True)
    with pytest.raises(AssertionError, match="points"):
        build(game, SMALL)
