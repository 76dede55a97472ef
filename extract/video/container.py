"""Opening a video file: what FFmpeg may open, and which of the streams is the video."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from heatpool.extract.video.display import pixel_aspect
from heatpool.extract.video.nvdec import check_stream, nvdec, refused
from heatpool.extract.video.transient import raise_transient
from heatpool.pool.disk.text_files import require_regular
from heatpool.pool.errors import HeatpoolError

__all__ = ["MOST_PIXELS", "choose_stream", "decode_stream", "file_url", "open_video", "with_told_colours"]

# Above this size one core no longer decodes faster than a network eats, so FFmpeg may use more threads.
_THREADED_PIXELS = 1280 * 720
MOST_PIXELS = 8192 * 4096
"""8K, also as 2:1 panorama. FFmpeg itself would decode a few bytes that claim 16,000 x 16,000 pixels."""
_LIMIT = {"max_pixels": str(MOST_PIXELS)}
_LISTS = ("concat", "hls", "dash", "imf")  # text that names other files
_PICTURES = {"mjpeg", "png", "bmp", "gif", "tiff", "webp"}  # codecs of covers
_FEW = 5  # Matroska's statistics count a single picture's time from the start of the file
_UNTOLD = {"color_trc": 2, "color_primaries": 2, "colorspace": 2, "color_range": 0}
_STILLS = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image


def file_url(path: Path) -> str:
    """Return how FFmpeg is to be told of a file: `cam1:12.30.mp4` alone would be a protocol `cam1`.

    By it a file that is a playlist leads to no server, either.
    """
    return f"file:{path}"


def choose_stream(streams: Sequence[VideoStream]) -> VideoStream | None:
    """Return the stream that is the video: no cover, no still, not the small preview beside it."""

    def rank(stream: VideoStream) -> tuple[bool, bool, int, bool]:
        codec = stream.codec_context
        pixels = codec.width * codec.height if codec else 0
        default = bool(stream.disposition & Disposition.default)
        return codec is not None, not _is_still(stream), pixels, default

    return max((each for each in streams if not each.disposition & _STILLS), key=rank, default=None)


def _is_still(stream: VideoStream) -> bool:
    """Return whether a stream is one picture, as far as the header tells; a cover need not be declared."""
    frames, codec = _told_frames(stream), stream.codec_context
    return frames == 1 or (codec is not None and codec.name in _PICTURES and frames <= _FEW)


def _told_frames(stream: VideoStream) -> int:
    """Return how many frames a stream is said to have, by its length where it has no count; 0 if unknown."""
    if stream.frames:
        return stream.frames
    try:  # Matroska's statistics
        hours, minutes, seconds = stream.metadata.get("DURATION", "").split(":")
        return round((int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * (stream.average_rate or 0))
    except ValueError:
        return 0


class open_video:  # noqa: N801 - reads as the verb it is at the call
    """Open a container and its video stream; turn FFmpeg's errors into one clear line.

    Args:
        path: video file.
        gpu: number of the GPU that decodes it; None for the CPU.
    """

    def __init__(self, path: Path, *, gpu: int | None = None) -> None:
        self._path, self._gpu = path, gpu

    def __enter__(self) -> tuple[InputContainer, VideoStream]:
        decoder = None if self._gpu is None else nvdec(self._gpu)
        try:
            require_regular(self._path)
            self._container = av.open(
                file_url(self._path), metadata_errors="replace", options=_LIMIT, hwaccel=decoder
            )
        except FileNotFoundError as error:
            raise HeatpoolError(f"expected a video, {self._path} does not exist") from error
        except (FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise HeatpoolError(f"expected a video, cannot open {self._path.name}: {reason}") from error
        except RuntimeError as error:  # PyAV's, for a file of which the GPU knows no stream
            raise refused(self._path, "is in none") from error
        try:
            if self._container.format.name in _LISTS:
                raise HeatpoolError(f"expected a video, {self._path.name} is a list of other files")
            return self._container, self._prepared()
        except HeatpoolError:
            self._container.close()
            raise

    def _prepared(self) -> VideoStream:
        stream = choose_stream(self._container.streams.video)
        if stream is None:
            raise HeatpoolError(f"expected a video, {self._path.name} holds no video stream")
        codec = stream.codec_context
        if codec is None:
            raise HeatpoolError(
                f"expected a video, {self._path.name} is in a codec that FFmpeg does not know"
            )
        pixels, aspect = codec.width * codec.height, pixel_aspect(stream.sample_aspect_ratio)
        if pixels * max(aspect, 1 / aspect) > MOST_PIXELS:
            oblong = "" if aspect == 1 else f", each {aspect:.3g} times as wide as high"
            raise HeatpoolError(
                f"expected pictures of at most 8192 x 4096 pixels, {self._path.name} claims "
                f"{codec.width} x {codec.height}{oblong}"
            )
        if self._gpu is not None:
            check_stream(stream, self._path)
        codec.options = _LIMIT  # for sizes that come later, inside the stream
        # Small videos: one thread each, since whole clips are decoded side by side.
        codec.thread_count = 0 if pixels > _THREADED_PIXELS and self._gpu is None else 1
        return stream

    def __exit__(self, *error: object) -> None:
        self._container.close()


def decode_stream(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Decode packet by packet, so that a damaged packet costs its own frames and no others."""
    packets, complete = container.demux(stream), with_told_colours(stream)
    path = Path(container.name.removeprefix("file:"))
    codec, came, reason = stream.codec_context, False, ""
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            break
        except FFmpegError as error:
            raise_transient(error, path)
            break
        try:
            for frame in packet.decode():
                came = True
                yield complete(frame)
        except FFmpegError as error:
            reason = error.strerror or str(error)
            if not codec.is_open:  # it gets its memory and threads with its first packet
                raise_transient(error, path)
            continue  # the missing frame shows in the count, which the caller compares
    if reason and not came and codec.is_hwaccel:  # what the GPU does not know shows with the first packet
        raise refused(path, f"is {codec.profile} {codec.name} of {codec.width} x {codec.height} ({reason})")


def with_told_colours(stream: VideoStream) -> Callable[[VideoFrame], VideoFrame]:
    """Return a function that tags frames as the container does, where the stream itself says nothing.

    To be asked for before a frame is decoded: HEVC's decoder forgets what the container told.
    """
    codec = stream.codec_context
    told = {tag: getattr(codec, tag) for tag, untold in _UNTOLD.items() if getattr(codec, tag) != untold}

    def complete(frame: VideoFrame) -> VideoFrame:
        for tag, value in told.items():
            if getattr(frame, tag) == _UNTOLD[tag]:
                setattr(frame, tag, value)
        return frame

    return complete
