"""Feedback pooling: a network's own joints as sampling positions in its own feature map."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["box_mean", "crop_to_norm", "feedback_pool", "gaussian_pool", "heatmap_pool"]


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
    _check_pooling(features, joints_xy_norm)
    grid = joints_xy_norm.to(features.dtype)[:, None]  # B 1 V 2: one row of V sampling points
    sampled = functional.grid_sample(
        features, grid, mode="bilinear", padding_mode="zeros", align_corners=True
    )
    return torch.movedim(sampled[:, :, 0], 1, 2)


def gaussian_pool(features: Tensor, joints_xy_norm: Tensor, *, sigma_cells: float = 1.0) -> Tensor:
    """Average every map around its own joints with Gaussian weights that sum to 1 inside the map.

    Steadier than one sample where joints jitter by a cell; with a falling sigma it tends to the nearest
    cell. Shapes and coordinates as in `feedback_pool`; a joint far outside the map pools to zero.

    Args:
        features: (B, C, H, W) float.
        joints_xy_norm: (B, V, 2) float.
        sigma_cells: standard deviation in cells of the map.

    Returns:
        (B, V, C).

    Raises:
        ValueError: if the shapes do not fit together or sigma is not positive.
    """
    _check_pooling(features, joints_xy_norm)
    if sigma_cells <= 0:
        raise ValueError(f"expected sigma_cells > 0, got {sigma_cells}")
    height, width = features.shape[2:]
    x, y = ((joints_xy_norm.float() + 1) / 2 * joints_xy_norm.new_tensor([width - 1, height - 1])).unbind(-1)

    def weights(centre: Tensor, count: int) -> Tensor:
        distance = torch.arange(count, device=centre.device) - centre[..., None]
        return torch.exp(-0.5 * (distance / sigma_cells).square())

    return _weighted(features, weights(y, height)[..., :, None] * weights(x, width)[..., None, :])


def heatmap_pool(features: Tensor, heatmaps: Tensor) -> Tensor:
    """Average every map with each joint's own heatmap as weights, normalised to sum 1.

    Negative heat counts as none; the heatmap is resized to the map bilinearly. A joint without any heat
    pools to zero.

    Args:
        features: (B, C, H, W) float.
        heatmaps: (B, V, h, w) float over the same crop.

    Returns:
        (B, V, C).

    Raises:
        ValueError: if the batch sizes differ.
    """
    if features.ndim != 4 or heatmaps.ndim != 4 or len(features) != len(heatmaps):
        raise ValueError(
            "expected features (B, C, H, W) and heatmaps (B, V, h, w), "
            f"got {tuple(features.shape)} and {tuple(heatmaps.shape)}"
        )
    heat = functional.interpolate(
        heatmaps.float().clamp(min=0), size=features.shape[2:], mode="bilinear", antialias=True
    )
    return _weighted(features, heat)


def box_mean(features: Tensor, boxes_xyxy_cells: Tensor) -> Tensor:
    """Average a map over boxes, every cell with the area that it shares with the box.

    Args:
        features: (C, H, W) float.
        boxes_xyxy_cells: (D, 4) float, edges of the boxes; cell i covers i to i + 1.

    Returns:
        (D, C); a box outside the map gives zero.
    """
    first, last = boxes_xyxy_cells[:, :2], boxes_xyxy_cells[:, 2:]

    def shared(axis: int) -> Tensor:
        edge = torch.arange(features.shape[-1 - axis], device=features.device)
        low, high = first[:, axis, None], last[:, axis, None]
        return (torch.minimum(high, edge + 1) - torch.maximum(low, edge)).clamp(min=0)  # (D, cells)

    x, y = shared(0), shared(1)
    area = (x.sum(1) * y.sum(1)).clamp(min=1e-6)[:, None]
    return torch.einsum("dh,dw,chw->dc", y, x, features) / area


def _weighted(features: Tensor, weights: Tensor) -> Tensor:
    """Mean of (B, C, H, W) under weights (B, V, H, W), zero where the weights vanish."""
    total = weights.sum((2, 3), keepdim=True)
    weights = torch.where(total > 1e-6, weights / total.clamp(min=1e-6), torch.zeros_like(weights))
    return torch.einsum("bvhw,bchw->bvc", weights.to(features.dtype), features)


def _check_pooling(features: Tensor, joints_xy_norm: Tensor) -> None:
    if features.ndim != 4 or joints_xy_norm.ndim != 3 or joints_xy_norm.shape[-1] != 2:
        raise ValueError(
            "expected features (B, C, H, W) and joints (B, V, 2), "
            f"got {tuple(features.shape)} and {tuple(joints_xy_norm.shape)}"
        )
    if len(features) != len(joints_xy_norm):
        raise ValueError(f"expected one set of joints a map, got {len(joints_xy_norm)} for {len(features)}")
