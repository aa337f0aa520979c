"""Checkpoints: everything needed to continue a run exactly, in one directory, written atomically.

    step-00001234/
        meta.json             format version, step, counters, and the SHA-256 of the other files
        state.pt              the state of the run (torch.save)
        weights.safetensors   the averaged network, to play with
        config.toml           the resolved settings

A checkpoint is written under a temporary name, synced to disk, then renamed, and renamed again
before it is deleted. So a process killed at any moment leaves whole checkpoints, and leftovers that
the next `save` deletes. Reading one never runs code from it. `migrate` reads older formats.
"""

import contextlib
import hashlib
import io
import json
import logging
import os
import pickle
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from alphazero.errors import UserError
from alphazero.files import TEMPORARY_PREFIX, sync_directory
from alphazero.game import Game
from alphazero.network.network import Network
from alphazero.network.weights import FILE_NAME as WEIGHTS
from alphazero.network.weights import pack_weights

logger = logging.getLogger(__name__)

VERSION = 2
META, STATE, CONFIG = "meta.json", "state.pt", "config.toml"
# A checkpoint is `.old` while another one of the same step replaces it.
NAME = re.compile(r"step-(\d{8,})(\.old)?")


class Checkpoint(NamedTuple):
    """A checkpoint in memory."""

    path: Path
    step: int
    state: dict[str, Any]  # as given to `save`; tensors are on the CPU
    config: str  # the settings, TOML
    counters: dict[str, Any]


class Damaged(Exception):
    """A checkpoint that is incomplete or whose checksums are wrong."""


def save(
    directory: Path,
    step: int,
    *,
    state: Mapping[str, Any],
    network: Network,
    game: Game,
    config: str,
    counters: Mapping[str, Any] | None = None,
    keep: int = 3,
) -> Path:
    """Write a checkpoint, delete all but the last `keep`, and return its path.

    `state` holds tensors, numbers, texts and None in dicts, lists and tuples; `counters` is
    JSON-serialisable. Raises UserError when the disk is full or cannot be written; older
    checkpoints are intact then.
    """
    reject_code(state, "state")
    written = io.BytesIO()
    torch.save(dict(state), written)
    files = {
        STATE: written.getvalue(),
        WEIGHTS: pack_weights(network, game, {"step": step}),
        CONFIG: config.encode(),
    }
    meta = {
        "version": VERSION,
        "step": step,
        "counters": dict(counters or {}),
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    files[META] = json.dumps(meta, indent=1).encode()
    path = directory / f"step-{step:08d}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        sweep(directory)
        temporary = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY_PREFIX}{path.name}-", dir=directory))
        for name, content in files.items():
            write_durably(temporary / name, content)
        sync_directory(temporary)
        temporary.chmod(0o755)
        if path.exists():
            path.rename(path.with_suffix(".old"))
        temporary.rename(path)
        sync_directory(directory)
    except OSError as error:
        with contextlib.suppress(OSError):
            sweep(directory)
        raise UserError(f"cannot write the checkpoint {path}: {error.strerror or error}") from error
    prune(directory, keep)
    return path


def load(path: Path) -> Checkpoint:
    """Read one checkpoint. Raises UserError when it is missing, damaged or of a newer format."""
    if not path.is_dir():
        raise UserError(f"there is no checkpoint {path}")
    try:
        return read(path)
    except Damaged as error:
        raise UserError(f"the checkpoint {path} is damaged: {error}") from error


def latest(directory: Path) -> Path | None:
    """Return the newest undamaged checkpoint; None if there is none.

    A damaged one is skipped with a warning. Raises UserError for a newer format.
    """
    for path in reversed(checkpoints(directory)):
        try:
            check_files(path)
            return path
        except Damaged as error:
            logger.warning("the checkpoint %s is damaged (%s): trying the one before", path, error)
    return None


def checkpoints(directory: Path) -> list[Path]:
    """List the checkpoints in a directory, damaged ones too, oldest first."""
    paths = directory.iterdir() if directory.is_dir() else ()
    found = [path for path in paths if NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: (step_of(path), path.suffix == ""))


def read(path: Path) -> Checkpoint:
    """Read one checkpoint. Raises Damaged, or UserError for a newer format."""
    meta, files = check_files(path)
    try:
        # weights_only: nothing but tensors and plain values is constructed from the file.
        state = torch.load(io.BytesIO(files[STATE]), map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise Damaged(f"{STATE} cannot be read: {error}") from error
    state = migrate(state, meta["version"])
    return Checkpoint(path, meta["step"], state, files[CONFIG].decode(), meta["counters"])


def migrate(state: dict[str, Any], version: int) -> dict[str, Any]:
    """Convert the state of an older format to the current one; the weights stay the same.

    Format 1 had its own averages, and other names: players, pace and examined_at.
    """
    if version >= VERSION or "learner" not in state:
        return state
    learner = dict(state["learner"])
    old, network, steps = learner["average"], learner["network"], learner["steps"]
    if "average" in old:  # exponential; the initial weights count as the first update
        averaged = {**network, **old["average"]}
        learner["average"] = {"n_averaged": torch.tensor(steps + 1)}
    elif "snapshots" in old:
        snapshots = old["snapshots"]
        means = {
            name: torch.stack([snapshot[name] for snapshot in snapshots]).mean(0)
            for name in (snapshots[0] if snapshots else ())
        }
        averaged = {**network, **means}
        learner["average"] = {
            "n_averaged": torch.tensor(steps),
            "_extra_state": {"snapshots": snapshots},
        }
    else:
        averaged = {}
    learner["average"] |= {f"module.{name}": tensor for name, tensor in averaged.items()}
    names = {"players": "published", "pace": "replay_ratio", "examined_at": "evaluated_at"}
    return {names.get(name, name): part for name, part in state.items()} | {"learner": learner}


def check_files(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read a checkpoint's metadata and files, verifying the checksums.

    Raises Damaged, or UserError for a newer format.
    """
    try:
        meta = json.loads((path / META).read_bytes())
        version, checksums = meta["version"], meta["sha256"]
        if version > VERSION:
            raise UserError(
                f"the checkpoint {path} has format {version}, which needs a newer version of this"
                f" program (it reads up to {VERSION})"
            )
        files = {name: (path / name).read_bytes() for name in (STATE, WEIGHTS, CONFIG)}
        wrong = [
            name
            for name, content in files.items()
            if hashlib.sha256(content).hexdigest() != checksums[name]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, UserError):
            raise
        raise Damaged(str(error)) from error
    if wrong:
        raise Damaged(f"the checksum of {wrong[0]} is wrong")
    return meta, files


def prune(directory: Path, keep: int) -> None:
    """Delete all checkpoints but the newest `keep`."""
    assert keep >= 1, "the newest checkpoint is always kept"
    sweep(directory)
    found = checkpoints(directory)
    for path in found[:-keep]:
        delete(path)


def sweep(directory: Path) -> None:
    """Delete the leftovers of killed processes, and checkpoints that were replaced."""
    for leftover in directory.glob(f"{TEMPORARY_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    for path in checkpoints(directory):
        if path.suffix == ".old" and path.with_suffix("").exists():
            delete(path)


def delete(path: Path) -> None:
    """Delete a checkpoint so that no part of it can be mistaken for a damaged one."""
    with contextlib.suppress(OSError):
        doomed = path.rename(path.with_name(f"{TEMPORARY_PREFIX}{path.name}"))
        shutil.rmtree(doomed, ignore_errors=True)


def step_of(path: Path) -> int:
    """Return the step in a checkpoint's name."""
    match = NAME.fullmatch(path.name)
    assert match is not None, f"{path} is not the name of a checkpoint"
    return int(match[1])


def write_durably(path: Path, content: bytes) -> None:
    """Write a file and sync it to disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def reject_code(value: Any, where: str) -> None:
    """Raise TypeError for a value that could only be read back by running code."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            reject_code(name, f"a key of {where}")
            reject_code(part, f"{where}[{name!r}]")
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            reject_code(part, f"{where}[{index}]")
    elif type(value) not in (torch.Tensor, bool, int, float, str, bytes, type(None)):
        raise TypeError(f"{where} is a {type(value).__name__}, which a checkpoint cannot hold")
