"""Keypoints of a store as predictions in a SLEAP project, written by sleap-io (extra `[sleap]`)."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.pool.derive.build import OnClips
from heatpool.pool.disk.atomic import atomic_file
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.store_poses import ClipPoses, iter_clip_poses, require_pixels
from heatpool.pool.store.reader import FeatureStore

__all__ = ["export_sleap"]

_MOST_PERSONS = 1 << 20  # of frames; sleap-io keeps an object of some kilobytes for each


def export_sleap(
    store: FeatureStore, out: str | Path, *, overwrite: bool = False, on_clips: OnClips = lambda count: None
) -> int:
    """Write the keypoints of the usable clips as predictions that SLEAP shows and corrects.

    Clips of one video come together in it, person slots are tracks, steps the frames that they are nearest.
    Joints without a score are not there.

    Returns:
        Clips written.

    Raises:
        HeatpoolError: if sleap-io is not installed, `out` exists, keypoints are in space or too many for one
            project, a frame size is unknown, or the disk refuses.
    """
    try:
        import sleap_io
    except ImportError as error:
        raise HeatpoolError("expected sleap-io for SLEAP's format: pip install 'heatpool[sleap]'") from error
    rows = require_pixels(store)
    if len(rows) * store.spec.steps * store.spec.persons > _MOST_PERSONS:
        raise HeatpoolError(
            f"expected at most {_MOST_PERSONS:,} persons in frames for one SLEAP project, got "
            f"{len(rows)} clips; take some by heatpool archive subset"
        )
    with atomic_file(out, overwrite) as aside:
        labels = _labels(store, rows, on_clips, sleap_io)
        sleap_io.save_slp(labels, str(aside), embed=False, verbose=False)
    return len(rows)


def _labels(store: FeatureStore, rows: list[int], on_clips: OnClips, sleap_io: Any) -> Any:
    graph, paths = store.spec.graph, store.clips.index.path
    edges = [(graph.joint_names[start], graph.joint_names[end]) for start, end in graph.edges]
    skeleton = sleap_io.Skeleton(list(graph.joint_names), edges, name=graph.name)
    tracks = [sleap_io.Track(f"person {number + 1}") for number in range(store.spec.persons)]
    videos = _videos(store, rows, sleap_io)
    persons: dict[tuple[str, int], dict[int, Any]] = defaultdict(dict)
    for clip in iter_clip_poses(store, rows):
        if not isinstance(clip, ClipPoses):
            on_clips(clip)
            continue
        for place, who in np.argwhere(clip.mask).tolist():
            # Clips of one video may overlap: the first one counts, as a track has one person a frame.
            of_frame = persons[paths[clip.row], int(clip.frames[place])]
            of_frame.setdefault(who, _person(clip.joints[place, who], skeleton, tracks[who], sleap_io))
    frames = [
        sleap_io.LabeledFrame(videos[path], frame, [*of_frame.values()])
        for (path, frame), of_frame in persons.items()
    ]
    return sleap_io.Labels(frames, videos=[*videos.values()], skeletons=[skeleton], tracks=tracks)


def _videos(store: FeatureStore, rows: list[int], sleap_io: Any) -> dict[str, Any]:
    """Videos by path, none of which is opened."""
    videos = {}
    for row in rows:
        path, clips = store.clips.index.path[row], store.clips
        shape = [int(clips.frames[row]), int(clips.height_px[row]), int(clips.width_px[row]), 3]
        known = {"type": "MediaVideo", "shape": shape, "filename": path, "fps": float(clips.fps[row])}
        videos[path] = sleap_io.Video(filename=path, open_backend=False, backend_metadata=known)
    return videos


def _person(joints: np.ndarray, skeleton: Any, track: Any, sleap_io: Any) -> Any:
    scores = joints[:, 2]
    points = np.where(scores[:, None] > 0, joints[:, :2], np.nan)
    return sleap_io.PredictedInstance.from_numpy(
        points, point_scores=scores, score=float(scores.mean()), skeleton=skeleton, track=track
    )
