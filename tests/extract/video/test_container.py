from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from heatpool.extract.datasets.check_clips import ClipProblem, check_clips
from heatpool.extract.datasets.check_videos import check_videos
from heatpool.extract.video.clip_events import ClipJob
from heatpool.extract.video.reader import iter_frames, probe
from heatpool.extract.video.stream import as_rgb, read_stream
from heatpool.pool.errors import HeatpoolError
from tests.conftest import VideoMaker, gray_frames


def make_streams(path: Path, *streams: tuple[str, int, int, int, Disposition]) -> Path:
    """Write a file of several video streams: codec, frames, width, height and disposition of each."""
    with av.open(str(path), "w") as container:
        made = []
        for codec, _, width, height, disposition in streams:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height = width, height
            stream.pix_fmt = "rgb24" if codec == "png" else "yuv420p"
            stream.disposition = disposition
            made.append(stream)
        for stream, (_, frames, width, height, _) in zip(made, streams, strict=True):
            for picture in gray_frames(frames, width=width, height=height):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
    return path


NONE = Disposition(0)
CASES = {
    "cover": ("mp4", ("png", 1, 320, 320, Disposition.attached_pic)),
    "unmarked still": ("mp4", ("png", 1, 320, 320, NONE)),
    "unmarked still of matroska": ("mkv", ("libx264", 1, 320, 320, NONE)),
    "unmarked cover of which nothing is told": ("nut", ("png", 1, 320, 320, NONE)),
    "preview": ("mp4", ("libx264", 20, 32, 32, Disposition.default)),
    "preview of matroska": ("mkv", ("libx264", 20, 32, 32, Disposition.default)),
}


@pytest.mark.parametrize("case", CASES)
def test_what_lies_in_front_of_the_video_is_not_it(tmp_path: Path, case: str) -> None:
    suffix, first = CASES[case]
    path = make_streams(tmp_path / f"a.{suffix}", first, ("libx264", 20, 64, 48, NONE))
    info = probe(path)
    assert (info.frames, info.width_px, info.height_px, info.damage) == (20, 64, 48, "")
    frames = list(iter_frames(path, np.arange(20), info=info))
    assert [round((frame.rgb.mean() - 20) / 3) for frame in frames] == list(range(20))
    reports = check_videos({path: 0.0}, workers=1)
    assert check_clips([ClipJob(0, path)], reports, decode=True, workers=1) == [ClipProblem()]
    assert (reports[path].frames, reports[path].width_px, reports[path].codec) == (20, 64, "h264")
    shown = [frame for _, frame in read_stream(str(path))]
    assert (len(shown), as_rgb(shown[0], like=shown[0]).shape) == (20, (48, 64, 3))


def test_a_cover_alone_is_no_video(tmp_path: Path) -> None:
    path = make_streams(tmp_path / "song.mp4", ("png", 1, 64, 64, Disposition.attached_pic))
    with pytest.raises(HeatpoolError, match=r"song\.mp4 holds no video stream"):
        probe(path)
    assert check_videos({path: 0.0}, workers=1)[path].problem == "no_frames"


def test_a_colon_makes_no_protocol(make_video: VideoMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "cam1:12.30.05.mp4"
    monkeypatch.chdir(make_video(gray_frames(20), name).parent)
    path = Path(name)
    info = probe(path)
    assert len(list(iter_frames(path, np.arange(20), info=info))) == 20
    reports = check_videos({path: 0.0}, workers=1)
    assert check_clips([ClipJob(0, path)], reports, decode=True, workers=1) == [ClipProblem()]


def test_pixels_that_are_far_from_square_count_for_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 4096, 2304, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 1)
        picture = np.zeros((2304, 4096, 3), np.uint8)
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    with pytest.raises(HeatpoolError, match="claims 4096 x 2304, each 4 times as wide as high"):
        probe(path)


def test_a_list_of_other_files_is_no_video(make_video: VideoMaker) -> None:
    """FFmpeg knows its lists by their text, whatever the file is called."""
    make_video(gray_frames(5), "other.mp4")
    path = make_video(gray_frames(5), "list.mp4")
    path.write_text("ffconcat version 1.0\nfile other.mp4\n")
    with pytest.raises(HeatpoolError, match=r"expected a video, list\.mp4 is a list of other files"):
        probe(path)
    assert check_videos({path: 0.0}, workers=1)[path].problem == "no_frames"
