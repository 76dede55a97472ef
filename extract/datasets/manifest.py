"""The list of clips: a CSV with one row per clip."""

from __future__ import annotations

import csv
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.extract.datasets.clips import COLUMNS, NUMBERS, Clip, distinct_clips, label_clips, make_clip
from heatpool.extract.datasets.delimited import open_table, show_header
from heatpool.extract.datasets.facts import Facts, read_facts
from heatpool.extract.datasets.labels import Labels, read_labels
from heatpool.extract.datasets.splits import read_splits
from heatpool.pool.disk.atomic import atomic_file
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import FIRST_COLUMNS, ClipIndex, Split

__all__ = ["Clip", "Manifest", "read_disjoint", "read_manifest", "refuse_twins"]

_DISJOINT = "disjoint"
_NAMELESS = re.compile(r"(?:Unnamed: \d+)?")  # columns that spreadsheets leave, and the row numbers of pandas
_SPLIT_NAMES = {Split.NONE: "", Split.TRAIN: "train", Split.VAL: "val", Split.TEST: "test"}
_OTHER_TABLES = "heatpool manifest --dataset csv makes a manifest of any table"


@dataclass(frozen=True)
class Manifest:
    """The clips of a data set.

    Attributes:
        clips: in the order in which features are stored.
        class_names: in label order.
        root: folder that video paths are relative to.
        disjoint: the data set's own split rules: protocol to the column whose values train and test must not
            share. A protocol without a rule is judged by nothing.

    Raises:
        HeatpoolError: if there is no clip or two clips share an id.
    """

    clips: tuple[Clip, ...]
    class_names: tuple[str, ...]
    root: Path
    disjoint: Mapping[str, str] = field(default_factory=dict)

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
        """Return what the store keeps of the manifest; paths below `root` become relative to it."""
        root = str(self.root)
        return ClipIndex(
            clip_id=tuple(clip.clip_id for clip in self.clips),
            path=tuple(_below(clip.path, root) for clip in self.clips),
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
            disjoint=dict(self.disjoint),
        )

    def with_disjoint(self, rules: Mapping[str, str]) -> Manifest:
        """Return the manifest with further split rules, which take the place of its own.

        Raises:
            HeatpoolError: if a rule is for no protocol of the manifest.
        """
        unknown = [name for name in rules if name not in self.protocols]
        if unknown:
            known = ", ".join(self.protocols) or "no split"
            raise HeatpoolError(f"expected --disjoint of {known}, got {unknown[0]!r}")
        return replace(self, disjoint={**self.disjoint, **rules})

    def limit(self, count: int) -> Manifest:
        """Return the manifest of the first `count` clips."""
        return replace(self, clips=self.clips[:count])

    def write(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the CSV; paths of videos below its folder become relative to it, others absolute.

        The column `fps` is there only where a clip is pictures.

        Raises:
            HeatpoolError: if the file exists and may not be replaced, or cannot be written.
        """
        folder = os.path.abspath(path.parent)
        rules = ";".join(f"{protocol}={column}" for protocol, column in self.disjoint.items())
        columns = COLUMNS if any(clip.fps for clip in self.clips) else COLUMNS[:-1]
        with atomic_file(path, overwrite) as aside, aside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*columns, *([_DISJOINT] if rules else []), *self.protocols])
            for clip in self.clips:
                facts, splits = _row(clip, folder)
                writer.writerow([*facts[: len(columns)], *([rules] if rules else []), *splits])


def read_manifest(path: Path, *, known: Sequence[str] = ()) -> Manifest:
    """Read a manifest; only the column `path` is required. Commas, semicolons and tabs are all taken.

    Without clip_id, clips of one video are told apart by their times (`clips.distinct_clips`). Columns beyond
    the known ones are split protocols and hold train, val, test (or alike) or nothing. Labels come from
    `label` (`labels.read_labels` says what it means), else from `class_name` in alphabetical order. The
    column `disjoint` holds the same split rules in every row, such as `xsub=subject;xview=camera`.

    Args:
        path: of the table.
        known: classes of a store that it is for: where names are numbered, these come first, in their order.

    Raises:
        HeatpoolError: naming line and column of what is wrong.
    """
    meanings = _read_through(path)
    with open_table(path, known=COLUMNS, numbers=NUMBERS) as (_, rows):
        share = cache(_mapping)
        rules: set[str] = set()
        clips, paths, places, own = [], [], [], False
        for line, row in rows:
            rules.add(row.get(_DISJOINT, ""))
            where = f"line {line} of {path.name}"
            clips.append(_parse(row, meanings, path, where, share))
            paths.append(row["path"])
            places.append(where)
            own = own or bool(row.get("clip_id"))
    if not clips:
        raise HeatpoolError(f"expected clips, got none in {path}")
    clips, class_names = label_clips(clips, path.name, known=known)
    if not own:
        clips = distinct_clips(clips, paths, places=places)
    refuse_twins(clips, places)
    disjoint = read_disjoint(rules, meanings.splits, path.name)
    return Manifest(tuple(clips), class_names, path.parent, disjoint)


@dataclass(frozen=True)
class _Meanings:
    """What the values of a manifest's columns stand for: labels, splits by protocol, subjects and such."""

    labels: Labels
    splits: Mapping[str, Mapping[str, Split]]
    facts: Facts


def _read_through(path: Path) -> _Meanings:
    """Read through a manifest for what its values mean, which the last line may decide."""
    first: dict[str, str] = {}
    facts: dict[str, set[str]] = {name: {""} for name in FIRST_COLUMNS}
    with open_table(path, known=COLUMNS) as (header, rows):
        if "path" not in header:
            raise HeatpoolError(
                f"expected a column 'path' in {path}, got {show_header(header)}; {_OTHER_TABLES}"
            )
        protocols: dict[str, dict[str, list[int]]] = {
            name: defaultdict(list)
            for name in header
            if name not in (*COLUMNS, _DISJOINT) and not _NAMELESS.fullmatch(name)
        }
        present = [name for name in FIRST_COLUMNS if name in header]
        for line, row in rows:
            text = row.get("label", "").strip()
            if text not in first:
                first[text] = f"line {line} of {path.name}"
            for name in present:
                facts[name].add(row[name])
            for name, lines in protocols.items():
                lines[row[name]].append(line)
    try:
        splits = {name: read_splits(name, lines, path.name) for name, lines in protocols.items()}
    except HeatpoolError as error:
        raise HeatpoolError(f"{error}; {_OTHER_TABLES}") from error
    return _Meanings(read_labels(first, path.name), splits, read_facts(facts, path.name))


def refuse_twins(clips: Sequence[Clip], places: Sequence[str]) -> None:
    """Raise HeatpoolError where two clips share an id, naming the places where they are written down."""
    first: dict[str, str] = {}
    for clip, where in zip(clips, places, strict=True):
        if clip.clip_id in first:
            raise HeatpoolError(
                f"expected unique clip ids, got {clip.clip_id!r} twice, in {first[clip.clip_id]} and {where}"
            )
        first[clip.clip_id] = where


def read_disjoint(values: Iterable[str], protocols: Collection[str], source: str) -> dict[str, str]:
    """Return the split rules that the rows of a table state: protocol to column.

    Args:
        values: of the column `disjoint`, such as `xsub=subject;xview=camera`; empty rows state nothing.
        protocols: that the table has.
        source: name of the table, for messages.

    Raises:
        HeatpoolError: if rows differ, or a rule is for no protocol or names no column.
    """
    stated = sorted({value.strip() for value in values} - {""})
    if len(stated) > 1:
        raise HeatpoolError(
            f"expected one value in column disjoint of {source}, got {stated[0]!r} and {stated[1]!r}"
        )
    rules = {}
    for pair in stated[0].split(";") if stated else ():
        protocol, _, column = (part.strip() for part in pair.partition("="))
        if protocol not in protocols or column not in FIRST_COLUMNS:
            raise HeatpoolError(
                f"expected rules such as xsub=subject in column disjoint of {source}, for a protocol of "
                f"{', '.join(protocols) or 'none'} and a column of {', '.join(FIRST_COLUMNS)}, got {pair!r}"
            )
        rules[protocol] = column
    return rules


def _mapping(names: tuple[str, ...], values: tuple[Any, ...]) -> Mapping[str, Any]:
    return dict(zip(names, values, strict=True))


def _parse(
    row: dict[str, str],
    meanings: _Meanings,
    manifest: Path,
    where: str,
    share: Callable[[tuple[str, ...], tuple[Any, ...]], Mapping[str, Any]],
) -> Clip:
    """Make a clip of a row; `share` lets clips with equal values have one mapping: there may be millions."""
    if not row["path"]:
        raise HeatpoolError(f"expected a path in {where}")
    splits = tuple(meaning[row[name]] for name, meaning in meanings.splits.items())
    columns = share(FIRST_COLUMNS, tuple(meanings.facts[name][row.get(name, "")] for name in FIRST_COLUMNS))
    row.update((name, row[name].strip()) for name in COLUMNS[2:] if name in row)  # all but clip_id and path
    row["path"] = _written(row["path"], manifest.parent)
    protocols = share(tuple(meanings.splits), splits)
    return make_clip(row, manifest.parent / row["path"], columns, protocols, where, meanings.labels)


def _written(path: str, folder: Path) -> str:
    """Return a path as it is, or without what spreadsheets, Windows and macOS bring into it."""
    mended = path.strip().replace("\\", "/")
    if (mended == path and path.isascii()) or (folder / path).exists():
        return path
    forms = (unicodedata.normalize(form, mended) for form in ("NFC", "NFD"))
    return next((form for form in (mended, *forms) if (folder / form).exists()), mended)


def _below(path: str | Path, folder: str) -> str:
    """Return how a video's path is written down: relative to a folder that it lies below, else as it is."""
    return str(path).removeprefix(os.path.join(folder, "")).replace(os.sep, "/")


def _row(clip: Clip, folder: str) -> tuple[list[str], list[str]]:
    """Return the facts of a clip and its splits, as text in the order of the columns."""
    facts = [
        clip.clip_id,
        _below(os.path.abspath(clip.path), folder),
        repr(clip.start_s) if clip.start_s else "",
        "" if clip.end_s is None else repr(clip.end_s),
        str(clip.label) if clip.label >= 0 else "",
        clip.class_name,
        *(clip.columns.get(name, "") for name in FIRST_COLUMNS),
        str(clip.persons) if clip.persons else "",
        f"{clip.fps:g}" if clip.fps else "",
    ]
    return facts, [_SPLIT_NAMES[split] for split in clip.splits.values()]
