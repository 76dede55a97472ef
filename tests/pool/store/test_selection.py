"""Choosing clips, the index as a table, single clips, and stores written from stores."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heatpool.pipelines import cli
from heatpool.pool.derive.convert import convert_store
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex, ClipResult, Status
from heatpool.pool.store.index import MAX_CATEGORIES
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.verify import verify_store
from heatpool.pool.store.writer import StoreWriter
from tests.pool.store.store_cases import make_clip, make_index, make_spec, make_store, tree_bytes

CLIPS = 11  # rows 4 and 9 failed, 6 is truncated; xsub is row % 4, label row % 4 - 1, subject row % 3


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return FeatureStore.open(make_store(tmp_path_factory.mktemp("stores") / "a.zarr", clips=CLIPS).path)


def test_rows_by_column_and_class(store: FeatureStore) -> None:
    assert store.clips.rows(where={"subject": "s1"}).tolist() == [1, 7, 10]
    assert store.clips.rows(where={"subject": "s1"}, usable=False).tolist() == [1, 4, 7, 10]
    assert store.clips.rows(where={"subject": ["s1", "s2"], "camera": "c1"}).tolist() == [1, 2, 5, 7, 8, 10]
    assert store.clips.rows(where={"subject": ""}).tolist() == [0, 3, 6]
    assert store.clips.rows(classes=["wave"]).tolist() == store.clips.rows(classes=[0]).tolist() == [1, 5]
    assert store.clips.rows(classes=["wave", 2]).tolist() == [1, 3, 5, 7]
    assert store.clips.rows("xsub", "val", where={"subject": "s1"}, classes=["sit down"]).tolist() == [10]
    assert store.clips.rows(classes=[]).tolist() == []


def test_rows_refuse_what_does_not_exist(store: FeatureStore) -> None:
    with pytest.raises(HeatpoolError, match="expected a column of subject, camera, got 'light'"):
        store.clips.rows(where={"light": "on"})
    with pytest.raises(HeatpoolError, match=r"values of subject among \['s1', 's2'\], got \['s3'\]"):
        store.clips.rows(where={"subject": ["s1", "s3"]})
    for wrong in ("jump", 3, -1, 0.5):
        with pytest.raises(HeatpoolError, match="expected classes among"):
            store.clips.rows(classes=[wrong])


def test_rows_by_a_column_of_many_values(tmp_path: Path) -> None:
    values = tuple(f"take {i}" for i in range(MAX_CATEGORIES + 1))
    index = ClipIndex(values, values, np.full(len(values), -1, np.int32), (), {"take": values})
    StoreWriter.create(tmp_path / "a.zarr", spec=make_spec(), index=index).close()
    store = FeatureStore.open(tmp_path / "a.zarr")
    assert store.clips.rows(where={"take": ["take 17", "take 3"]}, usable=False).tolist() == [3, 17]
    with pytest.raises(HeatpoolError, match=r"expected values of take, got \['take x'\]"):
        store.clips.rows(where={"take": "take x"}, usable=False)


def test_the_table_holds_index_and_results(store: FeatureStore) -> None:
    table, index = store.clips.table(), make_index(CLIPS)
    assert table["clip_id"].tolist() == list(index.clip_id)
    assert table["subject"].tolist() == list(index.columns["subject"])
    assert table["class_name"].tolist()[:5] == ["", "wave", "sit down", "stand up", ""]
    assert table["xsub"].tolist()[:5] == ["", "train", "val", "test", ""]
    assert table["status"].tolist()[4:7] == ["failed", "ok", "truncated"]
    assert table["frames"].tolist() == store.clips.frames.tolist()
    some = store.clips.table([7, 2])
    assert list(some) == list(table)
    for name, values in table.items():
        np.testing.assert_array_equal(some[name], values[[7, 2]], err_msg=name)


def test_the_index_of_some_clips(store: FeatureStore) -> None:
    index = store.clips.index_of([7, 2])
    assert (index.clip_id, index.label.tolist()) == (("clip_0007", "clip_0002"), [2, 1])
    assert index.columns == {"subject": ("s1", "s2"), "camera": ("c1", "c1")}
    assert index.splits["xsub"].tolist() == [3, 2]
    assert index.class_names == store.clips.class_names


def test_one_clip_as_a_record(store: FeatureStore) -> None:
    want, found = make_clip(store.spec, 7)[0], store.clip(7)
    assert want is not None
    assert found is not None
    np.testing.assert_array_equal(found.pooled, want.pooled)
    np.testing.assert_array_equal(found.mask, want.mask)
    assert store.clip(4) is None
    with pytest.raises(ValueError, match="expected rows from 0 to 10, got 11 to 11"):
        store.clip(11)


def test_results_with_their_messages(tmp_path: Path) -> None:
    writer = make_store(tmp_path / "a.zarr", clips=CLIPS)
    (writer.path / "journal/0000002.json").unlink()
    results = FeatureStore.open(writer.path).results([9, 4, 6])
    assert results[1:] == [make_clip(make_spec(), row)[1] for row in (4, 6)]
    assert results[0] == ClipResult(Status.PENDING)


@pytest.mark.parametrize("precision", ["f2", "u1"])
def test_stored_arrays_make_the_same_store(tmp_path: Path, precision: str) -> None:
    spec = make_spec(precision=precision)
    source = FeatureStore.open(make_store(tmp_path / "a.zarr", clips=CLIPS, spec=spec).path)
    writer = StoreWriter.create(tmp_path / "b.zarr", spec=spec, index=source.clips.index, shard_clips=4)
    for shard in writer.pending_shards():
        rows = writer.shard_rows(shard)
        writer.write_stored(shard, source.read_stored(rows), source.results(rows))
    writer.finish()
    assert tree_bytes(writer.path) == tree_bytes(source.path)
    with pytest.raises(ValueError, match="expected arrays"):
        writer.write_stored(0, {}, source.results(range(4)))
    arrays, results = source.read_stored(range(4)), source.results(range(4))
    arrays["keypoints"] = arrays["keypoints"].astype("f4")
    with pytest.raises(ValueError, match=r"expected keypoints of float16 \(4, 2, 4, 3, 3\), got float32"):
        writer.write_stored(0, arrays, results)


def test_conversion_gives_what_extraction_would(store: FeatureStore, tmp_path: Path) -> None:
    direct = make_store(tmp_path / "direct.zarr", clips=CLIPS, spec=make_spec(precision="u1"))
    assert (
        cli.main(["convert", str(store.path), str(tmp_path / "u1.zarr"), "--precision", "u1", "--quiet"]) == 0
    )
    assert tree_bytes(tmp_path / "u1.zarr") == tree_bytes(direct.path)
    small = FeatureStore.open(tmp_path / "u1.zarr")
    convert_store(small, tmp_path / "f2.zarr", precision="f2")
    back = FeatureStore.open(tmp_path / "f2.zarr")
    assert back.spec.config == {**store.spec.config, "converted_from": "u1"}
    assert verify_store(back.path).intact
    for name in store.layout.features:
        np.testing.assert_array_equal(
            *(each.read(range(CLIPS), (name,))[name] for each in (small, back)), err_msg=name
        )
    with pytest.raises(HeatpoolError, match="is in precision f2 already"):
        convert_store(back, tmp_path / "c.zarr", precision="f2")
    with pytest.raises(HeatpoolError, match="already exists"):
        convert_store(store, tmp_path / "u1.zarr", precision="u1")


def test_pending_clips_stay_pending_in_a_conversion(tmp_path: Path) -> None:
    writer = make_store(tmp_path / "a.zarr", clips=CLIPS)
    (writer.path / "journal/0000001.json").unlink()
    writer.finish()
    convert_store(FeatureStore.open(writer.path), tmp_path / "b.zarr", precision="u1")
    assert FeatureStore.open(tmp_path / "b.zarr").clips.status.tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 1, 4, 1]
    assert StoreWriter.attach(tmp_path / "b.zarr").pending_shards() == [1]


def test_info_writes_the_table(
    store: FeatureStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "clips.csv"
    assert cli.main(["info", str(store.path), "--csv", str(out)]) == 0
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["clip_id"] for row in rows] == list(store.clips.index.clip_id)
    assert rows[3] | {"class_name": "stand up", "xsub": "test", "status": "ok", "frames": "103"} == rows[3]
    assert cli.main(["info", str(store.path), "--csv", str(out)]) == 1
    assert "already exists" in capsys.readouterr().err
    assert cli.main(["info", str(store.path)]) == 0
    assert "(N, M, T, V, C) = (11, 2, 4, 3, 5), precision f2" in capsys.readouterr().out


def read_all(path: Path) -> None:
    store = FeatureStore.open(path)
    assert store.clips.status.size
    store.read([0])


def test_metadata_that_lies_is_one_clear_line(tmp_path: Path) -> None:
    path = make_store(tmp_path / "a.zarr", clips=CLIPS).path
    root = (path / "zarr.json").read_text()
    for old, new, what in (
        ('"channels": 5', '"channels": 6', "expected array pooled of .*, got "),
        ('"steps": 4', '"steps": 4000000', "expected array pooled of .*, got "),
        ('"shard_clips": 4', '"shard_clips": 5', "record .* belongs to another shard"),
        ('"clips": 11', '"clips": 12', "expected array status of .*, got "),
    ):
        assert root.count(old) == 1
        (path / "zarr.json").write_text(root.replace(old, new))
        with pytest.raises(HeatpoolError, match=f"damaged, .*{what}"):
            read_all(path)


def test_records_refuse_other_precisions() -> None:
    with pytest.raises(ValueError, match="expected precision f2, u1 or levels, got 'u2'"):
        replace(make_spec(), precision="u2")
