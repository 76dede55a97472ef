"""Any top-down pose network in an ONNX file; named inner tensors become the feature maps."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from heatpool.extract.networks.crops import normalise_crops
from heatpool.extract.networks.heatmaps import decode_heatmaps, decode_simcc
from heatpool.extract.networks.joint_names import describe_joints
from heatpool.extract.networks.onnx_file import read_onnx
from heatpool.extract.networks.onnx_input import OnnxInput, read_metadata
from heatpool.extract.networks.onnx_network import FileRuntime, OnnxNetwork
from heatpool.extract.networks.onnx_outputs import check_map, find_joint_outputs
from heatpool.extract.records import PoseBatch
from heatpool.pool.errors import HeatpoolError

__all__ = ["OnnxBackbone", "check_onnx_pose"]

_log = logging.getLogger(__name__)

_MAPS_WITH_OFFSETS = 3 * 17  # heat, and the way to the joint along x and y
_MOST_PEAK = 2.0  # of RTMPose's vectors, which run a little over 1
_USUAL_HW_PX = (256, 192)  # of crops
_PALE = 0.05  # of the usual contrast
_ROUNDING = 0.01  # of the largest value: what the order of sums may change in float16


class OnnxBackbone:
    """A pose network run by onnxruntime or OpenVINO.

    The network must take one image input (B, 3, height, width) and give either heatmaps (B, V, h, w) of the
    crop's proportions, or two SimCC vectors (B, V, bins), which are told apart by their lengths or names.
    Other outputs, such as a scalar, are not looked at.

    Args:
        path: ONNX file; weights that it refers to are read from beside it.
        taps: names of the inner tensors (B, C, H, W) to pool from.
        given: how crops are prepared; what it leaves open the file's metadata says, or it is the usual.
        device: cpu or cuda device that runs the network and receives its results.
        runtime: what runs it; OpenVINO on a CPU.
        bfloat16: compute in it, by OpenVINO.

    Raises:
        HeatpoolError: if the runtime is not installed, the file is no such network, a tap does not
            exist (close names are listed) or is no feature map, or the device has no provider.
    """

    name = "onnx"

    def __init__(
        self,
        path: Path,
        taps: Sequence[str],
        *,
        given: OnnxInput | None = None,
        device: torch.device | str = "cpu",
        runtime: FileRuntime = "onnxruntime",
        bfloat16: bool = False,
    ) -> None:
        self._device = torch.device(device)
        file = read_onnx(path)
        told, joint_names, edges = read_metadata(file.metadata, file.name)
        known = (given or OnnxInput()).over(told)
        self.weights_sha256, self._file_name = file.sha256, file.name
        self._taps, self.tap = tuple(taps), "+".join(taps)
        self._network = OnnxNetwork(
            file, taps=taps, open_hw_px=known.size, device=device, runtime=runtime, bfloat16=bfloat16
        )
        height, width = self._network.input_hw_px
        self.crop = known.crop_spec(height, width, input_name=self._network.input_name)
        self._reversed = known.colours == "bgr"
        self._joints = _find_joints(self._network, taps, file.name)
        self._check_values()
        self._peaks_are_told = False
        self._at_once = self._takes_batches()
        pose = self.forward(torch.zeros(1, height, width, 3, dtype=torch.uint8))
        self.joints = pose.scores.shape[1]
        if pose.heatmaps is not None and self.joints == _MAPS_WITH_OFFSETS and not joint_names:
            raise HeatpoolError(
                f"expected a heatmap a joint from {file.name}, got {self.joints}: udp-regress networks of "
                "mmpose give three maps for each of 17 joints, and are not read; name the joints in the "
                "file's metadata if they are 51 (docs/networks.md)"
            )
        self.skeleton = describe_joints(self.joints, joint_names, edges)
        self.tap_channels = tuple(each.shape[1] for each in pose.maps)
        self.channels = sum(self.tap_channels)

    def _check_values(self) -> None:
        height, width = self._network.input_hw_px
        found, again = (self._run(_noise(height, width)[:1]) for _ in range(2))
        for name, values in zip((*self._joints, *self._taps), found, strict=True):
            if name in self._taps:
                check_map(values, name, height_px=height, width_px=width, file_name=self._file_name)
            if not np.isfinite(values).all():
                raise HeatpoolError(
                    f"expected numbers from {self._file_name}, {name} gives values that are not finite on "
                    "noise: the file is damaged, or float16 is too narrow for it"
                )
        if not all(map(_alike, found, again)):
            raise HeatpoolError(
                f"expected the same answer twice from {self._file_name}, got two: export it in eval mode"
            )

    def _takes_batches(self) -> bool:
        """Whether two crops at once give what each gives alone.

        Exporters like to fix one crop inside the graph. Networks that scale their 8 bits as they run take one
        scale for a batch, so that a pale crop beside a vivid one would come out coarse.
        """
        images = _noise(*self._network.input_hw_px)
        alone = [self._run(image[None]) for image in images]
        try:
            together = self._run(images)
        except HeatpoolError:
            together = []
        pairs = [np.concatenate(each) for each in zip(*alone, strict=True)]
        if together and all(_alike(*each) for each in zip(together, pairs, strict=True)):
            return True
        _log.info(f"{self._file_name} takes one crop at a time")
        return False

    def _run(self, images: np.ndarray) -> list[np.ndarray]:
        """Return heatmaps or SimCC vectors, then the maps."""
        return self._network.run(images, (*self._joints, *self._taps))

    def forward(self, crops: Tensor) -> PoseBatch:
        """Run crops (B, height, width, 3) uint8; see `PoseBackbone`."""
        pixels = normalise_crops(crops.cpu(), self.crop)
        images = (pixels.flip(1) if self._reversed else pixels).numpy()
        if self._at_once:
            results = self._run(images)
        else:
            alone = [self._run(image[None]) for image in images]
            results = [np.concatenate(each) for each in zip(*alone, strict=True)]
        tensors = [torch.from_numpy(array).to(self._device) for array in results]
        found, maps = tensors[: len(self._joints)], tuple(tensors[len(self._joints) :])
        self._check_peaks(results[: len(found)])
        if len(found) == 2:
            joints, scores = decode_simcc(*found, split_ratio=found[0].shape[2] / self.crop.width_px)
            return PoseBatch(joints, scores, maps)
        (heatmaps,) = found
        joints, scores = decode_heatmaps(heatmaps, self.crop)
        return PoseBatch(joints, scores, maps, heatmaps)

    def _check_peaks(self, found: Sequence[np.ndarray]) -> None:
        """Say, once, that peaks are no scores: MSPN's heatmaps run to 255, SimCC's own vectors are logits."""
        peak = max(float(each.max(initial=0)) for each in found)
        if peak > _MOST_PEAK and not self._peaks_are_told:
            self._peaks_are_told = True
            _log.warning(
                f"{self._file_name} gives peaks of {peak:.3g}, which are no scores in [0, 1]: cut at 1"
            )


def check_onnx_pose(path: Path) -> None:
    """Raise HeatpoolError unless a file is a pose network that `OnnxBackbone` reads, whatever its tap."""
    file = read_onnx(path)
    told, _, _ = read_metadata(file.metadata, file.name)
    _find_joints(OnnxNetwork(file, open_hw_px=told.size or _USUAL_HW_PX), (), file.name)


def _find_joints(network: OnnxNetwork, taps: Sequence[str], file_name: str) -> tuple[str, ...]:
    height, width = network.input_hw_px
    names = network.outputs
    results = network.run(np.zeros((1, 3, height, width), np.float32), names) if names else []
    outputs = dict(zip(names, results, strict=True))
    return find_joint_outputs(outputs, taps=taps, height_px=height, width_px=width, file_name=file_name)


def _noise(height_px: int, width_px: int) -> np.ndarray:
    """Two crops (2, 3, height, width), one vivid, one pale."""
    noise = np.random.default_rng(0).standard_normal((2, 3, height_px, width_px), np.float32)
    noise[1] *= _PALE
    return noise


def _alike(results: np.ndarray, others: np.ndarray) -> bool:
    """Whether two results (B, ...) are equal but for rounding, each crop by its own largest value."""
    if results.shape != others.shape:
        return False
    axes = tuple(range(1, results.ndim))
    error, most = np.abs(results - others).max(axes), np.abs(others).max(axes)
    return bool((error <= _ROUNDING * most).all())
