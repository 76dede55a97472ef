"""`heatpool manifest` as users run it."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from heatpool.extract.datasets import DATASETS
from heatpool.extract.datasets.manifest import read_manifest
from heatpool.pipelines import cli
from heatpool.pipelines.options import ManifestOptions
from heatpool.pool.records import Split


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def manifest(*arguments: str | Path) -> int:
    return cli.main(["manifest", *map(str, arguments)])


def ntu(folder: Path) -> Path:
    """Ten performers, of whom 3, 6, 7 and 10 are test; one missing sample, one stranger, one note."""
    names = [
        f"S001C00{camera}P{subject:03}R001A00{a}_rgb.avi"
        for subject in range(1, 11)
        for camera in (1, 2)
        for a in (1, 2)
    ]
    touch(
        folder, *names, "S001C002P005R002A008_rgb.avi", "holiday.mp4", "notes.txt", "S001C001P001R001A061.avi"
    )
    return folder


def splits(path: Path, protocol: str) -> dict[Split, int]:
    return dict(Counter(clip.splits[protocol] for clip in read_manifest(path).clips))


def test_the_options_name_every_data_set() -> None:
    assert set(get_args(get_type_hints(ManifestOptions)["dataset"])) == DATASETS.keys()


def test_official_splits_and_what_is_excluded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "ntu60.csv"
    assert manifest("--dataset", "ntu60", "--videos", ntu(tmp_path / "v"), "--out", out) == 0
    said = capsys.readouterr().err
    assert "ntu60.csv: 40 clips, 2 of 60 classes" in said
    assert "xsub: 24 train, 0 val, 16 test" in said
    assert "xview: 20 train, 0 val, 20 test" in said
    assert "xsub has no val clip: heatpool train takes an eighth of the train clips as val" in said
    assert "xsub has 16 test clips: guessing alone gets 25 to 75 % of them right" in said
    with (tmp_path / "ntu60.excluded.csv").open(newline="") as file:
        excluded = {row["path"]: row["reason"] for row in csv.DictReader(file)}
    assert excluded.keys() == {
        "S001C002P005R002A008_rgb.avi", "holiday.mp4", "notes.txt", "S001C001P001R001A061.avi",
    }  # fmt: skip
    for reason in excluded.values():
        assert f"excluded 1: {reason}" in said


def test_val_comes_out_of_train_by_subject(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, videos = tmp_path / "ntu60.csv", ntu(tmp_path / "v")
    assert manifest("--dataset", "ntu60", "--videos", videos, "--out", out, "--val-fraction", "0.3") == 0
    assert splits(out, "xsub") == {Split.TRAIN: 16, Split.VAL: 8, Split.TEST: 16}
    assert splits(out, "xview") == {Split.TRAIN: 14, Split.VAL: 6, Split.TEST: 20}
    first = out.read_bytes()
    assert "xsub: val took 2 subjects out of train: " in capsys.readouterr().err
    options = ("--dataset", "ntu60", "--videos", videos, "--out", out, "--overwrite")
    assert manifest(*options, "--val-fraction", "0.3") == 0
    assert out.read_bytes() == first
    assert manifest(*options, "--val-subjects", "2, 5") == 0
    assert {
        clip.columns["subject"] for clip in read_manifest(out).clips if clip.splits["xsub"] == Split.VAL
    } == {
        "2",
        "5",
    }
    assert manifest(*options, "--val-subjects", "3") == 1  # a subject of test
    assert "expected a subject of the train split of xsub, got 3" in capsys.readouterr().err


def test_a_val_split_of_its_own_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    touch(tmp_path / "v", *(f"Walk_p{subject:02}_r00_v00_c01.mp4" for subject in (3, 4, 19, 2)))
    out = tmp_path / "clips.csv"
    assert (
        manifest("--dataset", "smarthome", "--videos", tmp_path / "v", "--out", out, "--val-fraction", "0.5")
        == 0
    )
    assert splits(out, "cs") == {Split.TRAIN: 2, Split.VAL: 1, Split.TEST: 1}
    assert splits(out, "cv1") == {Split.TRAIN: 2, Split.VAL: 2}  # by subject: camera 1 only trains
    assert "cs has a val split of its own, which is kept" in capsys.readouterr().err


def test_a_folder_gets_a_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    touch(tmp_path / "v", *(f"{name}/{at}.mp4" for name in ("wave", "clap") for at in range(10)))
    out, options = tmp_path / "clips.csv", ("--videos", tmp_path / "v", "--out", tmp_path / "clips.csv")
    assert manifest(*options, "--test-fraction", "0.2", "--val-fraction", "0.25") == 0
    labels = Counter((clip.label, clip.splits["split"]) for clip in read_manifest(out).clips)
    assert labels == {
        (label, part): count
        for label in (0, 1)
        for part, count in zip(Split, (0, 6, 2, 2), strict=True)
        if count
    }
    assert not (tmp_path / "clips.excluded.csv").exists()
    assert manifest(*options) == 1
    assert "choose another or replace it with --overwrite" in capsys.readouterr().err
    assert manifest(*options, "--overwrite", "--val-fraction", "0.1") == 1
    assert "expected --test-fraction too" in capsys.readouterr().err


def test_a_manifest_beside_other_folders_finds_its_videos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "data/v/wave/a.mp4", "lists/.keep")
    monkeypatch.chdir(tmp_path)
    assert manifest("--videos", "data/v", "--out", "lists/clips.csv") == 0
    (clip,) = read_manifest(tmp_path / "lists" / "clips.csv").clips
    assert clip.path.is_file()


def test_a_table_may_name_videos_of_other_folders_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    touch(tmp_path, "disk1/a.mp4", "disk2/a.mp4", "here/.keep")
    table = tmp_path / "here/table.tsv"
    table.write_text(f"path\tlabel\n{tmp_path}/disk1/a.mp4\t1\n{tmp_path}/disk2/a.mp4\t0\n")
    options = ("--dataset", "csv", "--annotations", table, "--videos", tmp_path / "here")
    assert manifest(*options, "--out", tmp_path / "disk1/clips.csv") == 0
    clips = read_manifest(tmp_path / "disk1/clips.csv").clips
    assert [clip.path for clip in clips] == [tmp_path / "disk1/a.mp4", tmp_path / "disk2/a.mp4"]
    assert "\n" + f"{tmp_path}/disk1/a,a.mp4,,,1," in (tmp_path / "disk1/clips.csv").read_text()
    table.write_text("path\tlabel\nb.mp4\t1\n")
    assert manifest(*options, "--out", tmp_path / "more.csv") == 1
    assert "none of the 1 in table.tsv is there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--dataset", "ntu60", "--columns", "path=file"), "expected no --columns with --dataset ntu60"),
        (("--dataset", "ntu60", "--annotations", "a.csv"), "expected no --annotations with --dataset ntu60"),
        (("--dataset", "csv", "--columns", "file"), "expected --columns such as path=file"),
        (
            ("--val-fraction", "0.1", "--val-subjects", "3"),
            "expected --val-fraction or --val-subjects, got both",
        ),
        (("--val-subjects", "3", "--val-by", "camera"), "expected --val-by subject with --val-subjects"),
        (("--val-fraction", "1"), "below 1"),
        (("--frames", "img_%05d.jpg"), "expected --fps with --frames"),
        (("--tiers", "a"), "expected no --tiers with --dataset folder"),
        (("--dataset", "ntu60", "--point-s", "1"), "expected no --point-s with --dataset ntu60"),
        (("--dataset", "list", "--background", "x"), "expected no --background with --dataset list"),
        (("--dataset", "ssv2", "--class-names", "x"), "expected no --class-names with --dataset ssv2"),
        (("--dataset", "mine"), "mine"),
    ],
)
def test_options_that_do_not_fit(
    options: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        manifest("--videos", tmp_path, "--out", tmp_path / "clips.csv", *options)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
