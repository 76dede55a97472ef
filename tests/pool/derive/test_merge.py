from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heatpool.pool.derive.merge import (
    join_clips,
    join_config,
    merge_stores,
    refuse_other_networks,
    say_alike_classes,
    subset_store,
)
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex, Split, Status
from heatpool.pool.store.digests import store_digest
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.writer import StoreWriter
from tests.pool.store.store_cases import make_spec, make_store, write_pending

ARRAYS = ("pooled", "keypoints", "boxes", "mask", "time_s")


def other_store(path: Path, *, clips: int = 5, finish: bool = True, **changes) -> FeatureStore:
    """A store of other clips, classes, columns and splits than `make_store` makes."""
    spec = make_spec(licence="CC0", **changes)
    index = ClipIndex(
        clip_id=tuple(f"other {n}" for n in range(clips)),
        path=tuple(f"{n}.avi" for n in range(clips)),
        label=np.array([0, 1, -1, 1, 0], np.int32)[:clips],
        class_names=("stand up", "jump"),
        columns={"camera": ("c9",) * clips, "place": ("hall",) * clips},
        splits={"xset": np.full(clips, Split.TEST, np.uint8)},
    )
    with StoreWriter.create(path, spec=spec, index=index, shard_clips=2) as writer:
        write_pending(writer, spec, limit=None if finish else 1)
        writer.finish()
    return FeatureStore.open(path)


@pytest.mark.parametrize("precision", ["f2", "u1"])
def test_a_merged_store_holds_every_clip_as_stored(tmp_path: Path, precision: str) -> None:
    make_store(tmp_path / "a.zarr", spec=make_spec(precision=precision)).close()
    a, b = FeatureStore.open(tmp_path / "a.zarr"), other_store(tmp_path / "b.zarr", precision=precision)
    merge_stores([a, b], tmp_path / "c.zarr")
    c = FeatureStore.open(tmp_path / "c.zarr")
    assert c.clips.index.clip_id == a.clips.index.clip_id + b.clips.index.clip_id
    assert c.clips.class_names == ("wave", "sit down", "stand up", "jump")
    assert c.clips.label[11:].tolist() == [2, 3, -1, 3, 2]
    assert c.clips.column("camera")[10:12] == ("c1", "c9")
    assert c.clips.column("place")[10:12] == ("", "hall")
    assert c.clips.split("xset").tolist() == [0] * 11 + [3] * 5
    assert c.clips.split("xsub")[11:].tolist() == [0] * 5
    assert c.results(np.arange(16)) == a.results(np.arange(11)) + b.results(np.arange(5))
    assert (c.spec.licence, c.spec.source) == ("CC BY 4.0; CC0", "drawn for this test")
    assert c.spec.config["derived_from"] == {"merge": [store_digest(a.source), store_digest(b.source)]}
    for name, values in c.read_stored(np.arange(16)).items():
        np.testing.assert_array_equal(values[:11], a.read_stored(np.arange(11))[name])
        np.testing.assert_array_equal(values[11:], b.read_stored(np.arange(5))[name])


def index(clip: str, *names: str) -> ClipIndex:
    """A clip of each class."""
    labels = np.arange(len(names), dtype=np.int32)
    ids = tuple(f"{clip} {name}" for name in names)
    return ClipIndex(clip_id=ids, path=ids, label=labels, class_names=names)


def test_classes_of_stores_that_are_written_alike_are_said(caplog: pytest.LogCaptureFixture) -> None:
    say_alike_classes([index("a", "Run", "sit"), index("b", "run", "sit")])
    say_alike_classes([index("a", "Run", "run"), index("b", "run")])  # who made a was told when it was made
    say_alike_classes([index("a", "class 0", "class 1"), index("b", "class 2"), index("c", "run", "sit")])
    tail = "classes of their own"
    assert [line.partition(tail)[0] for line in caplog.messages] == [
        "'Run' and 'run' are ",
        "'class 0' of a store that names no class and 'run' of another are ",
    ]


def test_class_names_are_equal_in_whatever_form_of_unicode() -> None:
    """Stores of older builds keep the names of folders as macOS wrote them."""
    joined = join_clips([index("a", "sit", "cafe\u0301"), index("b", "caf\u00e9", "sit", "run")])
    assert joined.class_names == ("sit", "cafe\u0301", "run")
    assert joined.label.tolist() == [0, 1, 1, 0, 2]
    apart = join_clips([index("a", "cafe\u0301"), index("b", "caf\u00e9", "cafe\u0301")])  # two classes there
    assert apart.class_names == ("cafe\u0301", "caf\u00e9")
    assert apart.label.tolist() == [0, 1, 0]


def test_merging_in_steps_is_merging_at_once(tmp_path: Path) -> None:
    make_store(tmp_path / "a.zarr").close()
    stores = [FeatureStore.open(tmp_path / "a.zarr"), other_store(tmp_path / "b.zarr")]
    merge_stores(stores, tmp_path / "ab.zarr")
    subset_store(stores[1], tmp_path / "none.zarr", rows=np.array([0]))
    with pytest.raises(HeatpoolError, match="1 clip ids are in several stores, for example 'other 0'"):
        merge_stores(
            [FeatureStore.open(tmp_path / name) for name in ("ab.zarr", "none.zarr")], tmp_path / "x.zarr"
        )
    assert not (tmp_path / "x.zarr").exists()


@pytest.mark.parametrize(
    "changes", [{"tap": "stage9"}, {"channels": 6}, {"config": {"seed": 2}}, {"precision": "u1"}]
)
def test_stores_of_another_kind_are_not_merged(tmp_path: Path, changes: dict) -> None:
    make_store(tmp_path / "a.zarr").close()
    other = other_store(tmp_path / "b.zarr", **changes)
    with pytest.raises(
        HeatpoolError, match=f"cannot be merged into .*a.zarr: {next(iter(changes))}"
    ) as error:
        merge_stores([FeatureStore.open(tmp_path / "a.zarr"), other], tmp_path / "c.zarr")
    assert "\n" not in str(error.value)
    assert str(error.value).endswith("then convert") == ("precision" in changes)


@pytest.mark.parametrize("key", ["boxes_sha256", "keypoints_sha256"])
def test_stores_of_different_boxes_are_merged_and_name_all_of_them(tmp_path: Path, key: str) -> None:
    """Who found the boxes is provenance of a part; the detector is one."""
    config = {"detector": "boxes-file", key: "aa"}
    make_store(tmp_path / "a.zarr", spec=make_spec(config=config)).close()
    a = FeatureStore.open(tmp_path / "a.zarr")
    merge_stores([a, other_store(tmp_path / "b.zarr", config=config | {key: "bb"})], tmp_path / "ab")
    ab = FeatureStore.open(tmp_path / "ab")
    assert ab.spec.config[key] == ["aa", "bb"]
    assert join_config([ab.spec, a.spec])[key] == ["aa", "bb"]
    other = other_store(tmp_path / "e.zarr", config=config | {"detector": "yolo26s.pt"})
    with pytest.raises(HeatpoolError, match=r"config\.detector: 'boxes-file' in the store"):
        merge_stores([a, other], tmp_path / "ae.zarr")


def test_what_files_called_their_splits_is_joined() -> None:
    first, second = (
        {"split1": {"train": "train1"}},
        {"split1": {"train": "other"}, "xsub": {"test": "xsub_val"}},
    )
    specs = [make_spec(config={"split_names": names}) for names in (first, second)]
    assert join_config(specs) == {
        "split_names": {"split1": {"train": "train1"}, "xsub": {"test": "xsub_val"}}
    }
    refuse_other_networks(specs[0], specs[1], names=("a", "b"))


def test_an_unfinished_store_is_not_merged(tmp_path: Path) -> None:
    make_store(tmp_path / "a.zarr").close()
    other = other_store(tmp_path / "b.zarr", finish=False)
    with pytest.raises(HeatpoolError, match="3 clips are pending"):
        merge_stores([FeatureStore.open(tmp_path / "a.zarr"), other], tmp_path / "c.zarr")


@pytest.mark.parametrize("precision", ["f2", "u1"])
def test_a_subset_keeps_what_was_chosen(tmp_path: Path, precision: str) -> None:
    make_store(tmp_path / "a.zarr", spec=make_spec(precision=precision)).close()
    store = FeatureStore.open(tmp_path / "a.zarr")
    rows = store.clips.rows(where={"subject": ["s1"]}, classes=["wave", 2])
    assert rows.tolist() == [1, 7]  # 4 and 10 are of other classes, or failed
    subset_store(
        store, tmp_path / "b.zarr", rows=rows, keep_classes=False, choice={"where": {"subject": ["s1"]}}
    )
    part = FeatureStore.open(tmp_path / "b.zarr")
    assert part.clips.class_names == ("wave", "stand up")
    assert part.clips.label.tolist() == [0, 1]
    assert part.clips.clip_ids([0, 1]) == ("clip_0001", "clip_0007")
    assert part.clips.status.tolist() == [Status.OK] * 2
    derived = {"subset": {"of": store_digest(store.source), "where": {"subject": ["s1"]}}}
    assert part.spec.config["derived_from"] == derived
    for name in ARRAYS:
        np.testing.assert_array_equal(part.read([0, 1], (name,))[name], store.read(rows, (name,))[name])
    subset_store(part, tmp_path / "c.zarr", rows=np.array([1]))
    twice = FeatureStore.open(tmp_path / "c.zarr")
    assert twice.clips.class_names == ("wave", "stand up")
    assert twice.spec.config["derived_from"]["before"] == derived


def test_an_empty_choice_and_an_existing_place_are_refused(tmp_path: Path) -> None:
    make_store(tmp_path / "a.zarr").close()
    store = FeatureStore.open(tmp_path / "a.zarr")
    with pytest.raises(HeatpoolError, match="no usable clip is left"):
        subset_store(store, tmp_path / "b.zarr", rows=np.zeros(0, np.int64))
    with pytest.raises(HeatpoolError, match="already exists"):
        subset_store(store, tmp_path / "a.zarr", rows=np.array([0]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr"]
