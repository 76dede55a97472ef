"""What is wrong with labels and splits: unseen classes, empty splits, and what splits share but must not.

What train and test of a protocol must not share is the rule of the data set it comes from, and travels
with the clips (`ClipIndex.disjoint`); the name of a protocol says nothing.

The checks take a `ClipIndex`, so that they serve a manifest (`Manifest.index()`) and a feature store alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex, Split

__all__ = ["Finding", "check_labels", "check_split", "find_leaks", "refuse_leaks", "require_labels"]

_NAMED = 5  # values that a message writes out
_PAIRS = ((Split.TRAIN, Split.TEST), (Split.VAL, Split.TEST), (Split.TRAIN, Split.VAL))


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        level: error = results would be wrong, warning = look at it.
        check: which check found it; one word.
        message: one line.
        rows: clips it is about.
    """

    level: Literal["error", "warning"]
    check: str
    message: str
    rows: tuple[int, ...] = ()


def check_labels(index: ClipIndex) -> list[Finding]:
    """Check that clips are labelled and class names differ."""
    findings = []
    unlabelled = np.flatnonzero(index.label < 0)
    if len(unlabelled):
        message = _unlabelled(index.label)
        findings.append(Finding("warning", "unlabelled", message, _rows(unlabelled)))
    labels: dict[str, list[int]] = defaultdict(list)
    for label, name in enumerate(index.class_names):
        labels[name].append(label)
    for name, several in labels.items():
        if len(several) > 1:
            rows = _rows(np.flatnonzero(np.isin(index.label, several)))
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


def check_split(
    index: ClipIndex, protocol: str, *, contents: Sequence[str] = (), disjoint: str | None = None
) -> list[Finding]:
    """Check a split protocol: splits that are empty, classes without train clips, and leaks.

    Args:
        index: clips.
        protocol: name of the split.
        contents: N digests of the videos' contents, "" = unknown; to find one video under two names.
        disjoint: column whose values train and test must not share; default: by the rule of the index.

    Returns:
        What was found.
    """
    split, findings = index.splits[protocol], []
    for each in (Split.TRAIN, Split.VAL, Split.TEST):
        if not (split == each).any():
            hint = "; train needs one: heatpool manifest --val-fraction" if each == Split.VAL else ""
            message = f"{protocol} has no {each.name.lower()} clip{hint}"
            findings.append(Finding("warning", "empty_split", message))
    trained = np.unique(index.label[split == Split.TRAIN])
    unseen = (split > Split.TRAIN) & (index.label >= 0) & ~np.isin(index.label, trained)
    if unseen.any():
        names = [index.class_names[label] for label in np.unique(index.label[unseen])]
        message = (
            f"{protocol}: {_count(names, 'classes')} of val or test without a train clip: {_some(names)}"
        )
        findings.append(Finding("error", "class_not_in_train", message, _rows(np.flatnonzero(unseen))))
    return findings + find_leaks(index, protocol, contents=contents, disjoint=disjoint)


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
            message = f"{protocol}: {_count(shared, 'videos')} both in {splits}"
            if name == "content":
                paths = [index.path[row] for row in rows]
                message = f"{protocol}: copies of {_count(shared, 'videos')} both in {splits}: {_some(paths)}"
            findings.append(Finding("error", f"{name}_leak", message, rows))
    column = disjoint or "subject"
    if disjoint and not any(index.columns.get(disjoint, ())):
        message = f"{protocol} must not share a {disjoint}, which no clip names: nothing to check"
        return [*findings, Finding("warning", f"{disjoint}_unknown", message)]
    for splits, shared, rows in _shared(index.splits[protocol], index.columns.get(column, ())):
        if column != "subject" and "test" not in splits:
            continue
        rule = "" if disjoint else f"; if that is wrong, --disjoint {protocol}={column} makes it an error"
        message = f"{protocol}: {_count(shared, f'{column}s')} both in {splits}: {_some(shared)}{rule}"
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
            found.append((f"{one.name} and {other.name}".lower(), names[both].tolist(), _rows(rows)))
    return found


def _rows(rows: np.ndarray) -> tuple[int, ...]:
    return tuple(rows.tolist())


def _count(values: Sequence[str], noun: str) -> str:
    singular = {"classes": "class"}.get(noun, noun.removesuffix("s"))
    return f"{len(values)} {noun if len(values) > 1 else singular}"


def _some(values: Iterable[str]) -> str:
    names = sorted(values, key=lambda name: (len(name), name))
    more = f", … ({len(names)})" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
