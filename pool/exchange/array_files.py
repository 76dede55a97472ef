"""NumPy's `.npy` and `.npz` of strangers: shapes before values, nothing unpickled, rows read in pieces."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from heatpool.pool.disk.limits import MAX_CLIP_VALUES
from heatpool.pool.errors import HeatpoolError

__all__ = [
    "ARRAY_ERRORS",
    "EXPORTED",
    "ArrayHead",
    "array_errors",
    "array_heads",
    "read_array",
    "stream_array",
]

EXPORTED = "heatpool"
"""Array that is there in an `.npz` that heatpool has exported."""

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
ARRAY_ERRORS = (
    OSError, ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error,
    SyntaxError, TypeError, tokenize.TokenError,  # of numpy, where a header is damaged
)  # fmt: skip
"""What numpy and zipfile raise for damaged files."""


@dataclass(frozen=True)
class ArrayHead:
    """What an array says of itself before its values.

    Attributes:
        shape: of the array.
        dtype: of its values.
        fortran: whether the first axis runs fastest.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool

    @property
    def is_numeric(self) -> bool:
        """Whether it holds real numbers."""
        return self.dtype.kind in "biuf"


def array_heads(path: Path) -> dict[str, ArrayHead]:
    """Return the arrays of a file by name, "" in an `.npy`; what is no array in a zip is left out.

    Raises:
        HeatpoolError: if it is no such file.
    """
    with array_errors(path):
        if path.suffix.lower() != ".npz":
            with path.open("rb") as file:
                return {"": _head(file)}
        heads = {}
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".npy"):
                    with archive.open(name) as file:
                        heads[name.removesuffix(".npy")] = _head(file)
        return heads


@contextmanager
def array_errors(path: Path) -> Iterator[None]:
    """Make one HeatpoolError of whatever the reading of arrays raises."""
    try:
        yield
    except ARRAY_ERRORS as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:100]
        raise HeatpoolError(f"{path}: cannot be read as NumPy arrays ({reason or 'damaged'})") from error


@contextmanager
def stream_array(path: Path, name: str = "") -> Iterator[tuple[ArrayHead, IO[bytes]]]:
    """Give an array's head and the stream of its values.

    Raises:
        HeatpoolError: if there is no such array; also for damage that the reading of the stream finds.
    """
    with array_errors(path):
        if path.suffix.lower() != ".npz":
            with path.open("rb") as file:
                yield _head(file), file
            return
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
            yield _head(member), member


def read_array(path: Path, name: str = "") -> np.ndarray:
    """Return a whole array of real numbers.

    Raises:
        HeatpoolError: if it is damaged, of another type, or has more values than a clip may have.
    """
    with stream_array(path, name) as (head, file):
        count = int(np.prod(head.shape, dtype=object))
        if not head.is_numeric or count > MAX_CLIP_VALUES:
            raise HeatpoolError(
                f"{path}: expected at most {MAX_CLIP_VALUES:,} real numbers {name}".rstrip()
                + f", got {head.dtype} {head.shape}"
            )
        data = file.read(count * head.dtype.itemsize)
        if len(data) < count * head.dtype.itemsize:
            raise EOFError(f"{name or 'the array'} ends early")
        values = np.frombuffer(data, head.dtype)
        return values.reshape(head.shape, order="F" if head.fortran else "C")


def _head(file: IO[bytes]) -> ArrayHead:
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"npy version {version}")
    shape, fortran, dtype = _HEADERS[version](file)
    return ArrayHead(shape, dtype, fortran)
