"""AlphaPose's results. No package index has it: files by its documentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.alphapose import read_alphapose
from heatpool.pool.exchange.keypoints.detect import open_poses


def person(picture: str, joints: int = 17, **more: Any) -> dict[str, Any]:
    points = [number for joint in range(joints) for number in (100.0 + joint, 50.0, 0.5)]
    box = [90.0, 40.0, 30.0, 60.0]
    return {
        "image_id": picture,
        "category_id": 1,
        "keypoints": points,
        "score": 2.6,
        "box": box,
        "idx": 1,
    } | more


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_results_come_in(tmp_path: Path) -> None:
    people = [person("10.jpg"), person("0.jpg"), person("0.jpg", idx=2), person("2.jpg")]
    file = open_poses(write(tmp_path / "walk" / "alphapose-results.json", people))
    assert (file.kind, file.names, file.skeleton.name) == ("AlphaPose", ("walk",), "coco17")
    poses = file.read(0)
    assert (poses.frame.tolist(), poses.track.tolist()) == ([0, 0, 2, 10], [1, 2, 1, 1])
    np.testing.assert_array_equal(poses.joints[0, :2], [[100, 50], [101, 50]])
    np.testing.assert_allclose(poses.score, 2.6 / 3.25)
    np.testing.assert_array_equal(poses.box_xyxy_px[0], [90, 40, 120, 100])
    assert file.notes == ("scores of persons are divided by 3.25, the most that AlphaPose adds up",)


def test_without_tracking_there_are_no_tracks(tmp_path: Path) -> None:
    people = [person("0.jpg", idx=[[0.0]]), person("0.jpg", idx=[0.0]), person("1.jpg", idx=0.0)]
    file = read_alphapose(write(tmp_path / "clip.json", people))
    assert file.read(0).track.tolist() == [-1, -1, -1]
    assert file.notes[-1] == "3 tracks of persons are left out: a frame has one twice"


@pytest.mark.parametrize(("layout", "key"), [("bodies", "joints"), ("people", "pose_keypoints_2d")])
def test_the_layouts_cmu_and_open_come_in(tmp_path: Path, layout: str, key: str) -> None:
    points = person("", 18)["keypoints"]
    pictures = {
        f"{number}.jpg": {"version": "AlphaPose v0.3", layout: [{key: points}] * number} for number in (1, 2)
    }
    whole = open_poses(write(tmp_path / "x" / "alphapose-results.json", pictures))
    for picture, content in pictures.items():
        write(tmp_path / "sep-json" / f"{Path(picture).stem}.json", content)
    apart = open_poses(tmp_path / "sep-json")
    for file in (whole, apart):
        assert file.skeleton.name == "openpose18"
        assert file.read(0).frame.tolist() == [1, 2, 2]
        assert file.read(0).joints[0, 1].tolist() == [101, 50]
    assert (whole.names, apart.names) == (("x",), ("sep-json",))


def test_a_folder_has_a_folder_a_video(tmp_path: Path) -> None:
    for name in "ab":
        people = [person(picture, 26) for picture in ("000002.jpg", "000001.jpg")]
        write(tmp_path / name / "alphapose-results.json", people)
    file = open_poses(tmp_path)
    assert file.read(0).frame.tolist() == [0, 1]
    assert (file.names, file.skeleton.name) == (("a", "b"), "halpe26")


def test_files_of_other_joints_are_not_one(tmp_path: Path) -> None:
    write(tmp_path / "a.json", [person("0.jpg", 26)])
    write(tmp_path / "b.json", [person("0.jpg", 17)])
    with pytest.raises(HeatpoolError, match=r"b\.json: expected 26 joints as in a\.json, got 17"):
        read_alphapose(tmp_path)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ([], "expected persons, got none"),
        ([3], "expected person 0 as an object, got 3"),
        ([{"keypoints": []}], "person 0: expected image_id and keypoints, got 'keypoints'"),
        ([person("0.jpg"), person("1.jpg", 16)], "person 1: expected 51 numbers as keypoints"),
        ([person("0.jpg", score="high")], "person 0: expected 1 numbers as score, got 'high'"),
        ({"0.jpg": []}, "expected picture 0.jpg as an object, got []"),
        ({"0.jpg": {"bodies": 1}}, "expected a list of bodies or people, got 1"),
        ({"0.jpg": {"bodies": [{"joints": 7}]}}, "picture 0.jpg: expected 54 numbers as keypoints, got 7"),
    ],
)
def test_damage_is_one_line_that_names_the_file(tmp_path: Path, content: Any, line: str) -> None:
    path = write(tmp_path / "x.json", content)
    with pytest.raises(HeatpoolError) as error:
        read_alphapose(path).read(0)
    assert str(error.value).startswith(str(path))
    assert line in str(error.value)
