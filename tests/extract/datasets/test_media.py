"""Videos as lists call them: below the folder, by absolute path, by name; and what a folder holds besides."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from heatpool.extract.datasets.clips import VIDEO_SUFFIXES
from heatpool.extract.datasets.folder import list_folder, read_videos
from heatpool.extract.datasets.listing import scan
from heatpool.extract.datasets.media import Media
from heatpool.extract.datasets.table import list_table
from heatpool.extract.datasets.ucf101 import list_ucf101
from heatpool.pool.errors import HeatpoolError
from tests.extract.datasets.dataset_files import touch


def test_a_video_is_found_whatever_a_list_calls_it(tmp_path: Path) -> None:
    folder = touch(tmp_path / "v", "a/one.mp4", "two.MTS", "b/x.y/1.jpg", "b/x.y/2.jpg", "name é.mp4")
    elsewhere = touch(tmp_path / "w", "far.mp4", "p/1.png", "p/2.png")
    media = Media(scan(folder, fps=25), by_name=True)

    def find(listed: str) -> tuple[str, bool] | None:
        found = media.find(listed)
        return found and (found.path.relative_to(tmp_path).as_posix(), found.pictures)

    for listed in (
        "a/one.mp4",
        "./a/one",
        "a\\one.mp4",
        str(folder / "a/one.mp4"),
        "C:\\data\\one.mp4",
        "../x/one.mp4",
    ):
        assert find(listed) == ("v/a/one.mp4", False)
    assert find("file:///C:/Users/n/name%20%C3%A9.mp4") == ("v/name é.mp4", False)
    assert find("two") == ("v/two.MTS", False)
    assert find("b/x.y/") == find("/other/x.y") == ("v/b/x.y", True)
    assert find("b/x.y/%d.jpg") == ("v/b/x.y/%d.jpg", True)
    assert find(str(elsewhere / "far.mp4")) == ("w/far.mp4", False)
    assert find(str(elsewhere / "p")) == ("w/p", True)
    assert find(str(elsewhere / "p/%d.png")) == ("w/p/%d.png", True)
    assert find(str(elsewhere / "gone.mp4")) is find("gone.mp4") is None


def test_names_are_equal_in_whatever_form_of_unicode(tmp_path: Path) -> None:
    """Files that came over macOS are called in NFD, lists are typed in NFC, or the other way round."""
    nfd, nfc = "cafe\u0301", "caf\u00e9"
    for there, listed in ((nfd, nfc), (nfc, nfd)):
        folder = touch(tmp_path / there, f"{there}/{there} 1.mp4", "other/x.mp4")
        media = Media(scan(folder))
        for path in (
            f"{listed}/{listed} 1.mp4",
            f"{listed}\\{listed} 1",
            f"{listed} 1",
            f"C:\\{listed} 1.mp4",
        ):
            found = media.find(path)
            assert found is not None
            assert found.path == folder / f"{there}/{there} 1.mp4"
    both = Media(scan(touch(tmp_path / "both", f"{nfc}.mp4", f"{nfd}.mp4")))
    for name in (nfc, nfd):
        found = both.find(f"{name}.mp4")
        assert found is not None
        assert found.name == f"{name}.mp4"


def test_the_name_and_the_folders_above_it_decide(tmp_path: Path) -> None:
    """Tables hold bare names and paths of other computers; cameras count from 1 in every folder."""
    source = scan(touch(tmp_path / "v", "mon/cam 1/GX01.mp4", "tue/cam 1/GX01.MP4", "top.mp4", "mon/two.avi"))
    strict, loose = Media(source), Media(source, by_name=True)
    for media in (strict, loose):
        for listed, path in (
            ("two", "mon/two.avi"),
            ("two.avi", "mon/two.avi"),
            ("v/top.mp4", "top.mp4"),
            ("mon\\cam 1\\GX01.mp4", "mon/cam 1/GX01.mp4"),
            ("D:\\study\\tue\\cam 1\\GX01.MP4", "tue/cam 1/GX01.MP4"),
            ("/home/anna/mon/cam 1/GX01.mp4", "mon/cam 1/GX01.mp4"),
            ("E:/two.avi", "mon/two.avi"),
        ):
            found = media.find(listed)
            assert found is not None
            assert found.name == path
        with pytest.raises(HeatpoolError, match=r"one video called GX01 below .*, got mon/cam 1/.* and tue"):
            media.find("C:/cam 1/GX01")
    assert strict.find("wed/two.avi") is None  # not there, and not the one of another folder
    found = loose.find("wed/two.avi")
    assert found is not None
    assert found.name == "mon/two.avi"


def test_tables_take_absolute_paths_and_pictures(tmp_path: Path) -> None:
    folder = touch(tmp_path / "v", "one.mp4", "f.1/1.jpg", "f.1/2.jpg", "g/1.jpg", "g/2.jpg")
    other = touch(tmp_path / "w", "one.mp4", "p/1.png", "p/2.png")
    table = tmp_path / "t.csv"
    rows = ["one.mp4,", f"{other}/one.mp4,", "f.1,", "g/%d.jpg,50", f"{other}/p,"]
    table.write_text("\n".join(["path,fps", *rows]))

    listing = list_table(replace(scan(folder, fps=12.5), annotations=table))
    found = {
        clip.clip_id: (clip.path.relative_to(tmp_path).as_posix(), clip.fps)
        for clip in listing.manifest.clips
    }
    assert found == {
        "one": ("v/one.mp4", 0.0),
        f"{other}/one": ("w/one.mp4", 0.0),
        "f.1": ("v/f.1", 12.5),
        "g": ("v/g/%d.jpg", 50.0),
        "p": ("w/p", 12.5),
    }
    with pytest.raises(
        HeatpoolError, match=r"expected --fps, or a column fps, for the pictures of f.1 in line 4 of t.csv"
    ):
        list_table(replace(scan(folder), annotations=table))


def test_every_container_is_a_video(tmp_path: Path) -> None:
    names = [f"a{suffix}" for suffix in sorted(VIDEO_SUFFIXES)]
    assert {".mts", ".m2ts", ".ts", ".3gp", ".gif", ".ogv", ".asf", ".vob", ".mp4"} <= VIDEO_SUFFIXES
    assert {".m2t", ".tod", ".h264", ".mjpg", ".rmvb"} <= VIDEO_SUFFIXES  # HDV, JVC, small boards, old webs
    assert len(scan(touch(tmp_path, *names, "CLIP.MTS")).videos) == len(names) + 1


def test_what_a_folder_holds_besides_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    folder = touch(tmp_path, "a.mp4", "b.txt", "c.txt", "f/1.jpg", "f/2.jpg", "README", ".hidden.mp4")
    assert len(read_videos(folder).clips) == 1
    (line,) = caplog.messages
    assert line.endswith("holds besides its videos: 2 .txt, 1 .mp4, 1 without a suffix, 1 picture folder")
    caplog.clear()
    shutil.rmtree(folder / "f")
    for name in ("b.txt", "c.txt", "README", ".hidden.mp4"):
        (folder / name).unlink()
    read_videos(folder)
    assert not caplog.messages


def test_folders_of_pictures_are_videos_where_their_rate_is_known(tmp_path: Path) -> None:
    names = [f"wave/v.{at}/img_{number:05}.jpg" for at in (10, 9) for number in range(3)]
    folder = touch(tmp_path, *names, "wave/single/1.jpg", "top.jpg", "clap/c.mp4")
    source = scan(folder, fps=25)
    assert source.videos == ("clap/c.mp4", "wave/v.9", "wave/v.10")
    assert [(each.path, each.reason) for each in source.excluded] == [
        ("top.jpg", "no video, by its name"),
        ("wave/single/1.jpg", "no video, by its name"),
    ]
    clips = {clip.clip_id: (clip.class_name, clip.fps) for clip in list_folder(source).manifest.clips}
    assert clips == {"clap/c": ("clap", 0.0), "wave/v.9": ("wave", 25.0), "wave/v.10": ("wave", 25.0)}
    source = scan(folder)
    assert source.videos == ("clap/c.mp4",)
    folders = [each.path for each in source.excluded if each.reason.startswith("a folder of pictures; --fps")]
    assert folders == ["wave/v.10", "wave/v.9"]
    (folder / "clap/c.mp4").unlink()
    with pytest.raises(HeatpoolError, match="got none, but 2 .jpg, 2 picture folders; --fps makes"):
        scan(folder)
    with pytest.raises(HeatpoolError, match="got none, but 3 .jpg$"):
        scan(folder / "wave/v.9", fps=25)


def test_a_pattern_tells_pictures_from_flow(tmp_path: Path) -> None:
    """As TSN and MMAction2 cut up UCF101: three series in one folder."""
    clip = "Archery/v_Archery_g01_c01"
    series = [f"{clip}/{name}_{at:05}.jpg" for name in ("img", "flow_x", "flow_y") for at in (1, 2)]
    folder = touch(tmp_path, *series)
    with pytest.raises(
        HeatpoolError, match=r"one series in .*got flow_x_\*.jpg, flow_y_\*.jpg, img_\*.jpg.*--frames"
    ):
        scan(folder, fps=25)
    (listed,) = list_ucf101(scan(folder, fps=25, frames="img_%05d.jpg")).manifest.clips
    assert listed.path == folder / clip / "img_%05d.jpg"
    assert (listed.clip_id, listed.class_name, listed.fps) == ("v_Archery_g01_c01", "Archery", 25.0)
    with pytest.raises(HeatpoolError, match="a pattern with one number, such as img_%05d.jpg, got 'img.jpg'"):
        scan(folder, fps=25, frames="img.jpg")
