"""Stores that get other labels or further clips in their place: whole at every moment."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from heatpool.pool.archive.pack import pack
from heatpool.pool.derive import remake
from heatpool.pool.derive.remake import append_store, relabel_store
from heatpool.pool.disk import atomic
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex
from heatpool.pool.store.create import lock_store
from heatpool.pool.store.index_overlay import take_clips
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.verify import verify_store
from heatpool.pool.store.writer import StoreWriter
from tests.pool.store.store_cases import make_clip, make_index, make_spec, make_store, tree_bytes

CLIPS = 11


@pytest.fixture
def tmp_path(memory_folder: Path) -> Path:
    """In memory: these tests flush hundreds of files."""
    return memory_folder


def part_store(path: Path, rows: range, **changes: object) -> FeatureStore:
    """The clips of some rows of what `make_store` makes, as a store of their own."""
    spec, index = (
        make_spec(**changes),
        take_clips(make_index(CLIPS), np.arange(CLIPS)[rows.start : rows.stop]),
    )
    with StoreWriter.create(path, spec=spec, index=index, shard_clips=4) as writer:
        for shard in range(writer.layout.shards):
            clips = [make_clip(spec, rows[row]) for row in writer.shard_rows(shard)]
            writer.write_shard(shard, [clip[0] for clip in clips], [clip[1] for clip in clips])
        writer.finish()
    return FeatureStore.open(path)


def new_labels(store: FeatureStore) -> ClipIndex:
    index = store.clips.index
    return replace(
        index,
        label=(np.arange(len(index)) % 2).astype(np.int32),
        class_names=("left", "right"),
        columns={"subject": tuple("pq"[row % 2] for row in range(len(index)))},
        splits={"mine": (np.arange(len(index)) % 3 + 1).astype(np.uint8)},
        disjoint={"mine": "subject"},
    )


@pytest.mark.parametrize("precision", ["f2", "u1"])
@pytest.mark.parametrize("first", [8, 6, 3])
def test_an_appended_store_is_the_one_made_at_once(tmp_path: Path, first: int, precision: str) -> None:
    """After full shards, into the last one, and into the only one."""
    make_store(tmp_path / "whole.zarr", clips=CLIPS, spec=make_spec(precision=precision))
    store = part_store(tmp_path / "a.zarr", range(first), precision=precision)
    added = part_store(tmp_path / "b.zarr", range(first, CLIPS), precision=precision)
    append_store(store, added)
    assert tree_bytes(tmp_path / "a.zarr") == tree_bytes(tmp_path / "whole.zarr")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "b.zarr", "whole.zarr"]


def test_a_relabelled_store_has_the_same_features_and_verifies(tmp_path: Path) -> None:
    make_store(tmp_path / "a.zarr")
    for beside in ("run.json", "README.md"):
        (tmp_path / "a.zarr" / beside).write_text("{}")
    before, store = tree_bytes(tmp_path / "a.zarr"), FeatureStore.open(tmp_path / "a.zarr")
    index = new_labels(store)
    inode = (tmp_path / "a.zarr/pooled/c/0/0/0/0/0").stat().st_ino
    relabel_store(store, index)
    again, after = FeatureStore.open(tmp_path / "a.zarr"), tree_bytes(tmp_path / "a.zarr")
    assert (tmp_path / "a.zarr/pooled/c/0/0/0/0/0").stat().st_ino == inode
    assert again.finished
    assert not verify_store(tmp_path / "a.zarr").problems
    assert again.clips.class_names == ("left", "right")
    assert again.clips.label.tolist() == index.label.tolist()
    assert (again.clips.protocols, again.clips.columns) == (("mine",), ("subject",))
    assert again.clips.index.disjoint == {"mine": "subject"}
    assert again.results(np.arange(CLIPS)) == store.results(np.arange(CLIPS))
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert {name.partition("/")[0] for name in changed} == {
        "zarr.json", "index.json", "label", "subject", "camera", "split_xsub", "split_xview", "split_mine",
    }  # fmt: skip


def test_a_relabelled_store_is_the_one_made_with_these_labels(tmp_path: Path) -> None:
    store = FeatureStore.open(make_store(tmp_path / "a.zarr").path)
    before = tree_bytes(tmp_path / "a.zarr")
    relabel_store(store, new_labels(store), out=tmp_path / "b.zarr")
    assert tree_bytes(tmp_path / "a.zarr") == before
    relabel_store(FeatureStore.open(tmp_path / "b.zarr"), make_index(CLIPS))
    assert tree_bytes(tmp_path / "b.zarr") == before


KILLED_AFTER = (
    "create: wrote the index", "create: recorded", "finish: replaced status", "finish: marked", "flushed",
    "in place",
)  # fmt: skip


def kill(work: Callable[[Callable[[str], None]], None], step: str) -> None:
    """Run `work` in a child that dies after a step."""
    pid = os.fork()
    if pid == 0:
        try:
            work(lambda name: os._exit(9) if name == step else None)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9, step


@pytest.mark.parametrize("what", ["relabel", "append"])
def test_killed_after_a_step_there_is_the_old_store_or_the_new_one(tmp_path: Path, what: str) -> None:
    added = part_store(tmp_path / "b.zarr", range(6, CLIPS))
    path = part_store(tmp_path / "a.zarr", range(6)).path
    old = tree_bytes(path)

    def work(on_step: Callable[[str], None]) -> None:
        store = FeatureStore.open(path)
        if what == "append":
            append_store(store, added, on_step=on_step)
        else:
            relabel_store(store, new_labels(store), on_step=on_step)

    for step in KILLED_AFTER:
        kill(work, step)
        found = {name: data for name, data in tree_bytes(path).items() if not name.startswith(".")}
        assert (found == old) == (step != "in place")
        assert not verify_store(path).problems
    store = FeatureStore.open(path)
    assert (len(store), store.clips.class_names) == (
        (CLIPS, ("wave", "sit down", "stand up")) if what == "append" else (6, ("left", "right"))
    )


def test_readers_of_the_old_store_go_on_while_it_grows(tmp_path: Path) -> None:
    store = part_store(tmp_path / "a.zarr", range(6))
    append_store(FeatureStore.open(tmp_path / "a.zarr"), part_store(tmp_path / "b.zarr", range(6, CLIPS)))
    whole = FeatureStore.open(tmp_path / "a.zarr")
    for name, values in store.read(np.arange(6), store.layout.features).items():  # opened before
        np.testing.assert_array_equal(values, whole.read(np.arange(6), [name])[name])


def test_where_folders_cannot_be_swapped_or_linked_the_result_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: object) -> None:
        raise PermissionError(1, "no links here")

    make_store(tmp_path / "whole.zarr", clips=CLIPS)
    store = part_store(tmp_path / "a.zarr", range(6))
    added = part_store(tmp_path / "b.zarr", range(6, CLIPS))
    monkeypatch.setattr(atomic, "swap_folders", lambda one, other: False)
    monkeypatch.setattr(remake, "os", SimpleNamespace(link=refuse))
    append_store(store, added)
    assert tree_bytes(tmp_path / "a.zarr") == tree_bytes(tmp_path / "whole.zarr")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "b.zarr", "whole.zarr"]


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    store = part_store(tmp_path / "a.zarr", range(6))
    with pytest.raises(HeatpoolError, match="1 clip ids are in several stores, for example 'clip_0005'"):
        append_store(store, part_store(tmp_path / "b.zarr", range(5, CLIPS)))
    with pytest.raises(
        HeatpoolError, match=r"cannot be merged into .*a\.zarr: tap: 'stage2'.*'stage9' given"
    ):
        append_store(store, part_store(tmp_path / "c.zarr", range(6, CLIPS), tap="stage9"))
    with pytest.raises(ValueError, match="expected an index of the 6 clips"):
        relabel_store(store, make_index(CLIPS))
    with lock_store(tmp_path / "a.zarr"), pytest.raises(HeatpoolError, match="is being written by process"):
        relabel_store(store, store.clips.index)
    pack(store, tmp_path / "a.hpz")
    archive = FeatureStore.open(tmp_path / "a.hpz")
    with pytest.raises(HeatpoolError, match=r"unpack it first: heatpool archive unpack .*a\.hpz"):
        relabel_store(archive, archive.clips.index)
    with StoreWriter.create(tmp_path / "d.zarr", spec=make_spec(), index=make_index(2)):
        pass
    with pytest.raises(HeatpoolError, match="2 clips are pending; finish it with heatpool extract"):
        relabel_store(FeatureStore.open(tmp_path / "d.zarr"), make_index(2))


def test_boxes_are_provenance_of_each_part(tmp_path: Path) -> None:
    store = part_store(tmp_path / "a.zarr", range(6), config={"boxes_sha256": "aa"})
    added = part_store(tmp_path / "b.zarr", range(6, CLIPS), config={"boxes_sha256": "bb"})
    append_store(store, added)
    assert FeatureStore.open(tmp_path / "a.zarr").spec.config == {"boxes_sha256": ["aa", "bb"]}
