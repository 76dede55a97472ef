"""Shape of the feature store on disk: its arrays and files, for given sizes.

Axis letters: N clips, M persons, T steps, V joints, C channels. The layout is specified in
docs/format.md; this module is the only place that knows file names, arrays.py codec chains.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from heatpool.pool.store.arrays import INDEX_CHUNK_CLIPS, ArraySpec
from heatpool.pool.store.levels import Levels
from heatpool.pool.store.spec import Precision, RgbSpec, StoreSpec

__all__ = [
    "FEATURE_NAMES",
    "FINISHED",
    "JOURNAL",
    "OPTIONAL_NAMES",
    "PART_NAMES",
    "RESULT_DTYPES",
    "VERSION",
    "VERSIONS",
    "Layout",
]

VERSION = 2
"""Of the stores that are made."""
VERSIONS = (1, 2)
"""Of the stores that are read, and written where they are."""

JOURNAL = "journal"
FINISHED = "finished.json"
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
        levels: arrays that are stored as whole numbers, by name.
        version: of the format.

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
    levels: Mapping[str, Levels] = field(default_factory=dict)
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.clips < 0:
            raise ValueError(f"expected clips >= 0, got {self.clips}")
        if not 1 <= self.shard_clips <= MAX_SHARD_CLIPS:
            raise ValueError(f"expected shard_clips from 1 to {MAX_SHARD_CLIPS}, got {self.shard_clips}")
        if self.persons > 255:
            raise ValueError(f"expected at most 255 persons, got {self.persons}")
        if self.version not in VERSIONS:
            raise ValueError(f"expected version 1 or 2, got {self.version!r}")

    @classmethod
    def of(cls, spec: StoreSpec, *, clips: int, shard_clips: int) -> Layout:
        """Layout for `clips` clips of the sizes named in `spec`."""
        sizes = (spec.persons, spec.steps, spec.joints, spec.channels)
        return cls(clips, *sizes, shard_clips, spec.precision, spec.rgb, spec.map_mean, spec.levels)

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
        if spec.name in self.levels:
            whole = self.levels[spec.name]
            scaled = {**spec.attributes, "scale_factor": whole.step}
            return (replace(spec, dtype=whole.dtype, fill=0, level=8, attributes=scaled),)
        if spec.name != "pooled" or self.precision != "u1":
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

    @property
    def separator(self) -> str:
        """What stands between the numbers in a chunk's name: / is the default of Zarr, . was version 1's."""
        return "." if self.version == 1 else "/"

    def shard_key(self, name: str, shard: int) -> str:
        """Path of a shard's file of one stored array, relative to the store's root."""
        dims = len(self.stored[name].dims)
        return f"{name}/{self.separator.join(['c', str(shard), *'0' * (dims - 1)])}"

    def index_keys(self, name: str) -> list[str]:
        """Paths of the files of an index array, relative to the store's root."""
        chunks = -(-self.clips // INDEX_CHUNK_CLIPS)
        return [self.index_key(name, chunk * INDEX_CHUNK_CLIPS) for chunk in range(chunks)]

    def index_key(self, name: str, row: int) -> str:
        """Path of the file of an index array that holds a clip."""
        return f"{name}/c{self.separator}{row // INDEX_CHUNK_CLIPS}"


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
