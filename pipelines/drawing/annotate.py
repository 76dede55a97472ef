"""Annotated videos of `heatpool predict`: people as the store holds them, and the answer under way.

Nothing is computed again: the frames are decoded once more, everything else is read.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from heatpool.extract.datasets.manifest import Manifest
from heatpool.extract.video.reader import DecodedFrame, FrameCountError, VideoInfo, iter_frames, probe
from heatpool.pipelines.drawing.clip_frames import View
from heatpool.pipelines.drawing.panel import AnswerPanel, Row
from heatpool.pipelines.drawing.pictures import draw_frame, drawn_size
from heatpool.pipelines.drawing.scene import HeatFile, Scene
from heatpool.pipelines.drawing.video_writer import Film
from heatpool.pipelines.process.progress import Progress
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore

__all__ = ["FilmClip", "clip_under_way", "film_paths", "people_at", "write_films"]

_SIDES_PX = (
    640,
    1280,
)  # longer side of the drawn frames: smaller ones are enlarged, so that text is readable
_GAP_S = 0.25  # people are drawn between two steps of their features only if these are not further apart


@dataclass(frozen=True)
class FilmClip:
    """A clip of a video with its answer.

    Attributes:
        start_s: in the video.
        end_s: in the video, None for its end.
        rows: best classes with probabilities, best first; empty if there is no answer.
        problem: what to show in their place.
    """

    start_s: float
    end_s: float | None
    rows: tuple[Row, ...]
    problem: str


def film_paths(folder: Path, manifest: Manifest, *, overwrite: bool) -> dict[Path, Path]:
    """Return the film of each video: its name below the folder, with .mp4 behind other suffixes.

    Raises:
        HeatpoolError: if two videos would share a film, or a file is in the way.
    """
    films: dict[Path, Path] = {}
    for video in dict.fromkeys(clip.path for clip in manifest.clips):
        below = video.is_relative_to(manifest.root) and ".." not in video.relative_to(manifest.root).parts
        inside = video.relative_to(manifest.root) if below else Path(video.name)
        film = folder / (inside if inside.suffix == ".mp4" else inside.with_name(f"{inside.name}.mp4"))
        if film in films.values():
            raise HeatpoolError(f"expected videos of different names for --annotate, two would become {film}")
        if film.exists() and (not overwrite or (video.exists() and film.samefile(video))):
            raise HeatpoolError(f"{film} exists; choose another folder or replace it with --overwrite")
        films[video] = film
    return films


def clip_under_way(clips: Sequence[FilmClip], time_s: float) -> int | None:
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


def people_at(features: Mapping[str, np.ndarray], time_s: float, *, size_px: tuple[int, int]) -> Scene:
    """Return the people of a clip at a time, read between the steps of its features.

    Steps that are at most 0.25 s apart are mixed linearly; else the nearest one counts, up to half of that
    away. A person who is missing in one of two steps is where the other one says.

    Args:
        features: `keypoints` (M, T, V, 3), `boxes` (M, T, 4), `mask` (M, T), `time_s` (T,) of a store.
        time_s: from the start of the video.
        size_px: width and height of a frame.

    Returns:
        A scene of one frame.
    """
    times_s, mask = features["time_s"].astype(np.float64), features["mask"]
    after = int(np.clip(np.searchsorted(times_s, time_s), 0, len(times_s) - 1))
    before = max(after - 1, 0)
    gap_s = times_s[after] - times_s[before]
    share = float(np.clip((time_s - times_s[before]) / gap_s, 0, 1)) if gap_s > 0 else 0.0
    near = after if share > 0.5 else before
    scene = Scene.empty(len(mask), 1, features["keypoints"].shape[2])
    for slot, seen in enumerate(mask):
        weights = {before: 1 - share, after: share} if gap_s <= _GAP_S else {near: 1.0}
        weights = {step: weight for step, weight in weights.items() if seen[step] and weight > 0}
        if not weights or (len(weights) == 1 and abs(times_s[next(iter(weights))] - time_s) > _GAP_S / 2):
            continue
        steps, parts = list(weights), np.array(list(weights.values()))
        parts /= parts.sum()
        keypoints = np.tensordot(parts, features["keypoints"][slot, steps].astype(np.float64), 1)
        boxes = np.tensordot(parts, features["boxes"][slot, steps].astype(np.float64), 1)
        scene.filled[slot, 0] = True
        scene.boxes_xyxy_px[slot, 0] = boxes * np.tile(size_px, 2)
        scene.joints_xy_px[slot, 0] = (keypoints[:, :2] + 1) / 2 * size_px
        scene.scores[slot, 0] = keypoints[:, 2]
    return scene


def write_films(
    films: Mapping[Path, Path],
    manifest: Manifest,
    store: FeatureStore,
    answers: Sequence[FilmClip],
    *,
    quiet: bool,
) -> None:
    """Write an annotated video for every one that can be read; say which cannot.

    Args:
        films: file to write by video.
        manifest: of the store.
        store: holds the people.
        answers: one a clip of the manifest.
        quiet: show no progress.

    Raises:
        HeatpoolError: if a film cannot be written.
    """
    usable = set(store.clips.rows().tolist())
    with Progress("film", len(films), "videos", quiet=quiet) as progress:
        for video, film in films.items():
            rows = [row for row, clip in enumerate(manifest.clips) if clip.path == video]
            rows.sort(key=lambda row: answers[row].start_s)
            try:
                info = _whole(video, [answers[row] for row in rows])
            except HeatpoolError as error:
                print(f"no film of {video}: {error}", file=sys.stderr)
            else:
                try:
                    film.parent.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise HeatpoolError(f"cannot write {film}: {error.strerror}") from error
                if not quiet:
                    _tell_gaps(video, store, [row for row in rows if row in usable])
                people = _Kept(store, {at: row for at, row in enumerate(rows) if row in usable})
                _write_film(film, video, info, [answers[row] for row in rows], people)
            progress.step()


def _tell_gaps(video: Path, store: FeatureStore, rows: Sequence[int]) -> None:
    """Say when people will be drawn now and then only."""
    steps_s = [float(store.clips.frames[row] / store.clips.fps[row] / store.spec.steps) for row in rows if store.clips.fps[row]]
    if max(steps_s, default=0.0) > _GAP_S:
        print(
            f"{video.name}: its features lie {max(steps_s):.1f} s apart, people are drawn only near them; "
            "shorter windows (--window-s 4) show them throughout",
            file=sys.stderr,
        )


class _Kept:
    """Features of a video's clips, read when their turn comes; those of the last clip are kept."""

    def __init__(self, store: FeatureStore, rows: Mapping[int, int]) -> None:
        self._store, self._rows = store, rows
        self._number: int | None = None
        self._features: dict[str, np.ndarray] = {}

    def at(self, number: int | None, time_s: float, *, size_px: tuple[int, int]) -> Scene:
        """Return the people of clip `number` at a time; nobody where there is no clip or nothing of it."""
        if number is None or number not in self._rows:
            return Scene.empty(0, 1, self._store.spec.joints)
        if number != self._number:
            row = np.array([self._rows[number]])
            read = self._store.read(row, ("keypoints", "boxes", "mask", "time_s"))
            self._number, self._features = number, {name: values[0] for name, values in read.items()}
        return people_at(self._features, time_s, size_px=size_px)


def _whole(video: Path, clips: Sequence[FilmClip]) -> VideoInfo:
    """Look at the part of a video from the start of its first clip to the end of its last one."""
    ends_s = [clip.end_s for clip in clips if clip.end_s is not None]
    end_s = max(ends_s) if len(ends_s) == len(clips) else None
    info = probe(video, start_s=clips[0].start_s, end_s=end_s)
    return replace(info, seek=None)  # decoding from the start counts frames alike in every file


def _write_film(film: Path, video: Path, info: VideoInfo, clips: Sequence[FilmClip], people: _Kept) -> None:
    try:
        _draw(film, video, info, clips, people)
    except FrameCountError as count:  # it holds more frames than it promised
        _draw(film, video, info.corrected(count.decoded), clips, people)


def _draw(path: Path, video: Path, info: VideoInfo, clips: Sequence[FilmClip], people: _Kept) -> None:
    """Write the frames of a video with people and panel; what a damaged one lacks is missing here, too.

    Raises:
        FrameCountError: if the video holds more frames than `info` says.
    """
    frames = iter_frames(video, np.arange(info.frames), info=info)
    first = next(frames, None)
    if first is None:
        raise HeatpoolError(f"expected a video with frames, none of {video.name} decodes")
    height_px, width_px = first.rgb.shape[:2]
    size_px = drawn_size((width_px, height_px), int(np.clip(max(width_px, height_px), *_SIDES_PX)))
    last_s = float(info.times_s[-1]) + 1 / (info.fps or 25.0)
    panel = AnswerPanel(
        [(clip.start_s, last_s if clip.end_s is None else clip.end_s) for clip in clips],
        [clip.rows for clip in clips],
        [clip.problem for clip in clips],
        span_s=(float(info.times_s[0]), last_s),
        width_px=size_px[0],
    )
    view = View(0, 0, width_px, height_px)
    with (
        HeatFile() as no_heat,
        Film(path, size_px=(size_px[0], size_px[1] + panel.height_px), fps=info.fps) as film,
    ):
        frame: DecodedFrame | None = first
        while frame is not None:
            time_s = float(info.times_s[frame.index])  # decoders of some files mix the times of frames up
            number = clip_under_way(clips, time_s)
            scene = people.at(number, time_s, size_px=(width_px, height_px))
            picture = draw_frame(frame.rgb, scene, 0, heat=no_heat, view=view, size_px=size_px)
            film.write(np.concatenate([picture, panel.at(number, time_s)]), time_s)
            try:
                frame = next(frames, None)
            except FrameCountError as count:
                if count.decoded > info.frames:
                    raise
                frame = None
