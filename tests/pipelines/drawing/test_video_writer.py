from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heatpool.extract.video.reader import probe
from heatpool.pipelines.drawing.video_writer import create_video
from heatpool.pool.errors import HeatpoolError


def test_a_video_keeps_the_times_and_is_whole_or_absent(tmp_path: Path) -> None:
    times_s = [2.0, 2.04, 2.04, 2.5, 3.7]
    with create_video(tmp_path / "a.mp4", size_px=(64, 48), fps=25) as writer:
        for time_s in times_s:
            writer.write(np.zeros((48, 64, 3), np.uint8), time_s)
    shown_s = probe(tmp_path / "a.mp4").times_s
    np.testing.assert_allclose(shown_s, np.array(times_s) - 2, atol=1e-3)
    assert (np.diff(shown_s) > 0).all()  # of two frames at one time the second comes a tick later
    with (
        pytest.raises(ZeroDivisionError),
        create_video(tmp_path / "b.mp4", size_px=(64, 48), fps=25) as writer,
    ):
        writer.write(np.zeros((48, 64, 3), np.uint8), 1 / 0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    nowhere = create_video(tmp_path / "a.mp4" / "c.mp4", size_px=(64, 48), fps=25)
    with pytest.raises(HeatpoolError, match="c.mp4: cannot be written"), nowhere as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8), 0.0)
