"""Commands on stores behind a plain web server, such as Python's, which knows no ranges and lists nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from heatpool.pipelines.cli import main
from heatpool.pool.sources import remote
from heatpool.pool.store.reader import FeatureStore
from tests.pipelines.training.train_cases import make_store, train
from tests.pool.archive.archive_cases import pack_store, serve


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    make_store(
        folder / "s.zarr", shard_clips=10
    )  # the last of four shards holds six clips: it is read in parts
    pack_store(folder / "s.zarr", folder / "s.hpz")
    return folder


@pytest.fixture
def served(folder: Path) -> Iterator[tuple[str, list]]:
    with serve(folder, ranges=False) as (address, requests):
        yield address, requests


def fetched(requests: list, folder: Path) -> tuple[int, Counter[str]]:
    """Bytes of the bodies that a server without ranges was asked for, and how often for each file."""
    paths = Counter(path for method, path, _ in requests if method == "GET" and (folder / path[1:]).is_file())
    return sum((folder / path[1:]).stat().st_size * count for path, count in paths.items()), paths


@pytest.mark.parametrize("cache", ["ram", "none"])
def test_a_store_trains_from_a_plain_web_server_and_no_shard_comes_twice(
    served: tuple[str, list], folder: Path, tmp_path: Path, cache: str
) -> None:
    address, requests = served
    quick = ("--model", "linear", "--epochs", "2", "--quiet", "--cache", cache)
    assert train(f"{address}/s.zarr", tmp_path / "run", *quick) == 0
    bytes_fetched, times = fetched(requests, folder)
    size = sum(path.stat().st_size for path in (folder / "s.zarr").rglob("*") if path.is_file())
    assert bytes_fetched <= 1.2 * size
    assert {path: count for path, count in times.items() if count > 1} == {"/s.zarr/zarr.json": 2}


def test_an_archive_is_fetched_once(served: tuple[str, list], folder: Path, tmp_path: Path) -> None:
    address, requests = served
    assert train(f"{address}/s.hpz", tmp_path / "run", "--model", "linear", "--epochs", "2", "--quiet") == 0
    assert [path for _, path, _ in requests] == ["/s.hpz"] * 2  # a range, which is refused, and the file


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("name", ["s.zarr", "s.hpz"])
def test_stores_at_addresses_are_verified_and_made_into_others(
    folder: Path, tmp_path: Path, name: str, ranges: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(folder, ranges=ranges) as (address, _):
        store = f"{address}/{name}"
        assert main(["verify", store, "--quiet"]) == 0
        assert " files compared, intact" in capsys.readouterr().out
        out = {each: str(tmp_path / each) for each in ("c.zarr", "s.zarr", "m.zarr", "e.npz")}
        assert main(["convert", store, out["c.zarr"], "--precision", "u1", "--quiet"]) == 0
        assert main(["archive", "subset", store, out["s.zarr"], "--where", "camera=c1", "--quiet"]) == 0
        assert main(["archive", "export", store, out["e.npz"], "--quiet"]) == 0
        assert [len(FeatureStore.open(out[each])) for each in ("c.zarr", "s.zarr")] == [36, 12]
        with np.load(out["e.npz"]) as tables:
            assert len(tables["clip_id"]) == 36


def test_damage_at_an_address_is_named_with_its_clips(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_store(tmp_path / "s.zarr", shard_clips=10)
    shard = FeatureStore.open(tmp_path / "s.zarr").layout.shard_key("mask", 2)
    data = bytearray((tmp_path / "s.zarr" / shard).read_bytes())
    data[-1] ^= 1
    (tmp_path / "s.zarr" / shard).write_bytes(data)
    (tmp_path / "s.zarr/journal/0000003.json").unlink()
    with serve(tmp_path) as (address, _):
        assert main(["verify", f"{address}/s.zarr", "--quiet"]) == 1
    said = capsys.readouterr()
    assert (
        f"damaged: shard 2: the bytes of {shard} changed since they were written (clips 20 to 29: "
        in said.out
    )
    assert "missing: 1 of 4 shards have no record, 6 clips: 3" in said.out
    assert "not intact; get it again" in said.err


def test_a_server_that_goes_while_a_store_is_verified_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_WAIT_S", 0.01)
    with serve(folder) as (address, _):
        pass
    assert main(["verify", f"{address}/s.zarr"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("s.zarr/zarr.json: cannot be read (the server cannot be reached); try again later")
