"""What a shard held and who did it, as the run counts it."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from heatpool.pool.records import ClipResult, Status
from heatpool.pool.store.versions import Versions

__all__ = ["ShardCounts", "is_damaged"]


@dataclass(frozen=True)
class ShardCounts:
    """What a finished shard held, and who did it.

    Attributes:
        shard: its number.
        clips: clips of the shard.
        damaged: those that failed or are truncated.
        frames: frames of their videos.
        seconds: from its first clip to its journal record.
        worker: host and process.
        again: the process that had the shard before died.
        versions: of the packages that made it, those that are not as the store says.
        kept: a shard that was tried again stays as it is, as clips with features could not be read now.
    """

    shard: int
    clips: int
    damaged: int
    frames: int
    seconds: float
    worker: str
    again: bool
    versions: Versions
    kept: bool = False

    @classmethod
    def of(
        cls,
        shard: int,
        results: Sequence[ClipResult],
        *,
        seconds: float,
        versions: Versions,
        again: bool = False,
        kept: bool = False,
    ) -> ShardCounts:
        """Count the results of a shard that this process did."""
        return cls(
            shard=shard,
            clips=len(results),
            damaged=sum(map(is_damaged, results)),
            frames=sum(result.frames for result in results),
            seconds=seconds,
            worker=f"{socket.gethostname()} {os.getpid()}",
            again=again,
            kept=kept,
            versions=versions,
        )


def is_damaged(result: ClipResult) -> bool:
    """Whether a clip failed or is cut off."""
    return result.status in (Status.FAILED, Status.TRUNCATED)
