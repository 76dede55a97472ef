"""Shape of the feature store on disk: its arrays, chunks, codecs and root attributes.

Axis letters: N clips, M persons, T steps, V joints, C channels. The layout is specified in
docs/format.md; this module is the only place that knows codec chains and file names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, TransposeCodec, ZstdCodec

from pool.errors import HeatpoolError
from pool.records import COCO17, StoreSpec

__all__ = [
    "FEATURE_NAMES",
    "FINISHED",
    "FORMAT",
    "JOURNAL",
    "RESULT_DTYPES",
    "VERSION",
    "ArraySpec",
    "Layout",
    "code_version",
    "create_array",
    "create_feature_array",
    "create_index_array",
    "layout_from_attributes",
    "read_root",
    "root_attributes",
    "spec_from_attributes",
]

FORMAT = "heatpool-features"
VERSION = 1
JOURNAL = "journal"
FINISHED = "finished.json"
INDEX_CHUNK_CLIPS = 65_536
MAX_SHARD_CLIPS = 4_096

FEATURE_NAMES: tuple[str, ...] = ("pooled", "keypoints", "boxes", "mask", "time_s")
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
        sharded: chunk = one person of one clip, gathered in a shard file; otherwise the
            chunk is the whole shard.
        attributes: description of the array for its readers.
    """

    name: str
    dims: tuple[str, ...]
    item_shape: tuple[int, ...]
    dtype: str
    fill: float | bool
    order: tuple[int, ...]
    sharded: bool
    attributes: Mapping[str, object]


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

    Raises:
        ValueError: if there is no clip, `shard_clips` is not in 1..4096 or M exceeds 255.
    """

    clips: int
    persons: int
    steps: int
    joints: int
    channels: int
    shard_clips: int

    def __post_init__(self) -> None:
        if self.clips < 1:
            raise ValueError(f"expected at least one clip, got {self.clips}")
        if not 1 <= self.shard_clips <= MAX_SHARD_CLIPS:
            raise ValueError(f"expected shard_clips from 1 to {MAX_SHARD_CLIPS}, got {self.shard_clips}")

        if self.persons > 255:
            raise ValueError(f"expected at most 255 persons, got {self.persons}")

    @classmethod
    def of(cls, spec: StoreSpec, *, clips: int, shard_clips: int) -> Layout:
        """Layout for `clips` clips of the sizes named in `spec`."""
        return cls(clips, spec.persons, spec.steps, spec.joints, spec.channels, shard_clips)

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
        """The five feature arrays by name."""
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
        return {spec.name: spec for spec in specs}

    def shard_key(self, name: str, shard: int) -> str:
        """Path of a shard's file of one feature array, relative to the store's root."""
        dims = len(self.features[name].dims)
        return f"{name}/c.{shard}" + ".0" * (dims - 1)


def code_version() -> str:
    """Version of the installed heatpool, or a plain word when it runs from an uninstalled tree."""
    try:
        return metadata.version("heatpool")
    except metadata.PackageNotFoundError:
        return "unknown (heatpool is not installed)"


def create_array(group: zarr.Group, name: str, dims: tuple[str, ...], **options: Any) -> zarr.Array:
    """Create an array with this format's file naming (`c.0.0`: one flat folder per array)."""
    return group.create_array(
        name,
        dimension_names=dims,
        chunk_key_encoding={"name": "default", "separator": "."},
        **options,
    )


def create_feature_array(group: zarr.Group, spec: ArraySpec, *, clips: int, shard_clips: int) -> zarr.Array:
    """Create one feature array for `clips` clips; nothing but its metadata is written."""
    shard = (shard_clips, *spec.item_shape)
    chunk = (1, 1, *spec.item_shape[1:]) if spec.sharded else shard
    size = np.dtype(spec.dtype).itemsize
    # One blosc block per chunk: the planes of the byte shuffle stay whole, and the bytes do not
    # depend on the number of threads.
    blosc = BloscCodec(
        typesize=size, cname="zstd", clevel=7, shuffle="shuffle", blocksize=int(np.prod(chunk)) * size
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
        shards=shard if spec.sharded else None,
        filters=[TransposeCodec(order=spec.order)] if transposed else [],
        compressors=[blosc, Crc32cCodec()],
        attributes=dict(spec.attributes),
        config={"write_empty_chunks": False},
    )


def create_index_array(
    group: zarr.Group, name: str, *, clips: int, dtype: Any, fill: Any, attributes: Mapping[str, object]
) -> zarr.Array:
    """Create an array of one value per clip, in chunks of 65,536 clips, all chunks stored."""
    return create_array(
        group,
        name,
        ("clip",),
        shape=(clips,),
        dtype=dtype,
        fill_value=fill,
        chunks=(min(clips, INDEX_CHUNK_CLIPS),),
        filters=[],
        compressors=[ZstdCodec(level=5), Crc32cCodec()],
        attributes=dict(attributes),
        config={"write_empty_chunks": True},
    )


def root_attributes(spec: StoreSpec, *, clips: int, shard_clips: int) -> dict[str, Any]:
    """Root attributes of a new store: format, sizes and provenance. No clock, no host.

    Raises:
        ValueError: if `spec.config` cannot be written as JSON.
    """
    try:
        config = json.loads(json.dumps(dict(spec.config), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected a config of plain JSON values, got {error}") from error
    return {
        "format": FORMAT,
        "version": VERSION,
        "code_version": code_version(),
        "clips": clips,
        "persons": spec.persons,
        "steps": spec.steps,
        "joints": spec.joints,
        "channels": spec.channels,
        "shard_clips": shard_clips,
        "skeleton": spec.skeleton,
        "joint_names": list(COCO17) if spec.skeleton == "coco17" else [],
        "backbone": spec.backbone,
        "tap": spec.tap,
        "weights_sha256": spec.weights_sha256,
        "config": config,
        "licence": spec.licence,
        "citation": spec.citation,
        "source": spec.source,
    }


def spec_from_attributes(attributes: Mapping[str, Any]) -> StoreSpec:
    """The `StoreSpec` that root attributes describe (inverse of `root_attributes`)."""
    return StoreSpec(**{name: attributes[name] for name in StoreSpec.__dataclass_fields__})


def layout_from_attributes(attributes: Mapping[str, Any]) -> Layout:
    """The `Layout` that root attributes describe."""
    return Layout(**{name: attributes[name] for name in Layout.__dataclass_fields__})


def read_root(path: Path, *, any_version: bool = False) -> dict[str, Any]:
    """Root attributes of the store at `path`.

    Raises:
        HeatpoolError: if there is no heatpool feature store of this version (or of any).
    """
    if not path.exists():
        raise HeatpoolError(f"{path}: no such feature store")
    try:
        attributes = json.loads((path / "zarr.json").read_bytes()).get("attributes", {})
    except (OSError, ValueError, AttributeError) as error:
        raise HeatpoolError(
            f"{path}: expected a heatpool feature store, got no readable zarr.json ({type(error).__name__})"
        ) from error
    if not isinstance(attributes, dict) or attributes.get("format") != FORMAT:
        raise HeatpoolError(f"{path}: expected format {FORMAT}, got another kind of Zarr store")
    if attributes.get("version") != VERSION and not any_version:
        raise HeatpoolError(
            f"{path}: expected {FORMAT} version {VERSION}, got version {attributes.get('version')}; "
            "read it with the heatpool release that wrote it, or extract again"
        )
    needed = {*StoreSpec.__dataclass_fields__, *Layout.__dataclass_fields__, "columns", "splits"}
    if not any_version and (missing := sorted(needed - set(attributes))):
        raise HeatpoolError(f"{path}: damaged store, zarr.json lacks {', '.join(missing)}")
    return attributes
