"""Where persons are: an ultralytics network, or the whole frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heatpool.extract.networks.letterbox import Letterboxed
from heatpool.extract.networks.ultralytics import PersonNetwork
from heatpool.extract.records import Detections, Detector, Frame

__all__ = ["FullFrame", "UltralyticsDetector", "detect_frames"]


class FullFrame:
    """One person that fills the frame: for clips that are cut out already."""

    def prepare(self, frame: Frame) -> Frame:
        """Return the frame."""
        return frame

    def detect(self, prepared: Sequence[Frame]) -> list[Detections]:
        """Return the frame itself as the only box of each frame."""
        found = []
        for frame in prepared:
            height, width = frame.rgb.shape[:2]
            box = np.array([[0, 0, width, height]], np.float32)
            found.append(Detections(box, np.ones(1, np.float32)))
        return found


class UltralyticsDetector(PersonNetwork):
    """A person detector of the ultralytics family."""

    def detect(self, prepared: Sequence[Letterboxed]) -> list[Detections]:
        """Run the network on frames."""
        return self.run(prepared, lambda image: image.place.detections(image.rows.cpu().numpy())[0])


def detect_frames(detector: Detector, frames: Sequence[Frame]) -> list[Detections]:
    """Prepare frames and detect their persons, one after the other in this thread."""
    return detector.detect([detector.prepare(frame) for frame in frames])
