"""Accuracies and the confusion matrix of scored clips. All accuracies are fractions in [0, 1]."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heatpool.classify.scores.scores import ClipScores

__all__ = ["ClassRow", "Metrics", "evaluate_scores", "write_confusion_csv"]

_TOP = 5


@dataclass(frozen=True)
class ClassRow:
    """How one class fared.

    Attributes:
        name: of the class.
        clips: that truly belong to it.
        accuracy: share of them that is correct (recall); None without clips.
        confused_with: class that most of the wrong ones were taken for, "" if none is wrong.
        confused_clips: how many.
    """

    name: str
    clips: int
    accuracy: float | None
    confused_with: str
    confused_clips: int


@dataclass(frozen=True, eq=False)
class Metrics:
    """How good scores are.

    Attributes:
        clips: N.
        top1: share of clips whose best class is correct.
        top5: share of clips whose class is among the best five (1.0 for five classes or fewer).
        mean_class: mean over the classes that occur of the share of their clips that is correct.
        per_class: one row per class, in label order.
        confusion: (K, K) int64 counts, true class by row, predicted by column.
    """

    clips: int
    top1: float
    top5: float
    mean_class: float
    per_class: tuple[ClassRow, ...]
    confusion: np.ndarray

    def named(self) -> dict[str, float]:
        """Return the accuracies under their public names."""
        return {"acc/top1": self.top1, "acc/top5": self.top5, "acc/mean_class": self.mean_class}


def evaluate_scores(scores: ClipScores) -> Metrics:
    """Compare scores with labels.

    Raises:
        HeatpoolError: if there is no clip or one without a label.
    """
    labels, count = scores.require_labels("cannot evaluate"), len(scores.class_names)
    pairs = labels * count + scores.scores.argmax(1)
    confusion = np.bincount(pairs, minlength=count * count).reshape(count, count)
    support, correct = confusion.sum(1), confusion.diagonal()
    occurs = support > 0
    # of equal scores the last classes come first, as scikit-learn's top_k_accuracy_score has it
    best = np.argsort(scores.scores, axis=1, kind="stable")[:, -_TOP:]
    wrong = confusion - np.diag(correct)
    rows = tuple(
        ClassRow(
            name=name,
            clips=int(support[k]),
            accuracy=float(correct[k] / support[k]) if occurs[k] else None,
            confused_with=scores.class_names[wrong[k].argmax()] if wrong[k].any() else "",
            confused_clips=int(wrong[k].max()),
        )
        for k, name in enumerate(scores.class_names)
    )
    return Metrics(
        clips=len(labels),
        top1=float(correct.sum() / len(labels)),
        top5=float((best == labels[:, None]).any(1).mean()),
        mean_class=float((correct[occurs] / support[occurs]).mean()),
        per_class=rows,
        confusion=confusion,
    )


def write_confusion_csv(path: Path, metrics: Metrics) -> None:
    """Write the confusion counts: a header of predicted names, then one row per true class."""
    names = [row.name for row in metrics.per_class]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["true \\ predicted", *names])
        writer.writerows(
            [name, *counts] for name, counts in zip(names, metrics.confusion.tolist(), strict=True)
        )
