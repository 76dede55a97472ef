"""MediaPipe's 33 pose landmarks: their names, and those of persons of frames."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

__all__ = [
    "FRAME_KEYS",
    "HOLISTIC_VALUES",
    "LANDMARK_NAMES",
    "Landmarks",
    "as_landmark_name",
    "landmark_axes",
]

LANDMARK_NAMES = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index",
    "left_thumb", "right_thumb", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle", "left_heel", "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip

FRAME_KEYS = ("frame", "frame_id", "frame_number", "frame_num", "frame_index", "frame_idx", "frame_no")
"""What the number of a frame is called."""

HOLISTIC_VALUES = 33 * 4 + 468 * 3 + 2 * 21 * 3
"""Pose, face and hands of a frame in one row."""

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
        xyz = np.zeros((len(values), len(LANDMARK_NAMES), 3))
        xyz[..., : min(values.shape[2], 3)] = values[..., :3]
        visibility = values[..., 3] if values.shape[2] > 3 else np.ones(values.shape[:2])
        frame = np.asarray(frame, np.int64)
        if len(frame) and not 0 <= frame.min() <= frame.max() < _MOST_FRAMES:
            raise ValueError(f"expected frames 0 to {_MOST_FRAMES - 1}, got {frame.min()} to {frame.max()}")
        return cls(frame, xyz, np.nan_to_num(visibility, nan=1.0), **facts)


def as_landmark_name(key: object) -> str:
    """`LEFT_HIP`, `leftHip` and `left hip` as `left_hip`."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(key)).lower())


def landmark_axes(shape: tuple[int, ...]) -> int:
    """Return how many values of each landmark an array of this shape holds, 0 if it holds no landmarks.

    Shapes are (F, 33, 2 to 5), (F, P, 33, 2 to 5) with P persons, and (F, 66 to 165) or (F, 1662) with all of
    a frame in one row; F may be missing.
    """
    joints = len(LANDMARK_NAMES)
    if shape and shape[-1] == HOLISTIC_VALUES and len(shape) <= 2:
        return 4
    if 2 <= len(shape) <= 4 and shape[-2] == joints:
        return shape[-1] if 2 <= shape[-1] <= 5 else 0
    each, rest = divmod(shape[-1] if len(shape) in (1, 2) else 0, joints)
    return each if not rest and 2 <= each <= 5 else 0
