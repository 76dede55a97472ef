"""The recipe's parts: rendering, augmentation that keeps joints on the body, figures, and learning itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from heatpool.extract.demo.stills import People
from heatpool.extract.networks.tiny.backbone import DETECTOR_INPUT_WH, TINY_CROP
from heatpool.extract.networks.tiny.training.augment import (
    FLIP,
    DetectorSamples,
    PoseSamples,
    collate_detector,
)
from heatpool.extract.networks.tiny.training.evaluate import box_iou, map50, pck
from heatpool.extract.networks.tiny.training.loops import TinyRecipe, train_detector, train_pose
from heatpool.extract.networks.tiny.training.recipe import update_docs
from heatpool.extract.networks.tiny.training.rendering import FRAME_WH, RenderedSet, render_set
from heatpool.extract.records import Detections
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.skeleton import COCO17_SKELETON


def marked_set(folder: Path, *, count: int = 40) -> RenderedSet:
    """Black frames with one white dot, which is both wrists; every joint sits on the dot."""
    width, height = FRAME_WH
    frames = np.zeros((count, height, width, 3), np.uint8)
    dot = np.array([120.0, 90.0])
    frames[:, 88:93, 118:123] = 255
    person = People(
        np.broadcast_to(dot, (1, 17, 2)).astype(np.float32),
        np.ones((1, 17), bool),
        np.array([[80.0, 40.0, 160.0, 150.0]], np.float32),
    )
    path = folder / "frames.npy"
    np.save(path, frames)
    return RenderedSet(path, (person,) * count)


def brightest(image: np.ndarray) -> np.ndarray:
    """Centre of mass of what is far brighter than the rest (x, y)."""
    grey = image.astype(float).sum(2)
    weight = np.clip(grey - grey.max() * 0.7, 0, None)
    y, x = np.indices(grey.shape)
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


def test_augmented_joints_stay_on_the_body(tmp_path: Path) -> None:
    samples = PoseSamples(marked_set(tmp_path), seed=1)
    errors = []
    for at in range(len(samples)):
        crop, joints, weight = samples[at]
        assert crop.shape == (TINY_CROP.height_px, TINY_CROP.width_px, 3)
        if weight[0] == 1.0:  # not erased
            errors.append(np.linalg.norm(brightest(crop) - joints[0]))
    assert len(errors) > 20
    assert np.median(errors) < 0.6


def test_flip_table_swaps_left_and_right() -> None:
    for name, other in zip(COCO17_SKELETON.joint_names, FLIP, strict=True):
        swapped = name.replace("left", "?").replace("right", "left").replace("?", "right")
        assert COCO17_SKELETON.joint_names[other] == swapped


def test_augmentation_depends_on_seed_epoch_and_item_only(tmp_path: Path) -> None:
    rendered = marked_set(tmp_path)
    first, again = PoseSamples(rendered, 3)[5], PoseSamples(rendered, 3)[5]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[1], PoseSamples(rendered, 3, epoch=1)[5][1])


def test_letterboxed_boxes_follow_the_image(tmp_path: Path) -> None:
    rendered = marked_set(tmp_path)
    tight = People(
        rendered.people[0].joints_xy_px,
        rendered.people[0].visible,
        np.array([[112.5, 82.5, 127.5, 97.5]], np.float32),
    )
    samples = DetectorSamples(RenderedSet(rendered.path, (tight,) * 40), seed=2)
    errors = []
    for at in range(40):
        image, boxes = samples[at]
        assert image.shape == (DETECTOR_INPUT_WH[1], DETECTOR_INPUT_WH[0], 3)
        if len(boxes) and (image > 180).all(2).sum() >= 4:
            errors.append(np.linalg.norm(brightest(image) - boxes[0, :2] * DETECTOR_INPUT_WH))
    assert len(errors) > 10
    assert np.median(errors) < 1.0


def test_people_out_of_sight_are_not_taught(tmp_path: Path) -> None:
    rendered = marked_set(tmp_path, count=4)
    hidden = People(
        rendered.people[0].joints_xy_px, np.zeros((1, 17), bool), rendered.people[0].boxes_xyxy_px
    )
    mixed = RenderedSet(rendered.path, (rendered.people[0], hidden, hidden, hidden))
    assert mixed.persons() == [(0, 0)]
    batch = collate_detector([DetectorSamples(mixed, 0)[at] for at in range(4)])
    assert set(batch["batch_idx"].tolist()) <= {0.0}
    assert batch["img"].shape == (4, 128, 160, 3)


def test_overlap_of_known_boxes() -> None:
    one = np.array([[0.0, 0, 10, 10]])
    others = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]])
    np.testing.assert_allclose(box_iou(one, others), [[1.0, 1 / 3, 0.0]])


def person(box: list[float], *, joints: int = 17) -> People:
    visible = np.zeros((1, 17), bool)
    visible[0, :joints] = True
    return People(np.zeros((1, 17, 2), np.float32), visible, np.array([box], np.float32))


def found(*boxes: list[float]) -> Detections:
    scores = np.linspace(0.9, 0.5, len(boxes)).astype(np.float32)
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), scores)


def test_map50_by_hand() -> None:
    box, away = [10.0, 10, 50, 90], [100.0, 100, 150, 190]
    assert map50([found(box)], [person(box)]) == pytest.approx(0.995, abs=0.006)
    assert map50([found(away)], [person(box)]) < 0.01
    # One of two people found: precision 1 up to recall 0.5.
    assert map50([found(box), found()], [person(box), person(box)]) == pytest.approx(0.5, abs=0.01)
    # The same person found twice: the second is a false alarm, but below the hit, so the area stays.
    twice = map50([found(box, box)], [person(box)])
    assert twice == pytest.approx(0.995, abs=0.006)
    # A person who does not count is neither missed nor a false alarm.
    both = map50([found(away, box), found()], [person(box), person(away, joints=2)])
    ignored = map50([found(box), found(away)], [person(box), person(away, joints=2)])
    assert both < 0.6 < ignored


def test_pck_by_hand() -> None:
    truth = np.zeros((2, 17, 2))
    estimate = truth.copy()
    estimate[0, :, 0] = 9.0  # within 10 px, not within 5 px
    estimate[1, 0] = [300.0, 0]  # hidden, does not count
    seen = np.ones((2, 17), bool)
    seen[1, 0] = False
    side = np.array([100.0, 50.0])
    assert pck(estimate, truth, seen, side, alpha=0.1) == 1.0
    assert pck(estimate, truth, seen, side, alpha=0.05) == pytest.approx(16 / 33)


def test_rendered_set_does_not_depend_on_workers(tmp_path: Path) -> None:
    sets = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        sets.append(render_set(folder, count=4, seed=9, workers=workers))
    assert np.array_equal(sets[0].frames, sets[1].frames)
    for one, other in zip(sets[0].people, sets[1].people, strict=True):
        assert np.array_equal(one.joints_xy_px, other.joints_xy_px)


@pytest.mark.parametrize("train", [train_pose, train_detector])
def test_training_learns_and_repeats(train, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """A few steps on marked frames: the loss falls, and the same seed gives the same weights."""
    rendered = marked_set(tmp_path, count=16)
    recipe = TinyRecipe(batch=8, pose_epochs=6, detector_epochs=6)
    (network, losses), (again, losses_again) = train(rendered, recipe), train(rendered, recipe)
    assert len(losses) == 6
    assert losses[-1] < 0.8 * losses[0]
    assert losses == losses_again
    state, repeated = network.state_dict(), again.state_dict()
    assert all(torch.equal(state[name], repeated[name]) for name in state)


def test_figures_replace_what_stands_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- figures -->\nold\n<!-- end of figures -->\nbelow\n")
    names = ("mAP50", "PCK@0.1", "PCK@0.05", "PCK@0.1 detected", "PCK@0.05 detected")
    figures = dict.fromkeys(names, 0.9876) | {"frames": 12.0, "persons": 34.0}
    report = {"figures": {"unseen people": figures}, "ms": {"frame": 1.5, "crop": 2.5}, "minutes": 3.0}
    update_docs(page, report)
    update_docs(page, report)
    text = page.read_text()
    assert text.startswith("above\n<!-- figures -->\n| tested on")
    assert text.endswith("<!-- end of figures -->\nbelow\n")
    assert "| unseen people | 12 | 34 | 0.988 |" in text
    assert "old" not in text
    page.write_text("no marks")
    with pytest.raises(HeatpoolError, match="marks"):
        update_docs(page, report)
