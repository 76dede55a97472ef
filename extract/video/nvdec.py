"""Decoding by the video unit of an NVIDIA GPU (NVDEC): who decodes changes, and nothing else.

FFmpeg's own decoders read the stream and decide which frames come, in which order and with what tags, and
leave the arithmetic of H.264, HEVC, VP8 and VP9 to the GPU. These standards fix every bit of a decoded
picture, so features are those of the CPU's decoders to the last bit, and a store does not tell who decoded.
Codecs whose standards leave the last bits open (MPEG-4 part 2, MPEG-2, JPEG) are refused.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import av
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from heatpool.pool.errors import HeatpoolError

__all__ = ["NVDEC_CODECS", "check_nvdec", "check_stream", "fetched", "nvdec", "refused"]

NVDEC_CODECS = ("h264", "hevc", "vp8", "vp9")
"""Codecs whose pictures are the same bits whoever decodes them. AV1 would be one, but PyAV decodes it by a
library that knows no GPU."""

# What the CPU's decoders give for each layout of the GPU's memory. FFmpeg turns only the planar ones into RGB
# with the chroma of old: of the same NV12 picture it makes other colours.
_PLANAR = {
    "nv12": "yuv420p", "nv16": "yuv422p", "p010le": "yuv420p10le", "p016le": "yuv420p12le",
    "p210le": "yuv422p10le", "p216le": "yuv422p12le",
}  # fmt: skip
_TAGS = ("colorspace", "color_range", "color_trc", "color_primaries")


def check_nvdec(gpu: int) -> None:
    """Make sure that a GPU, by its number, decodes.

    Raises:
        HeatpoolError: if it does not, with what is missing.
    """
    if "cuda" not in hwdevices_available():
        raise _missing("this PyAV is built without CUDA; install av from the package index")
    if not hasattr(VideoCodecContext, "sw_format"):
        raise _missing(f"PyAV {av.__version__} does not tell how the GPU lays pictures out; install av >= 18")
    for library, hint in (
        ("libcuda.so.1", "install NVIDIA's driver"),
        ("libnvcuvid.so.1", "in a container, set NVIDIA_DRIVER_CAPABILITIES=compute,utility,video"),
    ):
        try:
            ctypes.CDLL(library)
        except OSError:
            raise _missing(f"there is no {library}; {hint}") from None
    try:
        nvdec(gpu).create(av.Codec("h264", "r"))
    except FFmpegError as error:
        raise _missing(f"FFmpeg cannot open GPU {gpu}: {error.strerror}") from error


def _missing(reason: str) -> HeatpoolError:
    return HeatpoolError(f"expected a GPU that decodes for --decoder nvdec: {reason}; or use --decoder cpu")


def nvdec(gpu: int) -> HWAccel:
    """Return what `av.open` takes to decode on a GPU, in the CUDA context that torch has there.

    A context of its own would take a third of a gigabyte and a tenth of a second for each video; asked for
    the GPU's primary one, FFmpeg refuses it because torch began it with other flags. So torch makes it this
    thread's current one, by a call that does nothing else. Frames stay on the GPU until `fetched`.
    """
    import torch

    torch.cuda.set_device(gpu)
    torch.cuda.mem_get_info(gpu)
    options: dict[str, object] = {"current_ctx": "1", "primary_ctx": "0"}
    return HWAccel("cuda", str(gpu), allow_software_fallback=False, options=options, is_hw_owned=True)


def check_stream(stream: VideoStream, path: Path) -> None:
    """Refuse a stream that NVDEC is not to decode.

    Raises:
        HeatpoolError: if its codec is none of `NVDEC_CODECS`, or FFmpeg has no decoder of it for a GPU.
    """
    codec = stream.codec_context
    if codec.name not in NVDEC_CODECS or not codec.is_hwaccel:
        raise refused(path, f"is in {codec.name}")


def refused(path: Path, what: str) -> HeatpoolError:
    """Return the error of a video that NVDEC does not take."""
    return HeatpoolError(
        f"expected {', '.join(NVDEC_CODECS)} that the GPU knows with --decoder nvdec, {path.name} {what}; "
        "use --decoder cpu"
    )


def fetched(frame: VideoFrame, stream: VideoStream) -> VideoFrame:
    """Return a frame in the host's memory, as the CPU's decoder would give it; one that is there as it is."""
    if frame.format.name != "cuda":
        return frame
    assert stream.codec_context.sw_format is not None, "it has decoded a frame"
    layout = stream.codec_context.sw_format.name
    return planar(frame, layout)


def planar(frame: VideoFrame, layout: str) -> VideoFrame:
    """Return a picture that is laid out as `layout` says as the CPU's decoders have it, with its tags."""
    told = {tag: getattr(frame, tag) for tag in _TAGS}
    # In several threads FFmpeg 8.1 now and then makes other pixels of the same P010 picture.
    found = frame.reformat(format=_PLANAR.get(layout, layout), threads=1)
    for tag, value in told.items():
        setattr(found, tag, value)
    return found
