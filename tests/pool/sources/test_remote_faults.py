"""A web server that drops, stalls or errs: what is read is right or one clear line, and it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event
from typing import BinaryIO

import numpy as np
import pytest

from heatpool.pipelines.cli import main
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources import addresses, remote
from heatpool.pool.store.reader import FeatureStore
from tests.fixtures.web_server import serving
from tests.pool.archive.archive_cases import _Handler, pack_store, serve
from tests.pool.store.store_cases import make_store

ARRAYS = ("pooled", "keypoints", "boxes", "mask", "time_s")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "_TIMEOUT_S", (1.0, 0.3))
    monkeypatch.setattr(remote, "_WAIT_S", 0.02)
    for name in ("_SMALL", "_READ_AHEAD"):  # else one request brings the whole archive
        monkeypatch.setattr(remote, name, 1 << 12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("remote")
    make_store(folder / "s.zarr").close()
    pack_store(folder / "s.zarr", folder / "s.hpz")
    return folder


class _Faulty(_Handler):
    """Answers well, but for what `fault` does to the n-th request; it returns whether it took the request."""

    def __init__(self, *args, fault: Callable[[_Faulty, int], bool], count: list, **options) -> None:
        self.fault, self.count = fault, count
        super().__init__(*args, **options)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def do_GET(self) -> None:  # noqa: N802
        self.count.append(self.path)
        if not self.fault(self, len(self.count)):
            super().do_GET()

    def do_HEAD(self) -> None:  # noqa: N802
        self.count.append(self.path)
        if not self.fault(self, len(self.count)):
            super().do_HEAD()


@contextmanager
def faulty(folder: Path, fault: Callable[[_Faulty, int], bool]) -> Iterator[tuple[str, list]]:
    count: list = []
    handler = partial(_Faulty, requests=[], ranges=True, directory=str(folder), fault=fault, count=count)
    with serving(handler) as address:
        yield address, count


def read_all(address: str) -> dict[str, np.ndarray]:
    return FeatureStore.open(address).read(np.arange(11), ARRAYS)


def same(found: dict[str, np.ndarray], folder: Path) -> None:
    expected = FeatureStore.open(folder / "s.zarr").read(np.arange(11), ARRAYS)
    for array in ARRAYS:
        assert found[array].tobytes() == expected[array].tobytes(), array


class _Cut:
    """Where an answer goes: its headers, some bytes of its body, and no more."""

    def __init__(self, file: BinaryIO, sent: int) -> None:
        self._file, self._sent, self._headers = file, sent, True

    def write(self, data: bytes) -> int:
        if not self._headers:
            self._file.write(data[: self._sent])
            raise ConnectionResetError
        self._headers = False
        return self._file.write(data)


def hang_up(handler: _Faulty, sent: int = 4) -> None:
    """Promise all that was asked for, give some bytes of it, close."""
    handler.close_connection = True
    if handler.command == "HEAD":
        return
    whole, handler.wfile = handler.wfile, _Cut(handler.wfile, sent)
    with suppress(ConnectionResetError):
        _Handler.do_GET(handler)
    handler.wfile = whole


def cut_silently(handler: _Faulty) -> None:
    """Half of what was asked for, without a length: the end of the connection is the end of the body."""
    data = Path(handler.translate_path(handler.path)).read_bytes()
    asked = handler.headers.get("Range")
    if asked:
        start, stop = (int(number) for number in asked.removeprefix("bytes=").split("-"))
        data = data[start : stop + 1]
    handler.send_response(206 if asked else 200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(data[: len(data) // 2])
    handler.close_connection = True


def close(handler: _Faulty) -> None:
    handler.close_connection = True


def stall(handler: _Faulty) -> None:
    time.sleep(0.8)
    handler.close_connection = True


def stall_in_the_body(handler: _Faulty, sent: int = 4) -> None:
    hang_up(handler, sent)
    handler.wfile.flush()
    time.sleep(0.8)


def err(handler: _Faulty) -> None:
    handler.send_response(500)
    handler.send_header("Retry-After", "86400")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


WAYS = [hang_up, close, stall, stall_in_the_body, err]


@pytest.mark.parametrize("name", ["s.hpz", pytest.param("s.zarr", marks=pytest.mark.slow)])
@pytest.mark.parametrize("way", WAYS)
def test_every_third_answer_fails_and_nothing_is_lost(
    folder: Path, name: str, way: Callable[[_Faulty], None]
) -> None:
    def fault(handler: _Faulty, number: int) -> bool:
        if number % 3 == 0:
            way(handler)
        return number % 3 == 0

    with faulty(folder, fault) as (address, count):
        same(read_all(f"{address}/{name}"), folder)
        assert len(count) >= 3, "no request failed"


@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_fails_for_good_is_one_line_and_an_end(folder: Path, way: Callable[..., None]) -> None:
    down = Event()
    # With four bytes an answer a transfer gets on, and goes on.
    nothing = {"sent": 0} if way in (hang_up, stall_in_the_body) else {}

    def fault(handler: _Faulty, number: int) -> bool:
        if down.is_set():
            way(handler, **nothing)
        return down.is_set()

    with faulty(folder, fault) as (address, count):
        store = FeatureStore.open(f"{address}/s.zarr")
        down.set()
        before, begun = len(count), time.monotonic()
        with pytest.raises(HeatpoolError, match=r"cannot be read \(.*\); try again later") as error:
            store.read(np.arange(4), ("pooled",))
        assert time.monotonic() - begun < 8
        assert len(str(error.value).splitlines()) == 1
        assert len(count) - before <= 4 * remote._TRIES + 4  # a few files at once; tries do not multiply


def test_a_server_that_dies_is_one_line(folder: Path) -> None:
    with serve(folder) as (address, _):
        FeatureStore.open(f"{address}/s.hpz")
    begun = time.monotonic()
    with pytest.raises(
        HeatpoolError, match=r"s\.hpz: cannot be read \(the server cannot be reached\); try again later"
    ):
        FeatureStore.open(f"{address}/s.hpz")
    assert time.monotonic() - begun < 8


@pytest.mark.parametrize("name", ["s.hpz", "s.zarr"])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_body_cut_without_a_word_is_never_data(folder: Path, name: str, at: int) -> None:
    def fault(handler: _Faulty, number: int) -> bool:
        if number >= at and handler.command == "GET" and handler.path.rpartition("/")[2] != "zarr.json":
            cut_silently(handler)
            return True
        return False

    with faulty(folder, fault) as (address, _), pytest.raises(HeatpoolError) as error:
        read_all(f"{address}/{name}")
    assert len(str(error.value).splitlines()) == 1


def test_another_range_than_asked_for_is_refused(folder: Path) -> None:
    def fault(handler: _Faulty, number: int) -> bool:
        asked = handler.headers.get("Range")
        if handler.command != "GET" or not asked:
            return False
        start, stop = (int(each) for each in asked.removeprefix("bytes=").split("-"))
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start + 1}-{stop + 1}/99999")
        handler.send_header("Content-Length", str(stop + 1 - start))
        handler.end_headers()
        handler.wfile.write(bytes(stop + 1 - start))
        return True

    with (
        faulty(folder, fault) as (address, _),
        pytest.raises(HeatpoolError, match=r"cannot be read \(Requested 0\.\.\d+, got 1\.\.\d+\)"),
    ):
        FeatureStore.open(f"{address}/s.hpz")


def test_a_command_over_a_store_whose_server_fails_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fault(handler: _Faulty, number: int) -> bool:
        err(handler)
        return True

    with faulty(folder, fault) as (address, _):
        assert main(["info", f"{address}/s.hpz"]) == 1
    said = f"heatpool info: {address}/s.hpz: cannot be read (the server answers with errors); try again later"
    assert capsys.readouterr().err.splitlines() == [said]
