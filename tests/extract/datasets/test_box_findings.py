from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from heatpool.extract.datasets.box_findings import VideoSize, check_boxes
from heatpool.extract.datasets.given_persons import GivenPersons
from heatpool.pool.exchange.keypoints.records import PoseVideo

SIZE = VideoSize(640, 480, 100)


def boxes_of(
    frames: np.ndarray, boxes: np.ndarray, size_px: tuple[int, int] = (0, 0), told: int = 0
) -> PoseVideo:
    rows = len(frames)
    return PoseVideo(
        "", frames.astype(np.int64), np.full(rows, -1), np.zeros((rows, 0, 2), np.float32),
        np.zeros((rows, 0), np.float32), np.ones(rows, np.float32), boxes.astype(np.float32), *size_px,
        frames=told,
    )  # fmt: skip


def persons_of(videos: Mapping[Path, PoseVideo]) -> GivenPersons:
    return GivenPersons("b.csv", videos, tuple(videos), tuple(videos))


def check(
    *, size: VideoSize = SIZE, **videos: list[tuple[int, float, float, float, float]]
) -> list[tuple[str, str]]:
    """Level and message of what is found in boxes (frame, x1, y1, x2, y2), by the name of the video."""
    given = {}
    for name, rows in videos.items():
        table = np.array(rows, np.float32).reshape(-1, 5)
        given[Path(name)] = boxes_of(table[:, 0], table[:, 1:])
    found = check_boxes(persons_of(given), dict.fromkeys(given, size))
    return [(each.level, each.message.removeprefix("b.csv: ")) for each in found]


BIG = (0, 10, 10, 600, 470)


def test_boxes_that_fit_are_not_spoken_of() -> None:
    assert check(a=[BIG, (99, -1, 0, 641, 480)], b=[]) == []


def test_boxes_over_the_edge_and_outside_are_counted_by_video() -> None:
    found = check(
        a=[BIG, (1, 500, 0, 700, 480), (2, 640, 0, 700, 480)], b=[(3, -90, 0, -9, 9), (4, -90, 0, 9, 9)]
    )
    assert found == [
        ("warning", "2 boxes lie outside the picture and are left out: a 1 of 3, b 1 of 2"),
        ("warning", "2 boxes reach out of the picture and are cut at its edge: a 1 of 3, b 1 of 2"),
    ]


def test_boxes_of_another_video_are_an_error() -> None:
    assert check(a=[(300, 10, 10, 600, 470), (301, 10, 10, 600, 470)], b=[BIG]) == [
        (
            "error",
            "2 boxes are of frames that the video does not have: a 2 of 2; of 1 none is left: boxes of other "
            "videos, or of a copy of another size?",
        )
    ]
    assert check(a=[(0, 1700, 10, 1900, 900)])[0][0] == "error"
    assert check(a=[BIG, (100, *BIG[1:])])[0][0] == "warning", "a frame too many, with the first one there"


def test_frames_counted_from_one_are_told() -> None:
    whole = [(frame, *BIG[1:]) for frame in range(1, 101)]
    (found,) = check(a=whole, b=whole[:50])
    assert found[0] == "error"
    assert found[1].startswith("frames seem to be counted from 1")
    assert "in 1 of 2 the last is behind the last frame (a: frame 100 of 100); say --first-frame" in found[1]
    assert "counted from 1" not in check(a=whole, b=[BIG])[0][1], "another video has boxes in frame 0"
    assert check(a=whole, size=VideoSize(640, 480)) == [], "of a part of a video the frames are not known"


def test_boxes_in_a_quarter_of_every_picture_are_told() -> None:
    small = (5, 10, 10, 300, 230)
    (found,) = check(a=[small], b=[small, small])
    assert found[0] == "warning"
    assert found[1].startswith("the boxes of all 2 videos lie in the upper left quarter of the picture")
    assert check(a=[small], b=[BIG]) == []


def fits(given: PoseVideo, size: VideoSize = SIZE) -> list[tuple[str, str]]:
    found = check_boxes(persons_of({Path("a.mp4"): given}), {Path("a.mp4"): size})
    return [(each.level, each.message.removeprefix("b.csv: ")) for each in found]


def test_boxes_of_a_copy_of_told_size_are_scaled_and_said() -> None:
    given = boxes_of(np.arange(3), np.array([[10, 10, 300, 230]] * 3), (320, 240))
    message = "are of copies of another size and are scaled, a.mp4 from 320 x 240 to 640 x 480"
    assert fits(given) == [("warning", f"the boxes of 1 videos {message}")]
    fractions = boxes_of(np.arange(3), np.array([[0.1, 0.1, 0.9, 0.9]] * 3), (1, 1))
    assert fits(fractions) == []


def test_a_picture_of_other_proportions_is_another() -> None:
    ((level, message),) = fits(boxes_of(np.arange(3), np.array([[10, 10, 300, 230]] * 3), (640, 360)))
    assert level == "error"
    assert "pictures of other proportions, of a.mp4 640 x 360 where it has 640 x 480" in message


def test_another_number_of_frames_is_another_rate() -> None:
    whole = np.array([[10, 10, 600, 470]] * 3)
    assert fits(boxes_of(np.arange(3), whole, told=99)) == []
    ((level, message),) = fits(boxes_of(np.arange(3), whole, told=50))
    assert level == "error"
    assert "1 videos have other numbers of frames than it says, a.mp4 100 where it has 50" in message


def test_every_other_frame_numbered_one_after_the_other_is_asked_about() -> None:
    boxes = np.array([[10, 10, 600, 470]] * 50)
    ((level, message),) = fits(boxes_of(np.arange(50), boxes))
    assert level == "warning"
    assert "are 50% into all 1 videos, a.mp4 49 of 100; if every 2. frame was looked at" in message
    assert fits(boxes_of(np.arange(50) + 9, boxes)) == []


def test_frames_with_gaps_between_them_are_told() -> None:
    boxes = np.array([[10, 10, 600, 470]] * 20)
    message = "only frames 0, 5, 10, … have anybody: --frame-stride 5 reads these alone"
    assert fits(boxes_of(5 * np.arange(20), boxes)) == [("warning", message)]
    assert fits(boxes_of(5 * np.arange(5), boxes[:5])) == []
