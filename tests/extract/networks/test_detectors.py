from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from heatpool.extract.networks.detectors import FullFrame, UltralyticsDetector, detect_frames
from heatpool.extract.networks.letterbox import Letterbox, letterbox
from heatpool.extract.records import Frame


def frame(clip: int = 0, index: int = 0, *, height: int = 60, width: int = 80) -> Frame:
    return Frame(clip, index, 0.0, np.zeros((height, width, 3), np.uint8))


def test_full_frame_is_one_box() -> None:
    found = detect_frames(FullFrame(), [frame()])[0]
    assert found.boxes_xyxy_px.tolist() == [[0, 0, 80, 60]]


def test_letterbox_pads_to_multiples_of_32() -> None:
    image = np.full((90, 160, 3), 255, np.uint8)
    boxed, place = letterbox(image, (80, 80), stride=32)
    assert boxed.shape == (64, 96, 3)
    assert place == Letterbox(scale_xy=(0.5, 0.5), pad_px=(8, 9), size_px=(160, 90))
    assert (boxed[9:54, 8:88] == 255).all()
    assert (boxed[:9] == 114).all()


def test_letterbox_pads_to_an_input_of_one_size_and_rounds_each_side() -> None:
    boxed, place = letterbox(np.full((33, 100, 3), 255, np.uint8), (64, 80))
    assert boxed.shape == (64, 80, 3)
    assert place == Letterbox(scale_xy=(0.8, 26 / 33), pad_px=(0, 19), size_px=(100, 33))
    corners = place.to_frame(np.array([[0, 19], [80, 45], [90, -5]]))
    np.testing.assert_allclose(corners, [[0, 0], [100, 33], [100, 0]], rtol=1e-6)


class Head(nn.Module):
    """Always the same two overlapping candidates in input pixels, and a weak one."""

    f = (-1,)  # reads the images

    def forward(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        (self.seen,) = (images,) = inputs
        rows = torch.tensor([[28, 29, 20, 20, 0.8], [29, 29, 20, 20, 0.6], [60, 40, 8, 8, 0.1]])
        return rows.T[None].expand(len(images), -1, -1)  # (B, 4 + classes, candidates), xywh


class OneBox(nn.Module):
    """Stands for a network, with the least of what ultralytics' have: it is its head alone."""

    names, save = {0: "person"}, ()

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.ModuleList([Head()])


def test_network_boxes_come_back_in_frame_pixels() -> None:
    network = OneBox()
    detector = UltralyticsDetector(network, image_px=90)  # not a multiple of the stride: 96
    found = detect_frames(detector, [frame(height=108, width=192), frame(height=108, width=192)])
    assert network.model[0].seen.shape == (2, 3, 64, 96)
    for each in found:  # centre (28, 29) minus padding (0, 5), twice as large: (56, 48), size 40
        assert each.boxes_xyxy_px.tolist() == [[36, 28, 76, 68]]
        assert each.scores.tolist() == pytest.approx([0.8])


def test_frames_of_different_sizes_keep_their_order() -> None:
    detector = UltralyticsDetector(OneBox(), image_px=96)
    frames = [frame(height=108, width=192), frame(height=54, width=96), frame(height=108, width=192)]
    widths = [each.boxes_xyxy_px[0, 2] - each.boxes_xyxy_px[0, 0] for each in detect_frames(detector, frames)]
    assert widths == [40, 20, 40]
