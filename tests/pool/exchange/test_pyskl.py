from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.pyskl import export_pyskl, import_pyskl
from heatpool.pool.records import Split, Status
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


def test_keypoints_labels_and_splits_come_in(tmp_path: Path) -> None:
    clips = [annotation("a", people=3, label=1), annotation("b", frames=9), annotation("none", people=0)]
    path = write(tmp_path / "x.pkl", clips, xsub_train=["a", "gone"], xsub_val=["b"], odd_train=["b"])
    import_pyskl(path, tmp_path / "s.zarr", steps=4, class_names=("sit", "stand"))
    store = FeatureStore.open(tmp_path / "s.zarr")
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


@settings(max_examples=6)
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
    import_pyskl(path, folder / "a.zarr", steps=frames, persons=3)
    a = FeatureStore.open(folder / "a.zarr")
    assert a.clips.split("xsub")[0] == Split.VAL
    assert export_pyskl(a, folder / "y.pkl") == sum(count > 0 for count in people)
    if not any(people):
        return
    import_pyskl(folder / "y.pkl", folder / "b.zarr", steps=frames, persons=3)
    b = FeatureStore.open(folder / "b.zarr")
    rows = a.clips.rows()
    assert b.clips.clip_ids(range(len(b))) == a.clips.clip_ids(rows)
    before, after = a.read(rows, ("keypoints", "mask")), b.read(b.clips.rows(), ("keypoints", "mask"))
    np.testing.assert_array_equal(after["mask"], before["mask"])
    np.testing.assert_allclose(after["keypoints"], before["keypoints"], atol=2e-6, rtol=1e-3)


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
    ("changes", "message"),
    [
        ({"keypoint": np.zeros((1, 4, 25, 3))}, r"keypoints \(1, 4, 25, 3\) instead of \(M, T, V, 2\)"),
        ({"keypoint": np.zeros((4, 17, 2))}, "instead of"),
        ({"keypoint_score": np.zeros((1, 3, 17))}, "scores"),
        ({"img_shape": (0, 10)}, "frame 0 x 10"),
        ({"img_shape": None}, "expected PYSKL annotations"),
        ({"keypoint": np.full((1, 4, 17, 2), np.nan)}, "clip 'a' .*finite"),
        ({"keypoint": {"not": "numbers"}}, "expected numbers"),
        ({"label": 7}, "expected labels from -1 to 0"),
    ],
)
def test_bad_annotations_are_one_line(tmp_path: Path, changes: dict, message: str) -> None:
    path = write(tmp_path / "x.pkl", [annotation("a", **changes)])
    with pytest.raises(HeatpoolError, match=message) as error:
        import_pyskl(path, tmp_path / "s.zarr", class_names=("one",))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "s.zarr").exists()


def test_other_pickles_and_other_joints_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps([1]))
    with pytest.raises(HeatpoolError, match="expected a PYSKL file"):
        import_pyskl(tmp_path / "x.pkl", tmp_path / "s.zarr")
    fewer = annotation("b", keypoint=np.zeros((1, 4, 5, 2)), keypoint_score=np.ones((1, 4, 5)))
    path = write(tmp_path / "y.pkl", [annotation("a"), fewer])
    with pytest.raises(HeatpoolError, match="expected 17 joints as in the first clip, got 5"):
        import_pyskl(path, tmp_path / "s.zarr")
    path = write(tmp_path / "z.pkl", [annotation("a"), annotation("a")])
    with pytest.raises(HeatpoolError, match="expected PYSKL annotations"):
        import_pyskl(path, tmp_path / "s.zarr")
