from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from heatpool.extract.engine.estimators import TopDown
from heatpool.extract.engine.slots import select_tracked
from heatpool.extract.records import Detections, PoseBatch
from heatpool.extract.video.reader import probe
from heatpool.pipelines.drawing.detection_pass import (
    KnownBoxes,
    TappedHeatmaps,
    pose_again,
    run_detection_pass,
)
from heatpool.pipelines.drawing.scene import HeatFile, Scene
from heatpool.pipelines.drawing.view import View
from tests.conftest import AnalyticBackbone, BrightDetector, VideoMaker


def block_frames(columns: list[int | None]) -> list[np.ndarray]:
    """Dark frames with a white block of 24 x 32 pixels at these columns; None leaves it out."""
    frames = []
    for column in columns:
        frame = np.zeros((64, 96, 3), np.uint8)
        if column is not None:
            frame[16:48, column : column + 24] = 255
        frames.append(frame)
    return frames


class SpottedBackbone(AnalyticBackbone):
    """The analytic network with a heatmap a joint: its value at the cell of the joint, 4 pixels a cell."""

    def forward(self, crops: torch.Tensor) -> PoseBatch:
        pose = super().forward(crops)
        heatmaps = torch.zeros(len(crops), 2, 8, 6)
        heatmaps[:, 0, 4, 1], heatmaps[:, 1, 4, 4] = 0.5, 1.0
        return PoseBatch(pose.joints_xy_px, pose.scores, pose.maps, heatmaps)


def watch(
    path: Path, backbone: AnalyticBackbone, heat: HeatFile, *, joints: tuple[int, ...] = (0, 1)
) -> Scene:
    network = TappedHeatmaps(backbone, joints)
    detected = run_detection_pass(
        path, TopDown(BrightDetector(), network, device="cpu"), info=probe(path), batch=3
    )
    assert all(isinstance(found, Detections) for found in detected.found)  # no crops are kept
    chosen = select_tracked(detected.detections(), 2)
    known = TopDown(KnownBoxes(detected, chosen), network, device="cpu")
    return pose_again(detected, chosen, known, network=network, heat=heat, frame_batch=2, person_batch=3)


def test_slots_joints_and_energy_are_those_of_the_network(make_video: VideoMaker) -> None:
    path = make_video(block_frames([8, 10, None, 14, 16, 18, 20]))
    with HeatFile() as heat:
        scene = watch(path, AnalyticBackbone(), heat)
        assert len(heat) == 0  # this network has none
    assert scene.filled.tolist() == [[True, True, False, True, True, True, True], [False] * 7]
    # The crop is the block: joints at a quarter and three quarters of its width, in the middle of its height.
    np.testing.assert_allclose(scene.joints_xy_px[0, 3], [[20, 32], [32, 32]], atol=1.5)
    np.testing.assert_allclose(scene.boxes_xyxy_px[0, 6], [20, 16, 44, 48], atol=1.5)
    # Pooled is (x, y, brightness) = (±1/2, 0, 1) at the two joints: 2 (1/4 + 1) = 2.5.
    np.testing.assert_allclose(scene.energy[0, scene.filled[0]], np.sqrt(2.5), rtol=0.05)
    assert not scene.energy[~scene.filled].any()


def test_heatmaps_lie_where_their_joints_are(make_video: VideoMaker) -> None:
    path = make_video(block_frames([8, 12, None, 20]))
    whole, size_px = View.whole((96, 64)), (192, 128)
    black = np.zeros((64, 96, 3), np.uint8)
    for joints, place in (((0, 1), (64, 56)), ((0,), (64, 32))):  # row and column of the peak in frame 1
        with HeatFile() as heat:
            scene = watch(path, SpottedBackbone(), heat, joints=joints)
            assert len(heat) == 3
            assert heat.get(0, 2) is None
            found = heat.get(0, 1)
            assert found is not None
            assert found[0].max() == pytest.approx(1.0 if 1 in joints else 0.5, abs=1 / 255)
            scene.scores[:] = 0  # no joints over the maps
            drawn = whole.draw(black, scene.persons(1), size_px=size_px, heatmaps=heat.of_frame(1, [0, 1]))
            inside = drawn[38:90, 28:68].astype(int).sum(2)  # within the box
            row, column = np.unravel_index(inside.argmax(), inside.shape)
            np.testing.assert_allclose((row + 38, column + 28), place, atol=3)
            assert not heat.of_frame(2, [0, 1])
            assert not whole.draw(black, scene.persons(2), size_px=size_px).any()
