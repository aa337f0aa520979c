"""The contributor's side of a shared folder: `python -m alphazero join FOLDER`.

A contributor takes the run's settings and newest weights from the folder, plays games with ids of
its own and uploads them in files (see `alphazero.selfplay.workers.shared_folder`). The number of
files that the learner has not stored yet is bounded: without a learner it stops playing after a
while. Killing it costs only the games not yet uploaded.
"""

import contextlib
import logging
import os
import secrets
import socket
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import alphazero
from alphazero.config import Config, load_config
from alphazero.data.record import GameRecord, same_game
from alphazero.errors import UserError
from alphazero.game import load, load_recorded
from alphazero.network.weights import load_weights, weights_of
from alphazero.run.interrupt import Interrupt
from alphazero.run.log_throttle import LogThrottle
from alphazero.selfplay.workers.executor import Executor, GameBatch, Weights, WorkItem
from alphazero.selfplay.workers.factory import make_workers, warm_up
from alphazero.selfplay.workers.inline import StreamingExecutor
from alphazero.selfplay.workers.shared_folder import (
    FIRST_CONTRIBUTED,
    Invitation,
    SharedFolder,
    version_of,
)
from alphazero.storage import Unreachable

log = logging.getLogger(__name__)

GAMES_PER_FILE = 64  # about; fewer after UPLOAD_SECONDS
UPLOAD_SECONDS = 30.0
MOST_WAITING = 64  # files that the learner has not stored yet
CONTACT_SECONDS = 5.0  # between two checks for new weights, or for a run that has not begun
REPORT_SECONDS = 60.0


@dataclass
class Contribution:
    """Result of a contribute session, in games."""

    games: int = 0  # finished
    uploaded: int = 0
    accepted: int = 0  # on the learner's disk
    refused: int = 0
    version: int = -1  # of the newest weights
    ended: str = "stopped"  # reason of the end


@dataclass
class Outbox:
    """Finished games on their way to the learner."""

    folder: SharedFolder
    run: str
    result: Contribution
    clock: Callable[[], float] = time.monotonic
    records: list[GameRecord] = field(default_factory=list)  # not uploaded yet
    since: float = 0.0  # time of the first of them
    stats: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    waiting: dict[str, int] = field(
        default_factory=dict
    )  # games by file, not stored by the learner
    files: int = 0
    name: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def is_full(self) -> bool:
        """True while playing must wait for the learner."""
        return len(self.waiting) >= MOST_WAITING or len(self.records) >= 2 * GAMES_PER_FILE

    @property
    def is_due(self) -> bool:
        """True if there are games to upload now."""
        late = bool(self.records) and self.clock() - self.since >= UPLOAD_SECONDS
        return len(self.records) >= GAMES_PER_FILE or late

    def add(self, batch: GameBatch) -> None:
        """Add finished games."""
        if not self.records:
            self.since = self.clock()
        self.records += batch.records
        self.result.games += len(batch.records)
        for name, count in batch.stats.items():
            self.stats[name] += count

    def upload(self) -> None:
        """Upload the games as one file. Raises Unreachable and keeps them for the next try then."""
        if not self.records:
            return
        name = f"{self.name}-{self.files:06d}.npz"
        worker = f"{socket.gethostname()}:{os.getpid()}"
        facts = {"run": self.run, "worker": worker, "stats": self.stats}
        self.folder.upload(name, self.records, facts)
        self.waiting[name] = len(self.records)
        self.result.uploaded += len(self.records)
        self.files += 1
        self.records, self.stats = [], defaultdict(float)

    def settle(self) -> None:
        """Count the files that the learner has stored or refused. Raises Unreachable."""
        gone = sorted(self.waiting.keys() - set(self.folder.games())) if self.waiting else []
        refusals = self.folder.refusals(gone)
        for name in gone:
            games = self.waiting.pop(name)
            if name in refusals:
                self.result.refused += games
                log.warning("%s was refused: %s", name, refusals[name])
            else:
                self.result.accepted += games


class Contributor:
    """One machine that plays for a run; `say` receives its messages."""

    def __init__(
        self,
        location: str,
        *,
        game: str = "",
        device: str = "auto",
        workers: int | str = 0,
        say: Callable[[str], None],
    ) -> None:
        """`game` replaces the run's own, and must be given if that is a file."""
        self.folder = SharedFolder(location)
        self.game, self.device, self.workers, self.say = game, device, workers, say
        self.result = Contribution()
        self.weights_name = ""

    def play(self, games: int = 0) -> Contribution:
        """Play until a signal, the end of the run, or at least `games` games if not 0.

        Raises UserError when the folder, its settings or its game cannot be used.
        """
        with LogThrottle(self.say), Interrupt() as interrupt:
            invitation = self._await_run(interrupt)
            if invitation is None:
                return self.result
            self.say(f"playing {invitation.game} for the run {invitation.run}")
            if invitation.program != alphazero.__version__:
                self.say(f"the run uses version {invitation.program} of this program")
            config = self._settings(invitation)
            weights = self._await_weights(interrupt, config)
            if weights is None:
                return self.result
            warm_up(config, self.say)
            work = contributed_items(config.self_play.games_per_work_item)
            executor = make_workers(config, work, "local", inline=StreamingExecutor)
            with contextlib.closing(executor):
                executor.start(self.result.version, weights)
                if not interrupt.requested:
                    with Interrupt() as again:  # Ray sets handlers of its own
                        self._play(executor, invitation.run, config, again, games)
        return self.result

    def _play(
        self, executor: Executor, run: str, config: Config, interrupt: Interrupt, games: int
    ) -> None:
        outbox = Outbox(self.folder, run, self.result)
        contact_at, report_at = time.monotonic() + CONTACT_SECONDS, time.monotonic()
        reachable = True
        while not interrupt.requested and not 0 < games <= self.result.games:
            batch = None
            if outbox.is_full:
                time.sleep(min(1.0, CONTACT_SECONDS))
            elif executor.interruptible:
                batch = interrupt.run_abortable(lambda: executor.collect(True))
            else:
                batch = executor.collect(True)
            if batch is not None:
                outbox.add(batch)
            if time.monotonic() >= report_at:
                report_at = time.monotonic() + REPORT_SECONDS
                self.say(describe(self.result, outbox))
            if (outbox.is_due and reachable) or time.monotonic() >= contact_at:
                contact_at = time.monotonic() + CONTACT_SECONDS
                try:
                    if not self._contact(executor, outbox, config):
                        return
                    reachable = True
                except Unreachable as error:
                    reachable = False
                    log.warning("%s: trying again", error)
        for batch in executor.drain():
            outbox.add(batch)
        try:
            outbox.upload()
            outbox.settle()
        except Unreachable as error:
            log.warning("%s: %d games are lost", error, len(outbox.records))

    def _contact(self, executor: Executor, outbox: Outbox, config: Config) -> bool:
        """Upload what is due and fetch new weights; return whether the run still needs games."""
        invitation = self.folder.invitation()
        if invitation is None or invitation.run != outbox.run:
            self.result.ended = "the folder belongs to another run now"
            return False
        outbox.settle()
        if invitation.finished:
            self.result.ended = "the run is finished"
            return False
        if outbox.is_due:
            outbox.upload()
        try:
            weights = self._new_weights(config)
        except Unreachable:
            raise
        except UserError as error:  # such as a damaged file: wait for the next weights
            log.warning("%s", error)
            return True
        if weights is not None:
            executor.publish(self.result.version, weights)
        return True

    # -- settings and weights of the run -----------------------------------------------------------

    def _await_run(self, interrupt: Interrupt) -> Invitation | None:
        announced = False
        while not interrupt.requested:
            invitation = self.folder.invitation()
            if invitation is not None and not invitation.finished:
                return invitation
            if not announced:
                why = "has no run yet" if invitation is None else "holds a run that is finished"
                self.say(f"{self.folder.location} {why}: waiting for one")
                announced = True
            time.sleep(CONTACT_SECONDS)
        return None

    def _settings(self, invitation: Invitation) -> Config:
        """Return the run's settings, with those of this machine.

        Whoever can write in the folder chooses the run's game, so a path in it is not executed:
        the user of this machine names the file. Raises UserError.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "settings.toml"
            path.write_text(invitation.settings, encoding="utf-8")
            config = load_config(path)
        try:
            spec = load_recorded(config.game, self.game or None).spec
        except UserError as error:
            raise UserError(
                f"the run plays {config.game}, which is not here ({error}): --game says where it is"
            ) from error
        if not same_game(spec, invitation.game):
            raise UserError(f"the run plays {invitation.game}, not {spec}")
        run = replace(
            config.run, device=self.device, workers=self.workers, shared_folder="", directory=""
        )
        return replace(config, game=spec, run=run)

    def _await_weights(self, interrupt: Interrupt, config: Config) -> Weights | None:
        while not interrupt.requested:
            try:
                weights = self._new_weights(config)
                if weights is not None:
                    return weights
            except Unreachable as error:
                log.warning("%s: trying again", error)
            time.sleep(CONTACT_SECONDS)
        return None

    def _new_weights(self, config: Config) -> Weights | None:
        """Fetch the newest weights if they have changed; None otherwise. Their version may be lower
        than before, after a crash of the learner. Raises Unreachable."""
        name = self.folder.newest_weights()
        if name is None or name == self.weights_name:
            return None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(self.folder.read_weights(name))
            network, _ = load_weights(path, load(config.game))
        if network.config != config.network:
            raise UserError(f"{name} is a network of {network.config}, not of {config.network}")
        self.weights_name, self.result.version = name, version_of(name)
        return weights_of(network)


def contributed_items(games: int) -> Iterator[WorkItem]:
    """Yield work items with random ids among the 2^62 of contributors.

    The ids are not coordinated: two items of 16 games overlap with probability 32 / 2^62, so among
    10^8 games none do with probability 99.98 %.
    """
    while True:
        yield WorkItem(FIRST_CONTRIBUTED + secrets.randbelow(2**62 - games), games)


def describe(result: Contribution, outbox: Outbox) -> str:
    """Format the progress of a session as one line."""
    text = (
        f"{result.games:,} games, {result.accepted:,} accepted, version {result.version},"
        f" {len(outbox.waiting)} files waiting"
    )
    return f"{text}: paused until the learner stores some" if outbox.is_full else text
