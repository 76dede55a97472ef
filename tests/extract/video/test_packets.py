"""Good files whose packets are more, or fewer, than the frames that are shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
import pytest

from heatpool.extract.datasets.check_clips import ClipProblem, check_clips
from heatpool.extract.datasets.check_videos import check_videos
from heatpool.extract.video.clip_events import ClipEnd, ClipJob, ClipStart
from heatpool.extract.video.readahead import decode_ahead
from heatpool.extract.video.reader import iter_frames, probe
from tests.conftest import VideoMaker, gray_frames

_Change = Callable[[int, "av.Packet[Any]"], "av.Packet[Any] | None"]


def remux(source: Path, name: str, change: _Change, **options: str) -> Path:
    """Copy the packets, as `-c copy` does; `change` may alter one or leave it out."""
    path = source.with_name(name)
    with av.open(str(source)) as given, av.open(str(path), "w", options=options) as made:
        stream = given.streams.video[0]
        copy = made.add_stream_from_template(stream)
        for number, packet in enumerate(each for each in given.demux(stream) if each.size):
            if (changed := change(number, packet)) is not None:
                changed.stream = copy
                made.mux(changed)
    return path


def assert_good(path: Path, levels: list[int]) -> None:
    """All frames come, they are these, and neither extraction nor doctor finds fault with the file."""
    info = probe(path)
    assert (info.frames, info.damage) == (len(levels), "")
    frames = list(iter_frames(path, np.arange(info.frames), info=info))
    assert [round((frame.rgb.mean() - 20) / 3) for frame in frames] == levels
    events = list(decode_ahead([ClipJob(0, path)], steps=16, threads=1))
    assert sum(isinstance(event, ClipStart) for event in events) == 1  # the first reading was right
    assert events[-1] == ClipEnd(0)
    reports = check_videos({path: 0.0}, workers=1)
    assert check_clips([ClipJob(0, path)], reports, decode=True, workers=1) == [ClipProblem()]
    assert reports[path].frames == len(levels)


def trim(source: Path, *, frames: int) -> Path:
    """Cut as `-ss … -c copy` does: from the key frame before, an edit list hides what comes too early."""
    first = probe(source)
    key = max(number for number in range(0, frames + 1, 12))

    def shift(number: int, packet: av.Packet[Any]) -> av.Packet[Any] | None:
        ahead = round(frames / first.fps / packet.time_base)
        packet.pts, packet.dts = packet.pts - ahead, packet.dts - ahead
        return packet if number >= key else None

    return remux(source, "trim.mp4", shift)


def test_frames_that_an_edit_list_hides_are_none(make_video: VideoMaker) -> None:
    path = trim(make_video(gray_frames(60)), frames=30)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 36  # samples, of which six are hidden
    assert_good(path, list(range(30, 60)))
    info = probe(path, start_s=20 / 25)
    assert info.seek is not None
    seen = list(iter_frames(path, np.arange(info.frames), info=info))
    assert [round((frame.rgb.mean() - 20) / 3) for frame in seen] == list(range(50, 60))


def test_a_trimmed_file_that_is_cut_is_found(make_video: VideoMaker) -> None:
    rng = np.random.default_rng(0)
    noise = list(rng.integers(0, 255, (60, 48, 64, 3), np.uint8))
    whole = trim(make_video(noise, x264="scenecut=0"), frames=30)
    path = remux(whole, "web.mp4", lambda _, packet: packet, movflags="faststart")  # a cut one still opens
    assert (probe(path).frames, probe(path).damage) == (30, "")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    info = probe(path)
    assert info.damage.startswith("header claims 36 frames, the file holds ")
    assert 0 < info.frames < 30


def test_empty_chunks_of_an_avi_are_no_frames(make_video: VideoMaker) -> None:
    source = make_video(gray_frames(60), "whole.avi", codec="mpeg4", gop=1, options={"b": "4M"})
    path = remux(source, "dropped.avi", lambda number, packet: None if 20 <= number < 25 else packet)
    assert probe(path).frames_from_header == 60
    assert_good(path, [*range(20), *range(25, 60)])


def _from_second_key() -> _Change:
    keys = 0

    def change(number: int, packet: av.Packet[Any]) -> av.Packet[Any] | None:
        nonlocal keys
        keys += packet.is_keyframe
        return packet if keys > 1 else None

    return change


_OPEN = "open-gop=1:bframes=3:b-adapt=0:keyint=10:min-keyint=10:scenecut=0"


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("h264.ts", "libx264", {"x264-params": _OPEN}),
        ("h264.mkv", "libx264", {"x264-params": _OPEN}),
        ("hevc.ts", "libx265", {"x265-params": f"log-level=none:pools=none:{_OPEN}"}),
        ("mpeg2.ts", "mpeg2video", {"bf": "2", "b": "20M"}),
    ],
)
def test_leading_pictures_of_an_open_cut_are_no_frames(
    make_video: VideoMaker, name: str, codec: str, options: dict[str, str]
) -> None:
    source = make_video(gray_frames(60), f"whole_{name}", codec=codec, options=options)
    path = remux(source, name, _from_second_key())
    with av.open(str(path)) as container:
        packets = sum(packet.size > 0 for packet in container.demux(video=0))
    frames = probe(path).frames
    assert packets - 3 <= frames < packets
    assert_good(path, list(range(60 - frames, 60)))


def _by_decoding(_: int, packet: av.Packet[Any]) -> av.Packet[Any]:
    """Stamp a picture as `-c copy` does where a program stream or an AVI has no stamp for it."""
    packet.pts = packet.dts
    return packet


def _from_second_key_at_0() -> _Change:
    """Begin at the second key frame as `-ss … -c copy` does: what is shown before it would be before 0."""
    cut, begun = _from_second_key(), None

    def change(number: int, packet: av.Packet[Any]) -> av.Packet[Any] | None:
        nonlocal begun
        if cut(number, packet) is None:
            return None
        assert packet.pts is not None
        assert packet.dts is not None
        begun = packet.pts if begun is None else begun
        packet.pts, packet.dts = packet.pts - begun, packet.dts - begun
        return packet

    return change


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("mpeg2.mp4", "mpeg2video", {"bf": "2", "b": "20M"}),
        ("mpeg4.mp4", "mpeg4", {"bf": "2", "b": "20M"}),
    ],
)
def test_leading_pictures_are_no_frames_where_stamps_are_of_decoding(
    make_video: VideoMaker, name: str, codec: str, options: dict[str, str]
) -> None:
    source = make_video(gray_frames(60), "whole.mkv", codec=codec, options=options)
    cut = remux(source, "cut.mkv", _from_second_key())
    path = remux(cut, name, _by_decoding)
    assert_good(path, list(range(60 - probe(cut).frames, 60)))
    assert probe(cut).frames >= 44


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx265", {"x265-params": f"log-level=none:pools=none:{_OPEN}"}),
        ("mpeg2video", {"bf": "2", "b": "20M"}),
    ],
)
def test_leading_pictures_that_matroska_cannot_stamp_are_no_frames(
    make_video: VideoMaker, codec: str, options: dict[str, str]
) -> None:
    source = make_video(gray_frames(60), "whole.mkv", codec=codec, options=options)
    path = remux(source, "cut.mkv", _from_second_key_at_0(), avoid_negative_ts="disabled")
    frames = probe(path).frames
    assert 50 <= frames < 58  # of a key frame at 3 or 10
    assert_good(path, list(range(60 - frames, 60)))


@pytest.mark.parametrize("name", ["cut.mkv", "cut.mp4"])
def test_a_picture_that_is_refreshed_bit_by_bit_is_a_frame_once_it_is_whole(
    make_video: VideoMaker, name: str
) -> None:
    source = make_video(gray_frames(60), "whole.mkv", x264="intra-refresh=1:bframes=0:keyint=12")
    path = remux(source, name, _from_second_key())
    frames = probe(path).frames
    assert 30 < frames < 47
    assert_good(path, list(range(60 - frames, 60)))


def test_leading_pictures_that_decode_are_frames(make_video: VideoMaker) -> None:
    """Those of a closed group do (RADL pictures of HEVC), and a cut loses none of them."""
    options = {"x265-params": f"log-level=none:pools=none:{_OPEN}:open-gop=0:radl=2"}
    source = make_video(gray_frames(60), "whole.ts", codec="libx265", options=options)
    path = remux(source, "cut.ts", _from_second_key())
    with av.open(str(path)) as container:
        packets = sum(packet.size > 0 for packet in container.demux(video=0))
    assert_good(path, list(range(60 - packets, 60)))


def test_alt_ref_pictures_of_vp8_are_no_frames(make_video: VideoMaker) -> None:
    source = make_video(gray_frames(40), "whole.webm", codec="libvpx", options={"b": "2M"})
    hidden = (5, 15, 30)

    def hide(number: int, packet: av.Packet[Any]) -> av.Packet[Any]:
        if number not in hidden:
            return packet
        data = bytearray(bytes(packet))
        data[0] &= ~0x10  # show_frame
        changed: av.Packet[Any] = av.Packet(bytes(data))
        changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
        return changed

    path = remux(source, "alt_ref.webm", hide)
    assert_good(path, [number for number in range(40) if number not in hidden])


def test_a_recording_that_begins_in_the_middle_is_whole_from_its_first_key_frame(
    make_video: VideoMaker,
) -> None:
    """Receivers and cameras start anywhere: what comes before that frame cannot be decoded."""
    source = make_video(gray_frames(60), "whole.ts", x264="bframes=2:b-adapt=0:scenecut=0")
    assert_good(
        remux(source, "middle.ts", lambda number, packet: packet if number > 16 else None),
        list(range(24, 60)),
    )
    torn = source.with_name("torn.ts")
    torn.write_bytes(source.read_bytes()[source.stat().st_size // 3 + 77 :])
    assert_good(torn, list(range(60 - probe(torn).frames, 60)))
    assert probe(torn).frames in (24, 36, 48)


class _Pipe:
    """A file that nobody can go back in."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write


def test_an_avi_that_was_written_to_a_pipe_is_whole(make_video: VideoMaker) -> None:
    """Its header counts a billion frames and four gigabytes: nobody could go back and fill them in."""
    source = make_video(gray_frames(20), "whole.avi", codec="mpeg4", gop=1, options={"b": "4M"})
    path = source.with_name("pipe.avi")
    with path.open("wb") as file, av.open(str(source)) as given, av.open(_Pipe(file), "w", "avi") as made:
        copy = made.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = copy
                made.mux(packet)
    assert probe(path).frames_from_header > 1_000_000
    assert_good(path, list(range(20)))
