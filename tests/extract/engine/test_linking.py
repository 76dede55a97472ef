"""Pieces of tracks put together: who is missed, who is fast, who is in doubt, who is somebody else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.tracking import judge, simulate
from heatpool.extract.engine.linking import link_tracks
from heatpool.extract.engine.slots import select_tracked
from heatpool.extract.engine.track import Track
from heatpool.extract.engine.tracking import follow_persons
from heatpool.extract.records import Detections
from tests.extract.engine.test_slots import people


def piece(frames: Sequence[int], x_px: Sequence[float], *, height_px: float = 120.0) -> Track:
    """Somebody 40 pixels wide whose left edge is at these places."""
    x = np.asarray(x_px, np.float32)
    boxes = np.stack([x, np.full_like(x, 100), x + 40, np.full_like(x, 100 + height_px)], 1)
    at = np.asarray(frames, np.int64)
    return Track(at, np.zeros_like(at), boxes, np.full(len(at), 0.5, np.float32))


def found_in(tracks: Sequence[Track]) -> list[list[int]]:
    return [track.frames.tolist() for track in tracks]


TIMES_S = np.arange(60) / 25


def test_motion_leads_over_a_gap() -> None:
    before, after = piece(range(10), range(0, 100, 10)), piece(range(16, 26), range(160, 260, 10))
    assert found_in(link_tracks([before, after], TIMES_S)) == [[*range(10), *range(16, 26)]]


def test_it_does_not_lead_elsewhere() -> None:
    before, beside = piece(range(10), range(0, 100, 10)), piece(range(16, 26), [60] * 10)
    assert len(link_tracks([before, beside], TIMES_S)) == 2


def test_motion_is_reckoned_in_real_time() -> None:
    """From frame 9 to 10 the clock moves by seven frames: so does who walks on."""
    times_s = np.where(np.arange(60) < 10, np.arange(60), np.arange(60) + 6) / 25
    before, after = piece(range(10), range(0, 100, 10)), piece(range(10, 20), range(160, 260, 10))
    assert len(link_tracks([before, after], times_s)) == 1
    assert len(link_tracks([before, after], TIMES_S)) == 2


def test_single_detections_fill_gaps_where_the_track_passes() -> None:
    walk = piece([*range(10), *range(20, 30)], [*range(0, 100, 10), *range(200, 300, 10)])
    on_the_way, elsewhere = piece([15], [150]), piece([15], [300])
    found = link_tracks([walk, on_the_way, elsewhere], TIMES_S)
    assert sorted(map(len, found)) == [1, 21]


def test_another_size_is_another_person() -> None:
    near, far = piece(range(10), [100] * 10), piece(range(12, 22), [100] * 10, height_px=500)
    assert len(link_tracks([near, far], TIMES_S)) == 2


def test_two_who_cross_go_on_as_they_went() -> None:
    right, left = piece(range(10), range(0, 200, 20)), piece(range(10), range(400, 200, -20))
    further = piece(range(12, 22), range(240, 440, 20)), piece(range(12, 22), range(160, -40, -20))
    for track in link_tracks([right, left, *further], TIMES_S):
        assert len(track) == 20
        assert len(set(np.sign(np.diff(track.boxes_xyxy_px[:, 0])))) == 1


def test_times_that_stand_still_are_no_times() -> None:
    before, after = piece(range(10), [100] * 10), piece(range(12, 22), [100] * 10)
    assert len(link_tracks([before, after], np.zeros(60))) == 1


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("speed", [0.1, 0.4, 0.8])
def test_who_is_missed_or_fast_keeps_all_detections(share: float, speed: float) -> None:
    rng = np.random.default_rng(3)
    for entry in (0, 10, 50):
        scene = simulate(rng, found=share, entry=entry, speed=speed, persons=1, to_and_fro=False)
        rows = [np.array([row[:5] for row in frame], np.float32).reshape(-1, 5) for frame in scene]
        chosen = select_tracked([Detections(each[:, :4], each[:, 4]) for each in rows], 1)
        kept, switches = judge(scene, chosen.tolist())
        assert kept >= 0.95
        assert not switches


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_every_detection_is_in_one_track(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    frames = []
    for _ in range(data.draw(st.integers(0, 25))):
        count = int(rng.integers(0, 4))
        boxes = [(*rng.uniform(0, 500, 2), *rng.uniform(0, 90, 2), score) for score in rng.random(count)]
        frames.append(people(*sorted(boxes, key=lambda box: -box[4])))
    tracks = follow_persons(frames)
    found = [
        pair for each in tracks for pair in zip(each.frames.tolist(), each.numbers.tolist(), strict=True)
    ]
    assert sorted(found) == [
        (frame, number) for frame, each in enumerate(frames) for number in range(len(each))
    ]
    assert all((np.diff(track.frames) > 0).all() for track in tracks)
