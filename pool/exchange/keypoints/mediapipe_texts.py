"""MediaPipe's landmarks in CSV and JSON, in the layouts that are usual.

CSV: a row a frame with columns such as `x0`, `nose_x`, `LEFT_HIP.visibility`, or a row a landmark with columns
such as `frame`, `landmark`, `x`, `y`, `z`, `visibility`. JSON: a list of frames, or an object of them, each with
33 landmarks, or lists of 33, as objects with x and y or as lists of numbers, under whatever names MediaPipe's
interfaces give them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from heatpool.pool.disk.text_files import text_encoding
from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.exchange.keypoints.json_files import read_json

__all__ = ["LANDMARK_NAMES", "Landmarks", "csv_landmarks", "json_landmarks"]

LANDMARK_NAMES = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index",
    "left_thumb", "right_thumb", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle", "left_heel", "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip

_JOINTS = len(LANDMARK_NAMES)
_AXES = {"x": 0, "y": 1, "z": 2, "v": 3, "vis": 3, "visibility": 3}
_AXIS = "x|y|z|v|vis|visibility"
_WIDE = (
    re.compile(rf"(?P<axis>{_AXIS})[_ ]?(?P<joint>\d+)"),
    re.compile(rf"(?:pose_?|landmark_?|lm_?)*(?P<joint>\d+|[a-z_]+?)[_. ]?(?P<axis>{_AXIS})"),
)
_FRAME_COLUMNS = ("frame", "frame_id", "frame_number", "frame_num", "frame_index", "frame_idx", "frame_no")
_PERSON_COLUMNS = ("person", "person_id", "pose", "pose_id", "pose_index")
_LANDMARK_COLUMNS = ("landmark", "landmark_id", "landmark_index", "landmark_name", "joint", "id", "name", "index")
_PICTURE_KEYS = ("poselandmarks", "landmarks", "landmark", "keypoints", "pose", "normalizedlandmarks")
_WORLD_KEYS = ("poseworldlandmarks", "worldlandmarks", "keypoints3d")
_LIST_KEYS = ("frames", "data", "results", "landmarks", "poselandmarks", "poses")
_MOST_FRAMES = 1 << 24


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Landmarks of persons as a file has them.

    Attributes:
        frame: (R,) int64, from 0.
        xyz: (R, 33, 3) float64; z 0 where there is none.
        visibility: (R, 33) float64, 1 where there is none.
        width_px, height_px, fps, frames: of the video, 0 where not known.
    """

    frame: np.ndarray
    xyz: np.ndarray
    visibility: np.ndarray
    width_px: int = 0
    height_px: int = 0
    fps: float = 0.0
    frames: int = 0

    @classmethod
    def of(cls, frame: np.ndarray, values: np.ndarray, **facts: Any) -> Self:
        """Landmarks of (R, 33, 2 to 5) values x, y, z, visibility, presence."""
        values = values.astype(np.float64)
        xyz = np.zeros((len(values), _JOINTS, 3))
        xyz[..., : min(values.shape[2], 3)] = values[..., :3]
        visibility = values[..., 3] if values.shape[2] > 3 else np.ones(values.shape[:2])
        frame = np.asarray(frame, np.int64)
        if len(frame) and not 0 <= frame.min() <= frame.max() < _MOST_FRAMES:
            raise ValueError(f"expected frames 0 to {_MOST_FRAMES - 1}, got {frame.min()} to {frame.max()}")
        return cls(frame, xyz, np.nan_to_num(visibility, nan=1.0), **facts)
