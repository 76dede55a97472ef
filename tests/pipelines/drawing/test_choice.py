from __future__ import annotations

from pathlib import Path

import numpy as np

from heatpool.extract.engine.slots import select_tracked
from heatpool.extract.video.reader import VideoInfo
from heatpool.pipelines.drawing.choice import choose_persons
from heatpool.pipelines.drawing.detection_pass import DetectionPass
from heatpool.pipelines.drawing.scene import Scene
from tests.extract.engine.test_slots import people


def test_joints_are_looked_at_as_in_an_extraction() -> None:
    """Of two side by side the larger one has poor joints; four frames of each are posed to see that."""
    count = 20
    found = [people((100, 100, 60, 120, 0.9), (300, 100, 40, 80, 0.8)) for _ in range(count)]
    info = VideoInfo(0, count, 0, count, 25.0, 400, 200, "", np.arange(count) / 25)
    detected = DetectionPass(Path("a.mp4"), info, np.arange(count), info.times_s, (400, 200), found)
    asked: list[np.ndarray] = []

    def pose(chosen: np.ndarray) -> Scene:
        asked.append(chosen)
        scene = Scene.empty(len(chosen), count, 17)
        scene.scores[:] = np.where(chosen == 0, 0.1, 0.9)[..., None]
        return scene

    chosen = choose_persons(detected, select_tracked, 1, pose)
    (looked_at,) = asked
    assert np.sort(looked_at, 0).tolist() == [
        [0 if seen else -1 for seen in (looked_at >= 0).any(0)],
        [1 if seen else -1 for seen in (looked_at >= 0).any(0)],
    ]
    assert (looked_at >= 0).sum(1).tolist() == [4, 4]
    assert set(chosen[0].tolist()) <= {1, -1}
    assert (chosen[0] == 1).sum() >= count - 1
