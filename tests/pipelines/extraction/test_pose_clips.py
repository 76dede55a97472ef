from __future__ import annotations

from pathlib import Path

import pytest

from heatpool.pipelines.extraction.pose_clips import clips_by_manifest, clips_by_names
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.clip_store import ClipPart
from heatpool.pool.records import Split

NTU = ("S001C001P001R001A001", "S001C002P003R001A050", "S002C003P003R002A059")


def manifest(folder: Path, *rows: str) -> Path:
    path = folder / "clips.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_names_of_ntu_give_labels_splits_and_persons(tmp_path: Path) -> None:
    missing = "S001C002P005R002A008"  # one of those of which no skeleton was published
    index, parts = clips_by_names([*NTU, missing], tmp_path)
    assert index.clip_id == NTU
    assert index.label.tolist() == [0, 49, 58]
    assert index.columns["camera"] == ("1", "2", "3")
    assert index.splits["xsub"].tolist() == [Split.TRAIN, Split.TEST, Split.TEST]
    assert index.splits["xview"].tolist() == [Split.TEST, Split.TRAIN, Split.TRAIN]
    assert parts == [ClipPart(0, persons=1), ClipPart(1, persons=2), ClipPart(2, persons=2)]
    index, _ = clips_by_names(["S001C001P001R001A061"], tmp_path)
    assert list(index.splits) == ["xsub", "xset"]  # NTU 120 alone has this action


def test_folders_of_files_name_classes_and_splits(tmp_path: Path) -> None:
    index, parts = clips_by_names(["train/wave/1", "test/clap/1"], tmp_path)
    assert (index.class_names, index.label.tolist()) == (("clap", "wave"), [1, 0])
    assert index.splits["split"].tolist() == [Split.TRAIN, Split.TEST]
    assert [part.video for part in parts] == [0, 1]


def test_names_in_a_file_are_clips_without_labels(tmp_path: Path) -> None:
    names = [r"C:\videos\wave.1.mp4", "/home/me/videos/clap.avi", "videos/wave.1.mp4", ""]
    source = tmp_path / "labels.slp"
    source.touch()
    index, _ = clips_by_names(names, source)
    assert index.clip_id == (r"C:\videos\wave.1", "clap", "videos/wave.1", "labels")
    assert index.label.tolist() == [-1] * 4


def test_rows_of_a_manifest_are_parts_of_videos(tmp_path: Path) -> None:
    rows = (
        "path,clip_id,start_s,end_s,class_name,persons,split",
        "videos/day 1.mp4,one,0,2.5,wave,1,train",
        "videos/day 1.mp4,two,2.5,,clap,,train",
        "videos/day 3.mp4,three,,,wave,,test",
        "videos/day 2.mp4,four,,,wave,,test",
    )
    names = ["DAY 2.avi", "videos/Day 1", "other"]
    index, parts = clips_by_manifest(names, tmp_path / "x.json", manifest(tmp_path, *rows))
    assert index.clip_id == ("one", "two", "three", "four")
    assert parts == [ClipPart(1, 0.0, 2.5, 1), ClipPart(1, 2.5), ClipPart(-1), ClipPart(0)]


def test_names_may_be_clip_ids_and_the_only_video_any_name(tmp_path: Path) -> None:
    rows = ("clip_id,path,class_name", "A1,videos/1.mp4,wave", "B2,videos/2.mp4,clap")
    _, parts = clips_by_manifest(["b2", "a1.mp4"], tmp_path, manifest(tmp_path, *rows))
    assert [part.video for part in parts] == [1, 0]
    _, parts = clips_by_manifest(["results"], tmp_path, manifest(tmp_path, "path", "videos/1.mp4"))
    assert [part.video for part in parts] == [0]


def test_names_that_mean_two_videos_or_none_are_refused(tmp_path: Path) -> None:
    listed = manifest(tmp_path, "path", "a/1.mp4", "b/1.mp4")
    with pytest.raises(HeatpoolError, match=r"1 may be .*a/1\.mp4 or .*b/1\.mp4"):
        clips_by_manifest(["1", "x"], tmp_path, listed)
    with pytest.raises(HeatpoolError, match=r"expected a video of .*clips\.csv, such as .*a/1\.mp4, got x"):
        clips_by_manifest(["x", "y"], tmp_path, listed)
