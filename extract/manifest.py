"""The list of clips: a CSV with one row a clip, or a folder of videos."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from pool.errors import HeatpoolError
from pool.records import FIRST_COLUMNS, ClipIndex, Part

__all__ = ["VIDEO_SUFFIXES", "Clip", "Manifest", "read_folder", "read_manifest", "read_videos"]

VIDEO_SUFFIXES = frozenset({".avi", ".mp4", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v", ".wmv", ".flv"})

_COLUMNS = ("clip_id", "path", "start_s", "end_s", "label", "class_name", *FIRST_COLUMNS, "persons")
_PARTS = {"": Part.NONE, "train": Part.TRAIN, "val": Part.VAL, "test": Part.TEST}


@dataclass(frozen=True)
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
        splits: protocol name to part.
    """

    clip_id: str
    path: Path
    start_s: float = 0.0
    end_s: float | None = None
    label: int = -1
    class_name: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    persons: int = 0
    splits: Mapping[str, Part] = field(default_factory=dict)


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
        """Write the CSV; video paths become relative to its folder where they lie below it."""
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*_COLUMNS, *self.protocols])
            for clip in self.clips:
                writer.writerow(_row(clip, path.parent))


def read_videos(path: Path) -> Manifest:
    """Read a manifest CSV, or make one of a folder of videos.

    Raises:
        HeatpoolError: if the path does not exist, is neither, or holds no clip.
    """
    if path.is_dir():
        return read_folder(path)
    if path.is_file() and path.suffix.lower() == ".csv":
        return read_manifest(path)
    if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES:
        return Manifest((Clip(path.stem, path),), (), path.parent)
    if path.exists():
        raise HeatpoolError(f"expected a folder, a manifest .csv or a video, got {path}")
    raise HeatpoolError(f"expected a folder or manifest of videos, {path} does not exist")


def read_folder(folder: Path) -> Manifest:
    """List every video below a folder; when each lies in a sub-folder, that names its class.

    Raises:
        HeatpoolError: if the folder holds no video.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    if not paths:
        suffixes = " ".join(sorted(VIDEO_SUFFIXES))
        raise HeatpoolError(f"expected videos ({suffixes}) below {folder}, got none")
    parents = [path.relative_to(folder).parts[:-1] for path in paths]
    names = sorted({parent[0] for parent in parents}) if all(parents) else []
    stems = Counter(path.with_suffix("") for path in paths)
    clips = []
    for path, parent in zip(paths, parents, strict=True):
        # A clip is named by its path without suffix, or with it where two files differ only in that.
        inside = path.relative_to(folder)
        clip_id = inside if stems[path.with_suffix("")] > 1 else inside.with_suffix("")
        label = names.index(parent[0]) if names else -1
        class_name = parent[0] if names else ""
        clips.append(Clip(clip_id.as_posix(), path, label=label, class_name=class_name))
    return Manifest(tuple(clips), tuple(names), folder)


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
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise HeatpoolError(f"expected a manifest, cannot read {path}: {error}") from error
    if "path" not in header:
        raise HeatpoolError(f"expected a column 'path' in {path}, got {', '.join(header) or 'an empty file'}")
    protocols = [name for name in header if name not in _COLUMNS]
    clips = [_parse(row, protocols, path, line) for line, row in enumerate(rows, start=2)]
    clips, class_names = _label(clips, path)
    return Manifest(tuple(clips), class_names, path.parent)


def _parse(row: Mapping[str, str | None], protocols: Sequence[str], manifest: Path, line: int) -> Clip:
    where = f"line {line} of {manifest.name}"
    if None in row or not row["path"]:
        raise HeatpoolError(f"expected a path and as many values as columns in {where}")
    splits = {}
    for name in protocols:
        value = (row[name] or "").strip()
        if value not in _PARTS:
            raise HeatpoolError(
                f"expected train, val, test or nothing in column {name}, got {value!r} in {where}"
            )
        splits[name] = _PARTS[value]
    video = manifest.parent / row["path"]
    return Clip(
        clip_id=row.get("clip_id") or Path(row["path"]).with_suffix("").as_posix(),
        path=video,
        start_s=_number(row, "start_s", 0.0, where),
        end_s=_number(row, "end_s", math.nan, where) if row.get("end_s") else None,
        label=int(_number(row, "label", -1, where)),
        class_name=row.get("class_name") or "",
        columns={name: row.get(name) or "" for name in FIRST_COLUMNS},
        persons=int(_number(row, "persons", 0, where)),
        splits=splits,
    )


def _number(row: Mapping[str, str | None], name: str, default: float, where: str) -> float:
    text = row.get(name)
    try:
        value = float(text) if text else default
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise HeatpoolError(f"expected a number in column {name}, got {text!r} in {where}")
    return value


def _label(clips: Sequence[Clip], manifest: Path) -> tuple[list[Clip], tuple[str, ...]]:
    """Give every clip a label and name that agree across the manifest."""
    if all(clip.label < 0 for clip in clips):
        names = sorted({clip.class_name for clip in clips if clip.class_name})
        number = {name: label for label, name in enumerate(names)} | {"": -1}
        return [replace(clip, label=number[clip.class_name]) for clip in clips], tuple(names)
    name_of: dict[int, str] = {}
    for clip in clips:
        known = name_of.setdefault(clip.label, clip.class_name)
        if clip.label >= 0 and known != clip.class_name:
            raise HeatpoolError(
                f"expected one class name a label in {manifest.name}, "
                f"got {known!r} and {clip.class_name!r} for {clip.label}"
            )
    count = max(name_of) + 1
    return list(clips), tuple(name_of.get(label) or f"class {label}" for label in range(count))


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _row(clip: Clip, folder: Path) -> list[str]:
    names = {part: text for text, part in _PARTS.items()}
    return [
        clip.clip_id,
        _relative(clip.path, folder),
        repr(clip.start_s) if clip.start_s else "",
        "" if clip.end_s is None else repr(clip.end_s),
        str(clip.label) if clip.label >= 0 else "",
        clip.class_name,
        *(clip.columns.get(name, "") for name in FIRST_COLUMNS),
        str(clip.persons) if clip.persons else "",
        *(names[part] for part in clip.splits.values()),
    ]
