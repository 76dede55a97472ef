"""Keypoints of a store's clips in pixels and frames, as other programs count them.

Axis letters: F frames, M persons, V joints.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.records import SPATIAL_AXES
from heatpool.pool.resample import ResamplePlan
from heatpool.pool.store.reader import FeatureStore

__all__ = ["ClipPoses", "iter_clip_poses", "pose_frames", "require_pixels"]


@dataclass(frozen=True, eq=False)
class ClipPoses:
    """Persons of a clip.

    Attributes:
        row: of the clip in the store.
        frames: (F,) int64 numbers in the video, each once, rising.
        joints: (F, M, V, 3) x, y in pixels and the score.
        boxes_xyxy_px: (F, M, 4), zeros where the store has none.
        mask: (F, M) bool, who is there.
    """

    row: int
    frames: np.ndarray
    joints: np.ndarray
    boxes_xyxy_px: np.ndarray
    mask: np.ndarray


def require_pixels(store: FeatureStore) -> list[int]:
    """Rows of the usable clips, whose keypoints have pixels.

    Raises:
        HeatpoolError: if keypoints are in space, there are none, or the size of a clip's frames is not known.
    """
    config = store.attributes["config"]
    held = config.get("arrays")
    if held is not None and "keypoints" not in held:
        raise HeatpoolError(f"{store.source.name}: expected keypoints, got {', '.join(held)} only")
    if config.get("keypoint_axes") == SPATIAL_AXES:
        raise HeatpoolError(f"{store.source.name}: expected keypoints in the picture, got them in space")
    rows = store.clips.rows()
    for row in rows.tolist():
        if min(store.clips.width_px[row], store.clips.height_px[row]) < 1:
            (name,) = store.clips.clip_ids([row])
            raise HeatpoolError(f"clip {name!r}: expected a known frame size, got none")
    return [int(row) for row in rows]


def pose_frames(store: FeatureStore, row: int, time_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames that a clip's steps (T,) are nearest, each once, and the step that is nearest each.

    Without a frame rate they count from the start of the clip, without their number steps are frames.
    """
    fps, count = float(store.clips.fps[row]), int(store.clips.frames[row])
    position = time_s.astype(float) * fps
    if fps <= 0 or not ((position >= 0) & (position < 2**31)).all():
        plan = ResamplePlan.linear(count or len(time_s), len(time_s))
        position = plan.lower + plan.weight
    frames = np.unique(np.rint(position).astype(int))
    return frames, np.abs(position - frames[:, None]).argmin(1)


def iter_clip_poses(store: FeatureStore, rows: list[int]) -> Iterator[ClipPoses | int]:
    """Go through clips of `rows`; after each shard comes the number of its clips, for progress."""
    wanted, clips = set(rows), store.clips
    for of_shard, arrays in store.iter_shards(("keypoints", "boxes", "mask", "time_s")):
        for place, row in enumerate(of_shard.tolist()):
            if row in wanted:
                frames, steps = pose_frames(store, row, arrays["time_s"][place])
                size_px = np.array([clips.width_px[row], clips.height_px[row]], float)
                joints = arrays["keypoints"][place][:, steps].astype(float).swapaxes(0, 1)
                joints[..., :2] = (joints[..., :2] + 1) / 2 * size_px
                boxes = arrays["boxes"][place][:, steps].astype(float).swapaxes(0, 1) * np.tile(size_px, 2)
                yield ClipPoses(row, frames, joints, boxes, arrays["mask"][place][:, steps].T)
        yield len(of_shard)
