"""One clip of a data set, and how a row of a table becomes one."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from heatpool.extract.datasets.labels import Labels, plain_names
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import FIRST_COLUMNS, Split

__all__ = [
    "COLUMNS", "NUMBERS", "VIDEO_SUFFIXES", "Clip", "distinct_clips", "label_clips", "make_clip",
    "unique_ids", "window_name", "without_suffix",
]  # fmt: skip

_log = logging.getLogger(__name__)

_NAMED = 3  # classes that a line writes out

VIDEO_SUFFIXES = frozenset(
    {
        ".264", ".265", ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".h264",
        ".h265", ".hevc", ".m1v", ".m2t", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4",
        ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".tod", ".trp", ".ts",
        ".vob", ".webm", ".wmv", ".y4m",
    }
)  # fmt: skip

COLUMNS = ("clip_id", "path", "start_s", "end_s", "label", "class_name", *FIRST_COLUMNS, "persons", "fps")
"""Columns that say what a clip is; `path` alone is required."""

_MOST = {"start_s": 10_000_000, "end_s": 10_000_000, "persons": 255, "fps": 10_000}
NUMBERS = tuple(_MOST)
"""Columns that hold numbers, whose commas may be decimal; those of names and labels are none."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One row of a manifest.

    Attributes:
        clip_id: unique name of the clip.
        path: video file, folder of pictures, or pattern such as `frames/img_%05d.jpg`.
        start_s: start of the clip in the video, seconds.
        end_s: end of the clip, None for the end of the video.
        label: class number, -1 when unlabelled.
        class_name: name of the class, "" when unlabelled.
        columns: subject, camera, setup, repeat as text.
        persons: persons the action has, 0 when unknown; extraction keeps at most so many.
        splits: protocol name to split.
        fps: pictures per second of a folder or pattern, 0 for a video file, which has times of its own.
    """

    clip_id: str
    path: Path
    start_s: float = 0.0
    end_s: float | None = None
    label: int = -1
    class_name: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    persons: int = 0
    splits: Mapping[str, Split] = field(default_factory=dict)
    fps: float = 0.0


def make_clip(
    row: Mapping[str, str],
    video: Path,
    columns: Mapping[str, str],
    splits: Mapping[str, Split],
    where: str,
    labels: Labels,
) -> Clip:
    """Make the clip of a row of a table.

    Args:
        row: by names of `COLUMNS`; without an id the clip is called by its path.
        video: file, folder of pictures, or pattern.
        columns: of the clip.
        splits: of the clip.
        where: place of the row, for messages.
        labels: what the column `label` means.

    Raises:
        HeatpoolError: if a value that must be one is no number, or a label and a class name disagree.
    """
    if not Path(row["path"]).name or "\0" in row["path"]:
        raise HeatpoolError(f"expected the path of a video, got {row['path']!r} in {where}")
    label, name = labels.meaning[row.get("label", "")]
    stated = row.get("class_name", "")
    if stated and name and stated != name:
        raise HeatpoolError(
            f"expected numbers in column label beside column class_name, or no column label, got {name!r} "
            f"and {stated!r} in {where}"
        )
    fps = _number(row, "fps", where) or 0.0
    return Clip(
        clip_id=row.get("clip_id") or _name(row["path"], pictures=bool(fps)),
        path=video,
        start_s=_number(row, "start_s", where) or 0.0,
        end_s=_number(row, "end_s", where),
        label=label,
        class_name=sys.intern(stated or name),
        columns=columns,
        persons=int(_number(row, "persons", where) or 0),
        splits=splits,
        fps=fps,
    )


def _name(path: str, *, pictures: bool) -> str:
    """Return what a clip without an id is called: its path without suffix, of pictures their folder's."""
    if not pictures:
        return Path(path).with_suffix("").as_posix()
    return (Path(path).parent if "%" in Path(path).name else Path(path)).as_posix()


def without_suffix(path: str) -> str:
    """Return a path without the suffix of a video; a folder of pictures may have points in its name."""
    stem, suffix = os.path.splitext(path)
    return stem if suffix.lower() in VIDEO_SUFFIXES else path


def window_name(name: str, start_s: float, end_s: float | None) -> str:
    """Return what a part of a clip or video is called: `name@start-end`, in seconds."""
    return f"{name}@{start_s:.2f}-{math.inf if end_s is None else end_s:.2f}"


def unique_ids(ids: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Return the ids; where several videos share one, their paths without suffix, or with it if need be."""
    if len(set(ids)) == len(ids):  # there may be millions
        return list(ids)
    for others in ([without_suffix(path) for path in paths], paths):
        videos: dict[str, set[str]] = defaultdict(set)
        for name, path in zip(ids, paths, strict=True):
            videos[name].add(path)
        ids = [name if len(videos[name]) == 1 else other for name, other in zip(ids, others, strict=True)]
    return list(ids)


def distinct_clips(
    clips: Sequence[Clip], paths: Sequence[str], *, places: Sequence[str], windows: Sequence[bool] = ()
) -> list[Clip]:
    """Tell clips of one name apart: by their paths, by `name@start-end` in seconds, then by their classes.

    Args:
        clips: called by their own ids or their videos.
        paths: of their videos, as they are written down.
        places: where each is written down, to name those that stand twice with two classes.
        windows: whether a clip is called by its window in any case; default: none is.
    """
    ids = [clip.clip_id for clip in clips]
    ids = unique_ids(ids, paths)
    times = Counter(ids)
    ids = [
        window_name(name, clip.start_s, clip.end_s)
        if always or (times[name] > 1 and (clip.start_s, clip.end_s) != (0.0, None))
        else name
        for name, clip, always in zip(ids, clips, windows or [False] * len(ids), strict=True)
    ]
    several = _several_classes(clips, ids)
    _say_two_classes(clips, several, places)
    ids = [
        f"{name} {clip.class_name or clip.label}" if name in several and clip.label >= 0 else name
        for name, clip in zip(ids, clips, strict=True)
    ]
    return [
        clip if clip.clip_id == name else replace(clip, clip_id=name)
        for clip, name in zip(clips, ids, strict=True)
    ]


def _say_nameless(name_of: Mapping[int, str], source: str, known: Sequence[str]) -> None:
    """Say where the classes of a store lose their names; which number meant which is nobody's guess."""
    named = [name for label, name in enumerate(known) if name != f"class {label}"]
    if named and not any(name_of.values()):
        _log.warning(
            "%s numbers its classes and names none: they are class %d, … now, and no more those of the store "
            "(%s); a column class_name names them",
            source, max(name_of), ", ".join(named[:_NAMED]),
        )  # fmt: skip


def _several_classes(clips: Sequence[Clip], ids: Sequence[str]) -> dict[str, list[int]]:
    """Return the ids of clips that differ in nothing but their class, and the rows of each."""
    times = Counter(ids)
    rows: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(ids):
        if times[name] > 1:
            rows[name].append(row)
    return {name: each for name, each in rows.items() if len({clips[row].label for row in each}) > 1}


def _say_two_classes(
    clips: Sequence[Clip], several: Mapping[str, Sequence[int]], places: Sequence[str]
) -> None:
    """Say which lines give the same piece of a video several classes: all but one may be slips."""
    if several:
        name, rows = next(iter(several.items()))
        more = f" (and {len(several) - 1} more such clips)" if len(several) > 1 else ""
        named = ((clips[row].class_name or clips[row].label, places[row]) for row in rows)
        shown = ", ".join(f"{label} in {where}" for label, where in named)
        _log.warning("%s has several classes: %s; each is a clip of its own%s", name, shown, more)


def _number(row: Mapping[str, str], name: str, where: str) -> float | None:
    """Return the number in a column, None when there is no such column or value."""
    text = row.get(name)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    most = _MOST[name]
    if not 0 <= value <= most:  # nor NaN
        comma = "; numbers have decimal points" if "," in text else ""
        raise HeatpoolError(
            f"expected a number from 0 to {most:,} in column {name}, got {text!r} in {where}{comma}"
        )
    return value


def label_clips(
    clips: Sequence[Clip], source: str, *, known: Sequence[str] = ()
) -> tuple[list[Clip], tuple[str, ...]]:
    """Give every clip a label and name that agree; return the class names in label order.

    Labels are kept if any clip has one, else the class names are numbered: in the order of `known`, others
    behind in alphabetical order.

    Args:
        clips: of a data set.
        source: where they stand, for messages.
        known: classes of a store that the clips are for, in its order.

    Raises:
        HeatpoolError: if a label has two names, a name two labels or none.
    """
    kept = plain_names({clip.class_name for clip in clips}, source, known=known)
    clips = [
        clip if clip.class_name == kept[clip.class_name] else replace(clip, class_name=kept[clip.class_name])
        for clip in clips
    ]
    if all(clip.label < 0 for clip in clips):
        used = set(kept.values()) - {""}
        names = [*(name for name in known if name in used), *sorted(used.difference(known))]
        number = {name: label for label, name in enumerate(names)} | {"": -1}
        return [replace(clip, label=number[clip.class_name]) for clip in clips], tuple(names)
    name_of: dict[int, str] = {}
    for clip in clips:
        if clip.label < 0 and clip.class_name:
            raise HeatpoolError(
                f"expected a label for class {clip.class_name!r} of clip {clip.clip_id} in {source}, as the "
                "others have; without any labels, names are numbered"
            )
        first = name_of.setdefault(clip.label, clip.class_name)
        if clip.label >= 0 and first != clip.class_name:
            raise HeatpoolError(
                f"expected one class name per label in {source}, "
                f"got {first!r} and {clip.class_name!r} for {clip.label}"
            )
    _say_nameless(name_of, source, known)
    label_of: dict[str, int] = {}
    for label, name in sorted(name_of.items()):
        if name and label_of.setdefault(name, label) != label:
            raise HeatpoolError(
                f"expected one label per class in {source}, got {label_of[name]} and {label} for {name!r}; "
                "without a column label, names are numbered"
            )
    count = max(name_of) + 1
    return list(clips), tuple(name_of.get(label) or f"class {label}" for label in range(count))
