"""Any table with a path and a label as a data set, also one of intervals in long videos."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from heatpool.extract.datasets.clips import COLUMNS, NUMBERS, Clip, distinct_clips, label_clips, make_clip
from heatpool.extract.datasets.delimited import open_table, show_header
from heatpool.extract.datasets.facts import Facts, read_facts
from heatpool.extract.datasets.labels import Labels, read_labels
from heatpool.extract.datasets.listing import NO_SUCH_VIDEO, Excluded, Listing, VideoFolder
from heatpool.extract.datasets.manifest import Manifest, read_disjoint, refuse_twins
from heatpool.extract.datasets.media import FoundVideo, Media
from heatpool.extract.datasets.splits import holds_splits, read_splits
from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.records import FIRST_COLUMNS, Split

__all__ = ["ClipRow", "Table", "list_rows", "list_table", "read_table"]


_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClipRow:
    """A clip as a list names it.

    Attributes:
        where: place in the list, for messages.
        values: by names of `COLUMNS`; `path` as it is written there.
        splits: protocol name to split.
    """

    where: str
    values: Mapping[str, str]
    splits: Mapping[str, Split] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """What a table says.

    Attributes:
        name: of the file.
        rows: in its order.
        disjoint: protocol to the column whose values its splits must not share.
    """

    name: str
    rows: tuple[ClipRow, ...]
    disjoint: Mapping[str, str]


def list_table(folder: VideoFolder) -> Listing:
    """List the videos that a table names.

    `folder.columns` says which column of the table is which of the manifest; a column called alike is taken
    by itself. `labels.read_labels` says what a label means. Each other column that holds nothing but train,
    val, test (or alike) or nothing is a protocol. A path is below the folder of videos, where it may lack its
    suffix, or absolute.

    Raises:
        HeatpoolError: if a column is missing or a value is not as expected, naming line and column.
    """
    table = read_table(folder, folder.columns)
    return list_rows(folder, table.rows, table.name, disjoint=table.disjoint)


def read_table(
    folder: VideoFolder, columns: Mapping[str, str], *, aliases: Mapping[str, str] | None = None
) -> Table:
    """Read the table of annotations.

    Args:
        folder: whose annotations they are.
        columns: column of the manifest to column of the table, which must be there.
        aliases: the same, of columns that may be there.

    Raises:
        HeatpoolError: if there is none, a column is missing, or it says what cannot be.
    """
    path = folder.annotations
    if path is None or not path.is_file():
        raise HeatpoolError(f"expected a table of clips in --annotations, got {path}")
    called_so = ({name: name for name in NUMBERS}, aliases or {}, columns)
    numbers = {each[name].casefold() for each in called_so for name in NUMBERS if name in each}
    with open_table(path, numbers=numbers) as (header, lines):
        called = {column.casefold(): column for column in header}
        others = {name: called[column] for name, column in (aliases or {}).items() if column in called}
        names = _mapping({**others, **columns}, header, path)
        read = list(lines)
    rest = [name for name in header if name not in names.values()]
    protocols = _protocols(read, rest, path.name)
    rows = tuple(
        ClipRow(
            f"line {line} of {path.name}",
            {name: row[column].strip() for name, column in names.items()},
            {name: meaning[row[name]] for name, meaning in protocols.items()},
        )
        for line, row in read
    )
    return Table(
        path.name, rows, read_disjoint((row.get("disjoint", "") for _, row in read), protocols, path.name)
    )


def list_rows(
    folder: VideoFolder,
    rows: Sequence[ClipRow],
    source: str,
    *,
    by_name: bool = False,
    windows: bool = False,
    disjoint: Mapping[str, str] | None = None,
) -> Listing:
    """List the clips that rows name.

    Args:
        folder: of the videos.
        rows: of the list.
        source: what the list is called.
        by_name: paths may name other folders than those that are there.
        windows: name every clip without an id of its own by its window, not only where a video has several.
        disjoint: protocol to the column whose values its splits must not share.

    Raises:
        HeatpoolError: if a value is not as expected, or no video of the list is there.
    """
    media = Media(folder, by_name=by_name)
    first: dict[str, str] = {}
    for row in rows:
        first.setdefault(row.values.get("label", ""), row.where)
    labels = read_labels(first, source, classes=folder.classes)
    facts = read_facts({name: {row.values.get(name, "") for row in rows} for name in FIRST_COLUMNS}, source)
    clips, absent, videos, own, places = [], [], [], [], []
    for row in rows:
        listed = row.values["path"]
        if not listed:
            raise HeatpoolError(f"expected a path in {row.where}")
        video = media.find(listed)
        if video is None:
            absent.append(listed)
            continue
        videos.append(video.name)
        clips.append(_clip(row, video, labels, facts, folder.fps))
        own.append(row.values.get("clip_id", ""))
        places.append(row.where)
    if not clips:
        raise HeatpoolError(
            f"expected videos below {folder.path}, none of the {len(rows)} in {source} is there, such as "
            f"{shorten(absent[0])}"
        )
    labelled, class_names = label_clips(clips, source)
    if folder.classes is not None:
        class_names = folder.classes.names
    times = Counter(own)
    named = [windows and not (each and times[each] == 1) for each in own]
    labelled = distinct_clips(labelled, videos, places=places, windows=named)
    refuse_twins(labelled, places)
    manifest = Manifest(tuple(labelled), class_names, folder.path, disjoint or {})
    found = set(videos)
    unnamed = [Excluded(path, f"{source} does not name it") for path in folder.videos if path not in found]
    return Listing(manifest, (*folder.excluded, *unnamed)).excluding(absent, NO_SUCH_VIDEO)


def _clip(row: ClipRow, video: FoundVideo, labels: Labels, facts: Facts, fps: float) -> Clip:
    own = {name: facts[name][row.values.get(name, "")] for name in FIRST_COLUMNS}
    named = {**row.values, "clip_id": row.values.get("clip_id") or video.clip_id}
    clip = make_clip(named, video.path, own, row.splits, row.where, labels)
    if video.pictures and not (clip.fps or fps):
        raise HeatpoolError(
            f"expected --fps, or a column fps, for the pictures of {row.values['path']} in {row.where}"
        )
    return replace(clip, fps=(clip.fps or fps) if video.pictures else 0.0)


def _mapping(columns: Mapping[str, str], header: Sequence[str], path: Path) -> dict[str, str]:
    """Return manifest column to table column."""
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown:
        raise HeatpoolError(f"expected --columns of {', '.join(COLUMNS)}, got {unknown[0]!r}")
    names = {name: column for column in header if (name := column.casefold()) in COLUMNS} | dict(columns)
    absent = [column for column in names.values() if column not in header]
    if absent or "path" not in names:
        wanted = absent[0] if absent else "path"
        raise HeatpoolError(
            f"expected a column {wanted!r} in {path}, got {show_header(header)}; "
            "--columns path=NAME,label=NAME,… says which is which"
        )
    return names


def _protocols(
    rows: Sequence[tuple[int, Mapping[str, str]]], names: Sequence[str], source: str
) -> dict[str, dict[str, Split]]:
    """Return what the values of those columns mean that hold splits; say which are left out."""
    protocols, others = {}, []
    for name in filter(None, names):
        lines: dict[str, list[int]] = defaultdict(list)
        for line, row in rows:
            lines[row[name]].append(line)
        if holds_splits(name, lines):
            protocols[name] = read_splits(name, lines, source)
        elif name != "disjoint":
            others.append(name)
    if others:
        _log.info("%s: columns that hold no splits are left out: %s", source, ", ".join(others))
    return protocols
