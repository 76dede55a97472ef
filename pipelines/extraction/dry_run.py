"""What an extraction will read and take, from a few clips through the real networks.

Nothing is written where the store would go: the sample lies in a temporary folder and is deleted.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from heatpool.extract.datasets.manifest import Clip
from heatpool.extract.engine.engine import Outcome, extract_clips
from heatpool.extract.video.reader import probe
from heatpool.extract.video.sampling import Sampling
from heatpool.pipelines.extraction.shards import Networks, ShardWork
from heatpool.pipelines.process.device import available_cores
from heatpool.pipelines.process.progress import Progress
from heatpool.pipelines.process.units import format_bytes, format_duration
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.resample import ResamplePlan
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import StoreSpec
from heatpool.pool.store.writer import StoreWriter

__all__ = ["DryRun", "dry_run"]

_COUNTED_CLIPS = 2_000  # beyond, frames are those of so many clips, drawn at random, scaled up
_TIMED_CLIPS = 16
_TIMED_S = 20.0


@dataclass(frozen=True)
class DryRun:
    """What a run will be like.

    Attributes:
        clips: clips of the manifest.
        counted: clips whose frames were counted; fewer than `clips` means that frames are an estimate.
        unreadable: share of the counted clips that cannot be extracted.
        frames: frames of all clips that are read: decoded to pixels and looked at.
        timed: clips that were extracted to learn it.
        seconds: time of the run, by this process alone.
        bytes_by_array: of the finished store.
        free_bytes: on the disk that it would lie on.
        disk: nearest folder above it that is there.
        workers: that will share the work, 0 = this process alone.
    """

    clips: int
    counted: int
    unreadable: float
    frames: int
    timed: int
    seconds: float
    bytes_by_array: dict[str, int]
    free_bytes: int
    disk: Path
    workers: int

    @property
    def bytes(self) -> int:
        """Size of the finished store."""
        return sum(self.bytes_by_array.values())

    def lines(self) -> list[str]:
        """Return it as text."""
        guess = "" if self.counted == self.clips else f" (estimated from {self.counted} clips)"
        arrays = ", ".join(f"{name} {format_bytes(size)}" for name, size in self.bytes_by_array.items())
        workers = f"; --workers {self.workers} share it" if self.workers else ""
        bad = f"          {self.unreadable:.1%} of them cannot be read; heatpool doctor says why"
        return [
            f"clips     {self.clips}",
            *([bad] if self.unreadable else []),
            f"frames    {self.frames} will be read{guess}",
            f"time      {format_duration(self.seconds)} by one process{workers}, "
            f"as {self.timed} clips took it",
            f"store     {format_bytes(self.bytes)}: {arrays}",
            f"disk      {format_bytes(self.free_bytes)} free at {self.disk}",
        ]


def dry_run(work: ShardWork, spec: StoreSpec, networks: Networks) -> DryRun:
    """Count frames, extract a few clips and scale up.

    Raises:
        HeatpoolError: if no clip of the sample gives features.
    """
    clips = work.manifest.clips
    reads = _count_reads(work)
    good = [row for row, frames in reads.items() if frames]
    if not good:
        raise HeatpoolError(f"none of {len(reads)} clips can be read; heatpool doctor says why")
    share = len(good) / len(reads)
    frames = round(sum(reads.values()) * len(clips) / len(reads))
    timed, seconds, sizes = _extract_sample(work, spec, networks, good)
    disk = next(folder for folder in work.store.absolute().parents if folder.is_dir())
    return DryRun(
        clips=len(clips),
        counted=len(reads),
        unreadable=1 - share,
        frames=frames,
        timed=len(timed),
        seconds=seconds / sum(reads[row] for row in timed) * frames,
        bytes_by_array={name: round(size * len(clips) * share) for name, size in sizes.items()},
        free_bytes=shutil.disk_usage(disk).free,
        disk=disk,
        workers=work.options.workers,
    )


def _count_reads(work: ShardWork) -> dict[int, int]:
    """Return, for all clips or a random sample of them, how many frames are read, 0 for a bad one."""
    clips, options = work.manifest.clips, work.options
    rows = np.arange(len(clips))
    if len(rows) > _COUNTED_CLIPS:
        rows = np.sort(np.random.default_rng(0).choice(rows, _COUNTED_CLIPS, replace=False))
    sampling = Sampling(frame_stride=options.frame_stride, sample_fps=options.sample_fps)

    def count(row: int) -> int:
        return _reads(clips[row], sampling, options.steps)

    reads = {}
    with (
        Progress("counting frames", len(rows), "clips", quiet=options.quiet) as progress,
        ThreadPoolExecutor(available_cores()) as pool,
    ):
        for row, frames in zip(rows.tolist(), pool.map(count, rows.tolist()), strict=True):
            reads[row] = frames
            progress.step(failed=not frames)
    return reads


def _reads(clip: Clip, sampling: Sampling, steps: int) -> int:
    try:
        info = probe(clip.path, start_s=clip.start_s, end_s=clip.end_s, fps=clip.fps)
    except HeatpoolError:
        return 0
    if info.frames < 2:
        return 0
    return len(ResamplePlan.linear(len(sampling.frames(info)), steps).frames)


def _extract_sample(
    work: ShardWork, spec: StoreSpec, networks: Networks, rows: Sequence[int]
) -> tuple[list[int], float, dict[str, float]]:
    """Extract clips spread over the manifest: which, their seconds, and bytes per clip of each feature array.

    One clip warms the networks up and shows how many can be afforded.
    """
    begun = time.monotonic()
    _extract(work, networks, rows[:1])
    count = min(len(rows), _TIMED_CLIPS, int(_TIMED_S / (time.monotonic() - begun)) + 1)
    chosen = [rows[at] for at in np.linspace(0, len(rows) - 1, count).astype(int).tolist()]
    with tempfile.TemporaryDirectory(prefix="heatpool-dry-run-") as folder:
        begun = time.monotonic()
        outcomes = _extract(work, networks, chosen)
        if all(outcome.features is None for outcome in outcomes):
            reason = outcomes[0].result.reason
            raise HeatpoolError(f"none of {count} clips of the sample gave features, the first: {reason}")
        sample = replace(work.manifest, clips=tuple(work.manifest.clips[row] for row in chosen))
        path = Path(folder) / "sample.zarr"
        writer = StoreWriter.create(path, spec=spec, index=sample.index(), shard_clips=count)
        writer.write_shard(0, [each.features for each in outcomes], [each.result for each in outcomes])
        seconds = time.monotonic() - begun
        store = FeatureStore.open(path)
        sizes = store.bytes_by_array()
        return chosen, seconds, {name: sizes[name] / count for name in store.layout.features}


def _extract(work: ShardWork, networks: Networks, rows: Sequence[int]) -> list[Outcome]:
    return extract_clips(
        networks.decoding(work.jobs(rows)),
        work.engine_options(),
        estimator=networks.estimator,
        rgb=networks.rgb,
    )
