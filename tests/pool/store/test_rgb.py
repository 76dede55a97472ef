"""Stores with RGB, embeddings or crops, and stores without, which stay as they were."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipFeatures, ClipResult, Status
from heatpool.pool.store.jpeg import SLOT_BYTES, pack_jpegs, unpack_jpegs
from heatpool.pool.store.layout import FEATURE_NAMES
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import RgbSpec, StoreSpec
from heatpool.pool.store.writer import StoreWriter
from tests.pool.store.store_cases import make_clip, make_index, make_spec, make_store

EMBEDDINGS = RgbSpec("clip", frames=3, width=6, crop_px=224, weights_sha256="cd" * 32)
CROPS = RgbSpec("crops", frames=2, width=SLOT_BYTES, crop_px=48)


def embeddings(row: int) -> np.ndarray:
    return (np.arange(18, dtype=np.float32).reshape(3, 6) - row) / 8


def crops(row: int) -> np.ndarray:
    return np.full((2, 48, 48, 3), 20 * row, np.uint8)


def rgb_clip(spec: StoreSpec, row: int) -> tuple[ClipFeatures | None, ClipResult]:
    """As `make_clip`, with RGB; clip 3 has nobody in it."""
    features, result = make_clip(spec, row)
    if row == 3 or features is None:
        return None, replace(result, status=Status.NO_PERSON) if row == 3 else result
    assert spec.rgb is not None
    if spec.rgb.kind == "crops":
        return replace(features, rgb_jpeg=pack_jpegs(crops(row))), result
    return replace(features, rgb=embeddings(row)), result


def rgb_store(path: Path, rgb: RgbSpec) -> FeatureStore:
    spec = make_spec(rgb=rgb)
    writer = StoreWriter.create(path, spec=spec, index=make_index(11), shard_clips=4)
    for shard in writer.pending_shards():
        clips = [rgb_clip(spec, row) for row in writer.shard_rows(shard)]
        writer.write_shard(shard, [clip[0] for clip in clips], [clip[1] for clip in clips])
    writer.finish()
    return FeatureStore.open(path)


def test_embeddings_come_back_row_by_row(tmp_path: Path) -> None:
    store = rgb_store(tmp_path / "s.zarr", EMBEDDINGS)
    assert store.spec.rgb == EMBEDDINGS
    assert list(store.layout.features) == [*FEATURE_NAMES, "rgb"]
    rows = [10, 0, 5, 3, 4]
    arrays = store.read(rows, ("rgb", "mask"))
    assert arrays["rgb"].shape == (5, 3, 6)
    assert arrays["rgb"].dtype == np.float16
    for row, values in zip(rows, arrays["rgb"], strict=True):
        wanted = np.zeros((3, 6)) if row in (3, 4) else embeddings(row)  # nobody there, failed
        np.testing.assert_array_equal(values, wanted)
    by_shard = np.concatenate([arrays["rgb"] for _, arrays in store.iter_shards(("rgb",))])
    np.testing.assert_array_equal(by_shard[rows], arrays["rgb"])
    assert store.bytes_by_array()["rgb"] > 0
    with xr.open_zarr(tmp_path / "s.zarr") as data:
        assert data["rgb"].dims == ("clip", "rgb_frame", "rgb_channel")
        np.testing.assert_array_equal(data["rgb"].values, by_shard)


def test_crops_come_back_clip_by_clip(tmp_path: Path) -> None:
    store = rgb_store(tmp_path / "s.zarr", CROPS)
    assert list(store.layout.features) == [*FEATURE_NAMES, "rgb_jpeg"]
    slots = store.read([5, 2, 3, 1], ("rgb_jpeg",))["rgb_jpeg"]  # 5 is read by itself, the others as a shard
    assert slots.shape == (4, 2, SLOT_BYTES)
    assert slots.dtype == np.uint8
    assert not slots[2].any()
    for row, clip in ((5, slots[0]), (2, slots[1]), (1, slots[3])):
        np.testing.assert_allclose(unpack_jpegs(clip).astype(int), crops(row), atol=2)
    with xr.open_zarr(tmp_path / "s.zarr") as data:
        assert data["rgb_jpeg"].dims == ("clip", "rgb_frame", "rgb_byte")
        assert np.array_equal(data["rgb_jpeg"][5].values, slots[0])
    # A crop of one colour is some 600 bytes of JPEG; the rest of its 32,768 bytes costs next to nothing.
    assert (tmp_path / "s.zarr" / "rgb_jpeg" / "c/0/0/0").stat().st_size < 8 * 1_000


@pytest.mark.parametrize(("rgb", "name"), [(EMBEDDINGS, "rgb"), (CROPS, "rgb_jpeg")])
def test_rgb_files_are_journalled_and_their_damage_is_seen(rgb: RgbSpec, name: str, tmp_path: Path) -> None:
    rgb_store(tmp_path / "s.zarr", rgb)
    file = tmp_path / "s.zarr" / name / "c/1/0/0"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(HeatpoolError, match=f"{name}/c/1/0/0"):
        FeatureStore.open(tmp_path / "s.zarr").read([5], (name,))
    writer = StoreWriter.resume(tmp_path / "s.zarr", spec=make_spec(rgb=rgb), index=make_index(11))
    assert writer.pending_shards() == [1]


def test_a_shard_without_people_has_no_rgb_file(tmp_path: Path) -> None:
    spec = make_spec(rgb=CROPS)
    writer = StoreWriter.create(tmp_path / "s.zarr", spec=spec, index=make_index(4), shard_clips=4)
    writer.write_shard(0, [None] * 4, [ClipResult(Status.NO_PERSON)] * 4)
    writer.finish()
    assert [path.name for path in (tmp_path / "s.zarr" / "rgb_jpeg").iterdir()] == ["zarr.json"]
    assert writer.pending_shards() == []
    assert not FeatureStore.open(tmp_path / "s.zarr").read([1], ("rgb_jpeg",))["rgb_jpeg"].any()


def test_a_store_without_rgb_says_nothing_of_it(tmp_path: Path) -> None:
    make_store(tmp_path / "s.zarr")
    attributes = json.loads((tmp_path / "s.zarr" / "zarr.json").read_bytes())["attributes"]
    assert "rgb" not in attributes
    assert not [path for path in (tmp_path / "s.zarr").rglob("*") if "rgb" in path.name]
    store = FeatureStore.open(tmp_path / "s.zarr")
    assert store.spec.rgb is None
    assert tuple(store.layout.features) == FEATURE_NAMES
    with pytest.raises(ValueError, match="expected arrays among pooled, .*, got 'rgb'"):
        store.read([0], ("rgb",))


@pytest.mark.parametrize(
    ("stored", "given"),
    [
        (None, EMBEDDINGS),
        (EMBEDDINGS, None),
        (EMBEDDINGS, replace(EMBEDDINGS, frames=4)),
        (EMBEDDINGS, replace(EMBEDDINGS, kind="xclip")),
        (EMBEDDINGS, replace(EMBEDDINGS, weights_sha256="ef" * 32)),
        (EMBEDDINGS, CROPS),
    ],
)
def test_resume_refuses_other_rgb(stored: RgbSpec | None, given: RgbSpec | None, tmp_path: Path) -> None:
    index = make_index(4)
    StoreWriter.create(tmp_path / "s.zarr", spec=make_spec(rgb=stored), index=index, shard_clips=4)
    with pytest.raises(HeatpoolError, match="cannot resume.*rgb"):
        StoreWriter.resume(tmp_path / "s.zarr", spec=make_spec(rgb=given), index=index)
    StoreWriter.resume(tmp_path / "s.zarr", spec=make_spec(rgb=stored), index=index)


def test_a_clip_without_the_rgb_it_should_have_is_refused(tmp_path: Path) -> None:
    spec = make_spec(rgb=EMBEDDINGS)
    writer = StoreWriter.create(tmp_path / "s.zarr", spec=spec, index=make_index(1), shard_clips=1)
    features, result = make_clip(spec, 0)
    with pytest.raises(ValueError, match="row 0: expected rgb, got None"):
        writer.write_shard(0, [features], [result])


@pytest.mark.parametrize("bad", [{"kind": "dino"}, {"frames": 0}, {"width": 0}, {"crop_px": 0}])
def test_impossible_rgb_is_refused(bad: dict) -> None:
    with pytest.raises(ValueError, match="expected rgb"):
        replace(EMBEDDINGS, **bad)
