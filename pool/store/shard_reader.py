"""Reading the feature arrays of a store, shard by shard, with a look at each shard's record first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import zarr

from heatpool.pool.disk.limits import check_unpacked
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.folder import Source
from heatpool.pool.store.bounded import UNDECODABLE, damage, open_array
from heatpool.pool.store.journal import ShardError, check_shard, record_key
from heatpool.pool.store.layout import Layout
from heatpool.pool.store.quantise import dequantise

__all__ = ["FeatureReader", "check_names"]

_ADVICE = "; `heatpool extract --resume` writes it again"


class FeatureReader:
    """The feature arrays of one store.

    Attributes:
        source: files of the store.
        layout: its sizes.
    """

    def __init__(
        self, source: Source, layout: Layout, group: zarr.Group, *, is_written: Callable[[range], bool]
    ) -> None:
        """`is_written` tells of rows without a journal record whether the store says they have results."""
        self.source = source
        self.layout = layout
        self._group = group
        self._is_written = is_written
        self._checked: set[int] = set()
        self._arrays: dict[str, zarr.Array[Any]] = {}

    def read(self, name: str, shard: int, rows: np.ndarray | None = None) -> np.ndarray:
        """One of `layout.features` for `rows` (n,) of a shard, or all of it.

        Raises:
            HeatpoolError: if the shard is damaged.
        """
        parts = [self.read_stored(part, shard, rows) for part in self.layout.parts(name)]
        if name in self.layout.levels:
            return self.layout.levels[name].to_values(parts[0])
        return parts[0] if len(parts) == 1 else dequantise(*parts)

    def read_stored(self, name: str, shard: int, rows: np.ndarray | None = None) -> np.ndarray:
        """One of `layout.stored` likewise, as it lies on disk. Raises as `read`."""
        self._check(shard)
        span = self.layout.rows(shard)
        if rows is None:
            return self._decode(name, shard, slice(span.start, span.stop))
        # A few rows are read one by one; of many, decoding the whole shard is faster.
        if self.layout.stored[name].sharded and len(rows) < len(span) // 2:
            return np.stack([self._decode(name, shard, row) for row in rows.tolist()])
        whole = self._decode(name, shard, slice(span.start, span.stop))
        return np.asarray(whole[rows - span.start])

    def _check(self, shard: int) -> None:
        """Raise HeatpoolError if a shard's files are not as recorded (zarr would read zeros)."""
        if shard in self._checked:
            return
        if self.source.size(record_key(shard)) is None:
            if self._is_written(self.layout.rows(shard)):
                raise self._damage(f"shard {shard} has results, but no record in the journal")
            return  # pending; it may be written at any moment, so that is not remembered
        try:
            check_shard(self.source, self.layout, shard)
        except ShardError as error:
            raise self._damage(str(error)) from error
        self._checked.add(shard)

    def _array(self, name: str) -> zarr.Array[Any]:
        if name not in self._arrays:
            spec, layout = self.layout.stored[name], self.layout
            self._arrays[name] = open_array(
                self.source,
                self._group,
                name,
                clips=layout.clips,
                item_shape=spec.item_shape,
                chunks=spec.chunk(layout.shard_clips),
                shards=spec.shard(layout.shard_clips) if spec.sharded else None,
                dtype=spec.dtype,
            )
        return self._arrays[name]

    def _decode(self, name: str, shard: int, where: slice | int) -> np.ndarray:
        array, spec = self._array(name), self.layout.stored[name]
        packed = self.source.size(self.layout.shard_key(name, shard))
        if packed is not None and isinstance(where, slice):
            claimed = (where.stop - where.start) * math.prod(spec.item_shape) * array.dtype.itemsize
            check_unpacked(self.source.name, f"{name} of shard {shard}", claimed, packed=packed)
        try:
            values = np.asarray(array[where])
        except UNDECODABLE as error:  # wrong checksum, broken codec, no access
            what = f"shard {shard}: cannot decode {name}"
            raise damage(self.source, what, error, advice=_ADVICE) from error
        if not _can_be(values, nan=math.isnan(spec.fill)):  # though the bytes are those recorded
            raise HeatpoolError(f"{self.source.name}: damaged, shard {shard}: {name} holds NaN or infinity")
        return values

    def _damage(self, reason: str) -> HeatpoolError:
        return HeatpoolError(f"{self.source.name}: damaged, {reason}{_ADVICE}")


def _can_be(values: np.ndarray, *, nan: bool) -> bool:
    """Whether a writer writes such values: finite ones, and NaN if an array may hold it."""
    if values.dtype == np.float16 and not nan:  # by its bits, in a tenth of NumPy's time; 0x7c00 is infinity
        return bool(
            values.view(np.int16).max(initial=0) < 0x7C00 and values.view(np.uint16).max(initial=0) < 0xFC00
        )
    return values.dtype.kind != "f" or bool((np.isfinite(values) | (nan & np.isnan(values))).all())


def check_names(names: Sequence[str], known: Sequence[str]) -> None:
    """Raise ValueError unless all `names` are `known` arrays."""
    for name in names:
        if name not in known:
            raise ValueError(f"expected arrays among {', '.join(known)}, got {name!r}")
