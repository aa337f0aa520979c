"""The evaluator of a torch network: batches of inputs in, policy logits and win, draw, loss out."""

import copy
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from alphazero.network.cuda_graphs import DeviceRunner, Rows
from alphazero.network.device import choose_device, choose_precision, torch_threads
from alphazero.network.encoder import Encoder, Inputs
from alphazero.network.evaluator import Evaluation, Evaluator, Leaves
from alphazero.network.flops import operations
from alphazero.network.inference import STEADY_ROWS, InferenceCopy, is_dense
from alphazero.network.network import Network
from alphazero.network.processor import ProcessorRunner
from alphazero.network.weights import copy_weights

CACHE_BYTES = 1 << 21  # what the numbers between two layers may take on a processor
LARGEST_BATCH = 256  # rows at once on a processor
LARGEST_DEVICE_BATCH = 4096
PART_OPERATIONS = 2e8  # about 2 ms: the least that is worth handing to another thread


class NetworkEvaluator(Evaluator):
    """A torch network as an evaluator: its own copy, made for speed; `update` sets new weights.

    A row's answer does not depend on the rest of its batch. The trunk is bfloat16 on CUDA and on
    a processor that is faster so, else everything is float32.
    """

    name = "network"

    def __init__(
        self, network: Network, device: str = "auto", *, threads: int = 1, precision: str = "auto"
    ) -> None:
        """`threads` evaluate side by side where the device is the processor; `precision` is auto,
        float32 or bfloat16. Raises UserError for a device that is not there."""
        self.encoder: Encoder = network.encoder
        self.device = choose_device(device)
        self.dtype = choose_precision(precision, self.device, network)
        self._plain = copy.deepcopy(network).to(self.device).eval().requires_grad_(False)
        self._fast = InferenceCopy(self._plain, self.device, self.dtype)
        self._largest = largest_batch(network, self.device, self.dtype)
        # Nothing of the evaluator: with a cycle of references its graphs and threads would outlive
        # it.
        context = self._fast.network, self._plain.board_plane
        self.predicts = tuple(network.auxiliary_shapes)
        # On a device, by the auxiliary targets that leaves have asked for.
        self._others: dict[tuple[str, ...], DeviceRunner] = {}
        if self.device.type == "cuda":
            self.pipelines = 2  # one half of the leaves is chosen while the device has the other
            self._runner = self._device_runner(())
        else:
            threads = threads if self.device.type == "cpu" else 1
            self.pipelines = threads
            self.concurrent = self.device.type == "cpu" and threads == 1
            shape = (self._largest, *network.planes)
            self._runner = ProcessorRunner(
                functools.partial(answer_on_processor, *context),
                functools.partial(empty_planes, shape, self.dtype, self.device),
                threads,
            )
        # A small board's layers would fill up a smaller batch, one by one.
        self._smallest = STEADY_ROWS if is_dense(network) else 1
        self._part = 1  # rows that are worth a thread
        if self.device.type == "cpu" and threads > 1:
            self._part = padded(math.ceil(PART_OPERATIONS / operations(self._plain)))

    @property
    def busy(self) -> float:
        """Seconds that the network has computed, on its device."""
        return self._runner.busy + sum(runner.busy for runner in self._others.values())

    def submit(self, leaves: Leaves) -> Callable[[], Evaluation]:
        inputs = [leaves.planes] if leaves.globals is None else [leaves.planes, leaves.globals]
        waits = [
            self._start([array[part] for array in inputs], leaves.extra)
            for part in self._parts(len(inputs[0]))
        ]

        def answer() -> Evaluation:
            # The last first: others are begun in the order given.
            parts = [wait() for wait in reversed(waits)][::-1]
            if len(parts) == 1:
                return parts[0]
            extra = {
                name: np.concatenate([(part.extra or {})[name] for part in parts])
                for name in leaves.extra
            }
            return Evaluation(
                np.concatenate([part.logits for part in parts]),
                np.concatenate([part.wdl for part in parts]),
                extra or None,
            )

        return answer

    def evaluate(self, leaves: Leaves) -> Evaluation:
        return self.submit(leaves)()

    def auxiliary(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """Predict the game's auxiliary targets by the plain network, in float32."""
        if not self._plain.auxiliary:
            return {}
        parts = []
        with torch.inference_mode(), torch_threads(1):
            for first in range(0, len(inputs.planes), self._largest):
                batch = [
                    torch.from_numpy(array[first : first + self._largest]).to(self.device).float()
                    for array in inputs
                    if array is not None
                ]
                parts.append(self._plain.expected(*batch))
        return {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]}

    def update(self, weights: Mapping[str, np.ndarray]) -> None:
        """Take over other weights of the same network.

        Raises ValueError if they do not fit, RuntimeError if the fast copy does not follow them.
        """
        for runner in (self._runner, *self._others.values()):
            runner.settle()
        copy_weights(weights, self._plain)
        self._fast.refresh()
        for runner in (self._runner, *self._others.values()):
            if isinstance(runner, DeviceRunner):
                runner.settle()
                runner.verify()

    def _device_runner(self, extra: tuple[str, ...]) -> DeviceRunner:
        """Make what runs the network on its CUDA device, with these auxiliary targets."""
        network = self._plain
        compute = functools.partial(
            answer_on_device, self._fast.network, network.board_plane, self.dtype, extra=extra
        )
        outputs = network.policy_size + 3 + sum(self._widths(extra))
        return DeviceRunner(compute, input_rows(self.encoder), outputs, self.device, padded)

    def _widths(self, extra: tuple[str, ...]) -> list[int]:
        """Numbers in each of these auxiliary targets."""
        return [math.prod(self._plain.auxiliary_shapes[name]) for name in extra]

    def _parts(self, rows: int) -> Iterator[slice]:
        """Divide a batch among the threads that have none, in parts that are worth a thread and
        not too large."""
        share = padded(max(self._part, -(-rows // self._runner.idle)))
        size = min(self._largest, share)
        return (slice(first, first + size) for first in range(0, rows, size))

    def _start(
        self, inputs: Sequence[np.ndarray], extra: tuple[str, ...]
    ) -> Callable[[], Evaluation]:
        """Start on a batch that is not too large."""
        whole = self._is_whole(inputs[0])
        if isinstance(self._runner, ProcessorRunner):
            smallest = max(self._smallest, self._fast.steady_rows if self.steady else 1)
            wait = self._runner.submit(inputs, whole, smallest, extra)
            return lambda: self._answer(*wait(), extra=extra)
        runner = self._runner
        if extra:
            if extra not in self._others:
                self._others[extra] = self._device_runner(extra)
            runner = self._others[extra]
        # Torch's threads, spinning, would slow down those that search.
        with torch_threads(1):
            found = runner.submit(inputs, whole)

        def answer() -> Evaluation:
            ends = np.cumsum([self._plain.policy_size, 3, *self._widths(extra)])
            parts = np.split(found(), ends[:-1], axis=1)
            # Contiguous, or the search would be compiled once more for them.
            return self._answer(*map(np.ascontiguousarray, parts), extra=extra)

        return answer

    def _answer(
        self, logits: np.ndarray, wdl: np.ndarray, *more: np.ndarray, extra: tuple[str, ...]
    ) -> Evaluation:
        """Make the answer for a batch of the network's outputs, in the game's actions; `more` are
        the auxiliary targets named in `extra`."""
        evaluation = checked(logits, wdl)
        if self.encoder.action_map is not None:
            actions = self.encoder.to_actions(logits, self._plain.num_actions)
            evaluation = evaluation._replace(logits=actions)
        found = {
            name: part.reshape(len(part), *self._plain.auxiliary_shapes[name])
            for name, part in zip(extra, more, strict=True)
        }
        return evaluation._replace(extra=found or None)

    def _is_whole(self, planes: np.ndarray) -> bool:
        """Return True if no board of a batch is smaller than the planes, which spares all masks."""
        plane = self._plain.board_plane
        return plane is None or bool(planes[:, plane].all())


def decide(
    network: Network,
    board_plane: int | None,
    inputs: Sequence[Tensor],
    whole: bool,
    extra: tuple[str, ...] = (),
) -> tuple[Tensor, ...]:
    """Compute logits float32 [B, N], probabilities of win, draw and loss float32 [B, 3], and the
    auxiliary targets named in `extra`, float32 [B, *shape] each, of planes and perhaps values."""
    planes, *values = inputs
    mask = None
    if board_plane is not None and not whole:
        mask = planes[:, board_plane : board_plane + 1]
    if not extra:
        logits, wdl = network.decide(planes, mask, *values)
        return logits, torch.softmax(wdl, dim=1)
    logits, wdl, auxiliary = network.heads(network.trunk(planes, mask, *values), mask, extra)
    found = network.targets(auxiliary, mask)
    return logits, torch.softmax(wdl, dim=1), *(found[name] for name in extra)


def answer_on_device(
    network: Network,
    board_plane: int | None,
    dtype: torch.dtype,
    inputs: Sequence[Tensor],
    whole: bool,
    extra: tuple[str, ...] = (),
) -> Tensor:
    """Compute all that `decide` does as one float32 [B, N + 3 + ...] of inputs on a device."""
    planes, *values = inputs
    batch = planes.to(dtype, memory_format=torch.channels_last)
    found = decide(network, board_plane, [batch, *values], whole, extra)
    return torch.cat([part.flatten(1).float() for part in found], dim=1)


def answer_on_processor(
    network: Network,
    board_plane: int | None,
    scratch: Tensor,
    inputs: Sequence[np.ndarray],
    whole: bool,
    smallest: int,
    extra: tuple[str, ...] = (),
) -> tuple[np.ndarray, ...]:
    """Compute all that `decide` does of inputs, whose planes go through `scratch`: a batch is
    filled up to one of few sizes, at least `smallest`, with whatever is there."""
    rows = len(inputs[0])
    planes, *values = (torch.from_numpy(array) for array in inputs)
    batch = scratch[: max(padded(rows), smallest)]
    batch[:rows].copy_(planes)
    values = [fill_up(one.to(scratch.device), len(batch)) for one in values]
    found = decide(network, board_plane, [batch, *values], whole, extra)
    return tuple(part[:rows].cpu().numpy() for part in found)


def fill_up(x: Tensor, rows: int) -> Tensor:
    """Append rows of zeros to [B, G]."""
    return F.pad(x, (0, 0, 0, rows - len(x)))


def input_rows(encoder: Encoder) -> Rows:
    """List the inputs of one position: their shapes and dtypes."""
    planes = encoder.planes, torch.uint8 if encoder.dtype is np.uint8 else torch.float32
    return [planes, ((encoder.globals,), torch.float32)] if encoder.globals else [planes]


def empty_planes(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Allocate zeroed planes [B, C, H, W] in the order that layers take."""
    empty = torch.zeros(shape, dtype=dtype, device=device)
    return empty.contiguous(memory_format=torch.channels_last)


def checked(logits: np.ndarray, wdl: np.ndarray) -> Evaluation:
    """Return the answer if every number in it is finite. Raises RuntimeError otherwise."""
    # A sum is the cheapest look at every number: one NaN or infinity spreads to it.
    if not (math.isfinite(float(logits.sum())) and math.isfinite(float(wdl.sum()))):
        raise RuntimeError("the network's answer is not finite: its weights are corrupt (NaN, inf)")
    return Evaluation(logits, wdl)


def padded(rows: int) -> int:
    """Return the batch size used for a number of rows: one of few, since torch prepares each anew.

    They are 1, 2, 4, then multiples of 8 to 128, of 16 to 256, and so on, up to an eighth apart.
    """
    power = 1 << (rows - 1).bit_length()  # the next power of two
    step = power if power <= 8 else max(8, power // 16)
    return -(-rows // step) * step


def largest_batch(network: Network, device: torch.device, dtype: torch.dtype) -> int:
    if device.type == "cuda":
        return LARGEST_DEVICE_BATCH
    row_bytes = math.prod(network.planes[1:]) * network.channels * dtype.itemsize
    return padded(min(LARGEST_BATCH, max(8, CACHE_BYTES // row_bytes)))
