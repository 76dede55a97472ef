"""Multi-frame integration of X-CLIP: from the embeddings of a clip's frames to one vector.

Axis letters: B clips, F frames, D values an embedding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["MultiframeIntegration", "integration_from_xclip"]

_HEAD_WIDTH = 64  # values of an embedding that one attention head of CLIP works on

_XCLIP_PARTS = {"layer_norm1": "norm1", "layer_norm2": "norm2", "mlp.fc1": "linear1", "mlp.fc2": "linear2"}


class MultiframeIntegration(nn.Module):
    """Multi-frame integration transformer (Ni et al., ECCV 2022, section 3.2): frames attend to each other.

    Args:
        frames: F.
        width: D.
        layers: transformer blocks; HP-Net has one.
    """

    def __init__(self, frames: int, width: int, *, layers: int = 1) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.empty(1, frames, width))
        nn.init.trunc_normal_(self.positional_embedding, std=0.02)
        self.resblocks = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    width,
                    max(width // _HEAD_WIDTH, 1),
                    4 * width,
                    dropout=0.0,
                    activation=_quick_gelu,
                    batch_first=True,
                    norm_first=True,
                )
                for _ in range(layers)
            )
        )
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, embeddings: Tensor) -> Tensor:
        """(B, F, D) -> (B, D): mean over frames of each embedding plus what it learned from the others."""
        mixed = self.resblocks(embeddings + self.positional_embedding)
        video: Tensor = (mixed + embeddings).mean(1)
        return video


def _quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def integration_from_xclip(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of transformers' `XCLIPModel.mit` for `MultiframeIntegration`."""
    renamed = {"positional_embedding": state["position_embedding"]}
    for name, tensor in state.items():
        match = re.fullmatch(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)", name)
        if match is None:
            continue
        block, part, kind = match.groups()
        ours = f"resblocks.{block}.{_XCLIP_PARTS.get(part, part)}"
        if part == "self_attn.q_proj":
            three = [state[name.replace("q_proj", f"{each}_proj")] for each in "qkv"]
            renamed[f"resblocks.{block}.self_attn.in_proj_{kind}"] = torch.cat(three)
        elif part not in ("self_attn.k_proj", "self_attn.v_proj"):
            renamed[f"{ours}.{kind}"] = tensor
    return renamed
