from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.coco_export import export_coco
from heatpool.pool.exchange.keypoints.coco_json import read_coco
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.writer import StoreWriter
from tests.pool.store.store_cases import make_clip, make_index, make_spec, make_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    path = tmp_path_factory.mktemp("coco") / "s.zarr"
    make_store(path, spec=make_spec(joint_names=("a", "b", "c"), edges=((0, 1), (1, 2)), skeleton="chain"))
    return FeatureStore.open(path)


def test_what_goes_out_comes_back(store: FeatureStore, tmp_path: Path) -> None:
    usable = store.clips.rows()
    assert export_coco(store, tmp_path / "x.json") == len(usable) < len(store)
    file = read_coco(tmp_path / "x.json")
    assert file.skeleton == store.spec.graph
    assert file.names == store.clips.clip_ids(usable)
    arrays = store.read(usable, ("keypoints", "mask", "time_s"))
    for number, (row, keypoints, mask) in enumerate(
        zip(usable, arrays["keypoints"], arrays["mask"], strict=True)
    ):
        poses = file.read(number)
        frames = np.rint(arrays["time_s"][number] * store.clips.fps[row]).astype(int)
        assert len(set(frames)) == 4, "the case must have a frame per step"
        step, who = np.nonzero(mask.T)
        assert (poses.frame.tolist(), poses.track.tolist()) == (frames[step].tolist(), who.tolist())
        wanted = keypoints[who, step].astype(float)
        found = wanted[..., 2] > 0
        pixels = np.where(found[..., None], (wanted[..., :2] + 1) / 2 * (640, 480), np.nan)
        np.testing.assert_allclose(poses.joints, pixels, atol=0.006)
        np.testing.assert_allclose(poses.joint_score, np.where(found, wanted[..., 2], 0), atol=6e-5)
        assert (poses.width_px, poses.height_px, poses.fps) == (640, 480, pytest.approx(29.97))


def test_pycocotools_reads_it(store: FeatureStore, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    export_coco(store, tmp_path / "x.json")
    read = coco.COCO(str(tmp_path / "x.json"))
    assert len(read.getImgIds()) == 4 * len(store.clips.rows())
    (category,) = read.loadCats(read.getCatIds())
    assert (category["keypoints"], category["skeleton"]) == (["a", "b", "c"], [[1, 2], [2, 3]])
    first = read.loadAnns(read.getAnnIds(imgIds=read.getImgIds()[:1]))
    assert len(first) == int(store.read([0], ("mask",))["mask"][0, :, 0].sum())


def one_clip(
    path: Path,
    *,
    width_px: int = 640,
    time_s: tuple[float, ...] = (0, 0, 0, 0),
    fps: float = 25.0,
    frames: int = 9,
) -> FeatureStore:
    """A store of a clip of four steps."""
    spec = make_spec()
    features, result = make_clip(spec, 1)
    assert features is not None
    features = replace(features, time_s=np.array(time_s, np.float32))
    with StoreWriter.create(path, spec=spec, index=make_index(1), shard_clips=1) as writer:
        writer.write_shard(0, [features], [replace(result, fps=fps, frames=frames, width_px=width_px)])
        writer.finish()
    return FeatureStore.open(path)


@pytest.mark.parametrize(
    ("clip", "frames"),
    [
        ({"time_s": (0, 0.01, 0.03, 0.04)}, [0, 1]),
        ({"time_s": (9, 9.04, 9.08, 9.12)}, [225, 226, 227, 228]),
        ({"fps": 0.0, "frames": 2}, [0, 1]),
        ({"fps": 0.0, "frames": 12}, [1, 4, 7, 10]),
        ({"fps": 0.0, "frames": 0}, [0, 1, 2, 3]),
    ],
)
def test_each_frame_stands_once(tmp_path: Path, clip: dict[str, Any], frames: list[int]) -> None:
    """A clip may be shorter than its steps, a part of its video, or without a frame rate."""
    export_coco(one_clip(tmp_path / "s.zarr", **clip), tmp_path / "x.json")
    poses = read_coco(tmp_path / "x.json").read(0)
    assert np.unique(poses.frame).tolist() == frames
    assert (poses.track >= 0).all()


def test_stores_in_space_or_without_a_frame_size_are_refused(tmp_path: Path) -> None:
    make_store(tmp_path / "s.zarr", clips=1, spec=make_spec(config={"keypoint_axes": "x y z"}))
    with pytest.raises(HeatpoolError, match="expected keypoints in the picture, got them in space"):
        export_coco(FeatureStore.open(tmp_path / "s.zarr"), tmp_path / "x.json")
    with pytest.raises(HeatpoolError, match="clip 'clip_0000': expected a known frame size, got none"):
        export_coco(one_clip(tmp_path / "t.zarr", width_px=0), tmp_path / "x.json")
    assert not (tmp_path / "x.json").exists()
