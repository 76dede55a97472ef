"""Stage one as a batch engine: clips in, pooled features out, batches filled across clips.

Decoding runs ahead in threads; detection and pose run in batches that clips share. The order of the
work depends only on the list of clips, so a list extracted again gives the same features bit for bit.

A frame's way: decoded → waits in `_frames` → detection pass, after which only its `SeenFrame` is left. A
person's way, once all frames of the clip went through the detection pass: chosen for a slot → waits in
`_persons` → pose → kept in the frame, for every clip that reads it. The last answer completes the clip.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

from heatpool.extract.engine.batch_size import Memory
from heatpool.extract.engine.clip_state import ClipState, Outcome, SeenFrame
from heatpool.extract.engine.estimators import PosedPersons, PoseEstimator
from heatpool.extract.engine.slots import Selection, select_tracked
from heatpool.extract.records import Frame
from heatpool.extract.rgb.crops import RgbEncoder
from heatpool.extract.video.clip_events import ClipEnd, ClipJob, ClipStart
from heatpool.extract.video.readahead import decode_ahead
from heatpool.extract.video.reader import VideoInfo
from heatpool.extract.video.sampling import Sampling
from heatpool.pool.resample import ResamplePlan

__all__ = ["ClipJob", "EngineOptions", "Outcome", "extract_clips", "extract_each"]


@dataclass(frozen=True)
class EngineOptions:
    """How clips become features.

    Attributes:
        persons: M, person slots.
        steps: T, time steps.
        selection: which detections fill the slots.
        gaps: frames in which a slot is empty: skip = a step mixes the frames with the person only, zeros =
            such frames count as zero features, as in the published extractor.
        frame_batch: frames per call of the detector.
        person_batch: persons per call of the pose network.
        decode_threads: clips that are decoded at the same time.
        sampling: frames that count at all.
        clip_seconds: time that reading one clip may take, 0 = any.
    """

    persons: int = 2
    steps: int = 64
    selection: Selection = select_tracked
    gaps: Literal["skip", "zeros"] = "skip"
    frame_batch: int = 32
    person_batch: int = 64
    decode_threads: int = 2
    sampling: Sampling = field(default_factory=Sampling)
    clip_seconds: float = 0.0


def extract_clips(
    jobs: Sequence[ClipJob],
    options: EngineOptions,
    *,
    estimator: PoseEstimator,
    rgb: RgbEncoder | None = None,
    on_clip: Callable[[ClipJob, Outcome], None] = lambda job, outcome: None,
    memory: Memory | None = None,
) -> list[Outcome]:
    """Extract clips; a clip that cannot be read gives a failed outcome and the others go on.

    Clips of one video that follow each other in the list and overlap or touch in time, as the windows of a
    long video do, are read together: each of their frames is decoded, looked at and posed once.

    Args:
        jobs: clips, in order.
        options: see `EngineOptions`.
        estimator: detects persons and answers for the chosen ones.
        rgb: encodes the chosen persons' crops; None for features without RGB.
        on_clip: called once for each clip when it is finished.
        memory: keeps from one call to the next which batches were too large; by default it is forgotten.

    Returns:
        One outcome per job, in order.

    Raises:
        HeatpoolError: if the memory does not hold a single frame or person for the networks.
    """
    outcomes: dict[int, Outcome] = {}
    for at, outcome in extract_each(jobs, options, estimator=estimator, rgb=rgb, memory=memory):
        outcomes[at] = outcome
        on_clip(jobs[at], outcome)
    return [outcomes[at] for at in range(len(jobs))]


def extract_each(
    jobs: Sequence[ClipJob],
    options: EngineOptions,
    *,
    estimator: PoseEstimator,
    rgb: RgbEncoder | None = None,
    memory: Memory | None = None,
) -> Iterator[tuple[int, Outcome]]:
    """Do as `extract_clips`, but yield position and outcome of each clip once it is finished; keep none."""
    finished: deque[tuple[int, Outcome]] = deque()
    engine = _Engine(options, estimator, rgb, lambda *done: finished.append(done), memory or Memory())
    items = decode_ahead(
        jobs,
        steps=options.steps,
        threads=options.decode_threads,
        sampling=options.sampling,
        clip_seconds=options.clip_seconds,
        prepare=estimator.prepare,
    )
    states: dict[int, ClipState] = {}  # clips whose frames are coming
    for item in items:
        if isinstance(item, ClipStart):
            # Comes again for a clip whose frame count was a lie. Frames of the first reading may still
            # wait in a batch: they go through the detection pass and nobody asks for them.
            states[item.at] = engine.begin(item.at, jobs[item.at], item.info, item.plan)
        elif isinstance(item, ClipEnd):
            state = states.pop(item.at, None)
            if state is None or item.failed:
                finished.append((item.at, Outcome.failed(item.reason)))
            else:
                state.reason = state.reason or item.reason
                engine.end(state)
        else:
            engine.take(item.frame, item.prepared, [states[at] for at in item.clips])
        while finished:
            yield finished.popleft()
    # Only here are batches run that are not full: a batch's size depends on the list alone, never on
    # how fast a thread was, and with it every last bit of the features.
    engine.flush()
    yield from finished


class _Engine:
    """The passes over frames and persons, in batches that clips share.

    Args:
        options: see `EngineOptions`.
        estimator: detects persons and answers for the chosen ones.
        rgb: encodes the chosen persons' crops.
        finish: called with the position and outcome of each clip.
        memory: which batches were too large.
    """

    def __init__(
        self,
        options: EngineOptions,
        estimator: PoseEstimator,
        rgb: RgbEncoder | None,
        finish: Callable[[int, Outcome], None],
        memory: Memory,
    ) -> None:
        self._options, self._estimator, self._rgb, self._finish = options, estimator, rgb, finish
        self._memory = memory
        self._frames: list[tuple[SeenFrame, Frame, Any]] = []
        self._decoded: deque[ClipState] = deque()  # clips that wait for the detection pass
        self._persons: deque[tuple[SeenFrame, int]] = deque()  # frame, number of the detection
        self._cropped: list[tuple[ClipState, np.ndarray]] = []  # clip, its (F, H, W, 3) crops

    def begin(self, at: int, job: ClipJob, info: VideoInfo, plan: ResamplePlan) -> ClipState:
        """Return the state of a clip whose frames are about to come."""
        return ClipState(at, job, info, plan, rgb_frames=0 if self._rgb is None else self._rgb.frames)

    def take(self, frame: Frame, prepared: Any, states: Sequence[ClipState]) -> SeenFrame:
        """Take the next frame, and what the estimator made of it, for all clips that read it."""
        seen = SeenFrame.of(frame)
        for state in states:
            state.take(seen, frame.rgb)
        self._frames.append((seen, frame, prepared))
        if len(self._frames) >= self._options.frame_batch:
            self._detect()
        return seen

    def end(self, state: ClipState) -> None:
        """Note that all frames of a clip came."""
        self._decoded.append(state)
        self._choose()

    def flush(self) -> None:
        """Complete every clip that has ended."""
        self._detect()
        self._pose(everything=True)
        self._encode(everything=True)

    def _detect(self) -> None:
        """Detect the persons of the waiting frames and let the frames go."""
        batch, self._frames = self._frames, []
        # Out of memory, a batch comes back in several parts; the order of the frames stays.
        for part, found in self._memory.frames.run(self._detect_persons, batch):
            for (seen, frame, _), each in zip(part, found, strict=True):
                seen.detected = self._estimator.keep(frame, each)
        self._choose()

    def _detect_persons(self, batch: Sequence[tuple[SeenFrame, Frame, Any]]) -> Sequence[Any]:
        return self._estimator.detect([prepared for _, _, prepared in batch])

    def _choose(self) -> None:
        """Choose the slots of the clips whose detection pass is over, and queue their persons."""
        # Frames are looked at in order, so that a clip is done when its last frame is.
        while self._decoded and self._decoded[0].frames[-1].detected is not None:
            state = self._decoded.popleft()
            # Who the main actors are shows only over the whole clip; only they are worth the pose network.
            most = self._options.persons
            slots = min(most, state.job.persons or most)
            scores = partial(self._joint_scores, state)
            times_s = np.array([each.time_s for each in state.frames])
            chosen = self._options.selection(state.detections(), slots, scores, times_s=times_s)
            state.chosen = np.pad(chosen, ((0, most - slots), (0, 0)), constant_values=-1)
            self._ask(state)

    def _joint_scores(self, state: ClipState, persons: Sequence[tuple[int, int]]) -> np.ndarray:
        """Return the mean joint score of persons of a clip, given by read frame and detection."""
        asked = [(state.frames[frame], number) for frame, number in persons]
        # Answered at once: a clip that waited for a full batch would keep all its crops meanwhile.
        now = [(seen, number) for seen, number in asked if number not in seen.answers]
        jump = set(now)
        self._persons = deque(each for each in self._persons if each not in jump)
        for first in range(0, len(now), self._options.person_batch):
            self._pose_batch(now[first : first + self._options.person_batch])
        answers = [seen.answers[number] for seen, number in asked]
        return np.array([posed.scores[at].mean() for posed, at in answers])

    def _ask(self, state: ClipState) -> None:
        """Queue the chosen persons of a clip whom no clip has asked for yet."""
        state.waiting = 1  # for us: the clip must not be complete before all of it is queued
        persons = state.persons()
        for seen, number in persons:
            if number in seen.answers:
                continue
            if number not in seen.asked:
                seen.asked[number] = []
                self._persons.append((seen, number))
            seen.asked[number].append(state)
            state.waiting += 1
        if persons and self._rgb is not None:
            # Cropped at once, so that the kept frames go: a crop is a fraction of a frame.
            self._cropped.append((state, state.crop_persons(crop_px=self._rgb.crop_px)))
            state.waiting += 1
            self._encode()
        self._done_one(state)
        self._pose()

    def _pose(self, *, everything: bool = False) -> None:
        most = self._options.person_batch
        while len(self._persons) >= most or (everything and self._persons):
            self._pose_batch([self._persons.popleft() for _ in range(min(len(self._persons), most))])

    def _pose_batch(self, batch: Sequence[tuple[SeenFrame, int]]) -> None:
        for part, posed in self._memory.persons.run(self._pose_persons, batch):
            for at, (seen, number) in enumerate(part):
                seen.answers[number] = posed, at
                for state in seen.asked.pop(number, ()):
                    self._done_one(state)

    def _pose_persons(self, batch: Sequence[tuple[SeenFrame, int]]) -> PosedPersons:
        return self._estimator.pose([(seen.detected, number) for seen, number in batch])

    def _encode(self, *, everything: bool = False) -> None:
        """Encode the crops of waiting clips: as many images per batch as `_pose` has persons."""
        if self._rgb is None:
            return
        most = max(self._options.person_batch // self._rgb.frames, 1)
        while len(self._cropped) >= most or (everything and self._cropped):
            batch, self._cropped = self._cropped[:most], self._cropped[most:]
            for part, embeddings in self._memory.crops.run(self._encode_crops, batch):
                for (state, _), values in zip(part, embeddings, strict=True):
                    state.rgb[self._rgb.array] = values
                    self._done_one(state)

    def _encode_crops(self, batch: Sequence[tuple[ClipState, np.ndarray]]) -> np.ndarray:
        assert self._rgb is not None
        return self._rgb.encode(np.stack([crops for _, crops in batch]))

    def _done_one(self, state: ClipState) -> None:
        state.waiting -= 1
        if not state.waiting:
            self._finish(state.at, state.outcome(self._options.gaps))
