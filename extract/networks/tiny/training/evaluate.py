"""Figures of the tiny networks on rendered frames: mAP50 of the detector, PCK of the joints."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from tqdm import tqdm
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.metrics import ap_per_class

from heatpool.extract.demo.stills import People
from heatpool.extract.networks.crops import crop_affines, crop_boxes, joints_to_frame
from heatpool.extract.networks.detectors import UltralyticsDetector, detect_frames
from heatpool.extract.networks.tiny.backbone import DETECTOR_INPUT_WH, DETECTOR_MAX_IOU, TinyBackbone
from heatpool.extract.networks.tiny.training.rendering import RenderedSet
from heatpool.extract.records import Detections, Frame

__all__ = ["box_iou", "evaluate", "map50", "milliseconds", "pck"]

_BATCH = 64


def box_iou(one_xyxy: np.ndarray, other_xyxy: np.ndarray) -> np.ndarray:
    """Return the (D, P) overlap (intersection over union) of boxes (D, 4) with boxes (P, 4)."""
    low = np.maximum(one_xyxy[:, None, :2], other_xyxy[None, :, :2])
    high = np.minimum(one_xyxy[:, None, 2:], other_xyxy[None, :, 2:])
    shared = (high - low).clip(0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (one_xyxy, other_xyxy)]
    return np.asarray(shared / (areas[0][:, None] + areas[1][None] - shared))


def map50(found: list[Detections], people: Sequence[People]) -> float:
    """Return the average precision of one class at overlap 0.5 (COCO's 101-point area, by ultralytics).

    As in COCO's protocol, people who do not count (`People.counted`) are neither asked for nor, when found,
    held against the detector.

    Args:
        found: detections of each frame.
        people: the truth of each frame.
    """
    hits, scores = [], []
    for detections, truth in zip(found, people, strict=True):
        overlap = box_iou(detections.boxes_xyxy_px, truth.boxes_xyxy_px)
        free = truth.counted.copy()
        for row, score in zip(overlap, detections.scores, strict=True):  # best score first
            best = int((row * free).argmax()) if free.any() else -1
            hit = best >= 0 and row[best] >= 0.5
            if hit:
                free[best] = False  # a true box is found once
            elif (row[~truth.counted] >= 0.5).any():
                continue
            hits.append([hit])
            scores.append(score)
    truths = np.zeros(sum(int(truth.counted.sum()) for truth in people))
    found_class = np.zeros(len(hits))
    return float(ap_per_class(np.array(hits), np.array(scores), found_class, truths)[5].mean())


def pck(
    found_xy_px: np.ndarray,
    truth_xy_px: np.ndarray,
    counted: np.ndarray,
    side_px: np.ndarray,
    *,
    alpha: float,
) -> float:
    """Return the fraction of joints within `alpha` times the larger side of the person's box of the truth.

    Args:
        found_xy_px: (D, 17, 2).
        truth_xy_px: (D, 17, 2).
        counted: (D, 17) bool, joints that count (the visible ones).
        side_px: (D,) larger side of each person's true box.
        alpha: 0.1 for PCK@0.1.
    """
    error = np.linalg.norm(found_xy_px - truth_xy_px, axis=2)
    return float((error <= alpha * side_px[:, None])[counted].mean())


def evaluate(rendered: RenderedSet, *, detector: DetectionModel, backbone: TinyBackbone) -> dict[str, float]:
    """Run both networks as extraction does and return their figures as fractions.

    `pck@...` takes the true boxes, as is usual for top-down networks; `pck@... detected` takes the boxes that
    the detector found (persons it missed count as wrong in all joints).
    """
    frames = rendered.frames
    finder = UltralyticsDetector(
        detector, image_px=max(DETECTOR_INPUT_WH), min_score=0.001, max_iou=DETECTOR_MAX_IOU
    )
    found: list[Detections] = []
    for start in tqdm(range(0, len(frames), _BATCH), desc="detect", unit="batch"):
        images = frames[start : start + _BATCH]
        some = [Frame(0, start + at, 0.0, np.asarray(rgb)) for at, rgb in enumerate(images)]
        found += detect_frames(finder, some)
    persons = rendered.persons()
    truth = np.stack([rendered.people[frame].boxes_xyxy_px[person] for frame, person in persons])
    joints = np.stack([rendered.people[frame].joints_xy_px[person] for frame, person in persons])
    seen = np.stack([rendered.people[frame].visible[person] for frame, person in persons])
    side = (truth[:, 2:] - truth[:, :2]).max(1)
    figures = {"mAP50": map50(found, rendered.people)}
    nearest = np.stack([_best_box(found[frame], box) for (frame, _), box in zip(persons, truth, strict=True)])
    for label, boxes in (("", truth), (" detected", nearest)):
        missed = np.isnan(boxes).any(1)
        estimate = np.full(joints.shape, np.inf)
        places = [(frame, at) for at, (frame, _) in enumerate(persons) if not missed[at]]
        estimate[~missed] = _estimate(rendered, places, boxes, backbone)
        for alpha in (0.1, 0.05):
            figures[f"PCK@{alpha}{label}"] = pck(estimate, joints, seen, side, alpha=alpha)
    return figures | {"frames": float(len(frames)), "persons": float(len(persons))}


def _best_box(found: Detections, truth_xyxy_px: np.ndarray) -> np.ndarray:
    """Return the confident detection that overlaps a true box most (4,), NaN when none overlaps by half."""
    sure = found.boxes_xyxy_px[found.scores >= 0.25]
    overlap = box_iou(sure, truth_xyxy_px[None])[:, 0]
    return sure[overlap.argmax()] if len(sure) and overlap.max() >= 0.5 else np.full(4, np.nan, np.float32)


def _estimate(
    rendered: RenderedSet, places: list[tuple[int, int]], boxes_xyxy_px: np.ndarray, backbone: TinyBackbone
) -> np.ndarray:
    """Return joints (D, 17, 2) in frame pixels; `places` lists (frame, row of `boxes_xyxy_px`)."""
    frames, joints = rendered.frames, []
    for start in tqdm(range(0, len(places), _BATCH), desc="pose", unit="batch"):
        batch = places[start : start + _BATCH]
        affines = crop_affines(boxes_xyxy_px[[row for _, row in batch]], backbone.crop)
        crops = [
            crop_boxes(frames[frame], affine[None], backbone.crop)
            for (frame, _), affine in zip(batch, affines, strict=True)
        ]
        device = next(backbone.network.parameters()).device
        pose = backbone.forward(torch.from_numpy(np.concatenate(crops)).to(device))
        joints.append(joints_to_frame(pose.joints_xy_px.cpu().numpy(), affines))
    return np.concatenate(joints)


def milliseconds(*, detector: DetectionModel, backbone: TinyBackbone, threads: int) -> dict[str, float]:
    """Time the bare networks: best of ten, a frame in batches of 32 and a crop in batches of 64."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    width, height = DETECTOR_INPUT_WH
    frames, crops = (
        torch.rand(32, 3, height, width),
        torch.zeros(64, backbone.crop.height_px, backbone.crop.width_px, 3, dtype=torch.uint8),
    )
    best = {"frame": float("inf"), "crop": float("inf")}
    with torch.inference_mode():
        for _ in range(10):
            for name, network, batch in (("frame", detector, frames), ("crop", backbone.forward, crops)):
                start = time.perf_counter()
                network(batch)
                best[name] = min(best[name], (time.perf_counter() - start) * 1e3 / len(batch))
    torch.set_num_threads(before)
    return {name: round(value, 2) for name, value in best.items()}
