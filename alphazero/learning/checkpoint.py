"""Checkpoints: everything needed to go on exactly, in one directory that is whole or not there.

    step-00001234/
        meta.json             format version, step, counters, and the SHA-256 of the other files
        state.pt              the learner's state and whatever else is handed in (torch.save)
        weights.safetensors   the averaged network, to play with
        config.toml           the resolved settings

A checkpoint is written under a temporary name, brought to the disk, then renamed; it is deleted by
way of a temporary name too. So a process killed at any moment leaves whole checkpoints, and
leftovers that the next `save` sweeps away. Reading one never runs code from it.
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
from alphazero.network.architectures.resnet import Network
from alphazero.network.weights import FILE_NAME as WEIGHTS
from alphazero.network.weights import pack_weights

logger = logging.getLogger(__name__)

VERSION = 1
META, STATE, CONFIG = "meta.json", "state.pt", "config.toml"
# A checkpoint that is being replaced by another of the same step is `.old` for a moment.
NAME = re.compile(r"step-(\d{8,})(\.old)?")


class Checkpoint(NamedTuple):
    """What was saved."""

    path: Path
    step: int
    state: dict[str, Any]  # as handed to `save`; tensors are on the CPU
    config: str  # the settings, TOML
    counters: dict[str, Any]


class Damaged(Exception):
    """A checkpoint is incomplete or its content is not what was written."""


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
    keep_every: int = 0,
) -> Path:
    """Write a checkpoint and delete older ones; returns its path.

    `state` holds tensors, numbers, texts and None in dicts, lists and tuples; `counters` anything
    JSON can hold. Kept are the last `keep` and, if `keep_every` is not 0, the first one in every
    so many steps. Raises UserError when the disk is full or cannot be written: no checkpoint is
    lost then.
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
    prune(directory, keep, keep_every)
    return path


def load(path: Path) -> Checkpoint:
    """Read one checkpoint. Raises UserError when it is missing, damaged, or of a newer program."""
    if not path.is_dir():
        raise UserError(f"there is no checkpoint {path}")
    try:
        return read(path)
    except Damaged as error:
        raise UserError(f"the checkpoint {path} is damaged: {error}") from error


def latest(directory: Path) -> Path | None:
    """The newest checkpoint that is whole; None if there is none.

    A damaged one is passed over, with a warning. Raises UserError for one of a newer program.
    """
    for path in reversed(checkpoints(directory)):
        try:
            check_files(path)
            return path
        except Damaged as error:
            logger.warning("the checkpoint %s is damaged (%s): trying the one before", path, error)
    return None


def checkpoints(directory: Path) -> list[Path]:
    """All checkpoints in a directory, whole or not, oldest first."""
    paths = directory.iterdir() if directory.is_dir() else ()
    found = [path for path in paths if NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: (step_of(path), path.suffix == ""))


def read(path: Path) -> Checkpoint:
    meta, files = check_files(path)
    try:
        # weights_only: nothing but tensors and plain values is ever made from the file.
        state = torch.load(io.BytesIO(files[STATE]), map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise Damaged(f"{STATE} cannot be read: {error}") from error
    return Checkpoint(path, meta["step"], state, files[CONFIG].decode(), meta["counters"])


def check_files(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The meta data of a checkpoint and the content of its files, which is what was written."""
    try:
        meta = json.loads((path / META).read_bytes())
        version, checksums = meta["version"], meta["sha256"]
        if version > VERSION:
            raise UserError(
                f"the checkpoint {path} has format {version}, of a newer program:"
                f" this one reads up to {VERSION}"
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


def prune(directory: Path, keep: int, keep_every: int) -> None:
    """Delete all checkpoints but those to be kept."""
    assert keep >= 1, "the newest checkpoint is always kept"
    sweep(directory)
    found = checkpoints(directory)
    kept = set(found[-keep:])
    if keep_every:
        first_of: dict[int, Path] = {}
        for path in found:
            first_of.setdefault(step_of(path) // keep_every, path)
        kept.update(first_of.values())
    for path in found:
        if path not in kept:
            delete(path)


def sweep(directory: Path) -> None:
    """Delete what killed processes left behind, and what has been replaced."""
    for leftover in directory.glob(f"{TEMPORARY_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    for path in checkpoints(directory):
        if path.suffix == ".old" and path.with_suffix("").exists():
            delete(path)


def delete(path: Path) -> None:
    """Delete a checkpoint so that no part of it is ever taken for a damaged one."""
    with contextlib.suppress(OSError):
        doomed = path.rename(path.with_name(f"{TEMPORARY_PREFIX}{path.name}"))
        shutil.rmtree(doomed, ignore_errors=True)


def step_of(path: Path) -> int:
    match = NAME.fullmatch(path.name)
    assert match is not None, f"{path} is not the name of a checkpoint"
    return int(match[1])


def write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def reject_code(value: Any, where: str) -> None:
    """Raise TypeError for what could only be read again by running code."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            reject_code(name, f"a key of {where}")
            reject_code(part, f"{where}[{name!r}]")
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            reject_code(part, f"{where}[{index}]")
    elif type(value) not in (torch.Tensor, bool, int, float, str, bytes, type(None)):
        raise TypeError(f"{where} is a {type(value).__name__}, which a checkpoint cannot hold")
