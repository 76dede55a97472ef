"""A small heatmap network of HRNet's kind: parallel resolutions that exchange information.

After Sun et al. 2019 (Deep High-Resolution Representation Learning, section 3), cut down to three
branches (1/4, 1/8 and 1/16 of the crop) and two stages. Axis letters: B batch, C channels, H W map,
V joints.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = [
    "HEATMAP_STRIDE",
    "SIGMA_CELLS",
    "TINY_TAP",
    "TINY_TAPS",
    "TinyPose",
    "channels_last",
    "decode_gaussian_heatmaps",
    "heatmaps_of",
]

HEATMAP_STRIDE = 4
"""Crop pixels per heatmap pixel."""

TINY_TAP = "stages.1.branches.1"
"""The pooled map: 1/8 of the crop, the branch that enters the last fusion (as HP-Net's stage 4, branch 1)."""

BRANCH_CHANNELS = (32, 64, 96)
TINY_TAPS = {
    f"stages.{stage}.branches.{branch}": channels
    for stage in range(2)
    for branch, channels in enumerate(BRANCH_CHANNELS)
}
"""Modules whose maps may be pooled, with their channels: by stage, branches at 1/4, 1/8, 1/16 of the crop."""
SIGMA_CELLS = 1.5
"""Width of the target Gaussians in heatmap cells."""

_LOG_FLOOR = 1e-12
_Module = TypeVar("_Module", bound=nn.Module)


def _conv_bn(inputs: int, outputs: int, kernel: int, *, stride: int = 1, relu: bool = True) -> nn.Sequential:
    """Return convolution, batch norm and, if asked for, ReLU."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True) if relu else nn.Identity())


class _BasicBlock(nn.Module):
    """Residual block of two 3x3 convolutions (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _conv_bn(channels, channels, 3)
        self.conv2 = _conv_bn(channels, channels, 3, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv2(self.conv1(x)).add_(x), inplace=True)


class _Fusion(nn.Module):
    """Every output branch is the sum of all input branches, brought to its resolution and width."""

    def __init__(self, channels: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.paths = nn.ModuleList(
            nn.ModuleList(_path(channels, source, target) for source in range(len(channels)))
            for target in range(outputs)
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        fused = []
        for target, paths in enumerate(self.paths):
            assert isinstance(paths, nn.ModuleList)
            total = maps[target]
            for source, path in enumerate(paths):
                if source != target:
                    # What a path gives is nobody else's: a new tensor for the sum costs more than adding.
                    total = path(maps[source]).add_(total)
            fused.append(F.relu(total, inplace=True))
        return fused


def _path(channels: tuple[int, ...], source: int, target: int) -> nn.Module:
    """Return the layers that carry branch `source` to the shape of branch `target`."""
    if source == target:
        return nn.Identity()
    if source > target:
        up = nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
        return nn.Sequential(_conv_bn(channels[source], channels[target], 1, relu=False), up)
    halvings = [_conv_bn(channels[source], channels[source], 3, stride=2) for _ in range(target - source - 1)]
    return nn.Sequential(*halvings, _conv_bn(channels[source], channels[target], 3, stride=2, relu=False))


class _Stage(nn.Module):
    """One residual block per branch, then a fusion; only the first `outputs` branches go on."""

    def __init__(self, channels: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(_BasicBlock(width) for width in channels)
        self.fusion = _Fusion(channels, outputs)

    def forward(self, maps: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        refined = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        return refined, self.fusion(refined)


class TinyPose(nn.Module):
    """Heatmap network; `forward` also returns maps of `TINY_TAPS`.

    Shape: (B, 3, H, W) float, normalised, H and W multiples of 16 -> logits of the heatmaps (B, V, H/4, W/4)
    and features, not negative: those of `TINY_TAP` are (B, 64, H/8, W/8).
    """

    def __init__(self, joints: int = 17) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv_bn(3, 24, 3, stride=2), _conv_bn(24, BRANCH_CHANNELS[0], 3, stride=2))
        self.transitions = nn.ModuleList(
            _conv_bn(finer, coarser, 3, stride=2) for finer, coarser in pairwise(BRANCH_CHANNELS)
        )
        self.stages = nn.ModuleList(
            [_Stage(BRANCH_CHANNELS, len(BRANCH_CHANNELS)), _Stage(BRANCH_CHANNELS, 1)]
        )
        self.head = nn.Conv2d(BRANCH_CHANNELS[0], joints, 1)

    def forward(self, crops: Tensor, taps: Sequence[str] = (TINY_TAP,)) -> tuple[Tensor, ...]:
        """Return logits (see `heatmaps_of`) and the features of each tap."""
        maps = [self.stem(crops)]
        for transition in self.transitions:
            maps.append(transition(maps[-1]))
        refined: list[Tensor] = []
        for stage in self.stages:
            branches, maps = stage(maps)
            refined += branches
        tapped = dict(zip(TINY_TAPS, refined, strict=True))
        return self.head(maps[0]), *(tapped[tap] for tap in taps)

    def fuse(self) -> TinyPose:
        """Fold every batch norm into its convolution, in place, for inference; return self in eval mode."""
        self.eval()
        for module in self.modules():
            if isinstance(module, nn.Sequential) and len(module) == 3:
                conv, norm, _ = module
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    module[0], module[1] = fuse_conv_bn_eval(conv, norm), nn.Identity()
        return self


def channels_last(network: _Module) -> _Module:
    """Lay out the kernels channels last, in place: almost twice as fast on a CPU."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def heatmaps_of(logits: Tensor) -> Tensor:
    """Turn logits (B, V, H, W) into heatmaps, float32: a distribution over the map, scaled.

    The scale makes the peak 1 where the network is as sure as its training target (a Gaussian of
    `SIGMA_CELLS`), and less the further it spreads its guess.
    """
    spread = logits.float().flatten(2).softmax(2).view_as(logits)
    return spread * (2 * math.pi * SIGMA_CELLS**2)


def decode_gaussian_heatmaps(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Find the joint of each heatmap: its highest cell, refined by a parabola through its neighbours' logs.

    The parabola is exact for a Gaussian (Zhang et al. 2020, Distribution-Aware Coordinate Representation,
    per axis and without the blur). A peak on the border is not refined along that axis.

    Args:
        heatmaps: (B, V, H, W) float, about 1 at the joint and 0 elsewhere.

    Returns:
        joints_xy_px (B, V, 2) float32 in crop pixels (cell k lies at `HEATMAP_STRIDE * k`), and scores
        (B, V) float32, the peak clipped to [0, 1].
    """
    height, width = heatmaps.shape[2:]
    flat = heatmaps.float().flatten(2)
    peak, cell = flat.max(2)

    def log_at(cells: Tensor) -> Tensor:
        heat = flat.gather(2, cells.clamp(0, height * width - 1)[..., None])[..., 0]
        return heat.clamp(min=_LOG_FLOOR).log()

    def refine(position: Tensor, size: int, step: int) -> Tensor:
        before, centre, after = log_at(cell - step), log_at(cell), log_at(cell + step)
        shift = (before - after) / (2 * (before - 2 * centre + after)).clamp(max=-1e-6)
        at_edge = (position == 0) | (position == size - 1)
        return position + shift.clamp(-0.5, 0.5).masked_fill(at_edge, 0.0)

    joints_map = torch.stack([refine(cell % width, width, 1), refine(cell // width, height, width)], dim=-1)
    return joints_map * HEATMAP_STRIDE, peak.clamp(0.0, 1.0)
