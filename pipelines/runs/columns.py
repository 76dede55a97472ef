"""The columns of a manifest by which the figures of a run are divided."""

from __future__ import annotations

from collections.abc import Mapping

from heatpool.pool.store.reader import FeatureStore

__all__ = ["Columns", "clip_columns"]

Columns = Mapping[str, Mapping[str, str]]
"""Value by clip id, by column of the manifest (subject, camera, ...)."""


def clip_columns(store: FeatureStore) -> Columns:
    """Return the columns that tell a store's clips apart, by clip id."""
    index = store.clips.index
    return {
        name: dict(zip(index.clip_id, values, strict=True))
        for name, values in index.columns.items()
        if len(set(values)) > 1
    }
