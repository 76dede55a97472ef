"""Windows merged into segments, by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heatpool.pipelines.training.prediction.records import Segment
from heatpool.pipelines.training.prediction.segments import SegmentMerger, Window, merge_windows

NAMES = ("wave", "clap")


def window(start_s: float, end_s: float, wave: float) -> Window:
    return start_s, end_s, np.array([wave, 1 - wave])


def rows(*windows: Window) -> list[tuple[float, float, str, float]]:
    found = merge_windows("a.mp4", windows, NAMES)
    return [(each.start_s, each.end_s, each.label, round(each.confidence, 6)) for each in found]


def test_windows_side_by_side() -> None:
    """Two of one class are one segment; 0.9 for 2 s and 0.6 for 1 s are 0.8."""
    assert rows(window(0, 2, 0.9), window(2, 3, 0.6), window(3, 5, 0.2)) == [
        (0, 3, "wave", 0.8),
        (3, 5, "clap", 0.8),
    ]


def test_windows_that_overlap_are_averaged_where_they_do() -> None:
    """0-2: 0.8. 2-4: (0.8 + 0.1) / 2 = 0.45 wave, so clap 0.55. 4-6: clap 0.9. Clap: (1.1 + 1.8) / 4."""
    assert rows(window(0, 4, 0.8), window(2, 6, 0.1)) == [(0, 2, "wave", 0.8), (2, 6, "clap", 0.725)]


def test_a_short_window_within_a_long_one_and_no_order() -> None:
    assert rows(window(4, 6, 0.1), window(0, 10, 0.6)) == [
        (0, 4, "wave", 0.6),
        (4, 6, "clap", 0.65),
        (6, 10, "wave", 0.6),
    ]


def test_what_the_end_of_a_video_leaves_over_is_no_segment() -> None:
    """Of 2.04 s the last window alone covers 0.04 s; 0 to 2: 0.6 alone, then (0.6 + 0.4) / 2."""
    assert rows(window(0, 2, 0.6), window(0.04, 2.04, 0.4)) == [
        (0, 2.04, "wave", round((0.04 * 0.6 + 1.96 * 0.5 + 0.04 * 0.4) / 2.04, 6))
    ]
    assert rows(window(0, 2, 0.9), window(3, 3.05, 0.1)) == [(0, 2, "wave", 0.9), (3, 3.05, "clap", 0.9)]


def test_where_no_window_has_an_answer_there_is_no_segment() -> None:
    assert rows(window(0, 2, 0.9), window(3, 4, 0.9)) == [(0, 2, "wave", 0.9), (3, 4, "wave", 0.9)]
    assert rows() == []


def test_rounded_ends_leave_no_gap_and_ties_go_to_the_first_class() -> None:
    assert rows(window(0, 1.0004, 0.9), window(1.001, 2, 0.9)) == [(0, 2, "wave", 0.9)]
    assert rows(window(0, 1, 0.5)) == [(0, 1, "wave", 0.5)]


def test_a_segment_is_said_as_soon_as_no_window_can_change_it() -> None:
    merger = SegmentMerger("a.mp4", NAMES)
    assert merger.add(*window(0, 4, 0.9)) == []
    assert merger.add(*window(2, 6, 0.9)) == []
    assert (
        merger.add(*window(8, 9, 0.1)) == []
    )  # the next one may touch what is known to 6 s, but not join it
    said = [*merger.add(*window(9, 10, 0.1)), None, *merger.finish()]
    assert [each and (each.start_s, each.end_s, each.label) for each in said] == [
        (0, 6, "wave"),
        None,
        (8, 10, "clap"),
    ]
    for start_s, end_s in ((1, 2), (12, 12)):
        with pytest.raises(ValueError, match="expected windows in order"):
            merger.add(*window(start_s, end_s, 0.5))


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(1, 10), st.sampled_from([0.1, 0.3, 0.8, 0.9])), max_size=12
    )
)
def test_every_moment_has_the_class_of_its_average(spans: list[tuple[int, int, float]]) -> None:
    """Against the plain way: all windows at every half second."""
    windows = [window(start, start + length, wave) for start, length, wave in spans]
    segments = merge_windows("a.mp4", windows, NAMES)
    for time_s in np.arange(0.5, 50):
        covering = [share for start, end, share in windows if start < time_s < end]
        found = [each.label for each in segments if each.start_s < time_s < each.end_s]
        expected = [NAMES[int(np.argmax(np.mean(covering, axis=0)))]] if covering else []
        assert found == expected
    assert all(a.end_s <= b.start_s for a, b in pairwise(segments))


def test_a_segment_checks_itself() -> None:
    with pytest.raises(ValueError, match="start before the end"):
        Segment("a.mp4", 2, 2, "wave", 0.5)
    with pytest.raises(ValueError, match="confidence"):
        Segment("a.mp4", 0, 2, "wave", 1.5)
