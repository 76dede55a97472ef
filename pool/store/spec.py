"""What a feature store is: its shape, its precision, and where its numbers come from.

Axis letters: M persons, T steps, V joints, C channels, F frames, D values, L bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from heatpool.pool.skeleton import COCO17_SKELETON, Skeleton
from heatpool.pool.store.levels import Levels

__all__ = ["Precision", "RgbSpec", "StoreSpec"]

Precision = Literal["f2", "u1", "levels"]


@dataclass(frozen=True)
class RgbSpec:
    """What a feature store holds of the clips' pixels.

    Attributes:
        kind: clip or xclip = embeddings of that network (array `rgb`), crops = the crops themselves
            (array `rgb_jpeg`).
        frames: F, frames per clip.
        width: last axis of the array: D values per embedding, or L bytes that a JPEG may take.
        crop_px: side of the square crops.
        weights_sha256: of the network's weights (hex), "" for crops.

    Raises:
        ValueError: if the kind is none of these or a size is below 1.
    """

    kind: str
    frames: int
    width: int
    crop_px: int
    weights_sha256: str = ""

    def __post_init__(self) -> None:
        if self.kind not in ("clip", "xclip", "crops"):
            raise ValueError(f"expected rgb of kind clip, xclip or crops, got {self.kind!r}")
        if min(self.frames, self.width, self.crop_px) < 1:
            raise ValueError(f"expected rgb frames, width and crop_px >= 1, got {self}")


@dataclass(frozen=True)
class StoreSpec:
    """Shape and provenance of a feature store.

    Attributes:
        persons: M, person slots per clip.
        steps: T, time steps per clip.
        joints: V.
        channels: C of the pooled vectors.
        backbone: name of the pose backbone.
        tap: name of the inner feature map that was pooled; names of several are joined by "+".
        weights_sha256: of the backbone's weights file (hex), "" when it has none.
        config: resolved stage-one configuration, JSON-able.
        skeleton: named joint set.
        joint_names: V names; empty where they are not known, not needed for coco17.
        edges: pairs of joined joints, 0-based; likewise.
        licence: of the data set the clips come from, free text.
        citation: of the data set, free text.
        source: where the clips come from, free text.
        rgb: what is stored of the pixels, None for nothing.
        precision: of `pooled` on disk: f2 = float16; u1 = one byte per value, 256 levels per clip, person and
            channel; levels = whole numbers in steps, as `levels` says. Readers get float16 of each.
        tap_channels: channels of each tap, in order; together C. Empty where that is not known.
        map_mean: whether the means of the tapped maps are stored too.
        levels: arrays that are stored as whole numbers, by name; of precision levels.
        versions: by name of each package that made the numbers, each version of it that had a part; empty
            where that is not known.

    Raises:
        ValueError: if a size is below 1, the precision is another one, or taps or joints do not fit.
    """

    persons: int
    steps: int
    joints: int
    channels: int
    backbone: str
    tap: str
    weights_sha256: str
    config: Mapping[str, object]
    skeleton: str = COCO17_SKELETON.name
    licence: str = ""
    citation: str = ""
    source: str = ""
    rgb: RgbSpec | None = None
    precision: Precision = "f2"
    tap_channels: tuple[int, ...] = ()
    map_mean: bool = False
    joint_names: tuple[str, ...] = ()
    edges: tuple[tuple[int, int], ...] = ()
    levels: Mapping[str, Levels] = field(default_factory=dict)
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise ValueError(f"expected precision f2, u1 or levels, got {self.precision!r}")
        if (self.precision == "levels") != ("pooled" in self.levels):
            raise ValueError(f"expected levels of pooled with precision levels, got {dict(self.levels)}")
        if not isinstance(self.map_mean, bool):
            raise ValueError(f"expected map_mean to be true or false, got {self.map_mean!r}")
        if min(sizes := (self.persons, self.steps, self.joints, self.channels)) < 1:
            raise ValueError(f"expected persons, steps, joints, channels >= 1, got {sizes}")
        each = self.tap_channels
        if each and (len(each) != len(self.tap_names) or min(each) < 1 or sum(each) != self.channels):
            raise ValueError(f"expected the channels of {self.tap}, {self.channels} in all, got {each}")
        if (graph := self.graph).joints != self.joints:
            raise ValueError(f"expected {self.joints} joint names, got {graph.joints}")
        if graph.known_by_name:
            self.__dict__.update(joint_names=graph.joint_names, edges=graph.edges)

    @property
    def graph(self) -> Skeleton:
        """The joints and their edges; without any edge where they are not known."""
        return Skeleton.of(self.skeleton, self.joint_names, self.edges, joints=self.joints)

    def decoded(self) -> StoreSpec:
        """Return the same in precision f2; its configuration notes the precision that was lost."""
        if self.precision == "f2":
            return self
        lost = f"error:{self.levels['pooled'].error:.3%}" if self.levels else self.precision
        return replace(self, precision="f2", levels={}, config={**self.config, "converted_from": lost})

    @property
    def tap_names(self) -> tuple[str, ...]:
        """Names of the taps, in the order of their channels."""
        return tuple(self.tap.split("+"))
