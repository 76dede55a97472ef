"""What is done: an action and its actors -> 3-D joints and props over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from heatpool.extract.demo import duets, solos
from heatpool.extract.demo.kinematics import INDEX, JOINTS, PoseCurves, neutral, solve
from heatpool.extract.demo.objects import OBJECT_ACTIONS
from heatpool.extract.demo.props import Chair, Prop, hand_item
from heatpool.extract.demo.stage import Stage, idle
from heatpool.extract.demo.subjects import Subject

_SOLOS: dict[str, Callable[[Stage], PoseCurves]] = {
    "stand_up": solos.stand_up,
    "sit_down": solos.sit_down,
    "wave_left_hand": solos.wave_left_hand,
    "wave_right_hand": solos.wave_right_hand,
    "push": solos.push,
    "pull": solos.pull,
    "drink": solos.drink,
    "phone_call": solos.phone_call,
    "clap": solos.clap,
    "pick_up": solos.pick_up,
    "kick": solos.kick,
    "jump": solos.jump,
}
_DUETS: dict[str, Callable[[Stage, Stage], tuple[PoseCurves, PoseCurves]]] = {
    "shake_hands": duets.shake_hands,
    "punch": duets.punch,
    "walk_towards": duets.walk_towards,
    "walk_apart": duets.walk_apart,
}
ACTIONS: tuple[str, ...] = (*_SOLOS, *_DUETS, *OBJECT_ACTIONS)
_SEATED = ("stand_up", "sit_down")
_HELD = {"drink": "cup", "phone_call": "phone"}


@dataclass(frozen=True)
class Performance:
    """One performed action.

    Attributes:
        joints_xyz_m: (T, P, len(JOINTS), 3) world positions; the first 17 joints are COCO's.
        chair: the seat that is used, if any.
        props: things held in hands or touched.
    """

    joints_xyz_m: np.ndarray
    chair: Chair | None = None
    props: tuple[Prop, ...] = ()

    def __post_init__(self) -> None:
        shape = self.joints_xyz_m.shape
        if len(shape) != 4 or shape[2:] != (len(JOINTS), 3):
            raise ValueError(f"expected joints_xyz_m (T, P, {len(JOINTS)}, 3), got {shape}")
        if not np.isfinite(self.joints_xyz_m).all():
            raise ValueError("expected finite joints_xyz_m, got NaN or infinity")


def persons_of(action: str) -> int:
    """Number of people in ``action``; ValueError for an unknown action."""
    if action not in ACTIONS:
        raise ValueError(f"expected one of {', '.join(ACTIONS)}, got {action!r}")
    return 2 if action in _DUETS else 1


def perform(
    action: str,
    subjects: Sequence[Subject],
    *,
    frames: int,
    rng: np.random.Generator,
    times: np.ndarray | None = None,
) -> Performance:
    """Perform ``action``.

    Args:
        action: one of ``ACTIONS``.
        subjects: the actors, ``persons_of(action)`` of them.
        frames: length at 30 frames a second.
        rng: source of everything that differs between two performances.
        times: (T,) only these moments as fractions of the clip; default every frame.

    Returns:
        Performance of T steps (``frames`` by default).
    """
    if len(subjects) != persons_of(action):
        raise ValueError(f"expected {persons_of(action)} subjects for {action}, got {len(subjects)}")
    u = np.arange(frames) / max(frames - 1, 1) if times is None else np.asarray(times, dtype=float)
    stages = [Stage(subject, u, frames / 30.0, rng) for subject in subjects]
    chair = None
    all_curves: tuple[PoseCurves, ...]
    if action in _DUETS:
        all_curves = _DUETS[action](stages[0], stages[1])
    else:
        motion = OBJECT_ACTIONS[action].motion if action in OBJECT_ACTIONS else _SOLOS[action]
        curves = motion(stages[0])
        curves.root_m += rng.uniform(-0.18, 0.18, 2)
        curves.yaw_rad += rng.triangular(-0.78, 0.0, 0.78)
        if action in _SEATED:
            chair = Chair.behind(subjects[0], curves.root_m[0], float(curves.yaw_rad[0]), rng)
        all_curves = (curves,)
    for stage, curves in zip(stages, all_curves, strict=True):
        idle(curves, stage)
    joints = np.stack([solve(c, s) for c, s in zip(all_curves, subjects, strict=True)], axis=1)
    return Performance(joints, chair, _props(action, joints, rng))


def _props(action: str, joints: np.ndarray, rng: np.random.Generator) -> tuple[Prop, ...]:
    """What the action needs; now and then something in the hand of any other actor."""
    if action in OBJECT_ACTIONS:
        return OBJECT_ACTIONS[action].things(joints[:, 0], rng)
    if action in _HELD:
        return () if rng.random() < 0.25 else (hand_item(_HELD[action], joints, 0, acting_side(joints), rng),)
    if action != "clap" and rng.random() < 0.2:
        kind = ("cup", "phone")[rng.integers(2)]
        return (hand_item(kind, joints, int(rng.integers(joints.shape[1])), int(rng.integers(2)), rng),)
    return ()


def acting_side(joints: np.ndarray) -> int:
    """0 if the first person's left hand rises highest, 1 if the right one."""
    heights = [joints[:, 0, INDEX[f"{side}_wrist"], 2].max() for side in ("left", "right")]
    return int(heights[1] > heights[0])


def random_motion(subject: Subject, *, steps: int, rng: np.random.Generator) -> Performance:
    """Random poses for training: moments of the actions, random limbs, and blends of both.

    Returns:
        Performance of one person and ``steps`` unrelated moments, standing near the origin with any heading.
    """
    u = np.sort(rng.random(steps))
    stage = Stage(subject, u, 2.0, rng)
    mode = rng.random()
    if mode < 0.55:
        name = tuple(_SOLOS)[rng.integers(len(_SOLOS))]
        curves = _SOLOS[name](stage)
    else:
        curves = neutral(steps, subject)
    if mode > 0.45:
        _scramble(curves, rng)
    curves.yaw_rad += rng.uniform(-np.pi, np.pi) if rng.random() < 0.5 else rng.uniform(-1.6, 1.6)
    idle(curves, stage)
    joints = solve(curves, subject)[:, None]
    props: tuple[Prop, ...] = ()
    if rng.random() < 0.25:
        props = (hand_item(("cup", "phone")[rng.integers(2)], joints, 0, int(rng.integers(2)), rng),)
    return Performance(joints, None, props)


def _scramble(curves: PoseCurves, rng: np.random.Generator) -> None:
    """Random trunk, arms and legs on top of ``curves``, in place."""
    steps = len(curves.yaw_rad)
    curves.lean_rad += rng.normal(0, 0.18, steps) + (rng.random() < 0.2) * rng.uniform(0, 1.0, steps)
    curves.side_rad += rng.normal(0, 0.1, steps)
    curves.twist_rad += rng.normal(0, 0.3, steps)
    curves.nod_rad += rng.normal(0, 0.25, steps)
    curves.look_rad += rng.normal(0, 0.4, steps)
    for side in range(2):
        if rng.random() < 0.75:
            direction = rng.normal(0, 1, (steps, 3)) + np.array([0.35, 0.7, 0.0])
            direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
            curves.hands[:, side] = direction * rng.uniform(0.35, 1.0, (steps, 1))
            curves.poles[:, side] += rng.normal(0, 0.35, (steps, 3))
        if rng.random() < 0.4:
            curves.feet[:, side] += rng.normal(0, 1, (steps, 3)) * np.array([0.04, 0.1, 0.0])
        if rng.random() < 0.15:
            curves.feet[:, side] += np.abs(rng.normal(0, 1, (steps, 3))) * np.array([0.06, 0.12, 0.14])
    curves.lift -= (rng.random() < 0.3) * rng.uniform(0, 0.22, steps)
