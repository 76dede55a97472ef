"""A pinhole camera in the world of the demo."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Camera:
    """Pinhole camera that looks from ``position_m`` at ``target_m``, upright.

    Attributes:
        position_m: (x, y, z) of the pinhole, world metres.
        target_m: point that is projected to the middle of the image.
        focal_px: focal length in pixels.
        width_px, height_px: image size; pixel centres at integers, middle ((W - 1) / 2, (H - 1) / 2).
    """

    position_m: tuple[float, float, float]
    target_m: tuple[float, float, float]
    focal_px: float
    width_px: int
    height_px: int

    @classmethod
    def around(
        cls,
        *,
        angle_rad: float,
        distance_m: float,
        height_m: float,
        focal_px: float,
        width_px: int,
        height_px: int,
        aim_m: tuple[float, float, float] = (0.0, 0.0, 0.92),
    ) -> Camera:
        """Camera ``distance_m`` from the origin, turned by ``angle_rad`` (positive = to the right)."""
        position = (distance_m * np.sin(angle_rad), -distance_m * np.cos(angle_rad), height_m)
        return cls((float(position[0]), float(position[1]), height_m), aim_m, focal_px, width_px, height_px)

    @cached_property
    def rotation(self) -> np.ndarray:
        """(3, 3) rows: the camera's right, down and forward axes in the world."""
        forward = np.subtract(self.target_m, self.position_m)
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(forward, right), forward])

    def view(self, points_m: np.ndarray) -> np.ndarray:
        """World points (..., 3) -> camera points (..., 3): right, down, forward in metres."""
        return np.asarray((points_m - np.asarray(self.position_m)) @ self.rotation.T)

    def project(self, points_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World points (..., 3) -> pixels (..., 2) and depth (...) in metres."""
        seen = self.view(np.asarray(points_m, dtype=float))
        return self.to_px(seen), seen[..., 2]

    def to_px(self, seen_m: np.ndarray) -> np.ndarray:
        """Camera points (..., 3) -> pixels (..., 2)."""
        depth = np.maximum(seen_m[..., 2:], 1e-3)
        middle = np.array([(self.width_px - 1) / 2, (self.height_px - 1) / 2])
        return np.asarray(self.focal_px * seen_m[..., :2] / depth + middle)

    def rays(self, margin_px: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """World x, y, z of the pixels' rays to depth 1; each (H + 2 margin, W + 2 margin) float32."""
        x = (np.arange(-margin_px, self.width_px + margin_px) - (self.width_px - 1) / 2) / self.focal_px
        y = (np.arange(-margin_px, self.height_px + margin_px) - (self.height_px - 1) / 2) / self.focal_px
        right, down, forward = self.rotation
        columns = (x[:, None] * right).astype(np.float32)
        rows = (y[:, None] * down + forward).astype(np.float32)
        dx, dy, dz = (rows[:, axis, None] + columns[None, :, axis] for axis in range(3))
        return dx, dy, dz
