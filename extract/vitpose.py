"""ViTPose through Hugging Face transformers: heatmaps and the vision transformer's maps."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from extract.heatmaps import decode_heatmaps
from extract.records import CropSpec, PoseBatch
from pool.errors import HeatpoolError

__all__ = ["VitPose"]


class VitPose:
    """`PoseBackbone` over `VitPoseForPoseEstimation`.

    The map is the transformer's token grid (16 × 12 for 256 × 192 crops) after the tapped layer: `last`
    (normalised, what the head reads) or `layer1` … `layerN`.

    Args:
        source: local folder, or name of a model on the Hugging Face hub, such as
            usyd-community/vitpose-base-simple.
        taps: layers to pool from.
        device: where the network runs.

    Raises:
        HeatpoolError: if transformers is missing or does not import, the model cannot be found or is
            none, or a tap does not exist.
    """

    name = "vitpose"

    def __init__(
        self, source: str | Path, *, taps: Sequence[str] = ("last",), device: torch.device | str = "cpu"
    ) -> None:
        self._device = torch.device(device)
        self._model = _load(source).to(self._device).eval()
        config = self._model.config.backbone_config
        layers = int(config.num_hidden_layers)
        known = ("last", *(f"layer{number}" for number in range(1, layers + 1)))
        unknown = [tap for tap in taps if tap not in known]
        if unknown or not taps:
            raise HeatpoolError(
                f"expected --tap last or layer1 … layer{layers}, got {', '.join(unknown) or 'none'}"
            )
        self._taps = tuple(taps)
        self._grid = tuple(
            size // patch for size, patch in zip(config.image_size, config.patch_size, strict=True)
        )
        self._experts = int(getattr(config, "num_experts", 1)) > 1
        self.tap = "+".join(taps)
        self.channels = int(config.hidden_size) * len(self._taps)
        self.joints = int(self._model.config.num_labels)
        self.crop = CropSpec(height_px=config.image_size[0], width_px=config.image_size[1])
        self.weights_sha256 = _digest(self._model.state_dict())

    @torch.inference_mode()
    def forward(self, crops: Tensor) -> PoseBatch:
        """Run normalised crops (B, 3, height, width) float; see `PoseBackbone`."""
        # ViTPose+ has one expert a training set; 0 is COCO, whose joints we want.
        experts = {"dataset_index": torch.zeros(len(crops), dtype=torch.long, device=self._device)}
        seen: dict[str, Tensor] = {}
        hooks = [self._hook(tap, seen) for tap in self._taps]
        try:
            heatmaps = self._model(crops.to(self._device), **(experts if self._experts else {})).heatmaps
        finally:
            for hook in hooks:
                hook.remove()
        height, width = self.crop.height_px, self.crop.width_px
        joints, scores = decode_heatmaps(heatmaps, width_px=width, height_px=height)
        maps = [seen[tap].transpose(1, 2).unflatten(2, self._grid) for tap in self._taps]
        return PoseBatch(joints, scores, torch.cat(maps, 1), heatmaps)

    def _hook(self, tap: str, seen: dict[str, Tensor]) -> Any:
        backbone = self._model.backbone
        module = backbone.layernorm if tap == "last" else backbone.encoder.layer[int(tap[5:]) - 1]

        def keep(module: object, inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
            seen[tap] = output[0] if isinstance(output, tuple) else output

        return module.register_forward_hook(keep)


def _load(source: str | Path) -> Any:
    """Load the network; weights come as safetensors only."""
    try:
        from transformers import VitPoseForPoseEstimation
    except ImportError as error:
        cause = _root(error)
        if "torchvision" in str(cause):
            raise HeatpoolError(
                f"transformers cannot be imported because torchvision does not match torch ({cause}); "
                "install the pair that belongs together, see the torch release notes"
            ) from error
        raise HeatpoolError(
            f"the vitpose backend needs transformers: pip install 'heatpool[hf]' ({cause})"
        ) from error
    try:
        return VitPoseForPoseEstimation.from_pretrained(str(source), use_safetensors=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise HeatpoolError(f"expected a ViTPose model, cannot load {source}: {reason}") from error


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _digest(state: dict[str, Tensor]) -> str:
    """SHA-256 over names and values: the same for a folder, a hub name and a re-sharded copy."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
