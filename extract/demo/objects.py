"""Actions that share their motion and differ by what is held or touched: a pose hardly tells them apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from heatpool.extract.demo.kinematics import INDEX, REST_HAND, PoseCurves
from heatpool.extract.demo.props import Prop
from heatpool.extract.demo.stage import Stage

_PEARL = (240.0, 238.0, 230.0)


@dataclass(frozen=True)
class ObjectAction:
    """An action with a thing.

    Attributes:
        motion: the same function, drawn from alike, for all actions that pose does not tell apart.
        things: (T, J, 3) joints of the actor in world metres, and a random source -> what is seen besides.
    """

    motion: Callable[[Stage], PoseCurves]
    things: Callable[[np.ndarray, np.random.Generator], tuple[Prop, ...]]


def _hand_to_mouth(stage: Stage) -> PoseCurves:
    """One hand before the mouth for a while, the head tilted back a little."""
    curves = stage.start()
    side = int(stage.rng.random() < 0.7)
    mouth = np.array([-0.20, 0.36, 0.12]) + stage.rng.normal(0, 0.025, 3)
    phase = stage.phase(2.2)
    curves.hands[:, side] += stage.keys(phase, (0, REST_HAND), (0.3, mouth), (0.7, mouth), (1, REST_HAND))
    curves.hands[:, side] -= REST_HAND
    curves.poles[:, side] = np.array([0.75 * stage.style.elbow_out, 0.1, -0.8])
    tilt = stage.keys(phase, (0, 0.0), (0.3, 0.0), (0.5, 1.0), (0.65, 0.9), (0.85, 0.0), (1, 0.0))
    curves.nod_rad -= stage.rng.uniform(0.05, 0.3) * stage.style.amplitude * tilt
    return curves


def _hold_before_chest(stage: Stage) -> PoseCurves:
    """Both hands before the chest, the head bent down to them, one hand busy now and then."""
    curves = stage.start()
    height = stage.rng.uniform(-0.4, -0.2)
    held = np.array([stage.rng.uniform(-0.16, -0.1), stage.rng.uniform(0.48, 0.6), height])
    phase = stage.phase(1.1, hold=True)
    for side in range(2):
        curves.hands[:, side] += stage.keys(phase, (0, REST_HAND), (1, held)) - REST_HAND
        curves.poles[:, side] = np.array([0.5 * stage.style.elbow_out, -0.3, -0.85])
    curves.nod_rad += stage.rng.uniform(0.25, 0.5) * phase
    busy = int(stage.rng.integers(2))
    curves.hands[:, busy, 2] += 0.03 * phase * stage.wobble(1.2)
    return curves


def _reach_out(stage: Stage) -> PoseCurves:
    """One hand goes to a place before the body and moves to and fro there."""
    curves = stage.start()
    side = int(stage.rng.random() < 0.7)
    place = np.array(
        [stage.rng.uniform(-0.2, 0.0), stage.rng.uniform(0.72, 0.85), stage.rng.uniform(-0.25, 0.0)]
    )
    phase = stage.phase(2.2)
    path = stage.keys(phase, (0, REST_HAND), (0.3, place), (0.75, place), (1, REST_HAND))
    envelope = stage.keys(phase, (0, 0.0), (0.3, 1.0), (0.75, 1.0), (1, 0.0))
    cycles = stage.rng.integers(2, 5)
    path[:, 1] -= 0.06 * envelope * (0.5 - 0.5 * np.cos(2 * np.pi * cycles * phase))
    curves.hands[:, side] += path - REST_HAND
    curves.look_rad += (0.12 if side == 0 else -0.12) * envelope
    return curves


def _at(joints: np.ndarray, name: str) -> np.ndarray:
    return np.asarray(joints[:, INDEX[name]])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _acting_hand(joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wrist and hand (T, 3) of the arm that rises higher."""
    left, right = (_at(joints, f"{side}_wrist")[:, 2].max() for side in ("left", "right"))
    side = "left" if left >= right else "right"
    return _at(joints, f"{side}_wrist"), _at(joints, f"{side}_hand")


def _colour(rng: np.random.Generator, low: float, high: float, *, spread: float) -> np.ndarray:
    """(3,) float32 sRGB: a grey level from low to high, and a tint."""
    return np.clip(rng.uniform(low, high) + rng.normal(0, spread, 3), 8, 250).astype(np.float32)


def _cup(joints: np.ndarray, rng: np.random.Generator) -> tuple[Prop, ...]:
    wrist, hand = _acting_hand(joints)
    up = np.array([0.0, 0.0, rng.uniform(0.07, 0.085)])
    middle = 0.2 * wrist + 0.8 * hand
    return (
        Prop(middle - up, middle + up, float(rng.uniform(0.045, 0.055)), _colour(rng, 130, 230, spread=50)),
    )


def _phone(joints: np.ndarray, rng: np.random.Generator) -> tuple[Prop, ...]:
    wrist, hand = _acting_hand(joints)
    lateral = _unit(_at(joints, "left_shoulder") - _at(joints, "right_shoulder"))
    up = np.array([0.0, 0.0, 0.5 * rng.uniform(0.17, 0.19)])
    middle = 0.1 * wrist + 0.9 * hand
    colour = _colour(rng, 12, 50, spread=6)
    return (Prop(middle - up, middle + up, float(rng.uniform(0.042, 0.05)), colour, lateral, 0.15, 0.1),)


def _pill(joints: np.ndarray, rng: np.random.Generator) -> tuple[Prop, ...]:
    _, hand = _acting_hand(joints)
    return (
        Prop(
            hand,
            hand + np.array([0.0, 0.0, 0.008]),
            float(rng.uniform(0.006, 0.009)),
            np.array(_PEARL, np.float32),
        ),
    )


def _before_eyes(joints: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Middle between the hands (T, 3), the own left, and up along a page that faces the reader."""
    left, right = _at(joints, "left_hand"), _at(joints, "right_hand")
    lateral = _unit(_at(joints, "left_shoulder") - _at(joints, "right_shoulder"))
    middle = 0.5 * (left + right)
    sight = (_at(joints, "head") - middle) * [1.0, 1.0, 0.5]  # held steeper than straight at the eyes
    normal = _unit(sight - (sight * lateral).sum(-1, keepdims=True) * lateral)
    return middle, lateral, np.cross(normal, lateral)


def _book(joints: np.ndarray, rng: np.random.Generator) -> tuple[Prop, ...]:
    """Two halves in a V, pages at their rims."""
    middle, lateral, up = _before_eyes(joints)
    half, width = 0.5 * rng.uniform(0.27, 0.32), rng.uniform(0.1, 0.12)
    texture = np.tile(_colour(rng, 70, 200, spread=70), (24, 1))
    texture[:3] = texture[-3:] = _PEARL
    away = 0.45 * np.cross(lateral, up)
    halves = []
    for sign in (1.0, -1.0):
        slope = _unit(sign * lateral + away)
        spot = middle + 0.9 * width * slope
        halves.append(Prop(spot - half * up, spot + half * up, float(width), texture, slope, 0.12, 0.05))
    return tuple(halves)


def _tablet(joints: np.ndarray, rng: np.random.Generator) -> tuple[Prop, ...]:
    middle, lateral, up = _before_eyes(joints)
    half, width = 0.5 * rng.uniform(0.24, 0.28), rng.uniform(0.09, 0.11)
    colour = _colour(rng, 12, 55, spread=6)
    return (Prop(middle - half * up, middle + half * up, float(width), colour, lateral, 0.06, 0.05),)


def _post(joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the acting hand touches: (3,) the point, and (3,) away from the actor along the ground."""
    _, hand = _acting_hand(joints)
    reach = np.linalg.norm((hand - _at(joints, "pelvis"))[:, :2], axis=-1)
    step = int(reach.argmax())
    away = (hand[step] - _at(joints, "pelvis")[step]) * [1.0, 1.0, 0.0]
    return hand[step], away / np.linalg.norm(away)


def _standing(steps: int, point: np.ndarray, away: np.ndarray, rng: np.random.Generator) -> Prop:
    """A pole from the ground up to a thing at a point."""
    top = point + 0.06 * away
    foot = top * [1.0, 1.0, 0.0]
    rows = np.ones((steps, 1))
    return Prop(rows * foot, rows * top, float(rng.uniform(0.02, 0.03)), _colour(rng, 60, 190, spread=10))


def _button(joints: np.ndarray, rng: np.random.Generator) -> tuple[Prop, ...]:
    """A pole with a bright round button towards the actor."""
    point, away = _post(joints)
    rows = np.ones((len(joints), 1))
    bright = np.array([(215, 40, 35), (40, 170, 70), (235, 190, 40)][rng.integers(3)], np.float32)
    knob = Prop(
        rows * (point + 0.01 * away), rows * (point + 0.05 * away), float(rng.uniform(0.07, 0.085)), bright
    )
    return _standing(len(joints), point, away, rng), knob


def _sensor(joints: np.ndarray, rng: np.random.Generator) -> tuple[Prop, ...]:
    """A pole with an upright dark box, a light on top."""
    point, away = _post(joints)
    rows = np.ones((len(joints), 1))
    lateral = rows * np.cross(away, [0.0, 0.0, 1.0])
    up = np.array([0.0, 0.0, rng.uniform(0.12, 0.14)])
    texture = np.tile(_colour(rng, 15, 60, spread=5), (24, 1))
    texture[-4:] = (90, 200, 255)
    spot = point + 0.04 * away
    box = Prop(
        rows * (spot - up), rows * (spot + up), float(rng.uniform(0.07, 0.085)), texture, lateral, 0.35, 0.1
    )
    return _standing(len(joints), point, away, rng), box


OBJECT_ACTIONS: Mapping[str, ObjectAction] = {
    "drink_from_cup": ObjectAction(_hand_to_mouth, _cup),
    "speak_into_phone": ObjectAction(_hand_to_mouth, _phone),
    "take_pill": ObjectAction(_hand_to_mouth, _pill),
    "read_book": ObjectAction(_hold_before_chest, _book),
    "use_tablet": ObjectAction(_hold_before_chest, _tablet),
    "push_button": ObjectAction(_reach_out, _button),
    "wave_at_sensor": ObjectAction(_reach_out, _sensor),
}
