"""`heatpool relabel`: other labels, splits and columns for a store."""

from __future__ import annotations

import logging

from heatpool.pipelines.options import RelabelOptions
from heatpool.pipelines.training.relabel import join_manifest
from heatpool.pool.derive.remake import relabel_store
from heatpool.pool.store.reader import FeatureStore

__all__ = ["run"]

_log = logging.getLogger(__name__)


def run(options: RelabelOptions) -> int:
    """Lay a manifest over a store's index and write that anew.

    Raises:
        HeatpoolError: if the manifest does not fit, the store is an archive, unfinished or being written, or
            the output exists.
    """
    store = FeatureStore.open(options.store)
    joined = join_manifest(store, options.manifest)
    relabel_store(store, joined.index, out=options.out, overwrite=options.overwrite)
    index = joined.index
    labelled = int((index.label >= 0).sum())
    splits = ", ".join(index.splits) or "none"
    names = len(index.class_names)
    _log.info(
        "%s: %d of %d clips labelled, %d class%s, splits: %s",
        options.out or options.store, labelled, len(index), names, "es" * (names != 1), splits,
    )  # fmt: skip
    return 0
