"""What the splits of a protocol share but must not.

What train and test of a protocol must not share is the rule of the data set it comes from, and travels
with the clips (`ClipIndex.disjoint`); the name of a protocol says nothing.

The checks take a `ClipIndex`, so that they serve a manifest (`Manifest.index()`) and a feature store alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex, Split
from heatpool.pool.split_findings.finding import Finding, count_of, row_tuple, some_of

__all__ = ["find_leaks", "refuse_leaks"]

_PAIRS = ((Split.TRAIN, Split.TEST), (Split.VAL, Split.TEST), (Split.TRAIN, Split.VAL))


def find_leaks(
    index: ClipIndex, protocol: str, *, contents: Sequence[str] = (), disjoint: str | None = None
) -> list[Finding]:
    """Find what the splits of a protocol share but must not.

    The same video in two splits is an error, under one path or under two (`contents`). So is a value of the
    column of the protocol's rule that test shares with train or val, and, if that is the subject, one that
    train and val share (a val split carved by subject shares cameras with train by design). Without a rule,
    shared subjects are a warning.

    Args:
        index: clips.
        protocol: name of the split.
        contents: N digests of the videos' contents, "" = unknown.
        disjoint: column by which the protocol splits; default: by the rule of the index.

    Returns:
        What was found; `rows` are the clips that share a value.

    Raises:
        HeatpoolError: if the protocol or the column is not there.
    """
    if protocol not in index.splits:
        known = ", ".join(index.splits) or "none"
        raise HeatpoolError(f"expected a split protocol of {known}, got {protocol!r}")
    disjoint = disjoint or index.disjoint.get(protocol)
    findings = []
    for name, values in (("video", index.path), ("content", contents)):
        for splits, shared, rows in _shared(index.splits[protocol], values):
            message = f"{protocol}: {count_of(shared, 'videos')} both in {splits}"
            if name == "content":
                paths = [index.path[row] for row in rows]
                message = (
                    f"{protocol}: copies of {count_of(shared, 'videos')} both in {splits}: {some_of(paths)}"
                )
            findings.append(Finding("error", f"{name}_leak", message, rows))
    column = disjoint or "subject"
    if disjoint and not any(index.columns.get(disjoint, ())):
        message = f"{protocol} must not share a {disjoint}, which no clip names: nothing to check"
        return [*findings, Finding("warning", f"{disjoint}_unknown", message)]
    for splits, shared, rows in _shared(index.splits[protocol], index.columns.get(column, ())):
        if column != "subject" and "test" not in splits:
            continue
        rule = "" if disjoint else f"; if that is wrong, --disjoint {protocol}={column} makes it an error"
        message = f"{protocol}: {count_of(shared, f'{column}s')} both in {splits}: {some_of(shared)}{rule}"
        findings.append(Finding("error" if disjoint else "warning", f"{column}_leak", message, rows))
    return findings


def refuse_leaks(index: ClipIndex, protocol: str, disjoint: Mapping[str, str] | None = None) -> None:
    """Raise HeatpoolError if the splits of a protocol share a video, or what its rule forbids.

    Args:
        index: clips of a manifest or a store.
        protocol: name of the split.
        disjoint: protocol to the column that its splits must not share: in place of the index's own rule.
    """
    for finding in find_leaks(index, protocol, disjoint=(disjoint or {}).get(protocol)):
        if finding.level == "error":
            raise HeatpoolError(f"the split leaks: {finding.message}; heatpool doctor lists the clips")


def _shared(split: np.ndarray, values: Sequence[str]) -> list[tuple[str, list[str], tuple[int, ...]]]:
    """Return, for each two splits, the values that both have, and the rows that have them."""
    if not any(values):
        return []
    names, code = np.unique(np.array(values, dtype=object).astype(str), return_inverse=True)
    has = np.zeros((max(Split) + 1, len(names)), np.bool_)
    has[split, code] = True
    found = []
    for one, other in _PAIRS:
        both = has[one] & has[other] & (names != "")
        if both.any():
            rows = np.flatnonzero(both[code] & ((split == one) | (split == other)))
            found.append((f"{one.name} and {other.name}".lower(), names[both].tolist(), row_tuple(rows)))
    return found
