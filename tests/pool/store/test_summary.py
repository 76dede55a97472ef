from __future__ import annotations

from pathlib import Path

from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import RgbSpec
from heatpool.pool.store.summary import summarise_store
from heatpool.pool.store.writer import StoreWriter
from tests.pool.store.store_cases import make_index, make_spec, make_store


def test_every_clip_is_counted(tmp_path: Path) -> None:
    # Of eleven clips 4 and 9 failed, 6 is truncated; the others have 1 + row % 2 persons, 100 + row frames.
    make_store(tmp_path / "s.zarr", clips=11).close()
    found = summarise_store(FeatureStore.open(tmp_path / "s.zarr"))
    assert found.shape == (11, 2, 4, 3, 5)
    assert (found.clips, found.usable, found.unlabelled) == (11, 9, 3)
    assert found.statuses == {"ok": 8, "truncated": 1, "failed": 2}
    assert found.persons == {1: 5, 2: 4}
    assert found.frames == (100, sum(range(100, 111)) / 9 - (104 + 109) / 9, 110)
    assert found.splits["xview"] == {"train": found.statuses}
    # Splits go round none, train, val, test by row.
    assert found.splits["xsub"]["train"] == {"ok": 2, "failed": 1}
    assert found.split_sizes("xsub") == {"train": 3, "val": 3, "test": 2, "none": 3}
    assert list(found.splits["xsub"]) == ["train", "val", "test", "none"]


def test_bytes_add_up(tmp_path: Path) -> None:
    make_store(tmp_path / "s.zarr", clips=11).close()
    store = FeatureStore.open(tmp_path / "s.zarr")
    found = summarise_store(store)
    assert found.total_bytes == sum(store.bytes_by_array().values()) > 0
    assert list(found.bytes_by_array) == [*store.layout.stored, "index"]
    assert found.bytes_by_array["pooled"] == store.bytes_by_array()["pooled"]


def test_provenance_says_what_is_there_only(tmp_path: Path) -> None:
    spec = make_spec(
        channels=5, tap="a+b", tap_channels=(2, 3), map_mean=True, weights_sha256="", citation="",
        rgb=RgbSpec("crops", frames=4, width=100, crop_px=32),
    )  # fmt: skip
    with StoreWriter.create(tmp_path / "s.zarr", spec=spec, index=make_index(3)):
        pass
    found = summarise_store(FeatureStore.open(tmp_path / "s.zarr"))
    assert found.statuses == {"pending": 3}
    assert (found.usable, found.frames, found.persons) == (0, None, {})
    facts = found.provenance
    assert facts["network"] == "tiny, tap a (2 channels) + b (3 channels)"
    assert facts["map means"] == "5 channels"
    assert facts["rgb"] == "4 crops of 32 x 32 px per clip, JPEG"
    assert (facts["weights"], facts["citation"], facts["licence"]) == ("none", "", "CC BY 4.0")
    plain = make_spec()
    with StoreWriter.create(tmp_path / "plain.zarr", spec=plain, index=make_index(3)):
        pass
    assert not {"map means", "rgb"} & set(
        summarise_store(FeatureStore.open(tmp_path / "plain.zarr")).provenance
    )


def test_very_many_classes_are_cut(tmp_path: Path) -> None:
    make_store(tmp_path / "s.zarr", clips=3).close()
    found = summarise_store(FeatureStore.open(tmp_path / "s.zarr"))
    assert found.name_classes(3) == "wave, sit down, stand up"
    assert found.name_classes(2) == "wave, sit down, … 1 more"
