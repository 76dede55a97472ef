"""What PYSKL files call their splits (`xsub_train`, `train1`, `val`), as protocols, and back."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from heatpool.pool.disk.class_names import one_form
from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.records import ClipIndex, Split

__all__ = ["SplitTable", "name_splits", "parse_splits"]

_log = logging.getLogger(__name__)

_WORD = re.compile(r"(?<![a-z])(train(?:ing)?|val(?:id(?:ation)?)?|dev|test(?:ing)?)(?![a-z])", re.IGNORECASE)
_SPLITS = {"tr": Split.TRAIN, "va": Split.VAL, "de": Split.VAL, "te": Split.TEST}
_ONLY = "split"  # the protocol of a file that has one
_APART = "_-./: "
_UNSTORABLE = re.compile(r"[^A-Za-z0-9_-]+")  # in the name of a protocol

Names = Mapping[str, Mapping[str, str]]
"""By protocol and split (train, val, test), what a file calls it."""


@dataclass(frozen=True, eq=False)
class SplitTable:
    """The splits of a file.

    Attributes:
        splits: by protocol an (N,) uint8 array of `Split`.
        names: what the file calls them.
    """

    splits: Mapping[str, np.ndarray]
    names: Names


def _parse_name(name: str) -> tuple[str, Split] | None:
    """Return protocol and split that a name stands for; None where it says neither train, val nor test."""
    words = list(_WORD.finditer(name))
    if len(words) != 1:
        return None
    word = words[0]
    rest = [name[: word.start()].strip(_APART), name[word.end() :].strip(_APART)]
    protocol = "_".join(part for part in rest if part)
    protocol = _UNSTORABLE.sub("_", protocol).strip("_")
    if protocol.isdecimal():
        protocol = f"{_ONLY}{int(protocol)}"
    return protocol or _ONLY, _SPLITS[word[0][:2].lower()]


def parse_splits(lists: Mapping[str, Sequence[str]], clip_names: Sequence[str], source: str) -> SplitTable:
    """Make protocols of lists of clip names.

    PYSKL reports on its split `val`: a protocol without a split `test` gets it as `test`.

    Args:
        lists: clip names by the name of the split, such as xsub_train, train1 or val.
        clip_names: of the N annotations.
        source: name of the file, for messages.

    Raises:
        HeatpoolError: if two lists of a protocol share a clip or mean the same, or no list names a clip.
    """
    row = {name: number for number, name in enumerate(clip_names)}
    form = {one_form(name): name for name in clip_names}  # macOS writes accents in another one
    lists = {name: [form.get(one_form(clip), clip) for clip in clips] for name, clips in lists.items()}
    meant: dict[str, dict[Split, str]] = defaultdict(dict)
    for name in lists:
        parsed = _parse_name(name)
        if parsed is None:
            _log.warning("%s: split %r is left out: it says neither train, val nor test", source, name)
            continue
        protocol, split = parsed
        if split in meant[protocol]:
            both = f"{meant[protocol][split]} and {name}"
            raise HeatpoolError(f"{source}: expected splits of different meanings, got {both}")
        meant[protocol][split] = name
    splits, names = {}, {}
    for protocol, named in meant.items():
        if Split.VAL in named and Split.TEST not in named:
            named[Split.TEST] = named.pop(Split.VAL)
            _log.info("%s: %s is test, on which PYSKL reports", source, named[Split.TEST])
        elif Split.VAL in named and set(lists[named[Split.VAL]]) == set(lists[named[Split.TEST]]):
            _log.warning(
                "%s: %s and %s are the same clips, which are test",
                source,
                named.pop(Split.VAL),
                named[Split.TEST],
            )
        splits[protocol] = _rows(named, lists, row, source)
        names[protocol] = {split.name.lower(): name for split, name in named.items()}
    _check_names(lists, row, source)
    return SplitTable(splits, names)


def _rows(
    named: Mapping[Split, str], lists: Mapping[str, Sequence[str]], row: Mapping[str, int], source: str
) -> np.ndarray:
    values = np.zeros(len(row), np.uint8)
    for split, name in sorted(named.items()):
        rows = [row[clip] for clip in lists[name] if clip in row]
        taken = np.flatnonzero(values[rows])
        if len(taken):
            clip = next(clip for clip, number in row.items() if number == rows[int(taken[0])])
            other = named[Split(values[rows[int(taken[0])]])]
            both = f"{other} and {name}, such as {shorten(clip)}"
            raise HeatpoolError(f"{source}: expected each clip in one split, got {len(taken)} in both {both}")
        values[rows] = split
    return values


def _check_names(lists: Mapping[str, Sequence[str]], row: Mapping[str, int], source: str) -> None:
    absent = {name: [clip for clip in clips if clip not in row] for name, clips in lists.items()}
    named = sum(map(len, lists.values()))
    missing = sum(map(len, absent.values()))
    if named and missing == named:
        example = next(clip for clips in lists.values() for clip in clips)
        known = shorten(next(iter(row), ""))
        raise HeatpoolError(
            f"{source}: expected splits of its annotations, such as {known}, got others: {shorten(example)}"
        )
    if missing:
        name = next(name for name, clips in absent.items() if clips)
        _log.warning(
            "%s: %d name%s of its splits without annotation, such as %r of %s",
            source, missing, "s" * (missing > 1), absent[name][0], name,
        )  # fmt: skip


def name_splits(index: ClipIndex, names: Names) -> dict[str, list[str]]:
    """Return the clip names of each split, as PYSKL has them.

    Args:
        index: of the clips.
        names: what the file that they came from called its splits; others are called `protocol_split`. A val
            split that was taken out of train goes back there.
    """
    lists: dict[str, list[str]] = defaultdict(list)
    for protocol, splits in index.splits.items():
        known = names.get(protocol, {})
        for split in (Split.TRAIN, Split.VAL, Split.TEST):
            word = split.name.lower()
            name = known.get(word) or (known.get("train") if split == Split.VAL else None)
            rows = np.flatnonzero(splits == split).tolist()
            if rows or word in known:
                lists[name or f"{protocol}_{word}"] += [index.clip_id[row] for row in rows]
    return dict(lists)
