"""The timeline: where a class is, its colour is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from heatpool.pipelines.training.prediction.records import Segment
from heatpool.pipelines.training.prediction.timeline import class_colours, write_timeline


def test_each_class_has_its_colour_where_it_happens(tmp_path: Path) -> None:
    segments = [
        Segment("a.mp4", 0, 60, "wave", 1.0),
        Segment("a.mp4", 60, 80, "clap $x$", 1.0),
        Segment("b.mp4", 40, 80, "wave", 1.0),
    ]
    write_timeline(tmp_path / "timeline.png", segments, overwrite=False)
    rgb = np.asarray(Image.open(tmp_path / "timeline.png").convert("RGB")).astype(int)
    wave, clap = (
        (np.abs(rgb - np.array(colour[:3]) * 255).max(-1) < 3) for colour in class_colours(segments).values()
    )
    bars = wave[: rgb.shape[0] // 2].sum(1).max(), clap[: rgb.shape[0] // 2].sum(1).max()
    assert bars[0] / bars[1] == np.round(3 * 1.0) or abs(bars[0] / bars[1] - 3) < 0.15  # 60 s and 20 s
    columns = np.flatnonzero(clap.any(0))
    assert columns[-1] > 0.9 * rgb.shape[1] > columns[0]  # the last quarter of the first row


def test_more_classes_than_the_eye_tells_apart_share_grey(tmp_path: Path) -> None:
    segments = [Segment("a.mp4", n, n + 1 + (99 - n) / 100, f"class {n}", 0.9) for n in range(0, 50, 2)]
    colours = list(class_colours(segments).values())
    assert len(set(colours[:19])) == 19
    assert len(set(colours[19:])) == 1
    assert colours[19] not in colours[:19]
    write_timeline(tmp_path / "timeline.png", segments, overwrite=False)
    write_timeline(tmp_path / "none.png", [], overwrite=False)
    assert Image.open(tmp_path / "none.png").width == Image.open(tmp_path / "timeline.png").width


def test_long_names_stay_inside_the_picture(tmp_path: Path) -> None:
    segments = [Segment("a.mp4", n, n + 1, f"{n} Wwwwwwwww mmmmmmmmm wwwwwwwwwwwww", 0.9) for n in range(12)]
    write_timeline(tmp_path / "timeline.png", segments, overwrite=False)
    picture = np.asarray(Image.open(tmp_path / "timeline.png").convert("L"))
    assert (picture[picture.shape[0] // 2 :, -3:] == 255).all()
    assert (picture[picture.shape[0] // 2 :] < 100).any()
