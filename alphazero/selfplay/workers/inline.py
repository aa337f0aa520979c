"""Self-play in this process: the worker, and the executor without Ray."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from alphazero.config import Config
from alphazero.game import load
from alphazero.network.network_evaluator import NetworkEvaluator
from alphazero.network.registry import build
from alphazero.selfplay.play import SelfPlay
from alphazero.selfplay.workers.executor import GameBatch, Weights, Worker, WorkItem

STREAM_SECONDS = 10.0  # longest delay between the end of a game and its delivery


class SelfPlayWorker:
    """Plays a run's games with its network."""

    def __init__(self, config: Config, device: str, *, threads: int | None = None) -> None:
        """`threads` None: as many as the settings ask for."""
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

    def play(self, item: WorkItem) -> GameBatch:
        (batch,) = self.stream(item, math.inf)
        return batch

    def stream(self, item: WorkItem, seconds: float = STREAM_SECONDS) -> Iterator[GameBatch]:
        assert self.version >= 0, "play before load"
        before = replace(self.self_play.stats)
        for records in self.self_play.stream(item.ids, seed=self.seed, seconds=seconds):
            stats = vars(self.self_play.stats.since(before))
            before = replace(self.self_play.stats)
            yield GameBatch(item, self.version, records, stats)


class InlineExecutor:
    """Plays in this process whenever the learner has nothing to do.

    The order of playing and learning depends on the settings alone, so that a run is a pure
    function of its settings; and the two do not compete for the processor.
    """

    interruptible, is_exhausted = True, False

    def __init__(self, make_worker: Callable[[], Worker], work: Iterator[WorkItem]):
        self.work = work
        self.workers, self.replaced = 1, 0
        self.worker = make_worker()

    def start(self, version: int, weights: Weights) -> None:
        self.worker.load(version, weights)

    def publish(self, version: int, weights: Weights) -> None:
        self.worker.load(version, weights)

    def collect(self, wait: bool) -> GameBatch | None:
        return self.worker.play(next(self.work)) if wait else None

    def drain(self) -> Iterator[GameBatch]:
        return iter(())

    def close(self, finished: bool = False) -> None:
        pass


class StreamingExecutor(InlineExecutor):
    """Plays in this process and delivers finished games every few seconds; games that begin after a
    delivery use the newest weights. Their order depends on the clock."""

    def __init__(self, make_worker: Callable[[], Worker], work: Iterator[WorkItem]):
        super().__init__(make_worker, work)
        self.stream: Iterator[GameBatch] = iter(())

    def collect(self, wait: bool) -> GameBatch | None:
        if not wait:
            return None
        batch = next(self.stream, None)
        if batch is None:
            self.stream = self.worker.stream(next(self.work))
        return batch
