from __future__ import annotations

import numpy as np
import pytest

from heatpool.classify.networks.graph import COCO17_GRAPH, GRAPHS, HPNET_GRAPH, JointGraph
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
