"""All that an extraction takes, before anything is written."""

from __future__ import annotations

from dataclasses import dataclass

from heatpool.extract.datasets.given_persons import GivenPersons
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
        given: persons of --boxes or --keypoints.
    """

    work: ShardWork
    spec: StoreSpec
    networks: Networks
    about: str
    given: GivenPersons | None = None
