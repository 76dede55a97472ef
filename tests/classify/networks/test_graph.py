from __future__ import annotations

import numpy as np
import pytest

from heatpool.classify.networks.graph import (
    COCO17_GRAPH,
    GRAPHS,
    HPNET_GRAPH,
    JointGraph,
    graph_named,
    skeleton_graph,
)
from heatpool.pool.skeleton import COCO17_SKELETON, NTU25_SKELETON, Skeleton
from tests.paths import GOLDEN

# as published, 1-based (child, parent)
HPNET_PAIRS = "1,6 2,1 3,1 4,2 5,3 6,7 7,1 8,6 9,7 10,8 11,9 12,6 13,7 14,12 15,13 16,14 17,15"


def test_hpnet_adjacency_is_the_published_one() -> None:
    with np.load(GOLDEN / "ctrgcn_17x2_60.npz") as golden:
        np.testing.assert_array_equal(HPNET_GRAPH.adjacency(), golden["adjacency"])


def test_hpnet_bones_are_the_published_pairs() -> None:
    pairs = {tuple(int(joint) - 1 for joint in pair.split(",")) for pair in HPNET_PAIRS.split()}
    assert set(HPNET_GRAPH.bones) == pairs


def test_adjacency_of_a_three_joint_star_by_hand() -> None:
    star = JointGraph(name="star", joints=3, bones=((1, 0), (2, 0)), links=((1, 0), (2, 0)), centre=0)
    itself, inward, outward = star.adjacency()
    np.testing.assert_array_equal(itself, np.eye(3))
    np.testing.assert_array_equal(inward, [[0, 1, 1], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(outward, [[0, 0, 0], [0.5, 0, 0], [0.5, 0, 0]])
    np.testing.assert_array_equal(star.parents(), [0, 0, 0])


def test_coco17_is_a_tree_hung_on_its_centre() -> None:
    assert GRAPHS["coco17"] is COCO17_GRAPH
    parents = COCO17_GRAPH.parents()
    for joint in range(17):
        for _ in range(17):
            joint = parents[joint]
        assert joint == COCO17_GRAPH.centre
    sums = COCO17_GRAPH.adjacency().sum(1)
    assert set(np.round(sums.ravel(), 6)) <= {0.0, 1.0}


@pytest.mark.parametrize("bones", [((3, 0),), ((1, 0), (1, 2))])
def test_impossible_bones_are_refused(bones: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        JointGraph(name="bad", joints=3, bones=bones, links=(), centre=0)


def test_a_skeleton_is_hung_on_its_middle_and_each_edge_leads_there() -> None:
    """A chain 1 - 0 - 2 - 3 - 4 hangs on 2; a pair apart hangs on its first joint."""
    chain = Skeleton("chain", tuple("abcdefg"), ((1, 0), (0, 2), (3, 2), (3, 4), (6, 5)))
    graph = skeleton_graph(chain)
    assert graph.centre == 2
    assert graph.bones == ((0, 2), (1, 0), (3, 2), (4, 3), (6, 5))
    assert set(graph.links) == set(graph.bones)
    np.testing.assert_array_equal(graph.parents(), [2, 0, 2, 2, 3, 5, 5])


def test_in_a_circle_each_joint_keeps_one_bone_and_each_edge_its_link() -> None:
    square = Skeleton("square", tuple("abcd"), ((0, 1), (1, 2), (2, 3), (3, 0)))
    graph = skeleton_graph(square)
    assert graph.bones == ((1, 0), (2, 1), (3, 0))
    assert {frozenset(link) for link in graph.links} == {frozenset(edge) for edge in square.edges}
    assert {frozenset(link) for link in skeleton_graph(COCO17_SKELETON).links} == {
        frozenset(edge) for edge in COCO17_SKELETON.edges
    }


def test_without_edges_all_are_joined_and_the_first_is_the_parent() -> None:
    graph = skeleton_graph(Skeleton.unnamed(4))
    assert len(graph.links) == 6
    np.testing.assert_array_equal(graph.parents(), [0, 0, 0, 0])
    assert (graph.adjacency().sum(0) > 0).all()
    assert skeleton_graph(Skeleton.unnamed(1)).bones == ()


def test_kinects_joints_hang_on_the_spine_as_ctr_gcn_publishes_them() -> None:
    graph = graph_named("skeleton", NTU25_SKELETON)
    assert graph.centre == NTU25_SKELETON.joint_names.index("spine")
    pairs = (
        "1,2 2,21 3,21 4,3 5,21 6,5 7,6 8,7 9,21 10,9 11,10 12,11 13,1 14,13 15,14 16,15 17,1 18,17 19,18 "
        "20,19 22,23 23,8 24,25 25,12"
    )
    published = {tuple(int(joint) - 1 for joint in pair.split(",")) for pair in pairs.split()}
    assert set(graph.bones) == set(graph.links) == published


def test_a_named_graph_needs_no_skeleton_and_another_one_does() -> None:
    assert graph_named("hpnet", NTU25_SKELETON) is HPNET_GRAPH
    with pytest.raises(ValueError, match="expected a skeleton"):
        graph_named("skeleton", None)
