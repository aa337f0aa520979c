"""The shared folder of a run: weights out, games in, for machines that see nothing else of it.

run.json                              the run's id, its settings, whether it is finished
weights/weights-000000012-9f86d081.safetensors      the newest, <version>-<CRC-32 of the file>
games/3c1e5a77-000004.npz             finished games, <contributor>-<number>, not yet stored
refused/3c1e5a77-000002.npz, .txt     files that were rejected, and why

`SharedFolder` reads and writes these files, `SharedFolderExecutor` is the learner's side and
`alphazero.run.contribute` the contributor's. Whoever can write here is trusted: moves and results
are checked, search results are not.

A file of games stays until its games are on the learner's own disk; its deletion is the
acknowledgement. Whichever side is killed at any moment: a file that is still there is read again,
and games whose ids the learner has already are not counted again.
"""

import contextlib
import functools
import json
import logging
import re
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import alphazero
from alphazero.config import Config, to_toml
from alphazero.data.record import GameRecord, pack_shard, unpack_shard
from alphazero.data.replay import play_moves
from alphazero.errors import UserError
from alphazero.game import Game
from alphazero.network.registry import build
from alphazero.network.weights import copy_weights, pack_weights
from alphazero.selfplay.workers.executor import GameBatch, Weights, WorkItem
from alphazero.storage import Folder, Unreachable, open_folder

log = logging.getLogger(__name__)

FORMAT = 1
INVITATION, WEIGHTS, GAMES, REFUSED = "run.json", "weights", "games", "refused"
WEIGHTS_NAME = re.compile(r"weights-(\d{9,})-([0-9a-f]{8})\.safetensors")
GAMES_NAME = re.compile(r"[0-9a-f]+-\d+\.npz")
WEIGHTS_KEPT = 2  # a contributor may still be reading the file before the newest
# Contributed games have ids from here on; those of the run's own workers stay far below.
FIRST_CONTRIBUTED = 2**62

LOOK_SECONDS = 2.0  # between two listings of the folder
WAIT_SECONDS = 0.5  # longest wait of collect
PUBLISH_SECONDS = 30.0  # between two uploads of weights, which may be large and the network slow
FORGET_SECONDS = 600.0  # a contributor silent for longer does not count as a worker


@dataclass(frozen=True)
class Invitation:
    """Facts of a run that contributors need: the content of run.json."""

    run: str  # its id
    game: str  # spec of the game on the learner's machine
    settings: str  # TOML
    finished: bool = False
    program: str = alphazero.__version__


class SharedFolder:
    """The files of the folder. All methods may raise `alphazero.storage.Unreachable`."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.files: Folder = open_folder(location)

    # -- the learner's side ------------------------------------------------------------------------

    def invite(self, invitation: Invitation) -> None:
        """Write run.json."""
        content = {"format": FORMAT, **asdict(invitation)}
        self.files.write(INVITATION, (json.dumps(content, indent=1) + "\n").encode())

    def publish(self, version: int, content: bytes) -> None:
        """Upload weights and make them the newest. Files of later versions are deleted: a crash has
        set the run back."""
        name = f"weights-{version:09d}-{zlib.crc32(content):08x}.safetensors"
        self.files.write(f"{WEIGHTS}/{name}", content)
        others = [other for other in self._weights() if other != name]
        undone = [other for other in others if version_of(other) >= version]
        older = [other for other in others if version_of(other) < version]
        for other in [*undone, *older[: -(WEIGHTS_KEPT - 1)]]:
            self.files.delete(f"{WEIGHTS}/{other}")

    def games(self) -> list[str]:
        """List the files of games."""
        return [name for name in self.files.names(GAMES) if GAMES_NAME.fullmatch(name)]

    def read_games(self, name: str) -> bytes:
        """Read a file of games."""
        return self.files.read(f"{GAMES}/{name}")

    def acknowledge(self, name: str) -> None:
        """Delete a file whose games are on the learner's disk."""
        self.files.delete(f"{GAMES}/{name}")

    def refuse(self, name: str, content: bytes, reason: str) -> None:
        """Move a file to refused/, with the reason."""
        self.files.write(f"{REFUSED}/{name}", content)
        self.files.write(f"{REFUSED}/{name}.txt", f"{reason}\n".encode())
        self.files.delete(f"{GAMES}/{name}")

    def sweep(self) -> None:
        """Delete the leftovers of killed writers."""
        for folder in ("", WEIGHTS, GAMES, REFUSED):
            self.files.sweep(folder)

    # -- the contributor's side --------------------------------------------------------------------

    def invitation(self) -> Invitation | None:
        """Read run.json; None if no run has begun. Raises UserError for an unknown format."""
        if INVITATION not in self.files.names(""):
            return None
        content = self.files.read(INVITATION)
        try:
            found = json.loads(content)
            format = int(found.pop("format"))
            if format == FORMAT:
                return Invitation(**found)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(
                f"{self.location}/{INVITATION} is not the description of a run: {error}"
            ) from error
        raise UserError(
            f"{self.location}/{INVITATION} has format {format}, this program reads {FORMAT}"
        )

    def newest_weights(self) -> str | None:
        """Return the name of the newest weights; None without any."""
        return max(self._weights(), key=version_of, default=None)

    def read_weights(self, name: str) -> bytes:
        """Read a weights file."""
        return self.files.read(f"{WEIGHTS}/{name}")

    def upload(self, name: str, records: Sequence[GameRecord], extra: Mapping[str, Any]) -> None:
        """Write a file of games."""
        assert GAMES_NAME.fullmatch(name), f"{name} is not the name of a file of games"
        self.files.write(f"{GAMES}/{name}", pack_shard(records, extra))

    def refusals(self, names: Sequence[str]) -> dict[str, str]:
        """Return the reasons for those of these files that were refused, by name."""
        there = set(self.files.names(REFUSED)) if names else set()
        found = {}
        for name in names:
            if name in there:
                with contextlib.suppress(UserError):
                    found[name] = self.files.read(f"{REFUSED}/{name}.txt").decode().strip()
        return found

    def _weights(self) -> list[str]:
        return [name for name in self.files.names(WEIGHTS) if WEIGHTS_NAME.fullmatch(name)]


def version_of(name: str) -> int:
    """Return the version in the name of a weights file."""
    matched = WEIGHTS_NAME.fullmatch(name)
    assert matched is not None, f"{name} is not the name of a weights file"
    return int(matched[1])


class SharedFolderExecutor:
    """Collects the games that arrive in a shared folder, each file once.

    While the folder cannot be reached, no games arrive; the run continues and tries again.
    """

    # Uncollected games stay in the folder, so collecting may be interrupted at any moment.
    interruptible, is_exhausted = True, False
    replaced = 0

    def __init__(
        self,
        game: Game,
        config: Config,
        folder: SharedFolder,
        run: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`run` is the run's id."""
        self.game, self.config, self.folder, self.run, self.clock = game, config, folder, run, clock
        self.network = build(game, config.network)
        self.version = -1  # of the newest weights
        self.unpublished: Weights | None = None  # waiting for the next upload
        self.published_at = self.looked_at = -float("inf")
        self.queue: deque[str] = deque()  # files to read
        self.in_hand: set[str] = set()  # files whose games are not yet on the disk
        self.settled: set[str] = set()  # accepted or refused, but not deleted yet
        self.last_seen: dict[str, float] = {}  # time of the last games, by contributor
        self.is_closed = False

    @property
    def workers(self) -> int:
        """Contributors that sent games in the last FORGET_SECONDS."""
        since = self.clock() - FORGET_SECONDS
        return sum(seen >= since for seen in self.last_seen.values())

    def start(self, version: int, weights: Weights) -> None:
        """Upload run.json and weights. Raises UserError for a folder of another run."""
        before = self.folder.invitation()
        if before is not None and before.run != self.run:
            raise UserError(
                f"run.shared_folder = {self.folder.location} belongs to another run,"
                f" of {before.game}: name an empty folder"
            )
        self.folder.sweep()
        self.version, self.unpublished = version, weights
        self._publish()
        self._invite(finished=False)

    def publish(self, version: int, weights: Weights) -> None:
        self.version, self.unpublished = version, weights

    def collect(self, wait: bool) -> GameBatch | None:
        if self.is_closed:
            return None
        try:
            if self.clock() - self.published_at >= PUBLISH_SECONDS:
                self._publish()
            if not self.queue and self.clock() - self.looked_at >= LOOK_SECONDS:
                self._look()
            while self.queue:
                name = self.queue.popleft()
                content = self.folder.read_games(name)
                try:
                    return self._accept(name, content)
                except UserError as error:
                    self._refuse(name, content, str(error))
        except Unreachable as error:
            log.warning("%s", error)
        if wait:
            time.sleep(WAIT_SECONDS)
        return None

    def drain(self) -> Iterator[GameBatch]:
        return iter(())

    def close(self, finished: bool = False) -> None:
        """Accept no more games: files in the folder stay there for the next start. `finished` tells
        contributors that the run is over."""
        was_closed, self.is_closed = self.is_closed, True
        if finished and not was_closed:
            try:
                self._publish()
                self._invite(finished=True)
            except Unreachable as error:
                log.warning("%s", error)

    def _publish(self) -> None:
        """Upload the newest weights unless they are there already."""
        self.published_at = self.clock()
        if self.unpublished is None:
            return
        copy_weights(self.unpublished, self.network)
        facts = {"run": self.run, "version": self.version}
        self.folder.publish(self.version, pack_weights(self.network, self.game, facts))
        self.unpublished = None

    def _invite(self, finished: bool) -> None:
        settings = to_toml(self.config)
        self.folder.invite(Invitation(self.run, self.game.spec, settings, finished))

    def _look(self) -> None:
        self.looked_at = self.clock()
        present = self.folder.games()
        self.settled.intersection_update(present)
        for name in sorted(self.settled):
            self._acknowledge(name)
        self.queue.extend(name for name in present if name not in self.in_hand | self.settled)

    def _accept(self, name: str, content: bytes) -> GameBatch:
        """Check the games of a file. Raises UserError for one that does not fit the run."""
        records, extra = unpack_shard(content, name)
        if extra.get("run") != self.run:
            raise UserError(f"the games {name} belong to another run")
        if not records:
            raise UserError(f"the file {name} holds no games")
        for record in records:
            if record.game_id < FIRST_CONTRIBUTED or record.seed != self.config.run.seed:
                raise UserError(
                    f"game {record.game_id} of {name} has an id or a seed of another run"
                )
            if 0 < self.config.run.max_version_lag < self.version - record.version:
                raise UserError(
                    f"game {record.game_id} of {name} was played with version {record.version} of"
                    f" the weights, {self.version - record.version} behind"
                    f" (run.max_version_lag = {self.config.run.max_version_lag})"
                )
            play_moves(self.game, record)
        worker = f"{extra.get('worker', '?')} (share)"
        self.last_seen[worker] = self.clock()
        self.in_hand.add(name)
        return GameBatch(
            WorkItem(records[0].game_id, len(records)),
            max(record.version for record in records),
            records,
            counters(extra.get("stats")),
            worker,
            acknowledge=functools.partial(self._acknowledge, name),
        )

    def _acknowledge(self, name: str) -> None:
        """Delete a file whose games are on the disk; try again later if that fails."""
        self.in_hand.discard(name)
        self.settled.add(name)
        try:
            self.folder.acknowledge(name)
            self.settled.discard(name)
        except Unreachable as error:
            log.warning("%s; its games are stored and will not be counted again", error)

    def _refuse(self, name: str, content: bytes, reason: str) -> None:
        log.warning("%s; moved to %s/refused", reason, self.folder.location)
        self.settled.add(name)
        self.folder.refuse(name, content, reason)
        self.settled.discard(name)


def counters(stats: Any) -> dict[str, float]:
    """Return a contributor's counters, without values that are not numbers."""
    if not isinstance(stats, dict):
        return {}
    return {str(name): float(n) for name, n in stats.items() if isinstance(n, int | float)}
