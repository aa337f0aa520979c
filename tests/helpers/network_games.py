"""Made-up games for the tests of networks: sizes and shapes, and no rules."""

from typing import Any

import numpy as np
import torch

from alphazero.data.replay import Batch
from alphazero.game import Auxiliary, Game
from alphazero.network.network import Network
from alphazero.network.registry import build

STATE = np.dtype([("to_play", np.int8), ("ply", np.int16)], align=True)


def no_rules(*arguments: Any) -> Any:
    raise AssertionError("a made-up game has no rules")


def made_up_game(planes: tuple[int, int, int], num_actions: int, **more: Any) -> Game:
    return Game(
        **{
            "name": "made-up",
            "title": "Made-up",
            "state": STATE,
            "num_actions": num_actions,
            "planes": planes,
            "max_plies": 10,
            **{name: no_rules for name in ("start", "play", "legal", "outcome", "key", "observe")},
            **{name: no_rules for name in ("action_to_str", "str_to_action", "render")},
            **more,
        }
    )


def point_game(size: int, *, has_pass: bool = False, **more: Any) -> Game:
    """Actions are the points of a square board, and perhaps a pass; any board size will do."""
    return made_up_game((3, size, size), size * size + has_pass, fully_convolutional=True, **more)


def column_game(**more: Any) -> Game:
    """Of the shape of Connect Four."""
    return made_up_game((2, 6, 7), 7, **more)


def chess_like() -> Game:
    return made_up_game((20, 8, 8), 64 * 73)


def auxiliary(name: str, shape: tuple[int, ...], loss: str = "mse") -> Auxiliary:
    return Auxiliary(name, shape, no_rules, loss)


def trained(game: Game, config: Any, seed: int = 0) -> Network:
    """A network as after some training: every weight and statistic random, no output tiny."""
    network = build(game, config, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith(("running_var", "norm.weight")):
                tensor.uniform_(0.5, 2.0, generator=generator)
            elif name.endswith(("bias", "running_mean")):
                tensor.normal_(0, 0.3, generator=generator)
            elif name.endswith(("points.weight", "outputs.weight", "wdl.weight", "passing.weight")):
                tensor.mul_(10)
    return network.eval()


def random_planes(game: Game, rows: int, seed: int = 0) -> np.ndarray:
    """Zeros and ones; where planes are scaled, numbers up to 255."""
    rng = np.random.default_rng(seed)
    planes = rng.integers(0, 2, (rows, *game.planes), np.uint8)
    for plane in np.flatnonzero(np.array(game.plane_scale) != 1):
        planes[:, plane] = rng.integers(0, 256, (rows, 1, 1))
    return planes


def random_globals(game: Game, rows: int, seed: int = 0) -> np.ndarray | None:
    """Float inputs [B, G]; None for a game without."""
    rng = np.random.default_rng([seed, 2])
    return rng.normal(size=(rows, game.globals)).astype(np.float32) if game.globals else None


def random_batch(game: Game, rows: int, seed: int = 0) -> Batch:
    """Samples with random targets; every fourth has no policy target."""
    rng = np.random.default_rng([seed, 1])
    legal = (rng.random((rows, game.num_actions)) < 0.7).astype(np.uint8)
    legal[np.arange(rows), rng.integers(0, game.num_actions, rows)] = 1
    policy = rng.random((rows, game.num_actions), np.float32) ** 4 * legal
    policy /= policy.sum(axis=1, keepdims=True)
    mask = (np.arange(rows) % 4 != 3).astype(np.float32)
    return Batch(
        planes=random_planes(game, rows, seed),
        policy=policy * mask[:, None],
        policy_mask=mask,
        legal=legal,
        wdl=np.eye(3, dtype=np.float32)[rng.integers(0, 3, rows)],
        auxiliary={
            item.name: rng.random((rows, *item.shape), np.float32) for item in game.auxiliary
        },
        weight=rng.uniform(0.5, 2.0, rows).astype(np.float32),
        globals=random_globals(game, rows, seed),
    )
