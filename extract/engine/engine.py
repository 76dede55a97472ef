"""Stage one as a batch engine: clips in, pooled features out, batches filled across clips.

Decoding runs ahead in threads; detection and pose run in batches that clips share. The order of the
work depends only on the list of clips, so a list extracted again gives the same features bit for bit.

A frame's way: decoded → waits in `_frames` → detection pass → forgotten. A person's way, once all frames of
the clip went through the detection pass: chosen for a slot → waits in `_chosen` → pose → written into the
clip's state. The last answer completes the clip.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from heatpool.extract.engine.batch_size import Memory
from heatpool.extract.engine.clip_state import ClipJob, ClipState, Outcome
from heatpool.extract.engine.estimators import Detected, PosedPersons, PoseEstimator
from heatpool.extract.engine.tracking import Selection, select_tracked
from heatpool.extract.records import Frame
from heatpool.extract.rgb.crops import RgbEncoder
from heatpool.extract.video.readahead import ClipEnd, ClipStart, decode_ahead
from heatpool.extract.video.sampling import Sampling

__all__ = ["ClipJob", "EngineOptions", "Outcome", "extract_clips"]


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
    estimator: PoseEstimator[Any],
    rgb: RgbEncoder | None = None,
    on_clip: Callable[[ClipJob, Outcome], None] = lambda job, outcome: None,
    memory: Memory | None = None,
) -> list[Outcome]:
    """Extract clips; a clip that cannot be read gives a failed outcome and the others go on.

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
    return _Engine(options, estimator, rgb, on_clip, memory or Memory()).run(jobs)


class _Engine:
    def __init__(
        self,
        options: EngineOptions,
        estimator: PoseEstimator[Any],
        rgb: RgbEncoder | None,
        on_clip: Callable[[ClipJob, Outcome], None],
        memory: Memory,
    ) -> None:
        self._options, self._estimator, self._rgb, self._on_clip = options, estimator, rgb, on_clip
        self._memory = memory
        self._frames: list[tuple[ClipState, Frame]] = []
        self._chosen: deque[tuple[ClipState, int, int, int]] = deque()  # clip, slot, frame, detection
        self._cropped: list[tuple[ClipState, np.ndarray]] = []  # clip, its (F, H, W, 3) crops
        self._outcomes: dict[int, Outcome] = {}

    @property
    def _rgb_frames(self) -> int:
        return 0 if self._rgb is None else self._rgb.frames

    def run(self, jobs: Sequence[ClipJob]) -> list[Outcome]:
        state: ClipState | None = None
        options = self._options
        items = decode_ahead(
            jobs,
            steps=options.steps,
            threads=options.decode_threads,
            sampling=options.sampling,
            clip_seconds=options.clip_seconds,
        )
        for item in items:
            if isinstance(item, ClipStart):
                # Comes again for a clip whose frame count was a lie. Frames of the first reading may still
                # wait in a batch: they go through the detection pass with the old state, which nobody asks.
                state = ClipState(item.at, jobs[item.at], item.info, item.plan, rgb_frames=self._rgb_frames)
            elif isinstance(item, ClipEnd):
                if item.failed:
                    self._finish(item.at, jobs[item.at], Outcome.failed(item.reason))
                elif state is not None:
                    state.decoded = True
                    state.reason = state.info.damage or item.reason
                    self._advance(state)
            elif state is not None:
                self._take(state, item)
        # Only here are batches run that are not full: a batch's size depends on the list alone, never on
        # how fast a thread was, and with it every last bit of the features.
        self._detect()
        self._pose(everything=True)
        self._encode(everything=True)
        return [self._outcomes[at] for at in range(len(jobs))]

    def _take(self, state: ClipState, frame: Frame) -> None:
        state.take(frame)
        self._frames.append((state, frame))
        if len(self._frames) >= self._options.frame_batch:
            self._detect()

    def _detect(self) -> None:
        """Detect the persons of the waiting frames and let the frames go."""
        if not self._frames:
            return
        batch, self._frames = self._frames, []
        # Out of memory, a batch comes back in several parts; the order of the frames stays.
        for part, found in self._memory.frames.run(self._detect_persons, batch):
            for (state, _), each in zip(part, found, strict=True):
                state.detected.append(each)
        for state in dict.fromkeys(state for state, _ in batch):  # not a set: its order would vary
            self._advance(state)

    def _detect_persons(self, batch: Sequence[tuple[ClipState, Frame]]) -> list[Detected]:
        return self._estimator.detect([frame for _, frame in batch])

    def _advance(self, state: ClipState) -> None:
        """Choose the slots of a clip once its detection pass is done, and queue its persons."""
        if not state.all_detected:
            return
        # Who the main actors are shows only over the whole clip, and only they are worth the pose network.
        slots = min(self._options.persons, state.job.persons or self._options.persons)
        chosen = self._options.selection([each.detections for each in state.detected], slots)
        state.allocate(self._options.persons, self._estimator.joints, self._estimator.channels)
        state.waiting = int((chosen >= 0).sum())
        for slot, frame in np.argwhere(chosen >= 0):
            self._chosen.append((state, int(slot), int(frame), int(chosen[slot, frame])))
        if not state.waiting:
            self._complete(state)
            return
        if self._rgb is not None:
            # Cropped at once, so that the kept frames go: a crop is a fraction of a frame.
            self._cropped.append((state, state.crop_persons(chosen, crop_px=self._rgb.crop_px)))
            state.waiting += 1
            self._encode()
        self._pose()

    def _pose(self, *, everything: bool = False) -> None:
        most = self._options.person_batch
        while len(self._chosen) >= most or (everything and self._chosen):
            batch = [self._chosen.popleft() for _ in range(min(len(self._chosen), most))]
            self._pose_batch(batch)

    def _pose_batch(self, batch: Sequence[tuple[ClipState, int, int, int]]) -> None:
        for part, posed in self._memory.persons.run(self._pose_persons, batch):
            for at, (state, slot, frame, number) in enumerate(part):
                state.put(posed, at, slot=slot, frame=frame, detection=number)
                self._done_one(state)

    def _pose_persons(self, batch: Sequence[tuple[ClipState, int, int, int]]) -> PosedPersons:
        return self._estimator.pose([(state.detected[frame], number) for state, _, frame, number in batch])

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
            self._complete(state)

    def _complete(self, state: ClipState) -> None:
        self._finish(state.at, state.job, state.outcome(self._options.gaps))

    def _finish(self, at: int, job: ClipJob, outcome: Outcome) -> None:
        self._outcomes[at] = outcome
        self._on_clip(job, outcome)
