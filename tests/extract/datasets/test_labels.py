"""What people write into a column `label`, in manifests and tables alike."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from heatpool.extract.datasets.listing import VideoFolder
from heatpool.extract.datasets.manifest import Manifest, read_manifest
from heatpool.extract.datasets.table import list_table
from heatpool.pool.disk.class_names import ClassNames
from heatpool.pool.errors import HeatpoolError
from tests.paths import ROOT


def of_manifest(path: Path, names: tuple[str, ...]) -> Manifest:
    return read_manifest(path)


def of_table(path: Path, names: tuple[str, ...]) -> Manifest:
    videos = tuple(f"{at}.mp4" for at in range(9))
    return list_table(
        VideoFolder(path.parent, videos, annotations=path, classes=ClassNames(names) if names else None)
    ).manifest


READERS = (of_manifest, of_table)
Reader = Callable[[Path, tuple[str, ...]], Manifest]


def write(tmp_path: Path, *labels: str) -> Path:
    path = tmp_path / "clips.csv"
    lines = [f'{at}.mp4,"{label}"' for at, label in enumerate(labels)]
    path.write_text("\n".join(["path,label", *lines]) + "\n", encoding="utf-8-sig")
    return path


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("labels", "numbers", "names"),
    [
        (("0", "1", "-1"), [0, 1, -1], ("class 0", "class 1")),
        (("0.0", "2.0", "10.0", ""), [0, 2, 10, -1], tuple(f"class {at}" for at in range(11))),
        (("2", "10", "1"), [2, 10, 1], tuple(f"class {at}" for at in range(11))),
        (("007", "1a", "007"), [0, 1, 0], ("007", "1a")),
        (("wave", "", "clap", "-1"), [1, -1, 0, -1], ("clap", "wave")),
        (("walk the dog", "Release 3.7"), [1, 0], ("Release 3.7", "walk the dog")),
        (("-1", ""), [-1, -1], ()),
        (("0", "nan", "1"), [0, -1, 1], ("class 0", "class 1")),
        (("NaN", "None"), [-1, -1], ()),
        (("0,0", "2,0", "-1,0"), [0, 2, -1], tuple(f"class {at}" for at in range(3))),  # decimal commas
        (("0.000000e+00", "1.000e+00", "-1.0e+00"), [0, 1, -1], ("class 0", "class 1")),  # numpy.savetxt
        (("+1", "-0", " 2\u00a0"), [1, 0, 2], tuple(f"class {at}" for at in range(3))),
        (("1e3", "1,234", "0x1"), [2, 1, 0], ("0x1", "1,234", "1e3")),
        (("True", "False"), [1, 0], ("False", "True")),
        (("٢", "²"), [1, 0], ("²", "٢")),  # digits of other scripts are letters here
        (("round-off, flic-flac", 'say ""hi""'), [0, 1], ("round-off, flic-flac", 'say "hi"')),
        (("999", "0"), [999, 0], tuple(f"class {at}" for at in range(1000))),
    ],
)
def test_labels_are_numbers_where_all_are_else_names(
    tmp_path: Path, read: Reader, labels: tuple[str, ...], numbers: list[int], names: tuple[str, ...]
) -> None:
    manifest = read(write(tmp_path, *labels), ())
    assert [clip.label for clip in manifest.clips] == numbers
    assert manifest.class_names == names


@pytest.mark.parametrize("read", READERS)
def test_numbers_that_become_names_are_said(
    tmp_path: Path, read: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = read(write(tmp_path, "10", "2.0", "walk", "-1"), ())
    assert manifest.class_names == ("10", "2.0", "walk")
    assert [clip.label for clip in manifest.clips] == [0, 1, 2, -1]
    assert caplog.messages == ["clips.csv: labels are class names, as 'walk' is no number; 10, 2.0 too"]


def documented() -> list[tuple[str, str, str]]:
    text = (ROOT / "docs" / "labels.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \| (.*?) \| ?(.*?) ?\|$", text, re.MULTILINE)
    return [(written, becomes.replace(r"\|", "|"), said) for written, becomes, said in rows]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(("written", "becomes", "said"), documented())
def test_the_table_of_the_documentation_is_what_happens(
    tmp_path: Path, read: Reader, written: str, becomes: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    labels = ["" if text == "(empty)" else text[1:-1] for text in re.findall(r"`[^`]*`|\(empty\)", written)]
    path = write(tmp_path, *labels)
    if becomes.startswith("refused"):
        with pytest.raises(HeatpoolError, match="in line"):
            read(path, ())
        return
    names = re.findall(r"`([^`]*)`|(no label)", becomes)[: len(labels)]
    manifest = read(path, ())
    assert [manifest.class_names[clip.label] if clip.label >= 0 else "" for clip in manifest.clips] == [
        name for name, _ in names
    ]
    assert bool(caplog.messages) is bool(said)


def test_the_table_is_read_whole() -> None:
    assert len(documented()) == 16


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("labels", "names", "said"),
    [
        (
            ("20250101", "20250102", "20250101"), ("20250101", "20250102"),
            "labels are class names, as 20250102 in line 3 of clips.csv is too high for a class number of 2",
        ),
        (("0", "1", "1000"), ("0", "1", "1000"), "as 1000 in line 4 of clips.csv is too high"),
        ((str(2**70), "1"), ("1", str(2**70)), "is too high"),
        (("-1", "walk"), ("walk",), "label -1 stands for no label, as in line 2 of clips.csv"),
        (("0", "NA"), ("class 0",), "NA stands for no label, as in line 3 of clips.csv"),
        (("0", "#N/A", "#VALUE!"), ("class 0",), "#N/A stands for no label, as in line 3"),  # of Excel
        (("0", "\u22121"), ("class 0",), "label \u22121 stands for no label"),  # the minus of texts
        (
            ("0", "1", "255"), tuple(f"class {at}" for at in range(256)),
            "labels run to 255, as in line 4 of clips.csv, so there are 256 classes, 253 of them without a",
        ),
        (("none", "walk"), ("none", "walk"), "'none' is taken as a class name; nothing stands for no label"),
        (("Run", "walk", "run"), ("Run", "run", "walk"), "'Run' and 'run' are classes of their own"),
        (("shake hands", "shake_hands"), ("shake hands", "shake_hands"), "are classes of their own"),
        (("cafe\u0301", "caf\u00e9"), ("caf\u00e9",), r"'cafe\u0301' is taken as"),
        (("shake\u00a0hands", "shake hands"), ("shake hands",), r"'shake\xa0hands' is taken as"),
        (("shake\thands", "shake\nhands"), ("shake hands",), "(and 1 more alike): one form of Unicode"),
        (("walk\u200b", "walk"), ("walk",), r"'walk\u200b' is taken as 'walk'"),
    ],
)  # fmt: skip
def test_nothing_changes_without_a_word(
    tmp_path: Path, read: Reader, labels: tuple[str, ...], names: tuple[str, ...], said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level("INFO")
    assert read(write(tmp_path, *labels), ()).class_names == names
    assert said in caplog.text


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "labels", [("walk", "run", "walk"), ("0", "1", "0"), ("0.0", "", "2.0"), ("007", "x")]
)
def test_what_is_taken_as_it_is_written_needs_none(
    tmp_path: Path, read: Reader, labels: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    read(write(tmp_path, *labels), ())
    assert not caplog.messages


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("1", "3.7"), "whole numbers from 0 on .* got '3.7' in line 3 of clips.csv"),
        (("1", "3,7"), "got '3,7' in line 3 of clips.csv"),
        (("-2", "1"), "got '-2' in line 2 of clips.csv"),
        (("walk", "walk;talk"), "several labels 'walk;talk' in line 3 .* into a column class_name"),
        (("walk|talk",), "several labels 'walk|talk' in line 2"),
        (("walk", "talk", "talk, walk"), "several labels 'talk, walk' in line 4"),
        (("1", "3 5"), "several labels '3 5' in line 3"),
        (("['a', 'b']",), "several labels .* in line 2"),
    ],
)
def test_what_is_no_label_is_refused(
    tmp_path: Path, read: Reader, labels: tuple[str, ...], message: str
) -> None:
    with pytest.raises(HeatpoolError, match=message):
        read(write(tmp_path, *labels), ())


@pytest.mark.parametrize("read", READERS)
def test_a_name_beside_another_name_is_refused(tmp_path: Path, read: Reader) -> None:
    path = tmp_path / "clips.csv"
    path.write_text("path,label,class_name\n0.mp4,walk,walk\n1.mp4,w1,run\n")
    with pytest.raises(HeatpoolError, match=r"expected numbers in column label .* 'w1' and 'run' in line 3"):
        read(path, ())


@pytest.mark.parametrize("read", READERS)
def test_numbers_and_names_must_agree(tmp_path: Path, read: Reader) -> None:
    path = tmp_path / "clips.csv"
    path.write_text("path,label,class_name\n0.mp4,0,walk\n1.mp4,1,walk\n")
    with pytest.raises(
        HeatpoolError, match="one label per class in clips.csv, got 0 and 1 for 'walk'; without"
    ):
        read(path, ())
    path.write_text('path,class_name\n0.mp4,"a;b"\n1.mp4,7\n2.mp4,-1\n')  # names, whatever they look like
    assert read(path, ()).class_names == ("-1", "7", "a;b")


@pytest.mark.parametrize(
    ("labels", "first", "numbers", "said"),
    [
        (("1", "3"), None, [0, 2], "labels run from 1 to 3, so 1 is the first of the 3 classes"),
        (("1", "2"), None, [1, 2], "labels begin at 1, and 0 is the first of the 3 classes: none is 'clap'"),
        (("2", "2"), None, [2, 2], ""),
        (("1", "2"), 1, [0, 1], ""),  # as classInd.txt of UCF101 and its lists count
        (("0", "2"), 1, [0, 2], "labels begin at 0, the list of classes at 1: 0 is its first one"),
        (("0", "2"), 0, [0, 2], ""),
        (("run", "clap"), None, [2, 0], ""),
    ],
)
def test_a_list_of_classes_says_how_it_counts(
    tmp_path: Path, labels: tuple[str, ...], first: int | None, numbers: list[int], said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    videos = tuple(f"{at}.mp4" for at in range(9))
    classes = ClassNames(("clap", "walk", "run"), first)
    folder = VideoFolder(tmp_path, videos, annotations=write(tmp_path, *labels), classes=classes)
    manifest = list_table(folder).manifest
    assert [clip.label for clip in manifest.clips] == numbers
    assert manifest.class_names == classes.names
    assert said in caplog.text
    assert bool(caplog.messages) is bool(said)


def test_what_a_list_of_classes_names_is_a_name(tmp_path: Path) -> None:
    manifest = of_table(write(tmp_path, "none", "a;b", "none"), ("a;b", "none"))
    assert [clip.class_name for clip in manifest.clips] == ["none", "a;b", "none"]


def test_classes_of_a_store_keep_their_order_and_form(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path, "caf\u00e9", "walk", "jog", "")
    manifest = read_manifest(path, known=("walk", "clap", "cafe\u0301"))
    assert manifest.class_names == ("walk", "cafe\u0301", "jog")
    assert [clip.label for clip in manifest.clips] == [1, 0, 2, -1]
    assert "are classes of their own" not in caplog.text
    assert read_manifest(write(tmp_path, "Walk"), known=("walk",)).class_names == ("Walk",)
    assert "'Walk' and 'walk' are classes of their own" in caplog.text


def test_class_names_name_numbers(tmp_path: Path) -> None:
    manifest = of_table(write(tmp_path, "1", "-1", "1"), ("clap", "walk", "run"))
    assert manifest.class_names == ("clap", "walk", "run")
    assert [clip.class_name for clip in manifest.clips] == ["walk", "", "walk"]
    for label, message in (
        ("4", "a label of the 3 class names, got '4' in line 3"),
        ("jog", "a label of the 3 class names, got 'jog' in line 3"),
    ):
        with pytest.raises(HeatpoolError, match=message):
            of_table(write(tmp_path, "1", label), ("clap", "walk", "run"))
