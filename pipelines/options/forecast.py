"""Options of `heatpool forecast`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Literal

from heatpool.pipelines.options.fields import OptionError
from heatpool.pipelines.options.ranges import Range
from heatpool.pipelines.options.shared import Options

__all__ = ["ForecastOptions"]


@dataclass(frozen=True)
class ForecastOptions(Options):
    """Estimate what stage one of a large data set takes.

    Time, disk, files, network, memory, and why.

    Attributes:
        clips: clips of the data set (N), such as 1e6
        frames: frames of a clip, mean; with --like the mean of that store
        backend: pose network; with --like that of the store
        workers: processes or GPUs that share the work
        frames_per_second: of the videos, by one worker, with your networks on your machine: the rate that the
            progress line and run.json of an extraction say, on clips of about this length
        like: store that you extracted with the networks, options and machine meant: speed, bytes and sizes of
            videos are taken from it
        persons: persons per clip who are tracked, mean; with --like as there, else 2
        steps: time steps per clip (T)
        channels: of a pooled vector (C); default that of the backend's usual network; needed with onnx
        precision: of pooled features on disk
        shard_clips: clips per shard
        video_mb: size of a clip's video in MB, mean; with --like as there, where its videos still lie
    """

    clips: Annotated[float, Range(1, 1e12)]
    _: KW_ONLY
    frames: Annotated[float, Range(1, 1e9)] | None = None
    backend: Literal["tiny", "onnx", "hrnet-simcc", "yolo-pose", "vitpose"] | None = None
    workers: Annotated[int, Range(1, 1e6)] = 1
    frames_per_second: Annotated[float, Range(0, 1e9, above=True)] | None = None
    like: Path | None = None
    persons: Annotated[float, Range(1, 255)] | None = None
    steps: Annotated[int, Range(1, 10_000)] | None = None
    channels: Annotated[int, Range(1, 1e6)] | None = None
    precision: Literal["f2", "u1"] | None = None
    shard_clips: Annotated[int, Range(1, 4096)] = 64
    video_mb: Annotated[float, Range(0, 1e9, above=True)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clips != int(self.clips):
            raise OptionError(f"expected a whole number of --clips, got {self.clips:g}")
        if self.like is None:
            missing = [name for name in ("frames", "backend") if getattr(self, name) is None]
            if missing:
                raise OptionError(f"expected --{' and --'.join(missing)}, or --like STORE")
        elif self.precision or self.backend:
            raise OptionError("expected no --backend and no --precision with --like, whose are taken")
