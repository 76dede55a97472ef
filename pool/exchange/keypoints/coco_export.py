"""Keypoints of a store as COCO's JSON, for annotation tools, viewers and `read_coco`.

Layout: https://cocodataset.org/#format-data, with CocoVID's videos, tracks and scores as in PoseTrack 2018.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from heatpool.pool.derive.build import OnClips
from heatpool.pool.disk.atomic import atomic_file
from heatpool.pool.exchange.keypoints.store_poses import (
    ClipPoses,
    iter_clip_poses,
    pose_frames,
    require_pixels,
)
from heatpool.pool.store.reader import FeatureStore

__all__ = ["export_coco"]

_CATEGORY = 1
_DECIMALS = 2  # of a pixel


def export_coco(
    store: FeatureStore, out: str | Path, *, overwrite: bool = False, on_clips: OnClips = lambda count: None
) -> int:
    """Write the keypoints of the usable clips: a video each, its steps as the frames that they are nearest.

    A joint is visible (2) where it has a score, which stands in `scores`. Boxes are the store's, else those
    around the joints.

    Returns:
        Clips written.

    Raises:
        HeatpoolError: if `out` exists, keypoints are in space, a frame size is unknown, or the disk refuses.
    """
    rows = require_pixels(store)
    with atomic_file(out, overwrite) as aside, aside.open("w", encoding="utf-8") as file:
        file.write('{"info": {"description": "keypoints of a heatpool store"},\n')
        _write_list(file, "categories", iter([_category(store)]))
        _write_list(file, "videos", _videos(store, rows))
        _write_list(file, "images", _images(store, rows))
        _write_list(file, "annotations", _annotations(store, rows, on_clips), last=True)
        file.write("}\n")
    return len(rows)


def _write_list(file: TextIO, name: str, entries: Iterator[dict[str, Any]], *, last: bool = False) -> None:
    file.write(f'"{name}": [')
    for number, entry in enumerate(entries):
        file.write(("," if number else "") + "\n" + json.dumps(entry, ensure_ascii=False))
    file.write("\n]" if last else "\n],\n")


def _category(store: FeatureStore) -> dict[str, Any]:
    skeleton = store.spec.graph
    edges = [[start + 1, end + 1] for start, end in skeleton.edges]
    names = list(skeleton.joint_names)
    return {"id": _CATEGORY, "name": skeleton.name, "keypoints": names, "skeleton": edges}


def _videos(store: FeatureStore, rows: list[int]) -> Iterator[dict[str, Any]]:
    clips = store.clips
    for row, name in zip(rows, clips.clip_ids(rows), strict=True):
        width, height = int(clips.width_px[row]), int(clips.height_px[row])
        yield {"id": row, "name": name, "width": width, "height": height, "fps": float(clips.fps[row])}


def _images(store: FeatureStore, rows: list[int]) -> Iterator[dict[str, Any]]:
    clips = store.clips
    name_of = dict(zip(rows, clips.clip_ids(rows), strict=True))
    for of_shard, arrays in store.iter_shards(("time_s",)):
        for row, time_s in zip(of_shard.tolist(), arrays["time_s"], strict=True):
            if row not in name_of:
                continue
            width, height = int(clips.width_px[row]), int(clips.height_px[row])
            for number, frame in enumerate(pose_frames(store, row, time_s)[0].tolist()):
                yield {
                    "id": _image_id(store, row, number), "file_name": f"{name_of[row]}/{frame:06}.jpg",
                    "width": width, "height": height, "video_id": row, "frame_id": frame,
                }  # fmt: skip


def _image_id(store: FeatureStore, row: int, number: int) -> int:
    return row * store.spec.steps + number


def _annotations(store: FeatureStore, rows: list[int], on_clips: OnClips) -> Iterator[dict[str, Any]]:
    number = 0
    for clip in iter_clip_poses(store, rows):
        if not isinstance(clip, ClipPoses):
            on_clips(clip)
            continue
        for place, who in np.argwhere(clip.mask).tolist():
            person = _person(clip.joints[place, who], clip.boxes_xyxy_px[place, who])
            yield {"id": number, "image_id": _image_id(store, clip.row, place), "track_id": who, **person}
            number += 1


def _person(joints: np.ndarray, box_xyxy_px: np.ndarray) -> dict[str, Any]:
    """A person (V, 3) with a box, which may be zeros."""
    found = joints[:, 2] > 0
    points = np.where(found[:, None], joints[:, :2], 0).round(_DECIMALS)
    if not box_xyxy_px.any() and found.any():
        box_xyxy_px = np.concatenate([points[found].min(0), points[found].max(0)])
    x1, y1, x2, y2 = box_xyxy_px.round(_DECIMALS).tolist()
    box = [x1, y1, round(x2 - x1, _DECIMALS), round(y2 - y1, _DECIMALS)]
    joined = zip(points.tolist(), found.tolist(), strict=True)
    return {
        "category_id": _CATEGORY, "keypoints": [each for (x, y), seen in joined for each in (x, y, 2 * seen)],
        "num_keypoints": int(found.sum()), "scores": joints[:, 2].round(4).tolist(), "bbox": box,
        "area": round(box[2] * box[3], _DECIMALS), "iscrowd": 0,
    }  # fmt: skip
