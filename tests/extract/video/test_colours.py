"""Colours are those that the tags of a video say, and without tags those that FFmpeg takes it to have."""

from __future__ import annotations

import numpy as np
import pytest
from av.filter import Graph
from av.video.frame import VideoFrame

from heatpool.extract.video.display import Display

RGB = np.array([200, 90, 40])
UNTAGGED = 2
# Weights of red and blue in luma (ITU-R BT.709, BT.601, BT.2020); FFmpeg takes what is untagged for BT.601.
MATRICES = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 9: (0.2627, 0.0593), UNTAGGED: (0.299, 0.114)}
FORMATS = ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le", "yuva420p")


def flat(name: str, *, matrix: int, full: bool | None) -> VideoFrame:
    """A picture of one colour by the formulas of the standards; `full` None leaves the range untagged."""
    red, blue = MATRICES[matrix]
    r, g, b = RGB / 255
    luma = red * r + (1 - red - blue) * g + blue * b
    chroma = (b - luma) / (2 * (1 - blue)), (r - luma) / (2 * (1 - red))
    depth = 1023 if "10" in name else 255
    low = 1 if depth == 255 else 4
    if full:
        codes = [depth * luma, *(depth * each + 128 * low for each in chroma)]
    else:
        codes = [low * (16 + 219 * luma), *(low * (128 + 224 * each) for each in chroma)]
    frame = VideoFrame(64, 48, name)
    for plane, code in zip(frame.planes, [*codes, 255], strict=False):
        kind = np.uint16 if depth == 1023 else np.uint8
        plane.update(np.full(plane.buffer_size // np.dtype(kind).itemsize, round(code), kind).tobytes())
    frame.colorspace, frame.color_range = matrix, {None: 0, False: 1, True: 2}[full]
    return frame


@pytest.mark.parametrize("name", FORMATS)
def test_matrix_and_range_are_those_of_the_tags(name: str) -> None:
    for matrix in MATRICES:
        for full in (None, False, True):
            frame = flat(name, matrix=matrix, full=full)
            rgb = Display.of(frame).show(frame)
            assert np.abs(rgb - RGB).max() <= 3, (matrix, full, rgb[0, 0])  # FFmpeg rounds 10 bits down


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("gray", 0),
        ("gray10le", 0),
        ("rgba", 0),
        ("gbrp10le", 0),
        ("nv12", 8),
        ("yuv420p", 0),
        ("yuv420p10le", 8),
        ("yuv444p", 0),
    ],
)
def test_pictures_are_those_of_ffmpeg(name: str, most: int) -> None:
    """Where colours are coarser than brightness, FFmpeg's tools mix four neighbours for each, PyAV two."""
    y, x = np.mgrid[0:48, 0:64]
    smooth = np.stack([128 + 100 * np.sin(x / 9), 128 + 100 * np.cos(y / 7), 2.0 * (x + y)], 2).astype(
        np.uint8
    )
    frame = VideoFrame.from_ndarray(smooth, format="rgb24").reformat(format=name)
    graph = Graph()
    size = f"video_size=64x48:pix_fmt={name}:time_base=1/25:colorspace={int(frame.colorspace)}"
    source = graph.add("buffer", f"{size}:range={int(frame.color_range)}")
    graph.link_nodes(source, graph.add("format", "rgb24"), graph.add("buffersink")).configure()
    graph.push(frame)
    theirs = graph.pull().to_ndarray(format="rgb24").astype(int)
    assert np.abs(Display.of(frame).show(frame) - theirs).max() <= most
