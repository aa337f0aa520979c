"""Batches on the processor: each computed by one thread on one core, several of them side by side.

    the search     | choose 1 | choose 2 |  waits for 1  | choose 1 |  waits for 2  | choose 2 |
    thread 1       |          |         batch 1          |          |        batch 1
    thread 2       |                     |            batch 2            |          |  batch 2

Torch's own threads (OpenMP) would share out every layer of one batch instead, and wait for one
another after each of them, spinning. Beside a busy program the slowest of them sets the pace of
every layer, and the others burn the time that it needs.
"""

import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Generic, TypeVar

import torch

from alphazero.network.device import torch_threads

T = TypeVar("T")


class ProcessorRunner(Generic[T]):
    """Runs a computation, in the calling thread or in others.

    `compute` takes scratch of its thread's own, made by `scratch`, and what `submit` is given.
    """

    def __init__(
        self, compute: Callable[..., T], scratch: Callable[[], torch.Tensor], threads: int
    ) -> None:
        """One thread is the caller's; more are threads besides, which end with the runner."""
        self.busy = 0.0  # CPU seconds of computing, of all threads together
        self._compute, self._scratch = compute, scratch
        self._threads = threads
        self._own, self._lock = threading.local(), threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        if threads > 1:
            self._pool = ThreadPoolExecutor(threads, "network", torch.set_num_threads, (1,))
        # Batches whose answer has not been asked for; one that nobody will ask for drops out.
        self._under_way: weakref.WeakSet[Future[tuple[T, float]]] = weakref.WeakSet()

    @property
    def idle(self) -> int:
        """Number of threads without a batch, at least 1: the parts to divide a batch into."""
        return max(1, self._threads - len(self._under_way))

    def submit(self, *batch: Any) -> Callable[[], T]:
        """Start on a batch and return the function that waits for its answer."""
        if self._pool is None:
            found, seconds = self._run(*batch)  # of several callers' threads at once, perhaps
            with self._lock:
                self.busy += seconds
            return lambda: found
        future = self._pool.submit(self._run, *batch)
        self._under_way.add(future)

        def answer() -> T:
            # A batch that no thread has begun is computed here: threads that are slow to start, or
            # kept from it by other programs, are not waited for.
            found, seconds = self._run(*batch) if future.cancel() else future.result()
            self._under_way.discard(future)
            self.busy += seconds
            return found

        return answer

    def settle(self) -> None:
        """Wait until nothing is computed: then weights may be replaced."""
        wait(list(self._under_way))

    def _run(self, *batch: Any) -> tuple[T, float]:
        began = time.thread_time()
        if not hasattr(self._own, "scratch"):
            self._own.scratch = self._scratch()
        with torch.inference_mode(), torch_threads(1):
            found = self._compute(self._own.scratch, *batch)
        return found, time.thread_time() - began
