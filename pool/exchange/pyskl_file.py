"""PYSKL's annotation files, read without running them: which layout a file has, and its clips.

Published layouts, all of https://github.com/kennymckormick/pyskl (tools/data/README.md) or of MMAction2:

- 2-D: `keypoint` (M, T, V, 2) in pixels, `keypoint_score` (M, T, V), `img_shape` (height, width);
- 2-D with the scores as third coordinate: `keypoint` (M, T, V, 3);
- 3-D: `keypoint` (M, T, V, 3), no `img_shape`;
- compact: `keypoint` or `kp` (R, V, 3) of R persons, `frame_inds` (R,) that say in which frame each is.

A clip of one person may lack the axis M. A file is `{"split": {name: clip names}, "annotations": [...]}`, or
the list of annotations alone.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.exchange.plain_pickle import load_plain_pickle, plain_array
from heatpool.pool.exchange.pyskl_clip import PysklClip, PysklEntry
from heatpool.pool.exchange.pyskl_splits import SplitTable, parse_splits

__all__ = ["PysklFile", "read_pyskl"]

_log = logging.getLogger(__name__)

_DEFAULT_SIZE_PX = (1080, 1920)  # what PYSKL's PreNormalize2D takes where a clip has no img_shape
_MOST_NORMALISED = 2.0  # coordinates of a whole file that reach no farther are no pixels
_LOOKED_AT = (
    64  # clips whose coordinates tell their unit, and whether height and width are what they are called
)
_INSIDE, _OUTSIDE = 1.02, 1.1  # of a side: joints reach so far over the edge, and so far none does


@dataclass(eq=False)
class PysklFile:
    """A file of N clips.

    Attributes:
        source: name of the file.
        entries: N annotations.
        table: splits.
        spatial: coordinates are x, y, z, not x, y and a score.
        remarks: how many joints and scores are otherwise than they should be, by what; complete when every
            clip has been asked for.
    """

    source: str
    entries: Sequence[PysklEntry]
    table: SplitTable
    spatial: bool
    remarks: Counter[str] = field(default_factory=Counter)

    @property
    def names(self) -> tuple[str, ...]:
        """N unique clip names."""
        return tuple(entry.name for entry in self.entries)

    @property
    def joints(self) -> int:
        """V."""
        return self.entries[0].joints

    def size_px(self, number: int) -> tuple[int, int]:
        """Return height and width of a clip's frame; zeros in a 3-D file."""
        return (0, 0) if self.spatial else self.entries[number].size_px or _DEFAULT_SIZE_PX

    def clip(self, number: int) -> PysklClip:
        """Return a clip."""
        return self.entries[number].clip(spatial=self.spatial, remarks=self.remarks)


def read_pyskl(path: str | Path) -> PysklFile:
    """Read a PYSKL pickle.

    Raises:
        HeatpoolError: if the file wants to run anything, or is something else; the line says what.
    """
    source = str(path)
    annotations, lists = _content(load_plain_pickle(path), source)
    try:
        entries = [PysklEntry.parse(each) for each in annotations]
        listed = {str(name): _names(clips) for name, clips in lists.items()}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise HeatpoolError(f"{source}: {error}") from error
    _check(entries, source)
    spatial = any(entry.is_spatial for entry in entries)
    _check_unit(entries, source, spatial=spatial)
    _check_sizes(entries, source, spatial=spatial)
    if not lists:
        _log.warning("%s: has no splits; heatpool relabel STORE MANIFEST gives the store some", source)
    table = parse_splits(listed, [entry.name for entry in entries], source)
    return PysklFile(source, entries, table, spatial)


def _content(content: Any, source: str) -> tuple[Sequence[Any], Mapping[Any, Any]]:
    """Return annotations and splits of what a pickle holds."""
    if isinstance(content, Mapping) and isinstance(content.get("annotations"), list | tuple):
        annotations, lists = content["annotations"], content.get("split") or {}
        if not isinstance(lists, Mapping):
            raise HeatpoolError(f"{source}: expected split as a dict, got {_what(lists)}")
    elif isinstance(content, Mapping) and {"keypoint", "kp"} & set(content):
        annotations, lists = [content], {}
    elif isinstance(content, list) and content and isinstance(content[0], Mapping):
        annotations, lists = content, {}
    else:
        raise HeatpoolError(
            f"{source}: expected a PYSKL file with annotations and split, got {_what(content)}"
        )
    if not annotations:
        raise HeatpoolError(f"{source}: expected annotations, got none")
    return annotations, lists


def _what(content: Any) -> str:
    """Say what another pickle is, where its kind is known."""
    if isinstance(content, Mapping):
        first = next(iter(content.items()), (None, None))
        if isinstance(first[0], str) and _is_vector(first[1]):
            return "a dict from clip name to scores, which heatpool fuse reads"
        return f"a dict with {shorten(', '.join(map(str, content)))}"
    if not isinstance(content, tuple | list):
        return f"a {type(content).__name__.lstrip('_').lower()}"
    if len(content) == 2 and all(isinstance(each, list) for each in content):
        return "names and labels, as ST-GCN keeps beside its arrays, without keypoints"
    return f"a {type(content).__name__} of {len(content)}"


def _is_vector(value: Any) -> bool:
    try:
        array = plain_array(value)
    except ValueError:
        return False
    return array.dtype.kind == "f" and 0 < array.size == max(array.shape)


def _names(clips: Any) -> list[str]:
    listed = list(clips) if isinstance(clips, set | frozenset | tuple | dict) else clips
    try:
        names: list[Any] = plain_array(listed).reshape(-1).tolist()
    except ValueError:
        names = [clips]
    if not all(isinstance(name, str) for name in names):
        raise ValueError(f"expected clip names in its splits, got {shorten(names)}")
    return names


def _check(entries: Sequence[PysklEntry], source: str) -> None:
    """Refuse clips of other joints, and names that stand twice."""
    joints, seen = entries[0].joints, set[str]()
    for entry in entries:
        if entry.joints != joints:
            raise HeatpoolError(
                f"{source}: clip {shorten(entry.name)}: expected {joints} joints as in the first clip, "
                f"got {entry.joints}"
            )
        if entry.name in seen:
            raise HeatpoolError(f"{source}: expected each clip once, got {shorten(entry.name)} twice")
        seen.add(entry.name)


def _check_unit(entries: Sequence[PysklEntry], source: str, *, spatial: bool) -> None:
    """Refuse coordinates that are no pixels, and say which size frames have where they do not say it."""
    if spatial:
        flat = sum(entry.keypoint.shape[-1] == 2 for entry in entries)
        if flat:
            some = f"{flat} of {len(entries)} in 2-D"
            raise HeatpoolError(f"{source}: expected all clips in 2-D or all in 3-D, got {some}")
        return
    looked = [entry.keypoint[..., :2].astype(np.float32).reshape(-1) for entry in entries[:_LOOKED_AT]]
    values = np.concatenate(looked)
    values = np.abs(values[np.isfinite(values)])
    reach = values.max(initial=0)
    if reach <= _MOST_NORMALISED and (values % 1).any():
        raise HeatpoolError(
            f"{source}: expected keypoints in pixels, got none beyond {reach:g}: fractions of the frame, by "
            "their size; multiply x by its width and y by its height"
        )
    unsized = sum(entry.size_px is None for entry in entries)
    if unsized:
        height, width = _DEFAULT_SIZE_PX
        what = f"{unsized} clips have no img_shape, and count as {width} x {height} pixels as in PYSKL"
        _log.warning("%s: %s", source, what)


def _check_sizes(entries: Sequence[PysklEntry], source: str, *, spatial: bool) -> None:
    """Refuse frame sizes (width, height): joints of most clips lie outside, those of all within it turned."""
    looked = [entry for entry in entries[:_LOOKED_AT] if entry.size_px and len(set(entry.size_px)) > 1]
    reaches = [entry.reach_px() for entry in looked]
    if spatial or not looked:
        return
    outside = []
    for entry, (x, y) in zip(looked, reaches, strict=True):
        height, width = entry.size_px or _DEFAULT_SIZE_PX
        if x > height * _INSIDE or y > width * _INSIDE:
            return
        if x > width * _OUTSIDE or y > height * _OUTSIDE:
            outside.append((entry, x, y))
    if 2 * len(outside) > len(looked):
        entry, x, y = outside[0]
        raise HeatpoolError(
            f"{source}: clip {shorten(entry.name)}: expected img_shape (height, width), got {entry.size_px}, "
            f"but joints reach to x = {x:.0f}, y = {y:.0f}: it seems to be (width, height); turn it round"
        )
