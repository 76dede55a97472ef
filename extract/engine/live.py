"""Frames that arrive one by one, as windows: each is answered as soon as its last frame is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from heatpool.extract.engine.clip_state import Outcome
from heatpool.extract.engine.engine import EngineOptions
from heatpool.extract.engine.estimators import PoseEstimator
from heatpool.extract.rgb.crops import RgbEncoder

__all__ = ["LiveWindow", "extract_live"]


@dataclass(frozen=True, eq=False)
class LiveWindow:
    """A window of a stream, answered.

    Attributes:
        start_s: start of the window, on the clock of the frames.
        end_s: its end; for the last one of a stream that ends, when it ended.
        outcome: features, or why there are none.
    """

    start_s: float
    end_s: float
    outcome: Outcome


def extract_live(
    frames: Iterable[tuple[float, np.ndarray]],
    options: EngineOptions,
    *,
    estimator: PoseEstimator[Any],
    window_s: float,
    stride_s: float,
    rgb: RgbEncoder | None = None,
) -> Iterator[LiveWindow]:
    """Yield the windows of a stream, each as soon as it is complete; frames they share are posed once.

    Args:
        frames: (time in seconds, rising; (H, W, 3) uint8 RGB of one size), as they come.
        options: see `EngineOptions`.
        estimator: detects persons and answers for the chosen ones.
        window_s: length of a window.
        stride_s: from the start of a window to that of the next.
        rgb: encodes the chosen persons' crops; None for features without RGB.
    """
    raise NotImplementedError  # the engine's author is at it: name and signature are final
