"""`heatpool verify`: every file of a store against its recorded hash."""

from __future__ import annotations

import logging

from heatpool.pipelines.options import VerifyOptions
from heatpool.pipelines.process.progress import Progress
from heatpool.pool.archive.pack import verify
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.archive import ArchiveSource
from heatpool.pool.sources.folder import FolderSource, Source
from heatpool.pool.sources.locate import find_source
from heatpool.pool.store.attributes import read_layout
from heatpool.pool.store.journal import recorded_shards
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.verify import Problem, StoreReport, verify_store

__all__ = ["run"]

_log = logging.getLogger(__name__)

_NAMED_SHARDS = 100
"""Pending shards and unexpected files beyond are counted, not named."""


def run(options: VerifyOptions) -> int:
    """Print what is damaged or missing in a store; return 0 when nothing is, else 1.

    Raises:
        HeatpoolError: if there is no store of this version, it cannot be reached, or an archive is damaged.
    """
    source = find_source(options.store)
    if isinstance(source, ArchiveSource):
        packed = verify(source)
        print(f"{packed.path}: {packed.members} files compared, intact, manifest SHA-256 {packed.digest}")
        return 0
    recorded = len(recorded_shards(source, read_layout(source)))
    with Progress("verify", recorded, "shards", quiet=options.quiet) as progress:
        report = verify_store(source, on_shard=progress.step)
    for problem in report.problems:
        print(f"damaged: {problem.text}{_clips(source, problem)}")
    for line in _summary(source, report):
        print(line)
    if not report.intact:
        remedy = (
            "`heatpool extract … --resume` repairs it" if isinstance(source, FolderSource) else "get it again"
        )
        _log.warning("%s: not intact; %s", source.name, remedy)
    return 0 if report.intact else 1


def _summary(source: Source, report: StoreReport) -> list[str]:
    lines = []
    if report.pending:
        clips = sum(len(report.layout.rows(shard)) for shard in report.pending)
        lines.append(
            f"missing: {len(report.pending)} of {report.layout.shards} shards have no record, {clips} clips: "
            f"{_short([str(shard) for shard in report.pending])}"
        )
    if report.unexpected:
        lines.append(f"unexpected files, ignored by readers: {_short(report.unexpected)}")
    verdict = "intact" if report.intact else f"{len(report.problems)} problems"
    return [*lines, f"{source.name}: {report.files} files compared, {verdict}"]


def _clips(source: Source, problem: Problem) -> str:
    """Rows of a damaged shard, with the ids of its first and last clip where the index can be read."""
    if problem.shard is None:
        return ""
    first, last = problem.rows[0], problem.rows[-1]
    try:
        names = " to ".join(FeatureStore.open(source).clips.clip_ids([first, last]))
    except HeatpoolError:  # the index is damaged too, and a line of its own says so
        names = "ids unknown"
    return f" (clips {first} to {last}: {names})"


def _short(names: list[str] | tuple[str, ...]) -> str:
    more = f", … {len(names) - _NAMED_SHARDS} more" if len(names) > _NAMED_SHARDS else ""
    return ", ".join(names[:_NAMED_SHARDS]) + more
