from __future__ import annotations

import pickle
import shutil
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import obstore
import pytest

from heatpool.pool.archive.pack import unpack, verify
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources import remote
from heatpool.pool.sources.archive import ArchiveSource
from heatpool.pool.sources.locate import find_source, open_archive, store_stem
from heatpool.pool.sources.remote import RemoteFile, RemoteFiles, RemoteFolder
from heatpool.pool.store.digests import store_digest
from heatpool.pool.store.reader import FeatureStore
from tests.fixtures.web_server import serving
from tests.pool.archive.archive_cases import pack_store, serve
from tests.pool.store.store_cases import make_store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("remote")
    make_store(folder / "s.zarr").close()
    pack_store(folder / "s.zarr", folder / "s.hpz")
    return folder


def same(remote: FeatureStore, plain: FeatureStore) -> None:
    """Check that two stores give the same."""
    rows = [0, 10, 6]
    for name in ("pooled", "keypoints", "mask", "time_s"):
        np.testing.assert_array_equal(remote.read(rows, (name,))[name], plain.read(rows, (name,))[name])
    assert remote.clips.status.tolist() == plain.clips.status.tolist()
    assert remote.clips.index.clip_id == plain.clips.index.clip_id
    assert remote.results([4]) == plain.results([4])
    assert store_digest(remote.source) == store_digest(plain.source)
    assert sum(remote.bytes_by_array().values()) > 0


@pytest.mark.parametrize("name", ["s.hpz", "s.zarr"])
def test_a_store_on_a_web_server_reads_like_one_at_home(folder: Path, name: str) -> None:
    with serve(folder) as (address, requests):
        remote = FeatureStore.open(f"{address}/{name}")
        same(remote, FeatureStore.open(folder / "s.zarr"))
        same(pickle.loads(pickle.dumps(remote)), FeatureStore.open(folder / "s.zarr"))
    if name == "s.hpz":
        assert {path for _, path, _ in requests} == {"/s.hpz"}
        assert len(requests) < 30  # small files lie side by side and come together


def test_a_clip_costs_its_bytes_and_not_the_file(folder: Path, tmp_path: Path) -> None:
    make_store(tmp_path / "big.zarr", clips=400, shard_clips=64).close()
    pack_store(tmp_path / "big.zarr", tmp_path / "big.hpz")
    with serve(tmp_path) as (address, requests):
        store = FeatureStore.open(f"{address}/big.hpz")
        fetched = _bytes(requests)
        store.read([200], ("pooled",))
        assert _bytes(requests) - fetched <= 2 * (1 << 17)
        assert fetched < (tmp_path / "big.hpz").stat().st_size


def _bytes(requests: list) -> int:
    ranges = (asked.removeprefix("bytes=").split("-") for _, _, asked in requests if asked)
    return sum(int(stop) + 1 - int(start) for start, stop in ranges)


def test_secrets_in_an_address_are_sent_and_not_shown(folder: Path) -> None:
    with serve(folder) as (address, requests):
        secret = address.replace("http://", "http://me:pass@") + "/s.hpz?sig=abc"
        store = FeatureStore.open(secret)
        assert store.source.name == f"{address}/s.hpz"
        assert {path for _, path, _ in requests} == {"/s.hpz?sig=abc"}
        assert store_stem(secret) == "s"
        with pytest.raises(HeatpoolError) as error:
            FeatureStore.open(f"{address}/none.hpz?sig=abc")
        assert "sig" not in str(error.value)


def test_an_archive_is_verified_and_unpacked_from_an_address(folder: Path, tmp_path: Path) -> None:
    with serve(folder) as (address, _):
        archive = open_archive(f"{address}/s.hpz")
        assert verify(archive).digest == verify(open_archive(folder / "s.hpz")).digest
        unpack(archive, tmp_path / "s.zarr")
    assert store_digest(find_source(tmp_path / "s.zarr")) == store_digest(find_source(folder / "s.zarr"))


def test_what_is_not_there_or_answers_badly_is_one_line(folder: Path) -> None:
    with serve(folder, ranges=False) as (address, _):
        with pytest.raises(HeatpoolError, match="no such file on the server"):
            FeatureStore.open(f"{address}/t.hpz")
        with pytest.raises(HeatpoolError, match="no such file on the server"):
            FeatureStore.open(f"{address}/t.zarr")
        with pytest.raises(HeatpoolError, match="expected a feature store, or an archive .*, got a web page"):
            FeatureStore.open(address)
        store = FeatureStore.open(f"{address}/s.zarr")
        whole = store.read(np.arange(8))["pooled"]  # whole shards need no ranges
        np.testing.assert_array_equal(
            whole, FeatureStore.open(folder / "s.zarr").read(np.arange(8))["pooled"]
        )
    with pytest.raises(HeatpoolError, match="expected a path or an address of http"):
        FeatureStore.open("ftp://example.org/s.hpz")


def test_damage_on_the_way_is_noticed(folder: Path, tmp_path: Path) -> None:
    data = bytearray((folder / "s.hpz").read_bytes())
    start, member = open_archive(folder / "s.hpz")._places["mask/c/0/0/0"]
    data[start + member.size // 2] ^= 4
    (tmp_path / "s.hpz").write_bytes(data)
    with serve(tmp_path) as (address, _):
        store = FeatureStore.open(f"{address}/s.hpz")
        with pytest.raises(HeatpoolError, match="damaged"):
            store.read([0], ("mask",))


@pytest.mark.parametrize("name", ["s.hpz", "s.zarr"])
def test_a_store_in_an_object_store_reads_like_one_at_home(folder: Path, name: str) -> None:
    memory = obstore.store.MemoryStore()
    root = folder / "s.zarr"
    for path in root.rglob("*"):
        if path.is_file():
            obstore.put(memory, path.relative_to(root).as_posix(), path.read_bytes())
    obstore.put(memory, "deep/s.hpz", (folder / "s.hpz").read_bytes())
    if name == "s.hpz":
        source = ArchiveSource(RemoteFile(RemoteFiles(memory, "s3://b/deep/s.hpz", key="deep/s.hpz")))
    else:
        source = RemoteFolder(RemoteFiles(memory, "s3://b"))
        assert set(source.keys("journal")) == {"0000000.json", "0000001.json", "0000002.json"}
    same(FeatureStore.open(source), FeatureStore.open(folder / "s.zarr"))
    assert source.read("nowhere") is None
    assert source.size("nowhere") is None


@pytest.mark.parametrize("scheme", ["s3", "https"])
def test_addresses_need_obstore(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(HeatpoolError, match=f"^{scheme}:// needs obstore: pip install obstore$"):
        FeatureStore.open(f"{scheme}://bucket/s.hpz")


@pytest.mark.parametrize("code", [401, 403, 416])
def test_a_refusal_is_one_line_at_once_and_shows_no_secret(code: int) -> None:
    with answering(code) as (address, requests):
        with pytest.raises(HeatpoolError) as error:
            FeatureStore.open(f"{address}/s.hpz?sig=abc")
        login = ": it is not there, or not for you; a login comes from" if code < 404 else ""
        said = str(error.value).partition(" the address (")[0]
        assert said == f"{address}/s.hpz: the server refuses (HTTP {code}){login}"
        assert len(requests) == 1


def test_what_is_gone_for_good_is_not_there() -> None:
    with answering(410) as (address, _), pytest.raises(HeatpoolError, match="no such file on the server"):
        FeatureStore.open(f"{address}/s.hpz")


@pytest.mark.parametrize("where", ["address", "netrc"])
def test_the_login_of_the_address_or_of_netrc_is_sent(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with answering(404) as (address, requests):
        if where == "netrc":
            (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password p@ss\n")
        else:
            address = address.replace("http://", "http://me:p%40ss@")
        with pytest.raises(HeatpoolError, match="no such file"):
            FeatureStore.open(f"{address}/s.hpz")
        assert requests == [f"Basic {b64encode(b'me:p@ss').decode()}"]


@contextmanager
def answering(code: int) -> Iterator[tuple[str, list]]:
    """A web server that answers everything alike: its address, and the logins that it got."""
    logins: list = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            logins.append(self.headers.get("Authorization"))
            self.send_response(code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD  # noqa: N815

    with serving(Handler) as address:
        yield address, logins


def test_a_changed_file_is_noticed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_READ_AHEAD", 1 << 14)
    shutil.copy(folder / "s.hpz", tmp_path / "s.hpz")
    with serve(tmp_path) as (address, _):
        store = FeatureStore.open(f"{address}/s.hpz")
        (tmp_path / "s.hpz").unlink()
        with pytest.raises(HeatpoolError, match="gone from the server"):
            store.source.file.read(30_000, 60_000)
