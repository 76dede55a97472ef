"""What a pose network tells of its joints, as a skeleton."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from heatpool.pool.errors import shorten
from heatpool.pool.skeleton import COCO17_SKELETON, Skeleton

__all__ = ["describe_joints"]

_log = logging.getLogger(__name__)

_SIDES = {"l_": "left_", "r_": "right_"}


def describe_joints(
    joints: int,
    names: Sequence[object] = (),
    edges: Iterable[Sequence[int]] = (),
    *,
    persons: bool = True,
) -> Skeleton:
    """Return the skeleton of V joints.

    Args:
        joints: V.
        names: what the network calls them; numbers and placeholders such as LABEL_3 tell nothing.
        edges: pairs of joints that it joins, 0-based.
        persons: whether they are persons' joints: 17 without names are COCO's then.

    Returns:
        `COCO17_SKELETON` for COCO's joints; `unnamedV` without names or edges, where the network says
        none or what it says does not fit together (a warning tells).
    """
    plain = tuple(_plain(name) for name in names)
    if all(name.removeprefix("label_").isdigit() for name in plain):
        plain = ()
    if plain == COCO17_SKELETON.joint_names or (persons and not plain and joints == COCO17_SKELETON.joints):
        return COCO17_SKELETON
    try:
        if plain and len(plain) != joints:
            raise ValueError(f"expected {joints} names of joints, got {shorten(plain)}")
        pairs = tuple((int(a), int(b)) for a, b in edges)
        return Skeleton.of(f"joints{joints}", plain, pairs, joints=joints)
    except (TypeError, ValueError) as error:
        _log.warning(f"the network's joints go without names and edges: {error}")
        return Skeleton.unnamed(joints)


def _plain(name: object) -> str:
    """Return `left_eye` for L_Eye, "left eye" and Left-Eye."""
    plain = str(name).strip().lower().replace(" ", "_").replace("-", "_")
    return _SIDES.get(plain[:2], plain[:2]) + plain[2:]
