"""HRNet with SimCC or heatmap heads, named tensor for tensor as the published checkpoints.

Sources: Sun et al. 2019, Deep High-Resolution Representation Learning for Human Pose Estimation (the
network: four stages of 1, 1, 4 and 3 modules over 1 to 4 resolutions); Li et al. 2022, SimCC (the two
linear heads). Axis letters: B batch, C channels, H W map, V joints.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["HRNET_TAPS", "HRNetOutput", "HRNetSimCC"]

_BLOCKS = 4  # residual blocks per branch in each module
_MODULES = {2: 1, 3: 4, 4: 3}  # modules of each stage
_STEM_CHANNELS = 64
_EXPANSION = 4  # of the bottlenecks of stage 1

HRNET_TAPS: dict[str, int] = {
    **{f"stage{stage}_in{branch}": branch for stage in (2, 3, 4) for branch in range(stage)},
    **{f"stage{stage}_branch{branch}": branch for stage in (2, 3, 4) for branch in range(stage)},
    "stage4_out": 0,
}
"""Maps that can be pooled, with their branch: branch b has `channels * 2**b` channels, at 1 / (4 * 2**b) of
the crop's size.

`stage4_branch1` is the paper's: branch 1 after its four blocks in the *first* module of stage 4, before that
module's fusion. (The authors pool `x_list[1]`, the list they hand to stage 4; its first module overwrites
the list's items, so that it holds this map and not the one that entered, `stage4_in1`.) `stage4_out` is
the finest map after the last fusion, which the heads read.
"""


class HRNetOutput(NamedTuple):
    """What the network gives for B crops.

    Attributes:
        heatmaps: (B, V, H/4, W/4). Trained as heatmaps in networks without SimCC heads only; with them they
            are an inner representation.
        vectors: SimCC logits along x (B, V, W * split_ratio) and y (B, V, H * split_ratio), or None.
        maps: the asked taps.
    """

    heatmaps: Tensor
    vectors: tuple[Tensor, Tensor] | None
    maps: dict[str, Tensor]


class HRNetSimCC(nn.Module):
    """HRNet-W`channels`: 48 and 32 are the published widths.

    Args:
        channels: of the finest branch; branch b has `channels * 2**b`.
        joints: V.
        height_px: H of the crops, a multiple of 32.
        width_px: W of the crops, a multiple of 32.
        split_ratio: SimCC bins per crop pixel; None for a network that ends in heatmaps.

    Shape: (B, 3, H, W) float, normalised → `HRNetOutput`.
    """

    def __init__(
        self,
        channels: int = 48,
        *,
        joints: int = 17,
        height_px: int = 256,
        width_px: int = 192,
        split_ratio: float | None = 2.0,
    ) -> None:
        super().__init__()
        if height_px % 32 or width_px % 32:
            raise ValueError(f"expected a crop size in multiples of 32, got {width_px} x {height_px}")
        if split_ratio is not None and 4 * split_ratio % 1:
            raise ValueError(f"expected a split ratio in quarters, got {split_ratio:g}")
        self.channels, self.joints, self.split_ratio = channels, joints, split_ratio
        self.height_px, self.width_px = height_px, width_px
        widths = [channels * 2**branch for branch in range(4)]
        self.conv1 = nn.Conv2d(3, _STEM_CHANNELS, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(_STEM_CHANNELS)
        self.conv2 = nn.Conv2d(_STEM_CHANNELS, _STEM_CHANNELS, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(_STEM_CHANNELS)
        stage1 = _STEM_CHANNELS * _EXPANSION
        inputs = [_STEM_CHANNELS, *[stage1] * (_BLOCKS - 1)]
        self.layer1 = nn.Sequential(*(_Bottleneck(width, _STEM_CHANNELS) for width in inputs))
        self.transition1 = _transition([stage1], widths[:2])
        self.stage2 = _stage(2, widths[:2], last_outputs=2)
        self.transition2 = _transition(widths[:2], widths[:3])
        self.stage3 = _stage(3, widths[:3], last_outputs=3)
        self.transition3 = _transition(widths[:3], widths)
        self.stage4 = _stage(4, widths, last_outputs=1)
        self.final_layer = nn.Conv2d(channels, joints, 1)
        if split_ratio is not None:
            cells = (height_px // 4) * (width_px // 4)
            self.mlp_head_x = nn.Linear(cells, int(width_px * split_ratio))
            self.mlp_head_y = nn.Linear(cells, int(height_px * split_ratio))

    @property
    def title(self) -> str:
        """Name for messages, such as "HRNet-W48 with SimCC heads at 192 x 256"."""
        heads = "heatmap" if self.split_ratio is None else "SimCC"
        return f"HRNet-W{self.channels} with {heads} heads at {self.width_px} x {self.height_px}"

    def heads(self) -> list[nn.Module]:
        """Return the layers behind `stage4_out`; they may have another dtype than the rest."""
        vectors = [] if self.split_ratio is None else [self.mlp_head_x, self.mlp_head_y]
        return [self.final_layer, *vectors]

    def forward(self, crops: Tensor, taps: Collection[str] = ()) -> HRNetOutput:
        """Run the network and return its heads and the maps named in `taps` (keys of `HRNET_TAPS`)."""
        kept: dict[str, Tensor] = {}

        def keep(name: str, maps: list[Tensor]) -> None:
            kept.update({f"{name}{at}": x for at, x in enumerate(maps) if f"{name}{at}" in taps})

        def run(name: str, stage: nn.Sequential, maps: list[Tensor]) -> list[Tensor]:
            keep(f"{name}_in", maps)
            for at, module in enumerate(stage):
                assert isinstance(module, _Module)
                maps = module.refine(maps)
                if at == 0:
                    keep(f"{name}_branch", maps)
                maps = module.fuse(maps)
            return maps

        x = F.relu(self.bn1(self.conv1(crops)), inplace=True)
        x = self.layer1(F.relu(self.bn2(self.conv2(x)), inplace=True))
        maps = run("stage2", self.stage2, [transition(x) for transition in self.transition1])
        maps = run("stage3", self.stage3, [*maps, self.transition2[-1](maps[-1])])
        maps = run("stage4", self.stage4, [*maps, self.transition3[-1](maps[-1])])
        if "stage4_out" in taps:
            kept["stage4_out"] = maps[0]
        heatmaps = self.final_layer(maps[0].to(self.final_layer.weight.dtype))
        vectors = None
        if self.split_ratio is not None:
            flat = heatmaps.flatten(2)  # row by row, whatever the memory layout
            vectors = (self.mlp_head_x(flat), self.mlp_head_y(flat))
        return HRNetOutput(heatmaps, vectors, kept)


class _BasicBlock(nn.Module):
    """Residual block of two 3x3 convolutions (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)).add_(x), inplace=True)


class _Bottleneck(nn.Module):
    """Residual block of 1x1, 3x3 and 1x1 convolutions (He et al. 2016)."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        outputs = channels * _EXPANSION
        self.conv1 = nn.Conv2d(inputs, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = _conv(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        return F.relu(self.bn3(self.conv3(y)).add_(self.downsample(x)), inplace=True)


class _Module(nn.Module):
    """Blocks on every resolution, then a fusion: every output is the sum of all branches, brought to it."""

    def __init__(self, widths: list[int], *, outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(_BasicBlock(width) for _ in range(_BLOCKS))) for width in widths
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_path(widths, source, target) for source in range(len(widths)))
            for target in range(outputs)
        )

    def refine(self, maps: list[Tensor]) -> list[Tensor]:
        return [branch(x) for branch, x in zip(self.branches, maps, strict=True)]

    def fuse(self, maps: list[Tensor]) -> list[Tensor]:
        return [self._fuse_into(target, maps) for target in range(len(self.fuse_layers))]

    def _fuse_into(self, target: int, maps: list[Tensor]) -> Tensor:
        total = maps[target].clone()
        paths = self.fuse_layers[target]
        assert isinstance(paths, nn.ModuleList)
        for source, path in enumerate(paths):
            if source != target:
                total += path(maps[source])
        return F.relu(total, inplace=True)


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, *more: nn.Module) -> nn.Sequential:
    """Return convolution and batch norm, followed by `more`."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), *more)


def _path(widths: list[int], source: int, target: int) -> nn.Module:
    """Return the layers that carry branch `source` to the shape of branch `target`."""
    if source == target:
        return nn.Identity()
    if source > target:
        up = nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
        return _conv(widths[source], widths[target], 1, 1, up)
    halvings = [_conv(widths[source], widths[source], 3, 2, nn.ReLU(True)) for _ in range(source + 1, target)]
    return nn.Sequential(*halvings, _conv(widths[source], widths[target], 3, 2))


def _stage(stage: int, widths: list[int], *, last_outputs: int) -> nn.Sequential:
    """Return the modules of a stage; the last one fuses into its first `last_outputs` branches only."""
    outputs = [len(widths)] * (_MODULES[stage] - 1) + [last_outputs]
    return nn.Sequential(*(_Module(widths, outputs=count) for count in outputs))


def _transition(before: list[int], after: list[int]) -> nn.ModuleList:
    """Return one layer a branch of the next stage: to its width, the last one also to half resolution."""
    layers: list[nn.Module] = []
    for branch, width in enumerate(after):
        if branch >= len(before):  # the names have one level more here
            layers.append(nn.Sequential(_conv(before[-1], width, 3, 2, nn.ReLU(True))))
        elif before[branch] != width:
            layers.append(_conv(before[branch], width, 3, 1, nn.ReLU(True)))
        else:
            layers.append(nn.Identity())
    return nn.ModuleList(layers)
