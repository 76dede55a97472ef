"""Clips that overlap in one video, and windows of a stream: each frame is looked at and posed once."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace

import numpy as np
import pytest

from heatpool.extract.datasets.windows import windows
from heatpool.extract.engine.clip_state import SeenFrame
from heatpool.extract.engine.engine import ClipJob, EngineOptions, Outcome, extract_clips
from heatpool.extract.engine.estimators import CroppedPersons, PosedLater, PosedPersons, TopDown
from heatpool.extract.engine.live import LiveWindow, extract_live
from heatpool.extract.records import Detections, Frame
from heatpool.extract.rgb.crops import CropFiles
from heatpool.extract.video.reader import iter_frames, probe
from heatpool.extract.video.sampling import Sampling
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Status
from tests.conftest import AnalyticBackbone, FrameDetector, VideoMaker

OPTIONS = EngineOptions(persons=2, steps=10, frame_batch=4, person_batch=5)
# Half of each window of 0.8 s, 20 frames, is shared with the next one. Ten steps read all of them.
WINDOW_S, STRIDE_S = 0.8, 0.4


class Blocks(FrameDetector):
    """Three bright blocks are persons."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return [self._one(frame.rgb.mean(2)) for frame in frames]

    def _one(self, grey: np.ndarray) -> Detections:
        boxes = []
        for level in (250, 200, 150):
            rows, columns = np.nonzero(abs(grey - level) < 15)
            if len(rows):
                boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        scores = np.linspace(0.9, 0.7, len(boxes), dtype=np.float32)
        return Detections(np.array(boxes, np.float32).reshape(-1, 4), scores)


class Counted(TopDown):
    """Notes how often each frame of a video was looked at, and each of its persons posed."""

    def __init__(self) -> None:
        super().__init__(Blocks(), AnalyticBackbone(), device="cpu")
        self.looked_at = Counter[int]()
        self.posed = Counter[tuple[int, int]]()
        self._kept: list[tuple[int, CroppedPersons]] = []

    def detect(self, prepared: Sequence[Frame]) -> list[Detections]:
        self.looked_at.update(frame.index for frame in prepared)
        return super().detect(prepared)

    def keep(self, frame: Frame, found: Detections) -> CroppedPersons:
        kept = super().keep(frame, found)
        self._kept.append((frame.index, kept))
        return kept

    def pose(self, chosen: Sequence[tuple[CroppedPersons, int]]) -> PosedPersons | PosedLater:
        frame_of = {id(found): number for number, found in self._kept}
        self.posed.update((frame_of[id(found)], number) for found, number in chosen)
        return super().pose(chosen)


def blocks(count: int) -> list[np.ndarray]:
    """Three blocks walk, one of them hidden for a while; nobody is there in the last 20 frames of many."""
    frames = []
    for step in range(count):
        frame = np.zeros((96, 160, 3), np.uint8)
        if step < max(count - 20, 20):
            frame[8:40, step : step + 16] = 250
            frame[50:90, 140 - step : 160 - step] = 200
            if not 20 <= step < 30:
                frame[10:30, 120 - step // 2 : 130 - step // 2] = 150
        frames.append(frame)
    return frames


def jobs_of(path, seconds: float, *, window_s: float = WINDOW_S, stride_s: float = STRIDE_S) -> list[ClipJob]:  # type: ignore[no-untyped-def]
    spans = windows(0, seconds, window_s=window_s, stride_s=stride_s)
    return [ClipJob(at, path, *span) for at, span in enumerate(spans)]


def assert_same(got: Sequence[Outcome], wanted: Sequence[Outcome]) -> None:
    """Up to the rounding that a batch of another size brings."""
    for one, two in zip(got, wanted, strict=True):
        assert replace(one.result, fps=round(one.result.fps, 6)) == two.result
        assert (one.features is None) == (two.features is None)
        for field in fields(one.features) if one.features else ():
            values, others = getattr(one.features, field.name), getattr(two.features, field.name)
            if values is not None:
                np.testing.assert_allclose(values, others, rtol=0, atol=1e-6, err_msg=field.name)


@pytest.mark.parametrize("rgb", [None, CropFiles(3, crop_px=32)], ids=["no-rgb", "crops"])
def test_windows_together_are_windows_one_at_a_time(make_video: VideoMaker, rgb: CropFiles | None) -> None:
    jobs = jobs_of(make_video(blocks(80)), 3.2)
    order: list[int] = []
    shared, single = Counted(), Counted()
    got = extract_clips(
        jobs, OPTIONS, estimator=shared, rgb=rgb, on_clip=lambda job, outcome: order.append(job.clip)
    )
    wanted = [extract_clips([job], OPTIONS, estimator=single, rgb=rgb)[0] for job in jobs]
    assert_same(got, wanted)
    assert [outcome.result.status for outcome in got] == [Status.OK] * 6 + [Status.NO_PERSON]
    assert sorted(order) == list(range(7))
    assert shared.looked_at == dict.fromkeys(range(80), 1)
    assert set(shared.posed.values()) == {1}
    # All but the first and last 10 frames lie in two windows.
    assert single.looked_at.total() == 2 * 80 - 20
    assert shared.posed.keys() == single.posed.keys()
    assert shared.posed.total() < 0.6 * single.posed.total()


def test_the_same_list_gives_the_same_bits(make_video: VideoMaker) -> None:
    jobs = jobs_of(make_video(blocks(60)), 2.4)
    runs = [
        extract_clips(jobs, replace(OPTIONS, decode_threads=threads), estimator=Counted())
        for threads in (1, 3)
    ]
    for one, two in zip(*runs, strict=True):
        assert one.features is None or np.array_equal(one.features.pooled, two.features.pooled)  # type: ignore[union-attr]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> weakref.WeakSet[SeenFrame]:
    """Frames that something still holds."""
    frames: weakref.WeakSet[SeenFrame] = weakref.WeakSet()
    made = SeenFrame.of

    def of(frame: Frame) -> SeenFrame:
        seen = made(frame)
        frames.add(seen)
        return seen

    monkeypatch.setattr(SeenFrame, "of", of)
    return frames


def test_frames_go_when_no_later_window_reads_them(
    make_video: VideoMaker, held: weakref.WeakSet[SeenFrame]
) -> None:
    path = make_video(blocks(120))
    counts: list[int] = []
    extract_clips(
        jobs_of(path, 4.8),
        OPTIONS,
        estimator=TopDown(Blocks(), AnalyticBackbone(), device="cpu"),
        on_clip=lambda job, outcome: counts.append(len(held)),
    )
    assert len(counts) == 11
    # One window and the beginning of the next, and what is on its way through the threads.
    assert max(counts) <= 64
    assert not held


# Streams.


def stream(path) -> Iterator[tuple[float, np.ndarray]]:  # type: ignore[no-untyped-def]
    info = probe(path)
    return ((frame.time_s, frame.rgb) for frame in iter_frames(path, np.arange(info.frames), info=info))


def live(frames, estimator: TopDown | None = None, **options) -> Iterator[LiveWindow]:  # type: ignore[no-untyped-def]
    return extract_live(
        frames,
        replace(OPTIONS, **options),
        estimator=estimator or Counted(),
        window_s=WINDOW_S,
        stride_s=STRIDE_S,
    )


@pytest.mark.parametrize("count", [80, 77, 13])
def test_a_stream_gives_the_windows_of_a_file(make_video: VideoMaker, count: int) -> None:
    path = make_video(blocks(count))
    counted, jobs = Counted(), jobs_of(path, count / 25)
    got = list(live(stream(path), counted))
    spans = [(window.start_s, window.end_s) for window in got]
    np.testing.assert_allclose(spans, [(job.start_s, job.end_s) for job in jobs], atol=1e-6)
    wanted = extract_clips(jobs, OPTIONS, estimator=Counted())
    assert_same([window.outcome for window in got], wanted)
    assert counted.looked_at == dict.fromkeys(range(count), 1)
    assert set(counted.posed.values()) == {1}


def test_a_window_is_answered_before_the_next_frames_come() -> None:
    taken: list[float] = []

    def frames() -> Iterator[tuple[float, np.ndarray]]:
        for number, rgb in enumerate(blocks(60)):
            taken.append(number / 25)
            yield number / 25, rgb

    found = [(round(window.end_s, 6), max(taken)) for window in live(frames())]
    assert found == [(0.8, 0.8), (1.2, 1.2), (1.6, 1.6), (2.0, 2.0), (2.4, 2.36)]


def test_windows_in_a_gap_are_left_out() -> None:
    times_s = [*np.arange(20) / 25, *(3600 + np.arange(30) / 25)]
    found = list(live(zip(times_s, blocks(70), strict=False)))
    assert [round(window.start_s, 2) for window in found] == [0, 0.4, 3599.6, 3600, 3600.4]


def test_a_stream_is_sampled_as_a_whole() -> None:
    for sampling in (Sampling(frame_stride=5), Sampling(sample_fps=5)):
        counted = Counted()
        found = list(live(zip(np.arange(60) / 25, blocks(60), strict=True), counted, sampling=sampling))
        assert sum(counted.looked_at.values()) == 12
        assert [window.outcome.result.frames for window in found] == [4] * 5


def test_memory_of_a_stream_is_a_window(held: weakref.WeakSet[SeenFrame]) -> None:
    counts = [len(held) for _ in live(zip(np.arange(120) / 25, blocks(120), strict=True))]
    assert len(counts) == 11
    assert max(counts) <= 21


def test_a_stream_must_go_on_in_one_size() -> None:
    small = np.zeros((48, 64, 3), np.uint8)
    with pytest.raises(HeatpoolError, match=r"later than 0\.000 s, got one of \(64, 48\) at 0\.000 s"):
        list(live([(0.0, small), (0.0, small)]))
    with pytest.raises(HeatpoolError, match=r"expected frames of \(64, 48\) pixels"):
        list(live([(0.0, small), (0.1, np.zeros((96, 128, 3), np.uint8))]))
    alone = list(live([(7.0, small)]))
    assert [window.outcome.result.reason for window in alone] == [
        "expected at least 2 frames in a window, got 1"
    ]
    assert not list(live([]))
