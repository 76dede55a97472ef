from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heatpool.extract.datasets.box_formats import BoxReading
from heatpool.extract.datasets.boxes import read_boxes
from heatpool.extract.datasets.given_persons import GivenPersons
from heatpool.pool.errors import HeatpoolError
from tests.paths import ROOT

HEADER = "path,frame,x1,y1,x2,y2,score\n"


def read(
    folder: Path,
    text: str,
    *videos: str,
    min_score: float = 0.0,
    encoding: str = "utf-8",
    name: str = "boxes.csv",
    tracks: bool = True,
    **said: Any,
) -> GivenPersons:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return read_at(path, folder, *videos, min_score=min_score, tracks=tracks, **said)


def read_at(
    path: Path, folder: Path, *videos: str, min_score: float = 0.0, tracks: bool = True, **said: Any
) -> GivenPersons:
    paths = [folder / video for video in videos or ("a.mp4",)]
    return read_boxes(
        path,
        videos=paths,
        root=folder / "videos",
        min_score=min_score,
        said=BoxReading(**said),
        tracks=tracks,
    )


def boxes_of(given: GivenPersons, clip: int = 0) -> list[list[float]]:
    """Frame, box and score of each."""
    video = given.of_clip(clip)
    assert video.box_xyxy_px is not None
    return [
        [frame, *box, round(score, 3)]
        for frame, box, score in zip(
            video.frame.tolist(), video.box_xyxy_px.tolist(), video.score.tolist(), strict=True
        )
    ]


def test_boxes_belong_to_their_video_and_frame_best_first(tmp_path: Path) -> None:
    rows = "b.mp4,3,1,2,3,4,0.5\nb.mp4,3,5,6,7,8,0.9\na.mp4,3,9,9,10,10,0.7\nother.mp4,0,1,1,9,2,0.9\n"
    given = read(tmp_path, HEADER + rows, "a.mp4", "b.mp4", "a.mp4")
    assert boxes_of(given, 1) == [[3, 5, 6, 7, 8, 0.9], [3, 1, 2, 3, 4, 0.5]]
    assert boxes_of(given, 0) == boxes_of(given, 2) == [[3, 9, 9, 10, 10, 0.7]]
    assert (given.wrong, given.notes) == ((), ("boxes.csv: 1 rows are of other videos",))


def test_equal_scores_keep_the_order_of_the_table(tmp_path: Path) -> None:
    given = read(tmp_path, HEADER + "a.mp4,0,7,7,9,9,1\na.mp4,0,1,1,9,9,1\na.mp4,0,4,4,9,9,1\n")
    assert [box[1] for box in boxes_of(given)] == [7, 1, 4]


ROW = "a.mp4,0,1,2,30,40.5,0.25\n"


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEADER + ROW,
        (HEADER + ROW).replace(",", "\t"),
        (HEADER + ROW).replace(",", ";").replace(".5", ",5").replace("0.25", "0,25"),
        (HEADER + ROW).replace("\n", "\r\n"),
        "Video,Frame,X1,Y1,X2,Y2,Confidence\n" + ROW,
        "file_name,frame idx,xmin,ymin,xmax,ymax,conf\n" + ROW,
        "video_id,frame,xtl,ytl,xbr,ybr,conf\n" + ROW,
        "path,frame,left,top,width,height,score\na.mp4,0,1,2,29,38.5,0.25\n",
        "score,x1,y1,x2,y2,path,frame\n0.25,1,2,30,40.5,a.mp4,0.0\n",
        "path,frame,x1,y1,x2,y2,score,class\n"
        + ROW.replace(".25\n", ".25,person\n")
        + "a.mp4,0,1,1,9,9,1,car\n",
    ],
    ids=[
        "mark",
        "tabs",
        "semicolons",
        "CRLF",
        "capitals",
        "other names",
        "CVAT",
        "sizes",
        "order",
        "classes",
    ],
)
def test_tables_that_say_the_same_give_the_same(tmp_path: Path, text: str) -> None:
    assert boxes_of(read(tmp_path, text)) == [[0, 1, 2, 30, 40.5, 0.25]]


def test_utf_16_is_read(tmp_path: Path) -> None:
    assert boxes_of(read(tmp_path, HEADER + ROW, encoding="utf-16")) == [[0, 1, 2, 30, 40.5, 0.25]]


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    rows = [
        "a.mp4,0,1,2,30,40,0.9", "a.mp4,0,1,2,30,40,0.8", "a.mp4,1,,,,,", "a.mp4,1,nan,2,30,40,0.9",
        "a.mp4,2,1,2,inf,40,0.9", "a.mp4,2,1,2,30,40,", "a.mp4,3,5,5,5,9,0.9",
        "a.mp4,3,5,5,5.0000000001,9,0.9", "a.mp4,4,30,2,1,40,0.9", "a.mp4,5,1,2,30,40,0.1",
        *(f"a.mp4,{frame},1,2,30,40,0.9" for frame in range(6, 20)),
    ]  # fmt: skip
    given = read(tmp_path, HEADER + "\n".join(rows), "a.mp4", "b.mp4", min_score=0.25)
    assert given.of_clip(0).frame.tolist() == [0, 5, *range(6, 20)]
    assert given.of_clip(0).score[:2].tolist() == [np.float32(0.9), np.float32(0.1)]
    assert given.wrong == (
        "boxes.csv: 3 rows with numbers that are missing or not finite are left out, the first in line 5",
        "boxes.csv: 3 boxes of no or negative size are left out, the first in line 8",
        "boxes.csv: 1 boxes stand twice in a frame and count once",
        "boxes.csv: no box for 1 of 2 videos, such as b.mp4",
    )
    assert given.notes == (
        "boxes.csv: 1 boxes are below --min-score 0.25",
        "boxes.csv: 1 rows are empty, as of frames without persons",
    )


def test_a_score_may_be_rounded_up(tmp_path: Path) -> None:
    assert boxes_of(read(tmp_path, f"{HEADER}a.mp4,0,1,2,30,40,1.0000001\n"))[0][-1] == 1


def test_a_video_whose_boxes_are_all_too_weak_is_wrong(tmp_path: Path) -> None:
    given = read(tmp_path, f"{HEADER}{ROW}b.mp4,0,1,2,30,40,0.1\n", "a.mp4", "b.mp4", min_score=0.25)
    assert given.wrong == (
        "boxes.csv: every box of 1 video, such as b.mp4, is below --min-score 0.25: none is left",
    )


def test_names_of_classes_count_before_their_numbers(tmp_path: Path) -> None:
    """As YOLOv5 writes its tables; other tables may have names of other things."""
    header = "path,frame,xmin,ymin,xmax,ymax,confidence,class,name\n"
    given = read(tmp_path, f"{header}a.mp4,0,1,2,30,40,1,0,person\na.mp4,0,1,2,3,4,1,16,dog\n")
    assert (len(given.of_clip(0)), given.wrong) == (1, ())
    given = read(tmp_path, f"{header.replace('class', 'id')}a.mp4,0,1,2,30,40,1,0,ada\n")
    assert given.notes[0] == "boxes.csv: not read: name"


def test_columns_that_are_there_or_not_are_said(tmp_path: Path) -> None:
    text = "path,frame,x1,y1,x2,y2,class_id,track_id\na.mp4,0,1,2,30,40,0,7\na.mp4,0,2,2,30,40,2,8\n"
    given = read(tmp_path, text)
    assert [box[5] for box in boxes_of(given)] == [1, 1]
    assert given.wrong == ("boxes.csv: all boxes count as persons, of whatever column class_id says: 0, 2",)
    assert given.notes == (
        "boxes.csv: no scores, so each box has score 1",
        "boxes.csv: who is who as it says; --tracks own follows them anew",
    )


@pytest.mark.parametrize(
    ("name", "videos", "clip"),
    [
        ("a.mp4", ["videos/a.mp4"], 0),
        ("./a.mp4", ["a.mp4"], 0),
        ("a", ["a.mp4"], 0),
        ("a.AVI", ["b.mp4", "a.mp4"], 1),
        ("A.mp4", ["a.mp4"], 0),
        ("/data/raw/wave/a.mp4", ["clap/a.mp4", "wave/a.mp4"], 1),
        (r"C:\raw\wave\a.avi", ["clap/a.mp4", "wave/a.mp4"], 1),
        ("a.mp4", ["x/a.mp4", "a.mp4"], 1),
        ("v.1", ["v.1", "v.2"], 0),
        ("frames", ["frames/img_%05d.jpg"], 0),
        (unicodedata.normalize("NFD", "é.mp4"), [unicodedata.normalize("NFC", "é.mp4")], 0),
    ],
)
def test_a_video_is_found_by_what_the_table_calls_it(
    tmp_path: Path, name: str, videos: list[str], clip: int
) -> None:
    given = read(tmp_path, f"{HEADER}{name},0,1,2,30,40,1\n", *videos)
    found = [len(given.of_clip(at)) for at in range(len(videos))]
    assert found == [int(at == clip) for at in range(len(videos))]
    video = tmp_path / videos[clip]
    if (tmp_path / name).resolve() not in (video.resolve(), video.parent.resolve()):
        assert name == "a.mp4" or f"1 video goes by other names there: {name} for " in given.notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{HEADER}a.mp4,0,100,200,30,40,0.9\n", "1 of 1 boxes, the first in line 2; if they are x, y, w"),
        ("path,frame,x,y,w,h\na.mp4,0,1,2,30,40\n", "or the centre; say --boxes-format xywh, corners"),
        ("1,1,10,20,30,40,0.9,-1,-1,-1\n", r"got none \(its first path: boxes\)"),
        ("0 0.5 0.5 0.2 0.6\n", "lines of YOLO, of which a folder has one file a frame"),
        ('{"images": [], "annotations": []}', "boxes.csv is JSON"),
        (HEADER.replace(",", " "), "between columns: commas, semicolons or tabs"),
        (f"{HEADER}a.mp4,0,1,2,30,40,87\n", "a score from 0 to 1, got '87' in line 2 of boxes.csv"),
        (f"{HEADER}a.mp4,0,1,2,30,40,-1\n", "a score from 0 to 1, got '-1'"),
        (f"{HEADER}a.mp4,-1,1,2,30,40,1\n", "a frame number, from 0, got '-1' in line 2"),
        (f"{HEADER}a.mp4,1.5,1,2,30,40,1\n", "a frame number, from 0, got '1.5' in line 2"),
        (f"{HEADER}a.mp4,,1,2,30,40,1\n", "a frame number, from 0, got ''"),
        (f"{HEADER}{ROW}a.mp4,f_1.jpg,1,2,30,40,1\n", "in column frame, got 'f_1.jpg' in line 3"),
        (f"{HEADER}a.mp4,0,1,2,30,forty,1\n", "in column y2, got 'forty' in line 2"),
        (f"{HEADER}a.mp4,0,1,2,30,40,\n", "got none of 1 rows, with numbers missing or not finite, .* 2;"),
        (f"{HEADER}a.mp4,0,7,7,7,7,1\n", "got none of 1 rows, of no or negative size, the first in line 2"),
        (f"{HEADER}c.mp4,0,1,2,30,40,1\n", r"got none \(its first path: c.mp4\)"),
        (f"{HEADER}wave/a.mp4,0,1,2,30,40,1\n", r"got none \(its first path: wave/a.mp4\)"),
        (HEADER, r"got none \(its first path: no row at all\)"),
        (f"{HEADER}/x/{ROW}/y/{ROW}", "one name for .*a.mp4 .*, got /x/a.mp4 and /y/a.mp4"),
        (f"{HEADER}a\0,0,1,2,30,40,1\n", "cannot read"),
        ("", "expected columns"),
    ],
)  # fmt: skip
def test_a_table_that_does_not_fit_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(HeatpoolError, match=message) as error:
        read(tmp_path, text)
    assert "\n" not in str(error.value)


def test_a_name_that_may_be_two_videos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match="a may be .*a.mp4 or .*a.avi"):
        read(tmp_path, f"{HEADER}a,0,1,2,30,40,1\n", "a.mp4", "a.avi")


def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match="cannot read .*none.csv"):
        read_boxes(tmp_path / "none.csv", videos=[tmp_path / "a.mp4"], root=tmp_path)


def test_pieces_of_a_long_table_come_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heatpool.extract.datasets.box_table._CHUNK", 3)
    rows = [f"{name}.mp4,{frame},{frame},0,{frame + 5},9,1\n" for frame in range(10) for name in "ab"]
    given = read(tmp_path, HEADER + "".join(rows) + "b.mp4,10,nan,0,1,1,1\n", "a.mp4", "b.mp4")
    for clip in (0, 1):
        boxes = boxes_of(given, clip)
        assert [row[0] for row in boxes] == [row[1] for row in boxes] == list(range(10))
    assert given.wrong[0].endswith("the first in line 22")


def test_the_table_of_boxes_md_is_read(tmp_path: Path) -> None:
    page = (ROOT / "docs/boxes.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^```csv\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    given = read(tmp_path, table, "walk.mp4")
    assert boxes_of(given)[0] == [0, 12.5, 30, 80, 110, 0.92]
    assert (len(given.of_clip(0)), given.wrong, given.notes) == (3, (), ())
