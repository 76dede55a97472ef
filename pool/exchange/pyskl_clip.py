"""One annotation of a PYSKL file, in any of the layouts that are published (see `pyskl_file`)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from heatpool.pool.errors import shorten
from heatpool.pool.exchange.plain_pickle import plain_array

__all__ = ["PysklClip", "PysklEntry"]

_MOST_SCORE = 1.01  # a third coordinate up to here is a score; half precision rounds
_LEAST_PIXELS, _MOST_UNBOUNDED_SCORE = 50, 20
_NOTHING = 1e-5  # of coordinates: as in PYSKL, nobody is there
_MOST_VALUES = 1 << 28  # of a clip that a compact layout unfolds to
_ELSEWHERE = ("raw_file", "filename", "frame_inds", "box_score")  # of annotations without keypoints
_LAYOUT = "(M, T, V, 2), or 3, with M persons, T frames, V joints"


@dataclass(frozen=True, eq=False)
class PysklClip:
    """A clip as a store wants it.

    Attributes:
        keypoint: (M, T, V, 2) pixels, or (M, T, V, 3) of a 3-D file; float32, finite.
        score: (M, T, V) float32 in [0, 1]; 0 where a joint was not found.
    """

    keypoint: np.ndarray
    score: np.ndarray


@dataclass(frozen=True, eq=False)
class PysklEntry:
    """An annotation, checked for its shapes; its arrays are as they stand in the file.

    Attributes:
        name: of the clip.
        label: as text, "" without one.
        size_px: height and width of the frame, None where the file does not tell.
        keypoint: (M, T, V, 2 or 3), or (R, V, 2 or 3) of R persons where `frame_inds` is there.
        score: one value per joint, None where there are none.
        frame_inds: (R,) frame of each person, None in any but the compact layout.
        frames: T.

    Raises:
        ValueError: if it is no such annotation; the text says what it is instead.
    """

    name: str
    label: str
    size_px: tuple[int, int] | None
    keypoint: np.ndarray
    score: np.ndarray | None
    frame_inds: np.ndarray | None
    frames: int

    @classmethod
    def parse(cls, entry: Any) -> PysklEntry:
        """Check an annotation."""
        if not isinstance(entry, Mapping):
            raise ValueError(f"expected annotations that are dicts, got a {type(entry).__name__}")
        name = _name(entry)
        try:
            keypoint = _keypoints(entry)
            inds = plain_array(entry["frame_inds"]) if _is_compact(entry, keypoint) else None
            score = plain_array(entry["keypoint_score"]) if entry.get("keypoint_score") is not None else None
            frames = _count_frames(entry, keypoint, inds)
            if inds is None and keypoint.ndim == 3:
                keypoint, score = keypoint[None], None if score is None else score.reshape(1, *score.shape)
            score = _scores(score, keypoint)
            label, size_px = _label(entry.get("label")), _size(entry)
        except (ValueError, TypeError, OverflowError) as error:
            raise ValueError(f"clip {shorten(name)}: {error}") from error
        return cls(name, label, size_px, keypoint, score, inds, frames)

    @property
    def joints(self) -> int:
        """V."""
        return int(self.keypoint.shape[-2])

    @property
    def is_spatial(self) -> bool:
        """Whether its third coordinate cannot be a score: negative or too large for one."""
        if self.keypoint.shape[-1] != 3 or self.frame_inds is not None:
            return False
        values = self.keypoint[np.isfinite(self.keypoint).all(-1)].astype(np.float32)
        if not len(values):
            return False
        # Some networks' scores are not bounded by 1; beside pixels they are still told from depths.
        in_pixels = np.abs(values[:, :2]).max() > _LEAST_PIXELS
        most = _MOST_UNBOUNDED_SCORE if in_pixels else _MOST_SCORE
        return not 0 <= values[:, 2].min() <= values[:, 2].max() <= most

    def reach_px(self) -> tuple[float, float]:
        """Return the largest finite x and y of its joints."""
        points = self.keypoint[..., :2].astype(np.float32).reshape(-1, 2)
        x, y = points[np.isfinite(points).all(1)].max(0, initial=0).tolist()
        return x, y

    def clip(self, *, spatial: bool, remarks: Counter[str]) -> PysklClip:
        """Return the clip; `remarks` counts what is no number, and scores beyond 1."""
        axes = 3 if spatial else 2
        values = self.keypoint[..., :axes].astype(np.float32)
        found = np.isfinite(values).all(-1)
        values[~found] = 0
        score = self.score
        if score is None and not spatial and self.keypoint.shape[-1] == 3:
            score = self.keypoint[..., 2]
        # Without scores, a joint or person that was not found is at 0, as PYSKL takes it.
        scores = (
            (np.abs(values) > 1e-5).any(-1).astype(np.float32) if score is None else score.astype(np.float32)
        )
        known = np.isfinite(scores)
        remarks["joints are no finite numbers and count as not found"] += int((~found | ~known).sum())
        remarks["scores are outside 0 to 1 and count as the nearer one"] += int(
            (known & ((scores < 0) | (scores > _MOST_SCORE))).sum()
        )
        scores = np.where(found & known, scores, 0).clip(0, 1)
        if self.frame_inds is not None:
            values, scores = _unfold(values, scores, self.frame_inds.astype(np.int64), self.frames)
        return PysklClip(values, scores)


def _name(entry: Mapping[Any, Any]) -> str:
    name = entry.get("frame_dir", entry.get("filename"))
    if not isinstance(name, str) or not name:
        given = ", ".join(map(str, entry))
        raise ValueError(f"expected annotations with a frame_dir, got one with {shorten(given)}")
    return name


def _keypoints(entry: Mapping[Any, Any]) -> np.ndarray:
    key = next((key for key in ("keypoint", "kp", "keypoints") if entry.get(key) is not None), None)
    if key is None:
        elsewhere = next((key for key in _ELSEWHERE if key in entry), None)
        if elsewhere:
            raise ValueError(
                f"it is a list of clips whose keypoints lie in other files, as of Kinetics ({elsewhere} "
                f"{shorten(entry[elsewhere])}); put them into the annotations as keypoint"
            )
        raise ValueError(f"expected a keypoint, got {shorten(', '.join(map(str, entry)))}")
    array = plain_array(entry[key])
    if array.dtype.kind not in "biuf":
        raise ValueError(f"expected numbers as {key}, got {array.dtype}")
    fits = (
        array.ndim in (3, 4) and array.shape[-1] in (2, 3) and 0 not in array.shape[-3 + (array.ndim < 4) :]
    )
    if not fits:
        raise ValueError(f"expected keypoints {_LAYOUT}, got {array.shape}")
    return array


def _is_compact(entry: Mapping[Any, Any], keypoint: np.ndarray) -> bool:
    return entry.get("frame_inds") is not None and keypoint.ndim == 3


def _count_frames(entry: Mapping[Any, Any], keypoint: np.ndarray, inds: np.ndarray | None) -> int:
    """Return T; the axes must be where `total_frames`, if it is there, says that they are."""
    total = entry.get("total_frames")
    total = None if total is None else int(total)
    if inds is None:
        frames = int(keypoint.shape[-3])
        if frames < 1:
            raise ValueError(f"expected frames, got keypoints {keypoint.shape}")
        if total not in (None, frames) and total in keypoint.shape[:-1]:
            raise ValueError(f"expected keypoints {_LAYOUT} of {total} frames, got {keypoint.shape}")
        return frames
    if inds.shape != keypoint.shape[:1] or inds.dtype.kind not in "iu":
        raise ValueError(f"expected frame_inds of {len(keypoint)} persons, got {inds.dtype} {inds.shape}")
    frames = total or int(inds.max(initial=0)) + 1
    if len(inds) and not 0 <= inds.min() <= inds.max() < frames:
        raise ValueError(f"expected frame_inds from 0 to {frames - 1}, got {inds.min()} to {inds.max()}")
    return frames


def _scores(score: np.ndarray | None, keypoint: np.ndarray) -> np.ndarray | None:
    if score is None:
        return None
    if score.shape == (*keypoint.shape[:-1], 1):
        score = score[..., 0]
    if score.shape != keypoint.shape[:-1] or score.dtype.kind not in "biuf":
        beside = f"{keypoint.shape[:-1]} beside keypoints {keypoint.shape}"
        raise ValueError(f"expected keypoint_score {beside}, got {score.shape}")
    return score


def _label(label: Any) -> str:
    """Return a label as text."""
    if label is None or (isinstance(label, float) and math.isnan(label)):
        return ""
    if isinstance(label, str):
        return label
    values = plain_array(label).reshape(-1).tolist()
    if len(values) != 1 or isinstance(values[0], bool):
        raise ValueError(f"expected one label, got {shorten(values)}")
    return str(values[0])


def _size(entry: Mapping[Any, Any]) -> tuple[int, int] | None:
    given = entry.get("img_shape", entry.get("original_shape"))
    if given is None:
        return None
    size = plain_array(given).reshape(-1).tolist()
    if len(size) < 2 or min(size[:2]) < 1:
        raise ValueError(f"expected img_shape (height, width), got {shorten(size)}")
    return int(size[0]), int(size[1])


def _unfold(
    values: np.ndarray, scores: np.ndarray, inds: np.ndarray, frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """Give each person of a frame a place of its own on the axis M, as PYSKL's DecompressPose does."""
    order = np.argsort(inds, kind="stable")
    values, scores, inds = values[order], scores[order], inds[order]
    first = np.searchsorted(inds, inds)
    place = np.arange(len(inds)) - first
    persons = int(place.max(initial=-1)) + 1
    if persons * frames * values[0:1].size > _MOST_VALUES:
        raise ValueError(f"expected fewer persons and frames, got {persons} and {frames}")
    all_values = np.zeros((persons, frames, *values.shape[1:]), np.float32)
    all_scores = np.zeros((persons, frames, *scores.shape[1:]), np.float32)
    all_values[place, inds], all_scores[place, inds] = values, scores
    return all_values, all_scores
