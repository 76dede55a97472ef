"""What is a fault of the moment and what a fault of the video."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import av.error
import pytest

from heatpool.extract.video.clip_events import ClipEnd, ClipJob
from heatpool.extract.video.readahead import decode_ahead
from heatpool.extract.video.transient import can_be_opened, is_transient
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import TRANSIENT
from tests.conftest import VideoMaker, gray_frames


def of(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    "number", [errno.ENOENT, errno.EACCES, errno.EAGAIN, errno.EMFILE, errno.ESTALE, errno.EIO]
)
def test_what_the_system_refuses_is_of_the_moment(number: int, tmp_path: Path) -> None:
    assert is_transient(of(number), tmp_path)
    line = HeatpoolError("cannot open a.mp4")
    line.__cause__ = of(number)
    assert is_transient(line, tmp_path)


def test_what_the_content_is_to_blame_for_is_not(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"cut")
    for error in (
        HeatpoolError("no video stream"),
        ValueError("x"),
        of(errno.EINVAL),
        av.error.InvalidDataError(1094995529, "Invalid data"),
    ):
        assert not is_transient(error, tmp_path / "a.mp4")
    assert is_transient(MemoryError(), tmp_path / "a.mp4")
    assert is_transient(HeatpoolError("no such folder"), tmp_path / "gone" / "img_%05d.jpg")


def test_an_input_output_error_of_ffmpeg_counts_where_the_file_itself_cannot_be_read(tmp_path: Path) -> None:
    ended_early = av.error.OSError(errno.EIO, "Input/output error")
    (tmp_path / "a.mp4").write_bytes(b"cut")
    assert not is_transient(ended_early, tmp_path / "a.mp4")
    assert is_transient(ended_early, tmp_path / "gone.mp4")


def test_what_can_be_opened(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "walk").mkdir()
    (tmp_path / "walk" / "img_1.png").write_bytes(b"x")
    for name, there in {
        "": True,
        "empty": False,
        "gone.mp4": False,
        "walk": True,
        "walk/img_%d.png": True,
    }.items():
        assert can_be_opened(tmp_path / name) is there, name


def test_a_file_that_fails_while_it_is_decoded_fails_for_now(
    make_video: VideoMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = make_video(gray_frames(8))

    def ends(path: Path, *rest: object, **more: object) -> None:
        raise MemoryError

    monkeypatch.setattr("heatpool.extract.video.decode.iter_frames", ends)
    *_, last = decode_ahead([ClipJob(0, video)], steps=4, threads=1)
    assert isinstance(last, ClipEnd)
    assert last == ClipEnd(0, True, f"{TRANSIENT}MemoryError: ")
