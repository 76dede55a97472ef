"""Reading the index of a store: one array at a time, of all clips or of a few, never by listing folders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import zarr

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex
from heatpool.pool.sources.folder import Source
from heatpool.pool.store.differences import shorten
from heatpool.pool.store.index import split_array
from heatpool.pool.store.layout import INDEX_CHUNK_CLIPS, Layout

__all__ = ["IndexReader", "open_array"]


class IndexReader:
    """The index arrays of one store.

    Attributes:
        source: files of the store.
        layout: its sizes.
        group: its zarr group.
    """

    def __init__(self, source: Source, layout: Layout) -> None:
        self.source = source
        self.layout = layout
        self.group = zarr.open_group(source.zarr_store(), mode="r", zarr_format=3)

    def array(self, name: str, rows: np.ndarray | None = None) -> np.ndarray:
        """Values of an index array: all (N,), or those of `rows` (n,) int64.

        Raises:
            HeatpoolError: if the array or a chunk is missing or damaged.
        """
        chunks = (min(max(self.layout.clips, 1), INDEX_CHUNK_CLIPS),)
        array = open_array(self.source, self.group, name, shape=(self.layout.clips,), chunks=chunks)
        if self.layout.clips == 0 or (rows is not None and rows.size == 0):
            return np.asarray(array[:0])
        wanted = range(-(-self.layout.clips // chunks[0])) if rows is None else np.unique(rows // chunks[0])
        try:
            # zarr reads a missing chunk as fill values, but index arrays always store every chunk.
            missing = sum(self.source.size(f"{name}/c.{chunk}") is None for chunk in wanted)
            if missing:
                raise ValueError(f"{missing} chunk files are missing")
            return np.asarray(array[:] if rows is None else array.get_coordinate_selection(rows))
        except (ValueError, RuntimeError, OSError) as error:  # wrong checksum, broken codec, no access
            raise _damage(self.source, name, error) from error

    def strings(self, name: str, rows: np.ndarray | None = None) -> tuple[str, ...]:
        """Values of a string array. Raises as `array`."""
        return tuple(self.array(name, rows).tolist())

    def categories(self, column: str) -> tuple[str, ...] | None:
        """Texts of a manifest column in code order; None where the column is stored as texts."""
        found = self._attributes(column).get("categories")
        return None if found is None else tuple(found)

    def column(self, name: str, rows: np.ndarray | None = None) -> np.ndarray:
        """Texts (N,) or (n,) of a manifest column, "" where unknown. Raises as `array`."""
        values, categories = self.array(name, rows), self.categories(name)
        if categories is None:
            return values
        return np.array([*categories, ""], np.dtypes.StringDType())[values]  # code -1 is the last entry

    def class_names(self) -> tuple[str, ...]:
        """Class names in label order."""
        return tuple(self._attributes("label")["class_names"])

    def index(self, rows: np.ndarray | None = None) -> ClipIndex:
        """The index in memory, of all clips or of `rows`. Raises as `array`."""
        attributes = cast(dict[str, Any], self.group.attrs.asdict())
        return ClipIndex(
            clip_id=self.strings("clip_id", rows),
            path=self.strings("path", rows),
            label=self.array("label", rows),
            class_names=self.class_names(),
            columns={name: tuple(self.column(name, rows).tolist()) for name in attributes["columns"]},
            splits={name: self.array(split_array(name), rows) for name in attributes["splits"]},
        )

    def _attributes(self, name: str) -> dict[str, Any]:
        try:
            return cast(dict[str, Any], self.group[name].attrs.asdict())
        except (KeyError, ValueError) as error:
            raise _damage(self.source, name, error) from error


def open_array(
    source: Source,
    group: zarr.Group,
    name: str,
    *,
    shape: Sequence[int],
    chunks: Sequence[int],
    shards: Sequence[int] | None = None,
    dtype: str | None = None,
) -> zarr.Array:
    """An array of a store whose metadata is as the layout has it, so that reading takes no surprising memory.

    Raises:
        HeatpoolError: if it is missing, cannot be read by this zarr, or is of another form.
    """
    try:
        array = group[name]
    except (KeyError, ValueError, TypeError, NotImplementedError, RuntimeError, OSError) as error:
        raise _damage(source, name, error) from error
    if not isinstance(array, zarr.Array):
        raise HeatpoolError(f"{source.name}: damaged, {name} is no array")
    wanted = (tuple(shape), tuple(chunks), None if shards is None else tuple(shards))
    found = (array.shape, array.chunks, array.shards)
    if found != wanted or (dtype is not None and array.dtype != np.dtype(dtype)):
        expected = f"{dtype or array.dtype} {wanted}"
        raise HeatpoolError(
            f"{source.name}: damaged, expected array {name} of {expected} (shape, chunk, shard), "
            f"got {array.dtype} {found}"
        )
    return array


def _damage(source: Source, name: str, error: Exception) -> HeatpoolError:
    reason = shorten(str(error), limit=200) if not str(error).isprintable() else str(error)
    return HeatpoolError(f"{source.name}: damaged, cannot read array {name} ({reason})")
