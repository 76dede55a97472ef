"""`heatpool extract`: stage one wired end to end, shard by shard, so that it can stop at any time."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from extract.datasets.folder import read_videos
from extract.records import FrameBackbone, PoseBackbone
from extract.rgb import RgbEncoder
from extract.sampling import cut_windows
from pipelines.backends import build_poser, pick_dtype
from pipelines.choose import choose_networks
from pipelines.commands import CLIPS_FAILED
from pipelines.configs import ExtractConfig
from pipelines.demo_data import DEMO_FOLDER, is_demo, render_demo_videos
from pipelines.device import available_cores, pick_device, set_threads
from pipelines.dry_run import dry_run
from pipelines.progress import Progress
from pipelines.rgb import build_rgb, describe_rgb
from pipelines.run_file import file_sha256, write_run_file
from pipelines.shards import Networks, ShardWork, run_here, run_on_workers
from pool.errors import HeatpoolError
from pool.records import Status, StoreSpec
from pool.store import FeatureStore
from pool.writer import StoreWriter

__all__ = ["ExtractPlan", "extract", "prepare", "run"]


def run(config: ExtractConfig) -> int:
    """Extract a data set; return 0, or 3 when some clips failed or are truncated.

    Raises:
        HeatpoolError: if an option, the videos, the weights or the store are not as they must be.
    """
    plan = prepare(config)
    if plan.work.config.dry_run:
        return dry_run(plan.work, plan.spec, plan.networks)
    out, quiet = plan.work.store, plan.work.config.quiet
    begun = time.monotonic()
    extract(plan)
    return _report(out, seconds=time.monotonic() - begun, quiet=quiet)


@dataclass(frozen=True, eq=False)
class ExtractPlan:
    """All that an extraction takes, before anything is written.

    Attributes:
        work: store, options with every choice made, and clips.
        spec: what the store will say of itself.
        networks: loaded.
        about: a line that says what will run.
    """

    work: ShardWork
    spec: StoreSpec
    networks: Networks
    about: str


def prepare(config: ExtractConfig) -> ExtractPlan:
    """Find the clips, make the choices that are open and load the networks.

    Raises:
        HeatpoolError: if an option, the videos or the weights are not as they must be.
    """
    config = config.resolved()
    videos, out = _places(config)
    manifest = read_videos(videos)
    if config.limit:
        manifest = manifest.limit(config.limit)
    if config.window_s:
        stride_s = config.stride_s or config.window_s
        manifest = cut_windows(manifest, window_s=config.window_s, stride_s=stride_s)
    choice = choose_networks(config, demo=is_demo(videos))
    config = choice.options
    for reason in () if config.quiet else choice.reasons:
        print(reason, file=sys.stderr)
    threads = set_threads(config.threads)
    device = pick_device(config.device)
    # Decided once, so that workers and the store's record cannot differ.
    config = replace(config, dtype=pick_dtype(config, device=device))
    poser, backbone = build_poser(config, manifest, device=device)
    rgb = build_rgb(config, device=device)
    about = (
        f"extracting {len(manifest.clips)} clips into {out}: {config.backend} ({backbone.tap}, "
        f"{backbone.channels} channels), {config.detector} detector, {device} in {config.dtype}, "
        f"{config.workers or 1} processes, {threads} threads"
    )
    work = ShardWork(out, config, manifest)
    return ExtractPlan(work, _spec(config, backbone, rgb), Networks(poser, rgb), about)


def extract(plan: ExtractPlan) -> None:
    """Extract into a new store, or go on with one.

    Raises:
        HeatpoolError: if the store is not as it must be.
    """
    config, out, manifest = plan.work.config, plan.work.store, plan.work.manifest
    index = manifest.index()
    if config.resume:
        writer = StoreWriter.resume(out, spec=plan.spec, index=index, check=config.verify)
    else:
        writer = StoreWriter.create(
            out, spec=plan.spec, index=index, shard_clips=config.shard_clips, overwrite=config.overwrite
        )
    if not config.quiet:
        print(plan.about, file=sys.stderr)
    with writer:
        write_run_file(out, config, videos_root=manifest.root)
        _extract_shards(plan.work, writer, plan.networks)


def _places(config: ExtractConfig) -> tuple[Path, Path]:
    """Return where the videos are and where the store goes; render the demo set when none are given."""
    if config.videos is None:
        return render_demo_videos(
            DEMO_FOLDER, quiet=config.quiet
        ), config.out or DEMO_FOLDER / "features.zarr"
    folder = config.videos if config.videos.is_dir() else config.videos.parent
    return config.videos, config.out or folder / "features.zarr"


def _spec(config: ExtractConfig, backbone: PoseBackbone | FrameBackbone, rgb: RgbEncoder | None) -> StoreSpec:
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
            "detector": Path(config.detector).name,
            "boxes_sha256": file_sha256(config.boxes) if config.boxes else "",
            "min_score": config.min_score,
            "min_area": config.min_area,
            "pooling": config.pooling,
            "person_selection": config.person_selection,
            "frame_stride": config.frame_stride,
            "sample_fps": config.sample_fps,
            "batchnorm": config.batchnorm,
            "crop_aspect": config.crop_aspect,
            "dtype": config.dtype,
        },
        licence=config.licence,
        citation=config.citation,
        source=config.source,
        rgb=describe_rgb(config, rgb),
        precision=config.precision,
    )


def _extract_shards(work: ShardWork, writer: StoreWriter, networks: Networks) -> None:
    config, clips = work.config, len(work.manifest.clips)
    if config.resume and not config.quiet:
        print(f"looking at finished shards by their {config.verify}", file=sys.stderr)
    pending = writer.pending_shards(check=config.verify if config.resume else "journal")
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
                run_here(work, pending, networks, on_clip=lambda damaged: progress.step(failed=damaged))
    finally:
        writer.finish()  # also after Ctrl-C, so that the store says what it holds


def build_in_worker(work: ShardWork) -> Networks:
    """Build the networks in a worker process, which has its share of the cores."""
    set_threads(max((work.config.threads or available_cores()) // work.config.workers, 1))
    device = pick_device(work.config.device)
    poser, _ = build_poser(work.config, work.manifest, device=device)
    return Networks(poser, build_rgb(work.config, device=device))


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
