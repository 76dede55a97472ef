"""Where stage one's time goes: shares of the processor's time, by backend, on the real engine.

Usage: python -m benchmarks.stages [--video REAL.mp4] [--backends tiny hrnet-simcc] [--frames 103]

The engine runs with one thread for the networks; calls are wrapped and their threads' own processor time is
added up, so that what runs at the same time is not counted twice, and shares add up to all that the process
took ("rest": what no wrapped call explains). tiny sees demo clips; the others, with random weights, the video
or else rendered frames. Their detector (yolo11n at 640 pixels) is run and then answers with one fixed box;
vitpose is ViTPose-B, yolo-pose is yolo26s-pose.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import torch

from benchmarks.material import demo_manifest, make_video
from benchmarks.networks import BACKENDS
from benchmarks.networks import estimator as build_estimator
from heatpool.extract.datasets.manifest import read_manifest
from heatpool.extract.engine import device, estimators
from heatpool.extract.engine.clip_state import ClipState
from heatpool.extract.engine.engine import ClipJob, Engine, EngineOptions, Outcome, extract_clips
from heatpool.extract.engine.estimators import OneStage, PoseEstimator, TopDown
from heatpool.extract.video import readahead
from heatpool.extract.video.display import Display
from heatpool.pipelines.extraction.choose import usual_frame_batch
from heatpool.pipelines.process.malloc import keep_heap
from heatpool.pool.records import ClipIndex
from heatpool.pool.store.spec import StoreSpec
from heatpool.pool.store.writer import StoreWriter

STAGES = ("decode", "convert", "letterbox", "detect", "crop", "pose", "pool", "write")
_HOST_WORK = ("_keep", "_choose_slots", "_finish")


@dataclass
class Shares:
    """Processor seconds by stage, frames that were converted and people who were posed."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    frames: int = 0
    people: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def timed(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a call so that its thread's processor time counts for a stage."""

        def wrapped(*given: Any, **named: Any) -> Any:
            begun = time.thread_time()
            try:
                return call(*given, **named)
            finally:
                spent = time.thread_time() - begun
                with self._lock:
                    self.seconds[stage] += spent
                    self.frames += stage == "convert"

        return wrapped

    def counted(self, pose: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap `PoseEstimator.pose` so that people are counted."""

        def wrapped(estimator: PoseEstimator, chosen: Sequence[Any]) -> Any:
            self.people += len(chosen)
            return pose(estimator, chosen)

        return wrapped


def profile(
    estimator: PoseEstimator, jobs: Sequence[ClipJob], engine: EngineOptions, folder: Path
) -> tuple[Shares, float, float]:
    """Extract and write clips; return processor seconds by stage, those in all, and seconds on the clock."""
    shares = Shares()
    with ExitStack() as stack:

        def wrap(stage: str, place: Any, name: str) -> None:
            stack.enter_context(patch.object(place, name, shares.timed(stage, getattr(place, name))))

        wrap("decode", readahead, "_decode_clips")  # all that decoding threads do, converting included
        wrap("convert", Display, "show")
        wrap("letterbox", type(estimator), "prepare")
        wrap("crop", estimators, "crop_boxes")
        wrap("pool", ClipState, "outcome")
        for place, name in ((device, "_advance"), *((Engine, each) for each in _HOST_WORK)):
            wrap("threads", place, name)  # all that the engine's threads do
        stack.enter_context(patch.object(type(estimator), "pose", shares.counted(type(estimator).pose)))
        if isinstance(estimator, TopDown):
            wrap("detect", type(estimator._detector), "detect")
            wrap("pose", type(estimator._backbone), "forward")
            wrap("pool", TopDown, "_pool")
        else:
            wrap("pose", type(estimator), "detect")
        process, thread, begun = time.process_time(), time.thread_time(), time.perf_counter()
        outcomes = extract_clips(jobs, engine, estimator=estimator)
        extracted = time.process_time()
        # The networks have one thread: what neither ours nor decoding threads did, FFmpeg's own did.
        ours = time.thread_time() - thread + shares.seconds["decode"] + shares.seconds["threads"]
        in_decode = shares.seconds["convert"] + shares.seconds["letterbox"]
        shares.seconds["decode"] += extracted - process - ours - in_decode
        write(outcomes, estimator, folder)
        shares.seconds["write"] = time.process_time() - extracted
        total, seconds = time.process_time() - process, time.perf_counter() - begun
    return shares, total, seconds


def write(outcomes: Sequence[Outcome], estimator: PoseEstimator, folder: Path) -> None:
    """Write the clips as one shard of a store."""
    spec = StoreSpec(2, 64, estimator.joints, estimator.channels, "benchmark", "", "", {})
    names = tuple(map(str, range(len(outcomes))))
    index = ClipIndex(names, names, np.full(len(names), -1, np.int32), ())
    with StoreWriter.create(folder / "a.zarr", spec=spec, index=index, overwrite=True) as writer:
        writer.write_shard(0, [each.features for each in outcomes], [each.result for each in outcomes])


def row(backend: str, estimator: PoseEstimator, jobs: Sequence[ClipJob], folder: Path) -> list[str]:
    """Return the table's cells of a backend; a few frames of a clip warm it up."""
    engine = EngineOptions(frame_batch=usual_frame_batch(backend, "cpu"))
    extract_clips([replace(jobs[0], end_s=0.2)], engine, estimator=estimator)
    shares, total, seconds = profile(estimator, jobs, engine, folder)
    known = [shares.seconds[stage] for stage in STAGES]
    spent = [*known, total - sum(known)]
    of_people = sum(shares.seconds[stage] for stage in ("crop", "pose", "pool"))
    of_frames = total - of_people
    if isinstance(estimator, OneStage):
        of_frames, of_people = total, 0.0  # one pass, however many people there are
    return [
        backend,
        f"{len(jobs)}, {shares.frames}",
        *(f"{each / total:.1%}" for each in spent),
        f"{total:.1f}",
        f"{seconds:.1f}",
        f"{1000 * of_frames / shares.frames:.2f}",
        f"{1000 * of_people / shares.people:.2f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--video", type=Path, help="real video for all but tiny")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument("--frames", type=int, default=103, help="of the clip that the large networks see")
    parser.add_argument("--clips", type=int, default=36, help="demo clips for tiny")
    options = parser.parse_args()
    keep_heap()  # as `heatpool extract` does
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    heads = ["backend", "clips, frames read", *STAGES, "rest", "CPU s", "s", "ms a frame", "ms a person"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for backend in options.backends:
            if backend == "tiny":
                clips = read_manifest(demo_manifest(folder / "demo", clips=options.clips)).clips
                jobs = [ClipJob(at, clip.path) for at, clip in enumerate(clips[: options.clips])]
            else:
                size = {"width_px": 1920, "height_px": 1080}
                clip = make_video(folder / "clip.mp4", options.frames, source=options.video, **size)
                jobs = [ClipJob(0, clip)]
            print(f"| {' | '.join(row(backend, build_estimator(backend), jobs, folder))} |", flush=True)


if __name__ == "__main__":
    main()
