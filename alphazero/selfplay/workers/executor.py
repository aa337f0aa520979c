"""Executors: the sources of a run's games. Work items in, batches of finished games out.

A work item is a range of game ids. A game's random seed comes from the run's seed and the game's id
alone, so games that are lost with a worker are simply played again, by any worker.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from alphazero.data.record import GameRecord

Weights = dict[str, np.ndarray]  # a network's parameters by name


class WorkItem(NamedTuple):
    """A finite piece of work: `games` games with consecutive ids from first_id on."""

    first_id: int
    games: int
    done: frozenset[int] = frozenset()  # ids that need not be played any more

    @property
    def ids(self) -> list[int]:
        """Ids of the games to play."""
        numbers = range(self.first_id, self.first_id + self.games)
        return [number for number in numbers if number not in self.done]


def work_items(first_id: int, games: int) -> Iterator[WorkItem]:
    """Yield the work items of a run from game first_id on, endlessly."""
    return (WorkItem(start, games) for start in itertools.count(first_id, games))


@dataclass(frozen=True)
class GameBatch:
    """Finished games of one work item: all of them, or those finished at the time."""

    item: WorkItem
    version: int  # of the weights when the last of them was finished
    records: list[GameRecord]
    stats: dict[str, float] = field(default_factory=dict)  # counters: seconds, simulations, …
    worker: str = "this process"  # name of the worker that played
    acknowledge: Callable[[], None] | None = None  # to call once the games are on the disk


class Worker(Protocol):
    """Plays work items with the weights loaded last, in this process or in an actor."""

    def load(self, version: int, weights: Weights) -> None:
        """Use these weights from now on."""
        ...

    def play(self, item: WorkItem) -> GameBatch:
        """Play all games of an item."""
        ...

    def stream(self, item: WorkItem) -> Iterator[GameBatch]:
        """Play the games of an item and yield the finished ones every few seconds."""
        ...


class Executor(Protocol):
    """Keeps workers busy and returns their games.

    The caller uses `start` once, then `publish` and `collect` in any order, then `close`, even
    after an error.
    """

    interruptible: bool  # whether an exception of a signal handler may leave `collect`
    is_exhausted: bool  # whether no more games will come

    @property
    def workers(self) -> int:
        """Number of live workers."""
        ...

    @property
    def replaced(self) -> int:
        """Number of workers that died and were replaced."""
        ...

    def start(self, version: int, weights: Weights) -> None:
        """Start the workers with these weights; return when they are ready."""
        ...

    def publish(self, version: int, weights: Weights) -> None:
        """Give the workers newer weights; games that begin from now on are played with them."""
        ...

    def collect(self, wait: bool) -> GameBatch | None:
        """Return a batch of finished games, or None without one.

        `wait`: the caller has nothing else to do, so that an executor in its process may play now.
        Others return within about a second, so that signals are noticed. Batches that are not
        collected block the workers: nothing piles up while the caller is busy.
        """
        ...

    def drain(self) -> Iterator[GameBatch]:
        """Yield the finished games that would be lost by `close`."""
        ...

    def close(self, finished: bool = False) -> None:
        """Stop the workers. `finished` means the run is over and will not be resumed."""
        ...


class CombinedExecutor:
    """Workers of the run and contributors by a shared folder, as one executor."""

    is_exhausted = False

    def __init__(self, workers: Executor, contributors: Executor) -> None:
        self.own, self.contributors = workers, contributors
        self.interruptible = workers.interruptible
        self._turn = False

    @property
    def workers(self) -> int:
        return self.own.workers + self.contributors.workers

    @property
    def replaced(self) -> int:
        return self.own.replaced + self.contributors.replaced

    def start(self, version: int, weights: Weights) -> None:
        self.contributors.start(version, weights)
        self.own.start(version, weights)

    def publish(self, version: int, weights: Weights) -> None:
        self.contributors.publish(version, weights)
        self.own.publish(version, weights)

    def collect(self, wait: bool) -> GameBatch | None:
        """Ask both in turns; only the run's own workers may wait."""
        self._turn = not self._turn
        both = [self.own, self.contributors]
        for executor in both[:: 1 if self._turn else -1]:
            if (batch := executor.collect(False)) is not None:
                return batch
        return self.own.collect(True) if wait else None

    def drain(self) -> Iterator[GameBatch]:
        return self.own.drain()

    def close(self, finished: bool = False) -> None:
        self.contributors.close(finished)
        self.own.close(finished)
