"""What extracting a large data set will take: the formulas of docs/scaling.md, each figure with its source.

Axis letters: N clips, M persons, T steps, V joints, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from heatpool.pipelines.extraction.run_file import read_run_file, videos_root
from heatpool.pipelines.options import ForecastOptions
from heatpool.pipelines.process.units import format_bytes, format_duration
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipResult, Status
from heatpool.pool.resample import ResamplePlan
from heatpool.pool.store.arrays import INDEX_CHUNK_CLIPS, ArraySpec
from heatpool.pool.store.attributes import code_version
from heatpool.pool.store.journal import ShardRecord
from heatpool.pool.store.layout import Layout
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import Precision

__all__ = ["CHANNELS", "Estimate", "feature_bytes", "forecast", "frames_read", "journal_bytes", "store_files"]

_JOINTS = 17

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
_SMALL_RATIOS: Mapping[str, float] = {"keypoints": 0.61, "boxes": 0.55, "mask": 0.07, "time_s": 0.19}

# clip_id, path, label and six results, with four columns and two protocols, as NTU RGB+D has.
_INDEX_ARRAYS = 15
_INDEX_BYTES = 64  # per clip: id and path of 50 characters together, uncompressed, and numbers: at the most

# Memory of `heatpool extract --workers N` with its scheduler, and of each worker before its networks; and
# what each clip of the manifest adds to the program at most, while the store is made. Both measured by
# `python -m benchmarks.tasks --clips 1 1000000`.
_PROCESS_BYTES = 300e6
_MANIFEST_CLIP_BYTES = 800


@dataclass(frozen=True)
class Estimate:
    """One line of a forecast.

    Attributes:
        name: what is forecast.
        value: seconds, bytes or a count; NaN when it is unknown.
        text: the value for people.
        formula: how it comes about.
        source: where its constants were measured.
    """

    name: str
    value: float
    text: str
    formula: str
    source: str = ""


@dataclass(frozen=True)
class _Basis:
    """What is known of a clip, from options or from a store of the same kind.

    Attributes:
        clip_s: seconds of one worker for a clip, NaN when nobody measured them.
        ratios: bytes on disk over bytes in memory, by array.
        video_mb: MB of a clip's video, NaN when they are unknown.
    """

    frames: float
    persons: float
    layout: Layout
    clip_s: float
    time_formula: str
    time_source: str
    ratios: Mapping[str, float]
    disk_source: str
    index_arrays: int
    video_mb: float
    video_source: str


def forecast(options: ForecastOptions) -> list[Estimate]:
    """Work the forecast out.

    Raises:
        HeatpoolError: if the channels are unknown, or the store is of no use for it.
    """
    known = _typical(options) if options.like is None else _like(options, FeatureStore.open(options.like))
    return [
        *_time(known, options.workers),
        *_disk(known),
        _network(known),
        *_memory(known.layout.clips),
    ]


def _typical(options: ForecastOptions) -> _Basis:
    """Take sizes from the backend, as far as they were measured, and the speed from the user."""
    backend, frames = options.backend, options.frames
    assert backend is not None
    assert frames is not None  # ForecastOptions sees to both
    channels = options.channels or CHANNELS.get(backend)
    if channels is None:
        raise HeatpoolError(f"expected --channels with --backend {backend}: those of the map that is tapped")
    persons, steps = options.persons or 2.0, options.steps or 64
    precision: Precision = options.precision or "f2"
    sizes = (int(options.clips), max(round(persons), 1), steps, _JOINTS, channels, options.shard_clips)
    ratio = _POOLED_RATIOS.get((backend, precision))
    disk = (
        f"nobody measured how pooled features of {backend} compress: they count in full"
        if ratio is None
        else f"docs/format.md, docs/scaling.md: pooled takes {ratio:.2f} of its bytes in memory"
    )
    return _Basis(
        frames, persons, Layout(*sizes, precision), *_speed(options, frames),
        dict(_SMALL_RATIOS) | ({} if ratio is None else {"pooled": ratio}), disk,
        _INDEX_ARRAYS, options.video_mb or math.nan, "--video-mb",
    )  # fmt: skip


def _speed(options: ForecastOptions, frames: float) -> tuple[float, str, str]:
    """Return seconds per clip, formula and source."""
    rate = options.frames_per_second
    if rate is None:
        return (
            math.nan,
            "clips x frames / frames per second: give --frames-per-second, or --like STORE",
            "heatpool extract … --dry-run, which times some clips",
        )
    return (
        frames / rate,
        f"clips x {frames:g} frames / {rate:g} frames per second",
        "--frames-per-second, which holds for clips of about this length",
    )


def _like(options: ForecastOptions, store: FeatureStore) -> _Basis:
    """Take speed and sizes from a store."""
    usable = np.isin(store.clips.status, (Status.OK, Status.TRUNCATED))
    name = store.source.name
    if not usable.any():
        raise HeatpoolError(f"{name} holds no clip with features; expected some for --like")
    counts, spec = store.clips.frames[usable], store.spec
    persons = float(store.clips.persons[usable].mean())
    frames, steps = options.frames or float(counts.mean()), options.steps or spec.steps
    speed = _speed(options, frames)
    if options.frames_per_second is None:
        reads, second_a_read = frames_read(frames, steps), _second_a_read(store, counts)
        formula = f"clips x {reads} frames read x {1000 * second_a_read:.3g} ms"
        speed = (reads * second_a_read, formula, f"run.json of {name}, with {persons:.2f} persons per clip")
    sizes, stored = store.bytes_by_array(), store.layout.stored
    layout = Layout(
        int(options.clips), spec.persons, steps, spec.joints, options.channels or spec.channels,
        options.shard_clips, spec.precision, spec.rgb, spec.map_mean, spec.levels,
    )  # fmt: skip
    ratios = {
        each: sizes[each] / (int(usable.sum()) * _raw_bytes(at, persons)) for each, at in stored.items()
    }
    video_source = "--video-mb" if options.video_mb else f"the videos of {name}"
    return _Basis(
        frames, options.persons or persons, layout, *speed, ratios, f"the files of {name}",
        len(sizes) - len(stored), options.video_mb or _video_mb(store), video_source,
    )  # fmt: skip


def _second_a_read(store: FeatureStore, counts: np.ndarray) -> float:
    """Seconds that one worker takes for each frame that is read, from `run.json`."""
    done = read_run_file(store).get("throughput") or {}
    busy_s = sum(each["seconds"] for each in done.get("workers", {}).values())
    if not busy_s or not done["clips"]:
        raise HeatpoolError(
            f"expected the speed of workers in run.json of {store.source.name}, which a run notes at its "
            "end; give --frames-per-second"
        )
    stride = float(store.spec.config.get("frame_stride", 1))  # type: ignore[arg-type]
    if store.spec.config.get("sample_fps"):
        raise HeatpoolError("expected --frames-per-second with a store of --sample-fps")
    lengths, times = np.unique(np.ceil(counts / stride), return_counts=True)
    reads = [frames_read(float(length), store.spec.steps) for length in lengths]
    # A run that resumed a store did a part of its clips.
    return float(busy_s / (np.average(reads, weights=times) * done["clips"]))


def _video_mb(store: FeatureStore) -> float:
    """MB of video per clip, each file once; NaN where the videos of a store are not all there."""
    root = videos_root(store)
    if root is None:
        return math.nan
    paths = {root / path for path in store.clips.index.path}
    sizes = [path.stat().st_size for path in paths if path.is_file()]
    return sum(sizes) / len(store) / 1e6 if len(sizes) == len(paths) else math.nan


def _time(known: _Basis, workers: int) -> list[Estimate]:
    work_s = known.layout.clips * known.clip_s
    if math.isnan(work_s):
        return [Estimate("work", work_s, "unknown", known.time_formula, known.time_source)]
    work = f"{format_duration(work_s)} of one worker ({known.clip_s:.3g} s per clip)"
    wall = f"{format_duration(work_s / workers)} with --workers {workers}"
    return [
        Estimate("work", work_s, work, known.time_formula, known.time_source),
        Estimate("time", work_s / workers, wall, "work / workers"),
    ]


def _disk(known: _Basis) -> list[Estimate]:
    layout = known.layout
    clips, shards = layout.clips, f"{layout.shards:,} shards"
    arrays = feature_bytes(layout, known.persons, known.ratios)
    shares = ", ".join(f"{name} {format_bytes(size / clips)}" for name, size in arrays.items() if size)
    basis = f"{known.persons:.3g} persons, precision {layout.precision}"
    features, index = sum(arrays.values()), float(clips * _INDEX_BYTES)
    journal = journal_bytes(layout, known.frames, known.persons)
    files = store_files(layout, known.index_arrays)
    formula = (
        f"{shards} x ({len(layout.stored)} arrays + 1 record) + {known.index_arrays} index arrays "
        f"x ceil(clips / {INDEX_CHUNK_CLIPS:,}) + metadata"
    )
    features_text = f"{format_bytes(features)} ({format_bytes(features / clips)} per clip)"
    each, bound = f"clips x {_INDEX_BYTES} bytes", "ids and paths of 50 characters together: an upper bound"
    record = f"{shards} x {format_bytes(journal / layout.shards)}"
    return [
        Estimate("features", features, features_text, f"clips x ({shares}) for {basis}", known.disk_source),
        Estimate("index", index, format_bytes(index), each, bound),
        Estimate("journal", journal, format_bytes(journal), record, "a record as it is written"),
        Estimate("files", files, f"{files:,}", formula, "docs/format.md"),
    ]


def _network(known: _Basis) -> Estimate:
    size = known.layout.clips * known.video_mb * 1e6
    if math.isnan(size):
        return Estimate("videos read", size, "unknown", "clips x MB of a video: give --video-mb")
    formula = f"clips x {known.video_mb:.3g} MB, once"
    return Estimate("videos read", size, format_bytes(size), formula, known.video_source)


def _memory(clips: int) -> list[Estimate]:
    program, process = _PROCESS_BYTES + clips * _MANIFEST_CLIP_BYTES, format_bytes(_PROCESS_BYTES)
    text = f"{format_bytes(program)} of the program with its scheduler"
    formula = f"{process} + clips x {_MANIFEST_CLIP_BYTES} bytes of manifest; shards under way are bounded"
    worker = f"{process} of each worker without its networks"
    return [
        Estimate("memory", program, text, formula, "docs/scaling.md"),
        Estimate("worker memory", _PROCESS_BYTES, worker, "whatever the number of clips", "docs/scaling.md"),
    ]


def frames_read(frames: float, steps: int) -> int:
    """Frames of a clip that are decoded to pixels and looked at: at most 2 T, whatever its length."""
    return len(ResamplePlan.linear(max(round(frames), 1), steps).frames)


def _raw_bytes(spec: ArraySpec, persons: float) -> float:
    """Bytes of a stored array in memory, for a clip with so many persons."""
    size = float(np.prod(spec.item_shape)) * np.dtype(spec.dtype).itemsize
    return size / spec.item_shape[0] * persons if "person" in spec.dims else size


def feature_bytes(layout: Layout, persons: float, ratios: Mapping[str, float]) -> dict[str, float]:
    """Bytes on disk of each stored array, for all N clips; an array without a ratio counts in full."""
    return {
        name: layout.clips * _raw_bytes(spec, persons) * ratios.get(name, 1.0)
        for name, spec in layout.stored.items()
    }


def journal_bytes(layout: Layout, frames: float, persons: float) -> float:
    """Bytes of all journal records: that of a full shard, as it would be written, times the shards."""
    result = ClipResult(Status.OK, round(frames), 30.0, 1920, 1080, round(persons))
    first = layout.rows(0)
    files = {layout.shard_key(name, 0): (1_000_000, "0" * 64) for name in layout.stored}
    record = ShardRecord.of(
        layout, 0, files=files, results=[result] * len(first), code_version=code_version(), versions={}
    )
    return float(len(record.to_bytes()) * layout.shards)


def store_files(layout: Layout, index_arrays: int = _INDEX_ARRAYS) -> int:
    """Files of a finished store: for each shard one per array and a record; index chunks, metadata."""
    of_shards = layout.shards * (len(layout.stored) + 1)
    of_index = index_arrays * math.ceil(layout.clips / INDEX_CHUNK_CLIPS)
    metadata = len(layout.stored) + index_arrays + 1  # zarr.json of each array and of the root
    return of_shards + of_index + metadata + len(("index.json", "failures.csv", "finished.json", "run.json"))
