"""Measured constants of a forecast, and the arithmetic over them; docs/scaling.md says how they came about.

Axis letters: N clips, M persons, T steps, V joints, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from numpy import dtype, prod

from heatpool.pool.records import ClipResult, Precision, Status
from heatpool.pool.resample import ResamplePlan
from heatpool.pool.store.attributes import code_version
from heatpool.pool.store.journal import ShardRecord
from heatpool.pool.store.layout import INDEX_CHUNK_CLIPS, ArraySpec, Layout

__all__ = [
    "CHANNELS",
    "INDEX_ARRAYS",
    "MANIFEST_CLIP_BYTES",
    "PROCESS_BYTES",
    "THREAD_COSTS",
    "ThreadCost",
    "feature_bytes",
    "frames_read",
    "index_bytes",
    "journal_bytes",
    "pooled_ratio",
    "raw_bytes",
    "store_files",
]


@dataclass(frozen=True)
class ThreadCost:
    """Time that one hardware thread takes, in float32.

    Attributes:
        frame_ms: of each frame that is read: decoding, converting, detecting, writing.
        person_ms: of each person in it: cutting out, posing, pooling.
    """

    frame_ms: float
    person_ms: float


MACHINE = "one hardware thread of an AMD EPYC (Zen 4)"
THREAD_COSTS: Mapping[str, ThreadCost] = {
    "tiny": ThreadCost(frame_ms=3.4, person_ms=2.4),
    "yolo-pose": ThreadCost(frame_ms=208, person_ms=0),
    "vitpose": ThreadCost(frame_ms=59, person_ms=411),
    "hrnet-simcc": ThreadCost(frame_ms=63, person_ms=285),
}
"""By backend: columns "ms a frame" and "ms a person" of docs/benchmarks.md, "Where the time goes".

Measured with yolo11n at 640 pixels on 1920 x 1080 (tiny: its own detector on 256 x 192)."""

CHANNELS: Mapping[str, int] = {"tiny": 64, "hrnet-simcc": 96, "yolo-pose": 128, "vitpose": 768}
"""C of the default tap: of yolo26s-pose and ViTPose-B where the network has several sizes."""

# Bytes on disk over bytes in memory. HRNet: the two clips that HP-Net's authors published (docs/format.md);
# tiny and the small arrays: the demo's 360 clips (heatpool info demo_out/features.zarr).
_POOLED_RATIOS: Mapping[tuple[str, Precision], float] = {
    ("hrnet-simcc", "f2"): 153_827 / (2 * 64 * 17 * 96),
    ("hrnet-simcc", "u1"): 68_826 / (64 * 17 * 96),
    ("tiny", "f2"): 71_015 / (2 * 64 * 17 * 64),
    ("tiny", "u1"): 32_270 / (64 * 17 * 64),
}
SMALL_RATIOS: Mapping[str, float] = {"keypoints": 0.61, "boxes": 0.55, "mask": 0.07, "time_s": 0.19}

INDEX_ARRAYS = 15
"""clip_id, path, label and six results, with four columns and two protocols, as NTU RGB+D has."""
_INDEX_BYTES = 64  # a clip: id and path of 50 characters together, uncompressed, and numbers: an upper bound

PROCESS_BYTES = 300e6
"""Memory of `heatpool extract --workers N` with its scheduler, and of each worker before its networks.

Measured, as `MANIFEST_CLIP_BYTES`, by `python -m benchmarks.tasks --clips 1 1000000`."""

MANIFEST_CLIP_BYTES = 800
"""What each clip of the manifest adds to the memory of the program at most: while the store is made."""


def frames_read(frames: float, steps: int) -> int:
    """Frames of a clip that are decoded to pixels and looked at: at most 2 T, whatever its length."""
    return len(ResamplePlan.linear(max(round(frames), 1), steps).frames)


def pooled_ratio(backend: str, precision: Precision) -> float | None:
    """Bytes on disk over bytes in memory of `pooled`; None where nobody measured it."""
    return _POOLED_RATIOS.get((backend, precision))


def raw_bytes(spec: ArraySpec, persons: float) -> float:
    """Bytes of a stored array in memory, for a clip with so many people."""
    size = float(prod(spec.item_shape)) * dtype(spec.dtype).itemsize
    return size / spec.item_shape[0] * persons if "person" in spec.dims else size


def feature_bytes(layout: Layout, persons: float, ratios: Mapping[str, float]) -> dict[str, float]:
    """Bytes on disk of each stored array, for all N clips; an array without a ratio counts in full."""
    return {
        name: layout.clips * raw_bytes(spec, persons) * ratios.get(name, 1.0)
        for name, spec in layout.stored.items()
    }


def index_bytes(clips: int) -> float:
    """Bytes of ids, paths, labels, splits and results."""
    return float(clips * _INDEX_BYTES)


def journal_bytes(layout: Layout, frames: float, persons: float) -> float:
    """Bytes of all journal records: that of a full shard, as it would be written, times the shards."""
    result = ClipResult(Status.OK, round(frames), 30.0, 1920, 1080, round(persons))
    first = layout.rows(0)
    files = {layout.shard_key(name, 0): (1_000_000, "0" * 64) for name in layout.stored}
    record = ShardRecord.of(
        layout, 0, files=files, results=[result] * len(first), code_version=code_version()
    )
    return float(len(record.to_bytes()) * layout.shards)


def store_files(layout: Layout, index_arrays: int = INDEX_ARRAYS) -> int:
    """Files of a finished store: S an array and a record each shard, index chunks, metadata."""
    of_shards = layout.shards * (len(layout.stored) + 1)
    of_index = index_arrays * math.ceil(layout.clips / INDEX_CHUNK_CLIPS)
    metadata = len(layout.stored) + index_arrays + 1  # zarr.json of each array and of the root
    return of_shards + of_index + metadata + len(("index.json", "failures.csv", "finished.json", "run.json"))
