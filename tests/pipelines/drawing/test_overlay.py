from __future__ import annotations

import numpy as np
import pytest

from heatpool.pipelines.drawing.overlay import (
    PERSON_COLOURS,
    blend_heatmap,
    crop_cells,
    draw_persons,
)
from heatpool.pool.skeleton import COCO17_SKELETON

NAMES = COCO17_SKELETON.joint_names
GREY = np.full((240, 320, 3), 90, np.uint8)


def one_person(joint: int, x: float, y: float, *, score: float = 1.0) -> dict[str, np.ndarray]:
    joints = np.zeros((1, 17, 2))
    scores = np.zeros((1, 17))
    joints[0, joint], scores[0, joint] = (x, y), score
    return {"boxes_xyxy_px": np.array([[200.0, 20, 300, 220]]), "joints_xy_px": joints, "scores": scores}


def test_joint_lands_on_its_pixel_and_nowhere_else() -> None:
    drawn = draw_persons(GREY, **one_person(0, 60, 130))
    changed = np.argwhere((drawn != GREY).any(2)[:, :150])  # the box lies right of this
    assert tuple(drawn[130, 60]) == PERSON_COLOURS[0]
    np.testing.assert_allclose(changed.mean(0), [130, 60])
    assert np.ptp(changed, axis=0).max() < 16
    assert (GREY == 90).all()


def test_box_lies_on_its_edges() -> None:
    drawn = draw_persons(GREY, **one_person(0, 60, 130, score=0))
    rows, columns = np.nonzero((drawn == PERSON_COLOURS[0]).all(2))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((20, 220, 200, 300), abs=1)


def test_weak_joints_are_left_out() -> None:
    drawn = draw_persons(GREY, **one_person(9, 60, 130, score=0.1), min_score=0.2)
    assert (drawn[:, :150] == 90).all()


def test_sides_are_told_apart_without_colour() -> None:
    left = draw_persons(GREY, **one_person(NAMES.index("left_wrist"), 60, 130))
    right = draw_persons(GREY, **one_person(NAMES.index("right_wrist"), 60, 130))
    assert left[130, 60].mean() > right[130, 60].mean() + 50
    # Round against square: the right joint fills its corners.
    around = (slice(120, 141), slice(50, 71))
    assert ((right[around] != 90).any(2)).sum() > ((left[around] != 90).any(2)).sum()


def test_bone_joins_two_seen_joints_only() -> None:
    person = one_person(NAMES.index("left_elbow"), 40, 100)
    wrist = NAMES.index("left_wrist")
    assert (wrist, NAMES.index("left_elbow")) in COCO17_SKELETON.edges
    person["joints_xy_px"][0, wrist] = (120, 100)
    assert (draw_persons(GREY, **person)[100, 80] == 90).all()
    person["scores"][0, wrist] = 1
    assert (draw_persons(GREY, **person)[100, 80] != 90).any()


def test_slots_choose_colours_and_names_are_written() -> None:
    person = one_person(0, 60, 130)
    drawn = draw_persons(GREY, **person, slots=[1])
    assert tuple(drawn[130, 60]) == PERSON_COLOURS[1]
    named = draw_persons(GREY, **person, slots=[1], names=["walk"])
    assert (named != drawn).any()


def test_persons_of_other_shapes_are_refused() -> None:
    person = one_person(0, 60, 130)
    with pytest.raises(ValueError, match="expected joints_xy_px of shape"):
        draw_persons(GREY, **{**person, "joints_xy_px": np.zeros((1, 16, 2))})


def test_heatmap_lands_where_the_affine_says() -> None:
    # Cell (row 3, column 2) of an 8 x 8 map over a 16 x 16 crop is crop pixel (4, 6); the crop is the
    # frame magnified twice and shifted by -10, so that is frame pixel ((4 + 10) / 2, (6 + 10) / 2) = (7, 8).
    heatmap = np.zeros((8, 8), np.float32)
    heatmap[3, 2] = 1
    affine = np.array([[2.0, 0, -10], [0, 2, -10]])
    frame = np.full((40, 60, 3), 90, np.uint8)
    blended = blend_heatmap(frame, heatmap, crop_cells(heatmap, affine, (16, 16)))
    change = np.abs(blended.astype(int) - 90).sum(2)
    assert np.unravel_index(change.argmax(), change.shape) == (8, 7)
    changed = np.argwhere(change)
    np.testing.assert_allclose(changed.mean(0), [8, 7])
    assert np.ptp(changed, axis=0).max() <= 2  # a cell is one frame pixel wide here
    assert (frame == 90).all()


def test_heatmap_covers_by_its_value() -> None:
    frame = np.full((16, 16, 3), 200, np.uint8)
    identity = np.array([[1.0, 0, 0], [0, 1, 0]])
    nothing = blend_heatmap(frame, np.zeros((16, 16)), identity)
    np.testing.assert_array_equal(nothing, frame)
    half, full = (blend_heatmap(frame, np.full((16, 16), v), identity, strength=1) for v in (0.5, 1.0))
    assert tuple(full[8, 8]) == (252, 255, 164)  # the top of the inferno map
    assert (half[8, 8] != full[8, 8]).any()


def test_heatmap_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a heatmap in \[0, 1\], got 0 to 2"):
        blend_heatmap(GREY, np.array([[0.0, 2.0]]), np.eye(2, 3))


def test_a_map_beside_the_frame_leaves_it_alone() -> None:
    for x, y in ((-500.0, 0.0), (500.0, 0.0), (0.0, -500.0), (0.0, 500.0)):
        beside = np.array([[1.0, 0, x], [0, 1, y]])
        np.testing.assert_array_equal(blend_heatmap(GREY, np.ones((8, 8)), beside), GREY)


def test_a_map_across_the_edge_is_the_part_of_the_whole() -> None:
    """Drawing on a frame that is cut out of a larger one gives the cut of the larger drawing."""
    rng = np.random.default_rng(0)
    heatmap, affine = rng.random((12, 9)), np.array([[0.5, 0, -15.0], [0, 0.5, -10.0]])
    affine = crop_cells(heatmap, affine, (36, 48))
    whole = blend_heatmap(GREY, heatmap, affine)
    moved = affine @ np.array([[1.0, 0, 50], [0, 1, 40], [0, 0, 1]])
    part = blend_heatmap(GREY[40:70, 50:90], heatmap, moved)
    assert (part != 90).any()
    np.testing.assert_allclose(part, whole[40:70, 50:90], atol=1)


def test_lighter_skeletons_let_more_show() -> None:
    person = one_person(0, 60, 130)
    covered = [(draw_persons(GREY, **person, weight=weight) != 90).sum() for weight in (0.4, 1.0)]
    assert covered[0] < covered[1]
