"""Reading joints out of what pose networks predict: heatmaps or SimCC vectors."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["decode_heatmaps", "decode_simcc"]


def decode_heatmaps(heatmaps: Tensor, *, width_px: int, height_px: int) -> tuple[Tensor, Tensor]:
    """Joints from heatmaps: the highest cell, moved a quarter cell towards its higher neighbour.

    Args:
        heatmaps: (B, V, h, w) float.
        width_px: width of the crop the maps stand for.
        height_px: height of that crop.

    Returns:
        joints (B, V, 2) float32 in crop pixels (a cell is `width_px / w` wide; cell 0 lies at 0, as in
        the training targets of SimpleBaseline and HRNet), scores (B, V) float32, the peak in [0, 1].

    Source: `get_final_preds` of the HRNet code.
    """
    height, width = heatmaps.shape[2:]
    flat = heatmaps.float().flatten(2)
    peak, cell = flat.max(2)
    x, y = cell % width, cell // width

    def slope(step: int, at_edge: Tensor) -> Tensor:
        before = flat.gather(2, (cell - step).clamp(0, height * width - 1)[..., None])[..., 0]
        after = flat.gather(2, (cell + step).clamp(0, height * width - 1)[..., None])[..., 0]
        return torch.sign(after - before).masked_fill(at_edge, 0)

    shift_x = 0.25 * slope(1, (x == 0) | (x == width - 1))
    shift_y = 0.25 * slope(width, (y == 0) | (y == height - 1))
    joints_xy = torch.stack(
        [(x + shift_x) * (width_px / width), (y + shift_y) * (height_px / height)], dim=-1
    )
    return joints_xy, peak.clamp(0, 1)


def decode_simcc(vectors_x: Tensor, vectors_y: Tensor, *, split_ratio: float) -> tuple[Tensor, Tensor]:
    """Joints from SimCC vectors: the highest bin of each axis.

    Args:
        vectors_x: (B, V, width_px * split_ratio) float.
        vectors_y: (B, V, height_px * split_ratio) float.
        split_ratio: bins per crop pixel.

    Returns:
        joints (B, V, 2) float32 in crop pixels, scores (B, V) float32 in [0, 1]: the smaller of the two
        peaks, as in RTMPose.
    """
    peak_x, bin_x = vectors_x.float().max(2)
    peak_y, bin_y = vectors_y.float().max(2)
    joints_xy = torch.stack([bin_x, bin_y], dim=-1) / split_ratio
    return joints_xy, torch.minimum(peak_x, peak_y).clamp(0, 1)
