"""HDF5: a store as one file, chunked by clip and compressed with what every HDF5 reader knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from heatpool.pool.derive.build import OnClips
from heatpool.pool.disk.atomic import atomic_file
from heatpool.pool.disk.limits import check_unpacked
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.netcdf import add_coordinate, add_dimension, add_variable
from heatpool.pool.exchange.tables import (
    check_shard_size,
    index_tables,
    is_table,
    read_description,
    restore_store,
    store_description,
)
from heatpool.pool.store.array_view import axis_names
from heatpool.pool.store.arrays import ArraySpec
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import Precision

if TYPE_CHECKING:
    import h5py

__all__ = ["export_hdf5", "import_hdf5"]

_DESCRIPTION = "heatpool"
_TEXT_BYTES = 64  # of an empty text in memory


def export_hdf5(
    store: FeatureStore,
    out: str | Path,
    *,
    dtype: Literal["float16", "float32"] = "float32",
    overwrite: bool = False,
    on_clips: OnClips = lambda count: None,
) -> None:
    """Write a store as one HDF5 file: the feature arrays, and a dataset (N,) per column of the index.

    Features are chunked by clip, with byte shuffle and gzip; the root attribute `heatpool` holds the
    store's attributes as JSON. A person slot that does not exist is zero. Dimensions are named as netCDF
    does it; clips, joints and the numbers of a keypoint and a box have their names along them.

    Args:
        store: to write.
        out: file to make.
        dtype: of the features that a store keeps as float16: pooled, keypoints, boxes, map_mean, rgb.
            Half precision is plain HDF5, but the netCDF library takes it for text or ends the process.
        overwrite: replace an existing file at `out`.
        on_clips: progress.

    Raises:
        HeatpoolError: if `out` exists, a shard is damaged, or the disk refuses.
    """
    import h5py

    with (
        atomic_file(out, overwrite) as aside,
        h5py.File(aside, "w", libver=("earliest", "v110"), track_order=True) as file,
    ):
        for folder in ("columns", "splits"):
            file.create_group(folder, track_order=True)
        file.attrs[_DESCRIPTION] = store_description(store)
        _add_dimensions(file, store)
        for name, table in index_tables(store).items():
            add_variable(file, name, table, ("clip",))
        if store.clips.class_names:
            file["label"].attrs["class_names"] = list(store.clips.class_names)
        _write_features(file, store, dtype, on_clips)


def _add_dimensions(file: h5py.File, store: FeatureStore) -> None:
    named = {"clip": store.clips.index.clip_id, **axis_names(store.spec)}
    sizes = {
        dim: size
        for spec in store.layout.features.values()
        for dim, size in zip(spec.dims, (len(store), *spec.item_shape), strict=True)
    }
    for dim, size in sizes.items():
        if dim in named:
            add_coordinate(file, dim, named[dim])
        else:
            add_dimension(file, dim, size)


def _write_features(file: h5py.File, store: FeatureStore, half: str, on_clips: OnClips) -> None:
    names = tuple(store.layout.features)
    filters: dict[str, Any] = {"shuffle": True, "compression": "gzip", "compression_opts": 4}
    for name, spec in store.layout.features.items():
        truth = spec.dtype == "bool"
        add_variable(
            file, name, None, spec.dims,
            # What is true or false is a byte for MATLAB and netCDF, which know no other, and xarray's bool.
            attributes=dict(spec.attributes) | ({"dtype": "bool"} if truth else {}),
            shape=(len(store), *spec.item_shape),
            dtype="uint8" if truth else half if spec.dtype == "float16" else spec.dtype,
            fillvalue=spec.fill,
            **(filters | {"chunks": (1, *spec.item_shape)} if len(store) else {}),
        )  # fmt: skip
    for rows, arrays in store.iter_shards(names):
        for name, values in arrays.items():
            file[name][rows[0] : rows[-1] + 1] = values
        on_clips(len(rows))


def import_hdf5(
    path: str | Path,
    out: str | Path,
    *,
    precision: Precision = "f2",
    overwrite: bool = False,
    on_clips: OnClips = lambda count: None,
) -> None:
    """Make a store from a file of `export_hdf5`.

    Raises:
        HeatpoolError: if it is no such file, holds links to other files or values that cannot be stored,
            or `out` exists.
    """
    import h5py

    name = str(path)
    try:
        with h5py.File(path, "r") as file:
            text = file.attrs.get(_DESCRIPTION)
            if not isinstance(text, str):
                raise HeatpoolError(f"{name}: expected an HDF5 file exported by heatpool, got another one")
            description = read_description(text, name=name)
            layout, packed = description.layout, Path(path).stat().st_size
            check_shard_size(name, layout, packed=packed)
            datasets = _datasets(file, name)
            for each, array in layout.features.items():
                shape = (layout.clips, *array.item_shape)
                if each not in datasets or datasets[each].shape != shape:
                    got = datasets[each].shape if each in datasets else "none"
                    raise HeatpoolError(f"{name}: expected a dataset {each} {shape}, got {got}")
            tables = _tables(
                {each: found for each, found in datasets.items() if is_table(each)},
                clips=layout.clips, name=name, packed=packed,
            )  # fmt: skip
            restore_store(
                out, description, tables=tables, precision=precision, overwrite=overwrite, name=name,
                read=lambda each, rows: _read(datasets[each], rows, layout.features[each]),
                on_clips=on_clips,
            )  # fmt: skip
    except (OSError, KeyError, RuntimeError) as error:
        raise HeatpoolError(f"{name}: cannot be read as HDF5 ({error})") from error


def _read(dataset: h5py.Dataset, rows: range, spec: ArraySpec) -> np.ndarray:
    values = np.asarray(dataset[rows.start : rows.stop])
    if spec.dtype == "bool" and values.dtype == np.uint8 and not (values > 1).any():
        return values.astype(bool)
    return values


def _datasets(file: h5py.File, name: str) -> dict[str, h5py.Dataset]:
    """All datasets by path. Raises HeatpoolError for one whose values lie in another file."""
    import h5py

    found: dict[str, h5py.Dataset] = {}
    folders = [""]
    while folders:
        folder = folders.pop()
        group = file[folder] if folder else file
        for key in group:
            path = f"{folder}/{key}".lstrip("/")
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise HeatpoolError(f"{name}: refused, {path} is a link")
            if isinstance(group[key], h5py.Dataset):
                found[path] = group[key]
                if found[path].external or found[path].is_virtual:
                    raise HeatpoolError(f"{name}: refused, {path} lies in another file")
            elif path in ("columns", "splits"):
                folders.append(path)
            else:
                raise HeatpoolError(f"{name}: refused, unknown group {path}")
    return found


def _tables(
    datasets: Mapping[str, h5py.Dataset], *, clips: int, name: str, packed: int
) -> dict[str, np.ndarray | Sequence[str]]:
    """Values of tables, one a clip. Raises HeatpoolError before reading for other sizes and absurd ones."""
    for each, dataset in datasets.items():
        if dataset.shape != (clips,):
            raise HeatpoolError(f"{name}: expected {clips:,} values in {each}, got {dataset.shape}")
    sizes = [clips * max(dataset.dtype.itemsize, _TEXT_BYTES) for dataset in datasets.values()]
    check_unpacked(name, "its tables", sum(sizes), packed=packed)
    return {each: _table(dataset) for each, dataset in datasets.items()}


def _table(dataset: h5py.Dataset) -> np.ndarray | Sequence[str]:
    import h5py

    if h5py.check_string_dtype(dataset.dtype) is not None:
        return tuple(dataset.asstr("utf-8")[()])
    return np.asarray(dataset[()])
