"""Streams: real ones over a pipe and HTTP, made by PyAV; and a backlog that never grows."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from av.error import InvalidDataError
from av.video.frame import VideoFrame

from heatpool.extract.video import stream
from heatpool.extract.video.stream import (
    Backlog,
    TimedFrame,
    as_rgb,
    is_real_time,
    read_stream,
    rising_times,
)
from heatpool.pool.errors import HeatpoolError
from tests.conftest import VideoMaker, gray_frames
from tests.fixtures.web_server import serving


@pytest.fixture
def transport_stream(make_video: VideoMaker) -> Path:
    """Thirty frames at 25 per second as MPEG-TS, whose stamps begin at 1.4 s."""
    return make_video(gray_frames(30), "stream.ts", x264="bframes=0")


def grey(frames: list[TimedFrame]) -> list[int]:
    return [round((float(as_rgb(frame, like=frame).mean()) - 20) / 3) for _, frame in frames]


def test_a_pipe_gives_what_the_file_holds(transport_stream: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def dribble() -> None:
        data = transport_stream.read_bytes()
        with pipe.open("wb") as file:
            for at in range(0, len(data), 1000):
                file.write(data[at : at + 1000])

    writer = threading.Thread(target=dribble)
    writer.start()
    frames = list(read_stream(str(pipe)))
    writer.join()
    assert grey(frames) == list(range(30))
    np.testing.assert_allclose([time_s for time_s, _ in frames], np.arange(30) / 25, atol=1e-4)


class _Server(BaseHTTPRequestHandler):
    """Sends the stream in chunks, without saying how long it is; `/broken.ts` says more than it holds."""

    protocol_version = "HTTP/1.1"
    data = b""

    def do_GET(self) -> None:
        self.send_response(200)
        if self.path == "/broken.ts":
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(self.data)
            self.close_connection = True
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        data = PLAYLIST if self.path == "/list.m3u8" else self.data
        for chunk in (*(data[at : at + 2000] for at in range(0, len(data), 2000)), b""):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"


@pytest.fixture
def address(transport_stream: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(_Server, "data", transport_stream.read_bytes())
    with serving(_Server) as address:
        yield address


def test_an_address_gives_what_the_file_holds(address: str) -> None:
    assert grey(list(read_stream(f"{address}/live.ts"))) == list(range(30))


def test_a_stream_that_breaks_off_gives_all_that_came(address: str) -> None:
    frames: list[TimedFrame] = []
    with pytest.raises(HeatpoolError, match=r"broken\.ts: cannot be read"):
        frames.extend(read_stream(f"{address}/broken.ts"))
    assert grey(frames) == list(range(30))
    np.testing.assert_allclose([time_s for time_s, _ in frames], np.arange(30) / 25, atol=1e-4)


def test_damaged_pictures_are_left_out_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    class Packet:
        def __init__(self, frame: str) -> None:
            self.frame = frame

        def decode(self) -> list[str]:
            if not self.frame:
                raise InvalidDataError(0, "Invalid data")
            return [self.frame]

    packets = [Packet(frame) for frame in ("", "first", "", "", "last")]
    container = SimpleNamespace(demux=lambda stream: packets)
    frames = stream._decode(container, SimpleNamespace())
    assert next(frames) == "first"
    assert not caplog.messages  # it was joined in the middle of a picture
    assert list(frames) == ["last"]
    assert caplog.messages == ["the stream has damaged pictures, which are left out (Invalid data)"]


def test_a_playlist_does_not_lead_to_files(address: str) -> None:
    with pytest.raises(HeatpoolError, match=r"list\.m3u8: cannot be read"):
        list(read_stream(f"{address}/list.m3u8"))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("nowhere.ts", "nowhere.ts does not exist"),
        ("file:///etc/hostname", "expected a stream of rtsp, rtsps, http, https, got file://"),
        ("concat://a|b", "got concat://"),
        ("http://me:secret@127.0.0.1:9/a", r"^http://127.0.0.1:9/a: cannot be read"),
        ("rtsp://127.0.0.1:9/a", "cannot be read"),
    ],
)
def test_what_is_no_stream_is_one_line(source: str, reason: str) -> None:
    with pytest.raises(HeatpoolError, match=reason):
        list(read_stream(source))


def test_a_file_is_read_by_its_own_name(make_video: VideoMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as an address of FFmpeg: `concat:` would read other files."""
    path = make_video(gray_frames(5), "concat:a.mp4")
    monkeypatch.chdir(path.parent)
    assert len(list(read_stream(path.name))) == 5


def test_a_clock_that_is_set_back_goes_on() -> None:
    """At 25 per second: a stamp that comes twice, one that is late, a clock two seconds back, no stamp."""
    frames = []
    for stamp in (1000, 1004, 1004, 1002, 1008, 800, 804, None):
        frame = VideoFrame(64, 48, "yuv420p")
        frame.pts, frame.time_base = stamp, Fraction(1, 100)
        frames.append(frame)
    found = list(rising_times(frames, 25.0))
    np.testing.assert_allclose([time_s for time_s, _ in found], [0, 0.04, 0.08, 0.12, 0.16, 0.20])
    assert [frame.pts for _, frame in found] == [1000, 1004, 1008, 800, 804, None]


def still(time_s: float) -> TimedFrame:
    return time_s, VideoFrame(64, 48, "yuv420p")


def test_a_stream_in_real_time_never_lags_and_memory_stays(caplog: pytest.LogCaptureFixture) -> None:
    """The consumer takes nothing for 10 s of stream, then all: at most 2 s wait, the rest is said."""
    go, taken = threading.Event(), threading.Event()

    def source() -> Iterator[TimedFrame]:
        yield from (still(n / 10) for n in range(100))
        go.set()
        assert taken.wait(10)
        yield from (still(n / 10) for n in range(100, 110))

    with Backlog(source(), most_s=2, drop=True) as backlog:
        assert go.wait(10)
        assert len(backlog) == 20
        stretches = []
        for stretch in backlog.stretches(lambda: False):
            times_s = []
            for time_s, _ in stretch:
                times_s.append(round(time_s, 3))
                if len(times_s) == 20:
                    taken.set()
            stretches.append(times_s)
    assert stretches == [[n / 10 for n in range(20)], [n / 10 for n in range(100, 110)]]
    assert backlog.dropped_s == pytest.approx(8.1)
    assert "left out 8.1 s (1.9 to 10.0 s)" in caplog.text


def test_a_stream_that_can_wait_is_kept_waiting() -> None:
    begun = []

    def source() -> Iterator[TimedFrame]:
        for number in range(50):
            begun.append(number)
            yield still(number / 10)

    with Backlog(source(), most_s=1, drop=False) as backlog:
        times_s = []
        for stretch in backlog.stretches(lambda: False):
            for time_s, _ in stretch:
                assert len(begun) - len(times_s) <= 13  # a second, what is taken, what is made
                times_s.append(time_s)
                time.sleep(0.001)
    assert times_s == [number / 10 for number in range(50)]
    assert backlog.dropped_s == 0


def test_a_stop_ends_a_stream_that_is_silent_or_full() -> None:
    forever = threading.Event()
    ended = threading.Event()

    def silent() -> Iterator[TimedFrame]:
        yield still(0)
        forever.wait()

    def endless() -> Iterator[TimedFrame]:
        try:
            number = 0
            while True:
                yield still(number)
                number += 1
        finally:
            ended.set()

    for source, drop in ((silent(), True), (endless(), False), (endless(), True)):
        seen: list[float] = []
        with Backlog(source, most_s=5, drop=drop) as backlog:
            for stretch in backlog.stretches(lambda: bool(seen)):  # noqa: B023
                for time_s, _ in stretch:
                    seen.append(time_s)
        assert seen[:1] == [0]
    forever.set()
    assert ended.wait(5)


def test_what_breaks_a_stream_comes_after_its_frames() -> None:
    def source() -> Iterator[TimedFrame]:
        yield still(0)
        raise HeatpoolError("broke off")

    seen: list[float] = []
    with Backlog(source(), most_s=1, drop=True) as backlog, pytest.raises(HeatpoolError, match="broke off"):
        seen.extend(time_s for stretch in backlog.stretches(lambda: False) for time_s, _ in stretch)
    assert seen == [0]


def test_real_time() -> None:
    assert is_real_time("rtsp://camera/1")
    assert is_real_time("/dev/video0")
    assert not is_real_time("some/pipe")
