"""Pictures come as FFmpeg's own tools show them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.filter import Graph

from heatpool.extract.datasets.check_videos import check_videos
from heatpool.extract.video.display import pixel_aspect, squared
from heatpool.extract.video.reader import iter_frames, probe
from heatpool.extract.video.stream import as_rgb, read_stream

# a, b, c, d of the display matrix, the filters that `ffmpeg` itself applies for it, and doctor's columns.
MATRICES = [
    ((1, 0, 0, 1), "null", 0, 0),
    ((-1, 0, 0, 1), "hflip", 0, 1),
    ((1, 0, 0, -1), "vflip", 180, 1),
    ((-1, 0, 0, -1), "hflip,vflip", 180, 0),
    ((0, 1, -1, 0), "transpose=clock", 270, 0),
    ((0, -1, 1, 0), "transpose=cclock", 90, 0),
    ((0, 1, 1, 0), "transpose=cclock_flip", 270, 1),
    ((0, -1, -1, 0), "transpose=clock_flip", 90, 1),
]


def make(
    path: Path,
    *,
    matrix: tuple[int, ...] = (),
    aspect: Fraction = Fraction(1),
    size_px: tuple[int, int] = (64, 48),
) -> Path:
    """Write four pictures, each quarter of which is of another colour."""
    width, height = size_px
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = 255, 0, 0
    picture[: height // 2, width // 2 :] = 0, 255, 0
    picture[height // 2 :, : width // 2] = 0, 0, 255
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        if matrix:
            a, b, c, d = (each << 16 for each in matrix)
            stream.set_display_matrix((a, b, 0, c, d, 0, 0, 0, 1 << 30))
        for _ in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def filtered(path: Path, filters: str) -> np.ndarray:
    """The first frame through FFmpeg's filters."""
    with av.open(str(path)) as container:
        graph = Graph()
        nodes = [graph.add_buffer(template=container.streams.video[0])]
        for each in filters.split(","):
            name, _, arguments = each.partition("=")
            nodes.append(graph.add(name, arguments))
            nodes[-2].link_to(nodes[-1])
        nodes.append(graph.add("buffersink"))
        nodes[-2].link_to(nodes[-1])
        graph.configure()
        graph.push(next(container.decode(video=0)))
        return graph.pull().to_ndarray(format="rgb24")


def shown(path: Path) -> Iterator[np.ndarray]:
    """The first frame as extraction has it, and as a stream."""
    yield next(iter_frames(path, np.array([0]), info=probe(path))).rgb
    frame = next(read_stream(str(path)))[1]
    yield as_rgb(frame, like=frame)


@pytest.mark.parametrize(("matrix", "filters", "turn_deg", "mirrored"), MATRICES)
def test_every_turn_and_mirror_is_as_ffmpeg_does_it(
    tmp_path: Path, matrix: tuple[int, ...], filters: str, turn_deg: int, mirrored: int
) -> None:
    path = make(tmp_path / "a.mp4", matrix=matrix)
    for rgb in shown(path):
        np.testing.assert_array_equal(rgb, filtered(path, filters))
    report = check_videos({path: 0.0}, workers=1)[path]
    assert (report.rotation_deg, report.mirrored) == (turn_deg, mirrored)


@pytest.mark.parametrize(
    ("aspect", "matrix", "size"),
    [
        (Fraction(4, 3), (), (85, 48)),
        (Fraction(8, 9), (), (64, 54)),
        (Fraction(4, 3), (0, 1, -1, 0), (48, 85)),
        (Fraction(136, 135), (), (64, 48)),  # as good as square
        (Fraction(40, 1), (), (64, 48)),  # nonsense
    ],
)
def test_pixels_are_square(
    tmp_path: Path, aspect: Fraction, matrix: tuple[int, ...], size: tuple[int, int]
) -> None:
    path = make(tmp_path / "a.mp4", aspect=aspect, matrix=matrix)
    for rgb in shown(path):
        assert rgb.shape == (size[1], size[0], 3)
        # Every quarter is still there: scaled, not cut or padded.
        plain = filtered(path, "transpose=clock" if matrix else "null")
        for at in ((0.2, 0.2), (0.2, 0.8), (0.8, 0.2), (0.8, 0.8)):
            one, other = (each[int(at[0] * len(each)), int(at[1] * each.shape[1])] for each in (rgb, plain))
            assert np.abs(one.astype(int) - other).max() < 12
    report = check_videos({path: 0.0}, workers=1)[path]
    assert report.pixel_aspect == pytest.approx(pixel_aspect(aspect), abs=1e-4)
    assert (report.width_px, report.height_px) == (64, 48)


def test_frames_of_ten_bits_become_the_same_square_pixels_each_time() -> None:
    """In several threads FFmpeg 8.1 makes other pixels of one in seven."""
    rgb = np.random.default_rng(0).integers(0, 255, (480, 704, 3), dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p10le", threads=1)
    seen = {_pixels_of_ten_bits(squared(frame, 938 / 704)) for _ in range(60)}
    assert len(seen) == 1


def _pixels_of_ten_bits(frame: av.VideoFrame) -> bytes:
    """Return the planes without what pads their lines, which nobody writes: PyAV 15 has no array of them."""
    lines = ((np.frombuffer(bytes(plane), np.uint16), plane) for plane in frame.planes)
    return b"".join(line.reshape(plane.height, -1)[:, : plane.width].tobytes() for line, plane in lines)
