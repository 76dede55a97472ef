from __future__ import annotations

import numpy as np
import pytest

from heatpool.extract.engine.tracking import Track, follow_persons
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
