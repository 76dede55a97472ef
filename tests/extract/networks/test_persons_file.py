from __future__ import annotations

import numpy as np
import pytest

from heatpool.extract.networks.detectors import detect_frames
from heatpool.extract.networks.persons_file import PersonsFile
from heatpool.extract.records import Detections, Frame
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.records import PoseVideo

Row = tuple[int, float, float, float, float]
"""Frame, x1, y1, x2, y2."""


def video_of(*boxes: Row, size_px: tuple[int, int] = (0, 0), joints: int = 0) -> PoseVideo:
    """Persons of falling scores; their joints are their lower right corners."""
    table = np.array(boxes, np.float32).reshape(-1, 5)
    scores = np.linspace(1, 0.5, len(table), dtype=np.float32)
    points = np.repeat(table[:, None, 3:], joints, axis=1)
    return PoseVideo(
        "", table[:, 0].astype(np.int64), np.arange(len(table)), points,
        np.ones(points.shape[:2], np.float32), scores, table[:, 1:], *size_px,
    )  # fmt: skip


def detect_in(video: PoseVideo, frame: int, min_score: float = 0.0) -> Detections:
    """Detections of a frame of 80 x 60 pixels."""
    detector = PersonsFile(lambda clip: video, "boxes.csv", min_score=min_score)
    (found,) = detect_frames(detector, [Frame(0, frame, 0.0, np.zeros((60, 80, 3), np.uint8))])
    return found


def detect(frame: int, *boxes: Row, min_score: float = 0.0) -> Detections:
    return detect_in(video_of(*boxes), frame, min_score)


def test_boxes_are_cut_at_the_edge_and_left_out_beyond_it() -> None:
    found = detect(3, (3, 90, 0, 99, 9), (3, -5, 10, 20, 70), (3, 1, 2, 3, 4), (4, 5, 5, 9, 9))
    assert found.boxes_xyxy_px.tolist() == [[0, 10, 20, 60], [1, 2, 3, 4]]
    np.testing.assert_allclose(found.scores, [5 / 6, 4 / 6], rtol=1e-6)
    assert found.note == ""


@pytest.mark.parametrize(
    ("found", "note"),
    [
        (detect(0, (0, 80, 0, 99, 9)), "its boxes in boxes.csv lie outside the picture of 80 x 60 pixels"),
        (detect(0, (7, 0, 0, 9, 9), (9, 0, 0, 9, 9)), "its boxes in boxes.csv are of other frames, from 7 "
         "to 9"),
        (detect(0, (0, 0, 0, 9, 9), (1, 0, 0, 9, 9), min_score=2), "its 2 boxes in boxes.csv are below "
         "--min-score"),
        (detect(0), "boxes.csv has no boxes for it"),
        (detect_in(video_of((0, 0, 0, 9, 9), size_px=(80, 45)), 0), "its boxes in boxes.csv are of a picture "
         "of 80 x 45 pixels, its own has 80 x 60"),
    ],
)  # fmt: skip
def test_where_there_is_none_it_is_said_why(found: Detections, note: str) -> None:
    assert (len(found), found.note) == (0, note)


@pytest.mark.parametrize("size_px", [(40, 30), (1, 1)], ids=["copy of half the size", "fractions"])
def test_numbers_of_another_size_are_scaled(size_px: tuple[int, int]) -> None:
    width, height = size_px
    video = video_of((0, 0.1 * width, 0.2 * height, 0.5 * width, 0.5 * height), size_px=size_px, joints=2)
    found = detect_in(video, 0)
    assert found.joints is not None
    np.testing.assert_allclose(found.boxes_xyxy_px[0], [8, 12, 40, 30], rtol=1e-6)
    np.testing.assert_array_equal(found.joints.xy_px[0, 1], found.boxes_xyxy_px[0, 2:])


def test_joints_and_tracks_stay_with_their_person() -> None:
    """The surest first; of four one is outside the picture, one too weak."""
    rows = [(3, 90, 0, 99, 9), (3, 1, 2, 30, 40), (3, 5, 6, 7, 8), (3, 1, 1, 2, 2)]
    found = detect_in(video_of(*rows, joints=1), 3, min_score=0.6)
    assert found.joints is not None
    assert found.tracks is not None
    assert found.tracks.tolist() == [1, 2]
    assert found.joints.xy_px[:, 0].tolist() == [[30, 40], [7, 8]]
    assert detect_in(video_of(*rows), 3).joints is None


def test_a_damaged_file_leaves_its_clip_without_persons_and_says_why() -> None:
    def damaged(clip: int) -> PoseVideo:
        raise HeatpoolError("walk.json: damaged")

    (found,) = detect_frames(
        PersonsFile(damaged, "a folder"), [Frame(0, 0, 0.0, np.zeros((6, 8, 3), np.uint8))]
    )
    assert (len(found), found.note) == (0, "walk.json: damaged")
