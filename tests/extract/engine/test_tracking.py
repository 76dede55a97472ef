from __future__ import annotations

import numpy as np
import pytest

from heatpool.extract.engine.slots import select_tracked
from heatpool.extract.engine.track import Track
from heatpool.extract.engine.tracking import follow_persons
from heatpool.extract.records import Detections
from tests.extract.engine.test_slots import people


def lost_and_found(x: float, *, height: float = 120.0) -> list[Track]:
    """A person at x = 100 is seen for 20 frames, then nobody, then somebody at x."""
    frames = [people((100, 100, 40, 120, 0.9)) for _ in range(20)]
    frames += [Detections.none() for _ in range(45)]  # longer than the tracker remembers
    frames += [people((x, 102, 40, height, 0.9)) for _ in range(20)]
    return follow_persons(frames)


def test_a_person_lost_for_long_is_the_same_person() -> None:
    (track,) = lost_and_found(110)
    assert track.frames[0] == 0
    assert track.frames[-1] == 84
    assert len(track) >= 39
    assert np.all(np.diff(track.frames) > 0)


@pytest.mark.parametrize(("x", "height"), [(130, 120), (110, 500)])
def test_somebody_beside_or_of_another_size_is_another_person(x: float, height: float) -> None:
    """From 0.75 of a box away on, two fighters used to become one."""
    assert [len(track) > 15 for track in lost_and_found(x, height=height)] == [True, True]


def test_motion_in_body_lengths_by_hand() -> None:
    frames, numbers = np.arange(100), np.zeros(100, np.int64)
    box = np.array([0, 0, 50, 100], np.float32)
    scores = np.ones(100, np.float32)
    standing = Track(frames, numbers, np.tile(box, (100, 1)), scores)
    assert standing.motion() == 0
    # It walks one body length: 80 % of the way lies between the quantiles, on two of the four edges.
    walking = Track(frames, numbers, box + np.outer(np.linspace(0, 100, 100), [1, 0, 1, 0]), scores)
    assert walking.motion() == pytest.approx(0.4, abs=0.01)
    # One wrong box among many does not count.
    wrong = np.tile(box, (100, 1))
    wrong[50] *= 5
    assert Track(frames, numbers, wrong, scores).motion() == 0


def test_found_in_every_other_frame_gives_all_detections() -> None:
    for first in (0, 1):
        frames = [
            people((960 + frame, 540, 120, 470, 0.6)) if frame % 2 == first else Detections.none()
            for frame in range(103)
        ]
        chosen = select_tracked(frames, 2)
        assert (chosen[0] >= 0).tolist() == [len(each) > 0 for each in frames]


@pytest.mark.parametrize("step_px", [4, 16, 32])
def test_a_newcomer_keeps_his_first_frame(step_px: int) -> None:
    frames = [people((300, 100, 40, 120, 0.9)) for _ in range(20)]
    frames += [people((300, 100, 40, 120, 0.9), (900 - step_px * at, 110, 40, 120, 0.3)) for at in range(30)]
    assert [(len(track), track.frames[0]) for track in follow_persons(frames)] == [(50, 0), (30, 20)]


@pytest.mark.parametrize("speed_px", [4, 8, 16, 32])
def test_two_who_cross_in_one_line_keep_their_tracks(speed_px: int) -> None:
    ways = [speed_px * (at - 19.7) for at in range(40)]
    tracks = follow_persons([people((x, 100, 40, 120, 0.9), (-x, 104, 40, 120, 0.8)) for x in ways])
    assert [len(track) for track in tracks] == [40, 40]
    for track in tracks:
        assert len(set(np.sign(np.diff(track.boxes_xyxy_px[:, 0])))) == 1


def test_motion_is_reckoned_with_real_time() -> None:
    """Six frame times pass unseen: he is where he would be, and somebody stands where one would have led."""
    times_s = np.append(np.arange(10), np.arange(16, 26)) / 25
    ways_px = 100 + 1000 * times_s
    frames = [people((way_px, 100, 40, 120, 0.9)) for way_px in ways_px]
    frames[10] = people((ways_px[10], 100, 40, 120, 0.9), (ways_px[9] + 40, 100, 40, 120, 0.8))
    runner = max(follow_persons(frames, times_s), key=len)
    assert len(runner) == 20
    assert not runner.numbers.any()
    assert max(len(track) for track in follow_persons(frames)) < 20  # evenly spaced, they are not one way


def test_what_is_found_once_is_no_person() -> None:
    frames = [Detections.none()] * 20 + [people((100, 100, 40, 120, 0.9))] + [Detections.none()] * 20
    assert (select_tracked(frames, 2) < 0).all()
