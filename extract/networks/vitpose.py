"""ViTPose through Hugging Face transformers: heatmaps and the vision transformer's maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from heatpool.extract.networks.crops import normalise_crops
from heatpool.extract.networks.heatmaps import decode_heatmaps
from heatpool.extract.networks.joint_names import describe_joints
from heatpool.extract.networks.runtime.runner import Runtime, make_runner, runs_module
from heatpool.extract.networks.taps import check_taps
from heatpool.extract.networks.transformers import (
    load_pretrained,
    read_preprocessor,
    read_settings,
    state_digest,
)
from heatpool.extract.records import CropSpec, PoseBatch
from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.skeleton import Skeleton

__all__ = ["VitPose"]

_CLASSES = {"vitpose": "VitPoseForPoseEstimation"}


class VitPose:
    """`PoseBackbone` over `VitPoseForPoseEstimation`.

    The map is the transformer's token grid (16 × 12 for 256 × 192 crops) after the tapped layer: `last`
    (normalised, what the head reads) or `layer1` … `layerN`. Crops and joints are those of transformers'
    `VitPoseImageProcessor`, which follow unbiased data processing.

    Args:
        source: local folder, or name of a model on the Hugging Face hub, such as
            usyd-community/vitpose-base-simple.
        taps: layers to pool from.
        device: where the network runs.
        dtype: of the network; joints and maps leave it in float32.
        runtime: what runs it.

    Attributes:
        settings: what decides its numbers beside weights and crops.

    Raises:
        HeatpoolError: if transformers is missing or does not import, the model cannot be found or is
            none, its preprocessing makes no sense, a tap does not exist, or the runtime is not there.
    """

    name = "vitpose"

    def __init__(
        self,
        source: str | Path,
        *,
        taps: Sequence[str] = ("last",),
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        runtime: Runtime = "torch",
    ) -> None:
        model = load_pretrained(source, _CLASSES, kind="a ViTPose model").to(device)
        config = model.config.backbone_config
        layers = int(config.num_hidden_layers)
        check_taps(taps, ("last", *(f"layer{number}" for number in range(1, layers + 1))))
        self.tap = "+".join(taps)
        self.tap_channels = (int(config.hidden_size),) * len(taps)
        self.channels = sum(self.tap_channels)
        self.skeleton = _skeleton(model.config)
        self.joints = self.skeleton.joints
        self.crop = _crop_spec(config.image_size, read_preprocessor(source))
        self.weights_sha256 = state_digest(model.state_dict())
        self.settings = read_settings(model.config, config)
        network = _Tapped(model, taps, settings=self.settings)
        self._run = make_runner(
            network.to(dtype) if runs_module(runtime) else network,
            runtime=runtime,
            title="ViTPose",
            device=device,
            dtype=dtype,
        )

    @torch.inference_mode()
    def forward(self, crops: Tensor) -> PoseBatch:
        """Run crops (B, height, width, 3) uint8; see `PoseBackbone`."""
        heatmaps, *maps = self._run(normalise_crops(crops, self.crop))
        joints, scores = decode_heatmaps(heatmaps, self.crop)
        return PoseBatch(joints, scores, tuple(maps), heatmaps)


class _Tapped(nn.Module):
    """ViTPose that returns heatmaps (B, V, h, w) and the grids of tokens of layers (B, C, h, w), float32."""

    def __init__(self, model: Any, taps: Sequence[str], *, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.model, self.taps, self._settings = model, tuple(taps), dict(settings)
        config = model.config.backbone_config
        self._grid = tuple(
            size // patch for size, patch in zip(config.image_size, config.patch_size, strict=True)
        )
        self._experts = int(getattr(config, "num_experts", 1)) > 1

    def extra_repr(self) -> str:
        return f"taps={self.taps}, {self._settings}"

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        # ViTPose+ has one expert per training set; 0 is COCO, whose joints we want.
        first = torch.zeros(len(crops), dtype=torch.long, device=crops.device)
        experts = {"dataset_index": first} if self._experts else {}
        found = self.model.backbone(crops, output_hidden_states=True, **experts)
        last = found.feature_maps[-1]
        tokens = [last if tap == "last" else found.hidden_states[int(tap[5:])] for tap in self.taps]
        heatmaps = self.model.head(self._as_map(last))
        return heatmaps.float(), *(self._as_map(each).float() for each in tokens)

    def _as_map(self, tokens: Tensor) -> Tensor:
        found: Tensor = tokens.transpose(1, 2).unflatten(2, self._grid)
        return found.contiguous()


def _crop_spec(size_hw_px: Sequence[int], said: Mapping[str, Any]) -> CropSpec:
    """Return how crops are prepared by a `VitPoseImageProcessor` whose configuration says this.

    Raises:
        HeatpoolError: if mean or deviation is not what it should be.
    """
    usual = CropSpec(height_px=size_hw_px[0], width_px=size_hw_px[1], alignment="udp", refinement="dark-hf")
    mean, std = said.get("image_mean", usual.mean), said.get("image_std", usual.std)
    try:
        if not said.get("do_normalize", True):
            mean, std = 0.0, 1.0
        full = 255 * float(said.get("rescale_factor", 1 / 255) if said.get("do_rescale", True) else 1)
        if not full > 0:
            raise ValueError
        values = np.array([np.broadcast_to(np.asarray(each, float), 3) for each in (mean, std)]) / full
    except (TypeError, ValueError):
        values = np.full((2, 3), np.nan)
    if not (np.isfinite(values).all() and (values[1] > 0).all()):
        raise HeatpoolError(
            "expected image_mean and image_std of three numbers, and a rescale_factor, in "
            f"preprocessor_config.json, got {shorten(said)}"
        )
    (m0, m1, m2), (s0, s1, s2) = values.tolist()
    return replace(usual, mean=(m0, m1, m2), std=(s0, s1, s2))


def _skeleton(config: Any) -> Skeleton:
    names = [config.id2label[number] for number in sorted(config.id2label)]
    return describe_joints(int(config.num_labels), names, getattr(config, "edges", None) or ())
