"""MediaPipe's 33 pose landmarks in what people save them in: `.npy`, `.npz`, CSV or JSON.

MediaPipe itself writes no file. Its landmarks are x, y, z and visibility, in fractions of the picture; world
landmarks are metres from the middle of the hips.
Source: https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.exchange.array_files import array_heads, read_array
from heatpool.pool.exchange.keypoints.landmarks import (
    HOLISTIC_VALUES,
    LANDMARK_NAMES,
    Landmarks,
    landmark_axes,
)
from heatpool.pool.exchange.keypoints.mediapipe_csv import csv_landmarks
from heatpool.pool.exchange.keypoints.mediapipe_json import json_landmarks
from heatpool.pool.exchange.keypoints.records import PoseVideo
from heatpool.pool.skeleton import Skeleton

__all__ = ["MEDIAPIPE33_SKELETON", "MediapipeFiles", "read_mediapipe"]

MEDIAPIPE33_SKELETON = Skeleton(
    "mediapipe33",
    LANDMARK_NAMES,
    (
        (0, 1), (1, 2), (2, 3), (3, 7), (0, 4), (4, 5), (5, 6), (6, 8), (9, 10), (11, 12), (11, 13), (13, 15),
        (15, 17), (15, 19), (15, 21), (17, 19), (12, 14), (14, 16), (16, 18), (16, 20), (16, 22), (18, 20),
        (11, 23), (12, 24), (23, 24), (23, 25), (24, 26), (25, 27), (26, 28), (27, 29), (28, 30), (29, 31),
        (30, 32), (27, 31), (28, 32),
    ),
)  # fmt: skip
"""The landmarks and connections of MediaPipe's pose model; left is the person's own left."""

_JOINTS = MEDIAPIPE33_SKELETON.joints
_SUFFIXES = (".npy", ".npz", ".csv", ".tsv", ".json")
_MOST_FRACTION = 2.0  # most landmarks lie so near to the picture, in its sides
_NEGATIVE = 0.25  # share of coordinates below 0 from which on they are no part of a picture


@dataclass(frozen=True)
class MediapipeFiles:
    """Files of landmarks, one a video.

    Attributes:
        videos: the files of each; several where each holds a frame.
        names: of the videos.
        world: landmarks in space, else in the picture.
    """

    videos: tuple[tuple[Path, ...], ...]
    names: tuple[str, ...]
    world: bool

    @property
    def kind(self) -> str:
        """Which landmarks."""
        return f"MediaPipe{' world' if self.world else ''} landmarks"

    @property
    def skeleton(self) -> Skeleton:
        """The 33 landmarks."""
        return MEDIAPIPE33_SKELETON

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out."""
        return (
            () if self.world else ("z of the landmarks is left out; mediapipe-world takes world landmarks",)
        )

    def read(self, number: int) -> PoseVideo:
        """Read a video. Raises HeatpoolError if a file is damaged or holds something else."""
        paths = self.videos[number]
        try:
            if len(paths) > 1:
                found = _join([_read(path, world=self.world) for path in paths])
            else:
                found = _read(paths[0], world=self.world)
            return _video(self.names[number], found, world=self.world)
        except ValueError as error:
            raise HeatpoolError(f"{paths[0]}: {error}") from error


def read_mediapipe(path: Path, *, world: bool = False) -> MediapipeFiles:
    """Open a file of landmarks, or a folder of them, one a video.

    A folder of `0.npy`, `1.npy`, …, each with the landmarks of a frame, is a video too.

    Args:
        path: file or folder.
        world: take world landmarks, or arrays of them.

    Raises:
        HeatpoolError: if there is no such file.
    """
    if not path.is_dir():
        return MediapipeFiles(((path,),), (path.stem,), world)
    folders: dict[Path, list[Path]] = defaultdict(list)
    for each in sorted(path.rglob("*")):
        if each.suffix.lower() in _SUFFIXES:
            folders[each.parent].append(each)
    videos: dict[str, tuple[Path, ...]] = {}
    for folder, files in folders.items():
        if _are_frames(files):
            name = folder.relative_to(path).as_posix() if folder != path else path.name
            videos[name] = tuple(sorted(files, key=lambda each: int(each.stem)))
        else:
            videos |= {each.relative_to(path).with_suffix("").as_posix(): (each,) for each in files}
    if not videos:
        raise HeatpoolError(f"{path}: expected {', '.join(_SUFFIXES)} with landmarks, got none")
    return MediapipeFiles(tuple(videos.values()), tuple(videos), world)


def _are_frames(files: Sequence[Path]) -> bool:
    """Whether files are called by numbers and hold a frame each."""
    named = len(files) > 1 and all(each.suffix == ".npy" and each.stem.isdecimal() for each in files)
    return named and len(array_heads(files[0])[""].shape) == 1


def _read(path: Path, *, world: bool) -> Landmarks:
    suffix = path.suffix.lower()
    if suffix == ".json":
        return json_landmarks(path, world=world)
    if suffix in (".csv", ".tsv"):
        return csv_landmarks(path)
    heads = array_heads(path)
    fitting = [name for name, head in heads.items() if head.is_numeric and landmark_axes(head.shape)]
    meant = [name for name in fitting if ("world" in name.lower()) == world] or fitting[: len(fitting) == 1]
    if not meant:
        shapes = ", ".join(f"{name} {head.shape}".strip() for name, head in heads.items())
        raise ValueError(f"expected landmarks (frames, 33, 3 or 4), got {shorten(shapes)}")
    values = read_array(path, meant[0])
    axes = landmark_axes(values.shape)
    if values.shape[-1] == HOLISTIC_VALUES:
        values = values[..., : _JOINTS * 4]
    values = values.reshape(-1, *((values.shape[1],) if values.ndim == 4 else (1,)), _JOINTS, axes)
    frame = np.repeat(np.arange(len(values)), values.shape[1])
    return Landmarks.of(frame, values.reshape(-1, _JOINTS, axes), frames=len(values))


def _join(files: Sequence[Landmarks]) -> Landmarks:
    """Landmarks of files with a frame each."""
    frame = [np.full(len(each.frame), number) for number, each in enumerate(files)]
    xyz, visibility = ([getattr(each, name) for each in files] for name in ("xyz", "visibility"))
    return Landmarks(
        np.concatenate(frame), np.concatenate(xyz), np.concatenate(visibility), frames=len(files)
    )


def _video(name: str, found: Landmarks, *, world: bool) -> PoseVideo:
    """The record of landmarks; persons all of whose values are 0 are those who were not found."""
    axes = 3 if world else 2
    kept = np.isfinite(found.xyz).all(-1).any(1) & (np.nan_to_num(found.xyz) != 0).any((1, 2))
    rows = np.flatnonzero(kept)[np.argsort(found.frame[kept], kind="stable")]
    joints, score = found.xyz[rows, :, :axes], found.visibility[rows]
    given = np.isfinite(joints).all(-1) & (score > 0)
    points = joints[given]
    in_pixels = bool(len(points)) and float(np.quantile(np.abs(points), 0.75)) > _MOST_FRACTION
    if not world and len(points) and (points < 0).mean() > _NEGATIVE:
        raise ValueError("expected landmarks in the picture, got negative ones, as of world landmarks")
    if world and in_pixels:
        raise ValueError("expected world landmarks in metres, got larger ones, as of a picture")
    width_px, height_px = found.width_px, found.height_px
    if not world and not in_pixels:
        width_px, height_px = width_px or 1, height_px or 1
        joints = joints * (width_px, height_px)
    return PoseVideo(
        name=name,
        frame=found.frame[rows],
        track=np.full(len(rows), -1, np.int64),
        joints=np.where(given[..., None], joints, np.nan).astype(np.float32),
        joint_score=np.where(given, score.clip(0, 1), 0).astype(np.float32),
        score=np.ones(len(rows), np.float32),
        width_px=width_px,
        height_px=height_px,
        fps=found.fps,
        frames=found.frames,
    )
