"""Any table with a path and a label as a data set."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from heatpool.extract.datasets.manifest import Clip, Manifest, label_clips, read_number
from heatpool.extract.datasets.source import NO_SUCH_VIDEO, PART_WORDS, LeftOut, Listing, Source, read_table
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import FIRST_COLUMNS, Split

__all__ = ["list_table"]

_COLUMNS = ("path", "clip_id", "start_s", "end_s", "label", "class_name", *FIRST_COLUMNS, "persons")


def list_table(source: Source) -> Listing:
    """List the videos that a table names.

    `source.columns` says which column of the table is which of the manifest; a column called alike is taken
    by itself. A label that is no number is a class name. Each other column that holds nothing but train, val,
    test (or alike) or nothing is a protocol. A path is below the folder of videos and may lack its suffix.

    Raises:
        HeatpoolError: if a column is missing or a value is not as expected, naming line and column.
    """
    table = source.annotations
    if table is None or not table.is_file():
        raise HeatpoolError(f"expected --annotations table.csv with --dataset csv, got {table}")
    rows = read_table(table)
    columns = _mapping(source, list(rows[0]) if rows else [])
    protocols = _protocols(rows, set(columns.values()))
    videos = {os.path.splitext(path)[0]: path for path in source.videos} | {p: p for p in source.videos}
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
        splits = {name: _part(row[column]) for name, column in protocols.items()}
        where = f"line {line} of {table.name}"
        clips.append(_clip(values, source, path, splits, numbered=numbered, where=where))
    if not clips:
        raise HeatpoolError(
            f"expected videos below {source.folder}, none of the {len(rows)} in {table} is there"
        )
    labelled, class_names = label_clips(clips, table.name)
    manifest = Manifest(tuple(_distinct(labelled)), class_names, source.folder)
    unnamed = [LeftOut(path, "the table does not name it") for path in source.videos if path not in found]
    return Listing(manifest, (*source.left_out, *unnamed)).leaving_out(absent, NO_SUCH_VIDEO)


def _mapping(source: Source, header: Sequence[str]) -> dict[str, str]:
    """Return manifest column to table column."""
    unknown = [name for name in source.columns if name not in _COLUMNS]
    if unknown:
        raise HeatpoolError(f"expected --columns of {', '.join(_COLUMNS)}, got {unknown[0]!r}")
    columns = {name: name for name in _COLUMNS if name in header} | dict(source.columns)
    absent = [column for column in columns.values() if column not in header]
    if absent or "path" not in columns:
        wanted = absent[0] if absent else "path"
        raise HeatpoolError(
            f"expected a column {wanted!r} in {source.annotations}, got "
            f"{', '.join(header) or 'an empty file'}; --columns path=NAME,label=NAME,… says which is which"
        )
    return columns


def _protocols(rows: Sequence[Mapping[str, str]], taken: set[str]) -> dict[str, str]:
    """Return protocol name (a valid one) to the column that holds its splits."""
    words = PART_WORDS.keys() | {""}
    values = {name: {row[name].strip().casefold() for row in rows} for name in rows[0] if name not in taken}
    return {name.strip(): name for name, seen in values.items() if seen <= words and seen != {""}}


def _part(text: str) -> Split:
    return PART_WORDS.get(text.strip().casefold(), Split.NONE)


def _clip(
    values: Mapping[str, str],
    source: Source,
    path: str,
    splits: Mapping[str, Split],
    *,
    numbered: bool,
    where: str,
) -> Clip:
    label, class_name = values.get("label", ""), values.get("class_name", "")
    return Clip(
        clip_id=values.get("clip_id") or os.path.splitext(path)[0],
        path=source.folder / path,
        start_s=read_number(values, "start_s", where) or 0.0,
        end_s=read_number(values, "end_s", where),
        label=int(label) if numbered and label else -1,
        class_name=class_name if numbered else class_name or label,
        columns={name: values.get(name, "") for name in FIRST_COLUMNS},
        persons=int(read_number(values, "persons", where) or 0),
        splits=splits,
    )


def _distinct(clips: Sequence[Clip]) -> list[Clip]:
    """Name clips of the same video by their windows too, `clip@start-end` in seconds."""
    times = Counter(clip.clip_id for clip in clips)
    return [
        clip
        if times[clip.clip_id] == 1
        else replace(clip, clip_id=f"{clip.clip_id}@{clip.start_s:.2f}-{clip.end_s or math.inf:.2f}")
        for clip in clips
    ]
