"""Clips of any labels, splits and columns, as an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from heatpool.pool.records import ClipIndex, Split

N, TRAIN, VAL, TEST = Split


def index(
    parts: Sequence[Split],
    *,
    labels: Sequence[int] | None = None,
    paths: Sequence[str] | None = None,
    protocol: str = "xsub",
    class_names: tuple[str, ...] = ("a", "b"),
    disjoint: Mapping[str, str] | None = None,
    **columns: str,
) -> ClipIndex:
    """Clips of these parts; a column is given as one letter a clip, `-` = unknown."""
    count = len(parts)
    return ClipIndex(
        clip_id=tuple(map(str, range(count))),
        path=tuple(paths or [f"{at}.mp4" for at in range(count)]),
        label=np.array(labels or [0] * count, np.int32),
        class_names=class_names,
        columns={name: tuple("" if each == "-" else each for each in text) for name, text in columns.items()},
        splits={protocol: np.array(parts, np.uint8)},
        disjoint=disjoint or {},
    )
