"""Stage one as a batch engine: clips in, pooled features out, batches filled across clips.

Decoding runs ahead in threads; detection and pose run in batches that clips share. The order of the
work depends only on the list of clips, so a list extracted again gives the same features bit for bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from extract.crops import crop_affines, crop_boxes, joints_to_frame, normalise_crops
from extract.readahead import ClipEnd, ClipStart, decode_ahead
from extract.records import Detections, Detector, Frame, PoseBackbone
from extract.tracking import Selection, select_tracked
from extract.video import VideoInfo
from pool.pooling import crop_to_norm, feedback_pool
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
        candidates: people per frame that are cropped; the slots are chosen among them.
        frame_batch: frames per call of the detector.
        crop_batch: crops per call of the pose network.
        decode_threads: clips that are decoded at the same time.
        device: of the pose network.
    """

    persons: int = 2
    steps: int = 64
    selection: Selection = select_tracked
    candidates: int = 6
    frame_batch: int = 32
    crop_batch: int = 64
    decode_threads: int = 2
    device: str = "cpu"


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a clip gave: features, or None with the reason in `result`."""

    features: ClipFeatures | None
    result: ClipResult


def extract_clips(
    jobs: Sequence[ClipJob],
    options: ExtractOptions,
    *,
    detector: Detector,
    backbone: PoseBackbone,
    on_clip: Callable[[ClipJob, Outcome], None] = lambda job, outcome: None,
) -> list[Outcome]:
    """Extract clips; a clip that cannot be read gives a failed outcome and the others go on.

    Args:
        jobs: clips, in order.
        options: see `ExtractOptions`.
        detector: finds people.
        backbone: the pose network with its tapped map.
        on_clip: called once for each clip when it is finished.

    Returns:
        One outcome a job, in order.
    """
    return _Engine(options, detector, backbone, on_clip).run(jobs)


@dataclass(eq=False)
class _Seen:
    """People of one read frame: detections and their uint8 crops, until the slots are chosen."""

    detections: Detections
    affines: np.ndarray
    crops: np.ndarray


class _ClipState:
    """What is known of a clip while it passes through the engine."""

    def __init__(self, at: int, job: ClipJob, info: VideoInfo, plan: ResamplePlan) -> None:
        self.at, self.job, self.info, self.plan = at, job, info, plan
        self.seen: list[_Seen] = []
        self.time_s: list[float] = []
        self.damage = ""
        self.size_px = (0, 0)
        self.decoded = False
        self.waiting = 0  # crops that the pose network has not answered yet

    @property
    def detected(self) -> bool:
        return self.decoded and len(self.seen) == len(self.plan.frames)

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
        detector: Detector,
        backbone: PoseBackbone,
        on_clip: Callable[[ClipJob, Outcome], None],
    ) -> None:
        self._options, self._detector, self._backbone, self._on_clip = options, detector, backbone, on_clip
        self._frames: list[tuple[_ClipState, Frame]] = []
        self._crops: deque[tuple[_ClipState, int, int, int]] = deque()  # clip, slot, frame, detection
        self._outcomes: dict[int, Outcome] = {}

    def run(self, jobs: Sequence[ClipJob]) -> list[Outcome]:
        state: _ClipState | None = None
        options = self._options
        for item in decode_ahead(jobs, steps=options.steps, threads=options.decode_threads):
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
        self._detect()
        self._pose(everything=True)
        return [self._outcomes[at] for at in range(len(jobs))]

    def _take(self, state: _ClipState, frame: Frame) -> None:
        state.time_s.append(frame.time_s)
        state.size_px = (frame.rgb.shape[1], frame.rgb.shape[0])
        self._frames.append((state, frame))
        if len(self._frames) >= self._options.frame_batch:
            self._detect()

    def _detect(self) -> None:
        """Find the people of the waiting frames, cut them out and let the frames go."""
        if not self._frames:
            return
        batch, self._frames = self._frames, []
        found = self._detector.detect([frame for _, frame in batch])
        for (state, frame), people in zip(batch, found, strict=True):
            count = self._options.candidates
            kept = Detections(people.boxes_xyxy_px[:count], people.scores[:count])
            affines = crop_affines(kept.boxes_xyxy_px, self._backbone.crop)
            state.seen.append(_Seen(kept, affines, crop_boxes(frame.rgb, affines, self._backbone.crop)))
        for state in dict.fromkeys(state for state, _ in batch):
            self._advance(state)

    def _advance(self, state: _ClipState) -> None:
        """Choose the slots of a clip whose frames are all detected and queue its crops."""
        if not state.detected:
            return
        options, backbone = self._options, self._backbone
        slots = min(options.persons, state.job.persons or options.persons)
        chosen = options.selection([seen.detections for seen in state.seen], slots)
        state.allocate(options.persons, backbone.joints, backbone.channels)
        state.waiting = int((chosen >= 0).sum())
        for slot, frame in np.argwhere(chosen >= 0):
            self._crops.append((state, int(slot), int(frame), int(chosen[slot, frame])))
        if not state.waiting:
            self._complete(state)
        self._pose()

    def _pose(self, *, everything: bool = False) -> None:
        while len(self._crops) >= self._options.crop_batch or (everything and self._crops):
            count = min(len(self._crops), self._options.crop_batch)
            self._pose_batch([self._crops.popleft() for _ in range(count)])

    @torch.inference_mode()
    def _pose_batch(self, batch: Sequence[tuple[_ClipState, int, int, int]]) -> None:
        backbone, spec = self._backbone, self._backbone.crop
        pixels = np.stack([state.seen[frame].crops[number] for state, _, frame, number in batch])
        pose = backbone.forward(normalise_crops(pixels, spec, device=self._options.device))
        norm = crop_to_norm(pose.joints_xy_px, width_px=spec.width_px, height_px=spec.height_px)
        pooled = feedback_pool(pose.features, norm).float().cpu().numpy()
        affines = np.stack([state.seen[frame].affines[number] for state, _, frame, number in batch])
        joints = joints_to_frame(pose.joints_xy_px.cpu().numpy(), affines)
        scores = pose.scores.cpu().numpy()
        for at, (state, slot, frame, number) in enumerate(batch):
            size = np.array(state.size_px)
            state.pooled[slot, frame] = pooled[at]
            state.keypoints[slot, frame, :, :2] = 2 * joints[at] / size - 1
            state.keypoints[slot, frame, :, 2] = scores[at]
            state.boxes[slot, frame] = state.seen[frame].detections.boxes_xyxy_px[number] / np.tile(size, 2)
            state.filled[slot, frame] = True
            state.waiting -= 1
            if not state.waiting:
                self._complete(state)

    def _complete(self, state: _ClipState) -> None:
        self._finish(state.at, state.job, _outcome(state))

    def _finish(self, at: int, job: ClipJob, outcome: Outcome) -> None:
        self._outcomes[at] = outcome
        self._on_clip(job, outcome)


def _failed(message: str) -> Outcome:
    return Outcome(None, ClipResult(Status.FAILED, message=message))


def _outcome(state: _ClipState) -> Outcome:
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
    features = ClipFeatures(
        pooled=_steps(plan, state.pooled, state.filled),
        keypoints=_steps(plan, state.keypoints, state.filled),
        boxes=_steps(plan, state.boxes, state.filled),
        mask=np.stack([plan.seen_steps(filled) for filled in state.filled]),
        time_s=plan.apply(np.array(state.time_s)).astype(np.float32),
    )
    return Outcome(features, result)


def _steps(plan: ResamplePlan, values: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Resample each slot: (M, frames, ...) and (M, frames) → (M, T, ...)."""
    return np.stack([plan.apply_seen(*slot) for slot in zip(values, filled, strict=True)])
