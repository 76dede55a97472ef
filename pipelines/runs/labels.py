"""`labels.json` of a run: its clips, where their labels and splits are not those of the store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.pool.disk.atomic import write_text
from heatpool.pool.disk.limits import parse_json
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex
from heatpool.pool.store.create import digest_index

__all__ = ["read_run_labels", "write_run_labels"]

_NAME = "labels.json"


def write_run_labels(folder: Path, index: ClipIndex) -> None:
    """Write the clips of a run with labels, classes, splits and columns; the same again changes nothing.

    Raises:
        HeatpoolError: if the run was begun with others.
    """
    begun = read_run_labels(folder)
    if begun is None:
        content = {
            "clip_id": index.clip_id,
            "path": index.path,
            "label": index.label.tolist(),
            "class_names": index.class_names,
            "columns": dict(index.columns),
            "splits": {name: splits.tolist() for name, splits in index.splits.items()},
            "disjoint": dict(index.disjoint),
        }
        write_text(folder / _NAME, json.dumps(content) + "\n")
    elif digest_index(begun) != digest_index(index):
        raise HeatpoolError(
            f"{folder} was begun with other labels, splits or clips, see {folder / _NAME}; "
            "choose another --out"
        )


def read_run_labels(folder: Path) -> ClipIndex | None:
    """Read what `write_run_labels` wrote; None where the run's labels are those of its store.

    Raises:
        HeatpoolError: if it is damaged.
    """
    path = folder / _NAME
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
        return ClipIndex(
            clip_id=tuple(content["clip_id"]),
            path=tuple(content["path"]),
            label=np.array(content["label"], np.int32),
            class_names=tuple(content["class_names"]),
            columns={name: tuple(values) for name, values in content["columns"].items()},
            splits={name: np.array(values, np.uint8) for name, values in content["splits"].items()},
            disjoint=content["disjoint"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise HeatpoolError(f"expected the labels of a run in {path}: {error!r}") from error
