"""Kinematic model: pose curves -> 3-D joints (forward kinematics plus two-bone inverse kinematics).

World frame: x right and y away from the middle camera, z up, metres, ground at z = 0.  A person with yaw 0
looks at the middle camera (-y), so the own left side is at +x.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heatpool.extract.demo.subjects import Lengths, Subject, lengths_of
from heatpool.pool.skeleton import COCO17_SKELETON

EXTRA_JOINTS = (
    "neck", "head", "pelvis", "left_hand", "right_hand", "left_heel", "right_heel", "left_toe", "right_toe",
)  # fmt: skip
JOINTS = COCO17_SKELETON.joint_names + EXTRA_JOINTS
INDEX = {name: position for position, name in enumerate(JOINTS)}

# Where a relaxed hand hangs: (outward, forward, up) from the shoulder in arm lengths.
REST_HAND = np.array([0.13, 0.07, -0.96])
_SIDES = ((0, 1.0), (1, -1.0))


Axes = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Unit vectors (T, 3) to the own left, forward and up."""


@dataclass
class PoseCurves:
    """Pose of one person over T steps; a builder which the actions fill in.

    Directions of limbs are (outward, forward, up): outward is away from the middle, so one value serves
    both sides.

    Attributes:
        root_m: (T, 2) place on the ground, world metres.
        yaw_rad: (T,) heading, 0 = towards the middle camera, positive = to the person's left.
        lift: (T,) pelvis height above a relaxed stand, in statures.
        shift: (T, 2) pelvis shift (left, forward) over the feet, in statures.
        lean_rad, side_rad, twist_rad: (T,) trunk bent forward, to the left, shoulders turned to the left.
        nod_rad, look_rad: (T,) head bent down, head turned to the left.
        hands: (T, 2, 3) wrist targets (left, right) from the shoulder in arm lengths, chest frame.
        poles: (T, 2, 3) direction the elbows point to, chest frame.
        reach_m: (T, 2, 3) wrist targets in the world; used with weight ``reach`` (T, 2).
        feet: (T, 2, 3) ankle offsets from the neutral stance in statures, heading frame.
        toe_rad: (T, 2) toes pointed down.
    """

    root_m: np.ndarray
    yaw_rad: np.ndarray
    lift: np.ndarray
    shift: np.ndarray
    lean_rad: np.ndarray
    side_rad: np.ndarray
    twist_rad: np.ndarray
    nod_rad: np.ndarray
    look_rad: np.ndarray
    hands: np.ndarray
    poles: np.ndarray
    reach_m: np.ndarray
    reach: np.ndarray
    feet: np.ndarray
    toe_rad: np.ndarray


def neutral(steps: int, subject: Subject) -> PoseCurves:
    """A relaxed stand at the origin, looking at the middle camera."""
    style = subject.style
    zeros = np.zeros(steps)
    pole = np.array([0.45 * style.elbow_out, -0.75, -0.35])
    return PoseCurves(
        root_m=np.zeros((steps, 2)),
        yaw_rad=zeros.copy(),
        lift=zeros.copy(),
        shift=np.zeros((steps, 2)),
        lean_rad=zeros + style.lean_rad,
        side_rad=zeros.copy(),
        twist_rad=zeros.copy(),
        nod_rad=zeros.copy(),
        look_rad=zeros.copy(),
        hands=np.tile(REST_HAND, (steps, 2, 1)),
        poles=np.tile(pole, (steps, 2, 1)),
        reach_m=np.zeros((steps, 2, 3)),
        reach=np.zeros((steps, 2)),
        feet=np.zeros((steps, 2, 3)),
        toe_rad=np.zeros((steps, 2)),
    )


def curve(u: np.ndarray, keys: Sequence[tuple[float, object]], sharpness: float = 1.0) -> np.ndarray:
    """Eased interpolation through key values.

    Args:
        u: (T,) time, any unit.
        keys: (time, value) with ascending times; values are numbers or equal-shape arrays.
        sharpness: 0 linear, 1 minimum jerk (Flash and Hogan 1985), above 1 more abrupt.

    Returns:
        (T, ...) values; constant before the first and after the last key.
    """
    times = np.array([time for time, _ in keys], dtype=float)
    values = np.array([np.asarray(value, dtype=float) for _, value in keys])
    left = np.clip(np.searchsorted(times, u, side="right") - 1, 0, len(times) - 2)
    s = np.clip((u - times[left]) / np.maximum(times[left + 1] - times[left], 1e-6), 0, 1)
    if sharpness > 1:
        s = np.clip((s - 0.5) * (1 + 0.5 * (sharpness - 1)) + 0.5, 0, 1)
    jerk = s**3 * (10 - 15 * s + 6 * s * s)
    s = jerk if sharpness >= 1 else s + sharpness * (jerk - s)
    s = s.reshape(s.shape + (1,) * (values.ndim - 1))
    return np.asarray(values[left] * (1 - s) + values[left + 1] * s)


def two_bone(
    start: np.ndarray, target: np.ndarray, *, first: float, second: float, pole: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Two-bone inverse kinematics by the law of cosines.

    Args:
        start: (..., 3) root of the chain.
        target: (..., 3) wanted end; drawn in to the reachable shell.
        first: length of the first bone.
        second: length of the second bone.
        pole: (..., 3) direction the middle joint bends to.

    Returns:
        (middle, end), each (..., 3).
    """
    offset = target - start
    distance = np.linalg.norm(offset, axis=-1, keepdims=True)
    along = offset / np.maximum(distance, 1e-9)
    distance = np.clip(distance, abs(first - second) + 0.15 * min(first, second), 0.9985 * (first + second))
    cosine = np.clip((first**2 + distance**2 - second**2) / (2 * first * distance), -1, 1)
    across = pole - (pole * along).sum(-1, keepdims=True) * along
    across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-9)
    middle = start + first * (cosine * along + np.sqrt(1 - cosine**2) * across)
    return middle, start + distance * along


def _column(values: np.ndarray) -> np.ndarray:
    return values[:, None]


def _turn(first: np.ndarray, second: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotate two orthogonal axes (T, 3) in their plane: first towards second by ``angle`` (T,)."""
    cos, sin = _column(np.cos(angle)), _column(np.sin(angle))
    return cos * first + sin * second, cos * second - sin * first


def _basis(yaw: np.ndarray) -> Axes:
    zero = np.zeros_like(yaw)
    left = np.stack([np.cos(yaw), np.sin(yaw), zero], -1)
    forward = np.stack([np.sin(yaw), -np.cos(yaw), zero], -1)
    return left, forward, np.broadcast_to(np.array([0.0, 0.0, 1.0]), left.shape)


def _world(local: np.ndarray, basis: Axes, sign: float) -> np.ndarray:
    """(T, 3) (outward, forward, up) in ``basis`` -> world direction; ``sign`` +1 left side, -1 right side."""
    left, forward, up = basis
    return np.asarray(sign * local[:, :1] * left + local[:, 1:2] * forward + local[:, 2:] * up)


def solve(curves: PoseCurves, subject: Subject) -> np.ndarray:
    """Joints of ``subject`` in the pose ``curves``.

    Returns:
        (T, len(JOINTS), 3) float64, world metres.
    """
    size = lengths_of(subject)
    joints = np.zeros((len(curves.yaw_rad), len(JOINTS), 3))
    left, forward, up = _basis(curves.yaw_rad)
    stature = subject.stature_m
    pelvis = np.zeros((len(left), 3))
    pelvis[:, :2] = curves.root_m
    pelvis[:, 2] = size.stand_pelvis + curves.lift * stature
    pelvis += stature * (curves.shift[:, :1] * left + curves.shift[:, 1:] * forward)
    up_t, forward_t = _turn(up, forward, curves.lean_rad)
    up_t, left_t = _turn(up_t, left, curves.side_rad)
    forward_t, left_t = _turn(forward_t, left_t, curves.twist_rad)
    neck = pelvis + size.torso * up_t
    joints[:, INDEX["pelvis"]] = pelvis
    joints[:, INDEX["neck"]] = neck
    _solve_head(joints, curves, size, (left_t, forward_t, up_t), neck)
    _solve_arms(joints, curves, size, (left_t, forward_t, up_t), neck)
    _solve_legs(joints, curves, subject, (left, forward, up), pelvis)
    return joints


def _solve_head(joints: np.ndarray, curves: PoseCurves, size: Lengths, chest: Axes, neck: np.ndarray) -> None:
    left, forward, up = chest
    # The neck levels the head: it takes over only part of the trunk's bend.
    level = 0.45 * up + 0.55 * np.array([0.0, 0.0, 1.0])
    up = level / np.linalg.norm(level, axis=-1, keepdims=True)
    left = left - (left * up).sum(-1, keepdims=True) * up
    left /= np.linalg.norm(left, axis=-1, keepdims=True)
    forward = np.cross(left, up)
    forward, left = _turn(forward, left, curves.look_rad)
    up, forward = _turn(up, forward, curves.nod_rad)
    head = neck + size.neck_to_head * up + 0.12 * size.head_radius * forward
    radius = size.head_radius
    joints[:, INDEX["head"]] = head
    joints[:, INDEX["nose"]] = head + radius * (1.06 * forward - 0.18 * up)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        joints[:, INDEX[f"{side}_eye"]] = head + radius * (0.90 * forward + 0.36 * sign * left + 0.12 * up)
        joints[:, INDEX[f"{side}_ear"]] = head + radius * (-0.05 * forward + 0.96 * sign * left - 0.05 * up)


def _solve_arms(joints: np.ndarray, curves: PoseCurves, size: Lengths, chest: Axes, neck: np.ndarray) -> None:
    for index, sign in _SIDES:
        side = ("left", "right")[index]
        shoulder = neck + sign * size.shoulder_half * chest[0] - 0.06 * size.torso * chest[2]
        target = shoulder + size.arm * _world(curves.hands[:, index], chest, sign)
        weight = curves.reach[:, index, None]
        target = (1 - weight) * target + weight * curves.reach_m[:, index]
        pole = _world(curves.poles[:, index], chest, sign)
        elbow, wrist = two_bone(shoulder, target, first=size.upper_arm, second=size.forearm, pole=pole)
        along = wrist - elbow
        along /= np.linalg.norm(along, axis=-1, keepdims=True)
        joints[:, INDEX[f"{side}_shoulder"]] = shoulder
        joints[:, INDEX[f"{side}_elbow"]] = elbow
        joints[:, INDEX[f"{side}_wrist"]] = wrist
        joints[:, INDEX[f"{side}_hand"]] = wrist + size.hand * along


def _solve_legs(
    joints: np.ndarray, curves: PoseCurves, subject: Subject, heading: Axes, pelvis: np.ndarray
) -> None:
    size, stature = lengths_of(subject), subject.stature_m
    left, forward, up = heading
    root = np.zeros_like(pelvis)
    root[:, :2] = curves.root_m
    for index, sign in _SIDES:
        side = ("left", "right")[index]
        hip = pelvis + sign * size.hip_half * left
        stance = sign * (size.hip_half + 0.012 * stature * subject.style.stance) * left
        target = (
            root + stance + size.ankle_height * up + stature * _world(curves.feet[:, index], heading, sign)
        )
        pole = forward + 0.22 * sign * left
        knee, ankle = two_bone(hip, target, first=size.thigh, second=size.shin, pole=pole)
        splay = forward + 0.22 * sign * left
        splay /= np.linalg.norm(splay, axis=-1, keepdims=True)
        toes, sole = _turn(splay, -up, curves.toe_rad[:, index])
        joints[:, INDEX[f"{side}_hip"]] = hip
        joints[:, INDEX[f"{side}_knee"]] = knee
        joints[:, INDEX[f"{side}_ankle"]] = ankle
        drop = 0.55 * size.ankle_height * sole
        joints[:, INDEX[f"{side}_heel"]] = ankle - 0.25 * size.foot * toes + drop
        joints[:, INDEX[f"{side}_toe"]] = ankle + size.foot * toes + drop
