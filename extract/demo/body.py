"""What a person is made of: round, tapered solids with cloth, skin and hair, hung on the joints.

Every solid is a bar from end a to end b with a radius profile and a texture over (along, around).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heatpool.extract.demo.kinematics import INDEX, Axes
from heatpool.extract.demo.props import Prop
from heatpool.extract.demo.subjects import Lengths, Rgb, Subject, lengths_of

ALONG = 24  # texture and radius samples along a solid
AROUND = 8  # texture samples across the visible half
FACE = slice(5, 11)  # nose, mouth, eyes, ears among the solids of a body


@dataclass(frozen=True)
class Solid:
    """One solid of a body.

    Attributes:
        radius_m: (ALONG,) radius from end a to end b.
        texture: float32 sRGB 0..255: (3,) one colour, (ALONG, 3) bands or (ALONG, AROUND, 3).
        depth: thickness front to back as a fraction of the width (1 = round).
        cap: length of the rounded ends as a fraction of the radius.
    """

    radius_m: np.ndarray
    texture: np.ndarray
    depth: float = 1.0
    cap: float = 1.0


def _plain(colour: Rgb) -> np.ndarray:
    return np.array(colour, dtype=np.float32)


def _bar(first: float, last: float, colour: Rgb, *, bulge: float = 0.0, peak: float = 0.4) -> Solid:
    """A tapered bar with a muscle of size ``bulge`` around ``peak``."""
    t = np.linspace(0, 1, ALONG)
    radius = first + (last - first) * t + bulge * np.exp(-(((t - peak) / 0.22) ** 2))
    return Solid(radius, _plain(colour))


def _cloth(subject: Subject) -> np.ndarray:
    """Texture of the upper garment."""
    first, second = (np.array(rgb, np.float32) for rgb in (subject.top, subject.top_second))
    if subject.pattern == "plain":
        return first
    rows, columns = np.mgrid[0:ALONG, 0:AROUND]
    if subject.pattern == "stripes":
        mark = (rows // 3) % 2 == 1
    elif subject.pattern == "pinstripe":
        mark = columns % 2 == 1
    elif subject.pattern == "checks":
        mark = ((rows // 3) + (columns // 2)) % 2 == 1
    elif subject.pattern == "block":
        mark = rows > 12
    else:
        mark = (abs(rows - 9) < 3) & (abs(columns - 3.5) < 1.6)
    texture = np.where(mark[..., None], second, first).astype(np.float32)
    return texture


def _covered(solid: Solid, cloth: np.ndarray, share: float, *, slack: float) -> Solid:
    """One-coloured ``solid`` with its first ``share`` under ``cloth`` that stands off by ``slack`` metres."""
    rows = round(share * ALONG)
    if rows == 0:
        return solid
    radius = solid.radius_m.copy()
    radius[:rows] += slack
    if rows == ALONG:
        return Solid(radius, cloth, solid.depth, solid.cap)
    texture = np.empty((ALONG, 3) if cloth.ndim == 1 else cloth.shape, np.float32)
    texture[:] = solid.texture
    texture[:rows] = cloth if cloth.ndim == 1 else cloth[:rows]
    texture[rows - 1] *= 0.8  # the seam
    return Solid(radius, texture, solid.depth, solid.cap)


def _trunk(subject: Subject, size: Lengths) -> Solid:
    stations = np.array([0.0, 0.05, 0.12, 0.22, 0.40, 0.62, 0.80, 1.0])
    shoulder, hip, girth = size.shoulder_half, size.hip_half, subject.girth
    widths = np.array([
        0.34 * shoulder, 0.56 * shoulder, 0.84 * shoulder, 0.97 * shoulder, 0.95 * shoulder * girth**0.5,
        (0.45 * shoulder + 0.62 * hip) * girth, 1.56 * hip * girth**0.7, 1.60 * hip * girth**0.6,
    ])  # fmt: skip
    radius = np.interp(np.linspace(0, 1, ALONG), stations, widths)
    cloth = _cloth(subject)
    texture = np.empty((ALONG, 3) if cloth.ndim == 1 else cloth.shape, np.float32)
    texture[:] = cloth
    texture[-4:] = subject.bottom  # the waistband
    return Solid(radius, texture, depth=0.62 * girth**0.6, cap=0.35)


def _limbs(subject: Subject) -> list[Solid]:
    """Upper arms, forearms, hands, thighs, shins, feet: each left, right."""
    h, girth, cloth = subject.stature_m, subject.girth**0.6, _cloth(subject)
    if subject.pattern in ("print", "block"):
        cloth = _plain(subject.top)
    upper = _bar(0.031 * h * girth, 0.023 * h * girth, subject.skin, bulge=0.003 * h)
    upper = _covered(upper, cloth, min(subject.sleeve / 0.5, 1.0), slack=0.005 * h)
    fore = _bar(0.024 * h * girth, 0.0165 * h, subject.skin, bulge=0.003 * h, peak=0.25)
    fore = _covered(fore, cloth, max(subject.sleeve - 0.5, 0) * 1.9, slack=0.004 * h)
    hand = _bar(0.018 * h, 0.015 * h, subject.skin, bulge=0.004 * h, peak=0.6)
    trousers = _plain(subject.bottom)
    thigh_share, shin_share = {"trousers": (1.0, 0.97), "shorts": (0.82, 0.0), "skirt": (0.0, 0.0)}[
        subject.bottom_kind
    ]
    thigh = _bar(0.050 * h * girth, 0.034 * h * girth, subject.skin)
    thigh = _covered(thigh, trousers, thigh_share, slack=0.006 * h)
    shin = _bar(0.034 * h * girth, 0.021 * h, subject.skin, bulge=0.006 * h, peak=0.3)
    shin = _covered(shin, trousers, shin_share, slack=0.006 * h)
    foot = _bar(0.021 * h, 0.016 * h, subject.shoes, bulge=0.004 * h, peak=0.7)
    return [solid for solid in (upper, fore, hand, thigh, shin, foot) for _ in range(2)]


def body_solids(subject: Subject) -> tuple[Solid, ...]:
    """The solids of ``subject`` in the order of ``body_ends``."""
    size, h = lengths_of(subject), subject.stature_m
    radius = size.head_radius
    dark = (28, 22, 22)
    lip = tuple(int(0.72 * c) for c in subject.skin)
    solids = [
        _trunk(subject, size),
        Solid(np.full(ALONG, 0.031 * h * subject.girth**0.5), _plain(subject.top)),
        Solid(np.full(ALONG, 0.056 * h * subject.girth**0.6), _plain(subject.bottom)),
        _bar(0.030 * h, 0.027 * h, subject.skin),
        _bar(0.84 * radius, 0.98 * radius, subject.skin),
        _bar(0.10 * radius, 0.20 * radius, subject.skin),
        _bar(0.10 * radius, 0.10 * radius, (lip[0], lip[1] * 3 // 4, lip[2] * 3 // 4)),
        _bar(0.11 * radius, 0.11 * radius, dark),
        _bar(0.11 * radius, 0.11 * radius, dark),
        _bar(0.17 * radius, 0.17 * radius, subject.skin),
        _bar(0.17 * radius, 0.17 * radius, subject.skin),
        *_limbs(subject),
        *_hair_solids(subject, radius),
    ]
    if subject.bottom_kind == "skirt":
        skirt = np.linspace(1.62 * size.hip_half * subject.girth**0.6, 0.115 * h, ALONG)
        solids.append(Solid(skirt, _plain(subject.bottom), depth=0.85, cap=0.1))
    return tuple(solids)


def _hair_solids(subject: Subject, radius: float) -> list[Solid]:
    colour = subject.hair_rgb
    cap = {"bald": 0.80, "afro": 1.28, "cap": 1.06}.get(subject.hair, 1.03)
    solids = [_bar(cap * radius, cap * radius, colour)]
    if subject.hair == "long":
        solids.append(_bar(0.95 * radius, 0.75 * radius, colour))
    elif subject.hair == "bun":
        solids.append(_bar(0.45 * radius, 0.45 * radius, colour))
    elif subject.hair == "tail":
        solids.append(_bar(0.34 * radius, 0.16 * radius, colour))
    elif subject.hair == "cap":
        solids.append(Solid(np.full(ALONG, 0.62 * radius), _plain(colour), depth=0.3))
    return solids


def body_ends(subject: Subject, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of every solid and the lateral axis of the trunk.

    Args:
        subject: whose body.
        joints: (T, J, 3) world metres.

    Returns:
        ends (T, K, 2, 3) and the shoulder axis (T, 3), unit length, to the own left.
    """

    def at(name: str) -> np.ndarray:
        return joints[:, INDEX[name]]

    radius = lengths_of(subject).head_radius
    head, pelvis, neck = at("head"), at("pelvis"), at("neck")
    left, forward, up = head_axes(joints)
    axis = at("left_shoulder") - at("right_shoulder")
    axis = axis / np.linalg.norm(axis, axis=-1, keepdims=True)
    hip_half = 0.75 * (at("left_hip") - pelvis)
    collar = 0.06 * lengths_of(subject).shoulder_half * axis
    pairs = [
        (neck - 0.02 * (neck - pelvis), pelvis),
        (at("left_shoulder") - collar, at("right_shoulder") + collar),
        (pelvis - hip_half, pelvis + hip_half),
        (neck - 0.04 * (neck - pelvis), head - 0.6 * radius * up - 0.15 * radius * forward),
        (head + radius * (0.12 * forward - 0.40 * up), head + radius * 0.28 * up),
        (head + radius * (0.95 * forward + 0.1 * up), head + radius * (0.98 * forward - 0.16 * up)),
        (
            head + radius * (0.80 * forward - 0.52 * up + 0.2 * left),
            head + radius * (0.80 * forward - 0.52 * up - 0.2 * left),
        ),
        *[(at(f"{side}_eye"), at(f"{side}_eye") - 0.1 * radius * up) for side in ("left", "right")],
        *[(at(f"{side}_ear"), at(f"{side}_ear") - 0.2 * radius * up) for side in ("left", "right")],
    ]
    for first, last in (("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "hand")):
        pairs += [(at(f"{side}_{first}"), at(f"{side}_{last}")) for side in ("left", "right")]
    for first, last in (("hip", "knee"), ("knee", "ankle"), ("heel", "toe")):
        pairs += [(at(f"{side}_{first}"), at(f"{side}_{last}")) for side in ("left", "right")]
    pairs += _hair_ends(subject, head, radius, (left, forward, up))
    if subject.bottom_kind == "skirt":
        knees = 0.5 * (at("left_knee") + at("right_knee"))
        pairs.append((pelvis, pelvis + 0.86 * (knees - pelvis)))
    return np.stack([np.stack(pair, axis=1) for pair in pairs], axis=1), axis


def head_axes(joints: np.ndarray) -> Axes:
    """(left, forward, up) unit axes of the head, each (T, 3), from the joints (T, J, 3)."""
    head = joints[:, INDEX["head"]]
    left = joints[:, INDEX["left_ear"]] - joints[:, INDEX["right_ear"]]
    left = left / np.linalg.norm(left, axis=-1, keepdims=True)
    eyes = 0.5 * (joints[:, INDEX["left_eye"]] + joints[:, INDEX["right_eye"]]) - head
    # kinematics: eyes = 0.90 forward + 0.12 up, nose = 1.06 forward - 0.18 up (in head radii)
    up = 1.06 * eyes - 0.90 * (joints[:, INDEX["nose"]] - head)
    up = up / np.linalg.norm(up, axis=-1, keepdims=True)
    return left, np.cross(left, up), up


def _hair_ends(
    subject: Subject, head: np.ndarray, radius: float, axes: Axes
) -> list[tuple[np.ndarray, np.ndarray]]:
    _, forward, up = axes
    back = head + radius * (-0.22 * forward + 0.14 * up)
    ends = [(back, head + radius * (-0.10 * forward + 0.34 * up))]
    if subject.hair == "afro":
        ends = [(back + radius * 0.1 * up, head + radius * (-0.24 * forward + 0.5 * up))]
    elif subject.hair == "bald":
        ends = [(back - radius * 0.2 * up, back - radius * 0.1 * up)]
    if subject.hair == "long":
        ends.append((head - 0.38 * radius * forward, head - radius * (0.55 * forward + 1.75 * up)))
    elif subject.hair == "bun":
        bun = head + radius * (-0.75 * forward + 1.05 * up)
        ends.append((bun, bun))
    elif subject.hair == "tail":
        ends.append(
            (head + radius * (-1.05 * forward + 0.45 * up), head - radius * (1.35 * forward + 1.1 * up))
        )
    elif subject.hair == "cap":
        ends.append(
            (head + radius * (0.5 * forward + 0.52 * up), head + radius * (1.15 * forward + 0.42 * up))
        )
    return ends


def prop_solid(prop: Prop) -> Solid:
    """The solid of a thing."""
    return Solid(np.full(ALONG, prop.radius_m), prop.texture, prop.depth, prop.cap)
