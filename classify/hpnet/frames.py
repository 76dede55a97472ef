"""The cross-frame ViT of X-CLIP, from transformers, for training on pictures.

Axis letters: B clips, F frames, D values an embedding.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from heatpool.pool.errors import HeatpoolError

__all__ = ["FrameEncoder", "import_transformers"]


def import_transformers() -> Any:
    """Return the package transformers.

    Raises:
        HeatpoolError: if it is missing or cannot be imported.
    """
    try:
        return importlib.import_module("transformers")
    except (ImportError, RuntimeError) as error:  # the latter of a torchvision that does not match torch
        raise _lacking(error) from error


def _lacking(error: Exception) -> HeatpoolError:
    reason = " ".join(str(error).split())[:200]
    return HeatpoolError(
        "pictures and texts need transformers, and a torchvision that matches torch: "
        f"pip install 'heatpool[hf]' ({reason})"
    )


class FrameEncoder(nn.Module):
    """Pictures of a clip's frames to their embeddings; frames exchange messages in every block.

    Args:
        tower: `XCLIPVisionModel`.
        projection: of its class token, without bias.
    """

    def __init__(self, tower: Any, projection: nn.Linear) -> None:
        super().__init__()
        self.tower: Any = tower
        self.projection = projection
        # from_pretrained leaves a network in eval mode and frozen parts frozen
        self.train().requires_grad_(True)

    @classmethod
    def from_config(cls, vision: Mapping[str, Any], width: int) -> FrameEncoder:
        """Build an encoder with random weights.

        Args:
            vision: values of transformers' `XCLIPVisionConfig`.
            width: D.

        Raises:
            HeatpoolError: if transformers is missing or cannot be imported.
        """
        transformers = import_transformers()
        try:
            config = transformers.XCLIPVisionConfig(**vision)
            tower = transformers.XCLIPVisionModel(config)
        except ImportError as error:  # transformers imports the rest of itself when it is named
            raise _lacking(error) from error
        return cls(tower, nn.Linear(config.hidden_size, width, bias=False))

    @property
    def frames(self) -> int:
        """F, the number of frames that the tower is made for."""
        return int(self.tower.config.num_frames)

    def describe(self) -> dict[str, Any]:
        """The `vision` values that `from_config` builds the same tower from."""
        values = self.tower.config.to_diff_dict()
        return {name: value for name, value in values.items() if isinstance(value, int | float)} | {
            "hidden_act": self.tower.config.hidden_act
        }

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, F, 3, H, W) pictures, normalised with ImageNet's mean and deviation -> (B, F, D)."""
        token = self.tower(pixel_values=pixels.flatten(0, 1)).pooler_output
        embeddings: Tensor = self.projection(token).view(*pixels.shape[:2], -1)
        return embeddings
