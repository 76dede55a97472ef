"""Any top-down pose network in an ONNX file; named inner tensors become the feature maps."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from heatpool.extract.networks.heatmaps import decode_heatmaps, decode_simcc
from heatpool.extract.networks.joint_names import describe_joints
from heatpool.extract.networks.onnx_input import OnnxInput, read_metadata
from heatpool.extract.networks.onnx_network import OnnxNetwork, read_onnx
from heatpool.extract.records import PoseBatch
from heatpool.pool.errors import HeatpoolError

__all__ = ["OnnxBackbone"]

_log = logging.getLogger(__name__)


class OnnxBackbone:
    """A pose network run by onnxruntime.

    The network must take one image input (B, 3, height, width) and give either heatmaps (B, V, h, w) of the
    crop's proportions, or two SimCC vectors (B, V, bins), which are told apart by their lengths or names.

    Args:
        path: ONNX file; weights that it refers to are read from beside it.
        taps: names of the inner tensors (B, C, H, W) to pool from.
        given: how crops are prepared; what it leaves open the file's metadata says, or it is the usual.
        device: cpu or cuda device that runs the network and receives its results.

    Raises:
        HeatpoolError: if onnxruntime is not installed, the file is no such network, a tap does not
            exist (close names are listed) or the device has no provider.
    """

    name = "onnx"

    def __init__(
        self,
        path: Path,
        taps: Sequence[str],
        *,
        given: OnnxInput | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self._device = torch.device(device)
        file = read_onnx(path)
        told, joint_names, edges = read_metadata(file.metadata, file.name)
        known = (given or OnnxInput()).over(told)
        self.weights_sha256, self._file_name = file.sha256, file.name
        self._taps, self.tap = tuple(taps), "+".join(taps)
        self._network = OnnxNetwork(file, taps=taps, open_hw_px=known.size, device=device)
        height, width = self._network.input_hw_px
        self.crop = known.crop_spec(height, width, input_name=self._network.input_name)
        self._reversed = known.colours == "bgr"
        self._at_once = self._takes_batches()
        pose = self.forward(torch.zeros(1, 3, height, width))
        self.joints = pose.scores.shape[1]
        self.skeleton = describe_joints(self.joints, joint_names, edges)
        self.tap_channels = tuple(each.shape[1] for each in pose.maps)
        self.channels = sum(self.tap_channels)

    def _takes_batches(self) -> bool:
        """Whether it runs two crops at once: exporters like to fix one inside the graph."""
        try:
            results = self._network.run(np.zeros((2, 3, *self._network.input_hw_px), np.float32))
        except HeatpoolError:
            results = []
        if results and all(result.shape[:1] == (2,) for result in results):
            return True
        _log.info(f"{self._file_name} takes one crop at a time")
        return False

    def forward(self, crops: Tensor) -> PoseBatch:
        """Run normalised crops (B, 3, height, width) float32; see `PoseBackbone`."""
        images = (crops.flip(1) if self._reversed else crops).float().cpu().numpy()
        if self._at_once:
            results = self._network.run(images)
        else:
            alone = [self._network.run(image[None]) for image in images]
            results = [np.concatenate(each) for each in zip(*alone, strict=True)]
        tensors = [torch.from_numpy(array).to(self._device) for array in results]
        names = self._network.outputs
        maps = tensors[len(names) :]
        for tap, each in zip(self._taps, maps, strict=True):
            if each.ndim != 4:
                raise HeatpoolError(f"expected tap {tap} to be (B, C, H, W), got {tuple(each.shape)}")
        return self._decode(dict(zip(names, tensors, strict=False)), tuple(maps))

    def _decode(self, outputs: dict[str, Tensor], maps: tuple[Tensor, ...]) -> PoseBatch:
        height, width = self.crop.height_px, self.crop.width_px
        heatmaps = [output for output in outputs.values() if _is_heatmap(output, height, width)]
        if heatmaps:
            joints, scores = decode_heatmaps(
                heatmaps[0], width_px=width, height_px=height, alignment=self.crop.alignment
            )
            return PoseBatch(joints, scores, maps, heatmaps[0])
        vectors = {name: output for name, output in outputs.items() if output.ndim == 3}
        if len(vectors) != 2 or len(vectors) != len(outputs):
            shapes = ", ".join(f"{name} {tuple(output.shape)}" for name, output in outputs.items())
            raise HeatpoolError(
                "expected heatmaps (B, V, h, w) of the crop's proportions or two SimCC vectors (B, V, n) "
                f"from {self._file_name}, got {shapes}"
            )
        along_x, along_y = _simcc_axes(vectors, height, width, self._file_name)
        joints, scores = decode_simcc(along_x, along_y, split_ratio=along_x.shape[2] / width)
        return PoseBatch(joints, scores, maps)


def _is_heatmap(output: Tensor, height_px: int, width_px: int) -> bool:
    """Whether (B, V, h, w) is a smaller picture of the crop, and no list of persons' joints."""
    if output.ndim != 4 or not (output.shape[2] <= height_px and output.shape[3] <= width_px):
        return False
    return 0.8 < (height_px / output.shape[2]) / (width_px / output.shape[3]) < 1.25


def _simcc_axes(
    vectors: dict[str, Tensor], height_px: int, width_px: int, file_name: str
) -> tuple[Tensor, Tensor]:
    """Return the vectors along x and y: as many bins a pixel on both axes, or, in a square, named so."""
    (first_name, first), (second_name, second) = vectors.items()
    x_first = first.shape[2] * height_px == second.shape[2] * width_px
    y_first = second.shape[2] * height_px == first.shape[2] * width_px
    if x_first and y_first:
        ends = first_name[-1:].lower() + second_name[-1:].lower()
        x_first, y_first = ends == "xy", ends == "yx"
    if first.shape[:2] != second.shape[:2] or x_first == y_first:
        raise HeatpoolError(
            f"expected SimCC vectors of {file_name} with as many bins a pixel along x as along y, and in a "
            f"square crop names that end in x and y, got {first_name} {tuple(first.shape)} and "
            f"{second_name} {tuple(second.shape)} for {width_px} x {height_px} pixels"
        )
    return (first, second) if x_first else (second, first)
