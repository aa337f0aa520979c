"""Weights files: what goes in comes out, and what does not belong is refused in one clear line."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alphazero.config import NetworkConfig
from alphazero.errors import UserError
from alphazero.game import Game
from alphazero.network.registry import build
from alphazero.network.weights import (
    copy_weights,
    load_weights,
    pack_weights,
    read_header,
    save_weights,
    weights_of,
)
from tests.helpers.network_games import column_game, point_game, random_planes, trained

CONFIG = NetworkConfig(size="b1c16", global_pooling=True)
GAME = point_game(5, has_pass=True, parameters={"size": 5, "komi": 7.5})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_weights(tmp_path / "net.safetensors", trained(GAME, CONFIG), GAME, {"games": 12})
    return tmp_path / "net.safetensors"


def refused(path: Path, game: Game = GAME) -> str:
    """The message for a file that cannot be used; it names the file and is one line."""
    with pytest.raises(UserError) as error:
        load_weights(path, game)
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def rewrite(path: Path, change: dict[str, Any]) -> None:
    """The same file with another header."""
    header = read_header(path) | change
    tensors = safetensors.numpy.load_file(path)
    safetensors.numpy.save_file(tensors, path, {"alphazero": json.dumps(header)})


def test_a_network_comes_back_as_it_was(path: Path) -> None:
    network, header = load_weights(path, GAME)
    original = trained(GAME, CONFIG)
    planes = torch.from_numpy(random_planes(GAME, 3)).float()
    for one, other in zip(network.decide(planes), original.decide(planes), strict=True):
        assert torch.equal(one, other)
    assert not network.training
    assert network.config == CONFIG
    assert header["game"] == GAME.name
    assert header["parameters"] == {"size": 5, "komi": 7.5}
    assert header["extra"] == {"games": 12}
    assert read_header(path) == header


def test_a_checkpoints_directory_will_do(tmp_path: Path) -> None:
    save_weights(tmp_path / "weights.safetensors", trained(GAME, CONFIG), GAME)
    assert load_weights(tmp_path, GAME)[1]["extra"] == {}
    (tmp_path / "weights.safetensors").unlink()
    with pytest.raises(UserError, match=r"cannot read the network .*weights\.safetensors"):
        load_weights(tmp_path, GAME)


def test_weights_are_float32_copies_of_everything_that_matters() -> None:
    network = trained(GAME, CONFIG)
    weights = weights_of(network)
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}
    assert "stem.norm.running_var" in weights
    assert not any("num_batches" in name for name in weights)
    weights["stem.norm.bias"][:] = 9
    assert (network.stem.norm.bias != 9).all()


def test_weights_that_do_not_fit_change_nothing() -> None:
    network = trained(GAME, CONFIG)
    before, good = weights_of(network), weights_of(trained(GAME, CONFIG, seed=5))
    name = "stem.norm.bias"
    for bad in (
        {key: value for key, value in good.items() if key != name},
        good | {"surplus": np.zeros(3, np.float32)},
        good | {name: np.zeros(3, np.float32)},
    ):
        with pytest.raises(ValueError, match=r"surplus|stem\.norm\.bias"):
            copy_weights(bad, network)
        after = weights_of(network)
        assert all(np.array_equal(before[key], after[key]) for key in before)


def test_read_only_weights_can_be_copied() -> None:
    weights = weights_of(trained(GAME, CONFIG, seed=5))
    for array in weights.values():
        array.flags.writeable = False  # as Ray hands them out
    network = build(GAME, CONFIG)
    copy_weights(weights, network)
    assert np.array_equal(weights_of(network)["stem.norm.bias"], weights["stem.norm.bias"])


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 100, b"PK\x03\x04" + b"x" * 100])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.safetensors").write_bytes(content)
    assert "not a safetensors file" in refused(tmp_path / "net.safetensors")


def test_safetensors_of_another_program_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    safetensors.numpy.save_file({"x": np.zeros(3, np.float32)}, path)
    assert "header is missing" in refused(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "cannot read" in refused(tmp_path / "nothing.safetensors")


def test_every_truncation_is_noticed(path: Path) -> None:
    content = path.read_bytes()
    for length in [*range(0, 64, 7), *range(64, len(content), 997), len(content) - 1]:
        path.write_bytes(content[:length])
        assert "cut off" in refused(path)


@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_a_flipped_bit_is_an_error_or_without_effect(path: Path, position: float, bit: int) -> None:
    good = pack_weights(trained(GAME, CONFIG), GAME, {"games": 12})
    content = bytearray(good)
    content[int(position * len(content))] ^= 1 << bit
    path.write_bytes(content)
    try:
        network, _ = load_weights(path, GAME)
    except UserError:
        return
    before, after = weights_of(trained(GAME, CONFIG)), weights_of(network)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_flipped_bit_in_the_numbers_is_always_noticed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)
    assert "checksum" in refused(path)


def test_a_newer_format_is_refused_by_number(path: Path) -> None:
    rewrite(path, {"version": 2})
    message = refused(path)
    assert "format 2" in message and "newer" in message and "up to 1" in message


@pytest.mark.parametrize("change", [{"game": 3}, {"planes": None}, {"version": "x"}])
def test_a_spoilt_header_is_refused(path: Path, change: dict[str, Any]) -> None:
    rewrite(path, change)
    assert "damaged" in refused(path)


@pytest.mark.parametrize(
    "network", [{}, {"size": "b2c16"}, {"size": "b1c32"}, {"size": "huge"}, {"sise": "b1c16"}]
)
def test_a_header_that_contradicts_the_weights_is_refused(path: Path, network: dict) -> None:
    rewrite(path, {"network": network})
    assert "does not fit its own header" in refused(path)


def test_a_network_for_another_game_is_refused_by_name(path: Path) -> None:
    message = refused(path, replace(GAME, name="chess"))
    assert '"made-up"' in message and '"chess"' in message


def test_other_parameters_are_refused_by_value(path: Path) -> None:
    message = refused(path, replace(GAME, parameters={"size": 5, "komi": 6.5}))
    assert "komi=7.5" in message and "komi=6.5" in message


def test_another_board_size_is_welcome_where_the_network_is_fully_convolutional(
    path: Path,
) -> None:
    larger = point_game(9, has_pass=True, parameters={"size": 9, "komi": 7.5})
    network, header = load_weights(path, larger)
    assert header["parameters"]["size"] == 5
    planes = torch.from_numpy(random_planes(larger, 2)).float()
    assert network.decide(planes)[0].shape == (2, 82)


@pytest.mark.parametrize(
    "game",
    [
        point_game(9, has_pass=True, parameters={"size": 9, "komi": 6.5}),
        point_game(9, has_pass=False, parameters={"size": 9, "komi": 7.5}),
        point_game(9, has_pass=True, parameters={"size": 9}),
        replace(
            point_game(9, has_pass=True, parameters={"size": 9, "komi": 7.5}),
            fully_convolutional=False,
        ),
        replace(
            point_game(9, has_pass=True, parameters={"size": 9, "komi": 7.5}), planes=(4, 9, 9)
        ),
    ],
    ids=["komi", "pass", "parameter", "not convolutional", "planes"],
)
def test_another_board_size_is_refused_where_more_than_it_differs(path: Path, game: Game) -> None:
    assert "with size=5, komi=7.5, not with size=9" in refused(path, game)


def test_a_parameter_that_was_as_large_as_the_board_is_not_taken_for_its_size(
    tmp_path: Path,
) -> None:
    def five_in_a_row(size: int, length: int) -> Game:
        return point_game(size, parameters={"size": size, "length": length})

    path, game = tmp_path / "net.safetensors", five_in_a_row(5, 5)
    save_weights(path, build(game, CONFIG), game)
    load_weights(path, five_in_a_row(9, 5))
    assert "length=5, not with size=9, length=6" in refused(path, five_in_a_row(9, 6))


def test_parameters_that_the_planes_tell_may_differ(tmp_path: Path) -> None:
    def go(size: int, **parameters: Any) -> Game:
        parameters = {"size": size, **parameters}
        return point_game(size, has_pass=True, parameters=parameters, in_planes=("komi", "rules"))

    path, game = tmp_path / "net.safetensors", go(9, komi=7, rules="aga")
    save_weights(path, build(game, CONFIG), game)
    for other in (go(9, komi=0.5), go(9), go(13, komi=0.5, rules="aga")):
        load_weights(path, other)
    assert "with size=9, komi=7, rules=aga, not with" in refused(path, go(9, ladders=True))


def test_planes_of_another_meaning_are_refused(tmp_path: Path) -> None:
    path, scale = tmp_path / "net.safetensors", (1.0, 0.025, 1.0)
    for game in (GAME, replace(GAME, plane_scale=scale), replace(GAME, board_plane=1)):
        save_weights(path, build(game, CONFIG), game)
        assert load_weights(path, game)[1]["board_plane"] == game.board_plane
        for other in (
            replace(GAME, plane_scale=(1.0, 0.5, 1.0)),
            replace(GAME, plane_scale=scale, board_plane=0),
        ):
            assert "planes of another meaning" in refused(path, other)


def test_a_file_without_scale_and_board_plane_is_of_a_game_without(path: Path) -> None:
    content = path.read_bytes()
    header = json.loads(safetensors.safe_open(path, "numpy").metadata()["alphazero"])
    del header["plane_scale"], header["board_plane"]
    weights = safetensors.numpy.load(content)
    safetensors.numpy.save_file(weights, path, {"alphazero": json.dumps(header)})
    load_weights(path, GAME)
    assert "another meaning" in refused(path, replace(GAME, board_plane=0))


def test_another_board_size_is_refused_for_columns(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    game = column_game(parameters={"rows": 6, "cols": 7})
    save_weights(path, build(game, CONFIG), game)
    smaller = replace(game, planes=(2, 5, 6), num_actions=6, parameters={"rows": 5, "cols": 6})
    assert "rows=6, cols=7, not with rows=5, cols=6" in refused(path, smaller)


def test_a_game_that_has_changed_since_is_refused(path: Path) -> None:
    assert "changed since" in refused(path, replace(GAME, planes=(4, 5, 5)))
    assert "changed since" in refused(path, replace(GAME, num_actions=25))


def test_what_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        save_weights(tmp_path / "file" / "net.safetensors", build(GAME, CONFIG), GAME)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_half_precision_takes_half_the_space_and_keeps_the_answers(tmp_path):
    network = trained(GAME, CONFIG)
    full, half = tmp_path / "full.safetensors", tmp_path / "half.safetensors"
    save_weights(full, network, GAME)
    save_weights(half, network, GAME, half=True)
    assert half.stat().st_size < 0.65 * full.stat().st_size
    planes = torch.randint(0, 2, (8, *GAME.planes)).float()
    loaded, _ = load_weights(half, GAME)
    with torch.inference_mode():
        expected, answered = network.eval()(planes), loaded(planes)
    assert torch.allclose(expected.policy, answered.policy, atol=0.02)
    assert not torch.equal(expected.policy, answered.policy)
