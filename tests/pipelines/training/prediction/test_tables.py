"""Answers as a table on a screen."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from heatpool.pipelines.drawing.text_width import text_width
from heatpool.pipelines.training.prediction.records import Answers, Prediction, Segment
from heatpool.pipelines.training.prediction.tables import answers_table, clock, predictions_text


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
        "b.mp4    failed: cannot open b.mp4",
        "c.mp4    drink water  100.0 %  truncated: cut",
    ]
    assert max(map(len, answers_table(answers, columns=30, lines=24).splitlines())) == 30


def test_other_scripts_and_long_names_keep_the_columns() -> None:
    long = "carrying a large cardboard box up a flight of stairs"
    answers = Answers(
        (
            Prediction("竞技/1.mp4", 0, None, "ok", "", ("打架", long), (0.625, 0.375)),
            Prediction("b/2.mp4", 0, None, "ok", "", (long, "打架"), (0.75, 0.25)),
        ),
        (),
    )
    rows = answers_table(answers, columns=60, lines=24).splitlines()
    assert rows == [
        "video       class                  share  others",
        "竞技/1.mp4  打架                  62.5 %  carrying a large …",
        "b/2.mp4     carrying a large ca…  75.0 %  打架 25.0 %",
    ]
    assert all(text_width(row) <= 60 for row in rows)


def test_a_video_without_any_segment_has_a_row() -> None:
    windows = [Prediction("a.mp4", n, n + 1, "ok", "", ("wave",), (0.9,)) for n in range(2)]
    failed = Prediction("b.mp4", 0, None, "failed", "cannot open b.mp4")
    nobody = [Prediction("c.mp4", n, n + 1, "no_person", "no person detected in any frame") for n in range(2)]
    answers = Answers((failed, *windows, *nobody), (Segment("a.mp4", 0, 2, "wave", 0.9),))
    assert answers_table(answers, columns=80, lines=24).splitlines() == [
        "video     from       to  class  confidence",
        "b.mp4  failed: cannot open b.mp4",
        "a.mp4  0:00.00  0:02.00  wave       90.0 %",
        "c.mp4  no person detected in any frame",
        "5 windows of 3 videos",
        "1 of them: failed: cannot open b.mp4",
        "2 of them: no person detected in any frame",
    ]


def test_rows_of_a_file_have_all_columns_also_where_all_failed() -> None:
    failed = Prediction("b.mp4", 0, None, "failed", "cannot open b.mp4")
    good = Prediction("a.mp4", 0, 1.5, "ok", "", ("wave", "clap"), (0.9, 0.1), "a")
    for predictions, columns in (((failed, good), 10), ((failed,), 8)):
        rows = list(csv.reader(predictions_text(".csv", predictions).splitlines()))
        assert {len(row) for row in rows} == {columns}
        assert rows[0][6:8] == ["label_1", "probability_1"]


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
        "1 of them: no person detected",
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
