"""Stores that are read by byte range: what packed and remote stores have in common, and zarr's view of it."""

from __future__ import annotations

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype

from heatpool.pool.errors import HeatpoolError

__all__ = ["RangeSource"]


class RangeSource(ABC):
    """A feature store whose files can be read whole or in part; a `heatpool.pool.sources.folder.Source`.

    Attributes:
        name: where it lies, for messages; without credentials.
    """

    name: str

    @abstractmethod
    def read(self, key: str) -> bytes | None:
        """A whole file, None when it is not there.

        Raises:
            HeatpoolError: if it cannot be reached or is damaged.
        """

    @abstractmethod
    def read_range(self, key: str, start: int, stop: int) -> bytes | None:
        """Bytes start..stop of a file, both within it; None when it is not there. Raises as `read`."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Bytes of a file, None when it is not there. Raises as `read`."""

    def file_digest(self, key: str) -> str:
        """SHA-256 (hex) of a file. Raises as `read`."""
        data = self.read(key)
        if data is None:
            raise HeatpoolError(f"{self.name}: {key} is gone")
        return hashlib.sha256(data).hexdigest()

    @abstractmethod
    def keys(self, folder: str) -> Iterable[str] | None:
        """Names in a folder ("" is the root), none when it is not there; None where none can be listed.

        Raises as `read`.
        """

    def zarr_store(self) -> Store:
        """The same files as a read-only zarr store."""
        return _ZarrView(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"


class _ZarrView(Store):
    """A read-only zarr store over a `RangeSource`. Reads run in threads, so that several are under way."""

    supports_writes = False
    supports_deletes = False
    supports_listing = True

    def __init__(self, source: RangeSource) -> None:
        super().__init__(read_only=True)
        self._source = source

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ZarrView) and other._source is self._source

    def __str__(self) -> str:
        return self._source.name

    def __repr__(self) -> str:
        return repr(self._source)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        data = await asyncio.to_thread(self._read, key, byte_range)
        return None if data is None else prototype.buffer.from_bytes(data)

    def _read(self, key: str, byte_range: ByteRequest | None) -> bytes | None:
        if byte_range is None:
            return self._source.read(key)
        size = self._source.size(key)
        if size is None:
            return None
        match byte_range:
            case RangeByteRequest(start, end):
                start, stop = start, min(end, size)
            case OffsetByteRequest(offset):
                start, stop = offset, size
            case SuffixByteRequest(suffix):
                start, stop = max(size - suffix, 0), size
        if not 0 <= start < stop:
            raise HeatpoolError(f"{self._source.name}: damaged, {key} has no bytes {start} to {stop}")
        return self._source.read_range(key, start, stop)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        return await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges))

    async def exists(self, key: str) -> bool:
        return await asyncio.to_thread(self._source.size, key) is not None

    def _names(self, folder: str) -> Iterable[str]:
        return self._source.keys(folder) or ()

    async def list(self) -> AsyncIterator[str]:
        async for key in self.list_prefix(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        folder = f"{prefix.rstrip('/')}/" if prefix else ""
        for name in await asyncio.to_thread(self._names, prefix.rstrip("/")):
            if await self.exists(folder + name):
                yield folder + name
            else:
                async for key in self.list_prefix(folder + name):
                    yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        for name in await asyncio.to_thread(self._names, prefix.rstrip("/")):
            yield name

    async def set(self, key: str, value: Buffer) -> None:
        self._check_writable()

    async def delete(self, key: str) -> None:
        self._check_writable()
