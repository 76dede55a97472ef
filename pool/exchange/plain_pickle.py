"""Pickle files of plain containers and numpy arrays, read without running anything that they name.

A pickle is a program. This reader gives its instructions harmless parts only: containers, numbers,
texts, and stand-ins for numpy's arrays that are filled in here, with every size checked. Numpy's own
unpickling is kept away from the file too: the state of a numpy dtype can be forged into one that reads
arbitrary memory.
"""

from __future__ import annotations

import io
import mmap
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any, BinaryIO

import numpy as np

from heatpool.pool.disk.limits import MAX_CLIP_VALUES
from heatpool.pool.disk.text_files import kind_of_file
from heatpool.pool.errors import HeatpoolError

__all__ = ["dump_plain_pickle", "load_plain_pickle", "parse_plain_pickle", "plain_array"]


def load_plain_pickle(path: str | Path) -> Any:
    """Read a pickle file of plain containers, numbers, texts and numpy arrays.

    Arrays inside come as stand-ins: hand them to `plain_array`.

    Raises:
        HeatpoolError: if the file names anything else (the line says what), or is damaged.
    """
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _check_memo(data, len(data))
            return _PlainUnpickler(data).load()
    except OSError as error:
        raise HeatpoolError(f"{path}: cannot be read ({error.strerror or error})") from error
    except MemoryError as error:  # no damage
        raise HeatpoolError(f"{path}: memory ran out while it was read") from error
    except _RefusedError as error:
        raise HeatpoolError(
            f"{path}: refused, this pickle wants {error}; only plain containers and numpy arrays are read"
        ) from error
    except Exception as error:  # a damaged pickle may raise anything at all
        with open(path, "rb") as file:
            start = file.read(16)
        kind = kind_of_file(start) if start else "an empty file"
        got = f"a damaged one ({type(error).__name__})" if kind in ("", "a pickle") else kind
        raise HeatpoolError(f"{path}: expected a pickle of plain data, got {got}") from error


def parse_plain_pickle(data: bytes) -> Any:
    """Read a pickle that stands in another file, as `load_plain_pickle` does.

    Raises:
        ValueError: if it names anything but plain data, or is damaged.
    """
    try:
        _check_memo(io.BytesIO(data), len(data))
        return _PlainUnpickler(io.BytesIO(data)).load()
    except _RefusedError as error:
        raise ValueError(f"refused, a pickle wants {error}") from error
    except Exception as error:  # a damaged pickle may raise anything at all
        raise ValueError(f"expected a pickle of plain data, got {type(error).__name__}") from error


def plain_array(value: Any) -> np.ndarray:
    """An array of a loaded pickle, or the array that a list of arrays, a plain list or number makes.

    Raises:
        ValueError: if it is not made of numbers or texts alone.
    """
    try:
        if _count_values(value, {}) > MAX_CLIP_VALUES // 16:  # as objects, before they are an array
            raise ValueError("expected numbers, got far more than a clip has, by lists that stand in lists")
        array = np.asarray(_unwrapped(value))
    except RecursionError:  # a list may hold itself
        raise ValueError("expected numbers, got lists without end") from None
    if array.dtype.kind not in "biufU":
        raise ValueError(f"expected numbers, got {type(value).__name__}")
    return array


def _count_values(value: Any, known: dict[int, int]) -> int:
    """Values in lists of lists, those of a list that stands at several places as often."""
    if not isinstance(value, list | tuple):
        return 1
    if id(value) not in known:
        deep = any(isinstance(each, list | tuple) for each in value)
        known[id(value)] = sum(_count_values(each, known) for each in value) if deep else len(value)
    return known[id(value)]


def _unwrapped(value: Any) -> Any:
    if isinstance(value, list | tuple) and any(isinstance(each, _Array | list | tuple) for each in value):
        return [_unwrapped(each) for each in value]
    return value.array if isinstance(value, _Array) else value


def dump_plain_pickle(value: Any, path: Path) -> None:
    """Write plain containers and numpy arrays so that every numpy since 1.0 reads them."""
    with path.open("wb") as file:
        _PlainPickler(file, protocol=4).dump(value)


class _PlainPickler(pickle.Pickler):
    """Names `numpy.ndarray` for arrays: numpy 2's own way names a module that older ones lack."""

    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return NotImplemented
        return np.ndarray, (value.shape, value.dtype.str, bytearray(np.ascontiguousarray(value).tobytes()))


class _RefusedError(Exception):
    """What a pickle asked for and does not get."""


def _check_memo(data: mmap.mmap | BinaryIO, size: int) -> None:
    """Raise ValueError if an instruction numbers an object beyond the file's size: a memory bomb."""
    for opcode, argument, _ in pickletools.genops(data):  # type: ignore[arg-type] # as any file
        if opcode.name in ("PUT", "LONG_BINPUT") and not 0 <= int(argument or 0) <= size:
            raise ValueError(f"memo number {argument}")
    data.seek(0)


class _Dtype:
    """Stand-in for `numpy.dtype`: plain numbers and texts."""

    def __init__(self, code: Any, align: Any = False, copy: Any = False) -> None:
        dtype = np.dtype(code) if isinstance(code, str) and len(code) < 16 else None
        if dtype is None or dtype.kind not in "biufSU":
            raise _RefusedError(f"numpy values of type {str(code)[:40]!r}")
        self.dtype = dtype

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order, inner = state[1], state[2:5]
        if order not in ("<", ">", "|", "=") or any(part is not None for part in inner):
            raise _RefusedError("a numpy structure")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stand-in for `numpy.ndarray`: filled from bytes whose number must be right."""

    def __init__(self, *arguments: Any) -> None:
        self.array = np.zeros(0)
        if arguments:  # how `dump_plain_pickle` writes them: shape, dtype, bytes
            shape, dtype, data = arguments
            self._fill(shape, _Dtype(dtype).dtype, data, order="C")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        self._fill(shape, dtype.dtype, data, order="F" if fortran else "C")

    def _fill(self, shape: Any, dtype: np.dtype, data: Any, *, order: Any) -> None:
        if not isinstance(data, bytes | bytearray):
            raise _RefusedError("a numpy array of Python objects")
        self.array = np.frombuffer(data, dtype).reshape(shape, order=order)


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    if kind is not _Array:
        raise _RefusedError("a subclass of numpy.ndarray")
    return _Array()


def _from_buffer(data: Any, dtype: _Dtype, shape: Any, order: str = "C") -> _Array:
    array = _Array()
    array._fill(shape, dtype.dtype, data, order=order)
    return array


def _scalar(dtype: _Dtype, data: bytes) -> Any:
    return np.frombuffer(data, dtype.dtype, count=1)[0].item()


def _bytearray(data: bytes = b"") -> bytearray:
    if not isinstance(data, bytes):
        raise _RefusedError("a byte array without bytes")
    return bytearray(data)


def _no_bytes() -> bytes:
    """What protocols before 3 write for no bytes: a call without arguments."""
    return b""


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """What protocol 2 writes for bytes."""
    if encoding != "latin1":
        raise _RefusedError(f"the codec {encoding[:40]!r}")
    return text.encode("latin1")


_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    **{
        (f"{module}{tail}", name): stand_in
        for module in ("numpy.core.", "numpy._core.")
        for tail, name, stand_in in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
    **{
        (module, name): stand_in
        for module in ("builtins", "__builtin__")
        for name, stand_in in (
            ("bytes", _no_bytes),
            ("bytearray", _bytearray),
            ("set", set),
            ("frozenset", frozenset),
        )
    },
    ("collections", "OrderedDict"): dict,
}


class _PlainUnpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO | mmap.mmap) -> None:
        super().__init__(file)

    def find_class(self, module: str, name: str) -> Any:
        try:
            found = _ADMITTED[module, name]
        except KeyError:
            raise _RefusedError(f"{module}.{name}"[:120]) from None
        # A pickle may set attributes of what it got: functions go out in a wrapper of their own.
        return (lambda *arguments: found(*arguments)) if isinstance(found, FunctionType) else found

    def persistent_load(self, pid: Any) -> Any:
        raise _RefusedError("an object outside the file")
