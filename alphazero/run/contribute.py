"""Playing for a run by way of a shared folder alone: `python -m alphazero join FOLDER`.

A volunteer takes the run's settings and newest weights from the folder, plays games of its own
numbers and leaves them there in files (see `alphazero.selfplay.workers.shared_folder`). What it has
handed in but the learner has not yet stored is bounded: without a learner it stops playing after a
while. It may be killed at any time, which costs the games it has not handed in.
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
from alphazero.data.record import GameRecord
from alphazero.data.replay import same_game
from alphazero.errors import UserError
from alphazero.game import load
from alphazero.network.weights import load_weights, weights_of
from alphazero.run.log_throttle import Journal
from alphazero.run.loop import Interrupt, make_workers, warm_up
from alphazero.selfplay.workers.inline import Call, Chunk, Executor, StreamingExecutor, Weights
from alphazero.selfplay.workers.shared_folder import (
    FIRST_VOLUNTEERED,
    Invitation,
    Share,
    version_of,
)
from alphazero.storage import Unreachable

log = logging.getLogger(__name__)

GAMES_PER_FILE = 64  # about; fewer when they have waited for
HAND_IN_SECONDS = 30.0
MOST_WAITING = 64  # files that the learner has not yet taken
CONTACT_SECONDS = 5.0  # between two looks for new weights, or for a run that has not begun
REPORT_SECONDS = 60.0


@dataclass
class Joined:
    """What a volunteer came to."""

    games: int = 0  # that were played to their end
    handed_in: int = 0
    accepted: int = 0  # of them: are on the learner's disk
    refused: int = 0
    version: int = -1  # of the weights last played with
    ended: str = "stopped"  # why


@dataclass
class Outbox:
    """Finished games on their way to the learner."""

    share: Share
    run: str
    joined: Joined
    clock: Callable[[], float] = time.monotonic
    records: list[GameRecord] = field(default_factory=list)  # not yet handed in
    since: float = 0.0  # when the first of them came
    stats: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    waiting: dict[str, int] = field(default_factory=dict)  # games by file, not yet taken
    files: int = 0
    name: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def is_full(self) -> bool:
        return len(self.waiting) >= MOST_WAITING or len(self.records) >= 2 * GAMES_PER_FILE

    @property
    def is_due(self) -> bool:
        late = bool(self.records) and self.clock() - self.since >= HAND_IN_SECONDS
        return len(self.records) >= GAMES_PER_FILE or late

    def add(self, chunk: Chunk) -> None:
        if not self.records:
            self.since = self.clock()
        self.records += chunk.records
        self.joined.games += len(chunk.records)
        for name, count in chunk.stats.items():
            self.stats[name] += count

    def hand_in(self) -> None:
        """Raises Unreachable, and then all is as before: the same file is written the next time."""
        if not self.records:
            return
        name = f"{self.name}-{self.files:06d}.npz"
        worker = f"{socket.gethostname()}:{os.getpid()}"
        facts = {"run": self.run, "worker": worker, "stats": self.stats}
        self.share.hand_in(name, self.records, facts)
        self.waiting[name] = len(self.records)
        self.joined.handed_in += len(self.records)
        self.files += 1
        self.records, self.stats = [], defaultdict(float)

    def settle(self) -> None:
        """See what the learner has taken. Raises Unreachable."""
        gone = sorted(self.waiting.keys() - set(self.share.games())) if self.waiting else []
        refusals = self.share.refusals(gone)
        for name in gone:
            games = self.waiting.pop(name)
            if name in refusals:
                self.joined.refused += games
                log.warning("%s was refused: %s", name, refusals[name])
            else:
                self.joined.accepted += games


class Volunteer:
    """One machine that plays for a run; `say` hears what it does."""

    def __init__(
        self,
        location: str,
        *,
        game: str = "",
        device: str = "auto",
        workers: int | str = 0,
        say: Callable[[str], None],
    ) -> None:
        """`game` stands for the run's own, where that is a file of another machine."""
        self.share = Share(location)
        self.game, self.device, self.workers, self.say = game, device, workers, say
        self.joined = Joined()
        self.weights_name = ""

    def play(self, games: int = 0) -> Joined:
        """Until a signal, the end of the run, or at least so many games if not 0.

        Raises UserError when the folder, its settings or its game cannot be used.
        """
        with Journal(self.say), Interrupt() as interrupt:
            invitation = self._await_run(interrupt)
            if invitation is None:
                return self.joined
            self.say(f"playing {invitation.game} for the run {invitation.run}")
            if invitation.program != alphazero.__version__:
                self.say(f"the run uses version {invitation.program} of this program")
            config = self._settings(invitation)
            weights = self._await_weights(interrupt, config)
            if weights is None:
                return self.joined
            warm_up(config, self.say)
            calls = volunteered_calls(config.self_play.games_per_work_item)
            executor = make_workers(config, calls, "local", inline=StreamingExecutor)
            with contextlib.closing(executor):
                executor.start(self.joined.version, weights)
                if not interrupt.requested:
                    with Interrupt() as again:  # Ray sets handlers of its own
                        self._play(executor, invitation.run, config, again, games)
        return self.joined

    def _play(
        self, executor: Executor, run: str, config: Config, interrupt: Interrupt, games: int
    ) -> None:
        outbox = Outbox(self.share, run, self.joined)
        collect = executor.collect
        if executor.plays_in_collect:
            collect = interrupt.giving_up(collect)
        contact_at, report_at = time.monotonic() + CONTACT_SECONDS, time.monotonic()
        reachable = True
        while not interrupt.requested and not 0 < games <= self.joined.games:
            chunk = None
            if outbox.is_full:
                time.sleep(min(1.0, CONTACT_SECONDS))
            else:
                chunk = collect(True)
            if chunk is not None:
                outbox.add(chunk)
            if time.monotonic() >= report_at:
                report_at = time.monotonic() + REPORT_SECONDS
                self.say(describe(self.joined, outbox))
            if (outbox.is_due and reachable) or time.monotonic() >= contact_at:
                contact_at = time.monotonic() + CONTACT_SECONDS
                try:
                    if not self._contact(executor, outbox, config):
                        return
                    reachable = True
                except Unreachable as error:
                    reachable = False
                    log.warning("%s: trying again", error)
        while not executor.plays_in_collect and (chunk := executor.collect(False)) is not None:
            outbox.add(chunk)
        try:
            outbox.hand_in()
            outbox.settle()
        except Unreachable as error:
            log.warning("%s: %d games are lost", error, len(outbox.records))

    def _contact(self, executor: Executor, outbox: Outbox, config: Config) -> bool:
        """Hand in what is due and take new weights; whether the run still wants games."""
        invitation = self.share.invitation()
        if invitation is None or invitation.run != outbox.run:
            self.joined.ended = "the folder is another run's now"
            return False
        outbox.settle()
        if invitation.finished:
            self.joined.ended = "the run is finished"
            return False
        if outbox.is_due:
            outbox.hand_in()
        try:
            weights = self._new_weights(config)
        except Unreachable:
            raise
        except UserError as error:  # a damaged file, say: the next ones will do
            log.warning("%s", error)
            return True
        if weights is not None:
            executor.publish(self.joined.version, weights)
        return True

    # -- what the run says -------------------------------------------------------------------------

    def _await_run(self, interrupt: Interrupt) -> Invitation | None:
        told = False
        while not interrupt.requested:
            invitation = self.share.invitation()
            if invitation is not None and not invitation.finished:
                return invitation
            if not told:
                why = "has no run yet" if invitation is None else "holds a run that is finished"
                self.say(f"{self.share.location} {why}: waiting for one")
                told = True
            time.sleep(CONTACT_SECONDS)
        return None

    def _settings(self, invitation: Invitation) -> Config:
        """The run's settings, with what is this machine's own."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "settings.toml"
            path.write_text(invitation.settings, encoding="utf-8")
            config = load_config(path)
        try:
            spec = load(self.game or config.game).spec
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
        """The newest weights, if they are others than before: not always later ones, for a learner
        that was killed goes on from its last checkpoint. Raises Unreachable."""
        name = self.share.newest_weights()
        if name is None or name == self.weights_name:
            return None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(self.share.read_weights(name))
            network, _ = load_weights(path, load(config.game))
        if network.config != config.network:
            raise UserError(f"{name} is a network of {network.config}, not of {config.network}")
        self.weights_name, self.joined.version = name, version_of(name)
        return weights_of(network)


def volunteered_calls(games: int) -> Iterator[Call]:
    """Calls of so many games, numbered from anywhere among the volunteers' 2^62 numbers.

    Nobody keeps a list of who takes which. Of 10^8 games in calls of 16, any two calls of which
    share a number with a chance of 32 in 2^62, none does with 99.98 %.
    """
    while True:
        yield Call(FIRST_VOLUNTEERED + secrets.randbelow(2**62 - games), games)


def describe(joined: Joined, outbox: Outbox) -> str:
    text = (
        f"{joined.games:,} games, {joined.accepted:,} accepted, version {joined.version},"
        f" {len(outbox.waiting)} files wait"
    )
    return f"{text}: playing no more until the learner takes some" if outbox.is_full else text
