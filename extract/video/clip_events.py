"""What decoding says of clips: their starts, frames and ends, and where that goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from heatpool.extract.records import Frame
from heatpool.extract.video.reader import VideoInfo
from heatpool.pool.resample import ResamplePlan

__all__ = ["ClipEnd", "ClipEvent", "ClipFrame", "ClipJob", "ClipStart", "EventSink", "StoppedError"]


@dataclass(frozen=True)
class ClipJob:
    """A clip to extract.

    Attributes:
        clip: number of the clip in the manifest; a detector sees it as `Frame.clip`.
        path: video file, folder of pictures, or pattern.
        start_s: start of the clip in the video.
        end_s: its end, None for the end of the video.
        persons: persons the action has, 0 when unknown.
        fps: pictures per second where `path` is a folder of pictures or a pattern, else 0.
        gpu: number of the GPU that decodes a video file; None for the CPU.
    """

    clip: int
    path: Path
    start_s: float = 0.0
    end_s: float | None = None
    persons: int = 0
    fps: float = 0.0
    gpu: int | None = None


@dataclass(frozen=True, eq=False)
class ClipStart:
    """The frames of a clip follow, as `plan` asks for them.

    It comes a second time for a clip whose frame count turned out wrong; what came before is void.
    """

    at: int
    info: VideoInfo
    plan: ResamplePlan


@dataclass(frozen=True, eq=False)
class ClipFrame:
    """A frame, for one or more clips that have started.

    Attributes:
        frame: the frame.
        clips: their positions.
        prepared: what `decode_ahead` was asked to make of the frame.
    """

    frame: Frame
    clips: tuple[int, ...]
    prepared: Any = None


@dataclass(frozen=True)
class ClipEnd:
    """All frames of a clip came, or `failed`; `reason` says why, or what is wrong with the frames."""

    at: int
    failed: bool = False
    reason: str = ""


ClipEvent = ClipStart | ClipFrame | ClipEnd


class StoppedError(Exception):
    """Nobody wants the events any more."""


class EventSink(Protocol):
    """Where events go."""

    def begin(self) -> None:
        """A clip is begun, or begun anew: its time counts from here."""
        ...

    def put(self, event: ClipEvent) -> None:
        """Take an event.

        Raises:
            StoppedError: if nobody wants it.
            HeatpoolError: if the clip has taken too long.
        """
        ...
