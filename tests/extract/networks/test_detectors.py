from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from heatpool.extract.networks.detectors import BoxesFile, FullFrame, UltralyticsDetector
from heatpool.extract.networks.letterbox import Letterbox, letterbox
from heatpool.extract.records import Frame
from heatpool.pool.errors import HeatpoolError


def frame(clip: int = 0, index: int = 0, *, height: int = 60, width: int = 80) -> Frame:
    return Frame(clip, index, 0.0, np.zeros((height, width, 3), np.uint8))


def test_full_frame_is_one_box() -> None:
    found = FullFrame().detect([frame()])[0]
    assert found.boxes_xyxy_px.tolist() == [[0, 0, 80, 60]]


def boxes_file(tmp_path: Path, rows: str, header: str = "path,frame,x1,y1,x2,y2,score") -> Path:
    path = tmp_path / "boxes.csv"
    path.write_text(f"{header}\n{rows}", encoding="utf-8")
    return path


def test_boxes_belong_to_their_clip_and_frame_best_first(tmp_path: Path) -> None:
    rows = "b.mp4,3,1,2,3,4,0.5\nb.mp4,3,5,6,7,8,0.9\na.mp4,3,9,9,10,10,0.7\nother.mp4,0,1,1,2,2,0.9\n"
    detector = BoxesFile(
        boxes_file(tmp_path, rows), videos=[tmp_path / "a.mp4", tmp_path / "b.mp4"], root=tmp_path
    )
    found = detector.detect([frame(1, 3), frame(1, 4), frame(0, 3)])
    assert found[0].boxes_xyxy_px.tolist() == [[5, 6, 7, 8], [1, 2, 3, 4]]
    assert found[0].scores.tolist() == pytest.approx([0.9, 0.5])
    assert [len(each) for each in found] == [2, 0, 1]


def test_boxes_below_the_least_score_are_left_out(tmp_path: Path) -> None:
    path = boxes_file(tmp_path, "a.mp4,0,1,2,3,4,0.5\na.mp4,0,5,6,7,8,0.25\na.mp4,0,9,9,10,10,0.2\n")
    detector = BoxesFile(path, videos=[tmp_path / "a.mp4"], root=tmp_path, min_score=0.25)
    assert detector.detect([frame()])[0].scores.tolist() == [0.5, 0.25]


def test_paths_may_be_relative_to_the_videos(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    detector = BoxesFile(boxes_file(tmp_path, "a.mp4,0,1,2,3,4,1\n"), videos=[videos / "a.mp4"], root=videos)
    assert len(detector.detect([frame()])[0]) == 1


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        ("", "path,frame", "expected columns path, frame, x1, y1, x2, y2, score in .*, got path, frame"),
        ("a.mp4,0,3,2,1,4,1\n", "path,frame,x1,y1,x2,y2,score", "x1 < x2.* in line 2"),
        ("a.mp4,0,nan,2,1,4,1\n", "path,frame,x1,y1,x2,y2,score", "in line 2"),
        ("a.mp4,zero,1,2,3,4,1\n", "path,frame,x1,y1,x2,y2,score", "in line 2"),
        ("c.mp4,0,1,2,3,4,1\n", "path,frame,x1,y1,x2,y2,score", r"got none \(its first path: c.mp4\)"),
    ],
)
def test_a_boxes_file_that_does_not_fit_is_refused(
    tmp_path: Path, rows: str, header: str, message: str
) -> None:
    with pytest.raises(HeatpoolError, match=message):
        BoxesFile(boxes_file(tmp_path, rows, header), videos=[tmp_path / "a.mp4"], root=tmp_path)


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


class OneBox(nn.Module):
    """Stands for a network: always the same two overlapping candidates in input pixels, and a weak one."""

    names = {0: "person"}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen = images
        rows = torch.tensor([[28, 29, 20, 20, 0.8], [29, 29, 20, 20, 0.6], [60, 40, 8, 8, 0.1]])
        return rows.T[None].expand(len(images), -1, -1)  # (B, 4 + classes, candidates), xywh


def test_network_boxes_come_back_in_frame_pixels() -> None:
    network = OneBox()
    detector = UltralyticsDetector(network, image_px=80)
    found = detector.detect([frame(height=90, width=160), frame(height=90, width=160)])
    assert network.seen.shape == (2, 3, 64, 96)
    for each in found:  # centre (28, 29) minus padding (8, 9), twice as large: (40, 40), size 40
        assert each.boxes_xyxy_px.tolist() == [[20, 20, 60, 60]]
        assert each.scores.tolist() == pytest.approx([0.8])


def test_frames_of_different_sizes_keep_their_order() -> None:
    detector = UltralyticsDetector(OneBox(), image_px=80)
    frames = [frame(height=90, width=160), frame(height=45, width=80), frame(height=90, width=160)]
    widths = [each.boxes_xyxy_px[0, 2] - each.boxes_xyxy_px[0, 0] for each in detector.detect(frames)]
    assert widths == [40, 20, 40]
