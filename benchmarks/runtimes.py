"""What runs a network on a CPU: time, start, memory, and how far joints and pooled features are from torch's.

Usage: python -m benchmarks.runtimes [--video REAL.mp4] [--weights yolo11n-pose.pt] [--networks HRNet-W48 …]
           [--threads 2] [--seconds 3] [--onnx pose.onnx --tap NAME]

Networks are those of benchmarks/networks.py; with --weights yolo11n-pose has real ones. With --onnx a pose
network in a file is measured instead, against itself in onnxruntime. yolo11n-pose takes frames of the video,
the others crops of its middle; without a video both are noise. Times are the least of the rounds, ratios
against the first row, at the same batch. "Export" is the first start ever, "open" every
later one, "MiB" what opening and running adds to the process. Differences are from torch in float32: joints
in pixels of frame or crop, pooled features as a share of the largest.
"""

from __future__ import annotations

import argparse
import copy
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from benchmarks.networks import fixed_box, hrnet, vitpose, yolo_pose
from heatpool.extract.networks.crops import crop_affines, crop_boxes
from heatpool.extract.networks.hrnet.backbone import HRNetBackbone
from heatpool.extract.networks.hrnet.network import HRNetSimCC
from heatpool.extract.networks.onnx import OnnxBackbone
from heatpool.extract.networks.onnx_network import FileRuntime
from heatpool.extract.networks.runtime.runner import Runtime
from heatpool.extract.networks.tiny import load_tiny_backbone
from heatpool.extract.networks.ultralytics import LoadedModel, load_ultralytics
from heatpool.extract.networks.yolo_pose import YoloPose
from heatpool.extract.records import Frame, FramePersons, PoseBackbone
from heatpool.extract.video.reader import iter_frames, probe
from heatpool.pipelines.process.malloc import keep_heap
from heatpool.pool.pooling import crop_to_norm, feedback_pool
from heatpool.pool.skeleton import COCO17_SKELETON

NETWORKS = ("yolo11n-pose", "HRNet-W48", "ViTPose-B", "tiny")
SIDES: tuple[tuple[Runtime, torch.dtype], ...] = (
    ("torch", torch.float32),
    ("onnxruntime", torch.float32),
    ("openvino", torch.float32),
    ("torch", torch.bfloat16),
    ("openvino", torch.bfloat16),
)
BATCHES = (1, 8)
HEADS = ("network", "runtime", "dtype", *(f"ms at {n}" for n in BATCHES), *(f"ratio at {n}" for n in BATCHES),
         "export s", "open s", "MiB", "joints px: largest, median", "pooled: largest, median")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network says of the pictures: box, joints and pooled features of each person."""

    boxes_xyxy_px: np.ndarray
    joints_xy_px: np.ndarray
    pooled: np.ndarray


class Network:
    """One network, run by one runtime.

    Args:
        build: makes it.
        frames: it is shown.
    """

    def __init__(self, build: Callable[[], PoseBackbone | YoloPose], frames: Sequence[Frame]) -> None:
        self._network = build()
        self._prepared: Any = [self._prepare(each) for each in frames]

    def _prepare(self, frame: Frame) -> Any:
        if isinstance(self._network, YoloPose):
            return self._network.prepare(frame)
        boxes, spec = fixed_box(*frame.rgb.shape[1::-1]), self._network.crop
        return torch.from_numpy(crop_boxes(frame.rgb, crop_affines(boxes, spec), spec)[0])

    def run(self, count: int) -> Any:
        """Answer for some of the frames."""
        some = self._prepared[:count]
        if isinstance(self._network, YoloPose):
            return self._network.estimate(some)
        return self._network.forward(torch.stack(some))

    def answers(self) -> Answers:
        """Answer for all frames."""
        found = self.run(len(self._prepared))
        if isinstance(self._network, YoloPose):
            return _of_frames(found)
        spec = self._network.crop
        norm = crop_to_norm(found.joints_xy_px, width_px=spec.width_px, height_px=spec.height_px)
        pooled = feedback_pool(found.maps[0], norm)
        places = np.arange(len(pooled), dtype=np.float32)[:, None].repeat(4, 1)
        return Answers(places, found.joints_xy_px.numpy(), pooled.numpy())


def _of_frames(found: Sequence[FramePersons]) -> Answers:
    """Join the persons of frames; those of later frames lie far away."""
    boxes = [each.detections.boxes_xyxy_px + 10_000.0 * at for at, each in enumerate(found)]
    joints, pooled = [each.joints_xy_px for each in found], [each.pooled for each in found]
    return Answers(np.concatenate(boxes), np.concatenate(joints), np.concatenate(pooled))


def builder(
    name: str, given: argparse.Namespace, *, runtime: Runtime, dtype: torch.dtype
) -> Callable[[], PoseBackbone | YoloPose]:
    """Return what makes a network."""
    if name not in NETWORKS:
        file_runtime: FileRuntime = "openvino" if runtime == "openvino" else "onnxruntime"
        rough = dtype == torch.bfloat16
        return lambda: OnnxBackbone(given.onnx, (given.tap,), runtime=file_runtime, bfloat16=rough)
    options: Any = {"runtime": runtime, "dtype": dtype}
    if name == "yolo11n-pose":
        loaded = load_ultralytics(given.weights) if given.weights else None
        loaded = loaded or LoadedModel(yolo_pose(), (0,), COCO17_SKELETON, 640, "")
        return lambda: YoloPose(loaded, **options)
    if name == "HRNet-W48":
        network = copy.deepcopy(_hrnet())  # it is changed in place
        return lambda: HRNetBackbone(network, **options)
    if name == "ViTPose-B":
        return lambda: vitpose(**options)
    return lambda: load_tiny_backbone(runtime=runtime)


@cache
def _hrnet() -> HRNetSimCC:
    return hrnet(48)


def differences(found: Answers, exact: Answers) -> str:
    """Return two cells: how far joints and pooled features of the same persons are from the exact ones."""
    joints, pooled = [], []
    for at, box in enumerate(exact.boxes_xyxy_px):
        apart = np.abs(found.boxes_xyxy_px - box).max(1)
        if len(apart) and apart.min() < 20:
            twin = int(apart.argmin())
            joints.append(np.linalg.norm(found.joints_xy_px[twin] - exact.joints_xy_px[at], axis=1))
            pooled.append(np.abs(found.pooled[twin] - exact.pooled[at]) / np.abs(exact.pooled).max())
    if not joints:
        return "nobody | nobody"
    of_joints, of_pooled = np.concatenate(joints), np.concatenate(pooled)
    return " | ".join(f"{each.max():.1g}, {np.median(each):.1g}" for each in (of_joints, of_pooled))


def least_ms(run: Callable[[], object], seconds: float, *, images: int) -> float:
    """Return the least milliseconds an image takes."""
    best, end = float("inf"), time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < end:
        begun = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - begun)
    return best / images * 1000


def measure(name: str, options: argparse.Namespace, frames: Sequence[Frame]) -> None:
    """Print a network's rows."""
    exact: Answers | None = None
    base: dict[int, float] = {}
    for runtime, dtype in SIDES:
        if (name == "tiny" and dtype != torch.float32) or (name not in NETWORKS and runtime == "torch"):
            continue
        starts = []
        for _ in range(2):
            build = builder(name, options, runtime=runtime, dtype=dtype)
            before, begun = psutil.Process().memory_info().rss, time.perf_counter()
            network = Network(build, frames)
            network.run(1)
            starts.append(time.perf_counter() - begun)
        found = network.answers()
        exact = exact or found
        held = (psutil.Process().memory_info().rss - before) / 2**20
        times = {n: least_ms(lambda: network.run(n), options.seconds, images=n) for n in BATCHES}  # noqa: B023
        base = base or times
        cells = [f"{times[n]:.1f}" for n in BATCHES] + [f"{base[n] / times[n]:.2f}" for n in BATCHES]
        cells += [f"{starts[0]:.1f}", f"{starts[1]:.1f}", f"{held:.0f}", differences(found, exact)]
        print(f"| {name} | {runtime} | {str(dtype)[6:]} | {' | '.join(cells)} |", flush=True)


def pictures(video: Path | None) -> list[Frame]:
    """Return eight frames of a video, spread over its beginning, or of noise."""
    if video is None:
        rng = np.random.default_rng(0)
        return [Frame(0, at, 0.0, rng.integers(0, 255, (360, 640, 3), np.uint8)) for at in range(8)]
    info = probe(video)
    wanted = np.linspace(0, min(info.frames, 100) - 1, 8).astype(int)
    read = iter_frames(video, wanted, info=info)
    return [Frame(0, at, 0.0, each.rgb) for at, each in enumerate(read)]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--video", type=Path)
    parser.add_argument("--weights", type=Path, help="of yolo11n-pose; else random")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--onnx", type=Path, help="file of a pose network")
    parser.add_argument("--tap", help="map inside the file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each batch")
    options = parser.parse_args()
    keep_heap()  # as `heatpool extract` does; torch gains a quarter by it
    torch.set_num_threads(options.threads)
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder  # nothing is exported yet
        for name in [options.onnx.name] if options.onnx else options.networks:
            measure(name, options, pictures(options.video))


if __name__ == "__main__":
    main()
