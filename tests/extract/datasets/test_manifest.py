from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heatpool.extract.datasets.listing import VideoFolder
from heatpool.extract.datasets.manifest import Clip, Manifest, read_manifest
from heatpool.extract.datasets.table import list_table
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import FIRST_COLUMNS, Split


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "clips.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_only_a_path_is_needed(tmp_path: Path) -> None:
    clip = read_manifest(write(tmp_path, "path\nin/é b.mp4\n")).clips[0]
    assert clip == Clip("in/é b", tmp_path / "in/é b.mp4", columns=clip.columns)


def test_labels_come_from_names_when_there_are_no_numbers(tmp_path: Path) -> None:
    manifest = read_manifest(write(tmp_path, "path,class_name\na.mp4,wave\nb.mp4,clap\nc.mp4,\n"))
    assert manifest.class_names == ("clap", "wave")
    assert [clip.label for clip in manifest.clips] == [1, 0, -1]


def test_index_carries_splits_and_columns(tmp_path: Path) -> None:
    text = "path,label,class_name,subject,xsub,xview\na.mp4,1,wave,7,train,test\nb.mp4,0,clap,8,,val\n"
    index = read_manifest(write(tmp_path, text)).index()
    assert index.class_names == ("clap", "wave")
    assert index.path == ("a.mp4", "b.mp4")
    assert index.columns["subject"] == ("7", "8")
    assert index.splits["xsub"].tolist() == [Split.TRAIN, Split.NONE]
    assert index.splits["xview"].tolist() == [Split.TEST, Split.VAL]


def test_who_a_subject_is_does_not_hang_on_the_form_of_unicode(tmp_path: Path) -> None:
    """Else a split could share her, and nobody would say so."""
    text = "path,subject\na.mp4,Zo\u00eb\nb.mp4,Zoe\u0308\n"
    assert read_manifest(write(tmp_path, text)).index().columns["subject"] == ("Zo\u00eb", "Zo\u00eb")


@pytest.mark.parametrize(
    ("written", "read", "said"),
    [
        (
            ("1.0", "2.0", "1"),
            ("1", "2", "1"),
            "1.0 in column subject is 1",
        ),  # else train and test share nobody
        (("1.0", "nan", ""), ("1", "", ""), "nan in column subject stands for nothing"),
        (("ada", "NaN", "nan"), ("ada", "", ""), "NaN, nan in column subject stands for nothing"),
        (("1", "NA", "2"), ("1", "", "2"), "NA in column subject stands for nothing"),
        (("ada", "NA", "Nan"), ("ada", "NA", "Nan"), ""),  # who may be called so
        (("007", "7", "x"), ("007", "7", "x"), ""),
        (("007", "7", "8"), ("007", "7", "8"), "007 and 7 in column subject are two, as they are written"),
    ],
)
def test_who_somebody_is_does_not_hang_on_the_program_that_wrote_it(
    tmp_path: Path, written: tuple[str, ...], read: tuple[str, ...], said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level("INFO")
    path = tmp_path / "clips.csv"
    path.write_text("path,subject\n" + "".join(f"{at}.mp4,{who}\n" for at, who in enumerate(written)))
    assert tuple(clip.columns["subject"] for clip in read_manifest(path).clips) == read
    videos = tuple(f"{at}.mp4" for at in range(3))
    listing = list_table(VideoFolder(tmp_path, videos, annotations=path))
    assert tuple(clip.columns["subject"] for clip in listing.manifest.clips) == read
    assert said in caplog.text
    assert bool(caplog.messages) is bool(said)


def test_split_rules_stand_in_a_column(tmp_path: Path) -> None:
    rows = ("a.mp4,1,x=subject; y = camera,train,train", "b.mp4,2,,test,")  # a row added by hand states none
    index = read_manifest(write(tmp_path, "\n".join(["path,subject,disjoint,x,y", *rows]))).index()
    assert index.disjoint == {"x": "subject", "y": "camera"}
    assert list(index.splits) == ["x", "y"]


def test_clips_of_one_video_need_no_ids(tmp_path: Path) -> None:
    rows = ("a.mp4,,0.5,wave", "a.mp4,0.5,1,wave", "a.avi,0.5,1,wave", "b.mp4,2,3,wave", "a.mp4,0.5,1,clap")
    clips = read_manifest(write(tmp_path, "\n".join(["path,start_s,end_s,label", *rows]))).clips
    assert [clip.clip_id for clip in clips] == [
        "a.mp4@0.00-0.50",
        "a.mp4@0.50-1.00 wave",
        "a.avi",
        "b",
        "a.mp4@0.50-1.00 clap",
    ]


def test_a_clip_with_two_classes_is_said_with_its_lines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = "path,label\na.mp4,wave\nb.mp4,wave\na.mp4,clap\nc.mp4,clap\nb.mp4,clap\n"
    clips = read_manifest(write(tmp_path, text)).clips
    assert [clip.clip_id for clip in clips] == ["a wave", "b wave", "a clap", "c", "b clap"]
    assert caplog.messages == [
        "a has several classes: wave in line 2 of clips.csv, clap in line 4 of clips.csv; each is a clip of "
        "its own (and 1 more such clips)"
    ]


def test_a_path_is_found_in_whatever_form_of_unicode(tmp_path: Path) -> None:
    """File names that came over macOS are in NFD, what people type is in NFC."""
    nfc, nfd = "caf\u00e9.mp4", "cafe\u0301.mp4"
    (tmp_path / nfd).touch()
    assert read_manifest(write(tmp_path, f"path\n{nfc}\n")).clips[0].path == tmp_path / nfd
    (tmp_path / nfc).touch()
    assert read_manifest(write(tmp_path, f"path\n{nfc}\n")).clips[0].path == tmp_path / nfc


def test_excels_first_line_and_utf_16_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, "sep=;\npath;label;s\na.mp4;wave;val\n")
    (clip,) = read_manifest(path).clips
    assert (clip.class_name, clip.splits) == ("wave", {"s": Split.VAL})
    path.write_text("path\tlabel\na.mp4\twave\n", encoding="utf-16")
    assert read_manifest(path).class_names == ("wave",)


def test_a_manifest_may_come_from_a_spreadsheet(tmp_path: Path) -> None:
    """Capitals, spaces, decimal commas, backslashes; but a name that is there stays what it is."""
    (tmp_path / "odd\\name .mp4").touch()
    rows = (" v\\a.mp4;Wave ; 0,5;Training; TEST ", "odd\\name .mp4;clap;;val;dev")
    manifest = read_manifest(write(tmp_path, "\n".join(["Path; Label ;START_S;Fold;split", *rows])))
    assert [clip.path for clip in manifest.clips] == [tmp_path / "v/a.mp4", tmp_path / "odd\\name .mp4"]
    assert manifest.class_names == ("Wave", "clap")
    assert manifest.clips[0].start_s == 0.5
    assert [clip.splits for clip in manifest.clips] == [
        {"Fold": Split.TRAIN, "split": Split.TEST},
        {"Fold": Split.VAL, "split": Split.VAL},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\na\n", "expected a column 'path' in .*, got name; heatpool manifest --dataset csv makes"),
        ("", "got an empty file"),
        (
            "path,xsub\na.mp4,tset\n",
            "train, val, test or nothing in column xsub, got 'tset' in line 2 .*manifest --dataset csv",
        ),
        ("path,persons\na.mp4,-3\n", "expected a number from 0 to 255 in column persons, got '-3' in line 2"),
        ("path\n.\n", "expected the path of a video, got '.' in line 2"),
        (
            "path,start_s\na.mp4,soon\n",
            "expected a number .* in column start_s, got 'soon' in line 2",
        ),
        (
            "path,label,class_name\na.mp4,0,x\nb.mp4,0,y\n",
            "one class name per label in clips.csv, got 'x' and 'y' for 0",
        ),
        (
            "path\na.mp4\nb.mp4\na.mp4\n",
            "unique clip ids, got 'a' twice, in line 2 of clips.csv and line 4 of clips.csv",
        ),
        ("path,s\na.mp4,train\na.mp4,test\n", "unique clip ids, got 'a' twice, in line 2 .* and line 3"),
        ("clip_id,path\nx,a.mp4\nx,b.mp4\n", "unique clip ids, got 'x' twice, in line 2 .* and line 3"),
        ("path\n", r"expected clips, got none in .*clips\.csv"),
        ("path,label\n,3\n", "expected a path in line 2"),
        ("path\na.mp4,more\n", "as many values as columns in line 2"),
        (
            "path,disjoint,mine\na.mp4,mine=subject,train\nb.mp4,mine=camera,test\n",
            "one value in column disjoint of clips.csv, got 'mine=camera' and 'mine=subject'",
        ),
        ("path,disjoint,mine\na.mp4,your=subject,train\n", "for a protocol of mine .* got 'your=subject'"),
        ("path,disjoint,mine\na.mp4,mine=weather,train\n", "a column of subject, .* got 'mine=weather'"),
        ("path,disjoint\na.mp4,train\n", "rules such as xsub=subject .* protocol of none .* got 'train'"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(HeatpoolError, match=message):
        read_manifest(write(tmp_path, text))


names = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=40
)


@given(
    ids=st.lists(names, min_size=1, max_size=5, unique=True),
    window=st.tuples(st.floats(0, 100), st.none() | st.floats(101, 1e4)),
    parts=st.lists(st.sampled_from(Split), min_size=5, max_size=5),
    labels=st.lists(st.integers(0, 1), min_size=5, max_size=5),
)
def test_round_trip_through_the_file(
    tmp_path_factory: pytest.TempPathFactory,
    ids: list[str],
    window: tuple[float, float | None],
    parts: list[Split],
    labels: list[int],
) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    start_s, end_s = window
    columns = {"subject": "p 1", "camera": "", "setup": 'a,"b"', "repeat": ""}
    class_names = ("zero", "one")[: max(labels[: len(ids)]) + 1]
    clips = tuple(
        Clip(
            clip_id,
            folder / f"{at}.mp4",
            start_s,
            end_s,
            label,
            class_names[label],
            columns,
            2,
            {"xsub": part},
        )
        for at, (clip_id, label, part) in enumerate(zip(ids, labels, parts, strict=False))
    )
    rules = {"xsub": "subject"} if labels[0] else {}
    manifest = Manifest(clips, class_names, folder, rules)
    if 0 not in labels[: len(ids)]:
        manifest = Manifest(clips, ("class 0", "one"), folder, rules)  # a label nobody has keeps its place
    manifest.write(folder / "clips.csv")
    assert read_manifest(folder / "clips.csv") == manifest


def test_paths_are_relative_to_the_file_or_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lists").mkdir()
    manifest = Manifest(
        (Clip("a", Path("videos/a.mp4")), Clip("b", tmp_path / "lists/b.mp4")), (), Path("videos")
    )
    manifest.write(Path("lists/clips.csv"))
    text = (tmp_path / "lists/clips.csv").read_text()
    assert f"a,{tmp_path}/videos/a.mp4," in text  # not below lists: what a relative path would not find again
    assert "b,b.mp4," in text
    manifest.write(Path("clips.csv"))
    assert "a,videos/a.mp4," in (tmp_path / "clips.csv").read_text()


def test_pictures_have_a_rate_and_only_they_cost_a_column(tmp_path: Path) -> None:
    folder = Clip("a", tmp_path / "frames/a", fps=12.5, columns=dict.fromkeys(FIRST_COLUMNS, ""))
    pattern = replace(folder, clip_id="b", path=tmp_path / "frames/b/img_%05d.jpg", fps=25.0)
    video = replace(folder, clip_id="c", path=Path("/elsewhere/c.mp4"), fps=0.0)
    manifest = Manifest((folder, pattern, video), (), tmp_path)
    manifest.write(tmp_path / "clips.csv")
    lines = (tmp_path / "clips.csv").read_text().splitlines()
    assert lines[0].endswith(",persons,fps")
    assert [(line.split(",")[1], line.split(",")[-1]) for line in lines[1:]] == [
        ("frames/a", "12.5"), ("frames/b/img_%05d.jpg", "25"), ("/elsewhere/c.mp4", ""),
    ]  # fmt: skip
    assert read_manifest(tmp_path / "clips.csv") == manifest
    Manifest((video,), (), tmp_path).write(tmp_path / "videos.csv")
    assert "fps" not in (tmp_path / "videos.csv").read_text()
    text = "path,fps\nframes/a.b,25\nframes/b/img_%05d.jpg,25\n"
    assert [clip.clip_id for clip in read_manifest(write(tmp_path, text)).clips] == ["frames/a.b", "frames/b"]
