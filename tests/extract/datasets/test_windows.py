from __future__ import annotations

from pathlib import Path

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
