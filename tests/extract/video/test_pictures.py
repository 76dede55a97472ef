"""Folders of pictures, and patterns, as videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from heatpool.extract.engine.engine import ClipJob, EngineOptions, extract_clips
from heatpool.extract.engine.estimators import TopDown
from heatpool.extract.video.picture_names import natural_key
from heatpool.extract.video.reader import iter_frames, probe
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Status
from tests.conftest import AnalyticBackbone, BrightDetector, gray_frames


def write_pictures(folder: Path, numbers: list[int], name: str = "img_{:05}.png") -> Path:
    """Pictures whose grey level tells their number."""
    folder.mkdir(exist_ok=True)
    frames = gray_frames(max(numbers) + 1)
    for number in numbers:
        Image.fromarray(frames[number]).save(folder / name.format(number))
    return folder


def read_numbers(path: Path, wanted: list[int], **window: float) -> list[tuple[int, float, int]]:
    """Number in the window, time, and number that the grey level tells."""
    info = probe(path, **window)
    frames = iter_frames(path, np.array(wanted), info=info)
    return [(each.index, each.time_s, round((float(each.rgb.mean()) - 20) / 3)) for each in frames]


def test_names_sort_as_people_count() -> None:
    names = ["a10.jpg", "a9.jpg", "a.jpg", "a1b20.jpg", "a1b3.jpg"]
    assert sorted(names, key=natural_key) == ["a1b3.jpg", "a1b20.jpg", "a9.jpg", "a10.jpg", "a.jpg"]


@pytest.mark.parametrize("path", ["", "img_%05d.png", "img_%d.png"])
def test_a_folder_and_a_pattern_are_videos(tmp_path: Path, path: str) -> None:
    folder = write_pictures(tmp_path / "v", list(range(40)))
    if path:
        write_pictures(folder, [0, 1], "flow_{:05}.png")  # counts for the folder, not for the pattern
    video = folder / path
    info = probe(video, fps=20)
    assert (info.frames, info.fps, info.width_px, info.height_px, info.damage) == (40, 20.0, 64, 48, "")
    assert info.end_s == pytest.approx(2.0)
    assert read_numbers(video, [0, 3], fps=20, start_s=0.5, end_s=1.0) == [(0, 0.5, 10), (3, 0.65, 13)]


def test_order_is_that_of_numbers_without_zeros(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "v", list(range(1, 13)), "frame{}.png")
    assert [number for *_, number in read_numbers(folder, list(range(12)), fps=25)] == list(range(1, 13))


def test_missing_pictures_are_said_and_thinned_ones_are_not(tmp_path: Path) -> None:
    holes = write_pictures(tmp_path / "a", [*range(20), *range(23, 40)])
    assert probe(holes, fps=25).damage == (
        "pictures are missing: 1 gap in their numbers, the first from img_00019.png to img_00023.png"
    )
    few = write_pictures(tmp_path / "few", [1, 2, 3, 9, 10])
    assert "1 gap in their numbers, the first from img_00003" in probe(few, fps=25).damage
    for name, numbers in (("b", list(range(0, 60, 5))), ("c", [0, 1, 3, 4, 6, 7, 9, 10])):
        assert probe(write_pictures(tmp_path / name, numbers), fps=25).damage == ""


def test_pictures_are_upright_rgb_of_one_size(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    folder.mkdir()
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:24, :32] = (255, 0, 0)
    turned = Image.Exif()
    turned[0x0112] = 6  # shown turned clockwise: upper left becomes upper right
    Image.fromarray(pixels).save(folder / "0.png", exif=turned)
    Image.fromarray(pixels).resize((32, 24)).save(folder / "1.png", exif=turned)
    Image.fromarray(pixels).convert("P").save(folder / "2.png", exif=turned)
    frames = list(iter_frames(folder, np.arange(3), info=probe(folder, fps=25)))
    assert [(each.rgb.shape, each.scaled, each.corrupt) for each in frames] == [
        ((64, 48, 3), False, False), ((64, 48, 3), True, False), ((64, 48, 3), False, False),
    ]  # fmt: skip
    for each in frames:
        assert each.rgb[:28, 28:].reshape(-1, 3).mean(0) == pytest.approx([255, 0, 0], abs=8)
        assert each.rgb[36:].max() <= 8


def test_a_clip_of_pictures_goes_through_the_engine(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "v", list(range(36, 60)))
    estimator = TopDown(BrightDetector(), AnalyticBackbone(), device="cpu")
    job = ClipJob(0, folder, start_s=0.5, fps=10)
    (outcome,) = extract_clips([job], EngineOptions(persons=1, steps=4), estimator=estimator)
    assert (outcome.result.status, outcome.result.frames, outcome.result.fps) == (Status.OK, 19, 10.0)
    assert outcome.features is not None
    assert outcome.features.time_s == pytest.approx(
        [0.6875, 1.1625, 1.6375, 2.1125]
    )  # 19 frames from 0.5 s on


@pytest.mark.parametrize(
    ("path", "fps", "message"),
    [
        (
            "v",
            0.0,
            "expected frames per second for the pictures of v, which have no times: .*--fps, or a column fps",
        ),
        ("none", 25.0, "none does not exist"),
        ("none/img_%d.png", 25.0, "none does not exist"),
        ("empty", 25.0, r"expected pictures \(.bmp .* got none in .*empty"),
        ("two", 25.0, r"of one series in .*two.* got flow_\*.png, img_\*.png; name one by a pattern"),
    ],
)
def test_what_is_no_video_is_said_in_one_line(tmp_path: Path, path: str, fps: float, message: str) -> None:
    write_pictures(tmp_path / "v", [0, 1])
    write_pictures(write_pictures(tmp_path / "two", [0, 1]), [0, 1], "flow_{:05}.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(HeatpoolError, match=message) as caught:
        probe(tmp_path / path, fps=fps)
    assert "\n" not in str(caught.value)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def deepen(path: Path) -> None:
    Image.fromarray(np.zeros((48, 64), np.uint16)).save(path)


def widen(path: Path) -> None:
    Image.new("1", (8192, 4097)).save(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (cut, "expected a picture, cannot read img_00002.png: "),
        (
            lambda path: path.write_text("no"),
            "expected a picture, img_00002.png is none of .bmp, .jpeg",
        ),
        (deepen, "8 bits a channel .* img_00002.png has 64 x 48 in mode I;16"),
        (widen, "at most 8192 x 4096 pixels, img_00002.png has 8192 x 4097"),
    ],
)
def test_a_bad_picture_is_named(tmp_path: Path, spoil, message: str) -> None:
    folder = write_pictures(tmp_path / "v", list(range(5)))
    spoil(folder / "img_00002.png")
    info = probe(folder, fps=25)
    assert (
        len(list(iter_frames(folder, np.array([0, 1, 3]), info=info))) == 3
    )  # it is not among the wanted ones
    with pytest.raises(HeatpoolError, match=message) as caught:
        list(iter_frames(folder, np.arange(5), info=info))
    assert "\n" not in str(caught.value)
