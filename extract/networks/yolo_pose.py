"""One-stage pose networks of ultralytics: boxes, joints and neck features in one forward pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from heatpool.extract.networks.detectors import letterbox, to_detections
from heatpool.extract.networks.ultralytics import LoadedModel, lower_precision
from heatpool.extract.records import Frame, FramePeople
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.pooling import box_mean, feedback_pool

__all__ = ["LEVELS", "YoloPose"]

LEVELS: tuple[str, ...] = ("p3", "p4", "p5", "p6")
"""Names of the neck's maps that the pose head reads, finest first (strides 8, 16, 32, 64)."""


class YoloPose:
    """`FrameBackbone` over a YOLO pose network (YOLOv8, YOLO11, YOLO26, …).

    The maps that the pose head reads are pooled at the joints the head predicts. A cell of a map of
    stride s has its centre at input pixel `(i + 0.5) s - 0.5`, and positions are taken exactly so.

    Args:
        loaded: network with a pose head.
        taps: levels to pool from; several are pooled at the same joints and joined.
        image_px: longer side of the network's input.
        min_score: people below are left out.
        max_iou: of two boxes that overlap more, the weaker goes.
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
        max_iou: float = 0.6,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        model: Any = loaded.model
        lower_precision(model, dtype)
        self._model = model.to(device)
        self._dtype = dtype
        layers: Any = self._model.model
        head = layers[-1]
        levels = LEVELS[: len(head.f)]
        unknown = [tap for tap in taps if tap not in levels]
        if not loaded.joints:
            raise HeatpoolError("expected a pose checkpoint such as yolo11n-pose.pt, this one has no joints")
        if unknown or not taps:
            raise HeatpoolError(
                f"expected --tap out of {', '.join(levels)}, got {', '.join(unknown) or 'none'}"
            )
        self.taps = tuple(taps)
        self.tap = "+".join(taps)
        self.joints = loaded.joints
        self.weights_sha256 = loaded.weights_sha256
        self._person, self._image_px = loaded.person_class, image_px
        self._min_score, self._max_iou, self._device = min_score, max_iou, torch.device(device)
        self._layers = [head.f[levels.index(tap)] for tap in taps]
        self._maps: dict[int, Tensor] = {}
        for layer in self._layers:
            layers[layer].register_forward_hook(self._keep(layer))
        with torch.inference_mode():
            self._model(torch.zeros(1, 3, 64, 64, device=self._device, dtype=dtype))
        self.tap_channels = tuple(self._maps[layer].shape[1] for layer in self._layers)
        self.channels = sum(self.tap_channels)

    def _keep(self, layer: int) -> Any:
        def hook(module: object, inputs: object, output: Tensor) -> None:
            self._maps[layer] = output

        return hook

    @torch.inference_mode()
    def estimate(self, frames: Sequence[Frame]) -> list[FramePeople]:
        """Find people, joints and pooled features in frames, in batches of equal shape."""
        groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for at, frame in enumerate(frames):
            groups[frame.rgb.shape].append(at)
        found: dict[int, FramePeople] = {}
        for places in groups.values():
            found.update(zip(places, self._estimate([frames[at].rgb for at in places]), strict=True))
        return [found[at] for at in range(len(frames))]

    def _estimate(self, images: Sequence[np.ndarray]) -> list[FramePeople]:
        from ultralytics.utils.nms import non_max_suppression

        height, width = images[0].shape[:2]
        boxed, scale, left, top = zip(*(letterbox(image, self._image_px) for image in images), strict=True)
        batch = torch.from_numpy(np.stack(boxed)).to(self._device).permute(0, 3, 1, 2) / 255
        rows = non_max_suppression(
            self._model(batch.to(self._dtype)),
            self._min_score,
            self._max_iou,
            classes=[self._person],
            nc=len(self._model.names),
            max_time_img=10.0,  # never let a slow machine drop people
            end2end=getattr(self._model, "end2end", False),
        )
        people = []
        for at, row in enumerate(rows):
            points = row[:, 6:].float().unflatten(1, (self.joints, -1))  # of nobody, too
            pooled, mean = self._pool(at, points[..., :2], row[:, :4].float(), batch.shape[2:])
            people.append(
                _people(row.float(), points, pooled, mean, scale[0], (left[0], top[0]), size=(width, height))
            )
        return people

    def _pool(
        self, image: int, joints_xy_px: Tensor, boxes_xyxy_px: Tensor, size: torch.Size
    ) -> tuple[Tensor, Tensor]:
        """Pool the maps of one image at joints (D, V, 2), and average them over boxes (D, 4).

        Both are in pixels of the network's input.
        """
        count = len(joints_xy_px)
        pooled, means = [], []
        for layer in self._layers:
            features = self._maps[layer][image].float()
            cells = joints_xy_px.new_tensor([features.shape[2], features.shape[1]])
            stride = joints_xy_px.new_tensor([size[1], size[0]]) / cells
            position = (joints_xy_px + 0.5) / stride - 0.5
            norm = 2 * position / (cells - 1).clamp(min=1) - 1
            pooled.append(feedback_pool(features.expand(count, -1, -1, -1), norm))
            means.append(box_mean(features, boxes_xyxy_px / stride.repeat(2)))
        return torch.cat(pooled, dim=2), torch.cat(means, dim=1)


def _people(
    rows: Tensor,
    points: Tensor,
    pooled: Tensor,
    map_mean: Tensor,
    scale: float,
    pad: tuple[int, int],
    *,
    size: tuple[int, int],
) -> FramePeople:
    """Map what the network says of one image to frame pixels, best person first."""
    detections, order = to_detections(rows[:, :6].cpu().numpy(), scale, *pad, *size)
    keep = torch.from_numpy(order)
    points = points.cpu()[keep]
    joints = (points[..., :2].numpy() - np.array(pad)) / scale
    has_scores = points.shape[-1] > 2
    scores = points[..., 2].numpy() if has_scores else np.ones(joints.shape[:2], np.float32)
    return FramePeople(
        detections,
        joints.astype(np.float32),
        scores.clip(0, 1),
        pooled.cpu()[keep].numpy(),
        map_mean.cpu()[keep].numpy(),
    )
