"""Where the files of a store are read from: a folder here; other places implement `Source` too."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from zarr.abc.store import Store
from zarr.storage import LocalStore

from heatpool.pool.disk.files import hash_file
from heatpool.pool.disk.limits import memory_limit
from heatpool.pool.errors import HeatpoolError

__all__ = ["FolderSource", "Source", "read_span"]


class Source(Protocol):
    """Read access to the files of one store. Keys are paths relative to its root, with `/`.

    An implementation must survive pickling, so that readers can be handed to other processes.
    """

    @property
    def name(self) -> str:
        """Path or URL, for messages."""

    def read(self, key: str) -> bytes | None:
        """Bytes of a file, None when there is none; HeatpoolError when it cannot be read."""

    def size(self, key: str) -> int | None:
        """Bytes a file has, None when there is none; HeatpoolError when it cannot be asked."""

    def file_digest(self, key: str) -> str:
        """SHA-256 (hex) of a file; HeatpoolError from afar, OSError from a disk when it cannot be read."""

    def keys(self, folder: str) -> Iterable[str] | None:
        """Names of the files in one folder, in any order; none when there is no such folder.

        None from where no folder can be listed: a web server.
        """

    def zarr_store(self) -> Store:
        """The same files as a read-only zarr store."""


_Answer = TypeVar("_Answer")


class FolderSource:
    """A store in a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        """Path of the folder."""
        return str(self.path)

    def read(self, key: str) -> bytes | None:
        """See `Source`."""
        if (size := self.size(key) or 0) > memory_limit():
            raise HeatpoolError(f"{self.path / key}: refused, it has {size:,} bytes, as no record of a store")
        return self._ask(key, Path.read_bytes)

    def size(self, key: str) -> int | None:
        """See `Source`."""
        return self._ask(key, lambda path: path.stat().st_size)

    def file_digest(self, key: str) -> str:
        """See `Source`."""
        return hash_file(self.path / key)[1]

    def keys(self, folder: str) -> list[str]:
        """See `Source`."""
        return self._ask(folder, _file_names) or []

    def _ask(self, key: str, question: Callable[[Path], _Answer]) -> _Answer | None:
        path = self.path / key
        try:
            return question(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise HeatpoolError(f"cannot read {path} ({error.strerror})") from error

    def zarr_store(self) -> Store:
        """See `Source`."""
        return LocalStore(self.path, read_only=True)


def read_span(file: BinaryIO, start: int, stop: int) -> bytes:
    """Bytes start..stop of an open file, fewer at its end, in any thread. Raises OSError for a bad disk."""
    parts = []
    while start < stop:  # Linux reads at most 2 GiB at once
        part = os.pread(file.fileno(), stop - start, start)
        if not part:
            break
        parts.append(part)
        start += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _file_names(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
