"""A folder by which machines play for a run without seeing its process: weights out, games in.

run.json                              which run this is, its settings, whether it is finished
weights/weights-000000012-9f86d081.safetensors      the newest, <version>-<CRC-32 of the file>
games/3c1e5a77-000004.npz             finished games, <who>-<number>, until the learner has them
refused/3c1e5a77-000002.npz, .txt     files that were not accepted, and why

Whoever can write here is trusted: moves and results are checked, but not what a search has found.

A file of games is there until its games are on the learner's own disk; that it is gone is the
acknowledgement. Whichever side is killed at whatever moment: a file that is still there is read
again, and games that the learner has already, by their numbers, are not counted again.
"""

import contextlib
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import alphazero
from alphazero.data.record import GameRecord, pack_shard
from alphazero.errors import UserError
from alphazero.storage import Folder, open_folder

FORMAT = 1
INVITATION, WEIGHTS, GAMES, REFUSED = "run.json", "weights", "games", "refused"
WEIGHTS_NAME = re.compile(r"weights-(\d{9,})-([0-9a-f]{8})\.safetensors")
GAMES_NAME = re.compile(r"[0-9a-f]+-\d+\.npz")
WEIGHTS_KEPT = 2  # one more than is needed: somebody may be reading it
# Numbers of volunteers' games begin here; those of the run's own workers stay far below.
FIRST_VOLUNTEERED = 2**62


@dataclass(frozen=True)
class Invitation:
    """What a run tells those who may play for it."""

    run: str  # its identity
    game: str  # as `alphazero.game.load` takes it on the learner's machine
    settings: str  # TOML
    finished: bool = False
    program: str = alphazero.__version__


class Share:
    """The files of such a folder. All methods raise `alphazero.storage.Unreachable`."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.folder: Folder = open_folder(location)

    # -- what the learner does ---------------------------------------------------------------------

    def invite(self, invitation: Invitation) -> None:
        content = {"format": FORMAT, **asdict(invitation)}
        self.folder.write(INVITATION, (json.dumps(content, indent=1) + "\n").encode())

    def publish(self, version: int, content: bytes) -> None:
        """Make a weights file the newest. Those of later versions are of a future that a crash has
        undone."""
        name = f"weights-{version:09d}-{zlib.crc32(content):08x}.safetensors"
        self.folder.write(f"{WEIGHTS}/{name}", content)
        others = [other for other in self._weights() if other != name]
        undone = [other for other in others if version_of(other) >= version]
        older = [other for other in others if version_of(other) < version]
        for other in [*undone, *older[: -(WEIGHTS_KEPT - 1)]]:
            self.folder.delete(f"{WEIGHTS}/{other}")

    def games(self) -> list[str]:
        """Names of the files of games."""
        return [name for name in self.folder.names(GAMES) if GAMES_NAME.fullmatch(name)]

    def read_games(self, name: str) -> bytes:
        return self.folder.read(f"{GAMES}/{name}")

    def acknowledge(self, name: str) -> None:
        """The games are on the learner's disk."""
        self.folder.delete(f"{GAMES}/{name}")

    def refuse(self, name: str, content: bytes, reason: str) -> None:
        """Set a file aside."""
        self.folder.write(f"{REFUSED}/{name}", content)
        self.folder.write(f"{REFUSED}/{name}.txt", f"{reason}\n".encode())
        self.folder.delete(f"{GAMES}/{name}")

    def sweep(self) -> None:
        """Delete what killed writers left."""
        for folder in ("", WEIGHTS, GAMES, REFUSED):
            self.folder.sweep(folder)

    # -- what volunteers do ------------------------------------------------------------------------

    def invitation(self) -> Invitation | None:
        """What the run tells; None where none has begun. Raises UserError for what is no share of
        this program or of a newer one."""
        if INVITATION not in self.folder.names(""):
            return None
        content = self.folder.read(INVITATION)
        try:
            found = json.loads(content)
            format = int(found.pop("format"))
            if format == FORMAT:
                return Invitation(**found)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(f"{self.location}/{INVITATION} is not of a run: {error}") from error
        raise UserError(
            f"{self.location}/{INVITATION} has format {format}, this program reads {FORMAT}"
        )

    def newest_weights(self) -> str | None:
        """The name of the newest weights, if there are any."""
        return max(self._weights(), key=version_of, default=None)

    def read_weights(self, name: str) -> bytes:
        return self.folder.read(f"{WEIGHTS}/{name}")

    def hand_in(self, name: str, records: Sequence[GameRecord], extra: Mapping[str, Any]) -> None:
        assert GAMES_NAME.fullmatch(name), f"{name} is not the name of a file of games"
        self.folder.write(f"{GAMES}/{name}", pack_shard(records, extra))

    def refusals(self, names: Sequence[str]) -> dict[str, str]:
        """Why some of these files were refused, by their names."""
        there = set(self.folder.names(REFUSED)) if names else set()
        found = {}
        for name in names:
            if name in there:
                with contextlib.suppress(UserError):
                    found[name] = self.folder.read(f"{REFUSED}/{name}.txt").decode().strip()
        return found

    def _weights(self) -> list[str]:
        return [name for name in self.folder.names(WEIGHTS) if WEIGHTS_NAME.fullmatch(name)]


def version_of(name: str) -> int:
    """The version of a weights file."""
    matched = WEIGHTS_NAME.fullmatch(name)
    assert matched is not None, f"{name} is not the name of a weights file"
    return int(matched[1])
