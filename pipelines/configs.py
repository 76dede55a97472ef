"""One frozen dataclass a command: its options, defaults and help, for flags, YAML and Python alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = [
    "DemoConfig",
    "EvaluateConfig",
    "ExtractConfig",
    "InfoConfig",
    "ManifestConfig",
    "TrainCommandConfig",
]


def _require(config: object, least: float, *names: str) -> None:
    """Raise ValueError unless the named options are at least `least`."""
    for name in names:
        value = getattr(config, name)
        if value < least:
            raise ValueError(f"expected --{name.replace('_', '-')} of at least {least:g}, got {value:g}")


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
        _require(self, 1, "persons", "steps", "decode_threads", "frame_batch", "person_batch", "shard_clips")
        _require(self, 1, "frame_stride")
        _require(self, 0, "workers", "threads", "limit", "sample_fps", "window_s", "stride_s")
        _require(self, 0, "min_score", "min_area")
        if self.frame_stride > 1 and self.sample_fps:
            raise ValueError("expected --frame-stride or --sample-fps, got both")
        if self.stride_s and not self.window_s:
            raise ValueError("expected --window-s with --stride-s")
        if self.resume and self.overwrite:
            raise ValueError("expected --resume or --overwrite, got both")


@dataclass(frozen=True)
class InfoConfig:
    """Show what a feature store holds: shape, classes, splits, statuses, bytes a clip, provenance.

    Attributes:
        store: feature store
    """

    store: Path


@dataclass(frozen=True)
class ManifestConfig:
    """Write the manifest of a folder of videos: one row a clip, to be edited and given to extract.

    Attributes:
        videos: folder; when every video lies in a sub-folder, the first one names its class
        out: CSV to write
        overwrite: replace an existing file
    """

    videos: Path
    out: Path
    overwrite: bool = False


@dataclass(frozen=True)
class TrainCommandConfig:
    """Stage two: train a classifier a stream on cached features, fuse them, evaluate, report.

    Attributes:
        features: feature store; without it the demo's, which is made if it is not there
        split: split protocol of the store; default its only one, else xsub
        streams: what to train on: pooled = features at the joints, keypoints = x, y, score
        out: run folder; default work_dirs/<store>-<split>
        recipe: paper = as published, small = narrow, a minute on a CPU; auto = small for the tiny backend
        epochs: epochs, 0 = as the recipe says
        batch_size: clips a step, 0 = as the recipe says
        learning_rate: peak learning rate, 0 = as the recipe says
        seed: of weights, batches and augmentation
        device: auto, cpu, cuda or cuda:0
        threads: CPU threads, 0 = all cores
        videos: folder or manifest of the videos, for the pictures of the report; default as extracted
        resume: go on with a run that was interrupted
        overwrite: replace an existing run
        quiet: print problems and results only
    """

    features: Path | None = None
    split: str | None = None
    streams: tuple[Literal["pooled_joint", "keypoints_joint"], ...] = ("pooled_joint", "keypoints_joint")
    out: Path | None = None
    recipe: Literal["auto", "paper", "small"] = "auto"
    epochs: int = 0
    batch_size: int = 0
    learning_rate: float = 0.0
    seed: int = 0
    device: str = "auto"
    threads: int = 0
    videos: Path | None = None
    resume: bool = False
    overwrite: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        _require(self, 0, "threads", "epochs", "batch_size", "learning_rate", "seed")
        if self.resume and self.overwrite:
            raise ValueError("expected --resume or --overwrite, got both")
        if not self.streams or len(set(self.streams)) < len(self.streams):
            raise ValueError(f"expected --streams to name one or more streams once, got {self.streams}")


@dataclass(frozen=True)
class EvaluateConfig:
    """Score a trained run on a part of a split, on its own store or another one like it.

    Attributes:
        run: run folder of heatpool train
        features: feature store; default the one it was trained on
        part: part of the split
        out: folder for scores and tables; default <run>/evaluate-<part>
        device: auto, cpu, cuda or cuda:0
        threads: CPU threads, 0 = all cores
    """

    run: Path
    features: Path | None = None
    part: Literal["train", "val", "test"] = "test"
    out: Path | None = None
    device: str = "auto"
    threads: int = 0


@dataclass(frozen=True)
class DemoConfig:
    """The whole pipeline on the embedded data set: render videos, extract, train, evaluate, report.

    Attributes:
        out: folder for everything the demo makes
        seed: of the data set and of training
        small: a few clips only, to see that everything runs
        overwrite: start anew; without it a demo that was interrupted goes on
    """

    out: Path = Path("demo_out")
    seed: int = 0
    small: bool = False
    overwrite: bool = False
