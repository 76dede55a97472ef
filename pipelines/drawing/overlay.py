"""Drawing persons and heatmaps on frames, for reports and annotated videos. Pure: frames in, frames out.

Frames are uint8 RGB (H, W, 3). Pixels have their centres at integers; x runs right, y down.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from heatpool.pool.records import check_array
from heatpool.pool.skeleton import COCO17_SKELETON

__all__ = ["PERSON_COLOURS", "blend_heatmap", "crop_cells", "draw_persons"]

PERSON_COLOURS: tuple[tuple[int, int, int], ...] = (
    (86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167), (240, 228, 66), (213, 94, 0),
)  # fmt: skip
"""RGB by person slot. Source: Okabe and Ito, a palette that colour-blind people can tell apart."""

_SHIFT = 4  # cv2 draws at 1/16 pixel with this many fractional bits
_OUTLINE = (20, 20, 20)


def draw_persons(
    rgb: np.ndarray,
    *,
    boxes_xyxy_px: np.ndarray,
    joints_xy_px: np.ndarray,
    scores: np.ndarray,
    bones: Sequence[tuple[int, int]] = COCO17_SKELETON.edges,
    joint_names: Sequence[str] = COCO17_SKELETON.joint_names,
    names: Sequence[str] | None = None,
    slots: Sequence[int] | None = None,
    min_score: float = 0.2,
    weight: float = 1.0,
) -> np.ndarray:
    """Draw boxes and skeletons; returns a new frame.

    The person's left limbs are drawn in a lighter shade with round joints, the right ones in a darker
    shade with square joints. Line widths follow the size of the frame.

    Args:
        rgb: (H, W, 3) uint8.
        boxes_xyxy_px: (M, 4) float, pixels of the frame.
        joints_xy_px: (M, V, 2) float, pixels of the frame.
        scores: (M, V) float in [0, 1].
        bones: pairs of joints to join.
        joint_names: V names; those that begin with `left_` or `right_` are the person's own sides.
        names: M texts for the boxes (a number, a track, a label), none without.
        slots: M person slots, which choose the colours; 0 to M - 1 without.
        min_score: joints below it, and their bones, are not drawn.
        weight: of joints and bones; less lets show what lies below them.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: if shapes do not fit.
    """
    check_array("frame", rgb, (None, None, 3), np.uint8)
    persons, joints = len(boxes_xyxy_px), len(joint_names)
    for what, array, shape in (
        ("boxes_xyxy_px", boxes_xyxy_px, (persons, 4)),
        ("joints_xy_px", joints_xy_px, (persons, joints, 2)),
        ("scores", scores, (persons, joints)),
    ):
        check_array(what, array, shape, array.dtype)
    out = np.ascontiguousarray(rgb).copy()
    unit = (min(rgb.shape[:2]) / 180) ** 0.5  # lines twice as wide on frames four times as large
    sides = [_side(name) for name in joint_names]
    for person in range(persons):
        colour = PERSON_COLOURS[(slots[person] if slots else person) % len(PERSON_COLOURS)]
        shades = {side: _shade(colour, side) for side in (-1, 0, 1)}
        seen = scores[person] >= min_score
        points = joints_xy_px[person]
        # Small persons get thinner lines, or they would drown in them.
        fine = float(np.clip(np.ptp(boxes_xyxy_px[person, 1::2]) / 110, 0.4 * unit, unit)) * weight
        for line, width in ((_OUTLINE, 3.0), (None, 1.6)):  # all outlines lie under all colours
            for a, b in bones:
                if seen[a] and seen[b]:
                    shade = line or shades[_bone_side(sides[a], sides[b])]
                    ends = _fixed(points[a]), _fixed(points[b])
                    cv2.line(out, *ends, shade, _width(width * fine), cv2.LINE_AA, _SHIFT)
        for joint in np.flatnonzero(seen):
            _draw_joint(out, points[joint], shades[sides[joint]], side=sides[joint], radius_px=2.0 * fine)
        _draw_box(out, boxes_xyxy_px[person], colour, unit=unit, text=names[person] if names else "")
    return out


def blend_heatmap(
    rgb: np.ndarray,
    heatmap: np.ndarray,
    to_cells: np.ndarray,
    *,
    strength: float = 0.85,
) -> np.ndarray:
    """Lay a heatmap over a frame; returns a new frame.

    Between cells the map is read bilinearly; where it is 0, and outside of it, the frame stays as it is.

    Args:
        rgb: (H, W, 3) uint8.
        heatmap: (h, w) float in [0, 1]; its value chooses the colour and how much of it covers the frame.
        to_cells: (2, 3), frame pixels to cells of the map (x, y).
        strength: cover at value 1, in [0, 1].

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: if shapes do not fit or a value lies outside [0, 1].
    """
    check_array("frame", rgb, (None, None, 3), np.uint8)
    check_array("heatmap", heatmap, (None, None), heatmap.dtype)
    check_array("to_cells", to_cells, (2, 3), to_cells.dtype)
    if heatmap.min() < 0 or heatmap.max() > 1:
        raise ValueError(f"expected a heatmap in [0, 1], got {heatmap.min():.3g} to {heatmap.max():.3g}")
    out = rgb.copy()
    left, top, right, bottom = _covered(to_cells, heatmap.shape, rgb.shape)
    part = out[top:bottom, left:right]
    if not part.size:
        return out
    shift = np.array([[1.0, 0, left], [0, 1, top], [0, 0, 1]])
    warped = cv2.warpAffine(
        heatmap.astype(np.float32),
        to_cells @ shift,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,  # the matrix maps what is drawn to what is read
    )
    # Inferno: perceptually uniform, readable without colour vision.
    colours = cv2.applyColorMap((warped * 255).round().astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    cover = (strength * np.sqrt(warped))[..., None]  # the root lets the flanks of a peak show
    part[:] = (part * (1 - cover) + colours * cover).round().astype(np.uint8)
    return out


def crop_cells(heatmap: np.ndarray, affine: np.ndarray, crop_size_px: tuple[int, int]) -> np.ndarray:
    """Return (2, 3) from frame pixels to the cells of a crop's map.

    Cell (i, j) stands for crop pixel (j * width / w, i * height / h), as pose networks are trained.

    Args:
        heatmap: (h, w), of the crop.
        affine: (2, 3), frame pixels to crop pixels, as `crop_affines` makes it.
        crop_size_px: width and height of the crop.
    """
    cells_per_px = np.divide(heatmap.shape[::-1], crop_size_px)
    to_cells: np.ndarray = np.diag(cells_per_px) @ affine
    return to_cells


def _covered(to_cells: np.ndarray, map_shape: tuple[int, ...], frame_shape: tuple[int, ...]) -> list[int]:
    """Return left, top, right, bottom of the frame's part that a map can reach, a cell beyond its edges."""
    height, width = map_shape
    corners = np.array([[-1, -1], [width, -1], [-1, height], [width, height]], np.float64)
    x, y = np.linalg.solve(to_cells[:, :2], (corners - to_cells[:, 2]).T)
    low, high = np.floor([x.min(), y.min()]), np.ceil([x.max(), y.max()]) + 1
    limit = [frame_shape[1], frame_shape[0]]
    ends: list[int] = np.concatenate([np.clip(low, 0, limit), np.clip(high, 0, limit)]).astype(int).tolist()
    return ends


def _side(name: str) -> int:
    return -1 if name.startswith("left_") else 1 if name.startswith("right_") else 0


def _bone_side(a: int, b: int) -> int:
    """Side of a bone: that of its ends; a line across the body has none."""
    return 0 if a * b < 0 else (a or b)


def _shade(colour: tuple[int, int, int], side: int) -> tuple[int, ...]:
    """Lighter for the left (-1), darker for the right (1)."""
    target, share = {-1: (255, 0.5), 0: (0, 0.0), 1: (0, 0.4)}[side]
    return tuple(round(value + (target - value) * share) for value in colour)


def _fixed(point_xy_px: np.ndarray) -> tuple[int, int]:
    x, y = np.round(np.asarray(point_xy_px, np.float64) * (1 << _SHIFT)).astype(int).tolist()
    return x, y


def _width(width_px: float) -> int:
    return max(1, round(width_px))


def _draw_joint(
    out: np.ndarray, point_xy_px: np.ndarray, shade: tuple[int, ...], *, side: int, radius_px: float
) -> None:
    radius_px = max(radius_px, 1.2)
    for grow_px, colour in ((max(radius_px * 0.4, 0.6), _OUTLINE), (0.0, shade)):
        reach_px = radius_px + grow_px
        if side > 0:
            corner = np.array([reach_px, reach_px]) * 0.9
            low, high = _fixed(point_xy_px - corner), _fixed(point_xy_px + corner)
            cv2.rectangle(out, low, high, colour, cv2.FILLED, cv2.LINE_AA, _SHIFT)
        else:
            radius = round(reach_px * (1 << _SHIFT))
            cv2.circle(out, _fixed(point_xy_px), radius, colour, cv2.FILLED, cv2.LINE_AA, _SHIFT)


def _draw_box(
    out: np.ndarray, box_xyxy_px: np.ndarray, colour: tuple[int, int, int], *, unit: float, text: str
) -> None:
    low, high = _fixed(box_xyxy_px[:2]), _fixed(box_xyxy_px[2:])
    cv2.rectangle(out, low, high, _OUTLINE, _width(2.8 * unit), cv2.LINE_AA, _SHIFT)
    cv2.rectangle(out, low, high, colour, _width(1.4 * unit), cv2.LINE_AA, _SHIFT)
    if not text:
        return
    scale, thick = max(0.5 * unit, 0.45), _width(1.1 * unit)
    (wide, tall), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    pad = max(2, round(2 * unit))
    # Above the box; inside it when there is no room above.
    left = int(np.clip(box_xyxy_px[0], 0, max(out.shape[1] - wide - 2 * pad, 0)))
    top = round(float(box_xyxy_px[1])) - tall - below - 2 * pad
    top = top if top >= 0 else max(round(float(box_xyxy_px[1])), 0)
    cv2.rectangle(out, (left, top), (left + wide + 2 * pad, top + tall + below + 2 * pad), colour, cv2.FILLED)
    place = (left + pad, top + pad + tall)
    cv2.putText(out, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, _OUTLINE, thick, cv2.LINE_AA)
