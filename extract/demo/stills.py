"""Random still frames with ground truth: the training data of the tiny networks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np

from heatpool.extract.demo.camera import Camera
from heatpool.extract.demo.effects import Mover, random_occluder
from heatpool.extract.demo.motion import ACTIONS, Performance, perform, persons_of, random_motion
from heatpool.extract.demo.props import Chair
from heatpool.extract.demo.scene import Place, random_light
from heatpool.extract.demo.shot import Shot, ShotRenderer
from heatpool.extract.demo.subjects import Subject, random_subject

_SEEN_JOINTS = 5  # visible joints that make a body: a fully seen person in profile shows nine


@dataclass(frozen=True, eq=False)
class People:
    """Who stands in one frame: P persons, 17 COCO joints each, frame pixels.

    Attributes:
        joints_xy_px: (P, 17, 2) float32, also of hidden joints and outside the frame.
        visible: (P, 17) bool, inside the frame and not hidden.
        boxes_xyxy_px: (P, 4) float32, the whole body cut to the frame; empty boxes are people out of sight.
    """

    joints_xy_px: np.ndarray
    visible: np.ndarray
    boxes_xyxy_px: np.ndarray

    def __post_init__(self) -> None:
        persons = len(self.joints_xy_px)
        shapes = (self.joints_xy_px.shape, self.visible.shape, self.boxes_xyxy_px.shape)
        if shapes != ((persons, 17, 2), (persons, 17), (persons, 4)):
            raise ValueError(f"expected (P, 17, 2), (P, 17), (P, 4), got {shapes}")

    @property
    def counted(self) -> np.ndarray:
        """(P,) bool, enough of the body is seen to ask for it; others are neither taught nor scored."""
        return np.asarray(self.visible.sum(1) >= _SEEN_JOINTS)


class StillFrame(NamedTuple):
    """A picture (H, W, 3) uint8 and who stands in it."""

    rgb: np.ndarray
    people: People


def render_still(rng: np.random.Generator, *, width_px: int = 256, height_px: int = 192) -> StillFrame:
    """One random frame: 0 to 3 random people (never the demo ten), place, camera, light, noise, compression.

    Args:
        rng: all randomness.
        width_px: frame width.
        height_px: frame height.

    Returns:
        StillFrame with as many people as stand in the scene.
    """
    camera = _random_camera(rng, width_px, height_px)
    place = Place.random(rng)
    subjects, performance = _people(rng, place)
    occluder = None
    if rng.random() < 0.3:
        floor = rng.uniform(0.7, 0.95) * height_px
        occluder = random_occluder(rng, width_px=width_px, height_px=height_px, floor_px=floor)
    shot = Shot(
        camera=camera,
        light=random_light(rng),
        place=place,
        mover=Mover.random(place, rng),
        shake_px=np.zeros((1, 2), int),
        gain=rng.uniform(0.7, 1.3, 1),
        grain=float(rng.uniform(0, 7)),
        occluder=occluder,
        bystander=Chair.beside(rng) if rng.random() < 0.35 else None,
    )
    renderer = ShotRenderer(performance, subjects, shot, rng)
    rgb = _compress(renderer.frame(0), rng)
    truth = renderer.truth()
    return StillFrame(rgb, People(truth.joints_xy_px[0], truth.visible[0], truth.boxes_xyxy_px[0]))


def _random_camera(rng: np.random.Generator, width_px: int, height_px: int) -> Camera:
    return Camera.around(
        angle_rad=float(rng.uniform(-0.95, 0.95)),
        distance_m=float(rng.uniform(3.0, 6.2)),
        height_m=float(rng.uniform(0.8, 2.8)),
        focal_px=float(rng.uniform(0.85, 1.25) * width_px),
        width_px=width_px,
        height_px=height_px,
        aim_m=(float(rng.normal(0, 0.15)), 0.0, float(rng.uniform(0.75, 1.1))),
    )


def _people(rng: np.random.Generator, place: Place) -> tuple[list[Subject], Performance]:
    """A performance of one step: nobody, a duet, or one to three people on their own."""
    count = int(rng.choice(4, p=[0.05, 0.52, 0.33, 0.10]))
    if count == 2 and rng.random() < 0.65:
        duets = [action for action in ACTIONS if persons_of(action) == 2]
        pair = [random_subject(rng), random_subject(rng)]
        action = duets[rng.integers(len(duets))]
        return pair, perform(action, pair, frames=60, rng=rng, times=rng.random(1))
    subjects = [random_subject(rng) for _ in range(count)]
    if count == 1 and rng.random() < 0.15:
        action = ("stand_up", "sit_down")[rng.integers(2)]
        return subjects, perform(action, subjects, frames=60, rng=rng, times=rng.random(1))
    parts = [random_motion(subject, steps=1, rng=rng) for subject in subjects]
    joints = np.zeros((1, 0, 26, 3))
    props = []
    for part in parts:
        spread = 0.35 if count == 1 else 1.1
        move = np.array([rng.normal(0, spread), min(rng.normal(0, 0.5), place.back_m - 0.6), 0.0])
        joints = np.concatenate([joints, part.joints_xyz_m + move], axis=1)
        props += [replace(prop, a_m=prop.a_m + move, b_m=prop.b_m + move) for prop in part.props]
    return subjects, Performance(joints, None, tuple(props))


def _compress(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Block artefacts like those of strongly compressed video."""
    if rng.random() < 0.15:
        return rgb
    quality = int(rng.uniform(35, 95))
    done, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError("expected an image that JPEG can hold")
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])
