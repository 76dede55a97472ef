"""Stage one as a batch engine: clips in, pooled features out, batches filled across clips.

Decoding runs ahead in threads; detection and pose run in batches that clips share. The order of the
work depends only on the list of clips, so a list extracted again gives the same features bit for bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from heatpool.extract.engine.batch_size import Memory
from heatpool.extract.engine.clip_state import ClipJob, ClipState, Outcome
from heatpool.extract.engine.estimators import Look, PosedPeople, Poser
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
        frame_batch: frames per look.
        person_batch: people per call of the pose network.
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
    poser: Poser[Any],
    rgb: RgbEncoder | None = None,
    on_clip: Callable[[ClipJob, Outcome], None] = lambda job, outcome: None,
    memory: Memory | None = None,
) -> list[Outcome]:
    """Extract clips; a clip that cannot be read gives a failed outcome and the others go on.

    Args:
        jobs: clips, in order.
        options: see `EngineOptions`.
        poser: finds people and answers for the chosen ones.
        rgb: encodes the chosen people's crops; None for features without RGB.
        on_clip: called once for each clip when it is finished.
        memory: keeps from one call to the next which batches were too large; by default it is forgotten.

    Returns:
        One outcome a job, in order.

    Raises:
        HeatpoolError: if the memory does not hold a single frame or person for the networks.
    """
    return _Engine(options, poser, rgb, on_clip, memory or Memory()).run(jobs)


class _Engine:
    def __init__(
        self,
        options: EngineOptions,
        poser: Poser[Any],
        rgb: RgbEncoder | None,
        on_clip: Callable[[ClipJob, Outcome], None],
        memory: Memory,
    ) -> None:
        self._options, self._poser, self._rgb, self._on_clip = options, poser, rgb, on_clip
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
            if isinstance(item, ClipStart):  # again for the same clip when its frame count was a lie
                state = ClipState(item.at, jobs[item.at], item.info, item.plan, rgb_frames=self._rgb_frames)
            elif isinstance(item, ClipEnd):
                if item.error:
                    self._finish(item.at, jobs[item.at], Outcome.failed(item.error))
                elif state is not None:
                    state.decoded = True
                    state.damage = state.info.damage or item.damage
                    self._advance(state)
            elif state is not None:
                self._take(state, item)
        self._look()
        self._pose(everything=True)
        self._encode(everything=True)
        return [self._outcomes[at] for at in range(len(jobs))]

    def _take(self, state: ClipState, frame: Frame) -> None:
        state.take(frame)
        self._frames.append((state, frame))
        if len(self._frames) >= self._options.frame_batch:
            self._look()

    def _look(self) -> None:
        """Find the people of the waiting frames and let the frames go."""
        if not self._frames:
            return
        batch, self._frames = self._frames, []
        for part, looks in self._memory.frames.run(self._look_at, batch):
            for (state, _), look in zip(part, looks, strict=True):
                state.looks.append(look)
        for state in dict.fromkeys(state for state, _ in batch):
            self._advance(state)

    def _look_at(self, batch: Sequence[tuple[ClipState, Frame]]) -> list[Look]:
        return self._poser.look([frame for _, frame in batch])

    def _advance(self, state: ClipState) -> None:
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
            return
        if self._rgb is not None:
            self._cropped.append((state, state.crop_people(chosen, crop_px=self._rgb.crop_px)))
            state.waiting += 1
            self._encode()
        self._pose()

    def _pose(self, *, everything: bool = False) -> None:
        most = self._options.person_batch
        while len(self._chosen) >= most or (everything and self._chosen):
            batch = [self._chosen.popleft() for _ in range(min(len(self._chosen), most))]
            self._pose_batch(batch)

    def _pose_batch(self, batch: Sequence[tuple[ClipState, int, int, int]]) -> None:
        for part, posed in self._memory.people.run(self._pose_people, batch):
            for at, (state, slot, frame, number) in enumerate(part):
                state.put(posed, at, slot=slot, frame=frame, detection=number)
                self._done_one(state)

    def _pose_people(self, batch: Sequence[tuple[ClipState, int, int, int]]) -> PosedPeople:
        return self._poser.pose([(state.looks[frame], number) for state, _, frame, number in batch])

    def _encode(self, *, everything: bool = False) -> None:
        """Encode the crops of waiting clips: as many images a batch as there are people in one of `_pose`."""
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
