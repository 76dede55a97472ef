"""Reading joints out of what pose networks predict: heatmaps or SimCC vectors."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from heatpool.extract.records import CropSpec

__all__ = ["decode_heatmaps", "decode_simcc"]

_RADIUS_CELLS = 5  # of the Gaussians below: all of them see 11 cells
_LEAST, _MOST = 0.001, 50.0  # heat of unbiased data processing before its logarithm is taken
_LEAST_DARK = 1e-10  # likewise of distribution-aware coordinates without it


def decode_heatmaps(heatmaps: Tensor, crop: CropSpec) -> tuple[Tensor, Tensor]:
    """Joints from heatmaps: the highest cell, moved towards where the peak lies between cells.

    Args:
        heatmaps: (B, V, h, w) float.
        crop: its size, alignment and refinement.

    Returns:
        joints (B, V, 2) float32 in crop pixels, scores (B, V) float32, the peak in [0, 1]. Refined joints end
        one cell outside the map: on a map without a peak the parabola's may lie anywhere.

    Source: `get_final_preds` of the HRNet code (quarter); `refine_keypoints_dark` (dark) and
    `refine_keypoints_dark_udp` (dark-udp) of mmpose; `post_dark_unbiased_data_processing` of transformers.
    """
    height, width = heatmaps.shape[2:]
    heat = heatmaps.float()
    peak, cell = heat.flatten(2).max(2)
    x, y = cell % width, cell // width
    size, count = heat.new_tensor([crop.width_px, crop.height_px]), heat.new_tensor([width, height])
    cells_xy = torch.stack([x, y], dim=-1) + _step_to_peak(heat, x, y, crop)
    cells_xy = torch.minimum(cells_xy.clamp(min=-1), count)
    if crop.alignment == "udp":
        joints_xy = cells_xy * ((size - 1) / (count - 1).clamp(min=1))
    elif crop.alignment == "centre":
        joints_xy = (cells_xy + 0.5) * (size / count) - 0.5
    else:
        joints_xy = cells_xy * (size / count)
    return joints_xy, peak.clamp(0, 1)


def _step_to_peak(heat: Tensor, x: Tensor, y: Tensor, crop: CropSpec) -> Tensor:
    """Return how far from its highest cell each joint lies, (B, V, 2) in cells."""
    if crop.refinement == "quarter":
        return _quarter_step(heat, x, y)
    if crop.refinement == "dark":
        return _dark_step(_smooth(heat, sigma_cells=2.0, outside="zero"), x, y)
    if crop.refinement == "dark-udp":
        return _unbiased_step(_smooth(heat, sigma_cells=2.0, outside="zero"), x, y)
    if crop.refinement == "dark-hf":
        return _unbiased_step(_smooth(heat, sigma_cells=0.8, outside="mirror"), x, y)
    return heat.new_zeros(())


def _quarter_step(heat: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Step a quarter cell along both axes; HRNet takes none in rows and columns 0, 1 and last."""
    height, width = heat.shape[2:]
    slope_x = _at(heat, x + 1, y) - _at(heat, x - 1, y)
    slope_y = _at(heat, x, y + 1) - _at(heat, x, y - 1)
    inside = (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)
    return 0.25 * torch.stack([slope_x.sign(), slope_y.sign()], dim=-1) * inside[..., None]


def _dark_step(smooth: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Step by Zhang et al. 2020: curvature over two cells, none in the two outermost rows and columns."""
    height, width = smooth.shape[2:]
    log = smooth.clamp(min=_LEAST_DARK).log()
    here = 2 * _at(log, x, y)
    dx = (_at(log, x + 1, y) - _at(log, x - 1, y)) / 2
    dy = (_at(log, x, y + 1) - _at(log, x, y - 1)) / 2
    dxx = (_at(log, x + 2, y) - here + _at(log, x - 2, y)) / 4
    dyy = (_at(log, x, y + 2) - here + _at(log, x, y - 2)) / 4
    dxy = (_at(log, x + 1, y + 1) - _at(log, x + 1, y - 1)) / 4
    dxy = dxy - (_at(log, x - 1, y + 1) - _at(log, x - 1, y - 1)) / 4
    inside = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    return _newton_step(dx, dy, dxx, dyy, dxy) * inside[..., None]


def _unbiased_step(smooth: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Step by Huang et al. 2020: curvature over one cell; beyond the edge stands the cell at the edge."""
    log = smooth.clamp(_LEAST, _MOST).log()
    here, right, left = _at(log, x, y), _at(log, x + 1, y), _at(log, x - 1, y)
    below, above = _at(log, x, y + 1), _at(log, x, y - 1)
    after, before = _at(log, x + 1, y + 1), _at(log, x - 1, y - 1)
    eps = torch.finfo(torch.float32).eps
    dxx, dyy = right - 2 * here + left + eps, below - 2 * here + above + eps
    dxy = (after - right - below + 2 * here - left - above + before) / 2
    return _newton_step((right - left) / 2, (below - above) / 2, dxx, dyy, dxy)


def _newton_step(dx: Tensor, dy: Tensor, dxx: Tensor, dyy: Tensor, dxy: Tensor) -> Tensor:
    """Return the step to the peak of a parabola of these derivatives, (B, V, 2); none where it is flat."""
    step = torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], dim=-1)
    return (step / (dxx * dyy - dxy.square())[..., None]).nan_to_num(0, 0, 0)


def _at(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Read maps (B, V, h, w) at cells (B, V); beyond the edge stands the cell at the edge."""
    height, width = maps.shape[2:]
    cell = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    return maps.flatten(2).gather(2, cell[..., None])[..., 0]


def _smooth(heat: Tensor, *, sigma_cells: float, outside: Literal["zero", "mirror"]) -> Tensor:
    """Smooth maps (B, V, h, w) along both axes.

    Beyond its edges a map is zero, and its peak stays as high, as in mmpose; or its own mirror image, as in
    scipy's `gaussian_filter`.
    """
    reach = torch.arange(-_RADIUS_CELLS, _RADIUS_CELLS + 1, device=heat.device)
    weights = torch.exp(-0.5 * (reach / sigma_cells).square())
    smooth = heat
    for axis in (2, 3):
        size = heat.shape[axis]
        if outside == "zero":
            edges = (0, 0, _RADIUS_CELLS, _RADIUS_CELLS) if axis == 2 else (_RADIUS_CELLS, _RADIUS_CELLS)
            widened = F.pad(smooth, edges)
        else:
            cell = torch.arange(-_RADIUS_CELLS, size + _RADIUS_CELLS, device=heat.device) % (2 * size)
            widened = smooth.index_select(axis, torch.minimum(cell, 2 * size - 1 - cell))
        smooth = widened.unfold(axis, len(weights), 1) @ (weights / weights.sum())
    if outside == "zero":
        smooth = smooth * (heat.amax((2, 3)) / smooth.amax((2, 3)).clamp(min=_LEAST_DARK))[..., None, None]
    return smooth


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
