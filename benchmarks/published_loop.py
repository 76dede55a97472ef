"""A plain rewrite of the published extractor's loop: each frame, one crop at a time, all on the host."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from ultralytics.utils.nms import non_max_suppression

from benchmarks.networks import CPU, estimator, fixed_box, hrnet, yolo, yolo_pose
from heatpool.extract.engine.estimators import TopDown
from heatpool.extract.networks.crops import crop_affines
from heatpool.extract.networks.detectors import detect_frames
from heatpool.extract.networks.letterbox import letterbox
from heatpool.extract.records import CropSpec, Frame
from heatpool.pool.skeleton import COCO17_SKELETON

__all__ = ["PublishedHRNet", "Step", "published_loop", "published_step"]


class Step(Protocol):
    """What the loop does with one frame."""

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Return (V, C), pooled at the joints of the one person in a frame (H, W, 3) uint8."""


class PublishedHRNet:
    """As published: batch 1, the pose network in training mode, every map copied to the host."""

    crop = CropSpec(height_px=256, width_px=192)
    tap = "stage4_branch1"

    def __init__(self, channels: int, device: torch.device) -> None:
        self._detector, self._network = yolo().to(device), hrnet(channels).train().to(device)
        self._device = device
        self._mean, self._std = (
            torch.tensor(each, device=device).view(1, 3, 1, 1) for each in (self.crop.mean, self.crop.std)
        )

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Return (V, C)."""
        pixels = torch.from_numpy(letterbox(rgb, (640, 640), stride=32)[0])
        boxed = pixels.to(self._device).permute(2, 0, 1)[None]
        non_max_suppression(self._detector(boxed.float() / 255)[0], 0.25, 0.6, classes=[0], nc=80)
        crop = torch.from_numpy(_crop(rgb, self.crop)).to(self._device).permute(2, 0, 1)[None]
        normal = (crop.float() / 255 - self._mean) / self._std
        output = self._network(normal, (self.tap, "stage4_branch0", "stage4_branch2", "stage4_branch3"))
        maps = {name: each.cpu() for name, each in output.maps.items()}
        along_x, along_y = (each.cpu().numpy() for each in output.vectors)
        joints_xy_px = np.stack([along_x.argmax(2), along_y.argmax(2)], 2) / 2
        return _sample(maps[self.tap], joints_xy_px, self.crop)


class _PlainTopDown:
    """The same loop with another network, as heatpool loads it, in eval mode and at batch 1."""

    def __init__(self, backend: str, device: torch.device) -> None:
        found = estimator(backend, device=device)
        assert isinstance(found, TopDown)
        self._detector, self._backbone, self._device = found._detector, found._backbone, device

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Return (V, C)."""
        detect_frames(self._detector, [Frame(0, 0, 0.0, rgb)])
        spec = self._backbone.crop
        output = self._backbone.forward(torch.from_numpy(_crop(rgb, spec)).to(self._device)[None])
        return _sample(output.maps[0].cpu(), output.joints_xy_px.cpu().numpy(), spec)


class _PlainOnePass:
    """The same with yolo-pose, at joints on the diagonal of the one box."""

    def __init__(self, device: torch.device) -> None:
        self._network, self._device = yolo_pose().to(device), device
        self._maps: list[Tensor] = []
        layers: Any = self._network.model
        layers[layers[-1].f[0]].register_forward_hook(lambda layer, given, output: self._maps.append(output))

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Return (V, C)."""
        boxed, place = letterbox(rgb, (640, 640), stride=32)
        pixels = torch.from_numpy(boxed).to(self._device).permute(2, 0, 1)[None]
        non_max_suppression(self._network(pixels.float() / 255)[0], 0.25, 0.7, classes=[0], nc=1)
        first, last = place.to_input(fixed_box(*place.size_px).reshape(2, 2))
        joints_xy_px = np.linspace(first, last, COCO17_SKELETON.joints)[None]
        height, width = boxed.shape[:2]
        spec = CropSpec(height_px=height, width_px=width)
        return _sample(self._maps.pop().cpu(), joints_xy_px, spec)


def published_step(backend: str, *, device: torch.device = CPU) -> Step:
    """Return what the loop does with a frame: as published for hrnet-simcc, its like for other networks."""
    if backend == "hrnet-simcc":
        return PublishedHRNet(48, device)
    return _PlainOnePass(device) if backend == "yolo-pose" else _PlainTopDown(backend, device)


@torch.inference_mode()
def published_loop(video: Path, step: Step, *, steps: int) -> np.ndarray:
    """Extract one clip: all of its frames, then resampled. Returns (T, V, C)."""
    capture = cv2.VideoCapture(str(video))
    pooled = []
    while True:
        read, bgr = capture.read()
        if not read:
            break
        pooled.append(torch.from_numpy(step(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))))
    columns = torch.stack(pooled).flatten(1).T[None]
    resampled = functional.interpolate(columns, steps, mode="linear", align_corners=False)[0].T
    return resampled.view(steps, *pooled[0].shape).numpy()


def _crop(rgb: np.ndarray, spec: CropSpec) -> np.ndarray:
    height, width = rgb.shape[:2]
    affine = crop_affines(fixed_box(width, height), spec, aspect=height / width)[0]
    return cv2.warpAffine(rgb, affine, (spec.width_px, spec.height_px), flags=cv2.INTER_LINEAR)


def _sample(feature_map: Tensor, joints_xy_px: np.ndarray, spec: CropSpec) -> np.ndarray:
    """Pool a map (1, C, H, W) at joints (1, V, 2) in crop pixels, as they do. Returns (V, C)."""
    centre_px = np.array([spec.width_px, spec.height_px]) / 2
    grid = torch.from_numpy(joints_xy_px / centre_px - 1).float()[:, None]
    return functional.grid_sample(feature_map.float(), grid, align_corners=True)[0, :, 0].T.numpy()
