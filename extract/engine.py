"""Stage one as a batch engine: clips in, pooled features out, batches filled across clips.

Decoding runs ahead in threads; detection and pose run in batches that clips share. The order of the
work depends only on the list of clips, so a list extracted again gives the same features bit for bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from extract.posers import Look, Poser
from extract.readahead import ClipEnd, ClipStart, decode_ahead
from extract.records import Frame
from extract.sampling import Sampling
from extract.tracking import Selection, select_tracked
from extract.video import VideoInfo
from pool.records import ClipFeatures, ClipResult, Status
from pool.resample import ResamplePlan

__all__ = ["ClipJob", "ExtractOptions", "Outcome", "extract_clips"]


@dataclass(frozen=True)
class ClipJob:
    """A clip to extract.

    Attributes:
        clip: number of the clip in the manifest; a detector sees it as `Frame.clip`.
        path: video file.
        start_s: start of the clip in the video.
        end_s: its end, None for the end of the video.
        persons: people the action has, 0 when unknown.
    """

    clip: int
    path: Path
    start_s: float = 0.0
    end_s: float | None = None
    persons: int = 0


@dataclass(frozen=True)
class ExtractOptions:
    """How clips become features.

    Attributes:
        persons: M, person slots.
        steps: T, time steps.
        selection: which detections fill the slots.
        gaps: frames in which a slot is empty: skip = a step mixes the frames with the person only, zeros =
            such frames count as zero features, as in the published extractor.
        frame_batch: frames per look.
        person_batch: people per call of the pose network.
        decode_threads: clips that are decoded at the same time.
        sampling: frames that count at all.
    """

    persons: int = 2
    steps: int = 64
    selection: Selection = select_tracked
    gaps: Literal["skip", "zeros"] = "skip"
    frame_batch: int = 32
    person_batch: int = 64
    decode_threads: int = 2
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a clip gave: features, or None with the reason in `result`."""

    features: ClipFeatures | None
    result: ClipResult


def extract_clips(
    jobs: Sequence[ClipJob],
    options: ExtractOptions,
    *,
    poser: Poser[Any],
    on_clip: Callable[[ClipJob, Outcome], None] = lambda job, outcome: None,
) -> list[Outcome]:
    """Extract clips; a clip that cannot be read gives a failed outcome and the others go on.

    Args:
        jobs: clips, in order.
        options: see `ExtractOptions`.
        poser: finds people and answers for the chosen ones.
        on_clip: called once for each clip when it is finished.

    Returns:
        One outcome a job, in order.
    """
    return _Engine(options, poser, on_clip).run(jobs)


class _ClipState:
    """What is known of a clip while it passes through the engine."""

    def __init__(self, at: int, job: ClipJob, info: VideoInfo, plan: ResamplePlan) -> None:
        self.at, self.job, self.info, self.plan = at, job, info, plan
        self.looks: list[Look] = []
        self.time_s: list[float] = []
        self.damage = ""
        self.size_px = (0, 0)
        self.decoded = False
        self.waiting = 0  # chosen people that are not posed yet

    @property
    def looked_at(self) -> bool:
        return self.decoded and len(self.looks) == len(self.plan.frames)

    def allocate(self, persons: int, joints: int, channels: int) -> None:
        """Make room for what the pose network will say of each slot and read frame."""
        frames = len(self.plan.frames)
        self.pooled = np.zeros((persons, frames, joints, channels), np.float32)
        self.keypoints = np.zeros((persons, frames, joints, 3), np.float32)
        self.boxes = np.zeros((persons, frames, 4), np.float32)
        self.filled = np.zeros((persons, frames), np.bool_)


class _Engine:
    def __init__(
        self,
        options: ExtractOptions,
        poser: Poser[Any],
        on_clip: Callable[[ClipJob, Outcome], None],
    ) -> None:
        self._options, self._poser, self._on_clip = options, poser, on_clip
        self._frames: list[tuple[_ClipState, Frame]] = []
        self._chosen: deque[tuple[_ClipState, int, int, int]] = deque()  # clip, slot, frame, detection
        self._outcomes: dict[int, Outcome] = {}

    def run(self, jobs: Sequence[ClipJob]) -> list[Outcome]:
        state: _ClipState | None = None
        options = self._options
        items = decode_ahead(
            jobs, steps=options.steps, threads=options.decode_threads, sampling=options.sampling
        )
        for item in items:
            if isinstance(item, ClipStart):  # again for the same clip when its frame count was a lie
                state = _ClipState(item.at, jobs[item.at], item.info, item.plan)
            elif isinstance(item, ClipEnd):
                if item.error:
                    self._finish(item.at, jobs[item.at], _failed(item.error))
                elif state is not None:
                    state.decoded = True
                    state.damage = state.info.damage or item.damage
                    self._advance(state)
            elif state is not None:
                self._take(state, item)
        self._look()
        self._pose(everything=True)
        return [self._outcomes[at] for at in range(len(jobs))]

    def _take(self, state: _ClipState, frame: Frame) -> None:
        state.time_s.append(frame.time_s)
        state.size_px = (frame.rgb.shape[1], frame.rgb.shape[0])
        self._frames.append((state, frame))
        if len(self._frames) >= self._options.frame_batch:
            self._look()

    def _look(self) -> None:
        """Find the people of the waiting frames and let the frames go."""
        if not self._frames:
            return
        batch, self._frames = self._frames, []
        looks = self._poser.look([frame for _, frame in batch])
        for (state, _), look in zip(batch, looks, strict=True):
            state.looks.append(look)
        for state in dict.fromkeys(state for state, _ in batch):
            self._advance(state)

    def _advance(self, state: _ClipState) -> None:
        """Choose the slots of a clip whose frames are all looked at and queue its people."""
        if not state.looked_at:
            return
        slots = min(self._options.persons, state.job.persons or self._options.persons)
        chosen = self._options.selection([look.detections for look in state.looks], slots)
        state.allocate(self._options.persons, self._poser.joints, self._poser.channels)
        state.waiting = int((chosen >= 0).sum())
        for slot, frame in np.argwhere(chosen >= 0):
            self._chosen.append((state, int(slot), int(frame), int(chosen[slot, frame])))
        if not state.waiting:
            self._complete(state)
        self._pose()

    def _pose(self, *, everything: bool = False) -> None:
        most = self._options.person_batch
        while len(self._chosen) >= most or (everything and self._chosen):
            batch = [self._chosen.popleft() for _ in range(min(len(self._chosen), most))]
            self._pose_batch(batch)

    def _pose_batch(self, batch: Sequence[tuple[_ClipState, int, int, int]]) -> None:
        posed = self._poser.pose([(state.looks[frame], number) for state, _, frame, number in batch])
        for at, (state, slot, frame, number) in enumerate(batch):
            size = np.array(state.size_px)
            box_xyxy_px = state.looks[frame].detections.boxes_xyxy_px[number]
            state.pooled[slot, frame] = posed.pooled[at]
            state.keypoints[slot, frame, :, :2] = 2 * posed.joints_xy_px[at] / size - 1
            state.keypoints[slot, frame, :, 2] = posed.scores[at]
            state.boxes[slot, frame] = box_xyxy_px / np.tile(size, 2)
            state.filled[slot, frame] = True
            state.waiting -= 1
            if not state.waiting:
                self._complete(state)

    def _complete(self, state: _ClipState) -> None:
        self._finish(state.at, state.job, _outcome(state, self._options.gaps))

    def _finish(self, at: int, job: ClipJob, outcome: Outcome) -> None:
        self._outcomes[at] = outcome
        self._on_clip(job, outcome)


def _failed(message: str) -> Outcome:
    return Outcome(None, ClipResult(Status.FAILED, message=message))


def _outcome(state: _ClipState, gaps: Literal["skip", "zeros"]) -> Outcome:
    """Resample what was seen of a clip to T steps and say how it went."""
    plan, info = state.plan, state.info
    persons = int(state.filled.any(1).sum())
    status, message = Status.OK, ""
    if state.damage:
        status, message = Status.TRUNCATED, state.damage
    if not persons:
        status, message = Status.NO_PERSON, message or "no person found in any frame"
    result = ClipResult(status, info.frames, info.fps, *state.size_px, persons, message)
    if not persons:
        return Outcome(None, result)
    everywhere = np.ones_like(state.filled)
    features = ClipFeatures(
        pooled=_steps(plan, state.pooled, everywhere if gaps == "zeros" else state.filled),
        keypoints=_steps(plan, state.keypoints, state.filled),
        boxes=_steps(plan, state.boxes, state.filled),
        mask=np.stack([plan.seen_steps(filled) for filled in state.filled]),
        time_s=plan.apply(np.array(state.time_s)).astype(np.float32),
    )
    return Outcome(features, result)


def _steps(plan: ResamplePlan, values: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Resample each slot: (M, frames, ...) and (M, frames) → (M, T, ...)."""
    return np.stack([plan.apply_seen(*slot) for slot in zip(values, filled, strict=True)])
