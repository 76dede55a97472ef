"""Clips that benchmarks share: a part of the demo data set, rendered anew, and videos of any length."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from heatpool.extract.demo.dataset import DemoSpec, render_demo
from heatpool.extract.demo.stills import render_still
from heatpool.extract.video.reader import iter_frames, probe
from heatpool.pipelines.process.device import available_cores

__all__ = ["demo_manifest", "encode", "make_video"]


def demo_manifest(folder: Path, *, clips: int) -> Path:
    """Render demo clips (256 x 192, about 66 frames), 36 a person, all that `clips` needs; return the CSV.

    It lists whole people, so it may hold more than `clips`: use `--limit`.
    """
    people = -(-clips // 36)
    return render_demo(DemoSpec(subjects=tuple(range(1, people + 1))), folder, workers=available_cores())


def make_video(path: Path, frames: int, *, source: Path | None, width_px: int, height_px: int) -> Path:
    """Encode H.264 of `frames` frames: those of a real video to and fro, or rendered ones."""
    if source is not None:
        info = probe(source)
        pictures = [each.rgb for each in iter_frames(source, np.arange(min(info.frames, 60)), info=info)]
    else:
        rng = np.random.default_rng(0)
        pictures = [render_still(rng).rgb for _ in range(8)]
    pictures = [cv2.resize(picture, (width_px, height_px)) for picture in pictures]
    return encode(path, itertools.islice(itertools.cycle([*pictures, *pictures[-2:0:-1]]), frames))


def encode(path: Path, pictures: Iterable[NDArray[np.uint8]]) -> Path:
    """Encode H.264 of pictures (height, width, 3), uint8 RGB, all of one size, at 30 frames a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.pix_fmt, stream.options = "yuv420p", {"preset": "veryfast"}
        for number, picture in enumerate(pictures):
            if not number:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path
