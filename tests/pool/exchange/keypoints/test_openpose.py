"""OpenPose's folders. It is a C++ program that no package index has: files by its documentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.detect import open_poses
from heatpool.pool.exchange.keypoints.openpose import read_openpose


def points(joints: int = 25, x: float = 100.0, step: float = 1.0) -> list[float]:
    """Joints in a row, the last of which was not found."""
    found = [number for joint in range(joints - 1) for number in (x + step * joint, x / 2, 0.5)]
    return [*found, 0.0, 0.0, 0.0]


def write(path: Path, *people: list[float], **more: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    others = {"face_keypoints_2d": [], "hand_left_keypoints_2d": [], "pose_keypoints_3d": []} | more
    persons = [{"person_id": [-1], "pose_keypoints_2d": each, **others} for each in people]
    path.write_text(json.dumps({"version": 1.3, "people": persons}))


def test_a_folder_is_a_video(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    for number, people in enumerate(([], [points()], [points(), points(x=300)], [])):
        write(folder / f"S001_rgb_{number:012}_keypoints.json", *people)
    file = open_poses(folder)
    assert (file.kind, file.names, file.skeleton.name) == ("OpenPose JSON", ("S001_rgb",), "body25")
    poses = file.read(0)
    assert (poses.frame.tolist(), poses.track.tolist(), poses.frames) == ([1, 2, 2], [-1] * 3, 4)
    np.testing.assert_array_equal(poses.joints[2, 3], [303, 150])
    assert np.isnan(poses.joints[:, 24]).all()
    np.testing.assert_array_equal(poses.joint_score[0], [0.5] * 24 + [0])
    assert file.notes == ()


def test_prefixes_and_folders_are_several_videos(tmp_path: Path) -> None:
    for name in (
        "a_000000000000_keypoints",
        "b_000000000003_keypoints",
        "sub/c/frame1_keypoints",
        "sub/c/frame2",
    ):
        write(tmp_path / f"{name}.json", points(18))
    file = read_openpose(tmp_path)
    assert (file.names, file.skeleton.name) == (("a", "b", "sub/c"), "openpose18")
    assert [file.read(number).frame.tolist() for number in range(3)] == [[0], [3], [0, 1]]


@pytest.mark.parametrize(("joints", "name"), [(15, "mpi15"), (17, "coco17"), (25, "body25"), (3, "unnamed3")])
def test_joints_are_told_by_their_number(tmp_path: Path, joints: int, name: str) -> None:
    write(tmp_path / "a_0_keypoints.json", points(joints))
    assert read_openpose(tmp_path).skeleton.name == name


def test_tracks_and_parts_that_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a_0_keypoints.json", points(), person_id=[3], hand_left_keypoints_2d=[1, 2, 0.5])
    write(tmp_path / "a_1_keypoints.json", [], face_keypoints_2d=[1, 2, 0.5])
    file = read_openpose(tmp_path)
    assert file.read(0).track.tolist() == [3]
    assert file.notes == ("2 persons have a face, hands or joints in space too, which are left out",)


def test_fractions_of_the_picture_are_told(tmp_path: Path) -> None:
    write(tmp_path / "a_0_keypoints.json", points(x=0.25, step=0.03125))
    poses = read_openpose(tmp_path).read(0)
    assert poses.in_fractions
    np.testing.assert_array_equal(poses.joints[0, 1], [0.28125, 0.125])


def test_the_first_layout_and_a_single_picture_come_in(tmp_path: Path) -> None:
    content = {"version": 0.1, "people": [{"pose_keypoints": points(18)}]}
    (tmp_path / "walk_keypoints.json").write_text(json.dumps(content))
    file = read_openpose(tmp_path / "walk_keypoints.json")
    assert (file.names, file.read(0).frame.tolist()) == (("walk",), [0])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", "expected JSON, got"),
        ("[]", "expected a frame as an object, got []"),
        ('{"people": 3}', "expected a list of people, got 3"),
        ('{"people": [{"id": 1}]}', "expected persons with pose_keypoints_2d, got 'id'"),
        (
            '{"people": [{"pose_keypoints_2d": [1, 2]}]}',
            "a_0_keypoints.json: expected x, y and score of each joint, got [1, 2]",
        ),
        (
            '{"people": [{"pose_keypoints_2d": [-0.5, 0.2, 1' + 24 * ",-0.9,0.4,1" + "]}]}",
            "from its corner, got -0.9",
        ),
    ],
)
def test_damage_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    write(tmp_path / "b_0_keypoints.json", points())
    (tmp_path / "a_0_keypoints.json").write_text(text)
    with pytest.raises(HeatpoolError) as error:
        read_openpose(tmp_path).read(0)
    assert str(error.value).startswith(str(tmp_path))
    assert line in str(error.value)


def test_a_folder_without_anybody_is_said(tmp_path: Path) -> None:
    write(tmp_path / "a_0_keypoints.json")
    with pytest.raises(HeatpoolError, match="got nobody in any file"):
        read_openpose(tmp_path)
