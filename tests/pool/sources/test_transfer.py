"""What a server sends is bounded in bytes and in time, and a broken connection is resumed."""

from __future__ import annotations

import gzip
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace
from typing import BinaryIO

import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources import addresses, remote, transfer
from heatpool.pool.sources.addresses import open_files
from heatpool.pool.sources.transfer import KeptFiles
from tests.fixtures.web_server import serving

DATA = np.random.default_rng(0).bytes(300_000)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "_TIMEOUT_S", (1.0, 0.5))
    monkeypatch.setattr(remote, "_WAIT_S", 0.02)
    monkeypatch.setattr(transfer, "_GRACE_S", 0.4)


class _Handler(BaseHTTPRequestHandler):
    """Answers with `way`, which gets the handler and the number of the request."""

    protocol_version = "HTTP/1.1"
    way: Callable[[_Handler, int], None]
    asked: list[str | None]

    def do_GET(self) -> None:
        self.asked.append(self.headers.get("Range"))
        try:
            type(self).way(self, len(self.asked))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def send(self, data: bytes, code: int = 200, length: int | None = None, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def answering(way: Callable[[_Handler, int], None]) -> Iterator[tuple[str, list[str | None]]]:
    asked: list[str | None] = []
    with serving(type("_", (_Handler,), {"way": way, "asked": asked})) as address:
        yield f"{address}/file", asked


def drip(handler: _Handler, number: int) -> None:
    handler.send(b"", length=1000)
    for _ in range(40):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.05)


def drip_headers(handler: _Handler, number: int) -> None:
    handler.send_response(200)
    for more in range(40):
        handler.send_header(f"X-{more}", "y")
        handler.flush_headers()
        time.sleep(0.05)


def claim(handler: _Handler, number: int) -> None:
    handler.send(DATA, length=10**10)
    handler.close_connection = True


def compressed(handler: _Handler, number: int) -> None:
    handler.send(gzip.compress(bytes(10**6)), Content_Encoding="gzip")


def endless(handler: _Handler, number: int) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for _ in range(10_000):
        handler.wfile.write(b"10000\r\n" + bytes(1 << 16) + b"\r\n")


def astray(handler: _Handler, number: int) -> None:
    handler.send(b"", 302, Location="http://[::1")


def around(handler: _Handler, number: int) -> None:
    handler.send(b"", 302, Location=handler.path)


def break_after_a_byte(handler: _Handler, number: int) -> None:
    first = int((handler.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
    handler.send(
        DATA[first : first + 1], 206 if first else 200, len(DATA) - first,
        Content_Range=f"bytes {first}-{len(DATA) - 1}/{len(DATA)}",
    )  # fmt: skip
    handler.close_connection = True


@pytest.mark.parametrize(
    ("way", "line"),
    [
        (drip_headers, "cannot be read (the server does not answer in time); try again later"),
        (drip, "the server is too slow (* bytes in 0 s; HEATPOOL_MIN_KB_PER_S in the environment"),
        (
            claim,
            "expected at most 1,000,000,000 bytes, the server announces 10,000,000,000; HEATPOOL_MAX_FILE",
        ),
        (compressed, "the server sends it compressed ('gzip'); turn that off for such files"),
        (endless, "the server does not say how long the file is (no Content-Length)"),
        (astray, "the server sends it to what is no address"),
        (around, "the server sends it in circles"),
        (break_after_a_byte, "the server is too slow (* bytes in 0 s; "),
    ],
)
def test_a_server_that_misbehaves_is_one_line_soon(way: Callable[[_Handler, int], None], line: str) -> None:
    begun = time.monotonic()
    with answering(way) as (address, _), pytest.raises(HeatpoolError) as error:
        open_files(address, file=True).get("")
    first, _, second = line.partition("*")
    assert str(error.value).startswith(f"{address}: {first}")
    assert second in str(error.value)
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("part", [(), (0, 1)], ids=["whole", "a part"])
def test_a_record_has_a_limit_of_its_own(part: tuple[int, ...]) -> None:
    line = "at most 67,108,864 bytes, .*; no record of a store is so large"
    with answering(claim) as (address, _), pytest.raises(HeatpoolError, match=line):
        open_files(address, file=False).get("zarr.json", *part)


def test_the_least_rate_is_the_users_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(handler: _Handler, number: int) -> None:
        handler.send(b"", length=20)
        for _ in range(20):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.03)

    with answering(slow) as (address, _):
        files = open_files(address, file=True)
        with pytest.raises(HeatpoolError, match="too slow"):
            files.get("")
        monkeypatch.setenv("HEATPOOL_MIN_KB_PER_S", "0")
        assert files.get("") == b"x" * 20
        monkeypatch.setenv("HEATPOOL_MIN_KB_PER_S", "fast")
        with pytest.raises(
            HeatpoolError, match="expected HEATPOOL_MIN_KB_PER_S to be a number from 0 on, got 'f"
        ):
            files.get("")


def test_a_broken_connection_is_taken_up_where_it_broke() -> None:
    def way(handler: _Handler, number: int) -> None:
        first = int((handler.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        handler.send(
            DATA[first : first + 100_000], 206 if first else 200, len(DATA) - first, ETag='"1"',
            Content_Range=f"bytes {first}-{len(DATA) - 1}/{len(DATA)}",
        )  # fmt: skip
        handler.close_connection = True

    with answering(way) as (address, asked):
        assert open_files(address, file=True).get("") == DATA
    assert asked == [None, "bytes=100000-", "bytes=200000-"]


def test_where_ranges_are_not_known_it_is_taken_up_from_the_start() -> None:
    def way(handler: _Handler, number: int) -> None:
        handler.send(DATA[: 100_000 * number], length=len(DATA))
        handler.close_connection = number < 3

    with answering(way) as (address, asked):
        assert open_files(address, file=True).get("") == DATA
    assert asked == [None, "bytes=100000-", None]


def test_a_file_that_changed_in_between_is_no_data() -> None:
    def way(handler: _Handler, number: int) -> None:
        first = int((handler.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        handler.send(
            DATA[first : first + 100_000], 206 if first else 200, len(DATA) - first, ETag=f'"{number}"',
            Content_Range=f"bytes {first}-{len(DATA) - 1}/{len(DATA)}",
        )  # fmt: skip
        handler.close_connection = True

    with answering(way) as (address, _), pytest.raises(HeatpoolError, match="changed on the server while it"):
        open_files(address, file=True).get("")


def whole(handler: _Handler, number: int) -> None:
    handler.send(DATA if handler.path == "/file" else DATA[:1000])


def test_without_ranges_parts_cost_one_request_a_file() -> None:
    with answering(whole) as (address, asked):
        files = open_files(address, file=True)
        parts = [files.get("", start, start + 10) for start in range(0, 1000, 10)]
        assert b"".join(parts) == DATA[:1000]
        assert files.get("") == DATA
        assert files.begin("", len(DATA) - 3, len(DATA) + 9) == (DATA[-3:], len(DATA))
    assert len(asked) == 2  # the range that was refused, the file


def test_processes_that_were_forked_keep_what_they_add_for_themselves() -> None:
    kept, places = KeptFiles(), {"a": b"a" * 9, "b": b"bb", "c": b"cccc"}

    def fetch(key: str) -> Callable[[BinaryIO, int, str], int]:
        return lambda into, most, limit: into.write(places[key])

    assert kept.read("a", 0, 3, fetch("a")) == (b"aaa", 9)
    child = os.fork()
    mine = "b" if child else "c"
    found = [kept.read(key, 0, None, fetch(key)) for key in (mine, "a")]
    right = found == [(places[mine], len(places[mine])), (places["a"], 9)]
    if child == 0:
        os._exit(0 if right else 1)
    assert right
    assert os.waitpid(child, 0)[1] == 0
    assert kept.read("b", 0, None, fetch("b")) == (b"bb", 2)


def test_what_the_disk_has_no_room_for_is_let_go_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(whole) as (address, _):
        files = open_files(address.removesuffix("/file"), file=False)
        assert files.get("small", 0, 10) == DATA[:10]
        kept = files._kept
        free = iter([100, 10**6])  # of the disk: little while the small file is kept, more once it went

        def disk_usage(path: str) -> SimpleNamespace:
            return SimpleNamespace(free=next(free))

        monkeypatch.setattr(shutil, "disk_usage", disk_usage)
        assert files.get("file", 5, 9) == DATA[5:9]
        assert list(kept._places) == ["file"]
        free = iter([100, 100])
        with pytest.raises(HeatpoolError, match=r"expected at most 90 bytes, .* TMPDIR in the environment"):
            files.get("small", 0, 10)
