"""Where persons are: an ultralytics network, or the whole frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heatpool.extract.networks.ultralytics import PersonNetwork
from heatpool.extract.records import Detections, Frame

__all__ = ["FullFrame", "UltralyticsDetector"]


class FullFrame:
    """One person that fills the frame: for clips that are cut out already."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return the frame itself as the only box of each frame."""
        found = []
        for frame in frames:
            height, width = frame.rgb.shape[:2]
            box = np.array([[0, 0, width, height]], np.float32)
            found.append(Detections(box, np.ones(1, np.float32)))
        return found


class UltralyticsDetector(PersonNetwork):
    """A person detector of the ultralytics family."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Run the network on frames."""
        return self.run(frames, lambda image: image.place.detections(image.rows.cpu().numpy())[0])
