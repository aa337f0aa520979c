"""The copy of a network that evaluates positions: the same modules, with faster layers in place.

Batch norm is folded into the convolution before it, by our own code: torch's own freezing and
`optimize_for_inference` go on with the old weights, silently, when new ones are copied in. What
takes the place of a convolution depends on where the network runs:

* `PackedConvolution` on a processor with oneDNN: weights reordered once; bias, skip and rectifier
  done inside the convolution.
* `WinogradConvolution` there for 3x3 in float32, faster on boards that tiles of 4x4 fit.
* `DenseConvolution` on a processor, for boards of up to 9 points: there every point sees almost
  every other, and one product with a matrix of all points beats any convolution.
* `PlainConvolution` everywhere else.

The trunk may run in bfloat16; the last layers of the heads, and all that is pooled, are float32.
"""

import copy
import platform
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alphazero.network.architectures.resnet import BoardLinear, Convolution, Network, flatten
from alphazero.network.winograd import TILE, Winograd, saving

DENSE_POINTS = 9  # largest board, in points, for which one matrix product is faster
SMALLEST_SAVING = 3.0  # of multiplications, for which Winograd's algorithm is worth its additions
WINOGRAD_CHANNELS = 32  # at least, and a multiple of a vector's 16
FEWEST_TILES = 48  # 2 boards of 19x19, 12 of 8x8
STEADY_ROWS = 16  # a matrix product of fewer rows adds up in another order (MKL)
CANARY_ROWS = 2
# Largest difference of a fast layer from the plain one, as a share of the largest number.
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.03}


def folded(layer: Convolution | nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Weight [out, in, k, k] and bias [out] of the one convolution that does the layer's work."""
    if isinstance(layer, nn.Conv2d):
        assert layer.bias is not None
        return layer.weight.detach().clone(), layer.bias.detach().clone()
    norm = layer.norm
    assert norm.running_mean is not None and norm.running_var is not None
    scale = exact(norm.weight) / torch.sqrt(exact(norm.running_var) + norm.eps)
    weight = exact(layer.convolution.weight) * scale[:, None, None, None]
    bias = exact(norm.bias) - exact(norm.running_mean) * scale
    if layer.scale is not None:  # so that the planes of the game need no work
        weight = weight * exact(layer.scale)
    device = layer.convolution.weight.device
    return weight.float().to(device), bias.float().to(device)


def exact(x: Tensor) -> Tensor:
    """In float64, which MPS has not."""
    return (x.cpu() if x.device.type == "mps" else x).double()


class FastLayer(nn.Module):
    """A layer of the inference copy, which can take over the weights of the original."""

    dtype: torch.dtype  # of its input and weights
    canaries: tuple[int, ...] = (CANARY_ROWS,)  # batch sizes to try all of it with

    def take(self, layer: nn.Module) -> None:
        raise NotImplementedError

    def keep(self, name: str, tensor: Tensor) -> None:
        """Set a tensor of the layer, in place once there is one: a graph recorded on a device goes
        on reading the memory of the first."""
        if hasattr(self, name):
            getattr(self, name).copy_(tensor)
        else:
            setattr(self, name, tensor)


class FastConvolution(FastLayer):
    """What all kinds of convolution share."""

    def forward(self, x: Tensor, skip: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        y = self.convolve(x, skip)
        return y if mask is None else y.mul_(mask)

    def convolve(self, x: Tensor, skip: Tensor | None) -> Tensor:
        """A new tensor: convolution, skip and rectifier."""
        raise NotImplementedError


class PlainConvolution(FastConvolution):
    """Convolution, skip and rectifier by torch's own operators."""

    weight: Tensor
    bias: Tensor

    def __init__(self, layer: Convolution | nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        self.rectify = isinstance(layer, Convolution) and layer.rectify
        self.padding = convolution_of(layer).padding
        self.dtype = dtype

    def take(self, layer: nn.Module) -> None:
        assert isinstance(layer, Convolution | nn.Conv2d)
        weight, bias = folded(layer)
        weight = weight.to(self.dtype).contiguous(memory_format=torch.channels_last)
        self.keep("weight", weight)
        self.keep("bias", bias.to(self.dtype))

    def convolve(self, x: Tensor, skip: Tensor | None) -> Tensor:
        x = F.conv2d(x, self.weight, self.bias, padding=self.padding)
        if skip is not None:
            x += skip
        return x.relu_() if self.rectify else x


class PackedConvolution(FastConvolution):
    """Convolution by oneDNN, with the weights in its own order and everything else done on the way.

    The operators are those that `torch.compile` emits; nothing public in torch reaches them.
    """

    def __init__(
        self, layer: Convolution | nn.Conv2d, dtype: torch.dtype, board: tuple[int, int]
    ) -> None:
        super().__init__()
        self.rectify = isinstance(layer, Convolution) and layer.rectify
        convolution = convolution_of(layer)
        assert not isinstance(convolution.padding, str)
        self.settings = (list(convolution.padding), [1, 1], [1, 1], 1)
        self.input_size = [64, convolution.in_channels, *board]  # a hint; any batch is right
        self.dtype = dtype

    def take(self, layer: nn.Module) -> None:
        assert isinstance(layer, Convolution | nn.Conv2d)
        weight, bias = folded(layer)
        self.weight = torch.ops.mkldnn._reorder_convolution_weight(
            weight.to(self.dtype), *self.settings, self.input_size
        )
        self.bias = bias.to(self.dtype)

    def convolve(self, x: Tensor, skip: Tensor | None) -> Tensor:
        if skip is None:
            return torch.ops.mkldnn._convolution_pointwise(
                x,
                self.weight,
                self.bias,
                *self.settings,
                "relu" if self.rectify else "none",
                [],
                "",
            )
        return torch.ops.mkldnn._convolution_pointwise.binary(
            x,
            skip,
            self.weight,
            self.bias,
            *self.settings,
            "add",
            1.0,
            "relu" if self.rectify else None,
            [],
            "",
        )


class WinogradConvolution(PackedConvolution):
    """A convolution of 3x3 by Winograd's algorithm (`alphazero/network/winograd.py`), except for so
    few positions that its 36 matrices of weights would be read for next to nothing."""

    def __init__(
        self, layer: Convolution | nn.Conv2d, dtype: torch.dtype, board: tuple[int, int]
    ) -> None:
        super().__init__(layer, dtype, board)
        assert dtype == torch.float32
        convolution = convolution_of(layer)
        self.algorithm = Winograd(convolution.in_channels, convolution.out_channels, board)
        self.canaries = (1, -(-FEWEST_TILES // self.algorithm.tiles))

    def take(self, layer: nn.Module) -> None:
        super().take(layer)
        assert isinstance(layer, Convolution | nn.Conv2d)
        weight, bias = folded(layer)
        self.transformed = self.algorithm.transform(weight)
        self.biases = bias.repeat(TILE)

    def convolve(self, x: Tensor, skip: Tensor | None) -> Tensor:
        if len(x) * self.algorithm.tiles < FEWEST_TILES:
            return super().convolve(x, skip)
        return self.algorithm.convolve(x, self.transformed, self.biases, skip, self.rectify)


class DenseConvolution(FastConvolution):
    """A convolution as one matrix over all points of a small board."""

    def __init__(
        self, layer: Convolution | nn.Conv2d, dtype: torch.dtype, board: tuple[int, int]
    ) -> None:
        super().__init__()
        self.rectify = isinstance(layer, Convolution) and layer.rectify
        self.padding = convolution_of(layer).padding
        self.dtype = dtype
        self.board = board

    def take(self, layer: nn.Module) -> None:
        assert isinstance(layer, Convolution | nn.Conv2d)
        weight, bias = folded(layer)
        channels, points = weight.shape[1], self.board[0] * self.board[1]
        units = torch.eye(points * channels).view(-1, *self.board, channels).permute(0, 3, 1, 2)
        matrix = flatten(F.conv2d(units, weight, padding=self.padding))
        self.matrix = matrix.t().to(self.dtype).contiguous()  # [out, in], as of a linear layer
        self.bias = bias.to(self.dtype).repeat(points)

    def convolve(self, x: Tensor, skip: Tensor | None) -> Tensor:
        y = multiply(flatten(x), self.matrix, self.bias)
        if skip is not None:
            y += flatten(skip)
        if self.rectify:
            y.relu_()
        return y.view(len(x), *self.board, -1).permute(0, 3, 1, 2)


class SteadyLinear(FastLayer):
    """A linear layer whose rows come out the same however many there are."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def take(self, layer: nn.Module) -> None:
        assert isinstance(layer, nn.Linear)
        self.keep("weight", layer.weight.detach().to(self.dtype, copy=True))
        if layer.bias is None:
            self.bias = None
        else:
            self.keep("bias", layer.bias.detach().to(self.dtype, copy=True))

    def forward(self, x: Tensor) -> Tensor:
        return multiply(x, self.weight, self.bias)


def multiply(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A linear layer's [B, out] for rows [B, in], each to the bit the same in every batch.

    `addmm` with a weight that is not transposed would not do: for 9 outputs, on AMD, a row's last
    bit depends on where in the batch it is.
    """
    rows = len(x)
    if rows < STEADY_ROWS:
        x = F.pad(x, (0, 0, 0, STEADY_ROWS - rows))
    return F.linear(x, weight, bias)[:rows]


class InferenceCopy:
    """A network in fast layers. `refresh` has it follow the weights of the one it was made from."""

    def __init__(self, source: Network, device: torch.device, dtype: torch.dtype) -> None:
        self._source = source
        self._replaced: dict[str, FastLayer] = {}
        self.network = copy.deepcopy(source).eval().requires_grad_(False)
        self._replace(self.network, "", device, dtype)
        self.refresh()

    def _replace(self, module: nn.Module, path: str, device: torch.device, dtype: torch.dtype):
        for name, child in list(module.named_children()):
            fast = fast_layer(child, self._source, device, dtype)
            if fast is None:
                self._replace(child, f"{path}{name}.", device, dtype)
            else:
                setattr(module, name, fast)
                self._replaced[path + name] = fast

    @torch.no_grad()
    def refresh(self) -> None:
        """Take over the source's weights.

        Raises RuntimeError, as a canary, if any fast layer then answers random numbers otherwise
        than the layer it stands for. Whole networks are not compared: a deep one may blow up the
        rounding of bfloat16 until nothing can be told from it.
        """
        generator = torch.Generator().manual_seed(0)
        for name, fast in self._replaced.items():
            layer = self._source.get_submodule(name)
            fast.take(layer)
            for rows in fast.canaries:
                self._try(name, fast, layer, self._canary(layer, rows, generator))

    def _try(self, name: str, fast: FastLayer, layer: nn.Module, x: Tensor) -> None:
        if isinstance(layer, Convolution):
            exact = layer.linear(x)
            expected = torch.relu(exact) if layer.rectify else exact
        else:
            expected = exact = layer(x)
        difference = float((fast(x.to(fast.dtype)).float() - expected).abs().max())
        # Devices round the factors of float32 products too (TF32).
        share = TOLERANCE[fast.dtype if x.device.type == "cpu" else torch.bfloat16]
        allowed = share * float(exact.abs().max()) + 1e-6
        if not difference <= allowed:  # not-a-number fails too
            raise RuntimeError(
                f"{name} made for speed differs by {difference:.2g} from the plain layer;"
                f" rounding explains {allowed:.2g}"
            )

    def _canary(self, layer: nn.Module, rows: int, generator: torch.Generator) -> Tensor:
        """Random numbers to try a layer with."""
        if isinstance(layer, nn.Linear):
            x = torch.randn(rows, layer.in_features, generator=generator)
        else:
            assert isinstance(layer, Convolution | nn.Conv2d)
            shape = (rows, convolution_of(layer).in_channels, *self._source.planes[1:])
            x = torch.randn(shape, generator=generator)
            x = x.contiguous(memory_format=torch.channels_last)
        return x.to(next(self._source.parameters()).device)


def fast_layer(
    layer: nn.Module, network: Network, device: torch.device, dtype: torch.dtype
) -> FastLayer | None:
    """What takes the place of a layer, or None if it has no weights of its own."""
    if not isinstance(layer, Convolution | nn.Conv2d | nn.Linear):
        return None
    if not isinstance(layer, Convolution | BoardLinear):
        dtype = torch.float32  # the last layer of a head, or upon pooled features
    if isinstance(layer, nn.Linear):
        return SteadyLinear(dtype)
    board = network.planes[1:]
    if device.type == "cpu" and is_dense(network):
        return DenseConvolution(layer, dtype, board)
    if device.type == "cpu" and has_packed_operators(dtype):
        convolution = convolution_of(layer)
        channels = (convolution.in_channels, convolution.out_channels)
        if dtype == torch.float32 and convolution.kernel_size == (3, 3) and suits(board, channels):
            return WinogradConvolution(layer, dtype, board)
        return PackedConvolution(layer, dtype, board)
    return PlainConvolution(layer, dtype)


def suits(board: tuple[int, int], channels: Sequence[int]) -> bool:
    """Whether Winograd's algorithm is faster than oneDNN's convolution of many positions."""
    wide = all(count >= WINOGRAD_CHANNELS and count % 16 == 0 for count in channels)
    return wide and saving(board) >= SMALLEST_SAVING


def is_dense(network: Network) -> bool:
    """Whether the board is so small that a convolution is best done as one matrix."""
    return network.planes[1] * network.planes[2] <= DENSE_POINTS


def convolution_of(layer: Convolution | nn.Conv2d) -> nn.Conv2d:
    return layer.convolution if isinstance(layer, Convolution) else layer


def has_packed_operators(dtype: torch.dtype) -> bool:
    """Whether oneDNN's own operators can be used for numbers of a type; tried on x86 alone."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    operators = torch.ops.mkldnn
    if not (torch.backends.mkldnn.is_available() and hasattr(operators, "_convolution_pointwise")):
        return False
    return dtype == torch.float32 or operators._is_mkldnn_bf16_supported()
