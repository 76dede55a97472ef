"""What an ablation trains and tests on: the splits of a protocol, or folds of all clips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from heatpool.classify.data.splits import split_rows
from heatpool.pipelines.options.ablate import AblateOptions
from heatpool.pipelines.training.clip_parts import clip_column
from heatpool.pipelines.training.features import (
    open_for_training,
    open_labelled,
    pending_note,
    split_problems,
)
from heatpool.pipelines.training.fold_plan import plan_folds
from heatpool.pipelines.training.folds import fold_problems
from heatpool.pool.store.reader import FeatureStore

__all__ = ["Division", "divide_clips"]


@dataclass(frozen=True, eq=False)
class Division:
    """What is trained and tested on what.

    Attributes:
        store: with the labels and splits that hold.
        name: of the split protocol, or of the folds.
        parts: rows of train, val and test, by split protocol: one, or one for each fold.
        fold_by: what no two folds share: a column, video or clip; "" without folds.
        by: what is drawn as a whole for intervals: a column, video or clip.
        notes: what was made up for in the splits, a line each.
        problems: what is wrong with them.
    """

    store: FeatureStore
    name: str
    parts: Mapping[str, Mapping[str, np.ndarray]]
    fold_by: str
    by: str
    notes: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def words(self) -> str:
        """What is trained and tested on how many clips."""
        clips = [{split: len(rows) for split, rows in part.items()} for part in self.parts.values()]
        if self.fold_by:
            tested = sum(part["test"] for part in clips)
            return f"{len(clips)} folds by {self.fold_by}, {tested} clips, each tested once"
        counts = ", ".join(f"{count} {split}" for split, count in clips[0].items())
        return f"protocol {self.name}: {counts} clips"

    @property
    def groups(self) -> Mapping[str, str] | None:
        """Group of each clip by its id, None where each clip is one."""
        index = self.store.clips.index
        if self.by == "clip":
            return None
        if self.by == "video":
            return dict(zip(index.clip_id, index.path, strict=True))
        return clip_column(self.store, self.by, option="--group-by")


def divide_clips(options: AblateOptions) -> Division:
    """Return the splits of a protocol, or folds.

    Raises:
        HeatpoolError: if store, labels, splits or options do not allow it.
    """
    if options.folds:
        store = open_labelled(options.features)
        plan = plan_folds(store, options.folds, by=options.fold_by, seed=options.seed)
        store = store.with_index(plan.index)
        parts = {name: split_rows(store, name) for name in plan.index.splits}
        name, problems = f"{options.folds}-folds", [*pending_note(store), *fold_problems(plan.index)]
        return Division(store, name, parts, plan.by, options.group_by or plan.by, (), tuple(problems))
    store, name, notes = open_for_training(options.features, options.protocol, {})
    splits = split_rows(store, name)
    found = split_problems(store, name, np.concatenate([*splits.values()]))
    return Division(store, name, {name: splits}, "", options.group_by or "clip", notes, tuple(found))
