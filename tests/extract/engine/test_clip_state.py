"""A clip whose values cannot be stored fails alone, with its reason."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from heatpool.extract.engine.engine import ClipJob, EngineOptions, extract_clips
from heatpool.extract.engine.estimators import TopDown
from heatpool.extract.records import Detections, Frame, PoseBatch
from heatpool.pool.records import Status
from tests.conftest import AnalyticBackbone, FrameDetector, VideoMaker


class WideBoxes(FrameDetector):
    """Finds everybody in the whole picture, in bright ones far outside of it."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        sides = [1e8 if frame.rgb.mean() > 128 else 60.0 for frame in frames]
        return [
            Detections(np.array([[-side, 0, side, 40]], np.float32), np.ones(1, np.float32)) for side in sides
        ]


class LoudBackbone(AnalyticBackbone):
    """Its features are more than 16 bits hold where a crop is bright."""

    def forward(self, crops: torch.Tensor) -> PoseBatch:
        batch = super().forward(crops)
        loud = torch.where(crops.float().mean((1, 2, 3)).view(-1, 1, 1, 1) > 128, 1e6, 1.0)
        return PoseBatch(batch.joints_xy_px, batch.scores, tuple(each * loud for each in batch.maps))


@pytest.mark.parametrize(
    ("detector", "backbone", "reason"),
    [
        (WideBoxes(), AnalyticBackbone(), "picture sizes from the picture: they are not of this video"),
        (
            None,
            LoudBackbone(),
            "more than 16 bits hold (65504): pool another feature map (--tap)",
        ),
    ],
    ids=["boxes", "features"],
)
def test_a_clip_with_absurd_values_fails_alone(
    detector: WideBoxes | None, backbone: AnalyticBackbone, reason: str, make_video: VideoMaker
) -> None:
    videos = [
        make_video([np.full((48, 64, 3), level, np.uint8)] * 4, f"{level}.mp4") for level in (60, 250, 61)
    ]
    jobs = [ClipJob(at, path) for at, path in enumerate(videos)]
    estimator = TopDown(detector or FullPicture(), backbone, device="cpu")
    outcomes = extract_clips(jobs, EngineOptions(persons=1, steps=4), estimator=estimator)
    assert [each.result.status for each in outcomes] == [Status.OK, Status.FAILED, Status.OK]
    assert reason in outcomes[1].result.reason
    assert not outcomes[1].result.transient
    assert outcomes[1].features is None


class FullPicture(FrameDetector):
    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return [Detections(np.array([[0, 0, 64, 48]], np.float32), np.ones(1, np.float32)) for _ in frames]
