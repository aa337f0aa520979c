"""The evaluator of a torch network: batches of inputs in, policy logits and win, draw, loss out."""

import copy
import functools
import math
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from alphazero.network.cuda_graphs import DeviceRunner
from alphazero.network.device import choose_device, choose_precision, torch_threads
from alphazero.network.encoder import Encoder
from alphazero.network.evaluator import Evaluation, Evaluator, Leaves
from alphazero.network.inference import STEADY_ROWS, InferenceCopy, is_dense
from alphazero.network.network import Network
from alphazero.network.weights import copy_weights

CACHE_BYTES = 1 << 21  # what the numbers between two layers may take on a processor
LARGEST_BATCH = 256  # rows at once on a processor
LARGEST_DEVICE_BATCH = 4096


class NetworkEvaluator(Evaluator):
    """A torch network as an evaluator: its own copy, made for speed; `update` sets new weights.

    A row's answer does not depend on the rest of its batch. The trunk is bfloat16 on CUDA and on
    a processor that is faster so, else everything is float32.
    """

    name = "network"

    def __init__(
        self, network: Network, device: str = "auto", *, threads: int = 1, precision: str = "auto"
    ) -> None:
        """`threads` of torch work on the processor, there alone and while they do; `precision` is
        auto, float32 or bfloat16. Raises UserError for a device that is not there."""
        self.encoder: Encoder = network.encoder
        self.device = choose_device(device)
        self.dtype = choose_precision(precision, self.device, network)
        self._threads = threads
        self._plain = copy.deepcopy(network).to(self.device).eval().requires_grad_(False)
        self._fast = InferenceCopy(self._plain, self.device, self.dtype)
        self._largest = largest_batch(network, self.device, self.dtype)
        # A small board's layers would fill up a smaller batch, one by one.
        self._smallest = STEADY_ROWS if is_dense(network) else 1
        self._busy = 0.0
        self._runner: DeviceRunner | None = None
        if self.device.type == "cuda":
            self.pipelines = 2  # one half of the leaves is chosen while the device has the other
            # Nothing of the evaluator: with a cycle of references its graphs would outlive it.
            compute = functools.partial(
                answer_on_device, self._fast.network, self._plain.board_plane, self.dtype
            )
            self._runner = DeviceRunner(
                compute, network.planes, network.policy_size + 3, self.device, padded
            )
        else:  # where the planes of every batch go through this one buffer
            self._input = self._empty_input(self._largest)

    @property
    def busy(self) -> float:
        """Seconds that the network has computed, on its device."""
        return self._busy if self._runner is None else self._runner.busy

    def submit(self, leaves: Leaves) -> Callable[[], Evaluation]:
        planes = leaves.planes
        waits = [
            self._start(planes[first : first + self._largest])
            for first in range(0, len(planes), self._largest)
        ]

        def answer() -> Evaluation:
            parts = [wait() for wait in waits]
            if len(parts) == 1:
                return parts[0]
            return Evaluation(
                np.concatenate([part.logits for part in parts]),
                np.concatenate([part.wdl for part in parts]),
            )

        return answer

    def evaluate(self, leaves: Leaves) -> Evaluation:
        return self.submit(leaves)()

    def auxiliary(self, planes: np.ndarray) -> dict[str, np.ndarray]:
        """Predict the game's auxiliary targets by the plain network, in float32."""
        if not self._plain.auxiliary:
            return {}
        parts = []
        with torch.inference_mode():
            for first in range(0, len(planes), self._largest):
                batch = torch.from_numpy(planes[first : first + self._largest]).to(self.device)
                parts.append(self._plain.expected(batch.float()))
        return {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]}

    def update(self, weights: Mapping[str, np.ndarray]) -> None:
        """Take over other weights of the same network.

        Raises ValueError if they do not fit, RuntimeError if the fast copy does not follow them.
        """
        if self._runner is not None:
            self._runner.settle()
        copy_weights(weights, self._plain)
        self._fast.refresh()
        if self._runner is not None:
            self._runner.settle()
            self._runner.verify()

    def _start(self, planes: np.ndarray) -> Callable[[], Evaluation]:
        """Start on a batch that is not too large; planes [B, C, H, W]."""
        whole = self._is_whole(planes)
        if self._runner is not None:
            # Torch's threads, spinning, would slow down those that search.
            with torch_threads(self._threads):
                wait = self._runner.submit(planes, whole)

            def answer() -> Evaluation:
                found = wait()
                # Contiguous, or the search would be compiled once more for them.
                logits, wdl = found[:, :-3], found[:, -3:]
                return self._answer(np.ascontiguousarray(logits), np.ascontiguousarray(wdl))

            return answer
        rows = len(planes)
        began = time.perf_counter()
        with torch.inference_mode(), torch_threads(self._threads):
            # What is left beyond the rows does no harm.
            batch = self._input[: max(padded(rows), self._smallest)]
            batch[:rows].copy_(torch.from_numpy(planes))
            logits, wdl = decide(self._fast.network, self._plain.board_plane, batch, whole)
            evaluation = self._answer(logits[:rows].cpu().numpy(), wdl[:rows].cpu().numpy())
        self._busy += time.perf_counter() - began
        return lambda: evaluation

    def _answer(self, logits: np.ndarray, wdl: np.ndarray) -> Evaluation:
        """Make the answer for a batch of the network's outputs, in the game's actions."""
        evaluation = checked(logits, wdl)
        if self.encoder.action_map is None:
            return evaluation
        return Evaluation(self.encoder.to_actions(logits, self._plain.num_actions), wdl)

    def _is_whole(self, planes: np.ndarray) -> bool:
        """Return True if no board of a batch is smaller than the planes, which spares all masks."""
        plane = self._plain.board_plane
        return plane is None or bool(planes[:, plane].all())

    def _empty_input(self, rows: int) -> Tensor:
        shape = (rows, *self._plain.planes)
        empty = torch.zeros(shape, dtype=self.dtype, device=self.device)
        return empty.contiguous(memory_format=torch.channels_last)


def decide(
    network: Network, board_plane: int | None, batch: Tensor, whole: bool
) -> tuple[Tensor, Tensor]:
    """Compute logits float32 [B, N], and probabilities of win, draw and loss float32 [B, 3]."""
    mask = None
    if board_plane is not None and not whole:
        mask = batch[:, board_plane : board_plane + 1]
    logits, wdl = network.decide(batch, mask)
    return logits, torch.softmax(wdl, dim=1)


def answer_on_device(
    network: Network, board_plane: int | None, dtype: torch.dtype, planes: Tensor, whole: bool
) -> Tensor:
    """Compute logits and win, draw, loss as one float32 [B, N + 3] of planes on a device."""
    batch = planes.to(dtype, memory_format=torch.channels_last)
    return torch.cat(decide(network, board_plane, batch, whole), dim=1)


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
