"""Writing a store again in another precision, or as it is in the newest version of the format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from heatpool.pool.derive.build import OnClips, new_store
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Status
from heatpool.pool.store.journal import recorded_shards
from heatpool.pool.store.layout import VERSION
from heatpool.pool.store.levels import (
    ROUNDED,
    Levels,
    choose_levels,
    choose_power_of_two,
    count_float16,
    parse_error,
    round_float16,
)
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.shard_writer import to_stored
from heatpool.pool.store.spec import Precision, StoreSpec

__all__ = ["choose_store_levels", "convert_store", "convert_to_levels", "count_store"]

_BY_ERROR = ("pooled", "map_mean")
_PX = 0.1
"""Step of joints and boxes, in pixels of the largest frame."""
_FLOAT16 = 2.0**-11
"""Step of float16 from 0.5 to 1: finer ones than it has near a frame's edge would only cost bytes."""
_SCORE = 1 / 64


def convert_store(
    store: FeatureStore,
    out: str | Path,
    *,
    precision: str | None,
    overwrite: bool = False,
    on_clips: OnClips = lambda count: None,
) -> None:
    """Write `store` to the folder `out` in another precision; pending clips stay pending.

    What is written is of the newest version of the format.

    From f2 to u1 the bytes are those that extraction with precision u1 gives. No way back restores what was
    left out, and the new store says so in its configuration (`converted_from`).

    Args:
        store: where to read.
        out: folder to make.
        precision: f2, u1, `error:2%` (whole numbers in the coarsest equal steps whose relative error is 2 %),
            `float16:2%` (float16 in steps of a power of two); None to leave what is stored as it is, bit for
            bit, of a store of an older version.
        overwrite: replace an existing heatpool store (and nothing else) at `out`.
        on_clips: progress.

    Raises:
        HeatpoolError: if the store has this precision and version already, is damaged or cannot be had with
            this error, or `out` cannot be made.
    """
    if precision is None:
        if store.layout.version == VERSION:
            raise HeatpoolError(
                f"{store.source.name}: is of format version {VERSION} already; copy it, or name a precision"
            )
        spec = replace(store.spec, versions=store.versions)
        return _write(store, out, spec, overwrite=overwrite, on_clips=on_clips)
    if store.spec.precision == precision:
        old = store.layout.version < VERSION
        what = f"without --precision it is written in format version {VERSION}" if old else "copy it"
        raise HeatpoolError(f"{store.source.name}: is in precision {precision} already; {what}")
    spec = _from(store)
    if precision in ("f2", "u1"):
        spec = replace(spec, precision=cast(Precision, precision), levels={})
        return _write(store, out, spec, overwrite=overwrite, on_clips=on_clips)
    if not (wanted := parse_error(precision)):
        raise HeatpoolError(
            f"expected precision f2, u1, error:2% or float16:2%, of any error above 0 and below 100 %, got "
            f"{precision!r}"
        )
    if store.spec.levels and (had := store.spec.levels["pooled"].error) >= wanted[1]:
        raise HeatpoolError(
            f"{store.source.name}: its features have an error of {had:.2%} already, {precision} leaves less; "
            "convert the store that it was made of"
        )
    if wanted[0] == "error":
        levels = choose_store_levels(store, wanted[1], counts=count_store(store))
        return convert_to_levels(store, out, levels=levels, overwrite=overwrite, on_clips=on_clips)
    chosen = {name: choose_power_of_two(counts, wanted[1]) for name, counts in count_store(store).items()}
    steps = {name: step for name, (step, _) in chosen.items()}
    places = {name: float(2.0 ** np.floor(np.log2(step))) for name, step in _place_steps(store).items()}
    rounded = {name: {"step": step, "error": error} for name, (step, error) in chosen.items()}
    rounded |= {name: {"step": step} for name, step in places.items()}
    spec = replace(spec, precision="f2", levels={}, config={**spec.config, ROUNDED: rounded})
    _write(store, out, spec, overwrite=overwrite, on_clips=on_clips, change=_rounder(steps | places))


def choose_store_levels(
    store: FeatureStore, error: float, *, counts: Mapping[str, np.ndarray]
) -> dict[str, Levels]:
    """Steps of a store's arrays, by name: features as coarse as the error allows, places as `_place_steps`.

    Args:
        store: whose frame sizes are looked at.
        error: relative, of `pooled` and `map_mean`; 0.02 for 2 %.
        counts: of the store, by `count_store`.

    Raises:
        HeatpoolError: if 16 bits are too few for the error.
    """
    levels = {}
    for name, of_array in counts.items():
        found = choose_levels(of_array, error)
        if found is None:
            raise HeatpoolError(f"expected an error that 65,536 levels can keep to, got {error:.3%}; use f2")
        levels[name] = found
    # 32 bits hold any float16 in these steps; the bytes that are always zero cost nothing once compressed.
    return levels | {name: Levels("int32", step, 0.0) for name, step in _place_steps(store).items()}


def convert_to_levels(
    store: FeatureStore,
    out: str | Path,
    *,
    levels: Mapping[str, Levels],
    overwrite: bool = False,
    on_clips: OnClips = lambda count: None,
) -> None:
    """Write `store` to `out` in steps that `choose_store_levels` chose, for it or for a store of more clips.

    Raises as `convert_store`.
    """
    spec = replace(_from(store), precision="levels", levels=levels)
    _write(store, out, spec, overwrite=overwrite, on_clips=on_clips, change=_with_few_scores)


def _from(store: FeatureStore) -> StoreSpec:
    return replace(store.spec.decoded(), versions=store.versions)


def count_store(store: FeatureStore) -> dict[str, np.ndarray]:
    """How often each float16 occurs, (65536,) int64, in each array whose step follows from an error.

    Raises:
        HeatpoolError: if the store is damaged.
    """
    names = [name for name in _BY_ERROR if name in store.layout.features]
    counts = {name: np.zeros(1 << 16, np.int64) for name in names}
    for _, arrays in store.iter_shards(names):
        for name, values in arrays.items():
            counts[name] += count_float16(values)
    return counts


def _place_steps(store: FeatureStore) -> dict[str, float]:
    """Steps of joints, in [-1, 1] over the frame, and of boxes, in [0, 1]: 0.1 pixel, or float16's own."""
    sides = np.concatenate([store.clips.width_px, store.clips.height_px])
    px = _PX / (int(sides.max(initial=0)) or 1920)
    return {"keypoints": max(2 * px, _FLOAT16), "boxes": max(px, _FLOAT16)}


Change = Callable[[dict[str, np.ndarray]], None]


def _with_few_scores(arrays: dict[str, np.ndarray]) -> None:
    """Round joint scores, which share the array and its fine step with the joints' places."""
    scores = arrays["keypoints"][..., 2]
    arrays["keypoints"][..., 2] = round_float16(scores, _SCORE)


def _rounder(steps: Mapping[str, float]) -> Change:
    def change(arrays: dict[str, np.ndarray]) -> None:
        scores = round_float16(arrays["keypoints"][..., 2:], _SCORE)
        for name, step in steps.items():
            arrays[name] = round_float16(arrays[name], step)
        arrays["keypoints"][..., 2:] = scores

    return change


def _write(
    store: FeatureStore,
    out: str | Path,
    spec: StoreSpec,
    *,
    overwrite: bool,
    on_clips: OnClips,
    change: Change | None = None,
) -> None:
    shard_clips = store.layout.shard_clips
    as_stored = change is None and spec.precision == store.spec.precision
    with new_store(
        out, spec=spec, index=store.clips.index, shard_clips=shard_clips, overwrite=overwrite
    ) as writer:
        for shard in recorded_shards(store.source, store.layout):
            rows = store.layout.rows(shard)
            results = store.results(rows)
            if any(result.status == Status.PENDING for result in results):
                continue  # its record is gone or came after our look
            arrays = store.read_stored(rows) if as_stored else store.read(rows, store.layout.features)
            if change is not None:
                change(arrays)
            writer.write_stored(shard, arrays if as_stored else to_stored(writer.layout, arrays), results)
            on_clips(len(rows))
