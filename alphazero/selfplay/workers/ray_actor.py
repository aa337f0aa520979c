"""What runs on a Ray cluster for `training.cluster`: workers, and holders of the learner's GPUs."""

import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from alphazero.selfplay.workers.inline import Call, Chunk, Worker


class Actor:
    """What runs in a worker process: `play` in one thread, `renew` in another."""

    def __init__(self, make_worker: Callable[[], Worker]):
        self.make_worker = make_worker
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.worker: Worker | None = None
        self.version = -1  # that the worker has
        self.newest: tuple[int, list[Any]] = (-1, [])  # that is known of

    def ready(self, version: int, weights: list[Any]) -> None:
        """Make the worker and give it these weights, when it has older ones."""
        if self.worker is None:
            self.worker = self.make_worker()
        self.renew(version, weights)
        self._load()

    def renew(self, version: int, weights: list[Any]) -> None:
        """There are these weights, to be fetched between two batches of games."""
        if version > self.newest[0]:
            self.newest = version, weights

    def play(self, call: Call, version: int, weights: list[Any]) -> Iterator[Chunk]:
        self.ready(version, weights)
        assert self.worker is not None
        for chunk in self.worker.stream(call):
            yield replace(chunk, worker=self.name)
            self._load()

    def _load(self) -> None:
        import ray

        version, weights = self.newest
        if version > self.version:
            assert self.worker is not None
            self.worker.load(version, ray.get(weights[0]))
            self.version = version

    def pid(self) -> int:
        return os.getpid()


class Reservation:
    """Holds GPUs that the learner uses in another process."""

    def devices(self) -> list[int]:
        import ray

        return [int(number) for number in ray.get_gpu_ids()]
