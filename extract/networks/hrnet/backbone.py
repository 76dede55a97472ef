"""HRNet as a pose backbone: crops in; joints, scores, heatmaps and the tapped maps out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from heatpool.extract.networks.crops import normalise_crops
from heatpool.extract.networks.heatmaps import decode_heatmaps, decode_simcc
from heatpool.extract.networks.hrnet.batchnorm import fold_batchnorm, use_crop_statistics
from heatpool.extract.networks.hrnet.network import HRNET_TAPS, HRNetSimCC
from heatpool.extract.networks.hrnet.weights import load_network
from heatpool.extract.networks.joint_names import describe_joints
from heatpool.extract.networks.runtime.runner import Runtime, make_runner, runs_module
from heatpool.extract.networks.taps import check_taps
from heatpool.extract.records import CropSpec, PoseBatch
from heatpool.pool.errors import HeatpoolError

__all__ = ["DEFAULT_TAP", "BatchNorm", "HRNetBackbone", "load_hrnet_backbone"]

DEFAULT_TAP = "stage4_branch1"
"""The paper's map, 96 x 32 x 24 for HRNet-W48 at 256 x 192; see `HRNET_TAPS`."""

BatchNorm = Literal["eval", "published"]

# A SimCC network is trained towards Gaussians of 4 bins (the published file's name says sigma4), which
# peak at 1 / (4 sqrt(2 pi)) = 0.0997: a joint predicted as surely as it was taught has that probability.
_TRAINED_PEAK = 1 / (4 * math.sqrt(2 * math.pi))
_CELL_PX = 4  # crop pixels a heatmap cell is wide


class _Tapped(nn.Module):
    """HRNet that returns its joints, (B, V, n) along x and y or (B, V, h, w), and the tapped maps."""

    def __init__(self, network: HRNetSimCC, taps: Sequence[str]) -> None:
        super().__init__()
        self.network, self.taps = network, tuple(taps)

    def extra_repr(self) -> str:
        return f"taps={self.taps}"

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        output = self.network(crops, self.taps)
        return *(output.vectors or (output.heatmaps,)), *(output.maps[tap].float() for tap in self.taps)


class HRNetBackbone:
    """`heatpool.extract.records.PoseBackbone` over `HRNetSimCC`.

    Args:
        network: with its weights; it is changed in place (batch norms folded or replaced) and kept.
        taps: keys of `HRNET_TAPS`; several are pooled at the same joints.
        batchnorm: eval = trained statistics; published = every crop normalised by its own, as in the
            published extractor, whose network was never put in eval mode.
        weights_sha256: of the weights file.
        device: where the network runs.
        dtype: of the network below its heads, which OpenVINO runs in it, too.
        runtime: what runs it; batch norms as published need torch.

    Raises:
        HeatpoolError: if there is no such tap, or the runtime is not there or does not fit.
    """

    name: str = "hrnet-simcc"

    def __init__(
        self,
        network: HRNetSimCC,
        *,
        taps: Sequence[str] = (DEFAULT_TAP,),
        batchnorm: BatchNorm = "eval",
        weights_sha256: str = "",
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        runtime: Runtime = "torch",
    ) -> None:
        check_taps(taps, HRNET_TAPS)
        self.tap, self.weights_sha256 = "+".join(taps), weights_sha256
        self.tap_channels = tuple(network.channels * 2 ** HRNET_TAPS[tap] for tap in taps)
        self.channels = sum(self.tap_channels)
        self.joints, self.skeleton = network.joints, describe_joints(network.joints)
        self.crop = CropSpec(height_px=network.height_px, width_px=network.width_px)
        if batchnorm == "published" and not runs_module(runtime):
            raise HeatpoolError(f"expected --runtime torch with --batchnorm published, got {runtime}")
        if batchnorm == "published":
            use_crop_statistics(network)
        else:
            fold_batchnorm(network)
        # Group norm, which crop statistics are made of, is slower and 40 times less exact channels last.
        layout = torch.contiguous_format if batchnorm == "published" else torch.channels_last
        self._ratio = network.split_ratio
        network.eval().to(device)
        if runs_module(runtime):
            network.to(dtype)
            for head in network.heads():
                head.float()
            network.to(memory_format=layout)  # type: ignore[call-overload]
        self._run = make_runner(
            _Tapped(network, taps), runtime=runtime, title="HRNet", device=device, dtype=dtype, layout=layout
        )

    @torch.inference_mode()
    def forward(self, crops: Tensor) -> PoseBatch:
        """Predict joints and return the tapped maps.

        Args:
            crops: (B, H, W, 3) uint8, on the network's device.

        Returns:
            joints, scores and maps in float32; heatmaps (B, V, H/4, W/4). A SimCC network's
            are the product of its two marginal distributions, scaled so that the peak is the score.
        """
        found = self._run(normalise_crops(crops, self.crop))
        if self._ratio is None:
            heatmaps, *maps = found
            joints, scores = decode_heatmaps(heatmaps, self.crop)
            return PoseBatch(joints, scores, tuple(maps), heatmaps)
        x, y, *maps = found
        joints, _ = decode_simcc(x, y, split_ratio=self._ratio)  # on the logits: exactly as published
        along_x, along_y = x.softmax(2), y.softmax(2)
        peak = torch.minimum(along_x.amax(2), along_y.amax(2))
        scores = (peak / _TRAINED_PEAK).clamp(0, 1)
        heatmaps = _cells(along_y, self._ratio)[..., None] * _cells(along_x, self._ratio)[..., None, :]
        heatmaps *= (scores / heatmaps.amax((2, 3)).clamp(min=1e-12))[..., None, None]
        return PoseBatch(joints, scores, tuple(maps), heatmaps)


def _cells(distribution: Tensor, split_ratio: float) -> Tensor:
    """Average (B, V, n) bins around the places of the heatmap cells: cell k stands for crop pixel 4 k."""
    stride = round(_CELL_PX * split_ratio)
    kernel = stride // 2 * 2 + 1
    return F.avg_pool1d(distribution, kernel, stride, kernel // 2)


def load_hrnet_backbone(
    path: Path,
    *,
    taps: Sequence[str] = (DEFAULT_TAP,),
    batchnorm: BatchNorm = "eval",
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    runtime: Runtime = "torch",
) -> HRNetBackbone:
    """Load a checkpoint: W32 or W48, SimCC or heatmap heads, as its tensors say; see `load_network`.

    Raises:
        HeatpoolError: if the weights cannot be read or do not fit, or there is no such tap.
    """
    network, digest = load_network(path)
    return HRNetBackbone(
        network,
        taps=taps,
        batchnorm=batchnorm,
        weights_sha256=digest,
        device=device,
        dtype=dtype,
        runtime=runtime,
    )
