"""`heatpool extract`: stage one wired end to end, shard by shard, so that it can stop at any time."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from extract.manifest import read_videos
from extract.posers import Poser
from extract.records import FrameBackbone, PoseBackbone
from extract.sampling import cut_windows
from pipelines.backends import build_poser, choose_backends
from pipelines.configs import ExtractConfig
from pipelines.demo_data import DEMO_FOLDER, is_demo, render_demo_videos
from pipelines.device import available_cores, pick_device, set_threads
from pipelines.progress import Progress
from pipelines.run_file import file_sha256, write_run_file
from pipelines.shards import ShardWork, run_here, run_on_workers
from pool.errors import HeatpoolError
from pool.records import Status, StoreSpec
from pool.store import FeatureStore
from pool.writer import StoreWriter

__all__ = ["CLIPS_FAILED", "run"]

CLIPS_FAILED = 3
"""Exit code of a run that finished although some clips are damaged."""


def run(config: ExtractConfig) -> int:
    """Extract a data set; return 0, or 3 when some clips failed or are truncated.

    Raises:
        HeatpoolError: if an option, the videos, the weights or the store are not as they must be.
    """
    if config.as_published:
        config = replace(config, batchnorm="published", crop_aspect="published", person_selection="first")
    videos, out = _places(config)
    manifest = read_videos(videos)
    if config.limit:
        manifest = manifest.limit(config.limit)
    if config.window_s:
        stride_s = config.stride_s or config.window_s
        manifest = cut_windows(manifest, window_s=config.window_s, stride_s=stride_s)
    config = choose_backends(config, demo=is_demo(videos))
    threads = set_threads(config.threads)
    device = pick_device(config.device)
    poser, backbone = build_poser(config, manifest, device=device)
    spec = _spec(config, backbone)
    index = manifest.index()
    if config.resume:
        writer = StoreWriter.resume(out, spec=spec, index=index)
    else:
        writer = StoreWriter.create(
            out, spec=spec, index=index, shard_clips=config.shard_clips, overwrite=config.overwrite
        )
    if not config.quiet:
        print(
            f"extracting {len(manifest.clips)} clips into {out}: {config.backend} ({backbone.tap}, "
            f"{backbone.channels} channels), {config.detector} detector, {device}, "
            f"{config.workers or 1} processes, {threads} threads",
            file=sys.stderr,
        )
    begun = time.monotonic()
    write_run_file(out, config, videos_root=manifest.root)
    _extract_shards(ShardWork(out, config, manifest), writer, poser)
    return _report(out, seconds=time.monotonic() - begun, quiet=config.quiet)


def _places(config: ExtractConfig) -> tuple[Path, Path]:
    """Return where the videos are and where the store goes; render the demo set when none are given."""
    if config.videos is None:
        return render_demo_videos(
            DEMO_FOLDER, quiet=config.quiet
        ), config.out or DEMO_FOLDER / "features.zarr"
    folder = config.videos if config.videos.is_dir() else config.videos.parent
    return config.videos, config.out or folder / "features.zarr"


def _spec(config: ExtractConfig, backbone: PoseBackbone | FrameBackbone) -> StoreSpec:
    """Say in the store what decides its values. Places of files are left out: they differ by machine."""
    return StoreSpec(
        persons=config.persons,
        steps=config.steps,
        joints=backbone.joints,
        channels=backbone.channels,
        backbone=config.backend,
        tap=backbone.tap,
        weights_sha256=backbone.weights_sha256,
        config={
            "backend": config.backend,
            "detector": config.detector,
            "boxes_sha256": file_sha256(config.boxes) if config.boxes else "",
            "min_score": config.min_score,
            "min_area": config.min_area,
            "pooling": config.pooling,
            "person_selection": config.person_selection,
            "frame_stride": config.frame_stride,
            "sample_fps": config.sample_fps,
            "batchnorm": config.batchnorm,
            "crop_aspect": config.crop_aspect,
        },
        licence=config.licence,
        citation=config.citation,
        source=config.source,
    )


def _extract_shards(work: ShardWork, writer: StoreWriter, poser: Poser[Any]) -> None:
    config, clips = work.config, len(work.manifest.clips)
    pending = writer.pending_shards()
    done = clips - sum(len(writer.shard_rows(shard)) for shard in pending)
    try:
        with Progress("extract", clips, "clips", initial=done, quiet=config.quiet) as progress:
            if config.workers:
                run_on_workers(
                    work,
                    pending,
                    workers=config.workers,
                    build=build_in_worker,
                    on_shard=lambda counts: progress.step(counts.clips, failed=counts.damaged),
                )
            else:
                run_here(work, pending, poser, on_clip=lambda damaged: progress.step(failed=damaged))
    finally:
        writer.finish()  # also after Ctrl-C, so that the store says what it holds


def build_in_worker(work: ShardWork) -> Poser[Any]:
    """Build the networks in a worker process, which has its share of the cores."""
    set_threads(max((work.config.threads or available_cores()) // work.config.workers, 1))
    return build_poser(work.config, work.manifest, device=pick_device(work.config.device))[0]


def _report(out: Path, *, seconds: float, quiet: bool) -> int:
    """Say how it went; return the exit code."""
    status = FeatureStore.open(out).status
    counts = {each: int((status == each).sum()) for each in Status}
    if not counts[Status.OK] and not counts[Status.TRUNCATED]:
        raise HeatpoolError(f"no clip gave features; reasons are in {out / 'failures.csv'}")
    said = ", ".join(f"{count} {each.name.lower()}" for each, count in counts.items() if count)
    damaged = counts[Status.FAILED] + counts[Status.TRUNCATED]
    if not quiet or damaged:
        more = f"; see {out / 'failures.csv'}" if damaged else ""
        print(f"{out}: {said} in {seconds:.0f} s{more}", file=sys.stderr)
    return CLIPS_FAILED if damaged else 0
