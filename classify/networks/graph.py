"""Joint graphs: bones for the bone streams, the adjacency that CTR-GCN starts from; its published layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["COCO17_GRAPH", "GRAPHS", "HPNET_GRAPH", "POINT_GRAPH", "PUBLISHED_LAYERS", "JointGraph"]

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class JointGraph:
    """A named tree of joints. All pairs are 0-based (child, parent).

    Attributes:
        name: how configurations call it.
        joints: V.
        bones: every joint once as a child, at most; bone vector = child minus parent.
        links: edges of the adjacency; may differ from `bones` (they do in HP-Net's files).
        centre: joint that the tree hangs on.

    Raises:
        ValueError: if a pair points outside the joints or a joint has two bones.
    """

    name: str
    joints: int
    bones: Pairs
    links: Pairs
    centre: int

    def __post_init__(self) -> None:
        for what, pairs in (("bones", self.bones), ("links", self.links)):
            bad = [pair for pair in pairs if not all(0 <= joint < self.joints for joint in pair)]
            if bad:
                raise ValueError(f"expected {what} of joints 0 to {self.joints - 1}, got {bad}")
        children = [child for child, _ in self.bones]
        if len(set(children)) != len(children):
            raise ValueError(f"expected one bone per joint, got children {sorted(children)}")

    def parents(self) -> np.ndarray:
        """Return (V,) int64, the parent of each joint; a joint without a bone is its own parent."""
        parent = np.arange(self.joints)
        for child, above in self.bones:
            parent[child] = above
        return parent

    def adjacency(self) -> np.ndarray:
        """Return the (3, V, V) float32 partitions self, inward, outward.

        Inward holds 1 at [parent, child], outward its transpose; then every column that has an
        edge is divided by its sum. Source: CTR-GCN, spatial configuration partitioning of ST-GCN.
        """
        inward = np.zeros((self.joints, self.joints))
        for child, parent in self.links:
            inward[parent, child] = 1
        partitions = [np.eye(self.joints), inward, inward.T]
        return np.stack([part / np.maximum(part.sum(0), 1) for part in partitions]).astype(np.float32)


HPNET_GRAPH = JointGraph(
    name="hpnet",
    joints=17,
    bones=(
        (0, 5), (1, 0), (2, 0), (3, 1), (4, 2), (5, 6), (6, 0), (7, 5), (8, 6), (9, 7), (10, 8),
        (11, 5), (12, 6), (13, 11), (14, 12), (15, 13), (16, 14),
    ),
    links=(
        (0, 5), (1, 0), (2, 0), (5, 6), (6, 0), (7, 5), (8, 6), (9, 7), (10, 8),
        (11, 5), (12, 6), (12, 11), (13, 11), (14, 12), (15, 13), (16, 14),
    ),
    centre=0,
)  # fmt: skip
"""HP-Net's joints in COCO order. Its adjacency leaves the ears alone and joins the hips."""

_COCO17_BONES: Pairs = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 5), (12, 6), (9, 7), (7, 5),
    (10, 8), (8, 6), (5, 0), (6, 0), (1, 0), (3, 1), (2, 0), (4, 2),
)  # fmt: skip

COCO17_GRAPH = JointGraph(name="coco17", joints=17, bones=_COCO17_BONES, links=_COCO17_BONES, centre=0)
"""PYSKL's tree of the COCO-17 joints, hung on the nose."""

POINT_GRAPH = JointGraph(name="point", joints=1, bones=(), links=(), centre=0)
"""One point, for features that belong to no joint."""

GRAPHS = {graph.name: graph for graph in (HPNET_GRAPH, COCO17_GRAPH, POINT_GRAPH)}
"""The graphs a configuration may name."""

PUBLISHED_LAYERS: tuple[tuple[int, int], ...] = (
    (1, 1), (1, 1), (1, 1), (1, 1), (2, 2), (2, 1), (2, 1), (4, 2), (4, 1), (4, 1),
)  # fmt: skip
"""(channels as a multiple of the width, stride in time) of the ten published layers."""
