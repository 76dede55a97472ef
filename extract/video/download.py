"""Videos behind http(s) addresses: fetched whole into a file, within limits."""

from __future__ import annotations

import shutil
import time
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    UnknownHandler,
)

from heatpool.pool.errors import HeatpoolError

__all__ = ["download_video", "public_address"]

_MOST_BYTES = 20_000_000_000
_SPARE_BYTES = 1_000_000_000  # of the disk, for the features
_SILENCE_S = 30.0
_LEAST_RATE = 50_000  # bytes per second on average, once a minute has passed
_BLOCK = 1 << 20
_KEPT = "!$%&'()*+,/:;=?@[]~"  # of an address; `%` as it is quoted already
_PLAYLISTS = (".m3u8", ".mpd")


def download_video(address: str, folder: Path) -> Path:
    """Fetch a video into a folder; return the file.

    A file is read several times (packets, frames, drawing), so it is fetched once. FFmpeg's own reader of
    addresses is not used: it would follow them into protocols beyond http and https.

    Args:
        address: of http or https.
        folder: that exists; the file gets the name in the address.

    Raises:
        HeatpoolError: if it cannot be fetched, is a playlist, is larger than 20 GB or than the disk has room
            for, or comes slower than 50 kB/s.
    """
    shown, name = public_address(address), PurePosixPath(unquote(urlsplit(address).path)).name or "video"
    if name.lower().endswith(_PLAYLISTS):
        raise HeatpoolError(f"expected a video file at {shown}, got a playlist; --follow plays it")
    path = folder / name
    try:
        with _opener().open(_in_ascii(address), timeout=_SILENCE_S) as answer, path.open("wb") as file:
            said = answer.headers.get("Content-Length") or ""
            length = int(said) if said.isdecimal() else 0
            most = min(_MOST_BYTES, shutil.disk_usage(folder).free - _SPARE_BYTES)
            if length > most:
                raise HeatpoolError(f"{shown}: {length / 1e9:.1f} GB, there is room for {most / 1e9:.1f}")
            got = _copy(answer, file, shown, most=most)
    except (OSError, HTTPException, ValueError) as error:
        raise HeatpoolError(f"{shown}: cannot be fetched ({_reason(error)})") from error
    if got < length:
        raise HeatpoolError(f"{shown}: ended after {got} of {length} bytes; try again")
    return path


def _reason(error: Exception) -> str:
    """Return what went wrong, in one line; servers choose some of the words."""
    known = str(error) if isinstance(error, HTTPError) else getattr(error, "reason", None)
    if isinstance(error, UnicodeError):  # whose `reason` says nothing of addresses
        known = "not an address"
    reason = str(getattr(known, "strerror", None) or known or str(error) or type(error).__name__)
    return "".join(letter for letter in " ".join(reason.split()) if letter.isprintable())


def _in_ascii(address: str) -> str:
    """Write an address as a request needs it: letters of other scripts as %XX, in host names as xn--."""
    parts = urlsplit(address)
    login, at, host = parts.netloc.rpartition("@")
    host = host.encode("idna").decode() if not host.isascii() else host
    path, query = (quote(part, safe=_KEPT) for part in (parts.path, parts.query))
    return urlunsplit((parts.scheme, login + at + host, path, query, ""))


def _copy(answer: IO[bytes], file: IO[bytes], shown: str, *, most: int) -> int:
    """Copy block by block, within the limits; return the bytes."""
    got, begun = 0, time.monotonic()
    while block := answer.read(_BLOCK):
        got += len(block)
        if got > most:
            raise HeatpoolError(f"{shown}: did not end after {got / 1e9:.1f} GB; --follow reads live streams")
        seconds = time.monotonic() - begun
        if seconds > 60 and got / seconds < _LEAST_RATE:
            raise HeatpoolError(
                f"{shown}: sends {got / seconds / 1e3:.0f} kB/s, expected {_LEAST_RATE / 1e3:.0f} at least; "
                "--follow reads live streams"
            )
        file.write(block)
    return got


def _opener() -> OpenerDirector:
    """Return an opener of http and https alone, also where a server redirects."""
    opener = OpenerDirector()
    for handler in (
        ProxyHandler, UnknownHandler, HTTPHandler, HTTPSHandler, HTTPDefaultErrorHandler, HTTPRedirectHandler,
        HTTPErrorProcessor,
    ):  # fmt: skip
        opener.add_handler(handler())
    return opener


def public_address(address: str) -> str:
    """Return an address without login, query and fragment, which may hold secrets."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
