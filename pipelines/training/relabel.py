"""Stores under the labels and splits of a manifest: for a run, for good, and as a run had them."""

from __future__ import annotations

import logging
from pathlib import Path

from heatpool.pipelines.extraction.run_file import with_root_of
from heatpool.pipelines.runs.config import full_location
from heatpool.pipelines.runs.labels import read_run_labels
from heatpool.pipelines.runs.run_dir import FOLDS, read_seed_folders, read_summary
from heatpool.pool.derive.join import Joined, join_index
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore

__all__ = ["join_manifest", "open_run_store"]

_log = logging.getLogger(__name__)


def join_manifest(store: FeatureStore, path: Path) -> Joined:
    """Read a manifest and find its clips in a store; clips that one of both lacks are counted in a warning.

    Raises:
        HeatpoolError: if it is no manifest, or none of its clips is in the store.
    """
    from heatpool.extract.datasets.manifest import read_manifest  # a manifest was asked for

    manifest = with_root_of(store, read_manifest(path, known=store.clips.class_names))
    spans = [(clip.start_s, clip.end_s) for clip in manifest.clips]
    try:
        joined = join_index(store.clips.index, manifest.index(), spans=spans)
    except HeatpoolError as error:
        raise HeatpoolError(f"{path} does not fit {store.source.name}: {error}") from error
    missing = int((~joined.found).sum())
    if missing:
        _log.warning(
            "%d of %d clips of %s are not in %s: left out", missing, len(store), store.source.name, path
        )
    if joined.unknown:
        _log.warning(
            "%d of %d clips of %s are not in %s: without features",
            joined.unknown, len(manifest.clips), path, store.source.name,
        )  # fmt: skip
    return joined


def open_run_store(run: Path, features: str | None = None) -> FeatureStore:
    """Open the store of a run, with the labels and splits that the run had.

    Args:
        run: folder of the run, of one of its seeds, or of a cross-validation.
        features: another store like it, which has its own labels; default the run's.

    Raises:
        HeatpoolError: if there is no such run or store.
    """
    run = run / "fold_1" if (run / FOLDS).is_file() else run  # of all clips, as every fold
    own = read_summary(read_seed_folders(run)[0])["features"]
    store, labels = FeatureStore.open(features or own), read_run_labels(run)
    if labels is None or full_location(store.source.name) != own:
        return store
    return store.with_index(join_index(store.clips.index, labels).index)
