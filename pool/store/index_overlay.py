"""The index of a store with other labels, splits and columns laid over it, in memory."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from heatpool.pool.records import ClipIndex
from heatpool.pool.sources.folder import Source
from heatpool.pool.store.index import IndexReader, split_array
from heatpool.pool.store.layout import RESULT_DTYPES, Layout

__all__ = ["IndexOverlay", "take_clips"]


class IndexOverlay(IndexReader):
    """Reads as the index of a store does; all but the outcomes of stage one comes from memory.

    Attributes:
        own: the index, of the same clips in the same order.
    """

    def __init__(self, source: Source, layout: Layout, index: ClipIndex) -> None:
        super().__init__(source, layout)
        self.own = index

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        own, text = self.own, np.dtypes.StringDType()
        texts = {"clip_id": own.clip_id, "path": own.path, **own.columns}
        return {
            "label": own.label,
            **{name: np.array(values, text) for name, values in texts.items()},
            **{split_array(name): splits for name, splits in own.splits.items()},
        }

    def array(self, name: str, rows: np.ndarray | None = None) -> np.ndarray:
        """See `IndexReader.array`."""
        if name in RESULT_DTYPES:
            return super().array(name, rows)
        values = self._arrays[name]
        return values if rows is None else values[rows]

    def categories(self, column: str) -> None:
        """None: columns are texts here."""

    def class_names(self) -> tuple[str, ...]:
        """Class names in label order."""
        return self.own.class_names

    def index(self, rows: np.ndarray | None = None) -> ClipIndex:
        """The index, of all clips or of `rows`."""
        return self.own if rows is None else take_clips(self.own, rows)


def take_clips(index: ClipIndex, rows: np.ndarray) -> ClipIndex:
    """The index of the clips in `rows` ((n,) distinct integers), in that order."""
    places = rows.tolist()
    return replace(
        index,
        clip_id=tuple(index.clip_id[row] for row in places),
        path=tuple(index.path[row] for row in places),
        label=index.label[rows],
        columns={name: tuple(values[row] for row in places) for name, values in index.columns.items()},
        splits={name: splits[rows] for name, splits in index.splits.items()},
    )
