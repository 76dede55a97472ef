"""What the engine spreads over threads, done here and now: for a few frames, and where nothing else waits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from heatpool.extract.engine.estimators import PosedPersons, PoseEstimator
from heatpool.extract.records import Frame

__all__ = ["look_at", "pose_now"]


def look_at(estimator: PoseEstimator, frames: Sequence[Frame]) -> list[Any]:
    """Prepare frames, detect their persons and return what is kept of them."""
    found = estimator.detect([estimator.prepare(frame) for frame in frames])
    return [estimator.keep(frame, each) for frame, each in zip(frames, found, strict=True)]


def pose_now(estimator: PoseEstimator, chosen: Sequence[tuple[Any, int]]) -> PosedPersons:
    """Answer for persons, and wait for the answer; see `PoseEstimator.pose`."""
    posed = estimator.pose(chosen)
    return posed() if callable(posed) else posed
