"""Answers as a table on a screen."""

from __future__ import annotations

from pathlib import Path

import pytest

from heatpool.pipelines.training.prediction.records import Answers, Prediction, Segment
from heatpool.pipelines.training.prediction.tables import answers_table, clock


def test_clips_are_a_row_each() -> None:
    answers = Answers(
        (
            Prediction("in/a/1.mp4", 0, None, "ok", "", ("wave", "clap"), (0.9, 0.1)),
            Prediction("in/b.mp4", 0, None, "failed", "cannot open b.mp4", (), ()),
            Prediction("in/c.mp4", 0, None, "truncated", "cut", ("drink water",), (1.0,)),
        ),
        (),
    )
    assert answers_table(answers, columns=80, lines=24).splitlines() == [
        "video    class          share  others",
        "a/1.mp4  wave          90.0 %  clap 10.0 %",
        "b.mp4    no prediction (failed: cannot open b.mp4)",
        "c.mp4    drink water  100.0 %  truncated: cut",
    ]
    assert max(map(len, answers_table(answers, columns=30, lines=24).splitlines())) == 30


def test_windows_are_shown_as_segments_and_cut_to_the_screen() -> None:
    windows = [Prediction("long.mp4", n, n + 1, "ok", "", ("wave",), (0.9,)) for n in range(148)]
    windows.append(Prediction("long.mp4", 148, 149, "no_person", ""))
    segments = [Segment("long.mp4", n, n + 1, f"action {n % 2}", 0.875) for n in range(148)]
    table = answers_table(Answers(tuple(windows), tuple(segments)), columns=80, lines=12).splitlines()
    assert table == [
        "video        from       to  class     confidence",
        *(f"long.mp4  0:0{n}.00  0:0{n + 1}.00  action {n % 2}      87.5 %" for n in range(6)),
        "… 142 more segments; --segments FOLDER writes all",
        "149 windows of 1 video",
        "1 of them no_person",
    ]
    for lines in (3, 10, 24, 200):
        text = answers_table(
            Answers(tuple(windows), tuple(segments)), columns=80, lines=lines, segments=Path("all")
        )
        assert text.count("\n") < max(lines, 6)
        assert ("all are in all" in text) == (lines < 152)


def test_long_names_are_cut_in_the_middle() -> None:
    path = "/" + "x" * 60 + ".mp4"
    answers = Answers((Prediction(path, 0, None, "ok", "", ("wave",), (0.9,)),), ())
    name = answers_table(answers, columns=100, lines=24).splitlines()[1].split()[0]
    assert len(name) == 40
    assert name.endswith("x.mp4")


@pytest.mark.parametrize(
    ("time_s", "text"), [(0, "0:00.00"), (59.996, "1:00.00"), (245.5, "4:05.50"), (3845.5, "1:04:05.50")]
)
def test_the_clock(time_s: float, text: str) -> None:
    assert clock(time_s) == text
