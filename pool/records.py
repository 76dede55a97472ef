"""Records that cross the seam between the stages: one clip's features, its outcome, the index.

Axis letters: N clips, M persons, T steps, V joints, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

__all__ = [
    "FIRST_COLUMNS",
    "TRANSIENT",
    "ClipFeatures",
    "ClipIndex",
    "ClipResult",
    "Split",
    "Status",
    "check_array",
]

FIRST_COLUMNS: tuple[str, ...] = ("subject", "camera", "setup", "repeat")
"""Columns every manifest knows; free text per clip, empty when unknown."""
TRANSIENT = "transient: "
"""How the reason of a failed clip begins that a fault of the moment kept from being read; resuming a store
tries it again."""


class Status(IntEnum):
    """Outcome of a clip in stage one, as stored in the `status` array (u1)."""

    PENDING = 0
    OK = 1
    NO_PERSON = 2
    TRUNCATED = 3
    FAILED = 4


class Split(IntEnum):
    """Split of a protocol that a clip belongs to, as stored in `split_*` arrays (u1)."""

    NONE = 0
    TRAIN = 1
    VAL = 2
    TEST = 3


def check_array(
    name: str,
    array: np.ndarray,
    shape: tuple[int | None, ...],
    dtype: type | np.dtype,
    *,
    finite: bool = True,
) -> None:
    """Raise ValueError unless an array is of `dtype`, of `shape` (None = any size) and, if asked, finite."""
    if not isinstance(array, np.ndarray):
        raise ValueError(f"expected {name} to be a numpy array, got {type(array).__name__}")
    if array.dtype != np.dtype(dtype):
        raise ValueError(f"expected {name} of dtype {np.dtype(dtype)}, got {array.dtype}")
    fits = array.ndim == len(shape) and all(
        want is None or want == got for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = tuple("any" if size is None else size for size in shape)
        raise ValueError(f"expected {name} of shape {wanted}, got {array.shape}")
    if finite and array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"expected {name} to be finite, got NaN or infinity")


@dataclass(frozen=True, eq=False)
class ClipFeatures:
    """Features of one clip, resampled to T steps. Absent persons are zero with a False mask.

    Attributes:
        pooled: (M, T, V, C) float32, feature vector of each joint.
        keypoints: (M, T, V, 3) float32: x and y with [-1, 1] spanning the frame, score in [0, 1].
        boxes: (M, T, 4) float32 xyxy, as fractions of frame width and height.
        mask: (M, T) bool, the person was really seen at this step.
        time_s: (T,) float32, seconds from the start of the video.
        rgb: (F, D) float32, image embeddings of F crops around the persons; None without them.
        rgb_jpeg: (F, L) uint8, the crops themselves, each a JPEG file and zeros after it; None without them.
        map_mean: (M, T, C) float32, mean over each tapped map of the person; None where it is not kept.

    Raises:
        ValueError: if a shape, dtype or value is not as stated.
    """

    pooled: np.ndarray
    keypoints: np.ndarray
    boxes: np.ndarray
    mask: np.ndarray
    time_s: np.ndarray
    rgb: np.ndarray | None = None
    rgb_jpeg: np.ndarray | None = None
    map_mean: np.ndarray | None = None

    def __post_init__(self) -> None:
        check_array("pooled", self.pooled, (None, None, None, None), np.float32)
        persons, steps, joints, channels = self.pooled.shape
        check_array("keypoints", self.keypoints, (persons, steps, joints, 3), np.float32)
        check_array("boxes", self.boxes, (persons, steps, 4), np.float32)
        check_array("mask", self.mask, (persons, steps), np.bool_)
        check_array("time_s", self.time_s, (steps,), np.float32)
        if self.map_mean is not None:
            check_array("map_mean", self.map_mean, (persons, steps, channels), np.float32)
        if self.rgb is not None:
            check_array("rgb", self.rgb, (None, None), np.float32)
        if self.rgb_jpeg is not None:
            check_array("rgb_jpeg", self.rgb_jpeg, (None, None), np.uint8)

    def __repr__(self) -> str:
        seen = self.mask.any(1).sum()
        return f"ClipFeatures(pooled (M,T,V,C)={self.pooled.shape}, persons seen={seen})"


@dataclass(frozen=True)
class ClipResult:
    """How stage one ended for a clip and what the video turned out to be.

    Attributes:
        status: outcome.
        frames: frames the clip really holds (decoded or demuxed, not the header's claim).
        fps: mean frames per second; 0 when unknown.
        width_px: frame width after rotation; 0 when unknown.
        height_px: frame height after rotation; 0 when unknown.
        persons: person slots that are filled.
        reason: why it failed or needs a look, in one line; empty when all went well.

    Raises:
        ValueError: if a count is negative or fps is not finite.
    """

    status: Status
    frames: int = 0
    fps: float = 0.0
    width_px: int = 0
    height_px: int = 0
    persons: int = 0
    reason: str = ""

    def __post_init__(self) -> None:
        counts = (self.frames, self.width_px, self.height_px, self.persons)
        if min(counts) < 0 or not np.isfinite(self.fps) or self.fps < 0:
            raise ValueError(f"expected counts and fps >= 0, got {counts} and fps {self.fps}")

    @property
    def transient(self) -> bool:
        """Whether it failed by a fault of the moment."""
        return self.status == Status.FAILED and self.reason.startswith(TRANSIENT)


@dataclass(frozen=True, eq=False)
class ClipIndex:
    """What is known about every clip before extraction: ids, labels, metadata and splits.

    Attributes:
        clip_id: N unique ids.
        path: N video paths as the manifest gives them.
        label: (N,) int32, -1 for an unlabelled clip.
        class_names: names in label order.
        columns: free text per clip (subject, camera, ...), "" when unknown.
        splits: per protocol (xsub, xview, ...) an (N,) uint8 array of `Split`.
        disjoint: per protocol that has a rule the column whose values train and test must not share.

    Raises:
        ValueError: if lengths differ, ids repeat, a label has no class name or a rule is no pair of texts.
    """

    clip_id: tuple[str, ...]
    path: tuple[str, ...]
    label: np.ndarray
    class_names: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    splits: Mapping[str, np.ndarray] = field(default_factory=dict)
    disjoint: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.clip_id)
        if len(set(self.clip_id)) != count:
            raise ValueError(f"expected unique clip ids, got {count - len(set(self.clip_id))} repeated")
        if len(self.path) != count:
            raise ValueError(f"expected {count} paths, got {len(self.path)}")
        check_array("label", self.label, (count,), np.int32)
        low, high = (self.label.min(), self.label.max()) if count else (0, -1)
        if not -1 <= low <= high + 1 <= len(self.class_names):
            raise ValueError(f"expected labels from -1 to {len(self.class_names) - 1}, got {low} to {high}")
        for name, values in self.columns.items():
            if len(values) != count:
                raise ValueError(f"expected {count} values in column {name}, got {len(values)}")
        for name, splits in self.splits.items():
            check_array(f"split {name}", splits, (count,), np.uint8)
            if (high := splits.max(initial=0)) > max(Split):
                raise ValueError(f"expected splits 0 to {max(Split)} in split {name}, got {high}")
        if not all(isinstance(text, str) for rule in self.disjoint.items() for text in rule):
            raise ValueError(f"expected a column per protocol in disjoint, got {self.disjoint!r:.80}")

    def __len__(self) -> int:
        return len(self.clip_id)

    def __repr__(self) -> str:
        return f"ClipIndex({len(self)} clips, {len(self.class_names)} classes, splits={list(self.splits)})"
