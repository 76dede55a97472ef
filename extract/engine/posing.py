"""What happens to clips behind the detection pass: who is posed, in which batches, and when a clip is done.

One thread chooses the slots of clip after clip and hands out batches of persons; the device answers them
meanwhile. Whom a batch holds depends on the order of the clips alone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

import numpy as np

from heatpool.extract.engine.batch_size import Memory
from heatpool.extract.engine.clip_state import ClipState, SeenFrame
from heatpool.extract.engine.device import Work
from heatpool.extract.engine.estimators import PosedLater, PosedPersons, PoseEstimator
from heatpool.extract.engine.slots import Selection
from heatpool.extract.rgb.crops import RgbEncoder

__all__ = ["Posing"]

_MOST_AHEAD = 3  # batches that the device has not done: bounds the crops that wait


class Posing:
    """Chooses slots and has the chosen persons posed, in batches that clips share.

    All but the device's answers happens in the thread that calls `choose` and `flush`.

    Args:
        persons: M, person slots.
        person_batch: persons per call of the pose network.
        selection: which detections fill the slots.
        estimator: answers for persons.
        rgb: encodes the chosen persons' crops.
        memory: which batches were too large.
        submit: hands work to the device.
        finish: called with each clip that has all its answers, in the device's thread or this one.
    """

    def __init__(
        self,
        *,
        persons: int,
        person_batch: int,
        selection: Selection,
        estimator: PoseEstimator,
        rgb: RgbEncoder | None,
        memory: Memory,
        submit: Callable[[Work], Future[None]],
        finish: Callable[[ClipState], object],
    ) -> None:
        self._most_persons, self._batch, self._selection = persons, person_batch, selection
        self._estimator, self._rgb, self._memory = estimator, rgb, memory
        self._submit_work, self._finish = submit, finish
        self._persons: deque[tuple[SeenFrame, int]] = deque()  # frame, number of the detection
        self._cropped: list[tuple[ClipState, np.ndarray]] = []  # clip, its (F, H, W, 3) crops
        self._ahead: deque[Future[None]] = deque()
        self._lock = threading.Lock()  # over `answers` and `asked` of frames and `waiting` of clips

    def choose(self, state: ClipState) -> None:
        """Choose the slots of a clip whose frames have been looked at, and ask for its persons."""
        # Who the main actors are shows only over the whole clip; only they are worth the pose network.
        most = self._most_persons
        slots = min(most, state.job.persons or most)
        scores = partial(self._joint_scores, state)
        times_s = np.array([each.time_s for each in state.frames])
        chosen = self._selection(state.detections(), slots, scores, times_s=times_s)
        state.chosen = np.pad(chosen, ((0, most - slots), (0, 0)), constant_values=-1)
        self._ask(state)

    def flush(self) -> None:
        """Have everybody answered who was asked for, and wait."""
        while self._persons:
            self._submit_next_persons()
        while self._cropped:
            self._submit_crops()
        while self._ahead:
            self._ahead.popleft().result()

    def _joint_scores(self, state: ClipState, persons: Sequence[tuple[int, int]]) -> np.ndarray:
        """Return the mean joint score of persons of a clip, given by read frame and detection."""
        asked = [(state.frames[frame], number) for frame, number in persons]
        # Answered at once: a clip that waited for a full batch would keep all its crops meanwhile.
        now = [(seen, number) for seen, number in asked if number not in seen.posed]
        jump = set(now)
        self._persons = deque(each for each in self._persons if each not in jump)
        for first in range(0, len(now), self._batch):
            self._submit_persons(now[first : first + self._batch])
        for seen, number in asked:
            seen.posed[number].result()
        answers = [seen.answers[number] for seen, number in asked]
        return np.array([posed.scores[at].mean() for posed, at in answers])

    def _ask(self, state: ClipState) -> None:
        """Queue the chosen persons of a clip whom no clip has asked for yet."""
        persons = state.persons()
        with self._lock:
            state.waiting = 1  # for us: the clip must not be complete before all of it is queued
            for seen, number in persons:
                if number in seen.answers:
                    continue
                if number not in seen.asked:
                    seen.asked[number] = []
                    if number not in seen.posed:  # else on its way
                        self._persons.append((seen, number))
                seen.asked[number].append(state)
                state.waiting += 1
            state.waiting += bool(persons and self._rgb is not None)
        if persons and self._rgb is not None:
            # Cropped at once, so that the kept frames go: a crop is a fraction of a frame.
            self._cropped.append((state, state.crop_persons(crop_px=self._rgb.crop_px)))
            if len(self._cropped) >= self._clips_a_batch():
                self._submit_crops()
        self._done([state])
        while len(self._persons) >= self._batch:
            self._submit_next_persons()

    def _submit(self, work: Work) -> Future[None]:
        while len(self._ahead) >= _MOST_AHEAD:
            self._ahead.popleft().result()
        done = self._submit_work(work)
        self._ahead.append(done)
        return done

    def _submit_next_persons(self) -> None:
        most = min(len(self._persons), self._batch)
        self._submit_persons([self._persons.popleft() for _ in range(most)])

    def _submit_persons(self, batch: Sequence[tuple[SeenFrame, int]]) -> None:
        done = self._submit(self._pose(batch))
        for seen, number in batch:
            seen.posed[number] = done

    def _pose(self, batch: Sequence[tuple[SeenFrame, int]]) -> Work:
        parts = list(self._memory.persons.run(self._start_pose, batch))
        if any(callable(posed) for _, posed in parts):
            yield
        for part, posed in parts:
            self._answered(part, posed() if callable(posed) else posed)

    def _start_pose(self, batch: Sequence[tuple[SeenFrame, int]]) -> PosedPersons | PosedLater:
        return self._estimator.pose([(seen.detected, number) for seen, number in batch])

    def _answered(self, batch: Sequence[tuple[SeenFrame, int]], posed: PosedPersons) -> None:
        states: list[ClipState] = []
        with self._lock:
            for at, (seen, number) in enumerate(batch):
                seen.answers[number] = posed, at
                states += seen.asked.pop(number, ())
        self._done(states)

    def _clips_a_batch(self) -> int:
        """Clips whose crops are as many images as a batch has persons."""
        assert self._rgb is not None
        return max(self._batch // self._rgb.frames, 1)

    def _submit_crops(self) -> None:
        most = self._clips_a_batch()
        batch, self._cropped = self._cropped[:most], self._cropped[most:]
        self._submit(self._encode(batch))

    def _encode(self, batch: Sequence[tuple[ClipState, np.ndarray]]) -> Work:
        assert self._rgb is not None
        for part, embeddings in self._memory.crops.run(self._encode_crops, batch):
            for (state, _), values in zip(part, embeddings, strict=True):
                state.rgb[self._rgb.array] = values
            self._done([state for state, _ in part])
        yield from ()

    def _encode_crops(self, batch: Sequence[tuple[ClipState, np.ndarray]]) -> np.ndarray:
        assert self._rgb is not None
        return self._rgb.encode(np.stack([crops for _, crops in batch]))

    def _done(self, states: Sequence[ClipState]) -> None:
        """Count an answer for each of the clips (one may be there several times)."""
        complete = []
        with self._lock:
            for state in states:
                state.waiting -= 1
                if not state.waiting:
                    complete.append(state)
        for state in complete:
            self._finish(state)
