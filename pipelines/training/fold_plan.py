"""Which clips of a store a cross-validation takes and how they are divided, as a manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from heatpool.classify.data.folds import fold_splits
from heatpool.pipelines.extraction.run_file import videos_root
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import FIRST_COLUMNS, ClipIndex, Split
from heatpool.pool.store.index_overlay import take_clips
from heatpool.pool.store.reader import FeatureStore

__all__ = ["FoldPlan", "plan_folds", "write_fold_manifest"]


@dataclass(frozen=True, eq=False)
class FoldPlan:
    """A cross-validation.

    Attributes:
        by: what no two folds share: a column, video or clip.
        index: all clips of the store, with a split protocol `fold_<k>` for each fold and those classes that
            occur; clips without label or features are in no split.
        held: of each fold the groups it tests, sorted; none where groups are videos or clips.
    """

    by: str
    index: ClipIndex
    held: tuple[tuple[str, ...], ...]


def plan_folds(store: FeatureStore, folds: int, *, by: str | None, seed: int) -> FoldPlan:
    """Divide the labelled clips of a store that have features.

    Args:
        store: with labels.
        folds: how many, 2 or more.
        by: column of the store, video or clip; None takes subject where every clip names one, else video.
        seed: of the division.

    Raises:
        HeatpoolError: if there is no such column, clips lack a value in it, or there are too few groups.
    """
    usable, index = store.clips.rows(), store.clips.index
    rows = usable[index.label[usable] >= 0]
    chosen = take_clips(index, rows)
    by = by or ("subject" if all(chosen.columns.get("subject", ("",))) else "video")
    groups = _groups(chosen, by)
    count = len(set(groups))
    if count < folds:
        raise HeatpoolError(
            f"expected --folds of at most {count}, as many as there are {by}s, got {folds}; "
            "another --fold-by may have more"
        )
    splits = fold_splits(chosen.label, groups, chosen.path, folds=folds, seed=seed)
    tested = [[groups[at] for at in np.flatnonzero(split == Split.TEST).tolist()] for split in splits]
    held = tuple(tuple(sorted(set(each))) if by in index.columns else () for each in tested)
    return FoldPlan(by, _with_splits(index, rows, splits), held)


def _with_splits(index: ClipIndex, rows: np.ndarray, splits: Sequence[np.ndarray]) -> ClipIndex:
    """The whole index with the splits of some rows, and those classes that these rows have."""
    used = np.unique(index.label[rows])
    number = np.full(len(index.class_names) + 1, -1, np.int32)  # the last entry is for label -1
    number[used] = np.arange(len(used))
    named = {}
    for fold, split in enumerate(splits, start=1):
        named[f"fold_{fold}"] = np.zeros(len(index), np.uint8)
        named[f"fold_{fold}"][rows] = split
    names = tuple(index.class_names[label] for label in used.tolist())
    return replace(index, label=number[index.label], class_names=names, splits=named, disjoint={})


def _groups(index: ClipIndex, by: str) -> Sequence[str]:
    if by == "video":
        return index.path
    if by == "clip":
        videos = len(set(index.path))
        if videos < len(index):
            raise HeatpoolError(
                f"expected a video for each clip with --fold-by clip, got {len(index)} clips of {videos}: "
                "--fold-by video keeps clips of one video together"
            )
        return index.clip_id
    if by not in index.columns:
        known = ", ".join([*index.columns, "video", "clip"])
        more = f"; --manifest with a column {by} brings it" if by in FIRST_COLUMNS else ""
        raise HeatpoolError(f"expected --fold-by of {known}, got {by!r}{more}")
    unnamed = index.columns[by].count("")
    if unnamed:
        raise HeatpoolError(f"expected a {by} of every clip with --fold-by {by}, {unnamed} clips name none")
    return index.columns[by]


def write_fold_manifest(plan: FoldPlan, store: FeatureStore, path: Path) -> None:
    """Write the clips and their folds as a manifest, for `--manifest` of train and for relabel.

    Raises:
        HeatpoolError: if it cannot be written.
    """
    from heatpool.extract.datasets.manifest import Clip, Manifest  # of stage one, for the format

    index, root = plan.index, videos_root(store) or path.parent
    clips = [
        Clip(
            clip_id=index.clip_id[row],
            path=root / index.path[row],
            label=label,
            class_name=index.class_names[label] if label >= 0 else "",
            columns={name: index.columns[name][row] for name in FIRST_COLUMNS if name in index.columns},
            splits={name: Split(int(splits[row])) for name, splits in index.splits.items()},
        )
        for row, label in enumerate(index.label.tolist())
    ]
    Manifest(tuple(clips), index.class_names, root).write(path)
