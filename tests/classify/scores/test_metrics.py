from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics as reference

from heatpool.classify.scores.confusion_png import write_confusion_png
from heatpool.classify.scores.metrics import evaluate_scores, write_confusion_csv
from heatpool.classify.scores.scores import ClipScores
from heatpool.pool.errors import HeatpoolError


def scores_of(predicted: list[int], labels: list[int], classes: int) -> ClipScores:
    return ClipScores(
        clip_ids=tuple(f"c{number}" for number in range(len(labels))),
        scores=np.eye(classes, dtype=np.float32)[predicted],
        labels=np.array(labels, np.int64),
        class_names=tuple(f"class {k}" for k in range(classes)),
    )


def test_accuracies_by_hand() -> None:
    # class 0: 3 of 4 correct, class 1: 0 of 1, class 2: no clip
    metrics = evaluate_scores(scores_of([0, 0, 0, 2, 0], [0, 0, 0, 0, 1], 3))
    assert metrics.top1 == pytest.approx(0.6)
    assert metrics.mean_class == pytest.approx(0.375)
    assert metrics.top5 == 1.0
    assert metrics.confusion.tolist() == [[3, 0, 1], [1, 0, 0], [0, 0, 0]]
    first, second, third = metrics.per_class
    assert (first.accuracy, first.confused_with, first.confused_clips) == (0.75, "class 2", 1)
    assert (second.accuracy, second.confused_with) == (0.0, "class 0")
    assert (third.clips, third.accuracy, third.confused_with) == (0, None, "")
    assert set(metrics.named()) == {"acc/top1", "acc/top5", "acc/mean_class"}


def test_top5_by_hand() -> None:
    ranking = np.arange(7, dtype=np.float32)[None].repeat(3, 0)  # class 6 best, class 2 fifth, class 1 sixth
    scores = ClipScores(("a", "b", "c"), ranking, np.array([6, 2, 1]), tuple("tuvwxyz"))
    metrics = evaluate_scores(scores)
    assert metrics.top1 == pytest.approx(1 / 3)
    assert metrics.top5 == pytest.approx(2 / 3)


@pytest.mark.parametrize("classes", [3, 5, 6, 20])
def test_accuracies_are_those_of_scikit_learn_ties_too(classes: int) -> None:
    rng = np.random.default_rng(classes)
    values = rng.integers(0, 4, (50, classes)).astype(np.float32)
    labels = rng.integers(0, classes - 1, 50)  # the last class does not occur
    scores = ClipScores(tuple(map(str, range(50))), values, labels, tuple(map(str, range(classes))))
    metrics, every, guess = evaluate_scores(scores), np.arange(classes), values.argmax(1)
    assert metrics.top1 == reference.accuracy_score(labels, guess)
    top5 = reference.top_k_accuracy_score(labels, values, k=5, labels=every) if classes > 5 else 1.0
    assert metrics.top5 == pytest.approx(top5)
    recalls = reference.recall_score(labels, guess, labels=np.unique(labels), average="macro")
    assert metrics.mean_class == pytest.approx(recalls)
    expected = reference.confusion_matrix(labels, guess, labels=every)
    np.testing.assert_array_equal(metrics.confusion, expected)


def test_unlabelled_clips_cannot_be_evaluated() -> None:
    with pytest.raises(HeatpoolError, match="cannot evaluate: 1 of 2 clips have no label, such as 'c1'"):
        evaluate_scores(scores_of([0, 1], [0, -1], 2))
    with pytest.raises(HeatpoolError, match="cannot evaluate: there is no clip"):
        evaluate_scores(scores_of([], [], 2))


def test_confusion_files(tmp_path: Path) -> None:
    metrics = evaluate_scores(scores_of([0, 1, 1], [0, 1, 0], 2))
    write_confusion_csv(tmp_path / "c.csv", metrics)
    with (tmp_path / "c.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0][1:] == ["class 0", "class 1"]
    assert rows[1:] == [["class 0", "1", "1"], ["class 1", "0", "1"]]
    write_confusion_png(tmp_path / "c.png", metrics, title="two classes")
    with Image.open(tmp_path / "c.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    assert min(pixels.shape[:2]) > 300
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20


@pytest.mark.parametrize("classes", [2, 30, 31, 400])
def test_cells_of_the_confusion_picture_are_shares_of_the_true_class(classes: int, tmp_path: Path) -> None:
    """Of a matrix without counts in its cells' corners: white for none, dark blue for all of a class."""
    metrics = evaluate_scores(scores_of(list(range(classes)), [0, *range(1, classes)], classes))
    write_confusion_png(tmp_path / "c.png", metrics)
    with Image.open(tmp_path / "c.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    blue = (pixels == (8, 48, 107)).all(-1)
    rows, columns = np.nonzero(blue)
    cell = (rows.max() - rows.min() + 1) // classes
    corners = blue[rows.min() : rows.max() + 1 : cell, columns.min() : columns.max() + 1 : cell]
    np.testing.assert_array_equal(corners, np.eye(classes, dtype=bool))


def test_names_of_any_kind_fit_beside_the_matrix(tmp_path: Path) -> None:
    scores = replace(scores_of([0, 1], [0, 1], 2), class_names=("$x_$^$\nsecond line\x1b[31m", "y" * 5000))
    write_confusion_png(tmp_path / "c.png", evaluate_scores(scores))
    with Image.open(tmp_path / "c.png") as image:
        assert max(image.size) < 1200
