"""Batches on a CUDA device: copied in, computed and copied out side by side.

    this process   | inputs 1 | inputs 2 | …        page-locked memory, one slot for each batch
    stream in      |   copy 1 |   copy 2 | …        uint8 planes: a quarter of the bytes of floats
    stream compute |          | graph 1  | graph 2  everything of one batch size is one launch
    stream out     |          |          | copy 1   logits and value, in one piece

A batch of one of few sizes is recorded once as a CUDA graph and then replayed, since launching a
small network's kernels one by one takes longer than the kernels do. A graph goes on reading the
memory that it was recorded with: weights are therefore replaced in place (`FastLayer.keep`), and
`verify` compares a graph with the same work done afresh.
"""

import gc
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

WARM_UPS = 3  # before a graph is recorded: libraries choose and prepare their kernels
# Of a graph, against the same work afresh, as a share of the largest number: another thread may
# choose other kernels, and a deep network blows up their rounding.
TOLERANCE = 0.1
# A recording fails when another thread synchronizes the device meanwhile, or frees a graph.
recording = threading.RLock()

Compute = Callable[[Sequence[Tensor], bool], Tensor]
Rows = Sequence[tuple[tuple[int, ...], torch.dtype]]  # of each input, the shape of a row and dtype


class Graph(NamedTuple):
    """A CUDA graph recorded for one batch size, and the memory it reads and writes."""

    graph: torch.cuda.CUDAGraph
    inputs: list[Tensor]  # [size, *shape], which it reads
    found: Tensor  # float32 [size, outputs], which it writes


class Slot:
    """Memory for one batch under way, on both sides of the bus."""

    def __init__(self, rows: int, inputs: Rows, outputs: int, device: torch.device) -> None:
        pinned = device.type == "cuda"
        self.rows = rows
        self.sources = [
            torch.zeros((rows, *shape), dtype=dtype, pin_memory=pinned) for shape, dtype in inputs
        ]
        self.inputs = zeros(rows, inputs, device)
        self.found = torch.zeros((rows, outputs), device=device)
        self.answer = torch.zeros((rows, outputs), pin_memory=pinned)
        self.copied = torch.cuda.Event()
        self.started = torch.cuda.Event(enable_timing=True)
        self.finished = torch.cuda.Event(enable_timing=True)
        # Waiting for the answer leaves the core to others.
        self.returned = torch.cuda.Event(blocking=True)


def zeros(rows: int, inputs: Rows, device: torch.device) -> list[Tensor]:
    return [torch.zeros((rows, *shape), dtype=dtype, device=device) for shape, dtype in inputs]


class DeviceRunner:
    """Runs a computation on a device: inputs [B, *shape] in, float32 [B, outputs] out.

    `compute` takes the inputs on the device, and whether all boards are whole; it must not read
    numbers back from the device. `padded` gives the batch size to use for a number of rows.
    """

    idle = 1  # parts that a batch is worth being divided into

    def __init__(
        self,
        compute: Compute,
        inputs: Rows,
        outputs: int,
        device: torch.device,
        padded: Callable[[int], int],
    ) -> None:
        self.busy = 0.0  # seconds that the device has computed
        self._compute = compute
        self._inputs = inputs
        self._outputs = outputs
        self._device = device
        self._padded = padded
        self._in, self._work, self._out = (torch.cuda.Stream(device) for _ in range(3))
        self._graphs: dict[tuple[int, bool], Graph] = {}
        # Graphs share their memory, for they run one after the other, and what one has found is
        # copied away before the next begins.
        self._pool = torch.cuda.graph_pool_handle()
        self._free: list[Slot] = []

    @torch.inference_mode()
    def submit(self, inputs: Sequence[np.ndarray], whole: bool) -> Callable[[], np.ndarray]:
        """Start on a batch and return the function that waits for float32 [B, outputs]."""
        rows = len(inputs[0])
        size = self._padded(rows)
        with torch.cuda.device(self._device):
            graph = self._graph(size, whole)
            slot = self._slot(size)
            for source, array in zip(slot.sources, inputs, strict=True):
                source[:rows].copy_(torch.from_numpy(array))
            with torch.cuda.stream(self._in):
                for there, source in zip(slot.inputs, slot.sources, strict=True):
                    there[:rows].copy_(source[:rows], non_blocking=True)
                slot.copied.record()
            with torch.cuda.stream(self._work):
                self._work.wait_event(slot.copied)
                slot.started.record()
                for read, there in zip(graph.inputs, slot.inputs, strict=True):
                    read.copy_(there[:size])  # beyond the rows is an older batch
                graph.graph.replay()
                slot.found[:rows].copy_(graph.found[:rows])
                slot.finished.record()
            with torch.cuda.stream(self._out):
                self._out.wait_event(slot.finished)
                slot.answer[:rows].copy_(slot.found[:rows], non_blocking=True)
                slot.returned.record()

        def answer() -> np.ndarray:
            slot.returned.synchronize()
            self.busy += slot.started.elapsed_time(slot.finished) / 1000
            found = slot.answer[:rows].numpy().copy()
            self._free.append(slot)
            return found

        return answer

    def settle(self) -> None:
        """Wait until the device has nothing to do: then weights may be replaced."""
        with recording:
            torch.cuda.synchronize(self._device)

    @torch.inference_mode()
    def verify(self) -> None:
        """Compare a graph with the same work done now. Raises RuntimeError if they differ."""
        if not self._graphs:
            return
        (_, whole), graph = min(self._graphs.items(), key=lambda item: item[0])
        with torch.cuda.device(self._device), torch.cuda.stream(self._work):
            expected = self._compute(graph.inputs, whole)
            graph.graph.replay()
            difference = float((graph.found - expected).abs().max())
            allowed = TOLERANCE * float(expected.abs().max()) + 1e-6
        if not difference <= allowed:
            raise RuntimeError(
                f"a recorded graph's answer differs by {difference:.2g} from the network's;"
                f" rounding explains {allowed:.2g}"
            )

    def _slot(self, size: int) -> Slot:
        """Take a slot of at least `size` rows that is free again, or allocate one."""
        for index, slot in enumerate(self._free):
            if slot.rows >= size:
                return self._free.pop(index)
        self._free.clear()  # too small, all of them
        rows = 1 << (size - 1).bit_length()
        slot = Slot(rows, self._inputs, self._outputs, self._device)
        for tensor in slot.inputs:
            self._lend(tensor, self._in, self._work)
        self._lend(slot.found, self._work, self._out)
        self.settle()  # its zeros come from another stream
        return slot

    def _graph(self, size: int, whole: bool) -> Graph:
        """Return the graph of a batch size, recorded at its first use."""
        if (size, whole) not in self._graphs:
            self._graphs[size, whole] = self._record(size, whole)
        return self._graphs[size, whole]

    def _record(self, size: int, whole: bool) -> Graph:
        inputs = zeros(size, self._inputs, self._device)
        for tensor in inputs:
            self._lend(tensor, self._work)
        # cuDNN tries its kernels during the warm-up and keeps to the fastest.
        with recording, torch.backends.cudnn.flags(enabled=True, benchmark=True):
            self.settle()
            with torch.cuda.stream(self._work):
                for _ in range(WARM_UPS):
                    self._compute(inputs, whole)
            graph = torch.cuda.CUDAGraph()
            collects = gc.isenabled()
            gc.disable()
            try:
                # Other threads may use the device meanwhile: a learner, another evaluator.
                with torch.cuda.graph(
                    graph, pool=self._pool, stream=self._work, capture_error_mode="thread_local"
                ):
                    found = self._compute(inputs, whole)
            finally:
                if collects:
                    gc.enable()
        return Graph(graph, inputs, found)

    def _lend(self, tensor: Tensor, *streams: torch.cuda.Stream) -> None:
        """Keep a tensor's memory from reuse until these streams are done with it."""
        if tensor.is_cuda:
            for stream in streams:
                tensor.record_stream(stream)
