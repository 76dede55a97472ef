"""Writing pictures: an H.264 video with the times of its source, a PNG, each whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np

from heatpool.pool.errors import HeatpoolError

__all__ = ["Film", "write_png"]

_CLOCK_HZ = 90_000  # the clock of MPEG: every usual frame rate is a whole number of its ticks


class Film:
    """A video that gets its final name when it is finished.

    Args:
        path: .mp4 file.
        size_px: width and height, both even.
        fps: mean rate; every frame brings its own time.
    """

    def __init__(self, path: Path, *, size_px: tuple[int, int], fps: float) -> None:
        self._path, self._part = path, path.with_name(f".{path.name}.{os.getpid()}.part")
        self._first_s: float | None = None
        self._last = -1
        self._container = av.open(str(self._part), "w", format="mp4", options={"movflags": "faststart"})
        has_x264 = "libx264" in av.codecs_available  # else MPEG-4 part 2, which every build has
        options = {"preset": "veryfast", "crf": "20"} if has_x264 else {"qscale": "3"}
        rate = Fraction(fps or 25.0).limit_denominator(1001)
        self._stream = self._container.add_stream(
            "libx264" if has_x264 else "mpeg4", rate=rate, options=options
        )
        self._stream.width, self._stream.height = size_px
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, _CLOCK_HZ)

    def __enter__(self) -> Film:
        return self

    def write(self, rgb: np.ndarray, time_s: float) -> None:
        """Append a picture (H, W, 3) uint8 that is shown from `time_s` on; the first one starts the video.

        Raises:
            HeatpoolError: if it cannot be written.
        """
        if self._first_s is None:
            self._first_s = time_s
        self._last = max(round((time_s - self._first_s) * _CLOCK_HZ), self._last + 1)
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        frame.pts, frame.time_base = self._last, Fraction(1, _CLOCK_HZ)
        with self._named():
            self._container.mux(self._stream.encode(frame))

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise HeatpoolError(f"cannot write {self._path}: {error.strerror or error}") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                with self._named():
                    self._container.mux(self._stream.encode())
                    self._container.close()
                    self._part.replace(self._path)
            else:
                with suppress(OSError):  # what went wrong is on its way already
                    self._container.close()
        finally:
            self._part.unlink(missing_ok=True)


def write_png(path: Path, rgb: np.ndarray) -> None:
    """Write (H, W, 3) uint8.

    Raises:
        HeatpoolError: if it cannot be written.
    """
    done, data = cv2.imencode(".png", rgb[..., ::-1])
    if not done:
        raise ValueError(f"expected a picture that can be encoded, got {rgb.shape}")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data.tobytes())
        part.replace(path)
    except OSError as error:
        raise HeatpoolError(f"cannot write {path}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
