"""PYSKL's annotation files, read without running them: which layout a file has, and its clips.

Published layouts, all of https://github.com/kennymckormick/pyskl (tools/data/README.md) and of MMAction2:

- 2-D: `keypoint` (M, T, V, 2) in pixels, `keypoint_score` (M, T, V), `img_shape` (height, width);
- 2-D with the scores as third coordinate: `keypoint` (M, T, V, 3);
- 3-D: `keypoint` (M, T, V, 3), no `img_shape`;
- compact: `keypoint` (or `kp`) (R, V, 3) of R persons, `frame_inds` (R,) that say in which frame each is.

A clip of one person may lack the axis M.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.exchange.plain_pickle import load_plain_pickle, plain_array
from heatpool.pool.exchange.pyskl_splits import SplitTable, parse_splits

__all__ = ["PysklClip", "PysklFile", "read_pyskl"]

_log = logging.getLogger(__name__)

_DEFAULT_SIZE_PX = (1080, 1920)  # of PreNormalize2D, which PYSKL reads a clip without img_shape with
_MOST_NORMALISED = 2.0  # coordinates of a whole file that reach no farther are no pixels
_MOST_SCORE = 1.01  # a third coordinate up to here is a score; in half precision 1 may be a bit more
_MOST_PERSONS = 4096


@dataclass(frozen=True, eq=False)
class PysklClip:
    """One clip, as a store wants it.

    Attributes:
        keypoint: (M, T, V, 2) pixels, or (M, T, V, 3) of a 3-D file; float32, finite.
        score: (M, T, V) float32 in [0, 1]; 0 where a joint was not found.
    """

    keypoint: np.ndarray
    score: np.ndarray


@dataclass(eq=False)
class PysklFile:
    """A file of N clips.

    Attributes:
        source: name of the file.
        names: N unique clip names.
        labels: N texts, "" where there is none.
        sizes_px: N (height, width); (0, 0) in a 3-D file.
        table: splits.
        joints: V.
        spatial: coordinates are x, y, z and not x, y and a score.
        entries: N annotations as they are, checked for their shapes.
        remarks: how many clips or joints are otherwise than they should be, by what.
    """

    source: str
    names: tuple[str, ...]
    labels: tuple[str, ...]
    sizes_px: tuple[tuple[int, int], ...]
    table: SplitTable
    joints: int
    spatial: bool
    entries: Sequence[_Entry]
    remarks: Counter[str] = field(default_factory=Counter)

    def clip(self, number: int) -> PysklClip:
        """Return a clip; what is no number, or beyond 1 as a score, is counted in `remarks`."""
        return self.entries[number].clip(spatial=self.spatial, remarks=self.remarks)
