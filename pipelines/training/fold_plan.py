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
from heatpool.pool.store.reader import FeatureStore

__all__ = ["FoldPlan", "plan_folds", "write_fold_manifest"]


@dataclass(frozen=True, eq=False)
class FoldPlan:
    """A cross-validation.

    Attributes:
        by: what no two folds share: a column, video or clip.
        index: the clips, with a split protocol `fold_<k>` for each fold and those classes that occur.
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
    usable = store.clips.rows()
    index = store.clips.index_of(usable[store.clips.label[usable] >= 0])
    by = by or ("subject" if all(index.columns.get("subject", ("",))) else "video")
    groups = _groups(index, by)
    count = len(set(groups))
    if count < folds:
        raise HeatpoolError(
            f"expected --folds of at most {count}, as many as there are {by}s, got {folds}; "
            "another --fold-by may have more"
        )
    splits = fold_splits(index.label, groups, index.path, folds=folds, seed=seed)
    used, label = np.unique(index.label, return_inverse=True)
    named = {f"fold_{number}": split for number, split in enumerate(splits, start=1)}
    tested = [[groups[row] for row in np.flatnonzero(split == Split.TEST).tolist()] for split in splits]
    return FoldPlan(
        by,
        replace(
            index,
            label=label.astype(np.int32),
            class_names=tuple(index.class_names[number] for number in used.tolist()),
            splits=named,
            disjoint={},
        ),
        tuple(tuple(sorted(set(each))) if by in index.columns else () for each in tested),
    )


def _groups(index: ClipIndex, by: str) -> Sequence[str]:
    if by == "video":
        return index.path
    if by == "clip":
        if shared := len(index) - len(set(index.path)):
            raise HeatpoolError(
                f"expected a video for each clip with --fold-by clip, {shared} clips share one with others: "
                "--fold-by video keeps those together"
            )
        return index.clip_id
    if by not in index.columns:
        known = ", ".join([*index.columns, "video", "clip"])
        raise HeatpoolError(f"expected --fold-by of {known}, got {by!r}")
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
            class_name=index.class_names[label],
            columns={name: index.columns[name][row] for name in FIRST_COLUMNS if name in index.columns},
            splits={name: Split(int(splits[row])) for name, splits in index.splits.items()},
        )
        for row, label in enumerate(index.label.tolist())
    ]
    Manifest(tuple(clips), index.class_names, root).write(path)
