"""Reading joints out of what pose networks predict: heatmaps or SimCC vectors."""

from __future__ import annotations

import torch
from torch import Tensor

from heatpool.extract.records import Alignment

__all__ = ["decode_heatmaps", "decode_simcc"]

# The smoothing of transformers' ViTPose: a Gaussian over 11 cells.
_SIGMA_CELLS, _RADIUS_CELLS = 0.8, 5
_LEAST, _MOST = 0.001, 50.0  # heat, before its logarithm is taken


def decode_heatmaps(
    heatmaps: Tensor, *, width_px: int, height_px: int, alignment: Alignment = "corner"
) -> tuple[Tensor, Tensor]:
    """Joints from heatmaps: the highest cell, moved towards where the peak lies between cells.

    With udp it moves to the peak of a parabola through the logarithm of the smoothed map, at most by one
    cell (DARK); else a quarter cell towards the higher neighbour.

    Args:
        heatmaps: (B, V, h, w) float.
        width_px: width of the crop the maps stand for.
        height_px: height of that crop.
        alignment: where the cells lie in the crop.

    Returns:
        joints (B, V, 2) float32 in crop pixels, scores (B, V) float32, the peak in [0, 1].

    Source: `get_final_preds` of the HRNet code; for udp `post_dark_unbiased_data_processing` of transformers,
    that is `refine_keypoints_dark_udp` of mmpose with a narrower Gaussian.
    """
    height, width = heatmaps.shape[2:]
    heat = heatmaps.float()
    peak, cell = heat.flatten(2).max(2)
    x, y = cell % width, cell // width
    shift = _parabola_peak(heat, x, y) if alignment == "udp" else _quarter_step(heat, x, y)
    cells_xy = torch.stack([x, y], dim=-1) + shift
    crop, count = heat.new_tensor([width_px, height_px]), heat.new_tensor([width, height])
    if alignment == "udp":
        joints_xy = cells_xy * ((crop - 1) / (count - 1).clamp(min=1))
    elif alignment == "centre":
        joints_xy = (cells_xy + 0.5) * (crop / count) - 0.5
    else:
        joints_xy = cells_xy * (crop / count)
    return joints_xy, peak.clamp(0, 1)


def _quarter_step(heat: Tensor, x: Tensor, y: Tensor) -> Tensor:
    height, width = heat.shape[2:]
    slope_x = _at(heat, x + 1, y) - _at(heat, x - 1, y)
    slope_y = _at(heat, x, y + 1) - _at(heat, x, y - 1)
    inside_x, inside_y = (x > 0) & (x < width - 1), (y > 0) & (y < height - 1)
    return 0.25 * torch.stack([slope_x.sign() * inside_x, slope_y.sign() * inside_y], dim=-1)


def _parabola_peak(heat: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return one step of Newton's method, (B, V, 2) in cells."""
    log = _smooth(heat).clamp(_LEAST, _MOST).log()
    here, right, left = _at(log, x, y), _at(log, x + 1, y), _at(log, x - 1, y)
    below, above = _at(log, x, y + 1), _at(log, x, y - 1)
    after, before = _at(log, x + 1, y + 1), _at(log, x - 1, y - 1)
    dx, dy = (right - left) / 2, (below - above) / 2
    eps = torch.finfo(torch.float32).eps
    dxx, dyy = right - 2 * here + left + eps, below - 2 * here + above + eps
    dxy = (after - right - below + 2 * here - left - above + before) / 2
    step = torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], dim=-1)
    step = step / (dxx * dyy - dxy.square())[..., None]
    return step.nan_to_num(0, 0, 0).clamp(-1, 1)


def _at(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Read maps (B, V, h, w) at cells (B, V); beyond the edge stands the cell at the edge."""
    height, width = maps.shape[2:]
    cell = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    return maps.flatten(2).gather(2, cell[..., None])[..., 0]


def _smooth(heat: Tensor) -> Tensor:
    """Smooth maps (B, V, h, w) along both axes; beyond its edges a map is its own mirror image."""
    reach = torch.arange(-_RADIUS_CELLS, _RADIUS_CELLS + 1, device=heat.device)
    weights = torch.exp(-0.5 * (reach / _SIGMA_CELLS).square())
    for axis in (2, 3):
        size = heat.shape[axis]
        cell = torch.arange(-_RADIUS_CELLS, size + _RADIUS_CELLS, device=heat.device) % (2 * size)
        mirrored = heat.index_select(axis, torch.minimum(cell, 2 * size - 1 - cell))
        heat = mirrored.unfold(axis, len(weights), 1) @ (weights / weights.sum())
    return heat


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
