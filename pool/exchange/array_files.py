"""NumPy's `.npy` and `.npz` of strangers: shapes before values, nothing unpickled, rows read in pieces."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from heatpool.pool.disk.limits import MAX_CLIP_VALUES, check_members
from heatpool.pool.errors import HeatpoolError

__all__ = [
    "ARRAY_ERRORS",
    "EXPORTED",
    "ArrayHead",
    "array_errors",
    "array_heads",
    "read_array",
    "read_member",
    "read_whole",
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
    def size(self) -> int:
        """Bytes of its values."""
        return math.prod(self.shape) * self.dtype.itemsize

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
        if not head.is_numeric or math.prod(head.shape) > MAX_CLIP_VALUES:
            raise HeatpoolError(
                f"{path}: expected at most {MAX_CLIP_VALUES:,} real numbers {name}".rstrip()
                + f", got {head.dtype} {head.shape}"
            )
        return _values(file, head, name or "the array")


def read_whole(path: Path, names: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Return arrays of numbers and texts of an `.npz` by name, all of them or those of `names` that it has.

    Raises:
        HeatpoolError: if they unfold to far more than the file holds.
        Exception: any of `ARRAY_ERRORS`, if it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        members = {each.filename.removesuffix(".npy"): each for each in archive.infolist()}
        wanted = {name: each for name, each in members.items() if not names or name in names}
        check_members(str(path), wanted.values(), packed=path.stat().st_size)
        return {name: read_member(archive, member) for name, member in wanted.items()}


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Return an array of numbers or texts. Raises as `read_whole` if it is damaged or claims more values."""
    with archive.open(member) as file:
        head = _head(file)
        if not head.is_numeric and head.dtype.kind != "U":
            raise ValueError(f"expected numbers or texts in {member.filename}, got {head.dtype}")
        if head.size > member.file_size:
            raise ValueError(
                f"{member.filename} claims {head.shape} {head.dtype} in {member.file_size:,} bytes"
            )
        return _values(file, head, member.filename)


def _values(file: IO[bytes], head: ArrayHead, name: str) -> np.ndarray:
    data = file.read(head.size)
    if len(data) < head.size:
        raise EOFError(f"{name} ends early")
    return np.frombuffer(data, head.dtype).reshape(head.shape, order="F" if head.fortran else "C")


def _head(file: IO[bytes]) -> ArrayHead:
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"npy version {version}")
    shape, fortran, dtype = _HEADERS[version](file)
    return ArrayHead(shape, dtype, fortran)
