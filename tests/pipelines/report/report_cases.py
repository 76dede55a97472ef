"""A tiny store and run folder for the report's tests; every figure follows by hand.

Eight clips, three classes, subjects s1 (train), s2 (val), s3 and s4 (test). The test clips, in order of
rows 4 to 7, have labels wave, sit, sit, wave; the class `<b>jump</b>` has none.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from heatpool.classify.scores.scores import ClipScores, save_scores
from heatpool.extract.records import CropSpec, PoseBatch
from heatpool.pool.records import ClipFeatures, ClipIndex, ClipResult, Split, Status
from heatpool.pool.skeleton import COCO17_SKELETON
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import StoreSpec
from heatpool.pool.store.writer import StoreWriter

CLASSES = ("wave", "sit & stand", "<b>jump</b>")
LABELS = (0, 1, 2, 1, 0, 1, 1, 0, 2)
PARTS = (Split.TRAIN, Split.TRAIN, Split.VAL, Split.VAL, *[Split.TEST] * 5)
SUBJECTS = ("s1", "s1", "s2", "s2", "s3", "s3", "s4", "s4", "s4")
CLIP_IDS = (*(f"clip{row}" for row in range(8)), "<script>alert(1)</script>")
STEPS, WIDTH, HEIGHT, FRAMES, FPS = 8, 64, 48, 16, 8

RIGHT = {  # predicted class of the four usable test clips, whose labels are 0, 1, 1, 0
    "pooled_joint": (0, 1, 1, 1),  # 3 of 4
    "keypoints_joint": (0, 0, 0, 0),  # 2 of 4
    "fused": (0, 1, 0, 0),  # 3 of 4
}


def make_features(persons: int) -> ClipFeatures:
    """People stand still, the first in the left half, the second in the right; features rise in time."""
    seen = np.zeros((2, STEPS), bool)
    seen[:persons] = True
    boxes = np.zeros((2, STEPS, 4), np.float32)
    boxes[0], boxes[1] = [0.125, 0.25, 0.375, 0.75], [0.625, 0.25, 0.875, 0.75]
    keypoints = np.zeros((2, STEPS, 17, 3), np.float32)
    keypoints[0, ..., :], keypoints[1, ..., :] = [-0.5, 0, 1], [0.5, 0, 1]
    rising = np.arange(STEPS, dtype=np.float32)[None, :, None, None]
    pooled = np.broadcast_to(rising, (2, STEPS, 17, 3))
    return ClipFeatures(
        pooled=(pooled * seen[..., None, None]).astype(np.float32),
        keypoints=keypoints * seen[..., None, None],
        boxes=boxes * seen[..., None],
        mask=seen,
        time_s=((np.arange(STEPS) * 2 + 0.5) / FPS).astype(np.float32),
    )


def make_store(path: Path, *, known_subjects: bool = True) -> FeatureStore:
    """Nine clips; the last one, of the test part, failed; clip 5 shows two people."""
    index = ClipIndex(
        clip_id=CLIP_IDS,
        path=tuple(f"clip{row}.mp4" for row in range(9)),
        label=np.array(LABELS, np.int32),
        class_names=CLASSES,
        columns={"subject": SUBJECTS, "camera": ("c1", "c2") * 4 + ("c1",)} if known_subjects else {},
        splits={"xsub": np.array(PARTS, np.uint8)},
    )
    spec = StoreSpec(
        persons=2, steps=STEPS, joints=17, channels=3, backbone="spot", tap="map", weights_sha256="ab" * 32,
        config={"detector": "full-frame"}, licence="CC <0>", citation="Someone 2025", source="drawn here",
    )  # fmt: skip
    writer = StoreWriter.create(path, spec=spec, index=index)
    persons = [2 if row == 5 else 1 for row in range(8)]
    features = [make_features(count) for count in persons]
    results = [ClipResult(Status.OK, FRAMES, FPS, WIDTH, HEIGHT, count) for count in persons]
    failed = ClipResult(Status.FAILED, reason="cannot open <it>")
    writer.write_shard(0, [*features, None], [*results, failed])
    writer.finish()
    return FeatureStore.open(path)


def make_videos(folder: Path) -> Path:
    """Videos of the usable test clips, rows 4 to 7; returns their folder."""
    for row in range(4, 8):
        writer = cv2.VideoWriter(
            str(folder / f"clip{row}.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT)
        )
        for number in range(FRAMES):
            writer.write(np.full((HEIGHT, WIDTH, 3), 20 + 3 * number, np.uint8))
        writer.release()
    return folder


def make_scores(rows: Sequence[int], predicted: Sequence[int]) -> ClipScores:
    scores = np.zeros((len(rows), len(CLASSES)), np.float32)
    scores[np.arange(len(rows)), list(predicted)] = np.log(8)  # probabilities 0.8, 0.1, 0.1
    return ClipScores(
        clip_ids=tuple(CLIP_IDS[row] for row in rows),
        scores=scores,
        labels=np.array([LABELS[row] for row in rows], np.int64),
        class_names=CLASSES,
    )


def make_run(
    folder: Path, *, streams: Sequence[str] = ("pooled_joint", "keypoints_joint"), val: bool = True
) -> Path:
    """A finished run as `heatpool train` leaves it."""
    top1 = {"pooled_joint": 0.75, "keypoints_joint": 0.5}
    fused = len(streams) > 1
    for name in (*streams, *(["fused"] if fused else [])):
        place = folder if name == "fused" else folder / name
        save_scores(place / "scores_test.npz", make_scores((4, 5, 6, 7), RIGHT[name]))
        (place / "per_class_test.csv").write_text("class_name,clips,accuracy\n")
        if val:
            save_scores(place / "scores_val.npz", make_scores((2, 3), (2, 1)))
    for name in streams:
        with (folder / name / "metrics.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            columns = ["epoch", "lr", "train/loss", "train/acc/top1"]
            writer.writerow(columns + (["val/loss", "val/acc/top1"] if val else []))
            for epoch in range(3):
                row = [epoch, 0.1, 1.0 / (epoch + 1), 0.3 * epoch]
                writer.writerow(row + ([1.5 / (epoch + 1), 0.25 * epoch] if val else []))
    rest = {"acc/top5": 1.0, "acc/mean_class": 0.5, "calibration/ece": 0.1, "clips": 8}
    summary = {
        "model": "linear",
        "protocol": "xsub",
        "features": "features.zarr",
        "class_names": list(CLASSES),
        "clips": {"test": 8},
        "streams": {
            name: {
                "best_epoch": 2,
                "epochs": 3,
                "seconds": 1.5,
                "parameters": 1234,
                "test": {**rest, "acc/top1": top1[name]},
            }
            for name in streams
        },
        "fused": {
            "weights": {"pooled_joint": 1.25, "keypoints_joint": 0.5},
            "test": {**rest, "acc/top1": 0.75},
        },
        "seed": 7,
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / "config.yaml").write_text("split: xsub\n")
    (folder / "env.json").write_text(json.dumps({"cores": 2, "versions": {"torch": "x & y"}}))
    return folder


class SpotBackbone:
    """Its heatmaps have one peak of 0.5 in the middle of the crop, for every joint."""

    name, tap, channels, joints, weights_sha256 = "spot", "map", 3, 17, "ab" * 32
    skeleton = COCO17_SKELETON
    crop = CropSpec(height_px=32, width_px=24)

    def __init__(self, *, heatmaps: bool = True) -> None:
        self.heatmaps = heatmaps

    def forward(self, crops: torch.Tensor) -> PoseBatch:
        count = len(crops)
        maps = torch.zeros(count, 17, 8, 6)
        maps[:, :, 4, 3] = 0.5
        joints = torch.full((count, 17, 2), 12.0)
        features = torch.zeros(count, 3, 8, 6)
        return PoseBatch(joints, torch.ones(count, 17), (features,), maps if self.heatmaps else None)
