"""Where it happens: a textured room or street with furniture, drawn once a clip, with a depth map."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from heatpool.extract.demo.camera import Camera
from heatpool.extract.demo.props import Chair
from heatpool.extract.demo.render import Light
from heatpool.extract.demo.solos import SEAT_HEIGHT_M
from heatpool.extract.demo.textures import noise, pattern

MARGIN_PX = 8  # room for a shaking hand-held camera
_FAR_M = 60.0
# Corners of a box that stands on the origin, in sizes, and those of the faces at -, + of each axis.
_CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (0.0, 1.0)])
_FACES = (((0, 1, 3, 2), (4, 5, 7, 6)), ((0, 1, 5, 4), (2, 3, 7, 6)), ((0, 2, 6, 4), (1, 3, 7, 5)))
_FLOORS = ("planks", "tiles", "checker", "plain", "plain")
_WALLS = ("plain", "stripes", "bricks", "tiles", "plain")


@dataclass(frozen=True)
class Backdrop:
    """The still part of a scene, ``MARGIN_PX`` larger than the frame on each side.

    Attributes:
        rgb: (H + 2 margin, W + 2 margin, 3) uint8.
        depth_m: (H + 2 margin, W + 2 margin) float32.
        floor: (H + 2 margin, W + 2 margin) float32, 1 where the ground is seen.
    """

    rgb: np.ndarray
    depth_m: np.ndarray
    floor: np.ndarray


@dataclass(frozen=True)
class Place:
    """What a scene looks like; the same place is seen by all cameras of a performance.

    Attributes:
        indoors: room (walls on three sides) or street (facade far away, sky).
        half_width_m, back_m: where the side walls and the back wall stand.
        seed: fixes textures and furniture.
    """

    indoors: bool
    half_width_m: float
    back_m: float
    seed: int

    @classmethod
    def random(cls, rng: np.random.Generator) -> Place:
        """A random place."""
        indoors = bool(rng.random() < 0.65)
        back = rng.uniform(1.6, 3.5) if indoors else rng.uniform(3.0, 9.0)
        return cls(indoors, float(rng.uniform(2.4, 4.5)), float(back), int(rng.integers(2**31)))


def random_light(rng: np.random.Generator) -> Light:
    """A light from above, any side but straight from behind, warm to cold."""
    angle, height = rng.uniform(-2.2, 2.2), rng.uniform(0.5, 1.25)
    towards = (np.sin(angle) * np.cos(height), -np.cos(angle) * np.cos(height), np.sin(height))
    warm = rng.normal(0, 0.05)
    return Light(
        (float(towards[0]), float(towards[1]), float(towards[2])),
        ambient=float(rng.uniform(0.42, 0.66)),
        diffuse=float(rng.uniform(0.35, 0.7)),
        tint=(float(1 + warm), 1.0, float(1 - warm)),
    )


def draw_backdrop(place: Place, camera: Camera, *, light: Light, chairs: tuple[Chair, ...] = ()) -> Backdrop:
    """Draw the still scene."""
    rng = np.random.default_rng(place.seed)
    rgb, depth, floor = _surfaces(place, camera, rng)
    for corner, size, yaw, colour in _furniture(place, rng):
        _cuboid(rgb, depth, camera, corner, size, yaw, colour, light)
    for chair in chairs:
        paint = np.array(chair.rgb, np.float32)
        for offset, extent in _chair_parts(chair):
            left = np.array([np.cos(chair.yaw_rad), np.sin(chair.yaw_rad)])
            forward = np.array([np.sin(chair.yaw_rad), -np.cos(chair.yaw_rad)])
            spot = np.asarray(chair.place_m) + offset[0] * left + offset[1] * forward
            base = np.array([spot[0], spot[1], offset[2]])
            _cuboid(rgb, depth, camera, base, np.array(extent), chair.yaw_rad, paint, light)
    rgb *= np.array(light.tint, np.float32)
    return Backdrop(np.clip(rgb, 0, 255).astype(np.uint8), depth, floor)


def _surfaces(
    place: Place, camera: Camera, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Floor, walls and sky by ray-plane intersection; colour (H, W, 3), depth and floor mask, all float32."""
    x0, y0, z0 = (np.float32(v) for v in camera.position_m)
    dx, dy, dz = camera.rays(MARGIN_PX)
    small = np.float32(1e-4)
    # A surface behind the camera or parallel to the ray is infinitely far: divide by a tiny number instead.
    to_floor = z0 / np.maximum(-dz, small)
    to_back = (np.float32(place.back_m) - y0) / np.maximum(dy, small)
    side = np.float32(max(place.half_width_m, abs(x0) + 0.6 if place.indoors else 6.0))
    to_side = np.minimum((side - x0) / np.maximum(dx, small), (side + x0) / np.maximum(-dx, small))
    wall = np.minimum(to_back, to_side)
    depth = np.minimum(to_floor, wall)
    np.minimum(depth, np.float32(_FAR_M), out=depth)
    floor = to_floor < wall
    x, y, z = x0 + dx * depth, y0 + dy * depth, z0 + dz * depth
    on_side = (to_side < to_back) & ~floor
    u, v = np.where(on_side, y, x), np.where(floor, y, z)
    offset = (int(rng.integers(256)), int(rng.integers(256)))
    rough = rng.uniform(0.03, 0.16, 2).astype(np.float32)
    tone = np.float32(1) + rough[0] * noise(u, v, scale=float(rng.uniform(5, 25)), kind=0, offset=offset)
    tone += rough[1] * noise(
        u, v, scale=float(rng.uniform(30, 80)), kind=1 + int(rng.integers(2)), offset=offset
    )
    floor_mark = pattern(_FLOORS[rng.integers(len(_FLOORS))], x, y, cell_m=float(rng.uniform(0.2, 0.7)))
    wall_mark = pattern(_WALLS[rng.integers(len(_WALLS))], u, z, cell_m=float(rng.uniform(0.2, 0.6)))
    tone *= np.where(floor, floor_mark, wall_mark)
    # Corners and the foot of the walls are darker, side walls too, and there is a skirting.
    near = np.where(floor, np.float32(place.back_m) - y, z)
    tone *= np.float32(1) - np.float32(0.25) * np.exp(np.abs(near) * np.float32(-2))
    tone *= np.float32(1) - np.float32(0.14) * on_side - np.float32(0.35) * ((z < 0.1) & ~floor)
    rgb = np.empty((*depth.shape, 3), np.float32)
    share = floor.astype(np.float32)
    for channel, (ground, upright) in enumerate(zip(*_surface_colours(rng), strict=True)):
        rgb[..., channel] = tone * (upright + share * (ground - upright))
    if not place.indoors:
        _street(rgb, u, z, ~floor, rng)
    return rgb, depth, share


def _surface_colours(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    base = rng.uniform(60, 215, 2)
    tint = rng.normal(0, 0.1, (2, 3)) + np.array([0.05, 0.0, -0.05])
    colours = np.clip(base[:, None] * (1 + tint), 15, 240).astype(np.float32)
    return colours[0], colours[1]


def _street(
    rgb: np.ndarray, u: np.ndarray, z: np.ndarray, wall: np.ndarray, rng: np.random.Generator
) -> None:
    """Windows on the facade and a sky above it, in place."""
    wide, high = np.float32(1 / rng.uniform(1.0, 1.8)), np.float32(1 / rng.uniform(1.2, 2.2))
    part_u, part_z = u * wide, z * high
    part_u -= np.floor(part_u)
    part_z -= np.floor(part_z)
    window = wall & (part_u > 0.26) & (part_u < 0.74) & (part_z > 0.27) & (part_z < 0.83)
    rgb[window] = rgb[window] * np.float32(0.25) + rng.uniform(10, 90, 3).astype(np.float32)
    sky = wall & (z > rng.uniform(2.2, 5.5))
    rgb[sky] = (rng.uniform(130, 220) + np.array([-10, 5, 25])).astype(np.float32)


def _paint(rng: np.random.Generator) -> np.ndarray:
    """(3,) float32 colour of a thing: any brightness, mostly muted."""
    return np.clip(rng.uniform(30, 215) + rng.normal(0, 32, 3), 10, 245).astype(np.float32)


def _furniture(
    place: Place, rng: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray, float, np.ndarray]]:
    """Boxes along the walls and flat things on the back wall: base middle, size, yaw, colour."""
    things = []
    for _ in range(int(rng.integers(1, 6))):
        size = np.array([rng.uniform(0.3, 1.3), rng.uniform(0.25, 0.6), rng.uniform(0.3, 1.9)])
        corner = np.array([rng.uniform(-1, 1) * place.half_width_m, place.back_m - 0.5 * size[1] - 0.02, 0.0])
        if corner[1] < 1.0:
            continue
        things.append((corner, size, float(rng.normal(0, 0.15)), _paint(rng)))
    for _ in range(int(rng.integers(0, 4))):
        size = np.array([rng.uniform(0.3, 1.2), 0.04, rng.uniform(0.3, 1.0)])
        corner = np.array(
            [rng.uniform(-1, 1) * place.half_width_m, place.back_m - 0.03, rng.uniform(0.9, 1.8)]
        )
        things.append((corner, size, 0.0, _paint(rng)))
    return sorted(things, key=lambda thing: -float(thing[0][1]))


def _chair_parts(chair: Chair) -> list[tuple[tuple[float, float, float], tuple[float, float, float]]]:
    """Cuboids of a chair: base middle (left, forward, up) and size (left, forward, up), metres."""
    seat = SEAT_HEIGHT_M
    if chair.kind == "box":
        return [((0.0, 0.0, 0.0), (0.48, 0.42, seat))]
    parts = [((0.0, 0.0, seat - 0.05), (0.46, 0.42, 0.05))]
    parts += [((x, y, 0.0), (0.045, 0.045, seat - 0.05)) for x in (-0.2, 0.2) for y in (-0.18, 0.18)]
    if chair.kind == "chair":
        parts.append(((0.0, -0.22, seat), (0.46, 0.04, 0.45)))
    return parts


def _cuboid(
    rgb: np.ndarray,
    depth: np.ndarray,
    camera: Camera,
    base_m: np.ndarray,
    size_m: np.ndarray,
    yaw_rad: float,
    colour: np.ndarray,
    light: Light,
) -> None:
    """Draw a shaded box that stands on ``base_m`` into ``rgb`` and ``depth``, in place."""
    cos, sin = np.cos(yaw_rad), np.sin(yaw_rad)
    axes = np.array([[cos, sin, 0.0], [sin, -cos, 0.0], [0.0, 0.0, 1.0]])  # left, forward, up
    towards, turned = axes @ np.asarray(light.towards), camera.rotation @ axes.T
    eye = axes @ (np.asarray(camera.position_m) - base_m) - [0.0, 0.0, size_m[2] / 2]
    corners = camera.view(base_m + (_CORNERS * size_m) @ axes)
    if corners[:, 2].min() < 0.3:
        return
    px = camera.to_px(corners) + MARGIN_PX
    for k in range(3):
        # Of two opposite faces at most one looks at the camera.
        sign = np.sign(eye[k])
        distance = float(size_m[k] / 2 - abs(eye[k]))
        if distance < -1e-3:
            shade = light.ambient + light.diffuse * max(float(sign * towards[k]), 0.0)
            face = px[list(_FACES[k][int(sign > 0)])]
            _face(rgb, depth, camera, face, sign * turned[:, k], distance, colour * np.float32(shade))


def _face(
    rgb: np.ndarray,
    depth: np.ndarray,
    camera: Camera,
    px: np.ndarray,
    normal: np.ndarray,
    distance: float,
    colour: np.ndarray,
) -> None:
    """One polygon (4, 2) with its plane's depth: normal . (ray * depth) = distance, camera frame."""
    height, width = depth.shape
    x0, y0 = np.clip(np.floor(px.min(0)).astype(int), 0, [width, height])
    x1, y1 = np.clip(np.ceil(px.max(0)).astype(int) + 1, 0, [width, height])
    if x1 - x0 < 1 or y1 - y0 < 1:
        return
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    points = np.round((px - [x0, y0]) * 16).astype(np.int32)
    cv2.fillConvexPoly(mask, points, 255, lineType=cv2.LINE_AA, shift=4)
    middle_x, middle_y = (camera.width_px - 1) / 2 + MARGIN_PX, (camera.height_px - 1) / 2 + MARGIN_PX
    ray_x = (np.arange(x0, x1) - middle_x) / camera.focal_px
    ray_y = ((np.arange(y0, y1) - middle_y) / camera.focal_px)[:, None]
    facing = np.minimum(normal[0] * ray_x + normal[1] * ray_y + normal[2], -1e-6)
    z = (distance / facing).astype(np.float32)
    box = depth[y0:y1, x0:x1]
    alpha = (mask * (z < box)).astype(np.float32) / 255.0
    np.copyto(box, z, where=alpha > 0.5)
    area = rgb[y0:y1, x0:x1]
    area += (colour - area) * alpha[..., None]
