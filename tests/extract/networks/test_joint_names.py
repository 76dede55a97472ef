from __future__ import annotations

import logging

import pytest

from heatpool.extract.networks.joint_names import describe_joints
from heatpool.pool.skeleton import COCO17_SKELETON, Skeleton


def test_joints_of_which_nothing_is_known() -> None:
    assert describe_joints(5) == Skeleton.unnamed(5)
    assert describe_joints(5, [f"LABEL_{number}" for number in range(5)]) == Skeleton.unnamed(5)
    assert describe_joints(17, list(range(17))) == COCO17_SKELETON
    assert describe_joints(17, persons=False) == Skeleton.unnamed(17)


def test_cocos_joints_are_known_however_they_are_spelled() -> None:
    names = [
        name.title().replace("Left_", "L_").replace("Right_", "R-") for name in COCO17_SKELETON.joint_names
    ]
    assert names[:3] == ["Nose", "L_Eye", "R-Eye"]
    assert describe_joints(17, names, persons=False) == COCO17_SKELETON


def test_other_joints_keep_their_names_and_edges() -> None:
    names = ["Tail", "Front Paw", "L_Ear"]
    skeleton = describe_joints(3, names, [[0, 1], [1, 2]])
    assert skeleton == Skeleton("joints3", ("tail", "front_paw", "left_ear"), ((0, 1), (1, 2)))


@pytest.mark.parametrize(
    ("names", "edges"),
    [(["a", "a", "b"], []), (["a", "b"], []), (["a", "b", "c"], [[0, 9]]), ([], [["x", 1]])],
)
def test_what_does_not_fit_together_is_left_out_with_a_warning(
    names: list[str], edges: list[list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert describe_joints(3, names, edges) == Skeleton.unnamed(3)
    assert "without names and edges" in caplog.text
