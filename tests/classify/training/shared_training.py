"""Trains on analytic clips: run by test_processes.py, alone and as one of several that torchrun starts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors.torch import save
from torch import nn

from heatpool.classify.hpnet.checkpoint import HPNetShape, build_hpnet
from heatpool.classify.hpnet.train import train_hpnet
from heatpool.classify.training.checkpoint import write_atomic
from heatpool.classify.training.loop import run_training
from heatpool.classify.training.processes import leave_processes, make_accelerator
from heatpool.classify.training.recipe import TrainConfig
from tests.classify.clip_cases import CLASSES
from tests.classify.hpnet.hpnet_cases import FRAMES, WIDTH, clips_with_rgb, recipe

PROBE = TrainConfig(epochs=3, batch=8, accumulation=2, grad_clip=1.0)


class _Objective(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = nn.Linear(5, 3)
        self.network.register_buffer("seen", torch.zeros(()))  # differs between processes, as batch norms do

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.network(x)
        return nn.functional.cross_entropy(logits, labels), (logits.argmax(1) == labels).sum()


class LinearLearner:
    """Nothing in it depends on how a batch is divided; val is every process' own share of 7 clips."""

    def __init__(self, accelerator: Accelerator) -> None:
        generator = torch.Generator().manual_seed(1)
        self.config, self.clips, self.identity = PROBE, 25, {"probe": 1}
        self.x = torch.randn(25, 5, generator=generator)
        self.labels = torch.arange(25) % 3
        self.val = slice(accelerator.process_index, 7, accelerator.num_processes)
        self.objective = _Objective()
        self.network = self.objective.network
        self.optimizer: torch.optim.Optimizer = torch.optim.SGD(
            self.network.parameters(), lr=0.5, momentum=0.9
        )

    def batch(self, chosen: torch.Tensor, **_: object) -> dict[str, Any]:
        return {"x": self.x[chosen], "labels": self.labels[chosen]}

    def set_rate(self, epoch: int, done: float) -> float:
        return self.optimizer.param_groups[0]["lr"]

    def validate(self) -> tuple[float, int, int]:
        with torch.no_grad():
            loss, right = self.objective(self.x[self.val], self.labels[self.val])
        count = len(self.labels[self.val])
        return float(loss) * count, int(right), count

    def save(self, path: Path, *, epoch: int, figures: dict[str, float]) -> None:
        write_atomic(path, save({"weight": self.network.weight.detach()}))


def main(out: Path) -> None:
    torch.set_num_threads(1)
    accelerator = make_accelerator(PROBE)
    # batches of 8, 8 and 9, or 4 and 4, 4 and 4, 5 and 4
    run_training(LinearLearner(accelerator), accelerator, out_dir=out / "probe", resume=False, progress=None)
    config = recipe(shared={"epochs": 2, "batch": 8, "lr": 1e-5})
    shape = HPNetShape(channels=4, classes=len(CLASSES), persons=2, width=WIDTH, frames=FRAMES, vision=None)
    train, val = clips_with_rgb(17), clips_with_rgb(7, seed=1)
    train_hpnet(config, train, val=val, model=build_hpnet(config, shape), shape=shape, out_dir=out / "hpnet")
    leave_processes()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
