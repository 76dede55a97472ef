"""The unit of work of an extraction: one shard of a store, and a plain loop over shards.

A shard reads its clips, writes its files and returns a few numbers; `cluster` spreads the same
function over workers. A mark in the store tells while a shard is under way: where it is found later, the
process that set it died, and the shard's clips are tried one by one in a child process first.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from heatpool.extract.datasets.manifest import Manifest
from heatpool.extract.engine.batch_size import Memory
from heatpool.extract.engine.crash_isolation import ENDS_PROCESS, isolate_crashes
from heatpool.extract.engine.engine import ClipJob, EngineOptions, Outcome, extract_clips, extract_each
from heatpool.extract.engine.estimators import PoseEstimator
from heatpool.extract.engine.slots import SELECTIONS
from heatpool.extract.rgb.crops import RgbEncoder
from heatpool.extract.video.sampling import Sampling
from heatpool.extract.video.transient import can_be_opened
from heatpool.pipelines.extraction.marks import marked
from heatpool.pipelines.extraction.shard_counts import ShardCounts
from heatpool.pipelines.options import ExtractOptions
from heatpool.pipelines.process.interrupt import StopRequest
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipResult, Status
from heatpool.pool.store.versions import Versions
from heatpool.pool.store.writer import StoreWriter

__all__ = [
    "Networks",
    "Shard",
    "ShardWork",
    "report_write_errors_once",
    "run_here",
]


@dataclass(frozen=True, eq=False)
class Networks:
    """What a process runs over frames: the pose part, and the encoder of RGB crops if there is one.

    `versions` are those of the packages that they run on, `memory` keeps which batches were too large, and
    `gpu` is the number of the GPU that decodes videos, None where the CPU does.
    """

    estimator: PoseEstimator
    versions: Versions
    rgb: RgbEncoder | None = None
    memory: Memory = field(default_factory=Memory)
    gpu: int | None = None

    def decoding(self, jobs: Iterable[ClipJob]) -> list[ClipJob]:
        """Return clips as this process decodes them."""
        return [replace(job, gpu=self.gpu) for job in jobs]


@dataclass(frozen=True)
class ShardWork:
    """An extraction, to be divided into shards.

    Attributes:
        store: folder of the store.
        options: of the run.
        manifest: clips, in the order of the store.
        known: results of finished shards that are done again, by number, as clips of them failed.
        in_one_go: shards share the frames of windows that overlap across their border. The last bits of a
            shard then depend on the one before: for a store that is never resumed.
    """

    store: Path
    options: ExtractOptions
    manifest: Manifest
    known: Mapping[int, Sequence[ClipResult]] = field(default_factory=dict)
    in_one_go: bool = False

    def shard(self, number: int) -> Shard:
        """Return a shard of the store, which is there already."""
        rows = StoreWriter.attach(self.store).shard_rows(number)
        known = self.known.get(number, ())
        return Shard(self.store, number, self.jobs(rows), self.engine_options(), self.videos, known)

    @cached_property
    def videos(self) -> Path:
        """Return the folder that holds all videos."""
        return Path(os.path.commonpath([os.path.abspath(clip.path.parent) for clip in self.manifest.clips]))

    def engine_options(self) -> EngineOptions:
        """Return how clips become features."""
        options = self.options
        assert options.frame_batch is not None, "what `choose_networks` leaves has it"
        return EngineOptions(
            persons=options.persons,
            steps=options.steps,
            selection=SELECTIONS[options.person_selection],
            gaps="zeros" if options.person_selection == "first" else "skip",
            frame_batch=options.frame_batch,
            person_batch=options.person_batch,
            decode_threads=options.decode_threads,
            sampling=Sampling(frame_stride=options.frame_stride, sample_fps=options.sample_fps),
            clip_seconds=options.clip_seconds,
        )

    def jobs(self, rows: Sequence[int]) -> list[ClipJob]:
        """Return the clips of some rows of the manifest, as jobs."""
        clips = [(row, self.manifest.clips[row]) for row in rows]
        return [
            ClipJob(row, clip.path, clip.start_s, clip.end_s, clip.persons, clip.fps) for row, clip in clips
        ]


@dataclass(frozen=True)
class Shard:
    """A shard to do: all that a process needs but networks; some kB, whatever the size of the data set.

    Attributes:
        store: folder of the store.
        number: of the shard.
        jobs: its clips.
        options: how they become features.
        videos: folder that holds the videos of all shards.
        known: results of its clips, if it is finished and done again.
    """

    store: Path
    number: int
    jobs: Sequence[ClipJob]
    options: EngineOptions
    videos: Path
    known: Sequence[ClipResult] = ()

    def do(self, networks: Networks, *, on_clip: Callable[[ClipResult], None]) -> ShardCounts:
        """Extract the clips of the shard and write them; `on_clip` hears of each.

        Raises:
            HeatpoolError: if the folder of the videos is gone, or the store is or cannot be written.
        """
        report_write_errors_once()
        begun = time.monotonic()
        writer = StoreWriter.attach(self.store)  # here: a shard's lock names the process that writes
        with marked(self.store, self.number) as again:
            outcomes = self._extract(networks, on_clip, again=again)
            results = [each.result for each in outcomes]
            if any(result.transient for result in results) and not can_be_opened(self.videos):
                raise HeatpoolError(
                    f"{self.videos} is away or empty, where the videos were: finished shards are kept; when "
                    "it is back, use --resume"
                )
            kept, versions = self._has_more_than(results), networks.versions
            if kept:
                results = list(self.known)
            else:
                features = [each.features for each in outcomes]
                versions = writer.write_shard(self.number, features, results, versions=versions).versions
        seconds = time.monotonic() - begun
        return ShardCounts.of(
            self.number, results, seconds=seconds, versions=versions, again=again, kept=kept
        )

    def _has_more_than(self, results: Sequence[ClipResult]) -> bool:
        """Tell whether a clip failed that did not fail before: its features must not be lost."""
        failed = [[each.status == Status.FAILED for each in tried] for tried in (self.known, results)]
        return any(new and not old for old, new in zip(*failed, strict=False))

    def _extract(
        self, networks: Networks, on_clip: Callable[[ClipResult], None], *, again: bool
    ) -> list[Outcome]:
        """Extract clips; `again`: those that end the process that decodes them count as failed."""
        # A decoder that crashes takes the process with it, so that nobody can note which clip it was. Only
        # the shard's second turn pays for finding out: child processes that may die decode clip by clip.
        crashed = again or any(ENDS_PROCESS in result.reason for result in self.known)
        jobs = networks.decoding(self.jobs)
        crashing = isolate_crashes(jobs, self.options) if crashed else {}
        outcomes = extract_clips(
            [job for at, job in enumerate(jobs) if at not in crashing],
            self.options,
            estimator=networks.estimator,
            rgb=networks.rgb,
            on_clip=lambda job, outcome: on_clip(outcome.result),
            memory=networks.memory,
        )
        for at, reason in sorted(crashing.items()):  # ascending, so that each lands at its own place
            outcomes.insert(at, Outcome.failed(reason))
            on_clip(outcomes[at].result)
        return outcomes


def report_write_errors_once() -> None:
    """Keep asyncio from reporting again, with traceback, what failed beside the write whose error is raised.

    Zarr writes several files at once; on a full disk several fail.
    """
    logging.getLogger("asyncio").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("Future exception was never retrieved")


def run_here(
    work: ShardWork,
    shards: Sequence[int],
    networks: Networks,
    *,
    on_clip: Callable[[ClipResult], None],
    on_shard: Callable[[ShardCounts], None],
    stop: StopRequest,
) -> None:
    """Do shards in a plain loop.

    Raises:
        KeyboardInterrupt: if a stop was asked for before all were done.
    """
    if work.in_one_go:
        _run_in_one_go(work, shards, networks, on_clip=on_clip, on_shard=on_shard, stop=stop)
        return
    for shard in shards:
        if stop.asked:  # between shards: one that is broken off would have to be done anew
            raise KeyboardInterrupt
        on_shard(work.shard(shard).do(networks, on_clip=on_clip))


def _run_in_one_go(
    work: ShardWork,
    shards: Sequence[int],
    networks: Networks,
    *,
    on_clip: Callable[[ClipResult], None],
    on_shard: Callable[[ShardCounts], None],
    stop: StopRequest,
) -> None:
    """Extract the clips of all shards as one list; each is written when its last clip is finished."""
    writer = StoreWriter.attach(work.store)
    rows = [row for shard in shards for row in writer.shard_rows(shard)]
    outcomes: dict[int, Outcome] = {}  # by row
    left, begun = deque(shards), time.monotonic()
    for at, outcome in extract_each(
        networks.decoding(work.jobs(rows)),
        work.engine_options(),
        estimator=networks.estimator,
        rgb=networks.rgb,
        memory=networks.memory,
    ):
        outcomes[rows[at]] = outcome
        on_clip(outcome.result)
        while left and all(row in outcomes for row in writer.shard_rows(left[0])):
            shard = left.popleft()
            done = [outcomes.pop(row) for row in writer.shard_rows(shard)]
            results = [each.result for each in done]
            features = [each.features for each in done]
            record = writer.write_shard(shard, features, results, versions=networks.versions)
            seconds = time.monotonic() - begun
            on_shard(ShardCounts.of(shard, results, seconds=seconds, versions=record.versions))
            begun = time.monotonic()
            if stop.asked and left:
                raise KeyboardInterrupt
