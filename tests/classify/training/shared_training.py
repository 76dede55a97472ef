"""Trains on analytic clips: run by test_processes.py, alone and as one of several that torchrun starts."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from heatpool.classify.data.clips import ClipSet
from heatpool.classify.hpnet.architecture import HPNetArchitecture
from heatpool.classify.training.architecture import NetworkShape
from heatpool.classify.training.loop import train_network
from heatpool.classify.training.processes import leave_processes
from heatpool.classify.training.recipe import Recipe
from tests.classify.clip_cases import CLASSES, moving_clips
from tests.classify.hpnet.hpnet_cases import FRAMES, WIDTH, clips_with_rgb, recipe

PROBE = Recipe(epochs=3, batch_size=8, accumulation=2, grad_clip=1.0, normalise=False)


class Linear(nn.Linear):
    """With a running statistic that differs between processes, as those of batch norms do."""

    def __init__(self) -> None:
        super().__init__(4, 3)
        self.register_buffer("seen", torch.zeros(()))


@dataclass(frozen=True)
class ProbeArchitecture:
    """Nothing in it depends on how a batch is divided."""

    recipe: Recipe
    skeleton = None
    form = "probe"

    @property
    def shared(self) -> Recipe:
        return self.recipe

    def build(self, shape: NetworkShape) -> nn.Module:
        torch.manual_seed(0)
        return Linear()

    def inputs(self, clips: ClipSet, chosen: Tensor, **_: object) -> tuple[dict[str, Any], Tensor]:
        persons, owner = clips.persons_of(chosen)
        last = clips.features[persons][:, -1, 9].float()  # (Q, 4), of the left wrist
        return {"x": torch.zeros(len(chosen), 4).index_add(0, owner, last)}, clips.labels[chosen]

    def logits(self, network: nn.Module, inputs: dict[str, Any]) -> dict[str, Tensor]:
        return {"probe": network(inputs["x"])}

    def optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.SGD(network.parameters(), lr=0.5, momentum=0.9)

    def set_rate(self, optimizer: torch.optim.Optimizer, epoch: int, done: float) -> float:
        return optimizer.param_groups[0]["lr"]


def main(out: Path) -> None:
    torch.set_num_threads(1)
    # batches of 8, 8 and 9, or 4 and 4, 4 and 4, 5 and 4; val is every process' own share of 7 clips
    train, val = moving_clips(25), moving_clips(7, seed=1)
    train_network(ProbeArchitecture(PROBE), train, val=val, out_dir=out / "probe")
    config = recipe(shared={"epochs": 2, "batch_size": 8, "learning_rate": 1e-5})
    shape = NetworkShape(channels=4, classes=len(CLASSES), persons=2, width=WIDTH, frames=FRAMES)
    train, val = clips_with_rgb(17), clips_with_rgb(7, seed=1)
    train_network(HPNetArchitecture(config), train, shape=shape, val=val, out_dir=out / "hpnet")
    leave_processes()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
