"""The list of clips: a CSV with one row a clip."""

from __future__ import annotations

import csv
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import FIRST_COLUMNS, ClipIndex, Split

__all__ = ["VIDEO_SUFFIXES", "Clip", "Manifest", "label_clips", "read_manifest", "read_number"]

VIDEO_SUFFIXES = frozenset({".avi", ".mp4", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v", ".wmv", ".flv"})

_COLUMNS = ("clip_id", "path", "start_s", "end_s", "label", "class_name", *FIRST_COLUMNS, "persons")
_PARTS = {"": Split.NONE, "train": Split.TRAIN, "val": Split.VAL, "test": Split.TEST}


@dataclass(frozen=True, slots=True)
class Clip:
    """One row of a manifest.

    Attributes:
        clip_id: unique name of the clip.
        path: video file.
        start_s: start of the clip in the video, seconds.
        end_s: end of the clip, None for the end of the video.
        label: class number, -1 when unlabelled.
        class_name: name of the class, "" when unlabelled.
        columns: subject, camera, setup, repeat as text.
        persons: people the action has, 0 when unknown; extraction keeps at most so many.
        splits: protocol name to split.
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


@dataclass(frozen=True)
class Manifest:
    """The clips of a data set.

    Attributes:
        clips: in the order in which features are stored.
        class_names: in label order.
        root: folder that video paths are relative to.

    Raises:
        HeatpoolError: if there is no clip or two clips share an id.
    """

    clips: tuple[Clip, ...]
    class_names: tuple[str, ...]
    root: Path

    def __post_init__(self) -> None:
        if not self.clips:
            raise HeatpoolError(f"expected clips, got none in {self.root}")
        seen: set[str] = set()
        for clip in self.clips:
            if clip.clip_id in seen:
                raise HeatpoolError(f"expected unique clip ids, got {clip.clip_id!r} twice")
            seen.add(clip.clip_id)

    @property
    def protocols(self) -> tuple[str, ...]:
        """Names of the split protocols."""
        return tuple(self.clips[0].splits)

    def index(self) -> ClipIndex:
        """Return what the store keeps of the manifest."""
        return ClipIndex(
            clip_id=tuple(clip.clip_id for clip in self.clips),
            path=tuple(_relative(clip.path, self.root) for clip in self.clips),
            label=np.array([clip.label for clip in self.clips], np.int32),
            class_names=self.class_names,
            columns={
                name: tuple(clip.columns.get(name, "") for clip in self.clips)
                for name in FIRST_COLUMNS
                if any(clip.columns.get(name) for clip in self.clips)
            },
            splits={
                name: np.array([clip.splits[name] for clip in self.clips], np.uint8)
                for name in self.protocols
            },
        )

    def limit(self, count: int) -> Manifest:
        """Return the manifest of the first `count` clips."""
        return replace(self, clips=self.clips[:count])

    def write(self, path: Path) -> None:
        """Write the CSV; paths of videos below its folder become relative to it, others absolute."""
        folder = os.path.join(os.path.abspath(path.parent), "")
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*_COLUMNS, *self.protocols])
            for clip in self.clips:
                writer.writerow(_row(clip, folder))


def read_manifest(path: Path) -> Manifest:
    """Read a manifest CSV; only the column `path` is required.

    Columns beyond the known ones are split protocols and hold train, val, test or nothing. Labels come
    from `label`, else from `class_name` in alphabetical order.

    Raises:
        HeatpoolError: naming line and column of what is wrong.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            header = reader.fieldnames or []
            if "path" not in header:
                got = ", ".join(header) or "an empty file"
                raise HeatpoolError(f"expected a column 'path' in {path}, got {got}")
            protocols = tuple(name for name in header if name not in _COLUMNS)
            share = cache(_mapping)
            clips = [_parse(row, protocols, path, line, share) for line, row in enumerate(reader, start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise HeatpoolError(f"expected a manifest, cannot read {path}: {error}") from error
    clips, class_names = label_clips(clips, path.name)
    return Manifest(tuple(clips), class_names, path.parent)


def _mapping(names: tuple[str, ...], values: tuple[Any, ...]) -> Mapping[str, Any]:
    return dict(zip(names, values, strict=True))


def _parse(
    row: Mapping[str, str | None],
    protocols: tuple[str, ...],
    manifest: Path,
    line: int,
    share: Callable[[tuple[str, ...], tuple[Any, ...]], Mapping[str, Any]],
) -> Clip:
    """Make a clip of a row; `share` lets clips with equal values have one mapping: there may be millions."""
    where = f"line {line} of {manifest.name}"
    if None in row or not row["path"]:
        raise HeatpoolError(f"expected a path and as many values as columns in {where}")
    splits = []
    for name in protocols:
        value = (row[name] or "").strip()
        if value not in _PARTS:
            raise HeatpoolError(
                f"expected train, val, test or nothing in column {name}, got {value!r} in {where}"
            )
        splits.append(_PARTS[value])
    video = manifest.parent / row["path"]
    label = read_number(row, "label", where)
    return Clip(
        clip_id=row.get("clip_id") or Path(row["path"]).with_suffix("").as_posix(),
        path=video,
        start_s=read_number(row, "start_s", where) or 0.0,
        end_s=read_number(row, "end_s", where),
        label=-1 if label is None else int(label),
        class_name=sys.intern(row.get("class_name") or ""),
        columns=share(FIRST_COLUMNS, tuple(row.get(name) or "" for name in FIRST_COLUMNS)),
        persons=int(read_number(row, "persons", where) or 0),
        splits=share(protocols, tuple(splits)),
    )


def read_number(row: Mapping[str, str | None], name: str, where: str) -> float | None:
    """Return the number in a column of a table, None when there is no such column or value.

    Raises:
        HeatpoolError: if it is no finite number; `where` says the place.
    """
    text = row.get(name)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise HeatpoolError(f"expected a number in column {name}, got {text!r} in {where}")
    return value


def label_clips(clips: Sequence[Clip], source: str) -> tuple[list[Clip], tuple[str, ...]]:
    """Give every clip a label and name that agree; return the class names in label order.

    Labels are kept if any clip has one, else the class names are numbered in alphabetical order.

    Raises:
        HeatpoolError: if a label has two names or a name has none; `source` says where.
    """
    if all(clip.label < 0 for clip in clips):
        names = sorted({clip.class_name for clip in clips if clip.class_name})
        number = {name: label for label, name in enumerate(names)} | {"": -1}
        return [replace(clip, label=number[clip.class_name]) for clip in clips], tuple(names)
    name_of: dict[int, str] = {}
    for clip in clips:
        if clip.label < 0 and clip.class_name:
            raise HeatpoolError(
                f"expected a label for class {clip.class_name!r} of clip {clip.clip_id} in {source}, as the "
                "others have; without any labels, names are numbered"
            )
        known = name_of.setdefault(clip.label, clip.class_name)
        if clip.label >= 0 and known != clip.class_name:
            raise HeatpoolError(
                f"expected one class name a label in {source}, "
                f"got {known!r} and {clip.class_name!r} for {clip.label}"
            )
    count = max(name_of) + 1
    return list(clips), tuple(name_of.get(label) or f"class {label}" for label in range(count))


def _relative(path: Path, root: Path) -> str:
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return path.as_posix()


def _row(clip: Clip, folder: str) -> list[str]:
    names = {split: text for text, split in _PARTS.items()}
    path = os.path.abspath(clip.path)
    inside = path.removeprefix(folder) if path.startswith(folder) else path
    return [
        clip.clip_id,
        inside.replace(os.sep, "/"),
        repr(clip.start_s) if clip.start_s else "",
        "" if clip.end_s is None else repr(clip.end_s),
        str(clip.label) if clip.label >= 0 else "",
        clip.class_name,
        *(clip.columns.get(name, "") for name in FIRST_COLUMNS),
        str(clip.persons) if clip.persons else "",
        *(names[split] for split in clip.splits.values()),
    ]
