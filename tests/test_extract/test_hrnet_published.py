"""The published extractor's rules, and its outputs for a whole NTU clip where ../shared has them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from extract.crops import crop_affines
from extract.detectors import BoxesFile
from extract.engine import ClipJob, ExtractOptions, extract_clips
from extract.hrnet.backbone import BatchNorm, HRNetBackbone
from extract.posers import TopDown
from extract.records import CropSpec, PoseBatch
from extract.tracking import select_first
from pool.resample import ResamplePlan
from tests.test_extract.hrnet_cases import SHARED, paper_network

CROP = CropSpec(height_px=256, width_px=192)
VIDEO = SHARED / "videos" / "ntu" / "S001C001P001R001A001_rgb.avi"
FULL_HD = 1080 / 1920  # frame height over frame width, where the crop's 192 / 256 belongs


def test_published_crops_of_a_standing_person_cut_head_and_feet() -> None:
    box = np.array([[860, 100, 1060, 900]], float)  # 800 high, so that the height decides
    model = crop_affines(box, CROP)[0]
    published = crop_affines(box, CROP, aspect=FULL_HD)[0]
    assert model[0, 0] == pytest.approx(192 / (800 * 0.75 * 1.25))
    assert published[0, 0] == pytest.approx(192 / (800 * 0.5625 * 1.25))
    top, bottom = ((published @ [960, y, 1])[1] for y in (100, 900))
    assert top < 0 < 256 < bottom  # 800 px high and 256 px hold 750 of them
    assert (published @ [960, 500, 1]).tolist() == pytest.approx([96, 128])


def test_published_crops_of_a_wide_box_are_the_models() -> None:
    box = np.array([[100, 100, 900, 300]], float)
    assert np.array_equal(crop_affines(box, CROP, aspect=FULL_HD), crop_affines(box, CROP))


class Recorder(HRNetBackbone):
    """Keeps the joints of every crop, in crop pixels."""

    crop_joints_xy_px: list[np.ndarray]

    def forward(self, crops: Tensor) -> PoseBatch:
        pose = super().forward(crops)
        self.crop_joints_xy_px = [*getattr(self, "crop_joints_xy_px", []), *pose.joints_xy_px.numpy()]
        return pose


def boxes_csv(path: Path, boxes: list[list[list[float]]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "frame", "x1", "y1", "x2", "y2", "score"])
        writer.writerows([VIDEO, frame, *box] for frame, found in enumerate(boxes) for box in found)
    return path


# What the published loop gave with weights made from the tensors' names; seen: TO_FILL.
@pytest.mark.slow
@pytest.mark.skipif(not VIDEO.is_file(), reason="no ../shared")
@pytest.mark.parametrize(
    ("batchnorm", "golden"),
    [("eval", "clip_one_person.npz"), ("published", "clip_one_person_as_published.npz")],
)
def test_a_whole_clip_gives_the_published_features(
    tmp_path: Path, batchnorm: BatchNorm, golden: str, record_property: pytest.RecordProperty
) -> None:
    published = np.load(SHARED / "golden" / golden)
    boxes = json.loads(str(published["boxes"]))
    detector = BoxesFile(boxes_csv(tmp_path / "boxes.csv", boxes), videos=[VIDEO], root=tmp_path)
    backbone = Recorder(paper_network(), batchnorm=batchnorm)
    poser = TopDown(detector, backbone, device="cpu", crop_aspect="published")
    options = ExtractOptions(selection=select_first, gaps="zeros", person_batch=8)
    outcome = extract_clips([ClipJob(0, VIDEO, persons=1)], options, poser=poser)[0]
    assert outcome.features is not None

    pooled = outcome.features.pooled[0]
    difference = np.abs(pooled - published["pooled"][:, 0]) / np.abs(published["pooled"]).max()
    record_property("largest", float(difference.max()))
    record_property("median", float(np.median(difference)))
    print(f"{batchnorm}: pooled differ by at most {difference.max():.1e}, median {np.median(difference):.1e}")
    assert difference.max() < 1e-3
    assert not outcome.features.pooled[1].any()  # ours leaves the slot empty, theirs copies the person
    assert np.array_equal(published["pooled"][:, 0], published["pooled"][:, 1])

    read = [frame for frame in ResamplePlan.linear(len(boxes), 64).frames if boxes[frame]]
    joints = np.stack(backbone.crop_joints_xy_px)
    moved = np.abs(joints - published["keypoints"][read, 0]).max(-1)
    print(f"{(moved > 0).sum()} of {moved.size} joints moved, by at most {moved.max()} px")
    assert (moved > 0).mean() < 0.001  # ties of two bins
