"""MMPose's predictions. Its packages do not install without a compiler: files by its documentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.detect import open_poses
from heatpool.pool.exchange.keypoints.mmpose_json import read_mmpose

POINTS = [[10.0, 20.0], [30.0, 40.0], [50.0, 60.0]]
META = {
    "dataset_name": "cat", "keypoint_id2name": {"0": "nose", "1": "tail", "2": "paw"},
    "skeleton_links": [[0, 1], [1, 2]], "keypoint_colors": {"__ndarray__": [[1, 2, 3]], "dtype": "uint8"},
}  # fmt: skip


def person(**more: Any) -> dict[str, Any]:
    box = [[1.0, 2.0, 9.0, 8.0]]
    return {
        "keypoints": POINTS, "keypoint_scores": [0.5, 1.02, 0.0], "bbox": box, "bbox_score": 0.75
    } | more  # fmt: skip


def frames(*numbers: int, **more: Any) -> list[dict[str, Any]]:
    """Frames of which each but the first has a person."""
    return [
        {"frame_id": each, "instances": [] if each == numbers[0] else [person(**more)]} for each in numbers
    ]


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_a_video_of_the_inferencer_comes_in(tmp_path: Path) -> None:
    file = open_poses(write(tmp_path / "clip.json", frames(0, 1, 2, track_id=7)))
    assert (file.kind, file.names, file.skeleton.name) == ("MMPose JSON", ("clip",), "unnamed3")
    poses = file.read(0)
    assert (poses.frame.tolist(), poses.track.tolist()) == ([1, 2], [7, 7])
    np.testing.assert_array_equal(poses.joints[0], [*POINTS[:2], [np.nan, np.nan]])
    np.testing.assert_array_equal(poses.joint_score[0], [0.5, 1, 0])
    np.testing.assert_array_equal(poses.box_xyxy_px[0], [1, 2, 9, 8])
    np.testing.assert_array_equal(poses.score, [0.75] * 2)
    assert file.notes == ("2 scores above 1 count as 1",)


@pytest.mark.parametrize("links", [[[0, 1], [1, 2]], {"__ndarray__": [[0, 1], [1, 2]], "dtype": "int64"}])
def test_a_video_of_the_demo_counts_from_1(tmp_path: Path, links: Any) -> None:
    content = {"meta_info": META | {"skeleton_links": links}, "instance_info": frames(1, 2, 3)}
    file = open_poses(write(tmp_path / "results_clip.json", content))
    assert (file.names, file.skeleton.name) == (("clip",), "cat")
    assert (file.skeleton.joint_names, file.skeleton.edges) == (("nose", "tail", "paw"), ((0, 1), (1, 2)))
    assert file.read(0).frame.tolist() == [1, 2]


def test_pictures_are_one_video(tmp_path: Path) -> None:
    write(tmp_path / "000001.json", [])
    write(tmp_path / "000002.json", [person(), person()])
    write(tmp_path / "000004.json", {"meta_info": META, "instance_info": [person()]})
    file = open_poses(tmp_path)
    assert file.names == (tmp_path.name,)
    assert file.read(0).frame.tolist() == [1, 1, 3]
    assert read_mmpose(tmp_path / "000002.json").read(0).frame.tolist() == [0, 0]


def test_a_folder_has_a_file_a_video(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / f"{name}.json", frames(0, 1))
    file = open_poses(tmp_path)
    assert (file.names, len(file.read(1))) == (("a", "b"), 1)
    assert file.notes == ("b.json: 1 scores above 1 count as 1",)


@pytest.mark.parametrize("batch", [False, True])
def test_joints_in_space_come_in(tmp_path: Path, batch: bool) -> None:
    points = [[*point, 0.5] for point in POINTS]
    scores = [1.0, 1.0, 0.5]
    instance = person(keypoints=points, keypoint_scores=scores)
    if batch:
        instance |= {"keypoints": [points], "keypoint_scores": [scores]}
    poses = read_mmpose(write(tmp_path / "x.json", [{"frame_id": 0, "instances": [instance]}])).read(0)
    np.testing.assert_array_equal(poses.joints, [points])
    np.testing.assert_array_equal(poses.joint_score, [scores])


def test_one_joint_is_no_axis_of_one(tmp_path: Path) -> None:
    instance = person(keypoints=[[10.0, 20.0]], keypoint_scores=[0.5])
    file = read_mmpose(write(tmp_path / "x.json", [{"frame_id": 0, "instances": [instance]}]))
    assert file.skeleton.joints == 1
    np.testing.assert_array_equal(file.read(0).joints, [[[10, 20]]])


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ({"a": 1}, "expected MMPose's predictions, got {'a': 1}"),
        ([], "expected persons, got nobody in any frame"),
        ([{"instances": []}], "expected frames with a frame_id, got [None]"),
        (frames(0, -3), "expected frames 0 to"),
        (frames(0, 1, keypoints=None), "frame 1: expected keypoints, got None"),
        (
            frames(0, 1, keypoints=[[1, 2, 3, 4]] * 3),
            "expected keypoints x, y or x, y, z, got 4 numbers each",
        ),
        ([*frames(0, 1), *frames(2, 3, keypoints=POINTS[:2])], "frame 3: expected 6 numbers as keypoints"),
        ([*frames(0, 1), *frames(2, 3, keypoint_scores=None)], "frame 3: expected 3 numbers as joint_score"),
        (
            {"meta_info": META | {"skeleton_links": [[0]]}, "instance_info": frames(1, 2)},
            "expected edges as pairs of joints, got [0]",
        ),
    ],
)
def test_damage_is_one_line_that_names_the_file(tmp_path: Path, content: Any, line: str) -> None:
    path = write(tmp_path / "x.json", content)
    with pytest.raises(HeatpoolError) as error:
        read_mmpose(path).read(0)
    assert str(error.value).startswith(str(path))
    assert line in str(error.value)
