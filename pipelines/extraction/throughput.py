"""How fast an extraction went, in all and by worker."""

from __future__ import annotations

import time
from typing import Any

from heatpool.pipelines.extraction.shard_counts import ShardCounts

__all__ = ["Throughput"]


class Throughput:
    """Adds up what workers did, from the moment it is made."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._by_worker: dict[str, list[ShardCounts]] = {}

    def add(self, counts: ShardCounts) -> None:
        """Count a finished shard for its worker."""
        self._by_worker.setdefault(counts.worker, []).append(counts)

    def facts(self) -> dict[str, Any]:
        """Return clips, frames, seconds and both rates: of the whole, and of each worker while it worked."""
        everything = [counts for each in self._by_worker.values() for counts in each]
        return {
            **_sums(everything, time.monotonic() - self._begun),
            "workers": {
                name: _sums(each, sum(counts.seconds for counts in each))
                for name, each in sorted(self._by_worker.items())
            },
        }


def _sums(shards: list[ShardCounts], seconds: float) -> dict[str, float]:
    clips, frames = sum(each.clips for each in shards), sum(each.frames for each in shards)
    return {
        "shards": len(shards),
        "clips": clips,
        "frames": frames,
        "seconds": round(seconds, 3),
        "clips_per_s": round(clips / seconds, 3) if seconds else 0.0,
        "frames_per_s": round(frames / seconds, 3) if seconds else 0.0,
    }
