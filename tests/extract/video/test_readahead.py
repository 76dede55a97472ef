from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from heatpool.extract.video import container, decode
from heatpool.extract.video.clip_events import ClipEnd, ClipJob
from heatpool.extract.video.readahead import decode_ahead
from heatpool.extract.video.reader import DecodedFrame
from tests.conftest import VideoMaker, gray_frames


def ends(jobs: list[ClipJob], *, threads: int, clip_seconds: float) -> list[ClipEnd]:
    items = decode_ahead(jobs, steps=4, threads=threads, clip_seconds=clip_seconds)
    return [item for item in items if isinstance(item, ClipEnd)]


@pytest.fixture
def make_hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Return a function that makes a video on which FFmpeg hangs: a pipe without a writer, let through."""
    monkeypatch.setattr(container, "require_regular", lambda path: None)

    def make(name: str) -> Path:
        os.mkfifo(tmp_path / name)
        return tmp_path / name

    return make


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    jobs = [ClipJob(0, tmp_path / "pipe.mp4"), ClipJob(1, Path("/dev/zero"))]
    found = ends(jobs, threads=1, clip_seconds=0)
    assert [end.reason for end in found] == [
        f"expected a file, {path} is a pipe or a device" for path in (tmp_path / "pipe.mp4", "/dev/zero")
    ]


def test_hanging_clips_take_no_thread_away(
    make_video: VideoMaker, make_hanging: Callable[[str], Path]
) -> None:
    good = make_video(gray_frames(6))
    hanging = [make_hanging(f"hangs{number}.mp4") for number in range(3)]
    jobs = [ClipJob(at, path) for at, path in enumerate([hanging[0], good, hanging[1], hanging[2], good])]
    found = ends(jobs, threads=2, clip_seconds=1.0)
    assert [end.at for end in found] == [0, 1, 2, 3, 4]
    said = "reading hangs{}.mp4 took more than 1 s (--clip-seconds)"
    assert [end.reason for end in found] == [said.format(0), "", said.format(1), said.format(2), ""]


def test_waiting_for_a_slow_consumer_does_not_count(make_video: VideoMaker) -> None:
    jobs = [ClipJob(0, make_video(gray_frames(72)))]
    begun = time.monotonic()
    found = []
    for item in decode_ahead(jobs, steps=64, threads=1, clip_seconds=2.0):
        found.append(item)
        time.sleep(0.04)
    assert time.monotonic() - begun > 2.5
    last = found[-1]
    assert isinstance(last, ClipEnd)
    assert not last.failed


def test_a_clip_that_never_ends_is_ended(make_video: VideoMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*_: object, **__: object) -> Iterator[DecodedFrame]:
        for number in itertools.count():
            time.sleep(0.01)
            yield DecodedFrame(number, number / 25, np.zeros((48, 64, 3), np.uint8), False)

    monkeypatch.setattr(decode, "iter_frames", endless)
    jobs = [ClipJob(at, make_video(gray_frames(6), f"{at}.mp4")) for at in range(2)]
    found = ends(jobs, threads=1, clip_seconds=0.3)
    said = "reading {}.mp4 took more than 0.3 s (--clip-seconds)"
    assert [end.reason for end in found] == [said.format(0), said.format(1)]


def test_windows_of_a_film_that_hangs_each_fail(
    make_video: VideoMaker, make_hanging: Callable[[str], Path]
) -> None:
    hanging = make_hanging("hangs.mp4")
    jobs = [ClipJob(0, hanging, 0, 2), ClipJob(1, hanging, 1, 3), ClipJob(2, make_video(gray_frames(6)))]
    found = ends(jobs, threads=1, clip_seconds=0.5)
    said = "reading hangs.mp4 took more than 0.5 s (--clip-seconds)"
    assert [(end.at, end.reason) for end in found] == [(0, said), (1, said), (2, "")]


def test_no_more_clips_lie_ahead_than_there_are_threads(make_video: VideoMaker, tmp_path: Path) -> None:
    video, decoded = make_video(gray_frames(6)), set()
    paths = [Path(shutil.copy(video, tmp_path / f"clip{number}.mp4")) for number in range(6)]
    jobs = [ClipJob(at, path) for at, path in enumerate(paths)]
    items = decode_ahead(jobs, steps=4, threads=2, prepare=lambda frame: decoded.add(frame.clip))
    next(items)
    ends_s = time.monotonic() + 20
    while decoded != {0, 1} and time.monotonic() < ends_s:
        time.sleep(0.01)
    time.sleep(0.3)  # both lie there whole, and a third would be decoded in a moment
    assert decoded == {0, 1}
    assert sum(isinstance(item, ClipEnd) for item in items) == len(jobs)
    assert decoded == set(range(6))
