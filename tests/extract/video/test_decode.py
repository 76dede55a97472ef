"""Clips of one video decoded together give what each gives alone, also where the video is damaged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from heatpool.extract.datasets.windows import windows
from heatpool.extract.video import decode
from heatpool.extract.video.clip_events import ClipFrame, ClipJob, ClipStart
from heatpool.extract.video.decode import group_clips
from heatpool.extract.video.readahead import decode_ahead
from heatpool.extract.video.reader import DecodedFrame, VideoInfo, iter_frames
from heatpool.extract.video.sampling import Sampling
from tests.conftest import VideoMaker, gray_frames
from tests.extract.video.test_damaged_videos import film_from
from tests.fixtures.video_mutations import make_films, mutate

# What came of a clip: numbers and grey levels of its frames, or nothing; failed; why.
Read = tuple[list[tuple[int, float]], bool, str]


def read(jobs: Sequence[ClipJob], sampling: Sampling | None = None) -> list[Read]:
    """What decoding gives for each clip, and that its events are in order."""
    found: dict[int, Read] = {}
    frames: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for event in decode_ahead(jobs, steps=10, threads=2, sampling=sampling):
        if isinstance(event, ClipStart):
            assert event.at not in found
            frames[event.at] = []
        elif isinstance(event, ClipFrame):
            for at in event.clips:
                frames[at].append((event.frame.index, round(float(event.frame.rgb.mean()), 3)))
        else:
            assert event.at == len(found), "ends come in the order of the clips"
            found[event.at] = [] if event.failed else frames.pop(event.at), event.failed, event.reason
    return list(found.values())


def alone(jobs: Sequence[ClipJob], sampling: Sampling | None = None) -> list[Read]:
    return [read([job], sampling)[0] for job in jobs]


def cut(path: Path, end_s: float, *, window_s: float = 0.8, stride_s: float = 0.4) -> list[ClipJob]:
    spans = windows(0, end_s, window_s=window_s, stride_s=stride_s)
    return [ClipJob(0, path, *span) for span in spans]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers, in their videos, of the frames that are decoded to pixels from here on."""
    numbers: list[int] = []

    def counted(
        path: Path, wanted: np.ndarray, *, info: VideoInfo, gpu: int | None
    ) -> Iterator[DecodedFrame]:
        for frame in iter_frames(path, wanted, info=info, gpu=gpu):
            numbers.append(info.first_frame + frame.index)
            yield frame

    monkeypatch.setattr(decode, "iter_frames", counted)
    return numbers


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(frame_stride=3), Sampling(sample_fps=8)])
def test_windows_share_a_reading(make_video: VideoMaker, decoded: list[int], sampling: Sampling) -> None:
    jobs = cut(make_video(gray_frames(60)), 2.4)
    wanted = alone(jobs, sampling)
    assert all(frames and not failed for frames, failed, _ in wanted)
    decoded.clear()
    assert read(jobs, sampling) == wanted
    assert decoded == sorted({number for frames, _, _ in wanted for number, _ in frames})


def test_what_is_a_group() -> None:
    a, b = Path("a.mp4"), Path("b.mp4")
    jobs = [
        *(ClipJob(0, a, 0, 2), ClipJob(1, a, 1, 3), ClipJob(2, a, 3, 4), ClipJob(3, a, 3, None)),  # touching
        ClipJob(4, a, 2, None),  # back in time
        *(ClipJob(5, b), ClipJob(6, b)),  # the same twice
        *(ClipJob(7, b, 0, 9), ClipJob(8, b, 1, 2)),  # one within another
        ClipJob(9, b, 4, 5),  # behind a gap
        ClipJob(10, b, 4, 5, fps=25),  # not the same pictures
    ]
    groups = [[at for at, _ in group] for group in group_clips(jobs)]
    assert groups == [[0, 1, 2, 3], [4], [5, 6], [7], [8], [9], [10]]


def test_a_gap_is_not_decoded(make_video: VideoMaker, decoded: list[int]) -> None:
    path = make_video(gray_frames(75))
    read([ClipJob(0, path, 0, 0.4), ClipJob(1, path, 2.0, 2.4)])
    assert sorted(decoded) == [*range(10), *range(50, 60)]


def test_a_bad_clip_among_others_fails_alone(make_video: VideoMaker) -> None:
    path = make_video(gray_frames(60))
    spans = [(0, 0.8), (0.4, 0.81), (0.8, 0.83), (0.81, 1.6), (1.2, 2.4), (2.4, 3.0), (2.5, 3.5)]
    jobs = [ClipJob(at, path, *span) for at, span in enumerate(spans)]
    assert len(group_clips(jobs)) == 1
    found = read(jobs)
    assert found == alone(jobs)
    assert [failed for _, failed, _ in found] == [False, False, True, False, False, True, True]
    assert found[2][2] == "expected at least 2 frames, clip.mp4 holds 1"
    assert found[5][2].startswith("expected frames between 2.4 s and 3 s, got none")


def test_a_film_that_changes_its_size(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    small = film_from(path, first=0)
    path.write_bytes(small + film_from(path, first=10, width=128, height=96))
    jobs = cut(path, 0.8, window_s=0.24, stride_s=0.12)
    found = read(jobs)
    assert found == alone(jobs)
    assert ["another size" in reason for _, _, reason in found] == [False, False, True, True, False, False]


def test_damaged_films_give_the_same_together(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of a damaged film pixels may differ, as the decoder has seen other frames before; what is said may not.

    Some must have been given up half-way and read on clip by clip, or this would show nothing.
    """
    caplog.set_level("DEBUG", decode.__name__)
    names = ("h264.mp4", "h264.ts", "mpeg4.avi", "vp9.webm", "mjpeg.mov")
    films = make_films(tmp_path / "films", names=names)
    for seed in range(3):
        for mutant in mutate(films, count=12, seed=seed):
            path = tmp_path / mutant.name
            path.write_bytes(mutant.data)
            jobs = cut(path, 0.64, window_s=0.24, stride_s=0.12)
            together, apart = (
                [([number for number, _ in frames], failed, reason) for frames, failed, reason in reads]
                for reads in (read(jobs), alone(jobs))
            )
            assert together == apart, f"{mutant.name} from {mutant.film}: {mutant.how}"
    assert any("decoded" in record.message for record in caplog.records)
