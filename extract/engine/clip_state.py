"""A clip on its way through the engine: what is known of it, and the outcome in the end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from heatpool.extract.engine.estimators import Detected, PosedPersons
from heatpool.extract.records import Frame
from heatpool.extract.rgb.crops import FrameKeeper
from heatpool.extract.video.reader import VideoInfo
from heatpool.pool.records import ClipFeatures, ClipResult, Status
from heatpool.pool.resample import ResamplePlan

__all__ = ["ClipJob", "ClipState", "Outcome"]


@dataclass(frozen=True)
class ClipJob:
    """A clip to extract.

    Attributes:
        clip: number of the clip in the manifest; a detector sees it as `Frame.clip`.
        path: video file.
        start_s: start of the clip in the video.
        end_s: its end, None for the end of the video.
        persons: persons the action has, 0 when unknown.
    """

    clip: int
    path: Path
    start_s: float = 0.0
    end_s: float | None = None
    persons: int = 0


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a clip gave: features, or None with the reason in `result`."""

    features: ClipFeatures | None
    result: ClipResult

    @classmethod
    def failed(cls, reason: str) -> Outcome:
        """Return the outcome of a clip that could not be read."""
        return cls(None, ClipResult(Status.FAILED, reason=reason))


class ClipState:
    """What is known of a clip while it passes through the engine.

    Args:
        at: position of the clip in the list of jobs.
        job: the clip.
        info: of its video.
        plan: which frames are read.
        rgb_frames: frames that are cropped for RGB, 0 for none.

    Attributes:
        detected: what the detection pass kept of each read frame, in order.
        size_px: width and height of the frames.
        reason: why the video counts as cut or damaged, empty when it is whole.
        decoded: all frames came.
        waiting: answers that are still to come: chosen persons to pose, and one for RGB.
        rgb: the RGB encoder's answer, by field of `ClipFeatures`.
    """

    def __init__(
        self, at: int, job: ClipJob, info: VideoInfo, plan: ResamplePlan, *, rgb_frames: int = 0
    ) -> None:
        self.at, self.job, self.info, self.plan = at, job, info, plan
        self.detected: list[Detected] = []
        self.reason = ""
        self.size_px = (0, 0)
        self.decoded = False
        self.waiting = 0
        self.rgb: dict[str, np.ndarray] = {}
        self._time_s: list[float] = []
        self._keeper = FrameKeeper(plan, rgb_frames)

    @property
    def all_detected(self) -> bool:
        """Whether the detection pass over every read frame is done."""
        return self.decoded and len(self.detected) == len(self.plan.frames)

    def take(self, frame: Frame) -> None:
        """Note the next read frame."""
        # Frames are kept for RGB only, and few of them; all others are gone after the detection pass.
        self._keeper.offer(len(self._time_s), frame.rgb)
        self._time_s.append(frame.time_s)
        self.size_px = (frame.rgb.shape[1], frame.rgb.shape[0])

    def crop_persons(self, chosen: np.ndarray, *, crop_px: int) -> np.ndarray:
        """Cut the chosen persons (M, read frames) out of the kept frames: (F, crop_px, crop_px, 3) uint8."""
        detections = [each.detections for each in self.detected]
        return self._keeper.crop(detections, chosen, width_px=self.size_px[0], crop_px=crop_px)

    def allocate(self, persons: int, joints: int, channels: int) -> None:
        """Make room for the pose network's answer for each slot and read frame."""
        frames = len(self.plan.frames)
        self._pooled = np.zeros((persons, frames, joints, channels), np.float32)
        self._map_mean = np.zeros((persons, frames, channels), np.float32)
        self._keypoints = np.zeros((persons, frames, joints, 3), np.float32)
        self._boxes = np.zeros((persons, frames, 4), np.float32)
        self._filled = np.zeros((persons, frames), np.bool_)

    def put(self, posed: PosedPersons, at: int, *, slot: int, frame: int, detection: int) -> None:
        """Take the answer number `at` of a batch for a detection of a frame into a slot."""
        size = np.array(self.size_px)
        self._pooled[slot, frame] = posed.pooled[at]
        self._map_mean[slot, frame] = posed.map_mean[at]
        # Relative to the frame, so that the store does not depend on the video's size.
        self._keypoints[slot, frame, :, :2] = 2 * posed.joints_xy_px[at] / size - 1
        self._keypoints[slot, frame, :, 2] = posed.scores[at]
        box_xyxy_px = self.detected[frame].detections.boxes_xyxy_px[detection]
        self._boxes[slot, frame] = box_xyxy_px / np.tile(size, 2)
        self._filled[slot, frame] = True

    def outcome(self, gaps: Literal["skip", "zeros"]) -> Outcome:
        """Resample what was seen to T steps; `gaps` as in `EngineOptions`."""
        plan, info, filled = self.plan, self.info, self._filled
        persons = int(filled.any(1).sum())
        status, reason = Status.TRUNCATED if self.reason else Status.OK, self.reason
        if not persons:
            status, reason = Status.NO_PERSON, reason or "no person detected in any frame"
        result = ClipResult(status, info.frames, info.fps, *self.size_px, persons, reason)
        if not persons:
            return Outcome(None, result)
        # Maps and vectors of a gap may count as zeros, as published; a keypoint at (0, 0) would be a lie.
        counted = np.ones_like(filled) if gaps == "zeros" else filled
        features = ClipFeatures(
            pooled=_steps(plan, self._pooled, counted),
            keypoints=_steps(plan, self._keypoints, filled),
            boxes=_steps(plan, self._boxes, filled),
            mask=np.stack([plan.seen_steps(slot) for slot in filled]),
            time_s=plan.apply(np.array(self._time_s)).astype(np.float32),
            map_mean=_steps(plan, self._map_mean, counted),
            **self.rgb,
        )
        return Outcome(features, result)


def _steps(plan: ResamplePlan, values: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Resample each slot: (M, frames, ...) and (M, frames) → (M, T, ...)."""
    return np.stack([plan.apply_seen(*slot) for slot in zip(values, filled, strict=True)])
