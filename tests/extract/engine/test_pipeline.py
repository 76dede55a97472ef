"""The engine's threads: batches and bytes do not depend on their speed, and whatever ends them ends all."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heatpool.extract.datasets.windows import windows
from heatpool.extract.engine.at_once import look_at, pose_now
from heatpool.extract.engine.clip_state import ClipState, Outcome, SeenFrame
from heatpool.extract.engine.engine import ClipJob, EngineOptions, extract_clips, extract_each
from heatpool.extract.engine.estimators import CroppedPersons, PosedLater, PosedPersons, TopDown
from heatpool.extract.records import Detections, Frame
from heatpool.extract.video.clip_events import ClipEnd, ClipStart
from heatpool.extract.video.readahead import decode_ahead
from tests.conftest import AnalyticBackbone, VideoMaker
from tests.extract.engine.test_sharing import Blocks, blocks

OPTIONS = EngineOptions(persons=2, steps=10, frame_batch=4, person_batch=5)


class Noted(TopDown):
    """Notes what is in each batch: frames by clip and index, persons by their frame and box."""

    def __init__(self) -> None:
        super().__init__(Blocks(), AnalyticBackbone(), device="cpu")
        self.looked: list[list[tuple[int, int]]] = []
        self.posed: list[list[tuple[float, ...]]] = []

    def detect(self, prepared: Sequence[Frame]) -> list[Detections]:
        self.looked.append([(frame.clip, frame.index) for frame in prepared])
        return super().detect(prepared)

    def pose(self, chosen: Sequence[tuple[CroppedPersons, int]]) -> PosedPersons | PosedLater:
        self.posed.append([tuple(each.affines[number].flatten().tolist()) for each, number in chosen])
        return super().pose(chosen)


class Jittery(Noted):
    """The same in threads of changing speed, and as on a device that works by itself."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._rng = np.random.default_rng(seed)

    def _pause(self) -> None:
        time.sleep(self._rng.uniform(0, 2e-3))

    def prepare(self, frame: Frame) -> Any:
        self._pause()
        return super().prepare(frame)

    def detect(self, prepared: Sequence[Frame]) -> list[Detections]:
        self._pause()
        return super().detect(prepared)

    def keep(self, frame: Frame, found: Detections) -> CroppedPersons:
        self._pause()
        return super().keep(frame, found)

    def pose(self, chosen: Sequence[tuple[CroppedPersons, int]]) -> PosedPersons | PosedLater:
        self._pause()
        posed = super().pose(chosen)

        def later() -> PosedPersons:
            self._pause()
            assert not callable(posed)
            return posed

        return later


def in_one_thread(jobs: Sequence[ClipJob], options: EngineOptions, estimator: TopDown) -> list[Outcome]:
    """The engine's rules, one thing after the other: what its batches must be."""
    frames: list[tuple[SeenFrame, Frame]] = []
    ended: deque[ClipState] = deque()
    persons: deque[tuple[SeenFrame, int]] = deque()
    done: list[ClipState] = []

    def look() -> None:
        kept = look_at(estimator, [frame for _, frame in frames])
        for (seen, _), each in zip(frames, kept, strict=True):
            seen.detected = each
        frames.clear()

    def pose(batch: Sequence[tuple[SeenFrame, int]]) -> None:
        posed = pose_now(estimator, [(seen.detected, number) for seen, number in batch])
        for at, (seen, number) in enumerate(batch):
            seen.answers[number] = posed, at

    def pose_next() -> None:
        pose([persons.popleft() for _ in range(min(len(persons), options.person_batch))])

    def scores_of(state: ClipState) -> Callable[[Sequence[tuple[int, int]]], np.ndarray]:
        def scores(asked: Sequence[tuple[int, int]]) -> np.ndarray:
            pairs = [(state.frames[frame], number) for frame, number in asked]
            now = [(seen, number) for seen, number in pairs if number not in seen.answers]
            for pair in [each for each in persons if each in now]:
                persons.remove(pair)
            for first in range(0, len(now), options.person_batch):
                pose(now[first : first + options.person_batch])
            answers = [seen.answers[number] for seen, number in pairs]
            return np.array([posed.scores[at].mean() for posed, at in answers])

        return scores

    def choose() -> None:
        while ended and ended[0].frames[-1].detected is not None:
            state = ended.popleft()
            times_s = np.array([each.time_s for each in state.frames])
            detections = state.detections()
            state.chosen = options.selection(detections, options.persons, scores_of(state), times_s=times_s)
            persons.extend(
                each for each in state.persons() if each[1] not in each[0].answers and each not in persons
            )
            while len(persons) >= options.person_batch:
                pose_next()
            done.append(state)

    states: dict[int, ClipState] = {}
    for event in decode_ahead(jobs, steps=options.steps, threads=1):
        if isinstance(event, ClipStart):
            states[event.at] = ClipState(event.at, jobs[event.at], event.info, event.plan)
        elif isinstance(event, ClipEnd):
            ended.append(states.pop(event.at))
        else:
            seen = SeenFrame.of(event.frame)
            for at in event.clips:
                states[at].take(seen, event.frame.rgb)
            frames.append((seen, event.frame))
            if len(frames) == options.frame_batch:
                look()
        choose()
    if frames:
        look()
    choose()
    while persons:
        pose_next()
    return [state.outcome(options.gaps) for state in done]


def assert_equal(got: Sequence[Outcome], wanted: Sequence[Outcome]) -> None:
    for one, two in zip(got, wanted, strict=True):
        assert one.result == two.result
        assert (one.features is None) == (two.features is None)
        for field in fields(one.features) if one.features else ():
            np.testing.assert_array_equal(
                getattr(one.features, field.name), getattr(two.features, field.name)
            )


def jobs_of(make_video: VideoMaker) -> list[ClipJob]:
    """Clips, and between them windows of one video, which share frames and persons."""
    long, short = make_video(blocks(60), "long.mp4"), make_video(blocks(21)[3:], "short.mp4")
    spans = windows(0, 2.4, window_s=0.8, stride_s=0.4)
    places: list[tuple[Path, float, float | None]] = [
        (short, 0, None),
        *((long, *span) for span in spans),
        (short, 0, 0.5),
    ]
    return [ClipJob(at, *place) for at, place in enumerate(places)]


@pytest.mark.parametrize("seed", range(4))
def test_batches_and_bytes_are_those_of_one_thread(make_video: VideoMaker, seed: int) -> None:
    jobs, wanted, got = jobs_of(make_video), Noted(), Jittery(seed)
    options = replace(OPTIONS, decode_threads=3, frame_batch=4 + seed, person_batch=5 + 3 * seed)
    expected = in_one_thread(jobs, options, wanted)
    assert_equal(extract_clips(jobs, options, estimator=got), expected)
    assert got.looked == wanted.looked
    assert got.posed == wanted.posed
    assert any(len(batch) < options.person_batch for batch in got.posed[:-1])  # somebody jumped the queue


def engine_threads() -> list[str]:
    names = ("device", "host", "chooser", "decode")
    return [each.name for each in threading.enumerate() if each.name.startswith(names)]


def end_of_threads() -> bool:
    """Whether all threads end; one that decodes is not waited for by whoever gives up."""
    for thread in threading.enumerate():
        if thread.name.startswith("decode"):
            thread.join(10)
    return not engine_threads()


class BrokenAt(Noted):
    """Raises in one of the steps."""

    def __init__(self, step: str) -> None:
        super().__init__()
        method = getattr(self, step)

        def broken(*given: Any) -> Any:
            method(*given)
            raise ZeroDivisionError(step)

        setattr(self, step, broken)


@pytest.mark.parametrize("step", ["prepare", "detect", "keep", "pose"])
def test_what_goes_wrong_in_a_thread_is_raised_with_its_traceback(make_video: VideoMaker, step: str) -> None:
    with pytest.raises(ZeroDivisionError, match=step) as caught:
        extract_clips(jobs_of(make_video), OPTIONS, estimator=BrokenAt(step))
    assert caught.traceback[-1].name == "broken"
    assert end_of_threads()


def test_a_rule_for_the_slots_that_fails_is_raised(make_video: VideoMaker) -> None:
    def broken(*given: Any, **named: Any) -> np.ndarray:
        raise ZeroDivisionError("slots")

    with pytest.raises(ZeroDivisionError, match="slots"):
        extract_clips(jobs_of(make_video), replace(OPTIONS, selection=broken), estimator=Noted())
    assert end_of_threads()


def test_whoever_stops_asking_stops_the_threads(make_video: VideoMaker) -> None:
    outcomes = extract_each(jobs_of(make_video), OPTIONS, estimator=Jittery(0))
    next(outcomes)
    assert "device" in engine_threads()
    outcomes.close()  # type: ignore[attr-defined]
    assert end_of_threads()


def test_an_interrupt_stops_the_threads(make_video: VideoMaker) -> None:
    def interrupted(job: ClipJob, outcome: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract_clips(jobs_of(make_video), OPTIONS, estimator=Jittery(0), on_clip=interrupted)
    assert end_of_threads()


def test_all_networks_run_in_one_thread(make_video: VideoMaker) -> None:
    seen: set[str] = set()

    class Named(Noted):
        def detect(self, prepared: Sequence[Frame]) -> list[Detections]:
            seen.add(threading.current_thread().name)
            return super().detect(prepared)

        def pose(self, chosen: Sequence[tuple[CroppedPersons, int]]) -> PosedPersons | PosedLater:
            seen.add(threading.current_thread().name)
            return super().pose(chosen)

    extract_clips(jobs_of(make_video), OPTIONS, estimator=Named())
    assert seen == {"device"}
