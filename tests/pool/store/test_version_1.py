"""Stores of version 1 stay what they are where they lie; what is made of them is of version 2."""

from __future__ import annotations

import asyncio
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heatpool.pipelines.cli import main
from heatpool.pool.archive.pack import pack, unpack
from heatpool.pool.derive.convert import convert_store
from heatpool.pool.derive.merge import merge_stores, subset_store
from heatpool.pool.derive.remake import append_store, relabel_store
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipResult, Status
from heatpool.pool.sources.folder import Source
from heatpool.pool.sources.locate import find_source
from heatpool.pool.store.index_overlay import take_clips
from heatpool.pool.store.reader import FeatureStore, open_store
from heatpool.pool.store.verify import verify_store
from heatpool.pool.store.writer import StoreWriter
from tests.paths import ROOT
from tests.pool.store.store_cases import tree_bytes


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("version_1")
    with tarfile.open(ROOT / "tests/fixtures/old_build.tar.gz") as archive:
        stores = [each for each in archive.getmembers() if each.name.startswith(("features.zarr", "small.z"))]
        archive.extractall(folder, stores, filter="data")
    return folder


@pytest.fixture
def old(unpacked: Path, tmp_path: Path) -> FeatureStore:
    """Float16, 36 clips in one shard of 64."""
    return open_store(shutil.copytree(unpacked / "features.zarr", tmp_path / "old.zarr"))


def versions_of(store: FeatureStore) -> tuple[int, bool]:
    """The version that the attributes name, and whether a chunk lies where version 1 has it."""
    return store.attributes["version"], (store.path / "clip_id/c.0").is_file()


def write_more(old: FeatureStore, path: Path) -> FeatureStore:
    """A store of three clips, one of them the old one's first under another name."""
    index = take_clips(old.clips.index, np.arange(3))
    index = replace(index, clip_id=("new_0", "new_1", "new_2"))
    with StoreWriter.create(path, spec=old.spec, index=index) as writer:
        failed = (None, ClipResult(Status.FAILED, reason="cut"))
        clips = [(old.clip(0), old.results([0])[0]), failed, failed]
        writer.write_shard(0, [clip for clip, _ in clips], [result for _, result in clips])
        writer.finish()
    return open_store(path)


def test_growing_and_relabelling_leave_the_version(old: FeatureStore, tmp_path: Path) -> None:
    before = old.read_stored(range(36))
    append_store(old, write_more(old, tmp_path / "more.zarr"))
    grown = open_store(old.path)
    relabel_store(grown, replace(grown.clips.index, class_names=("up", "down")))
    again = open_store(old.path)
    assert versions_of(again) == (1, True)
    assert (len(again), again.clips.class_names) == (39, ("up", "down"))
    assert verify_store(again.path).intact
    assert verify_store(again.path).unexpected == ()
    after = again.read_stored(range(39))
    for name, values in before.items():
        np.testing.assert_array_equal(after[name][:36], values)
        np.testing.assert_array_equal(after[name][36], values[0])


@pytest.mark.parametrize("lost", ["zarr.json", "label/c.0", "pooled/zarr.json", "index.json"])
def test_a_resume_makes_what_is_lost_again_as_it_was(old: FeatureStore, lost: str) -> None:
    index, before = old.clips.index, tree_bytes(old.path)
    (old.path / lost).unlink()
    StoreWriter.resume(old.path, spec=old.spec, index=index).close()
    assert tree_bytes(old.path) == before


def test_a_shard_is_written_again_to_the_same_names(old: FeatureStore) -> None:
    stored, results, index = old.read_stored(range(36)), old.results(range(36)), old.clips.index
    files = set(tree_bytes(old.path))
    (old.path / "mask/c.0.0.0").unlink()
    with StoreWriter.resume(old.path, spec=old.spec, index=index) as writer:
        assert writer.pending_shards() == [0]
        writer.write_stored(0, stored, results)
        writer.finish()
    assert set(tree_bytes(old.path)) == files
    assert verify_store(old.path).intact


def test_what_is_made_of_it_is_of_version_2(old: FeatureStore, tmp_path: Path) -> None:
    merge_stores([old, write_more(old, tmp_path / "more.zarr")], tmp_path / "merged.zarr")
    subset_store(old, tmp_path / "subset.zarr", rows=np.arange(36))
    for name in ("merged.zarr", "subset.zarr"):
        made = open_store(tmp_path / name)
        assert versions_of(made) == (2, False)
        for array, values in old.read_stored(range(36)).items():
            np.testing.assert_array_equal(made.read_stored(range(36))[array], values)


@pytest.mark.parametrize("name", ["features.zarr", "small.zarr"])
def test_convert_makes_it_new_bit_for_bit(name: str, unpacked: Path, tmp_path: Path) -> None:
    old = open_store(unpacked / name)
    with pytest.raises(HeatpoolError, match="already; without --precision it is written in format version 2"):
        convert_store(old, tmp_path / "new.zarr", precision=old.spec.precision)
    assert main(["convert", str(old.path), str(tmp_path / "new.zarr"), "--quiet"]) == 0
    new = open_store(tmp_path / "new.zarr")
    assert versions_of(new) == (2, False)
    assert verify_store(new.path).intact
    for array, values in old.read_stored(range(36)).items():
        np.testing.assert_array_equal(new.read_stored(range(36))[array], values)
    assert new.attributes == {**old.attributes, "version": 2, "code_version": new.attributes["code_version"]}
    assert new.results(range(36)) == old.results(range(36))
    with pytest.raises(HeatpoolError, match="is of format version 2 already"):
        convert_store(new, tmp_path / "newer.zarr", precision=None)


def test_archives_have_the_version_of_their_store(old: FeatureStore, tmp_path: Path) -> None:
    convert_store(old, tmp_path / "new.zarr", precision=None)
    for version, path in enumerate((old.path, tmp_path / "new.zarr"), start=1):
        pack(path, tmp_path / f"{version}.hpz", card="")
        archive = find_source(str(tmp_path / f"{version}.hpz"))
        assert json.loads(archive.read("MANIFEST.json") or b"")["version"] == version
        unpack(archive, tmp_path / f"{version}.zarr")
        files = tree_bytes(tmp_path / f"{version}.zarr")
        assert files == {**tree_bytes(path), "README.md": b""}
        assert sorted(asyncio.run(list_keys(archive))) == sorted(files)


async def list_keys(source: Source) -> list[str]:
    """What a program finds that looks for itself."""
    return [key async for key in source.zarr_store().list()]
