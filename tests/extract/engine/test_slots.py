from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heatpool.extract.engine.slots import fill_slots, select_first, select_tracked
from heatpool.extract.engine.tracking import Track
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


def test_first_takes_the_most_confident_and_repeats_who_is_alone() -> None:
    frames = [people((10, 10, 4, 4, 0.3), (50, 10, 4, 4, 0.9)), Detections.none(), people((9, 9, 4, 4, 0.5))]
    assert select_first(frames, 2).tolist() == [[0, -1, 0], [1, -1, 0]]


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


def test_nobody_gives_empty_slots() -> None:
    frames = [Detections.none() for _ in range(5)]
    assert (select_tracked(frames, 2) == -1).all()
    assert (select_first(frames, 2) == -1).all()


def test_clips_do_not_share_a_tracker() -> None:
    frames = crossing()
    first = select_tracked(frames, 2)
    select_tracked(frames[::-1], 2)
    assert np.array_equal(select_tracked(frames, 2), first)


# The rule itself, on tracks made by hand.


def track(
    frames: range,
    *,
    x: float = 100.0,
    size: float = 60.0,
    score: float = 0.8,
    sway: float = 0.0,
    number: int = 0,
) -> Track:
    """A box of width `size`, twice as high, whose edges sway by so many body lengths."""
    shift = sway * 2 * size * (np.arange(len(frames)) % 2)
    box = np.array([x, 0, x + size, 2 * size])
    return Track(
        np.array(frames),
        np.full(len(frames), number),
        (box + shift[:, None]).astype(np.float32),
        np.full(len(frames), score, np.float32),
    )


class Joints:
    """Joint scores by number of the detection; notes who was asked about."""

    def __init__(self, *scores: float) -> None:
        self._scores = np.array(scores)
        self.asked: list[tuple[int, int]] = []

    def __call__(self, persons: Sequence[tuple[int, int]]) -> np.ndarray:
        self.asked += persons
        return self._scores[[number for _, number in persons]]


def test_a_car_fills_no_slot_beside_two_fighters() -> None:
    car = track(range(60), size=200, score=0.9, number=0)
    one = track(range(40), size=60, sway=0.3, number=1)
    two = track(range(30, 60), size=50, sway=0.3, number=2)
    joints = Joints(0.13, 0.3, 0.35)
    assert fill_slots([car, one, two], 2, 60, joint_scores=joints) == [one, two]
    # Where the detector finds one of them only, the other slot stays empty.
    assert fill_slots([car, one], 2, 60, joint_scores=joints) == [one]
    assert fill_slots([one, car], 1, 60, joint_scores=joints) == [one]


def test_nobody_else_is_there() -> None:
    joints = Joints(0.05)
    car = track(range(60))
    assert fill_slots([car], 2, 60, joint_scores=joints) == [car]
    assert not joints.asked  # nothing to choose


def test_who_acts_comes_before_who_stands_by() -> None:
    bystander = track(range(60), size=70, number=0)
    actor = track(range(60), size=60, sway=0.3, number=1)
    assert fill_slots([bystander, actor], 1, 60, joint_scores=Joints(0.9, 0.9)) == [actor]
    assert fill_slots([bystander, actor], 2, 60, joint_scores=Joints(0.9, 0.9)) == [actor, bystander]
    # Motion counts double at most: someone far away who runs through is not the main actor.
    runner = track(range(30), size=30, sway=5, number=2)
    found = fill_slots([runner, bystander, actor], 2, 60, joint_scores=Joints(0.9, 0.9, 0.9))
    assert found == [actor, bystander]


def test_clear_joints_come_before_blurred_ones() -> None:
    clear, blurred = track(range(60), number=0), track(range(60), size=70, number=1)
    assert fill_slots([clear, blurred], 1, 60, joint_scores=Joints(0.9, 0.5)) == [clear]
    assert fill_slots([clear, blurred], 2, 60, joint_scores=Joints(0.9, 0.5)) == [clear, blurred]


def test_few_joints_are_looked_at() -> None:
    """Four frames each of the 3 M most present; a crowd costs no more."""
    crowd = [track(range(60), size=100 - number, number=number) for number in range(20)]
    joints = Joints(*[0.9] * 20)
    assert fill_slots(crowd, 2, 60, joint_scores=joints) == crowd[:2]
    assert joints.asked == [(frame, number) for number in range(6) for frame in (7, 22, 37, 52)]
    short = [track(range(20), number=0), track(range(50, 52), number=1), track(range(3), x=900, number=2)]
    joints = Joints(0.9, 0.9, 0.9)
    assert fill_slots(short, 2, 52, joint_scores=joints) == [short[0]]  # the others are not long enough
    assert not joints.asked
