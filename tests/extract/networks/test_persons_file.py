from __future__ import annotations

import numpy as np
import pytest
from heatpool.extract.networks.boxes_file import BoxesFile

from heatpool.extract.datasets.boxes import VideoBoxes
from heatpool.extract.records import Detections, Frame


def detect(frame: int, *boxes: tuple[int, float, float, float, float], weak: int = 0) -> Detections:
    """Detections of a frame of 80 x 60 pixels, by boxes (frame, x1, y1, x2, y2)."""
    table = np.array(boxes, np.float32).reshape(-1, 5)
    scores = np.linspace(1, 0.5, len(table), dtype=np.float32)
    given = VideoBoxes(table[:, 0].astype(np.int64), table[:, 1:], scores, weak)
    (found,) = BoxesFile([given], "boxes.csv").detect([Frame(0, frame, 0.0, np.zeros((60, 80, 3), np.uint8))])
    return found


def test_boxes_are_cut_at_the_edge_and_left_out_beyond_it() -> None:
    found = detect(3, (3, 90, 0, 99, 9), (3, -5, 10, 20, 70), (3, 1, 2, 3, 4), (4, 5, 5, 9, 9))
    assert found.boxes_xyxy_px.tolist() == [[0, 10, 20, 60], [1, 2, 3, 4]]
    np.testing.assert_allclose(found.scores, [5 / 6, 4 / 6], rtol=1e-6)
    assert found.note == ""


@pytest.mark.parametrize(
    ("found", "note"),
    [
        (detect(0, (0, 80, 0, 99, 9)), "its boxes in boxes.csv lie outside the picture of 80 x 60 pixels"),
        (detect(0, (7, 0, 0, 9, 9), (9, 0, 0, 9, 9)), "its boxes in boxes.csv are of other frames, from 7 "
         "to 9"),
        (detect(0, weak=3), "its 3 boxes in boxes.csv are below --min-score"),
        (detect(0), "boxes.csv has no box for it"),
    ],
)  # fmt: skip
def test_where_there_is_none_it_is_said_why(found: Detections, note: str) -> None:
    assert (len(found), found.note) == (0, note)
