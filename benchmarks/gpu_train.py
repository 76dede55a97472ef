"""Training steps on a GPU: the published operations, torch.compile of them, and heatpool's kernels.

Usage: python -m benchmarks.gpu_train [--device cuda] [--batch 64] [--seconds 1] [--dry-run]

CTR-GCN as published: width 64, ten layers, 64 steps, 17 joints, 192 pooled channels, 60 classes, two persons
a clip. HP-Net: three of them, eight embedded frames of RGB, text refinement. A step is forward, loss,
backward and SGD with Nesterov momentum, of a batch that lies on the device. "Share" is of the rate of a plain
matrix product of the same type, and counts what that side multiplies. Where torch cannot compile, its row
says so. --dry-run takes narrow networks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.stage_one import matrix_rate
from heatpool.classify.hpnet.architecture import build_hpnet
from heatpool.classify.hpnet.network import SKELETONS
from heatpool.classify.hpnet.recipe import HPNetRecipe
from heatpool.classify.networks.plain import plain_forward
from heatpool.classify.training.architecture import NetworkShape
from heatpool.classify.training.recipe import Recipe
from heatpool.classify.training.stream import build_model

STEPS, JOINTS, SLOTS, CLASSES, FRAMES = 64, 17, 2, 60, 8
HEADS = ("network", "dtype", "side", "clips/s", "ratio", "GFLOP a clip", "share", "MiB")
Forward = Callable[[], Tensor]


def ctrgcn(side: str, batch: int, device: torch.device, *, dry: bool) -> tuple[nn.Module, Forward]:
    """Return CTR-GCN and what gives its logits of a batch."""
    shape = NetworkShape(channels=8 if dry else 192, classes=CLASSES, persons=SLOTS)
    recipe = Recipe(width=8, layers=((1, 1), (2, 2)), window=8) if dry else Recipe()
    model = build_model(recipe, shape).to(device)
    steps = 8 if dry else STEPS
    x = torch.randn(batch, SLOTS, steps, JOINTS, shape.channels, device=device)
    present = torch.ones(batch, SLOTS, dtype=torch.bool, device=device)
    if side == "heatpool":
        return model, lambda: model(x, present)
    run = torch.compile(plain_forward) if side == "compiled" else plain_forward
    return model, lambda: run(model, x)


def hpnet(side: str, batch: int, device: torch.device, *, dry: bool) -> tuple[nn.Module, Forward]:
    """Return HP-Net and what gives its logits of a batch; published, its skeletons are computed plainly."""
    width, channels, steps = (16, 8, 8) if dry else (512, 192, STEPS)
    shape = NetworkShape(channels=channels, classes=CLASSES, persons=SLOTS, width=width, frames=FRAMES)
    shared = Recipe(optimizer="adamw", schedule="cosine")
    shared = replace(shared, width=8, layers=((2, 2),), window=8) if dry else shared
    recipe = HPNetRecipe(shared=shared)
    model: Any = build_hpnet(recipe, shape).to(device)
    streams = {name: torch.randn(batch * SLOTS, steps, JOINTS, channels, device=device) for name in SKELETONS}
    clip = torch.arange(batch, device=device).repeat_interleave(SLOTS)
    slot = torch.arange(SLOTS, device=device).repeat(batch)
    rgb = torch.randn(batch, FRAMES, width, device=device)
    if side != "heatpool":
        for skeleton in model.skeletons.values():
            _make_plain(skeleton)
    run = torch.compile(model) if side == "compiled" else model
    return model, lambda: run(streams, clip, slot, clips=batch, rgb=rgb).logits


def _make_plain(skeleton: Any) -> None:
    """Let a CTR-GCN give its vectors by the published operations."""
    body = SimpleNamespace(
        data_bn=skeleton.data_bn, depth=skeleton.depth, get_submodule=skeleton.get_submodule,
        fc=nn.Identity(), dropout=nn.Identity(),
    )  # fmt: skip

    def features(x: Tensor, clip: Tensor, slot: Tensor, *, clips: int) -> Tensor:
        return plain_forward(body, x.unflatten(0, (clips, SLOTS)))

    skeleton.features = features


NETWORKS = {"CTR-GCN": ctrgcn, "HP-Net": hpnet}


def stepper(model: nn.Module, forward: Forward, dtype: torch.dtype, device: torch.device) -> Forward:
    """Return a function that does one training step."""
    rate: dict[str, Any] = {"momentum": 0.9, "nesterov": True, "weight_decay": 4e-4}
    fused = {"fused": True} if device.type == "cuda" else {}
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, **rate, **fused)
    autocast = torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)

    def step() -> Tensor:
        with autocast:
            logits = forward()
        labels = torch.arange(len(logits), device=device) % CLASSES
        loss = nn.functional.cross_entropy(logits.float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss

    return step


def clips_a_second(step: Forward, batch: int, *, device: torch.device, seconds: float) -> float:
    """Run steps for so long, after five to warm up, or one where it is not for long."""
    wait: Callable[[], None] = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    for _ in range(5 if seconds > 0.1 else 1):
        step()
    wait()
    begun, steps = time.perf_counter(), 0
    while not steps or time.perf_counter() - begun < seconds:
        for _ in range(4):
            step()
        steps += 4
        wait()
    return steps * batch / (time.perf_counter() - begun)


def measure(name: str, dtype: torch.dtype, rate: float, options: argparse.Namespace) -> None:
    """Print the rows of a network in a type."""
    device, published = torch.device(options.device), 0.0
    for side in ("published", "compiled", "heatpool"):
        if side == "compiled" and options.dry_run:
            continue
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        torch.manual_seed(0)
        model, forward = NETWORKS[name](side, options.batch, device, dry=options.dry_run)
        step = stepper(model.train(), forward, dtype, device)
        try:
            speed = clips_a_second(step, options.batch, device=device, seconds=options.seconds)
        except Exception as error:  # torch's compiler needs one of C, and Triton, and has many classes
            if side != "compiled":
                raise
            print(f"| {name} | {str(dtype)[6:]} | {side} | {_said(error)} | | | | |", flush=True)
            continue
        published = published or speed
        work = _work(name, side, options, dtype)
        memory = torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else 0
        cells = (name, str(dtype)[6:], side, f"{speed:,.0f}", f"{speed / published:.2f}", f"{work / 1e9:.2f}",
                 f"{speed * work / rate:.0%}", f"{memory:,.0f}")  # fmt: skip
        print(f"| {' | '.join(cells)} |", flush=True)


def _work(name: str, side: str, options: argparse.Namespace, dtype: torch.dtype) -> float:
    """Return what a clip's step multiplies, 2 per pair; what is compiled does what was published."""
    device = torch.device(options.device)
    plain = "published" if side == "compiled" else side
    model, forward = NETWORKS[name](plain, options.batch, device, dry=options.dry_run)
    step = stepper(model.train(), forward, dtype, device)
    with FlopCounterMode(display=False) as counter:
        step()
    return float(counter.get_total_flops()) / options.batch


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:80]}".replace("|", "/")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch", type=int, default=64, help="clips")
    parser.add_argument("--seconds", type=float, default=1.0, help="that each row is measured for")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args(arguments)
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    for dtype in (torch.float32, torch.bfloat16):
        rate = matrix_rate(dtype, torch.device(options.device))
        for name in NETWORKS:
            measure(name, dtype, rate, options)


if __name__ == "__main__":
    main()
