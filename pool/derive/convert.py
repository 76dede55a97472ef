"""Writing a store again in another precision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from heatpool.pool.derive.build import OnClips, new_store
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Status
from heatpool.pool.store.journal import recorded_shards
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.shard_writer import to_stored
from heatpool.pool.store.spec import Precision

__all__ = ["convert_store"]


def convert_store(
    store: FeatureStore,
    out: str | Path,
    *,
    precision: Precision,
    overwrite: bool = False,
    on_clips: OnClips = lambda count: None,
) -> None:
    """Write `store` to the folder `out` in another precision; pending clips stay pending.

    From f2 to u1 the bytes are those that extraction with precision u1 gives. The way back does not
    restore what u1 left out, and the new store says so in its configuration (`converted_from`).

    Args:
        store: where to read.
        out: folder to make.
        precision: of the new store.
        overwrite: replace an existing heatpool store (and nothing else) at `out`.
        on_clips: progress.

    Raises:
        HeatpoolError: if the store has this precision already or is damaged, or `out` cannot be made.
    """
    if store.spec.precision == precision:
        raise HeatpoolError(f"{store.source.name}: is in precision {precision} already; copy it")
    config = dict(store.spec.config)
    if store.spec.precision == "u1":
        config["converted_from"] = "u1"
    spec = replace(store.spec, precision=precision, config=config, versions=store.versions)
    shard_clips = store.layout.shard_clips
    with new_store(
        out, spec=spec, index=store.clips.index, shard_clips=shard_clips, overwrite=overwrite
    ) as writer:
        for shard in recorded_shards(store.source, store.layout):
            rows = store.layout.rows(shard)
            results = store.results(rows)
            if any(result.status == Status.PENDING for result in results):
                continue  # its record is gone or came after our look
            arrays = store.read(rows, store.layout.features)
            writer.write_stored(shard, to_stored(writer.layout, arrays), results)
            on_clips(len(rows))
