"""Writing pictures: an H.264 video with the times of its source, a PNG, each whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from heatpool.pool.disk.atomic import atomic_file, write_bytes

__all__ = ["VideoWriter", "create_video", "write_png"]

_CLOCK_HZ = 90_000  # the clock of MPEG: every usual frame rate is a whole number of its ticks


class VideoWriter:
    """Encodes pictures into an MP4 file; use `create_video`.

    Args:
        path: file to write.
        size_px: width and height, both even.
        fps: mean rate; every frame brings its own time.
    """

    def __init__(self, path: Path, *, size_px: tuple[int, int], fps: float) -> None:
        self._first_s: float | None = None
        self._last = -1
        self._container = av.open(f"file:{path}", "w", format="mp4", options={"movflags": "faststart"})
        has_x264 = "libx264" in av.codecs_available  # else MPEG-4 part 2, which every build has
        options = {"preset": "veryfast", "crf": "20"} if has_x264 else {"qscale": "3"}
        rate = Fraction(fps or 25.0).limit_denominator(1001)
        self._stream = self._container.add_stream(
            "libx264" if has_x264 else "mpeg4", rate=rate, options=options
        )
        self._stream.width, self._stream.height = size_px
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, _CLOCK_HZ)

    def write(self, rgb: np.ndarray, time_s: float) -> None:
        """Append a picture (H, W, 3) uint8 that is shown from `time_s` on; the first one starts the video."""
        if self._first_s is None:
            self._first_s = time_s
        # Of two pictures at one time the second comes a tick later: players want rising times.
        self._last = max(round((time_s - self._first_s) * _CLOCK_HZ), self._last + 1)
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        frame.pts, frame.time_base = self._last, Fraction(1, _CLOCK_HZ)
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds, and close."""
        self._container.mux(self._stream.encode())
        self._container.close()

    def abandon(self) -> None:
        """Close an unfinished file."""
        with suppress(OSError):  # what went wrong is on its way already
            self._container.close()


@contextmanager
def create_video(
    path: Path, *, size_px: tuple[int, int], fps: float, overwrite: bool = False
) -> Iterator[VideoWriter]:
    """Give a writer of a video, which gets its name when the block ends without an error.

    Args:
        path: .mp4 file.
        size_px: width and height, both even.
        fps: mean rate.
        overwrite: replace an existing file.

    Raises:
        HeatpoolError: if the file exists and may not be replaced, or cannot be written.
    """
    with atomic_file(path, overwrite) as aside:
        writer = VideoWriter(aside, size_px=size_px, fps=fps)
        try:
            yield writer
        except BaseException:
            writer.abandon()
            raise
        writer.finish()


def write_png(path: Path, rgb: np.ndarray, *, overwrite: bool = False) -> None:
    """Write (H, W, 3) uint8.

    Raises:
        HeatpoolError: if the file exists and may not be replaced, or cannot be written.
    """
    done, data = cv2.imencode(".png", rgb[..., ::-1])
    if not done:
        raise ValueError(f"expected a picture that can be encoded, got {rgb.shape}")
    write_bytes(path, data.tobytes(), overwrite)
