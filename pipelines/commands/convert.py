"""`heatpool convert`: a store once more, in another precision."""

from __future__ import annotations

import logging

from heatpool.pipelines.options import ConvertOptions
from heatpool.pipelines.process.progress import Progress
from heatpool.pool.derive.convert import convert_store
from heatpool.pool.store.reader import FeatureStore

__all__ = ["run"]

_log = logging.getLogger(__name__)


def run(options: ConvertOptions) -> int:
    """Convert a store.

    Raises:
        HeatpoolError: if it has this precision already, is damaged, or the output cannot be made.
    """
    store = FeatureStore.open(options.store)
    with Progress("convert", len(store), "clips", quiet=options.quiet) as progress:
        convert_store(
            store,
            options.out,
            precision=options.precision,
            overwrite=options.overwrite,
            on_clips=progress.step,
        )
    before, after = (sum(each.bytes_by_array().values()) for each in (store, FeatureStore.open(options.out)))
    _log.info(f"{options.out}: {after:,} bytes, {before:,} before")
    return 0
