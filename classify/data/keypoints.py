"""Frames of reference of keypoints. Axis letters: M persons, T steps."""

from __future__ import annotations

import numpy as np

__all__ = ["person_frame"]

_HIPS = [11, 12]


def person_frame(keypoints: np.ndarray, mask: np.ndarray, *, aspect: float) -> np.ndarray:
    """Move keypoints of a clip into the frame of its first person.

    The origin is that person's median hip midpoint over seen steps, the unit is the median
    height of its joints' bounding box. Position and size in the image go, movement through the
    scene and the place of the second person relative to the first stay.

    Args:
        keypoints: (M, T, 17, 3) float, x and y with [-1, 1] spanning the frame, score; COCO-17.
        mask: (M, T) bool, the person was seen; the first seen person gives the frame.
        aspect: frame width / height, which makes x and y units equal.

    Returns:
        (M, T, 17, 3) float32, zero where not seen.
    """
    points = keypoints.astype(np.float32)  # a copy
    points[..., 0] *= aspect
    first = int(mask.any(1).argmax())
    seen = points[first][mask[first]][..., :2]  # (steps seen, 17, 2)
    origin = np.median(seen[:, _HIPS].mean(1), axis=0)
    height = float(np.median(seen[..., 1].max(1) - seen[..., 1].min(1)))
    points[..., :2] = (points[..., :2] - origin) / max(height, 1e-3)
    return points * mask[:, :, None, None]
