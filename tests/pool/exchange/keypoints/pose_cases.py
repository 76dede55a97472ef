"""Small videos of keypoints, and files in the layouts of programs that cannot be installed here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.records import PoseVideo
from heatpool.pool.skeleton import Skeleton

LINE = Skeleton("line", ("head", "middle", "foot"), ((0, 1), (1, 2)))


def pose_video(frame: Sequence[int], joints: np.ndarray | None = None, **changes: Any) -> PoseVideo:
    """Persons of three joints at x = 100, 110, 120 and y = the frame, in pictures of 200 x 100."""
    rows = len(frame)
    if joints is None:
        joints = np.zeros((rows, 3, 2), np.float32)
        joints[..., 0] = 100 + 10 * np.arange(3)
        joints[..., 1] = np.array(frame)[:, None]
    values: dict[str, Any] = {
        "name": "clip", "frame": np.array(frame, np.int64), "track": np.zeros(rows, np.int64),
        "joints": joints, "joint_score": np.isfinite(joints).all(-1).astype(np.float32),
        "score": np.ones(rows, np.float32), "width_px": 200, "height_px": 100,
    }  # fmt: skip
    return PoseVideo(**values | changes)


@dataclass
class Videos:
    """A `PoseFile` of videos in memory; None is one that is damaged."""

    videos: Sequence[PoseVideo | None]
    skeleton: Skeleton = LINE
    kind: str = "test file"
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"v{number}" for number in range(len(self.videos)))

    def read(self, number: int) -> PoseVideo:
        video = self.videos[number]
        if video is None:
            raise HeatpoolError("v is damaged")
        return video


def write_ntu(
    path: Path, *, frames: int = 6, bodies: int = 1, label: int = 0, tracked: Sequence[int] = (2,) * 25
) -> Path:
    """A `.skeleton` file by its published description: real ones cannot be had without signing a licence.

    x of joint j of body b in frame f is b + j / 100 + f * label / 1000, y 0.5, z 3.
    """
    lines = [str(frames)]
    for frame in range(frames):
        lines.append(str(bodies))
        for body in range(bodies):
            lines += [f"7205759403793694{body} 0 1 1 1 1 0 0.02 -0.05 2", "25"]
            for joint in range(25):
                x = body + joint / 100 + frame * label / 1000
                lines.append(
                    f"{x:.7f} 0.5 3 250.1 200.2 {960 + 100 * x:.4f} 540 0.1 0.2 0.3 0.4 {tracked[joint]}"
                )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\r\n".join(lines) + "\r\n", encoding="ascii")
    return path
