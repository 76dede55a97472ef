"""All that an extraction takes, before anything is written."""

from __future__ import annotations

from dataclasses import dataclass

from heatpool.extract.datasets.boxes import GivenBoxes
from heatpool.pipelines.extraction.shards import Networks, ShardWork
from heatpool.pool.store.spec import StoreSpec

__all__ = ["ExtractPlan"]


@dataclass(frozen=True, eq=False)
class ExtractPlan:
    """All that an extraction takes, before anything is written.

    Attributes:
        work: store, options with every choice made, and clips.
        spec: what the store will say of itself.
        networks: loaded.
        about: a line that says what will run.
        boxes: those of --boxes.
    """

    work: ShardWork
    spec: StoreSpec
    networks: Networks
    about: str
    boxes: GivenBoxes | None = None
