from __future__ import annotations

import numpy as np

from heatpool.extract.engine.slots import select_first, select_tracked
from heatpool.extract.records import Detections


def people(*boxes: tuple[float, float, float, float, float]) -> Detections:
    """Detections from (centre x, centre y, width, height, score), sorted by score."""
    rows = np.array(sorted(boxes, key=lambda box: -box[4]), np.float32).reshape(-1, 5)
    half = rows[:, 2:4] / 2
    return Detections(np.concatenate([rows[:, :2] - half, rows[:, :2] + half], 1), rows[:, 4])


def centres(frames: list[Detections], chosen: np.ndarray) -> list[float]:
    """X centre of the detection in a slot, frame by frame; -1 where the slot is empty."""
    found = []
    for frame, number in zip(frames, chosen, strict=True):
        box = frame.boxes_xyxy_px[number]
        found.append(float((box[0] + box[2]) / 2) if number >= 0 else -1.0)
    return found


def crossing(steps: int = 40) -> list[Detections]:
    """Two people walk past each other at different heights; the nearer side is seen more surely."""
    frames = []
    for step in range(steps):
        left, right = 50 + 5.0 * step, 250 - 5.0 * step
        one = (left, 100.0, 40.0, 120.0, 0.9 if step < steps // 2 else 0.6)
        two = (right, 118.0, 40.0, 120.0, 0.75)
        frames.append(people(one, two))
    return frames


def test_slots_stay_with_people_who_cross() -> None:
    frames = crossing()
    chosen = select_tracked(frames, 2)
    paths = [np.array(centres(frames, slot)) for slot in chosen]
    for path in paths:
        assert (path >= 0).all()
        assert len(set(np.sign(np.diff(path)))) == 1, "the slot changed its person"
    assert np.sign(paths[0][-1] - paths[0][0]) != np.sign(paths[1][-1] - paths[1][0])


def test_first_swaps_people_who_cross() -> None:
    frames = crossing()
    path = centres(frames, select_first(frames, 2)[0])
    assert path[0] == 50
    assert path[-1] == 250 - 5 * 39  # the other person: scores swapped in the middle


def test_first_takes_the_most_confident() -> None:
    frames = [people((10, 10, 4, 4, 0.3), (50, 10, 4, 4, 0.9)), Detections.none(), people((9, 9, 4, 4, 0.5))]
    assert select_first(frames, 2).tolist() == [[0, -1, 0], [1, -1, -1]]


def test_main_actor_is_the_large_and_lasting_one() -> None:
    frames = []
    for step in range(30):
        found = [(200.0, 100.0, 60.0, 150.0, 0.7), (40.0 + step, 60.0, 15.0, 40.0, 0.9)]
        frames.append(people(*found))
    chosen = select_tracked(frames, 1)
    assert centres(frames, chosen[0])[1:] == [200.0] * 29


def test_a_passer_by_is_no_second_person() -> None:
    frames = []
    for step in range(50):
        found = [(100.0, 100.0, 40.0, 120.0, 0.9)]
        if 20 <= step < 26:
            found.append((220.0 + 2 * step, 100.0, 40.0, 120.0, 0.8))
        frames.append(people(*found))
    chosen = select_tracked(frames, 2)
    assert (chosen[0] >= 0).all()
    assert (chosen[1] < 0).all()


def test_a_person_lost_for_long_comes_back_to_the_same_slot() -> None:
    frames = [people((100, 100, 40, 120, 0.9)) for _ in range(20)]
    frames += [Detections.none() for _ in range(45)]  # longer than the tracker remembers
    frames += [people((110, 102, 40, 120, 0.9)) for _ in range(20)]
    chosen = select_tracked(frames, 2)
    assert (chosen[1] < 0).all()
    assert (chosen[0, :20] >= 0).all()
    assert (chosen[0, 66:] >= 0).all()


def test_nobody_gives_empty_slots() -> None:
    frames = [Detections.none() for _ in range(5)]
    assert (select_tracked(frames, 2) == -1).all()
    assert (select_first(frames, 2) == -1).all()


def test_clips_do_not_share_a_tracker() -> None:
    frames = crossing()
    first = select_tracked(frames, 2)
    select_tracked(frames[::-1], 2)
    assert np.array_equal(select_tracked(frames, 2), first)
