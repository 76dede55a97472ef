"""heatpool against what a user may run in its place: the same video, weights and cores.

Usage: python -m benchmarks.peers [--video REAL.mp4] [--frames 100 300 3000]
           [--networks yolo11n-pose HRNet-W32] [--weights yolo11n-pose.pt] [--onnx pose.onnx]

yolo11n-pose: ultralytics' `predict` and `track`, streaming the video, against `--backend yolo-pose`. HRNet
of width 32 with SimCC heads in one ONNX file: rtmlib's RTMPose against `--backend onnx`, one fixed box in
every frame on both sides. heatpool goes on to pooled features; the others stop at joints. Every row is a
process of its own: it loads its weights ("start"), takes a clip of 8 frames to warm up, and then the one
that counts.

Where the official weights are not on this machine (`heatpool weights fetch yolo11n-pose.pt`), they are
random. rtmlib is left out where it is not installed: `pip install --no-deps rtmlib`, because one of its
dependencies is a second OpenCV.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch

from benchmarks.material import make_video
from benchmarks.memory import largest_resident_mb
from benchmarks.peer_sides import HRNET, OURS, SIDES, YOLO, Side, export_hrnet, missing_packages
from benchmarks.yolo_parity import random_network
from heatpool.pipelines.extraction.weights_search import WeightsSearchPath
from heatpool.pipelines.process.device import available_cores

WARM_UP = 8
HEADS = (
    "network",
    "program",
    "frames",
    "read",
    "seconds",
    "frames/s",
    "heatpool is",
    "MB at the peak",
    "start s",
)
FULL_HD = (1920, 1080)


@dataclass(frozen=True)
class Measured:
    """One row.

    Attributes:
        read: frames of the clip that were read.
        seconds: for the clip.
        start_s: importing, loading the weights and warming up.
        peak_mb: largest resident size of the process.
    """

    read: int
    seconds: float
    start_s: float
    peak_mb: float

    def cells(self, frames: int, ours: Measured) -> list[str]:
        """Return the cells behind the name of the program, for a clip of so many frames."""
        times = "" if ours is self else f"{self.seconds / ours.seconds:.2f} ×"
        rate = f"{frames / self.seconds:.1f}"
        numbers = [f"{self.seconds:.1f}", rate, times, f"{self.peak_mb:.0f}", f"{self.start_s:.1f}"]
        return [f"{frames:,}", f"{self.read:,}", *numbers]


def measure(side: Side, weights: Path, warm_up: Path, video: Path) -> Measured:
    """Run a side on a video, in this process."""
    begun = time.perf_counter()
    # Importing ultralytics put OMP_NUM_THREADS=1 into the environment that this process has from its parent.
    torch.set_num_threads(available_cores())
    run = side.load(weights)
    run(warm_up)
    ready = time.perf_counter()
    read = run(video)
    return Measured(read, time.perf_counter() - ready, ready - begun, largest_resident_mb())


def measure_apart(side: Side, weights: Path, warm_up: Path, video: Path) -> Measured:
    """Run a side in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, side, weights, warm_up, video).result()


def weights_of(network: str, options: argparse.Namespace, folder: Path) -> Path:
    """Return the file of a network's weights, made if there is none."""
    if network == HRNET:
        return options.onnx or export_hrnet(folder / "hrnet.onnx")
    official = WeightsSearchPath.of_machine().find("yolo11n-pose.pt")
    return options.weights or official or random_network("yolo11n-pose.yaml", folder / "random.pt")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--video", type=Path, help="real video to take pictures from")
    parser.add_argument("--frames", type=int, nargs="+", default=[100, 300, 3000])
    parser.add_argument("--networks", nargs="+", choices=(YOLO, HRNET), default=[YOLO, HRNET])
    parser.add_argument("--weights", type=Path, help="checkpoint of a YOLO pose network")
    parser.add_argument("--onnx", type=Path, help="file of `export_hrnet`")
    options = parser.parse_args()
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    with tempfile.TemporaryDirectory() as folder:
        warm_up, *videos = (
            make_video(
                Path(folder) / f"{n}.mp4", n, source=options.video, width_px=FULL_HD[0], height_px=FULL_HD[1]
            )
            for n in (WARM_UP, *options.frames)
        )
        for network in options.networks:
            weights = weights_of(network, options, Path(folder))
            sides = [side for side in SIDES if side.network == network and not missing_packages(side)]
            for frames, video in zip(options.frames, videos, strict=True):
                found = {side.program: measure_apart(side, weights, warm_up, video) for side in sides}
                for program, measured in found.items():
                    cells = [network, program, *measured.cells(frames, found[OURS])]
                    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
