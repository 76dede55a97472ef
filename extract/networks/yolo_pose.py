"""One-stage pose networks of ultralytics: boxes, joints and neck features in one forward pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from heatpool.extract.networks.letterbox import Letterboxed
from heatpool.extract.networks.runtime.runner import Runtime
from heatpool.extract.networks.taps import check_taps
from heatpool.extract.networks.ultralytics import MAX_IOU, ImageRows, LoadedModel, PersonNetwork
from heatpool.extract.records import Detections, Frame, FramePersons
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.pooling import box_mean, feedback_pool

__all__ = ["YoloPose"]


class YoloPose:
    """`FrameBackbone` over a YOLO pose network (YOLOv8, YOLO11, YOLO26, …).

    Boxes, joints and scores are those of ultralytics' `YOLO(…).predict`. The maps that the pose head reads
    are pooled at the joints it predicts: cell i of the map of stride s covers input pixels i s to (i + 1) s,
    so its centre is at (i + 1/2) s, where the head has its anchor.

    Args:
        loaded: network with a pose head.
        taps: levels to pool from, p3 of stride 8, p4 of 16, …; several are pooled at the same joints.
        image_px: longer side of the input, or its height and width; None for what it was trained at.
        min_score: persons below are left out.
        max_iou: of two boxes that overlap more the weaker goes.
        device: where the network runs.
        dtype: of the layers below the head.
        runtime: what runs it.

    Raises:
        HeatpoolError: if the network has no joints or no such level, or the runtime is not there.
    """

    name = "yolo-pose"

    def __init__(
        self,
        loaded: LoadedModel,
        *,
        taps: Sequence[str] = ("p3",),
        image_px: int | tuple[int, int] | None = None,
        min_score: float = 0.25,
        max_iou: float = MAX_IOU,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        runtime: Runtime = "torch",
    ) -> None:
        if loaded.skeleton is None:
            raise HeatpoolError("expected a pose checkpoint such as yolo11n-pose.pt, this one has no joints")
        model: Any = loaded.model
        head = model.model[-1]
        levels = [f"p{round(math.log2(float(stride)))}" for stride in head.stride]
        self.tap = "+".join(check_taps(taps, levels))
        self._network = PersonNetwork(
            loaded.model,
            image_px=image_px or loaded.image_px,
            person_classes=loaded.person_classes,
            min_score=min_score,
            max_iou=max_iou,
            taps=[head.f[levels.index(tap)] for tap in taps],
            device=device,
            dtype=dtype,
            runtime=runtime,
        )
        self.skeleton, self.joints = loaded.skeleton, loaded.joints
        self.weights_sha256 = loaded.weights_sha256
        self.tap_channels = self._network.tap_channels
        self.channels = sum(self.tap_channels)

    def prepare(self, frame: Frame) -> Letterboxed:
        """Fit a frame into the network's input."""
        return self._network.prepare(frame)

    def estimate(self, prepared: Sequence[Letterboxed]) -> list[FramePersons]:
        """Find persons, joints and pooled features in frames."""
        return self._network.run(prepared, self._read)

    def pool_given(
        self, prepared: Sequence[Letterboxed], persons: Sequence[Detections]
    ) -> list[FramePersons]:
        """Pool the maps of frames at the joints that come with the persons of each; the head is not asked."""
        return self._network.run(
            prepared, lambda image: self._read_given(image, persons[image.frame]), persons=False
        )

    def _read_given(self, image: ImageRows, persons: Detections) -> FramePersons:
        assert persons.joints is not None, "whoever gives persons without joints has another estimator"
        joints, missing = persons.joints, persons.joints.missing
        corners = persons.boxes_xyxy_px.reshape(-1, 2, 2)
        # A joint that is not given is read anywhere: what comes of it does not count.
        joints_xy_px, boxes_xyxy_px = (
            torch.from_numpy(image.place.to_input(points)).to(image.rows.device)
            for points in (np.where(missing[..., None], 0, joints.xy_px), corners)
        )
        pooled, map_mean = (
            each.cpu().numpy() for each in self._pool(image, joints_xy_px, boxes_xyxy_px.flatten(1))
        )
        pooled[missing] = 0
        return FramePersons(persons, joints.xy_px, joints.scores, pooled, map_mean)

    def _read(self, image: ImageRows) -> FramePersons:
        """Map what the network found in one image to frame pixels, best person first."""
        points = image.rows[:, 6:].unflatten(1, (self.joints, -1))  # of nobody, too
        detections, order = image.place.detections(image.rows[:, :6].cpu().numpy())
        best = torch.from_numpy(order).to(image.rows.device)
        points, boxes_xyxy_px = points[best], image.rows[best, :4]
        pooled, map_mean = self._pool(image, points[..., :2], boxes_xyxy_px)
        points = points.cpu()
        has_scores = points.shape[-1] > 2
        return FramePersons(
            detections,
            image.place.to_frame(points[..., :2].numpy()),
            points[..., 2].clamp(0, 1).numpy() if has_scores else np.ones(points.shape[:2], np.float32),
            pooled.cpu().numpy(),
            map_mean.cpu().numpy(),
        )

    def _pool(self, image: ImageRows, joints_xy_px: Tensor, boxes_xyxy_px: Tensor) -> tuple[Tensor, Tensor]:
        """Pool the maps at joints (D, V, 2) and average them over boxes (D, 4), both in input pixels."""
        count = len(joints_xy_px)
        first = joints_xy_px.new_tensor(image.place.pad_px)
        last = first + joints_xy_px.new_tensor(image.place.size_px) * joints_xy_px.new_tensor(
            image.place.scale_xy
        )
        inside = joints_xy_px.clamp(first, last)  # as the joints that are given: inside the frame
        pooled, means = [], []
        for each in image.maps:
            features = each.float()
            cells = joints_xy_px.new_tensor([features.shape[2], features.shape[1]])
            stride = joints_xy_px.new_tensor(image.input_hw_px[::-1]) / cells
            # A joint in the outer half of the first cell falls on that cell: there is nothing beyond.
            position = (inside / stride - 0.5).clamp(torch.zeros_like(cells), cells - 1)
            norm = 2 * position / (cells - 1).clamp(min=1) - 1
            pooled.append(feedback_pool(features.expand(count, -1, -1, -1), norm))
            means.append(box_mean(features, boxes_xyxy_px / stride.repeat(2)))
        return torch.cat(pooled, dim=2), torch.cat(means, dim=1)
