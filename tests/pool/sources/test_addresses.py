from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from heatpool.pool.archive.pack import Packed
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.addresses import HubPath, split_address
from heatpool.pool.sources.locate import find_source, open_archive
from heatpool.pool.store.reader import FeatureStore
from tests.fixtures.hub_server import TOKEN, serving_hub
from tests.fixtures.s3_server import serving_bucket
from tests.pool.archive.archive_cases import pack_store, serve
from tests.pool.store.store_cases import make_store, tree_bytes


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    folder = tmp_path_factory.mktemp("addresses")
    make_store(folder / "s.zarr").close()
    return pack_store(folder / "s.zarr", folder / "s.hpz")


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("hf://datasets/me/poses/a/x.hpz", HubPath("me/poses", "a/x.hpz")),
        ("hf://datasets/me/poses@v1.0/x.zarr", HubPath("me/poses", "x.zarr", "v1.0")),
        ("hf://datasets/me/poses@refs%2Fpr%2F1", HubPath("me/poses", "", "refs/pr/1")),
    ],
)
def test_places_on_the_hub_are_read_and_written_alike(address: str, place: HubPath) -> None:
    assert HubPath.parse(address) == place
    assert str(place) == address


@pytest.mark.parametrize(
    "address",
    ["hf://me/poses/x.hpz", "hf://datasets/me", "hf://datasets/me/../x.hpz", "hf://datasets/me/a@/x"],
)
def test_other_places_on_the_hub_are_one_line(address: str) -> None:
    with pytest.raises(HeatpoolError, match="expected hf://datasets/USER/REPO/features.hpz, got 'hf:"):
        HubPath.parse(address)


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("ftp://example.org/x.hpz", "expected a path or an address of http://"),
        ("://x.hpz", "abfss://, got '://x.hpz'"),
        ("http://[::1", r"expected an address, got 'http://\[::1'"),
        ("s3:///x.hpz", "expected s3://HOST_OR_BUCKET/PATH, got"),
        ("http://localhost:99999/x.hpz", r"cannot be opened \(invalid port number\)$"),
    ],
)
def test_what_is_no_address_is_one_line(address: str, line: str) -> None:
    with pytest.raises(HeatpoolError, match=line):
        find_source(address)


def test_the_query_and_the_words_of_a_login_are_no_part_of_the_address() -> None:
    assert split_address("https://me:word@example.org/s.hpz?sig=1").path == "/s.hpz"


def test_a_file_without_its_name_in_the_address_is_known_by_its_bytes(packed: Packed, tmp_path: Path) -> None:
    shutil.copy(packed.path, tmp_path / "content")
    for ranges in (True, False):
        with serve(tmp_path, ranges=ranges) as (address, _):
            assert open_archive(f"{address}/content").digest == packed.digest


@pytest.mark.parametrize("login", [True, False])
def test_the_hub_serves_archives_and_folders(
    packed: Packed, tmp_path: Path, login: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Path(packed.path).with_name("s.zarr")
    with serving_hub(tmp_path) as hub:
        if login:
            monkeypatch.setenv("HF_TOKEN", TOKEN)
        data = Path(packed.path).read_bytes()
        files = {f"s.zarr/{name}": content for name, content in tree_bytes(store).items()}
        hub.add("me/poses", {"s.hpz": data, **files}, large="s.hpz")
        for name in ("s.hpz", "s.zarr"):
            found = FeatureStore.open(f"hf://datasets/me/poses/{name}")
            assert (
                found.read([0])["pooled"].tobytes() == FeatureStore.open(store).read([0])["pooled"].tobytes()
            )
        logins = {path.startswith("/cdn"): word for _, path, word in hub.requests}
        # The token is for the hub alone: where that sends the reader, it does not go along.
        assert logins == {False: f"Bearer {TOKEN}" if login else None, True: None}


def test_what_the_hub_refuses_says_how_to_log_in(tmp_path: Path) -> None:
    with serving_hub(tmp_path) as hub:
        hub.add("me/poses", {})
        with pytest.raises(HeatpoolError, match="me/poses/s.hpz: no such file on the server"):
            find_source("hf://datasets/me/poses/s.hpz")
        hub.private["me/poses"] = True
        with pytest.raises(
            HeatpoolError, match=r"refuses \(HTTP 401\).*log in \(hf auth login, or HF_TOKEN\)"
        ):
            find_source("hf://datasets/me/poses/s.hpz")


def test_a_bucket_serves_archives_and_folders(packed: Packed, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Path(packed.path).with_name("s.zarr")
    with serving_bucket() as bucket:
        bucket.objects["deep/s.hpz"] = Path(packed.path).read_bytes()
        bucket.objects |= {f"s.zarr/{name}": data for name, data in tree_bytes(store).items()}
        for name in ("deep/s.hpz", "s.zarr"):
            found = FeatureStore.open(f"s3://bucket/{name}")
            assert (
                found.read([0])["pooled"].tobytes() == FeatureStore.open(store).read([0])["pooled"].tobytes()
            )
        journal = find_source("s3://bucket/s.zarr").keys("journal")
        assert journal == ["0000000.json", "0000001.json", "0000002.json"]
        assert all(signed for _, _, signed in bucket.requests)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
        with pytest.raises(HeatpoolError, match=r"HTTP 403\).* AWS_SKIP_SIGNATURE=true opens what is public"):
            find_source("s3://bucket/deep/s.hpz")
        bucket.public = True
        assert open_archive("s3://bucket/deep/s.hpz").digest == packed.digest
