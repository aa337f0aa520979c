"""Architectures of networks by name, and how a network is built."""

from collections.abc import Callable

import torch

from alphazero.config import NetworkConfig
from alphazero.errors import UserError, closest
from alphazero.game import Game
from alphazero.network.architectures.resnet import ResNet
from alphazero.network.encoder import Encoder
from alphazero.network.network import Network

# Each takes the game, the settings, whose size it parses itself, and the encoder of the inputs.
ARCHITECTURES: dict[str, Callable[[Game, NetworkConfig, Encoder], Network]] = {
    ResNet.architecture: ResNet,
}
DEFAULT = ResNet.architecture  # also of weights files from before there were others


def build(
    game: Game,
    config: NetworkConfig,
    seed: int = 0,
    *,
    architecture: str = DEFAULT,
    encoder: Encoder | None = None,
) -> Network:
    """Build an untrained network, the same for the same seed; torch's own generator is not touched.

    Raises UserError for an unknown architecture, and for a size that it cannot parse.
    """
    if architecture not in ARCHITECTURES:
        raise UserError(
            f'unknown architecture "{architecture}"{closest(architecture, ARCHITECTURES)};'
            f" choices: {', '.join(ARCHITECTURES)}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ARCHITECTURES[architecture](game, config, encoder or Encoder.of(game))
