from __future__ import annotations

import csv
import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.published import export_published, import_published
from heatpool.pool.records import ClipIndex
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.writer import StoreWriter
from tests.paths import SHARED
from tests.pool.store.store_cases import make_features, make_index, make_spec, make_store

PUBLISHED = SHARED / "videos/ntu/published_features"


def write_folder(folder: Path, **clips: np.ndarray) -> Path:
    folder.mkdir()
    for name, clip in clips.items():
        np.save(folder / f"{name}.npy", clip)
    return folder


def clip_of(seed: int, *people: int, shape: tuple[int, ...] = (4, 3, 5)) -> np.ndarray:
    """(T, M, V, C) of random values that float16 holds; equal numbers are equal people, 0 is nobody."""

    def draw(number: int) -> np.ndarray:
        return np.random.default_rng([seed, number]).random(shape).astype(np.float16) * (number > 0)

    return np.stack([draw(number) for number in people], 1).astype(np.float32)


def test_a_copied_person_is_stored_once_and_copied_again(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "npy", one=clip_of(0, 1, 1), two=clip_of(1, 1, 2), zero=clip_of(2, 1, 0))
    import_published(folder, tmp_path / "s.zarr", licence="theirs")
    store = FeatureStore.open(tmp_path / "s.zarr")
    assert store.clips.clip_ids([0, 1, 2]) == ("one", "two", "zero")
    assert store.clips.persons.tolist() == [1, 2, 1]
    assert store.clips.label.tolist() == [-1] * 3
    assert store.spec.licence == "theirs"
    pooled = store.read([0, 1])["pooled"]
    assert not pooled[0, 1].any()
    np.testing.assert_array_equal(pooled[1].transpose(1, 0, 2, 3), clip_of(1, 1, 2))
    assert export_published(store, tmp_path / "back") == 3
    for name, people in (("one", (1, 1)), ("two", (1, 2)), ("zero", (1, 1))):
        back = np.load(tmp_path / "back" / f"{name}.npy")
        assert back.dtype == np.float32
        np.testing.assert_array_equal(back, clip_of(("one", "two", "zero").index(name), *people))


@settings(max_examples=4)
@given(
    ids=st.lists(
        st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=300)
        | st.sampled_from(["../up", "/root", "a", "A", "manifest", "CON", ".hidden", "x" * 250, "é/ü"]),
        min_size=1, max_size=5, unique=True,
    ),
    persons=st.integers(1, 3),
)  # fmt: skip
def test_any_ids_become_files_in_the_folder(tmp_path_factory, ids: list[str], persons: int) -> None:
    folder = tmp_path_factory.mktemp("npy")
    spec = make_spec(persons)
    index = replace(make_index(len(ids)), clip_id=tuple(ids))
    features = [make_features(spec, row, 1 + row % persons) for row in range(len(ids))]
    from heatpool.pool.records import ClipResult, Status

    with StoreWriter.create(folder / "s.zarr", spec=spec, index=index, shard_clips=8) as writer:
        writer.write_shard(0, features, [ClipResult(Status.OK)] * len(ids))
        writer.finish()
    store = FeatureStore.open(folder / "s.zarr")
    assert export_published(store, folder / "out") == len(ids)
    with (folder / "out" / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["clip_id"] for row in rows] == ids
    assert len({row["path"].casefold() for row in rows}) == len(ids)
    assert {path.name for path in (folder / "out").iterdir()} == {row["path"] for row in rows} | {
        "manifest.csv"
    }
    again = ClipIndex(tuple(ids), tuple(row["path"] for row in rows), index.label, index.class_names)
    import_published(folder / "out", folder / "t.zarr", index=again)
    np.testing.assert_array_equal(
        FeatureStore.open(folder / "t.zarr").read(range(len(ids)))["pooled"],
        store.read(range(len(ids)))["pooled"],
    )


def test_bad_files_are_one_line(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return open, (str(tmp_path / "EVIL"), "w")

    good = clip_of(0, 1, 1)
    cases = {
        "dtype": (good.astype(np.int32), "expected floats"),
        "axes": (good[0], "expected floats"),
        "shape": (good[:2], r"\(T, M, V, C\) of \(4, 2, 3, 5\) as in the first file, got .* \(2, 2, 3, 5\)"),
        "nan": (good * np.nan, "clip 'b' .*finite"),
        "big": (good + 1e6, "float16"),
        "pickle": (np.array([Evil()], object), "cannot be read as an .npy array"),
    }
    for name, (bad, message) in cases.items():
        folder = write_folder(tmp_path / name, a=good, b=good)
        np.save(folder / "b.npy", bad, allow_pickle=True)
        with pytest.raises(HeatpoolError, match=message) as error:
            import_published(folder, tmp_path / "s.zarr")
        assert "\n" not in str(error.value)
    (tmp_path / "pickle" / "b.npy").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(HeatpoolError, match="cannot be read as an .npy array"):
        import_published(tmp_path / "pickle", tmp_path / "s.zarr")
    (tmp_path / "empty").mkdir()
    with pytest.raises(HeatpoolError, match="expected .npy files"):
        import_published(tmp_path / "empty", tmp_path / "s.zarr")
    assert not (tmp_path / "EVIL").exists()
    assert not (tmp_path / "s.zarr").exists()


@pytest.mark.parametrize(
    "shape",
    [
        (2, 64, 17, 8),
        (64, 2, 8, 17),
        (64, 17, 2, 8),
        (8, 64, 17, 2),
        (64, 300, 17, 8),
        (25, 64, 2, 3),
        (96, 64, 17, 2),
    ],
)
def test_axes_in_another_order_are_refused_with_both_shapes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    folder = write_folder(tmp_path / "npy", a=np.ones(shape, np.float32))
    with pytest.raises(HeatpoolError, match=re.escape(f"such as (64, 2, 17, 96), got {shape}: its axes")):
        import_published(folder, tmp_path / "s.zarr")


def test_failed_clips_stay_behind(tmp_path: Path) -> None:
    make_store(tmp_path / "s.zarr").close()
    assert export_published(FeatureStore.open(tmp_path / "s.zarr"), tmp_path / "out") == 9
    assert len(list((tmp_path / "out").glob("*.npy"))) == 9
    with pytest.raises(HeatpoolError, match="already exists"):
        export_published(FeatureStore.open(tmp_path / "s.zarr"), tmp_path / "out")


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the authors' published samples are not here")
def test_the_published_features_come_in(tmp_path: Path) -> None:
    import_published(PUBLISHED, tmp_path / "s.zarr")
    store = FeatureStore.open(tmp_path / "s.zarr")
    assert store.clips.clip_ids([0, 1]) == ("S001C001P001R001A001", "S001C001P001R001A050")
    assert store.clips.persons.tolist() == [1, 2]  # drink water alone, punch each other
    export_published(store, tmp_path / "out")
    for path in sorted(PUBLISHED.glob("*.npy")):
        np.testing.assert_array_equal(
            np.load(tmp_path / "out" / path.name), np.load(path).astype(np.float16).astype(np.float32)
        )
