"""When frames are shown, and which of them a seek leads to, in files whose stamps are odd."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from heatpool.extract.video.clip_events import ClipEnd, ClipFrame, ClipJob
from heatpool.extract.video.readahead import decode_ahead
from heatpool.extract.video.reader import iter_frames, probe
from tests.conftest import VideoMaker, gray_frames
from tests.extract.video.test_packets import assert_good, remux

REORDERED = "bframes=3:b-adapt=0:scenecut=0"


def later(seconds: float) -> Any:
    """Return a change for `remux` that adds to all stamps."""

    def change(_: int, packet: av.Packet[Any]) -> av.Packet[Any]:
        assert packet.pts is not None
        assert packet.dts is not None
        ticks = round(seconds / packet.time_base)
        packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
        return packet

    return change


def levels_of(jobs: Sequence[ClipJob]) -> list[list[int]]:
    """Grey levels of the frames of each clip, read alone."""
    found = []
    for job in jobs:
        events = list(decode_ahead([job], steps=4, threads=1))
        assert events[-1] == ClipEnd(0)
        frames = [event.frame for event in events if isinstance(event, ClipFrame)]
        found.append([round((frame.rgb.mean() - 20) / 3) for frame in frames[-4:]])
    return found


@pytest.mark.parametrize("name", ["a.ts", "a.m2ts", "a.mkv", "a.mp4"])
def test_a_seek_leads_to_the_key_frame_itself(make_video: VideoMaker, name: str) -> None:
    """In a transport stream FFmpeg seeks by the stamps of decoding, which lie before those of showing."""
    path = make_video(gray_frames(60), name, x264=REORDERED)
    for first in range(13, 55, 3):
        info = probe(path, start_s=first / 25, end_s=(first + 4) / 25)
        assert info.seek is not None
        frames = list(iter_frames(path, np.arange(4), info=info))  # raises if the seek led elsewhere
        assert [round((frame.rgb.mean() - 20) / 3) for frame in frames] == list(range(first, first + 4))


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.avi", "libx264", {"x264-params": "bframes=3:b-adapt=0"}),
        ("a.vob", "mpeg2video", {"b": "8M", "bf": "2"}),
        ("a.ts", "libx264", {"x264-params": "intra-refresh=1:bframes=0"}),
    ],
)
def test_where_no_seek_can_be_trusted_the_frames_are_right_all_the_same(
    make_video: VideoMaker, name: str, codec: str, options: dict[str, str]
) -> None:
    """Stamps that FFmpeg made up led to other frames; key frames that are refreshed bit by bit to black."""
    path = make_video(gray_frames(60), name, codec=codec, options=options)
    times_s = probe(path).times_s
    firsts = range(13, 55, 2)
    jobs = [ClipJob(0, path, float(times_s[first]), float(times_s[first + 4])) for first in firsts]
    assert levels_of(jobs) == [list(range(first, first + 4)) for first in firsts]


@pytest.mark.parametrize("ahead_s", [(10, 100), (100, 10), (10, 11), (2**33 / 90_000 - 1, 0)])
def test_a_clock_that_is_set_anew_goes_on(make_video: VideoMaker, ahead_s: tuple[float, float]) -> None:
    """Two recordings in one file, or one that was interrupted; also where the clock's 33 bits run over."""
    source = make_video(gray_frames(30), "whole.ts", x264=REORDERED)
    parts = [remux(source, f"{at}.ts", later(each), mpegts_copyts="1") for at, each in enumerate(ahead_s)]
    path = source.with_name("both.ts")
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert_good(path, [*range(30), *range(30)])
    gap_s = np.diff(probe(path).times_s)
    assert gap_s.min() > 0.03
    assert gap_s.max() < 0.2


def test_stamps_below_0_of_an_ogg_file_are_no_years(make_video: VideoMaker) -> None:
    """`-ss … -c copy` writes such for what comes before the cut; they are read as huge ones."""
    source = make_video(gray_frames(60), "whole.ogv", codec="libvpx", options={"b": "2M"})
    path = remux(source, "cut.ogv", later(-0.5), avoid_negative_ts="disabled")
    assert_good(path, list(range(60)))
    np.testing.assert_allclose(probe(path).times_s, np.arange(60) / 25, atol=1e-3)


def test_a_clock_that_runs_over_is_no_break(make_video: VideoMaker) -> None:
    source = make_video(gray_frames(60), "whole.ts", x264=REORDERED)
    path = remux(source, "over.ts", later(2**33 / 90_000 - 1), mpegts_copyts="1")
    assert_good(path, list(range(60)))
    np.testing.assert_allclose(probe(path).times_s, np.arange(60) / 25, atol=1e-3)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_frames_with_the_same_stamp_lie_between_their_neighbours(make_video: VideoMaker, name: str) -> None:
    """Milliseconds are too coarse for some screen recordings; the other frames keep their times."""
    source = make_video(gray_frames(30), "whole.mp4", fps=10, x264="bframes=0")

    def change(number: int, packet: av.Packet[Any]) -> av.Packet[Any]:
        assert packet.pts is not None
        step = round(Fraction(1, 10) / packet.time_base)
        packet.pts += step * (number == 12) + 20 * step * (number > 20)
        packet.dts = packet.pts - step * (number == 12)
        return packet

    path = remux(source, name, change)
    assert_good(path, list(range(30)))
    times_s = probe(path).times_s
    wanted_s = np.arange(30) / 10 + 2 * (np.arange(30) > 20)
    wanted_s[12:14] = 1.3, 1.35
    np.testing.assert_allclose(times_s - times_s[0], wanted_s, atol=1e-3)


def test_the_rate_of_a_screen_recording_is_that_of_its_frames(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    shown_s = np.cumsum([0.02, 0.5, 0.03, 1.5] * 10)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=60)  # what the header says
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time_s, picture in zip(shown_s, gray_frames(40), strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(1000 * time_s), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    info = probe(path)
    np.testing.assert_allclose(info.times_s, shown_s - shown_s[0], atol=1e-3)
    assert info.fps == pytest.approx(39 / (shown_s[-1] - shown_s[0]), rel=1e-3)
