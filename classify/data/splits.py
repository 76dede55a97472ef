"""Which rows of a store train, validate and test a classifier."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from heatpool.classify.data.folds import draw_val
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex, Split

if TYPE_CHECKING:
    from heatpool.pool.store.reader import FeatureStore

__all__ = ["complete_split", "split_rows"]


def complete_split(index: ClipIndex, protocol: str, usable: np.ndarray) -> tuple[ClipIndex, tuple[str, ...]]:
    """Take clips without a label out of a split, and a val out of train where the split has none.

    Published splits often have train and test alone, or train and val, on which papers then report: that val
    is the test split here, for an epoch chosen on it would flatter its figures. The draw is the same every
    time: whole subjects where train has five or more, or where the rule of the split is about them, else
    whole videos.

    Args:
        index: clips of a store.
        protocol: name of the split; it must be there.
        usable: (n,) rows with features.

    Returns:
        The index, the given one where nothing is missing; and what was done, a line each.

    Raises:
        HeatpoolError: if there is no val, and train has one video only.
    """
    part, notes = index.splits[protocol].copy(), []
    blank = usable[(index.label[usable] < 0) & (part[usable] != Split.NONE)]
    if len(blank):
        of = np.count_nonzero(part[usable] != Split.NONE)
        notes.append(f"{protocol}: {len(blank)} of {of} clips have no label: left out")
        part[blank] = Split.NONE
    train, val = (usable[part[usable] == split] for split in (Split.TRAIN, Split.VAL))
    lacks = f"{protocol} has no val clip:"
    if len(train) and len(val) and not (part == Split.TEST).any():
        part[part == Split.VAL] = Split.TEST
        lacks = f"{protocol} has no test clip: its {len(val)} val clips are tested on in this run, and"
    if len(train) and not (part == Split.VAL).any():
        chosen, what = _draw_val(index, protocol, train)
        part[chosen] = Split.VAL
        notes.append(
            f"{lacks} {len(chosen)} of {len(train)} train clips, {what}, are val in this run, to choose the "
            "best epoch on"
        )
    if not notes:
        return index, ()
    return replace(index, splits={**index.splits, protocol: part}), tuple(notes)


def _draw_val(index: ClipIndex, protocol: str, train: np.ndarray) -> tuple[np.ndarray, str]:
    """Rows of train that become val, and which they are."""
    rows = train.tolist()
    videos = [index.path[row] for row in rows]
    subjects = [index.columns["subject"][row] for row in rows] if "subject" in index.columns else [""]
    groups = subjects if all(subjects) else videos
    by_subject = index.disjoint.get(protocol) == "subject"
    try:
        drawn = draw_val(index.label[train], groups, groups if by_subject else videos, seed=0)
    except HeatpoolError as error:
        raise HeatpoolError(
            f"{protocol} has no val clip beside test, and the {len(train)} train clips cannot be divided: "
            f"{error}"
        ) from error
    held, kept = ({groups[at] for at in np.flatnonzero(which).tolist()} for which in (drawn, ~drawn))
    if groups is videos or held & kept:
        return train[drawn], "whole videos"
    return train[drawn], f"all of subject{'s' * (len(held) > 1)} {', '.join(sorted(held))}"


def split_rows(store: FeatureStore, protocol: str) -> dict[str, np.ndarray]:
    """Return the usable rows of each split of a protocol.

    Args:
        store: opened feature store.
        protocol: name of the protocol, such as xsub.

    Returns:
        {"train": (n,) int64, "val": ..., "test": ...}, none of them empty, all labelled.

    Raises:
        HeatpoolError: if the protocol is unknown or a split has no labelled clip with features.
    """
    splits = {}
    for split in (Split.TRAIN, Split.VAL, Split.TEST):
        rows = store.clips.rows(protocol, split)
        splits[split.name.lower()] = rows[store.clips.label[rows] >= 0]
    empty = [name for name, rows in splits.items() if not len(rows)]
    if empty:
        raise HeatpoolError(
            f"{protocol} has no labelled {' and no '.join(empty)} clip with features: say in a CSV which "
            "clips are train, val and test (--manifest), or let --folds 5 test every clip once"
        )
    return splits
