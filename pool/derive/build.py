"""Making a store out of something else: whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from heatpool.pool.disk.atomic import atomic_folder
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipFeatures, ClipIndex, ClipResult
from heatpool.pool.store.create import replace_store
from heatpool.pool.store.layout import Layout
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import StoreSpec
from heatpool.pool.store.writer import StoreWriter

__all__ = ["OnClips", "Piece", "copy_clips", "make_features", "new_store"]

OnClips = Callable[[int], None]
"""Called with the number of clips that were just done."""

Piece = tuple[FeatureStore, np.ndarray]
"""A store and (n,) ascending rows of it."""


@contextmanager
def new_store(
    out: str | Path,
    *,
    spec: StoreSpec,
    index: ClipIndex,
    shard_clips: int = 64,
    overwrite: bool = False,
) -> Iterator[StoreWriter]:
    """Give a writer of a store that appears at `out`, finished, when the block ends without an error.

    Raises:
        HeatpoolError: if `out` exists and is not to be replaced, the index holds what cannot be stored, or
            the disk refuses.
    """
    with (
        replace_store(Path(out), overwrite=overwrite),
        atomic_folder(out, overwrite) as aside,
        StoreWriter.create(
            aside,
            spec=spec,
            index=index,
            shard_clips=shard_clips,
            overwrite=True,  # the empty folder
        ) as writer,
    ):
        yield writer
        writer.finish()


def copy_clips(
    writer: StoreWriter, pieces: Sequence[Piece], *, first_shard: int = 0, on_clips: OnClips
) -> None:
    """Write the rows of some stores one after another, as stored, bit for bit.

    Args:
        writer: of a store of the same arrays and as many clips.
        pieces: what to write.
        first_shard: where to begin; the shards before it are there.
        on_clips: progress.

    Raises:
        HeatpoolError: if a shard is damaged or the disk refuses.
    """
    starts = np.cumsum([0, *(len(rows) for _, rows in pieces)])
    for shard in range(first_shard, writer.layout.shards):
        wanted = writer.layout.rows(shard)
        blocks, results = [], []
        for (store, rows), start in zip(pieces, starts.tolist(), strict=False):
            chosen = rows[max(wanted.start - start, 0) : max(wanted.stop - start, 0)]
            if len(chosen):
                blocks.append(store.read_stored(chosen))
                results += store.results(chosen)
        stored = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
        writer.write_stored(shard, stored, results)
        on_clips(len(wanted))


def make_features(
    layout: Layout, arrays: Mapping[str, np.ndarray], results: Sequence[ClipResult], *, names: Sequence[str]
) -> list[ClipFeatures | None]:
    """Records of some clips from their arrays.

    Args:
        layout: sizes of the store.
        arrays: (n, ...) by name, for every array of the layout.
        results: n outcomes.
        names: n clip ids, for messages.

    Returns:
        n records; None for a clip whose times are NaN: it has no features.

    Raises:
        HeatpoolError: if a value is not finite or a shape does not fit; the line names the clip.
    """
    clips: list[ClipFeatures | None] = []
    for number, (name, result) in enumerate(zip(names, results, strict=True)):
        values = {key: np.asarray(arrays[key][number]) for key in layout.features}
        if np.isnan(values["time_s"]).any():
            clips.append(None)
            continue
        # Overflow of what is too large for float32 is found by the record's own check.
        with np.errstate(over="ignore"):
            floats = {
                key: value.astype(np.float32) if value.dtype.kind == "f" else value
                for key, value in values.items()
            }
        try:
            clips.append(ClipFeatures(**floats))
        except ValueError as error:
            raise HeatpoolError(f"clip {name[:80]!r} ({result.status.name.lower()}): {error}") from error
    return clips
