from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from heatpool.extract.datasets import windows as datasets_windows
from heatpool.extract.datasets.manifest import Clip, Manifest
from heatpool.extract.datasets.windows import cut_windows, windows
from heatpool.extract.video.reader import VideoInfo, probe
from tests.conftest import VideoMaker, gray_frames


def test_windows_by_hand() -> None:
    assert list(windows(0, 10, window_s=4, stride_s=3)) == [(0, 4), (3, 7), (6, 10)]
    assert list(windows(0, 9, window_s=4, stride_s=3)) == [(0, 4), (3, 7), (5, 9)]
    assert list(windows(2, 5, window_s=4, stride_s=3)) == [(2, 5)]


def test_a_long_video_becomes_clips(make_video: VideoMaker, tmp_path: Path) -> None:
    path = make_video(gray_frames(75))  # 3 s
    clips = (Clip("long", path, label=0, class_name="x"), Clip("none", tmp_path / "none.mp4"))
    cut = cut_windows(Manifest(clips, ("x",), tmp_path), window_s=1, stride_s=1)
    assert [clip.clip_id for clip in cut.clips] == [
        "long@0.00-1.00",
        "long@1.00-2.00",
        "long@2.00-3.00",
        "none",
    ]
    assert {clip.label for clip in cut.clips} == {0, -1}
    found = [probe(clip.path, start_s=clip.start_s, end_s=clip.end_s) for clip in cut.clips[:3]]
    assert [each.frames for each in found] == [25, 25, 25]
    assert [each.first_frame for each in found] == [0, 25, 50]


def test_a_video_of_many_clips_is_probed_once(
    make_video: VideoMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(gray_frames(75))
    probed = []

    def counted(path: Path, **options: float) -> VideoInfo:
        probed.append(path.name)
        return probe(path, **options)

    monkeypatch.setattr(datasets_windows, "probe", counted)
    spans = ((0.0, 1.0), (0.5, None), (2.5, 9.0), (7.0, 9.0))
    clips = tuple(Clip(f"{at}", path, start_s=start, end_s=end) for at, (start, end) in enumerate(spans))
    cut = cut_windows(Manifest(clips, (), path.parent), window_s=1, stride_s=1)
    assert probed == ["clip.mp4"]
    # The last clip holds no frame and stays as it is, for extraction to say so.
    assert [(clip.start_s, clip.end_s) for clip in cut.clips] == [
        (0, 1),
        (0.5, 1.5),
        (1.5, 2.5),
        (2, 3),
        (2.5, 3),
        (7, 9),
    ]


def with_gap(path: Path) -> Path:
    """25 frames in the first second, one at 2.5 s, 25 from 4 s on."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number, picture in zip([*range(25), 62, *range(100, 125)], gray_frames(51), strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_windows_in_a_gap_are_no_clips_and_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clips = (Clip("a", with_gap(tmp_path / "gap.mp4")),)
    cut = cut_windows(Manifest(clips, (), tmp_path), window_s=1, stride_s=1)
    # The last one ends with the video: a frame's mean duration behind its last frame.
    assert [round(clip.start_s, 1) for clip in cut.clips] == [0, 4, 4.1]
    assert "left out 3 windows in gaps of their videos: fewer than 2 frames in each" in caplog.text


def test_a_clip_without_a_good_window_keeps_them_all(
    make_video: VideoMaker, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_video(gray_frames(3), fps=1)  # a frame a window: extraction says for each what is wrong
    cut = cut_windows(Manifest((Clip("slow", path),), (), path.parent), window_s=1, stride_s=1)
    assert len(cut.clips) == 3
    assert not caplog.text
