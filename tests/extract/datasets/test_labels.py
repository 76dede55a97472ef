"""What people write into a column `label`, in manifests and tables alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from heatpool.extract.datasets.listing import VideoFolder
from heatpool.extract.datasets.manifest import Manifest, read_manifest
from heatpool.extract.datasets.table import list_table
from heatpool.pool.disk.class_names import ClassNames
from heatpool.pool.errors import HeatpoolError


def of_manifest(path: Path, names: tuple[str, ...]) -> Manifest:
    return read_manifest(path)


def of_table(path: Path, names: tuple[str, ...]) -> Manifest:
    videos = tuple(f"{at}.mp4" for at in range(9))
    return list_table(VideoFolder(path.parent, videos, annotations=path, classes=ClassNames(names) if names else None)).manifest


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
