"""Data sets that lists or folders describe: Kinetics, any table, class folders."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from heatpool.extract.datasets.clips import unique_ids
from heatpool.extract.datasets.folder import list_folder, read_videos
from heatpool.extract.datasets.kinetics import list_kinetics
from heatpool.extract.datasets.listing import Listing, VideoFolder
from heatpool.extract.datasets.table import list_table
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split

FOLDER = Path("videos")
_KINETICS_HEADER = "label,youtube_id,time_start,time_end,split,is_cc\n"


def by_id(listing: Listing) -> dict[str, tuple[int, str, Split]]:
    return {
        clip.clip_id: (clip.label, clip.class_name, clip.splits.get("split", Split.NONE))
        for clip in listing.manifest.clips
    }


def test_kinetics_goes_by_its_csv_files(tmp_path: Path) -> None:
    """400 classes, 5 train, 2 val and 1 test clip each; the videos of each tenth line are gone."""
    paths, want = [], Counter[Split]()
    for part, word, count in ((Split.TRAIN, "train", 5), (Split.VAL, "val", 2), (Split.TEST, "test", 1)):
        lines = []
        for at in range(400 * count):
            video, name = f"{word[1]}-_{at:08}", f"class {at % 400:03}"
            lines.append(f"{name},{video},{at % 300},{at % 300 + 10},{word},0\n")
            if at % 10:
                paths.append(f"{name.replace(' ', '_')}/{video}_{at % 300:06}_{at % 300 + 10:06}.mp4")
                want[part] += 1
        (tmp_path / f"{word}.csv").write_text(_KINETICS_HEADER + "".join(lines))
    listing = list_kinetics(VideoFolder(FOLDER, tuple(paths), annotations=tmp_path))
    assert Counter(clip.splits["split"] for clip in listing.manifest.clips) == want
    assert want == {Split.TRAIN: 1800, Split.VAL: 720, Split.TEST: 360}
    assert len(listing.manifest.class_names) == 400
    assert listing.reasons() == [("listed, but there is no such video", 320)]
    clip = listing.manifest.clips[0]
    assert (clip.clip_id, clip.label, clip.class_name) == ("r-_00000001_000001_000011", 1, "class 001")


def test_kinetics_ids_may_repeat_and_start_with_a_dash(tmp_path: Path) -> None:
    annotations = tmp_path / "a.csv"
    annotations.write_text(
        _KINETICS_HEADER
        + "wave,-abcdefghij,5,15,train,0\nclap,-abcdefghij,30,40,train,0\nclap,_abcdefghij,1,11,validate,0\n"
    )
    paths = (
        "x/-abcdefghij_000030_000040.mp4",
        "x/-abcdefghij.mp4",  # which of the two?
        "x/_abcdefghij.mp4",
        "y/_abcdefghij.mp4",
        "y/other.mp4",
    )
    listing = list_kinetics(VideoFolder(FOLDER, paths, annotations=annotations))
    assert by_id(listing) == {
        "-abcdefghij_000030_000040": (0, "clap", Split.TRAIN),
        "x/_abcdefghij": (0, "clap", Split.VAL),
        "y/_abcdefghij": (0, "clap", Split.VAL),
    }
    assert [(each.path, each.reason) for each in listing.excluded] == [
        ("x/-abcdefghij.mp4", "the annotations do not name it just once"),
        ("y/other.mp4", "the annotations do not name it just once"),
        ("-abcdefghij at 5 s", "listed, but there is no such video"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "expected a .csv file, or a folder of them, in --annotations, got none"),
        ("label,id\nwave,1\n", "expected a column youtube_id"),
        (
            _KINETICS_HEADER + "wave,-abcdefghij,5,15,hold,0\n",
            "expected train, val or test .*'hold' in line 2",
        ),
        (_KINETICS_HEADER + "wave,zabcdefghij,5,15,test,0\n", "none of 1 is named in"),
    ],
)
def test_kinetics_says_what_is_wrong(tmp_path: Path, text: str | None, message: str) -> None:
    (tmp_path / "a.csv").write_text(text or "")
    source = VideoFolder(FOLDER, ("-abcdefghij.mp4",), annotations=tmp_path / "a.csv" if text else None)
    with pytest.raises(HeatpoolError, match=message):
        list_kinetics(source)


def table(tmp_path: Path, text: str, *paths: str, **columns: str) -> Listing:
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    return list_table(VideoFolder(FOLDER, paths, annotations=path, columns=columns))


def test_a_table_with_names_of_its_own(tmp_path: Path) -> None:
    lines = (
        "a/1.mp4;wave;7;train;fold=subject;x",
        "b/2;clap;8;VALIDATION;;",
        "./3.mp4;wave;;;;y",
        "4.mp4;z;;test;;",
    )
    text = "\n".join(["file;action;who;fold;disjoint;note", *lines])
    listing = table(
        tmp_path, text, "3.mp4", "a/1.mp4", "b/2.mp4", "5.mp4", path="file", label="action", subject="who"
    )
    clips = listing.manifest.clips
    assert [(clip.clip_id, clip.class_name, clip.label) for clip in clips] == [
        ("a/1", "wave", 1),
        ("b/2", "clap", 0),
        ("3", "wave", 1),
    ]
    assert [clip.columns["subject"] for clip in clips] == ["7", "8", ""]
    assert listing.manifest.disjoint == {"fold": "subject"}
    assert [clip.splits for clip in clips] == [
        {"fold": Split.TRAIN},
        {"fold": Split.VAL},
        {"fold": Split.NONE},
    ]
    assert [(each.path, each.reason) for each in listing.excluded] == [
        ("5.mp4", "table.csv does not name it"),
        ("4.mp4", "listed, but there is no such video"),
    ]


def test_a_table_with_numbers_and_windows(tmp_path: Path) -> None:
    text = (
        "path,label,class_name,start_s,end_s,persons\n1.mp4,2,jump,0,2.5,2\n1.mp4,0,sit,2.5,,1\n2.mp4,,,,,\n"
    )
    clips = table(tmp_path, text, "1.mp4", "2.mp4").manifest.clips
    assert [(clip.clip_id, clip.label, clip.start_s, clip.end_s, clip.persons) for clip in clips] == [
        ("1@0.00-2.50", 2, 0.0, 2.5, 2),
        ("1@2.50-inf", 0, 2.5, None, 1),
        ("2", -1, 0.0, None, 0),
    ]


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("file,label\n1.mp4,a\n", {}, "expected a column 'path' in .* got file, label; --columns path=NAME"),
        ("file\n1.mp4\n", {"path": "video"}, "expected a column 'video'"),
        ("path\n1.mp4\n", {"colour": "x"}, "expected --columns of clip_id, path.*'colour'"),
        ("path\n9.mp4\n", {}, "none of the 1 in .* is there"),
        (
            "path,start_s\n1.mp4,soon\n",
            {},
            "expected a number .* in column start_s, got 'soon' in line 2",
        ),
        ("path\n1.mp4,2\n", {}, "as many values as columns in line 2"),
        ("", {}, "got an empty file"),
    ],
)
def test_a_table_says_what_is_wrong(tmp_path: Path, text: str, columns: dict[str, str], message: str) -> None:
    with pytest.raises(HeatpoolError, match=message):
        table(tmp_path, text, "1.mp4", **columns)


def list_paths(*paths: str) -> Listing:
    return list_folder(VideoFolder(FOLDER, tuple(sorted(paths))))


def test_sub_folders_name_classes() -> None:
    listing = list_paths("wave/b.mp4", "wave/deep/c.AVI", "clap/a.mp4")
    assert listing.manifest.class_names == ("clap", "wave")
    assert {name: label for name, (label, _, _) in by_id(listing).items()} == {
        "clap/a": 0,
        "wave/b": 1,
        "wave/deep/c": 1,
    }
    assert listing.manifest.protocols == ()


def test_uppermost_folders_may_be_parts() -> None:
    listing = list_paths("train/wave/a.mp4", "train/clap/a.mp4", "Validation/wave/b.mp4", "test/wave/c.mp4")
    assert by_id(listing) == {
        "Validation/wave/b": (1, "wave", Split.VAL),
        "test/wave/c": (1, "wave", Split.TEST),
        "train/clap/a": (0, "clap", Split.TRAIN),
        "train/wave/a": (1, "wave", Split.TRAIN),
    }
    assert list_paths("train/a.mp4", "train/b.mp4").manifest.class_names == ("train",)  # trains, of a station


def test_a_flat_folder_is_unlabelled() -> None:
    listing = list_paths("a.mp4", "sub/b.mp4")
    assert listing.manifest.class_names == ()
    assert {clip.label for clip in listing.manifest.clips} == {-1}


def test_same_stem_stays_two_clips() -> None:
    assert list(by_id(list_paths("x/a.mp4", "y/a.mp4", "y/a.avi"))) == ["x/a", "y/a.avi", "y/a.mp4"]
    assert unique_ids(["a", "a", "b"], ["x/a.mp4", "y/a.mp4", "b.mp4"]) == ["x/a", "y/a", "b"]


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_videos_are_a_folder_a_manifest_or_one_file(tmp_path: Path) -> None:
    touch(tmp_path, "v/wave/a.mp4", "v/clap/b.mp4")
    manifest = read_videos(tmp_path / "v")
    manifest.write(tmp_path / "clips.csv")
    again = read_videos(tmp_path / "clips.csv")
    assert [clip.clip_id for clip in again.clips] == ["clap/b", "wave/a"]
    assert [clip.path for clip in again.clips] == [clip.path for clip in manifest.clips]
    assert [clip.clip_id for clip in read_videos(tmp_path / "v/wave/a.mp4").clips] == ["a"]


@pytest.mark.parametrize("named", ["walk", "walk/img_%02d.jpg", "."])
def test_with_a_rate_pictures_are_a_video_called_as_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """Named themselves, or found below a folder of such folders."""
    touch(tmp_path, "walk/img_01.jpg", "walk/img_02.jpg")
    monkeypatch.chdir(tmp_path)
    (clip,) = read_videos(Path(named), fps=5.0).clips
    assert (clip.clip_id, clip.fps) == ("walk", 5.0)
    with pytest.raises(HeatpoolError, match=r"; --fps makes videos of folders of pictures|does not exist"):
        read_videos(Path(named))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "nowhere does not exist"),
        ("", "expected videos .* got none"),
        ("notes.txt", "expected a folder, a manifest .csv or a video"),
    ],
)
def test_what_holds_no_videos_is_refused(tmp_path: Path, name: str, message: str) -> None:
    touch(tmp_path, "notes.txt")
    with pytest.raises(HeatpoolError, match=message):
        read_videos(tmp_path / name)
