"""Mixup and cutmix of whole clips (MViT's recipe, as X-CLIP has it).

Axis letters: B clips, F frames, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from heatpool.classify.hpnet.recipe import HPNetRecipe

__all__ = ["Blend", "draw_blend"]


@dataclass(frozen=True, eq=False)
class Blend:
    """How the clips of a batch are mixed with one another.

    The published script mixes the frames and the targets of all four losses, but not the skeletons; here
    everything that a loss sees is mixed as its target is.

    Attributes:
        partner: (B,) int64, the clip that each is mixed with.
        share: of the clip itself in the mixture; 1 - share is the partner's.
        box: left, top, right, bottom of the rectangle that cutmix takes from the partner, as shares of the
            picture; None for mixup.
    """

    partner: Tensor
    share: float
    box: tuple[float, float, float, float] | None = None

    def mix(self, x: Tensor) -> Tensor:
        """Weighted sum of each clip's values (B, ...) and its partner's."""
        return self.share * x + (1 - self.share) * x[self.partner]

    def pictures(self, pixels: Tensor) -> Tensor:
        """Mix pictures (B, F, 3, H, W), by the rectangle where there is one."""
        if self.box is None:
            return self.mix(pixels)
        height, width = pixels.shape[-2:]
        left, right = (round(edge * width) for edge in self.box[::2])
        top, bottom = (round(edge * height) for edge in self.box[1::2])
        mixed = pixels.clone()
        mixed[..., top:bottom, left:right] = pixels[self.partner, ..., top:bottom, left:right]
        return mixed

    def targets(self, labels: Tensor, classes: int) -> Tensor:
        """(B, K) float32 target shares of labels (B,)."""
        return self.mix(torch.nn.functional.one_hot(labels, classes).float())


def draw_blend(recipe: HPNetRecipe, clips: int, random: np.random.Generator) -> Blend | None:
    """Draw how a batch is mixed; None where the recipe does not mix.

    Args:
        recipe: recipe.
        clips: B.
        random: source of every choice.
    """
    cutmix = recipe.cutmix > 0 and recipe.rgb == "crops"
    if not (cutmix or recipe.mixup > 0):
        return None
    if cutmix and recipe.mixup > 0:
        cutmix = random.random() < recipe.cutmix_share
    partner = torch.from_numpy(random.permutation(clips))
    strength = recipe.cutmix if cutmix else recipe.mixup
    share = float(random.beta(strength, strength))
    if not cutmix:
        return Blend(partner, share)
    half = (1 - share) ** 0.5 / 2
    x, y = random.random(2)
    left, top, right, bottom = np.clip([x - half, y - half, x + half, y + half], 0, 1).tolist()
    return Blend(partner, 1 - (right - left) * (bottom - top), (left, top, right, bottom))
