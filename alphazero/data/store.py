"""The games of a run on disk: a folder of shards and an index of them.

shard-000000000000-main-000000.npz     <number of the first game>-<writer>-<sequence>
shard-000000000064-main-000001.npz
index.jsonl                            a line per shard
quarantine/                            shards that were found damaged
"""

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
    """One line of the index: what a file of the store holds."""

    name: str
    size: int  # bytes
    ids: list[int]
    positions: list[int]  # of every game, to learn from
    lost: bool = False  # the file is damaged or gone; its games keep their numbers

    @property
    def order(self) -> tuple[int, str]:
        """Shards in the order they were written."""
        matched = SHARD_NAME.fullmatch(self.name)
        assert matched is not None, f"{self.name} is not the name of a shard"
        return int(matched[3]), matched[2]


class Store:
    """A folder of shards, to which games are only added; the disk is the truth.

    Games are numbered 0, 1, 2, ... in the order they were appended, for good: that is how a
    checkpoint says how far it has read. (With several writers at once, in the order they have when
    the store is opened.) `index.jsonl` only spares reading all files at the start;
    it is made again from them when it is missing or wrong.
    """

    def __init__(self, directory: Path | str, writer: str = "main") -> None:
        """Open a folder, making it if need be; `writer` tells concurrent writers' files apart.

        Deletes what killed writers left half-done, moves damaged shards to `quarantine/`.
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
        self._ids = {game_id for shard in self.shards if not shard.lost for game_id in shard.ids}

    def __len__(self) -> int:
        """How many numbers of games are taken."""
        return sum(len(shard.ids) for shard in self.shards)

    def __contains__(self, game_id: int) -> bool:
        return game_id in self._ids

    @property
    def positions(self) -> list[int]:
        """Of every game by its number: how many positions one can learn from."""
        return [count for shard in self.shards for count in shard.positions]

    def append(self, records: Sequence[GameRecord]) -> Path | None:
        """Write the games that are new into one file; they are safe when this returns.

        Returns None when all of them are in the store already. Raises UserError when they cannot be
        written, and then none of them is.
        """
        new = {record.game_id: record for record in records if record.game_id not in self._ids}
        if not new:
            return None
        sequence = max((shard.order[0] for shard in self.shards), default=-1) + 1
        path = self.directory / f"shard-{min(new):012d}-{self.writer}-{sequence:06d}.npz"
        write_shard(path, list(new.values()))
        shard = make_shard(path, list(new.values()))
        self.shards.append(shard)
        self._ids.update(new)
        try:
            with (self.directory / INDEX_NAME).open("a") as file:
                file.write(json.dumps(asdict(shard)) + "\n")
        except OSError as error:
            log.warning("cannot add to the index of %s: %s", self.directory, error.strerror)
        return path

    def records(self, first: int = 0, last: int | None = None) -> Iterator[GameRecord]:
        """The games numbered first, first + 1, ... up to but without last, every id once.

        A shard that turns out to be damaged is moved away with a warning, its games are left out.
        """
        number = 0
        seen: set[int] = set()
        last = len(self) if last is None else last
        for shard in list(self.shards):
            begin, end = max(first - number, 0), min(last - number, len(shard.ids))
            number += len(shard.ids)
            if shard.lost or begin >= end:
                seen.update([] if shard.lost else shard.ids)
                continue
            try:
                records = read_shard(self.directory / shard.name)
            except DamagedShard as error:
                self._quarantine(shard.name, error)
                shard.lost = True
                self._ids.difference_update(shard.ids)
                self._write_index(self.shards)
                continue
            for index, record in enumerate(records):
                if begin <= index < end and record.game_id not in seen:
                    yield record
                seen.add(record.game_id)

    def __iter__(self) -> Iterator[GameRecord]:
        return self.records()

    def _open_shards(self) -> list[Shard]:
        """The shards of the folder; files that the index does not know are read."""
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
    ids = [record.game_id for record in records]
    return Shard(path.name, path.stat().st_size, ids, [record.positions for record in records])


def read_index(path: Path) -> dict[str, Shard]:
    """The lines of an index that make sense, by the name of the shard; the last one counts."""
    shards = {}
    lines = path.read_bytes().splitlines() if path.exists() else []
    for line in lines:
        try:
            shard = Shard(**json.loads(line))
            if not SHARD_NAME.fullmatch(shard.name) or len(shard.ids) != len(shard.positions):
                raise ValueError(f"{shard.name} is no line of an index")
        except (ValueError, TypeError):
            log.warning("%s has a line that cannot be read: reading the games instead", path)
            continue
        shards[shard.name] = shard
    return shards
