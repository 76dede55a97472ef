"""Options of stage one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipelines.configs.checks import require_at_least

__all__ = ["ExtractConfig"]


@dataclass(frozen=True)
class ExtractConfig:
    """Stage one: pool features of every clip of a data set into a Zarr store.

    Attributes:
        videos: folder of videos, manifest CSV or one video; default the demo data set in demo_out
        out: store to write; default beside the videos as features.zarr (demo: demo_out/features.zarr)
        backend: pose network; auto is tiny for the demo set only: tiny knows rendered people, nobody else
        weights: weights file of the backend, or the name of an official one (yolo-pose, vitpose)
        tap: feature map to pool from: a tensor (onnx), a stage (hrnet-simcc), p3,p4,p5 (yolo-pose), last or
            layer1,… (vitpose); several with commas are pooled at the same joints (yolo-pose, vitpose)
        pooling: point = bilinear at the joint, gaussian = around it, heatmap = weighted by its own heatmap
        as_published: the published extractor: --batchnorm published --crop-aspect published
            --person-selection first
        batchnorm: of hrnet-simcc: eval = trained statistics, published = each crop by its own
        crop_aspect: boxes grow to: model = the network's crop, published = frame height over frame width
        detector: where people are: boxes-file, full-frame, tiny, or an ultralytics checkpoint (path or
            official name); auto is tiny for the demo set and an error elsewhere; yolo-pose needs none
        min_score: detections below are left out
        min_area: boxes of fewer square pixels are left out
        boxes: CSV for --detector boxes-file with columns path,frame,x1,y1,x2,y2,score (pixels)
        persons: person slots a clip (M)
        steps: time steps a clip (T)
        person_selection: tracked = slots follow people, first = most confident of each frame, and frames
            without anybody count as zeros
        device: auto, cpu, cuda or cuda:0; auto takes a GPU if there is one and says which
        workers: processes that share the work, each with its own networks; 0 = this one alone
        threads: CPU threads of the networks in all, 0 = all cores
        decode_threads: clips decoded at the same time, by each process
        frame_batch: frames per call of the detector
        person_batch: people per call of the pose network
        shard_clips: clips a shard; the unit of work, of resuming and of files
        limit: take only the first so many clips, 0 = all
        frame_stride: take every so many frames of a clip
        sample_fps: take frames at this rate by their timestamps, 0 = off
        window_s: cut videos into clips of so many seconds, 0 = off
        stride_s: seconds from one window to the next; default the window's length
        resume: go on with a store that was begun
        overwrite: replace an existing store
        licence: licence of the data set, kept in the store
        citation: citation of the data set, kept in the store
        source: where the data set comes from, kept in the store
        quiet: print problems only
    """

    videos: Path | None = None
    out: Path | None = None
    backend: Literal["auto", "tiny", "onnx", "hrnet-simcc", "yolo-pose", "vitpose"] = "auto"
    weights: str | None = None
    tap: str | None = None
    pooling: Literal["point", "gaussian", "heatmap"] = "point"
    as_published: bool = False
    batchnorm: Literal["eval", "published"] = "eval"
    crop_aspect: Literal["model", "published"] = "model"
    detector: str = "auto"
    min_score: float = 0.25
    min_area: float = 0.0
    boxes: Path | None = None
    persons: int = 2
    steps: int = 64
    person_selection: Literal["tracked", "first"] = "tracked"
    device: str = "auto"
    workers: int = 0
    threads: int = 0
    decode_threads: int = 2
    frame_batch: int = 32
    person_batch: int = 64
    shard_clips: int = 64
    limit: int = 0
    frame_stride: int = 1
    sample_fps: float = 0.0
    window_s: float = 0.0
    stride_s: float = 0.0
    resume: bool = False
    overwrite: bool = False
    licence: str = ""
    citation: str = ""
    source: str = ""
    quiet: bool = False

    def __post_init__(self) -> None:
        require_at_least(
            self, 1, "persons", "steps", "decode_threads", "frame_batch", "person_batch", "shard_clips"
        )
        require_at_least(self, 1, "frame_stride")
        require_at_least(self, 0, "workers", "threads", "limit", "sample_fps", "window_s", "stride_s")
        require_at_least(self, 0, "min_score", "min_area")
        if self.frame_stride > 1 and self.sample_fps:
            raise ValueError("expected --frame-stride or --sample-fps, got both")
        if self.stride_s and not self.window_s:
            raise ValueError("expected --window-s with --stride-s")
        if self.resume and self.overwrite:
            raise ValueError("expected --resume or --overwrite, got both")
