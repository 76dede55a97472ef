"""Stage one against a plain rewrite of the published extractor's loop, by backend and clip length.

Usage: python -m benchmarks.stage_one [--video REAL.mp4] [--backends hrnet-simcc …] [--frames 100 300 1000]
           [--device cuda] [--runtimes torch openvino]

Both sides run the same networks on the same video in one process; the detector's time counts, its boxes are
replaced by one fixed box, because its weights are random. "Floor": what the networks would take for the
frames that a side reads, at the rate that the machine reaches on a plain product of matrices of that type.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.material import make_video
from benchmarks.networks import BACKENDS, estimator
from benchmarks.published_loop import Step, published_loop, published_step
from heatpool.extract.engine.engine import ClipJob, EngineOptions, extract_clips
from heatpool.extract.engine.estimators import PoseEstimator
from heatpool.extract.networks.runtime.runner import Runtime
from heatpool.pipelines.extraction.choose import usual_frame_batch
from heatpool.pipelines.process.malloc import keep_heap

STEPS = 64
WARM_UP = 8
HEADS = ("backend", "frames", "loop", "seconds", "frames/s", "ratio", "floor s", "floor / seconds")
SIZES_WH = {"tiny": (256, 192)}
FULL_HD = (1920, 1080)


@dataclass(frozen=True)
class Side:
    """One of the loops.

    Attributes:
        name: in the table.
        dtype: of the networks.
        reads: frames of a clip at most, None for all.
        run: extracts a video.
    """

    name: str
    dtype: torch.dtype
    reads: int | None
    run: Callable[[Path], object]


def ours(video: Path, network: PoseEstimator, frame_batch: int) -> np.ndarray:
    """Extract with the engine. Returns (STEPS, V, C)."""
    options = EngineOptions(persons=1, steps=STEPS, frame_batch=frame_batch, person_batch=32)
    features = extract_clips([ClipJob(0, video)], options, estimator=network)[0].features
    assert features is not None
    return features.pooled[0]


def clock(run: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of one run."""
    begun = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def matrix_rate(dtype: torch.dtype, device: torch.device) -> float:
    """Return the floating-point operations a second of a plain product of large matrices, best of five."""
    side = 8192 if device.type == "cuda" else 2048
    one, two = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / min(clock(lambda: one @ two, device) for _ in range(5))


def flops_of_frame(step: Step, width_px: int, height_px: int) -> float:
    """Count the multiplications and additions of a frame with one person: all convolutions and products."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        step(np.zeros((height_px, width_px, 3), np.uint8))
    return float(counter.get_total_flops())


def sides(
    backend: str,
    step: Step,
    device: torch.device,
    *,
    dtypes: Iterable[torch.dtype],
    runtimes: Iterable[Runtime],
) -> Iterator[Side]:
    """Give the published loop and heatpool's, which reads no more than two frames a step."""
    yield Side("published", torch.float32, None, lambda video: published_loop(video, step, steps=STEPS))
    for dtype, runtime in itertools.product(dtypes, runtimes):
        if dtype != torch.float32 and (backend == "tiny" or runtime == "onnxruntime"):
            continue
        network = estimator(backend, device=device, dtype=dtype, runtime=runtime)
        name = f"heatpool, {runtime}, {str(dtype)[6:]}"
        batch = usual_frame_batch(backend, device.type)
        yield Side(name, dtype, 2 * STEPS, partial(ours, network=network, frame_batch=batch))


def measure(backend: str, options: argparse.Namespace, rates: dict[torch.dtype, float]) -> None:
    """Print a backend's rows."""
    device, (width, height) = torch.device(options.device), SIZES_WH.get(backend, FULL_HD)
    step = published_step(backend, device=device)
    work = flops_of_frame(step, width, height)
    published: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        warm_up, *videos = (
            make_video(Path(folder) / f"{n}.mp4", n, source=options.video, width_px=width, height_px=height)
            for n in (WARM_UP, *options.frames)
        )
        for side in sides(backend, step, device, dtypes=rates, runtimes=options.runtimes):
            side.run(warm_up)
            for frames, video in zip(options.frames, videos, strict=True):
                seconds = clock(lambda: side.run(video), device)  # noqa: B023
                ratio = published.setdefault(frames, seconds) / seconds
                floor = min(frames, side.reads or frames) * work / rates[side.dtype]
                cells = f"{seconds:.1f} | {frames / seconds:.1f} | {ratio:.2f} | {floor:.1f}"
                print(f"| {backend} | {frames} | {side.name} | {cells} | {floor / seconds:.0%} |", flush=True)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--video", type=Path, help="real video to take pictures from")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument("--frames", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runtimes", nargs="+", choices=get_args(Runtime), default=["torch"])
    options = parser.parse_args()
    keep_heap()  # as `heatpool extract` does; it helps both sides
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    fast = torch.float16 if device.type == "cuda" else torch.bfloat16
    rates = {dtype: matrix_rate(dtype, device) for dtype in (torch.float32, fast)}
    said = ", ".join(f"{str(dtype)[6:]} {rate / 1e9:,.0f}" for dtype, rate in rates.items())
    print(f"| a product of matrices, GFLOP/s |\n|---|\n| {said} |\n")
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    for backend in options.backends:
        measure(backend, options, rates)


if __name__ == "__main__":
    main()
