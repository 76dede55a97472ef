"""MediaPipe's landmarks as tutorials and its interfaces save them; MediaPipe itself writes no file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.detect import open_poses
from heatpool.pool.exchange.keypoints.landmarks import LANDMARK_NAMES
from heatpool.pool.exchange.keypoints.mediapipe import MEDIAPIPE33_SKELETON, read_mediapipe

FRAMES = 4
PICTURE = np.random.default_rng(0).uniform(0.1, 0.9, (FRAMES, 33, 4))
WORLD = np.random.default_rng(1).normal(0, 0.3, (FRAMES, 33, 3))
AXES = ("x", "y", "z", "visibility")


def objects(person: np.ndarray) -> list[dict[str, float]]:
    return [dict(zip(AXES, landmark.tolist(), strict=False)) for landmark in person]


def save_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def save_csv(path: Path, header: Sequence[str], rows: Any, delimiter: str = ",") -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([header, *rows])
    return path


def save_npy(path: Path, values: np.ndarray) -> Path:
    np.save(path, values)
    return path


def save_frames(folder: Path) -> Path:
    (folder / "wave").mkdir()
    for number, frame in enumerate(PICTURE):
        np.save(folder / "wave" / f"{number}.npy", frame.ravel())
    return folder


HOLISTIC = np.concatenate([PICTURE.reshape(FRAMES, -1), np.zeros((FRAMES, 1530))], 1)
NAMED = [dict(zip(LANDMARK_NAMES, objects(frame), strict=True)) for frame in PICTURE]
ROWS = list(enumerate(PICTURE))

LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "(F, 33, 4)": lambda at: save_npy(at / "x.npy", PICTURE),
    "(F, P, 33, 4)": lambda at: save_npy(at / "x.npy", PICTURE[:, None]),
    "(F, 132)": lambda at: save_npy(at / "x.npy", PICTURE.reshape(FRAMES, -1)),
    "holistic (F, 1662)": lambda at: save_npy(at / "x.npy", HOLISTIC),
    "an .npy a frame": save_frames,
    "list of frames": lambda at: save_json(at / "x.json", [objects(frame) for frame in PICTURE]),
    "list of frames of numbers": lambda at: save_json(at / "x.json", {"landmarks": PICTURE.tolist()}),
    "frames by number": lambda at: save_json(
        at / "x.json", {str(number): {"landmark": objects(frame)} for number, frame in ROWS}
    ),
    "solutions in JavaScript": lambda at: save_json(
        at / "x.json", [{"frame": number + 1, "poseLandmarks": objects(frame)} for number, frame in ROWS]
    ),
    "tasks": lambda at: save_json(
        at / "x.json",
        [
            {"landmarks": [objects(frame)], "worldLandmarks": [objects(world)]}
            for frame, world in zip(PICTURE, WORLD, strict=True)
        ],
    ),
    "by name": lambda at: save_json(at / "x.json", NAMED),
    "class, x1, y1, z1, v1": lambda at: save_csv(
        at / "x.csv",
        ["class", *(f"{axis}{joint}" for joint in range(1, 34) for axis in "xyzv")],
        [["wave", *frame.ravel()] for frame in PICTURE],
    ),
    "nose_x": lambda at: save_csv(
        at / "x.csv",
        ["frame", *(f"{name}_{axis}" for name in LANDMARK_NAMES for axis in AXES)],
        [[number, *frame.ravel()] for number, frame in ROWS],
    ),
    "NOSE.x; decimal commas": lambda at: save_csv(
        at / "x.csv",
        ["frame", *(f"{name.upper()}.{axis}" for name in LANDMARK_NAMES for axis in AXES)],
        [[number + 1, *(str(value).replace(".", ",") for value in frame.ravel())] for number, frame in ROWS],
        ";",
    ),
    "a row a landmark": lambda at: save_csv(
        at / "x.csv",
        ["frame", "landmark", *AXES],
        [
            [number, name, *landmark]
            for number, frame in ROWS
            for name, landmark in zip(LANDMARK_NAMES, frame, strict=True)
        ],
    ),
    "a row a landmark by number": lambda at: save_csv(
        at / "x.csv",
        ["frame_id", "landmark_id", *AXES],
        [[number, joint, *landmark] for number, frame in ROWS for joint, landmark in enumerate(frame)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_told_and_read(tmp_path: Path, layout: str) -> None:
    file = open_poses(LAYOUTS[layout](tmp_path))
    assert file.kind == "MediaPipe landmarks"
    assert file.skeleton == MEDIAPIPE33_SKELETON
    video = file.read(0)
    assert video.in_fractions
    assert (video.frame.tolist(), video.frames) == (list(range(FRAMES)), FRAMES)
    np.testing.assert_allclose(video.joints, PICTURE[..., :2], rtol=1e-5)
    np.testing.assert_allclose(video.joint_score, PICTURE[..., 3], rtol=1e-5)


def test_world_landmarks_are_asked_for(tmp_path: Path) -> None:
    both = [
        {"pose_landmarks": objects(frame), "pose_world_landmarks": objects(world)}
        for frame, world in zip(PICTURE, WORLD, strict=True)
    ]
    np.savez(tmp_path / "x.npz", pose_landmarks=PICTURE, pose_world_landmarks=WORLD)
    for path in (save_json(tmp_path / "x.json", both), tmp_path / "x.npz"):
        np.testing.assert_allclose(open_poses(path, "mediapipe-world").read(0).joints, WORLD, rtol=1e-5)
        np.testing.assert_allclose(open_poses(path).read(0).joints, PICTURE[..., :2], rtol=1e-5)
    with pytest.raises(HeatpoolError, match="got negative ones, as of world landmarks"):
        open_poses(save_npy(tmp_path / "w.npy", WORLD)).read(0)
    with pytest.raises(HeatpoolError, match="in metres, got larger ones"):
        open_poses(save_npy(tmp_path / "p.npy", PICTURE * 400), "mediapipe-world").read(0)


def test_what_a_file_says_of_its_video_comes_along(tmp_path: Path) -> None:
    content = {"fps": 25, "width": 640, "height": 480, "frames": [objects(frame) for frame in PICTURE]}
    video = open_poses(save_json(tmp_path / "x.json", content)).read(0)
    assert (video.fps, video.width_px, video.height_px) == (25, 640, 480)
    np.testing.assert_allclose(video.joints, PICTURE[..., :2] * (640, 480), rtol=1e-5)
    pixels = open_poses(save_npy(tmp_path / "x.npy", PICTURE * 400)).read(0)
    assert (pixels.width_px, pixels.in_fractions) == (0, False)


def test_frames_without_anybody_and_joints_out_of_the_picture(tmp_path: Path) -> None:
    values = PICTURE.copy()
    values[1], values[3] = 0, np.nan
    values[0, 31, 1] = 1.7  # MediaPipe goes on below the edge
    video = read_mediapipe(save_npy(tmp_path / "x.npy", values)).read(0)
    assert (video.frame.tolist(), video.frames) == ([0, 2], FRAMES)
    assert video.joints[0, 31, 1] == pytest.approx(1.7)


def test_folders_name_videos(tmp_path: Path) -> None:
    assert read_mediapipe(save_frames(tmp_path)).names == ("wave",)
    save_npy(tmp_path / "wave/x.npy", PICTURE)
    assert read_mediapipe(tmp_path).names == ("wave/0", "wave/1", "wave/2", "wave/3", "wave/x")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.json", "[[1, 2], [3]]", "expected 33 landmarks with x and y in frames"),
        ("x.json", "[", "expected JSON"),
        ("x.csv", "frame,x,y\n0,1,2\n", "expected columns of 33 landmarks such as nose_x"),
        ("x.csv", "frame,landmark,x,y\n0,33,1,2\n", "landmarks 0 to 32"),
        ("x.csv", "frame,landmark,x,y\n0,nose,a,2\n", "could not convert"),
        ("x.npy", "no array", "cannot be read as NumPy arrays"),
    ],
)
def test_damage_is_one_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(HeatpoolError, match=message):
        open_poses(tmp_path / name, "mediapipe").read(0)


def test_other_arrays_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match=r"landmarks \(frames, 33, 3 or 4\), got '\(4, 17, 3\)'"):
        read_mediapipe(save_npy(tmp_path / "x.npy", np.zeros((4, 17, 3)))).read(0)
