from __future__ import annotations

import pytest

from heatpool.pool.skeleton import (
    COCO17_SKELETON,
    NTU25_SKELETON,
    Skeleton,
    guess_skeleton,
)
from heatpool.pool.store.attributes import root_attributes, spec_from_attributes
from heatpool.pool.store.spec import StoreSpec


def spec_of(skeleton: Skeleton) -> StoreSpec:
    return StoreSpec(
        2, 4, skeleton.joints, 5, "tiny", "tap", "", {},
        skeleton=skeleton.name, joint_names=skeleton.joint_names, edges=skeleton.edges,
    )  # fmt: skip


@pytest.mark.parametrize(
    "skeleton", [COCO17_SKELETON, NTU25_SKELETON, Skeleton("pair", ("a", "b"), ((1, 0),))]
)
def test_a_store_keeps_names_and_edges(skeleton: Skeleton) -> None:
    spec = spec_of(skeleton)
    attributes = root_attributes(spec, clips=1, shard_clips=1)
    assert attributes["joint_names"] == list(skeleton.joint_names)
    assert ("edges" in attributes) == (skeleton is not COCO17_SKELETON)  # its bytes are as they always were
    assert spec_from_attributes(attributes) == spec
    assert spec.graph == skeleton


def test_stores_from_before_there_were_edges_are_read() -> None:
    spec = StoreSpec(2, 4, 17, 5, "tiny", "tap", "", {})
    assert spec.graph == COCO17_SKELETON
    assert spec == spec_of(COCO17_SKELETON)
    old = root_attributes(spec_of(Skeleton.unnamed(21)), clips=1, shard_clips=1)
    del old["edges"]
    old["joint_names"] = list(COCO17_SKELETON.joint_names)
    for name in ("unnamed21", "coco17"):  # they called everything coco17, with its 17 names
        read = spec_from_attributes(
            {**old, "skeleton": name, "joint_names": list(COCO17_SKELETON.joint_names)}
        )
        assert read.graph == Skeleton.unnamed(21)


def test_names_and_edges_must_be_of_the_joints() -> None:
    with pytest.raises(ValueError, match="expected 3 joint names, got 2"):
        StoreSpec(2, 4, 3, 5, "tiny", "tap", "", {}, skeleton="pair", joint_names=("a", "b"))
    with pytest.raises(ValueError, match="expected edges between joints 0 to 2"):
        StoreSpec(2, 4, 3, 5, "tiny", "tap", "", {}, skeleton="three", edges=((0, 3),))


def test_files_that_tell_the_number_of_joints_only() -> None:
    ntu = ["S001C001P001R001A001", "S001C002P003R002A060"]
    assert guess_skeleton(17, ntu) is COCO17_SKELETON
    assert guess_skeleton(25, ntu) is NTU25_SKELETON
    assert guess_skeleton(25, [*ntu, "clip 3"]) == Skeleton.unnamed(25)
    assert guess_skeleton(21, ["a"]).joint_names[20] == "20"
