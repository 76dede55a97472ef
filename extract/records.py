"""Records and Protocols inside stage one: frames, detections, crops, pose networks.

Pixels have their centres at integers; x runs right, y down; frames are uint8 RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from torch import Tensor

from heatpool.pool.records import check_array
from heatpool.pool.skeleton import Skeleton

__all__ = [
    "Alignment",
    "Backbone",
    "CropSpec",
    "Detections",
    "Detector",
    "Frame",
    "FrameBackbone",
    "FrameMaps",
    "FramePersons",
    "GivenJoints",
    "PoseBackbone",
    "PoseBatch",
    "Refinement",
]


@dataclass(frozen=True, eq=False)
class Frame:
    """One decoded frame.

    Attributes:
        clip: position of the clip in the list that is being extracted.
        index: frame number within the clip, from 0.
        time_s: presentation time in seconds from the start of the video.
        rgb: (H, W, 3) uint8.
    """

    clip: int
    index: int
    time_s: float
    rgb: np.ndarray

    def __post_init__(self) -> None:
        check_array("frame", self.rgb, (None, None, 3), np.uint8)

    def __repr__(self) -> str:
        return f"Frame(clip={self.clip}, index={self.index}, time_s={self.time_s:.3f}, rgb={self.rgb.shape})"


@dataclass(frozen=True, eq=False)
class GivenJoints:
    """Joints of D persons that a file gives, in place of those that a network finds.

    Attributes:
        xy_px: (D, V, 2) float32 in frame pixels, NaN where a joint is not given.
        scores: (D, V) float32 in [0, 1], 0 where it is not given.
    """

    xy_px: np.ndarray
    scores: np.ndarray

    def __post_init__(self) -> None:
        check_array("xy_px", self.xy_px, (*self.scores.shape, 2), np.float32, finite=False)
        check_array("scores", self.scores, (None, None), np.float32)

    @property
    def missing(self) -> np.ndarray:
        """(D, V) bool, joints that are not given."""
        return np.asarray(np.isnan(self.xy_px).any(2))

    def pick(self, persons: np.ndarray) -> GivenJoints:
        """Return those of some persons, by their numbers."""
        return GivenJoints(self.xy_px[persons], self.scores[persons])


@dataclass(frozen=True, eq=False)
class Detections:
    """Persons found in one frame, most confident first.

    Attributes:
        boxes_xyxy_px: (D, 4) float32, x1 < x2 and y1 < y2.
        scores: (D,) float32 in [0, 1], falling.
        note: why there is none, where the detector can tell more than that it found none.
        tracks: (D,) int64, who each is, as the detector knows; -1 where it does not, None where of nobody.
        joints: of these persons, where the detector knows them.
    """

    boxes_xyxy_px: np.ndarray
    scores: np.ndarray
    note: str = ""
    tracks: np.ndarray | None = None
    joints: GivenJoints | None = None

    def __post_init__(self) -> None:
        check_array("boxes_xyxy_px", self.boxes_xyxy_px, (None, 4), np.float32)
        check_array("scores", self.scores, (len(self.boxes_xyxy_px),), np.float32)
        if self.tracks is not None:
            check_array("tracks", self.tracks, self.scores.shape, np.int64)
        if self.joints is not None:
            check_array("joint scores", self.joints.scores, (len(self.scores), None), np.float32)
        if (np.diff(self.scores) > 0).any():
            raise ValueError("expected detections sorted by falling score")
        if (self.boxes_xyxy_px[:, 2:] <= self.boxes_xyxy_px[:, :2]).any():
            raise ValueError("expected boxes with x1 < x2 and y1 < y2")

    @classmethod
    def none(cls) -> Detections:
        """Return the detections of an empty frame."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))

    def pick(self, persons: np.ndarray) -> Detections:
        """Return some of the persons, by their rising numbers."""
        return Detections(
            self.boxes_xyxy_px[persons],
            self.scores[persons],
            self.note,
            None if self.tracks is None else self.tracks[persons],
            None if self.joints is None else self.joints.pick(persons),
        )

    def __len__(self) -> int:
        return len(self.scores)


Alignment = Literal["corner", "centre", "udp"]
"""Where cell i of a heatmap of w cells lies in a crop of W pixels. corner: at i W / w, as in SimpleBaseline,
HRNet, GluonCV and the MSRA codec of mmpose; centre: at (i + 1/2) W / w - 1/2, the middle of the pixels that
it covers; udp: at i (W - 1) / (w - 1), as in unbiased data processing (ViTPose), whose crops are cut so."""

Refinement = Literal["none", "quarter", "dark", "dark-udp", "dark-hf"]
"""How a joint is found between the cells of its heatmap. none: it is at its highest cell, as in GluonCV;
quarter: a quarter cell towards the higher neighbour, as in HRNet; the others: at the peak of a parabola
through the logarithm of the smoothed map: dark as in mmpose's MSRA codec, dark-udp as in its UDP codec,
dark-hf as in transformers, which smooths less."""


@dataclass(frozen=True)
class CropSpec:
    """How a pose network wants its crops.

    Attributes:
        height_px: crop height.
        width_px: crop width.
        mean: per RGB channel, subtracted from values in [0, 1].
        std: per RGB channel, divided by.
        padding: the box, widened to the crop's aspect, is enlarged by this factor.
        alignment: of the network's heatmaps; udp also decides how crops are cut.
        refinement: of joints between the cells of its heatmaps.
    """

    height_px: int
    width_px: int
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    padding: float = 1.25
    alignment: Alignment = "corner"
    refinement: Refinement = "quarter"


@dataclass(frozen=True, eq=False)
class PoseBatch:
    """A pose network's answer for a batch of crops.

    Attributes:
        joints_xy_px: (B, V, 2) float32 tensor, in crop pixels.
        scores: (B, V) float32 tensor in [0, 1].
        maps: one or more tapped feature maps, each (B, C, H, W) of its own C, H and W.
        heatmaps: (B, V, h, w) tensor over the crop, None for networks without heatmaps.
    """

    joints_xy_px: Tensor
    scores: Tensor
    maps: tuple[Tensor, ...]
    heatmaps: Tensor | None = None

    def __post_init__(self) -> None:
        batch, joints = self.scores.shape
        if self.joints_xy_px.shape != (batch, joints, 2):
            raise ValueError(f"expected joints ({batch}, {joints}, 2), got {tuple(self.joints_xy_px.shape)}")
        if not self.maps or any(each.ndim != 4 or len(each) != batch for each in self.maps):
            shapes = [tuple(each.shape) for each in self.maps]
            raise ValueError(f"expected maps ({batch}, C, H, W), got {shapes}")
        if self.heatmaps is not None and self.heatmaps.shape[:2] != (batch, joints):
            raise ValueError(f"expected heatmaps ({batch}, {joints}, h, w), got {tuple(self.heatmaps.shape)}")


class Backbone(Protocol):
    """A pose network with one or more inner feature maps exposed.

    Attributes:
        name: of the backend, as on the command line.
        tap: names of the feature maps that are pooled, joined by "+".
        tap_channels: channels of each of these maps.
        channels: C of the pooled vectors: all of them.
        joints: V.
        skeleton: names of the joints and their edges, as far as the network tells them.
        weights_sha256: hex digest of the weights file.
    """

    name: str
    tap: str
    tap_channels: tuple[int, ...]
    channels: int
    joints: int
    skeleton: Skeleton
    weights_sha256: str


class PoseBackbone(Backbone, Protocol):
    """A top-down pose network: it works on crops.

    Attributes:
        crop: how crops must be prepared.
    """

    crop: CropSpec

    def forward(self, crops: Tensor) -> PoseBatch:
        """Run the network on crops (B, height, width, 3) uint8 RGB, which lie on its device."""
        ...


@dataclass(frozen=True, eq=False)
class FramePersons:
    """A one-stage network's answer for a frame: persons with joints and pooled features at once.

    Attributes:
        detections: D persons, most confident first.
        joints_xy_px: (D, V, 2) float32, in frame pixels.
        scores: (D, V) float32 in [0, 1].
        pooled: (D, V, C) float32, zero at joints that are not given.
        map_mean: (D, C) float32, mean over each tapped map within the person's box.
    """

    detections: Detections
    joints_xy_px: np.ndarray
    scores: np.ndarray
    pooled: np.ndarray
    map_mean: np.ndarray

    def __post_init__(self) -> None:
        count, joints = len(self.detections), self.scores.shape[-1]
        given = self.detections.joints is not None  # with NaN where a joint is not
        check_array("scores", self.scores, (count, joints), np.float32)
        check_array("joints_xy_px", self.joints_xy_px, (count, joints, 2), np.float32, finite=not given)
        # A map that overflows in 16 bits is the end of the clip, which the engine says, and not of the run.
        check_array("pooled", self.pooled, (count, joints, None), np.float32, finite=False)
        check_array("map_mean", self.map_mean, (count, self.pooled.shape[2]), np.float32, finite=False)


class FrameBackbone(Backbone, Protocol):
    """A one-stage pose network: no separate detector, no crops."""

    def prepare(self, frame: Frame) -> Any:
        """Return what `estimate` needs of a frame, such as its letterbox; any thread may call it."""
        ...

    def estimate(self, prepared: Sequence[Any]) -> list[FramePersons]:
        """Return the persons of each frame, in order."""
        ...


class FrameMaps(Protocol):
    """A network whose maps of a whole frame can be read anywhere.

    Attributes:
        channels: C of the pooled vectors.
    """

    channels: int

    def prepare(self, frame: Frame) -> Any:
        """Return what `pool_given` needs of a frame; any thread may call it."""
        ...

    def pool_given(self, prepared: Sequence[Any], persons: Sequence[Detections]) -> list[FramePersons]:
        """Pool the maps of each frame at the joints that come with its persons."""
        ...


class Detector(Protocol):
    """Finds persons in frames."""

    def prepare(self, frame: Frame) -> Any:
        """Return what `detect` needs of a frame, such as its letterbox; any thread may call it."""
        ...

    def detect(self, prepared: Sequence[Any]) -> list[Detections]:
        """Return the persons of each frame, in order."""
        ...
