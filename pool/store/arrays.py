"""One array of the feature store on disk: chunks, codecs, file names. Axis letters as in layout.py.

This module is the only place that knows codec chains.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, TransposeCodec, ZstdCodec

__all__ = ["INDEX_CHUNK_CLIPS", "ArraySpec", "create_feature_array", "create_index_array"]

INDEX_CHUNK_CLIPS = 65_536


@dataclass(frozen=True)
class ArraySpec:
    """One feature array: everything zarr needs to create it, for any number of clips.

    Attributes:
        name: array name in the store.
        dims: dimension names, `clip` first.
        item_shape: shape of one clip.
        dtype: numpy dtype string.
        fill: value of what is not stored.
        order: axis order inside a chunk as stored (step last, so that time runs fastest).
        sharded: chunk = one person (of `rgb_jpeg`: one crop) of one clip, gathered in a shard file;
            otherwise the chunk is the whole shard.
        attributes: description of the array for its readers.
        level: of blosc's compression, 1 to 9.
    """

    name: str
    dims: tuple[str, ...]
    item_shape: tuple[int, ...]
    dtype: str
    fill: float | bool
    order: tuple[int, ...]
    sharded: bool
    attributes: Mapping[str, Any]
    level: int = 7

    def shard(self, shard_clips: int) -> tuple[int, ...]:
        """Shape of what one shard file holds."""
        return (shard_clips, *self.item_shape)

    def chunk(self, shard_clips: int) -> tuple[int, ...]:
        """Shape of what is compressed as one piece."""
        return (1, 1, *self.item_shape[1:]) if self.sharded else self.shard(shard_clips)


def create_feature_array(
    group: zarr.Group, spec: ArraySpec, *, clips: int, shard_clips: int, separator: str
) -> zarr.Array[Any]:
    """Create one feature array for `clips` clips; nothing but its metadata is written."""
    chunk = spec.chunk(shard_clips)
    size = np.dtype(spec.dtype).itemsize
    # One blosc block per chunk: the planes of the byte shuffle stay whole, and the bytes do not
    # depend on the number of threads.
    blosc = BloscCodec(
        typesize=size,
        cname="zstd",
        clevel=spec.level,
        shuffle="shuffle" if size > 1 else "noshuffle",
        blocksize=int(np.prod(chunk)) * size,
    )
    transposed = spec.order != tuple(range(len(spec.order)))
    return group.create_array(
        spec.name,
        shape=(clips, *spec.item_shape),
        dimension_names=spec.dims,
        chunk_key_encoding={"name": "default", "separator": separator},
        dtype=spec.dtype,
        fill_value=spec.fill,
        chunks=chunk,
        shards=spec.shard(shard_clips) if spec.sharded else None,
        filters=[TransposeCodec(order=spec.order)] if transposed else [],
        compressors=[blosc, Crc32cCodec()],
        attributes=dict(spec.attributes),
        config={"write_empty_chunks": False},
    )


def create_index_array(
    group: zarr.Group,
    name: str,
    *,
    clips: int,
    dtype: Any,
    fill: Any,
    attributes: Mapping[str, Any],
    separator: str,
) -> zarr.Array[Any]:
    """Create an array of one value per clip, in chunks of 65,536 clips, all chunks stored."""
    return group.create_array(
        name,
        shape=(clips,),
        dimension_names=("clip",),
        chunk_key_encoding={"name": "default", "separator": separator},
        dtype=dtype,
        fill_value=fill,
        chunks=(min(max(clips, 1), INDEX_CHUNK_CLIPS),),
        filters=[],
        compressors=[ZstdCodec(level=5), Crc32cCodec()],
        attributes=dict(attributes),
        config={"write_empty_chunks": True},
    )
