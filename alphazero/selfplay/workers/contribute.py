"""Games from machines that share only a folder with the learner, as one more executor.

The folder and what counts as acknowledged is `alphazero.selfplay.workers.shared_folder`; what the
other side does is `alphazero.run.contribute`.
"""

import functools
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from alphazero.config import Config, to_toml
from alphazero.data.record import unpack_shard
from alphazero.data.replay import play_moves
from alphazero.errors import UserError
from alphazero.game import Game
from alphazero.network.architectures.resnet import build
from alphazero.network.weights import copy_weights, pack_weights
from alphazero.selfplay.workers.inline import Call, Chunk, Executor, Weights
from alphazero.selfplay.workers.shared_folder import FIRST_VOLUNTEERED, Invitation, Share
from alphazero.storage import Unreachable

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0  # between two looks into the folder
WAIT_SECONDS = 0.5  # how long collect waits at most
PUBLISH_SECONDS = 30.0  # between two weights, which may be large and the network slow
FORGET_SECONDS = 600.0  # a volunteer that sent nothing for so long does not count as a worker


class Volunteers:
    """Hands out the games that arrive in a share, each file once.

    A share that cannot be reached costs its games of that time, not the run: it is tried again.
    """

    # What is not collected stays in the share: so it may be broken off, and is not collected when
    # a run is stopped.
    plays_in_collect, is_exhausted = True, False
    replaced = 0

    def __init__(
        self,
        game: Game,
        config: Config,
        share: Share,
        run: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`run` is the run's identity."""
        self.game, self.config, self.share, self.run, self.clock = game, config, share, run, clock
        self.network = build(game, config.network)
        self.version = -1  # of the newest weights
        self.unpublished: Weights | None = None  # those that wait until it is time
        self.published_at = self.looked_at = -float("inf")
        self.queue: deque[str] = deque()  # files that were seen
        self.in_hand: set[str] = set()  # files whose games are not yet on the disk
        self.settled: set[str] = set()  # accepted or refused, but still in the folder
        self.heard: dict[str, float] = {}  # when, by the volunteer's name
        self.is_closed = False

    @property
    def workers(self) -> int:
        """Volunteers that have sent games of late."""
        since = self.clock() - FORGET_SECONDS
        return sum(heard >= since for heard in self.heard.values())

    def start(self, version: int, weights: Weights) -> None:
        """Raises UserError when the folder cannot be used or is another run's."""
        before = self.share.invitation()
        if before is not None and before.run != self.run:
            raise UserError(
                f"run.shared_folder = {self.share.location} is of another run, of {before.game}:"
                " name an empty folder"
            )
        self.share.sweep()
        self.version, self.unpublished = version, weights
        self._publish()
        self._invite(finished=False)

    def publish(self, version: int, weights: Weights) -> None:
        self.version, self.unpublished = version, weights

    def collect(self, wait: bool) -> Chunk | None:
        if self.is_closed:
            return None
        try:
            if self.clock() - self.published_at >= PUBLISH_SECONDS:
                self._publish()
            if not self.queue and self.clock() - self.looked_at >= LOOK_SECONDS:
                self._look()
            while self.queue:
                name = self.queue.popleft()
                content = self.share.read_games(name)
                try:
                    return self._accept(name, content)
                except UserError as error:
                    self._refuse(name, content, str(error))
        except Unreachable as error:
            log.warning("%s", error)
        if wait:
            time.sleep(WAIT_SECONDS)
        return None

    def close(self, for_good: bool = False) -> None:
        """Take no more games: what is in the share stays there for the next start. `for_good` tells
        the volunteers that the run is over."""
        self.is_closed = True
        if for_good:
            try:
                self._publish()
                self._invite(finished=True)
            except Unreachable as error:
                log.warning("%s", error)

    def _publish(self) -> None:
        """Write the newest weights, unless they are there."""
        self.published_at = self.clock()
        if self.unpublished is None:
            return
        copy_weights(self.unpublished, self.network)
        facts = {"run": self.run, "version": self.version}
        self.share.publish(self.version, pack_weights(self.network, self.game, facts))
        self.unpublished = None

    def _invite(self, finished: bool) -> None:
        settings = to_toml(self.config)
        self.share.invite(Invitation(self.run, self.game.spec, settings, finished))

    def _look(self) -> None:
        self.looked_at = self.clock()
        present = self.share.games()
        self.settled.intersection_update(present)
        for name in sorted(self.settled):
            self._acknowledge(name)
        self.queue.extend(name for name in present if name not in self.in_hand | self.settled)

    def _accept(self, name: str, content: bytes) -> Chunk:
        """The games of a file. Raises UserError for one that the run has no use for."""
        records, extra = unpack_shard(content, name)
        if extra.get("run") != self.run:
            raise UserError(f"the games {name} are of another run")
        if not records:
            raise UserError(f"the games {name} are none")
        for record in records:
            if record.game_id < FIRST_VOLUNTEERED or record.seed != self.config.run.seed:
                raise UserError(
                    f"game {record.game_id} of {name} has a number or a seed of another run"
                )
            if 0 < self.config.run.max_version_lag < self.version - record.version:
                raise UserError(
                    f"game {record.game_id} of {name} was played with version {record.version} of"
                    f" the weights, {self.version - record.version} behind"
                    f" (run.max_version_lag = {self.config.run.max_version_lag})"
                )
            play_moves(self.game, record)
        worker = f"{extra.get('worker', '?')} (share)"
        self.heard[worker] = self.clock()
        self.in_hand.add(name)
        return Chunk(
            Call(records[0].game_id, len(records)),
            max(record.version for record in records),
            records,
            counters(extra.get("stats")),
            worker,
            stored=functools.partial(self._acknowledge, name),
        )

    def _acknowledge(self, name: str) -> None:
        """The games of a file are on the disk; or they were, and now is another try."""
        self.in_hand.discard(name)
        self.settled.add(name)
        try:
            self.share.acknowledge(name)
            self.settled.discard(name)
        except Unreachable as error:
            log.warning("%s; its games are stored, and not counted again", error)

    def _refuse(self, name: str, content: bytes, reason: str) -> None:
        log.warning("%s; set aside in %s/refused", reason, self.share.location)
        self.settled.add(name)
        self.share.refuse(name, content, reason)
        self.settled.discard(name)


class Together:
    """Workers and volunteers as one executor."""

    is_exhausted = False

    def __init__(self, workers: Executor, volunteers: Volunteers) -> None:
        self.inner, self.volunteers = workers, volunteers
        self.plays_in_collect = workers.plays_in_collect
        self._turn = False

    @property
    def workers(self) -> int:
        return self.inner.workers + self.volunteers.workers

    @property
    def replaced(self) -> int:
        return self.inner.replaced

    def start(self, version: int, weights: Weights) -> None:
        self.volunteers.start(version, weights)
        self.inner.start(version, weights)

    def publish(self, version: int, weights: Weights) -> None:
        self.volunteers.publish(version, weights)
        self.inner.publish(version, weights)

    def collect(self, wait: bool) -> Chunk | None:
        """Whoever has something, in turns; waiting is left to the workers."""
        self._turn = not self._turn
        both: list[Executor] = [self.inner, self.volunteers]
        for executor in both[:: 1 if self._turn else -1]:
            if (chunk := executor.collect(False)) is not None:
                return chunk
        return self.inner.collect(True) if wait else None

    def close(self) -> None:
        self.volunteers.close()
        self.inner.close()


def counters(stats: Any) -> dict[str, float]:
    """What a volunteer counted, as far as it is numbers."""
    if not isinstance(stats, dict):
        return {}
    return {str(name): float(n) for name, n in stats.items() if isinstance(n, int | float)}
