"""Stage one against a faithful rewrite of the published extractor's loop, and its memory by clip length.

Usage: python -m benchmarks.stage_one [--video REAL.mp4] [--width 48] [--frames 103 158 300] [--device cuda]
       python -m benchmarks.stage_one --memory

Both sides run the same detector (yolo11n's architecture) and the same HRNet-SimCC with weights made from the
tensors' names, on the same video in one process; the detector's time counts, its boxes are replaced by one
fixed box, because its weights are random too. The floor is the pose network's multiplications at the rate
that the machine reaches on a plain matrix product.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from torch.nn import functional
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.nms import non_max_suppression

from extract.crops import crop_affines
from extract.demo.samples import render_sample
from extract.detectors import FullFrame, UltralyticsDetector, letterbox
from extract.engine import ClipJob, ExtractOptions, extract_clips
from extract.hrnet.backbone import HRNetBackbone
from extract.hrnet.network import HRNetSimCC
from extract.posers import TopDown
from extract.records import CropSpec, Detections, Frame
from extract.tiny import load_tiny_backbone
from extract.video import iter_frames, probe
from tests.test_classify.deterministic_weights import fill_

STEPS = 64
PLACE = (0.3, 0.1, 0.7, 0.95)  # of the one box, as fractions of the frame
SPEC = CropSpec(height_px=256, width_px=192)
TAP = "stage4_branch1"
MEMORY_OF = ((1, 100), (1, 1_000), (1, 10_000), (64, 16), (256, 16))  # clips, frames each


def make_video(path: Path, frames: int, *, source: Path | None, width_px: int, height_px: int) -> Path:
    """Encode H.264 of `frames` frames: those of a real video to and fro, or rendered ones."""
    if source is not None:
        info = probe(source)
        pictures = [each.rgb for each in iter_frames(source, np.arange(min(info.frames, 60)), info=info)]
    else:
        rng = np.random.default_rng(0)
        pictures = [render_sample(rng).rgb for _ in range(8)]
    pictures = [cv2.resize(picture, (width_px, height_px)) for picture in pictures]
    to_and_fro = itertools.cycle([*pictures, *pictures[-2:0:-1]])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = width_px, height_px, "yuv420p"
        stream.options = {"preset": "veryfast"}
        for picture in itertools.islice(to_and_fro, frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def fixed_box(width_px: int, height_px: int) -> np.ndarray:
    """Return (1, 4) float32, the one person of every frame."""
    return np.array([PLACE], np.float32) * np.array([width_px, height_px, width_px, height_px], np.float32)


class FixedBox(UltralyticsDetector):
    """Runs the real detector and then answers with the one box."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return the one box of each frame."""
        super().detect(frames)
        score = np.ones(1, np.float32)
        return [Detections(fixed_box(*frame.rgb.shape[1::-1]), score) for frame in frames]


def yolo() -> DetectionModel:
    """Return yolo11n with random weights, fused."""
    torch.manual_seed(0)
    model = DetectionModel("yolo11n.yaml", nc=80, verbose=False)
    model.eval().fuse(verbose=False)
    return model


def hrnet(channels: int) -> HRNetSimCC:
    """Return HRNet-SimCC with weights made from its tensors' names."""
    network = HRNetSimCC(channels)
    fill_(network)
    return network


@torch.inference_mode()
def published(video: Path, detector: DetectionModel, network: HRNetSimCC, device: torch.device) -> np.ndarray:
    """Extract as the published loop does: frame by frame, crop by crop, every map copied to the host.

    The pose network is in training mode, as theirs is. Returns (STEPS, V, C).
    """
    mean, std = (torch.tensor(each, device=device).view(1, 3, 1, 1) for each in (SPEC.mean, SPEC.std))
    capture = cv2.VideoCapture(str(video))
    pooled = []
    while True:
        read, bgr = capture.read()
        if not read:
            break
        rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        boxed = torch.from_numpy(letterbox(rgb, 640)[0]).to(device).permute(2, 0, 1)[None].float() / 255
        non_max_suppression(detector(boxed)[0], 0.25, 0.6, classes=[0], nc=80)
        height, width = rgb.shape[:2]
        affine = crop_affines(fixed_box(width, height), SPEC, aspect=height / width)[0]
        crop = cv2.warpAffine(rgb, affine, (SPEC.width_px, SPEC.height_px), flags=cv2.INTER_LINEAR)
        normal = (torch.from_numpy(crop).to(device).permute(2, 0, 1)[None].float() / 255 - mean) / std
        output = network(normal, (TAP, "stage4_branch0", "stage4_branch2", "stage4_branch3"))
        maps = {name: each.cpu().numpy() for name, each in output.maps.items()}
        along_x, along_y = (each.cpu().numpy() for each in output.vectors)
        joints = np.stack([along_x.argmax(2), along_y.argmax(2)], 2) / 2
        grid = torch.from_numpy(joints / (96, 128) - 1).float()[:, None]
        sampled = functional.grid_sample(torch.from_numpy(maps[TAP]), grid, align_corners=True)
        pooled.append(sampled[0, :, 0].T)
    columns = torch.stack(pooled).flatten(1).T[None]
    steps = functional.interpolate(columns, STEPS, mode="linear", align_corners=False)[0].T
    return steps.view(STEPS, *pooled[0].shape).numpy()


def ours(
    video: Path, detector: DetectionModel, backbone: HRNetBackbone, device: torch.device, dtype: torch.dtype
) -> np.ndarray:
    """Extract with the engine. Returns (STEPS, V, C)."""
    finder = FixedBox(detector, image_px=640, device=device, dtype=dtype)
    poser = TopDown(finder, backbone, device=device)
    options = ExtractOptions(persons=1, steps=STEPS, frame_batch=32, person_batch=32)
    features = extract_clips([ClipJob(0, video)], options, poser=poser)[0].features
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


def flops(network: HRNetSimCC) -> float:
    """Count the multiplications and additions of one crop's convolutions and linear layers."""
    total = 0.0

    def count(module: torch.nn.Module, given: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        weights = next(module.parameters())
        total += 2 * output.numel() * weights[0].numel()

    counted = (torch.nn.Conv2d, torch.nn.Linear)
    hooks = [each.register_forward_hook(count) for each in network.modules() if isinstance(each, counted)]
    with torch.inference_mode():
        network(torch.zeros(1, 3, SPEC.height_px, SPEC.width_px))
    for hook in hooks:
        hook.remove()
    return total


def speed(arguments: argparse.Namespace) -> None:
    """Print frames a second of both sides by clip length."""
    device = torch.device(arguments.device)
    size = {"width_px": arguments.size[0], "height_px": arguments.size[1]}
    fast = torch.float16 if device.type == "cuda" else torch.bfloat16
    work = flops(hrnet(arguments.width))
    rates = {dtype: matrix_rate(dtype, device) for dtype in (torch.float32, fast)}
    rates_said = ", ".join(f"{str(dtype)[6:]} {rate / 1e9:,.0f} GFLOP/s" for dtype, rate in rates.items())
    print("| network | a crop | a matrix product |\n|---|---|---|")
    print(f"| HRNet-W{arguments.width} | {work / 1e9:.1f} GFLOP | {rates_said} |\n")
    print("| frames | loop | seconds | frames/s | ratio | of the matrix rate |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for frames in arguments.frames:
            video = make_video(Path(folder) / f"{frames}.mp4", frames, source=arguments.video, **size)
            network, finder = hrnet(arguments.width).train().to(device), yolo().to(device)
            published(video, finder, network, device) if device.type == "cuda" else None  # warm up
            base = clock(lambda: published(video, finder, network, device), device)  # noqa: B023
            row(frames, "published", base, base, frames * work / base / rates[torch.float32])
            for dtype in (torch.float32, fast):
                backbone = HRNetBackbone(hrnet(arguments.width), device=device, dtype=dtype)
                ours(video, yolo(), backbone, device, dtype) if device.type == "cuda" else None
                seconds = clock(lambda: ours(video, yolo(), backbone, device, dtype), device)  # noqa: B023
                posed = min(frames, 2 * STEPS)
                name = f"heatpool, {str(dtype)[6:]}"
                row(frames, name, seconds, base, posed * work / seconds / rates[dtype])


def row(frames: int, name: str, seconds: float, base: float, share: float) -> None:
    """Print one row of the table."""
    rate, ratio = frames / seconds, base / seconds
    print(f"| {frames} | {name} | {seconds:.1f} | {rate:.2f} | {ratio:.2f} | {share:.0%} |", flush=True)


def memory(clips: int, frames: int) -> None:
    """Extract clips of so many frames with the tiny networks and print the peak of resident memory.

    Clips go 64 at a time, as a shard; several of them have 8 steps, so that 16 frames of each are read.
    """
    options = ExtractOptions(steps=8 if clips > 1 else STEPS)
    with tempfile.TemporaryDirectory() as folder:
        video = make_video(Path(folder) / "long.mp4", frames, source=None, width_px=640, height_px=480)
        poser = TopDown(FullFrame(), load_tiny_backbone(), device="cpu")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begun = time.perf_counter()
        jobs = [ClipJob(clip, video) for clip in range(clips)]
        for first in range(0, clips, 64):
            extract_clips(jobs[first : first + 64], options, poser=poser)
        seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"| {clips} | {frames} | {before / 1024:.0f} | {peak / 1024:.0f} | {seconds:.1f} |")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--video", type=Path, help="real video to take pictures from")
    parser.add_argument("--frames", type=int, nargs="+", default=[103, 158, 300])
    parser.add_argument("--size", type=int, nargs=2, default=(1920, 1080), help="of the video in pixels")
    parser.add_argument("--width", type=int, default=48, help="channels of HRNet, 32 or 48")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", action="store_true", help="peak memory by length and number of clips")
    parser.add_argument("--memory-of", type=int, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.memory_of:
        memory(*arguments.memory_of)
    elif arguments.memory:
        print(
            "| clips | frames each | MB before | MB at the peak | seconds |\n|---|---|---|---|---|",
            flush=True,
        )
        for of in MEMORY_OF:  # a process each, because a peak never falls
            command = [sys.executable, "-m", "benchmarks.stage_one", "--memory-of", *map(str, of)]
            subprocess.run(command, check=True)
    else:
        speed(arguments)


if __name__ == "__main__":
    main()
