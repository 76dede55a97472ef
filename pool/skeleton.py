"""Named joints and the edges between them: what a store's V joints are.

Axis letter: V joints.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from heatpool.pool.errors import shorten

__all__ = ["COCO17_SKELETON", "NTU25_SKELETON", "Skeleton", "guess_skeleton"]

Edge = tuple[int, int]

_NTU_NAME = re.compile(r"S\d{3}C\d{3}P\d{3}R\d{3}A\d{3}")


@dataclass(frozen=True)
class Skeleton:
    """Joints by name, in the order of axis V, and which of them are joined.

    Attributes:
        name: of the joint set, such as coco17; `unnamed21` where nothing but V is known.
        joint_names: V unique names.
        edges: pairs of joints, 0-based, in either order, each once; none where they are not known.

    Raises:
        ValueError: if a name repeats or is empty, or an edge is none between two of the joints.
    """

    name: str
    joint_names: tuple[str, ...]
    edges: tuple[Edge, ...] = ()

    def __post_init__(self) -> None:
        names, joints = self.joint_names, range(len(self.joint_names))
        if not self.name or not names or not all(names) or len(set(names)) != len(names):
            raise ValueError(f"expected a name and unique joint names, got {self.name!r}, {shorten(names)}")
        bad = [edge for edge in self.edges if len({*edge} & {*joints}) != 2 or len(edge) != 2]
        if bad:
            raise ValueError(f"expected edges between joints 0 to {len(names) - 1}, got {shorten(bad)}")
        if len({frozenset(edge) for edge in self.edges}) != len(self.edges):
            raise ValueError(f"expected each edge once, got {shorten(self.edges)}")

    @classmethod
    def of(cls, name: str, joint_names: tuple[str, ...], edges: tuple[Edge, ...], *, joints: int) -> Skeleton:
        """The skeleton of V joints of which some things may not be known: names, edges or both are empty."""
        if not joint_names and not edges:
            return COCO17_SKELETON if (name, joints) == ("coco17", 17) else cls.unnamed(joints)
        return cls(name, joint_names or cls.unnamed(joints).joint_names, edges)

    @classmethod
    def unnamed(cls, joints: int) -> Skeleton:
        """The skeleton of V joints of which nothing is known; they are called by their numbers."""
        return cls(f"unnamed{joints}", tuple(map(str, range(joints))))

    @property
    def joints(self) -> int:
        """V."""
        return len(self.joint_names)

    @property
    def known_by_name(self) -> bool:
        """Whether the name says all: stores had it before they had edges."""
        return self == COCO17_SKELETON


COCO17_SKELETON = Skeleton(
    "coco17",
    (
        "nose", "left_eye", "right_eye", "left_ear", "right_ear",
        "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
        "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    ),
    (
        (15, 13), (13, 11), (16, 14), (14, 12), (11, 5), (12, 6), (9, 7), (7, 5), (10, 8), (8, 6),
        (5, 0), (6, 0), (1, 0), (3, 1), (2, 0), (4, 2), (5, 6), (11, 12),
    ),
)  # fmt: skip
"""The joints of COCO; left is the person's own left."""

NTU25_SKELETON = Skeleton(
    "ntu25",
    (
        "base_of_spine", "middle_of_spine", "neck", "head",
        "left_shoulder", "left_elbow", "left_wrist", "left_hand",
        "right_shoulder", "right_elbow", "right_wrist", "right_hand",
        "left_hip", "left_knee", "left_ankle", "left_foot",
        "right_hip", "right_knee", "right_ankle", "right_foot",
        "spine", "left_hand_tip", "left_thumb", "right_hand_tip", "right_thumb",
    ),
    (
        (0, 1), (1, 20), (2, 20), (3, 2), (4, 20), (5, 4), (6, 5), (7, 6), (8, 20), (9, 8), (10, 9), (11, 10),
        (12, 0), (13, 12), (14, 13), (15, 14), (16, 0), (17, 16), (18, 17), (19, 18),
        (21, 22), (22, 7), (23, 24), (24, 11),
    ),
)  # fmt: skip
"""The joints of Kinect v2, as in NTU RGB+D (Shahroudy et al., CVPR 2016, figure 3)."""


def guess_skeleton(joints: int, clip_ids: Iterable[str]) -> Skeleton:
    """Return the skeleton where V alone is told: COCO's 17, Kinect's 25 of NTU's clips, else unnamed."""
    if joints == COCO17_SKELETON.joints:
        return COCO17_SKELETON
    of_ntu = joints == NTU25_SKELETON.joints and all(_NTU_NAME.match(name) for name in clip_ids)
    return NTU25_SKELETON if of_ntu else Skeleton.unnamed(joints)
