"""Observations of BORIS, as its versions 7 and 8 export them and as a project."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from heatpool.extract.datasets.boris import list_boris
from heatpool.extract.datasets.listing import IntervalRule, Listing, scan
from heatpool.pool.errors import HeatpoolError
from tests.extract.datasets.dataset_files import touch

HEADER = (
    "Observation id,Observation date,Description,Observation duration,Observation type,Source,"
    "Time offset (s),Media duration (s),FPS,Subject,Behavior,Behavioral category,Modifier #1,Behavior type,"
    "Time,Media file name,Image index,Image file path,Comment"
)


def event(
    what: str, kind: str, time: str, *, who: str = "No focal subject", how: str = "", **other: str
) -> str:
    source = other.get("source", "player #1:C:/films/a.mp4")
    offset, video = other.get("offset", "0.0"), other.get("video", "C:/films/a.mp4")
    return (
        f"one,2026-01-02 10:00:00,,60.000,Media file(s),{source},{offset},60.000,25.000,{who},{what},,{how},"
        f"{kind},{time},{video},NA,NA,"
    )


def list_file(tmp_path: Path, name: str, text: str, **rule: object) -> Listing:
    folder, path = touch(tmp_path / "v", "day/a.mp4", "b.mp4"), tmp_path / name
    path.write_text(text, encoding="utf-8")
    return list_boris(replace(scan(folder), annotations=path, intervals=IntervalRule(**rule)))  # type: ignore[arg-type]


def spans(listing: Listing) -> list[tuple[str, float, float | None, str, str]]:
    return [
        (clip.clip_id, clip.start_s, clip.end_s, clip.class_name, clip.columns["subject"])
        for clip in listing.manifest.clips
    ]


EVENTS = (
    event("walk", "START", "1.5", who="anna"),
    event("walk", "START", "2.0", who="ben"),
    event("eat", "START", "2.5", who="anna", how="apple"),
    event("eat", "START", "3.0", who="anna", how="bread"),
    event("walk", "STOP", "4.0", who="anna"),
    event("eat", "STOP", "4.5", who="anna", how="bread"),
    event("blink", "POINT", "5.0"),
    event("eat", "STOP", "6.0", who="anna", how="apple"),
    event("walk", "STOP", "61.25", who="ben"),
)
SPANS = [
    ("day/a@1.50-4.00", 1.5, 4.0, "walk", "anna"),
    ("day/a@3.00-4.50", 3.0, 4.5, "eat", "anna"),
    ("day/a@2.50-6.00", 2.5, 6.0, "eat", "anna"),
    ("day/a@2.00-61.25", 2.0, 61.25, "walk", "ben"),
]


@pytest.mark.parametrize("name", ["events.csv", "events.tsv"])
def test_states_are_paired_by_subject_and_modifiers(tmp_path: Path, name: str) -> None:
    text = "\n".join([HEADER, *EVENTS])
    listing = list_file(tmp_path, name, text.replace(",", "\t") if name.endswith("tsv") else text)
    assert spans(listing) == SPANS
    assert [each.reason.partition(":")[0] for each in listing.excluded] == [
        f"{name} does not name it", "an event without a length",
    ]  # fmt: skip
    points = list_file(tmp_path, name, text, point_s=1.0)
    assert ("day/a@4.50-5.50", 4.5, 5.5, "blink", "") in spans(points)


def test_version_7_has_lines_above_the_header(tmp_path: Path) -> None:
    text = (
        "Observation id\tone\n\nMedia file(s)\nPlayer #1\tC:/films/a.mp4\n\nTime offset (s)\t0.000\n\n"
        "Time\tMedia file path\tTotal length\tFPS\tSubject\tBehavior\tBehavioral category\tModifiers\t"
        "Comment\tStatus\n"
        "00:00:01.500\tC:/films/a.mp4\t60\t25\t\twalk\t\t\t\tSTART\n"
        "00:01:01.000\tC:/films/a.mp4\t60\t25\t\twalk\t\t\t\tSTOP\n"
    )
    assert spans(list_file(tmp_path, "one.tsv", text)) == [("day/a@1.50-61.00", 1.5, 61.0, "walk", "")]
    with pytest.raises(HeatpoolError, match="expected a STOP of 'walk', which starts in line 9 of one.tsv"):
        list_file(tmp_path, "one.tsv", "\n".join(text.splitlines()[:-1]))


def test_aggregated_events_are_intervals(tmp_path: Path) -> None:
    text = (
        "Observation id,Source,Time offset (s),Subject,Behavior,Behavior type,Start (s),Stop (s),"
        "Duration (s),Media file name\n"
        "one,player #1:/d/a.mp4,0.0,anna,walk,STATE,1.500,4.000,2.500,/d/a.mp4\n"
        "one,player #1:/d/a.mp4,0.0,No focal subject,blink,POINT,5.000,5.000,NA,/d/a.mp4\n"
    )
    listing = list_file(tmp_path, "all.csv", text, point_s=2)
    assert spans(listing) == [
        ("day/a@1.50-4.00", 1.5, 4.0, "walk", "anna"),
        ("day/a@4.00-6.00", 4.0, 6.0, "blink", ""),
    ]
    with pytest.raises(HeatpoolError, match="got 'NA' in line 2 of all.csv"):
        list_file(tmp_path, "all.csv", text.replace("4.000", "NA"))


def project(**changes: Any) -> str:
    events = [
        [1.5, "anna", "walk", "", "", 37],
        [2.0, "ben", "walk", "", "", 50],
        [2.5, "anna", "eat", "apple", ""],
        [3.0, "anna", "eat", "bread", ""],
        [4.0, "anna", "walk", "", ""],
        [4.5, "anna", "eat", "bread", ""],
        [5.0, "", "blink", "", ""],
        [6.0, "anna", "eat", "apple", ""],
        [61.25, "ben", "walk", "", ""],
    ]
    kinds = {"walk": "State event", "eat": "State event with coding map", "blink": "Point event"}
    one = {
        "type": "MEDIA",
        "file": {"1": ["C:\\films\\a.mp4"], "2": []},
        "time offset": 0.0,
        "events": events,
    }
    live = {"type": "LIVE", "file": {}, "time offset": 0.0, "events": [[1.0, "", "walk", "", ""]]}
    behaviours = {str(at): {"code": code, "type": kind} for at, (code, kind) in enumerate(kinds.items())}
    return json.dumps(
        {"behaviors_conf": behaviours, "observations": {"one": {**one, **changes}, "live": live}}
    )


def test_a_project_gives_the_same(tmp_path: Path) -> None:
    assert spans(list_file(tmp_path, "mice.boris", project())) == SPANS


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((EVENTS[0],), "expected a STOP of 'walk', which starts in line 2 of e.csv"),
        ((EVENTS[4],), "START and STOP in turn, or POINT, of 'walk', got STOP in line 2 of e.csv"),
        ((EVENTS[0], EVENTS[0]), "got START in line 3 of e.csv"),
        ((event("walk", "PAUSE", "1"),), "got PAUSE in line 2 of e.csv"),
        (
            (event("walk", "POINT", "soon"),),
            "expected seconds, or hh:mm:ss.ms, got 'soon' in line 2 of e.csv",
        ),
        ((event("walk", "POINT", "1", offset="-2.5"),), "without time offset, got 2.5 s in line 2 of e.csv"),
        (
            (event("walk", "POINT", "1", source="player #1:a.mp4;b.mp4|player #2:c.mp4"),),
            "one video per observation, got 2 one after the other in line 2 of e.csv",
        ),
    ],
)
def test_a_bad_event_is_named(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(HeatpoolError, match=message):
        list_file(tmp_path, "e.csv", "\n".join([HEADER, *lines]))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "e.csv",
            "path,label\na.mp4,walk\n",
            "expected the columns of a table of BORIS' .*, got path, label",
        ),
        ("e.csv", "", "got an empty file"),
        ("e.xlsx", "", "expected a .boris project, or a table of events, in --annotations, got .*e.xlsx"),
        ("p.boris", "[]", "expected a project of BORIS in p.boris, it is not"),
        ("p.boris", "{", "expected JSON, cannot read .*p.boris"),
        ("p.boris", "[" * 100_000, "expected JSON, cannot read .*p.boris"),
        (
            "p.boris",
            project(**{"time offset": 2}),
            "without time offset, got 2 s in observation 'one' of p.boris",
        ),
        (
            "p.boris",
            project(file={"1": ["a.mp4", "b.mp4"]}),
            "got 2 one after the other in observation 'one'",
        ),
        ("p.boris", project(file={"1": []}), "expected a video in player 1, got none in observation 'one'"),
        (
            "p.boris",
            project(events=[[1, "", "jump", "", ""]]),
            "of the ethogram, got 'jump' in event 1 of observation",
        ),
        (
            "p.boris",
            project(events=[[1, "", "walk", "", ""]]),
            "a STOP of 'walk', which starts in event 1 of obs",
        ),
        ("p.boris", project(events=[[1, ""]]), "expected a project of BORIS in p.boris, it is not"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(HeatpoolError, match=message) as caught:
        list_file(tmp_path, name, text)
    assert "\n" not in str(caught.value)
