"""Joint graphs: bones for the bone streams, the adjacency that CTR-GCN starts from; its published layers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from heatpool.pool.skeleton import Skeleton

__all__ = [
    "COCO17_GRAPH", "GRAPHS", "HPNET_GRAPH", "POINT_GRAPH", "PUBLISHED_LAYERS", "SKELETON_GRAPH",
    "JointGraph", "graph_named", "skeleton_graph",
]  # fmt: skip

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class JointGraph:
    """A named graph of joints, and the tree of its bones. All pairs are 0-based (child, parent).

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
"""The graphs of fixed joints that a configuration may name."""

SKELETON_GRAPH = "skeleton"
"""Name in a configuration of the graph that the joints of the features themselves make."""


def graph_named(name: str, skeleton: Skeleton | None) -> JointGraph:
    """Return the graph that a configuration names: one of `GRAPHS`, or that of the features' skeleton.

    Raises:
        ValueError: if that is needed and is not known.
    """
    if name != SKELETON_GRAPH:
        return GRAPHS[name]
    if skeleton is None:
        raise ValueError("expected a skeleton for the graph made of it, got none")
    return skeleton_graph(skeleton)


def skeleton_graph(skeleton: Skeleton) -> JointGraph:
    """Make the graph of any joints: their edges, hung on the joint in their middle.

    The middle is the joint from which the farthest one is the fewest edges away, the first of several; each
    part that is apart has its own. An edge leads from the joint farther from the middle (child) to the nearer
    one, of two as far to the first one. Where edges close circles, each joint keeps one bone. Joints without
    any known edge are all joined with each other, and the first one is the parent of all.
    """
    joints = skeleton.joints
    edges = skeleton.edges or tuple(combinations(range(joints), 2))
    far = _steps_from_the_middle(joints, edges)
    links = tuple(max(pair, pair[::-1], key=lambda ends: (far[ends[0]], ends[0])) for pair in edges)
    parents = {child: parent for child, parent in reversed(links) if far[child] > far[parent]}
    bones = tuple(sorted(parents.items()))
    return JointGraph(skeleton.name, joints, bones, links, centre=int(np.argmin(far)))


def _steps_from_the_middle(joints: int, edges: Pairs) -> np.ndarray:
    """Return (V,) int64, how many edges each joint is away from the middle of its part."""
    from scipy.sparse import coo_array  # half a second that the published graphs save
    from scipy.sparse.csgraph import connected_components, shortest_path

    ends = np.array(edges, np.int64).reshape(-1, 2).T
    joined = coo_array((np.ones(ends.shape[1]), (*ends,)), (joints, joints)).tocsr()
    steps = shortest_path(joined, directed=False, unweighted=True)
    reach = np.where(np.isfinite(steps), steps, 0).max(1)
    _, part = connected_components(joined, directed=False)
    middles = [min(np.flatnonzero(part == each), key=reach.__getitem__) for each in np.unique(part)]
    nearest: np.ndarray = steps[middles].min(0).astype(np.int64)
    return nearest


PUBLISHED_LAYERS: tuple[tuple[int, int], ...] = (
    (1, 1), (1, 1), (1, 1), (1, 1), (2, 2), (2, 1), (2, 1), (4, 2), (4, 1), (4, 1),
)  # fmt: skip
"""(channels as a multiple of the width, stride in time) of the ten published layers."""
