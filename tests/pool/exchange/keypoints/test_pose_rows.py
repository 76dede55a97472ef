from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from heatpool.pool.exchange.keypoints.picture_names import number_pictures, split_picture
from heatpool.pool.exchange.keypoints.pose_rows import (
    make_skeleton,
    note_lines,
    pose_video,
    track_numbers,
    unique_names,
)
from heatpool.pool.exchange.keypoints.records import PoseVideo
from heatpool.pool.skeleton import COCO17_SKELETON


def rows(joints: Any, remarks: Counter[str] | None = None, **more: Any) -> PoseVideo:
    """A video of rows (R, V, D), a frame each unless said otherwise."""
    joints = np.array(joints, float)
    given: dict[str, Any] = {
        "frame": range(len(joints)), "track": [-1] * len(joints), "joint_score": None,
    } | more  # fmt: skip
    return pose_video("clip", joints=joints, remarks=Counter() if remarks is None else remarks, **given)


def test_rows_are_sorted_and_what_is_not_given_is_blank() -> None:
    remarks: Counter[str] = Counter()
    scores = np.array([[0.5, 0], [np.nan, -1], [1.02, 3], [0.25, 1]])
    joints = [[[1, 2], [3, 4]]] * 3 + [[[np.inf, 1], [7, 8]]]
    poses = rows(joints, remarks, frame=[9, 0, 4, 4], joint_score=scores, score=np.array([0.5, 1, np.nan, 2]))
    assert poses.frame.tolist() == [4, 4, 9]
    np.testing.assert_array_equal(poses.joint_score, [[1, 1], [0, 1], [0.5, 0]])
    np.testing.assert_array_equal(poses.joints[2], [[1, 2], [np.nan, np.nan]])
    np.testing.assert_array_equal(poses.score, [1, 1, 0.5])
    assert note_lines(remarks, "taken for granted", "") == (
        "taken for granted",
        "1 persons without a joint are left out",
        "1 joints are infinite and count as not given",
        "3 scores above 1 count as 1",
    )


@pytest.mark.parametrize(
    ("track", "wanted"), [([3, 3, 5], [3, 3, 5]), ([3, 4, 4], [-1] * 3), ([-7, -7, -7], [-1] * 3)]
)
def test_a_track_is_one_person_of_a_frame(track: list[int], wanted: list[int]) -> None:
    assert rows([[[10, 20]]] * 3, frame=[0, 1, 1], track=track).track.tolist() == wanted


@pytest.mark.parametrize(
    ("points", "size", "wanted", "unit"),
    [
        ([[0.5, 0.25]], {}, [[0.5, 0.25]], (1, 1)),
        ([[0.5, 0.25]], {"width_px": 640, "height_px": 480}, [[320, 120]], (640, 480)),
        ([[1, 2]], {}, [[1, 2]], (0, 0)),  # whole numbers: the first pixels
        ([[0.5, 2.5]], {}, [[0.5, 2.5]], (0, 0)),
        ([[0.5, 0.25, 0.125]], {}, [[0.5, 0.25, 0.125]], (0, 0)),  # in space
    ],
)
def test_fractions_are_told_from_pixels(points: Any, size: Any, wanted: Any, unit: tuple[int, int]) -> None:
    poses = rows([points], **size)
    np.testing.assert_array_equal(poses.joints, [wanted])
    assert (poses.width_px, poses.height_px) == unit


def test_a_number_of_frames_that_is_too_small_is_not_known() -> None:
    assert [rows([[[1, 2]]], frame=[5], frames=number).frames for number in (5, 6, 0)] == [0, 6, 0]


def test_skeletons_count_each_edge_once() -> None:
    skeleton = make_skeleton("cat", ["a", "b", "c"], [[0, 1], [1, 0], [2, 2], [2, 1]])
    assert skeleton.edges == ((0, 1), (2, 1))
    assert make_skeleton("person", COCO17_SKELETON.joint_names) is COCO17_SKELETON
    with pytest.raises(ValueError, match="at most 4096 joints, got 4097"):
        make_skeleton("cat", [str(number) for number in range(4097)])


def test_tracks_may_be_names() -> None:
    assert track_numbers(["b", None, "a", "b"]).tolist() == [0, -1, 1, 0]
    assert track_numbers([7, None, -3]).tolist() == [7, -1, -1]
    assert track_numbers([1 << 63, 5]).tolist() == [0, 1]


def test_names_of_videos_are_told_apart() -> None:
    assert unique_names(["a", "b", "a", "a (2)", "a"]) == ("a", "b", "a (2)", "a (2) (2)", "a (3)")


@pytest.mark.parametrize(
    ("stems", "wanted"),
    [
        (["000001", "000003"], [0, 2]),
        (["0", "10", "9"], [0, 10, 9]),
        (["img_7_a", "img_12_a"], [7, 12]),
        (["3_cam1", "5_cam1"], [0, 1]),  # the last number is the same: their order counts
        (["front", "back"], [1, 0]),
        (["a1", "b"], [0, 1]),
        (["1403636579763555584", "1403636579813555456"], [0, 1]),
        ([], []),
    ],
)
def test_pictures_are_numbered_by_their_names(stems: list[str], wanted: list[int]) -> None:
    numbers = number_pictures(stems)
    assert [numbers[stem] for stem in stems] == wanted


def test_pictures_of_a_video_count_from_zero_where_that_is_known() -> None:
    assert number_pictures(["img001", "img002"], from_zero=True) == {"img001": 1, "img002": 2}


def test_paths_of_pictures_have_either_slash() -> None:
    assert split_picture(r"labeled-data\a\img1.png") == ("labeled-data/a", "img1")
    assert [split_picture(each) for each in ("./a/1.2.jpg", "1.jpg", "1")] == [
        ("a", "1.2"),
        ("", "1"),
        ("", "1"),
    ]
