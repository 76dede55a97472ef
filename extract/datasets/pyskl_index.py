"""Labels and splits of a PYSKL file, as a manifest would have them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from heatpool.extract.datasets import SPECS
from heatpool.extract.datasets.labels import read_labels
from heatpool.pool.disk.class_names import ClassNames
from heatpool.pool.exchange.pyskl_file import PysklFile
from heatpool.pool.records import FIRST_COLUMNS, ClipIndex

__all__ = ["index_pyskl"]

_log = logging.getLogger(__name__)


def index_pyskl(file: PysklFile, *, classes: ClassNames | None = None) -> ClipIndex:
    """Return what a store keeps of a file's clips; their names may tell subject, camera, setup and repeat.

    Args:
        file: of PYSKL.
        classes: that labels name or number; without them classes are called `class 0`, ….

    Raises:
        HeatpoolError: if a label is none of a class.
    """
    labels, class_names = _labels(file, classes)
    columns = _columns(file.names)
    return ClipIndex(
        clip_id=file.names,
        path=file.names,
        label=labels,
        class_names=class_names,
        columns={
            name: tuple(each.get(name, "") for each in columns)
            for name in FIRST_COLUMNS
            if any(each.get(name) for each in columns)
        },
        splits=file.table.splits,
    )


def _labels(file: PysklFile, classes: ClassNames | None) -> tuple[np.ndarray, tuple[str, ...]]:
    texts = [entry.label for entry in file.entries]
    first = {text: f"clip {name!r}" for text, name in reversed([*zip(texts, file.names, strict=True)])}
    read = read_labels(first, file.source, classes=classes)
    missing = sum(read.meaning[text] == (-1, "") for text in texts)
    if missing:
        _log.warning("%s: %d of %d clips have no label", file.source, missing, len(texts))
    names = sorted({name for _, name in read.meaning.values()} - {""})
    if classes is None and names:
        number = {name: at for at, name in enumerate(names)} | {"": -1}
        return np.array([number[read.meaning[text][1]] for text in texts], np.int32), tuple(names)
    labels = np.array([read.meaning[text][0] for text in texts], np.int32)
    if classes is not None:
        return labels, classes.names
    return labels, tuple(f"class {number}" for number in range(int(labels.max(initial=-1)) + 1))


def _columns(names: Sequence[str]) -> list[Mapping[str, str]]:
    """What the names say of subject, camera, setup and repeat, if they are all of one known data set."""
    for make in SPECS:
        spec = make()
        if spec.fields(names[0]) is None:
            continue
        fields = [spec.fields(name) for name in names]
        if all(fields):
            return [{name: each[name] for name in FIRST_COLUMNS if name in each} for each in fields if each]
    return [{}] * len(names)
