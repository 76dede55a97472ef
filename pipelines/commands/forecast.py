"""`heatpool forecast`: what extracting a large data set will take, and where each figure comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from heatpool.pipelines.extraction.forecast_costs import (
    CHANNELS,
    INDEX_ARRAYS,
    MACHINE,
    MANIFEST_CLIP_BYTES,
    PROCESS_BYTES,
    SMALL_RATIOS,
    THREAD_COSTS,
    feature_bytes,
    frames_read,
    index_bytes,
    journal_bytes,
    pooled_ratio,
    raw_bytes,
    store_files,
)
from heatpool.pipelines.extraction.run_file import read_run_file, videos_root
from heatpool.pipelines.options import ForecastOptions
from heatpool.pipelines.units import say_bytes, say_duration
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Precision, Status
from heatpool.pool.store.layout import INDEX_CHUNK_CLIPS, Layout
from heatpool.pool.store.reader import FeatureStore

__all__ = ["Item", "forecast", "run"]

_JOINTS = 17


@dataclass(frozen=True)
class Item:
    """One line of a forecast.

    Attributes:
        name: what is forecast.
        value: seconds, bytes or a count.
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
    """What is known of a clip, from options, from a store of the same kind, or from our own measurements."""

    frames: float
    persons: float
    layout: Layout
    second_a_read: float
    time_formula: str
    time_source: str
    ratios: dict[str, float]
    disk_source: str
    index_arrays: int
    video_mb: float | None
    video_source: str


def run(config: ForecastOptions) -> int:
    """Print the forecast.

    Raises:
        HeatpoolError: if what is asked was measured by nobody, or the store is of no use for it.
    """
    items = forecast(config)
    width = max(len(item.name) for item in items)
    for item in items:
        print(f"{item.name:<{width}}  {item.text}")
        for more in (f"= {item.formula}", item.source and f"from {item.source}"):
            if more:
                print(f"{'':<{width}}    {more}")
    return 0


def forecast(config: ForecastOptions) -> list[Item]:
    """Work the forecast out.

    Raises:
        HeatpoolError: if what is asked was measured by nobody, or the store is of no use for it.
    """
    known = _measured(config) if config.like is None else _like(config, FeatureStore.open(config.like))
    return [*_time(config, known), *_disk(known), _network(known), *_memory(int(config.clips))]


def _measured(config: ForecastOptions) -> _Basis:
    """Take what was measured for a backend, refuse what was not."""
    backend, frames = config.backend, config.frames
    assert backend is not None
    assert frames is not None  # ForecastOptions sees to both
    channels = config.channels or CHANNELS.get(backend)
    if channels is None:
        raise HeatpoolError(f"expected --channels with --backend {backend}: those of the map that is tapped")
    persons, steps = config.persons or 2.0, config.steps or 64
    precision: Precision = config.precision or "f2"
    sizes = (int(config.clips), max(round(persons), 1), steps, _JOINTS, channels, config.shard_clips)
    ratio = pooled_ratio(backend, precision)
    ratios = dict(SMALL_RATIOS) | ({} if ratio is None else {"pooled": ratio})
    disk = (
        f"nobody measured how pooled features of {backend} compress: they count in full"
        if ratio is None
        else f"docs/format.md, docs/scaling.md: pooled takes {ratio:.2f} of its bytes in memory"
    )
    reads = frames_read(frames, steps)
    if config.frames_per_second is not None:
        second_a_read, formula, source = _given_rate(config.frames_per_second, frames, reads)
    else:
        cost = THREAD_COSTS.get(backend)
        if config.device == "cuda" or cost is None:
            where = "on a GPU" if config.device == "cuda" else "on a CPU"
            raise HeatpoolError(
                f"nobody measured {backend} {where} yet: give --frames-per-second, as the progress line of "
                "`heatpool extract … --limit 200` says it, or that store as --like"
            )
        second_a_read = (cost.frame_ms + persons * cost.person_ms) / 1000
        each = f"({cost.frame_ms:g} + {persons:g} persons x {cost.person_ms:g}) ms"
        formula = f"clips x {reads} frames read x {each}"
        source = f"docs/benchmarks.md, {MACHINE}, float32; another processor: give --frames-per-second"
    return _Basis(
        frames, persons, Layout(*sizes, precision), second_a_read, formula, source, ratios, disk,
        INDEX_ARRAYS, config.video_mb, "--video-mb",
    )  # fmt: skip


def _given_rate(rate: float, frames: float, reads: int) -> tuple[float, str, str]:
    return (
        frames / rate / reads,
        f"clips x {frames:g} frames / {rate:g} frames a second",
        "--frames-per-second, which holds for clips of about this length",
    )


def _like(config: ForecastOptions, store: FeatureStore) -> _Basis:
    """Take speed and sizes from a store."""
    usable = np.isin(store.clips.status, (Status.OK, Status.TRUNCATED))
    if not usable.any():
        raise HeatpoolError(f"{store.source.name} holds no clip with features; expected some for --like")
    counts, spec = store.clips.frames[usable], store.spec
    people = float(store.clips.persons[usable].mean())
    frames = config.frames or float(counts.mean())
    persons, steps = config.persons or people, config.steps or spec.steps
    reads = frames_read(frames, steps)
    if config.frames_per_second is not None:
        second_a_read, formula, time_source = _given_rate(config.frames_per_second, frames, reads)
    else:
        second_a_read = _second_a_read(store, counts)
        formula = f"clips x {reads} frames read x {1000 * second_a_read:.3g} ms"
        time_source = f"run.json of {store.source.name}, with {people:.2f} persons a clip"
    sizes, stored = store.bytes_by_array(), store.layout.stored
    ratios = {
        name: sizes[name] / (int(usable.sum()) * raw_bytes(each, people)) for name, each in stored.items()
    }
    layout = Layout(
        int(config.clips), spec.persons, steps, spec.joints, config.channels or spec.channels,
        config.shard_clips, spec.precision, spec.rgb, spec.map_mean,
    )  # fmt: skip
    video_mb = config.video_mb or _video_mb(store)
    return _Basis(
        frames, persons, layout, second_a_read, formula, time_source, ratios,
        f"the files of {store.source.name}", len(sizes) - len(stored), video_mb,
        "--video-mb" if config.video_mb else f"the videos of {store.source.name}",
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
    # A run that went on with a store did a part of its clips.
    return busy_s / (float(np.average(reads, weights=times)) * done["clips"])


def _video_mb(store: FeatureStore) -> float | None:
    """MB of video a clip, each file once; None where the videos of a store are not all there."""
    root = videos_root(store)
    if root is None:
        return None
    paths = {root / path for path in store.clips.index.path}
    sizes = [path.stat().st_size for path in paths if path.is_file()]
    return sum(sizes) / len(store) / 1e6 if len(sizes) == len(paths) else None


def _time(config: ForecastOptions, known: _Basis) -> list[Item]:
    reads = frames_read(known.frames, known.layout.steps)
    clip_s = reads * known.second_a_read
    work_s, workers = known.layout.clips * clip_s, config.workers
    unit = "of one GPU" if config.device == "cuda" else "of one worker"
    said = f"{say_duration(work_s)} {unit} ({clip_s:.3g} s a clip)"
    wall = f"{say_duration(work_s / workers)} with --workers {workers}"
    return [
        Item("work", work_s, said, known.time_formula, known.time_source),
        Item("time", work_s / workers, wall, "work / workers"),
    ]


def _disk(known: _Basis) -> list[Item]:
    layout = known.layout
    clips, shards = layout.clips, f"{layout.shards:,} shards"
    arrays = feature_bytes(layout, known.persons, known.ratios)
    shares = ", ".join(f"{name} {say_bytes(size / clips)}" for name, size in arrays.items() if size)
    people = f"{known.persons:.3g} persons, precision {layout.precision}"
    features, index = sum(arrays.values()), index_bytes(clips)
    journal = journal_bytes(layout, known.frames, known.persons)
    files = store_files(layout, known.index_arrays)
    formula = (
        f"{shards} x ({len(layout.stored)} arrays + 1 record) + {known.index_arrays} index arrays "
        f"x ceil(clips / {INDEX_CHUNK_CLIPS:,}) + metadata"
    )
    return [
        Item(
            "features",
            features,
            f"{say_bytes(features)} ({say_bytes(features / clips)} a clip)",
            f"clips x ({shares}) for {people}",
            known.disk_source,
        ),
        Item(
            "index",
            index,
            say_bytes(index),
            f"clips x {index / clips:g} bytes",
            "ids and paths of 50 characters together: an upper bound",
        ),
        Item(
            "journal",
            journal,
            say_bytes(journal),
            f"{shards} x {say_bytes(journal / layout.shards)}",
            "a record as it is written",
        ),
        Item("files", files, f"{files:,}", formula, "docs/format.md"),
    ]


def _network(known: _Basis) -> Item:
    if known.video_mb is None:
        return Item("videos read", math.nan, "unknown", "clips x MB of a video: give --video-mb")
    size = known.layout.clips * known.video_mb * 1e6
    return Item(
        "videos read", size, say_bytes(size), f"clips x {known.video_mb:.3g} MB, once", known.video_source
    )


def _memory(clips: int) -> list[Item]:
    program, process = PROCESS_BYTES + clips * MANIFEST_CLIP_BYTES, say_bytes(PROCESS_BYTES)
    return [
        Item(
            "memory",
            program,
            f"{say_bytes(program)} of the program with its scheduler",
            f"{process} + clips x {MANIFEST_CLIP_BYTES} bytes of manifest; shards under way are bounded",
            "docs/scaling.md",
        ),
        Item(
            "worker memory",
            PROCESS_BYTES,
            f"{process} of each worker without its networks",
            "whatever the number of clips",
            "docs/scaling.md",
        ),
    ]
