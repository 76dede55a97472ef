from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from heatpool.classify.data import cache as cache_module
from heatpool.classify.data.batches import clip_batch, load_clips, load_splits
from heatpool.classify.data.cache import LoaderCache, cached_bytes
from heatpool.classify.data.clips import ClipSet, channel_stats
from heatpool.classify.data.persons import FeatureRows
from heatpool.pool.disk.files import cache_folder
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.shard_reader import FeatureReader
from tests.classify.data.test_batches import CHANNELS, JOINTS, STEPS, make_store
from tests.pool.archive.archive_cases import pack_store, serve

ROWS = np.array([4, 0, 3, 1])
ITEM_BYTES = 2 * STEPS * JOINTS * CHANNELS


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    """Five clips in shards of two, seven persons."""
    return make_store(tmp_path / "s.zarr", labels=[0, 1, 0, 1, 1], parts=[1, 1, 2, 3, 3], two=(1, 4))


def values(clips: ClipSet) -> torch.Tensor:
    return clips.features[torch.arange(len(clips.mask))]


def disk(tmp_path: Path, **options) -> LoaderCache:
    return LoaderCache("disk", folder=tmp_path / "cache", **options)


@pytest.mark.parametrize("options", [{}, {"input": "keypoints"}])
def test_every_mode_gives_the_same_batches(store: FeatureStore, tmp_path: Path, options: dict) -> None:
    ram = load_clips(store, ROWS, **options)
    for other in (LoaderCache("none"), disk(tmp_path), disk(tmp_path)):
        clips = load_clips(store, ROWS, cache=other, **options)
        assert torch.equal(values(clips), values(ram))
        assert clips.clip_ids == ram.clip_ids
        for name in ("mask", "slot", "clip_of_person", "labels"):
            assert torch.equal(getattr(clips, name), getattr(ram, name))
        stats, expected = channel_stats(clips), channel_stats(ram)
        assert torch.equal(stats.mean, expected.mean)
        chosen = torch.tensor([3, 0, 0, 2])
        a, b = (clip_batch(each, chosen, window=3, stats=stats) for each in (clips, ram))
        assert torch.equal(a.x, b.x)
        assert torch.equal(clips.subset(np.array([2, 1])).mask, ram.subset(np.array([2, 1])).mask)
        assert torch.equal(values(clips.subset(np.array([2, 1]))), values(ram.subset(np.array([2, 1]))))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """How often each shard of an array is read."""
    counts: Counter = Counter()
    read = FeatureReader.read

    def counting(self: FeatureReader, name: str, shard: int, *more) -> np.ndarray:
        counts[name, shard] += 1
        return read(self, name, shard, *more)

    monkeypatch.setattr(FeatureReader, "read", counting)
    return counts


@pytest.mark.parametrize("mode", ["ram", "disk"])
def test_parts_of_a_split_decode_every_shard_once_in_order(
    store: FeatureStore, tmp_path: Path, reads: Counter, mode: str
) -> None:
    parts = {"train": np.array([3, 0]), "val": np.array([1, 4]), "test": np.array([2])}
    cache = replace(disk(tmp_path), mode=mode)
    clips = load_splits(store, parts, cache=cache)
    for part in clips.values():
        for _ in range(5):
            clip_batch(part, torch.arange(len(part)), window=4, stats=None)
    assert {key: count for key, count in reads.items() if key[0] == "pooled"} == {
        ("pooled", 0): 1, ("pooled", 1): 1, ("pooled", 2): 1,
    }  # fmt: skip
    assert [shard for name, shard in reads if name == "pooled"] == [0, 1, 2]
    assert {name: part.clip_ids for name, part in clips.items()} == {
        "train": ("clip3", "clip0"), "val": ("clip1", "clip4"), "test": ("clip2",),
    }  # fmt: skip
    assert clips["val"].features.shape == (4, STEPS, JOINTS, CHANNELS)


def test_a_cache_on_disk_is_made_once_and_shared(store: FeatureStore, tmp_path: Path, reads: Counter) -> None:
    load_clips(store, ROWS, cache=disk(tmp_path))
    (entry,) = cached_bytes(tmp_path / "cache")
    inode = (entry / "features.f2").stat().st_ino
    reads.clear()
    again = load_clips(FeatureStore.open(store.path), np.array([2]), cache=disk(tmp_path))
    assert not reads
    assert values(again)[0, 1, 0, 0] == 21
    assert (entry / "features.f2").stat().st_ino == inode
    assert json.loads((entry / "info.json").read_text())["bytes"] == 7 * ITEM_BYTES
    assert (entry / "features.f2").stat().st_size == 7 * ITEM_BYTES


def test_the_cache_is_memory_mapped_and_its_file_never_changes(store: FeatureStore, tmp_path: Path) -> None:
    clips = load_clips(store, np.arange(5), cache=disk(tmp_path))
    (entry,) = cached_bytes(tmp_path / "cache")
    before = (entry / "features.f2").read_bytes()
    maps = [each.path for each in psutil.Process().memory_maps()]
    assert str(entry / "features.f2") in maps
    assert isinstance(clips.features, torch.Tensor)
    clips.features.zero_()  # by mistake
    assert (entry / "features.f2").read_bytes() == before


def test_a_changed_store_has_another_cache(tmp_path: Path) -> None:
    one = make_store(tmp_path / "a.zarr", labels=[0, 1], parts=[1, 1])
    two = make_store(tmp_path / "b.zarr", labels=[0, 1], parts=[1, 1], two=(0,))
    same = make_store(tmp_path / "c.zarr", labels=[0, 1], parts=[1, 1])
    for store in (one, two, same):
        load_clips(store, np.arange(2), cache=disk(tmp_path))
    assert len(cached_bytes(tmp_path / "cache")) == 2


def test_an_archive_and_an_address_share_the_cache_of_their_store(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: Counter
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    pack_store(store.path, tmp_path / "s.hpz")
    with serve(tmp_path) as (address, _):
        far = load_clips(FeatureStore.open(f"{address}/s.hpz"), ROWS, cache=disk(tmp_path))
    assert len(reads) > 0
    reads.clear()
    near = load_clips(FeatureStore.open(tmp_path / "s.hpz"), ROWS, cache=disk(tmp_path))
    home = load_clips(store, ROWS, cache=disk(tmp_path))
    assert not reads
    assert torch.equal(values(far), values(near))
    assert torch.equal(values(far), values(home))


@pytest.mark.parametrize("name", ["features.f2", "info.json", "row.npy", "mask.npy"])
@pytest.mark.parametrize("how", ["cut", "gone"])
def test_a_damaged_cache_is_made_again(store: FeatureStore, tmp_path: Path, name: str, how: str) -> None:
    expected = values(load_clips(store, ROWS, cache=disk(tmp_path)))
    (entry,) = cached_bytes(tmp_path / "cache")
    if how == "cut":
        (entry / name).write_bytes((entry / name).read_bytes()[:-5])
    else:
        (entry / name).unlink()
    assert torch.equal(values(load_clips(store, ROWS, cache=disk(tmp_path))), expected)


BUILDER = """
import os, sys
import numpy as np
from pathlib import Path
from heatpool.classify.data.cache import LoaderCache
from heatpool.classify.data.batches import load_clips
from heatpool.pool.store.reader import FeatureStore
die = sys.argv[3] == "die"
def on_clips(count):
    print("shard", flush=True)
    if die:
        os.kill(os.getpid(), 9)
cache = LoaderCache("disk", folder=Path(sys.argv[2]), on_clips=on_clips)
load_clips(FeatureStore.open(sys.argv[1]), np.arange(5), cache=cache)
"""


def _build(store: FeatureStore, folder: Path, how: str) -> subprocess.Popen:
    arguments = [sys.executable, "-c", BUILDER, str(store.path), str(folder), how]
    return subprocess.Popen(
        arguments, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def test_a_killed_builder_leaves_nothing_in_the_way(store: FeatureStore, tmp_path: Path) -> None:
    builder = _build(store, tmp_path / "cache", "die")
    assert builder.communicate()[0] == "shard\n"
    assert builder.returncode == -9
    assert cached_bytes(tmp_path / "cache") == {}
    assert any(path.name.startswith(".tmp-") for path in (tmp_path / "cache").iterdir())
    clips = load_clips(store, ROWS, cache=disk(tmp_path))
    assert torch.equal(values(clips), values(load_clips(store, ROWS)))
    assert not any(path.name.startswith(".tmp-") for path in (tmp_path / "cache").iterdir())


def test_processes_at_once_make_one_cache(store: FeatureStore, tmp_path: Path) -> None:
    builders = [_build(store, tmp_path / "cache", "live") for _ in range(2)]
    said = [builder.communicate()[0] for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0]
    assert sorted(said) == ["", "shard\n" * 3]
    assert len(cached_bytes(tmp_path / "cache")) == 1


def test_what_was_not_used_for_longest_makes_room(tmp_path: Path) -> None:
    stores = [
        make_store(tmp_path / f"{number}.zarr", labels=[0, 1], parts=[1, 1], two=two)
        for number, two in enumerate([(), (0,), (1,)])
    ]
    cache = disk(tmp_path)
    load_clips(stores[0], np.arange(2), cache=cache)
    held = load_clips(stores[1], np.arange(2), cache=cache)
    for age, entry in enumerate(sorted(cached_bytes(cache.folder), key=lambda each: each.stat().st_mtime)):
        os.utime(entry, (time.time() - 100 + age,) * 2)
    load_clips(stores[0], np.arange(2), cache=cache)  # used again: the other one is older now
    full = replace(cache, limit_bytes=sum(cached_bytes(cache.folder).values()))
    kept = max(cached_bytes(cache.folder), key=lambda each: each.stat().st_mtime)
    load_clips(stores[2], np.arange(2), cache=full)
    assert len(cached_bytes(cache.folder)) == 2
    assert kept in cached_bytes(cache.folder)
    assert torch.equal(values(held), values(load_clips(stores[1], np.arange(2))))  # what is open stays


def test_sizes_that_do_not_fit_are_one_line(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HeatpoolError, match=r"the features take .* GB; raise --cache-gb"):
        load_clips(store, ROWS, cache=disk(tmp_path, limit_bytes=10))
    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10}))
    with pytest.raises(HeatpoolError, match="free disk for the features"):
        load_clips(store, ROWS, cache=disk(tmp_path))
    monkeypatch.setattr(cache_module.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 10}))
    with pytest.raises(HeatpoolError, match="use --cache disk"):
        load_clips(store, ROWS)
    assert cached_bytes(tmp_path / "cache") == {}


def test_a_folder_that_cannot_be_written_is_one_line(store: FeatureStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HeatpoolError, match="cannot cache features"):
        load_clips(store, ROWS, cache=LoaderCache("disk", folder=tmp_path / "file" / "cache"))


def test_inputs_that_a_store_was_imported_without_are_refused(store: FeatureStore) -> None:
    store.attributes["config"]["arrays"] = ["keypoints"]
    with pytest.raises(HeatpoolError, match="holds no pooled, only keypoints; choose other --streams"):
        load_clips(store, ROWS)
    load_clips(store, ROWS, input="keypoints")


def test_the_folder_is_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "heatpool"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert cache_folder() == tmp_path / "me" / ".cache" / "heatpool"


def test_a_view_fetches_when_it_is_indexed_and_not_before() -> None:
    asked = []

    def fetch(positions: torch.Tensor) -> torch.Tensor:
        asked.append(positions.tolist())
        return positions[:, None, None, None].half()

    rows = FeatureRows(fetch, torch.tensor([7, 8, 9]), (1, 1, 1)).take(torch.tensor([2, 0]))
    assert (len(rows), rows.shape, asked) == (2, (2, 1, 1, 1), [])
    assert rows[torch.tensor([1, 1, 0])].flatten().tolist() == [7, 7, 9]
    assert [block.flatten().tolist() for block in rows.split(1)] == [[9], [7]]
    assert asked == [[7, 7, 9], [9], [7]]
