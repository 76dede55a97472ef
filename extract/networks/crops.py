"""Cutting persons out of frames for a top-down pose network, and mapping joints back."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor

from heatpool.extract.records import CropSpec

__all__ = ["crop_affines", "crop_boxes", "joints_to_crop", "joints_to_frame", "normalise_crops"]

_MOST_WIDENED = 12  # frames this many times larger than their crops cost more to copy than it saves


def crop_affines(boxes_xyxy_px: np.ndarray, spec: CropSpec, *, aspect: float | None = None) -> np.ndarray:
    """Return the affine maps frame pixels → crop pixels, one per box.

    The box keeps its centre, grows on its shorter side to the crop's aspect, is enlarged by
    `spec.padding` and scaled so that its left and right edges land at 0 and width of the crop, with the
    alignment udp at 0 and width - 1, the centres of its outermost pixels; likewise its height.

    Args:
        boxes_xyxy_px: (D, 4) float.
        spec: of the pose network.
        aspect: width over height that the box grows to; None for the crop's. The published extractor
            uses frame height over frame width, so that its crops of wide video are cut above and below.

    Returns:
        (D, 2, 3) float64: `crop = affine[:, :2] @ frame + affine[:, 2]`.

    Source: `box_to_center_scale` and `get_affine_transform` of the HRNet code; for udp `get_warp_matrix` of
    transformers' ViTPose, after Huang et al. 2020.
    """
    boxes = np.asarray(boxes_xyxy_px, np.float64)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    if aspect is None:
        aspect = spec.width_px / spec.height_px
    scale = spec.width_px / (np.maximum(width, height * aspect) * spec.padding)
    size = np.array([spec.width_px, spec.height_px])
    reach = size - 1 if spec.alignment == "udp" else size
    scales = scale[:, None] * (reach / size)
    affines = np.zeros((len(boxes), 2, 3))
    affines[:, [0, 1], [0, 1]] = scales
    affines[:, :, 2] = reach / 2 - scales * centre
    return affines


def crop_boxes(rgb: np.ndarray, affines: np.ndarray, spec: CropSpec) -> np.ndarray:
    """Cut crops out of one frame, bilinearly; outside the frame is black.

    Args:
        rgb: (H, W, 3) uint8.
        affines: (D, 2, 3) from `crop_affines`.
        spec: of the pose network.

    Returns:
        (D, height_px, width_px, 3) uint8.
    """
    crops = np.empty((len(affines), spec.height_px, spec.width_px, 3), np.uint8)
    size = (spec.width_px, spec.height_px)
    if rgb.size > _MOST_WIDENED * crops.size:
        for crop, affine in zip(crops, affines, strict=True):
            cv2.warpAffine(rgb, affine, size, dst=crop, flags=cv2.INTER_LINEAR)
        return crops
    # OpenCV reads pixels of four channels at once: the same bytes, but for the copy in 2/5 of the time.
    rgba = cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA)
    for crop, affine in zip(crops, affines, strict=True):
        warped = cv2.warpAffine(rgba, affine, size, flags=cv2.INTER_LINEAR)
        cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB, dst=crop)
    return crops


def normalise_crops(crops: Tensor, spec: CropSpec) -> Tensor:
    """Normalise crops (B, H, W, 3) uint8 on their device: (B, 3, H, W) float32, channels last in memory.

    On a CPU values are looked up, which gives the same bits in an eighth of the arithmetic's time.
    """
    if crops.device.type == "cpu":
        count, height, width, _ = crops.shape
        rows = cv2.LUT(crops.reshape(count * height, width, 3).numpy(), _normalised_values(spec))
        return torch.from_numpy(rows).view(count, height, width, 3).permute(0, 3, 1, 2)
    return _normalise(crops, spec).permute(0, 3, 1, 2)


def _normalise(pixels: Tensor, spec: CropSpec) -> Tensor:
    """(..., 3) uint8 → (..., 3) float32."""
    values = pixels.float()
    return (values / 255 - values.new_tensor(spec.mean)) / values.new_tensor(spec.std)


@lru_cache(maxsize=8)
def _normalised_values(spec: CropSpec) -> np.ndarray:
    """What each of the 256 values of a channel becomes: (256, 1, 3) float32, as OpenCV wants its tables."""
    return _normalise(torch.arange(256)[:, None, None].expand(256, 1, 3), spec).numpy()


def joints_to_frame(joints_xy_px: np.ndarray, affines: np.ndarray) -> np.ndarray:
    """Map joints from crop pixels back to frame pixels.

    Args:
        joints_xy_px: (D, V, 2) in crop pixels.
        affines: (D, 2, 3) that made the crops (scale and shift only).

    Returns:
        (D, V, 2) float64 in frame pixels.
    """
    scales = affines[:, None, [0, 1], [0, 1]]
    return np.asarray((joints_xy_px - affines[:, None, :, 2]) / scales)


def joints_to_crop(joints_xy_px: np.ndarray, affines: np.ndarray) -> np.ndarray:
    """Map joints (D, V, 2) from frame pixels to crop pixels, float64; the inverse of `joints_to_frame`."""
    return np.asarray(joints_xy_px * affines[:, None, [0, 1], [0, 1]] + affines[:, None, :, 2])
