"""All that an extraction takes, before anything is written."""

from __future__ import annotations

from dataclasses import dataclass

from heatpool.extract.datasets.given_persons import GivenPersons
from heatpool.extract.datasets.manifest import Manifest
from heatpool.extract.datasets.windows import cut_windows
from heatpool.pipelines.extraction.shards import Networks, ShardWork
from heatpool.pipelines.options import ExtractOptions
from heatpool.pool.store.spec import StoreSpec

__all__ = ["ExtractPlan", "select_clips"]


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


def select_clips(options: ExtractOptions, manifest: Manifest) -> Manifest:
    """Return the manifest, as far as it is wanted, cut into windows if they are asked for."""
    manifest = manifest.with_disjoint(options.disjoint_columns)
    manifest = manifest.limit(options.limit) if options.limit else manifest
    if options.window_s:
        stride_s = options.stride_s or options.window_s
        manifest = cut_windows(manifest, window_s=options.window_s, stride_s=stride_s)
    return manifest
