"""Persons with boxes out of rows of joints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from heatpool.extract.datasets.keypoints import KeypointReading, box_joints
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.records import PoseVideo

PLAIN = KeypointReading(margin=0.0)


def joints_of(*rows: list[tuple[float, float]], scores: float = 1.0) -> PoseVideo:
    """Joints of one person, a row a frame."""
    joints = np.array(rows, np.float32)
    score = np.where(np.isnan(joints).any(2), 0, scores).astype(np.float32)
    count = len(rows)
    return PoseVideo(
        "a", np.arange(count), np.zeros(count, np.int64), joints, score, np.ones(count, np.float32)
    )


def boxes(video: PoseVideo, said: KeypointReading = PLAIN) -> list[list[float]]:
    found = box_joints(video, said).box_xyxy_px
    assert found is not None
    return found.tolist()  # type: ignore[no-any-return]


NAN = float("nan")


def test_a_box_that_shrinks_for_a_moment_stays_as_large() -> None:
    rows = [[(0.0, 0.0), (40.0, 20.0)]] * 9
    rows[4] = [(19.0, 10.0), (21.0, 10.0)]
    assert boxes(joints_of(*rows)) == [[0, 0, 40, 20]] * 9
    larger = [[(0.0, 0.0), (40.0, 20.0)]] * 9
    larger[4] = [(0.0, 0.0), (80.0, 20.0)]
    assert boxes(joints_of(*larger))[3:6] == [[0, 0, 40, 20], [0, 0, 80, 20], [0, 0, 40, 20]]


def test_who_has_one_joint_has_the_usual_size() -> None:
    rows = [[(0.0, 0.0), (40.0, 20.0)], [(50.0, 50.0), (NAN, NAN)]]
    assert boxes(joints_of(*rows))[1] == [30, 40, 70, 60]
    with pytest.raises(HeatpoolError, match="the persons of a have one joint each and no boxes"):
        boxes(joints_of([(50.0, 50.0), (NAN, NAN)]))


def test_joints_in_a_line_have_a_thin_box() -> None:
    assert boxes(joints_of([(0.0, 5.0), (100.0, 5.0)])) == [[0, 4.5, 100, 5.5]]


def test_boxes_of_the_file_count_before_those_around_joints() -> None:
    video = joints_of(*[[(0.0, 0.0), (40.0, 20.0)]] * 2)
    told = np.array([[1, 2, 3, 4], [NAN, 2, 3, 4]], np.float32)
    assert boxes(replace(video, box_xyxy_px=told)) == [[1, 2, 3, 4], [0, 0, 40, 20]]


def test_weak_joints_count_as_not_given_if_asked() -> None:
    video = joints_of(*[[(0.0, 0.0), (40.0, 20.0)]] * 2, scores=0.5)
    kept = box_joints(video, replace(PLAIN, min_joint_score=0.4))
    assert (len(kept), kept.joint_score.max()) == (2, 0.5)
    assert len(box_joints(video, replace(PLAIN, min_joint_score=0.6))) == 0
    half = replace(video, joint_score=np.array([[1, 0.5]] * 2, np.float32))
    wide = box_joints(replace(half, box_xyxy_px=np.array([[0, 0, 9, 9]] * 2, np.float32)),
                      replace(PLAIN, min_joint_score=0.6))  # fmt: skip
    assert np.isnan(wide.joints).any(2).tolist() == [[False, True]] * 2
    assert wide.joint_score.tolist() == [[1, 0]] * 2


def test_frames_are_counted_from_the_first() -> None:
    video = joints_of(*[[(0.0, 0.0), (40.0, 20.0)]] * 3)
    assert box_joints(video, replace(PLAIN, first_frame=1)).frame.tolist() == [0, 1]
    assert box_joints(video, replace(PLAIN, tracks=False)).track.tolist() == [-1] * 3


def test_joints_in_space_are_refused() -> None:
    video = joints_of([(0.0, 0.0), (40.0, 20.0)])
    spatial = replace(video, joints=np.zeros((1, 2, 3), np.float32))
    with pytest.raises(HeatpoolError, match="joints in space for a; say the format"):
        box_joints(spatial, PLAIN)
