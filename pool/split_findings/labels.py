"""Whether clips are labelled, and class names differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex
from heatpool.pool.split_findings.finding import Finding, row_tuple

__all__ = ["check_labels", "require_labels"]


def check_labels(index: ClipIndex) -> list[Finding]:
    """Check that clips are labelled and class names differ."""
    findings = []
    unlabelled = np.flatnonzero(index.label < 0)
    if len(unlabelled):
        message = _unlabelled(index.label)
        findings.append(Finding("warning", "unlabelled", message, row_tuple(unlabelled)))
    labels: dict[str, list[int]] = defaultdict(list)
    for label, name in enumerate(index.class_names):
        labels[name].append(label)
    for name, several in labels.items():
        if len(several) > 1:
            rows = row_tuple(np.flatnonzero(np.isin(index.label, several)))
            findings.append(Finding("error", "class_name", f"labels {several} are all called {name!r}", rows))
    return findings


def require_labels(labels: np.ndarray, clip_ids: Sequence[str], what: str) -> None:
    """Raise HeatpoolError unless every clip has a label.

    Args:
        labels: (N,) class numbers, -1 = unlabelled.
        clip_ids: N ids, to name one.
        what: what needs them, to begin the line with, such as `cannot evaluate`.
    """
    missing = np.flatnonzero(labels < 0)
    if len(missing):
        raise HeatpoolError(f"{what}: {_unlabelled(labels)}, such as {clip_ids[int(missing[0])]!r}")


def _unlabelled(labels: np.ndarray) -> str:
    return f"{int((labels < 0).sum())} of {len(labels)} clips have no label"
