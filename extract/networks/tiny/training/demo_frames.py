"""Frames of the demo data set's own clips, decoded from the rendered videos: a test set, never trained on."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import av
import numpy as np
from tqdm import tqdm

from heatpool.extract.demo.clip import ClipPlan, render_clip
from heatpool.extract.demo.dataset import DemoSpec
from heatpool.extract.demo.stills import People
from heatpool.extract.networks.tiny.training.rendering import RenderedSet

__all__ = ["demo_frames"]


def demo_frames(folder: Path, *, every_clip: int, every_frame: int, workers: int) -> RenderedSet:
    """Render some demo clips to video and take some of their frames.

    Args:
        folder: where videos, ground truth and the frame file are put.
        every_clip: take each n-th clip; not divisible by 3 it mixes the cameras.
        every_frame: take each n-th frame of a clip.
        workers: processes.
    """
    plans = DemoSpec().clips()[::every_clip]
    job = partial(_frames_of_clip, folder=folder, every_frame=every_frame)
    images, people = [], []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for frames, found in tqdm(pool.map(job, plans), total=len(plans), desc="demo clips", unit="clip"):
            images.append(frames)
            people += found
    path = folder / "frames_demo.npy"
    np.save(path, np.concatenate(images))
    return RenderedSet(path, tuple(people))


def _frames_of_clip(plan: ClipPlan, *, folder: Path, every_frame: int) -> tuple[np.ndarray, list[People]]:
    """Render, encode and decode one clip in a worker process."""
    name = render_clip(plan, folder=folder)
    with av.open(str(folder / f"{name}.mp4")) as container:
        frames = np.stack(
            [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][::every_frame]
        )
    with np.load(folder / f"{name}.npz") as truth:
        rows = zip(truth["joints_xy_px"], truth["visible"], truth["boxes_xyxy_px"], strict=True)
        people = [People(*row) for row in rows][::every_frame]
    return frames, people
