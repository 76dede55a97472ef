"""NumPy `.npz`: a store as one zip of arrays, written and read in pieces."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np

from heatpool.pool.derive.build import OnClips
from heatpool.pool.disk.atomic import atomic_file
from heatpool.pool.disk.limits import check_members
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.array_files import ARRAY_ERRORS, read_member
from heatpool.pool.exchange.tables import (
    check_shard_size,
    index_tables,
    is_table,
    read_description,
    restore_store,
    store_description,
)
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import Precision

__all__ = ["export_npz", "import_npz"]

_DESCRIPTION = "heatpool"


def export_npz(
    store: FeatureStore, out: str | Path, *, overwrite: bool = False, on_clips: OnClips = lambda count: None
) -> None:
    """Write a store as one compressed `.npz`: `np.load(out)["pooled"]`, `["clip_id"]`, `["splits/xsub"]`, ….

    The array `heatpool` is a JSON text with the store's attributes. The store is read once for each array.

    Raises:
        HeatpoolError: if `out` exists, a shard is damaged, or the disk refuses.
    """
    with (
        atomic_file(out, overwrite) as aside,
        zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as file,
    ):
        tables = {_DESCRIPTION: np.array(store_description(store)), **index_tables(store)}
        for name, table in tables.items():
            with file.open(f"{name}.npy", "w", force_zip64=True) as member:
                array = table if isinstance(table, np.ndarray) else np.array(table, np.str_)
                np.lib.format.write_array(member, array, allow_pickle=False)
        for name, spec in store.layout.features.items():
            shape = (len(store), *spec.item_shape)
            header = {"descr": np.dtype(spec.dtype).str, "fortran_order": False, "shape": shape}
            with file.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array_header_1_0(member, header)
                for rows, arrays in store.iter_shards((name,)):
                    member.write(arrays[name].astype(spec.dtype).tobytes())
                    on_clips(len(rows) if name == "pooled" else 0)


def import_npz(
    path: str | Path,
    out: str | Path,
    *,
    precision: Precision = "f2",
    overwrite: bool = False,
    on_clips: OnClips = lambda count: None,
) -> None:
    """Make a store from a file of `export_npz`; feature arrays are read in pieces, never unpickled.

    Raises:
        HeatpoolError: if it is no such file, holds values that cannot be stored, or `out` exists.
    """
    name = str(path)
    try:
        with zipfile.ZipFile(path) as file, ExitStack() as stack:
            members = {each.filename.removesuffix(".npy"): each for each in file.infolist()}
            if _DESCRIPTION not in members:
                raise HeatpoolError(f"{name}: expected a .npz exported by heatpool, got another one")
            packed = Path(path).stat().st_size
            check_members(name, [members[_DESCRIPTION]], packed=packed)
            text = str(read_member(file, members.pop(_DESCRIPTION)))
            description = read_description(text, name=name)
            layout = description.layout
            check_shard_size(name, layout, packed=packed)
            wanted = {each: member for each, member in members.items() if is_table(each)}
            check_members(name, wanted.values(), packed=packed)
            tables = {each: _as_table(read_member(file, member)) for each, member in wanted.items()}
            pieces = {
                each: _Pieces(stack.enter_context(file.open(f"{each}.npy")), each, name)
                for each in layout.features
            }
            for each, array in layout.features.items():
                pieces[each].expect((layout.clips, *array.item_shape))
            restore_store(
                out, description, tables=tables, precision=precision, overwrite=overwrite,
                read=lambda each, rows: pieces[each].read(rows), name=name, on_clips=on_clips,
            )  # fmt: skip
    except ARRAY_ERRORS as error:
        raise HeatpoolError(f"{name}: cannot be read as .npz ({error})") from error


def _as_table(array: np.ndarray) -> np.ndarray | Sequence[str]:
    return tuple(array.tolist()) if array.dtype.kind == "U" else array


class _Pieces:
    """An array in a zip, read from its first row on."""

    def __init__(self, file: IO[bytes], key: str, name: str) -> None:
        self._file, self._key, self._name, self._row = file, key, name, 0
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in read_header:
            raise ValueError(f"{key} is of npy version {version}")
        self._shape, fortran, self._dtype = read_header[version](file)
        if fortran or self._dtype.kind not in "fbu":
            raise ValueError(f"{key} is of type {self._dtype}{' in Fortran order' if fortran else ''}")

    def expect(self, shape: tuple[int, ...]) -> None:
        """Raise HeatpoolError unless the array has this shape."""
        if self._shape != shape:
            raise HeatpoolError(f"{self._name}: expected {self._key} {shape}, got {self._shape}")

    def read(self, rows: range) -> np.ndarray:
        """Values of rows; rows before them that were not asked for are passed over."""
        each = int(np.prod(self._shape[1:])) * self._dtype.itemsize
        for _ in self._pass(each * (rows.start - self._row)):
            continue
        data = b"".join(self._pass(each * len(rows)))
        self._row = rows.stop
        return np.frombuffer(data, self._dtype).reshape(len(rows), *self._shape[1:])

    def _pass(self, count: int) -> Iterator[bytes]:
        while count:
            data = self._file.read(min(count, 1 << 22))
            if not data:
                raise EOFError(f"{self._key} ends early")
            count -= len(data)
            yield data
