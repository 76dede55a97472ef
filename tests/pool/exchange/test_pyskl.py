from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heatpool.extract.datasets.pyskl_index import index_pyskl
from heatpool.pool.disk.class_names import ClassNames
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.pyskl import export_pyskl, import_pyskl
from heatpool.pool.exchange.pyskl_file import read_pyskl
from heatpool.pool.exchange.pyskl_splits import name_splits
from heatpool.pool.records import ClipIndex, Split, Status
from heatpool.pool.skeleton import NTU25_SKELETON, Skeleton
from heatpool.pool.store.reader import FeatureStore
from tests.pool.store.store_cases import make_store


def annotation(name: str, *, people: int = 1, frames: int = 4, label: int = 0, **changes) -> dict:
    """Joints at x = 100 + joint, y = 50 in a frame of 400 x 200; the score says which person it is."""
    keypoint = np.zeros((people, frames, 17, 2), np.float16)
    keypoint[..., 0], keypoint[..., 1] = 100 + np.arange(17), 50
    score = np.ones((people, frames, 17), np.float16) * (0.25 * (1 + np.arange(people)))[:, None, None]
    values = {
        "frame_dir": name, "label": label, "img_shape": (200, 400), "original_shape": (200, 400),
        "total_frames": frames, "keypoint": keypoint, "keypoint_score": score.astype(np.float16),
    }  # fmt: skip
    return values | changes


def write(path: Path, annotations: list[dict], **split: list[str]) -> Path:
    path.write_bytes(pickle.dumps({"split": split, "annotations": annotations}))
    return path


def take(path: Path, out: Path, *, class_names: tuple[str, ...] = (), **options) -> FeatureStore:
    """Import a file as the command does, and open the store."""
    file = read_pyskl(path)
    index = index_pyskl(file, classes=ClassNames(class_names) if class_names else None)
    import_pyskl(file, out, index=index, **options)
    return FeatureStore.open(out)


def test_keypoints_labels_and_splits_come_in(tmp_path: Path) -> None:
    clips = [annotation("a", people=3, label=1), annotation("b", frames=9), annotation("none", people=0)]
    path = write(tmp_path / "x.pkl", clips, xsub_train=["a", "gone"], xsub_val=["b"], odd_train=["b"])
    store = take(path, tmp_path / "s.zarr", steps=4, class_names=("sit", "stand"))
    assert store.clips.clip_ids([0, 1, 2]) == ("a", "b", "none")
    assert store.clips.label.tolist() == [1, 0, 0]
    assert store.clips.class_names == ("sit", "stand")
    assert store.clips.status.tolist() == [Status.OK, Status.OK, Status.NO_PERSON]
    assert store.clips.frames.tolist() == [4, 9, 4]
    assert store.clips.split("xsub").tolist() == [
        Split.TRAIN,
        Split.TEST,
        Split.NONE,
    ]  # PYSKL reports on its val
    assert store.clips.split("odd").tolist() == [Split.NONE, Split.TRAIN, Split.NONE]
    arrays = store.read([0, 1], ("pooled", "keypoints", "mask"))
    assert not arrays["pooled"].any()
    assert arrays["mask"].any(2).tolist() == [[True, True], [True, False]]
    # The two people with the highest scores stay: x = 2 * 100 / 400 - 1, y = 2 * 50 / 200 - 1.
    np.testing.assert_array_equal(arrays["keypoints"][0, :, :, 0, 2], [[0.5] * 4, [0.75] * 4])
    np.testing.assert_allclose(arrays["keypoints"][1, 0, :, 0, :2], [[-0.5, -0.5]] * 4, atol=1e-3)


@settings(max_examples=4)
@given(
    people=st.lists(st.integers(0, 3), min_size=1, max_size=4),
    frames=st.integers(1, 5),
    seed=st.integers(0, 9),
)
def test_a_store_of_keypoints_goes_out_and_comes_back(tmp_path_factory, people, frames, seed) -> None:
    folder = tmp_path_factory.mktemp("pyskl")
    rng = np.random.default_rng(seed)
    clips = []
    for number, count in enumerate(people):
        keypoint = rng.uniform(0, 200, (count, frames, 5, 2)).astype(np.float32)
        score = rng.uniform(0.1, 1, (count, frames, 5)).astype(np.float16)
        clips.append(annotation(f"clip {number} é", frames=frames, keypoint=keypoint, keypoint_score=score))
    path = write(folder / "x.pkl", clips, xsub_train=[], xsub_val=["clip 0 é"], xsub_test=[])
    a = take(path, folder / "a.zarr", steps=frames, persons=3)
    assert a.clips.split("xsub")[0] == Split.VAL
    assert export_pyskl(a, folder / "y.pkl") == sum(count > 0 for count in people)
    if not any(people):
        return
    b = take(folder / "y.pkl", folder / "b.zarr", steps=frames, persons=3)
    rows = a.clips.rows()
    assert b.clips.clip_ids(range(len(b))) == a.clips.clip_ids(rows)
    before, after = a.read(rows, ("keypoints", "mask")), b.read(b.clips.rows(), ("keypoints", "mask"))
    np.testing.assert_array_equal(after["mask"], before["mask"])
    np.testing.assert_allclose(after["keypoints"], before["keypoints"], atol=2e-6, rtol=1e-3)


def test_the_joints_may_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pkl", [annotation("a", keypoint=np.ones((1, 4, 2, 2)), keypoint_score=None)])
    stick = Skeleton("stick", ("top", "bottom"), ((0, 1),))
    assert take(path, tmp_path / "s.zarr", skeleton=stick).spec.graph == stick
    with pytest.raises(HeatpoolError, match="skeleton of 2 joints, got one of 25"):
        take(path, tmp_path / "t.zarr", skeleton=NTU25_SKELETON)


def test_what_goes_out_is_what_pyskl_reads(tmp_path: Path) -> None:
    make_store(tmp_path / "s.zarr").close()
    store = FeatureStore.open(tmp_path / "s.zarr")
    assert export_pyskl(store, tmp_path / "x.pkl") == 9
    content = pickle.loads((tmp_path / "x.pkl").read_bytes())
    assert set(content["split"]) == {"xsub_train", "xsub_val", "xsub_test", "xview_train"}
    first = content["annotations"][0]
    assert first["frame_dir"] == "clip_0000"
    assert (first["img_shape"], first["total_frames"]) == ((480, 640), 4)
    assert first["keypoint"].shape == (1, 4, 3, 2)
    x = store.read([0], ("keypoints",))["keypoints"][0, 0, 0, 0, 0]
    assert first["keypoint"][0, 0, 0, 0] == pytest.approx((float(x) + 1) * 320)
    with pytest.raises(HeatpoolError, match="already exists"):
        export_pyskl(store, tmp_path / "x.pkl")


@pytest.mark.parametrize(
    "lists",
    [
        {
            "xsub": ("xsub_train", "xsub_val"), "xset": ("xset_train", "xset_val"),
            "split1": ("train1", "test1"), "split2": ("train2", "test2"), "split": ("train", "val"),
            "split_01": ("split_01_training", "split_01_validation"),
        },
        {"split_1": ("split 1/train", "split 1/val"), "pr_f": ("prüf_train", "prüf_val")},
        {"split": ("train", "test"), "gym": ("gym.train", "gym.val", "gym.test")},
    ],
)  # fmt: skip
def test_splits_come_back_by_the_names_they_had(tmp_path: Path, lists: dict[str, tuple[str, ...]]) -> None:
    """UCF101's train1 is split1, NTU's xsub_val is xsub's test."""
    names = [f"v_{row}" for row in range(24)]
    clips = [annotation(name, label=row % 2) for row, name in enumerate(names)]
    splits = {name: names[at::3] for of_one in lists.values() for at, name in enumerate(of_one)}
    store = take(write(tmp_path / "x.pkl", clips, **splits), tmp_path / "s.zarr", steps=4)
    for protocol, of_one in lists.items():
        counts = [int((store.clips.split(protocol) == split).sum()) for split in Split if split]
        assert counts == ([8, 0, 8] if len(of_one) == 2 else [8, 8, 8])
    export_pyskl(store, tmp_path / "y.pkl")
    back = pickle.loads((tmp_path / "y.pkl").read_bytes())
    assert {name: sorted(of_split) for name, of_split in back["split"].items()} == {
        name: sorted(of_split) for name, of_split in splits.items()
    }


def test_names_are_equal_in_whatever_form_of_unicode(tmp_path: Path) -> None:
    clips = [annotation("cafe\u0301"), annotation("b")]
    store = take(
        write(tmp_path / "x.pkl", clips, train=["caf\u00e9"], val=["b"]), tmp_path / "s.zarr", steps=4
    )
    assert store.clips.split("split").tolist() == [Split.TRAIN, Split.TEST]
    export_pyskl(store, tmp_path / "y.pkl")
    back = pickle.loads((tmp_path / "y.pkl").read_bytes())
    assert back["annotations"][0]["frame_dir"] == "cafe\u0301"


def test_names_of_a_known_data_set_tell_who_it_is(tmp_path: Path) -> None:
    clips = [annotation(f"S001C00{camera}P004R002A001") for camera in (1, 2)]
    one, two = (clip["frame_dir"] for clip in clips)
    splits = {"xsub_train": np.array([one]), "xsub_val": {two}, "xsub_test": ()}
    index = index_pyskl(read_pyskl(write(tmp_path / "x.pkl", clips, **splits)))
    assert index.columns["subject"] == ("4", "4")
    assert index.columns["camera"] == ("1", "2")
    assert index.splits["xsub"].tolist() == [Split.TRAIN, Split.VAL]


def test_val_that_was_taken_out_of_train_is_train_again(tmp_path: Path) -> None:
    index = ClipIndex(
        ("a", "b", "c"), ("", "", ""), np.zeros(3, np.int32), ("x",), splits={"xsub": np.uint8([1, 2, 3])}
    )
    names = {"xsub": {"train": "xsub_train", "test": "xsub_val"}}
    assert name_splits(index, names) == {"xsub_train": ["a", "b"], "xsub_val": ["c"]}
    assert name_splits(index, {}) == {"xsub_train": ["a"], "xsub_val": ["b"], "xsub_test": ["c"]}


def spatial(name: str, joints: int = 25, **changes) -> dict:
    """A 3-D annotation as published: no frame size, no scores; the second person is not there."""
    keypoint = np.zeros((2, 4, joints, 3), np.float32)
    keypoint[0] = np.random.default_rng(3).normal((0, 0, 3), 1, (4, joints, 3))
    return {"frame_dir": name, "label": 0, "total_frames": 4, "keypoint": keypoint} | changes


def test_3d_keypoints_keep_their_coordinates_and_their_graph(tmp_path: Path) -> None:
    clips = [spatial("a/b.c"), spatial("d")]
    store = take(write(tmp_path / "x.pkl", clips, train=["a/b.c"], test=["d"]), tmp_path / "s.zarr", steps=4)
    assert store.spec.graph == NTU25_SKELETON
    arrays = store.read([0], ("keypoints", "mask"))
    assert arrays["mask"][0].all(1).tolist() == [True, False]
    np.testing.assert_allclose(arrays["keypoints"][0, 0], clips[0]["keypoint"][0], atol=2e-3)
    export_pyskl(store, tmp_path / "y.pkl")
    back = pickle.loads((tmp_path / "y.pkl").read_bytes())
    assert set(back["annotations"][0]) == {"frame_dir", "label", "total_frames", "keypoint"}
    np.testing.assert_allclose(back["annotations"][0]["keypoint"], clips[0]["keypoint"][:1], atol=2e-3)
    assert back["split"] == {"train": ["a/b.c"], "test": ["d"]}
    assert take(tmp_path / "y.pkl", tmp_path / "t.zarr", steps=4).spec.graph == NTU25_SKELETON
    other = take(write(tmp_path / "h.pkl", [spatial("a", 17)]), tmp_path / "h.zarr", steps=4)
    assert other.spec.graph.name == "unnamed17", "17 joints in 3-D are Human3.6M's, not COCO's"


def decompress(entry: dict) -> tuple[np.ndarray, np.ndarray]:
    """PYSKL's DecompressPose without its squeezing, in its own words."""
    most = np.bincount(entry["frame_inds"]).max()
    shape = (most, entry["total_frames"], entry["keypoint"].shape[1])
    new_kp, new_kpscore = np.zeros((*shape, 2), np.float16), np.zeros(shape, np.float16)
    nperson_per_frame = np.zeros([entry["total_frames"]], np.int16)
    for frame_ind, kp in zip(entry["frame_inds"], entry["keypoint"], strict=True):
        person_ind = nperson_per_frame[frame_ind]
        new_kp[person_ind, frame_ind] = kp[:, :2]
        new_kpscore[person_ind, frame_ind] = kp[:, 2]
        nperson_per_frame[frame_ind] += 1
    return new_kp, new_kpscore


@pytest.mark.parametrize("key", ["keypoint", "kp"])
def test_the_compact_layout_unfolds_as_in_pyskl(tmp_path: Path, key: str) -> None:
    rng = np.random.default_rng(1)
    inds = np.array([0, 0, 1, 3, 3, 3, 5], np.int16)
    points = np.concatenate([rng.uniform(0, 200, (7, 17, 2)), rng.uniform(0.1, 1, (7, 17, 1))], 2)
    entry = annotation("a", frames=6) | {"frame_inds": inds, "box_score": np.ones(7, np.float16)}
    del entry["keypoint"], entry["keypoint_score"]
    entry[key] = points.astype(np.float16)
    clip = read_pyskl(write(tmp_path / "x.pkl", [entry])).clip(0)
    keypoint, score = decompress(entry | {"keypoint": entry[key]})
    np.testing.assert_array_equal(clip.keypoint, keypoint)
    np.testing.assert_array_equal(clip.score, score)
    store = take(tmp_path / "x.pkl", tmp_path / "s.zarr", steps=6, persons=3)
    assert store.clips.frames.tolist() == [6]
    assert store.read([0], ("mask",))["mask"][0].sum(0).tolist() == [2, 1, 0, 3, 0, 1]


SAME = annotation("a")


@pytest.mark.parametrize(
    "changes",
    [
        {"keypoint": SAME["keypoint"][0], "keypoint_score": SAME["keypoint_score"][0]},
        {"keypoint": SAME["keypoint"].astype(np.float64).tolist()},
        {"keypoint": [list(person) for person in SAME["keypoint"]]},
        {"keypoint_score": SAME["keypoint_score"][..., None]},
        {
            "keypoint": np.concatenate([SAME["keypoint"], SAME["keypoint_score"][..., None]], -1),
            "keypoint_score": None,
        },
        {"total_frames": 5},
        {"img_shape": None},
        {"label": np.int64(0)},
        {"label": np.array([0])},
        {"label": 0.0},
    ],
    ids=["no persons' axis", "lists", "lists of arrays", "scores (M, T, V, 1)", "scores as third",
         "other total_frames", "original_shape", "numpy label", "label array", "float label"],
)  # fmt: skip
def test_layouts_that_say_the_same_give_the_same(tmp_path: Path, changes: dict) -> None:
    entry = {key: value for key, value in annotation("a", **changes).items() if value is not None}
    read, plain = (
        read_pyskl(write(tmp_path / "x.pkl", [each, annotation("b", label=1)])) for each in (entry, SAME)
    )
    for name in ("keypoint", "score"):
        np.testing.assert_array_equal(getattr(read.clip(0), name), getattr(plain.clip(0), name))
    assert index_pyskl(read).label.tolist() == [0, 1]
    assert read.size_px(0) == (200, 400)
    assert not read.spatial


def test_what_is_missing_or_no_number_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keypoint, score = SAME["keypoint"].copy(), SAME["keypoint_score"].copy()
    keypoint[0, 1, :3], score[0, 2, 5], score[0, 3, 6] = np.nan, np.nan, 1.5
    bare = {"frame_dir": "b", "total_frames": 4, "keypoint": np.concatenate([SAME["keypoint"]] * 2)}
    bare["keypoint"][1] = 0  # nobody
    clips = [annotation("a", keypoint=keypoint, keypoint_score=score), bare]
    path = write(tmp_path / "x.pkl", clips, train=["a", "gone"], all=["a", "b"])
    store = take(path, tmp_path / "s.zarr", steps=4)
    arrays = store.read([0, 1], ("keypoints", "mask"))
    assert not arrays["keypoints"][0, 0, 1, :3, 2].any()
    assert arrays["keypoints"][0, 0, 3, 6, 2] == 1
    assert arrays["mask"].any(2).tolist() == [[True, False], [True, False]]
    assert store.clips.label.tolist() == [0, -1]
    assert [record.getMessage().removeprefix(f"{path}: ") for record in caplog.records] == [
        "1 clips have no img_shape, and count as 1920 x 1080 pixels as in PYSKL",
        "split 'all' is left out: it says neither train, val nor test",
        "1 name of its splits without annotation, such as 'gone' of train",
        "1 of 2 clips have no label",
        "4 joints are no finite numbers and count as not found",
        "1 scores are outside 0 to 1 and count as the nearer one",
    ]


def test_files_without_splits_and_single_annotations_are_read(tmp_path: Path) -> None:
    for number, content in enumerate(([SAME, annotation("b")], SAME)):
        (tmp_path / "x.pkl").write_bytes(pickle.dumps(content))
        store = take(tmp_path / "x.pkl", tmp_path / f"{number}.zarr")
        assert store.clips.clip_ids([0]) == ("a",)
        assert not store.clips.index.splits


def test_the_best_of_very_many_persons_stay(tmp_path: Path) -> None:
    crowd = annotation("a", people=300)
    crowd["keypoint_score"][:] = 0.1
    crowd["keypoint_score"][[7, 280]] = 0.9
    crowd["keypoint"][280, ..., 0] = 200  # x = 0 of the frame
    store = take(write(tmp_path / "x.pkl", [crowd]), tmp_path / "s.zarr", steps=4)
    assert not store.read([0], ("keypoints",))["keypoints"][0, 1, :, :, 0].any()
