"""Archives in memory for the tests, and a web server that knows byte ranges."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

from heatpool.pool.archive.card import store_card
from heatpool.pool.archive.pack import Packed, pack
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore
from tests.fixtures.web_server import serving


class MemoryFile:
    """A `ByteFile` of bytes."""

    name = "memory.hpz"

    def __init__(self, data: bytes | bytearray) -> None:
        self._data = data

    @property
    def size(self) -> int:
        return len(self._data)

    def read(self, start: int, stop: int) -> bytes:
        if stop > len(self._data):
            raise HeatpoolError(f"ends before {stop}")
        return bytes(self._data[start:stop])


def pack_store(store: Path, out: Path) -> Packed:
    return pack(store, out, card=store_card(FeatureStore.open(store)))


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *args, requests: list, ranges: bool, **options) -> None:
        self.requests, self.ranges = requests, ranges
        super().__init__(*args, **options)

    def log_message(self, *args) -> None:
        self.requests.append((self.command, self.path, self.headers.get("Range")))

    def do_GET(self) -> None:
        path, asked = Path(self.translate_path(self.path)), self.headers.get("Range")
        if not asked or not self.ranges or not path.is_file():
            super().do_GET()
            return
        data = path.read_bytes()
        first, last = re.fullmatch(r"bytes=(\d+)-(\d*)", asked).groups()
        start, stop = int(first), int(last or len(data) - 1)
        part = data[start : stop + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{start + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        # As the whole file has it: what goes on where it stopped asks whether it is the same file still.
        self.send_header("Last-Modified", self.date_time_string(int(path.stat().st_mtime)))
        self.end_headers()
        self.wfile.write(part)


@contextmanager
def serve(folder: Path, *, ranges: bool = True) -> Iterator[tuple[str, list]]:
    """A web server of a folder on the loopback: its address, and the requests it gets."""
    requests: list = []
    handler = partial(_Handler, requests=requests, ranges=ranges, directory=str(folder))
    with serving(handler) as address:
        yield address, requests
