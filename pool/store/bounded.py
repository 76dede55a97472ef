"""Arrays of stores from anywhere: the format's codecs alone, no chunk that unfolds to more than it holds."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.abc.codec import ArrayBytesCodec, BytesBytesCodec, Codec
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    ShardingCodec,
    TransposeCodec,
    VLenUTF8Codec,
    ZstdCodec,
)
from zarr.core.buffer import Buffer

from heatpool.pool.disk.files import disk_reason
from heatpool.pool.disk.limits import UNPACKED_RATIO
from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.sources.folder import Source
from heatpool.pool.store.arrays import INDEX_CHUNK_CLIPS

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec

__all__ = ["UNDECODABLE", "UNREADABLE", "damage", "open_array"]

UNDECODABLE = (ValueError, RuntimeError, OSError, OverflowError)
"""What codecs raise for chunks that are damaged, and the system for those that it does not give."""
UNREADABLE = (*UNDECODABLE, KeyError, TypeError, AttributeError, NotImplementedError)
"""What zarr raises besides for metadata that is damaged or of another kind; it checks little of it."""

_KNOWN = (BloscCodec, BytesCodec, Crc32cCodec, ShardingCodec, TransposeCodec, VLenUTF8Codec, ZstdCodec)
_TEXT_BYTES = 1_024  # of a clip's text, on the mean over a chunk, where it compresses beyond the usual
_ZSTD_SIZES = (1, 2, 4, 8)  # bytes of the size in a frame's header, by the first two bits of its descriptor


def open_array(
    source: Source,
    group: zarr.Group,
    name: str,
    *,
    clips: int,
    item_shape: Sequence[int] = (),
    chunks: Sequence[int] = (),
    shards: Sequence[int] | None = None,
    dtype: str | None = None,
) -> zarr.Array[Any]:
    """An array of a store whose metadata is as the layout has it, so that reading takes no surprising memory.

    It may be of more clips: the store has grown since its layout was read, and rows keep their numbers.

    Args:
        source: files of the store.
        group: its zarr group.
        name: of the array.
        clips: N of the layout.
        item_shape: shape of one clip.
        chunks: by default those of an index array.
        shards: None for an array without.
        dtype: None for any.

    Raises:
        HeatpoolError: if it is missing, cannot be read by this zarr, or is of another form.
    """
    try:
        array = group[name]
        if not isinstance(array, zarr.Array):
            raise ValueError("it is a group")
        array = _bound_array(array)
    except UNREADABLE as error:
        raise damage(source, f"cannot read array {name}", error) from error
    clips = max(clips, *array.shape[:1])
    chunks = tuple(chunks) or (min(max(clips, 1), INDEX_CHUNK_CLIPS),)
    wanted = ((clips, *item_shape), chunks, None if shards is None else tuple(shards))
    found = (array.shape, array.chunks, array.shards)
    if found != wanted or (dtype is not None and array.dtype != np.dtype(dtype)):
        expected = f"{dtype or array.dtype} {wanted}"
        raise HeatpoolError(
            f"{source.name}: damaged, expected array {name} of {expected} (shape, chunk, shard), "
            f"got {array.dtype} {found}"
        )
    return array


def damage(source: Source, what: str, error: Exception, *, advice: str = "") -> HeatpoolError:
    """Return the error of something that cannot be read; what the system refuses is not called damaged.

    Args:
        source: files of the store.
        what: cannot be read, such as `cannot read array label`.
        error: that zarr, a codec or the system raised.
        advice: what helps against damage.
    """
    if isinstance(error, OSError) and error.errno:
        return HeatpoolError(f"{source.name}: {what} ({disk_reason(error)})")
    said = str(error) if str(error).isprintable() else shorten(str(error), limit=200)
    return HeatpoolError(f"{source.name}: damaged, {what} ({said}){advice}")


def _bound_array(array: zarr.Array[Any]) -> zarr.Array[Any]:
    """Return the array so that a chunk that claims more than it may hold is refused before it is decoded.

    Raises:
        ValueError: if it is stored with a codec that the format does not know, or of texts of fixed size.
    """
    if array.dtype.kind not in "biufT":
        raise ValueError(f"values of type {array.dtype}")
    metadata: Any = array.metadata
    codecs = tuple(_bounded(metadata.codecs))
    bounded = zarr.AsyncArray(metadata=replace(metadata, codecs=codecs), store_path=array.store_path)
    return zarr.Array(bounded)


def _bounded(codecs: Iterable[Codec]) -> Iterable[Codec]:
    """Put a look at what is claimed behind each codec that unfolds, where decoding comes to it first."""
    for codec in codecs:
        if not isinstance(codec, _KNOWN):
            raise ValueError(f"codec {str(codec.to_dict().get('name'))[:40]!r} is none of the format")
        yield (
            replace(codec, codecs=tuple(_bounded(codec.codecs)))
            if isinstance(codec, ShardingCodec)
            else codec
        )
        for kind, claimed in _CLAIMS.items():
            if isinstance(codec, kind):
                yield _Bound(claimed)


@dataclass(frozen=True)
class _Bound(BytesBytesCodec):
    """Passes bytes on unless they claim to hold more than the chunk."""

    check: Callable[[bytes, int, ArraySpec], None]
    is_fixed_size = True

    def to_dict(self) -> dict[str, Any]:
        return {"name": "heatpool.bound", "configuration": {}}

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        self.check(chunk_bytes[:18].to_bytes(), len(chunk_bytes), chunk_spec)
        return chunk_bytes

    async def _encode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return chunk_bytes

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        return input_byte_length


def _check_size(claimed: int, packed: int, spec: ArraySpec) -> None:
    items, dtype = math.prod(spec.shape), spec.dtype.to_native_dtype()
    texts = max(_TEXT_BYTES * items, UNPACKED_RATIO * packed)
    if claimed > (most := texts if dtype.kind == "T" else items * dtype.itemsize):
        raise ValueError(f"a chunk claims {claimed:,} bytes, it may hold {most:,}")


def _check_zstd(head: bytes, packed: int, spec: ArraySpec) -> None:
    """Look at the size in a frame's header (RFC 8878); writers of stores put it there."""
    if len(head) < 6 or head[:4] != b"\x28\xb5\x2f\xfd":
        raise ValueError("a chunk is no zstd")
    descriptor = head[4]
    width, single = _ZSTD_SIZES[descriptor >> 6], descriptor & 0x20
    if width == 1 and not single:
        raise ValueError("a chunk does not say its size")
    start = 5 + (not single) + (0, 1, 2, 4)[descriptor & 3]  # window, dictionary
    size = int.from_bytes(head[start : start + width], "little") + (256 if width == 2 else 0)
    _check_size(size, packed, spec)


def _check_blosc(head: bytes, packed: int, spec: ArraySpec) -> None:
    _check_size(int.from_bytes(head[4:8], "little"), packed, spec)


def _check_texts(head: bytes, packed: int, spec: ArraySpec) -> None:
    (count,) = struct.unpack("<I", head[:4].ljust(4, b"\0"))
    if count > (most := math.prod(spec.shape)):
        raise ValueError(f"a chunk claims {count:,} texts, it may hold {most:,}")


_CLAIMS: dict[type[ArrayBytesCodec] | type[BytesBytesCodec], Callable[[bytes, int, ArraySpec], None]] = {
    ZstdCodec: _check_zstd,
    BloscCodec: _check_blosc,
    VLenUTF8Codec: _check_texts,
}
