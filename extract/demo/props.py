"""Things people use: a chair to sit on, a cup or a phone in the hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heatpool.extract.demo.kinematics import INDEX
from heatpool.extract.demo.solos import SEAT_SHIFT
from heatpool.extract.demo.subjects import Rgb, Subject


@dataclass(frozen=True)
class Chair:
    """A chair, stool or box.

    Attributes:
        place_m: (x, y) of the seat's middle on the ground.
        yaw_rad: heading of who sits on it.
        kind: ``chair`` (legs and back), ``stool`` (legs) or ``box``.
        rgb: colour.
    """

    place_m: tuple[float, float]
    yaw_rad: float
    kind: str
    rgb: Rgb

    @classmethod
    def behind(cls, subject: Subject, root_m: np.ndarray, yaw_rad: float, rng: np.random.Generator) -> Chair:
        """The chair on which ``subject`` sits when the feet are at ``root_m`` (2,)."""
        back = (SEAT_SHIFT - 0.01) * subject.stature_m
        place = root_m + back * np.array([np.sin(yaw_rad), -np.cos(yaw_rad)])
        return cls((float(place[0]), float(place[1])), yaw_rad, *_look(rng))

    @classmethod
    def beside(cls, rng: np.random.Generator) -> Chair:
        """A chair nobody uses, somewhere behind the actors."""
        side = rng.choice([-1.0, 1.0])
        place = (float(side * rng.uniform(0.7, 1.6)), float(rng.uniform(0.3, 1.4)))
        return cls(place, float(rng.uniform(-np.pi, np.pi)), *_look(rng))


def _look(rng: np.random.Generator) -> tuple[str, Rgb]:
    kind = ("chair", "chair", "stool", "box")[rng.integers(4)]
    level = rng.uniform(40, 190)
    tint = level * rng.uniform(0.6, 1.2, 3)
    red, green, blue = np.clip(tint, 15, 245).astype(int)
    return kind, (int(red), int(green), int(blue))


@dataclass(frozen=True, eq=False)
class Prop:
    """A small thing, held or standing: a bar over T steps, round or flat.

    Attributes:
        a_m, b_m: (T, 3) its ends, world metres.
        radius_m: half of its width.
        texture: float32 sRGB 0..255, (3,) one colour or (ALONG, 3) bands from a to b.
        wide_axis: (T, 3) unit direction of the width of a flat thing, None for a round one.
        depth: thickness of a flat thing as a fraction of its width.
        cap: length of the rounded ends as a fraction of the radius.
    """

    a_m: np.ndarray
    b_m: np.ndarray
    radius_m: float
    texture: np.ndarray
    wide_axis: np.ndarray | None = None
    depth: float = 1.0
    cap: float = 0.4


def hand_item(kind: str, joints: np.ndarray, person: int, side: int, rng: np.random.Generator) -> Prop:
    """A ``cup`` or ``phone`` in a hand.

    Args:
        kind: what is held.
        joints: (T, P, J, 3) world metres.
        person: whose hand.
        side: 0 left, 1 right.
        rng: colour and size.
    """
    name = ("left", "right")[side]
    wrist, hand = joints[:, person, INDEX[f"{name}_wrist"]], joints[:, person, INDEX[f"{name}_hand"]]
    colour = rng.integers(20, 245, 3)
    rgb = colour.astype(np.float32)
    if kind == "phone":
        along = hand - wrist
        return Prop(hand - 0.2 * along, hand + 0.75 * along, float(rng.uniform(0.016, 0.026)), rgb)
    middle = 0.3 * wrist + 0.7 * hand
    up = np.array([0.0, 0.0, rng.uniform(0.05, 0.08)])
    return Prop(middle - 0.5 * up, middle + up, float(rng.uniform(0.028, 0.042)), rgb)
