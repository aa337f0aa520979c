"""The store: a run's finished games on disk, as a folder of shards with an index.

shard-000000000000-main-000000.npz     <id of the first game>-<writer>-<sequence>
shard-000000000064-main-000001.npz
index.jsonl                            one line per shard
quarantine/                            damaged shards
"""

import bisect
import itertools
import json
import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from alphazero.data.record import DamagedShard, GameRecord, read_shard, write_shard
from alphazero.errors import UserError
from alphazero.files import atomic_write, sweep_temporaries

log = logging.getLogger(__name__)

SHARD_NAME = re.compile(r"shard-(\d+)-(\w+)-(\d+)\.npz")
INDEX_NAME = "index.jsonl"


@dataclass
class Shard:
    """One line of the index: the contents of one file of the store."""

    name: str
    size: int  # bytes
    ids: list[int]
    positions: list[int]  # training positions of every game
    lost: bool = False  # the file is damaged or gone; its games keep their numbers

    @property
    def order(self) -> tuple[int, str]:
        """(sequence, writer): shards sorted by it are in the order of writing."""
        matched = SHARD_NAME.fullmatch(self.name)
        assert matched is not None, f"{self.name} is not the name of a shard"
        return int(matched[3]), matched[2]


class Store:
    """An append-only folder of shards; the disk is the truth.

    Games are numbered 0, 1, 2, ... in the order they were appended. The numbers never change, so
    that a checkpoint can say how far it has read. (With several writers at once, the order is that
    of the shards when the store is opened.) `index.jsonl` only saves reading every file at the
    start; it is rebuilt from them when it is missing or wrong. Appending takes constant time,
    however many shards there are.
    """

    def __init__(self, directory: Path | str, writer: str = "main") -> None:
        """Open or create a folder; `writer` tells the files of concurrent writers apart.

        Deletes the leftovers of killed writers and moves damaged shards to `quarantine/`.
        """
        assert re.fullmatch(r"\w+", writer), f"{writer!r} cannot be part of a file name"
        self.directory = Path(directory)
        self.writer = writer
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot make the folder {directory}: {error.strerror}") from error
        sweep_temporaries(self.directory)
        self.shards = self._open_shards()
        self._next_sequence = max((shard.order[0] for shard in self.shards), default=-1) + 1
        # Number of the first game of every shard, then the number of games.
        self._starts = [0, *itertools.accumulate(len(shard.ids) for shard in self.shards)]
        self._index_ids()

    def __len__(self) -> int:
        """Number of games, those of lost shards included."""
        return self._starts[-1]

    def __contains__(self, game_id: int) -> bool:
        return game_id in self._ids

    @property
    def positions(self) -> list[int]:
        """Training positions of every game, by its number."""
        return [count for shard in self.shards for count in shard.positions]

    def append(self, records: Sequence[GameRecord]) -> list[GameRecord]:
        """Write the new ones of these games into one file and return them once they are on disk.

        A game whose id is in the store already is a copy and is left out. Raises UserError when the
        games cannot be written; then none of them is.
        """
        new = {record.game_id: record for record in records if record.game_id not in self._ids}
        if not new:
            return []
        kept = list(new.values())
        name = f"shard-{min(new):012d}-{self.writer}-{self._next_sequence:06d}.npz"
        write_shard(self.directory / name, kept)
        shard = make_shard(self.directory / name, kept)
        self.shards.append(shard)
        self._starts.append(self._starts[-1] + len(kept))
        self._next_sequence += 1
        self._ids.update(new)
        try:
            with (self.directory / INDEX_NAME).open("a") as file:
                file.write(json.dumps(asdict(shard)) + "\n")
        except OSError as error:
            log.warning("cannot add to the index of %s: %s", self.directory, error.strerror)
        return kept

    def records(self, first: int = 0, last: int | None = None) -> Iterator[GameRecord]:
        """Yield the games numbered from first up to but excluding last, each id once.

        A shard that turns out to be damaged is moved to quarantine with a warning; its games are
        left out.
        """
        last = len(self) if last is None else min(last, len(self))
        for at in range(max(bisect.bisect_right(self._starts, first) - 1, 0), len(self.shards)):
            shard, start = self.shards[at], self._starts[at]
            if start >= last:
                break
            if shard.lost:
                continue
            try:
                records = read_shard(self.directory / shard.name)
            except DamagedShard as error:
                self._quarantine(shard.name, error)
                shard.lost = True
                self._index_ids()
                self._write_index(self.shards)
                continue
            for number, record in enumerate(records, start):
                if first <= number < last and number not in self._copies:
                    yield record

    def __iter__(self) -> Iterator[GameRecord]:
        return self.records()

    def _index_ids(self) -> None:
        """Collect the ids in the store, and the numbers of the games that repeat an earlier id."""
        self._ids: set[int] = set()
        self._copies: set[int] = set()
        for shard, start in zip(self.shards, self._starts, strict=False):
            for number, game_id in enumerate([] if shard.lost else shard.ids, start):
                (self._copies.add(number) if game_id in self._ids else self._ids.add(game_id))

    def _open_shards(self) -> list[Shard]:
        """Return the shards of the folder in order; files missing in the index are read."""
        known = read_index(self.directory / INDEX_NAME)
        shards: dict[str, Shard] = {}
        for path in sorted(self.directory.glob("shard-*.npz")):
            if not SHARD_NAME.fullmatch(path.name):
                continue
            shard = known.get(path.name)
            if shard is None or shard.lost or shard.size != path.stat().st_size:
                try:
                    shard = make_shard(path, read_shard(path))
                except DamagedShard as error:
                    self._quarantine(path.name, error)
                    continue
            shards[path.name] = shard
        for name in known.keys() - shards.keys():
            if not known[name].lost:
                log.warning("%s: the games %s are gone", self.directory, name)
            shards[name] = replace(known[name], lost=True)
        ordered = sorted(shards.values(), key=lambda shard: shard.order)
        if ordered != sorted(known.values(), key=lambda shard: shard.order):
            self._write_index(ordered)
        return ordered

    def _quarantine(self, name: str, error: Exception) -> None:
        log.warning("%s; moved to %s", error, self.directory / "quarantine")
        try:
            (self.directory / "quarantine").mkdir(exist_ok=True)
            os.replace(self.directory / name, self.directory / "quarantine" / name)
        except OSError as problem:
            raise UserError(f"{error}; cannot move it away: {problem.strerror}") from problem

    def _write_index(self, shards: Sequence[Shard]) -> None:
        lines = [json.dumps(asdict(shard)) + "\n" for shard in shards]
        atomic_write(self.directory / INDEX_NAME, "".join(lines).encode())


def make_shard(path: Path, records: Sequence[GameRecord]) -> Shard:
    """Make the index entry of a shard."""
    ids = [record.game_id for record in records]
    return Shard(path.name, path.stat().st_size, ids, [record.positions for record in records])


def read_index(path: Path) -> dict[str, Shard]:
    """Read the valid lines of an index by shard name; the last line of a name wins."""
    shards = {}
    lines = path.read_bytes().splitlines() if path.exists() else []
    for line in lines:
        try:
            shard = Shard(**json.loads(line))
            if not SHARD_NAME.fullmatch(shard.name) or len(shard.ids) != len(shard.positions):
                raise ValueError(f"{shard.name} is not a line of an index")
        except (ValueError, TypeError):
            log.warning("%s has an unreadable line: reading the games instead", path)
            continue
        shards[shard.name] = shard
    return shards
