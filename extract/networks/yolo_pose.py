"""One-stage pose networks of ultralytics: boxes, joints and neck features in one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from heatpool.extract.networks.taps import check_taps
from heatpool.extract.networks.ultralytics import ImageRows, LoadedModel, PersonNetwork
from heatpool.extract.records import Frame, FramePersons
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.pooling import box_mean, feedback_pool

__all__ = ["YoloPose"]

# Names of the neck's maps that the pose head reads, finest first (strides 8, 16, 32, 64).
_NECK_LEVELS = ("p3", "p4", "p5", "p6")


class YoloPose:
    """`FrameBackbone` over a YOLO pose network (YOLOv8, YOLO11, YOLO26, …).

    The maps that the pose head reads are pooled at the joints the head predicts. A cell of a map of
    stride s has its centre at input pixel `(i + 0.5) s - 0.5`, and positions are taken exactly so.

    Args:
        loaded: network with a pose head.
        taps: levels to pool from; several are pooled at the same joints and joined.
        image_px: longer side of the network's input.
        min_score: persons below are left out.
        device: where the network runs.
        dtype: of the layers below the head.

    Raises:
        HeatpoolError: if the network has no joints or no such level.
    """

    name = "yolo-pose"

    def __init__(
        self,
        loaded: LoadedModel,
        *,
        taps: Sequence[str] = ("p3",),
        image_px: int = 640,
        min_score: float = 0.25,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if not loaded.joints:
            raise HeatpoolError("expected a pose checkpoint such as yolo11n-pose.pt, this one has no joints")
        self._network = PersonNetwork(
            loaded.model,
            image_px=image_px,
            person_class=loaded.person_class,
            min_score=min_score,
            device=device,
            dtype=dtype,
        )
        layers = self._network.model.model
        head = layers[-1]
        levels = _NECK_LEVELS[: len(head.f)]
        self.tap = "+".join(check_taps(taps, levels))
        self.joints = loaded.joints
        self.weights_sha256 = loaded.weights_sha256
        self._layers = [head.f[levels.index(tap)] for tap in taps]
        self._maps: dict[int, Tensor] = {}
        for layer in self._layers:
            layers[layer].register_forward_hook(self._keep(layer))
        with torch.inference_mode():
            self._network.model(torch.zeros(1, 3, 64, 64, device=self._network.device, dtype=dtype))
        self.tap_channels = tuple(self._maps[layer].shape[1] for layer in self._layers)
        self.channels = sum(self.tap_channels)

    def _keep(self, layer: int) -> Any:
        def hook(module: object, inputs: object, output: Tensor) -> None:
            self._maps[layer] = output

        return hook

    def estimate(self, frames: Sequence[Frame]) -> list[FramePersons]:
        """Find persons, joints and pooled features in frames."""
        return self._network.run(frames, self._read)

    def _read(self, image: ImageRows) -> FramePersons:
        """Map what the network found in one image to frame pixels, best person first."""
        points = image.rows[:, 6:].unflatten(1, (self.joints, -1))  # of nobody, too
        pooled, map_mean = self._pool(image, points[..., :2])
        detections, order = image.place.detections(image.rows[:, :6].cpu().numpy())
        keep = torch.from_numpy(order)
        points = points.cpu()[keep]
        joints = (points[..., :2].numpy() - np.array(image.place.pad_px)) / image.place.scale
        has_scores = points.shape[-1] > 2
        scores = points[..., 2].numpy() if has_scores else np.ones(joints.shape[:2], np.float32)
        return FramePersons(
            detections,
            joints.astype(np.float32),
            scores.clip(0, 1),
            pooled.cpu()[keep].numpy(),
            map_mean.cpu()[keep].numpy(),
        )

    def _pool(self, image: ImageRows, joints_xy_px: Tensor) -> tuple[Tensor, Tensor]:
        """Pool the maps at joints (D, V, 2) in input pixels, and average them over the rows' boxes."""
        count = len(joints_xy_px)
        pooled, means = [], []
        for layer in self._layers:
            features = self._maps[layer][image.number].float()
            cells = joints_xy_px.new_tensor([features.shape[2], features.shape[1]])
            stride = joints_xy_px.new_tensor(image.input_hw_px[::-1]) / cells
            position = (joints_xy_px + 0.5) / stride - 0.5
            norm = 2 * position / (cells - 1).clamp(min=1) - 1
            pooled.append(feedback_pool(features.expand(count, -1, -1, -1), norm))
            means.append(box_mean(features, image.rows[:, :4] / stride.repeat(2)))
        return torch.cat(pooled, dim=2), torch.cat(means, dim=1)
