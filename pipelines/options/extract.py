"""Options of stage one."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Literal

from heatpool.pipelines.options.checks import require_at_least
from heatpool.pipelines.options.networks import NetworkOptions

__all__ = ["ExtractOptions"]


@dataclass(frozen=True)
class ExtractOptions(NetworkOptions):
    """Stage one: pool features of every clip of a data set into a Zarr store.

    Attributes:
        videos: folder of videos, manifest CSV or one video; default the demo data set in demo_out
        out: store to write; default beside the videos as features.zarr (demo: demo_out/features.zarr)
        steps: time steps a clip (T)
        workers: processes that share the work, each with its own networks; 0 = this one alone
        scheduler: share the work among the workers of a dask cluster that runs already, tcp://host:port; they
            need heatpool and the same paths; --threads are then those of each worker, 0 = its --nthreads
        decode_threads: clips decoded at the same time, by each process
        clip_seconds: time that reading one clip may take before it counts as failed, 0 = any
        shard_clips: clips a shard; the unit of work, of resuming and of files
        precision: of the pooled features on disk: f2 = float16; u1 = a byte a value, about half the size
        limit: take only the first so many clips, 0 = all
        frame_stride: take every so many frames of a clip
        sample_fps: take frames at this rate by their timestamps, 0 = off
        window_s: cut videos into clips of so many seconds, 0 = off
        stride_s: seconds from one window to the next; default the window's length
        map_mean: also store the mean over each tapped map, by person and step: what features are worth that
            are not pooled at joints (heatpool ablate)
        rgb: also store, for F frames a clip, crops of the people: clip, xclip = their embeddings by that
            network, frozen; crops = the crops themselves (JPEG), for fine-tuning
        rgb_frames: frames a clip for --rgb (F)
        rgb_weights: local folder or Hugging Face name of the network of --rgb clip or xclip; default
            openai/clip-vit-base-patch16, microsoft/xclip-base-patch16
        dry_run: extract nothing: say clips, frames, time (from a few clips), bytes of the store, free disk
        resume: go on with a store that was begun
        verify: how --resume looks at what is finished: hashes = reads every file again, sizes = asks for
            their sizes, journal = believes the records; for very large stores on slow disks
        overwrite: replace an existing store
        licence: licence of the data set, kept in the store
        citation: citation of the data set, kept in the store
        source: where the data set comes from, kept in the store
    """

    videos: Path | None = None
    out: Path | None = None
    _: KW_ONLY
    steps: int = 64
    workers: int = 0
    scheduler: str | None = None
    decode_threads: int = 2
    clip_seconds: float = 1800.0
    shard_clips: int = 64
    precision: Literal["f2", "u1"] = "f2"
    limit: int = 0
    frame_stride: int = 1
    sample_fps: float = 0.0
    window_s: float = 0.0
    stride_s: float = 0.0
    map_mean: bool = False
    rgb: Literal["clip", "xclip", "crops"] | None = None
    rgb_frames: int = 8
    rgb_weights: str | None = None
    dry_run: bool = False
    resume: bool = False
    verify: Literal["hashes", "sizes", "journal"] = "hashes"
    overwrite: bool = False
    licence: str = ""
    citation: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, 1, "steps", "decode_threads", "shard_clips", "frame_stride", "rgb_frames")
        require_at_least(self, 0, "workers", "limit", "sample_fps", "window_s", "stride_s", "clip_seconds")
        if self.scheduler is not None and "://" not in self.scheduler:
            raise ValueError(f"expected --scheduler tcp://host:port, got {self.scheduler}")
        if self.scheduler and self.workers:
            raise ValueError("expected --workers or --scheduler, got both")
        if self.frame_stride > 1 and self.sample_fps:
            raise ValueError("expected --frame-stride or --sample-fps, got both")
        if self.stride_s and not self.window_s:
            raise ValueError("expected --window-s with --stride-s")
        if self.rgb_weights and self.rgb not in ("clip", "xclip"):
            raise ValueError("expected --rgb clip or --rgb xclip with --rgb-weights")
        if self.resume and self.overwrite:
            raise ValueError("expected --resume or --overwrite, got both")
        if self.dry_run and self.resume:
            raise ValueError("expected --dry-run or --resume, got both")
