"""Frozen image networks for RGB: CLIP's image tower, and X-CLIP's, whose frames exchange messages."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from heatpool.extract.networks.crops import normalise_crops
from heatpool.extract.networks.transformers import load_pretrained, read_settings, state_digest
from heatpool.extract.records import CropSpec
from heatpool.pool.errors import HeatpoolError

__all__ = ["DEFAULT_SOURCES", "ImageEmbedder"]

DEFAULT_SOURCES: dict[str, str] = {
    "clip": "openai/clip-vit-base-patch16",
    "xclip": "microsoft/xclip-base-patch16",  # 8 frames, ViT-B/16: what HP-Net starts from
}

# A whole CLIP states the width of its projection outside of its vision part, so it is loaded whole.
_CLIP_CLASSES = {"clip": "CLIPModel", "clip_vision_model": "CLIPVisionModelWithProjection"}

# CLIP's own preprocessing; X-CLIP and HP-Net were trained with that of ImageNet.
_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ImageEmbedder:
    """`heatpool.extract.rgb.crops.RgbEncoder` over a frozen image network of transformers.

    Embeddings are those of the network's class token after its projection: for `clip` the `image_embeds` of
    `CLIPVisionModelWithProjection`, each frame by itself; for `xclip` what X-CLIP gives to its multi-frame
    integration transformer, frames having exchanged messages. They are not scaled to length 1.

    Args:
        kind: which network.
        source: local folder, or name of a model on the Hugging Face hub.
        frames: F; X-CLIP is made for one number of frames.
        device: where the network runs.
        dtype: of the network; embeddings leave it in float32.
        fetch: whether the network may be fetched from the hub.

    Attributes:
        settings: what decides its numbers beside its weights.

    Raises:
        HeatpoolError: if the network cannot be loaded, or is made for another number of frames.
    """

    array: str = "rgb"

    def __init__(
        self,
        kind: Literal["clip", "xclip"],
        source: str | Path,
        *,
        frames: int = 8,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        fetch: bool = True,
    ) -> None:
        if kind == "clip":
            model = load_pretrained(source, _CLIP_CLASSES, kind="a CLIP model", fetch=fetch)
        else:
            model = load_pretrained(source, {"xclip": "XCLIPModel"}, kind="an X-CLIP model", fetch=fetch)
            made_for = int(model.config.vision_config.num_frames)
            if made_for != frames:
                raise HeatpoolError(
                    f"expected --rgb-frames {made_for}, which {source} is made for, got {frames}"
                )
        parts = nn.ModuleDict({name: getattr(model, name) for name in ("vision_model", "visual_projection")})
        self.weights_sha256 = state_digest(parts.state_dict())
        self.settings = read_settings(model.vision_model.config)
        parts.requires_grad_(False).to(device, dtype)
        self._tower, self._projection = model.vision_model, model.visual_projection
        self._device, self._dtype = device, dtype
        self.frames, self.crop_px = frames, int(self._tower.config.image_size)
        mean, std = (_CLIP_MEAN, _CLIP_STD) if kind == "clip" else (_IMAGENET_MEAN, _IMAGENET_STD)
        self._crop = CropSpec(self.crop_px, self.crop_px, mean, std, padding=1.0)
        self.width = int(self._projection.out_features)

    @torch.inference_mode()
    def encode(self, crops: np.ndarray) -> np.ndarray:
        """Embed (B, F, crop_px, crop_px, 3) uint8 crops of B clips as (B, F, D) float32."""
        images = torch.from_numpy(crops).flatten(0, 1).to(self._device)
        pixels = normalise_crops(images, self._crop).to(self._dtype)
        embeddings: Tensor = self._projection(self._tower(pixel_values=pixels).pooler_output)
        return np.asarray(embeddings.view(len(crops), self.frames, -1).float().cpu().numpy())
