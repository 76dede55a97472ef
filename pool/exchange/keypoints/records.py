"""What every reader of keypoint files gives: the persons of a video, row by row.

Axis letters: R persons of frames (one row each), V joints, D axes of space.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from heatpool.pool.skeleton import Skeleton

__all__ = ["SPATIAL_AXES", "NamesClasses", "PoseFile", "PoseVideo"]

_PROPORTIONS = 0.02  # by which width over height of a picture and its scaled copy may differ

SPATIAL_AXES = "x y z"
"""What `keypoint_axes` of a store's configuration says of 3-D keypoints."""


@dataclass(frozen=True, eq=False)
class PoseVideo:
    """Keypoints of one video: a row for each person in each frame.

    Attributes:
        name: of the video as the file has it, a path or a stem; "" where it names none.
        frame: (R,) int64 number in the video, from 0, never falling.
        track: (R,) int64 who it is, the same number through the video; -1 where the file does not say.
        joints: (R, V, D) float32. D = 2: pixels of the picture as the file has them, x to the right and y
            down. D = 3: units of space, likewise. NaN where a joint is not given.
        joint_score: (R, V) float32 in [0, 1], 1 where the file has none, 0 where the joint is not given.
        box_xyxy_px: (R, 4) float32 boxes of the persons if the file has them, else None.
        score: (R,) float32 in [0, 1] of the person, 1 where the file has none.
        width_px, height_px: of the picture that joints and boxes are in, 0 where not known; 1 and 1 where the
            file has fractions of the picture, whose pixels it does not tell.
        fps: frames a second, 0.0 where not known.
        frames: of the video, 0 where not known; not below the last number in `frame` + 1.
        first_frame: where the file begins in the video.

    Raises:
        ValueError: if a shape, dtype or range is another one.
    """

    name: str
    frame: np.ndarray
    track: np.ndarray
    joints: np.ndarray
    joint_score: np.ndarray
    score: np.ndarray
    box_xyxy_px: np.ndarray | None = None
    width_px: int = 0
    height_px: int = 0
    fps: float = 0.0
    frames: int = 0
    first_frame: int = 0

    def __post_init__(self) -> None:
        rows, joints, axes = self.joints.shape
        shapes = {
            "frame": (rows,),
            "track": (rows,),
            "joints": (rows, joints, axes),
            "joint_score": (rows, joints),
            "score": (rows,),
        }
        for name, shape in shapes.items():
            dtype = np.int64 if name in ("frame", "track") else np.float32
            got = getattr(self, name)
            if got.shape != shape or got.dtype != dtype:
                raise ValueError(f"expected {name} {shape} {np.dtype(dtype)}, got {got.shape} {got.dtype}")
        if self.box_xyxy_px is not None and self.box_xyxy_px.shape != (rows, 4):
            raise ValueError(f"expected box_xyxy_px {(rows, 4)}, got {self.box_xyxy_px.shape}")
        if axes not in (2, 3):
            raise ValueError(f"expected joints of 2 or 3 axes, got {axes}")
        if rows and (self.frame[0] < 0 or (np.diff(self.frame) < 0).any()):
            raise ValueError("expected frame numbers from 0 that never fall")
        if np.isinf(self.joints).any():
            raise ValueError("expected joints that are finite or NaN, got infinite ones")
        for name in ("joint_score", "score"):
            scores = getattr(self, name)
            if not ((scores >= 0) & (scores <= 1)).all():
                raise ValueError(f"expected {name} in [0, 1], got {scores.min()} to {scores.max()}")

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def in_fractions(self) -> bool:
        """Whether joints and boxes are fractions of a picture of unknown size."""
        return (self.width_px, self.height_px) == (1, 1)

    def scale_to(self, width_px: int, height_px: int) -> tuple[float, float] | None:
        """Return what x and y are multiplied by for a picture of another size, None if it is another picture.

        A picture whose proportions differ by more than 2 % is one: a part, or of another video.
        """
        if not (self.width_px and self.height_px):
            return 1.0, 1.0
        x, y = width_px / self.width_px, height_px / self.height_px
        return (x, y) if self.in_fractions or abs(x / y - 1) <= _PROPORTIONS else None


class PoseFile(Protocol):
    """A file or folder with keypoints of one or more videos, read video by video."""

    @property
    def kind(self) -> str:
        """What it is, as messages and stores say it: "SLEAP", "COCO JSON"."""
        ...

    @property
    def skeleton(self) -> Skeleton:
        """Its V joints."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its videos, each once, in order."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines on what was left out or taken for granted, for the person who imports it."""
        ...

    def read(self, number: int) -> PoseVideo:
        """The keypoints of a video by its place in `names`. Raises HeatpoolError if they are damaged."""
        ...


@runtime_checkable
class NamesClasses(Protocol):
    """What a `PoseFile` has too that may say of its videos what they show."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class of each video, "" where none is named."""
        ...
