from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heatpool.extract.video import reader as video
from heatpool.extract.video.reader import FrameCountError, iter_frames, probe
from heatpool.pool.errors import HeatpoolError
from tests.conftest import VideoMaker, gray_frames


def read_levels(path: Path, wanted: list[int], **window: float) -> list[tuple[int, int]]:
    """Frame numbers as the reader says them and as the grey level says them."""
    info = probe(path, **window)
    frames = iter_frames(path, np.array(wanted), info=info)
    return [(frame.index, round((frame.rgb.mean() - 20) / 3)) for frame in frames]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.avi", "mpeg4"), ("a.mkv", "libx264"), ("a.webm", "libvpx-vp9")],
)
def test_wanted_frames_are_the_right_ones(make_video: VideoMaker, name: str, codec: str) -> None:
    path = make_video(gray_frames(30), name, codec=codec)
    info = probe(path)
    assert (info.frames, info.fps, info.width_px, info.height_px, info.damage) == (30, 25.0, 64, 48, "")
    assert read_levels(path, [0, 7, 8, 29]) == [(0, 0), (7, 7), (8, 8), (29, 29)]


def test_time_is_in_seconds_from_the_start(make_video: VideoMaker) -> None:
    path = make_video(gray_frames(10), fps=50)
    times = [frame.time_s for frame in iter_frames(path, np.arange(10), info=probe(path))]
    assert times == pytest.approx([number / 50 for number in range(10)])


def test_a_window_has_its_own_numbers(make_video: VideoMaker) -> None:
    path = make_video(gray_frames(50))
    info = probe(path, start_s=0.4, end_s=0.8)
    assert (info.first_frame, info.frames) == (10, 10)
    assert read_levels(path, [0, 9], start_s=0.4, end_s=0.8) == [(0, 10), (9, 19)]


@pytest.mark.parametrize(
    ("name", "codec", "x264"),
    [
        ("a.mp4", "libx264", ""),
        ("open.mp4", "libx264", "open-gop=1:bframes=3:keyint=10:min-keyint=10"),
        ("a.mkv", "libx264", ""),
        ("a.avi", "mpeg4", ""),
        ("a.webm", "libvpx-vp9", ""),
    ],
)
def test_a_late_window_is_read_from_a_key_frame_and_is_the_same(
    make_video: VideoMaker, monkeypatch: pytest.MonkeyPatch, name: str, codec: str, x264: str
) -> None:
    rng = np.random.default_rng(0)
    path = make_video(list(rng.integers(0, 255, (70, 48, 64, 3), np.uint8)), name, codec=codec, x264=x264)
    decoded = 0
    decode = video.decode_stream

    def counted(*arguments: Any) -> Iterator[Any]:
        nonlocal decoded
        for frame in decode(*arguments):
            decoded += 1
            yield frame

    monkeypatch.setattr(video, "decode_stream", counted)
    for start in (13, 24, 37, 50):
        info = probe(path, start_s=start / 25, end_s=(start + 12) / 25)
        assert (info.first_frame, info.frames) == (start, 12)
        decoded = 0
        seen = list(iter_frames(path, np.arange(12), info=info))
        assert info.seek is not None
        assert decoded <= 12 + 12 + 1
        wanted = list(iter_frames(path, np.arange(12), info=replace(info, seek=None)))
        assert [(each.index, each.time_s) for each in seen] == [(each.index, each.time_s) for each in wanted]
        assert all(np.array_equal(one.rgb, two.rgb) for one, two in zip(seen, wanted, strict=True))


def test_a_seek_that_misleads_is_given_up(make_video: VideoMaker) -> None:
    path = make_video(gray_frames(60))
    info = probe(path, start_s=1.2, end_s=1.6)
    late = replace(info, seek=probe(path, start_s=2.2).seek)  # beyond the window's first frame
    assert late.seek is not None
    with pytest.raises(FrameCountError) as error:
        list(iter_frames(path, np.arange(10), info=late))
    assert late.corrected(error.value.decoded) == replace(info, seek=None)


def test_a_window_outside_the_video_is_refused(make_video: VideoMaker) -> None:
    path = make_video(gray_frames(10))
    with pytest.raises(
        HeatpoolError, match=r"expected frames between 5 s and 6 s, got none in clip.mp4 \(0.36 s"
    ):
        probe(path, start_s=5, end_s=6)


def test_a_cut_file_names_its_damage_and_gives_what_is_there(make_video: VideoMaker) -> None:
    path = make_video(gray_frames(60, width=320, height=240), "a.avi", codec="mpeg4")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    info = probe(path)
    assert info.frames_from_header == 60
    assert 2 < info.frames < 60
    assert info.damage == f"header claims 60 frames, the file holds {info.frames}"
    assert sum(1 for _ in iter_frames(path, np.arange(info.frames), info=info)) == info.frames


def test_a_wrong_count_is_said_after_the_last_frame(make_video: VideoMaker) -> None:
    path = make_video(gray_frames(20))
    info = replace(probe(path), frames=25, frames_from_packets=25)
    with pytest.raises(FrameCountError, match="expected 25 frames, decoded 20") as caught:
        list(iter_frames(path, np.arange(25), info=info))
    assert caught.value.decoded == 20


def rotate_in_header(path: Path) -> None:
    """Write a quarter turn into the display matrix of an mp4's track header (16.16 fixed point)."""
    content = bytearray(path.read_bytes())
    unit = (1 << 16).to_bytes(4, "big", signed=True)
    minus = (-(1 << 16)).to_bytes(4, "big", signed=True)
    zero, last = bytes(4), (1 << 30).to_bytes(4, "big")
    matrix_at = content.index(b"tkhd") + 4 + 40
    assert content[matrix_at : matrix_at + 4] == unit
    turn = zero + unit + zero + minus + zero + zero + zero + zero + last
    content[matrix_at : matrix_at + 36] = turn
    path.write_bytes(content)


def test_rotation_metadata_is_honoured(make_video: VideoMaker) -> None:
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[:24, :32] = 255  # white in the upper left corner
    path = make_video([frame] * 4)
    rotate_in_header(path)  # players turn this film clockwise: upper left becomes upper right
    upright = next(iter_frames(path, np.array([0]), info=probe(path))).rgb
    assert upright.shape == (64, 48, 3)
    assert upright[:32, 24:].mean() > 230
    assert upright[:32, :24].mean() < 25


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"only text", "cannot open clip.mp4: Invalid data"), (b"", "cannot open clip.mp4")],
)
def test_what_is_no_video_is_said_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(HeatpoolError, match=message) as caught:
        probe(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match="nowhere.mp4 does not exist"):
        probe(tmp_path / "nowhere.mp4")


def test_a_video_without_frames_is_refused(make_video: VideoMaker) -> None:
    with pytest.raises(HeatpoolError, match=r"clip\.avi"):
        probe(make_video([], "clip.avi", codec="mpeg4"))
