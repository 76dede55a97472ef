"""Videos that are read while they are made: cameras, network streams, pipes."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import av
import numpy as np
from av.error import FFmpegError, InvalidDataError
from av.video.frame import VideoFrame

from heatpool.extract.video.container import MOST_PIXELS, choose_stream, file_url, with_told_colours
from heatpool.extract.video.display import Display, pixel_aspect, squared
from heatpool.extract.video.download import public_address
from heatpool.pool.errors import HeatpoolError

__all__ = ["Backlog", "TimedFrame", "as_rgb", "is_real_time", "read_stream", "rising_times"]

_log = logging.getLogger(__name__)

TimedFrame = tuple[float, VideoFrame]
"""Seconds since the first frame of the stream, and the frame as it was decoded, in square pixels."""

# What FFmpeg may open on the way: a playlist or a redirection must not lead to files or other protocols.
_PROTOCOLS = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsps,rtsp,rtp,srtp,udp,tcp,tls",
    "http": "http,https,httpproxy,tcp,tls,crypto",
    "https": "http,https,httpproxy,tcp,tls,crypto",
}
_CAMERA = "/dev/video"
_SILENCE_S = 10.0
_RESTART_S = 1.0  # a clock that goes back by more has begun anew
_MOST_BYTES = 1 << 30
_POLL_S = 0.2


def is_real_time(source: str) -> bool:
    """Whether a source goes on whether it is read or not, unlike a file or a pipe, which waits."""
    return "://" in source or source.startswith(_CAMERA)


def read_stream(source: str) -> Iterator[TimedFrame]:
    """Decode a stream until it ends; a damaged packet costs its own frames and no others.

    Args:
        source: address of rtsp(s) or http(s), camera such as `/dev/video0`, or path of a pipe or file.

    Yields:
        Frames with rising times. A clock that is set back goes on from where it was.

    Raises:
        HeatpoolError: if the source cannot be opened, is silent for 10 s or breaks off.
    """
    shown = public_address(source) if "://" in source else source
    try:
        with av.open(timeout=_SILENCE_S, metadata_errors="replace", **_how_to_open(source)) as container:
            stream = choose_stream(container.streams.video)
            if stream is None:
                raise HeatpoolError(f"expected a video, {shown} holds no video stream")
            stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
            aspect = pixel_aspect(stream.sample_aspect_ratio)
            complete = with_told_colours(stream)
            frames = (squared(complete(frame), aspect) for frame in _decode(container, stream))
            yield from rising_times(frames, float(stream.average_rate or 25))
    except (FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, av.error.ExitError):
            reason = f"nothing came for {_SILENCE_S:g} s"
        raise HeatpoolError(f"{shown}: cannot be read ({reason})") from error


def _how_to_open(source: str) -> dict[str, Any]:
    """Return arguments of `av.open` that keep FFmpeg to the protocol that was named."""
    if "://" in source:
        scheme = urlsplit(source).scheme
        if scheme not in _PROTOCOLS:
            raise HeatpoolError(f"expected a stream of {', '.join(_PROTOCOLS)}, got {scheme}://")
        options = {"protocol_whitelist": _PROTOCOLS[scheme]}
        if scheme.startswith("rtsp"):
            options["rtsp_transport"] = "tcp"  # by UDP, half of a key frame may be lost
        return {"file": source, "options": options}
    if not Path(source).exists():
        raise HeatpoolError(f"expected a stream, {source} does not exist")
    if source.startswith(_CAMERA):
        return {"file": source, "format": "v4l2"}
    return {"file": file_url(Path(source)), "options": {"protocol_whitelist": "file"}}


def _decode(container: Any, stream: Any) -> Iterator[VideoFrame]:
    shown = warned = False
    try:
        for packet in container.demux(stream):
            try:
                for frame in packet.decode():
                    shown = True
                    yield frame
            except InvalidDataError as error:
                # Who joins in the middle of a stream gets pieces of pictures first; that is no damage.
                if shown and not warned:
                    _log.warning("the stream has damaged pictures, which are left out (%s)", error.strerror)
                    warned = True
    except FFmpegError:
        for frame in stream.decode(None):  # what the decoder still holds came before the break
            frame.time_base = stream.time_base  # unknown to PyAV without a packet: times would be NaN
            yield frame
        raise


def rising_times(frames: Iterable[VideoFrame], rate: float) -> Iterator[TimedFrame]:
    """Give frames rising times from 0; those that come again or too late are left out.

    Args:
        frames: as decoded.
        rate: frames per second, for those without a stamp and after a clock that is set back.
    """
    ahead_s = last_s = None
    for frame in frames:
        stamp_s = frame.time
        if ahead_s is None or last_s is None:
            ahead_s = stamp_s or 0.0
            time_s = 0.0
        else:
            time_s = last_s + 1 / rate if stamp_s is None else stamp_s - ahead_s
            if time_s < last_s - _RESTART_S:
                ahead_s -= last_s + 1 / rate - time_s
                time_s = last_s + 1 / rate
            elif time_s <= last_s:
                continue
        last_s = time_s
        yield time_s, frame


def as_rgb(frame: VideoFrame, *, like: VideoFrame) -> np.ndarray:
    """Return a frame as (H, W, 3) uint8 RGB, as it is shown, of the size of the frame `like`."""
    return Display.of(like).show(frame)


@dataclass
class _Waiting:
    time_s: float
    frame: VideoFrame
    after_gap: bool


class Backlog:
    """Frames between a thread that decodes a stream and a consumer that may be slower than it.

    At most `most_s` seconds or 1 GiB of frames wait. When they are that many, a stream that waits for its
    reader is kept waiting; of one that goes on in real time, frames are dropped until the consumer has caught
    up: what it gets are whole stretches at the full frame rate, and it never lags by more than they last.

    Args:
        frames: the stream; it is read in a thread, which begins in `with`.
        most_s: seconds that may wait.
        drop: drop frames rather than let the stream wait.

    Attributes:
        dropped_s: seconds of the stream that were left out.
    """

    def __init__(self, frames: Iterable[TimedFrame], *, most_s: float, drop: bool) -> None:
        self._frames, self._most_s, self._drop = frames, most_s, drop
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._bytes, self.dropped_s = 0, 0.0
        self._arrived_s = self._last_s = 0.0  # times of the frames that came and that were taken last
        self._dropping = self._over = self._ended = False
        self._error: Exception | None = None
        # A daemon: Python would wait at its end for a thread that hangs in a read.
        self._thread = threading.Thread(target=self._read, name="stream", daemon=True)

    def __enter__(self) -> Backlog:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._over = True
            self._waiting.clear()
            self._changed.notify_all()
        self._thread.join(_POLL_S)

    def __len__(self) -> int:
        """Frames that wait."""
        return len(self._waiting)

    def stretches(self, stopped: Callable[[], bool]) -> Iterator[Iterator[TimedFrame]]:
        """Yield the stream as stretches without gap, each an iterator of frames as they come.

        Args:
            stopped: asked while nothing comes; once it is true, the stream counts as ended.

        Raises:
            HeatpoolError: if the stream broke off; after the frames that came before.
        """
        while (first := self._next(stopped)) is not None:
            if first.after_gap:
                self._report_gap(first.time_s)
            yield self._stretch(first, stopped)
        if self._dropping and not stopped():
            self._report_gap(self._arrived_s)

    def _report_gap(self, until_s: float) -> None:
        lost_s = until_s - self._last_s
        self.dropped_s += lost_s
        _log.warning(
            "the stream is faster than the networks: left out %.1f s (%.1f to %.1f s)",
            lost_s,
            self._last_s,
            until_s,
        )
        self._last_s = until_s

    def _stretch(self, first: _Waiting, stopped: Callable[[], bool]) -> Iterator[TimedFrame]:
        yield first.time_s, first.frame
        while (item := self._next(stopped, before_gap=True)) is not None:
            yield item.time_s, item.frame

    def _next(self, stopped: Callable[[], bool], *, before_gap: bool = False) -> _Waiting | None:
        """Take the next frame; None at the end, or with `before_gap` where the next one comes after a gap."""
        with self._changed:
            while not self._waiting and not self._ended:
                if stopped():
                    return None
                self._changed.wait(_POLL_S)
            if stopped():
                return None
            if not self._waiting:
                if self._error is not None and not before_gap:  # the stretch before it ends in order
                    raise self._error
                return None
            if before_gap and self._waiting[0].after_gap:
                return None
            item = self._waiting.popleft()
            self._bytes -= _size(item.frame)
            if not item.after_gap:
                self._last_s = item.time_s
            self._changed.notify_all()
            return item

    def _read(self) -> None:
        error = None
        try:
            for time_s, frame in self._frames:
                if not self._put(time_s, frame):
                    return
        except Exception as problem:  # raised where the frames are taken
            error = problem
        with self._changed:
            self._error, self._ended = error, True
            self._changed.notify_all()

    def _put(self, time_s: float, frame: VideoFrame) -> bool:
        """Let a frame wait, or drop it; return whether more are wanted."""
        with self._changed:
            while self._full(time_s) and not self._drop and not self._over:
                self._changed.wait(_POLL_S)
            self._arrived_s = time_s
            caught_up = self._dropping and not self._waiting
            # Once begun, until all is taken: else a frame here and there would go, and with it the rate.
            self._dropping = not caught_up and (self._dropping or self._full(time_s))
            if not self._dropping:
                self._waiting.append(_Waiting(time_s, frame, after_gap=caught_up))
                self._bytes += _size(frame)
                self._changed.notify_all()
            return not self._over

    def _full(self, time_s: float) -> bool:
        if not self._waiting:
            return False
        return time_s - self._waiting[0].time_s >= self._most_s or self._bytes >= _MOST_BYTES


def _size(frame: VideoFrame) -> int:
    return int(sum(plane.buffer_size for plane in frame.planes))
