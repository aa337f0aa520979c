"""Folders that several machines share: on a disk, or behind an fsspec URL (`s3://bucket/run`).

Both kinds have a few operations on whole files, so that no reader sees a part of one. This is the
only module that imports fsspec, and only for URLs.
"""

import contextlib
import posixpath
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from alphazero.errors import UserError
from alphazero.files import TEMPORARY_PREFIX, atomic_write, sweep_temporaries

T = TypeVar("T")


class Unreachable(UserError):
    """A folder or file that cannot be read or written now; a later try may succeed."""


class Folder(Protocol):
    """Files by names relative to the folder, as in `weights/a`. Methods may raise Unreachable."""

    def names(self, below: str) -> list[str]:
        """List the files directly in a subfolder, sorted; empty if it does not exist."""
        ...

    def read(self, name: str) -> bytes:
        """Read a file."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Create or replace a file atomically."""
        ...

    def delete(self, name: str) -> None:
        """Delete a file if it exists."""
        ...

    def sweep(self, below: str) -> None:
        """Delete the leftovers of killed writers in a subfolder."""
        ...


def open_folder(location: str) -> Folder:
    """Open the folder at a path or fsspec URL; it need not exist yet.

    Raises UserError if the driver for this kind of URL is not installed.
    """
    if is_url(location):
        return RemoteFolder(location)
    return LocalFolder(Path(location))


def is_url(location: str) -> bool:
    """Return whether a location has a scheme, as in s3://bucket."""
    return re.match(r"\w[\w+.-]*://", location) is not None


class LocalFolder:
    """A folder on a disk, which may be mounted from another machine."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()

    def names(self, below: str) -> list[str]:
        try:
            found = [path.name for path in (self.path / below).iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Unreachable(f"cannot read {self.path / below}: {error.strerror}") from error
        return sorted(name for name in found if not name.startswith(TEMPORARY_PREFIX))

    def read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise Unreachable(f"cannot read {self.path / name}: {error.strerror}") from error

    def write(self, name: str, content: bytes) -> None:
        try:
            atomic_write(self.path / name, content)
        except UserError as error:
            raise Unreachable(str(error)) from error

    def delete(self, name: str) -> None:
        try:
            (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise Unreachable(f"cannot delete {self.path / name}: {error.strerror}") from error

    def sweep(self, below: str) -> None:
        sweep_temporaries(self.path / below)


class RemoteFolder:
    """A folder behind fsspec. Files are written under a temporary name and then moved."""

    def __init__(self, url: str) -> None:
        import fsspec

        try:
            self.system, self.path = fsspec.url_to_fs(url)
        except (ImportError, ValueError) as error:  # the driver is missing, or the scheme unknown
            raise UserError(f"{url} cannot be used: {error}") from error
        self.url = url.rstrip("/")
        self._made: set[str] = set()  # subfolders

    def names(self, below: str) -> list[str]:
        def look() -> list[str]:
            self.system.invalidate_cache()  # others write here
            try:
                found: list[Any] = self.system.ls(self._at(below), detail=False)
            except FileNotFoundError:
                return []
            return sorted(posixpath.basename(str(path).rstrip("/")) for path in found)

        names = self._try(f"read {self.url}/{below}", look)
        return [name for name in names if name and not name.startswith(TEMPORARY_PREFIX)]

    def read(self, name: str) -> bytes:
        return self._try(f"read {self.url}/{name}", lambda: self.system.cat_file(self._at(name)))

    def write(self, name: str, content: bytes) -> None:
        folder, base = posixpath.split(self._at(name))
        temporary = posixpath.join(folder, f"{TEMPORARY_PREFIX}{base}-{secrets.token_hex(4)}")

        def put() -> None:
            if folder not in self._made:
                self.system.makedirs(folder, exist_ok=True)
                self._made.add(folder)
            self.system.pipe_file(temporary, content)
            self.system.mv(temporary, self._at(name))

        self._try(f"write {self.url}/{name}", put)

    def delete(self, name: str) -> None:
        def remove() -> None:
            with contextlib.suppress(FileNotFoundError):
                self.system.rm_file(self._at(name))

        self._try(f"delete {self.url}/{name}", remove)

    def sweep(self, below: str) -> None:
        def remove() -> None:
            self.system.invalidate_cache()
            with contextlib.suppress(FileNotFoundError):
                for path in self.system.ls(self._at(below), detail=False):
                    if posixpath.basename(str(path)).startswith(TEMPORARY_PREFIX):
                        self.system.rm_file(path)

        self._try(f"clean {self.url}/{below}", remove)

    def _at(self, name: str) -> str:
        return posixpath.join(self.path, name) if name else self.path

    def _try(self, what: str, action: Callable[[], T]) -> T:
        try:
            return action()
        except FileNotFoundError as error:
            raise Unreachable(f"cannot {what}: there is no such file") from error
        except Exception as error:  # every kind of file system has its own exceptions
            reason = (str(error).strip() or repr(error)).splitlines()[0]
            raise Unreachable(f"cannot {what}: {reason}") from error
