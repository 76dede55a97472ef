"""Random crops and letterboxed frames for training, made from rendered frames (NumPy and OpenCV)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from heatpool.extract.networks.crops import crop_affines
from heatpool.extract.networks.tiny.backbone import DETECTOR_INPUT_WH, TINY_CROP
from heatpool.extract.networks.tiny.training.rendering import RenderedSet

__all__ = ["DetectorSamples", "PoseSamples", "collate_detector"]

FLIP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
"""COCO-17 joints after a mirror: left and right change places."""

_HIDDEN_WEIGHT = 0.4
_GREY = (114, 114, 114)


@dataclass
class _Samples(Dataset[tuple[np.ndarray, ...]]):
    """Augmented views of rendered frames, drawn anew in each epoch."""

    rendered: RenderedSet
    seed: int
    epoch: int = 0

    def __post_init__(self) -> None:
        self.frames = self.rendered.frames


class PoseSamples(_Samples):
    """One augmented crop per person: (crop (H, W, 3) uint8, joints_xy_px (17, 2) f4, weight (17,) f4).

    Joints are crop pixels. Weight 1 = seen, less = hidden behind something, 0 = outside the crop.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.persons = self.rendered.persons()

    def __len__(self) -> int:
        return len(self.persons)

    def __getitem__(self, item: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng((self.seed, self.epoch, item))
        frame, person = self.persons[item]
        people = self.rendered.people[frame]
        mirrored = rng.random() < 0.5
        affine = _random_crop_affine(rng, people.boxes_xyxy_px[person], mirrored)
        joints = people.joints_xy_px[person] @ affine[:, :2].T + affine[:, 2]
        visible = people.visible[person]
        if mirrored:
            joints, visible = joints[FLIP], visible[FLIP]
        size = (TINY_CROP.width_px, TINY_CROP.height_px)
        crop = cv2.warpAffine(self.frames[frame], affine, size, flags=cv2.INTER_LINEAR)
        crop = _random_look(rng, crop)
        visible = visible & ~_random_erase(rng, crop, joints)
        inside = ((joints >= 0) & (joints <= np.array(size) - 1)).all(1)
        weight = np.where(visible, 1.0, _HIDDEN_WEIGHT) * inside
        return crop, joints.astype(np.float32), weight.astype(np.float32)


class DetectorSamples(_Samples):
    """One augmented letterboxed frame: (image (H, W, 3) uint8, boxes (P, 4) f4).

    Boxes are centre x, centre y, width, height as fractions of the image.
    """

    def __len__(self) -> int:
        return len(self.rendered.people)

    def __getitem__(self, item: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng((self.seed, self.epoch, item))
        frame = self.frames[item]
        affine = _random_letterbox_affine(rng, frame.shape[1], frame.shape[0])
        width, height = DETECTOR_INPUT_WH
        image = cv2.warpAffine(frame, affine, (width, height), flags=cv2.INTER_LINEAR, borderValue=_GREY)
        image = _random_look(rng, image)
        people = self.rendered.people[item]
        boxes = people.boxes_xyxy_px[people.counted].astype(np.float64)
        corners = np.stack([boxes[:, :2], boxes[:, 2:]], 1) @ affine[:, :2].T + affine[:, 2]
        whole = np.concatenate([corners.min(1), corners.max(1)], 1)
        seen = whole.clip(0, [width, height, width, height])
        size, whole_size = seen[:, 2:] - seen[:, :2], whole[:, 2:] - whole[:, :2]
        keep = (size.prod(1) > 0.3 * whole_size.prod(1)) & (size.min(1) > 3)
        xywh = np.concatenate([(seen[:, :2] + seen[:, 2:]) / 2, size], 1) / [width, height, width, height]
        return image, xywh[keep].astype(np.float32)


def collate_detector(samples: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, Tensor]:
    """Batch frames as ultralytics' detection loss wants them (`img` still uint8, (B, H, W, 3))."""
    boxes = np.concatenate([sample[1] for sample in samples])
    owner = np.repeat(np.arange(len(samples)), [len(sample[1]) for sample in samples])
    return {
        "img": torch.from_numpy(np.stack([sample[0] for sample in samples])),
        "bboxes": torch.from_numpy(boxes),
        "cls": torch.zeros(len(boxes), 1),
        "batch_idx": torch.from_numpy(owner).float(),
    }


def _random_crop_affine(rng: np.random.Generator, box_xyxy_px: np.ndarray, mirrored: bool) -> np.ndarray:
    """Return the (2, 3) map frame -> crop of a box as a detector might have found it, turned and mirrored."""
    centre, size = (box_xyxy_px[:2] + box_xyxy_px[2:]) / 2, box_xyxy_px[2:] - box_xyxy_px[:2]
    centre = centre + rng.uniform(-0.1, 0.1, 2) * size
    size = size * rng.uniform(0.8, 1.2) * rng.uniform(0.93, 1.07, 2)
    jittered = np.concatenate([centre - size / 2, centre + size / 2])
    affine = crop_affines(jittered[None], TINY_CROP)[0]
    middle = (TINY_CROP.width_px / 2, TINY_CROP.height_px / 2)
    angle_deg = rng.normal(0, 8) if rng.random() < 0.6 else 0.0
    turn = np.vstack([cv2.getRotationMatrix2D(middle, float(np.clip(angle_deg, -25, 25)), 1.0), [0, 0, 1]])
    affine = (turn @ np.vstack([affine, [0, 0, 1]]))[:2]
    return _mirror(affine, TINY_CROP.width_px) if mirrored else affine


def _random_letterbox_affine(
    rng: np.random.Generator, frame_width_px: int, frame_height_px: int
) -> np.ndarray:
    """Return the (2, 3) map frame -> network input: the letterbox, scaled, shifted and mirrored."""
    width, height = DETECTOR_INPUT_WH
    scale = min(width / frame_width_px, height / frame_height_px)
    zoom, shift = 1.0, np.zeros(2)
    if rng.random() < 0.7:
        zoom, shift = rng.uniform(0.7, 1.35), rng.uniform(-0.15, 0.15, 2) * [width, height]
    scale = scale * zoom
    # Half-pixel centres, as cv2.resize in the detector's letterbox.
    offset = (
        np.array([width, height]) / 2 - 0.5 - scale * (np.array([frame_width_px, frame_height_px]) / 2 - 0.5)
    )
    affine = np.array([[scale, 0, offset[0] + shift[0]], [0, scale, offset[1] + shift[1]]])
    return _mirror(affine, width) if rng.random() < 0.5 else affine


def _mirror(affine: np.ndarray, width_px: int) -> np.ndarray:
    """Follow a (2, 3) map by x -> width - 1 - x."""
    return np.asarray(np.array([[-1.0, 0, width_px - 1], [0, 1, 0]]) @ np.vstack([affine, [0, 0, 1]]))


def _random_look(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Change brightness, contrast, colour cast; sometimes blur, noise or JPEG blocks."""
    gain = rng.uniform(0.7, 1.3) * rng.uniform(0.88, 1.12, 3)
    offset = rng.uniform(-25, 25) + rng.uniform(-8, 8, 3)
    table = (np.arange(256)[:, None] * gain + offset).clip(0, 255).astype(np.uint8)
    image = cv2.LUT(image, table[:, None])
    if rng.random() < 0.25:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.3))
    if rng.random() < 0.2:
        noise = rng.standard_normal(image.shape, np.float32) * rng.uniform(2, 12)
        image = (image + noise).clip(0, 255).astype(np.uint8)
    if rng.random() < 0.25:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 90))]
        image = np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR))
    return image


def _random_erase(rng: np.random.Generator, crop: np.ndarray, joints_xy_px: np.ndarray) -> np.ndarray:
    """Now and then paint a rectangle over the crop, in place; return (17,) bool, the joints beneath it."""
    if rng.random() >= 0.3:
        return np.zeros(len(joints_xy_px), bool)
    size = np.array(crop.shape[1::-1])
    low = rng.uniform(0, 0.85, 2) * size
    high = low + rng.uniform(0.08, 0.35, 2) * size
    (x1, y1), (x2, y2) = low.astype(int), high.astype(int)
    crop[y1:y2, x1:x2] = rng.integers(0, 256, 3)
    return np.asarray(np.all((joints_xy_px >= [x1, y1]) & (joints_xy_px < [x2, y2]), axis=1))
