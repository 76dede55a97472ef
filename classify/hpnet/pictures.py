"""Crops as the image network wants them, and their augmentation in training.

Axis letters: B clips, F frames.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from heatpool.classify.hpnet.recipe import HPNetRecipe

__all__ = ["augment", "normalise"]

# ImageNet's: what X-CLIP and HP-Net were trained with
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_GREY = torch.tensor([0.299, 0.587, 0.114])
_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE = 0.4, 0.4, 0.2, 0.1


def normalise(pictures: Tensor) -> Tensor:
    """(B, F, H, W, 3) RGB in [0, 255], any dtype -> (B, F, 3, H, W) float32 as X-CLIP takes it."""
    scaled = (pictures.float() / 255 - torch.tensor(_MEAN)) / torch.tensor(_STD)
    return scaled.permute(0, 1, 4, 2, 3)


def augment(pictures: Tensor, recipe: HPNetRecipe, random: np.random.Generator) -> Tensor:
    """Mirror and recolour crops, all frames of a clip alike (the published script recolours each by itself).

    Brightness and contrast change by up to 40 %, saturation by up to 20 %, hue by up to a tenth of a turn.

    Args:
        pictures: (B, F, H, W, 3) uint8.
        recipe: probabilities.
        random: source of every choice.

    Returns:
        (B, F, H, W, 3) float32 in [0, 255].
    """
    return torch.stack([_augment_clip(clip, recipe, random) for clip in pictures.float()])


def _augment_clip(clip: Tensor, recipe: HPNetRecipe, random: np.random.Generator) -> Tensor:
    flip, jitter, grey = random.random(3) < (recipe.flip, recipe.colour_jitter, recipe.grey)
    brightness, contrast, saturation = 1 + random.uniform(-1, 1, 3) * (_BRIGHTNESS, _CONTRAST, _SATURATION)
    turn = random.uniform(-_HUE, _HUE)
    if flip:
        clip = clip.flip(2)
    if jitter:
        clip = (clip * brightness).clamp(0, 255)
        level = (clip @ _GREY).mean()
        clip = (level + contrast * (clip - level)).clamp(0, 255)
        luma = (clip @ _GREY)[..., None]
        clip = (luma + saturation * (clip - luma)) @ _hue_rotation(turn).T
        clip = clip.clamp(0, 255)
    if grey:
        clip = (clip @ _GREY)[..., None].expand_as(clip)
    return clip


def _hue_rotation(turn: float) -> Tensor:
    """(3, 3) rotation of RGB about the grey axis by a share of a full turn."""
    cosine, sine = math.cos(2 * math.pi * turn), math.sin(2 * math.pi * turn)
    away, across = (1 - cosine) / 3, sine / math.sqrt(3)
    cross = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    return cosine * torch.eye(3) + away + across * cross
