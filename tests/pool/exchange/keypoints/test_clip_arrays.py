from __future__ import annotations

import numpy as np
import pytest

from heatpool.pool.exchange.clip_store import ClipPart
from heatpool.pool.exchange.keypoints.clip_arrays import clip_arrays, cut_part, without_stride
from tests.pool.exchange.keypoints.pose_cases import pose_video

ALL = [np.arange(4)]


def test_pixels_become_places_in_the_picture() -> None:
    made = clip_arrays(pose_video([0, 1, 2, 3], frames=4, fps=2.0), ALL, slots=2, steps=4, first=6)
    np.testing.assert_allclose(made.keypoints[0, :, :, 0], [[0, 0.1, 0.2]] * 4, atol=1e-6)
    np.testing.assert_allclose(made.keypoints[0, :, 0, 1], [-1, -0.98, -0.96, -0.94], atol=1e-6)
    assert (made.keypoints[0, ..., 2] == 1).all()
    assert made.mask.tolist() == [[True] * 4, [False] * 4]
    assert not made.keypoints[1].any()
    assert made.time_s.tolist() == [3, 3.5, 4, 4.5]


def test_joints_in_space_stay_as_they_are() -> None:
    joints = np.arange(4 * 3 * 3, dtype=np.float32).reshape(4, 3, 3)
    video = pose_video([0, 1, 2, 3], joints, width_px=0, height_px=0, frames=4)
    made = clip_arrays(video, ALL, slots=1, steps=4, first=0)
    np.testing.assert_array_equal(made.keypoints[0], joints)
    assert not made.time_s.any()


def test_a_joint_that_is_not_given_stands_between_its_neighbours_with_score_0() -> None:
    joints = pose_video([0, 1, 2, 3]).joints.copy()
    joints[:2, 0], joints[3, 0] = np.nan, [140, 3]  # head: given in frame 2 at x = 100, in 3 at 140
    joints[2, 1] = np.nan  # middle: between 110 and 110
    joints[:, 2] = np.nan  # foot: never
    made = clip_arrays(pose_video([0, 1, 2, 3], joints, frames=4), ALL, slots=1, steps=4, first=0)
    x, score = (made.keypoints[0, ..., axis] for axis in (0, 2))
    np.testing.assert_allclose(x[:, 0], [0, 0, 0, 0.4], atol=1e-6)
    np.testing.assert_allclose(x[:, 1], 0.1, atol=1e-6)
    np.testing.assert_allclose(x[:, 2], x[:, :2].mean(1), atol=1e-6)
    assert score.tolist() == [[0, 1, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]]
    joints[1] = np.nan  # a person of whom nothing is given is not seen
    made = clip_arrays(pose_video([0, 1, 2, 3], joints, frames=4), ALL, slots=1, steps=4, first=0)
    assert made.mask[0].tolist() == [True, False, True, True]
    assert not made.keypoints[0, 1].any()


def test_boxes_come_along() -> None:
    boxes = np.array([[20, 10, 100, 50]] * 4, np.float32)
    made = clip_arrays(pose_video([0, 1, 2, 3], box_xyxy_px=boxes, frames=4), ALL, slots=1, steps=2, first=0)
    np.testing.assert_allclose(made.boxes[0], [[0.1, 0.1, 0.5, 0.5]] * 2, atol=1e-6)


def test_a_wrong_size_of_the_picture_is_found() -> None:
    video = pose_video([0, 1, 2, 3], width_px=90, height_px=100, frames=4)
    with pytest.raises(ValueError, match="of 90 x 100, got 100% of them outside, up to x = 120, y = 3"):
        clip_arrays(video, ALL, slots=1, steps=4, first=0)


def test_every_fifth_frame_is_every_frame_that_was_looked_at() -> None:
    video, stride = without_stride(pose_video([5 * each for each in range(8)], fps=50.0, frames=38))
    assert (stride, video.frame.tolist(), video.fps, video.frames) == (5, list(range(8)), 10.0, 8)
    few, stride = without_stride(pose_video([0, 5, 10]))
    assert (stride, few.frame.tolist()) == (1, [0, 5, 10])


@pytest.mark.parametrize(
    ("part", "frames", "kept"),
    [
        (ClipPart(0), [0, 4], 5),
        (ClipPart(0, start_s=0.5), [3], 4),
        (ClipPart(0, end_s=1.0), [0], 2),
        (ClipPart(0, start_s=1.0, end_s=10.0), [2], 18),  # the file may end before the video does
    ],
)
def test_a_part_of_a_video_is_cut_by_its_times(part: ClipPart, frames: list[int], kept: int) -> None:
    video, first = cut_part(pose_video([0, 4], fps=2.0), part)
    assert (video.frame.tolist(), video.frames, first) == (frames, kept, int(part.start_s * 2))


def test_times_need_a_frame_rate_and_frames() -> None:
    with pytest.raises(ValueError, match="give --fps"):
        cut_part(pose_video([0, 4]), ClipPart(0, end_s=1.0))
    with pytest.raises(ValueError, match="from 9 s to the end, got 5 in all at 2 a second"):
        cut_part(pose_video([0, 4], fps=2.0), ClipPart(0, start_s=9.0))
