"""Clips that failed, to be tried again: those that a fault of the moment kept from being read, or all."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from heatpool.extract.datasets.manifest import Manifest
from heatpool.extract.video.transient import can_be_opened
from heatpool.pool.records import ClipResult, Status
from heatpool.pool.sources.folder import FolderSource
from heatpool.pool.store.journal import read_records
from heatpool.pool.store.writer import StoreWriter

__all__ = ["failed_shards"]

_log = logging.getLogger(__name__)


def failed_shards(
    writer: StoreWriter, manifest: Manifest, pending: Collection[int], *, everything: bool
) -> dict[int, Sequence[ClipResult]]:
    """Return the finished shards with failed clips that are worth another try, and their clips' results.

    A shard is done as a whole, so that it gets the bytes that it would have got without the fault. One whose
    files are all still away is not.

    Args:
        writer: of the store.
        manifest: its clips.
        pending: shards that are to be done anyway.
        everything: also clips that failed for good, such as damaged ones.
    """
    known: dict[int, Sequence[ClipResult]] = {}
    count = away = 0
    for record in read_records(FolderSource(writer.path), writer.layout):
        if record.shard in pending:
            continue
        results = record.clip_results()
        failed = [
            row
            for row, result in zip(writer.shard_rows(record.shard), results, strict=False)
            if (result.status == Status.FAILED if everything else result.transient)
        ]
        there = sum(can_be_opened(manifest.clips[row].path) for row in failed)
        if there:
            known[record.shard] = results
        count, away = count + there, away + len(failed) - there
    if away:
        _log.warning("%d failed clips are not tried again: their videos cannot be opened now", away)
    if known:
        _log.info("trying %d failed clips again, in %d shards", count, len(known))
    return known
