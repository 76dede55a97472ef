"""One file on its way from a server: bounded in bytes and in time, resumed where a connection broke off."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from heatpool.pool.disk.limits import read_limit
from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.sources.folder import read_span

__all__ = ["Accept", "Download", "KeptFiles", "Pace", "RangesRefusedError"]

_GRACE_S = 60.0
_HEAD_BYTES = 64
_LEAST_KB_S = ("HEATPOOL_MIN_KB_PER_S", 10.0)


Fetch = Callable[[BinaryIO, int, str], int | None]
"""Writes a file to an open one, from where that stands; the arguments that follow are `most` and `limit` of
`Download`. Returns the file's size, None where there is none."""


Accept = Callable[[bytes], object]


class RangesRefusedError(Exception):
    """The server sends whole files only."""


class TooLargeError(HeatpoolError):
    """The server announces more bytes than are taken."""


class Pace:
    """Whether a server is fast enough: a minute is granted, then so many bytes a second on the mean.

    It bounds the time of every answer, by its bytes: a time-out between bytes alone never ends a server that
    sends one now and then.

    Attributes:
        received: bytes so far.
    """

    def __init__(self) -> None:
        self.received = 0
        self._least, self._begun = read_limit(_LEAST_KB_S) * 1e3, time.monotonic()

    @property
    def too_slow(self) -> bool:
        """Whether the server has had its time. Never with a least rate of 0."""
        granted = _GRACE_S + self.received / self._least if self._least else float("inf")
        return time.monotonic() - self._begun > granted

    def __str__(self) -> str:
        return (
            f"{self.received:,} bytes in {time.monotonic() - self._begun:.0f} s; {_LEAST_KB_S[0]} in the "
            f"environment says how slow a server may be, now {self._least / 1e3:g} KB a second"
        )


class Download:
    """The bytes of a file, or some of them, written to an open file over as many connections as it takes.

    Args:
        into: file to write to, from where it stands.
        pace: of the transfer.
        span: first byte and the one behind the last; None = all.
        most: bytes that are taken at most.
        limit: what a user may do about more than `most`.
        accept: called once with the first bytes, before more are taken; raises HeatpoolError for what is not
            wanted.

    Attributes:
        size: bytes of the whole file, as the server says; -1 before it answered.
    """

    def __init__(
        self,
        into: BinaryIO,
        *,
        pace: Pace,
        span: tuple[int, int] | None,
        most: int,
        limit: str,
        accept: Accept | None,
    ) -> None:
        self._into, self._pace, self._span, self._most, self._limit = into, pace, span, most, limit
        self._accept, self._head = accept, b""
        self._base = into.tell()
        self._done = 0
        self._version: tuple[Any, ...] | None = None
        self.size = -1

    def connect(self, store: Any, path: str, label: str) -> None:
        """Take what one connection brings; called again, it goes on behind that.

        Args:
            store: of obstore.
            path: of the file in it.
            label: of the file, for messages.

        Raises:
            RangesRefusedError: if a range was asked for and the server knows none.
            HeatpoolError: if what it sends is too large, compressed, of another version than before, or slow.
            Exception: of obstore, if the connection fails.
        """
        answer = self._answer(store, path)
        whole = self._check(answer, label)
        for data in answer.stream(min_chunk_size=1):
            self._done += len(data)
            if self._accept is not None:
                self._look(bytes(data))
            self._pace.received = max(self._pace.received, self._done)
            if self._done > whole:
                break
            if self._pace.too_slow:
                raise HeatpoolError(f"{label}: the server is too slow ({self._pace})")
            try:
                _write_all(self._into, data)
            except OSError as error:
                raise HeatpoolError(f"{label}: cannot be kept on disk ({error.strerror})") from error
        if self._done != whole:  # a body whose length stood nowhere but in the range that it is of
            self._restart()
            raise OSError("body error")

    def _answer(self, store: Any, path: str) -> Any:
        import obstore
        from obstore.exceptions import NotSupportedError

        first, stop = self._span or (0, None)
        first += self._done
        try:
            if stop is not None:
                return obstore.get(store, path, options={"range": (first, stop)})
            if first:
                return obstore.get(store, path, options={"range": {"offset": first}})
        except NotSupportedError as error:
            if stop is not None:
                raise RangesRefusedError from error
            self._restart()
        return obstore.get(store, path)

    def _check(self, answer: Any, label: str) -> int:
        """Look at what an answer says of itself before its body is taken; the bytes there will be in all."""
        version = (answer.meta["e_tag"], answer.meta["size"], answer.meta["last_modified"])
        encoding = answer.attributes.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise HeatpoolError(
                f"{label}: the server sends it compressed ({shorten(encoding)}); turn that off for such files"
            )
        if self._done and version != self._version:
            raise HeatpoolError(f"{label}: changed on the server while it was read; read it again")
        self._version, self.size = version, version[1]
        first, stop = answer.range
        whole = self._done + int(stop) - int(first)
        if whole > self._most:
            raise TooLargeError(
                f"{label}: expected at most {self._most:,} bytes, the server announces {whole:,}; "
                f"{self._limit}"
            )
        return whole

    def _look(self, data: bytes) -> None:
        """Show the first bytes to `accept`, once there are enough."""
        self._head += data
        if self._accept is not None and (len(self._head) >= _HEAD_BYTES or self._done == self.size):
            self._accept(self._head)
            self._accept = None

    def _restart(self) -> None:
        self._into.seek(self._base)
        self._into.truncate()
        self._done = 0


class KeptFiles:
    """Files of a server without byte ranges, fetched whole and kept: in one file on disk, which has no name.

    So none is fetched twice, whatever small parts are read, and nothing is left behind, however the program
    ends. When the disk has no room for another, all are let go. May be used by several threads at once, and
    by processes that were forked: what these add they keep for themselves.

    Raises:
        HeatpoolError: if the folder for temporary files cannot be written.
    """

    def __init__(self) -> None:
        self._lock, self._places = threading.Lock(), dict[str, tuple[BinaryIO, int, int]]()
        self._file, self._process = _unnamed_file(), os.getpid()

    def read(self, key: str, start: int, stop: int | None, fetch: Fetch) -> tuple[bytes, int] | None:
        """Bytes start..stop of a file, or as many as there are, and its size; None when there is none.

        Args:
            key: of the file.
            start: first byte.
            stop: the one behind the last, None = the file's end.
            fetch: gets the file if need be.

        Raises:
            HeatpoolError: if it cannot be had or has no room.
        """
        with self._lock:
            if key not in self._places and not self._add(key, fetch):
                return None
            file, first, size = self._places[key]
        stop = size if stop is None else min(stop, size)
        return read_span(file, first + start, first + max(start, stop)), size

    def _add(self, key: str, fetch: Fetch) -> bool:
        folder = tempfile.gettempdir()
        limit = f"{folder} has no room for more; TMPDIR in the environment names another folder"
        if self._process != os.getpid():  # a file that is shared has one position for all who write it
            self._file, self._process = _unnamed_file(), os.getpid()
        while True:
            start = self._file.seek(0, os.SEEK_END)
            try:
                size = fetch(self._file, shutil.disk_usage(folder).free * 9 // 10, limit)
                break
            except TooLargeError:
                if not self._places:
                    raise
                self._places.clear()
                self._file = _unnamed_file()  # who reads the old one still has it
        if size is not None:
            self._places[key] = (self._file, start, size)
        return size is not None


def _write_all(into: BinaryIO, data: Any) -> None:
    rest = memoryview(data)
    while rest:  # an unbuffered file may take less than it is given
        rest = rest[into.write(rest) :]


def _unnamed_file() -> BinaryIO:
    try:
        # Unbuffered: what is written is there for `read_span`, or did not fit and says so.
        file = tempfile.TemporaryFile(prefix="heatpool-", buffering=0)  # noqa: SIM115 (closed with the object)
    except OSError as error:
        raise HeatpoolError(
            f"expected a folder for temporary files that can be written ({error.strerror}); TMPDIR names it"
        ) from error
    return cast(BinaryIO, file)
