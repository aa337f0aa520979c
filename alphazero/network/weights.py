"""Weights of a network as arrays by name, and as safetensors files that say what they are for.

The file's metadata has one entry, "alphazero", a JSON header:

    {"version": 1, "game": "go", "parameters": {"size": 9, "komi": 7.5}, "planes": [17, 9, 9],
     "num_actions": 82, "fully_convolutional": true, "architecture": "resnet",
     "network": {"size": "b6c96", …}, "plane_scale": [1.0, …], "board_plane": 0, "globals": 0,
     "checksum": …, "extra": {…}}

so that a network is never used for a game it was not made for, and nothing is ever unpickled.
"""

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
import torch

from alphazero.config import NetworkConfig
from alphazero.errors import UserError
from alphazero.files import atomic_write
from alphazero.game import Game
from alphazero.network.network import Network
from alphazero.network.registry import DEFAULT, build

VERSION = 1
FILE_NAME = "weights.safetensors"  # in a checkpoint's directory
HEADER = {
    "version": int,
    "game": str,
    "parameters": dict,
    "planes": list,
    "num_actions": int,
    "fully_convolutional": bool,
    "network": dict,
    "checksum": int,
    "extra": dict,
}


class Damaged(UserError):
    """A weights file cannot be read or is not what was written."""


def weights_of(network: Network) -> dict[str, np.ndarray]:
    """Copy all parameters and batch-norm statistics as float32, by name."""
    return {
        name: tensor.detach().to("cpu", torch.float32, copy=True).contiguous().numpy()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")  # matters to no evaluation
    }


@torch.no_grad()
def copy_weights(weights: Mapping[str, np.ndarray], network: Network) -> None:
    """Copy weights into a network, in place, whatever its device.

    Raises ValueError, before anything is changed, if the names or shapes are not the network's.
    """
    state = network.state_dict()
    wanted = {name for name in state if not name.endswith("num_batches_tracked")}
    if difference := wanted ^ weights.keys():
        raise ValueError(f"weights of another network: {min(difference)} is in one of the two only")
    for name in wanted:
        if weights[name].shape != state[name].shape:
            raise ValueError(
                f"weights of another network: {name} has the shape {weights[name].shape},"
                f" not {tuple(state[name].shape)}"
            )
    for name in wanted:
        state[name].copy_(torch.tensor(weights[name]))


def pack_weights(
    network: Network, game: Game, extra: Mapping[str, Any] | None = None, *, half: bool = False
) -> bytes:
    """Make the content of a weights file; `extra` is anything JSON can hold.

    `half` stores matrices and convolutions as float16, in half the space; that rounds less than
    the bfloat16 in which many machines evaluate.
    """
    weights = in_precision(weights_of(network), half)
    header = {
        "version": VERSION,
        "game": game.name,
        "parameters": game.parameters,
        "planes": list(game.planes),
        "num_actions": game.num_actions,
        "fully_convolutional": game.fully_convolutional,
        "plane_scale": list(game.plane_scale),
        "board_plane": game.board_plane,
        "globals": game.globals,
        "architecture": network.architecture,
        "network": asdict(network.config),
        "checksum": checksum(weights),
        "extra": dict(extra or {}),
    }
    return safetensors.numpy.save(weights, {"alphazero": json.dumps(header)})


def in_precision(weights: Mapping[str, np.ndarray], half: bool) -> dict[str, np.ndarray]:
    """Weights as float32; with `half`, those of more than one dimension as float16."""
    return {
        name: array.astype(np.float16 if half and array.ndim > 1 else np.float32)
        for name, array in weights.items()
    }


def repack_weights(path: Path | str, *, half: bool = False) -> tuple[bytes, dict[str, Any]]:
    """Make the content of a weights file from another or a checkpoint's directory, without the
    rules of its game; returns it and the header. Raises UserError if it cannot be read.
    """
    path = weights_file(path)
    header, weights = read_file(path)
    if checksum(weights) != header["checksum"]:
        raise Damaged(f"{path} is damaged: its checksum is wrong")
    weights = in_precision(weights, half)
    header["checksum"] = checksum(weights)
    return safetensors.numpy.save(weights, {"alphazero": json.dumps(header)}), header


def save_weights(
    path: Path | str,
    network: Network,
    game: Game,
    extra: Mapping[str, Any] | None = None,
    *,
    half: bool = False,
) -> None:
    """Write a weights file, atomically; see `pack_weights`. Raises UserError."""
    atomic_write(path, pack_weights(network, game, extra, half=half))


def load_weights(path: Path | str, game: Game) -> tuple[Network, dict[str, Any]]:
    """Load the network in a weights file or a checkpoint's directory; returns it and the header.

    Raises UserError if it cannot be read, is damaged, or is for another game. Another board size
    is fine where no layer depends on it.
    """
    path = weights_file(path)
    header, weights = read_file(path)
    if problem := misfit(header, game):
        raise UserError(f"{path} {problem}")
    if checksum(weights) != header["checksum"]:
        raise Damaged(f"{path} is damaged: its checksum is wrong")
    try:
        architecture = header.get("architecture", DEFAULT)
        network = build(game, NetworkConfig(**header["network"]), architecture=architecture)
        copy_weights(weights, network)
    except (TypeError, ValueError) as error:
        raise UserError(f"{path} does not fit its own header: {error}") from error
    return network.eval(), header


def check_weights(path: Path | str) -> None:
    """Compare a weights file with its checksum. Raises Damaged; UserError for a newer format."""
    path = weights_file(path)
    header, weights = read_file(path)
    if checksum(weights) != header["checksum"]:
        raise Damaged(f"{path} is damaged: its checksum is wrong")


def weights_file(path: Path | str) -> Path:
    """Return the weights file at a path, which may be a checkpoint's folder."""
    path = Path(path)
    return path / FILE_NAME if path.is_dir() else path


def read_header(path: Path | str) -> dict[str, Any]:
    """Read the header of a weights file. Raises UserError, of the kind Damaged if it is damaged."""
    path = weights_file(path)
    try:
        with safetensors.safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
    except OSError as error:
        raise Damaged(f"cannot read the network {path}: {error.strerror or error}") from error
    except safetensors.SafetensorError as error:
        raise Damaged(f"{path} is not a safetensors file, or is cut off ({error})") from error
    return parse_header(path, metadata)


def parse_header(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    if "alphazero" not in metadata:
        raise UserError(f"{path} holds no network of this program: its header is missing")
    try:
        header = json.loads(metadata["alphazero"])
        version = header["version"]
        bad = (
            []
            if version > VERSION
            else [name for name, kind in HEADER.items() if not isinstance(header.get(name), kind)]
        )
    except (json.JSONDecodeError, TypeError, KeyError) as error:
        raise Damaged(f"{path} is damaged: its header cannot be read ({error!r})") from error
    if version > VERSION:
        raise UserError(
            f"{path} has format {version}, of a newer program: this one reads up to {VERSION}"
        )
    if bad:
        raise Damaged(f"{path} is damaged: its header lacks {', '.join(bad)}")
    return header


def read_file(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    header = read_header(path)
    with safetensors.safe_open(path, "numpy") as file:
        return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def misfit(header: Mapping[str, Any], game: Game) -> str | None:
    """Say why a network cannot be used for a game, to follow the file's name; None if it can."""
    if header["game"] != game.name:
        return f'holds a network for "{header["game"]}", not for "{game.name}"'
    # Files from before there were such things have none of them.
    was_read = (tuple(header.get("plane_scale", ())), header.get("board_plane"))
    if was_read != (game.plane_scale, game.board_plane):
        return f"is for {game.name} with planes of another meaning: the game has changed since"
    if header.get("globals", 0) != game.globals:
        return (
            f"is for {game.name} with {header.get('globals', 0)} float inputs, which now has"
            f" {game.globals}: the game has changed since"
        )
    if told_apart(header["parameters"], game) != told_apart(game.parameters, game):
        if serves_other_board(header, game):
            return None
        return (
            f"holds a network for {game.name} with {listed(header['parameters'])},"
            f" not with {listed(game.parameters)}"
        )
    was = (tuple(header["planes"]), header["num_actions"])
    now = (game.planes, game.num_actions)
    if was != now:
        return (
            f"is for {game.name} with planes {was[0]} and {was[1]} actions, which now has"
            f" {now[0]} and {now[1]}: the game has changed since"
        )
    return None


def serves_other_board(header: Mapping[str, Any], game: Game) -> bool:
    """Return True if only the board's size differs and no layer of the network depends on it."""
    before = told_apart(header["parameters"], game)
    after = told_apart(game.parameters, game)
    planes, *board = header["planes"]
    if not (header["fully_convolutional"] and game.fully_convolutional):
        return False
    if planes != game.planes[0]:
        return False
    beyond_points = header["num_actions"] - math.prod(board)
    if beyond_points != game.num_actions - math.prod(game.planes[1:]):
        return False
    absent = (None,)  # a square board has a size, a rectangular one a width and a height
    return all(
        before.get(name) == after.get(name)
        or (
            before.get(name) in (*board, *absent) and after.get(name) in (*game.planes[1:], *absent)
        )
        for name in before | after
    )


def told_apart(parameters: Mapping[str, Any], game: Game) -> dict[str, Any]:
    """Select the parameters that a network is bound to: it sees the others in planes."""
    return {name: value for name, value in parameters.items() if name not in game.in_planes}


def checksum(weights: Mapping[str, np.ndarray]) -> int:
    """Compute the CRC-32 of all values: safetensors itself does not notice a flipped bit."""
    crc = 0
    for name in sorted(weights):
        crc = zlib.crc32(np.ascontiguousarray(weights[name]).tobytes(), crc)
    return crc


def listed(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in parameters.items()) or "no parameters"
