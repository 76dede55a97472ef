"""Options of `heatpool extract`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Literal

from heatpool.pipelines.options.fields import OptionError
from heatpool.pipelines.options.networks import NetworkOptions
from heatpool.pipelines.options.ranges import Range
from heatpool.pipelines.options.shared import (
    DisjointOptions,
    Options,
    PictureOptions,
    ResumeOptions,
    WindowOptions,
)

__all__ = ["ExtractOptions"]


@dataclass(frozen=True, kw_only=True)
class ShareOptions(Options):
    """Speed.

    Attributes:
        workers: processes that share the work, each with its own networks; 0 = this one alone
        scheduler: share the work among the workers of a dask cluster that runs already, tcp://host:port; they
            need heatpool and the same paths; --threads are then those of each worker, 0 = its --nthreads
        decode_threads: clips decoded at the same time, by each process; 0 = as many as --threads gives it, at
            least 2
        decoder: who decodes: cpu, or nvdec = the video unit of the GPU that --device names, for H.264, HEVC,
            VP8 and VP9; the features are the same, and a clip that the GPU does not take fails (docs/gpu.md)
        clip_seconds: time that reading one clip may take before it counts as failed, 0 = any
        shard_clips: clips per shard; the unit of work, of resuming and of files
        verify: how --resume checks what is finished: hashes = reads every file again, sizes = asks for their
            sizes, journal = believes the records; for very large stores on slow disks
    """

    workers: Annotated[int, Range(0, 1024)] = 0
    scheduler: str | None = None
    decode_threads: Annotated[int, Range(0, 256)] = 0
    decoder: Literal["cpu", "nvdec"] = "cpu"
    clip_seconds: Annotated[float, Range(0, 1e7)] = 1800.0
    shard_clips: Annotated[int, Range(1, 4096)] = 64
    verify: Literal["hashes", "sizes", "journal"] = "hashes"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scheduler is not None and "://" not in self.scheduler:
            raise OptionError(f"expected --scheduler tcp://host:port, got {self.scheduler}")
        if self.scheduler and self.workers:
            raise OptionError("expected --workers or --scheduler, got both")


@dataclass(frozen=True, kw_only=True)
class FeatureOptions(Options):
    """Further features.

    Attributes:
        map_mean: also store the mean over each tapped map, by person and step: what features are worth that
            are not pooled at joints (heatpool ablate)
        rgb: also store, for F frames per clip, crops of the persons: clip, xclip = their embeddings by that
            network, frozen; crops = the crops themselves (JPEG), for fine-tuning
        rgb_frames: frames per clip for --rgb (F)
        rgb_weights: local folder or Hugging Face name of the network of --rgb clip or xclip; default
            openai/clip-vit-base-patch16, microsoft/xclip-base-patch16
    """

    map_mean: bool = False
    rgb: Literal["clip", "xclip", "crops"] | None = None
    rgb_frames: Annotated[int, Range(1, 1024)] = 8
    rgb_weights: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rgb_weights and self.rgb not in ("clip", "xclip"):
            raise OptionError("expected --rgb clip or --rgb xclip with --rgb-weights")


@dataclass(frozen=True, kw_only=True)
class AboutOptions(DisjointOptions):
    """Data set.

    Attributes:
        licence: licence of the data set, kept in the store
        citation: citation of the data set, kept in the store
        source: where the data set comes from, kept in the store
    """

    licence: str = ""
    citation: str = ""
    source: str = ""


@dataclass(frozen=True)
class ExtractOptions(
    NetworkOptions, WindowOptions, PictureOptions, FeatureOptions, ShareOptions, ResumeOptions, AboutOptions
):
    """Stage one: pool features of every clip into a Zarr store.

    Attributes:
        videos: folder of videos, manifest CSV or one video; default the demo data set in demo_out
        out: store to write; default beside the videos as features.zarr (demo: demo_out/features.zarr)
        append: put the clips that the store lacks behind those it has, made by its networks and options where
            no others are given; what was interrupted goes on
        retry_failed: with --resume: try all failed clips again; --resume alone tries those that failed by a
            fault of the moment, such as a file that was away or memory that ran out
        mixed_versions: resume, append and share work also with other versions of packages than the store's
            that are known to make other features (docs/versions.md)
        limit: take only the first so many clips, 0 = all
        dry_run: extract nothing: say clips, frames, time (from a few clips), bytes of the store, free disk
        steps: time steps per clip (T)
        precision: of the pooled features on disk: f2 = float16; u1 = a byte per value, about half the size
        frame_stride: take every so many frames of a clip
        sample_fps: take frames at this rate by their timestamps, 0 = off
    """

    videos: Path | None = None
    out: Path | None = None
    _: KW_ONLY
    append: bool = False
    retry_failed: bool = False
    mixed_versions: bool = False
    limit: Annotated[int, Range(0, 1e9)] = 0
    dry_run: bool = False
    steps: Annotated[int, Range(1, 10_000)] = 64
    precision: Literal["f2", "u1"] = "f2"
    frame_stride: Annotated[int, Range(1, 1e6)] = 1
    sample_fps: Annotated[float, Range(0, 10_000)] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frame_stride > 1 and self.sample_fps:
            raise OptionError("expected --frame-stride or --sample-fps, got both")
        if self.dry_run and self.resume:
            raise OptionError("expected --dry-run or --resume, got both")
        if self.retry_failed and not self.resume:
            raise OptionError("expected --resume with --retry-failed")
        if self.append and (self.overwrite or self.resume):
            raise OptionError("expected --append without --resume and --overwrite: it goes on by itself")
