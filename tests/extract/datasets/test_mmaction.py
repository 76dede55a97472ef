"""Lists of `path label` and of `folder frames label`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from heatpool.extract.datasets.listing import Listing, scan
from heatpool.extract.datasets.mmaction import list_mmaction
from heatpool.pool.disk.class_names import ClassNames
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split
from tests.extract.datasets.dataset_files import touch


def lists(tmp_path: Path, **texts: str) -> Path:
    folder = tmp_path / "lists"
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


def list_videos(
    tmp_path: Path, *names: str, fps: float = 0.0, class_names: tuple[str, ...] = (), **texts: str
) -> Listing:
    folder = touch(tmp_path / "v", *names)
    return list_mmaction(
        replace(
            scan(folder, fps=fps),
            annotations=lists(tmp_path, **texts),
            classes=ClassNames(class_names) if class_names else None,
        )
    )


def test_a_list_names_videos_and_numbers(tmp_path: Path) -> None:
    listing = list_videos(
        tmp_path, "a/one.mp4", "a/two words.mp4", "b.mp4",
        any="a/one.mp4 3\na/two words.mp4\t0\n\nb.mp4 -1\ngone.mp4 3\n",
        class_names=("sit", "stand", "fall", "walk"),
    )  # fmt: skip
    assert [(clip.clip_id, clip.label, clip.class_name) for clip in listing.manifest.clips] == [
        ("a/one", 3, "walk"), ("a/two words", 0, "sit"), ("b", -1, ""),
    ]  # fmt: skip
    assert listing.manifest.protocols == ()
    assert listing.manifest.class_names == ("sit", "stand", "fall", "walk")
    assert listing.reasons() == [("listed, but there is no such video", 1)]


def test_labels_may_be_names_and_paths_absolute(tmp_path: Path) -> None:
    listing = list_videos(tmp_path, "a.mp4", "b.mp4", train=f"{tmp_path}/v/a.mp4 walk\nb.mp4 run\n")
    assert [(clip.clip_id, clip.class_name) for clip in listing.manifest.clips] == [
        ("a", "walk"),
        ("b", "run"),
    ]
    assert listing.manifest.class_names == ("run", "walk")
    assert {clip.splits["split"] for clip in listing.manifest.clips} == {Split.TRAIN}


def test_lists_of_other_trainers_are_read(tmp_path: Path) -> None:
    """SlowFast has commas, VideoMAE files called .csv, others names of classes with spaces, or a header."""
    folder = touch(tmp_path / "v", "a.mp4", "b b.mp4", "c.mp4", "d.mp4")
    lists = tmp_path / "csv"
    lists.mkdir()
    (lists / "train.csv").write_text('a.mp4,shake hands\n"b b.mp4", take 2\n')
    (lists / "val.csv").write_text("path label\nc.mp4 shake hands\n")
    (lists / "test.csv").write_text("d.mp4\ttake 2\n")
    clips = list_mmaction(replace(scan(folder), annotations=lists)).manifest.clips
    assert {clip.clip_id: (clip.class_name, clip.splits["split"]) for clip in clips} == {
        "a": ("shake hands", Split.TRAIN), "b b": ("take 2", Split.TRAIN),
        "c": ("shake hands", Split.VAL), "d": ("take 2", Split.TEST),
    }  # fmt: skip
    (lists / "train.csv").write_text("a.mp4,3\nb b.mp4,1.0\n")
    (lists / "val.csv").write_text("c.mp4, 0\n")
    (lists / "test.csv").write_text("d.mp4 -1\n")
    clips = list_mmaction(replace(scan(folder), annotations=lists)).manifest.clips
    assert {clip.clip_id: clip.label for clip in clips} == {"a": 3, "b b": 1, "c": 0, "d": -1}


def test_names_of_lists_say_the_splits(tmp_path: Path) -> None:
    listing = list_videos(
        tmp_path, "a.avi", "b.avi", "c.avi",
        ucf101_train_split_1_videos="a.avi 0\nb.avi 1\n",
        ucf101_val_split_1_videos="c.avi 1\n",
        ucf101_train_split_2_videos="c.avi 1\n",
        ucf101_val_split_2_videos="a.avi 0\n",
    )  # fmt: skip
    assert {clip.clip_id: dict(clip.splits) for clip in listing.manifest.clips} == {
        "a": {"split1": Split.TRAIN, "split2": Split.VAL},
        "b": {"split1": Split.TRAIN, "split2": Split.NONE},
        "c": {"split1": Split.VAL, "split2": Split.TRAIN},
    }


def test_a_list_called_eval_is_what_is_missing(tmp_path: Path) -> None:
    texts = {"train": "a.avi 0\n", "val": "b.avi 1\n", "eval": "c.avi 1\n"}
    listing = list_videos(tmp_path, "a.avi", "b.avi", "c.avi", **texts)
    assert [clip.splits["split"] for clip in listing.manifest.clips] == [Split.TEST, Split.TRAIN, Split.VAL]


def test_lists_of_frames_name_folders(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pictures = [f"{video}/img_{at:05}.jpg" for video in ("123", "4 b") for at in range(3)]
    listing = list_videos(tmp_path, *pictures, fps=12, sthv2_train_list_rawframes="123 3 40\n4 b 2 7\n")
    assert [(clip.clip_id, clip.label, clip.fps, clip.path.name) for clip in listing.manifest.clips] == [
        ("123", 40, 12.0, "123"), ("4 b", 7, 12.0, "4 b"),
    ]  # fmt: skip
    assert caplog.messages[0] == "in 1 of the folders are not as many pictures as their list says"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (
            {"a": "a.mp4 1\na.mp4 1 2\n"},
            "got 2 numbers in line 2 of a.txt: a clip has one class, and no offset",
        ),
        ({"a": "frames 1 30 2\n"}, "got 3 numbers in line 1 of a.txt"),
        ({"a": "a.mp4\n"}, "expected 'path label', got 'a.mp4' in line 1 of a.txt"),
        (
            {"a": "a.mp4 1\n\na.mp4 2\n"},
            "expected one label of a.mp4, got 2 in line 3 of a.txt, line 1 of a.txt has",
        ),
        (
            {"a": "a.mp4 1\n", "train": "a.mp4 1\n"},
            "expected train, val or test in the name of each list, got a.txt",
        ),
        (
            {"test": "a.mp4 1\n", "train": "b.mp4 0\na.mp4 1\n"},
            "expected one split of a.mp4, got train in line 2 of train.txt, and test in line 1 of test.txt",
        ),
        ({"a": "a.mp4 -3\n"}, "got '-3' in line 1 of a.txt"),
        ({"a": "gone.mp4 1\n"}, "none of the 1 in a.txt is there"),
        ({}, "expected a .txt or .csv file, or a folder of them, in --annotations"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, texts: dict[str, str], message: str) -> None:
    with pytest.raises(HeatpoolError, match=message):
        list_videos(tmp_path, "a.mp4", **texts)
