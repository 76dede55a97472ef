"""Files on a web server or in an object store, read whole or by byte range, through obstore.

obstore reads; what it leaves to its user is here: one count of tries that covers bodies that break off,
logins for web servers, and errors as one line that never shows the secrets of an address.
"""

from __future__ import annotations

import netrc
import os
import re
import time
from base64 import b64encode
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.ranges import RangeSource

__all__ = ["RemoteFile", "RemoteFiles", "RemoteFolder", "open_files"]

_TIMEOUT_S = (10.0, 30.0)  # to connect, between bytes
_TRIES = 5
_WAIT_S = 0.5  # before the second try; then twice as long each time
_SMALL, _READ_AHEAD = 1 << 14, 1 << 17
_WEB = ("http", "https")
_REASONS = {  # by what stands in obstore's text
    "InvalidCertificate": "its certificate is not trusted",
    "kind: Timeout": "the server is silent",
    "status code": "the server answers with errors",
    "error sending request": "the server cannot be reached",
    "body error": "the connection broke off",
}

_T = TypeVar("_T")


class RemoteFiles:
    """Files below an address; the key "" is the address itself.

    Args:
        store: an obstore store (a web server, S3, Google, Azure, memory, ...) whose root is the address.
        name: the address, for messages; without secrets.
        key: what the key "" stands for in the store.
        listing: whether folders can be listed.
    """

    def __init__(self, store: Any, name: str, *, key: str = "", listing: bool = True) -> None:
        self._store, self.name, self._key, self._listing = store, name, key, listing

    def get(self, key: str, start: int | None = None, stop: int | None = None) -> bytes | None:
        """A file or its bytes start..stop; None when it is not there.

        Raises:
            HeatpoolError: if the server cannot be reached, refuses, or knows no byte ranges.
        """
        import obstore

        if start is None or stop is None:
            return self._ask(key, lambda path: bytes(obstore.get(self._store, path).bytes()))
        data = self._ask(key, lambda path: bytes(obstore.get_range(self._store, path, start=start, end=stop)))
        if data is not None and len(data) != stop - start:
            raise HeatpoolError(f"{self._label(key)}: expected {stop - start} bytes, got {len(data)}")
        return data

    def size(self, key: str) -> int | None:
        """Bytes of a file, None when it is not there. Raises as `get`."""
        import obstore

        return self._ask(key, lambda path: int(obstore.head(self._store, path)["size"]))

    def keys(self, folder: str) -> list[str] | None:
        """Names in a folder, sorted; None where none can be listed: on web servers. Raises as `get`."""
        import obstore

        if not self._listing:
            return None
        found = self._ask(folder, lambda path: obstore.list_with_delimiter(self._store, path or None))
        if found is None:
            return []
        paths = [*found["common_prefixes"], *(entry["path"] for entry in found["objects"])]
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def _label(self, key: str) -> str:
        return f"{self.name}/{key}" if key else self.name

    def _ask(self, key: str, ask: Callable[[str], _T]) -> _T | None:
        """The answer to `ask` for a key, after up to five tries; None when there is no such file."""
        from obstore.exceptions import BaseError, NotSupportedError

        for attempt in range(_TRIES):
            try:
                return ask(key or self._key)
            except FileNotFoundError:
                return None
            except NotSupportedError as error:
                raise HeatpoolError(
                    f"{self._label(key)}: the server does not serve byte ranges; download the file and open "
                    "that"
                ) from error
            except (BaseError, OSError, ValueError) as error:
                status = re.search(r"status code: (\d{3})", str(error))
                code = int(status[1]) if status else 500
                if code == 410:
                    return None
                # What the server decided it decides again; what failed on the way may go well next time.
                if code < 500 and code != 429:
                    raise HeatpoolError(f"{self._label(key)}: the server refuses (HTTP {code})") from error
                if attempt == _TRIES - 1:
                    raise HeatpoolError(
                        f"{self._label(key)}: cannot be read ({_reason(error)}); try again later"
                    ) from error
            time.sleep(_WAIT_S * 2**attempt)
        raise AssertionError("the last attempt returns or raises")


def _reason(error: Exception) -> str:
    text = str(error)
    for part, reason in _REASONS.items():
        if part in text:
            return reason
    # Of obstore's "Error performing GET https://…?signature in 2 ms - what happened", the last part.
    line = text.partition("\n")[0].rpartition(" - ")[2]
    line = re.sub(r"\w+://\S+", "its address", line.removeprefix("Generic HTTP error: "))
    return line[:200] or type(error).__name__


def open_files(url: str, *, file: bool) -> RemoteFiles:
    """Open an address: `https://…`, or of an object store such as s3://bucket/path.

    Keys and region of object stores come from the environment (`AWS_…`); the login for a web server from
    the address or `.netrc`. A query (such as a signature) is sent along and kept out of messages.

    Args:
        url: address.
        file: it names one file, not a folder.

    Raises:
        HeatpoolError: if obstore is not installed, or the address cannot be understood.
    """
    parts = urlsplit(url)
    try:
        import obstore.store
        from obstore.exceptions import BaseError
    except ImportError as error:
        raise HeatpoolError(f"{parts.scheme}:// needs obstore: pip install obstore") from error
    connect_s, read_s = _TIMEOUT_S
    options: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=connect_s),
        "read_timeout": timedelta(seconds=read_s),
        "timeout": timedelta(days=1),  # of a whole file: obstore's own limit of 30 s is none for large ones
    }
    if parts.scheme in _WEB:
        plain = parts._replace(
            netloc=parts.netloc.rpartition("@")[2], path=parts.path.rstrip("/"), fragment=""
        )
        base, key, name = urlunsplit(plain), "", urlunsplit(plain._replace(query=""))
        options |= {"allow_http": parts.scheme == "http", "default_headers": _login(parts)}
    else:
        base, _, key = url.rstrip("/").rpartition("/") if file else (url, "", "")
        name = url
    # All tries are counted in one place: obstore's would multiply ours, and do not cover broken bodies. A
    # server that names a time to come back (Retry-After) could make us wait for a day.
    connection: dict[str, Any] = {"client_options": options, "retry_config": {"max_retries": 0}}
    try:
        store = obstore.store.from_url(base, **connection)
    except (ValueError, BaseError) as error:
        raise HeatpoolError(f"{name}: cannot be opened ({_reason(error)})") from error
    return RemoteFiles(store, name, key=key, listing=parts.scheme not in _WEB)


def _login(parts: SplitResult) -> dict[str, str]:
    """The header with the login of an address, else that of `.netrc` for its host: obstore sends none."""
    user, password = parts.username, parts.password
    if user is None:
        try:
            found = netrc.netrc(os.environ.get("NETRC")).authenticators(parts.hostname or "")
        except (OSError, netrc.NetrcParseError):
            found = None
        if found is None:
            return {}
        user, _, password = found
    else:
        user, password = unquote(user), unquote(password or "")
    return {"Authorization": "Basic " + b64encode(f"{user}:{password or ''}".encode()).decode()}


class RemoteFile:
    """One file somewhere else, a `heatpool.pool.sources.archive.ByteFile`.

    Small reads fetch some more and keep it: the records of a journal, say, lie side by side.

    Raises:
        HeatpoolError: if it is not there or cannot be reached.
    """

    def __init__(self, files: RemoteFiles) -> None:
        self._files, self.name = files, files.name
        size = files.size("")
        if size is None:
            raise HeatpoolError(f"{self.name}: no such file on the server")
        self.size = size
        self._block = (0, b"")

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
        return self._files.get(key)

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
