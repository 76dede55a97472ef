"""Decoding alone: our reader against OpenCV's VideoCapture and PyAV as its documentation uses it.

Usage: python -m benchmarks.decode VIDEO... [--rounds 5] [--default-malloc]

Each way gives every frame of the file as RGB uint8 on the host, in the same process, one after the other in
turn; a figure is the median of the rounds. CPU is that of all threads. The last row reads only the frames
that 64 steps need, as an extraction does. That all ways give the same frames is checked: their mean
difference stays below two levels of 255. Freed memory is kept, as in `heatpool extract`; with
--default-malloc it is given back to the system, as a plain Python does.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from heatpool.extract.video.reader import iter_frames, probe
from heatpool.pipelines.process.malloc import keep_heap
from heatpool.pool.resample import ResamplePlan

Way = Callable[[Path], Iterator[np.ndarray]]


def with_opencv(path: Path) -> Iterator[np.ndarray]:
    capture = cv2.VideoCapture(str(path))
    while True:
        read, bgr = capture.read()
        if not read:
            return
        yield cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def with_pyav(path: Path) -> Iterator[np.ndarray]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def with_heatpool(path: Path) -> Iterator[np.ndarray]:
    info = probe(path)
    for frame in iter_frames(path, np.arange(info.frames), info=info):
        yield frame.rgb


def with_heatpool_steps(path: Path) -> Iterator[np.ndarray]:
    info = probe(path)
    for frame in iter_frames(path, ResamplePlan.linear(info.frames, 64).frames, info=info):
        yield frame.rgb


WAYS: dict[str, Way] = {
    "OpenCV": with_opencv,
    "PyAV, default": with_pyav,
    "heatpool": with_heatpool,
    "heatpool, T = 64": with_heatpool_steps,
}


def check_equal(path: Path) -> int:
    """Return the number of frames; all ways but the last must give as many, and the same ones."""
    frames = 0
    for pictures in zip(with_heatpool(path), with_opencv(path), with_pyav(path), strict=True):
        frames += 1
        for other in pictures[1:]:
            difference = cv2.absdiff(pictures[0], other).mean()
            if difference > 2:  # of 255: what rounding in the conversion of colours may differ by
                raise SystemExit(f"{path.name}: frame {frames - 1} differs by {difference:.1f} levels")
    return frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--default-malloc", action="store_true", help="give freed memory back to the system")
    options = parser.parse_args()
    if not options.default_malloc:
        keep_heap()  # as `heatpool extract` does; the others gain by it as well
    print(
        "| video | way | frames/s of the file | over OpenCV | CPU ms a frame |\n|---|---|---|---|---|",
        flush=True,
    )
    for path in options.videos:
        frames = check_equal(path)
        seconds: dict[str, list[float]] = {name: [] for name in WAYS}
        cpu_s: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(options.rounds):
            for name, way in WAYS.items():
                begun, cpu = time.perf_counter(), time.process_time()
                for _picture in way(path):
                    pass
                seconds[name].append(time.perf_counter() - begun)
                cpu_s[name].append(time.process_time() - cpu)
        middle = {name: statistics.median(each) for name, each in seconds.items()}
        info = probe(path)
        about = f"{path.name}, {info.width_px} x {info.height_px}, {frames} frames"
        for name, each in middle.items():
            cpu_ms = 1000 * statistics.median(cpu_s[name]) / frames
            cells = (about, name, f"{frames / each:,.0f}", f"{middle['OpenCV'] / each:.2f}", f"{cpu_ms:.2f}")
            print(f"| {' | '.join(cells)} |", flush=True)
            about = ""


if __name__ == "__main__":
    main()
