"""Atomic and durable files, and where they may be written."""

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from alphazero.errors import UserError

TEMPORARY_PREFIX = ".tmp-"  # leftovers of a killed process start with this and may be deleted
JOB_FOLDER = "working_dir_files"  # where Ray unpacks the files of `ray job submit --working-dir`


def atomic_write(path: Path | str, content: bytes | Callable[[BinaryIO], object]) -> None:
    """Write a file so that a crash at any moment leaves the old or the new content, never a part.

    `content` is the bytes, or a function that writes them to an open binary file.
    Raises UserError when the disk is full or the folder cannot be written.
    """
    path = Path(path)
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        prefix = f"{TEMPORARY_PREFIX}{path.name}-"
        handle, temporary = tempfile.mkstemp(prefix=prefix, dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
        sync_directory(path.parent)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def writable(path: Path | str, make_folder: bool = True) -> Path:
    """Check, before long work, that a file can be written at a path; makes its folder, or else
    requires that it is there.

    Returns the path with ~ expanded. Raises UserError.
    """
    path = Path(path).expanduser()
    if not make_folder and not path.parent.is_dir():
        raise UserError(f"cannot write {path}: there is no folder {path.parent}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder")
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"cannot write {path}: permission denied")
    return path


def durable_path(path: Path) -> Path:
    """Return an absolute path that outlives a Ray job: one inside the temporary folder of the job's
    files is moved below the home directory."""
    path = path.expanduser().absolute()
    if JOB_FOLDER not in path.parts:
        return path
    package = path.parts.index(JOB_FOLDER) + 1  # followed by the name of the package
    return Path.home().joinpath(*path.parts[package + 1 :])


def sync_directory(path: Path) -> None:
    """Make a rename in this folder durable (a no-op where folders cannot be opened)."""
    with contextlib.suppress(PermissionError, IsADirectoryError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sweep_temporaries(directory: Path) -> None:
    """Delete the leftovers of killed writers in a folder."""
    for leftover in directory.glob(f"{TEMPORARY_PREFIX}*"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
