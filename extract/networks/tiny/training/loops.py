"""Training loops of the tiny networks; `recipe` beside this module calls them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from tqdm import tqdm
from ultralytics.cfg import get_cfg

from heatpool.extract.networks.tiny.backbone import TINY_CROP, build_tiny_detector
from heatpool.extract.networks.tiny.network import HEATMAP_STRIDE, SIGMA_CELLS, TinyPose, channels_last
from heatpool.extract.networks.tiny.training.augment import DetectorSamples, PoseSamples, collate_detector
from heatpool.extract.networks.tiny.training.rendering import RenderedSet

__all__ = ["TinyRecipe", "target_heatmaps", "train_detector", "train_pose"]


@dataclass(frozen=True)
class TinyRecipe:
    """What is trained on what, for how long.

    Attributes:
        version: raised by hand when the recipe changes.
        seed: of weights, order and augmentation.
        train_seed: of the rendered training people.
        test_seed: of the rendered test people.
        train_frames: rendered for training (0 to 3 people each).
        test_frames: rendered for testing.
        pose_epochs, detector_epochs: passes over the training set.
        batch: persons or frames a step.
        learning_rate: peak of the one-cycle schedule (AdamW).
    """

    version: str = "2"
    seed: int = 17
    train_seed: int = 1_000_003
    test_seed: int = 2_000_003
    train_frames: int = 28_000
    test_frames: int = 1_500
    pose_epochs: int = 10
    detector_epochs: int = 5
    batch: int = 32
    learning_rate: float = 2e-3


def target_heatmaps(joints_xy_px: Tensor, *, height: int, width: int) -> Tensor:
    """Draw Gaussians with peak 1.

    Args:
        joints_xy_px: (B, V, 2) float, crop pixels.
        height: of the map in cells.
        width: of the map in cells.

    Returns:
        (B, V, height, width) float.
    """
    x, y = (joints_xy_px / HEATMAP_STRIDE).unbind(-1)
    along_x = torch.arange(width, device=x.device) - x[..., None]
    along_y = torch.arange(height, device=y.device) - y[..., None]
    squared = along_y.square()[..., :, None] + along_x.square()[..., None, :]
    return torch.exp(-squared / (2 * SIGMA_CELLS**2))


def train_pose(rendered: RenderedSet, recipe: TinyRecipe) -> tuple[TinyPose, list[float]]:
    """Train the pose network and return it with its epoch losses.

    The loss is the divergence of the predicted distribution from the target Gaussian. The mean squared error
    of HRNet was tried: it stays near the all-zero map for most of so short a training.
    """
    torch.manual_seed(recipe.seed)
    network = channels_last(TinyPose())
    mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (TINY_CROP.mean, TINY_CROP.std))

    def loss(batch: list[Tensor]) -> Tensor:
        crops, joints, weight = batch
        images = (crops.permute(0, 3, 1, 2).float() / 255 - mean) / std
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(images)[0].float()
        target = target_heatmaps(joints, height=logits.shape[2], width=logits.shape[3]).flatten(2)
        target = target / target.sum(2, keepdim=True).clamp(min=1e-9)
        divergence = F.kl_div(logits.flatten(2).log_softmax(2), target, reduction="none").sum(2)
        return (divergence * weight).sum() / weight.sum()

    samples = PoseSamples(rendered, recipe.seed)
    return network, _fit(network, samples, loss, recipe, epochs=recipe.pose_epochs, name="pose")


def train_detector(rendered: RenderedSet, recipe: TinyRecipe) -> tuple[nn.Module, list[float]]:
    """Train the detector with ultralytics' own detection loss; also return epoch losses."""
    torch.manual_seed(recipe.seed)
    model = channels_last(build_tiny_detector())
    model.args = get_cfg()  # type: ignore[assignment]  # gains of the loss terms

    def loss(batch: dict[str, Tensor]) -> Tensor:
        images = batch["img"].permute(0, 3, 1, 2).float() / 255
        with torch.autocast("cpu", torch.bfloat16):
            predicted = model(images)
        predicted = {
            name: [level.float() for level in value] if isinstance(value, list) else value.float()
            for name, value in predicted.items()
        }
        total: Tensor = model.loss(batch, predicted)[0].sum()
        return total / len(images)

    samples = DetectorSamples(rendered, recipe.seed)
    return model, _fit(model, samples, loss, recipe, epochs=recipe.detector_epochs, name="detector")


def _fit(
    network: nn.Module,
    samples: PoseSamples | DetectorSamples,
    loss_of: Callable[[Any], Tensor],
    recipe: TinyRecipe,
    *,
    epochs: int,
    name: str,
) -> list[float]:
    """Run AdamW under a one-cycle schedule, samples freshly augmented each epoch; return epoch losses."""
    optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=0.02)
    steps = epochs * (len(samples) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=steps, pct_start=0.1
    )
    collate = collate_detector if isinstance(samples, DetectorSamples) else None
    order = torch.Generator().manual_seed(recipe.seed)
    # No loader workers: one core prepares and learns faster than two that wait for each other.
    loader = DataLoader(
        samples, recipe.batch, shuffle=True, drop_last=True, collate_fn=collate, generator=order
    )
    network.train()
    losses = []
    for epoch in range(epochs):
        samples.epoch = epoch
        total = torch.zeros(())
        for batch in tqdm(loader, desc=f"{name} {epoch + 1}/{epochs}", unit="step", mininterval=5):
            loss = loss_of(batch)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            total += loss.detach()
        losses.append(round(total.item() / len(loader), 4))
    return losses
