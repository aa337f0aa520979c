"""Residual and plain convolutional networks with heads for policy, value and auxiliary targets.

    planes [B, C, H, W] -> trunk [B, F, H, W] -> policy head    logits [B, A]
    values [B, G]                             -> value head     logits [B, 3] of win, draw, loss
                                              -> others         [B, *shape]

The residual trunk is that of AlphaZero (Silver et al. 2018, after He et al. 2016), with global
pooling (Wu 2019, section 3.3) and squeeze-excitation (Hu et al. 2018) as options. The convolutional
trunk is the older line from AlexNet (Krizhevsky et al. 2012) to the first AlphaGo: wide first
filters, then layer upon layer without skips; batch norm is the one thing added.

Where a game is `fully_convolutional` no layer depends on the size of the board, and one set of
weights serves all sizes. Boards smaller than the planes are marked in one of these
(`Game.board_plane`). Then everything beyond the board is zero before every convolution, as it is
beyond the planes, and pooling counts points of the board alone, so that a board gives the same
answers in planes of any size (Wu 2019). A batch of whole boards has the mask None and pays nothing.

Float inputs enter the trunk as KataGo's do: one linear layer adds the same number to a channel at
every point, before the first rectifier.

Letters in shapes: B positions, C planes, G float inputs, F channels of the trunk, H x W board,
A actions. Masks are floats [B, 1, H, W], 1 on the board.
"""

import math
import re
from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from alphazero.config import NetworkConfig
from alphazero.errors import UserError
from alphazero.game import Game
from alphazero.network.encoder import Encoder
from alphazero.network.network import (
    ConvolutionForm,
    Form,
    LinearForm,
    Network,
    NetworkOutput,
    exact,
    flatten,
)

SIZES = ("b1c16", "b2c32", "b4c32", "b6c96", "b10c128", "b15c192", "b20c256")
FINAL_SCALE = 0.1  # of the last layers' first weights: nearly equal policy, value near 0
POOLING_PERIOD = 3  # every third block pools (KataGo)


def parse_size(size: str) -> tuple[int, int]:
    """Parse blocks and channels of the trunk: b4c32 -> (4, 32). Raises UserError."""
    match = re.fullmatch(r"b([1-9]\d{0,2})c([1-9]\d{0,3})", size)
    if match is None:
        raise UserError(
            f'network size "{size}": must be blocks and channels as in {", ".join(SIZES)}'
        )
    return int(match[1]), int(match[2])


class Convolution(nn.Module):
    """Convolution and batch norm, then a skip is added, then the rectifier.

    Every convolution before the last of a head is one of these; inference puts a faster module
    with the same `forward` in its place (`form`).
    """

    scale: Tensor | None  # of the inputs [C, 1, 1]; part of the game's planes, not of the weights

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        rectify: bool = True,
        scale: Sequence[float] = (),
    ) -> None:
        """`scale` is what each input is multiplied by first; (): 1."""
        super().__init__()
        self.rectify = rectify
        self.convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        factors = torch.tensor(scale)[:, None, None] if any(s != 1 for s in scale) else None
        self.register_buffer("scale", factors, persistent=False)
        nn.init.kaiming_normal_(self.convolution.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor, skip: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        x = self.linear(x, mask)
        if skip is not None:
            x = x + skip
        x = torch.relu(x) if self.rectify else x
        return x if self.training else cut(x, mask)  # masked_norm has left zeros there

    def linear(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Compute scale, convolution and norm: all before skip and rectifier."""
        if self.scale is not None:
            x = x * self.scale
        x = self.convolution(x)
        return self.norm(x) if mask is None or not self.training else self.masked_norm(x, mask)

    def form(self) -> ConvolutionForm:
        """Describe scale, convolution and norm as one convolution."""
        convolution = self.convolution
        return ConvolutionForm(
            convolution.in_channels,
            convolution.out_channels,
            convolution.kernel_size[0],
            self.rectify,
            self.fold,
        )

    def fold(self) -> tuple[Tensor, Tensor]:
        """Compute weight and bias of the one convolution that `linear` is outside training."""
        norm, device = self.norm, self.convolution.weight.device
        assert norm.running_mean is not None and norm.running_var is not None
        scale = exact(norm.weight) / torch.sqrt(exact(norm.running_var) + norm.eps)
        weight = exact(self.convolution.weight) * scale[:, None, None, None]
        bias = exact(norm.bias) - exact(norm.running_mean) * scale
        if self.scale is not None:  # then the planes need no work
            weight = weight * exact(self.scale)
        return weight.float().to(device), bias.float().to(device)

    def masked_norm(self, x: Tensor, mask: Tensor) -> Tensor:
        """Apply batch norm in training, by the statistics of points on the board alone."""
        points = x.permute(0, 2, 3, 1).flatten(0, 2)  # a view: channels come last in memory
        on_board = mask.flatten().nonzero()[:, 0]
        normed = self.norm(points.index_select(0, on_board)[:, :, None, None])[:, :, 0, 0]
        spread = torch.zeros_like(points, dtype=normed.dtype).index_copy(0, on_board, normed)
        return spread.view(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2)


class SqueezeExcitation(nn.Module):
    """Scale of every channel, in (0, 1), computed from the means of all of them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, max(4, channels // 4))
        self.excite = nn.Linear(max(4, channels // 4), channels)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        means = mean_of_points(x, mask)
        shares = torch.sigmoid(self.excite(torch.relu(self.squeeze(means))))
        return x * shares[:, :, None, None].to(x.dtype)


def cut(x: Tensor, mask: Tensor | None) -> Tensor:
    """Set points beyond the board to zero."""
    return x if mask is None else x * mask.to(x.dtype)


def mean_of_points(x: Tensor, mask: Tensor | None) -> Tensor:
    """Average [B, F, H, W] over the board: float32 [B, F]; x is zero beyond it."""
    if mask is None:
        return x.mean((2, 3), dtype=torch.float32)
    return x.sum((2, 3), dtype=torch.float32) / count_points(mask)


def count_points(mask: Tensor) -> Tensor:
    """Count the points on the board, [B, 1]; 1 for rows without a board, which fill up a batch."""
    return mask.sum((2, 3), dtype=torch.float32).clamp_min(1)


def pool(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Compute every channel's mean, its mean scaled by the board's width, and its maximum.

    [B, F, H, W] -> float32 [B, 3 F]. The scale (width - 14) / 10 is KataGo's: it lets a network
    tell board sizes apart, which means alone do not. x is at least 0, and 0 beyond the board.
    """
    mean = mean_of_points(x, mask)
    if mask is None:
        scaled = mean * ((math.sqrt(x.shape[2] * x.shape[3]) - 14) / 10)
    else:
        scaled = mean * ((count_points(mask).sqrt() - 14) / 10)
    return torch.cat([mean, scaled, x.amax((2, 3)).float()], dim=1)


class PooledBias(nn.Module):
    """A bias per channel computed from the whole board: [B, F, H, W] -> [B, channels, 1, 1]."""

    def __init__(self, inputs: int, pooled: int, channels: int) -> None:
        super().__init__()
        self.gather = Convolution(inputs, pooled, 1)
        self.bias = nn.Linear(3 * pooled, channels, bias=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        gathered = self.gather(x, mask=mask)
        return self.bias(pool(gathered, mask))[:, :, None, None].to(x.dtype)


class Block(nn.Module):
    """Two convolutions; in the residual trunk their input is added to their output."""

    def __init__(self, channels: int, config: NetworkConfig, pooling: bool) -> None:
        super().__init__()
        self.residual = config.trunk == "residual"
        self.first = Convolution(channels, channels, 3, rectify=not pooling)
        self.pooled_bias = (
            PooledBias(channels, max(8, channels // 4), channels) if pooling else None
        )
        self.squeeze_excitation = SqueezeExcitation(channels) if config.squeeze_excitation else None
        self.second = Convolution(channels, channels, 3, rectify=not config.squeeze_excitation)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        y = self.first(x, mask=mask)
        if self.pooled_bias is not None:
            y = cut(torch.relu(y + self.pooled_bias(x, mask)), mask)
        if self.squeeze_excitation is None:
            return self.second(y, x if self.residual else None, mask)
        y = self.squeeze_excitation(self.second(y, mask=mask), mask)
        return torch.relu(y + x) if self.residual else torch.relu(y)


class PointHead(nn.Module):
    """Numbers for every point of the board, and for a pass if there is one.

    [B, F, H, W] -> [B, H * W * outputs (+ 1)]: entry p * outputs + k is output k of point p, as
    AlphaZero numbers the moves of chess (73 for every square); the pass comes last.
    """

    def __init__(self, channels: int, outputs: int, has_pass: bool, pooling: bool) -> None:
        super().__init__()
        width = head_width(channels) if outputs == 1 else channels
        self.hidden = Convolution(channels, width, 1, rectify=not pooling)
        self.pooled_bias = PooledBias(channels, head_width(channels), width) if pooling else None
        self.points = nn.Conv2d(width, outputs, 1)
        self.passing = nn.Linear(3 * width, 1) if has_pass else None
        shrink(self.points)
        if self.passing is not None:
            shrink(self.passing)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        hidden = self.hidden(x, mask=mask)
        if self.pooled_bias is not None:
            hidden = cut(torch.relu(hidden + self.pooled_bias(x, mask)), mask)
        hidden = hidden.float()
        points = flatten(self.points(hidden))
        if self.passing is None:
            return points
        return torch.cat([points, self.passing(pool(hidden, mask))], dim=1)


class FlatHead(nn.Module):
    """Numbers that belong to no point, by a linear layer over all of a small board."""

    def __init__(self, channels: int, points: int, outputs: int) -> None:
        super().__init__()
        self.hidden = Convolution(channels, head_width(channels), 1)
        self.outputs = nn.Linear(head_width(channels) * points, outputs)
        shrink(self.outputs)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.outputs(flatten(self.hidden(x, mask=mask)).float())


class BoardLinear(nn.Linear):
    """A linear layer over all points of the board: work enough to be done as the trunk's is."""


class ValueHead(nn.Module):
    """Win, draw and loss: logits [B, 3], and the features [B, N] that they are computed from.

    The board is flattened or, where its size is not given, pooled.
    """

    def __init__(self, channels: int, points: int | None) -> None:
        super().__init__()
        self.features = max(32, min(128, 2 * channels))
        width = head_width(channels)
        self.hidden = Convolution(channels, width, 1)
        self.flat = points is not None
        if points is None:
            self.mix = nn.Linear(3 * width, self.features)
        else:
            self.mix = BoardLinear(points * width, self.features)
        self.wdl = nn.Linear(self.features, 3)
        shrink(self.wdl)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        hidden = self.hidden(x, mask=mask)
        mixed = self.mix(flatten(hidden) if self.flat else pool(hidden, mask))
        features = torch.relu(mixed).float()
        return self.wdl(features), features


class ResNet(Network):
    """A trunk of convolutions with heads; the settings choose among its options.

    Planes that are not of zeros and ones are scaled in the first layer (`Encoder.plane_scale`).
    """

    architecture = "resnet"

    def __init__(self, game: Game, config: NetworkConfig, encoder: Encoder | None = None) -> None:
        super().__init__(game, config, encoder)
        encoder = self.encoder
        inputs, height, width = encoder.planes
        points = height * width
        blocks, channels = parse_size(config.size)
        self.channels = channels
        kernel = 3 if config.trunk == "residual" else 5
        self.stem = Convolution(inputs, channels, kernel, scale=encoder.plane_scale)
        self.global_bias = None
        if encoder.globals:  # without a bias of its own: the stem's norm has one
            self.global_bias = nn.Linear(encoder.globals, channels, bias=False)
        self.blocks = nn.ModuleList(
            Block(channels, config, config.global_pooling and pools(index, blocks))
            for index in range(blocks)
        )
        outputs, rest = divmod(self.policy_size, points)
        has_pass = game.fully_convolutional and rest == 1
        if game.fully_convolutional:
            assert outputs == 1 and rest in (0, 1), (
                f"{game.name}: actions are not points and a pass"
            )
        if game.fully_convolutional or rest == 0:
            self.policy = PointHead(channels, outputs, has_pass, config.global_pooling)
        else:
            self.policy = FlatHead(channels, points, self.policy_size)
        self.value = ValueHead(channels, None if game.fully_convolutional else points)
        self.auxiliary = nn.ModuleDict(
            {
                name: self._auxiliary_head(channels, shape)
                for name, shape in self.auxiliary_shapes.items()
            }
        )

    def _auxiliary_head(self, channels: int, shape: tuple[int, ...]) -> nn.Module:
        """Make a head per point for a shape (H, W), else a layer on the value's features."""
        if shape == self.planes[1:]:
            return PointHead(channels, 1, has_pass=False, pooling=False)
        layer = nn.Linear(self.value.features, math.prod(shape))
        shrink(layer)
        return layer

    def trunk(self, planes: Tensor, mask: Tensor | None, values: Tensor | None = None) -> Tensor:
        x = self.stem(cut(planes, mask), self._bias(values, planes, mask), mask)
        for block in self.blocks:
            x = block(x, mask)
        return x

    def _bias(self, values: Tensor | None, planes: Tensor, mask: Tensor | None) -> Tensor | None:
        """Compute what the float inputs add to the first layer, [B, F, H, W], 0 beyond the board;
        None for a network without."""
        if self.global_bias is None:
            return None
        assert values is not None, "a network with float inputs needs them"
        bias = self.global_bias(values)[:, :, None, None].to(planes.dtype)
        spread = cut(bias.expand(-1, -1, *planes.shape[2:]), mask)
        return spread.contiguous(memory_format=torch.channels_last)

    def heads(
        self, x: Tensor, mask: Tensor | None, auxiliary: Collection[str] | None = None
    ) -> NetworkOutput:
        wdl, features = self.value(x, mask)
        found = {}
        for name, head in self.auxiliary.items():
            if auxiliary is None or name in auxiliary:
                output = head(x, mask) if isinstance(head, PointHead) else head(features)
                found[name] = output.reshape(len(x), *self.auxiliary_shapes[name])
        return NetworkOutput(self.policy(x, mask), wdl, found)

    def decide(
        self, planes: Tensor, mask: Tensor | None = None, values: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        x = self.trunk(planes, mask, values)
        return self.policy(x, mask), self.value(x, mask)[0]

    def form(self, module: nn.Module) -> Form | None:
        if isinstance(module, Convolution):
            return module.form()
        if isinstance(module, BoardLinear):
            return LinearForm(module, in_trunk=True)
        return super().form(module)


def head_width(channels: int) -> int:
    """Return a head's channels: a quarter of the trunk's, 8 to 32 (KataGo b6c96: 32)."""
    return max(8, min(32, channels // 4))


def pools(index: int, blocks: int) -> bool:
    """Return True if a block pools, where global pooling is on: every third, from the second."""
    return index % POOLING_PERIOD == min(1, blocks - 1)


def shrink(layer: nn.Linear | nn.Conv2d) -> None:
    """Draw first weights of a last layer, so small that its outputs are nearly equal."""
    nn.init.normal_(layer.weight, std=FINAL_SCALE / math.sqrt(layer.weight[0].numel()))
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
