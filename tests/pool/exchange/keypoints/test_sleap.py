"""SLEAP's files, written by sleap-io."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.detect import open_poses
from heatpool.pool.exchange.keypoints.sleap import read_sleap

sio = pytest.importorskip("sleap_io")

NODES = ("head", "thorax", "tail")
POINTS = np.array([[10.0, 20.0], [30.0, 40.0], [50.0, 60.0]])


def fly() -> Any:
    edges = [("head", "thorax"), ("thorax", "tail")]
    return sio.Skeleton([*NODES], edges, symmetries=[("head", "tail")], name="fly")


def video(name: str = "videos/clip.mp4", frames: int = 100) -> Any:
    """A video that is not there, of 640 x 480."""
    backend = {"type": "MediaVideo", "shape": [frames, 480, 640, 3], "filename": name, "fps": 25.0}
    return sio.Video(filename=name, open_backend=False, backend_metadata=backend)


def predicted(points: np.ndarray = POINTS, **more: Any) -> Any:
    more = {"point_scores": np.array([0.5, 0.75, 1.0]), "score": 0.875} | more
    return sio.PredictedInstance.from_numpy(points, **more)


def save(path: Path, frames: list[Any], **more: Any) -> Path:
    sio.save_slp(sio.Labels(frames), str(path), **more)
    return path


def test_predictions_of_several_videos_come_in(tmp_path: Path) -> None:
    skeleton, clips, tracks = (
        fly(),
        [video("a/x.mp4"), video("b/x.mp4")],
        [sio.Track("one"), sio.Track("two")],
    )
    holes = POINTS.copy()
    holes[1] = np.nan
    frames = [
        sio.LabeledFrame(clips[1], 7, [predicted(skeleton=skeleton, track=tracks[1])]),
        sio.LabeledFrame(clips[0], 9, [predicted(skeleton=skeleton), predicted(holes, skeleton=skeleton)]),
        sio.LabeledFrame(clips[0], 3, [predicted(POINTS + 1, skeleton=skeleton, track=tracks[0])]),
    ]
    file = open_poses(save(tmp_path / "x.slp", frames))
    assert (file.kind, file.skeleton.name, file.skeleton.joint_names) == ("SLEAP", "fly", NODES)
    assert file.skeleton.edges == ((0, 1), (1, 2))
    assert file.notes == ()
    poses = {name: file.read(number) for number, name in enumerate(file.names)}
    assert set(poses) == {"a/x.mp4", "b/x.mp4"}
    one = poses["a/x.mp4"]
    assert (one.frame.tolist(), one.track.tolist()) == ([3, 9, 9], [1, -1, -1])
    np.testing.assert_array_equal(one.joints[0], POINTS + 1)
    np.testing.assert_array_equal(one.joints[2], holes)
    np.testing.assert_array_equal(one.joint_score[1:], [[0.5, 0.75, 1], [0.5, 0, 1]])
    assert (one.width_px, one.height_px, one.fps, one.frames) == (640, 480, 25, 100)
    np.testing.assert_array_equal(one.score, [0.875] * 3)
    assert poses["b/x.mp4"].track.tolist() == [0]


def test_a_users_label_stands_for_the_prediction_it_corrects(tmp_path: Path) -> None:
    skeleton, clip, track = fly(), video(), sio.Track("one")
    by_track, by_reference, other = (predicted(skeleton=skeleton) for _ in range(3))
    by_track.track = track
    labelled = sio.Instance.from_numpy(POINTS * 2, skeleton=skeleton, track=track)
    fixed = sio.Instance.from_numpy(POINTS * 3, skeleton=skeleton, from_predicted=by_reference)
    frame = sio.LabeledFrame(clip, 0, [by_track, by_reference, other, labelled, fixed])
    file = read_sleap(save(tmp_path / "x.slp", [frame]))
    poses = file.read(0)
    np.testing.assert_array_equal(poses.joints[:, 0, 0], [10, 20, 30])
    np.testing.assert_array_equal(poses.score, [0.875, 1, 1])
    np.testing.assert_array_equal(poses.joint_score[1], [1, 1, 1])
    assert file.notes == ("2 predictions that a user has corrected are left out",)


def test_of_several_skeletons_the_most_frequent_one_is_taken(tmp_path: Path) -> None:
    two, clip = sio.Skeleton(["x", "y"], [("y", "x")]), video()
    mouse = predicted(POINTS[:2], skeleton=two, point_scores=np.ones(2))
    frames = [sio.LabeledFrame(clip, n, [predicted(skeleton=fly_)]) for n, fly_ in enumerate([fly()] * 2)]
    frames[0].instances.append(mouse)
    file = read_sleap(save(tmp_path / "x.slp", frames))
    assert file.skeleton.joint_names == NODES
    assert len(file.read(0)) == 2
    assert file.notes == ("1 persons of other skeletons are left out",)


def test_a_package_with_pictures_is_called_by_its_source(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    folder = tmp_path / "pictures"
    folder.mkdir()
    paths = [str(folder / f"{number}.png") for number in range(3)]
    for path in paths:
        cv2.imwrite(path, np.zeros((24, 32, 3), np.uint8))
    labelled = sio.Instance.from_numpy(POINTS, skeleton=fly())
    frames = [sio.LabeledFrame(sio.Video.from_filename(paths), 2, [labelled])]
    file = open_poses(save(tmp_path / "x.pkg.slp", frames, embed="user", verbose=False))
    poses = file.read(0)
    assert file.names == (str(folder),)
    assert (poses.frame.tolist(), poses.frames, poses.width_px, poses.height_px) == ([2], 3, 32, 24)


def test_old_packages_number_their_videos_by_group(tmp_path: Path) -> None:
    """Before sleap-io: the source stands beside the pictures, and frames have the number of their group."""
    path = save(tmp_path / "x.pkg.slp", [sio.LabeledFrame(video(), 5, [predicted(skeleton=fly())])])
    with h5py.File(path, "r+") as file:
        record = {"backend": {"filename": ".", "dataset": "video12/video", "shape": [1, 24, 32, 1]}}
        file["videos_json"][0] = json.dumps(record)
        source = {"backend": {"filename": "videos\\walk.mp4", "shape": [90, 480, 640, 1]}}
        file.create_group("video12/source_video").attrs["json"] = json.dumps(source)
        put(file, "frames", "video", 12)
        file["metadata"].attrs["format_id"] = 1.0
    file = read_sleap(path)
    poses = file.read(0)
    assert file.names == ("videos\\walk.mp4",)
    assert (poses.frame.tolist(), poses.frames, poses.width_px) == ([5], 90, 640)
    np.testing.assert_array_equal(poses.joints[0], POINTS - 0.5)  # from the corner of a pixel to its middle


def test_points_that_are_not_visible_are_not_given(tmp_path: Path) -> None:
    labelled = sio.Instance.from_numpy(POINTS, skeleton=fly())
    labelled.points["visible"][1] = False
    poses = read_sleap(save(tmp_path / "x.slp", [sio.LabeledFrame(video(), 0, [labelled])])).read(0)
    np.testing.assert_array_equal(poses.joint_score, [[1, 0, 1]])


def test_a_project_without_labels_has_no_persons(tmp_path: Path) -> None:
    labels = sio.Labels(videos=[video()], skeletons=[fly()])
    sio.save_slp(labels, str(tmp_path / "x.slp"))
    assert len(read_sleap(tmp_path / "x.slp").read(0)) == 0


@pytest.mark.parametrize("preset", ["matlab", "standard"])
def test_an_analysis_file_comes_in(tmp_path: Path, preset: str) -> None:
    skeleton, clip, tracks = fly(), video(frames=5), [sio.Track("one"), sio.Track("two")]
    frames = [
        sio.LabeledFrame(clip, number, [predicted(POINTS + number, skeleton=skeleton, track=track)])
        for number, track in zip((1, 4), tracks, strict=True)
    ]
    sio.save_analysis_h5(sio.Labels(frames), str(tmp_path / "x.h5"), preset=preset)
    file = open_poses(tmp_path / "x.h5")
    assert (file.skeleton.joint_names, file.skeleton.edges) == (NODES, ((0, 1), (1, 2)))
    assert file.names == ("videos/clip.mp4",)
    poses = file.read(0)
    assert (poses.frame.tolist(), poses.track.tolist(), poses.frames) == ([1, 4], [0, 1], 5)
    np.testing.assert_array_equal(poses.joints, [POINTS + 1, POINTS + 4])
    np.testing.assert_array_equal(poses.joint_score[0], [0.5, 0.75, 1])
    np.testing.assert_array_equal(poses.score, [0.875] * 2)


def test_an_analysis_file_of_sleap_itself_comes_in(tmp_path: Path) -> None:
    """SLEAP before sleap-io: no names of axes, edges as names."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        tracks = np.full((1, 2, 3, 4), np.nan)
        tracks[0, :, :, 2] = POINTS.T
        file["tracks"], file["track_names"] = tracks, np.array([b"one"])
        file["node_names"] = np.array([name.encode() for name in NODES])
        file["edge_names"] = np.array([[b"head", b"thorax"], [b"thorax", b"tail"]])
        file["video_path"] = "clip.mp4"
    poses = read_sleap(tmp_path / "x.h5")
    assert (poses.names, poses.skeleton.edges) == (("clip.mp4",), ((0, 1), (1, 2)))
    np.testing.assert_array_equal(poses.read(0).joints, [POINTS])
    assert poses.read(0).frame.tolist() == [2]


def damaged(path: Path, change: Any) -> Path:
    skeleton = fly()
    save(path, [sio.LabeledFrame(video(), 3, [predicted(skeleton=skeleton), predicted(skeleton=skeleton)])])
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def put(file: h5py.File, name: str, column: str, value: int | list[int]) -> None:
    table = file[name][()]
    table[column] = value
    file[name][...] = table


def link_away(file: h5py.File, name: str) -> None:
    del file[name]
    file[name] = h5py.ExternalLink("other.h5", "/x")


def claim_much(file: h5py.File) -> None:
    dtype = file["pred_points"].dtype
    del file["pred_points"]
    file.create_dataset("pred_points", (1 << 40,), dtype, chunks=(1024,))
    put(file, "instances", "point_id_start", [0, 1 << 39])
    put(file, "instances", "point_id_end", [3, (1 << 39) + 3])


def name_twice(file: h5py.File) -> None:
    body = json.loads(file["metadata"].attrs["json"])
    body["nodes"][1]["name"] = "head"
    file["metadata"].attrs["json"] = json.dumps(body)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda file: put(file, "frames", "instance_id_end", 9), "frames of its 2 instances"),
        (lambda file: put(file, "frames", "video", 3), "frames of its 1 videos, got one of video 3"),
        (lambda file: put(file, "frames", "frame_idx", 1 << 40), "expected frames 0 to"),
        (lambda file: put(file, "instances", "skeleton", 4), "instances of its 1 skeletons"),
        (lambda file: put(file, "instances", "point_id_end", 2), "3 points of each instance, got 2"),
        (lambda file: put(file, "instances", "point_id_start", 1 << 50), "3 points of each instance"),
        (lambda file: link_away(file, "pred_points"), "pred_points is a link"),
        (lambda file: link_away(file, "frames"), "frames is a link"),
        (lambda file: file.__delitem__("videos_json"), "expected a dataset videos_json"),
        (name_twice, "unique joint names"),
        (claim_much, "refused, pred_points takes 13,312 GiB"),
    ],
)
def test_damage_is_one_line_that_names_the_file(tmp_path: Path, change: Any, line: str) -> None:
    path = damaged(tmp_path / "x.slp", change)
    with pytest.raises(HeatpoolError, match=line) as error:
        read_sleap(path).read(0)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_what_is_no_hdf5_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.slp").write_bytes(b"no HDF5")
    with pytest.raises(HeatpoolError, match="cannot be read as HDF5"):
        read_sleap(tmp_path / "x.slp")
