"""A small file of each kind of keypoints, for the page that imports them, written without their programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.pool.exchange.keypoints.pose_cases import write_ntu

FRAMES = 40


def joints(joints: int, frame: int, *, step: float = 2.0) -> np.ndarray:
    """(V, 2) pixels of a person who walks to the right in a picture of 640 x 480."""
    at = np.arange(joints)
    return np.stack([100 + step * frame + 3 * (at % 7), 100 + 9 * at], 1)


def flat(points: np.ndarray, score: float = 0.9) -> list[float]:
    """x, y, score, x, y, score, …."""
    return np.concatenate([points, np.full((len(points), 1), score)], 1).ravel().tolist()


def save_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def sleap(folder: Path) -> None:
    with h5py.File(folder / "mice.analysis.h5", "w") as file:
        names = [b"nose", b"neck", b"tail"]
        points = np.stack([joints(3, frame) for frame in range(FRAMES)])
        file["tracks"] = points.transpose(2, 1, 0)[None]  # (track, xy, node, frame)
        file["track_names"], file["node_names"] = [b"mouse"], names
        file["edge_inds"] = [[0, 1], [1, 2]]
        file["track_occupancy"] = np.ones((FRAMES, 1), np.uint8)


def deeplabcut(folder: Path) -> None:
    (folder / "dlc_csvs").mkdir()
    for number in (1, 2, 3):
        head = [["scorer", *["DLC"] * 9], ["bodyparts", *[part for part in "abc" for _ in range(3)]]]
        head.append(["coords", *["x", "y", "likelihood"] * 3])
        rows = [[frame, *flat(joints(3, frame, step=1 + frame // 20))] for frame in range(FRAMES)]
        text = "\n".join(",".join(map(str, row)) for row in [*head, *rows])
        (folder / "dlc_csvs" / f"cage {number}DLC_resnet50_cageNov1shuffle1_1000.csv").write_text(text)


def coco(folder: Path) -> None:
    pictures = [
        {"id": frame, "file_name": f"walk/{frame:06d}.jpg", "width": 640, "height": 480}
        for frame in range(FRAMES)
    ]
    persons = [
        {"id": frame, "image_id": frame, "category_id": 1, "bbox": [90, 90, 200, 200], "num_keypoints": 17,
         "keypoints": flat(joints(17, frame), 2)}
        for frame in range(FRAMES)
    ]  # fmt: skip
    content = {"images": pictures, "annotations": persons, "categories": [{"id": 1, "name": "person"}]}
    save_json(folder / "annotations.json", content)


def mmpose(folder: Path) -> None:
    frames = [
        {
            "frame_id": frame,
            "instances": [
                {"keypoints": joints(17, frame).tolist(), "keypoint_scores": [0.9] * 17,
                 "bbox": [[90, 90, 300, 300]], "bbox_score": 0.9}
            ],
        }
        for frame in range(FRAMES)
    ]  # fmt: skip
    save_json(folder / "mmpose_results" / "walk.json", frames)


def openpose(folder: Path) -> None:
    for frame in range(FRAMES):
        people = [{"person_id": [-1], "pose_keypoints_2d": flat(joints(25, frame))}]
        name = f"walk_{frame:012d}_keypoints.json"
        save_json(folder / "openpose_json" / name, {"version": 1.3, "people": people})


def alphapose(folder: Path) -> None:
    rows = [
        {"image_id": f"{frame}.jpg", "category_id": 1, "keypoints": flat(joints(17, frame)), "score": 2.9,
         "box": [90, 90, 200, 200], "idx": 1}
        for frame in range(FRAMES)
    ]  # fmt: skip
    save_json(folder / "alphapose-results.json", rows)


def ultralytics(folder: Path) -> None:
    labels = folder / "runs/pose/track/labels"
    labels.mkdir(parents=True)
    for frame in range(FRAMES):
        points = joints(17, frame) / (640, 480)
        middle, size = (points.max(0) + points.min(0)) / 2, np.ptp(points, axis=0)
        values = [0, *middle, *size, *flat(points), 0.9, 1]
        (labels / f"walk_{frame + 1}.txt").write_text(" ".join(f"{value:g}" for value in values) + "\n")


def mediapipe(folder: Path) -> None:
    (folder / "landmarks").mkdir()
    points = np.stack([joints(33, frame) for frame in range(FRAMES)]) / (640, 480)
    world = np.concatenate([points - points.mean(1, keepdims=True), np.full((FRAMES, 33, 1), 0.1)], 2)
    np.savez(folder / "landmarks" / "walk.npz", pose=points, pose_world=world)


def ntu(folder: Path) -> None:
    for subject in (1, 2, 4, 3):
        for action in (1, 2):
            path = folder / "ntu_skeletons" / f"S001C001P{subject:03}R001A{action:03}.skeleton"
            write_ntu(path, frames=12, label=action)


def ctrgcn(folder: Path) -> None:
    x = np.random.default_rng(0).normal(size=(4, FRAMES, 150)).astype(np.float32)
    y = np.eye(60)[[0, 1, 0, 1]]
    np.savez(folder / "NTU60_CS.npz", x_train=x, y_train=y, x_test=x, y_test=y)


def movement(folder: Path) -> None:
    with h5py.File(folder / "tracks.nc", "w") as file:
        file.attrs.update({"ds_type": "poses", "time_unit": "seconds", "fps": 25.0})
        points = np.stack([joints(3, frame) for frame in range(FRAMES)])
        file["time"], file["space"] = np.arange(FRAMES) / 25, [b"x", b"y"]
        file["keypoints"], file["individuals"] = [b"nose", b"neck", b"tail"], [b"mouse"]
        file["position"] = points.transpose(0, 2, 1)[..., None]
        file["confidence"] = np.full((FRAMES, 3, 1), 0.9)
        axes = ("time", "space", "keypoints", "individuals")
        for name, dims in (("position", axes), ("confidence", (axes[0], *axes[2:]))):
            for axis, dim in enumerate(dims):
                file[dim].make_scale(dim)
                file[name].dims[axis].attach_scale(file[dim])


def features(folder: Path) -> None:
    (folder / "i3d_features").mkdir()
    np.save(folder / "i3d_features" / "walk.npy", np.ones((9, 64), np.float32))


WRITERS: Sequence[Callable[[Path], None]] = (
    sleap, deeplabcut, coco, mmpose, openpose, alphapose, ultralytics, mediapipe, ntu, ctrgcn, movement,
    features,
)  # fmt: skip
