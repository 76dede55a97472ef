"""Who is drawn: body proportions, clothes, hair, skin and personal style of motion."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

Rgb = tuple[int, int, int]
Pattern = Literal["plain", "stripes", "pinstripe", "checks", "block", "print"]
Bottom = Literal["trousers", "shorts", "skirt"]
Hair = Literal["short", "long", "bun", "tail", "bald", "cap", "afro"]

_SKIN_LIGHT = np.array([246.0, 214.0, 188.0])
_SKIN_MID = np.array([204.0, 150.0, 112.0])
_SKIN_DARK = np.array([82.0, 54.0, 40.0])


@dataclass(frozen=True)
class Style:
    """How a person moves; 1 is average where a value is a factor.

    Attributes:
        speed: how fast an action is carried out (factor).
        amplitude: how far the limbs travel (factor).
        sharpness: 0 = even velocity, 1 = minimum jerk, above = abrupt.
        tremor: shaking of the hands in metres.
        sway: size of the idle motion of the trunk (factor).
        lean_rad: habitual forward lean.
        elbow_out: how far the elbows point away from the body (factor).
        stance: width of the stance (factor).
    """

    speed: float = 1.0
    amplitude: float = 1.0
    sharpness: float = 1.0
    tremor: float = 0.002
    sway: float = 1.0
    lean_rad: float = 0.02
    elbow_out: float = 1.0
    stance: float = 1.0


@dataclass(frozen=True)
class Subject:
    """One drawn person.

    Attributes:
        name: short name, unique in a data set.
        stature_m: body height in metres.
        arm, leg, shoulder, hip, girth, head: factors on the average proportion.
        skin, hair_rgb, top, top_second, bottom, shoes: sRGB colours, 0..255.
        hair: hair style.
        pattern: pattern of the upper garment, drawn with ``top`` and ``top_second``.
        sleeve: covered part of the arm, 0 (sleeveless) .. 1 (to the wrist).
        bottom_kind: lower garment.
        style: how the person moves.
    """

    name: str
    stature_m: float
    skin: Rgb
    hair: Hair
    hair_rgb: Rgb
    top: Rgb
    top_second: Rgb
    pattern: Pattern
    sleeve: float
    bottom: Rgb
    bottom_kind: Bottom
    shoes: Rgb
    arm: float = 1.0
    leg: float = 1.0
    shoulder: float = 1.0
    hip: float = 1.0
    girth: float = 1.0
    head: float = 1.0
    style: Style = Style()

    def __post_init__(self) -> None:
        if not 1.0 <= self.stature_m <= 2.3:
            raise ValueError(f"expected stature_m in 1.0..2.3, got {self.stature_m}")
        if not 0.0 <= self.sleeve <= 1.0:
            raise ValueError(f"expected sleeve in 0..1, got {self.sleeve}")


@dataclass(frozen=True)
class Lengths:
    """Segment lengths of one body in metres (after Drillis and Contini's fractions of stature)."""

    torso: float
    neck_to_head: float
    head_radius: float
    shoulder_half: float
    hip_half: float
    upper_arm: float
    forearm: float
    hand: float
    thigh: float
    shin: float
    ankle_height: float
    foot: float

    @property
    def arm(self) -> float:
        """Shoulder to wrist."""
        return self.upper_arm + self.forearm

    @property
    def leg(self) -> float:
        """Hip to ankle."""
        return self.thigh + self.shin

    @property
    def stand_pelvis(self) -> float:
        """Height of the hip joints above the ground in a relaxed stand."""
        return self.ankle_height + 0.985 * self.leg


def lengths_of(subject: Subject) -> Lengths:
    """Segment lengths of ``subject`` in metres."""
    h = subject.stature_m
    return Lengths(
        torso=0.295 * h,
        neck_to_head=0.105 * h,
        head_radius=0.052 * h * subject.head,
        shoulder_half=0.107 * h * subject.shoulder,
        hip_half=0.056 * h * subject.hip,
        upper_arm=0.176 * h * subject.arm,
        forearm=0.152 * h * subject.arm,
        hand=0.072 * h * subject.arm,
        thigh=0.243 * h * subject.leg,
        shin=0.243 * h * subject.leg,
        ankle_height=0.045 * h,
        foot=0.115 * h,
    )


def demo_subjects() -> tuple[Subject, ...]:
    """The ten people of the demo data set, always the same."""
    return (
        Subject("ada", 1.68, (236, 196, 168), "long", (92, 58, 34), (196, 52, 60), (240, 232, 220),
            "stripes", 0.45, (44, 58, 98), "trousers", (60, 50, 46), hip=1.08, shoulder=0.95,
            style=Style(speed=1.1, amplitude=0.95, sway=1.1)),
        Subject("ben", 1.84, (214, 160, 124), "short", (38, 30, 26), (52, 96, 158), (200, 210, 220),
            "plain", 1.0, (58, 56, 54), "trousers", (30, 28, 28), shoulder=1.06, girth=1.08,
            style=Style(speed=0.9, amplitude=1.08, lean_rad=0.04)),
        Subject("chi", 1.59, (232, 188, 150), "bun", (24, 20, 22), (238, 190, 70), (70, 60, 50), "print",
            0.2, (112, 60, 84), "skirt", (232, 226, 220), girth=0.9, leg=0.98, style=Style(speed=1.25,
            amplitude=0.9, sharpness=1.3, elbow_out=0.8)),
        Subject("dev", 1.76, (150, 102, 72), "short", (16, 14, 14), (238, 238, 232), (40, 110, 90),
            "block", 0.5, (96, 110, 74), "shorts", (220, 220, 224), arm=1.05, style=Style(speed=1.0,
            amplitude=1.15, tremor=0.004)),
        Subject("eva", 1.72, (250, 216, 194), "tail", (206, 164, 96), (86, 158, 120), (30, 60, 52),
            "pinstripe", 1.0, (150, 136, 118), "trousers", (120, 60, 40), leg=1.04, girth=0.93,
            style=Style(speed=0.82, amplitude=1.0, sway=1.4, stance=0.8)),
        Subject("fay", 1.63, (98, 64, 48), "afro", (28, 20, 18), (150, 90, 170), (230, 220, 120),
            "checks", 0.45, (226, 214, 196), "trousers", (180, 40, 60), hip=1.1, girth=1.06,
            style=Style(speed=1.15, amplitude=1.1, elbow_out=1.2)),
        Subject("gus", 1.79, (240, 200, 176), "bald", (150, 140, 130), (92, 84, 78), (160, 150, 140),
            "checks", 1.0, (36, 44, 60), "trousers", (84, 62, 44), girth=1.22, shoulder=1.04,
            style=Style(speed=0.8, amplitude=0.86, sharpness=0.7, tremor=0.005, lean_rad=0.07)),
        Subject("hana", 1.66, (226, 178, 140), "short", (60, 36, 28), (238, 120, 60), (250, 240, 230),
            "stripes", 0.0, (70, 74, 82), "shorts", (40, 90, 150), arm=0.97, leg=1.02, girth=0.95,
            style=Style(speed=1.3, amplitude=1.02, sharpness=1.5, stance=1.2)),
        Subject("ivo", 1.90, (196, 140, 104), "cap", (30, 70, 120), (30, 34, 40), (190, 190, 60), "plain",
            0.45, (120, 96, 70), "trousers", (210, 206, 198), arm=1.03, shoulder=1.05, girth=0.96,
            style=Style(speed=0.95, amplitude=1.12, sway=0.7)),
        Subject("joy", 1.61, (120, 80, 58), "long", (34, 22, 20), (224, 214, 206), (200, 60, 90), "print",
            1.0, (40, 98, 110), "skirt", (50, 40, 44), girth=1.04, head=1.04, style=Style(speed=1.05,
            amplitude=0.92, elbow_out=1.1, sway=1.2)),
    )  # fmt: skip


def _colour(rng: np.random.Generator) -> Rgb:
    """A random cloth colour: any hue, often greyish, dark to bright."""
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.random() ** 1.4, rng.uniform(0.1, 0.98))
    return int(255 * red), int(255 * green), int(255 * blue)


def _skin(rng: np.random.Generator) -> Rgb:
    tone = rng.random() * 2
    base = (
        _SKIN_LIGHT + (_SKIN_MID - _SKIN_LIGHT) * tone
        if tone < 1
        else _SKIN_MID + (_SKIN_DARK - _SKIN_MID) * (tone - 1)
    )
    red, green, blue = np.clip(base + rng.normal(0, 7, 3), 20, 255).astype(int)
    return int(red), int(green), int(blue)


def random_style(rng: np.random.Generator) -> Style:
    """A random style, wider than the demo people's."""
    return Style(
        speed=float(rng.uniform(0.7, 1.4)),
        amplitude=float(rng.uniform(0.75, 1.25)),
        sharpness=float(rng.uniform(0.4, 1.7)),
        tremor=float(rng.uniform(0, 0.008)),
        sway=float(rng.uniform(0.4, 1.8)),
        lean_rad=float(rng.uniform(-0.05, 0.12)),
        elbow_out=float(rng.uniform(0.6, 1.4)),
        stance=float(rng.uniform(0.6, 1.5)),
    )


def random_subject(rng: np.random.Generator) -> Subject:
    """A random person for training the tiny networks: continuous draws, so never one of the demo ten."""
    hair_rgb = _skin(rng) if rng.random() < 0.12 else _colour(rng)
    if rng.random() < 0.7:
        level = rng.uniform(0.05, 0.9)
        hair_rgb = (int(210 * level), int(165 * level), int(115 * level))
    return Subject(
        name="random",
        stature_m=float(rng.uniform(1.45, 2.0)),
        skin=_skin(rng),
        hair=get_args(Hair)[rng.integers(len(get_args(Hair)))],
        hair_rgb=hair_rgb,
        top=_colour(rng),
        top_second=_colour(rng),
        pattern=get_args(Pattern)[rng.integers(len(get_args(Pattern)))],
        sleeve=float(rng.choice([0.0, 0.2, 0.45, 0.55, 0.8, 1.0, 1.0])),
        bottom=_colour(rng),
        bottom_kind=("trousers", "trousers", "shorts", "skirt")[rng.integers(4)],
        shoes=_colour(rng),
        arm=float(rng.uniform(0.92, 1.09)),
        leg=float(rng.uniform(0.93, 1.07)),
        shoulder=float(rng.uniform(0.88, 1.13)),
        hip=float(rng.uniform(0.88, 1.18)),
        girth=float(rng.uniform(0.82, 1.32)),
        head=float(rng.uniform(0.9, 1.12)),
        style=random_style(rng),
    )
