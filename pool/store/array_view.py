"""Feature arrays as views: sliced like numpy arrays and read where they are sliced, and with named axes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.spec import StoreSpec

if TYPE_CHECKING:
    import xarray

    from heatpool.pool.store.reader import FeatureStore

__all__ = ["FeatureArray", "axis_names", "to_xarray"]


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


def axis_names(spec: StoreSpec) -> dict[str, tuple[str, ...]]:
    """What lies along the dimensions that have names, by dimension; not `joint` where no names are known."""
    joints = {"joint": spec.joint_names} if spec.joint_names else {}
    axes = str(spec.config.get("keypoint_axes", "x y score"))
    return joints | {"xy_score": tuple(axes.split()), "xyxy": ("x1", "y1", "x2", "y2")}


def to_xarray(store: FeatureStore, *, mask_and_scale: bool = True) -> xarray.Dataset:
    """See `FeatureStore.to_xarray`. Each dask chunk is a shard; the index and the outcomes are in memory.

    Raises:
        HeatpoolError: if xarray is not installed.
    """
    try:
        from heatpool.pool.store.xarray_backend import HeatpoolBackend
    except ImportError as error:
        raise HeatpoolError("to_xarray needs xarray: pip install 'heatpool[xarray]'") from error
    data = HeatpoolBackend().open_dataset(store, mask_and_scale=mask_and_scale)
    # name=False: hashing a store, which dask would do for a stable name, means pickling it.
    shards: dict[str, Any] = {"chunks": {"clip": store.layout.shard_clips}, "name": False}
    return data.assign({name: data.variables[name].chunk(**shards) for name in store.layout.features})
