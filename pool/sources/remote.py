"""Files on a web server or in an object store, read whole or by byte range, through obstore.

obstore reads; what it leaves to its user is here: one count of tries that covers bodies that break off, whole
files where a server knows no ranges, and errors as one line that never shows the secrets of an address.
"""

from __future__ import annotations

import io
import logging
import re
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from heatpool.pool.disk.limits import memory_limit
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.ranges import RangeSource
from heatpool.pool.sources.transfer import Accept, Download, KeptFiles, Pace, RangesRefusedError

__all__ = ["RemoteFile", "RemoteFiles", "RemoteFolder", "reason_of"]

_log = logging.getLogger(__name__)

_TRIES = 5
_WAIT_S = 0.5  # before the second try; then twice as long each time
_SMALL, _READ_AHEAD = 1 << 14, 1 << 17
_PART_BYTES = 1 << 24
_MOST_RECORD = 1 << 26
"""Bytes of a file that is no chunk of an array: metadata, a record, a list, a card."""
_REFUSED = {  # by what stands in obstore's text: what no second try changes
    "Content-Length Header missing": "the server does not say how long the file is (no Content-Length)",
    "error following redirect": "the server sends it in circles",
    "status code: 30": "the server sends it to what is no address",
}
_REASONS = {
    "InvalidCertificate": "its certificate is not trusted",
    "kind: Timeout": "the server does not answer in time",
    "status code": "the server answers with errors",
    "error sending request": "the server cannot be reached",
    "body error": "the connection broke off",
}

_T = TypeVar("_T")


class RemoteFiles:
    """Files below an address; the key "" is the address itself.

    Args:
        store: an obstore store (a web server, S3, Google, Azure, memory, ...) whose root is the address.
        key: what the key "" stands for in the store.
        login: how a user logs in there, for messages.

    Attributes:
        name: the address, for messages; without secrets.
        listing: whether folders can be listed.
    """

    def __init__(
        self, store: Any, name: str, *, key: str = "", listing: bool = True, login: str = ""
    ) -> None:
        self._store, self.name, self._key, self.listing, self._login = store, name, key, listing, login
        self._kept: KeptFiles | None = None  # of a server that knows no ranges

    def __reduce__(self) -> tuple[Any, ...]:
        more: dict[str, Any] = {"key": self._key, "listing": self.listing, "login": self._login}
        return partial(type(self), **more), (self._store, self.name)

    def get(self, key: str, start: int | None = None, stop: int | None = None) -> bytes | None:
        """A file or its bytes start..stop; None when it is not there.

        Raises:
            HeatpoolError: if the server cannot be reached, refuses, is too slow, or sends more than is taken.
        """
        if start is not None and stop is not None:
            found = self.begin(key, start, stop)
            if found is not None and len(found[0]) != stop - start:
                raise HeatpoolError(f"{self._label(key)}: expected {stop - start} bytes, got {len(found[0])}")
            return None if found is None else found[0]
        most = memory_limit()
        limit = "HEATPOOL_MAX_FILE_MB in the environment changes the limit"
        if self._kept is not None:
            found = self._kept.read(
                key, 0, None, lambda into, room, _: self._fetch(key, into, min(room, most), limit)
            )
            return None if found is None else found[0]
        into = io.BytesIO()
        return None if self._fetch(key, into, most, limit) is None else into.getvalue()

    def begin(
        self, key: str, start: int, stop: int, *, accept: Accept | None = None
    ) -> tuple[bytes, int] | None:
        """Bytes start..stop of a file, or as many as there are, and its size. As `get` otherwise.

        A server that knows no byte ranges is found out here; from then on each file is fetched whole, once.
        `accept` looks at the first bytes of a whole file before more are taken, see `Download`.
        """
        if self._kept is None:
            into = io.BytesIO()
            try:
                size = self._fetch(key, into, stop - start, "try again", span=(start, stop))
                return None if size is None else (into.getvalue(), size)
            except RangesRefusedError:
                _log.warning(f"{self.name}: the server knows no byte ranges; files are fetched whole")
                self._kept = KeptFiles()
        return self._kept.read(key, start, stop, partial(self._fetch, key, accept=accept))

    def put(self, path: Path) -> None:
        """Write a file to the address, whole or not at all. Raises HeatpoolError if it cannot be."""
        import obstore
        from obstore.exceptions import BaseError

        try:
            # Object stores take ten thousand parts.
            part = max(_PART_BYTES, path.stat().st_size // 9_000)
            obstore.put(self._store, self._key, path, chunk_size=part)
        except (BaseError, OSError, ValueError) as error:
            reason = self._refusal(error) or f"cannot be written ({reason_of(error)}); try again later"
            raise HeatpoolError(f"{self.name}: {reason}") from error

    def size(self, key: str) -> int | None:
        """Bytes of a file, None when it is not there. Raises as `get`."""
        import obstore

        return self._ask(key, lambda path: int(obstore.head(self._store, path)["size"]))

    def keys(self, folder: str) -> list[str] | None:
        """Names in a folder, sorted; None where none can be listed: on web servers. Raises as `get`."""
        import obstore

        if not self.listing:
            return None
        found = self._ask(folder, lambda path: obstore.list_with_delimiter(self._store, path or None))
        if found is None:
            return []
        paths = [*found["common_prefixes"], *(entry["path"] for entry in found["objects"])]
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def _label(self, key: str) -> str:
        return f"{self.name}/{key}" if key else self.name

    def _fetch(
        self,
        key: str,
        into: BinaryIO,
        most: int,
        limit: str,
        *,
        span: tuple[int, int] | None = None,
        accept: Accept | None = None,
    ) -> int | None:
        """Write a file, or a part of it, to `into`; the file's size, None when it is not there."""
        pace = Pace()
        if key.endswith((".json", ".csv", ".md")) and most > _MOST_RECORD:
            most, limit = _MOST_RECORD, "no record of a store is so large"
        download = Download(into, pace=pace, span=span, most=most, limit=limit, accept=accept)

        def connect(path: str) -> int:
            download.connect(self._store, path, self._label(key))
            return download.size

        return self._ask(key, connect, pace)

    def _ask(self, key: str, ask: Callable[[str], _T], pace: Pace | None = None) -> _T | None:
        """The answer to `ask` for a key, None for no file; five tries in a row that bring nothing end it."""
        from obstore.exceptions import BaseError

        pace, label = pace or Pace(), self._label(key)
        failures, received = 0, 0
        while True:
            try:
                return ask(key or self._key)
            except FileNotFoundError:
                return None
            except (BaseError, OSError, ValueError) as error:
                if _is_gone(error):
                    return None
                if refusal := self._refusal(error):
                    raise HeatpoolError(f"{label}: {refusal}") from error
                failures = failures + 1 if pace.received == received else 1
                received = pace.received
                if failures == _TRIES or pace.too_slow:
                    raise HeatpoolError(
                        f"{label}: cannot be read ({reason_of(error)}); try again later"
                    ) from error
            time.sleep(_WAIT_S * 2 ** (failures - 1))

    def _refusal(self, error: Exception) -> str:
        """What the server decided, which it would decide again; "" for what may go well next time."""
        code = _status(error)
        for part, reason in _REFUSED.items():
            if part in str(error):
                return reason
        if code is None or code >= 500 or code == 429:
            return ""
        login = f": it is not there, or not for you; {self._login}" if code in (401, 403) else ""
        return f"the server refuses (HTTP {code}){login}"


def _status(error: Exception) -> int | None:
    status = re.search(r"status code: (\d{3})", str(error))
    return int(status[1]) if status else None


def _is_gone(error: Exception) -> bool:
    return _status(error) == 410


def reason_of(error: Exception) -> str:
    """What an error of obstore comes down to, in a few words without any address."""
    text = str(error)
    for part, reason in _REASONS.items():
        if part in text:
            return reason
    # Of obstore's "Error performing GET https://…?signature in 2 ms - what happened", the last part.
    line = text.partition("\n")[0].rpartition(" - ")[2]
    line = re.sub(r"\w+://\S+", "its address", line.removeprefix("Generic HTTP error: "))
    return line[:200] or type(error).__name__


class RemoteFile:
    """One file somewhere else, a `heatpool.pool.sources.archive.ByteFile`.

    Its size comes with its first bytes, as addresses that are signed for reading are not so for asking
    (HEAD). Small reads fetch some more and keep it: the records of a journal, say, lie side by side.

    Args:
        files: the address.
        accept: raises HeatpoolError for first bytes (64 or more) of a file that is not wanted.

    Raises:
        HeatpoolError: if it is not there, is not wanted or cannot be reached.
    """

    def __init__(self, files: RemoteFiles, *, accept: Accept = len) -> None:
        self._files, self.name = files, files.name
        begin = files.begin("", 0, _READ_AHEAD, accept=accept)
        if begin is None:
            raise HeatpoolError(f"{self.name}: no such file on the server")
        data, self.size = begin
        accept(data)
        self._block = (0, data)

    def read(self, start: int, stop: int) -> bytes:
        """Bytes start..stop. Raises HeatpoolError if they cannot be had."""
        # No lock: the pair is replaced by one assignment, so a thread sees a whole one; at worst two threads
        # fetch the same block.
        first, data = self._block
        if not first <= start <= stop <= first + len(data):
            if stop - start > _SMALL:
                return self._fetch(start, stop)
            first, data = self._block = start, self._fetch(start, min(start + _READ_AHEAD, self.size))
        return data[start - first : stop - first]

    def _fetch(self, start: int, stop: int) -> bytes:
        data = self._files.get("", start, stop) if stop > start else b""
        if data is None:
            raise HeatpoolError(f"{self.name}: gone from the server")
        return data


class RemoteFolder(RangeSource):
    """A store folder somewhere else, as a source of its files.

    Raises:
        HeatpoolError: if there is no store.
    """

    def __init__(self, files: RemoteFiles) -> None:
        self._files, self.name = files, files.name
        self._sizes: dict[str, int | None] = {}

    def read(self, key: str) -> bytes | None:
        """See `RangeSource`."""
        data = self._files.get(key)
        self._sizes[key] = None if data is None else len(data)
        return data

    def read_range(self, key: str, start: int, stop: int) -> bytes | None:
        """See `RangeSource`."""
        return self._files.get(key, start, stop) if stop > start else b""

    def size(self, key: str) -> int | None:
        """See `RangeSource`."""
        if key not in self._sizes:
            self._sizes[key] = self._files.size(key)
        return self._sizes[key]

    def keys(self, folder: str) -> Iterable[str] | None:
        """See `RangeSource`."""
        return self._files.keys(folder)
