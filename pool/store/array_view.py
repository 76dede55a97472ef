"""Feature arrays as views: sliced like numpy arrays and read where they are sliced, and with named axes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from heatpool.pool.errors import HeatpoolError

if TYPE_CHECKING:
    import xarray

    from heatpool.pool.store.reader import FeatureStore

__all__ = ["FeatureArray", "to_xarray"]

_DIMS = {"joint": "keypoint", "xy_score": "space", "xyxy": "corner"}
_ATTRIBUTES = (
    "backbone", "tap", "weights_sha256", "skeleton", "precision", "licence", "citation", "source",
    "code_version",
)  # fmt: skip


class FeatureArray:
    """One feature array over all clips of a store, read when it is sliced and shard by shard.

    Slicing gives numpy arrays. The first index picks clips: a number, a slice, several numbers or a mask; the
    others apply to what was read. `np.asarray` reads all of it.

    Attributes:
        store: where it is read from.
        name: of the array.
        dims: names of its dimensions, `clip` first.
        shape: (N, ...).
        dtype: of its values.

    Raises:
        KeyError: if the store has no such array.
    """

    def __init__(self, store: FeatureStore, name: str) -> None:
        if name not in store.layout.features:
            raise KeyError(f"expected an array of {', '.join(store.layout.features)}, got {name!r}")
        spec = store.layout.features[name]
        self.store, self.name, self.dims = store, name, spec.dims
        self.shape, self.dtype = (len(store), *spec.item_shape), np.dtype(spec.dtype)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def __len__(self) -> int:
        return len(self.store)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{dim}: {size}" for dim, size in zip(self.dims, self.shape, strict=True))
        return f"FeatureArray({self.name} ({sizes}) {self.dtype}, {self.store.source.name})"

    def __getitem__(self, key: Any) -> np.ndarray:
        first, *others = key if isinstance(key, tuple) and key else (key,)
        if first is Ellipsis or first is None:
            return np.asarray(self[:][key])
        rows = np.arange(len(self))[first]
        values = self.store.read(np.atleast_1d(rows), (self.name,))[self.name]
        return values[(slice(None), *others)] if np.ndim(rows) else values[(0, *others)]

    def __iter__(self) -> Iterator[np.ndarray]:
        for _, arrays in self.store.iter_shards((self.name,)):
            yield from arrays[self.name]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("expected a copy to be allowed: the array is read from a store")
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)


def to_xarray(store: FeatureStore) -> xarray.Dataset:
    """See `FeatureStore.to_xarray`. Each dask chunk is a shard; the index and the outcomes are in memory.

    Raises:
        HeatpoolError: if xarray is not installed.
    """
    try:
        import xarray
    except ImportError as error:
        raise HeatpoolError("to_xarray needs xarray: pip install 'heatpool[xarray]'") from error
    import dask.array

    def lazy(name: str) -> tuple[tuple[str, ...], Any, dict[str, object]]:
        array, spec = store[name], store.layout.features[name]
        chunks = (store.layout.shard_clips, *spec.item_shape)
        # name=False: hashing a store, which dask would do for a stable name, means pickling it.
        values = dask.array.from_array(array, chunks=chunks, name=False, meta=np.empty(0, array.dtype))
        return tuple(_DIMS.get(dim, dim) for dim in spec.dims), values, dict(spec.attributes)

    features = {name: lazy(name) for name in store.layout.features}
    time = features.pop("time_s")
    names, joints = store.attributes["joint_names"], store.layout.joints
    data = xarray.Dataset(
        features,
        coords={
            **_columns(store),
            "time": time,
            "keypoint": names if len(names) == joints else np.arange(joints),
            "space": ["x", "y", "score"],
            "corner": ["x1", "y1", "x2", "y2"],
        },
        attrs={name: store.attributes[name] for name in _ATTRIBUTES if store.attributes.get(name)},
    )
    return data.set_xindex("clip_id")


def _columns(store: FeatureStore) -> dict[str, tuple[str, np.ndarray]]:
    """The table of clips as coordinates along `clip`; texts as objects, which every xarray can write."""
    columns = {}
    for name, values in store.clips.table().items():
        if name != "row":
            texts = isinstance(values.dtype, np.dtypes.StringDType)
            columns[name] = ("clip", values.astype(object) if texts else values)
    return columns
