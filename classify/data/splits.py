"""Which rows of a store train, validate and test a classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split
from heatpool.pool.split_findings.labels import require_labels

if TYPE_CHECKING:
    from heatpool.pool.store.reader import FeatureStore

__all__ = ["split_rows"]


def split_rows(store: FeatureStore, protocol: str) -> dict[str, np.ndarray]:
    """Return the usable rows of each split of a protocol.

    Args:
        store: opened feature store.
        protocol: name of the protocol, such as xsub.

    Returns:
        {"train": (n,) int64, "val": ..., "test": ...}, none of them empty, all labelled.

    Raises:
        HeatpoolError: if the protocol is unknown, a split is empty or has clips without a label.
    """
    splits = {}
    for split in (Split.TRAIN, Split.VAL, Split.TEST):
        name = split.name.lower()
        rows = store.clips.rows(protocol, split)
        if len(rows) == 0:
            planned = int((store.clips.split(protocol) == split).sum())
            raise HeatpoolError(
                f"the {name} split of {protocol} has no usable clip ({planned} planned); "
                "choose another protocol, or fill this split in the manifest and extract again"
            )
        what = f"the {name} split of {protocol} needs labels in the manifest"
        require_labels(store.clips.label[rows], store.clips.clip_ids(rows), what)
        splits[name] = rows
    return splits
