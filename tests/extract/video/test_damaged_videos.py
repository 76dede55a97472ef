"""What bytes can do to the reader: mutated films, and one test for each fault that they brought to light."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from heatpool.extract.datasets.manifest import Clip, Manifest
from heatpool.extract.datasets.windows import cut_windows
from heatpool.extract.records import Frame
from heatpool.extract.video import reader as video
from heatpool.extract.video.clip_events import ClipEnd, ClipFrame, ClipJob, ClipStart
from heatpool.extract.video.readahead import decode_ahead
from heatpool.extract.video.reader import FrameCountError, iter_frames, probe
from heatpool.extract.video.sampling import Sampling
from heatpool.pool.errors import HeatpoolError
from tests.conftest import VideoMaker, gray_frames
from tests.fixtures.video_mutations import FILMS, claim_size, make_films, mutate
from tests.paths import ROOT


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_films(tmp_path_factory.mktemp("films"))


def read(path: Path, *, clip_seconds: float = 20.0) -> tuple[ClipStart | None, list[Frame], ClipEnd]:
    """What the engine gets of a clip: its last start, the frames after it, its end."""
    start, frames = None, list[Frame]()
    for item in decode_ahead([ClipJob(0, path)], steps=16, threads=1, clip_seconds=clip_seconds):
        if isinstance(item, ClipStart):
            start, frames = item, []
        elif isinstance(item, ClipFrame):
            frames.append(item.frame)
        else:
            return start, frames, item
    raise AssertionError("no end came")


def test_films_are_whole(films: dict[str, Path]) -> None:
    assert len(films) == len(FILMS)
    for path in films.values():
        start, frames, end = read(path)
        assert start is not None
        assert (end.reason, end.reason, start.info.damage) == ("", "", ""), path.name
        assert len(frames) == len(start.plan.frames)


@pytest.mark.parametrize("seed", range(4))
def test_mutants_give_frames_or_a_reason(films: dict[str, Path], tmp_path: Path, seed: int) -> None:
    for mutant in mutate(films, count=16, seed=100 + seed):
        path = tmp_path / mutant.name
        path.write_bytes(mutant.data)
        what = f"{mutant.name} from {mutant.film}: {mutant.how}"
        start, frames, end = read(path)
        assert "took more than" not in end.reason, what
        # A reason is a sentence of ours, not the name of an exception that nobody thought of.
        assert not end.failed or end.reason.startswith(("expected ", "reading stopped")), (what, end.reason)
        if end.failed:
            continue
        assert start is not None, what
        assert len(frames) == len(start.plan.frames), what
        assert len({frame.rgb.shape for frame in frames}) == 1, what
        if not (end.reason or start.info.damage):
            times_s = [frame.time_s for frame in frames]
            assert times_s == sorted(times_s), what
            assert start.info.frames == decodable(path), what


def decodable(path: Path) -> int:
    """Count the frames that PyAV itself decodes."""
    count = 0
    with av.open(str(path), metadata_errors="replace") as container:
        for packet in container.demux(video=0):
            try:
                count += len(packet.decode())
            except av.error.FFmpegError:
                continue
    return count


_PEAK = """
import resource, sys
from pathlib import Path
from tests.extract.video.test_damaged_videos import read
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(read(Path(sys.argv[1]))[2].reason)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def read_elsewhere(path: Path) -> tuple[str, int]:
    """Read a clip in a process of its own: the error, and how many MiB its memory grew."""
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, str(path)],
        capture_output=True, text=True, check=True, timeout=100, cwd=ROOT,
    )  # fmt: skip
    error, grown = done.stdout.splitlines()
    return error, int(grown)


@pytest.mark.parametrize(
    "name",
    [
        "film.gif",
        "stream.h264",
        pytest.param("mjpeg.avi", marks=pytest.mark.slow),
        pytest.param("mjpeg.mov", marks=pytest.mark.slow),
    ],
)
def test_a_huge_claimed_picture_is_refused_and_not_allocated(
    films: dict[str, Path], tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    if name == "stream.h264":
        path.write_bytes(huge_h264(films["h264.mp4"]))
    else:
        path.write_bytes(claim_size(films[name].read_bytes(), 16_000, 16_000))
    error, grown_mib = read_elsewhere(path)
    assert error.startswith("expected "), error
    assert grown_mib < 150  # a picture alone would take 366 MiB as YUV and 732 as RGB
    if name == "stream.h264":
        assert error == "expected pictures of at most 8192 x 4096 pixels, stream.h264 claims 16000 x 16000"


def huge_h264(film: Path) -> bytes:
    """The film's own slices behind a parameter set that claims 16,000 x 16,000 (ITU-T H.264, 7.3.2.1.1)."""
    bits = ""
    for code in (0, 0, 2, 0, 1):  # id, frame number 4 bits, order type 2, reference frames 0, no gaps
        bits += golomb(code) if code != 1 else "0"
    bits += golomb(999) + golomb(999)  # macroblocks of 16 pixels, less one
    bits += "1" + "1" + "0" + "0" + "1"  # frames only, direct 8 x 8, no cropping, no VUI, stop
    bits += "0" * (-len(bits) % 8)
    body = int(bits, 2).to_bytes(len(bits) // 8, "big")
    with av.open(str(film)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    slices = b"".join(b"\x00\x00\x00\x01" + packet[4:] for packet in packets)
    parameters = b"\x00\x00\x00\x01\x67\x42\x00\x3e" + body
    return parameters + b"\x00\x00\x00\x01\x68\xce\x3c\x80" + slices


def golomb(value: int) -> str:
    """Exp-Golomb code, as bits."""
    code = f"{value + 1:b}"
    return "0" * (len(code) - 1) + code


def test_an_unknown_codec_is_said(films: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "clip.mov"
    path.write_bytes(
        films["mjpeg.mov"].read_bytes().replace(b"jpeg\0\0\0\0\0\0\0\1", b"nonc\0\0\0\0\0\0\0\1")
    )
    with pytest.raises(HeatpoolError, match=r"clip\.mov is in a codec that FFmpeg does not know"):
        probe(path)


def film_from(path: Path, *, first: int, width: int = 64, height: int = 48, codec: str = "libx264") -> bytes:
    """Ten grey frames whose stamps begin at a frame number."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, picture in enumerate(gray_frames(10, width=width, height=height)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = first + number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


@pytest.mark.parametrize(("name", "codec"), [("a.ts", "libx264"), ("a.mpg", "mpeg2video")])
def test_frames_stamped_before_the_start_belong_to_the_clip(tmp_path: Path, name: str, codec: str) -> None:
    """Of two recordings in one file the second begins at 0 again; it was lost without a word."""
    path = tmp_path / name
    later = film_from(path, first=30, codec=codec)
    path.write_bytes(later + film_from(path, first=0, codec=codec))
    info = probe(path)
    assert (info.first_frame, info.frames, info.frames_from_packets) == (0, 20, 20)
    frames = list(iter_frames(path, np.arange(20), info=info))
    levels = [round((frame.rgb.mean() - 20) / 3) for frame in frames]
    assert levels == [*range(10), *range(10)]
    assert np.all(np.diff([frame.time_s for frame in frames]) > 0)


def test_frames_of_another_size_are_scaled_and_said(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    small = film_from(path, first=0)
    path.write_bytes(small + film_from(path, first=10, width=128, height=96))
    start, frames, end = read(path)
    assert start is not None
    assert not end.failed
    assert {frame.rgb.shape for frame in frames} == {(48, 64, 3)}
    late = sum(bool(number >= 10) for number in start.plan.frames)
    assert end.reason == f"{late} of the frames that were read are of another size than the first"


def test_stamps_that_span_years_cut_no_windows(tmp_path: Path) -> None:
    """Ticks and windows follow the stamps: a last one of 30 years would be a billion of them."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:  # one frame at 30 years
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for number, seconds in enumerate((0, 1, 30 * 365 * 86_400)):
            frame = av.VideoFrame.from_ndarray(gray_frames(3)[number], format="rgb24")
            frame.pts, frame.time_base = seconds, Fraction(1, 1)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    info = probe(path)
    assert info.damage == "the time stamps span 10950 days"
    assert len(Sampling(sample_fps=30).frames(info)) == 3
    cut = cut_windows(Manifest((Clip("a", path),), (), tmp_path), window_s=1, stride_s=1)
    assert len(cut.clips) == 1


class _Unseekable:
    def seek(self, *_: object, **__: object) -> None:
        raise av.error.PermissionError(1, "Operation not permitted")


def test_a_file_that_cannot_be_sought_in_is_read_from_its_start(make_video: VideoMaker) -> None:
    window = probe(make_video(gray_frames(60)), start_s=1.2, end_s=1.6)
    assert window.seek is not None
    with pytest.raises(FrameCountError) as error:
        next(video._numbered(_Unseekable(), None, window))
    assert window.corrected(error.value.decoded) == replace(window, seek=None)
