"""Datasets of `movement` (https://movement.neuroinformatics.dev) in a netCDF-4 file: one video each.

Layout: movement 0.15, ds_type poses: position (time, space, keypoints, individuals) and confidence without
space, in any order of axes. Axis letters: R persons of frames, V joints, T times.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heatpool.pool.errors import shorten
from heatpool.pool.exchange.keypoints.plain_hdf5 import find_dataset, open_hdf5, read_texts, read_values
from heatpool.pool.exchange.keypoints.pose_folder import open_folder
from heatpool.pool.exchange.keypoints.pose_rows import make_skeleton, note_lines, pose_video
from heatpool.pool.exchange.keypoints.records import PoseFile, PoseVideo

if TYPE_CHECKING:
    import h5py

__all__ = ["read_movement"]

_AXES = ("time", "individuals", "keypoints", "space")
_SAME_RATE = 0.01


def read_movement(path: Path) -> PoseFile:
    """Open a file, or a folder of files `.nc`.

    Raises:
        HeatpoolError: if there is none, it is damaged, or it holds boxes instead of poses.
    """
    return open_folder(path, ("*.nc",), read_movement) if path.is_dir() else _MovementFile(path)


class _MovementFile:
    """A `PoseFile` of one dataset."""

    kind = "movement"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._remarks: Counter[str] = Counter()
        with open_hdf5(path) as file:
            kind = _text(file, "ds_type")
            if kind != "poses":
                raise ValueError(f"expected a dataset of movement of ds_type poses, got {shorten(kind)}")
            self.skeleton = make_skeleton("movement", read_texts(file, "keypoints"))
            self.names = (_text(file, "clip_id") or path.stem,)  # our own export has both
            self.class_names = (_text(file, "class_name"),)

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines on what was left out or taken for granted."""
        return note_lines(self._remarks)

    def read(self, number: int) -> PoseVideo:
        """The keypoints of its video. Raises HeatpoolError if they are damaged."""
        with open_hdf5(self._path) as file:
            points = _array(file, "position", _AXES)
            confidence = _array(file, "confidence", _AXES[:3])
            joints, axes = points.shape[2:]
            if joints != self.skeleton.joints or axes not in (2, 3) or confidence.shape != points.shape[:3]:
                raise ValueError(
                    f"expected position and confidence of {self.skeleton.joints} keypoints in 2 or 3 axes, "
                    f"got {points.shape} and {confidence.shape}"
                )
            fps, width_px, height_px = (_number(file, name) for name in ("fps", "width_px", "height_px"))
            frames, fps = _frame_numbers(read_values(file, "time"), _text(file, "time_unit"), fps)
            place, individual = np.nonzero(np.isfinite(points).all(-1).any(-1))
            scores = confidence[place, individual]
            return pose_video(
                self.names[number],
                frame=frames[place],
                track=individual,
                joints=points[place, individual],
                joint_score=None if np.isnan(scores).all() else np.nan_to_num(scores, nan=1.0),
                remarks=self._remarks,
                width_px=int(width_px),
                height_px=int(height_px),
                fps=fps,
                frames=int(frames[-1]) + 1 if len(frames) else 0,
                first_frame=int(frames[0]) if len(frames) else 0,
            )


def _array(file: h5py.File, name: str, axes: tuple[str, ...]) -> np.ndarray:
    """An array with its axes in an order."""
    dataset = find_dataset(file, name)
    named = [axis[0].name.strip("/") if len(axis) else "" for axis in dataset.dims]
    if sorted(named) != sorted(axes):
        raise ValueError(f"expected {name} along {', '.join(axes)}, got {', '.join(named)}")
    return read_values(file, name).transpose([named.index(axis) for axis in axes])


def _text(file: h5py.File, name: str) -> str:
    """An attribute that is a text, which netCDF writes in two ways; "" if there is none."""
    value = file.attrs.get(name, "")
    value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return value if isinstance(value, str) else ""


def _number(file: h5py.File, name: str) -> float:
    """An attribute that is a number above 0; 0.0 if there is none."""
    value: Any = np.asarray(file.attrs.get(name, 0)).ravel()
    known = value.size == 1 and value.dtype.kind in "iuf" and np.isfinite(value[0]) and value[0] > 0
    return float(value[0]) if known else 0.0


def _frame_numbers(times: np.ndarray, unit: str, fps: float) -> tuple[np.ndarray, float]:
    """Frames (T,) at which the times lie, and how many there are in a second, 0.0 where that is not known.

    Seconds may lie farther apart than the video's frames, or closer, as those of our own exports: then the
    times themselves are the frames.
    """
    if not (np.isfinite(times).all() and (np.diff(times) >= 0).all()):
        raise ValueError("expected times that are finite and never fall")
    if unit == "frames":
        return np.rint(times), fps
    step_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    rate = 1 / step_s if step_s > 0 else fps
    if abs(rate - fps) <= _SAME_RATE * fps:
        rate = fps
    frames = np.rint(times * rate)
    return (frames if (np.diff(frames) > 0).all() else np.arange(len(times))), rate
