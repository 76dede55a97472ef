"""`heatpool convert`: a store once more, in another precision."""

from __future__ import annotations

import sys

from heatpool.pipelines.options import ConvertOptions
from heatpool.pipelines.process.progress import Progress
from heatpool.pool.derive.convert import convert_store
from heatpool.pool.store.reader import FeatureStore

__all__ = ["run"]


def run(config: ConvertOptions) -> int:
    """Convert a store.

    Raises:
        HeatpoolError: if it has this precision already, is damaged, or the output cannot be made.
    """
    store = FeatureStore.open(config.store)
    with Progress("convert", len(store), "clips", quiet=config.quiet) as progress:
        convert_store(
            store, config.out, precision=config.precision, overwrite=config.overwrite, on_shard=progress.step
        )
    if not config.quiet:
        bytes_before, bytes_after = (
            sum(each.bytes_by_array().values()) for each in (store, FeatureStore.open(config.out))
        )
        print(f"{config.out}: {bytes_after:,} bytes, {bytes_before:,} before", file=sys.stderr)
    return 0
