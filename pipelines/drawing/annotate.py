"""Annotated videos of `heatpool predict`: persons as the store holds them, and the prediction of the moment.

Nothing is computed again: the frames are decoded once more, everything else is read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from heatpool.extract.datasets.manifest import Manifest
from heatpool.extract.video.reader import DecodedFrame, FrameCountError, VideoInfo, iter_frames, probe
from heatpool.pipelines.drawing.panel import ClassShare, PredictionPanel
from heatpool.pipelines.drawing.video_writer import create_video
from heatpool.pipelines.drawing.view import PersonsInView, View, scaled_size
from heatpool.pipelines.process.progress import Progress
from heatpool.pool.disk.atomic import refuse_existing
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore

__all__ = ["AnnotatedClip", "annotated_paths", "clip_at", "persons_at", "write_annotated_videos"]

_log = logging.getLogger(__name__)

_SIDES_PX = (640, 1280)  # longer side of drawn frames: smaller ones are enlarged, so that text is readable
_GAP_S = 0.25  # persons are drawn between two steps of their features only if these are not further apart


@dataclass(frozen=True)
class AnnotatedClip:
    """A clip of a video with its prediction.

    Attributes:
        start_s: in the video.
        end_s: in the video, None for its end.
        rows: best classes with probabilities, best first; empty if there is no prediction.
        reason: why there is none, shown in their place.
    """

    start_s: float
    end_s: float | None
    rows: tuple[ClassShare, ...]
    reason: str


def annotated_paths(folder: Path, manifest: Manifest, *, overwrite: bool) -> dict[Path, Path]:
    """Return the annotated video of each video: its name below the folder, with .mp4 behind other suffixes.

    Raises:
        HeatpoolError: if two videos would share one, or a file is in the way.
    """
    paths: dict[Path, Path] = {}
    for video in dict.fromkeys(clip.path for clip in manifest.clips):
        below = video.is_relative_to(manifest.root) and ".." not in video.relative_to(manifest.root).parts
        inside = video.relative_to(manifest.root) if below else Path(video.name)
        path = folder / (inside if inside.suffix == ".mp4" else inside.with_name(f"{inside.name}.mp4"))
        if path in paths.values():
            raise HeatpoolError(f"expected videos of different names for --annotate, two would become {path}")
        if path.exists() and video.exists() and path.samefile(video):
            raise HeatpoolError(f"expected --annotate to name another folder, {path} is the video itself")
        refuse_existing(path, overwrite)
        paths[video] = path
    return paths


def clip_at(clips: Sequence[AnnotatedClip], time_s: float) -> int | None:
    """Return which clip covers a time; of several the one whose middle is nearest, None where none does."""
    covering = [
        number
        for number, clip in enumerate(clips)
        if clip.start_s - 1e-6 <= time_s and (clip.end_s is None or time_s < clip.end_s - 1e-6)
    ]

    def away_s(number: int) -> float:
        clip = clips[number]
        return 0.0 if clip.end_s is None else abs((clip.start_s + clip.end_s) / 2 - time_s)

    return min(covering, key=away_s, default=None)


def persons_at(
    features: Mapping[str, np.ndarray], time_s: float, *, size_px: tuple[int, int]
) -> PersonsInView:
    """Return the persons of a clip at a time, read between the steps of its features.

    Steps that are at most 0.25 s apart are mixed linearly; else the nearest one counts, up to half of that
    away. A person who is missing in one of two steps is where the other one says.

    Args:
        features: `keypoints` (M, T, V, 3), `boxes` (M, T, 4), `mask` (M, T), `time_s` (T,) of a store.
        time_s: from the start of the video.
        size_px: width and height of a frame.
    """
    times_s, mask = features["time_s"].astype(np.float64), features["mask"]
    after = int(np.clip(np.searchsorted(times_s, time_s), 0, len(times_s) - 1))
    before = max(after - 1, 0)
    gap_s = times_s[after] - times_s[before]
    share = float(np.clip((time_s - times_s[before]) / gap_s, 0, 1)) if gap_s > 0 else 0.0
    near = after if share > 0.5 else before
    found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for slot, seen in enumerate(mask):
        weights = {before: 1 - share, after: share} if gap_s <= _GAP_S else {near: 1.0}
        weights = {step: weight for step, weight in weights.items() if seen[step] and weight > 0}
        if not weights or (len(weights) == 1 and abs(times_s[next(iter(weights))] - time_s) > _GAP_S / 2):
            continue
        steps, parts = list(weights), np.array(list(weights.values()))
        parts /= parts.sum()
        found[slot] = (
            np.tensordot(parts, features["boxes"][slot, steps].astype(np.float64), 1),
            np.tensordot(parts, features["keypoints"][slot, steps].astype(np.float64), 1),
        )
    if not found:
        return PersonsInView.nobody(features["keypoints"].shape[2])
    boxes, keypoints = map(np.stack, zip(*found.values(), strict=True))
    return PersonsInView(
        tuple(found),
        boxes * np.tile(size_px, 2),
        (keypoints[..., :2] + 1) / 2 * size_px,
        keypoints[..., 2],
    )


def write_annotated_videos(
    paths: Mapping[Path, Path],
    manifest: Manifest,
    store: FeatureStore,
    clips: Sequence[AnnotatedClip],
    *,
    overwrite: bool = False,
    quiet: bool = False,
) -> None:
    """Write an annotated video for every one that can be read; log which cannot.

    Args:
        paths: file to write by video.
        manifest: of the store.
        store: holds the persons.
        clips: one for each clip of the manifest.
        overwrite: replace existing files.
        quiet: show no progress.

    Raises:
        HeatpoolError: if an annotated video cannot be written.
    """
    usable = set(store.clips.rows().tolist())
    with Progress("annotate", len(paths), "videos", quiet=quiet) as progress:
        for video, path in paths.items():
            rows = [row for row, clip in enumerate(manifest.clips) if clip.path == video]
            rows.sort(key=lambda row: clips[row].start_s)
            of_video = [clips[row] for row in rows]
            try:
                info = _whole(video, of_video, fps=manifest.clips[rows[0]].fps)
            except HeatpoolError as error:
                _log.warning("no annotated video of %s: %s", video, error)
            else:
                _report_gaps(video, store, [row for row in rows if row in usable])
                persons = _PersonsOfClips(store, {at: row for at, row in enumerate(rows) if row in usable})
                try:
                    _draw(path, video, info, of_video, persons, overwrite=overwrite)
                except FrameCountError as count:  # it holds more frames than it promised
                    _draw(path, video, info.corrected(count.decoded), of_video, persons, overwrite=overwrite)
            progress.step()


def _report_gaps(video: Path, store: FeatureStore, rows: Sequence[int]) -> None:
    """Say when persons will be drawn now and then only."""
    table = store.clips
    steps_s = [float(table.frames[row] / table.fps[row] / store.spec.steps) for row in rows if table.fps[row]]
    if max(steps_s, default=0.0) > _GAP_S:
        _log.info(
            "%s: its features lie %.1f s apart, persons are drawn only near them; shorter windows "
            "(--window-s 4) show them throughout",
            video.name,
            max(steps_s),
        )


class _PersonsOfClips:
    """Persons of a video's clips, read when their turn comes; the features of the last clip are kept."""

    def __init__(self, store: FeatureStore, rows: Mapping[int, int]) -> None:
        self._store, self._rows = store, rows
        self._number: int | None = None
        self._features: dict[str, np.ndarray] = {}

    def at(self, number: int | None, time_s: float, *, size_px: tuple[int, int]) -> PersonsInView:
        """Return the persons of clip `number` at a time; nobody where there is no clip or nothing of it."""
        if number is None or number not in self._rows:
            return PersonsInView.nobody(self._store.spec.joints)
        if number != self._number:
            row = np.array([self._rows[number]])
            read = self._store.read(row, ("keypoints", "boxes", "mask", "time_s"))
            self._number, self._features = number, {name: values[0] for name, values in read.items()}
        persons = persons_at(self._features, time_s, size_px=size_px)
        return replace(persons, skeleton=self._store.spec.graph)


def _whole(video: Path, clips: Sequence[AnnotatedClip], *, fps: float) -> VideoInfo:
    """Probe the part of a video from the start of its first clip to the end of its last one."""
    ends_s = [clip.end_s for clip in clips if clip.end_s is not None]
    end_s = max(ends_s) if len(ends_s) == len(clips) else None
    info = probe(video, start_s=clips[0].start_s, end_s=end_s, fps=fps)
    return replace(info, seek=None)  # decoding from the start counts frames alike in every file


def _draw(
    path: Path,
    video: Path,
    info: VideoInfo,
    clips: Sequence[AnnotatedClip],
    persons: _PersonsOfClips,
    *,
    overwrite: bool,
) -> None:
    """Write the frames of a video with persons and panel; what a damaged one lacks is missing here, too.

    Raises:
        FrameCountError: if the video holds more frames than `info` says.
    """
    frames = iter_frames(video, np.arange(info.frames), info=info)
    first = next(frames, None)
    if first is None:
        raise HeatpoolError(f"expected a video with frames, none of {video.name} decodes")
    of_frame = first.rgb.shape[1], first.rgb.shape[0]
    size_px = scaled_size(of_frame, int(np.clip(max(of_frame), *_SIDES_PX)))
    last_s = float(info.times_s[-1]) + 1 / (info.fps or 25.0)
    panel = PredictionPanel(
        [(clip.start_s, last_s if clip.end_s is None else clip.end_s) for clip in clips],
        [clip.rows for clip in clips],
        [clip.reason for clip in clips],
        span_s=(float(info.times_s[0]), last_s),
        width_px=size_px[0],
    )
    view, drawn_px = View.whole(of_frame), (size_px[0], size_px[1] + panel.height_px)
    with create_video(path, size_px=drawn_px, fps=info.fps, overwrite=overwrite) as writer:
        for frame in _until_the_end(chain([first], frames), info):
            time_s = float(info.times_s[frame.index])  # decoders of some files mix the times of frames up
            number = clip_at(clips, time_s)
            picture = view.draw(frame.rgb, persons.at(number, time_s, size_px=of_frame), size_px=size_px)
            writer.write(np.concatenate([picture, panel.at(number, time_s)]), time_s)


def _until_the_end(frames: Iterator[DecodedFrame], info: VideoInfo) -> Iterator[DecodedFrame]:
    """Yield the frames of a video, of a damaged one those that decode."""
    try:
        yield from frames
    except FrameCountError as count:
        if count.decoded > info.frames:
            raise
