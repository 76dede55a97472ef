"""Stage one wired end to end, shard by shard, so that it can stop at any time."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.extract.datasets.folder import read_videos
from heatpool.extract.datasets.manifest import Manifest
from heatpool.pipelines.extraction.backends import build_estimator, build_rgb, known_joints
from heatpool.pipelines.extraction.boxes_report import report_boxes, report_sample, report_table
from heatpool.pipelines.extraction.choose import NO_DETECTOR, choose_networks
from heatpool.pipelines.extraction.choose_runtime import resumed_runtime
from heatpool.pipelines.extraction.cluster import run_on_cluster
from heatpool.pipelines.extraction.decoder import pick_decoder
from heatpool.pipelines.extraction.describe import describe_store
from heatpool.pipelines.extraction.given import read_given
from heatpool.pipelines.extraction.marks import clear_dead
from heatpool.pipelines.extraction.places import (
    DEMO_FOLDER,
    append_folder,
    find_places,
    is_demo,
    render_demo_videos,
)
from heatpool.pipelines.extraction.plan import ExtractPlan, select_clips
from heatpool.pipelines.extraction.retry import failed_shards
from heatpool.pipelines.extraction.run_file import add_to_run_file, write_run_file
from heatpool.pipelines.extraction.shard_counts import ShardCounts, is_damaged
from heatpool.pipelines.extraction.shards import (
    Networks,
    ShardWork,
    report_write_errors_once,
    run_here,
)
from heatpool.pipelines.extraction.throughput import Throughput
from heatpool.pipelines.extraction.versions import VersionWatch
from heatpool.pipelines.extraction.worker import build_in_worker
from heatpool.pipelines.options import ExtractOptions
from heatpool.pipelines.options.keywords import takes_options
from heatpool.pipelines.process.children import without_main
from heatpool.pipelines.process.device import pick_device, set_threads
from heatpool.pipelines.process.interrupt import stop_on_interrupt
from heatpool.pipelines.process.malloc import keep_heap
from heatpool.pipelines.process.progress import Progress
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import TRANSIENT, ClipResult, Status
from heatpool.pool.store.finish import FAILURES
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.versions import check_versions
from heatpool.pool.store.writer import StoreWriter

__all__ = ["Extraction", "carry_out", "extract", "prepare", "report_outcome", "run_extraction"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Extraction:
    """How an extraction went.

    Attributes:
        store: folder of the store.
        counts: clips by status: ok, truncated, no_person, failed; those that occur.
        failures: clip id to reason, of the clips that failed or are truncated.
        seconds: that it took.
    """

    store: Path
    counts: Mapping[str, int]
    failures: Mapping[str, str]
    seconds: float

    @property
    def usable(self) -> int:
        """Clips with features."""
        return self.counts.get("ok", 0) + self.counts.get("truncated", 0)

    def open(self) -> FeatureStore:
        """Open the store."""
        return FeatureStore.open(self.store)


@takes_options(ExtractOptions, without=("dry_run", "config"))
def extract(videos: str | Path | None = None, out: str | Path | None = None, **options: Any) -> Extraction:
    """Pool features of every clip of a data set into a Zarr store.

    Args:
        videos: folder of videos, manifest CSV or one video; default the demo data set in demo_out.
        out: store to write; default beside the videos as features.zarr.
        **options: those of `heatpool extract`.

    Raises:
        HeatpoolError: if an option, the videos, the weights or the store are not as they must be, or no clip
            gives features.
    """
    places: dict[str, Any] = {
        name: Path(each) for name, each in (("videos", videos), ("out", out)) if each is not None
    }
    return run_extraction(ExtractOptions(**places, **options))


def run_extraction(options: ExtractOptions) -> Extraction:
    """Extract what options ask for.

    Raises:
        HeatpoolError: if an option, the videos, the weights or the store are not as they must be, or no clip
            gives features.
    """
    with without_main():
        if options.append or (options.resume and append_folder(find_places(options)[1]).exists()):
            from heatpool.pipelines.extraction.append import append_clips  # which builds on this module

            return append_clips(options)
        done = carry_out(prepare(options))
    if not done.usable:
        raise HeatpoolError(f"no clip gave features; reasons are in {done.store / FAILURES}")
    report_outcome(done)
    return done


def report_outcome(done: Extraction) -> None:
    """Tell how an extraction went."""
    outcome = ", ".join(f"{count} {name}" for name, count in done.counts.items())
    more = f"; see {done.store / FAILURES}" if done.failures else ""
    if passing := sum(reason.startswith(TRANSIENT) for reason in done.failures.values()):
        more += f"; {passing} failed by a fault of the moment: --resume tries them again"
    level = logging.WARNING if done.failures else logging.INFO
    _log.log(level, "%s: %s in %.0f s%s", done.store, outcome, done.seconds, more)


def prepare(options: ExtractOptions, *, clips: Manifest | None = None) -> ExtractPlan:
    """Find the clips, make the choices that are open and load the networks.

    Args:
        options: of the extraction.
        clips: to extract, in place of those that `options.videos` stands for.

    Raises:
        HeatpoolError: if an option, the videos or the weights are not as they must be.
    """
    videos, out = find_places(options)
    options = options.resolved()
    videos = videos if options.videos else render_demo_videos(DEMO_FOLDER, quiet=options.quiet)
    manifest = select_clips(options, clips or read_videos(videos, fps=options.fps))
    threads = set_threads(options.threads)
    device = pick_device(options.device)
    gpu = None if options.scheduler else pick_decoder(options, device)
    asked = replace(options, runtime=resumed_runtime(options, out))
    options = choose_networks(asked, demo=is_demo(videos), device=device.type)
    given = read_given(options, manifest)
    estimator, backbone = build_estimator(options, given, device=device)
    rgb = build_rgb(options, device=device)
    finder = f"persons of {given.source}" if given else f"{options.detector} detector"
    detector = "" if not given and options.detector == NO_DETECTOR else f"{finder}, "
    about = (
        f"extracting {len(manifest.clips)} clips into {out}: {options.backend} ({backbone.tap}, "
        f"{backbone.channels} channels), {detector}{device} in {options.dtype} by {options.runtime}, "
        + (options.scheduler or f"{options.workers or 1} processes, {threads} threads")
    )
    spec = describe_store(options, backbone, rgb, given, skeleton=known_joints(options, backbone, given))
    networks = Networks(estimator, spec.versions, rgb, gpu=gpu)
    return ExtractPlan(ShardWork(out, options, manifest), spec, networks, about, given)


def carry_out(plan: ExtractPlan) -> Extraction:
    """Extract into a new store, or resume one.

    Raises:
        HeatpoolError: if the store is not as it must be.
    """
    begun = time.monotonic()
    report_write_errors_once()
    options, out, manifest = plan.work.options, plan.work.store, plan.work.manifest
    if options.resume:
        writer = StoreWriter.resume(out, spec=plan.spec, index=manifest.index(), check=options.verify)
    else:
        writer = StoreWriter.create(
            out,
            spec=plan.spec,
            index=manifest.index(),
            shard_clips=options.shard_clips,
            overwrite=options.overwrite,
        )
    _log.info(plan.about)
    if plan.given:
        report_table(plan.given)
        report_sample(plan.given, manifest)
    with writer:
        pending = _find_pending(plan, writer)
        known = failed_shards(writer, manifest, pending, everything=options.retry_failed)
        write_run_file(out, options, videos_root=manifest.root)
        work = replace(plan.work, known=known)
        _extract_shards(work, sorted([*pending, *known]), writer, plan.networks)
    if plan.given:
        report_boxes(plan.given, manifest, FeatureStore.open(out))
    return _outcome(out, time.monotonic() - begun)


def _find_pending(plan: ExtractPlan, writer: StoreWriter) -> list[int]:
    """Return the shards to do; of a store that is resumed, look at what made the others.

    Raises:
        HeatpoolError: if they were made by versions of packages that are known to make other features.
    """
    options = plan.work.options
    if not options.resume:
        return writer.pending_shards(check="journal")
    _log.info("checking finished shards by their %s", options.verify)
    pending = writer.pending_shards(check=options.verify)
    if pending:
        makers = {str(writer.path): FeatureStore.open(writer.path).versions, "now": plan.spec.versions}
        check_versions(makers, backbone=plan.spec.backbone, mixed=options.mixed_versions)
    return pending


def _extract_shards(work: ShardWork, left: list[int], writer: StoreWriter, networks: Networks) -> None:
    try:
        for _ in range(3):
            done = len(work.manifest.clips) - sum(len(writer.shard_rows(shard)) for shard in left)
            _share(work, left, networks, done=done)
            # A cluster that gives up a worker too soon does a shard twice; a second turn that dies takes away
            # what the first one wrote.
            left = writer.pending_shards(check="journal")
            if not left:
                break
            for shard in left:
                _log.warning("shard %d was lost after it had been written; it is done again", shard)
        else:
            raise HeatpoolError(
                f"{work.store}: shard {left[0]} was lost again and again after it had been written; check "
                "that nothing else changes the store, then use --resume"
            )
    except BaseException:
        with suppress(HeatpoolError):  # what ended the run is what has to be reported; --resume finishes it
            writer.finish()  # also after Ctrl-C, so that the store says what it holds
        raise
    clear_dead(work.store)
    writer.finish()


def _share(work: ShardWork, pending: list[int], networks: Networks, *, done: int) -> None:
    """Do shards here or on workers, and note in `run.json` how fast each was."""
    options, throughput = work.options, Throughput()
    watch = VersionWatch(networks.versions, backbone=options.backend)
    clustered = bool(options.workers or options.scheduler)

    with (
        Progress("extract", len(work.manifest.clips), "clips", initial=done, quiet=options.quiet) as progress,
        stop_on_interrupt("the shards under way", quiet=options.quiet) as stop,
    ):

        def on_clip(result: ClipResult) -> None:
            progress.step(failed=is_damaged(result), frames=result.frames)

        def on_shard(counts: ShardCounts) -> None:
            throughput.add(counts)
            watch.see(counts)
            if counts.again:
                _log.warning("the process that had shard %d died; the shard was done again", counts.shard)
            if counts.kept:
                _log.warning("shard %d stays as it was: clips of it cannot be read any more", counts.shard)
            if clustered:
                progress.step(counts.clips, failed=counts.damaged, frames=counts.frames)

        try:
            if clustered:
                # Only a file of persons, which is larger by far, is read by the clips that it is for.
                known = work.manifest if options.boxes or options.keypoints else work.manifest.limit(1)
                run_on_cluster(
                    work,
                    pending,
                    build=partial(build_in_worker, options, known, networks.versions),
                    on_shard=on_shard,
                    on_wait=progress.tick,
                    stop=stop,
                )
            else:
                keep_heap()  # as workers do by their environment
                run_here(work, pending, networks, on_clip=on_clip, on_shard=on_shard, stop=stop)
        finally:
            with suppress(HeatpoolError):  # on a full disk, which is reported by what comes before or after
                add_to_run_file(work.store, throughput=throughput.facts())


def _outcome(out: Path, seconds: float) -> Extraction:
    store = FeatureStore.open(out)
    status = store.clips.status
    counts = {each.name.lower(): count for each in Status if (count := int((status == each).sum()))}
    rows = np.flatnonzero(np.isin(status, (Status.FAILED, Status.TRUNCATED)))
    results = zip(store.clips.clip_ids(rows), store.results(rows), strict=True)
    return Extraction(out, counts, {clip: result.reason for clip, result in results}, seconds)
