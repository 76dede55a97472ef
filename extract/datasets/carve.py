"""Splits that a data set does not bring: val out of train, and test for data sets without a protocol.

Whole groups (subjects, cameras, … or videos) move, so that no split shares one with another; which ones
depends on the clips and the seed alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from heatpool.extract.datasets.clips import Clip
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split

__all__ = ["GroupBy", "carve_split", "group_by"]

GroupBy = Literal["subject", "camera", "setup", "repeat", "clip"]


def group_by(clips: Sequence[Clip]) -> GroupBy:
    """Return what to move as a whole: subjects where every clip names its own, else single videos."""
    return "subject" if all(clip.columns.get("subject") for clip in clips) else "clip"


def carve_split(
    clips: Sequence[Clip],
    protocol: str,
    *,
    into: Split,
    by: GroupBy,
    fraction: float = 0.0,
    values: Iterable[str] = (),
    seed: int = 0,
) -> tuple[list[Clip], tuple[str, ...]]:
    """Move groups of the train split of a protocol into another split.

    Args:
        clips: all clips; those of other splits stay as they are.
        protocol: name of the split.
        into: split that gets them.
        by: what moves as a whole; single videos are drawn within each class, if none has clips of several.
        fraction: share of the train clips to move, met as nearly as whole groups allow, never all of them.
        values: groups to move instead of a fraction; those without a train clip stay where they are.
        seed: of the draw.

    Returns:
        The clips, and the groups that moved, sorted.

    Raises:
        HeatpoolError: if a train clip names no group, no clip has a value, or train would be empty.
    """
    groups = _train_groups(clips, protocol, by)
    known, wanted = set(groups.values()), set(values)
    absent = wanted - {clip.columns.get(by, "") for clip in clips}
    if absent or (wanted and not wanted & known):
        wrong = ", ".join(sorted(absent or wanted))
        raise HeatpoolError(f"expected a {by} of the train split of {protocol}, got {wrong}")
    wanted &= known
    if not wanted:
        generator = np.random.default_rng(seed)
        strata = _strata(groups, clips if by == "clip" else ())
        wanted = {group for each in strata for group in _draw(each, fraction, generator)}
    if wanted == known:
        raise HeatpoolError(f"expected train clips of {protocol} to remain, every {by} would leave it")
    moved = [
        replace(clip, splits={**clip.splits, protocol: into}) if groups.get(row) in wanted else clip
        for row, clip in enumerate(clips)
    ]
    return moved, tuple(sorted(wanted, key=lambda name: (len(name), name)))


def _train_groups(clips: Sequence[Clip], protocol: str, by: GroupBy) -> dict[int, str]:
    """Return the group of each train clip, by row."""
    rows = [row for row, clip in enumerate(clips) if clip.splits.get(protocol) == Split.TRAIN]
    groups = {row: str(clips[row].path) if by == "clip" else clips[row].columns.get(by, "") for row in rows}
    if "" in groups.values():
        unnamed = next(clips[row].clip_id for row, group in groups.items() if not group)
        raise HeatpoolError(f"expected a {by} for every train clip of {protocol}, got none for {unnamed!r}")
    return groups


def _strata(groups: Mapping[int, str], clips: Sequence[Clip]) -> list[list[str]]:
    """Return the group of each train clip: by class where each group has one, else all together."""
    labels = {(group, clips[row].label) for row, group in groups.items()} if clips else set()
    if len(labels) != len(set(groups.values())):
        return [list(groups.values())]
    strata: dict[int, list[str]] = defaultdict(list)
    for row, group in groups.items():
        strata[clips[row].label].append(group)
    return [strata[label] for label in sorted(strata)]


def _draw(members: Sequence[str], fraction: float, generator: np.random.Generator) -> set[str]:
    """Draw groups whose clips come nearest to a fraction of all; at least one of several."""
    sizes = Counter(members)
    names = sorted(sizes)
    order = [names[at] for at in generator.permutation(len(names))]
    goal, taken, count = fraction * len(members), set[str](), 0
    for name in order[: len(names) - 1]:
        if abs(count + sizes[name] - goal) < abs(count - goal):
            taken.add(name)
            count += sizes[name]
    if not taken and len(names) > 1:
        taken.add(min(order, key=lambda name: sizes[name]))
    return taken
