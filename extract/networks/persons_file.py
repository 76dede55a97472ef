"""A detector that answers with persons from a file: boxes, and who they are and joints where it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from heatpool.extract.records import Detections, Frame, GivenJoints
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.records import PoseVideo

__all__ = ["PersonsFile"]


class PersonsFile:
    """Persons from a file; their boxes are cut at the edge of the picture, and those outside it are left out.

    Numbers of a picture of another size of the same proportions are scaled to the frame.

    Args:
        of_clip: gives the persons of the video of a `Frame.clip`, with boxes; it may raise HeatpoolError.
        source: name of the file, for messages.
        noun: what it holds, for messages.
        min_score: persons below are left out.
    """

    def __init__(
        self,
        of_clip: Callable[[int], PoseVideo],
        source: str,
        *,
        noun: str = "boxes",
        min_score: float = 0.0,
    ) -> None:
        self._of_clip, self._source, self._noun, self._min_score = of_clip, source, noun, min_score

    def prepare(self, frame: Frame) -> Frame:
        """Return the frame."""
        return frame

    def detect(self, prepared: Sequence[Frame]) -> list[Detections]:
        """Return the persons of each frame, the surest first; where there is none, why."""
        return [self._detect(frame) for frame in prepared]

    def _detect(self, frame: Frame) -> Detections:
        try:
            given = self._of_clip(frame.clip)
        except HeatpoolError as error:
            return _nobody(str(error))
        height, width = frame.rgb.shape[:2]
        scale = given.scale_to(width, height)
        if scale is None:
            return _nobody(
                f"its {self._noun} in {self._source} are of a picture of {given.width_px} x "
                f"{given.height_px} pixels, its own has {width} x {height}"
            )
        assert given.box_xyxy_px is not None, "whoever gives persons gives boxes"
        first, end = np.searchsorted(given.frame, (frame.index, frame.index + 1))
        rows = np.arange(first, end)[given.score[first:end] >= self._min_score]
        rows = rows[np.argsort(-given.score[rows], kind="stable")]
        boxes = given.box_xyxy_px[rows] * np.tile(scale, 2).astype(np.float32)
        cut = boxes.clip(0, np.array([width, height, width, height], np.float32))
        inside = np.flatnonzero((cut[:, 2:] > cut[:, :2]).all(1))
        if not len(inside):
            return _nobody(self._why_none(given, len(rows), f"{width} x {height}"))
        rows = rows[inside]
        joints = GivenJoints(given.joints[rows] * np.array(scale, np.float32), given.joint_score[rows])
        return Detections(
            cut[inside],
            given.score[rows],
            tracks=given.track[rows],
            joints=joints if given.joints.shape[1] else None,
        )

    def _why_none(self, given: PoseVideo, outside: int, size: str) -> str:
        what = f"{self._noun} in {self._source}"
        if outside:
            return f"its {what} lie outside the picture of {size} pixels"
        strong = given.frame[given.score >= self._min_score]
        if len(strong):
            return f"its {what} are of other frames, from {strong[0]} to {strong[-1]}"
        if len(given):
            return f"its {len(given)} {what} are below --min-score"
        return f"{self._source} has no {self._noun} for it"


def _nobody(note: str) -> Detections:
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), note)
