"""SLEAP's analysis HDF5: one video, coordinates by track, node and frame.

Axis letters: N tracks, V joints, T frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heatpool.pool.disk.limits import parse_json
from heatpool.pool.exchange.keypoints.json_files import expect_list
from heatpool.pool.exchange.keypoints.plain_hdf5 import find_dataset, open_hdf5, read_texts, read_values
from heatpool.pool.exchange.keypoints.pose_rows import PoseReader, make_skeleton, pose_video
from heatpool.pool.exchange.keypoints.records import PoseVideo
from heatpool.pool.skeleton import Skeleton

if TYPE_CHECKING:
    import h5py

__all__ = ["SleapAnalysis"]

_MATLAB = {
    "tracks": ("track", "xy", "node", "frame"),
    "point_scores": ("track", "node", "frame"),
    "instance_scores": ("track", "frame"),
}
"""Axes where the file does not name them: as SLEAP itself writes."""


class SleapAnalysis(PoseReader):
    """A `PoseFile` of an analysis file, whose array is read when it is asked for."""

    kind = "SLEAP"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with open_hdf5(path) as file:
            self.skeleton = _skeleton(file)
            self.names = (_video_name(file) or path.stem,)

    def read(self, number: int) -> PoseVideo:
        """The keypoints of its video. Raises HeatpoolError if they are damaged."""
        with open_hdf5(self._path) as file:
            points = _array(file, "tracks", ("frame", "track", "node", "xy"))
            frames, _, joints, axes = points.shape
            if joints != self.skeleton.joints or axes not in (2, 3):
                raise ValueError(f"expected tracks of {self.skeleton.joints} nodes, got {points.shape}")
            scores = _array(file, "point_scores", ("frame", "track", "node"), points.shape[:3])
            persons = _array(file, "instance_scores", ("frame", "track"), points.shape[:2])
            frame, track = np.nonzero(np.isfinite(points).all(-1).any(-1))
            joints_scored = None if scores is None else np.nan_to_num(scores[frame, track], nan=1.0)
            return pose_video(
                self.names[number],
                frame=frame,
                track=track,
                joints=points[frame, track],
                joint_score=joints_scored,
                score=None if persons is None else persons[frame, track],
                remarks=self._remarks,
                frames=frames,
            )


def _array(file: h5py.File, name: str, axes: tuple[str, ...], shape: tuple[int, ...] | None = None) -> Any:
    """An array with its axes in an order; None if there is none and `shape` says what it would have to be."""
    if shape is not None and name not in set(file):
        return None
    named = find_dataset(file, name).attrs.get("dims")
    order = tuple(map(str, parse_json(named))) if isinstance(named, str | bytes) else _MATLAB[name]
    values = read_values(file, name)
    if sorted(order) != sorted(axes) or values.ndim != len(axes):
        raise ValueError(f"expected {name} with axes {', '.join(axes)}, got {values.shape}")
    values = values.transpose([order.index(axis) for axis in axes])
    if shape is not None and values.shape != shape:
        raise ValueError(f"expected {name} {shape}, got {values.shape}")
    return values


def _skeleton(file: h5py.File) -> Skeleton:
    names = read_texts(file, "node_names")
    place = {name: number for number, name in enumerate(names)}
    edges: Any = []
    if "skeleton_edges" in file.attrs:
        edges = expect_list(parse_json(file.attrs["skeleton_edges"]), "edges")
    elif "edge_names" in set(file):
        pairs = read_texts(file, "edge_names")
        edges = list(zip(pairs[::2], pairs[1::2], strict=True))
    numbers = [[place.get(joint, joint) for joint in edge] for edge in edges]
    name = file.attrs.get("skeleton_name")
    return make_skeleton(name if isinstance(name, str) and name else "sleap", names, numbers)


def _video_name(file: h5py.File) -> str:
    return next(iter(read_texts(file, "video_path")), "") if "video_path" in set(file) else ""
