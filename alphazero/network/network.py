"""Base class of networks: what the learner and the evaluator ask of every architecture.

    planes [B, C, H, W], values [B, G] -> trunk [B, F, H, W] -> policy    logits [B, N]
                                                             -> wdl       logits [B, 3]
                                                             -> auxiliary [B, *shape] by name

Letters in shapes: B positions, C planes, G float inputs, F channels of the trunk, H x W board,
N entries of the policy. Masks are floats [B, 1, H, W], 1 on the board; None where every point is.
Values may be None for a network without float inputs.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from alphazero.config import NetworkConfig
from alphazero.game import Game
from alphazero.network.encoder import Encoder

# What makes a target of an auxiliary head's output, by the loss it learns with.
SQUASH = {"bce": torch.sigmoid, "tanh": torch.tanh}


class NetworkOutput(NamedTuple):
    """Outputs of a network for a batch, for the player to move."""

    policy: Tensor  # logits [B, N], of illegal actions too
    wdl: Tensor  # logits [B, 3] of win, draw, loss
    auxiliary: dict[str, Tensor]  # [B, *shape] by name; see `Auxiliary.loss` for what they are


@dataclass(frozen=True)
class ConvolutionForm:
    """A module that computes one convolution once scale and norm are folded into its weights.

    `forward(x, skip=None, mask=None)` convolves, adds the skip, rectifies, and zeroes what the mask
    leaves out. `fold` gives weight [out, in, k, k] and bias [out] of the one convolution; the
    padding keeps the board's size.
    """

    inputs: int
    outputs: int
    kernel: int
    rectify: bool
    fold: Callable[[], tuple[Tensor, Tensor]]
    in_trunk: bool = True  # may run in the precision of the trunk; else float32


@dataclass(frozen=True)
class LinearForm:
    """A module that is one linear layer, bias included if it has one."""

    linear: nn.Linear
    in_trunk: bool = False


Form = ConvolutionForm | LinearForm


class Network(nn.Module):
    """A network of one game; `forward` takes inputs as its encoder makes them, in floats."""

    architecture = ""  # its name in `alphazero.network.registry`
    channels: int  # of the trunk

    def __init__(self, game: Game, config: NetworkConfig, encoder: Encoder | None = None) -> None:
        """`encoder` makes the inputs; None: `Encoder.of` the game."""
        super().__init__()
        encoder = encoder or Encoder.of(game)
        self.config = config
        self.encoder: Encoder = encoder
        self.planes = encoder.planes
        self.globals = encoder.globals
        self.board_plane = encoder.board_plane
        self.num_actions = game.num_actions
        self.policy_size = (
            game.num_actions if encoder.action_map is None else len(encoder.action_map)
        )
        self.auxiliary_shapes = {item.name: tuple(item.shape) for item in game.auxiliary}
        self.auxiliary_losses = {item.name: item.loss for item in game.auxiliary}

    # -- what an architecture defines --------------------------------------------------------------

    def trunk(self, planes: Tensor, mask: Tensor | None, values: Tensor | None = None) -> Tensor:
        """Compute features [B, F, H, W] of planes [B, C, H, W] and values [B, G]: most of the
        work."""
        raise NotImplementedError

    def heads(
        self, x: Tensor, mask: Tensor | None, auxiliary: Collection[str] | None = None
    ) -> NetworkOutput:
        """Compute the outputs of features [B, F, H, W], in float32; of the auxiliary ones those of
        these names, None: all."""
        raise NotImplementedError

    def decide(
        self, planes: Tensor, mask: Tensor | None = None, values: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Compute the logits of policy [B, N] and win, draw, loss [B, 3] alone: what play needs."""
        raise NotImplementedError

    def form(self, module: nn.Module) -> Form | None:
        """Say what a module computes, if inference may put a faster one in its place."""
        if isinstance(module, nn.Conv2d):
            return convolution_form(module)
        return LinearForm(module) if isinstance(module, nn.Linear) else None

    # -- what follows ------------------------------------------------------------------------------

    def forward(self, planes: Tensor, values: Tensor | None = None) -> NetworkOutput:
        mask = self.mask(planes)
        return self.heads(self.trunk(planes, mask, values), mask)

    def mask(self, planes: Tensor) -> Tensor | None:
        """Return the points on the board of planes [B, C, H, W]; None if all of them are."""
        if self.board_plane is None:
            return None
        mask = planes[:, self.board_plane : self.board_plane + 1]
        return None if bool((mask != 0).all()) else mask

    def expected(self, planes: Tensor, values: Tensor | None = None) -> dict[str, Tensor]:
        """Predict the auxiliary targets [B, *shape], by name; 0 for points off the board."""
        return self.targets(self(planes, values).auxiliary, self.mask(planes))

    def targets(self, auxiliary: dict[str, Tensor], mask: Tensor | None) -> dict[str, Tensor]:
        """Turn outputs of auxiliary heads into the targets that they predict, by name."""
        found = {}
        for name, output in auxiliary.items():
            loss = self.auxiliary_losses[name]
            target = SQUASH[loss](output) if loss in SQUASH else output
            if mask is not None and self.auxiliary_shapes[name] == self.planes[1:]:
                target = target * mask[:, 0]
            found[name] = target
        return found


def convolution_form(convolution: nn.Conv2d) -> ConvolutionForm:
    """Return the form of a convolution with bias that ends a head: float32, without rectifier."""

    def fold() -> tuple[Tensor, Tensor]:
        assert convolution.bias is not None
        return convolution.weight.detach().clone(), convolution.bias.detach().clone()

    return ConvolutionForm(
        convolution.in_channels,
        convolution.out_channels,
        convolution.kernel_size[0],
        rectify=False,
        fold=fold,
        in_trunk=False,
    )


def exact(x: Tensor) -> Tensor:
    """Convert a tensor to float64, on the CPU if its device is MPS, which has no such numbers."""
    return (x.cpu() if x.device.type == "mps" else x).double()


def flatten(x: Tensor) -> Tensor:
    """Flatten [B, F, H, W] to [B, H * W * F], the memory order of channels_last: a view."""
    return x.permute(0, 2, 3, 1).flatten(1)
