"""What the packets of a video file say: how many frames there are, and when they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from heatpool.pool.errors import HeatpoolError

__all__ = ["MOST_PIXELS", "PacketTable", "open_video", "read_packets"]

# Above this size one core no longer decodes faster than a network eats, so FFmpeg may use more threads.
_THREADED_PIXELS = 1280 * 720
MOST_PIXELS = 8192 * 4096
"""8K, also as 2:1 panorama. FFmpeg itself would decode a few bytes that claim 16,000 x 16,000 pixels."""
_LONGEST_S = 7 * 86_400.0  # stamps that span more are taken for damage; windows and ticks are cut from them
_LIMIT = {"max_pixels": str(MOST_PIXELS)}


class open_video:  # noqa: N801 - reads as the verb it is at the call
    """Open a container and its first video stream; turn FFmpeg's errors into one clear line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> tuple[InputContainer, VideoStream]:
        try:
            self._container = av.open(str(self._path), metadata_errors="replace", options=_LIMIT)
        except FileNotFoundError as error:
            raise HeatpoolError(f"expected a video, {self._path} does not exist") from error
        except (FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise HeatpoolError(f"expected a video, cannot open {self._path.name}: {reason}") from error
        try:
            return self._container, self._prepared()
        except HeatpoolError:
            self._container.close()
            raise

    def _prepared(self) -> VideoStream:
        if not self._container.streams.video:
            raise HeatpoolError(f"expected a video, {self._path.name} holds no video stream")
        stream = self._container.streams.video[0]
        codec = stream.codec_context
        if codec is None:
            raise HeatpoolError(
                f"expected a video, {self._path.name} is in a codec that FFmpeg does not know"
            )
        pixels = codec.width * codec.height
        if pixels > MOST_PIXELS:
            raise HeatpoolError(
                f"expected pictures of at most 8192 x 4096 pixels, {self._path.name} claims "
                f"{codec.width} x {codec.height}"
            )
        codec.options = _LIMIT  # for sizes that come later, inside the stream
        # Small videos: one thread each, since whole clips are decoded side by side.
        codec.thread_count = 0 if pixels > _THREADED_PIXELS else 1
        return stream

    def __exit__(self, *error: object) -> None:
        self._container.close()


@dataclass(frozen=True, eq=False)
class PacketTable:
    """What the packets of a whole file say.

    Attributes:
        header: frames that the header claims, 0 when it claims nothing.
        rate: mean frames per second, 0 when unknown.
        size_px: coded width and height.
        times_s: (frames,) float64, sorted presentation times from 0.
        damage: why reading stopped early.
        keys: stamp and frame number of each key frame, rising; empty for files without reliable stamps.
    """

    header: int
    rate: float
    size_px: tuple[int, int]
    times_s: np.ndarray
    damage: str
    keys: list[tuple[int, int]]


@lru_cache(maxsize=8)  # windows of one video follow each other: its packets are read once, not once a window
def read_packets(path: Path, state: tuple[int, int] | None) -> PacketTable:
    """Read all packets of a file; `state` (size, modification time) keeps changed files apart."""
    packets: list[tuple[int | None, int | None, bool]] = []
    damage = ""
    with open_video(path) as (container, stream):
        header = stream.frames
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        size = (stream.codec_context.width, stream.codec_context.height)
        start, base = stream.start_time or 0, stream.time_base
        try:
            for packet in container.demux(stream):
                # Empty packets only flush; discarded ones (an edit list's) are decoded but never shown.
                if packet.size and not packet.is_discard:
                    packets.append((packet.pts, packet.dts, packet.is_keyframe))
        except FFmpegError as error:
            damage = f"reading stopped after {len(packets)} frames: {error.strerror}"
    # AVI has decoding stamps only; without reordered frames they are the presentation stamps.
    stamps = [dts if pts is None else pts for pts, dts, _ in packets]
    known = sorted(stamp for stamp in stamps if stamp is not None)
    # Stamps are of no use in raw H.264 and some AVI files: there frames follow each other at the mean rate.
    usable = base is not None and len(known) == len(stamps) == len(set(known))
    times_s = np.array([float((stamp - start) * base) for stamp in known] if usable and base else [])
    if len(times_s) and times_s[-1] - times_s[0] > _LONGEST_S:
        damage = damage or f"the time stamps span {(times_s[-1] - times_s[0]) / 86_400:.0f} days"
        usable = False
    if not usable:
        even_s = np.arange(len(stamps)) / (rate if rate * _LONGEST_S > len(stamps) else 25.0)
        return PacketTable(header, rate, size, even_s, damage, [])
    # Decoding may begin at a key frame only if its stamp is one to seek by.
    numbers = {stamp: number for number, stamp in enumerate(known)}
    true_stamps = all(pts is not None for pts, _, _ in packets)
    keys = sorted((pts, numbers[pts]) for pts, _, key in packets if true_stamps and key and pts is not None)
    return PacketTable(header, rate, size, times_s, damage, keys)
