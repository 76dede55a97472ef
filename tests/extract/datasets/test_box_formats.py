"""Boxes as MOT, YOLO, COCO and keypoint files have them, and what the options say of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from tests.extract.datasets.test_boxes import HEADER, boxes_of, read, read_at
from tests.fixtures.pose_files import write_mmpose

RESULT = "1,1,10,20,30,40,0.9,-1,-1,-1\n2,1,12,20,30,40,0.8,-1,-1,-1\n2,2,50,20,30,40,0.7,-1,-1,-1\n"
BOXES = [[0, 10, 20, 40, 60, 0.9], [1, 12, 20, 42, 60, 0.8], [1, 50, 20, 80, 60, 0.7]]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("path,frame,x,y,w,h,score\na.mp4,0,1,2,30,40,1\n", "xywh"),
        ("path,frame,x1,y1,x2,y2,score\na.mp4,0,1,2,30,40,1\n", "xywh"),
        ("path,frame,x,y,w,h,score\na.mp4,0,16,22,30,40,1\n", "centre"),
        ("path,frame,x,y,w,h,score\na.mp4,0,1,2,31,42,1\n", "corners"),
        ("path,frame,x_center,y_center,width,height,score\na.mp4,0,16,22,30,40,1\n", None),
        ("path,frame,cx,cy,w,h,score\na.mp4,0,16,22,30,40,1\n", None),
    ],
)
def test_the_layout_is_said_or_in_the_names(tmp_path: Path, text: str, layout: str | None) -> None:
    assert boxes_of(read(tmp_path, text, layout=layout)) == [[0, 1, 2, 31, 42, 1]]


def test_a_layout_needs_its_columns(tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match="expected columns path, frame, x1, y1, width, height in"):
        read(tmp_path, "path,frame,a,b,c,d\na.mp4,0,1,2,3,4\n", layout="xywh")


def test_the_first_frame_may_be_called_1(tmp_path: Path) -> None:
    row = "a.mp4,1,1,2,30,40,1\n"
    assert boxes_of(read(tmp_path, HEADER + row, first_frame=1))[0][0] == 0
    with pytest.raises(HeatpoolError, match="expected a frame number, from 1, got '0' in line 2"):
        read(tmp_path, HEADER + row.replace(",1,1", ",0,1"), first_frame=1)


def test_a_class_may_be_chosen(tmp_path: Path) -> None:
    text = "path,frame,x1,y1,x2,y2,class\na.mp4,0,1,2,3,4,mouse\na.mp4,0,5,6,7,8,person\n"
    assert boxes_of(read(tmp_path, text, kind="Mouse")) == [[0, 1, 2, 3, 4, 1]]
    with pytest.raises(HeatpoolError, match="expected boxes of --boxes-class rat, got mouse, person"):
        read(tmp_path, text, kind="rat")


def test_fractions_are_told_by_their_size(tmp_path: Path) -> None:
    rows = "a.mp4,0,0.25,0.1,0.5,1.02,0.9\nb.mp4,0,0.25,0.25,0.5,0.5,1\n"
    given = read(tmp_path, HEADER + rows, "a.mp4", "b.mp4")
    assert [given.of_clip(clip).in_fractions for clip in (0, 1)] == [True, True]
    assert given.notes == ("boxes.csv: its boxes are fractions of the picture",)
    with pytest.raises(HeatpoolError, match="as of other videos, got none beyond 1.02 for a.mp4: fractions"):
        read(
            tmp_path,
            HEADER + rows.replace("b.mp4,0,0.25,0.25,0.5,0.5", "b.mp4,0,1,2,30,40"),
            "a.mp4",
            "b.mp4",
        )


def test_identities_say_who_is_who(tmp_path: Path) -> None:
    header = "path,frame,x1,y1,x2,y2,score,id\n"
    rows = "a.mp4,0,1,2,3,4,1,ann\na.mp4,0,5,6,7,8,0.9,bo\na.mp4,1,1,2,3,4,1,bo\na.mp4,1,5,6,7,8,0.5,\n"
    given = read(tmp_path, header + rows)
    assert given.of_clip(0).track.tolist() == [0, 1, 1, -1]
    assert given.tracked
    own = read(tmp_path, header + rows, tracks=False)
    assert own.of_clip(0).track.tolist() == [-1] * 4
    assert not own.tracked


def test_identities_that_cannot_be_are_said(tmp_path: Path) -> None:
    header = "path,frame,x1,y1,x2,y2,score,id\n"
    twice = read(tmp_path, header + "a.mp4,0,1,2,3,4,0.5,7\na.mp4,0,5,6,7,8,0.9,7\na.mp4,1,1,2,3,4,1,7\n")
    assert twice.of_clip(0).track.tolist() == [0, -1, 0]
    assert twice.wrong == (
        "boxes.csv: 1 boxes have the identity of a surer one of the same frame, and count as of nobody known",
    )
    numbered = read(tmp_path, header + "a.mp4,0,1,2,3,4,1,1\na.mp4,1,1,2,3,4,1,2\n")
    assert numbered.of_clip(0).track.tolist() == [-1, -1]
    assert numbered.wrong == (
        "boxes.csv: 2 boxes have an identity each of their own: these are numbers of rows, and not read",
    )


@pytest.mark.parametrize("layout", ["file", "folder of results", "det", "gt and det", "det.txt itself"])
def test_mot_by_the_name_of_its_video(tmp_path: Path, layout: str) -> None:
    path, text = tmp_path / "mot", RESULT.replace(",-1,-1,-1", "")
    if layout == "file":
        path = write(tmp_path / "a.txt", RESULT)
    elif layout == "folder of results":
        write(path / "a.txt", RESULT)
        write(path / "other.txt", "not read")
    elif layout == "gt and det":
        write(path / "a/gt/gt.txt", text)
        write(path / "a/det/det.txt", "1,-1,1,2,3,4,0.5\n")
    else:
        write(path / "a/det/det.txt", text)
        path = path / "a/det/det.txt" if layout == "det.txt itself" else path
    given = read_at(path, tmp_path)
    assert boxes_of(given) == BOXES
    assert given.of_clip(0).track.tolist() == [1, 1, 2]
    assert ("mot: 1 files are of other videos" in given.notes) == (layout == "folder of results")
    assert [row[0] for row in boxes_of(read_at(path, tmp_path, first_frame=0))] == [1, 2, 2]


def test_mot_sequences_are_folders_of_pictures(tmp_path: Path) -> None:
    (tmp_path / "MOT/s1/img1").mkdir(parents=True)
    (tmp_path / "MOT/s2/img1").mkdir(parents=True)
    write(
        tmp_path / "MOT/s1/gt/gt.txt", "1,1,10,20,30,40,1,1,1\n1,2,10,20,31,40,0,1,1\n1,3,10,20,32,40,1,3,1\n"
    )
    write(tmp_path / "MOT/s2/gt/gt.txt", "1,1,10,20,33,40,1,7,0.5\n")
    given = read_at(tmp_path / "MOT", tmp_path, "MOT/s1/img1/%06d.jpg", "MOT/s2/img1/%06d.jpg")
    assert boxes_of(given, 0) == [[0, 10, 20, 40, 60, 1]]  # who counts, and is a person
    assert boxes_of(given, 1) == [[0, 10, 20, 43, 60, 1]]
    assert "MOT: 2 boxes are of no persons" in "; ".join(given.notes)


def test_scores_of_mot_without_a_scale_count_as_none(tmp_path: Path) -> None:
    given = read_at(write(tmp_path / "a.txt", "1,-1,10,20,30,40,57.2\n2,-1,10,20,30,40,-3\n"), tmp_path)
    assert [row[5] for row in boxes_of(given)] == [1, 1]
    assert "a.txt: no scores, so each box has score 1" in given.notes
    assert not given.tracked


def test_yolo_of_a_file_a_frame(tmp_path: Path) -> None:
    write(tmp_path / "labels/a_1.txt", "0 0.5 0.5 0.5 0.5 0.9 3\n0 0.1 0.1 0.2 0.2 0.8 4\n")
    write(tmp_path / "labels/a_10.txt", "0 0.5 0.5 0.5 0.5 0.7 3\n2 0.4 0.5 0.5 0.5 0.7 5\n")
    write(tmp_path / "labels/a_2.txt", "")
    write(tmp_path / "labels/b_1.txt", "not read")
    given = read_at(tmp_path / "labels", tmp_path, kind="0")
    assert [row[0] for row in boxes_of(given)] == [0, 0, 9]
    np.testing.assert_allclose(boxes_of(given)[0], [0, 0.25, 0.25, 0.75, 0.75, 0.9])
    assert given.of_clip(0).track.tolist() == [3, 4, 3]
    assert given.of_clip(0).in_fractions
    every = read_at(tmp_path / "labels", tmp_path)
    assert every.wrong == ("labels: all boxes count as persons, of whatever column class says: 0, 2",)


def coco(**content: Any) -> dict[str, Any]:
    categories = [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}]
    annotations = [
        {"image_id": 5, "category_id": 1, "bbox": [10, 20, 30, 40], "score": 0.9, "track_id": 8},
        {"image_id": 6, "category_id": 1, "bbox": [12, 20, 30, 40], "score": 0.8, "track_id": 8},
        {"image_id": 6, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.8},
        {"image_id": 6, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 1},
        {"image_id": 7, "category_id": 1, "bbox": [12, 20, 30, 40]},
    ]
    return {"categories": categories, "annotations": annotations, **content}


@pytest.mark.parametrize(
    "content",
    [
        coco(
            videos=[{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
            images=[{"id": 4 + at, "video_id": 1 + (at > 2), "frame_id": at - 1} for at in (1, 2, 3)],
        ),
        coco(images=[{"id": 4 + at, "file_name": f"{'ab'[at > 2]}/{at:06d}.jpg"} for at in (1, 2, 3)]),
        coco(images=[{"id": 4 + at, "file_name": f"images/{'ab'[at > 2]}_{at:06d}.jpg"} for at in (1, 2, 3)]),
        [
            {**each, "image_id": f"{'ab'[each['image_id'] > 6]}/{each['image_id'] - 5}.jpg"}
            for each in coco()["annotations"][:2]
        ],
    ],
    ids=["videos", "folders", "names", "results"],
)
def test_coco_by_its_images(tmp_path: Path, content: Any) -> None:
    given = read(tmp_path, json.dumps(content), name="boxes.json")
    assert boxes_of(given) == BOXES[:2]
    assert given.of_clip(0).track.tolist() == [0, 0]


def test_coco_says_the_size_of_its_pictures(tmp_path: Path) -> None:
    images = [{"id": at, "file_name": f"a/{at}.jpg", "width": 640, "height": 360} for at in (5, 6, 7)]
    given = read(tmp_path, json.dumps(coco(images=images)), name="boxes.json")
    assert (given.of_clip(0).width_px, given.of_clip(0).height_px) == (640, 360)


def test_boxes_of_keypoints_are_around_their_joints(tmp_path: Path) -> None:
    write_mmpose(tmp_path / "poses/a.json", {0: [[(10, 20), (30, 60)]], 2: [[(12, 20), (32, 60)]]})
    given = read_at(tmp_path / "poses", tmp_path)
    assert boxes_of(given) == [[0, 7.5, 15, 32.5, 65, 1], [2, 9.5, 15, 34.5, 65, 1]]
    assert (given.skeleton, given.of_clip(0).joints.shape) == (None, (2, 0, 2))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "1,1,10,20,30,40,0.9\n2,1,10\n", "6 to 10 numbers a line in .*, .* '2,1,10' in line 2"),
        ("a.txt", "0,1,10,20,30,40,0.9\n", "frames counted from 1, got 0 in line 1 of .*a.txt; --first-f"),
        ("a.txt", "1,1,10,20,30,40,0.9\n2,1,x,20,30,40,1\n", "expected numbers in .*a.txt: could not"),
        ("l/a_1.txt", "0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2\n", "expected 5 to 7 numbers a line in .*a_1.txt"),
        ("l/walk.txt", "0 0.5 0.5 0.2 0.2\n", "expected files VIDEO_FRAME.txt in .*l, .* got walk.txt"),
        ("l/a_1.txt", "0 0.5 0.5 0.2 0.2 7\n", "a score from 0 to 1 a line in .*a_1.txt"),
        ("l/readme.md", "boxes", "expected boxes in the folder .*l: VIDEO.txt or VIDEO/gt/gt.txt of MOT"),
        ("b.json", '[{"image_id": 3, "bbox": [1, 2, 3, 4]}]', "results name images by numbers"),
        ("b.json", '{"images": [], "annotations": []}', "got none .its first path: no row at all"),
        ("b.json", '{"annotations": []}', "expected COCO's annotations .* expected a list of images"),
        ("b.json", '{"images": [{"id": 1}], "annotations": []}', "images with file_name, got .'id': 1"),
        ("b.json", json.dumps({"images": [{"id": 1, "file_name": "a/1.jpg"}],
                               "annotations": [{"image_id": 1, "bbox": [1, 2]}]}), "bbox of 4 numbers"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_are_refused_in_one_line(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    path = write(tmp_path / name, text)
    with pytest.raises(HeatpoolError, match=message) as error:
        read_at(path.parent if name.startswith("l/") else path, tmp_path)
    assert "\n" not in str(error.value)
