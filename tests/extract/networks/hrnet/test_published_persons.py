"""The published extractor's loop over clips of two people, written out, against ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from heatpool.extract.datasets.boxes import read_boxes
from heatpool.extract.engine.engine import ClipJob, EngineOptions, extract_clips
from heatpool.extract.engine.estimators import TopDown
from heatpool.extract.engine.slots import select_first
from heatpool.extract.networks.crops import crop_affines
from heatpool.extract.networks.detectors import detect_frames
from heatpool.extract.networks.hrnet.backbone import BatchNorm, HRNetBackbone
from heatpool.extract.networks.hrnet.network import HRNetSimCC
from heatpool.extract.networks.persons_file import PersonsFile
from heatpool.extract.records import CropSpec, Detections, Frame
from tests.conftest import FrameDetector, VideoMaker
from tests.extract.networks.hrnet.hrnet_cases import narrow, paper_network
from tests.paths import SHARED

VIDEO = SHARED / "videos" / "ntu" / "S001C001P001R001A050_rgb.avi"
BOXES = SHARED / "videos" / "boxes.csv"
TAP = "stage4_branch1"
STEPS = 64

Boxes = Sequence[np.ndarray]
"""(D, 4) in pixels for each frame, the most confident first."""


class GivenBoxes(FrameDetector):
    """A detector that knows the boxes."""

    def __init__(self, boxes: Boxes) -> None:
        self._boxes = boxes

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        found = [self._boxes[frame.index] for frame in frames]
        return [Detections(each, np.linspace(0.9, 0.5, len(each), dtype=np.float32)) for each in found]


def read_frames(video: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(video))
    frames = []
    while (read := capture.read())[0]:
        frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
    return frames


@torch.inference_mode()
def published(frames: Sequence[np.ndarray], boxes: Boxes, network: HRNetSimCC, crop: CropSpec) -> np.ndarray:
    """Pool a clip of which two people are expected, a crop at a time: (T, 2, V, C).

    Of a frame's boxes the two most confident; who is alone stands in both places; zeros without anybody.
    """
    size_px = np.array([crop.width_px, crop.height_px])
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (crop.mean, crop.std))

    def person(rgb: np.ndarray, box_xyxy_px: np.ndarray) -> torch.Tensor:
        affine = crop_affines(box_xyxy_px[None], crop, aspect=rgb.shape[0] / rgb.shape[1])[0]
        pixels = cv2.warpAffine(rgb, affine, tuple(size_px.tolist()), flags=cv2.INTER_LINEAR)
        given = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
        output = network((given - mean) / std, (TAP,))
        joints_xy_px = np.stack([each.numpy().argmax(2) for each in output.vectors], 2) / 2
        grid = torch.from_numpy(joints_xy_px / (size_px / 2) - 1).float()[:, None]
        return functional.grid_sample(output.maps[TAP], grid, align_corners=True)[0, :, 0].T

    pooled: list[torch.Tensor | None] = []
    for rgb, found in zip(frames, boxes, strict=True):
        people = [person(rgb, box) for box in found[:2]]
        pooled.append(torch.stack(people if len(people) == 2 else people * 2) if people else None)
    empty = torch.zeros_like(next(each for each in pooled if each is not None))
    clip = torch.stack([empty if each is None else each for each in pooled])
    columns = clip.flatten(1).T[None]
    resampled = functional.interpolate(columns, STEPS, mode="linear", align_corners=False)[0].T
    return resampled.view(STEPS, *clip.shape[1:]).numpy()


def largest_differences(
    video: Path, boxes: Boxes, make_network: Callable[[], HRNetSimCC], batchnorm: BatchNorm
) -> np.ndarray:
    """(2,) of each slot over all steps, as a share of the largest published value."""
    backbone = HRNetBackbone(make_network(), batchnorm=batchnorm)
    estimator = TopDown(GivenBoxes(boxes), backbone, device="cpu", crop_aspect="published")
    options = EngineOptions(steps=STEPS, selection=select_first, gaps="zeros", person_batch=8)
    outcome = extract_clips([ClipJob(0, video, persons=2)], options, estimator=estimator)[0]
    assert outcome.features is not None
    network = make_network().train(batchnorm == "published")
    theirs = published(read_frames(video), boxes, network, backbone.crop)
    ours = outcome.features.pooled.swapaxes(0, 1)
    largest: np.ndarray = np.abs(ours - theirs).max((0, 2, 3)) / np.abs(theirs).max()
    print(f"{video.name}, {batchnorm}: {largest[0]:.1e} in slot 1, {largest[1]:.1e} in slot 2")
    return largest


@pytest.mark.parametrize("batchnorm", ["eval", "published"])
def test_two_people_in_frames_of_none_to_three_boxes(make_video: VideoMaker, batchnorm: BatchNorm) -> None:
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 255, (90, 160, 3), np.uint8)
    frames = [cv2.blur(np.roll(noise, 3 * step, 1), (9, 9)) for step in range(40)]
    corners = rng.uniform((5, 5), (100, 40), (40, 3, 2))
    sizes = rng.uniform((20, 30), (50, 45), (40, 3, 2))
    people = np.concatenate([corners, corners + sizes], 2).astype(np.float32)
    boxes = [each[: step % 4] for step, each in enumerate(people)]
    assert {len(each) for each in boxes} == {0, 1, 2, 3}
    assert (largest_differences(make_video(frames), boxes, narrow, batchnorm) < 1e-3).all()


# Seen in slots 1 and 2, as a share of the largest published value: 6.0e-7 and 6.0e-7 with trained statistics,
# 6.8e-6 and 6.9e-6 with each crop's own.
@pytest.mark.slow
@pytest.mark.timeout(1200)  # minutes of two cores
@pytest.mark.skipif(not VIDEO.is_file(), reason="no ../shared")
@pytest.mark.parametrize("batchnorm", ["eval", "published"])
def test_an_ntu_clip_of_two_people_with_missed_detections(batchnorm: BatchNorm) -> None:
    given = read_boxes(BOXES, videos=[VIDEO], root=SHARED / "videos")
    frames = [Frame(0, number, 0.0, rgb) for number, rgb in enumerate(read_frames(VIDEO))]
    detector = PersonsFile(given.of_clip, given.source)
    boxes = [found.boxes_xyxy_px for found in detect_frames(detector, frames)]
    boxes[3::5] = [each[:1] for each in boxes[3::5]]
    boxes[4::5] = [each[:0] for each in boxes[4::5]]
    assert (largest_differences(VIDEO, boxes, paper_network, batchnorm) < 1e-3).all()
