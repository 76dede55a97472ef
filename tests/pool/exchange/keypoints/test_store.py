from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.clip_store import ClipPart
from heatpool.pool.exchange.keypoints.records import PoseVideo
from heatpool.pool.exchange.keypoints.store import import_poses
from heatpool.pool.records import ClipIndex, Status
from heatpool.pool.skeleton import Skeleton
from heatpool.pool.store.reader import FeatureStore
from tests.pool.exchange.keypoints.pose_cases import LINE, Videos, pose_video


def by_track(video: PoseVideo, slots: int) -> list[np.ndarray]:
    return [np.flatnonzero(video.track == each) for each in np.unique(video.track)[:slots]]


def in_fractions() -> np.ndarray:
    return pose_video([0, 1]).joints / np.array([200, 100], np.float32)


def take(file: Videos, out: Path, parts: list[ClipPart] | None = None, **options: Any) -> FeatureStore:
    parts = parts or [ClipPart(number) for number in range(len(file.videos))]
    names = tuple(f"clip {number}" for number in range(len(parts)))
    index = ClipIndex(names, names, np.full(len(parts), -1, np.int32), ())
    values: dict[str, Any] = {"steps": 4, "shard_clips": 2} | options
    import_poses(file, out, index=index, parts=parts, choose=by_track, **values)
    return FeatureStore.open(out)


def test_a_store_says_what_the_file_said(tmp_path: Path) -> None:
    two = pose_video([0, 0, 1, 1], track=np.array([3, 8, 3, 8]), fps=25.0, frames=2)
    late = pose_video([0, 1], frames=500)
    store = take(Videos([two, pose_video([]), late]), tmp_path / "s.zarr")
    assert store.spec.graph == LINE
    assert store.attributes["config"] == {"imported_from": "test file", "arrays": ["keypoints"]}
    assert store.clips.status.tolist() == [Status.OK, Status.NO_PERSON, Status.NO_PERSON]
    result, nobody, short = store.results(range(3))
    assert (result.frames, result.fps, result.persons) == (2, 25, 2)
    assert (result.width_px, result.height_px) == (200, 100)
    assert nobody.reason == "nobody in any frame of the file"
    assert short.reason.startswith("somebody in 2 of 500 frames")


def test_labels_of_a_few_frames_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    few, all_there = pose_video([0, 20, 25], frames=40), pose_video([0, 1], frames=2)
    take(Videos([few, all_there]), tmp_path / "s.zarr", steps=40)
    assert "1 of 2 clips have somebody in less than a quarter of their frames" in caplog.text


def test_persons_of_an_action_bound_the_slots(tmp_path: Path) -> None:
    two = pose_video([0, 0], track=np.array([3, 8]))
    store = take(Videos([two]), tmp_path / "s.zarr", [ClipPart(0), ClipPart(0, persons=1)])
    assert [result.persons for result in store.results([0, 1])] == [2, 1]


def test_what_cannot_be_taken_is_failed_and_the_rest_goes_on(tmp_path: Path) -> None:
    other = pose_video([0], np.zeros((1, 4, 2), np.float32))
    huge = pose_video([0], np.full((1, 3, 3), 1e6, np.float32), width_px=0, height_px=0)
    file = Videos([None, pose_video([0, 1]), other, huge])
    parts = [ClipPart(number) for number in (0, 1, 2, 3, -1)]
    store = take(file, tmp_path / "s.zarr", parts)
    assert store.clips.status.tolist() == [Status.FAILED, Status.OK, *[Status.FAILED] * 3]
    reasons = [result.reason for result in store.results(range(5))]
    assert reasons[0] == "v is damaged"
    assert "expected 3 joints of 2 axes" in reasons[2]
    assert "expected 3 joints of 2 axes" in reasons[3]
    assert "no keypoints of this video" in reasons[4]


def test_nothing_is_made_where_no_clip_can_be_taken(tmp_path: Path) -> None:
    unknown = pose_video([0, 1], width_px=0, height_px=0)
    with pytest.raises(HeatpoolError, match=r"clip 0: .* --frame-size, such as 640x480 .* x = 120, y = 1"):
        take(Videos([unknown]), tmp_path / "s.zarr")
    huge = pose_video([0], np.full((1, 3, 3), 1e6, np.float32), width_px=0, height_px=0)
    with pytest.raises(HeatpoolError, match="finite keypoints up to 65504"):
        take(Videos([huge]), tmp_path / "s.zarr")
    with pytest.raises(HeatpoolError, match="expected at most 268,435,456 keypoints a clip"):
        take(Videos([pose_video([0])]), tmp_path / "s.zarr", steps=2_000_000, persons=200)
    assert not (tmp_path / "s.zarr").exists()


def test_a_size_and_a_rate_that_are_given_stand_in_for_unknown_ones(tmp_path: Path) -> None:
    unknown = pose_video([0, 1], width_px=0, height_px=0)
    fractions = pose_video([0, 1], in_fractions(), width_px=1, height_px=1)
    files = Videos([unknown, fractions, pose_video([0, 1], fps=30.0)])
    store = take(files, tmp_path / "s.zarr", frame_size_px=(400, 100), fps=10.0)
    assert [(each.width_px, each.height_px, each.fps) for each in store.results(range(3))] == [
        (400, 100, 10.0), (400, 100, 10.0), (200, 100, 30.0),
    ]  # fmt: skip
    x = store.read([0, 1, 2], ("keypoints",))["keypoints"][:, 0, 0, 0, 0]
    np.testing.assert_allclose(x, [-0.5, 0, 0], atol=1e-3)


def test_fractions_need_no_size(tmp_path: Path) -> None:
    fractions = pose_video([0, 1], in_fractions(), width_px=1, height_px=1)
    store = take(Videos([fractions]), tmp_path / "s.zarr")
    (result,) = store.results([0])
    assert (result.width_px, result.height_px) == (0, 0)
    np.testing.assert_allclose(store["keypoints"][0, 0, 0, :, 0], [0, 0.1, 0.2], atol=1e-3)


def test_another_skeleton_is_for_as_many_joints(tmp_path: Path) -> None:
    mine = Skeleton("mine", ("a", "b", "c"))
    assert take(Videos([pose_video([0])]), tmp_path / "s.zarr", skeleton=mine).spec.graph == mine
    with pytest.raises(HeatpoolError, match="skeleton of 3 joints, got one of 25"):
        take(Videos([pose_video([0])]), tmp_path / "t.zarr", skeleton=Skeleton.unnamed(25))
