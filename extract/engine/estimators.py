"""From frames to persons with joints and pooled features, by a top-down or a one-stage network.

Both look first and answer later, because who the main actors are is known only when a whole clip has been
looked at. Each step is for one kind of thread: `prepare` and `keep` treat single frames wherever there is a
core, `detect` and `pose` treat batches where the networks run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from heatpool.extract.engine.transfer import start_to_host, to_device
from heatpool.extract.networks.crops import (
    crop_affines,
    crop_boxes,
    joints_to_crop,
    joints_to_frame,
)
from heatpool.extract.networks.runtime.streams import network_stream
from heatpool.extract.records import (
    Detections,
    Detector,
    Frame,
    FrameBackbone,
    FramePersons,
    GivenJoints,
    PoseBackbone,
    PoseBatch,
)
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.pooling import crop_to_norm, feedback_pool, gaussian_pool, heatmap_pool

__all__ = ["Detected", "OneStage", "Pooling", "PoseEstimator", "PosedLater", "PosedPersons", "TopDown"]

Pooling = Literal["point", "gaussian", "heatmap"]

_MOST_CROPS = 6  # persons of a frame that are cut out, so that memory is bounded in a crowd


class Detected(Protocol):
    """What the detection pass keeps of a frame."""

    @property
    def detections(self) -> Detections:
        """Persons, most confident first."""
        ...


@dataclass(frozen=True, eq=False)
class PosedPersons:
    """Answers for B chosen persons.

    Attributes:
        joints_xy_px: (B, V, 2) float, in frame pixels; 0 where missing.
        scores: (B, V) float32 in [0, 1]; 0 where missing.
        pooled: (B, V, C) float32; 0 where missing.
        map_mean: (B, C) float32, mean over each tapped map: over the person's crop, or by a one-stage network
            over the person's box.
        missing: (B, V) bool, joints that the file of given joints lacks; None where a network found all.
    """

    joints_xy_px: np.ndarray
    scores: np.ndarray
    pooled: np.ndarray
    map_mean: np.ndarray
    missing: np.ndarray | None = None


PosedLater = Callable[[], PosedPersons]
"""Waits for answers that a device is working on."""


class PoseEstimator(Protocol):
    """Detects persons in frames and answers for the chosen ones.

    What passes from one method to the next is the estimator's own affair.

    Attributes:
        joints: V.
        channels: C of the pooled vectors.
    """

    joints: int
    channels: int

    def prepare(self, frame: Frame) -> Any:
        """Return what `detect` needs of a frame; any thread may call it."""
        ...

    def detect(self, prepared: Sequence[Any]) -> Sequence[Any]:
        """Detect the persons of each frame."""
        ...

    def keep(self, frame: Frame, found: Any) -> Detected:
        """Return what `pose` needs of a frame and what `detect` found in it; any thread may call it.

        The frame is not needed afterwards.
        """
        ...

    def pose(self, chosen: Sequence[tuple[Any, int]]) -> PosedPersons | PosedLater:
        """Answer for persons, each given by what `keep` kept of a frame and a detection's number in it.

        A device that works by itself is only given the work; to call what is returned waits for it.
        """
        ...


@dataclass(frozen=True, eq=False)
class CroppedPersons:
    """Persons of a frame, cut out.

    Attributes:
        detections: D persons.
        affines: (D, 2, 3) float64, frame pixels → crop pixels.
        crops: (D, H, W, 3) uint8.
    """

    detections: Detections
    affines: np.ndarray
    crops: np.ndarray


class TopDown:
    """A detector, crops, and a pose network over the crops.

    Args:
        detector: of persons.
        backbone: the pose network with its tapped map.
        device: of the pose network.
        min_area_px: boxes of fewer square pixels are left out.
        pooling: how the map is read at a joint, see `heatpool.pool.pooling`.
        crop_aspect: what boxes grow to before they are cut out: model = the crops' aspect, published = frame
            height over frame width, as in the published extractor.
        given_joints: V of the joints that the detector's persons come with: the map is read there, and not
            where the network finds its own; None if they come without.
    """

    def __init__(
        self,
        detector: Detector,
        backbone: PoseBackbone,
        *,
        device: torch.device | str,
        min_area_px: float = 0.0,
        pooling: Pooling = "point",
        crop_aspect: Literal["model", "published"] = "model",
        given_joints: int | None = None,
    ) -> None:
        if given_joints and pooling == "heatmap":
            raise HeatpoolError(
                "expected --pooling point or gaussian with --keypoints: heatmaps are of the network's own "
                "joints"
            )
        self._detector, self._backbone = detector, backbone
        self._device, self._crop_aspect = torch.device(device), crop_aspect
        self._min_area_px, self._pooling = min_area_px, pooling
        self.joints, self.channels = given_joints or backbone.joints, backbone.channels

    def prepare(self, frame: Frame) -> Any:
        """Return what the detector needs."""
        return self._detector.prepare(frame)

    def detect(self, prepared: Sequence[Any]) -> list[Detections]:
        """Detect persons."""
        return self._detector.detect(prepared)

    def keep(self, frame: Frame, found: Detections) -> CroppedPersons:
        """Cut persons out, without those that are too small, of the others the best."""
        sizes_px = found.boxes_xyxy_px[:, 2:] - found.boxes_xyxy_px[:, :2]
        best = np.flatnonzero(sizes_px.prod(1) >= self._min_area_px)[:_MOST_CROPS]
        kept = found.pick(best)
        height, width = frame.rgb.shape[:2]
        # The published code hands (H, W) to a function that reads (W, H): kept for its features' sake.
        aspect = height / width if self._crop_aspect == "published" else None
        affines = crop_affines(kept.boxes_xyxy_px, self._backbone.crop, aspect=aspect)
        return CroppedPersons(kept, affines, crop_boxes(frame.rgb, affines, self._backbone.crop))

    def _pool(self, pose: PoseBatch, joints_xy_px: Tensor) -> Tensor:
        """Pool the maps of B crops at joints (B, V, 2) in crop pixels."""
        if self._pooling == "heatmap":
            if pose.heatmaps is None:
                raise HeatpoolError(
                    f"--pooling heatmap needs heatmaps, {self._backbone.name} gives none; use gaussian"
                )
            heatmaps = pose.heatmaps
            return torch.cat([heatmap_pool(each, heatmaps) for each in pose.maps], 2)
        spec = self._backbone.crop
        norm = crop_to_norm(joints_xy_px, width_px=spec.width_px, height_px=spec.height_px)
        pool = gaussian_pool if self._pooling == "gaussian" else feedback_pool
        return torch.cat([pool(each, norm) for each in pose.maps], 2)

    @torch.inference_mode()
    def pose(self, chosen: Sequence[tuple[CroppedPersons, int]]) -> PosedPersons | PosedLater:
        """Run the network on a batch of crops and pool its maps at the joints, on the device."""
        with network_stream(self._device):
            return self._pose(chosen)

    def _pose(self, chosen: Sequence[tuple[CroppedPersons, int]]) -> PosedPersons | PosedLater:
        affines = np.stack([each.affines[number] for each, number in chosen])
        pose = self._backbone.forward(
            to_device([each.crops[number] for each, number in chosen], self._device)
        )
        given = _given_of([(each.detections, number) for each, number in chosen])
        if given is None:
            # The joints that the network has just predicted say where its own map is read: feedback pooling.
            pooled = self._pool(pose, pose.joints_xy_px)
        else:
            given_xy_px = np.where(given.missing[..., None], 0, given.xy_px)
            at = torch.from_numpy(joints_to_crop(given_xy_px, affines)).to(pose.joints_xy_px)
            pooled = self._pool(pose, at) * torch.from_numpy(~given.missing).to(at)[..., None]
        # Only pooled vectors and means leave the device: the maps are dozens of times their size.
        map_mean = torch.cat([each.float().mean((2, 3)) for each in pose.maps], 1)
        wait = start_to_host(pose.joints_xy_px, pose.scores.float(), pooled.float(), map_mean)

        def answer() -> PosedPersons:
            found, scores, pooled, map_mean = wait()
            if given is None:
                return PosedPersons(joints_to_frame(found, affines), scores, pooled, map_mean)
            return PosedPersons(given_xy_px, given.scores, pooled, map_mean, given.missing)

        return answer if pooled.is_cuda else answer()


def _given_of(chosen: Sequence[tuple[Detections, int]]) -> GivenJoints | None:
    """Return the joints that B chosen persons come with; None if they come without."""
    given = [(each.joints, number) for each, number in chosen if each.joints is not None]
    if not given:
        return None
    picked = [joints.pick(np.array([number])) for joints, number in given]
    return GivenJoints(
        np.concatenate([each.xy_px for each in picked]), np.concatenate([each.scores for each in picked])
    )


class OneStage:
    """A network that gives boxes, joints and features at once; `pose` only picks from its answers."""

    def __init__(self, backbone: FrameBackbone) -> None:
        self._backbone = backbone
        self.joints, self.channels = backbone.joints, backbone.channels

    def prepare(self, frame: Frame) -> Any:
        """Return what the network needs."""
        return self._backbone.prepare(frame)

    def detect(self, prepared: Sequence[Any]) -> list[FramePersons]:
        """Run the network on frames; whoever is found is pooled, since the maps are gone with the batch."""
        return self._backbone.estimate(prepared)

    def keep(self, frame: Frame, found: FramePersons) -> FramePersons:
        """Return what was found: nothing else is needed."""
        return found

    def pose(self, chosen: Sequence[tuple[FramePersons, int]]) -> PosedPersons:
        """Pick the answers of the chosen persons."""
        given = _given_of([(persons.detections, number) for persons, number in chosen])
        missing = None if given is None else given.missing
        joints = np.stack([persons.joints_xy_px[number] for persons, number in chosen])
        return PosedPersons(
            joints if missing is None else np.where(missing[..., None], 0, joints),
            np.stack([persons.scores[number] for persons, number in chosen]),
            np.stack([persons.pooled[number] for persons, number in chosen]),
            np.stack([persons.map_mean[number] for persons, number in chosen]),
            missing,
        )
