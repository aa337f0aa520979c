"""The games of a run in the order they are learned from: first the disk's, then the executor's."""

import itertools
from collections.abc import Callable, Iterator

from alphazero.data.record import GameRecord
from alphazero.run.interrupt import Interrupt
from alphazero.run.state import TrainingState
from alphazero.selfplay.workers.executor import Executor, GameBatch

BATCHES_PER_SHARD = 64  # at most


class GameSource:
    """Yields, once per training iteration, the games that are on the disk and not yet counted.

    After a kill these are the games that the last checkpoint has not seen, in the order they were
    stored; then new games, which are stored before they are yielded. An iteration without games
    yields an empty list: the learner has steps to catch up on, or nothing has arrived.
    """

    def __init__(
        self,
        state: TrainingState,
        executor: Executor,
        interrupt: Interrupt,
        *,
        is_late: Callable[[], bool] = lambda: False,
        on_batch: Callable[[GameBatch], None] = lambda batch: None,
    ) -> None:
        """`is_late` tells whether the time of the run is over; `on_batch` receives every batch
        once it is stored."""
        self.state, self.executor, self.interrupt = state, executor, interrupt
        self.is_late, self.on_batch = is_late, on_batch
        self._uncounted: Iterator[list[GameRecord]] | None = state.uncounted_games()

    def __iter__(self) -> Iterator[list[GameRecord]]:
        while not (self.interrupt.requested or self.is_done):
            yield self._next()

    @property
    def is_done(self) -> bool:
        """True if the run has reached its limits."""
        return self.is_late() or (self._has_all_games and not self.state.step_is_due)

    @property
    def _has_all_games(self) -> bool:
        wanted = self.state.config.run.games
        return self.executor.is_exhausted or 0 < wanted <= self.state.replay.games

    def _next(self) -> list[GameRecord]:
        learner_is_busy = self.state.step_is_due
        if self._has_all_games:
            return []
        if self._uncounted is not None:
            if learner_is_busy:  # the same order of games and steps as before the kill
                return []
            games = next(self._uncounted, None)
            if games is None:
                self._uncounted = None
            return games or []
        first = self._collect(wait=not learner_is_busy)
        return self._store([first, *self._more()]) if first is not None else []

    def drain(self) -> None:
        """Store and count the games that have arrived when a run is stopped."""
        while batches := list(itertools.islice(self.executor.drain(), BATCHES_PER_SHARD)):
            games = self._store(batches)
            if self._uncounted is None:  # else the next start counts them, after the older ones
                self.state.add(games)

    def _more(self) -> Iterator[GameBatch]:
        """Yield further batches that have arrived: many workers share one shard and one sync."""
        for _ in range(BATCHES_PER_SHARD - 1):
            if (batch := self._collect(wait=False)) is None:
                return
            yield batch

    def _collect(self, wait: bool) -> GameBatch | None:
        if not self.executor.interruptible:  # Ray must not be interrupted while it waits
            return self.executor.collect(wait)
        return self.interrupt.run_abortable(lambda: self.executor.collect(wait))

    def _store(self, batches: list[GameBatch]) -> list[GameRecord]:
        """Store batches and return the new games; copies, sent again after a crash, are dropped."""
        new = self.state.store.append([record for batch in batches for record in batch.records])
        ids = {record.game_id for record in new}
        for batch in batches:
            if batch.acknowledge is not None:
                batch.acknowledge()
            if not ids.isdisjoint(record.game_id for record in batch.records):
                self.on_batch(batch)
        return new
