"""Any table with a path and a label as a data set."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from heatpool.extract.datasets.clips import COLUMNS, Clip, label_clips, make_clip
from heatpool.extract.datasets.listing import (
    NO_SUCH_VIDEO,
    SPLIT_WORDS,
    Excluded,
    Listing,
    VideoFolder,
    read_table,
)
from heatpool.extract.datasets.manifest import Manifest, read_disjoint
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import FIRST_COLUMNS, Split

__all__ = ["list_table"]


def list_table(folder: VideoFolder) -> Listing:
    """List the videos that a table names.

    `folder.columns` says which column of the table is which of the manifest; a column called alike is taken
    by itself. A label that is no number is a class name. Each other column that holds nothing but train, val,
    test (or alike) or nothing is a protocol. A path is below the folder of videos and may lack its suffix.

    Raises:
        HeatpoolError: if a column is missing or a value is not as expected, naming line and column.
    """
    table = folder.annotations
    if table is None or not table.is_file():
        raise HeatpoolError(f"expected --annotations table.csv with --dataset csv, got {table}")
    rows = read_table(table)
    columns = _mapping(folder, list(rows[0]) if rows else [])
    protocols = _protocols(rows, set(columns.values()))
    videos = {os.path.splitext(path)[0]: path for path in folder.videos} | {p: p for p in folder.videos}
    labels = [row[columns["label"]].strip() for row in rows] if "label" in columns else []
    numbered = all(text.isdecimal() or not text for text in labels)
    clips, absent, found = [], [], set()
    for line, row in enumerate(rows, start=2):
        listed = row[columns["path"]].strip().removeprefix("./")
        path = videos.get(listed)
        if path is None:
            absent.append(listed)
            continue
        found.add(path)
        values = {name: row[column].strip() for name, column in columns.items()}
        if not numbered:
            values["class_name"] = values.get("class_name") or values.pop("label")
            values["label"] = ""
        splits = {name: _split(row[column]) for name, column in protocols.items()}
        own = {name: values.get(name, "") for name in FIRST_COLUMNS}
        where = f"line {line} of {table.name}"
        clips.append(make_clip(values | {"path": path}, folder.path / path, own, splits, where))
    if not clips:
        raise HeatpoolError(
            f"expected videos below {folder.path}, none of the {len(rows)} in {table} is there"
        )
    labelled, class_names = label_clips(clips, table.name)
    disjoint = read_disjoint((row.get("disjoint", "") for row in rows), protocols, table.name)
    manifest = Manifest(tuple(_distinct(labelled)), class_names, folder.path, disjoint)
    unnamed = [Excluded(path, "the table does not name it") for path in folder.videos if path not in found]
    return Listing(manifest, (*folder.excluded, *unnamed)).excluding(absent, NO_SUCH_VIDEO)


def _mapping(folder: VideoFolder, header: Sequence[str]) -> dict[str, str]:
    """Return manifest column to table column."""
    unknown = [name for name in folder.columns if name not in COLUMNS]
    if unknown:
        raise HeatpoolError(f"expected --columns of {', '.join(COLUMNS)}, got {unknown[0]!r}")
    columns = {name: name for name in COLUMNS if name in header} | dict(folder.columns)
    absent = [column for column in columns.values() if column not in header]
    if absent or "path" not in columns:
        wanted = absent[0] if absent else "path"
        raise HeatpoolError(
            f"expected a column {wanted!r} in {folder.annotations}, got "
            f"{', '.join(header) or 'an empty file'}; --columns path=NAME,label=NAME,… says which is which"
        )
    return columns


def _protocols(rows: Sequence[Mapping[str, str]], taken: set[str]) -> dict[str, str]:
    """Return protocol name (a valid one) to the column that holds its splits."""
    words = SPLIT_WORDS.keys() | {""}
    values = {name: {row[name].strip().casefold() for row in rows} for name in rows[0] if name not in taken}
    return {name.strip(): name for name, seen in values.items() if seen <= words and seen != {""}}


def _split(text: str) -> Split:
    return SPLIT_WORDS.get(text.strip().casefold(), Split.NONE)


def _distinct(clips: Sequence[Clip]) -> list[Clip]:
    """Name clips of the same video by their windows too, `clip@start-end` in seconds."""
    times = Counter(clip.clip_id for clip in clips)
    return [
        clip
        if times[clip.clip_id] == 1
        else replace(clip, clip_id=f"{clip.clip_id}@{clip.start_s:.2f}-{clip.end_s or math.inf:.2f}")
        for clip in clips
    ]
