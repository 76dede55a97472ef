"""Networks alone on a GPU: images a second, share of the matrix rate, memory, and what 16 bits change.

Usage: python -m benchmarks.gpu_networks [--device cuda] [--batch 64] [--seconds 1] [--dry-run]

HRNet-W48 and ViTPose-B take crops of 256 x 192, yolo11n-pose pictures of 384 x 640, all from memory of the
device: what feeds them is not part of it. "Share" is of the rate of a plain matrix product of the same type
in the same run; it is without TF32, which convolutions in float32 use all the same. "Steps" is how far what
is pooled at the joints moves from float32 without TF32 and graphs, as a multiple of how far storing it as
float16 moves it: less than 10 is the rule for a default type. --dry-run takes narrow networks and no graphs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.stage_one import matrix_rate
from heatpool.extract.networks.hrnet.backbone import HRNetBackbone
from heatpool.extract.networks.hrnet.network import HRNetSimCC
from heatpool.extract.networks.runtime.runner import Runtime
from heatpool.extract.networks.ultralytics import PersonNetwork
from heatpool.extract.networks.vitpose import VitPose
from heatpool.pool.pooling import crop_to_norm, feedback_pool
from tests.classify.deterministic_weights import fill_
from tests.fixtures.torchvision_shim import install

NETWORKS = ("HRNet-W48", "ViTPose-B", "yolo11n-pose")
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
HEADS = ("network", "dtype", "runtime", "batch", "images/s", "GFLOP an image", "share", "MiB", "steps")
PICTURE_HW = (384, 640)

Run = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Images (B, H, W, 3) uint8 → the map that is pooled (B, C, h, w), joints (B, V, 2) in [-1, 1]."""


def top_down(backbone: HRNetBackbone | VitPose) -> Run:
    """Return what runs a pose network on crops."""
    crop = backbone.crop

    def run(crops: Tensor) -> tuple[Tensor, Tensor]:
        pose = backbone.forward(crops)
        norm = crop_to_norm(pose.joints_xy_px, width_px=crop.width_px, height_px=crop.height_px)
        return pose.maps[0], norm

    return run


def build(name: str, *, device: torch.device, dtype: torch.dtype, runtime: Runtime, dry: bool) -> Run:
    """Return a network of real size with random weights, narrow ones with `dry`."""
    torch.manual_seed(0)
    if name == "HRNet-W48":
        network = HRNetSimCC(4, height_px=96, width_px=64) if dry else HRNetSimCC(48)
        fill_(network)
        return top_down(HRNetBackbone(network, device=device, dtype=dtype, runtime=runtime))
    if name == "ViTPose-B":
        return top_down(_vitpose(device=device, dtype=dtype, runtime=runtime, dry=dry))
    return _yolo(device=device, dtype=dtype, runtime=runtime)


def _vitpose(*, device: torch.device, dtype: torch.dtype, runtime: Runtime, dry: bool) -> VitPose:
    install()  # transformers imports torchvision, which many builds of torch do not come with
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

    layers = 2 if dry else 12
    # Both take fields of the classes that they derive from, which their signatures do not name.
    given: dict[str, Any] = {"num_hidden_layers": layers, "out_features": [f"stage{layers}"]}
    given |= {"image_size": [64, 48], "hidden_size": 24, "num_attention_heads": 2} if dry else {}
    joints: dict[str, Any] = {"num_labels": 17}
    config = VitPoseConfig(backbone_config=VitPoseBackboneConfig(**given), **joints)
    model = VitPoseForPoseEstimation(config)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return VitPose(Path(folder), device=device, dtype=dtype, runtime=runtime)


def _yolo(*, device: torch.device, dtype: torch.dtype, runtime: Runtime) -> Run:
    from ultralytics.nn.tasks import PoseModel

    model: Any = PoseModel("yolo11n-pose.yaml", nc=1, verbose=False).eval()
    model.fuse(verbose=False)
    head = model.model[-1]
    network = PersonNetwork(
        model, image_px=PICTURE_HW, taps=[head.f[0]], device=device, dtype=dtype, runtime=runtime
    )

    def run(pictures: Tensor) -> tuple[Tensor, Tensor]:
        _, tapped = network._runner(pictures.permute(0, 3, 1, 2) / 255)
        grid = torch.linspace(-0.9, 0.9, 17, device=device)  # its joints are random: places that do not move
        return tapped, torch.stack([grid, grid], 1).expand(len(pictures), -1, -1)

    return run


def images_of(name: str, count: int, *, dry: bool) -> Tensor:
    """Return smooth random images (B, H, W, 3) uint8."""
    crops = {"HRNet-W48": (96, 64), "ViTPose-B": (64, 48)} if dry else dict.fromkeys(NETWORKS[:2], (256, 192))
    height, width = crops.get(name, (64, 64) if dry else PICTURE_HW)
    coarse = torch.rand(count, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    return (255 * smooth).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


@torch.inference_mode()
def pooled(run: Run, images: Tensor, at: Tensor | None = None) -> tuple[np.ndarray, Tensor]:
    """Return what is pooled, and where: at joints `at`, by default those that the network finds."""
    tapped, found = run(images)
    at = found if at is None else at
    return feedback_pool(tapped.float(), at.float()).cpu().double().numpy(), at


def steps_of(changed: np.ndarray, exact: np.ndarray) -> float:
    """Return the length of a change over that of storing `exact` as float16."""
    rounding = np.linalg.norm(exact.astype(np.float16).astype(float) - exact)
    return float(np.linalg.norm(changed - exact) / rounding)


@torch.inference_mode()
def images_a_second(run: Run, images: Tensor, *, seconds: float) -> float:
    """Run batches for so long, after five to warm up, or one where it is not for long."""
    wait: Callable[[], None] = torch.cuda.synchronize if images.device.type == "cuda" else lambda: None
    for _ in range(5 if seconds > 0.1 else 1):
        run(images)
    wait()
    begun, batches = time.perf_counter(), 0
    while not batches or time.perf_counter() - begun < seconds:
        for _ in range(4):
            run(images)
        batches += 4
        wait()
    return batches * len(images) / (time.perf_counter() - begun)


def measure(name: str, options: argparse.Namespace, rates: dict[torch.dtype, float]) -> None:
    """Print the rows of a network."""
    device, dry = torch.device(options.device), options.dry_run
    images = images_of(name, options.batch, dry=dry).to(device)
    plain = build(name, device=device, dtype=torch.float32, runtime="torch", dry=dry)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        plain(images[:1])
    work = float(counter.get_total_flops())
    with torch.backends.cudnn.flags(allow_tf32=False):
        exact, at = pooled(plain, images)
    runtimes: Sequence[Runtime] = ("torch", "cuda-graphs") if device.type == "cuda" else ("torch",)
    for dtype in rates:
        for runtime in runtimes:
            if device.type == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            run = build(name, device=device, dtype=dtype, runtime=runtime, dry=dry)
            rate = images_a_second(run, images, seconds=options.seconds)
            steps = steps_of(pooled(run, images, at)[0], exact)
            memory = torch.cuda.max_memory_reserved() / 2**20 if device.type == "cuda" else 0
            cells = (name, str(dtype)[6:], runtime, options.batch, f"{rate:,.0f}", f"{work / 1e9:.2f}",
                     f"{rate * work / rates[dtype]:.0%}", f"{memory:,.0f}", f"{steps:.1f}")  # fmt: skip
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
            del run


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=1.0, help="that each row is measured for")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args(arguments)
    dtypes = DTYPES[::2] if options.dry_run else DTYPES  # CPUs multiply float16 by hand
    rates = {dtype: matrix_rate(dtype, torch.device(options.device)) for dtype in dtypes}
    said = ", ".join(f"{str(dtype)[6:]} {rate / 1e12:,.2f}" for dtype, rate in rates.items())
    print(f"| a product of matrices, TFLOP/s |\n|---|\n| {said} |\n")
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    for name in NETWORKS:
        measure(name, options, rates)


if __name__ == "__main__":
    main()
