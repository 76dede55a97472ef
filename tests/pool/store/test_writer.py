"""Creating and resuming a store, and what is refused."""

from __future__ import annotations

import json
import os
import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.verify import verify_store
from heatpool.pool.store.writer import StoreWriter
from tests.pool.store.store_cases import (
    make_clip,
    make_index,
    make_spec,
    make_store,
    tree_bytes,
    write_pending,
)


def create(path: Path, *, clips: int = 11, **options) -> StoreWriter:
    return StoreWriter.create(path, spec=make_spec(), index=make_index(clips), shard_clips=4, **options)


def test_shards_divide_the_clips(tmp_path: Path) -> None:
    writer = create(tmp_path / "a.zarr")
    assert writer.pending_shards() == [0, 1, 2]
    assert [writer.shard_rows(s) for s in range(3)] == [range(4), range(4, 8), range(8, 11)]
    with pytest.raises(ValueError, match="expected a shard from 0 to 2, got 3"):
        writer.shard_rows(3)


def test_create_refuses_what_exists_and_keeps_it(tmp_path: Path) -> None:
    make_store(tmp_path / "a.zarr")
    before = tree_bytes(tmp_path)
    with pytest.raises(HeatpoolError, match=r"already exists.*--resume.*--overwrite"):
        create(tmp_path / "a.zarr")
    assert tree_bytes(tmp_path) == before


def test_overwrite_replaces_a_store(tmp_path: Path) -> None:
    make_store(tmp_path / "a.zarr")
    create(tmp_path / "a.zarr", clips=5, overwrite=True)
    assert len(FeatureStore.open(tmp_path / "a.zarr")) == 5
    assert os.listdir(tmp_path) == ["a.zarr"]


@pytest.mark.parametrize("kind", ["folder", "file", "zarr"])
def test_overwrite_never_removes_what_is_no_store(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "thesis"
    if kind == "file":
        target.write_text("my only copy")
    else:
        target.mkdir()
        (target / "chapter1.txt").write_text("my only copy")
    if kind == "zarr":
        (target / "zarr.json").write_text('{"attributes": {"format": "somebody else"}, "node_type": "group"}')
    before = tree_bytes(tmp_path)
    with pytest.raises(HeatpoolError, match="--overwrite replaces heatpool feature stores only"):
        create(target, overwrite=True)
    assert tree_bytes(tmp_path) == before


def test_create_refuses_a_parent_that_cannot_hold_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HeatpoolError, match=r"cannot be written \((Not a directory|File exists)\)"):
        create(tmp_path / "file" / "a.zarr")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_create_refuses_an_unwritable_parent(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(HeatpoolError, match="Permission denied"):
        create(tmp_path / "locked" / "a.zarr")


@pytest.mark.parametrize("precision", ["f2", "u1"])
def test_a_store_without_clips_is_a_store(tmp_path: Path, precision: str) -> None:
    empty = ClipIndex(
        (), (), np.zeros(0, np.int32), ("wave",), {"subject": ()}, {"xsub": np.zeros(0, np.uint8)}
    )
    spec = make_spec(precision=precision)
    writer = StoreWriter.create(tmp_path / "a.zarr", spec=spec, index=empty)
    assert writer.pending_shards() == []
    writer.finish()
    store = FeatureStore.open(writer.path)
    assert (len(store), store.clips.status.size, store.clips.rows("xsub", "train").size) == (0, 0, 0)
    assert (store.clips.index.clip_id, store.clips.index.columns) == ((), {"subject": ()})
    assert store.read([])["pooled"].shape == (0, 2, 4, 3, 5)
    assert list(store.iter_shards()) == []
    assert verify_store(writer.path).intact
    assert {name: len(values) for name, values in store.clips.table().items()}.keys() >= {
        "clip_id",
        "subject",
        "xsub",
    }
    StoreWriter.resume(writer.path, spec=spec, index=empty).finish()


@pytest.mark.parametrize("name", ["status", "Person", "a/b", "", "split_x", "naïve"])
def test_create_refuses_column_names_that_cannot_be_arrays(tmp_path: Path, name: str) -> None:
    index = replace(make_index(2), columns={name: ("a", "b")})
    with pytest.raises(HeatpoolError, match="rename it in the manifest"):
        StoreWriter.create(tmp_path / "a.zarr", spec=make_spec(), index=index)
    assert os.listdir(tmp_path) == []


def test_create_refuses_a_path_that_is_not_unicode(tmp_path: Path) -> None:
    index = replace(make_index(2), path=("a.mp4", "b\udcff.mp4"))
    with pytest.raises(HeatpoolError, match=r"every path to be valid Unicode, got 'b\\udcff.mp4'"):
        StoreWriter.create(tmp_path / "a.zarr", spec=make_spec(), index=index)


def test_config_must_be_json(tmp_path: Path) -> None:
    for config in ({"a": object()}, {"a": float("nan")}):
        with pytest.raises(ValueError, match="config of plain JSON values"):
            StoreWriter.create(tmp_path / "a", spec=make_spec(config=config), index=make_index(2))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 8}, "steps: 4 in the store, 8 given"),
        ({"tap": "stage3"}, "tap: 'stage2' in the store, 'stage3' given"),
        ({"weights_sha256": "cd" * 32}, "weights_sha256"),
        (
            {"config": {"detector": {"name": "yolo"}, "seed": 1}},
            "config.detector.name: 'full-frame' in the store, 'yolo' given",
        ),
        ({"config": {"detector": {"name": "full-frame"}}}, "config.seed: 1 in the store, nothing given"),
        ({"source": "x" * 500}, "source: 'drawn for this test' in the store, 'xxxxx"),
    ],
)
def test_resume_refuses_another_spec(tmp_path: Path, changes: dict, message: str) -> None:
    create(tmp_path / "a.zarr")
    with pytest.raises(HeatpoolError, match=re.escape(message)) as caught:
        StoreWriter.resume(tmp_path / "a.zarr", spec=make_spec(**changes), index=make_index(11))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clip_id": (*make_index(10).clip_id, "other")}, "clip_id of row 10"),
        ({"path": ("moved.mp4", *make_index(11).path[1:])}, "path of row 0"),
        ({"label": np.zeros(11, np.int32)}, "label of row 0: -1 in the store, 0 given"),
        ({"class_names": ("wave", "sit", "stand")}, "class_names"),
        ({"columns": {"subject": ("s9",) * 11, "camera": ("c1",) * 11}}, "column subject of row 0"),
        ({"columns": {}}, "columns: ['camera', 'subject'] in the store, [] given"),
        ({"splits": {"xsub": make_index(11).splits["xsub"]}}, "splits"),
        (
            {"splits": dict(make_index(11).splits, xview=np.zeros(11, np.uint8))},
            "split xview of row 0: 1 in the store, 0 given",
        ),
    ],
)
def test_resume_refuses_another_index(tmp_path: Path, changes: dict, message: str) -> None:
    create(tmp_path / "a.zarr")
    with pytest.raises(HeatpoolError, match=re.escape(message)):
        StoreWriter.resume(tmp_path / "a.zarr", spec=make_spec(), index=replace(make_index(11), **changes))


def test_resume_refuses_another_number_of_clips(tmp_path: Path) -> None:
    create(tmp_path / "a.zarr")
    with pytest.raises(HeatpoolError, match="clips: 11 in the store, 12 given"):
        StoreWriter.resume(tmp_path / "a.zarr", spec=make_spec(), index=make_index(12))


def test_resume_refuses_what_is_no_store_and_other_versions(tmp_path: Path) -> None:
    given = {"spec": make_spec(), "index": make_index(11)}
    with pytest.raises(HeatpoolError, match="no such feature store"):
        StoreWriter.resume(tmp_path / "none.zarr", **given)
    (tmp_path / "plain").mkdir()
    with pytest.raises(HeatpoolError, match=r"no readable zarr\.json"):
        StoreWriter.resume(tmp_path / "plain", **given)
    create(tmp_path / "a.zarr")
    root = json.loads((tmp_path / "a.zarr/zarr.json").read_text())
    root["attributes"]["version"] = 3
    (tmp_path / "a.zarr/zarr.json").write_text(json.dumps(root))
    (tmp_path / "a.zarr/index.json").unlink()  # with it, a single altered file counts as damaged
    with pytest.raises(HeatpoolError, match="expected heatpool-features version 1 or 2, got .* version 3"):
        StoreWriter.resume(tmp_path / "a.zarr", **given)
    create(tmp_path / "a.zarr", overwrite=True)  # a store of another version may be replaced


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    make_store(tmp_path / "whole.zarr")
    writer = create(tmp_path / "cut.zarr")
    write_pending(writer, make_spec(), limit=1)
    writer.close()
    first = (tmp_path / "cut.zarr/journal/0000000.json").stat()
    writer = StoreWriter.resume(tmp_path / "cut.zarr", spec=make_spec(), index=make_index(11))
    assert writer.pending_shards() == [1, 2]
    write_pending(writer, make_spec())
    writer.finish()
    assert tree_bytes(tmp_path / "cut.zarr") == tree_bytes(tmp_path / "whole.zarr")
    assert (tmp_path / "cut.zarr/journal/0000000.json").stat().st_mtime_ns == first.st_mtime_ns


def test_workers_write_through_an_attached_or_pickled_writer(tmp_path: Path) -> None:
    make_store(tmp_path / "one.zarr")
    writer = create(tmp_path / "many.zarr")
    for number, shard in enumerate(reversed(writer.pending_shards())):
        attached = StoreWriter.attach(writer.path) if number % 2 else pickle.loads(pickle.dumps(writer))
        clips = [make_clip(make_spec(), row) for row in attached.shard_rows(shard)]
        attached.write_shard(shard, [c[0] for c in clips], [c[1] for c in clips])
    writer.finish()
    assert tree_bytes(tmp_path / "many.zarr") == tree_bytes(tmp_path / "one.zarr")
