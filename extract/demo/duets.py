"""Actions of two people who face each other; slot 0 or 1 may stand on either side."""

from __future__ import annotations

import numpy as np

from heatpool.extract.demo.kinematics import REST_HAND, PoseCurves
from heatpool.extract.demo.stage import Stage

Pair = tuple[PoseCurves, PoseCurves]


def _face_off(first: Stage, second: Stage, apart_m: float) -> tuple[PoseCurves, PoseCurves, np.ndarray]:
    """Two people ``apart_m`` from each other, turned towards each other.

    Returns:
        both curves and the unit vector (2,) from the first to the second person.
    """
    rng = first.rng
    angle = rng.uniform(-0.6, 0.6) + (np.pi if rng.random() < 0.5 else 0.0)
    axis = np.array([np.cos(angle), np.sin(angle)])
    centre = rng.uniform(-0.12, 0.12, 2)
    pair = first.start(), second.start()
    for curves, sign in zip(pair, (-1.0, 1.0), strict=True):
        curves.root_m += centre + sign * 0.5 * apart_m * axis
        facing = -sign * axis
        curves.yaw_rad += np.arctan2(facing[0], -facing[1])
    return pair[0], pair[1], axis


def shake_hands(first: Stage, second: Stage) -> Pair:
    """Both offer the right hand, shake, let go."""
    apart = 0.36 * (first.stature + second.stature) * first.rng.uniform(0.62, 0.72) * 1.6
    a, b, _ = _face_off(first, second, apart)
    rng = first.rng
    phase = first.phase(2.2)
    meet = np.append((a.root_m[0] + b.root_m[0]) / 2, 0.60 * (first.stature + second.stature) / 2)
    shakes = max(2, round(rng.uniform(2.2, 3.6) * first.seconds / 2.2))
    grip = first.keys(phase, (0, 0.0), (0.3, 1.0), (0.72, 1.0), (1, 0.0))
    pump = np.sin(2 * np.pi * shakes * phase) * np.clip(2 * grip - 1, 0, 1) * 0.05 * first.style.amplitude
    for stage, curves, own in (
        (first, a, grip),
        (second, b, np.roll(grip, 0) ** second.rng.uniform(0.8, 1.3)),
    ):
        facing = np.stack([np.sin(curves.yaw_rad), -np.cos(curves.yaw_rad)], -1)
        curves.reach_m[:, 1] = meet
        # The wrist stops a hand's length before the meeting point.
        curves.reach_m[:, 1, :2] -= 0.55 * stage.size.hand * facing
        curves.reach_m[:, 1, 2] += pump
        curves.reach[:, 1] = own
        curves.hands[:, 1] += (np.array([0.05, 0.55, -0.5]) - REST_HAND) * own[:, None]
        curves.lean_rad += 0.1 * own * stage.style.amplitude
        curves.twist_rad += 0.22 * own
        curves.nod_rad += 0.12 * own
        curves.feet[:, 1, 1] += 0.06
    return a, b


def punch(first: Stage, second: Stage) -> Pair:
    """One hits at the other's head or chest; the other recoils.  Either slot may be the attacker."""
    rng = first.rng
    apart = 0.50 * (first.stature + second.stature) / 2 * rng.uniform(1.0, 1.12) + 0.05
    a, b, axis = _face_off(first, second, apart)
    phase = first.phase(1.6)
    attacker, victim, direction = (first, a, 1.0), (second, b, 1.0), axis
    if rng.random() < 0.5:
        attacker, victim, direction = (second, b, 1.0), (first, a, 1.0), -axis
    _attack(attacker[0], attacker[1], phase, victim[1], victim[0])
    _recoil(victim[0], victim[1], phase, direction)
    return a, b


def _attack(stage: Stage, curves: PoseCurves, phase: np.ndarray, other: PoseCurves, victim: Stage) -> None:
    side = int(stage.rng.random() < 0.6)
    sign = 1.0 if side == 0 else -1.0
    height = victim.stature * stage.rng.uniform(0.72, 0.92)
    guard = np.array([-0.08, 0.34, -0.1])
    for hand in range(2):
        path = stage.keys(phase, (0, REST_HAND), (0.24, guard), (0.72, guard), (1, REST_HAND))
        curves.hands[:, hand] += path - REST_HAND
    blow = stage.keys(phase, (0, 0.0), (0.32, -0.25), (0.45, 1.0), (0.52, 1.0), (0.7, 0.0), (1, 0.0))
    place = other.root_m - 0.1 * (other.root_m - curves.root_m)
    curves.reach_m[:, side] = np.concatenate([place, np.full((len(phase), 1), height)], -1)
    curves.reach[:, side] = np.clip(blow, 0, 1)
    curves.hands[:, side, 1] += 0.25 * np.clip(blow, -1, 0)
    # Turning the punching shoulder forward: the right one comes forward when turning left.
    curves.twist_rad -= sign * 0.55 * blow * stage.style.amplitude
    curves.lean_rad += 0.2 * np.clip(blow, 0, 1)
    curves.shift[:, 1] += 0.07 * np.clip(blow, 0, 1)
    curves.feet[:, 1 - side, 1] += 0.09
    curves.feet[:, side, 1] -= 0.06


def _recoil(stage: Stage, curves: PoseCurves, phase: np.ndarray, away: np.ndarray) -> None:
    hit = stage.keys(phase, (0, 0.0), (0.42, 0.0), (0.56, 1.0), (0.7, 0.8), (1, 0.25)) * stage.style.amplitude
    curves.lean_rad -= 0.32 * hit
    curves.nod_rad -= 0.3 * hit
    curves.twist_rad += stage.rng.choice([-1.0, 1.0]) * 0.35 * hit
    curves.shift[:, 1] -= 0.06 * hit
    step = stage.keys(phase, (0, 0.0), (0.46, 0.0), (0.66, 1.0), (1, 1.0))
    curves.root_m += 0.14 * step[:, None] * away
    lifted = np.clip(4 * step * (1 - step), 0, 1)
    curves.feet[:, int(stage.rng.integers(2)), 2] += 0.05 * lifted
    for hand in range(2):
        curves.hands[:, hand] += hit[:, None] * np.array([0.15, 0.45, 0.45]) * stage.rng.uniform(0.5, 1.1)


def _walk(stage: Stage, curves: PoseCurves, travelled_m: np.ndarray, speed: np.ndarray) -> None:
    """Feet and arms for a walk: ``travelled_m`` (T,) forward, ``speed`` (T,) 0..1 of the full speed."""
    stature = stage.stature
    stride = stature * stage.rng.uniform(0.72, 0.85) * stage.style.amplitude**0.3
    cycle = travelled_m / stride + stage.rng.random()
    blend = np.clip(2.5 * speed, 0, 1)
    for side in range(2):
        part = (cycle + 0.5 * side) % 1.0
        stance = part < 0.56
        swing = np.clip((part - 0.56) / 0.44, 0, 1)
        eased = swing * swing * (3 - 2 * swing)
        reach = 0.28 * stride
        forward = np.where(stance, reach * (1 - 2 * part / 0.56), reach * (2 * eased - 1))
        height = np.where(stance, 0.0, 0.055 * stature * np.sin(np.pi * swing))
        curves.feet[:, side, 1] += blend * forward / stature
        curves.feet[:, side, 2] += blend * height / stature
        curves.toe_rad[:, side] += blend * np.where(stance, 0.0, 0.5 * np.sin(np.pi * swing) * (1 - swing))
        curves.hands[:, side, 1] -= blend * 0.38 * stage.style.amplitude * forward / reach
        curves.hands[:, side, 2] += blend * 0.06
    curves.lift -= blend * (0.012 + 0.008 * np.cos(4 * np.pi * cycle))
    curves.twist_rad += blend * 0.12 * np.sin(2 * np.pi * cycle)
    curves.lean_rad += 0.05 * blend


def _approach(first: Stage, second: Stage, sign: float) -> Pair:
    rng = first.rng
    near, far = rng.uniform(0.75, 0.95), rng.uniform(2.1, 2.5)
    a, b, axis = _face_off(first, second, near)
    for stage, curves, towards in ((first, a, axis), (second, b, -axis)):
        phase = stage.phase(2.0)
        keys = ((0, 0.0), (0.12, 0.02), (0.88, 0.98), (1, 1.0))
        done = np.interp(phase, [k for k, _ in keys], [v for _, v in keys])
        done = done * done * (3 - 2 * done) * 0.5 + done * 0.5
        speed = np.clip(np.minimum(phase, 1 - phase) * 9, 0, 1)
        path = (far - near) / 2 * (1 - done if sign > 0 else done)
        curves.root_m += -path[:, None] * towards
        travelled = (far - near) / 2 * done
        if sign < 0:
            # Turn round first (on the spot), then leave.
            turn = stage.keys(phase, (0, 0.0), (0.16, 1.0), (1, 1.0))
            curves.yaw_rad += np.pi * turn * stage.rng.choice([-1.0, 1.0])
        _walk(stage, curves, travelled, speed)
    return a, b


def walk_towards(first: Stage, second: Stage) -> Pair:
    """Both come from the sides and stop in front of each other."""
    return _approach(first, second, 1.0)


def walk_apart(first: Stage, second: Stage) -> Pair:
    """Both turn round and walk away from each other."""
    return _approach(first, second, -1.0)
