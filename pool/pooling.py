"""Feedback pooling: a network's own joints as sampling positions in its own feature map."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["crop_to_norm", "feedback_pool"]


def crop_to_norm(joints_xy_px: Tensor, *, width_px: int, height_px: int) -> Tensor:
    """Turn joints in crop pixels into sampling positions: `2 x / width - 1`, `2 y / height - 1`.

    Args:
        joints_xy_px: (..., 2) float, x and y in pixels of a crop of this size.
        width_px: crop width.
        height_px: crop height.

    Returns:
        (..., 2) float in [-1, 1] for joints inside the crop.

    Source: the published extractor divides by (96, 128) and subtracts 1 for crops of 192 x 256.
    """
    size = joints_xy_px.new_tensor([width_px, height_px])
    return joints_xy_px * (2 / size) - 1


def feedback_pool(features: Tensor, joints_xy_norm: Tensor) -> Tensor:
    """Sample every map of a batch bilinearly at its own joints (paper, "feedback pooling").

    Position -1 is the centre of the first map cell and +1 the centre of the last
    (`align_corners=True`); outside the map the features count as zero, as in the published code.

    Args:
        features: (B, C, H, W) float, any device.
        joints_xy_norm: (B, V, 2) float, x and y.

    Returns:
        (B, V, C), same dtype and device as `features`.

    Raises:
        ValueError: if the shapes do not fit together.
    """
    if features.ndim != 4 or joints_xy_norm.ndim != 3 or joints_xy_norm.shape[-1] != 2:
        raise ValueError(
            "expected features (B, C, H, W) and joints (B, V, 2), "
            f"got {tuple(features.shape)} and {tuple(joints_xy_norm.shape)}"
        )
    if len(features) != len(joints_xy_norm):
        raise ValueError(f"expected one set of joints a map, got {len(joints_xy_norm)} for {len(features)}")
    grid = joints_xy_norm.to(features.dtype)[:, None]  # B 1 V 2: one row of V sampling points
    sampled = functional.grid_sample(
        features, grid, mode="bilinear", padding_mode="zeros", align_corners=True
    )
    return torch.movedim(sampled[:, :, 0], 1, 2)
