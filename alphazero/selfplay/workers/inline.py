"""Who plays the games of a run: what every executor promises, and the one without Ray.

The loop asks an executor for *chunks*: finished games of *calls*, which are so many games with
consecutive numbers. A game's seed comes from the run's seed and the game's number alone, so what is
lost of a call is simply played again, by anyone.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

import numpy as np

from alphazero.config import Config
from alphazero.data.record import GameRecord
from alphazero.game import load
from alphazero.network.architectures.resnet import build
from alphazero.network.network_evaluator import NetworkEvaluator
from alphazero.selfplay.play import SelfPlay

Weights = dict[str, np.ndarray]  # a network's parameters by name
STREAM_SECONDS = 10.0  # how long a finished game waits for others before it is sent


class Call(NamedTuple):
    """One finite piece of work: so many games, numbered from first_id."""

    first_id: int
    games: int
    done: frozenset[int] = frozenset()  # numbers of those that need not be played any more

    @property
    def ids(self) -> list[int]:
        """Numbers of the games to play."""
        numbers = range(self.first_id, self.first_id + self.games)
        return [number for number in numbers if number not in self.done]


@dataclass(frozen=True)
class Chunk:
    """Finished games of one call: all of them, or those that were finished at the time."""

    call: Call
    version: int  # of the weights they were finished with
    records: list[GameRecord]
    stats: dict[str, float] = field(default_factory=dict)  # counters: seconds, simulations, …
    worker: str = "this process"  # who played
    stored: Callable[[], None] | None = None  # to be called once the games are on the disk


Collect = Callable[[bool], Chunk | None]  # as Executor.collect


class Worker(Protocol):
    """Plays calls with the weights it was given last; lives in this process or in an actor."""

    def load(self, version: int, weights: Weights) -> None: ...

    def play(self, call: Call) -> Chunk:
        """All games of a call at once."""
        ...

    def stream(self, call: Call) -> Iterator[Chunk]:
        """The games of a call, a part of them every few seconds."""
        ...


class SelfPlayWorker:
    """Plays a run's games with a network."""

    def __init__(self, config: Config, device: str, *, threads: int | None = None) -> None:
        """`threads` None: as many as the settings say for one that has this machine to itself."""
        game = load(config.game)
        self.seed = config.run.seed
        self.version = -1
        self.evaluator = NetworkEvaluator(build(game, config.network), device)
        self.self_play = SelfPlay(
            game, self.evaluator, config.search, config.self_play, threads=threads
        )

    def load(self, version: int, weights: Weights) -> None:
        self.evaluator.update(weights)
        self.self_play.weights_changed(version)
        self.version = version

    def play(self, call: Call) -> Chunk:
        (chunk,) = self.stream(call, math.inf)
        return chunk

    def stream(self, call: Call, seconds: float = STREAM_SECONDS) -> Iterator[Chunk]:
        assert self.version >= 0, "play before load"
        before = replace(self.self_play.stats)
        for records in self.self_play.stream(call.ids, seed=self.seed, seconds=seconds):
            stats = vars(self.self_play.stats.since(before))
            before = replace(self.self_play.stats)
            yield Chunk(call, self.version, records, stats)


class Executor(Protocol):
    """Keeps workers busy. The loop calls start once, publish before the first collect and then
    whenever it likes, and close at the end, also after an error."""

    plays_in_collect: bool  # whether `collect` may take long, and may be broken off
    is_exhausted: bool  # whether no more games will come

    @property
    def workers(self) -> int:
        """Those that play."""
        ...

    @property
    def replaced(self) -> int:
        """Workers that died and were replaced."""
        ...

    def start(self, version: int, weights: Weights) -> None:
        """Return when workers are up and know these weights."""
        ...

    def publish(self, version: int, weights: Weights) -> None:
        """Calls that start from now on are played with these weights."""
        ...

    def collect(self, wait: bool) -> Chunk | None:
        """A finished chunk, if there is one: `wait` says that the caller has nothing better to do.

        Unless it plays the games itself, it returns None within a second or so when nothing is
        finished, so that a signal is noticed. What is not collected bounds what is played: nothing
        piles up while the caller does something else.
        """
        ...

    def close(self) -> None: ...


def calls(first_id: int, games: int) -> Iterator[Call]:
    """The calls of a run from game number first_id on, without end."""
    return (Call(start, games) for start in itertools.count(first_id, games))


class InlineExecutor:
    """Plays in this process whenever the learner has nothing to do.

    Playing and learning alternate in an order that the settings alone decide, so that a run is a
    pure function of its settings; and they share the processor without fighting for it.
    """

    plays_in_collect, is_exhausted = True, False

    def __init__(self, make_worker: Callable[[], Worker], work: Iterator[Call]):
        self.make_worker = make_worker
        self.work = work
        self.workers, self.replaced = 1, 0
        self.worker: Worker | None = None

    def start(self, version: int, weights: Weights) -> None:
        self.worker = self.make_worker()
        self.worker.load(version, weights)

    def publish(self, version: int, weights: Weights) -> None:
        assert self.worker is not None, "publish before start"
        self.worker.load(version, weights)

    def collect(self, wait: bool) -> Chunk | None:
        assert self.worker is not None, "collect before start"
        return self.worker.play(next(self.work)) if wait else None

    def close(self) -> None:
        self.worker = None


class StreamingExecutor(InlineExecutor):
    """The same for those whom no order binds: games are handed over every few seconds, and the ones
    begun after that are played with the newest weights."""

    def __init__(self, make_worker: Callable[[], Worker], work: Iterator[Call]):
        super().__init__(make_worker, work)
        self.stream: Iterator[Chunk] = iter(())

    def collect(self, wait: bool) -> Chunk | None:
        assert self.worker is not None, "collect before start"
        if not wait:
            return None
        chunk = next(self.stream, None)
        if chunk is None:
            self.stream = self.worker.stream(next(self.work))
        return chunk
