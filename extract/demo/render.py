"""Solids -> pixels: projection for a whole clip at once, then one z-buffered, shaded drawing per frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heatpool.extract.demo.body import ALONG, AROUND, FACE, Solid, body_ends, body_solids, prop_solid
from heatpool.extract.demo.camera import Camera
from heatpool.extract.demo.kinematics import INDEX
from heatpool.extract.demo.motion import Performance
from heatpool.extract.demo.subjects import Subject

_MIN_RADIUS_PX = 0.55


@dataclass(frozen=True)
class Light:
    """Parallel light.

    Attributes:
        towards: (3,) unit vector from the scene to the light, world frame.
        ambient, diffuse: strengths; a surface that faces the light gets their sum.
        tint: (3,) colour factors around 1.
    """

    towards: tuple[float, float, float]
    ambient: float = 0.5
    diffuse: float = 0.6
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)


class SolidTracks:
    """All solids of a clip in image space, ready to be drawn frame by frame.

    Attributes:
        boxes_px: (T, K, 4) float outer boxes x0, y0, x1, y1 of the solids.
        owner: (K,) person slot of each solid, -1 for props.
    """

    def __init__(
        self, performance: Performance, subjects: Sequence[Subject], *, camera: Camera, light: Light
    ) -> None:
        solids, ends, axes, owner = _gather(performance, subjects)
        self._shown = _facing(performance, ends, owner, camera)
        self.owner = np.array(owner)
        self._width, self._height = camera.width_px, camera.height_px
        seen = camera.view(ends)
        depth = np.maximum(seen[..., 2], 0.3)
        px = camera.to_px(np.concatenate([seen[..., :2], depth[..., None]], -1))
        a, b = px[:, :, 0], px[:, :, 1]
        offset = b - a
        length = np.maximum(np.hypot(offset[..., 0], offset[..., 1]), 1e-2)
        short = length < 0.05  # seen end-on: any direction will do
        along = np.where(short[..., None], [0.0, 1.0], offset / length[..., None])
        self._a = a
        scale = camera.focal_px / depth  # (T, K, 2) pixels a metre at both ends
        wide, thick = _silhouette(solids, axes, ends, camera)
        ramp = np.linspace(0, 1, ALONG)
        profile = np.stack([solid.radius_m for solid in solids])
        grown = scale[..., :1] + (scale[..., 1:] - scale[..., :1]) * ramp
        self._radius = np.maximum(profile * wide[..., None] * grown, _MIN_RADIUS_PX).astype(np.float32)
        lit = self._light(along, camera, light)
        caps = np.broadcast_to([solid.cap for solid in solids], length.shape)
        slope = (depth[..., 1] - depth[..., 0]) / length
        through = thick / wide / scale.mean(-1)
        self._numbers = np.concatenate(
            [along, np.stack([length, depth[..., 0], slope, through, *lit, caps], -1)], -1
        )
        tint = np.array(light.tint, np.float32)
        self._textures = [solid.texture * tint for solid in solids]
        low, high = self._extent(a, offset)
        self.boxes_px = np.concatenate([low, high], -1)
        self._corners = np.stack([np.floor(low), np.ceil(high) + 1], axis=2).astype(int)
        self._order = np.argsort(-depth.mean(-1), axis=1)
        self._xs = np.arange(self._width, dtype=np.float32)
        self._ys = np.arange(self._height, dtype=np.float32)[:, None]

    def _light(self, along: np.ndarray, camera: Camera, light: Light) -> tuple[np.ndarray, np.ndarray]:
        """Light along and across each solid (T, K); a normal then costs three products."""
        right, down, towards = camera.rotation @ np.asarray(light.towards) * light.diffuse
        self._front, self._base = -towards, light.ambient
        x, y = along[..., 0], along[..., 1]
        return x * right + y * down, x * down - y * right

    def _extent(self, a: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Corners (T, K, 2) of the solids' boxes with a pixel of margin."""
        # The largest radius of each of six stretches, put at both ends of the stretch.
        radius = self._radius.reshape(*a.shape[:2], 6, -1).max(-1)[..., None] + 1.0
        first, last = np.arange(6)[:, None] / 6, np.arange(1, 7)[:, None] / 6
        start, stop = a[:, :, None] + first * offset[:, :, None], a[:, :, None] + last * offset[:, :, None]
        low, high = np.minimum(start, stop) - radius, np.maximum(start, stop) + radius
        return low.min(2), high.max(2)

    def draw(self, step: int, canvas: np.ndarray, depth_m: np.ndarray, shift_px: np.ndarray) -> None:
        """Draw all solids of ``step`` back to front.

        Args:
            step: frame of the clip.
            canvas: (H, W, 3) float32 image, changed in place.
            depth_m: (H, W) float32 z-buffer in metres, changed in place.
            shift_px: (2,) integer image shift.
        """
        limits = (self._width, self._height)
        corners = self._corners[step] + np.asarray(shift_px)
        bounds = np.concatenate(
            [np.clip(corners[:, 0], 0, limits), np.clip(corners[:, 1], 0, limits)], -1
        ).tolist()
        starts = (self._a[step] + shift_px).tolist()
        for k in self._order[step].tolist():
            x0, y0, x1, y1 = bounds[k]
            if x1 > x0 and y1 > y0 and self._shown[step, k]:
                ax, ay = starts[k]
                offsets = self._xs[x0:x1] - ax, self._ys[y0:y1] - ay
                self._solid(step, k, *offsets, canvas[y0:y1, x0:x1], depth_m[y0:y1, x0:x1])

    def _solid(
        self, step: int, k: int, px: np.ndarray, py: np.ndarray, area: np.ndarray, depth: np.ndarray
    ) -> None:
        """Draw solid ``k`` into its box; ``px`` (w,), ``py`` (h, 1) count from its end a."""
        ux, uy, length, za, slope, thick, la, lc, cap = self._numbers[step, k].tolist()
        s = px * ux + py * uy
        n = py * ux - px * uy
        t = np.minimum(np.maximum(s, 0.0), length)
        bins = (t * ((ALONG - 1) / length) + 0.5).astype(np.intp)
        radius = self._radius[step, k].take(bins)
        n /= radius  # across the solid, -1..1 inside
        s -= t
        s /= radius * cap  # beyond its ends
        h = 1.0 - n * n
        h -= s * s
        alpha = np.minimum(np.maximum(h * radius * 0.5 + 0.5, 0.0), 1.0)
        front = np.sqrt(np.maximum(h, 0.0))
        z = t * slope + za
        z -= front * radius * thick
        alpha *= z < depth
        np.copyto(depth, z, where=alpha > 0.5)
        s *= la
        s += n * lc
        s += front * self._front
        shade = np.maximum(s, 0.0)
        shade += front * (0.3 * self._base) + 0.7 * self._base
        colour = self._textures[k]
        if colour.ndim == 3:
            around = ((n * 0.499 + 0.5) * AROUND).astype(np.intp)
            np.minimum(np.maximum(around, 0, out=around), AROUND - 1, out=around)
            around += bins * AROUND
            colour = colour.reshape(-1, 3).take(around, axis=0)
        elif colour.ndim == 2:
            colour = colour.take(bins, axis=0)
        mixed = colour * shade[..., None]
        mixed -= area
        mixed *= alpha[..., None]
        area += mixed


def _gather(
    performance: Performance, subjects: Sequence[Subject]
) -> tuple[list[Solid], np.ndarray, list[np.ndarray | None], list[int]]:
    """Solids, their ends (T, K, 2, 3), the wide axis of flat solids and who owns them."""
    solids: list[Solid] = []
    ends: list[np.ndarray] = []
    axes: list[np.ndarray | None] = []
    owner: list[int] = []
    for slot, subject in enumerate(subjects):
        own = body_solids(subject)
        own_ends, axis = body_ends(subject, performance.joints_xyz_m[:, slot])
        solids += own
        ends.append(own_ends)
        axes += [axis if solid.depth != 1.0 else None for solid in own]
        owner += [slot] * len(own)
    for prop in performance.props:
        solids.append(prop_solid(prop))
        ends.append(np.stack([prop.a_m, prop.b_m], axis=1)[:, None])
        axes.append(prop.wide_axis)
        owner.append(-1)
    return solids, np.concatenate(ends, axis=1), axes, owner


def _facing(performance: Performance, ends: np.ndarray, owner: list[int], camera: Camera) -> np.ndarray:
    """(T, K) bool: False for parts of a face on the far side of the head, which need not be drawn."""
    shown = np.ones(ends.shape[:2], bool)
    for slot in range(performance.joints_xyz_m.shape[1]):
        head = performance.joints_xyz_m[:, slot, None, INDEX["head"]]
        first = owner.index(slot)
        parts = slice(first + FACE.start, first + FACE.stop)
        outward, sight = ends[:, parts, 0] - head, np.asarray(camera.position_m) - head
        shown[:, parts] = (outward * sight).sum(-1) > -0.25 * np.linalg.norm(sight, axis=-1) * 0.1
    return shown


def _silhouette(
    solids: list[Solid], axes: list[np.ndarray | None], ends: np.ndarray, camera: Camera
) -> tuple[np.ndarray, np.ndarray]:
    """Half width across and along the line of sight of flat solids, as factors of the radius, each (T, K)."""
    wide = np.ones(ends.shape[:2])
    thick = np.ones(ends.shape[:2])
    for k, (solid, axis) in enumerate(zip(solids, axes, strict=True)):
        if axis is None:
            continue
        sight = ends[:, k].mean(1) - np.asarray(camera.position_m)
        sight /= np.linalg.norm(sight, axis=-1, keepdims=True)
        sin2 = (axis * sight).sum(-1) ** 2
        wide[:, k] = np.sqrt(1 - sin2 + sin2 * solid.depth**2)
        thick[:, k] = np.sqrt(sin2 + (1 - sin2) * solid.depth**2)
    return wide, thick
