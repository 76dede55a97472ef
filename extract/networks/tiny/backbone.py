"""The tiny networks, loaded and ready for inference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from heatpool.extract.networks.crops import normalise_crops
from heatpool.extract.networks.runtime.runner import Runtime, make_runner
from heatpool.extract.networks.taps import check_taps
from heatpool.extract.networks.tiny.network import (
    TINY_TAP,
    TINY_TAPS,
    TinyPose,
    channels_last,
    decode_gaussian_heatmaps,
    heatmaps_of,
)
from heatpool.extract.networks.tiny.weights import DETECTOR_FILE, POSE_FILE, load_tiny_weights
from heatpool.extract.networks.weight_sources import SHIPPED_FOLDER
from heatpool.extract.records import CropSpec, PoseBatch
from heatpool.pool.skeleton import COCO17_SKELETON, Skeleton

if TYPE_CHECKING:
    from ultralytics.nn.tasks import DetectionModel

__all__ = [
    "DETECTOR_INPUT_WH",
    "DETECTOR_MAX_IOU",
    "TINY_CROP",
    "TinyBackbone",
    "build_tiny_detector",
    "load_tiny_backbone",
    "load_tiny_detector",
]

TINY_CROP = CropSpec(height_px=128, width_px=96)
"""How the pose network wants its crops."""

DETECTOR_INPUT_WH = (160, 128)
"""Width and height in pixels of the letterboxed frames the detector was trained on."""

DETECTOR_MAX_IOU = 0.6
"""Of two boxes that overlap more the weaker goes: with this the detector was measured."""


class _Tapped(nn.Module):
    """The tiny pose network that returns logits of heatmaps and the tapped maps."""

    def __init__(self, network: TinyPose, taps: Sequence[str]) -> None:
        super().__init__()
        self.network, self.taps = network, tuple(taps)

    def extra_repr(self) -> str:
        return f"taps={self.taps}"

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        found: tuple[Tensor, ...] = self.network(crops, self.taps)
        return found


class TinyBackbone:
    """`heatpool.extract.records.PoseBackbone` over the tiny pose network. It knows rendered people only.

    Attributes are those of the Protocol; `network` is the fused `TinyPose` in eval mode.

    Args:
        network: with its weights; it is fused in place and kept.
        weights_sha256: of the weights file.
        taps: keys of `TINY_TAPS`; several are pooled at the same joints.
        runtime: what runs it.

    Raises:
        HeatpoolError: if there is no such tap, or the runtime is not there.
    """

    name: str = "tiny"
    skeleton: Skeleton = COCO17_SKELETON
    joints: int = COCO17_SKELETON.joints
    crop: CropSpec = TINY_CROP

    def __init__(
        self,
        network: TinyPose,
        *,
        weights_sha256: str,
        taps: Sequence[str] = (TINY_TAP,),
        runtime: Runtime = "torch",
    ) -> None:
        self.network = network.fuse()
        self.weights_sha256 = weights_sha256
        self.tap = "+".join(check_taps(taps, TINY_TAPS))
        self.tap_channels = tuple(TINY_TAPS[tap] for tap in taps)
        self.channels = sum(self.tap_channels)
        device = next(network.parameters()).device
        tapped = _Tapped(self.network, taps)
        self._run = make_runner(tapped, runtime=runtime, title="the tiny pose network", device=device)

    @torch.inference_mode()
    def forward(self, crops: Tensor) -> PoseBatch:
        """Predict joints and return the tapped maps.

        Args:
            crops: (B, 128, 96, 3) uint8, on the network's device.

        Returns:
            17 joints per crop, scores, a map for each tap, by default (B, 64, 16, 12), and heatmaps
            (B, 17, 32, 24).
        """
        logits, *maps = self._run(normalise_crops(crops, self.crop))
        heatmaps = heatmaps_of(logits)
        joints_xy_px, scores = decode_gaussian_heatmaps(heatmaps)
        return PoseBatch(joints_xy_px, scores, tuple(maps), heatmaps)


def build_tiny_detector() -> DetectionModel:
    """Return the untrained detector of `detector.yaml`, one class: person."""
    # Imported here: ultralytics takes over a second to import and the pose network does without it.
    from ultralytics.nn.tasks import DetectionModel

    return DetectionModel(str(Path(__file__).with_name("detector.yaml")), ch=3, nc=1, verbose=False)


def load_tiny_backbone(
    device: torch.device | str = "cpu",
    *,
    taps: Sequence[str] = (TINY_TAP,),
    weights: Path = SHIPPED_FOLDER / POSE_FILE,
    runtime: Runtime = "torch",
) -> TinyBackbone:
    """Load the pose network.

    Raises:
        HeatpoolError: if the weights are missing, damaged or of another network, or there is no such tap.
    """
    network = TinyPose()
    digest = load_tiny_weights(network, weights)
    network = channels_last(network).to(device)
    return TinyBackbone(network, weights_sha256=digest, taps=taps, runtime=runtime)


def load_tiny_detector(
    device: torch.device | str = "cpu", *, weights: Path = SHIPPED_FOLDER / DETECTOR_FILE
) -> DetectionModel:
    """Load the detector, fused and in eval mode; it wants RGB in [0, 1], letterboxed to `DETECTOR_INPUT_WH`.

    Raises:
        HeatpoolError: if the weights are missing, damaged or of another network.
    """
    model = build_tiny_detector()
    load_tiny_weights(model, weights)
    model.eval().fuse(verbose=False)
    return channels_last(model).to(device)
