"""Game records: the moves of a finished game and the results of its searches.

A `GameRecord` holds nothing that depends on a network's input format, so an encoder can change
without invalidating old games. `write_shard` puts many records into one file;
`alphazero.data.store` keeps the files of a run. A record names its game but never loads it: a spec
may be the path of a Python file, and only a path that the user gave may be executed.

Shapes: N plies, M policy entries.

The policy targets are sparse rows, one after the other; an empty row means no policy target:

    policy_offsets   0     2  2        5        row i is [offsets[i] : offsets[i + 1]]
    policy_actions   3  5     0  3  6
    policy_weights  .9 .1    .2 .5 .3           every row sums to 1
"""

import io
import json
import operator
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from alphazero.errors import UserError
from alphazero.files import atomic_write
from alphazero.game import Game

LARGEST = {"game_id": 2**63 - 1, "seed": 2**64 - 1, "version": 2**63 - 1}
SUM_TOLERANCE = 1e-3  # of a policy row, which was summed in float32
ARRAYS = {
    "moves": np.uint16,
    "root_values": np.float32,
    "policy_offsets": np.int32,
    "policy_actions": np.uint16,
    "policy_weights": np.float32,
    "sample_weights": np.float32,
}


@dataclass(frozen=True, eq=False)
class GameRecord:
    """One finished game. Raises ValueError for inconsistent numbers; the moves are checked against
    the rules where they are played (`alphazero.data.replay.play_moves`)."""

    game: str  # the game's spec, for comparison only: a path in it is never executed
    game_id: int  # unique in a run: a second record with the same id is a copy
    seed: int
    version: int  # of the weights that played
    start: bytes | None  # the state before the first move; None: the game's own start
    moves: np.ndarray  # uint16 [N]
    root_values: np.ndarray  # float32 [N], for the player to move; NaN: the move was not searched
    policy_offsets: np.ndarray  # int32 [N + 1]
    policy_actions: np.ndarray  # uint16 [M]
    policy_weights: np.ndarray  # float32 [M]
    result: float  # for the FIRST player, in [-1, 1]
    info: dict[str, Any] = field(default_factory=dict)  # how it was played; JSON values
    # float32 [N], weight of each ply in the losses; empty means all ones
    sample_weights: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))

    def __post_init__(self) -> None:
        if len(self.sample_weights) == 0:
            object.__setattr__(self, "sample_weights", np.ones(len(self.moves), np.float32))
        for name, dtype in ARRAYS.items():
            object.__setattr__(self, name, as_array(name, getattr(self, name), dtype))
        for name in LARGEST:
            object.__setattr__(self, name, operator.index(getattr(self, name)))
        object.__setattr__(self, "result", float(self.result))
        problem = find_problem(self)
        if problem:
            raise ValueError(f"record of game {self.game_id}: {problem}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GameRecord):
            return NotImplemented
        plain = [item.name for item in fields(self) if item.name not in ARRAYS]
        return all(getattr(self, name) == getattr(other, name) for name in plain) and all(
            # As bytes, which makes NaN equal to itself.
            getattr(self, name).tobytes() == getattr(other, name).tobytes()
            for name in ARRAYS
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def searched(self) -> np.ndarray:
        """Mask of the searched plies, bool [N]: the ones that yield training positions."""
        return np.isfinite(self.root_values) | (np.diff(self.policy_offsets) > 0)

    @property
    def positions(self) -> int:
        """Number of training positions."""
        return int(np.count_nonzero(self.searched))

    def policy(self, ply: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (actions, weights) of one ply's policy target; both empty without one."""
        row = slice(self.policy_offsets[ply], self.policy_offsets[ply + 1])
        return self.policy_actions[row], self.policy_weights[row]


def same_game(spec: str, other: str) -> bool:
    """Return whether two specs name one game; its file may lie in different folders."""
    return re.split(r"[/\\]", spec)[-1] == re.split(r"[/\\]", other)[-1]


def start_states(start: bytes | None, game: Game) -> np.ndarray:
    """Return the state before a record's first move, as an array [1] of the game's dtype.

    Raises UserError when the stored state has another size than the game's.
    """
    states = game.empty_states(1)
    if start is None:
        game.start_batch(states)
    elif len(start) == game.state.itemsize:
        states[0] = np.frombuffer(start, game.state)[0]
    else:
        raise UserError(
            f"a record of {game.spec} starts from {len(start)} bytes, "
            f"but its state has {game.state.itemsize}"
        )
    return states


def as_array(name: str, values: Any, dtype: Any) -> np.ndarray:
    """Return a read-only copy in the record's dtype. Raises ValueError if a number would change."""
    given = np.asarray(values)
    array = given.astype(dtype)
    is_exact = array.dtype == given.dtype or array.dtype.kind == "f"
    if not is_exact and not np.array_equal(array, given):
        raise ValueError(f"{name} do not fit {np.dtype(dtype).name}: {values}")
    array.setflags(write=False)
    return array


def find_problem(record: GameRecord) -> str:
    """Return the first inconsistency of a record's numbers, or an empty text."""
    moves, offsets, weights = record.moves, record.policy_offsets, record.policy_weights
    values = record.root_values[~np.isnan(record.root_values)]
    entries = len(record.policy_actions)
    for name in ARRAYS:
        if getattr(record, name).ndim != 1:
            return f"{name} must have one dimension"
    for name, largest in LARGEST.items():
        if not 0 <= getattr(record, name) <= largest:
            return f"{name} = {getattr(record, name)} is not between 0 and {largest}"
    if not -1 <= record.result <= 1:
        return f"result = {record.result} is not between -1 and 1"
    if len(record.root_values) != len(moves):
        return f"{len(record.root_values)} root values for {len(moves)} moves"
    if len(record.sample_weights) != len(moves):
        return f"{len(record.sample_weights)} sample weights for {len(moves)} moves"
    if not (np.isfinite(record.sample_weights) & (record.sample_weights >= 0)).all():
        return "a sample weight is negative or not a number"
    if (np.abs(values) > 1 + 1e-4).any():
        return f"root value {values[np.argmax(np.abs(values))]} is not between -1 and 1"
    if len(offsets) != len(moves) + 1:
        return f"{len(offsets)} policy offsets for {len(moves)} moves, which need one more"
    if len(weights) != entries or offsets[0] != 0 or offsets[-1] != entries:
        return (
            f"policy offsets {offsets[0]}..{offsets[-1]}, {entries} actions, {len(weights)} weights"
        )
    lengths = offsets[1:] - offsets[:-1]
    if (lengths < 0).any():
        return "policy offsets decrease"
    if not (weights >= 0).all():  # also false for NaN
        return "a policy weight is negative or not a number"
    rows = np.arange(len(moves)).repeat(lengths)
    sums = np.bincount(rows, weights, minlength=len(moves))
    wrong = (np.abs(sums - 1) > SUM_TOLERANCE) & (lengths > 0)
    if wrong.any():
        ply = int(np.argmax(wrong))
        return f"the policy of ply {ply + 1} sums to {sums[ply]:g}, not to 1"
    pairs = rows * 2**16 + record.policy_actions
    if len(np.unique(pairs)) != entries:
        return "a policy names an action twice"
    return ""


def sparse_policies(
    rows: Sequence[tuple[Any, Any] | None],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (policy_offsets, policy_actions, policy_weights) from one (actions, weights) per ply,
    None for a ply without a policy target. Entries of weight 0 are left out."""
    lengths, actions, weights = [0], [np.empty(0, np.int64)], [np.empty(0, np.float32)]
    for row in rows:
        kept = np.empty(0, np.float32) if row is None else np.asarray(row[1], np.float32)
        actions.append(np.asarray([] if row is None else row[0], np.int64)[kept != 0])
        weights.append(kept[kept != 0])
        lengths.append(len(weights[-1]))
    return np.cumsum(lengths, dtype=np.int32), np.concatenate(actions), np.concatenate(weights)


# -- many records in one file ----------------------------------------------------------------------

FORMAT = "alphazero game records"
FORMAT_VERSION = 2
ADDED = {"sample_weights": 2}  # arrays that files of older versions lack


class DamagedShard(UserError):
    """A shard whose bytes are not the ones that were written."""


def write_shard(path: Path | str, records: Sequence[GameRecord]) -> None:
    """Write records into one file, atomically.

    Raises UserError when the disk is full or the folder cannot be written.
    """
    atomic_write(path, pack_shard(records))


def read_shard(path: Path | str) -> list[GameRecord]:
    """Read all records of a file, verifying every checksum.

    Raises UserError when the file cannot be read, is damaged or has a newer format.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the games {path}: {error.strerror or error}") from error
    return unpack_shard(content, str(path))[0]


def pack_shard(records: Sequence[GameRecord], extra: Mapping[str, Any] | None = None) -> bytes:
    """Pack records into one compressed .npz file; `extra` is JSON-serialisable metadata."""
    columns = {
        name: np.concatenate([np.empty(0, dtype), *(getattr(record, name) for record in records)])
        for name, dtype in ARRAYS.items()
    }
    games = []
    for record in records:
        game = {item.name: getattr(record, item.name) for item in fields(record)}
        game = {name: value for name, value in game.items() if name not in ARRAYS}
        game["start"] = None if record.start is None else record.start.hex()
        game["plies"], game["entries"] = len(record.moves), len(record.policy_actions)
        games.append(game)
    header = {"format": FORMAT, "version": FORMAT_VERSION, "records": len(records), "games": games}
    if extra:
        header["extra"] = dict(extra)
    packed = np.frombuffer(json.dumps(header).encode(), np.uint8)
    content = io.BytesIO()
    np.savez_compressed(content, header=packed, **columns)  # type: ignore[arg-type]
    return content.getvalue()


def unpack_shard(content: bytes, name: str) -> tuple[list[GameRecord], dict[str, Any]]:
    """Unpack a shard into (records, extra); `name` appears in messages.

    Raises DamagedShard when it is damaged and UserError when it has a newer format.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            header = read_header(archive)
            version = header["version"]
            if version in range(1, FORMAT_VERSION + 1):
                present = [array for array in ARRAYS if version >= ADDED.get(array, 1)]
                columns = {array: read_member(archive, array) for array in present}
                return split_games(header, columns), dict(header.get("extra", {}))
    except DAMAGE as error:
        raise DamagedShard(f"the games {name} are damaged: {error}") from error
    raise UserError(
        f"the games {name} have format {version}, this program reads 1 to {FORMAT_VERSION}"
    )


# Raised by zipfile, zlib and numpy on corrupt bytes.
DAMAGE = (ValueError, TypeError, KeyError, EOFError, OSError, RuntimeError, OverflowError,
          zipfile.BadZipFile, zlib.error, struct.error)  # fmt: skip


def read_header(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Read the header of a shard. Raises ValueError when the file is not a shard."""
    header = json.loads(read_member(archive, "header").tobytes())
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError(f"not a file of {FORMAT}")
    return header


def read_member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Read one array of a shard, verifying its checksum."""
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type != zipfile.ZIP_DEFLATED:
        raise ValueError(f"{name} is not compressed")
    # Read whole, which checks the CRC before numpy looks at anything.
    return np.lib.format.read_array(io.BytesIO(archive.read(member)), allow_pickle=False)


def split_games(header: dict[str, Any], columns: dict[str, np.ndarray]) -> list[GameRecord]:
    """Cut the columns of a shard into records. Raises ValueError when the counts disagree."""
    records = []
    names = list(columns)
    at: dict[str, int] = dict.fromkeys(names, 0)
    for game in header["games"]:
        plies: int = game.pop("plies")
        entries: int = game.pop("entries")
        lengths = dict.fromkeys(names, plies) | {"policy_offsets": plies + 1}
        lengths |= {"policy_actions": entries, "policy_weights": entries}
        arrays = {name: columns[name][at[name] : at[name] + lengths[name]] for name in names}
        at = {name: at[name] + lengths[name] for name in names}
        start = None if game["start"] is None else bytes.fromhex(game["start"])
        records.append(GameRecord(**{**game, **arrays, "start": start}))
    if len(records) != header["records"] or any(at[n] != len(columns[n]) for n in names):
        raise ValueError("the header disagrees with the arrays about the number of games")
    return records
