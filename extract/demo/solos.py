"""Actions of one person: each fills pose curves from key poses, timing and the actor's style."""

from __future__ import annotations

import numpy as np

from heatpool.extract.demo.kinematics import REST_HAND, PoseCurves
from heatpool.extract.demo.stage import Stage

SEAT_SHIFT = -0.215  # pelvis behind the feet when seated, in statures
SEAT_HEIGHT_M = 0.45
_SEAT_TO_HIP = 0.055  # hip joint above the seat, in statures
_ON_KNEE = np.array([-0.05, 0.62, -0.52])


def _set_seat(curves: PoseCurves, stage: Stage, seated: np.ndarray) -> None:
    """Bring the body onto a seat: ``seated`` (T,) runs 0 (stand) .. 1 (sit)."""
    size, stature = stage.size, stage.stature
    drop = (SEAT_HEIGHT_M + _SEAT_TO_HIP * stature - size.stand_pelvis) / stature
    curves.lift += drop * seated
    curves.shift[:, 1] += SEAT_SHIFT * seated**0.8
    # The trunk swings forward half-way, so the balance stays over the feet.
    bow = np.clip(4 * seated * (1 - seated), 0, None)
    curves.lean_rad += stage.rng.uniform(0.45, 0.7) * stage.style.amplitude * bow - 0.04 * seated
    curves.nod_rad += 0.15 * bow
    on_knee = _ON_KNEE + stage.rng.normal(0, 0.03, 3)
    reach_front = REST_HAND + np.array([0.05, 0.45, 0.2])
    weight = seated[:, None, None]
    curves.hands += weight * (on_knee - REST_HAND) + 0.5 * bow[:, None, None] * (reach_front - REST_HAND)
    curves.feet[:, :, 0] += 0.02


def stand_up(stage: Stage) -> PoseCurves:
    """From a chair to a stand."""
    curves = stage.start()
    _set_seat(curves, stage, stage.keys(stage.phase(1.4), (0, 1.0), (1, 0.0)))
    return curves


def sit_down(stage: Stage) -> PoseCurves:
    """From a stand onto a chair."""
    curves = stage.start()
    _set_seat(curves, stage, stage.keys(stage.phase(1.4), (0, 0.0), (1, 1.0)))
    return curves


def _lift_hand(curves: PoseCurves, side: int, path: np.ndarray) -> None:
    curves.hands[:, side] += path - REST_HAND


def _wave(stage: Stage, side: int) -> PoseCurves:
    curves = stage.start()
    amplitude = stage.style.amplitude
    phase = stage.phase(2.2)
    up = np.array([stage.rng.uniform(0.3, 0.5), 0.28, stage.rng.uniform(0.3, 0.55)])
    path = stage.keys(phase, (0, REST_HAND), (0.22, up), (0.8, up), (1, REST_HAND))
    cycles = max(2, round(stage.seconds * stage.rng.uniform(1.0, 1.5) * stage.style.speed**0.5))
    envelope = stage.keys(phase, (0, 0.0), (0.25, 1.0), (0.78, 1.0), (1, 0.0))
    swing = np.sin(2 * np.pi * cycles * phase) * envelope
    path = path + swing[:, None] * np.array([0.26, 0.0, -0.06]) * amplitude
    _lift_hand(curves, side, path)
    curves.poles[:, side] = np.array([0.8, -0.1, -0.7])
    curves.side_rad += (0.06 if side == 1 else -0.06) * -envelope
    return curves


def wave_left_hand(stage: Stage) -> PoseCurves:
    """Raise the left hand and wave."""
    return _wave(stage, 0)


def wave_right_hand(stage: Stage) -> PoseCurves:
    """Raise the right hand and wave."""
    return _wave(stage, 1)


def _arms_forward(stage: Stage, first: str) -> PoseCurves:
    curves = stage.start()
    rng, amplitude = stage.rng, stage.style.amplitude
    height = rng.uniform(-0.25, 0.02)
    near = np.array([rng.uniform(-0.08, 0.1), 0.34, height - 0.12])
    far = np.array([rng.uniform(-0.12, 0.02), 0.80 + 0.14 * min(amplitude, 1.15), height])
    if first == "near":
        # A push: gather slowly, then thrust and follow through.
        phase = stage.phase(1.9)
        path = stage.keys(
            phase, (0, REST_HAND), (0.30, near), (0.42, near), (0.58, far), (0.72, far), (1, REST_HAND)
        )
        force = stage.keys(phase, (0, 0.0), (0.36, -0.3), (0.6, 1.4), (0.72, 1.3), (1, 0.0))
    else:
        # A pull: reach, grip, haul back steadily, let go.
        phase = stage.phase(2.1)
        path = stage.keys(
            phase, (0, REST_HAND), (0.26, far), (0.38, far), (0.66, near), (0.74, near), (1, REST_HAND)
        )
        force = stage.keys(phase, (0, 0.0), (0.3, 0.4), (0.42, 0.2), (0.66, -1.4), (0.75, -1.2), (1, 0.0))
    for side in range(2):
        _lift_hand(curves, side, path)
    curves.lean_rad += 0.2 * amplitude * force
    curves.shift[:, 1] += 0.05 * amplitude * force
    curves.lift -= 0.012 * np.abs(force)
    back = int(rng.integers(2))
    curves.feet[:, back, 1] -= 0.09
    curves.feet[:, 1 - back, 1] += 0.05
    return curves


def push(stage: Stage) -> PoseCurves:
    """Both hands to the chest, then thrust forward."""
    return _arms_forward(stage, "near")


def pull(stage: Stage) -> PoseCurves:
    """Both hands forward, then hauled back to the chest."""
    return _arms_forward(stage, "far")


def drink(stage: Stage) -> PoseCurves:
    """One hand to the mouth, head tilted back, and down again."""
    curves = stage.start()
    side = int(stage.rng.random() < 0.7)
    mouth = np.array([-0.22, 0.34, 0.13]) + stage.rng.normal(0, 0.02, 3)
    phase = stage.phase(2.2)
    path = stage.keys(
        phase, (0, REST_HAND), (0.3, mouth), (0.68, mouth + np.array([0.02, -0.02, 0.05])), (1, REST_HAND)
    )
    _lift_hand(curves, side, path)
    curves.poles[:, side] = np.array([0.75 * stage.style.elbow_out, 0.1, -0.8])
    tilt = stage.keys(phase, (0, 0.0), (0.3, 0.0), (0.55, 1.0), (0.68, 0.9), (0.85, 0.0), (1, 0.0))
    curves.nod_rad -= 0.38 * stage.style.amplitude * tilt
    curves.lean_rad -= 0.06 * tilt
    return curves


def phone_call(stage: Stage) -> PoseCurves:
    """One hand to the ear, where it stays while the person talks."""
    curves = stage.start()
    side = int(stage.rng.random() < 0.7)
    ear = np.array([-0.06, 0.17, 0.20]) + stage.rng.normal(0, 0.02, 3)
    phase = stage.phase(0.9, hold=True)
    _lift_hand(curves, side, stage.keys(phase, (0, REST_HAND), (1, ear)))
    curves.poles[:, side] = np.array([0.9 * stage.style.elbow_out, 0.15, -0.75])
    sign = 1.0 if side == 0 else -1.0
    curves.side_rad += 0.05 * sign * phase
    curves.nod_rad += phase * (0.12 + 0.07 * stage.wobble(1.2))
    curves.look_rad += phase * 0.2 * stage.wobble(0.4)
    if stage.rng.random() < 0.35:
        other = stage.keys(phase, (0, REST_HAND), (1, np.array([0.02, 0.35, -0.5])))
        _lift_hand(curves, 1 - side, other)
    return curves


def clap(stage: Stage) -> PoseCurves:
    """Both hands meet in front of the chest again and again."""
    curves = stage.start()
    rng = stage.rng
    height = rng.uniform(-0.1, 0.18)
    inner = -0.98 * stage.size.shoulder_half / stage.size.arm
    phase = stage.phase(2.3)
    closed = np.array([inner + 0.03, 0.52, height])
    opened = np.array([inner + 0.34 * stage.style.amplitude, 0.50, height - 0.03])
    cycles = max(3, round(stage.seconds * rng.uniform(1.5, 2.3) * stage.style.speed**0.5))
    beat = 0.5 - 0.5 * np.cos(2 * np.pi * cycles * phase)
    envelope = stage.keys(phase, (0, 0.0), (0.2, 1.0), (0.82, 1.0), (1, 0.0))[:, None]
    path = REST_HAND + envelope * (closed + beat[:, None] ** 0.8 * (opened - closed) - REST_HAND)
    for side in range(2):
        _lift_hand(curves, side, path)
        curves.poles[:, side] = np.array([0.6 * stage.style.elbow_out, -0.35, -0.8])
    return curves


def pick_up(stage: Stage) -> PoseCurves:
    """Bend down, take something from the ground, come up again."""
    curves = stage.start()
    rng, stature = stage.rng, stage.stature
    side = int(rng.random() < 0.65)
    phase = stage.phase(2.0)
    down = stage.keys(phase, (0, 0.0), (0.42, 1.0), (0.52, 1.0), (1, 0.0))
    squat = rng.uniform(0.10, 0.2)
    curves.lift -= squat * down
    curves.shift[:, 1] -= (0.05 + 0.2 * squat) * down
    curves.lean_rad += (1.35 - 2.2 * squat) * down
    curves.nod_rad += 0.25 * down
    place = np.array([rng.uniform(-0.02, 0.1), 0.24 * stature, 0.07])
    sign = 1.0 if side == 0 else -1.0
    curves.reach[:, side] = stage.keys(phase, (0, 0.0), (0.36, 1.0), (0.55, 1.0), (0.8, 0.0), (1, 0.0))
    curves.reach_m[:, side] = ground_point(curves, np.array([sign * place[0], place[1]]), place[2])
    curves.hands[:, side] += (np.array([0.05, 0.5, -0.62]) - REST_HAND) * down[:, None]
    hang = np.array([0.1, 0.62, -0.75]) if rng.random() < 0.6 else np.array([0.0, 0.35, -0.6])
    curves.hands[:, 1 - side] += (hang - REST_HAND) * down[:, None]
    return curves


def ground_point(curves: PoseCurves, offset_m: np.ndarray, height_m: float) -> np.ndarray:
    """(T, 3) world point at ``offset_m`` (left, forward) of the actor and ``height_m`` above the ground."""
    yaw = curves.yaw_rad
    left = np.stack([np.cos(yaw), np.sin(yaw)], -1)
    forward = np.stack([np.sin(yaw), -np.cos(yaw)], -1)
    place = curves.root_m + offset_m[0] * left + offset_m[1] * forward
    return np.concatenate([place, np.full((len(yaw), 1), height_m)], axis=-1)


def kick(stage: Stage) -> PoseCurves:
    """Swing one leg back and kick forward."""
    curves = stage.start()
    side = int(stage.rng.random() < 0.65)
    amplitude = stage.style.amplitude * stage.rng.uniform(0.85, 1.15)
    phase = stage.phase(1.5)
    back = np.array([0.0, -0.17, 0.09])
    front = np.array([-0.01, 0.34, 0.20]) * amplitude
    home = np.zeros(3)
    curves.feet[:, side] += stage.keys(
        phase, (0, home), (0.3, back), (0.5, front), (0.62, front), (0.9, [0, 0.02, 0.02]), (1, home)
    )
    curves.toe_rad[:, side] += stage.keys(phase, (0, 0.0), (0.3, 0.8), (0.5, -0.2), (0.9, 0.1), (1, 0.0))
    swing = stage.keys(phase, (0, 0.0), (0.3, -0.6), (0.52, 1.0), (0.62, 0.9), (1, 0.0))
    sign = 1.0 if side == 0 else -1.0
    curves.lean_rad -= 0.22 * swing * amplitude
    curves.shift[:, 0] -= sign * 0.035 * np.abs(swing)
    curves.twist_rad -= sign * 0.3 * swing
    curves.hands[:, side] += np.clip(swing, 0, 1)[:, None] * np.array([0.35, -0.3, 0.2])
    curves.hands[:, 1 - side] += swing[:, None] * np.array([0.2, 0.4, 0.25])
    return curves


def jump(stage: Stage) -> PoseCurves:
    """Crouch and jump with both feet, once or several times."""
    curves = stage.start()
    times = int(np.clip(round(stage.seconds / 1.5 * stage.rng.uniform(0.7, 1.3)), 1, 4))
    phase = stage.phase(1.3 * times)
    cycle = np.where(phase < 1, (phase * times) % 1.0, 1.0)
    height = 0.13 * stage.style.amplitude * stage.rng.uniform(0.85, 1.25)
    air = np.clip((cycle - 0.42) / 0.30, 0, 1)
    flight = 4 * air * (1 - air) * height
    crouch = stage.keys(cycle, (0, 0.0), (0.3, 1.0), (0.43, 0.0), (0.71, 0.0), (0.8, 0.8), (1, 0.0))
    curves.lift += flight - 0.11 * crouch
    curves.feet[:, :, 2] += flight[:, None] * stage.rng.uniform(0.95, 1.15)
    curves.toe_rad += np.clip(6 * flight, 0, 0.7)[:, None]
    curves.lean_rad += 0.42 * crouch
    curves.shift[:, 1] -= 0.05 * crouch
    arms = stage.keys(cycle, (0, 0.0), (0.3, -1.0), (0.5, 1.0), (0.72, 0.5), (1, 0.0))
    raised = np.array([0.15, 0.6, 0.9]) * stage.style.amplitude
    swing_back = np.array([0.05, -0.4, 0.12])
    path = np.clip(arms, 0, 1)[:, None] * raised + np.clip(-arms, 0, 1)[:, None] * swing_back
    curves.hands += path[:, None, :]
    return curves
