"""Reading a store straight out of its archive: a stored member is a byte range of the file."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.archive_format import (
    MANIFEST,
    MAX_MANIFEST_BYTES,
    Member,
    ZipLayout,
    parse_first_header,
    parse_manifest,
)
from heatpool.pool.sources.folder import read_span
from heatpool.pool.sources.ranges import RangeSource

__all__ = ["ARCHIVE", "ArchiveSource", "ByteFile", "DiskFile", "first_member"]

ARCHIVE = f"an archive made by heatpool archive pack (a zip file that begins with {MANIFEST})"
_HEAD_BYTES = 1 << 16


class ByteFile(Protocol):
    """A file that is read by byte range.

    Attributes:
        name: path or URL, for messages.
    """

    name: str

    @property
    def size(self) -> int:
        """Bytes of the file."""

    def read(self, start: int, stop: int) -> bytes:
        """Bytes start..stop, all of them. Raises HeatpoolError when they cannot be had."""


class DiskFile:
    """A `ByteFile` on a disk. May be read by several threads at once.

    Raises:
        HeatpoolError: if it cannot be opened.
    """

    def __init__(self, path: str | Path) -> None:
        self.name = str(path)
        try:
            self._file = open(path, "rb", buffering=0)  # noqa: SIM115 (closed with the object)
        except OSError as error:
            raise HeatpoolError(f"{path}: cannot read the archive ({error.strerror})") from error

    def __reduce__(self) -> tuple[Any, ...]:
        return DiskFile, (self.name,)

    @cached_property
    def size(self) -> int:
        """Bytes of the file."""
        return os.fstat(self._file.fileno()).st_size

    def read(self, start: int, stop: int) -> bytes:
        """Bytes start..stop. Raises HeatpoolError if the file ends before or the disk fails."""
        try:
            data = read_span(self._file, start, stop)
        except OSError as error:
            raise HeatpoolError(f"{self.name}: cannot read ({error.strerror})") from error
        if len(data) != stop - start:
            raise HeatpoolError(f"{self.name}: damaged, it ends before byte {stop}")
        return data


def first_member(head: bytes, *, name: str, wanted: str = ARCHIVE) -> Member:
    """The manifest's entry in the first bytes of an archive, 64 at least.

    Raises:
        HeatpoolError: if they are of another file.
    """
    first = parse_first_header(head)
    if first is None:
        got = "a web page" if head.lstrip().startswith(b"<") else "another file"
        raise HeatpoolError(f"{name}: expected {wanted}, got {got}")
    return first


class ArchiveSource(RangeSource):
    """A packed store as a source of its files. Opening it reads the manifest and nothing else.

    A member that is read whole is compared with the SHA-256 of the manifest; parts of members are
    covered by the checksums of the Zarr chunks. `heatpool.pool.archive.pack.verify` checks every byte.

    Attributes:
        name: path or URL of the archive.
        file: its bytes.
        layout: its members, the manifest among them, and where they lie.

    Raises:
        HeatpoolError: if the file is no archive of this version, or is cut off.
    """

    def __init__(self, file: ByteFile) -> None:
        self.file, self.name = file, file.name
        head = file.read(0, min(file.size, _HEAD_BYTES))
        first = first_member(head, name=self.name)
        start = len(MANIFEST) + 30
        if first.size > min(MAX_MANIFEST_BYTES, file.size - start):
            raise HeatpoolError(f"{self.name}: refused, {MANIFEST} claims {first.size:,} bytes")
        data = head[start : start + first.size]
        data += file.read(start + len(data), start + first.size) if len(data) < first.size else b""
        if zlib.crc32(data) != first.crc32:
            raise HeatpoolError(f"{self.name}: damaged, {MANIFEST} does not fit its checksum")
        self.digest = hashlib.sha256(data).hexdigest()
        self.layout = ZipLayout([first, *parse_manifest(data, name=self.name)])
        if self.layout.size != file.size:
            raise HeatpoolError(
                f"{self.name}: expected {self.layout.size:,} bytes by its manifest, got {file.size:,}; "
                "it is cut off or was changed: get it again"
            )
        self._places = {
            member.name: (start, member)
            for member, start in zip(self.layout.members, self.layout.starts, strict=True)
        }

    def read(self, key: str) -> bytes | None:
        """See `RangeSource`."""
        if key not in self._places:
            return None
        start, member = self._places[key]
        data = self.file.read(start, start + member.size)
        if member.sha256 and hashlib.sha256(data).hexdigest() != member.sha256:
            raise HeatpoolError(
                f"{self.name}: damaged, {key} does not fit its SHA-256; get the archive again"
            )
        return data

    def read_range(self, key: str, start: int, stop: int) -> bytes | None:
        """See `RangeSource`."""
        if key not in self._places:
            return None
        first, member = self._places[key]
        if not 0 <= start <= stop <= member.size:
            raise ValueError(f"expected a range within {member.size} bytes of {key}, got {start} to {stop}")
        return self.file.read(first + start, first + stop)

    def size(self, key: str) -> int | None:
        """See `RangeSource`."""
        return self._places[key][1].size if key in self._places else None

    def keys(self, folder: str) -> Iterable[str]:
        """See `RangeSource`."""
        return self._folders.get(folder, ())

    @property
    def members(self) -> tuple[Member, ...]:
        """All members but the manifest, in file order."""
        return self.layout.members[1:]

    @cached_property
    def _folders(self) -> dict[str, list[str]]:
        folders: dict[str, list[str]] = {"": []}
        for member in self.members:
            name, new = member.name, True
            while new:  # up to the first folder that is known
                folder, _, name_in_it = name.rpartition("/")
                new = folder not in folders
                folders.setdefault(folder, []).append(name_in_it)
                name = folder
        return folders
