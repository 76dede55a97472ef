"""Words of splits in columns, names of lists and folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from heatpool.extract.datasets.folder import list_folder
from heatpool.extract.datasets.listing import VideoFolder
from heatpool.extract.datasets.manifest import Manifest, read_manifest
from heatpool.extract.datasets.splits import read_splits, split_meanings
from heatpool.extract.datasets.table import list_table
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split

TRAIN, VAL, TEST, NONE = Split.TRAIN, Split.VAL, Split.TEST, Split.NONE


def table(tmp_path: Path, text: str) -> VideoFolder:
    path = tmp_path / "clips.csv"
    path.write_text(text)
    return VideoFolder(tmp_path, tuple(f"{at}.mp4" for at in range(9)), annotations=path)


def splits(manifest: Manifest, protocol: str) -> list[Split]:
    return [clip.splits[protocol] for clip in manifest.clips]


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        (("train", "training"), [TRAIN, TRAIN]),
        (("val", "valid", "validate", "validation", "dev"), [VAL] * 5),
        (("test", "testing"), [TEST, TEST]),
        (("train", "eval"), [TRAIN, TEST]),
        (("train", "val", "evaluation"), [TRAIN, VAL, TEST]),
        (("train", "eval", "test"), [TRAIN, VAL, TEST]),
    ],
)
def test_words_of_splits(words: tuple[str, ...], meaning: list[Split]) -> None:
    assert split_meanings(words) == dict(zip(words, meaning, strict=True))
    capitals = {f" {word.upper()} ": [2] for word in words} | {"": [3]}
    assert list(read_splits("x", capitals, "clips.csv").values()) == [*meaning, NONE]


def test_eval_beside_val_and_test_is_nobodys_guess() -> None:
    assert "eval" not in split_meanings(("train", "val", "eval", "test"))


@pytest.mark.parametrize("word", ["tset", "0", "True", "nan", "train;test", "holdout"])
def test_an_unknown_word_is_named_with_its_lines_and_what_is_known(tmp_path: Path, word: str) -> None:
    rows = ["0.mp4,train", f"1.mp4,{word}", "2.mp4,test", f"3.mp4,{word}", "4.mp4,train"]
    folder = table(tmp_path, "\n".join(["path,my_split", *rows]))
    wanted = (
        rf"train, val, test or nothing in column my_split, got '{word}' in lines 3, 5 of clips.csv \(known"
    )
    assert folder.annotations is not None
    with pytest.raises(HeatpoolError, match=wanted):
        read_manifest(folder.annotations)
    with pytest.raises(HeatpoolError, match=wanted):
        list_table(folder)


def test_many_lines_are_counted() -> None:
    with pytest.raises(HeatpoolError, match=r"got 'x' in lines 2, 3, 4, 5, 6, … \(90\) of t.csv"):
        read_splits("s", {"x": list(range(2, 92))}, "t.csv")


def test_a_column_called_split_holds_splits_and_others_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(HeatpoolError, match="in column Split, got '0' in line 2"):
        list_table(table(tmp_path, "path,Split\n0.mp4,0\n1.mp4,1\n"))
    caplog.set_level("INFO")
    text = "path,label,fold,remark,mine,\n0.mp4,a,1,test it again,train,\n1.mp4,b,2,,eval,\n"
    manifest = list_table(table(tmp_path, text)).manifest
    assert manifest.protocols == ("mine",)
    assert splits(manifest, "mine") == [TRAIN, TEST]
    assert "clips.csv: eval in column mine is test" in caplog.messages
    assert "clips.csv: columns that hold no splits are left out: fold, remark" in caplog.messages


def test_decimal_commas_are_those_of_numbers(tmp_path: Path) -> None:
    folder = table(tmp_path, "path;Onset;end_s;label\n0.mp4;1,5;2,25;3,5 kg\n1.mp4;0,5;1,5;7,5\n")
    first, second = list_table(replace(folder, columns={"start_s": "Onset"})).manifest.clips
    assert (first.start_s, first.end_s, first.class_name) == (1.5, 2.25, "3,5 kg")
    assert (second.start_s, second.class_name) == (0.5, "7,5")


def test_columns_without_a_name_are_no_protocols(tmp_path: Path) -> None:
    """Spreadsheets leave empty columns, pandas its row numbers."""
    for header, row in (
        (",path,s", "0,0.mp4,train"),
        ("path,s,,", "0.mp4,train,,"),
        ("Unnamed: 0,path,s", "0,0.mp4,train"),
    ):
        folder = table(tmp_path, f"{header}\n{row}\n")
        assert folder.annotations is not None
        assert read_manifest(folder.annotations).protocols == ("s",)


def of_folder(*videos: str) -> Manifest:
    return list_folder(VideoFolder(Path("v"), videos)).manifest


def test_folders_may_be_splits() -> None:
    manifest = of_folder("EVAL/a/1.mp4", "train/a/2.mp4", "train/b/3.mp4")
    assert splits(manifest, "split") == [TEST, TRAIN, TRAIN]
    assert manifest.class_names == ("a", "b")
    assert of_folder("train/a/1.mp4", "train/b/2.mp4").class_names == ("a", "b")
    assert of_folder("train/1.mp4", "walk/2.mp4").class_names == ("train", "walk")  # a class, as others


@pytest.mark.parametrize("stray", ["extra/a/4.mp4", "4.mp4"])
def test_what_lies_beside_splits_would_make_classes_of_them(stray: str) -> None:
    with pytest.raises(
        HeatpoolError, match="splits alone in v, beside test, train there (is 'extra'|are videos)"
    ):
        of_folder(stray, "test/a/1.mp4", "train/a/2.mp4")
