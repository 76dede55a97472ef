"""The video unit of a GPU: its layouts become the CPU's pictures to the bit, and what it lacks is said.

Those marked gpu decode on one. The others lay the CPU's pictures out as a GPU would.
"""

from __future__ import annotations

import ctypes
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from av.codec.hwaccel import HWAccel
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from heatpool.extract.video import container, nvdec, reader
from heatpool.extract.video.container import decode_stream, open_video
from heatpool.extract.video.nvdec import check_nvdec, planar
from heatpool.extract.video.reader import iter_frames, probe
from heatpool.pool.errors import HeatpoolError
from tests.conftest import VideoMaker, gray_frames

# Codec, options, format of pixels, and how a GPU lays it out.
KINDS = {
    "h264": ("libx264", {"bf": "2"}, "yuv420p", "nv12"),
    "h264 full range": ("libx264", {"x264-params": "fullrange=on"}, "yuvj420p", "nv12"),
    "h264 fields": ("libx264", {"flags": "+ilme+ildct"}, "yuv420p", "nv12"),
    "hevc": ("libx265", {"x265-params": "log-level=error"}, "yuv420p", "nv12"),
    "hevc 10 bit": ("libx265", {"x265-params": "log-level=error"}, "yuv420p10le", "p010le"),
    "hevc HDR": (
        "libx265",
        {"x265-params": "log-level=error:colorprim=9:transfer=16:colormatrix=9"},
        "yuv420p10le",
        "p010le",
    ),
    "vp8": ("libvpx", {"deadline": "realtime"}, "yuv420p", "nv12"),
    "vp9": ("libvpx-vp9", {"deadline": "realtime"}, "yuv420p", "nv12"),
}


def encode(
    path: Path, kind: str, *, size: tuple[int, int] = (210, 164), aspect: Fraction = Fraction(1)
) -> Path:
    """Colourful noise that moves, larger than the least that NVDEC takes."""
    codec, options, pixels, _ = KINDS[kind]
    rng = np.random.default_rng(0)
    still = rng.integers(0, 255, (size[1], size[0] + 24, 3), dtype=np.uint8)
    with av.open(str(path), "w") as made:
        stream = made.add_stream(codec, rate=25, options=dict(options))
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.sample_aspect_ratio = aspect
        for at in range(12):
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(still[:, 2 * at : 2 * at + size[0]]))
            made.mux(stream.encode(frame.reformat(format=pixels)))
        made.mux(stream.encode())
    return path


def read(path: Path, *, gpu: int | None = None, start_s: float = 0.0) -> list[reader.DecodedFrame]:
    info = probe(path, start_s=start_s)
    return list(iter_frames(path, np.arange(info.frames), info=info, gpu=gpu))


def check_same(found: list[reader.DecodedFrame], wanted: list[reader.DecodedFrame]) -> None:
    assert [(each.index, each.time_s) for each in found] == [(each.index, each.time_s) for each in wanted]
    for mine, theirs in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(mine.rgb, theirs.rgb)


@pytest.mark.parametrize("kind", ["h264", "h264 full range", "hevc 10 bit", "hevc HDR"])
def test_what_a_gpu_lays_out_becomes_the_cpus_picture(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, layout = encode(tmp_path / "clip.mkv", kind, aspect=Fraction(4, 3)), KINDS[kind][3]
    wanted = read(path)
    met = []

    def as_on_a_gpu(frame: VideoFrame, stream: object) -> VideoFrame:
        met.append(frame.format.name)
        return planar(frame.reformat(format=layout), layout)

    monkeypatch.setattr(reader, "fetched", as_on_a_gpu)
    check_same(read(path), wanted)
    assert set(met) == {KINDS[kind][2]}


def test_tags_that_a_conversion_loses_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = VideoFrame(64, 48, "nv12")
    frame.colorspace, frame.color_range, frame.color_trc, frame.color_primaries = 9, 2, 16, 9
    found = planar(frame, "nv12")
    assert (found.format.name, found.colorspace, found.color_range) == ("yuv420p", 9, 2)
    assert (found.color_trc, found.color_primaries) == (16, 9)


def no_library(missing: str) -> Any:
    def load(name: str) -> None:
        if name == missing:
            raise OSError(name)

    return load


KNOWS_LAYOUTS = pytest.mark.skipif(
    not hasattr(VideoCodecContext, "sw_format"), reason="PyAV below 18, which is refused before"
)


@KNOWS_LAYOUTS
@pytest.mark.parametrize(
    ("library", "hint"), [("libcuda.so.1", "NVIDIA's driver"), ("libnvcuvid.so.1", "compute,utility,video")]
)
def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, library: str, hint: str) -> None:
    monkeypatch.setattr(ctypes, "CDLL", no_library(library))
    with pytest.raises(HeatpoolError, match=f"no {library}; .*{hint}.*; or use --decoder cpu"):
        check_nvdec(0)


def test_a_pyav_without_cuda_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvdec, "hwdevices_available", lambda: ["vaapi"])
    with pytest.raises(HeatpoolError, match="built without CUDA"):
        check_nvdec(0)


@KNOWS_LAYOUTS
def test_a_gpu_that_does_not_open_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", no_library(""))
    monkeypatch.setattr(nvdec, "nvdec", lambda gpu: HWAccel("cuda", str(gpu), allow_software_fallback=False))
    with pytest.raises(HeatpoolError, match="cannot open GPU 999"):
        check_nvdec(999)


@pytest.mark.parametrize(
    ("codec", "accel"),
    [("mpeg4", None), ("libx264", None), ("libx264", HWAccel("drm", allow_software_fallback=False))],
)
def test_a_codec_that_is_not_exact_or_has_no_gpu_is_refused(
    make_video: VideoMaker, monkeypatch: pytest.MonkeyPatch, codec: str, accel: HWAccel | None
) -> None:
    path = make_video(gray_frames(3), "clip.mp4", codec=codec)
    monkeypatch.setattr(container, "nvdec", lambda gpu: accel)
    refusal = "h264, hevc, vp8, vp9 .* clip.mp4 is in (mpeg4|h264|none); use"
    with pytest.raises(HeatpoolError, match=refusal), open_video(path, gpu=0):
        pass


def test_a_profile_that_the_gpu_refuses_is_named() -> None:
    def refuse() -> None:
        raise av.error.PermissionError(1, "Operation not permitted")

    codec = SimpleNamespace(
        name="h264", profile="High 4:2:2", width=64, height=48, is_hwaccel=True, is_open=True,
        color_trc=2, color_primaries=2, colorspace=2, color_range=0,
    )  # fmt: skip
    video: Any = SimpleNamespace(
        name="file:/videos/clip.mp4", demux=lambda stream: iter([SimpleNamespace(decode=refuse)] * 2)
    )
    stream: Any = SimpleNamespace(codec_context=codec)
    with pytest.raises(HeatpoolError, match="clip.mp4 is High 4:2:2 h264 of 64 x 48"):
        list(decode_stream(video, stream))
    codec.is_hwaccel = False  # on the CPU the count of frames tells
    assert not list(decode_stream(video, stream))


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(210, 164), (1280, 720)])
def test_nvdec_gives_the_cpus_frames(tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    path = encode(tmp_path / "clip.mkv", kind, size=size)
    check_same(read(path, gpu=0), read(path))


@pytest.mark.gpu
def test_nvdec_seeks_and_squares_as_the_cpu_does(tmp_path: Path, make_video: VideoMaker) -> None:
    wide = encode(tmp_path / "wide.mp4", "h264", aspect=Fraction(4, 3))
    check_same(read(wide, gpu=0), read(wide))
    long = make_video(gray_frames(70, width=160, height=160), gop=10)
    assert probe(long, start_s=1.0).seek is not None
    check_same(read(long, gpu=0, start_s=1.0), read(long, start_s=1.0))


@pytest.mark.gpu
def test_nvdec_says_what_it_does_not_take(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as made:
        stream = made.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 160, "yuv444p"
        for _ in range(3):
            made.mux(stream.encode(VideoFrame(160, 160, "yuv444p")))
        made.mux(stream.encode())
    with pytest.raises(HeatpoolError, match="clip.mp4 is High 4:4:4 .* h264 of 160 x 160"):
        read(path, gpu=0)
