"""Kinetics-400 (Kay et al., 2017): videos named by YouTube id and seconds, everything else in CSV files."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from heatpool.extract.datasets.clips import unique_ids, without_suffix
from heatpool.extract.datasets.delimited import Rows, open_table, show_header
from heatpool.extract.datasets.folder import SPLIT
from heatpool.extract.datasets.listing import NO_SUCH_VIDEO, Excluded, Listing, VideoFolder, annotation_files
from heatpool.extract.datasets.manifest import Manifest
from heatpool.extract.datasets.splits import SPLIT_WORDS
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split

__all__ = ["list_kinetics"]

_VIDEO = re.compile(r"(?P<id>[\w-]{11})(?:_(?P<start>\d+)_(?P<end>\d+))?")
_NEEDED = ("youtube_id", "split")
_KNOWN = (*_NEEDED, "label", "time_start", "time_end")


@dataclass(frozen=True)
class _Entry:
    """A line of the annotations: class ("" in the held-out test file), where in the video, split."""

    label: str
    video: str
    start: str
    split: Split


def list_kinetics(folder: VideoFolder) -> Listing:
    """List the videos that the annotations name (columns label, youtube_id, time_start, time_end, split).

    A video is found by its name, in whatever folder: `ID_000012_000022.mp4`, or `ID.mp4` where the
    annotations have one line of that id. Labels are the class names in alphabetical order.

    Raises:
        HeatpoolError: if annotations are missing or not as expected, or name none of the videos.
    """
    entries = _entries(folder)
    by_video: dict[str, list[_Entry]] = defaultdict(list)
    for each in entries:
        by_video[each.video].append(each)
    names = sorted({each.label for each in entries if each.label})
    label = {name: number for number, name in enumerate(names)} | {"": -1}
    chosen: list[_Entry] = []
    paths, excluded = [], list(folder.excluded)
    for path in folder.videos:
        entry = _entry_of(path, by_video)
        if entry is None:
            excluded.append(Excluded(path, "the annotations do not name it just once"))
            continue
        chosen.append(entry)
        paths.append(path)
    if not chosen:
        raise HeatpoolError(
            f"expected videos such as <youtube_id>_000012_000022.mp4 below {folder.path}, none of "
            f"{len(folder.videos)} is named in {folder.annotations}"
        )
    ids = unique_ids([without_suffix(os.path.basename(path)) for path in paths], paths)
    listed = tuple(
        replace(
            folder.clip(clip_id, path),
            label=label[entry.label],
            class_name=entry.label,
            splits={SPLIT: entry.split},
        )
        for clip_id, entry, path in zip(ids, chosen, paths, strict=True)
    )
    found = set(chosen)
    absent = [f"{each.video} at {each.start} s" for each in entries if each not in found]
    listing = Listing(Manifest(listed, tuple(names), folder.path), tuple(excluded))
    return listing.excluding(absent, NO_SUCH_VIDEO)


def _entries(folder: VideoFolder) -> list[_Entry]:
    entries: dict[_Entry, None] = {}
    for path in annotation_files(folder.annotations, ".csv"):
        for line, row in _annotation_rows(path):
            split = SPLIT_WORDS.get(row["split"].strip().casefold())
            if split is None:
                raise HeatpoolError(
                    f"expected train, val or test in column split, got {row['split']!r} "
                    f"in line {line} of {path.name}"
                )
            start = row.get("time_start", "").strip()
            if start and not start.replace(".", "", 1).isdecimal():
                raise HeatpoolError(
                    f"expected seconds in column time_start, got {start!r} in line {line} of {path.name}"
                )
            entries[_Entry(row.get("label", "").strip(), row["youtube_id"].strip(), start, split)] = None
    return list(entries)


def _annotation_rows(path: Path) -> Rows:
    with open_table(path, known=_KNOWN) as (header, rows):
        absent = [name for name in _NEEDED if name not in header]
        if absent:
            raise HeatpoolError(f"expected a column {absent[0]} in {path}, got {show_header(header)}")
        yield from rows


def _entry_of(path: str, by_video: Mapping[str, Sequence[_Entry]]) -> _Entry | None:
    match = _VIDEO.fullmatch(without_suffix(os.path.basename(path)))
    entries = by_video.get(match["id"], []) if match else []
    if match and match["start"]:
        entries = [entry for entry in entries if entry.start and float(entry.start) == int(match["start"])]
    return entries[0] if len(entries) == 1 else None
