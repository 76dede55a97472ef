"""Parts of the test clips: by a column of theirs, or by groups of classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from heatpool.pipelines.runs.columns import clip_columns
from heatpool.pool.disk.class_names import plain_name
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore

__all__ = ["clip_column", "clip_parts"]


def clip_column(store: FeatureStore, name: str, *, option: str) -> Mapping[str, str]:
    """Return the value of a column by clip id.

    Args:
        store: whose clips.
        name: of the column.
        option: that names it, for the refusal.

    Raises:
        HeatpoolError: if there is no such column, or it has one value only.
    """
    columns = clip_columns(store)
    if name not in columns:
        known = ", ".join(columns) or "none"
        raise HeatpoolError(f"expected {option} to be a column with several values ({known}), got {name!r}")
    return columns[name]


def clip_parts(store: FeatureStore, divide_by: str) -> Mapping[str, str]:
    """Return the part of each clip by its id; none if nothing divides them.

    Args:
        store: whose clips.
        divide_by: a column, such as camera; or a table, such as kinds.csv, with a column class_name
            and one of groups. A class with an empty group belongs to no part.

    Raises:
        HeatpoolError: if there is no such column or table, or it lacks a class.
    """
    if not divide_by:
        return {}
    if not divide_by.endswith(".csv"):
        return clip_column(store, divide_by, option="--divide-by")
    groups, index = _read_groups(Path(divide_by)), store.clips.index
    names = [plain_name(name) for name in index.class_names]
    if missing := [name for name in names if name not in groups]:
        raise HeatpoolError(
            f"expected a group of each class in {divide_by}, it lacks {', '.join(missing[:5])}"
        )
    return {
        clip_id: groups[names[label]]
        for clip_id, label in zip(index.clip_id, index.label.tolist(), strict=True)
        if label >= 0
    }


def _read_groups(path: Path) -> dict[str, str]:
    """Group by class, out of a table with two columns."""
    from heatpool.extract.datasets.delimited import open_table

    with open_table(path, numbers=set()) as (header, lines):
        if len(header) != 2 or "class_name" not in header:
            raise HeatpoolError(
                f"expected two columns in {path}, class_name and one of groups, got {', '.join(header)}"
            )
        (column,) = [name for name in header if name != "class_name"]
        return {plain_name(row["class_name"]): row[column].strip() for _, row in lines}
