"""What changes from frame to frame besides the people: movers, shadows, occluders, light, noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from heatpool.extract.demo.camera import Camera
from heatpool.extract.demo.kinematics import INDEX
from heatpool.extract.demo.render import Light
from heatpool.extract.demo.scene import MARGIN_PX, Backdrop, Place

_MOVER_KINDS = ("none", "curtain", "passer", "screen", "pendulum")
_BONES = (
    ("head", "neck", 0.16), ("neck", "pelvis", 0.26), ("left_shoulder", "left_elbow", 0.09),
    ("right_shoulder", "right_elbow", 0.09), ("left_elbow", "left_hand", 0.07), ("right_elbow",
    "right_hand", 0.07),
    ("left_hip", "left_knee", 0.14), ("right_hip", "right_knee", 0.14), ("left_knee", "left_heel", 0.10),
    ("right_knee", "right_heel", 0.10), ("left_heel", "left_toe", 0.09), ("right_heel", "right_toe", 0.09),
)  # fmt: skip
_SHADOW_SCALE = 2  # shadows are soft: drawn at half size


@dataclass(frozen=True)
class Mover:
    """Something at the back wall that moves; world metres, seconds.

    Attributes:
        kind: none, curtain, passer (slides by), screen (flickers) or pendulum.
        place_m: (x, y, z) of its lower middle.
        size_m: width, height.
        rate: speed of its motion.
        rgb: colour.
    """

    kind: str
    place_m: tuple[float, float, float]
    size_m: tuple[float, float]
    rate: float
    rgb: tuple[int, int, int]

    @classmethod
    def random(cls, place: Place, rng: np.random.Generator) -> Mover:
        """A random mover for ``place``."""
        kind = _MOVER_KINDS[rng.integers(len(_MOVER_KINDS))]
        height = {"passer": rng.uniform(0.2, 0.9), "curtain": rng.uniform(1.0, 1.8)}.get(
            kind, rng.uniform(0.3, 0.8)
        )
        base = 0.0 if kind == "passer" else rng.uniform(0.6, 1.4)
        spot = (float(rng.uniform(-1.6, 1.6)), place.back_m - 0.06, float(base))
        colour = rng.integers(20, 235, 3)
        return cls(
            kind,
            spot,
            (float(rng.uniform(0.3, 0.9)), float(height)),
            float(rng.uniform(0.6, 2.0)),
            tuple(colour.tolist()),
        )

    def draw(
        self, frame: np.ndarray, depth_m: np.ndarray, camera: Camera, time_s: float, shift: np.ndarray
    ) -> None:
        """Draw into ``frame`` (H, W, 3) uint8 where nothing nearer stands, in place."""
        if self.kind == "none":
            return
        x, y, z = self.place_m
        width, height = self.size_m
        if self.kind == "passer":
            # Back and forth over five metres.
            x = 2.5 * np.sin(0.5 * self.rate * time_s + 3 * self.rate)
        if self.kind == "pendulum":
            angle = 0.5 * np.sin(2.2 * self.rate * time_s)
            x, z = x + 0.6 * np.sin(angle), z + 0.6 * (1 - np.cos(angle))
            width = height = 0.25
        corners = np.array([[x - width / 2, y, z + height], [x + width / 2, y, z]])
        seen = camera.view(corners)
        if seen[:, 2].min() < 0.4:
            return
        px = camera.to_px(seen) + shift
        x0, y0 = np.clip(np.round(px.min(0)).astype(int), 0, [frame.shape[1], frame.shape[0]])
        x1, y1 = np.clip(np.round(px.max(0)).astype(int), 0, [frame.shape[1], frame.shape[0]])
        if x1 <= x0 or y1 <= y0:
            return
        patch = np.empty((y1 - y0, x1 - x0, 3), np.uint8)
        patch[:] = self._pattern(y1 - y0, x1 - x0, time_s)
        nearer = depth_m[y0:y1, x0:x1] < float(seen[:, 2].mean()) - 0.15
        np.copyto(frame[y0:y1, x0:x1], patch, where=~nearer[..., None])

    def _pattern(self, rows: int, columns: int, time_s: float) -> np.ndarray:
        colour = np.array(self.rgb, np.float32)
        across = np.linspace(0, 1, columns, dtype=np.float32)
        if self.kind == "curtain":
            down = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
            fold = np.sin(25 * across + 2.5 * down * np.sin(self.rate * 2 * time_s) + self.rate * time_s)
            return np.asarray(np.clip(colour * (0.8 + 0.2 * fold)[..., None], 0, 255))
        if self.kind == "screen":
            phase = 6 * self.rate * time_s
            mixed = 110 + 90 * np.sin(phase + np.array([0.0, 2.1, 4.2]) + 5 * np.round(across, 1)[:, None])
            return np.broadcast_to(mixed.clip(0, 255), (rows, columns, 3))
        stripe = np.where((across * 5).astype(int) % 2 == 0, 1.0, 0.75).astype(np.float32)
        return np.asarray(np.clip(colour * stripe[:, None], 0, 255) * np.ones((rows, 1, 1), np.float32))


class Shadows:
    """Soft shadows of all people on the ground, for a whole clip."""

    def __init__(self, joints_m: np.ndarray, camera: Camera, light: Light) -> None:
        """Project the joints (T, P, J, 3) along the light onto the ground."""
        towards = np.asarray(light.towards)
        slope = towards[:2] / max(towards[2], 0.45)
        ground = joints_m.copy()
        ground[..., :2] -= ground[..., 2:] * slope
        ground[..., 2] = 0.0
        self._px, depth = camera.project(ground)
        self._scale = camera.focal_px / np.maximum(depth, 0.3)
        self._safe = depth.min(axis=(1, 2)) > 0.4
        self._strength = 0.30 + 0.35 * light.diffuse / (light.ambient + light.diffuse)
        self._shape = (camera.height_px // _SHADOW_SCALE, camera.width_px // _SHADOW_SCALE)

    def apply(self, step: int, frame: np.ndarray, floor: np.ndarray, shift: np.ndarray) -> None:
        """Darken ``frame`` (H, W, 3) uint8 where ``floor`` (H, W) is 1, in place."""
        if not self._safe[step]:
            return
        mask = np.zeros(self._shape, np.uint8)
        points = np.round((self._px[step] + shift) * (16 / _SHADOW_SCALE)).astype(int).tolist()
        scales = self._scale[step]
        for person, place in enumerate(points):
            size = float(scales[person, INDEX["pelvis"]]) / _SHADOW_SCALE
            for first, last, width in _BONES:
                a, b = place[INDEX[first]], place[INDEX[last]]
                cv2.line(mask, a, b, 255, max(1, round(width * size)), cv2.LINE_8, 4)
        x, y, w, h = cv2.boundingRect(mask)
        if w == 0:
            return
        pad = 4
        x0, y0 = max(x - pad, 0), max(y - pad, 0)
        x1, y1 = min(x + w + pad, mask.shape[1]), min(y + h + pad, mask.shape[0])
        soft = cv2.blur(cv2.blur(mask[y0:y1, x0:x1], (5, 5)), (3, 3))
        soft = cv2.resize(soft, None, fx=_SHADOW_SCALE, fy=_SHADOW_SCALE, interpolation=cv2.INTER_LINEAR)
        area = (slice(y0 * _SHADOW_SCALE, y1 * _SHADOW_SCALE), slice(x0 * _SHADOW_SCALE, x1 * _SHADOW_SCALE))
        factor = 1.0 - soft.astype(np.float32) * (self._strength / 255.0) * floor[area]
        frame[area] = (frame[area] * factor[..., None]).astype(np.uint8)


@dataclass(frozen=True)
class Occluder:
    """Something between camera and people, in frame pixels.

    Attributes:
        rgb: (h, w, 3) uint8 picture.
        alpha: (h, w) float32, 0..1.
        corner: (x, y) of the upper left pixel in the frame.
    """

    rgb: np.ndarray
    alpha: np.ndarray
    corner: tuple[int, int]

    def draw(self, frame: np.ndarray) -> None:
        """Lay over ``frame`` (H, W, 3) uint8, in place."""
        x, y = self.corner
        area = frame[y : y + self.alpha.shape[0], x : x + self.alpha.shape[1]]
        mixed = area + (self.rgb.astype(np.float32) - area) * self.alpha[..., None]
        area[:] = mixed.astype(np.uint8)

    def hides(self, joints_xy_px: np.ndarray) -> np.ndarray:
        """Bool (...) for points (..., 2) under the occluder."""
        x = np.round(joints_xy_px[..., 0]).astype(int) - self.corner[0]
        y = np.round(joints_xy_px[..., 1]).astype(int) - self.corner[1]
        height, width = self.alpha.shape
        inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        covered = self.alpha[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)] > 0.5
        return np.asarray(inside & covered)


def random_occluder(rng: np.random.Generator, *, width_px: int, height_px: int, floor_px: float) -> Occluder:
    """A table edge, a plant or a pillar.

    Args:
        rng: random source.
        width_px: frame width.
        height_px: frame height.
        floor_px: row of the actors' feet; tables and plants reach up to the shins or thighs from there.
    """
    kind = ("table", "plant", "pillar")[rng.integers(3)]
    colour = rng.uniform(20, 200, 3)
    picture = np.empty((height_px, width_px, 3), np.float32)
    picture[:] = colour
    alpha = np.zeros((height_px, width_px), np.float32)
    if kind == "table":
        top = int(np.clip(floor_px - rng.uniform(-0.02, 0.14) * height_px, 0, height_px - 4))
        x0 = int(rng.uniform(-0.3, 0.6) * width_px)
        x1 = x0 + int(rng.uniform(0.3, 0.8) * width_px)
        alpha[top:, max(x0, 0) : max(x1, 0)] = 1.0
        picture[top : top + 4] *= 1.25
        picture[top + 4 :] *= 0.8
    elif kind == "pillar":
        width = int(rng.uniform(0.03, 0.08) * width_px)
        x0 = int(rng.uniform(0.02, 0.95) * width_px)
        alpha[:, x0 : x0 + width] = 1.0
        picture *= (0.55 + 0.5 * np.cos((np.arange(width_px) - x0 - width * 0.3) / width))[None, :, None]
    else:
        root = np.array([rng.uniform(0.0, 1.0) * width_px, height_px + 4.0])
        green = np.array([rng.uniform(20, 90), rng.uniform(70, 170), rng.uniform(20, 70)])
        for _ in range(int(rng.integers(9, 18))):
            angle = rng.normal(0, 0.5)
            length = rng.uniform(0.18, 0.42) * height_px
            tip = root + length * np.array([np.sin(angle), -np.cos(angle)])
            side = rng.uniform(2.5, 6.0) * np.array([np.cos(angle), np.sin(angle)])
            leaf = np.round(np.stack([root, (root + tip) / 2 + side, tip, (root + tip) / 2 - side])).astype(
                np.int32
            )
            shade = green * rng.uniform(0.6, 1.15)
            cv2.fillPoly(picture, [leaf], shade.tolist())
            cv2.fillPoly(alpha, [leaf], 1.0)
    alpha = np.asarray(cv2.GaussianBlur(alpha, (3, 3), 0), np.float32)
    picture *= 1 + rng.normal(0, 0.03, (height_px, width_px, 1))
    x, y, w, h = cv2.boundingRect((alpha > 0.02).astype(np.uint8))
    area = (slice(y, y + max(h, 1)), slice(x, x + max(w, 1)))
    return Occluder(np.clip(picture[area], 0, 255).astype(np.uint8), alpha[area], (x, y))


@lru_cache(maxsize=2)
def _grain_bank(width_px: int, height_px: int) -> np.ndarray:
    """(H + 64, W + 64, 3) float32 white noise of standard deviation 1."""
    rng = np.random.default_rng(11)
    return rng.standard_normal((height_px + 64, width_px + 64, 3), dtype=np.float32)


class Grain:
    """Sensor noise of ``level`` grey levels; another part of a fixed noise picture for each frame."""

    def __init__(self, level: float, *, width_px: int, height_px: int) -> None:
        """Scale the noise once."""
        self._noise = np.round(_grain_bank(width_px, height_px) * level).astype(np.int16)

    def add(self, frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """``frame`` (H, W, 3) uint8 plus noise."""
        height, width = frame.shape[:2]
        x, y = rng.integers(0, 64, 2)
        return cv2.add(frame, self._noise[y : y + height, x : x + width], dtype=cv2.CV_8U)


def window(backdrop: Backdrop, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Copies of the frame-sized part of the backdrop for an integer camera shake ``shift`` (x, y).

    Content moves by ``shift`` pixels: the same shift is added to everything that is projected.
    """
    height, width = backdrop.depth_m.shape
    x, y = MARGIN_PX - int(shift[0]), MARGIN_PX - int(shift[1])
    area = (slice(y, y + height - 2 * MARGIN_PX), slice(x, x + width - 2 * MARGIN_PX))
    return backdrop.rgb[area].copy(), backdrop.depth_m[area].copy(), backdrop.floor[area]
