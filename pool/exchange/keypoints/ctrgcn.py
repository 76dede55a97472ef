"""The `.npz` that CTR-GCN trains on: joints of NTU RGB+D in space, with labels and a split.

`x_train`, `x_test` (N, T, 150): two persons of 25 joints of x, y, z in each of up to 300 frames, zero where
nobody is; `y_train`, `y_test` (N, classes), one of them 1.
Source: seq_transformation.py and feeders/feeder_ntu.py of https://github.com/Uason-Chen/CTR-GCN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from heatpool.pool.disk.limits import MAX_CLIP_VALUES
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.array_files import (
    ArrayHead,
    array_errors,
    array_heads,
    read_array,
    stream_array,
)
from heatpool.pool.exchange.keypoints.records import PoseVideo
from heatpool.pool.records import ClipIndex, Split
from heatpool.pool.skeleton import NTU25_SKELETON, Skeleton

__all__ = ["CtrgcnFile", "read_ctrgcn"]

_AXES = 3
_MOST_CLIPS = 10_000_000
_PARTS = {"train": Split.TRAIN, "val": Split.VAL, "test": Split.TEST}
_PROTOCOLS = {"_CS.": "xsub", "_CSUB.": "xsub", "_CV.": "xview", "_CSET.": "xset"}
"""What names of CTR-GCN's files say of the split."""


@dataclass(eq=False)
class CtrgcnFile:
    """A file of CTR-GCN's, read clip by clip in the order of its arrays.

    Attributes:
        path: of the file.
        heads: shape and type of each x by part (train, val, test).
        names: part and number of each clip; the file has none.
        labels: (N,) of all parts one after another.
        classes: number of classes.
    """

    path: Path
    heads: Mapping[str, ArrayHead]
    names: tuple[str, ...]
    labels: np.ndarray
    classes: int
    _streams: dict[str, tuple[IO[bytes], int]] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    @property
    def kind(self) -> str:
        """CTR-GCN's."""
        return "CTR-GCN .npz"

    @property
    def skeleton(self) -> Skeleton:
        """Kinect's 25 joints."""
        return NTU25_SKELETON

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not there."""
        return ("the file has no clip names: they are called by part and number",)

    def index(self, class_names: Sequence[str] = ()) -> ClipIndex:
        """Return labels and the split; classes without names are called `class 0`, ….

        Raises:
            HeatpoolError: if there are fewer names than classes.
        """
        names = tuple(class_names) or tuple(f"class {number}" for number in range(self.classes))
        if len(names) < self.classes:
            raise HeatpoolError(f"{self.path}: expected names of {self.classes} classes, got {len(names)}")
        parts = [np.full(head.shape[0], _PARTS[part], np.uint8) for part, head in self.heads.items()]
        upper = self.path.name.upper()
        protocol = next((name for key, name in _PROTOCOLS.items() if key in upper), "split")
        return ClipIndex(self.names, self.names, self.labels, names, splits={protocol: np.concatenate(parts)})

    def read(self, number: int) -> PoseVideo:
        """Read a clip. Raises HeatpoolError if the file is damaged."""
        part, _, row = self.names[number].partition("_")
        with array_errors(self.path):
            values = self._clip(part, int(row))
        persons = values.reshape(len(values), -1, NTU25_SKELETON.joints, _AXES)
        frame, person = np.nonzero(np.isfinite(persons).all((2, 3)) & persons.any((2, 3)))
        joints = persons[frame, person].astype(np.float32)
        return PoseVideo(
            name=self.names[number],
            frame=frame.astype(np.int64),
            track=person.astype(np.int64),
            joints=joints,
            joint_score=np.ones(joints.shape[:2], np.float32),
            score=np.ones(len(joints), np.float32),
        )

    def _clip(self, part: str, row: int) -> np.ndarray:
        """(T, M V D) values of a clip. A compressed file is read on from the clip before."""
        if part not in self._streams:
            _, opened = self._stack.enter_context(stream_array(self.path, f"x_{part}"))
            self._streams[part] = opened, opened.tell()
        head, (file, start) = self.heads[part], self._streams[part]
        size = head.shape[1] * head.shape[2] * head.dtype.itemsize
        file.seek(start + row * size)
        data = file.read(size)
        if len(data) < size:
            raise EOFError(f"x_{part} ends early")
        return np.frombuffer(data, head.dtype).reshape(head.shape[1:])


def read_ctrgcn(path: Path) -> CtrgcnFile:
    """Open a file of CTR-GCN's; clips are read when they are asked for.

    Raises:
        HeatpoolError: if it is no such file.
    """
    all_heads = array_heads(path)
    heads = {part: all_heads[f"x_{part}"] for part in _PARTS if f"x_{part}" in all_heads}
    wide = NTU25_SKELETON.joints * _AXES
    for part, head in heads.items():
        shape = head.shape
        fits = len(shape) == 3 and shape[2] % wide == 0 < min(shape) and not head.fortran
        small = fits and shape[0] <= _MOST_CLIPS and shape[1] * shape[2] <= MAX_CLIP_VALUES
        if not small or head.dtype.kind != "f":
            raise HeatpoolError(f"{path}: expected x_{part} as floats (N, T, 150), got {head.dtype} {shape}")
    if not heads:
        raise HeatpoolError(f"{path}: expected x_train or x_test, got {', '.join(all_heads) or 'no array'}")
    labels = [_labels(path, part, head.shape[0], all_heads) for part, head in heads.items()]
    return CtrgcnFile(
        path,
        heads,
        tuple(f"{part}_{number:06d}" for part, head in heads.items() for number in range(head.shape[0])),
        np.concatenate([each for each, _ in labels]),
        max(classes for _, classes in labels),
    )


def _labels(path: Path, part: str, count: int, heads: Mapping[str, ArrayHead]) -> tuple[np.ndarray, int]:
    """(N,) labels of a part, and how many classes there are; -1 where there are none."""
    if f"y_{part}" not in heads:
        return np.full(count, -1, np.int32), 0
    values = read_array(path, f"y_{part}")
    if values.ndim == 2 and len(values) == count and values.shape[1]:
        if not ((values == 0) | (values == 1)).all() or not (values.sum(1) == 1).all():
            raise HeatpoolError(f"{path}: expected y_{part} with a single 1 for each clip, got others")
        return values.argmax(1).astype(np.int32), values.shape[1]
    if values.shape != (count,) or values.dtype.kind not in "iu" or not count or not values.min() >= 0:
        raise HeatpoolError(f"{path}: expected y_{part} ({count}, classes) or ({count},), got {values.shape}")
    return values.astype(np.int32), int(values.max()) + 1
