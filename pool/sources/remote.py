"""Files on a web server or in an object store, read whole or by byte range."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import quote, urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.ranges import RangeSource
from heatpool.pool.store.layout import JOURNAL

__all__ = ["HttpFiles", "ObjectFiles", "RemoteFile", "RemoteFolder", "open_object_files"]

_TIMEOUT_S = (10.0, 30.0)  # to connect, between bytes
_TRIES = 5
_WAIT_S = 0.5  # before the second try; then twice as long each time
_SMALL, _READ_AHEAD = 1 << 14, 1 << 17


class _Files(Protocol):
    """Files below an address; the key "" is the address itself."""

    name: str

    def get(self, key: str, start: int | None = None, stop: int | None = None) -> bytes | None: ...

    def size(self, key: str) -> int | None: ...

    def keys(self, folder: str) -> list[str] | None: ...


class HttpFiles:
    """Files of a web server by GET and HEAD, with retries; proxies and `.netrc` as `requests` knows them.

    Args:
        url: address; a query (such as a signature) is sent along and kept out of messages.
    """

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        host = self._parts.netloc.rpartition("@")[2]
        self.name = urlunsplit((self._parts.scheme, host, self._parts.path, "", ""))
        self._session = requests.Session()
        # Compressed transfer would change what a byte range means.
        self._session.headers["Accept-Encoding"] = "identity"
        # Connections that fail or break are tried again by `_request`, in one place: waits would multiply. A
        # server that names a time to come back (Retry-After) could make us wait for a day.
        retry = Retry(
            _TRIES,
            connect=0,
            read=0,
            other=0,
            backoff_factor=_WAIT_S,
            status_forcelist=(429, 500, 502, 503, 504),
            respect_retry_after_header=False,
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry, pool_maxsize=16))

    def get(self, key: str, start: int | None = None, stop: int | None = None) -> bytes | None:
        """A file or its bytes start..stop; None when it is not there.

        Raises:
            HeatpoolError: if the server cannot be reached, refuses, or knows no byte ranges.
        """
        if start is None or stop is None:
            return self._request("GET", key, {}, ok=200)[0]
        asked = f"bytes={start}-{stop - 1}"
        data, headers = self._request("GET", key, {"Range": asked}, ok=206)
        if data is not None and len(data) != stop - start:
            raise HeatpoolError(f"{self._label(key)}: expected {stop - start} bytes, got {len(data)}")
        given = headers.get("Content-Range", asked).replace("bytes ", "bytes=").partition("/")[0]
        if given != asked:
            raise HeatpoolError(f"{self._label(key)}: expected {asked} from the server, got {given}")
        return data

    def size(self, key: str) -> int | None:
        """Bytes of a file, None when it is not there. Raises as `get`."""
        data, headers = self._request("HEAD", key, {}, ok=200)
        if data is None:
            return None
        if not headers.get("Content-Length", "").isdigit():
            raise HeatpoolError(f"{self._label(key)}: the server does not tell its size; download it first")
        return int(headers["Content-Length"])

    def keys(self, folder: str) -> None:
        """None: web servers do not list."""

    def _label(self, key: str) -> str:
        return f"{self.name}/{key}" if key else self.name

    def _request(
        self, method: str, key: str, headers: Mapping[str, str], *, ok: int
    ) -> tuple[bytes | None, Mapping[str, str]]:
        path = f"{self._parts.path.rstrip('/')}/{quote(key)}" if key else self._parts.path
        url = urlunsplit(self._parts._replace(path=path, fragment=""))
        for attempt in range(_TRIES):
            try:
                with self._session.request(
                    method, url, headers=headers, timeout=_TIMEOUT_S, stream=True, allow_redirects=True
                ) as response:
                    if response.status_code in (404, 410):
                        return None, {}
                    self._check_status(response, key, ok)
                    return response.content, response.headers
            except (
                requests.exceptions.ChunkedEncodingError,
                requests.exceptions.ConnectionError,
                requests.exceptions.Timeout,
            ) as error:
                if attempt == _TRIES - 1:
                    raise self._unreachable(key, error) from error
                time.sleep(_WAIT_S * 2**attempt)
            except requests.RequestException as error:
                raise self._unreachable(key, error) from error
        raise AssertionError("the last attempt returns or raises")

    def _check_status(self, response: requests.Response, key: str, ok: int) -> None:
        if response.status_code == ok:
            return
        if ok == 206 and response.status_code == 200:
            raise HeatpoolError(
                f"{self._label(key)}: the server does not serve byte ranges; download the file and open that"
            )
        raise HeatpoolError(f"{self._label(key)}: expected HTTP status {ok}, got {response.status_code}")

    def _unreachable(self, key: str, error: Exception) -> HeatpoolError:
        why = {"RetryError": "the server answers with errors", "ReadTimeout": "the server is silent"}
        name = type(error).__name__
        return HeatpoolError(f"{self._label(key)}: cannot be read ({why.get(name, name)}); try again later")


class ObjectFiles:
    """Files of an object store, through obstore.

    Args:
        store: an obstore store (S3, Google, Azure, in memory, ...) whose root is the address.
        name: the address, for messages.
    """

    def __init__(self, store: Any, name: str, *, key: str = "") -> None:
        self._store, self.name, self._key = store, name, key

    def get(self, key: str, start: int | None = None, stop: int | None = None) -> bytes | None:
        """A file or its bytes start..stop; None when it is not there. Raises HeatpoolError."""
        import obstore

        path = key or self._key
        try:
            if start is None or stop is None:
                return bytes(obstore.get(self._store, path).bytes())
            return bytes(obstore.get_range(self._store, path, start=start, end=stop))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, obstore.exceptions.BaseError) as error:
            raise self._unreachable(key, error) from error

    def size(self, key: str) -> int | None:
        """Bytes of a file, None when it is not there. Raises HeatpoolError."""
        import obstore

        try:
            return int(obstore.head(self._store, key or self._key)["size"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, obstore.exceptions.BaseError) as error:
            raise self._unreachable(key, error) from error

    def keys(self, folder: str) -> list[str]:
        """Names in a folder, sorted. Raises HeatpoolError."""
        import obstore

        try:
            found = obstore.list_with_delimiter(self._store, folder or None)
        except (OSError, ValueError, obstore.exceptions.BaseError) as error:
            raise self._unreachable(folder, error) from error
        paths = [*found["common_prefixes"], *(entry["path"] for entry in found["objects"])]
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def _unreachable(self, key: str, error: Exception) -> HeatpoolError:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        return HeatpoolError(f"{self.name}{'/' if key else ''}{key}: cannot be read ({reason})")


def open_object_files(url: str, *, file: bool) -> ObjectFiles:
    """Open an address such as s3://bucket/path; keys and region come from the environment (`AWS_…`).

    Args:
        url: address.
        file: it names one file, not a folder.

    Raises:
        HeatpoolError: if the extra is not installed, or the address cannot be understood.
    """
    try:
        import obstore.store
    except ImportError as error:
        scheme = url.partition("://")[0]
        raise HeatpoolError(f"{scheme}:// needs the extra [s3]: pip install 'heatpool[s3]'") from error
    base, _, last = url.rstrip("/").rpartition("/") if file else (url, "", "")
    try:
        return ObjectFiles(obstore.store.from_url(base), url, key=last)
    except (ValueError, obstore.exceptions.BaseError) as error:
        raise HeatpoolError(f"{url}: cannot be opened ({str(error).splitlines()[0][:200]})") from error


class RemoteFile:
    """One file somewhere else, a `heatpool.pool.sources.archive.ByteFile`.

    Small reads fetch some more and keep it: the records of a journal, say, lie side by side.

    Raises:
        HeatpoolError: if it is not there or cannot be reached.
    """

    def __init__(self, files: _Files) -> None:
        self._files, self.name = files, files.name
        size = files.size("")
        if size is None:
            raise HeatpoolError(f"{self.name}: no such file on the server")
        self.size = size
        self._block = (0, b"")

    def read(self, start: int, stop: int) -> bytes:
        """Bytes start..stop. Raises HeatpoolError if they cannot be had."""
        first, data = self._block  # one assignment below, so threads see a whole pair
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

    A web server cannot list: there the names in the journal follow from the number of shards, whether
    they exist or not, and other folders seem empty.

    Raises:
        HeatpoolError: if there is no store.
    """

    def __init__(self, files: _Files) -> None:
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

    def keys(self, folder: str) -> Iterable[str]:
        """See `RangeSource`."""
        names = self._files.keys(folder)
        if names is None and folder == JOURNAL:
            attributes = json.loads(self.read("zarr.json") or b"{}").get("attributes", {})
            shards = -(-int(attributes.get("clips", 0)) // max(int(attributes.get("shard_clips", 1)), 1))
            return [f"{shard:07d}.json" for shard in range(shards)]
        return names or []
