"""Who of a video's persons is drawn: the slots are filled as in an extraction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from heatpool.extract.engine.slots import Selection
from heatpool.pipelines.drawing.detection_pass import DetectionPass
from heatpool.pipelines.drawing.scene import Scene

__all__ = ["choose_persons"]


def choose_persons(
    detected: DetectionPass, selection: Selection, persons: int, pose: Callable[[np.ndarray], Scene]
) -> np.ndarray:
    """Choose who fills the slots.

    Args:
        detected: of the video.
        selection: the rule.
        persons: M.
        pose: poses persons given as such an array; asked about a few frames where the rule needs to know.

    Returns:
        (M, F) int64, which detection fills a slot in a frame, -1 for none.
    """

    def joint_scores(asked: Sequence[tuple[int, int]]) -> np.ndarray:
        frames, numbers = np.array(asked).T
        rows = np.array([(frames[:at] == frame).sum() for at, frame in enumerate(frames)])
        looked_at = np.full((rows.max() + 1, len(detected.frames)), -1)
        looked_at[rows, frames] = numbers
        return np.asarray(pose(looked_at).scores[rows, frames].mean(1))

    return selection(detected.detections(), persons, joint_scores, times_s=detected.time_s)
