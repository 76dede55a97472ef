"""A clip on its way through the engine: what is known of it, and the outcome in the end.

Clips that overlap in one video read the same frames. What is known of a frame therefore lies in a
`SeenFrame`, and a clip holds those that it reads: with the last clip that reads it a frame is gone.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from heatpool.extract.engine.estimators import Detected, PosedPersons
from heatpool.extract.records import Detections, Frame
from heatpool.extract.rgb.crops import FrameKeeper
from heatpool.extract.video.clip_events import ClipJob
from heatpool.extract.video.reader import VideoInfo
from heatpool.pool.records import ClipFeatures, ClipResult, Status
from heatpool.pool.resample import ResamplePlan, place_missing
from heatpool.pool.store.quantise import FLOAT16_MAX

__all__ = ["ClipState", "FrameBatch", "Outcome", "SeenFrame"]

_NOT_FINITE = (
    "the network gave values that are not finite: 16 bits are too narrow for it (--dtype float32), or its "
    "weights are damaged"
)
_TOO_LARGE = (
    "{name} reach {peak:.6g}, more than 16 bits hold (65504): pool another feature map (--tap)",
    "{name} lie up to {peak:.6g} picture sizes from the picture: they are not of this video",
)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a clip gave: features, or None with the reason in `result`."""

    features: ClipFeatures | None
    result: ClipResult

    @classmethod
    def failed(cls, reason: str) -> Outcome:
        """Return the outcome of a clip that could not be read."""
        return cls(None, ClipResult(Status.FAILED, reason=reason))


@dataclass(eq=False)
class FrameBatch:
    """Frames that go through the detection pass together.

    Attributes:
        detected: the device is done with them.
        kept: of some frames each: persons are cut out; complete when the device is done.
    """

    detected: Future[None]
    kept: list[Future[None]]

    def wait(self) -> None:
        """Wait until the frames' `detected` are there; raises what has gone wrong."""
        self.detected.result()
        for each in self.kept:
            each.result()


@dataclass(eq=False)
class SeenFrame:
    """A frame after decoding, without its pixels: what the clips that read it share.

    Attributes:
        time_s: presentation time in seconds from the start of the video.
        size_px: width and height.
        looked: the batch of the detection pass that it is in, None before it is in one.
        detected: what the detection pass kept of it, None before that is over.
        posed: by number of the detection: the batch of the pose network, which may not be done yet.
        answers: by number of the detection: a batch of the pose network, and its place there.
        asked: by number of the detection: clips that wait for the answer.
    """

    time_s: float
    size_px: tuple[int, int]
    looked: FrameBatch | None = None
    detected: Detected | None = None
    posed: dict[int, Future[None]] = field(default_factory=dict)
    answers: dict[int, tuple[PosedPersons, int]] = field(default_factory=dict)
    asked: dict[int, list[ClipState]] = field(default_factory=dict)

    @classmethod
    def of(cls, frame: Frame) -> SeenFrame:
        """Return what is known of a frame once it is decoded."""
        return cls(frame.time_s, (frame.rgb.shape[1], frame.rgb.shape[0]))

    @property
    def detections(self) -> Detections:
        """Persons, most confident first; the detection pass must be over."""
        assert self.detected is not None
        return self.detected.detections


class ClipState:
    """What is known of a clip while it passes through the engine.

    Args:
        at: position of the clip in the list of jobs.
        job: the clip.
        info: of its video.
        plan: which frames are read.
        rgb_frames: frames that are cropped for RGB, 0 for none.

    Attributes:
        frames: read frames, in order.
        reason: why the video counts as cut or damaged, empty when it is whole.
        chosen: (M, read frames) int64, the detection that fills a slot in a frame, -1 for none.
        waiting: answers that are still to come: of the pose network, and one for RGB.
        rgb: the RGB encoder's answer, by field of `ClipFeatures`.
    """

    def __init__(
        self, at: int, job: ClipJob, info: VideoInfo, plan: ResamplePlan, *, rgb_frames: int = 0
    ) -> None:
        self.at, self.job, self.info, self.plan = at, job, info, plan
        self.frames: list[SeenFrame] = []
        self.reason = info.damage
        self.chosen = np.zeros((0, 0), np.int64)
        self.waiting = 0
        self.rgb: dict[str, np.ndarray] = {}
        self._keeper = FrameKeeper(plan, rgb_frames)

    def take(self, seen: SeenFrame, rgb: np.ndarray) -> None:
        """Note the next read frame, with its pixels."""
        # Pixels are kept for RGB only, and few of them; all others are gone after the detection pass.
        self._keeper.offer(len(self.frames), rgb)
        self.frames.append(seen)

    def detections(self) -> list[Detections]:
        """Return the persons of each read frame."""
        return [each.detections for each in self.frames]

    def persons(self) -> list[tuple[SeenFrame, int]]:
        """Return the frames and numbers of the detections that fill slots, slot after slot."""
        return [
            (self.frames[frame], int(self.chosen[slot, frame]))
            for slot, frame in np.argwhere(self.chosen >= 0).tolist()
        ]

    def crop_persons(self, *, crop_px: int) -> np.ndarray:
        """Cut the chosen persons out of the kept frames: (F, crop_px, crop_px, 3) uint8."""
        width_px = self.frames[-1].size_px[0]
        return self._keeper.crop(self.detections(), self.chosen, width_px=width_px, crop_px=crop_px)

    def outcome(self, gaps: Literal["skip", "zeros"]) -> Outcome:
        """Resample what was seen to T steps; `gaps` as in `EngineOptions`."""
        plan, info, size_px = self.plan, self.info, self.frames[-1].size_px
        filled = self.chosen >= 0
        persons = int(filled.any(1).sum())
        status, reason = Status.TRUNCATED if self.reason else Status.OK, self.reason
        if not persons:
            status, reason = Status.NO_PERSON, reason or self._why_nobody()
        result = ClipResult(status, info.frames, info.fps, *size_px, persons, reason)
        if not persons:
            return Outcome(None, result)
        # Maps and vectors of a gap may count as zeros, as published; a keypoint at (0, 0) would be a lie.
        counted = np.ones_like(filled) if gaps == "zeros" else filled
        pooled, map_mean, keypoints, boxes = gathered = self._gathered()
        if not all(np.isfinite(each).all() for each in gathered):
            return Outcome.failed(_NOT_FINITE)
        for name, values in zip(("features", "map means", "joints", "boxes"), gathered, strict=True):
            if (peak := np.abs(values).max(initial=0)) > FLOAT16_MAX:
                return Outcome.failed(_TOO_LARGE[name in ("joints", "boxes")].format(name=name, peak=peak))
        missing = self._missing()
        features = ClipFeatures(
            pooled=_joint_steps(plan, pooled, counted, missing),
            keypoints=_steps(plan, self._placed(keypoints, missing), filled),
            boxes=_steps(plan, boxes, filled),
            mask=np.stack([plan.seen_steps(slot) for slot in filled]),
            time_s=plan.apply(np.array([each.time_s for each in self.frames])).astype(np.float32),
            map_mean=_steps(plan, map_mean, counted),
            **self.rgb,
        )
        return Outcome(features, result)

    def _why_nobody(self) -> str:
        """Say what was found and dropped, or why nobody was found."""
        counts = [len(each) for each in self.detections()]
        if found := sum(counts):
            return (
                f"no person kept: {found} detection{'s' * (found > 1)} in {np.count_nonzero(counts)} of "
                f"{len(counts)} read frames dropped, as nobody is found twice"
            )
        notes = Counter(each.note for each in self.detections() if each.note)
        return ": ".join(["no person detected in any frame", *(note for note, _ in notes.most_common(1))])

    def _gathered(self) -> tuple[np.ndarray, ...]:
        """Return the answers for each slot and read frame: pooled, map means, keypoints, boxes."""
        places = np.argwhere(self.chosen >= 0).tolist()
        answers = [frame.answers[number] for frame, number in self.persons()]
        posed, at = answers[0]
        shape, size = self.chosen.shape, np.array(self.frames[-1].size_px)
        pooled = np.zeros((*shape, *posed.pooled.shape[1:]), np.float32)
        map_mean = np.zeros((*shape, *posed.map_mean.shape[1:]), np.float32)
        keypoints = np.zeros((*shape, posed.scores.shape[1], 3), np.float32)
        boxes = np.zeros((*shape, 4), np.float32)
        for (slot, frame), (posed, at) in zip(places, answers, strict=True):
            pooled[slot, frame], map_mean[slot, frame] = posed.pooled[at], posed.map_mean[at]
            # Relative to the frame, so that the store does not depend on the video's size.
            keypoints[slot, frame, :, :2] = 2 * posed.joints_xy_px[at] / size - 1
            keypoints[slot, frame, :, 2] = posed.scores[at]
            box_xyxy_px = self.frames[frame].detections.boxes_xyxy_px[self.chosen[slot, frame]]
            boxes[slot, frame] = box_xyxy_px / np.tile(size, 2)
        return pooled, map_mean, keypoints, boxes

    def _missing(self) -> np.ndarray | None:
        """Return which joints of those who fill slots are not given, (M, frames, V); None where all are."""
        posed = [frame.answers[number] for frame, number in self.persons()]
        lacking = [each.missing[at] for each, at in posed if each.missing is not None]
        if not lacking:
            return None
        missing = np.zeros((*self.chosen.shape, len(lacking[0])), np.bool_)
        missing[self.chosen >= 0] = lacking
        return missing

    def _placed(self, keypoints: np.ndarray, missing: np.ndarray | None) -> np.ndarray:
        """Return keypoints (M, frames, V, 3), those that are missing put between others, with score 0."""
        if missing is None or not missing.any():
            return keypoints
        times = np.array([each.time_s for each in self.frames])
        placed = keypoints.copy()
        for slot, filled in enumerate(self.chosen >= 0):
            points, given = keypoints[slot, filled, :, :2], ~missing[slot, filled]
            placed[slot, filled, :, :2] = place_missing(points, given, times[filled])
        return placed


def _joint_steps(
    plan: ResamplePlan, values: np.ndarray, filled: np.ndarray, missing: np.ndarray | None
) -> np.ndarray:
    """Resample as `_steps`; a step of a joint mixes only frames in which that joint is not missing.

    (M, frames, V, ...), (M, frames), (M, frames, V) → (M, T, V, ...); 0 where all frames of a step lack it.
    """
    if missing is None or not missing.any():
        return _steps(plan, values, filled)
    per_joint = [
        _steps(plan, values[:, :, joint], filled & ~missing[:, :, joint]) for joint in range(values.shape[2])
    ]
    return np.stack(per_joint, axis=2)


def _steps(plan: ResamplePlan, values: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Resample each slot: (M, frames, ...) and (M, frames) → (M, T, ...)."""
    return np.stack([plan.apply_seen(*slot) for slot in zip(values, filled, strict=True)])
