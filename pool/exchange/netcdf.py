"""HDF5 files that the netCDF library reads: named dimensions, and variables that lie along them.

Rules: netCDF-4, "File Format Specifications", dimension scales of HDF5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import h5py

__all__ = ["add_coordinate", "add_dimension", "add_variable"]

_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable.{:10d}"


def add_dimension(file: h5py.File, name: str, size: int) -> None:
    """Add a dimension without values."""
    scale = file.create_dataset(name, shape=(size,), dtype=">f4")
    scale.make_scale(_NO_VARIABLE.format(size))


def add_coordinate(file: h5py.File, name: str, values: Sequence[str] | np.ndarray) -> None:
    """Add a dimension with a number or a text for each place."""
    _create(file, name, values).make_scale(name)


def add_variable(
    file: h5py.File,
    name: str,
    values: Sequence[str] | np.ndarray | None,
    dims: Sequence[str],
    *,
    attributes: Mapping[str, Any] | None = None,
    **options: Any,
) -> h5py.Dataset:
    """Add an array along dimensions that the file has.

    Args:
        file: to write to.
        name: path of the array.
        values: numbers or texts; None where they follow later, with `shape` and `dtype` among the options.
        dims: names of its dimensions.
        attributes: of the array.
        options: of `h5py.Group.create_dataset`.
    """
    array = _create(file, name, values, **options)
    for axis, dim in enumerate(dims):
        array.dims[axis].label = dim
        array.dims[axis].attach_scale(file[dim])
    array.attrs.update(attributes or {})
    return array


def _create(
    file: h5py.File, name: str, values: Sequence[str] | np.ndarray | None, **options: Any
) -> h5py.Dataset:
    import h5py

    if values is None or isinstance(values, np.ndarray):
        return file.create_dataset(name, data=values, **options)
    return file.create_dataset(name, data=list(values), dtype=h5py.string_dtype("utf-8"), **options)
