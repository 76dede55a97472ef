from __future__ import annotations

import numpy as np
import pytest

from heatpool.pipelines.extraction.pose_persons import main_persons, persons_in_order
from heatpool.pool.exchange.keypoints.records import PoseVideo
from tests.pool.exchange.keypoints.pose_cases import pose_video


def walkers(*starts: float, frames: int = 12, step: float = 2.0, track: list[int] | None = None) -> PoseVideo:
    """Persons of 20 x 40 pixels who walk to the right, in turn first in the file."""
    rows = [(frame, who) for frame in range(frames) for who in range(len(starts))[:: 1 if frame % 2 else -1]]
    joints = np.array(
        [
            [[starts[who] + step * frame + dx, 20 + dy] for dx, dy in ((0, 0), (20, 20), (10, 40))]
            for frame, who in rows
        ],
        np.float32,
    )
    tracks = np.array([track[who] if track else -1 for _, who in rows], np.int64)
    return pose_video([frame for frame, _ in rows], joints, track=tracks)


def first_x(video: PoseVideo, rows: np.ndarray) -> float:
    return float((video.joints[rows, 0, 0] - 2.0 * video.frame[rows]).max())


@pytest.mark.parametrize("track", [None, [7, 3]])
def test_persons_stay_who_they_are(track: list[int] | None) -> None:
    video = walkers(10, 100, track=track)
    chosen = main_persons(video, 2)
    assert sorted(len(rows) for rows in chosen) == [12, 12]
    assert sorted(first_x(video, rows) for rows in chosen) == [10, 100]
    for rows in chosen:
        assert (np.diff(video.frame[rows]) > 0).all()
        assert np.ptp(video.joints[rows, 0, 0] - 2.0 * video.frame[rows]) < 1e-3


def test_the_one_who_is_there_longer_gets_the_only_slot() -> None:
    video = walkers(10, 100, track=[7, 3])
    few = np.flatnonzero((video.track == 7) | (video.frame < 5))
    part = pose_video(video.frame[few].tolist(), video.joints[few], track=video.track[few])
    (rows,) = main_persons(part, 1)
    assert set(part.track[rows].tolist()) == {7}


def test_individuals_have_the_same_slot_in_every_clip() -> None:
    video = walkers(10, 100, track=[3, 7])
    few = np.flatnonzero((video.track == 7) | (video.frame < 2))
    part = pose_video(video.frame[few].tolist(), video.joints[few], track=video.track[few])
    assert [set(part.track[rows]) for rows in main_persons(part, 2)] == [{7}]
    assert [set(part.track[rows]) for rows in persons_in_order(part, 2)] == [{3}, {7}]
    assert [set(part.track[rows]) for rows in persons_in_order(part, 1)] == [{7}]


def test_one_person_a_frame_is_one_person_wherever_it_jumps() -> None:
    joints = walkers(0, frames=4).joints
    joints[2:] += 90
    (rows,) = main_persons(pose_video([0, 1, 7, 8], joints, track=np.full(4, -1)), 2)
    assert rows.tolist() == [0, 1, 2, 3]


def test_the_shares_of_a_sparse_file_are_of_the_frames_it_has() -> None:
    sparse = pose_video([0, 500, 1000], track=np.array([1, 1, 1]), frames=1001)
    assert [rows.tolist() for rows in main_persons(sparse, 2)] == [[0, 1, 2]]


def test_fractions_and_joints_in_space_are_followed_too() -> None:
    video = walkers(10, 100)
    fractions = pose_video(
        video.frame.tolist(), video.joints / np.array([200, 100], np.float32),
        track=video.track, width_px=1, height_px=1,
    )  # fmt: skip
    metres = np.concatenate(
        [video.joints / np.float32(50), np.ones((*video.joints.shape[:2], 1), np.float32)], 2
    )
    space = pose_video(video.frame.tolist(), metres, track=video.track, width_px=0, height_px=0)
    for each in (fractions, space):
        assert sorted(first_x(video, rows) for rows in main_persons(each, 2)) == [10, 100]


def test_nobody_and_single_joints() -> None:
    assert main_persons(pose_video([]), 2) == []
    joints = np.full((2, 3, 2), np.nan, np.float32)
    joints[:, 1] = 5
    (rows,) = main_persons(pose_video([0, 1], joints), 2)
    assert rows.tolist() == [0, 1]
    assert main_persons(pose_video([0, 1], np.full((2, 3, 2), np.nan, np.float32)), 2) == []


def test_too_many_to_be_followed_are_refused() -> None:
    frame = np.repeat(np.arange(50_001), 2)
    video = pose_video(frame.tolist(), np.ones((100_002, 3, 2), np.float32), track=np.full(100_002, -1))
    with pytest.raises(ValueError, match="at most 100,000 persons .* got 100,002: cut it by a manifest"):
        main_persons(video, 2)
