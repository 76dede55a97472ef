"""Pictures of high dynamic range come as a standard display shows them."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.filter import Graph
from av.video.frame import VideoFrame

from heatpool.extract.datasets.check_videos import check_videos
from heatpool.extract.video.hdr import hdr_kind, to_sdr
from heatpool.extract.video.reader import iter_frames, probe
from heatpool.extract.video.stream import as_rgb, read_stream

BT2020, UNSPECIFIED, LIMITED = 9, 2, 1
TRANSFER = {"pq": 16, "hlg": 18}

# Signal of light in cd/m², in per cent of the range: ITU-R BT.2408, table 1 (diffuse white, grey card), and
# BT.2100's ends.
KNOWN = {"pq": {0.0: 0.0, 26.0: 0.38, 203.0: 0.58, 10_000.0: 1.0}, "hlg": {0.0: 0.0, 26.0: 0.38, 203.0: 0.75}}


@pytest.mark.parametrize("kind", ["pq", "hlg"])
def test_grey_is_as_bright_as_the_standards_say(kind: str) -> None:
    for nits, signal in KNOWN[kind].items():
        rgb = np.full((40, 8, 3), round(65535 * signal), np.uint16)
        wanted = 255 * min(nits / 203, 1) ** (1 / 2.4)
        assert np.abs(to_sdr(rgb, kind=kind) - wanted).max() <= 2.5, (
            nits,
            signal,
        )  # the table has whole per cents


def hdr_frame(kind: str, *, matrix: int = BT2020) -> VideoFrame:
    """Smooth colours from black to twice diffuse white, in 10 bits."""
    y, x = np.mgrid[0:48, 0:64]
    planes = (
        64 + 876 * (x / 64) * (0.6 if kind == "pq" else 0.8),
        512 + 2 * x[:24, :32] * np.sin(y[:24, :32] / 10),
        512 + 2 * x[:24, :32] * np.cos(x[:24, :32] / 12),
    )
    frame = VideoFrame(64, 48, "yuv420p10le")
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((len(values), plane.line_size // 2), np.uint16)
        rows[:, : values.shape[1]] = values.round()
        plane.update(rows.tobytes())
    frame.colorspace, frame.color_primaries, frame.color_range = matrix, BT2020, LIMITED
    frame.color_trc = TRANSFER[kind]
    return frame


_UNTOLD = ":colorprim=unknown:transfer=unknown:colormatrix=unknown"


def make(path: Path, kind: str, *, matrix: int = BT2020, stream_tags: bool = True) -> Path:
    """Write a video that is tagged by its container and, with `stream_tags`, within the stream, too."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p10le"
        stream.options = {"x265-params": "log-level=none:pools=none:lossless=1" + _UNTOLD * (not stream_tags)}
        codec = stream.codec_context
        codec.colorspace, codec.color_primaries, codec.color_range = matrix, BT2020, LIMITED
        codec.color_trc = TRANSFER[kind]
        for _ in range(3):
            container.mux(stream.encode(hdr_frame(kind, matrix=matrix)))
        container.mux(stream.encode())
    return path


def first_picture(path: Path) -> np.ndarray:
    return next(iter_frames(path, np.array([0]), info=probe(path))).rgb


@pytest.mark.parametrize("kind", ["pq", "hlg"])
def test_a_video_of_high_dynamic_range_is_read_as_a_standard_one(tmp_path: Path, kind: str) -> None:
    path = make(tmp_path / "a.mp4", kind)
    with av.open(str(path)) as container:
        decoded = next(container.decode(video=0))
    wanted = to_sdr(decoded.to_ndarray(format="rgb48le"), kind=kind)
    np.testing.assert_array_equal(first_picture(path), wanted)
    assert np.abs(wanted.astype(int) - decoded.to_ndarray(format="rgb24")).mean() > 10
    frame = next(read_stream(str(path)))[1]
    np.testing.assert_array_equal(as_rgb(frame, like=frame), wanted)
    # A file that does not say its matrix has that of the standard, BT.2020's.
    np.testing.assert_array_equal(first_picture(make(tmp_path / "b.mp4", kind, matrix=UNSPECIFIED)), wanted)
    assert check_videos({path: 0.0}, workers=1)[path].hdr == kind


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_tags_of_the_container_count_where_the_stream_has_none(tmp_path: Path, suffix: str) -> None:
    path = make(tmp_path / f"a.{suffix}", "pq", stream_tags=False)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).color_trc == UNSPECIFIED
    wanted = first_picture(make(tmp_path / "b.mp4", "pq"))
    np.testing.assert_array_equal(first_picture(path), wanted)
    frame = next(read_stream(str(path)))[1]
    np.testing.assert_array_equal(as_rgb(frame, like=frame), wanted)
    assert check_videos({path: 0.0}, workers=1)[path].hdr == "pq"


def test_a_frame_keeps_its_transfer_function_when_it_is_scaled() -> None:
    assert hdr_kind(hdr_frame("hlg").reformat(width=85, height=48)) == "hlg"
    assert hdr_kind(VideoFrame(64, 48, "yuv420p")) == ""


@pytest.mark.slow  # FFmpeg takes seconds to make its table
@pytest.mark.parametrize("kind", ["pq", "hlg"])
def test_it_is_what_ffmpeg_converts_to(kind: str) -> None:
    frame = hdr_frame(kind).reformat(format="gbrp16le")  # the same samples for both: no chroma to interpolate
    graph = Graph()
    size = f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base=1/25"
    nodes = [
        graph.add("buffer", size),
        graph.add("scale", "out_transfer=bt709:out_primaries=bt709:out_range=pc"),
        graph.add("format", "rgb24"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*nodes).configure()
    graph.push(frame)
    theirs = graph.pull().to_ndarray(format="rgb24").astype(int)
    ours = to_sdr(frame.to_ndarray(format="rgb48le"), kind=kind)
    shown = ((ours > 8) & (ours < 247)).all(2)  # FFmpeg bends colours that no standard display has
    off = np.abs(ours - theirs)[shown]
    assert shown.mean() > 0.3
    assert off.mean() < 1
    assert np.quantile(off, 0.99) <= 4
