"""`heatpool extract`: stage one wired end to end, shard by shard, so that it can stop at any time."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from extract.engine import ClipJob, ExtractOptions, Outcome, extract_clips
from extract.manifest import Manifest, read_videos
from extract.posers import Poser, TopDown
from extract.records import PoseBackbone
from extract.tracking import SELECTIONS
from pipelines.backends import build_backbone, build_detector, choose_backends
from pipelines.configs import ExtractConfig
from pipelines.demo_data import DEMO_FOLDER, is_demo, render_demo_videos
from pipelines.device import pick_device, set_threads
from pipelines.progress import Progress
from pipelines.run_file import file_sha256, write_run_file
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
    videos, out = _places(config)
    manifest = read_videos(videos)
    if config.limit:
        manifest = manifest.limit(config.limit)
    backend, detector_name = choose_backends(config, demo=is_demo(videos))
    device, threads = pick_device(config.device), set_threads(config.threads)
    backbone = build_backbone(backend, weights=config.weights, tap=config.tap, device=device)
    detector = build_detector(detector_name, boxes=config.boxes, manifest=manifest, device=device)
    spec = _spec(config, backend, detector_name, backbone, manifest)
    index = manifest.index()
    if config.resume:
        writer = StoreWriter.resume(out, spec=spec, index=index)
    else:
        writer = StoreWriter.create(
            out, spec=spec, index=index, shard_clips=config.shard_clips, overwrite=config.overwrite
        )
    if not config.quiet:
        print(
            f"extracting {len(manifest.clips)} clips into {out}: {backend} ({backbone.tap}, "
            f"{backbone.channels} channels), {detector_name} detector, {device}, {threads} threads",
            file=sys.stderr,
        )
    begun = time.monotonic()
    write_run_file(out, config, videos_root=manifest.root)
    _extract_shards(config, manifest, writer, TopDown(detector, backbone, device=device))
    return _report(out, seconds=time.monotonic() - begun, quiet=config.quiet)


def _places(config: ExtractConfig) -> tuple[Path, Path]:
    """Return where the videos are and where the store goes; render the demo set when none are given."""
    if config.videos is None:
        return render_demo_videos(
            DEMO_FOLDER, quiet=config.quiet
        ), config.out or DEMO_FOLDER / "features.zarr"
    folder = config.videos if config.videos.is_dir() else config.videos.parent
    return config.videos, config.out or folder / "features.zarr"


def _spec(
    config: ExtractConfig, backend: str, detector: str, backbone: PoseBackbone, manifest: Manifest
) -> StoreSpec:
    """Say in the store what decides its values. Places of files are left out: they differ by machine."""
    return StoreSpec(
        persons=config.persons,
        steps=config.steps,
        joints=backbone.joints,
        channels=backbone.channels,
        backbone=backend,
        tap=backbone.tap,
        weights_sha256=backbone.weights_sha256,
        config={
            "backend": backend,
            "detector": detector,
            "boxes_sha256": file_sha256(config.boxes) if config.boxes else "",
            "person_selection": config.person_selection,
        },
        licence=config.licence,
        citation=config.citation,
        source=config.source,
    )


def _extract_shards(
    config: ExtractConfig, manifest: Manifest, writer: StoreWriter, poser: Poser[Any]
) -> None:
    options = ExtractOptions(
        persons=config.persons,
        steps=config.steps,
        selection=SELECTIONS[config.person_selection],
        frame_batch=config.frame_batch,
        person_batch=config.person_batch,
        decode_threads=config.decode_threads,
    )
    pending = writer.pending_shards()
    total = len(manifest.clips)
    done = total - sum(len(writer.shard_rows(shard)) for shard in pending)
    with Progress("extract", total, "clips", initial=done, quiet=config.quiet) as progress:

        def count(job: ClipJob, outcome: Outcome) -> None:
            progress.step(failed=outcome.result.status in (Status.FAILED, Status.TRUNCATED))

        for shard in pending:
            jobs = _jobs(manifest, writer.shard_rows(shard))
            outcomes = extract_clips(jobs, options, poser=poser, on_clip=count)
            writer.write_shard(
                shard, [each.features for each in outcomes], [each.result for each in outcomes]
            )
    writer.finish()


def _jobs(manifest: Manifest, rows: Sequence[int]) -> list[ClipJob]:
    clips = [(row, manifest.clips[row]) for row in rows]
    return [ClipJob(row, clip.path, clip.start_s, clip.end_s, clip.persons) for row, clip in clips]


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
