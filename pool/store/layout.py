"""Shape of the feature store on disk: its arrays, chunks and codecs.

Axis letters: N clips, M persons, T steps, V joints, C channels. The layout is specified in
docs/format.md; this module is the only place that knows codec chains and file names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, TransposeCodec, ZstdCodec

from heatpool.pool.store.spec import Precision, RgbSpec, StoreSpec

__all__ = [
    "FEATURE_NAMES",
    "FINISHED",
    "INDEX_CHUNK_CLIPS",
    "JOURNAL",
    "OPTIONAL_NAMES",
    "PART_NAMES",
    "RESULT_DTYPES",
    "ArraySpec",
    "Layout",
    "create_array",
    "create_feature_array",
    "create_index_array",
]

JOURNAL = "journal"
FINISHED = "finished.json"
INDEX_CHUNK_CLIPS = 65_536
MAX_SHARD_CLIPS = 4_096

FEATURE_NAMES: tuple[str, ...] = ("pooled", "keypoints", "boxes", "mask", "time_s")
OPTIONAL_NAMES: tuple[str, ...] = ("map_mean", "rgb", "rgb_jpeg")
"""Feature arrays that only some stores have."""
PART_NAMES: tuple[str, ...] = ("pooled_scale", "pooled_offset")
"""Arrays that belong to `pooled` in stores of precision u1."""
RESULT_DTYPES: Mapping[str, str] = {
    "status": "u1",
    "frames": "i4",
    "fps": "f4",
    "width_px": "i4",
    "height_px": "i4",
    "persons": "u1",
}
"""Arrays that `StoreWriter.finish` derives from the journal, one value per clip."""


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
    attributes: Mapping[str, object]
    level: int = 7

    def shard(self, shard_clips: int) -> tuple[int, ...]:
        """Shape of what one shard file holds."""
        return (shard_clips, *self.item_shape)

    def chunk(self, shard_clips: int) -> tuple[int, ...]:
        """Shape of what is compressed as one piece."""
        return (1, 1, *self.item_shape[1:]) if self.sharded else self.shard(shard_clips)


@dataclass(frozen=True)
class Layout:
    """Sizes of a store and the division of its clips into shards.

    Attributes:
        clips: N.
        persons: M.
        steps: T.
        joints: V.
        channels: C.
        shard_clips: clips per shard (the last shard may hold fewer).
        precision: of `pooled` on disk, see `StoreSpec`.
        rgb: what is stored of the pixels, None for nothing.
        map_mean: whether the means of the tapped maps are stored.

    Raises:
        ValueError: if `clips` is negative, `shard_clips` is not in 1..4096 or M exceeds 255.
    """

    clips: int
    persons: int
    steps: int
    joints: int
    channels: int
    shard_clips: int
    precision: Precision = "f2"
    rgb: RgbSpec | None = None
    map_mean: bool = False

    def __post_init__(self) -> None:
        if self.clips < 0:
            raise ValueError(f"expected clips >= 0, got {self.clips}")
        if not 1 <= self.shard_clips <= MAX_SHARD_CLIPS:
            raise ValueError(f"expected shard_clips from 1 to {MAX_SHARD_CLIPS}, got {self.shard_clips}")

        if self.persons > 255:
            raise ValueError(f"expected at most 255 persons, got {self.persons}")

    @classmethod
    def of(cls, spec: StoreSpec, *, clips: int, shard_clips: int) -> Layout:
        """Layout for `clips` clips of the sizes named in `spec`."""
        sizes = (spec.persons, spec.steps, spec.joints, spec.channels)
        return cls(clips, *sizes, shard_clips, spec.precision, spec.rgb, spec.map_mean)

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.clips // self.shard_clips)

    def rows(self, shard: int) -> range:
        """Rows (clip numbers) of a shard.

        Raises:
            ValueError: if the shard does not exist.
        """
        if not 0 <= shard < self.shards:
            raise ValueError(f"expected a shard from 0 to {self.shards - 1}, got {shard}")
        first = shard * self.shard_clips
        return range(first, min(first + self.shard_clips, self.clips))

    @cached_property
    def features(self) -> dict[str, ArraySpec]:
        """The feature arrays as they are read: five in every store, then those of `OPTIONAL_NAMES` it has."""
        m, t, v, c = self.persons, self.steps, self.joints, self.channels
        absent = "person slots that do not exist hold 0 (mask False) and are not stored"
        specs = (
            ArraySpec(
                "pooled", ("clip", "person", "step", "joint", "channel"), (m, t, v, c), "float16", 0.0,
                (0, 1, 4, 3, 2), True,
                {"description": "feature vector pooled at each joint", "missing": absent},
            ),
            ArraySpec(
                "keypoints", ("clip", "person", "step", "joint", "xy_score"), (m, t, v, 3), "float16", 0.0,
                (0, 1, 4, 3, 2), False,
                {"description": "x and y with [-1, 1] spanning the frame (x right, y down), then the score "
                                "in [0, 1]", "missing": absent},
            ),
            ArraySpec(
                "boxes", ("clip", "person", "step", "xyxy"), (m, t, 4), "float16", 0.0, (0, 1, 3, 2), False,
                {"description": "x1, y1, x2, y2 as fractions of frame width and height", "missing": absent},
            ),
            ArraySpec(
                "mask", ("clip", "person", "step"), (m, t), "bool", False, (0, 1, 2), False,
                {"description": "True where the person was really seen at this step"},
            ),
            ArraySpec(
                "time_s", ("clip", "step"), (t,), "float32", float("nan"), (0, 1), False,
                {"description": "seconds from the start of the video", "units": "s",
                 "missing": "NaN where the clip has no features"},
            ),
        )  # fmt: skip
        map_mean = ArraySpec(
            "map_mean", ("clip", "person", "step", "channel"), (m, t, c), "float16", 0.0, (0, 1, 3, 2), True,
            {"description": "mean over each tapped map of the person", "missing": absent},
        )  # fmt: skip
        optional = (*((map_mean,) if self.map_mean else ()), *_rgb_arrays(self.rgb))
        return {spec.name: spec for spec in (*specs, *optional)}

    @cached_property
    def stored(self) -> dict[str, ArraySpec]:
        """The feature arrays as they lie on disk, by name; `parts` says which make up one of `features`."""
        if self.precision == "f2":
            return self.features
        return {part.name: part for spec in self.features.values() for part in self._parts(spec)}

    def parts(self, name: str) -> tuple[str, ...]:
        """Names of the stored arrays that one of `features` is made from."""
        return tuple(part.name for part in self._parts(self.features[name]))

    def _parts(self, spec: ArraySpec) -> tuple[ArraySpec, ...]:
        if spec.name != "pooled" or self.precision == "f2":
            return (spec,)
        described = {
            "description": "changes of the level along time, modulo 256; pooled = offset + scale * level"
        }
        levels = replace(spec, dtype="uint8", fill=0, level=8, attributes={**spec.attributes, **described})
        texts = {
            "pooled_scale": "value of one level of pooled",
            "pooled_offset": "value of level 0 of pooled",
        }
        per_channel = [
            ArraySpec(
                name, ("clip", "person", "channel"), (self.persons, self.channels), "float16", 0.0, (0, 1, 2),
                False, {"description": text, "missing": spec.attributes["missing"]},
            )
            for name, text in texts.items()
        ]  # fmt: skip
        return (levels, *per_channel)

    def shard_key(self, name: str, shard: int) -> str:
        """Path of a shard's file of one stored array, relative to the store's root."""
        dims = len(self.stored[name].dims)
        return f"{name}/c.{shard}" + ".0" * (dims - 1)


def _rgb_arrays(rgb: RgbSpec | None) -> tuple[ArraySpec, ...]:
    if rgb is None:
        return ()
    # The texts are bytes of the format: a resume makes damaged files again, to the bytes first written.
    shape, order, crops = (rgb.frames, rgb.width), (0, 1, 2), f"{rgb.frames} square crops around the people"
    if rgb.kind == "crops":
        attributes = {"description": f"{crops}, each a JPEG file with zeros after it", "missing": "all zeros"}
        dims = ("clip", "rgb_frame", "rgb_byte")
        return (ArraySpec("rgb_jpeg", dims, shape, "uint8", 0, order, True, attributes),)
    attributes = {"description": f"{rgb.kind} embeddings of {crops}", "missing": "0 where nobody was found"}
    dims = ("clip", "rgb_frame", "rgb_channel")
    return (ArraySpec("rgb", dims, shape, "float16", 0.0, order, False, attributes),)


def create_array(group: zarr.Group, name: str, dims: tuple[str, ...], **options: Any) -> zarr.Array[Any]:
    """Create an array with this format's file naming (`c.0.0`: one flat folder per array)."""
    return group.create_array(
        name,
        dimension_names=dims,
        chunk_key_encoding={"name": "default", "separator": "."},
        **options,
    )


def create_feature_array(
    group: zarr.Group, spec: ArraySpec, *, clips: int, shard_clips: int
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
    return create_array(
        group,
        spec.name,
        spec.dims,
        shape=(clips, *spec.item_shape),
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
    group: zarr.Group, name: str, *, clips: int, dtype: Any, fill: Any, attributes: Mapping[str, object]
) -> zarr.Array[Any]:
    """Create an array of one value per clip, in chunks of 65,536 clips, all chunks stored."""
    return create_array(
        group,
        name,
        ("clip",),
        shape=(clips,),
        dtype=dtype,
        fill_value=fill,
        chunks=(min(max(clips, 1), INDEX_CHUNK_CLIPS),),
        filters=[],
        compressors=[ZstdCodec(level=5), Crc32cCodec()],
        attributes=dict(attributes),
        config={"write_empty_chunks": True},
    )
