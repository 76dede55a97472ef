"""Reading videos, or pictures that are one: how many frames there really are, and the wanted ones as RGB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from heatpool.extract.video.container import decode_stream, open_video
from heatpool.extract.video.display import Display, pixel_aspect
from heatpool.extract.video.nvdec import fetched
from heatpool.extract.video.packets import read_packets
from heatpool.extract.video.picture_names import is_pictures
from heatpool.extract.video.pictures import iter_pictures, tabulate_pictures
from heatpool.pool.errors import HeatpoolError

__all__ = ["DecodedFrame", "FrameCountError", "VideoInfo", "check_frames", "iter_frames", "probe"]


class FrameCountError(Exception):
    """Decoding gave another number of frames than demuxing promised.

    Attributes:
        decoded: frames that decoding gave.
    """

    def __init__(self, expected: int, decoded: int) -> None:
        super().__init__(f"expected {expected} frames, decoded {decoded}")
        self.decoded = decoded


@dataclass(frozen=True)
class VideoInfo:
    """What demuxing says about a video, without decoding it.

    Attributes:
        first_frame: number of the first frame of the window in the video.
        frames: frames in the window.
        frames_from_header: frames of the whole video that the header claims, 0 when it claims nothing.
        frames_from_packets: frames of the whole video that are there and are shown.
        fps: mean frames per second.
        width_px: coded width, before the picture is scaled and turned for display.
        height_px: coded height, likewise.
        damage: why the file counts as cut or damaged; empty when it is whole.
        times_s: (frames,) float64, presentation times of the window's frames from the start of the video.
        seek: stamp of the last key frame before the window, where decoding may begin; None = at the start.
    """

    first_frame: int
    frames: int
    frames_from_header: int
    frames_from_packets: int
    fps: float
    width_px: int
    height_px: int
    damage: str
    times_s: np.ndarray = field(repr=False, compare=False)
    seek: int | None = None

    @property
    def frame_s(self) -> float:
        """How long a frame is shown, seconds; 25 frames per second where the rate is unknown."""
        return 1 / (self.fps or 25.0)

    @property
    def end_s(self) -> float:
        """End of the last frame, seconds from the start of the video."""
        return float(self.times_s[-1]) + self.frame_s

    def corrected(self, frames: int) -> VideoInfo:
        """Return what is known once decoding gave another number of frames than demuxing.

        After a seek the seek may be to blame: then nothing changes but that decoding begins at the start.
        """
        if self.seek is not None:
            return replace(self, seek=None)
        damage = self.damage or f"{self.frames} frames expected, {frames} decode"
        more_s = self.times_s[-1] + self.frame_s * np.arange(1, frames - self.frames + 1)
        times_s = np.concatenate([self.times_s, more_s])[:frames]
        whole = self.first_frame + frames
        return replace(self, frames=frames, frames_from_packets=whole, damage=damage, times_s=times_s)


@dataclass(frozen=True, eq=False)
class DecodedFrame:
    """A frame of a window: its number in the window, its time in the video, its pixels.

    Attributes:
        index: frame number from the start of the window.
        time_s: presentation time from the start of the video; in a whole file it rises from frame to frame.
        rgb: (H, W, 3) uint8 as it is shown: square pixels, turned and mirrored as the file asks; of one size
            for all frames of a reading.
        corrupt: the decoder had to invent part of it.
        scaled: it was of another size than the first frame that was read.
    """

    index: int
    time_s: float
    rgb: np.ndarray
    corrupt: bool
    scaled: bool = False


def probe(path: Path, *, start_s: float = 0.0, end_s: float | None = None, fps: float = 0.0) -> VideoInfo:
    """Count the frames of a video, or of a window of it, by demuxing.

    Args:
        path: video file, folder of pictures, or pattern such as `frames/img_%05d.jpg`.
        start_s: start of the window in seconds from the start of the video.
        end_s: end of the window (exclusive); None for the end of the video.
        fps: pictures per second of a folder or pattern; a video file has times of its own.

    Raises:
        HeatpoolError: if the file cannot be opened, holds no video that can be decoded, claims larger
            pictures than 8192 x 4096, pictures have no rate, or the window holds no frame.
    """
    if is_pictures(path):
        table = tabulate_pictures(path, fps=fps)
    else:
        # Size and time of change tell the cached table of a file from that of another of the same name.
        about = path.stat() if path.exists() else None
        table = read_packets(path, about and (about.st_size, about.st_mtime_ns))
    times_s, damage, found = table.times_s, table.damage, len(table.times_s)
    if found == 0:
        raise HeatpoolError(f"expected a video with frames, got none in {path.name}")
    # From the start means from the first frame, also where stamps lie before what the header calls the start.
    first = int(np.searchsorted(times_s, start_s - 1e-6)) if start_s > 0 else 0
    last = found if end_s is None else int(np.searchsorted(times_s, end_s - 1e-6))
    if last <= first:
        raise HeatpoolError(
            f"expected frames between {start_s:g} s and {'the end' if end_s is None else f'{end_s:g} s'}, "
            f"got none in {path.name} ({times_s[-1]:.2f} s long)"
        )
    # A damaged file is read from its start: after a seek nobody could say which frames are missing. The first
    # key frame is the start itself, and seeking there saves nothing.
    seek = None
    if first and not damage:
        before = [stamp for stamp, number in table.keys if 0 < number <= first]
        seek = before[-1] if before else None
    window = (first, last - first, table.header, found, table.rate, *table.size_px, damage)
    return VideoInfo(*window, times_s[first:last], seek)


def check_frames(info: VideoInfo, path: Path) -> None:
    """Raise HeatpoolError if a clip holds fewer frames than the two that it needs."""
    if info.frames < 2:
        why = f" ({info.damage})" if info.damage else ""
        raise HeatpoolError(f"expected at least 2 frames, {path.name} holds {info.frames}{why}")


def iter_frames(
    path: Path, wanted: np.ndarray, *, info: VideoInfo, gpu: int | None = None
) -> Iterator[DecodedFrame]:
    """Decode a window and yield the wanted frames in order; the others are never converted to RGB.

    Args:
        path: video file, folder of pictures, or pattern.
        wanted: sorted frame numbers within the window.
        info: of the window, from `probe`.
        gpu: number of the GPU that decodes a video file; None for the CPU.

    Yields:
        The wanted frames.

    Raises:
        FrameCountError: after the last frame, if the window holds another number of frames than
            `info.frames` (damaged or oddly muxed file): drop what was yielded and read again.
        HeatpoolError: if the file, or a picture, cannot be opened, or the GPU does not know its kind.
    """
    if is_pictures(path):
        for number, rgb, scaled in iter_pictures(path, wanted, first=info.first_frame):
            yield DecodedFrame(number, float(info.times_s[number]), rgb, corrupt=False, scaled=scaled)
        return
    # Frames are known by their number alone, so every frame before the last wanted one must be decoded, and
    # the rest too: only the full count shows whether the numbers were right.
    want = iter(wanted.tolist())
    following = next(want, None)
    end = info.first_frame + info.frames
    reaches_end = end == info.frames_from_packets
    number, display = -1, None
    with open_video(path, gpu=gpu) as (container, stream):
        for number, frame in _numbered(container, stream, info):
            if number >= end and not reaches_end:
                break
            index = number - info.first_frame
            if following is not None and index == following:
                aspect = pixel_aspect(stream.sample_aspect_ratio)
                display = display or Display.of(frame, aspect=aspect)
                # Where all frames came, the stamps of the packets are theirs: some decoders mix them up.
                stamp_s = _time_s(frame, stream) if info.damage else float(info.times_s[index])
                time_s = number / (info.fps or 25.0) if stamp_s is None else stamp_s
                # A stream may change its size; a clip's boxes are in pixels of one.
                scaled = (frame.width, frame.height) != display.coded_px
                rgb = display.show(fetched(frame, stream))
                yield DecodedFrame(index, time_s, rgb, bool(frame.is_corrupt), scaled)
                following = next(want, None)
    last = number + 1 if reaches_end else min(number + 1, end)
    decoded = max(last - info.first_frame, 0)
    if decoded != info.frames:
        raise FrameCountError(info.frames, decoded)


def _numbered(
    container: InputContainer, stream: VideoStream, info: VideoInfo
) -> Iterator[tuple[int, VideoFrame]]:
    """Decode, and number the frames of the video; after a seek by their stamps, from the window on.

    Raises:
        FrameCountError: if the file cannot be sought in, or a frame is missing after it.
    """
    if info.seek is None:
        yield from enumerate(decode_stream(container, stream))
        return
    try:
        container.seek(info.seek, stream=stream)
    except FFmpegError as error:
        raise FrameCountError(info.frames, 0) from error
    # A seek lands at a key frame before the window, and some containers land elsewhere: a frame counts only
    # when its stamp is the one that its number has in the table.
    seen, whole = 0, False
    for frame in decode_stream(container, stream):
        # Pictures that are refreshed bit by bit have key frames that are not whole, and nothing says so.
        whole = whole or frame.pict_type not in (PictureType.P, PictureType.B)
        time_s = _time_s(frame, stream)
        if time_s is None or time_s < info.times_s[0] - 1e-6:
            continue
        if not whole or np.searchsorted(info.times_s, time_s - 1e-6) != min(seen, info.frames):
            raise FrameCountError(info.frames, seen)
        yield info.first_frame + seen, frame
        seen += 1


def _time_s(frame: VideoFrame, stream: VideoStream) -> float | None:
    if frame.pts is None or frame.time_base is None:
        return None
    return float((frame.pts - (stream.start_time or 0)) * frame.time_base)
