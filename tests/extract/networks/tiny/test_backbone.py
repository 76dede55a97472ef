"""The shipped weights: they load, are what they say, and find rendered people."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from heatpool.extract.demo.stills import render_still
from heatpool.extract.networks.crops import crop_affines, crop_boxes
from heatpool.extract.networks.detectors import UltralyticsDetector, detect_frames
from heatpool.extract.networks.tiny import TinyBackbone, TinyPose, load_tiny_backbone, load_tiny_detector
from heatpool.extract.networks.tiny.backbone import DETECTOR_INPUT_WH, TINY_CROP, build_tiny_detector
from heatpool.extract.networks.tiny.training.evaluate import evaluate
from heatpool.extract.networks.tiny.training.rendering import RenderedSet
from heatpool.extract.networks.tiny.weights import (
    DETECTOR_FILE,
    POSE_FILE,
    load_tiny_weights,
    save_weights,
)
from heatpool.extract.networks.weight_sources import SHIPPED, SHIPPED_FOLDER
from heatpool.extract.records import Detections, Frame
from heatpool.pool.errors import HeatpoolError
from tests.fixtures.crops import noise_crops


@pytest.fixture(scope="module")
def backbone() -> TinyBackbone:
    return load_tiny_backbone()


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> RenderedSet:
    """Forty frames of people that neither the training nor the test set of the recipe holds."""
    stills = [render_still(np.random.default_rng((77, at)), width_px=256, height_px=192) for at in range(40)]
    path = tmp_path_factory.mktemp("rendered") / "frames.npy"
    np.save(path, np.stack([still.rgb for still in stills]))
    return RenderedSet(path, tuple(still.people for still in stills))


def crops_of(rendered: RenderedSet, count: int) -> torch.Tensor:
    crops = []
    for frame, person in rendered.persons()[:count]:
        affine = crop_affines(rendered.people[frame].boxes_xyxy_px[[person]], TINY_CROP)
        crops.append(crop_boxes(rendered.frames[frame], affine, TINY_CROP))
    return torch.from_numpy(np.concatenate(crops))


def test_shipped_weights_find_people_and_joints(rendered: RenderedSet, backbone: TinyBackbone) -> None:
    figures = evaluate(rendered, detector=load_tiny_detector(), backbone=backbone)
    assert figures["persons"] >= 40
    assert figures["mAP50"] >= 0.9
    # Random scenes are harder than the demo's: docs/tiny.md gives the figures of both (0.94 and 0.99).
    assert figures["PCK@0.1"] >= 0.9
    assert figures["PCK@0.1 detected"] >= 0.85


def test_left_and_right_are_told_apart(rendered: RenderedSet, backbone: TinyBackbone) -> None:
    """A mirrored crop gives mirrored joints with left and right exchanged."""
    crops = crops_of(rendered, 24)
    plain = backbone.forward(crops).joints_xy_px
    mirrored = backbone.forward(crops.flip(2)).joints_xy_px
    mirrored = torch.stack([TINY_CROP.width_px - 1 - mirrored[..., 0], mirrored[..., 1]], -1)
    swap = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    shoulders_and_hips = [5, 6, 11, 12]
    exchanged = (mirrored[:, swap] - plain).norm(dim=2)[:, shoulders_and_hips]
    same_names = (mirrored - plain).norm(dim=2)[:, shoulders_and_hips]
    assert exchanged.median() < 3.0
    assert exchanged.median() < same_names.median() / 2


def test_backbone_keeps_the_protocol(backbone: TinyBackbone) -> None:
    assert (backbone.name, backbone.joints, backbone.crop) == ("tiny", 17, TINY_CROP)
    pose = backbone.forward(noise_crops(3, TINY_CROP.height_px, TINY_CROP.width_px))
    assert pose.joints_xy_px.shape == (3, 17, 2)
    assert pose.maps[0].shape == (3, backbone.channels, 16, 12)
    assert pose.scores.min() >= 0
    assert pose.scores.max() <= 1
    assert not backbone.network.training
    assert not any(module.training for module in load_tiny_detector().modules())


def test_result_does_not_depend_on_the_batch(rendered: RenderedSet, backbone: TinyBackbone) -> None:
    crops = crops_of(rendered, 7)
    together = backbone.forward(crops)
    for at in range(len(crops)):
        alone = backbone.forward(crops[at : at + 1])
        for whole, single in zip(
            (together.heatmaps, *together.maps), (alone.heatmaps, *alone.maps), strict=True
        ):
            torch.testing.assert_close(whole[at : at + 1], single, rtol=1e-5, atol=1e-5)


def test_detector_does_not_depend_on_the_batch(rendered: RenderedSet) -> None:
    detector = UltralyticsDetector(load_tiny_detector(), image_px=max(DETECTOR_INPUT_WH))
    frames = [Frame(0, at, 0.0, np.asarray(rgb)) for at, rgb in enumerate(rendered.frames[:6])]
    together = detect_frames(detector, frames)
    assert sum(map(len, together)) > 0
    for frame, found in zip(frames, together, strict=True):
        alone: Detections = detect_frames(detector, [frame])[0]
        np.testing.assert_allclose(alone.boxes_xyxy_px, found.boxes_xyxy_px, atol=1e-3)
        np.testing.assert_allclose(alone.scores, found.scores, atol=1e-5)


def read_facts(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:
        facts: dict[str, Any] = json.loads(file.metadata()["heatpool"])
    return facts


def test_weights_are_small_hashed_and_say_what_they_know(backbone: TinyBackbone) -> None:
    files = [SHIPPED_FOLDER / POSE_FILE, SHIPPED_FOLDER / DETECTOR_FILE]
    assert sum(path.stat().st_size for path in files) <= 4_000_000
    assert backbone.weights_sha256 == hashlib.sha256(files[0].read_bytes()).hexdigest()
    digests = {source.name: source.sha256 for source in SHIPPED}
    for path in files:
        assert digests[path.name] == hashlib.sha256(path.read_bytes()).hexdigest()
        facts = read_facts(path)
        assert facts["knows"] == "rendered people only"
        assert all(figures["mAP50"] >= 0.95 for figures in facts["figures"].values())
        assert facts["figures"]["demo subjects"]["PCK@0.1"] >= 0.95
        assert facts["figures"]["unseen people"]["PCK@0.1"] >= 0.94  # made harder on purpose: docs/tiny.md
        assert facts["recipe"]["version"]


def test_saving_what_was_loaded_gives_the_same_bytes(tmp_path: Path) -> None:
    """float16 storage loses nothing once a network was loaded from it."""
    for name, module in ((POSE_FILE, TinyPose()), (DETECTOR_FILE, build_tiny_detector())):
        shipped = SHIPPED_FOLDER / name
        digest = load_tiny_weights(module, shipped)
        save_weights(module, tmp_path / name, facts=read_facts(shipped))
        assert load_tiny_weights(module, tmp_path / name) == digest


@pytest.mark.parametrize("load", [load_tiny_backbone, load_tiny_detector])
def test_damaged_weights_are_one_clear_line(load, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    missing = tmp_path / "none.safetensors"
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes((SHIPPED_FOLDER / POSE_FILE).read_bytes()[:50_000])
    text = tmp_path / "text.safetensors"
    text.write_text("not weights at all")
    other = SHIPPED_FOLDER / (DETECTOR_FILE if load is load_tiny_backbone else POSE_FILE)
    for path, said in (
        (missing, "cannot read"),
        (cut, "cannot read"),
        (text, "cannot read"),
        (other, "another"),
    ):
        with pytest.raises(HeatpoolError, match=said) as caught:
            load(weights=path)
        assert "\n" not in str(caught.value)
        assert path.name in str(caught.value)
