"""Small CLIP and X-CLIP models with random weights, saved as the hub has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tests.torchvision_shim import install

CROP_PX, WIDTH, XCLIP_FRAMES = 32, 24, 4

_TEXT = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
    "vocab_size": 64, "max_position_embeddings": 8, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1,
}  # fmt: skip
_VISION: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": CROP_PX, "patch_size": 16,
}  # fmt: skip


def save_clip(folder: Path, *, seed: int = 0) -> Path:
    """A whole CLIP, as the hub has it; its projection is of another width than the default."""
    install()
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(seed)
    config = CLIPConfig(text_config=_TEXT, vision_config=_VISION, projection_dim=WIDTH)
    CLIPModel(config).save_pretrained(folder)
    return folder


def save_xclip(folder: Path) -> Path:
    """A whole X-CLIP of four frames."""
    install()
    from transformers import XCLIPConfig, XCLIPModel

    torch.manual_seed(0)
    vision = _VISION | {
        "num_frames": XCLIP_FRAMES, "mit_hidden_size": WIDTH, "mit_intermediate_size": 4 * WIDTH,
        "mit_num_attention_heads": 1,
    }  # fmt: skip
    config = XCLIPConfig(
        text_config=_TEXT, vision_config=vision, projection_dim=WIDTH, prompt_num_attention_heads=2
    )
    XCLIPModel(config).save_pretrained(folder)
    return folder
