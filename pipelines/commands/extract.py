"""`heatpool extract`: stage one wired end to end, shard by shard, so that it can stop at any time."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from heatpool.extract.datasets.folder import read_videos
from heatpool.extract.datasets.manifest import Manifest
from heatpool.extract.records import FrameBackbone, PoseBackbone
from heatpool.extract.rgb.crops import RgbEncoder
from heatpool.extract.video.sampling import cut_windows
from heatpool.pipelines.command_table import CLIPS_FAILED
from heatpool.pipelines.extraction.backends import build_poser, pick_dtype
from heatpool.pipelines.extraction.choose import choose_networks
from heatpool.pipelines.extraction.cluster import run_on_cluster
from heatpool.pipelines.extraction.demo_data import DEMO_FOLDER, is_demo, render_demo_videos
from heatpool.pipelines.extraction.dry_run import dry_run
from heatpool.pipelines.extraction.rgb import build_rgb, describe_rgb
from heatpool.pipelines.extraction.run_file import add_to_run_file, file_sha256, write_run_file
from heatpool.pipelines.extraction.shards import (
    Networks,
    ShardCounts,
    ShardWork,
    clear_dead,
    is_damaged,
    run_here,
    tell_write_errors_once,
)
from heatpool.pipelines.extraction.throughput import Throughput
from heatpool.pipelines.options import ExtractOptions
from heatpool.pipelines.process.device import pick_device, set_threads
from heatpool.pipelines.process.interrupt import stop_on_interrupt
from heatpool.pipelines.process.malloc import keep_heap
from heatpool.pipelines.process.progress import Progress
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipResult, Status, StoreSpec
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.writer import StoreWriter

__all__ = ["ExtractPlan", "extract", "prepare", "run"]


def run(config: ExtractOptions) -> int:
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


def prepare(config: ExtractOptions) -> ExtractPlan:
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
        + (config.scheduler or f"{config.workers or 1} processes, {threads} threads")
    )
    work = ShardWork(out, config, manifest)
    return ExtractPlan(work, _spec(config, backbone, rgb), Networks(poser, rgb), about)


def extract(plan: ExtractPlan) -> None:
    """Extract into a new store, or go on with one.

    Raises:
        HeatpoolError: if the store is not as it must be.
    """
    tell_write_errors_once()
    config, out, manifest = plan.work.config, plan.work.store, plan.work.manifest
    if config.resume:
        writer = StoreWriter.resume(out, spec=plan.spec, index=manifest.index(), check=config.verify)
    else:
        writer = StoreWriter.create(
            out,
            spec=plan.spec,
            index=manifest.index(),
            shard_clips=config.shard_clips,
            overwrite=config.overwrite,
        )
    if not config.quiet:
        print(plan.about, file=sys.stderr)
    with writer:
        write_run_file(out, config, videos_root=manifest.root)
        _extract_shards(plan.work, writer, plan.networks)


def _places(config: ExtractOptions) -> tuple[Path, Path]:
    """Return where the videos are and where the store goes; render the demo set when none are given."""
    if config.videos is None:
        return render_demo_videos(
            DEMO_FOLDER, quiet=config.quiet
        ), config.out or DEMO_FOLDER / "features.zarr"
    folder = config.videos if config.videos.is_dir() else config.videos.parent
    return config.videos, config.out or folder / "features.zarr"


def _spec(
    config: ExtractOptions, backbone: PoseBackbone | FrameBackbone, rgb: RgbEncoder | None
) -> StoreSpec:
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
        tap_channels=backbone.tap_channels,
        map_mean=config.map_mean,
    )


def _extract_shards(work: ShardWork, writer: StoreWriter, networks: Networks) -> None:
    config, clips = work.config, len(work.manifest.clips)
    if config.resume and not config.quiet:
        print(f"looking at finished shards by their {config.verify}", file=sys.stderr)
    pending = writer.pending_shards(check=config.verify if config.resume else "journal")
    done = clips - sum(len(writer.shard_rows(shard)) for shard in pending)
    try:
        _share(work, pending, networks, done=done)
    except BaseException:
        with suppress(HeatpoolError):  # what ended the run is what has to be told; --resume finishes it
            writer.finish()  # also after Ctrl-C, so that the store says what it holds
        raise
    clear_dead(work.store)
    writer.finish()


def _share(work: ShardWork, pending: list[int], networks: Networks, *, done: int) -> None:
    """Do shards here or on workers, and note in `run.json` how fast each was."""
    config, throughput = work.config, Throughput()
    clustered = bool(config.workers or config.scheduler)

    with (
        Progress("extract", len(work.manifest.clips), "clips", initial=done, quiet=config.quiet) as progress,
        stop_on_interrupt("the shards under way", quiet=config.quiet) as stop,
    ):

        def on_clip(result: ClipResult) -> None:
            progress.step(failed=is_damaged(result), frames=result.frames)

        def on_shard(counts: ShardCounts) -> None:
            throughput.add(counts)
            if counts.again:
                tqdm.write(
                    f"the process that had shard {counts.shard} died; the shard was done again",
                    file=sys.stderr,
                )
            if clustered:
                progress.step(counts.clips, failed=counts.damaged, frames=counts.frames)

        try:
            if clustered:
                # Only a file of boxes, which is larger by far, is read by the clips that it is for.
                known = work.manifest if config.boxes else work.manifest.limit(1)
                run_on_cluster(
                    work,
                    pending,
                    build=partial(build_in_worker, config, known),
                    on_shard=on_shard,
                    on_wait=progress.tick,
                    stop=stop,
                )
            else:
                keep_heap()  # as workers do by their environment
                run_here(work, pending, networks, on_clip=on_clip, on_shard=on_shard, stop=stop)
        finally:
            with suppress(HeatpoolError):  # on a full disk, which is told of by what comes before or after
                add_to_run_file(work.store, throughput=throughput.facts())


def build_in_worker(config: ExtractOptions, manifest: Manifest, threads: int, number: int) -> Networks:
    """Build the networks in a worker process, which has its share of the cores and one of the GPUs."""
    set_threads(threads)
    device = pick_device(config.device)
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", number % torch.cuda.device_count())
    poser, _ = build_poser(config, manifest, device=device)
    return Networks(poser, build_rgb(config, device=device))


def _report(out: Path, *, seconds: float, quiet: bool) -> int:
    """Say how it went; return the exit code."""
    status = FeatureStore.open(out).clips.status
    counts = {each: int((status == each).sum()) for each in Status}
    if not counts[Status.OK] and not counts[Status.TRUNCATED]:
        raise HeatpoolError(f"no clip gave features; reasons are in {out / 'failures.csv'}")
    said = ", ".join(f"{count} {each.name.lower()}" for each, count in counts.items() if count)
    damaged = counts[Status.FAILED] + counts[Status.TRUNCATED]
    if not quiet or damaged:
        more = f"; see {out / 'failures.csv'}" if damaged else ""
        print(f"{out}: {said} in {seconds:.0f} s{more}", file=sys.stderr)
    return CLIPS_FAILED if damaged else 0
