"""`xarray.open_dataset(place, engine="heatpool")`: found by xarray through the entry point in setup.cfg.

Everything is called as in the store (docs/format.md): the dimensions and variables of the Zarr arrays, with
the table of clips as coordinates along `clip`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split, Status
from heatpool.pool.sources.folder import FolderSource
from heatpool.pool.sources.locate import ARCHIVE_SUFFIX
from heatpool.pool.store.array_view import axis_names
from heatpool.pool.store.attributes import read_root
from heatpool.pool.store.index import split_array
from heatpool.pool.store.layout import RESULT_DTYPES
from heatpool.pool.store.reader import FeatureStore, open_store

__all__ = ["HeatpoolBackend"]

_ATTRIBUTES = (
    "backbone", "tap", "weights_sha256", "skeleton", "precision", "licence", "citation", "source",
    "code_version",
)  # fmt: skip


class HeatpoolBackend(BackendEntrypoint):
    """Opens feature stores of every version and precision, archives and addresses, decoded when read."""

    description = "Feature stores and archives of heatpool"

    def open_dataset(  # type: ignore[override]
        self,
        filename_or_obj: str | Path | FeatureStore,
        *,
        drop_variables: str | Iterable[str] | None = None,
        mask_and_scale: bool = True,
    ) -> xarray.Dataset:
        """Open a store. Features are float32, read when they are asked for; the table of clips is in memory.

        Args:
            filename_or_obj: folder, archive, address, or a store that is open.
            drop_variables: names to leave out.
            mask_and_scale: NaN where `mask` is False or a clip has no features; else what is stored, 0.

        Raises:
            HeatpoolError: if there is no heatpool feature store.
        """
        store = filename_or_obj
        if not isinstance(store, FeatureStore):
            store = open_store(store)
        dropped = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or ())
        variables = {name: _variable(store, name, missing=mask_and_scale) for name in store.layout.features}
        data = xarray.Dataset(
            variables,
            coords=_coordinates(store),
            attrs={name: store.attributes[name] for name in _ATTRIBUTES if store.attributes.get(name)},
        )
        return data.set_coords("time_s").drop_vars(dropped, errors="ignore")

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether it is an archive by its name, or a folder with the root attributes of a feature store."""
        if not isinstance(filename_or_obj, str | Path):
            return False
        if str(filename_or_obj).endswith(ARCHIVE_SUFFIX):
            return True
        try:
            return "://" not in str(filename_or_obj) and bool(
                read_root(FolderSource(Path(filename_or_obj)), any_version=True)
            )
        except HeatpoolError:
            return False


class _LazyFeatures(BackendArray):
    """A feature array of a store for xarray: whole shards are read one after the other, parts are kept."""

    def __init__(self, store: FeatureStore, name: str, *, missing: bool) -> None:
        spec = store.layout.features[name]
        self.store, self.name, self.item_shape = store, name, spec.item_shape
        self.mask = missing and name not in ("mask", "time_s", "rgb_jpeg")
        self.shape = (len(store), *spec.item_shape)
        self.dtype = np.dtype("float32" if spec.dtype == "float16" else spec.dtype)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        rows, *others = key
        wanted = np.arange(len(self.store))[rows]
        flat = np.atleast_1d(wanted)
        shape = _outer(np.broadcast_to(np.empty((), self.dtype), (1, *self.item_shape)), others).shape[1:]
        out = np.empty((len(flat), *shape), self.dtype)
        shards = flat // self.store.layout.shard_clips
        for shard in np.unique(shards):
            places = np.flatnonzero(shards == shard)
            out[places] = _outer(self._read_rows(flat[places]), others)
        return out if np.ndim(wanted) else np.asarray(out[0])

    def _read_rows(self, rows: np.ndarray) -> np.ndarray:
        seen = ("mask",) if self.mask and self.name != "rgb" else ()
        arrays = self.store.read(rows, (self.name, *seen))
        values = arrays[self.name].astype(self.dtype, copy=False)
        if self.mask:
            there = arrays["mask"] if seen else values.any(-1)
            values[~there] = np.nan
        return values


def _outer(values: np.ndarray, keys: list[Any]) -> np.ndarray:
    """`values` (n, ...) indexed along each further axis by its own key; whole numbers remove their axis."""
    for axis, key in reversed(list(enumerate(keys, start=1))):
        values = values[(slice(None),) * axis + (key,)]
    return values


def _variable(store: FeatureStore, name: str, *, missing: bool) -> xarray.Variable:
    spec = store.layout.features[name]
    attributes = {key: text for key, text in spec.attributes.items() if key != "missing"}
    values = indexing.LazilyIndexedArray(_LazyFeatures(store, name, missing=missing))
    return xarray.Variable(spec.dims, values, attributes, _shards(store))


def _coordinates(store: FeatureStore) -> dict[str, Any]:
    """Names along the dimensions, and the table of clips; texts as objects, which every xarray can write."""
    clips, index = store.clips, store.clips.index
    words = {Split: _words(Split), Status: _words(Status)}
    texts = {"path": index.path, **index.columns}
    splits = {split_array(name): words[Split][splits] for name, splits in index.splits.items()}
    results = {name: getattr(clips, name) for name in RESULT_DTYPES}
    of_clips = {
        **{name: np.array(values, object) for name, values in texts.items()},
        "class_name": np.array([*index.class_names, ""], object)[index.label],
        **splits,
        **results | {"status": words[Status][results["status"]]},
    }
    return {
        "clip": np.array(index.clip_id, object),
        **{dim: np.array(names, object) for dim, names in axis_names(store.spec).items()},
        "label": ("clip", index.label, _flags(index.class_names), _shards(store)),
        **{name: ("clip", values, {}, _shards(store)) for name, values in of_clips.items()},
    }


def _shards(store: FeatureStore) -> dict[str, Any]:
    """Encoding by which `chunks={}` means shards; of the index too, as unequal chunks are not mapped."""
    return {"preferred_chunks": {"clip": store.layout.shard_clips}}


def _words(codes: type[Split] | type[Status]) -> np.ndarray:
    return np.array(["" if code is Split.NONE else code.name.lower() for code in codes], object)


def _flags(class_names: Sequence[str]) -> dict[str, Any]:
    """CF attributes of class numbers: names without blanks, which every writer of netCDF takes."""
    meanings = " ".join("_".join(name.split()) for name in class_names)
    numbers = np.arange(len(class_names), dtype=np.int32)
    return {"flag_values": numbers, "flag_meanings": meanings} if class_names else {}
