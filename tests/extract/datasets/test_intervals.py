"""Tables of intervals in long videos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from heatpool.extract.datasets.intervals import list_interval_table, parse_time_s
from heatpool.extract.datasets.listing import IntervalRule, Listing, scan
from heatpool.extract.datasets.manifest import read_manifest
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split
from tests.conftest import VideoMaker, gray_frames
from tests.extract.datasets.dataset_files import touch


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("12.5", 12.5),
        ("90", 90),
        ("01:02.5", 62.5),
        ("1:02:03.250", 3723.25),
        ("100:00:00", 360_000),
    ],
)
def test_times_are_seconds_or_clock_times(text: str, seconds: float) -> None:
    assert parse_time_s(text, "line 2") == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1", "1:60", "1:2:61", "1:75:00", "1e3", "12,5", "nan"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(HeatpoolError, match=r"expected seconds, or hh:mm:ss.ms, got .* in line 2"):
        parse_time_s(text, "line 2")


def list_text(folder: Path, text: str, **rule: object) -> Listing:
    table = folder.parent / "labels.csv"
    table.write_text(text, encoding="utf-8")
    return list_interval_table(replace(scan(folder), annotations=table, intervals=IntervalRule(**rule)))  # type: ignore[arg-type]


def spans(listing: Listing) -> dict[str, tuple[float, float | None, str]]:
    return {clip.clip_id: (clip.start_s, clip.end_s, clip.class_name) for clip in listing.manifest.clips}


def test_intervals_may_overlap_and_repeat(tmp_path: Path) -> None:
    folder = touch(tmp_path / "v", "day1/long.mp4", "other.mp4", "unused.mp4")
    listing = list_text(
        folder,
        "path;start;end;label;subject;fold\n"
        "long.mp4;00:00:01.5;00:00:04;walk;anna;train\n"
        "C:\\videos\\long.mp4;2;5.25;wave;anna;train\n"
        "long.mp4;2;5.25;nod;anna;train\n"
        "/videos of ben/long.mp4;1.5;4;walk;ben;train\n"
        "other;0;1;walk;ben;test\n"
        "other;1;2;;ben;test\n"
        "other;3;3;blink;ben;test\n"
        "gone.mp4;0;1;walk;;\n",
    )
    assert spans(listing) == {
        "day1/long@1.50-4.00": (1.5, 4.0, "walk"),
        "day1/long@2.00-5.25 nod": (2.0, 5.25, "nod"),
        "day1/long@2.00-5.25 wave": (2.0, 5.25, "wave"),
        "other@0.00-1.00": (0.0, 1.0, "walk"),
    }
    assert [clip.columns["subject"] for clip in listing.manifest.clips] == ["anna", "anna", "anna", "ben"]
    assert [clip.splits["fold"] for clip in listing.manifest.clips] == [Split.TRAIN] * 3 + [Split.TEST]
    assert {(each.path, each.reason.partition(":")[0]) for each in listing.excluded} == {
        ("unused.mp4", "labels.csv does not name it"),
        ("gone.mp4", "listed, but there is no such video"),
        ("/videos of ben/long.mp4, line 5 of labels.csv", "the same interval with the same label once more"),
        ("other, line 7 of labels.csv", "an interval without a label"),
        ("other, line 8 of labels.csv", "an event without a length"),
    }
    listing.manifest.write(tmp_path / "clips.csv")
    assert read_manifest(tmp_path / "clips.csv").clips == listing.manifest.clips


def test_clips_may_have_ids_of_their_own(tmp_path: Path) -> None:
    text = "Path;Start;End;Label;clip_id\na;0;0,5;walk;first\na;1;2;walk;\na;2;3;wave;same\na;3;4;wave;same\n"
    assert list(spans(list_text(touch(tmp_path / "v", "a.mp4"), text))) == [
        "first",
        "a@1.00-2.00",
        "same@2.00-3.00",
        "same@3.00-4.00",
    ]


def test_points_become_clips_where_they_get_a_length(tmp_path: Path) -> None:
    folder = touch(tmp_path / "v", "a.mp4")
    listing = list_text(folder, "path,start_s,end_s,label\na,3,3,blink\na,0.2,0.2,blink\n", point_s=1.0)
    assert spans(listing) == {"a@2.50-3.50": (2.5, 3.5, "blink"), "a@0.00-1.00": (0.0, 1.0, "blink")}


def test_what_no_interval_covers_is_background(
    make_video: VideoMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_video(gray_frames(70), "v/a.mp4", fps=10)  # 7 s
    touch(tmp_path / "v", "broken.mp4")
    listing = list_text(
        tmp_path / "v",
        "path,start,end,label\na,1.5,3,walk\na,2,2.5,wave\na,3.5,4,walk\nbroken,1,2,walk\n",
        background="nothing",
    )
    found = spans(listing)
    assert {name: span for name, span in found.items() if span[2] == "nothing"} == {
        "a@0.00-1.50": (0.0, 1.5, "nothing"),
        "a@4.00-7.00": (4.0, pytest.approx(7.0), "nothing"),  # half a second from 3 to 3.5 s is none
    }
    assert len(found) == 6
    assert [line.partition(":")[0] for line in caplog.messages] == ["broken.mp4 gets no clips of nothing"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,start,end\na,0,1\n", "expected columns path, start, end and label in labels.csv"),
        (
            "path,start,end,label\na,3,2,walk\n",
            "an end after the start, got 3 to 2 s in line 2 of labels.csv",
        ),
        (
            "path\tstart\tend\tlabel\na\t0,5\t2\twalk\n",
            "got '0,5' in line 2 of labels.csv; numbers have decimal points",
        ),
        ("path,start,end,label\na,0,,walk\n", "expected seconds, .* got '' in line 2 of labels.csv"),
        (
            "path,start,end,label\na,1,1,walk\n",
            "expected intervals in labels.csv, got none that makes a clip .an event without",
        ),
        ("path,start,end,label\n,0,1,walk\n", "expected a path in line 2 of labels.csv"),
        ("path,start,end,label\nb,0,1,walk\n", "none of the 1 in labels.csv is there, such as 'b'"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(HeatpoolError, match=message):
        list_text(touch(tmp_path / "v", "a.mp4"), text)
