"""Stores of clips that are parts of other programs' files; a clip that cannot be taken is failed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heatpool.pool.derive.build import OnClips, make_features, new_store
from heatpool.pool.disk.limits import MAX_CLIP_VALUES
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex, ClipResult, Status
from heatpool.pool.store.layout import Layout
from heatpool.pool.store.spec import StoreSpec

__all__ = ["ClipPart", "MakeClip", "part_frames", "store_clips"]

_log = logging.getLogger(__name__)

_SAME_S = 1e-6
_FLOAT16_MAX = 65504.0
_DTYPES = {"bool": np.bool_}  # of arrays that hold no floats

MakeClip = Callable[[int], tuple[Mapping[str, np.ndarray], ClipResult]]
"""Makes arrays and outcome of a clip by its row; HeatpoolError or ValueError if it cannot be taken."""


@dataclass(frozen=True)
class ClipPart:
    """Which part of which video a clip is.

    Attributes:
        video: its place in the file, -1 where the file has no such video.
        start_s: start in the video, seconds.
        end_s: end, None for that of the video.
        persons: that the action has, 0 where that is not known.
    """

    video: int
    start_s: float = 0.0
    end_s: float | None = None
    persons: int = 0


def part_frames(part: ClipPart, frames: int, fps: float) -> tuple[int, int]:
    """Return the first frame of a part of a video, and the one behind its last.

    Args:
        part: of a video.
        frames: of the video.
        fps: frames a second, 0 where not known.

    Raises:
        ValueError: if times are given and the frame rate is not known, or no frame is between them.
    """
    first, stop = 0, frames
    if (part.start_s, part.end_s) != (0.0, None):
        if not fps:
            raise ValueError("its frames a second are not known, which its start and end need: give --fps")
        first = max(int(np.ceil((part.start_s - _SAME_S) * fps)), 0)
        if part.end_s is not None:
            stop = min(int(np.ceil((part.end_s - _SAME_S) * fps)), frames)
    if stop <= first:
        until = "the end" if part.end_s is None else f"{part.end_s:g} s"
        rate = f" at {fps:g} a second" if fps else ""
        raise ValueError(f"expected frames from {part.start_s:g} s to {until}, got {frames} in all{rate}")
    return first, stop


def store_clips(
    out: str | Path,
    *,
    spec: StoreSpec,
    index: ClipIndex,
    make: MakeClip,
    shard_clips: int,
    overwrite: bool,
    on_clips: OnClips,
) -> None:
    """Make a store of clips, shard by shard.

    Raises:
        HeatpoolError: if no clip can be taken, or `out` exists.
    """
    layout = Layout.of(spec, clips=len(index), shard_clips=shard_clips)
    largest = max(layout.features.values(), key=lambda each: np.prod(each.item_shape, dtype=object))
    if np.prod(largest.item_shape, dtype=object) > MAX_CLIP_VALUES:
        shape = " x ".join(map(str, largest.item_shape))
        raise HeatpoolError(f"expected at most {MAX_CLIP_VALUES:,} {largest.name} a clip, got {shape}")
    failed = []
    with new_store(out, spec=spec, index=index, shard_clips=shard_clips, overwrite=overwrite) as writer:
        features = writer.layout.features
        for shard in range(writer.layout.shards):
            rows = writer.layout.rows(shard)
            # As long as nothing is written into them, a clip has no features.
            arrays = {
                name: np.full(
                    (len(rows), *each.item_shape), each.fill, bool if each.dtype == "bool" else "f4"
                )
                for name, each in features.items()
            }
            results = []
            for place, row in enumerate(rows):
                try:
                    made, result = make(row)
                    for name, values in made.items():
                        _check_range(name, values)
                        arrays[name][place] = values
                except (HeatpoolError, ValueError) as error:
                    result = ClipResult(Status.FAILED, reason=str(error))
                    failed.append(f"{index.clip_id[row]}: {error}")
                results.append(result)
            names = index.clip_id[rows.start : rows.stop]
            writer.write_shard(shard, make_features(writer.layout, arrays, results, names=names), results)
            on_clips(len(rows))
        if len(failed) == len(index):
            raise HeatpoolError(f"no clip can be taken, for example {failed[0]}")
    if failed:
        _log.warning("%d of %d clips failed, for example %s", len(failed), len(index), failed[0])


def _check_range(name: str, values: np.ndarray) -> None:
    peak = np.abs(values).max(initial=0)
    if not peak <= _FLOAT16_MAX:
        raise ValueError(f"expected finite {name} up to {_FLOAT16_MAX:.0f} (half precision), got {peak:g}")
