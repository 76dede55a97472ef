"""COCO's JSON; one file by sleap-io, the rest by the layouts' documentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.coco_json import read_coco
from heatpool.pool.exchange.keypoints.detect import open_poses
from heatpool.pool.skeleton import COCO17_SKELETON

JOINTS = ("nose", "tail", "paw")
CATEGORY = {"id": 3, "name": "cat", "keypoints": [*JOINTS], "skeleton": [[1, 2], [2, 3], [2, 1]]}
POINTS = [10.0, 20.0, 2, 30.0, 40.0, 1, 0, 0, 0]


def image(number: int, name: str, **more: Any) -> dict[str, Any]:
    return {"id": number, "file_name": name, "width": 640, "height": 480, **more}


def person(number: int, **more: Any) -> dict[str, Any]:
    return {"image_id": number, "category_id": 3, "keypoints": POINTS, **more}


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def body(**more: Any) -> dict[str, Any]:
    """Two folders of pictures, numbered from 1 and from 0; of three persons two are in the first of b."""
    names = ("a/000001.jpg", "a/000002.jpg", "b/img_0.jpg", "b/img_5.jpg")
    return {
        "images": [image(number, name) for number, name in enumerate(names)],
        "annotations": [person(1, bbox=[1, 2, 10, 20]), person(2, track_id=4), person(2, track_id=2)],
        "categories": [CATEGORY],
    } | more


def test_folders_of_pictures_are_videos(tmp_path: Path) -> None:
    file = open_poses(write(tmp_path / "x.json", body()))
    assert (file.kind, file.names, file.skeleton.joint_names) == ("COCO JSON", ("a", "b"), JOINTS)
    assert file.skeleton.edges == ((0, 1), (1, 2))
    a, b = file.read(0), file.read(1)
    assert (a.frame.tolist(), a.frames, a.width_px, a.height_px) == ([1], 2, 640, 480)
    np.testing.assert_array_equal(a.joints[0], [[10, 20], [30, 40], [np.nan, np.nan]])
    np.testing.assert_array_equal(a.joint_score[0], [1, 0.5, 0])
    np.testing.assert_array_equal(a.box_xyxy_px, [[1, 2, 11, 22]])
    assert (b.frame.tolist(), b.track.tolist(), b.frames) == ([0, 0], [4, 2], 0)
    assert b.box_xyxy_px is None
    assert file.notes == ()


def test_a_folder_with_pictures_of_several_videos(tmp_path: Path) -> None:
    names = ("walk_0001.jpg", "walk_0002.jpg", "clap_frame_5.jpg", "clap_frame_7.jpg")
    content = body(images=[image(number, f"images/{name}") for number, name in enumerate(names)])
    file = read_coco(write(tmp_path / "x.json", content))
    assert file.names == ("walk", "clap")
    assert [file.read(number).frame.tolist() for number in range(2)] == [[1], [5, 5]]
    twice = body(images=[image(number, f"{folder}/{name}") for number, (folder, name) in enumerate(
        (folder, name) for folder in ("a", "b") for name in names)])  # fmt: skip
    assert read_coco(write(tmp_path / "x.json", twice)).names == ("a/walk", "a/clap", "b/walk", "b/clap")
    alone = body(images=[image(number, f"cam_{number}.jpg") for number in range(4)])
    assert read_coco(write(tmp_path / "x.json", alone)).names == ("cam",)


def test_a_file_of_sleap_io_comes_in(tmp_path: Path) -> None:
    sio = pytest.importorskip("sleap_io")
    skeleton = sio.Skeleton([*JOINTS], [("nose", "tail")])
    clip = sio.Video([f"clip/{number}.png" for number in range(3)], open_backend=False)
    clip.backend_metadata["shape"] = [3, 480, 640, 3]
    points = np.array([[1.5, 2], [3, 4], [np.nan, np.nan]])
    frames = [sio.LabeledFrame(clip, 2, [sio.Instance.from_numpy(points, skeleton=skeleton)])]
    sio.save_coco(sio.Labels(frames), str(tmp_path / "x.json"))
    file = open_poses(tmp_path / "x.json")
    assert (file.skeleton.joint_names, file.skeleton.edges) == (JOINTS, ((0, 1),))
    np.testing.assert_array_equal(file.read(0).joints, [points])


def test_crowds_other_joints_and_persons_without_any_are_left_out(tmp_path: Path) -> None:
    other = {"id": 9, "name": "dog", "keypoints": ["a"], "skeleton": []}
    annotations = [
        person(0), person(0, iscrowd=1), person(1, keypoints=[0] * 9), person(1, keypoints=[]),
        person(2, category_id=9, keypoints=[1, 2, 2]), person(3),
    ]  # fmt: skip
    content = body(annotations=annotations, categories=[other, CATEGORY])
    file = read_coco(write(tmp_path / "x.json", content))
    assert [len(file.read(number)) for number in range(2)] == [1, 1]
    assert file.notes == (
        "1 crowds are left out",
        "1 annotations of other categories, with other joints, are left out",
        "1 persons without a joint are left out",
    )


def test_videos_of_cocovid_and_posetrack(tmp_path: Path) -> None:
    images = [
        image(0, "x/001.jpg", video_id=7, frame_id=0), image(1, "x/009.jpg", video_id=7, frame_id=3),
        image(10_003_420_000, "images/val/000342_mpii/000000.jpg", vid_id="000342", frame_id=10_003_420_000),
        image(10_003_420_004, "images/val/000342_mpii/000004.jpg", vid_id="000342", frame_id=10_003_420_004),
    ]  # fmt: skip
    annotations = [person(1, instance_id=5), person(10_003_420_004, track_id=1)]
    videos = [{"id": 7, "name": "walk.mp4", "fps": 30, "width": 640, "height": 480}]
    file = read_coco(write(tmp_path / "x.json", body(images=images, annotations=annotations, videos=videos)))
    assert file.names == ("walk.mp4", "images/val/000342_mpii")
    walk, mpii = file.read(0), file.read(1)
    assert (walk.frame.tolist(), walk.track.tolist(), walk.fps, walk.frames) == ([3], [5], 30, 0)
    assert (mpii.frame.tolist(), mpii.track.tolist(), mpii.frames) == ([4], [1], 0)


def test_a_task_of_cvat_is_a_video(tmp_path: Path) -> None:
    """Pictures without a folder, tracks among the attributes, a mark at the beginning of the file."""
    content = body(
        images=[image(number + 1, f"frame_{number:06}.PNG") for number in range(4)],
        annotations=[person(3, attributes={"occluded": False, "track_id": 8})],
    )
    path = tmp_path / "person_keypoints_default.json"
    path.write_text(json.dumps(content), encoding="utf-8-sig")
    (tmp_path / "._person_keypoints_default.json").write_bytes(b"what macOS leaves")
    for file in (open_poses(path), read_coco(tmp_path)):
        poses = file.read(0)
        assert file.names == ("person_keypoints_default",)
        assert (poses.frame.tolist(), poses.track.tolist(), poses.frames) == ([2], [8], 4)


def test_results_need_no_pictures_where_ids_are_frames(tmp_path: Path) -> None:
    points = [1.5, 2, 0.5] * 17
    results = [person(number, keypoints=points, score=0.25, category_id=1) for number in (4, 0, 4)]
    file = open_poses(write(tmp_path / "clip.json", results))
    poses = file.read(0)
    assert (file.names, file.skeleton) == (("clip",), COCO17_SKELETON)
    assert file.notes == ("image_id counts as the number of the frame",)
    assert (poses.frame.tolist(), poses.track.tolist()) == ([0, 4, 4], [-1] * 3)
    np.testing.assert_array_equal(poses.joint_score, np.full((3, 17), 0.5))
    np.testing.assert_array_equal(poses.score, [0.25] * 3)


def test_results_may_name_pictures_by_their_files(tmp_path: Path) -> None:
    results = [person(each) for each in ("walk_4.jpg", "clap_2.jpg", "walk_7.jpg", "clap_3.jpg")]
    file = read_coco(write(tmp_path / "x.json", results))
    assert file.names == ("walk", "clap")
    assert file.read(0).frame.tolist() == [4, 7]


def test_videos_of_one_name_stay_two(tmp_path: Path) -> None:
    images = [image(number, "0.jpg", video_id=number, frame_id=0) for number in range(2)]
    videos = [{"id": number, "name": "a.mp4"} for number in range(2)]
    file = read_coco(write(tmp_path / "x.json", body(images=images, videos=videos, annotations=[person(1)])))
    assert file.names == ("a.mp4", "a.mp4 (2)")
    assert [len(file.read(number)) for number in range(2)] == [0, 1]


def test_results_take_pictures_and_joints_from_annotations(tmp_path: Path) -> None:
    images = write(tmp_path / "images.json", body(annotations=[]))
    results = write(tmp_path / "x.json", [person(3, keypoints=[1, 2, 1] * 3, score=2.5)])
    file = read_coco(results, images=images)
    assert read_coco(tmp_path).names == file.names  # as they lie together
    poses = file.read(1)
    assert (file.names, file.skeleton.joint_names, poses.frame.tolist()) == (("a", "b"), JOINTS, [5])
    assert len(file.read(0)) == 0
    assert poses.score.tolist() == [1]
    assert file.notes == ("1 scores above 1 count as 1",)


def test_fractions_become_pixels_of_the_picture(tmp_path: Path) -> None:
    part = person(0, keypoints=[0.5, 0.25, 2, 1, 1, 2, 0, 0, 0], bbox=[0, 0, 0.5, 1])
    poses = read_coco(write(tmp_path / "x.json", body(annotations=[part]))).read(0)
    np.testing.assert_array_equal(poses.joints[0, :2], [[320, 120], [640, 480]])
    np.testing.assert_array_equal(poses.box_xyxy_px, [[0, 0, 320, 480]])


def test_a_folder_has_a_file_a_video(tmp_path: Path) -> None:
    for name in "ab":
        images = [image(0, f"images/{name}/0.jpg", vid_id=name)]
        write(tmp_path / f"{name}.json", body(images=images, annotations=[person(0)]))
    (tmp_path / "c.json").write_text("{")
    file = read_coco(tmp_path)
    assert file.names == ("images/a", "images/b", "c")
    assert [len(file.read(number)) for number in range(2)] == [1, 1]
    with pytest.raises(HeatpoolError, match=r"c\.json: expected JSON"):
        file.read(2)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ({}, "expected a list of annotations, got None"),
        ({"annotations": [{"id": 1}]}, "expected annotations with keypoints, got 'annotations'"),
        ([], "expected results with keypoints, got none"),
        ([person(139), person(581_929)], "whose image_id is the number of a frame, got [139"),
        (body(annotations=[person(77)]), "annotation 0: image_id 77 is none of its images"),
        (body(annotations=[person([])]), "annotation 0: expected a number or text as id, got []"),
        (body(annotations=[person(0, keypoints=[1, 2])]), "expected 9 numbers as keypoints, got [1, 2]"),
        (body(annotations=[person(0, keypoints=[{}] * 9)]), "expected 9 numbers as keypoints, got [{}"),
        (body(annotations=[person(0, keypoints=[10**400] * 9)]), "expected 9 numbers as keypoints"),
        (body(annotations=[person(0, keypoints=[-0.9, 0.4, 1] * 3)]), "expected joints in pixels or in"),
        (body(categories=[CATEGORY | {"keypoints": ["a", "a", "b"]}]), "unique joint names"),
        (body(categories=[CATEGORY | {"skeleton": [[1, 7]]}]), "expected edges between joints 0 to 2"),
        (body(images=[image(n, "1.jpg", video_id=0, frame_id=1 << 60) for n in range(3)]), "expected frames"),
    ],
)  # fmt: skip
def test_damage_is_one_line_that_names_the_file(tmp_path: Path, content: Any, line: str) -> None:
    path = write(tmp_path / "x.json", content)
    with pytest.raises(HeatpoolError) as error:
        read_coco(path).read(0)
    assert str(error.value).startswith(str(path))
    assert line in str(error.value)


def test_json_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.json", body())
    monkeypatch.setattr("heatpool.pool.exchange.keypoints.json_files.MAX_JSON_BYTES", 100)
    with pytest.raises(HeatpoolError, match="expected JSON of at most 0 MiB"):
        read_coco(path)
    monkeypatch.undo()
    path.write_text("[" * 100_000)
    with pytest.raises(HeatpoolError, match="expected JSON, got"):
        read_coco(path)
