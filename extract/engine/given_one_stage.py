"""A one-stage network that is read at joints out of a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from heatpool.extract.engine.estimators import OneStage
from heatpool.extract.records import Detections, Detector, Frame, FrameMaps, FramePersons

__all__ = ["GivenOneStage"]


class GivenOneStage(OneStage):
    """A network whose maps of whole frames are read at joints that a file gives.

    Args:
        detector: gives persons with joints.
        backbone: the network.
        joints: V of the given ones.
    """

    def __init__(self, detector: Detector, backbone: FrameMaps, *, joints: int) -> None:
        self._detector, self._maps = detector, backbone
        self.joints, self.channels = joints, backbone.channels

    def prepare(self, frame: Frame) -> tuple[Any, Any]:
        """Return what the detector and the network need."""
        return self._detector.prepare(frame), self._maps.prepare(frame)

    def detect(self, prepared: Sequence[tuple[Any, Any]]) -> list[FramePersons]:
        """Run the network on the frames with somebody in them."""
        found = self._detector.detect([of_detector for of_detector, _ in prepared])
        shown = [at for at, each in enumerate(found) if len(each)]
        pooled = self._maps.pool_given([prepared[at][1] for at in shown], [found[at] for at in shown])
        answers = dict(zip(shown, pooled, strict=True))
        return [answers[at] if at in answers else self._nobody(each) for at, each in enumerate(found)]

    def _nobody(self, found: Detections) -> FramePersons:
        joints = np.zeros((0, self.joints, 2), np.float32)
        pooled = np.zeros((0, self.joints, self.channels), np.float32)
        return FramePersons(found, joints, joints[..., 0], pooled, pooled[:, 0])
