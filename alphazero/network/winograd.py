"""Convolutions of 3x3 by Winograd's algorithm F(4x4, 3x3), in float32 on a processor.

Every 4x4 points of the output come from 6x6 of the input (Winograd 1980; Lavin and Gray 2016):

    output = A^T [ (G g G^T) * (B^T d B) ] A      d [6, 6] input, g [3, 3] weights, * by entries

Summed over channels, each of the 36 entries is a product of matrices, tiles by channels. They take
36 multiplications for 16 points where the definition takes 144. At the edge a tile is filled up
with zeros: there are 25 tiles for 19x19, 9 for 9x9, 4 for 8x8 and for 6x7.

    x [B, H, W, C] -> into_tiles -> tiles [tile, 36, C] -> 36 products -> [tile, 36, D]
                   -> from_tiles, which adds bias and skip and rectifies -> [B, H, W, D]

The products are one grouped convolution of 1x1 by oneDNN: for matrices of this size twice as fast
on AMD as the products of MKL or OpenBLAS. The transforms are kernels whose inner loops run over the
channels of numbers at constant distances, or LLVM would not make vectors of them: they are compiled
for every board and width. Rounding errors are some ten times those of the definition, 6e-6 of the
largest number.
"""

import functools
import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alphazero.game.jit import bind, borrowing, borrows

TILE, EDGE = 4, 6  # points of a tile's side, of the output and of the input
ENTRIES = EDGE * EDGE
BLOCK_BYTES = 3 << 20  # of tiles and products at once: about what a core's own cache holds

# For bind to replace: the input's or output's shape.
HEIGHT = WIDTH = CHANNELS = np.uint64(0)

# Unsigned, so that no index is checked for being negative.
_1, _2, _3, _4, _5, _6 = (np.uint64(n) for n in range(1, 7))
_12, _18, _24, _30, _36 = (np.uint64(6 * n) for n in range(2, 7))
_TWO, _FOUR, _FIVE, _EIGHT = np.float32(2), np.float32(4), np.float32(5), np.float32(8)
_ZERO = np.float32(0)

# The weights' transform G; those of input and output are `spread` and `gather`.
WEIGHTS = torch.tensor(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    dtype=torch.float64,
)
POINTWISE = ([0, 0], [1, 1], [1, 1], ENTRIES)  # padding, stride, dilation, groups


@borrowing
def spread(a, b, c, d, e, f):
    """B^T d: six numbers of the input in a row, as a polynomial's values at 0, 1, -1, 2, -2 and
    infinity."""
    p, q = d - _FOUR * b, e - _FOUR * c
    r, s = _TWO * (d - b), e - c
    return _FOUR * a - _FIVE * c + e, q + p, q - p, s + r, s - r, _FOUR * b - _FIVE * d + f


@borrowing
def gather(a, b, c, d, e, f):
    """A^T m: four numbers of the output from six values."""
    p, q, r, s = b + c, b - c, d + e, d - e
    return a + p + r, q + _TWO * s, p + _FOUR * r, q + _EIGHT * s + f


@borrows
def into_tiles(x, blank, rows, tiles):
    """Transform x float32 [B, H, W * C] to `tiles`, flat [B * tiles of a board, 36, C].

    `blank` [W * C] is a row beyond the board; rows [6 * (4 * tiles across + 2) * C] is scratch: the
    six rows of a tile, transformed downwards, with a margin.
    """
    across, down = (WIDTH + _3) // _4, (HEIGHT + _3) // _4
    length = WIDTH * CHANNELS
    stride = (_4 * across + _2) * CHANNELS
    for i in range(_6):
        for c in range(CHANNELS):
            rows[i * stride + c] = _ZERO
        for c in range(CHANNELS + length, stride):
            rows[i * stride + c] = _ZERO
    for b in range(x.shape[0]):
        for tile in range(down):
            top = np.int64(_4 * tile) - 1
            row0 = x[b, top] if top >= 0 else blank
            row1 = x[b, top + 1]
            row2 = x[b, top + 2] if top + 2 < HEIGHT else blank
            row3 = x[b, top + 3] if top + 3 < HEIGHT else blank
            row4 = x[b, top + 4] if top + 4 < HEIGHT else blank
            row5 = x[b, top + 5] if top + 5 < HEIGHT else blank
            for c in range(length):
                found = spread(row0[c], row1[c], row2[c], row3[c], row4[c], row5[c])
                at = CHANNELS + c
                rows[at] = found[0]
                rows[at + stride] = found[1]
                rows[at + _2 * stride] = found[2]
                rows[at + _3 * stride] = found[3]
                rows[at + _4 * stride] = found[4]
                rows[at + _5 * stride] = found[5]
            for column in range(across):
                first = ((np.uint64(b) * down + tile) * across + column) * _36 * CHANNELS
                for i in range(_6):
                    for c in range(CHANNELS):
                        at = i * stride + _4 * column * CHANNELS + c
                        found = spread(
                            rows[at],
                            rows[at + CHANNELS],
                            rows[at + _2 * CHANNELS],
                            rows[at + _3 * CHANNELS],
                            rows[at + _4 * CHANNELS],
                            rows[at + _5 * CHANNELS],
                        )
                        at = first + i * _6 * CHANNELS + c
                        tiles[at] = found[0]
                        tiles[at + CHANNELS] = found[1]
                        tiles[at + _2 * CHANNELS] = found[2]
                        tiles[at + _3 * CHANNELS] = found[3]
                        tiles[at + _4 * CHANNELS] = found[4]
                        tiles[at + _5 * CHANNELS] = found[5]


@borrows
def from_tiles(tiles, biases, skip, rectify, sums, out):
    """Transform products `tiles`, flat [B * tiles of a board, 36, C], to `out`, flat [B, H, W, C],
    adding biases [4 * C], of four points, and skip, like `out` if it is not empty. sums [24 * C] is
    scratch: the four rows of a tile, transformed downwards."""
    across, down = (WIDTH + _3) // _4, (HEIGHT + _3) // _4
    for number in range(np.uint64(tiles.shape[0]) // (_36 * CHANNELS)):
        b, top = number // (down * across), number // across % down * _4
        left = number % across * _4
        for j in range(_6):
            for c in range(CHANNELS):
                at = (number * _36 + j) * CHANNELS + c
                found = gather(
                    tiles[at],
                    tiles[at + _6 * CHANNELS],
                    tiles[at + _12 * CHANNELS],
                    tiles[at + _18 * CHANNELS],
                    tiles[at + _24 * CHANNELS],
                    tiles[at + _30 * CHANNELS],
                )
                at = j * CHANNELS + c
                sums[at] = found[0]
                sums[at + _6 * CHANNELS] = found[1]
                sums[at + _12 * CHANNELS] = found[2]
                sums[at + _18 * CHANNELS] = found[3]
        for i in range(min(_4, HEIGHT - top)):
            row = i * _6 * CHANNELS
            for c in range(CHANNELS):
                at = row + c
                found = gather(
                    sums[at],
                    sums[at + CHANNELS],
                    sums[at + _2 * CHANNELS],
                    sums[at + _3 * CHANNELS],
                    sums[at + _4 * CHANNELS],
                    sums[at + _5 * CHANNELS],
                )
                sums[at] = found[0]
                sums[at + CHANNELS] = found[1]
                sums[at + _2 * CHANNELS] = found[2]
                sums[at + _3 * CHANNELS] = found[3]
            point = ((b * HEIGHT + top + i) * WIDTH + left) * CHANNELS
            for c in range(min(_4, WIDTH - left) * CHANNELS):
                value = sums[row + c] + biases[c]
                if skip.shape[0] > 0:
                    value += skip[point + c]
                out[point + c] = _ZERO if rectify and value < _ZERO else value


def saving(board: tuple[int, int]) -> float:
    """Multiplications of the definition, for one of Winograd's, on a board that tiles may not fit:
    3.6 for 19x19, 2.25 for 9x9, 4 for 8x8."""
    height, width = board
    tiles = -(-height // TILE) * -(-width // TILE)
    return 9 * height * width / (ENTRIES * tiles)


class Winograd:
    """The convolution of 3x3 with a margin of zeros, for boards of one size."""

    def __init__(self, inputs: int, outputs: int, board: tuple[int, int]) -> None:
        self.inputs, self.outputs, self.board = inputs, outputs, board
        height, width = board
        self.tiles = -(-height // TILE) * -(-width // TILE)  # of one board
        self._rows = EDGE * (-(-width // TILE) * TILE + 2) * inputs
        self._boards = max(1, BLOCK_BYTES // (self.tiles * ENTRIES * (inputs + outputs) * 4))
        self._into, _ = transforms(inputs, height, width)
        _, self._from = transforms(outputs, height, width)

    def transform(self, weight: Tensor) -> Tensor:
        """Weights [D, C, 3, 3] as `convolve` takes them, in oneDNN's own order."""
        weight = torch.einsum("ai,dcij,bj->abdc", WEIGHTS, weight.double(), WEIGHTS)
        weight = weight.float().reshape(ENTRIES * self.outputs, self.inputs, 1, 1)
        size = [1, ENTRIES * self.inputs, 1, self._boards * self.tiles]
        return torch.ops.mkldnn._reorder_convolution_weight(weight, *POINTWISE, size)

    def convolve(
        self, x: Tensor, weight: Tensor, biases: Tensor, skip: Tensor | None, rectify: bool
    ) -> Tensor:
        """x [B, C, H, W] -> [B, D, H, W], everything channels_last. `biases` [4 * D] are those of
        the outputs, four times over."""
        out = torch.empty((len(x), self.outputs, *self.board), memory_format=torch.channels_last)
        # As many blocks as needed, of nearly the same size.
        boards = -(-len(x) // -(-len(x) // self._boards))
        for first in range(0, len(x), boards):
            part = slice(first, first + boards)
            tiles = self._tiles(x[part])
            products = torch.ops.mkldnn._convolution_pointwise(
                tiles, weight, None, *POINTWISE, "none", [], ""
            )
            self._from(
                flat(products),
                biases.numpy(),
                NOTHING if skip is None else flat(skip[part]),
                rectify,
                np.empty(4 * EDGE * self.outputs, np.float32),
                flat(out[part]),
            )
        return out

    def _tiles(self, x: Tensor) -> Tensor:
        """Transform some boards to tiles, as the points of a picture [1, 36 * C, 1, tiles]."""
        shape = (1, 1, len(x) * self.tiles, ENTRIES * self.inputs)
        tiles = room(math.prod(shape)).view(shape)
        height, width = self.board
        self._into(
            flat(x).reshape(len(x), height, width * self.inputs),
            np.zeros(width * self.inputs, np.float32),
            np.empty(self._rows, np.float32),
            tiles.view(-1).numpy(),
        )
        return tiles.permute(0, 3, 1, 2)


NOTHING = np.zeros(0, np.float32)
_room = threading.local()


def room(numbers: int) -> Tensor:
    """Return scratch of this thread's own, float32: memory that comes and goes is given back to
    the system, and cleared by it, every time."""
    if not hasattr(_room, "tensor") or len(_room.tensor) < numbers:
        _room.tensor = torch.empty(numbers)
    return _room.tensor[:numbers]


def flat(x: Tensor) -> np.ndarray:
    """[B, C, H, W] in the order of channels_last, without a copy where that is its order."""
    return x.permute(0, 2, 3, 1).reshape(-1).numpy()


@functools.cache
def transforms(channels: int, height: int, width: int) -> tuple[Callable[..., Any], ...]:
    """Compile `into_tiles` and `from_tiles` for one board and number of channels."""
    sizes = {"HEIGHT": height, "WIDTH": width, "CHANNELS": channels}
    constants = {name: np.uint64(size) for name, size in sizes.items()}
    name = f"{height}x{width}x{channels}"
    return bind(into_tiles, name, **constants), bind(from_tiles, name, **constants)
