"""Reading a store: round trips, selection, foreign readers, damage."""

from __future__ import annotations

import errno
import json
import pickle
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from zarr.storage import LocalStore

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex, ClipResult, Split, Status
from heatpool.pool.store.index import MAX_CATEGORIES
from heatpool.pool.store.layout import FEATURE_NAMES
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.writer import StoreWriter
from tests.pool.store.store_cases import (
    make_clip,
    make_features,
    make_index,
    make_spec,
    make_store,
    persons_of,
    write_pending,
)

CLIPS = 11


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "a.zarr", clips=CLIPS).path


def test_values_come_back_exactly(finished: Path) -> None:
    store = FeatureStore.open(finished)
    rows = [7, 0, 4, 10, 0]  # any order, repeats, a failed clip
    got = store.read(rows, FEATURE_NAMES)
    assert got["pooled"].dtype == np.float16
    for place, row in enumerate(rows):
        clip = make_clip(store.spec, row)[0]
        if clip is None:
            assert not got["pooled"][place].any()
            assert not got["mask"][place].any()
            assert np.isnan(got["time_s"][place]).all()
            continue
        for name in FEATURE_NAMES:
            want = getattr(clip, name).astype(got[name].dtype)
            np.testing.assert_array_equal(got[name][place], want, err_msg=name)


def test_iter_shards_gives_every_row_once_in_order(finished: Path) -> None:
    store = FeatureStore.open(finished)
    parts = list(store.iter_shards(FEATURE_NAMES))
    assert [rows.tolist() for rows, _ in parts] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    whole = store.read(np.arange(CLIPS), FEATURE_NAMES)
    for name in FEATURE_NAMES:
        np.testing.assert_array_equal(np.concatenate([arrays[name] for _, arrays in parts]), whole[name])


def test_selection_by_split_part_and_status(finished: Path) -> None:
    store = FeatureStore.open(finished)  # rows 4 and 9 failed, 6 is truncated; xsub is row % 4
    assert store.clips.rows().tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 10]
    assert store.clips.rows(usable=False).tolist() == list(range(CLIPS))
    assert store.clips.rows("xsub", "train").tolist() == [1, 5]
    assert store.clips.rows("xsub", Split.TRAIN, usable=False).tolist() == [1, 5, 9]
    assert store.clips.rows("xsub").tolist() == [1, 2, 3, 5, 6, 7, 10]
    assert store.clips.rows("xview", "test").tolist() == []
    assert store.clips.rows().dtype == np.int64
    with pytest.raises(HeatpoolError, match="expected a split protocol of xsub, xview, got 'xset'"):
        store.clips.rows("xset")
    with pytest.raises(HeatpoolError, match="expected split train, val or test, got 'dev'"):
        store.clips.rows("xsub", "dev")
    with pytest.raises(HeatpoolError, match="expected a split protocol with split 'train'"):
        store.clips.rows(split="train")


def test_index_spec_and_results_come_back(finished: Path) -> None:
    store, want = FeatureStore.open(finished), make_index(CLIPS)
    assert store.spec == make_spec()
    assert (store.clips.index.clip_id, store.clips.index.path) == (want.clip_id, want.path)
    assert store.clips.index.class_names == store.clips.class_names == want.class_names
    assert store.clips.index.columns == want.columns
    np.testing.assert_array_equal(store.clips.index.label, want.label)
    for protocol, parts in want.splits.items():
        np.testing.assert_array_equal(store.clips.index.splits[protocol], parts)
    assert store.clips.column("subject") == want.columns["subject"]
    assert store.clips.clip_ids([3, 1]) == ("clip_0003", "clip_0001")
    assert store.clips.clip_ids([]) == ()
    results = [make_clip(store.spec, row)[1] for row in range(CLIPS)]
    for name in ("status", "frames", "fps", "width_px", "height_px", "persons"):
        values = np.array([getattr(r, name) for r in results], getattr(store.clips, name).dtype)
        np.testing.assert_array_equal(getattr(store.clips, name), values, err_msg=name)
    with pytest.raises(HeatpoolError, match="expected a column of subject, camera, got 'light'"):
        store.clips.column("light")


def test_repr_shows_shapes(finished: Path) -> None:
    text = repr(FeatureStore.open(finished))
    assert "pooled (11, 2, 4, 3, 5)" in text
    assert "time_s (11, 4)" in text


def test_bytes_by_array_are_the_bytes_on_disk(finished: Path) -> None:
    sizes = FeatureStore.open(finished).bytes_by_array()
    assert sizes["pooled"] == sum(f.stat().st_size for f in (finished / "pooled").rglob("*") if f.is_file())
    assert set(FEATURE_NAMES) | {"status", "clip_id", "split_xsub", "subject"} <= set(sizes)


def test_read_refuses_rows_and_arrays_that_do_not_exist(finished: Path) -> None:
    store = FeatureStore.open(finished)
    assert store.read([])["pooled"].shape == (0, 2, 4, 3, 5)
    for rows in ([-1], [0, CLIPS], [0.5], np.zeros((2, 2), int)):
        with pytest.raises(ValueError, match="expected rows"):
            store.read(rows)
    with pytest.raises(ValueError, match="expected arrays among pooled"):
        store.read([0], ["rgb"])


def test_a_store_can_be_handed_to_another_process(finished: Path) -> None:
    store = pickle.loads(pickle.dumps(FeatureStore.open(finished)))
    want = make_features(store.spec, 1, 2).pooled.astype(np.float16)
    np.testing.assert_array_equal(store.read([1])["pooled"][0], want)


def test_open_refuses_what_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match="no such feature store"):
        FeatureStore.open(tmp_path / "none.zarr")
    (tmp_path / "zarr.json").write_text("{")
    with pytest.raises(HeatpoolError, match=r"no readable zarr\.json"):
        FeatureStore.open(tmp_path)
    (tmp_path / "zarr.json").write_text('{"attributes": {"format": "other"}}')
    with pytest.raises(HeatpoolError, match="another kind of Zarr store"):
        FeatureStore.open(tmp_path)
    (tmp_path / "zarr.json").write_text('{"attributes": {"format": "heatpool-features", "version": 2}}')
    with pytest.raises(HeatpoolError, match=r"damaged store, zarr\.json lacks backbone"):
        FeatureStore.open(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("clips", "x"),
            ("clips", 2**60),
            ("steps", -1),
            ("persons", True),
            ("precision", "f9"),
            ("rgb", 7),
        ),
        *(("splits", 7), ("columns", [7])),
    ],
)
def test_open_refuses_forged_attributes(finished: Path, tmp_path: Path, name: str, value: object) -> None:
    path = Path(shutil.copytree(finished, tmp_path / "a.zarr")) / "zarr.json"
    root = json.loads(path.read_text())
    root["attributes"][name] = value
    path.write_text(json.dumps(root))
    with pytest.raises(HeatpoolError, match="damaged store, its attributes are wrong: "):
        FeatureStore.open(tmp_path / "a.zarr")


def test_an_unfinished_store_tells_the_true_status(tmp_path: Path) -> None:
    spec = make_spec()
    writer = StoreWriter.create(tmp_path / "a.zarr", spec=spec, index=make_index(CLIPS), shard_clips=4)
    assert FeatureStore.open(writer.path).clips.status.tolist() == [0] * CLIPS
    write_pending(writer, spec, limit=1)
    store = FeatureStore.open(writer.path)
    assert not store.finished
    assert store.clips.status.tolist() == [1, 1, 1, 1] + [0] * 7
    assert store.clips.rows().tolist() == [0, 1, 2, 3]
    writer.finish()
    assert FeatureStore.open(writer.path).finished
    # A shard written again after `finish` is believed too, before the next `finish`.
    failed = [ClipResult(Status.FAILED, reason="gone")] * 4
    writer.write_shard(0, [None] * 4, failed)
    assert FeatureStore.open(writer.path).clips.status.tolist() == [4] * 4 + [0] * 7


def test_missing_or_broken_files_are_errors_never_zeros(tmp_path: Path) -> None:
    path = make_store(tmp_path / "a.zarr").path
    (path / "keypoints/c/0/0/0/0/0").unlink()
    with pytest.raises(HeatpoolError, match=r"damaged, shard 0.*keypoints.*no file.*--resume"):
        FeatureStore.open(path).read([0])
    file = path / "pooled/c/1/0/0/0/0"
    data = bytearray(file.read_bytes())
    data[40] ^= 0x10
    file.write_bytes(data)
    with pytest.raises(HeatpoolError, match="damaged, shard 1: cannot decode pooled"):
        list(FeatureStore.open(path).read(range(4, 8)))
    np.testing.assert_array_equal(FeatureStore.open(path).read([8])["pooled"].shape, (1, 2, 4, 3, 5))


def test_every_flipped_bit_of_a_feature_file_is_noticed_when_read(tmp_path: Path) -> None:
    path = make_store(tmp_path / "a.zarr", clips=2, shard_clips=2).path
    silent = []
    for name in FEATURE_NAMES:
        (file,) = (each for each in (path / name / "c").rglob("*") if each.is_file())
        good = file.read_bytes()
        for place in range(0, len(good), 7):
            file.write_bytes(good[:place] + bytes([good[place] ^ 1 << place % 8]) + good[place + 1 :])
            try:
                FeatureStore.open(path).read([0, 1], [name])
                silent.append((name, place))
            except HeatpoolError:
                pass
        file.write_bytes(good)
    assert silent == []


@pytest.mark.parametrize("name", ["label", "clip_id", "status", "split_xsub", "subject"])
def test_missing_or_broken_index_files_are_errors(tmp_path: Path, name: str) -> None:
    path = make_store(tmp_path / "a.zarr", clips=4).path
    file = path / name / "c/0"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    for change in (lambda: file.write_bytes(data), file.unlink):
        change()
        store = FeatureStore.open(path)
        with pytest.raises(HeatpoolError, match=f"damaged, cannot read array {name}"):
            store.clips.status if name == "status" else store.clips.index  # noqa: B018


def test_what_the_system_refuses_is_not_called_damaged(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FeatureStore.open(finished)
    store.read([0], ["keypoints"])

    async def refuse(*args: object, **options: object) -> None:
        raise OSError(errno.EIO, "Input/output error", "somewhere")

    monkeypatch.setattr(LocalStore, "get", refuse)
    for read, what in (
        (lambda: store.read([0], ["keypoints"]), "shard 0: cannot decode keypoints"),
        (lambda: store.clips.index, "cannot read array clip_id"),
        (lambda: FeatureStore.open(finished).clips.index, "zarr cannot read it"),
    ):
        with pytest.raises(HeatpoolError, match=rf"a.zarr: {what} \(Input/output error\)$"):
            read()


def test_an_absent_person_costs_only_its_index_entry(tmp_path: Path) -> None:
    """Three more empty slots: 16 bytes each in the shard's index, and nothing else."""
    sizes = {}
    for persons in (1, 4):
        spec = make_spec(persons=persons, steps=16, joints=17, channels=32)
        path = tmp_path / f"{persons}.zarr"
        writer = StoreWriter.create(path, spec=spec, index=make_index(8), shard_clips=8)
        result = ClipResult(Status.OK, 16, 25.0, 64, 48, 1)
        writer.write_shard(0, [make_features(spec, row, 1) for row in range(8)], [result] * 8)
        sizes[persons] = (path / "pooled/c/0/0/0/0/0").stat().st_size
    assert sizes[4] - sizes[1] == 8 * 3 * 16


def test_two_runs_give_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    spec, index = make_spec(steps=32, joints=17, channels=64), make_index(CLIPS)
    stores = []
    for name, backwards in (("a.zarr", False), ("b.zarr", True)):
        writer = StoreWriter.create(tmp_path / name, spec=spec, index=index, shard_clips=4)
        for shard in sorted(writer.pending_shards(), reverse=backwards):
            clips = [make_clip(spec, row) for row in writer.shard_rows(shard)]
            writer.write_shard(shard, [c[0] for c in clips], [c[1] for c in clips])
        writer.finish()
        stores.append(
            {f.relative_to(writer.path): f.read_bytes() for f in writer.path.rglob("*") if f.is_file()}
        )
    assert stores[0] == stores[1]


def test_xarray_opens_it_quietly_with_named_dimensions(finished: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with xr.open_zarr(finished) as data:
            assert data.pooled.dims == ("clip", "person", "step", "joint", "channel")
            assert data.pooled.shape == (CLIPS, 2, 4, 3, 5)
            assert data.keypoints.dims == ("clip", "person", "step", "joint", "xy_score")
            assert data.boxes.dims == ("clip", "person", "step", "xyxy")
            assert data.mask.dims == ("clip", "person", "step")
            assert data.time_s.dims == ("clip", "step")
            assert data.time_s.dtype == np.float32
            assert data.mask.dtype == bool
            assert data.attrs["format"] == "heatpool-features"
            assert data.attrs["config"] == {"detector": {"name": "full-frame"}, "seed": 1}
            assert data.status.attrs["flag_meanings"].split()[4] == "failed"
            assert data.split_xsub.attrs["flag_values"] == [0, 1, 2, 3]
            assert data.label.attrs["class_names"] == ["wave", "sit down", "stand up"]
            assert data.clip_id.values.tolist()[3] == "clip_0003"
            np.testing.assert_array_equal(
                data.pooled.values, FeatureStore.open(finished).read(range(CLIPS))["pooled"]
            )


def test_metadata_uses_core_codecs_and_holds_nothing_per_clip(finished: Path) -> None:
    root = json.loads((finished / "zarr.json").read_text())
    arrays = root["consolidated_metadata"]["metadata"]
    for name in FEATURE_NAMES:
        names = {codec["name"] for codec in _flat(arrays[name]["codecs"])}
        assert names <= {"sharding_indexed", "transpose", "bytes", "blosc", "crc32c"}
    assert "clip_0001" not in (finished / "zarr.json").read_text()


def _flat(codecs: list[dict]) -> list[dict]:
    inner = [c for codec in codecs for c in codec.get("configuration", {}).get("codecs", [])]
    return codecs + inner


def test_a_column_of_many_values_is_stored_as_strings(tmp_path: Path) -> None:
    count = MAX_CATEGORIES + 1
    values = tuple(f"take {i}" for i in range(count))
    index = ClipIndex(values, values, np.full(count, -1, np.int32), (), {"take": values})
    path = tmp_path / "a.zarr"
    StoreWriter.create(path, spec=make_spec(), index=index)
    assert FeatureStore.open(path).clips.column("take") == values
    assert "take 17" not in (path / "zarr.json").read_text()


def test_the_test_store_holds_both_one_and_two_persons() -> None:
    assert {persons_of(row, make_spec()) for row in range(CLIPS)} == {1, 2}
