"""Features of frames or snippets that other networks made: (F, C) of a video, in a store as one joint.

I3D, CLIP, VideoMAE and their kin are kept as one `.npy` a video, or as an `.npz` with an array a video.
Axis letters: F frames or snippets, T steps, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heatpool.pool.derive.build import OnClips
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.array_files import EXPORTED, ArrayHead, array_heads, read_array
from heatpool.pool.exchange.clip_store import ClipPart, part_frames, store_clips
from heatpool.pool.records import ClipIndex, ClipResult, Status
from heatpool.pool.resample import ResamplePlan
from heatpool.pool.store.spec import Precision, StoreSpec

__all__ = ["FrameFeatures", "import_frame_features", "open_frame_features"]

_SUFFIXES = (".npy", ".npz")
_MOST_CHANNELS = 1 << 16


@dataclass(frozen=True)
class FrameFeatures:
    """Arrays of features, each read when it is asked for.

    Attributes:
        names: of the videos.
        arrays: of each video the file, and the name in it.
        channels: C of the first, which the others must have.
    """

    names: tuple[str, ...]
    arrays: tuple[tuple[Path, str], ...]
    channels: int

    def read(self, number: int) -> np.ndarray:
        """Return (F, C) float32 of a video. Raises HeatpoolError if it is damaged, or of another shape."""
        path, name = self.arrays[number]
        values = read_array(path, name)
        frames, channels = _frames_channels(values.shape)
        if channels != self.channels or not frames:
            hint = ": its axes seem turned" if frames == self.channels else ""
            raise HeatpoolError(
                f"{path}: expected {name or 'features'} (F, {self.channels}), got {values.shape}{hint}"
            )
        with np.errstate(over="ignore"):
            features = values.reshape(frames, channels).astype(np.float32)
        if not np.isfinite(features).all():
            raise HeatpoolError(f"{path}: expected finite features, got NaN or infinity")
        return features


def open_frame_features(path: Path) -> FrameFeatures | None:
    """Open an `.npy`, an `.npz`, or a folder of them; None if the first holds no features of frames.

    Arrays (F, C) and (C,) count, among further axes of length 1 too. An `.npz` of one such array is the video
    that the file is called by; of several, each is a video of its own name.

    Raises:
        HeatpoolError: if a file is damaged.
    """
    root = path if path.is_dir() else path.parent
    names: list[str] = []
    arrays: list[tuple[Path, str]] = []
    channels = 0
    for file in _files(path):
        stem = file.relative_to(root).with_suffix("").as_posix()
        if file.suffix.lower() == ".npy" and names:  # there may be many
            found = [""]
        else:
            heads = array_heads(file)
            found = [name for name, head in heads.items() if _holds_features(head) and EXPORTED not in heads]
            channels = channels or _frames_channels(heads[found[0]].shape)[1] if found else channels
            if not found and not names:
                return None
        names += [stem] if len(found) == 1 else found
        arrays += [(file, name) for name in found]
    return FrameFeatures(tuple(names), tuple(arrays), channels) if names else None


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    yield from (each for each in sorted(path.rglob("*")) if each.suffix.lower() in _SUFFIXES)


def _holds_features(head: ArrayHead) -> bool:
    return head.dtype.kind == "f" and 1 < _frames_channels(head.shape)[1] <= _MOST_CHANNELS


def _frames_channels(shape: tuple[int, ...]) -> tuple[int, int]:
    """F and C of an array's shape; zeros for one of other axes."""
    axes = [length for length in shape if length != 1]
    return (axes[0], axes[1]) if len(axes) == 2 else (1, axes[0]) if len(axes) == 1 else (0, 0)


def import_frame_features(
    file: FrameFeatures,
    out: str | Path,
    *,
    index: ClipIndex,
    parts: Sequence[ClipPart],
    steps: int = 64,
    fps: float = 0.0,
    licence: str = "",
    precision: Precision = "f2",
    shard_clips: int = 64,
    overwrite: bool = False,
    on_clips: OnClips = lambda count: None,
) -> None:
    """Make a store of one person and one joint, whose pooled features they are. It has no keypoints.

    Args:
        file: of `open_frame_features`.
        out: store to make.
        index: of the clips: labels and splits.
        parts: of the clips: where they are in the file.
        steps: T that a clip is resampled to.
        fps: features a second, which parts of videos need.
        licence: of the data.
        precision: of the store.
        shard_clips: clips per shard.
        overwrite: replace an existing heatpool store at `out`.
        on_clips: progress.

    Raises:
        HeatpoolError: if all clips fail, or `out` exists.
    """
    spec = StoreSpec(
        persons=1, steps=steps, joints=1, channels=file.channels,
        skeleton="frame", joint_names=("frame",), backbone="unknown", tap="unknown", weights_sha256="",
        config={"imported_from": "features of frames", "arrays": ["pooled"]},
        licence=licence, precision=precision,
    )  # fmt: skip

    def make(row: int) -> tuple[dict[str, np.ndarray], ClipResult]:
        part = parts[row]
        if part.video < 0:
            raise HeatpoolError("there are no features of this video")
        values = file.read(part.video)
        first, stop = part_frames(part, len(values), fps)
        plan = ResamplePlan.linear(stop - first, steps)
        pooled = plan.apply(values[first:stop][plan.frames])
        time_s = (plan.lower + plan.weight + first) / fps if fps else np.zeros(steps)
        made = {
            "pooled": pooled[None, :, None],
            "mask": np.ones((1, steps), bool),
            "time_s": time_s.astype(np.float32),
        }
        return made, ClipResult(Status.OK, frames=stop - first, fps=fps, persons=1)

    store_clips(
        out, spec=spec, index=index, make=make,
        shard_clips=shard_clips, overwrite=overwrite, on_clips=on_clips,
    )  # fmt: skip
