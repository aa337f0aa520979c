"""The copy of a network that evaluates positions: the same modules, with faster layers in place.

Batch norm is folded into the convolution before it, by our own code: torch's own freezing and
`optimize_for_inference` silently keep the old weights when new ones are copied in. What
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

from alphazero.network.network import ConvolutionForm, Form, LinearForm, Network, flatten
from alphazero.network.winograd import TILE, Winograd, saving

DENSE_POINTS = 9  # largest board, in points, for which one matrix product is faster
SMALLEST_SAVING = 3.0  # of multiplications, for which Winograd's algorithm is worth its additions
WINOGRAD_CHANNELS = 32  # at least, and a multiple of a vector's 16
FEWEST_TILES = 48  # 2 boards of 19x19, 12 of 8x8
STEADY_ROWS = 16  # a matrix product of fewer rows adds up in another order (MKL)
CANARY_ROWS = 2
# Largest difference of a fast layer from the plain one, as a share of the largest number.
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.03}


class FastLayer(nn.Module):
    """A layer of the inference copy, which can take over the weights of the original."""

    dtype: torch.dtype  # of its input and weights
    canaries: tuple[int, ...] = (CANARY_ROWS,)  # batch sizes to try all of it with
    steady_rows = 1  # a smaller batch may be rounded otherwise

    def take(self, form: Form) -> None:
        """Take over the weights of the original."""
        raise NotImplementedError

    def keep(self, name: str, tensor: Tensor) -> None:
        """Set a tensor of the layer, in place once there is one: a graph recorded on a device goes
        on reading the memory of the first."""
        if hasattr(self, name):
            getattr(self, name).copy_(tensor)
        else:
            setattr(self, name, tensor)


class FastConvolution(FastLayer):
    """Base of all kinds of convolution: convolve, then cut off what the mask leaves out."""

    def forward(self, x: Tensor, skip: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        y = self.convolve(x, skip)
        return y if mask is None else y.mul_(mask)

    def convolve(self, x: Tensor, skip: Tensor | None) -> Tensor:
        """Compute convolution, skip and rectifier into a new tensor."""
        raise NotImplementedError


class PlainConvolution(FastConvolution):
    """Convolution, skip and rectifier by torch's own operators."""

    weight: Tensor
    bias: Tensor

    def __init__(self, form: ConvolutionForm, dtype: torch.dtype) -> None:
        super().__init__()
        self.rectify = form.rectify
        self.padding = form.kernel // 2
        self.dtype = dtype

    def take(self, form: Form) -> None:
        assert isinstance(form, ConvolutionForm)
        weight, bias = form.fold()
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

    def __init__(self, form: ConvolutionForm, dtype: torch.dtype, board: tuple[int, int]) -> None:
        super().__init__()
        self.rectify = form.rectify
        self.settings = ([form.kernel // 2, form.kernel // 2], [1, 1], [1, 1], 1)
        self.input_size = [64, form.inputs, *board]  # a hint; any batch is right
        self.dtype = dtype

    def take(self, form: Form) -> None:
        assert isinstance(form, ConvolutionForm)
        weight, bias = form.fold()
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

    def __init__(self, form: ConvolutionForm, dtype: torch.dtype, board: tuple[int, int]) -> None:
        super().__init__(form, dtype, board)
        assert dtype == torch.float32
        self.algorithm = Winograd(form.inputs, form.outputs, board)
        self.steady_rows = -(-FEWEST_TILES // self.algorithm.tiles)
        self.canaries = (1, self.steady_rows)

    def take(self, form: Form) -> None:
        super().take(form)
        assert isinstance(form, ConvolutionForm)
        weight, bias = form.fold()
        self.transformed = self.algorithm.transform(weight)
        self.biases = bias.repeat(TILE)

    def convolve(self, x: Tensor, skip: Tensor | None) -> Tensor:
        if len(x) < self.steady_rows:
            return super().convolve(x, skip)
        return self.algorithm.convolve(x, self.transformed, self.biases, skip, self.rectify)


class DenseConvolution(FastConvolution):
    """A convolution as one matrix over all points of a small board."""

    def __init__(self, form: ConvolutionForm, dtype: torch.dtype, board: tuple[int, int]) -> None:
        super().__init__()
        self.rectify = form.rectify
        self.padding = form.kernel // 2
        self.dtype = dtype
        self.board = board

    def take(self, form: Form) -> None:
        assert isinstance(form, ConvolutionForm)
        weight, bias = form.fold()
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

    def take(self, form: Form) -> None:
        assert isinstance(form, LinearForm)
        layer = form.linear
        self.keep("weight", layer.weight.detach().to(self.dtype, copy=True))
        if layer.bias is None:
            self.bias = None
        else:
            self.keep("bias", layer.bias.detach().to(self.dtype, copy=True))

    def forward(self, x: Tensor) -> Tensor:
        return multiply(x, self.weight, self.bias)


def multiply(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Apply a linear layer to rows [B, in]; each of [B, out] is bit for bit the same in any batch.

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
            form = self._source.form(child)
            if form is None:
                self._replace(child, f"{path}{name}.", device, dtype)
            else:
                fast = fast_layer(form, self._source, device, dtype)
                setattr(module, name, fast)
                self._replaced[path + name] = fast

    @property
    def steady_rows(self) -> int:
        """The least rows of a batch for which a row's answer is that in every larger batch."""
        return max(layer.steady_rows for layer in self._replaced.values())

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
            form = self._source.form(layer)
            assert form is not None
            fast.take(form)
            for rows in fast.canaries:
                self._try(name, fast, layer, form, self._canary(form, rows, generator))

    def _try(self, name: str, fast: FastLayer, layer: nn.Module, form: Form, x: Tensor) -> None:
        expected = layer(x)
        difference = float((fast(x.to(fast.dtype)).float() - expected).abs().max())
        # Devices round the factors of float32 products too (TF32).
        share = TOLERANCE[fast.dtype if x.device.type == "cpu" else torch.bfloat16]
        allowed = share * largest(expected, form, x) + 1e-6
        if not difference <= allowed:  # not-a-number fails too
            raise RuntimeError(
                f"{name} made for speed differs by {difference:.2g} from the plain layer;"
                f" rounding explains {allowed:.2g}"
            )

    def _canary(self, form: Form, rows: int, generator: torch.Generator) -> Tensor:
        """Draw random inputs to try a layer with."""
        if isinstance(form, LinearForm):
            x = torch.randn(rows, form.linear.in_features, generator=generator)
        else:
            shape = (rows, form.inputs, *self._source.planes[1:])
            x = torch.randn(shape, generator=generator)
            x = x.contiguous(memory_format=torch.channels_last)
        return x.to(next(self._source.parameters()).device)


def largest(expected: Tensor, form: Form, x: Tensor) -> float:
    """Find the largest number that a layer computes for x, before a rectifier cuts it off."""
    if isinstance(form, ConvolutionForm) and form.rectify:
        weight, bias = form.fold()
        expected = F.conv2d(x, weight, bias, padding=form.kernel // 2)
    return float(expected.abs().max())


def fast_layer(form: Form, network: Network, device: torch.device, dtype: torch.dtype) -> FastLayer:
    """Make the layer that takes the place of one of this form."""
    if not form.in_trunk:  # the last layer of a head, or upon pooled features
        dtype = torch.float32
    if isinstance(form, LinearForm):
        return SteadyLinear(dtype)
    board = network.planes[1:]
    if device.type == "cpu" and is_dense(network):
        return DenseConvolution(form, dtype, board)
    if device.type == "cpu" and has_packed_operators(dtype):
        channels = (form.inputs, form.outputs)
        if dtype == torch.float32 and form.kernel == 3 and suits(board, channels):
            return WinogradConvolution(form, dtype, board)
        return PackedConvolution(form, dtype, board)
    return PlainConvolution(form, dtype)


def suits(board: tuple[int, int], channels: Sequence[int]) -> bool:
    """Return True if Winograd's algorithm is faster than oneDNN's convolution of many positions."""
    wide = all(count >= WINOGRAD_CHANNELS and count % 16 == 0 for count in channels)
    return wide and saving(board) >= SMALLEST_SAVING


def is_dense(network: Network) -> bool:
    """Return True if the board is so small that a convolution is best done as one matrix."""
    return network.planes[1] * network.planes[2] <= DENSE_POINTS


def has_packed_operators(dtype: torch.dtype) -> bool:
    """Return True if oneDNN's own operators can be used for a dtype; tried on x86 alone."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    operators = torch.ops.mkldnn
    if not (torch.backends.mkldnn.is_available() and hasattr(operators, "_convolution_pointwise")):
        return False
    return dtype == torch.float32 or operators._is_mkldnn_bf16_supported()
