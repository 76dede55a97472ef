"""What a stream is made of: an array of the store, or pooled features with another array beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from heatpool.classify.data.clips import ArrayName, ClipSet, InputName

__all__ = ["INPUTS", "StreamInput", "input_shape", "join_parts", "parts_of"]

StreamInput = Literal["pooled", "keypoints", "map_mean", "pooled_and_map_mean", "pooled_and_keypoints"]
INPUTS: tuple[StreamInput, ...] = get_args(StreamInput)


def parts_of(name: StreamInput) -> tuple[InputName, ...]:
    """Return the arrays that an input is made of, the leading one first."""
    arrays: tuple[InputName, ...] = get_args(InputName)
    return tuple(each for each in arrays if each in name.split("_and_"))


def join_parts(parts: Mapping[ArrayName, ClipSet]) -> ClipSet:
    """Return an input, given the same clips with each of its arrays; nothing is copied.

    Means of maps belong to no joint: beside pooled features they are a further joint. Keypoints are
    further channels of theirs.
    """
    (_, joined), *others = parts.items()
    for name, clips in others:
        joined = joined.joined(clips, along="joints" if name == "map_mean" else "channels")
    return joined


def input_shape(shapes: Mapping[str, tuple[int, ...]], name: StreamInput) -> tuple[int, int, int, int]:
    """Return (M, T, V, C) of an input, given the shapes (M, T, V, C) or (M, T, C) of a clip's arrays."""
    persons, steps, *first = shapes[parts_of(name)[0]]
    joints, channels = first if len(first) == 2 else (1, *first)
    for other in parts_of(name)[1:]:
        joints += other == "map_mean"
        channels += 0 if other == "map_mean" else shapes[other][-1]
    return persons, steps, joints, channels
