"""HDF5 of strangers: nothing that lies in another file, and sizes before values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heatpool.pool.errors import HeatpoolError, shorten

if TYPE_CHECKING:
    import h5py

__all__ = ["find_dataset", "find_group", "open_hdf5", "read_texts", "read_values"]

_MOST_BYTES = 1 << 31  # of a piece that is read at once
_MOST_TEXTS = 1 << 20
_MOST_TEXT_BYTES = 64 << 20  # of all texts of an array


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading.

    Raises:
        HeatpoolError: if it is no HDF5, or what is done in the context finds another file than expected.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, RuntimeError) as error:
        raise HeatpoolError(f"{path}: cannot be read as HDF5 ({shorten(str(error))})") from error
    except (ValueError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise HeatpoolError(f"{path}: {error}") from error


def find_group(group: h5py.Group, name: str) -> h5py.Group:
    """Return a group. Raises ValueError if there is none, or it lies behind a link."""
    import h5py

    found = _find(group, name)
    if not isinstance(found, h5py.Group):
        raise ValueError(f"expected a group {name}, got none")
    return found


def find_dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    """Return a dataset. Raises ValueError if there is none, or it lies in another file or behind a link."""
    import h5py

    found = _find(group, name)
    if not isinstance(found, h5py.Dataset):
        raise ValueError(f"expected a dataset {name}, got none")
    if found.external or found.is_virtual:
        raise ValueError(f"refused, {name} lies in another file")
    return found


def _find(group: h5py.Group, name: str) -> Any:
    """What a path leads to without leaving the file, None where that is nothing."""
    import h5py

    found: Any = group
    for part in name.strip("/").split("/"):
        link = found.get(part, getlink=True) if isinstance(found, h5py.Group) else None
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"refused, {name} is a link")
        found = found[part]
    return found


def read_values(group: h5py.Group, name: str, rows: slice = slice(None)) -> np.ndarray:
    """Return numbers, texts of fixed size or a table, whole or some rows.

    Raises:
        ValueError: if they are none, or too large.
    """
    dataset = find_dataset(group, name)
    shape, dtype = dataset.shape, dataset.dtype
    if shape is None or dtype.hasobject:
        raise ValueError(f"expected numbers in {name}, got {dtype if shape else 'nothing'}")
    if shape:
        start, stop, _ = rows.indices(shape[0])
        shape = (max(stop - start, 0), *shape[1:])
    size = dtype.itemsize * int(np.prod([int(side) for side in shape], dtype=object))
    if size > _MOST_BYTES:
        raise ValueError(f"refused, {name} takes {size / 2**30:,.0f} GiB")
    return np.asarray(dataset[rows] if shape else dataset[()])


def read_texts(group: h5py.Group, name: str) -> tuple[str, ...]:
    """Return texts of any size, read one by one.

    Raises:
        ValueError: if they are none, or too large together.
    """
    import h5py

    dataset = find_dataset(group, name)
    if dataset.dtype.kind == "S":
        return tuple(_text(each) for each in read_values(group, name).reshape(-1))
    if h5py.check_string_dtype(dataset.dtype) is None:
        raise ValueError(f"expected texts in {name}, got {dataset.dtype}")
    if dataset.size > _MOST_TEXTS:
        raise ValueError(f"refused, {dataset.size:,} texts in {name}")
    texts, size = [], 0
    for place in np.ndindex(dataset.shape):
        texts.append(_text(dataset[place]))
        size += len(texts[-1])
        if size > _MOST_TEXT_BYTES:
            raise ValueError(f"refused, texts of more than {_MOST_TEXT_BYTES >> 20} MiB in {name}")
    return tuple(texts)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
