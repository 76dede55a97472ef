from __future__ import annotations

import csv
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from heatpool.classify.scores.metrics import evaluate_scores, write_confusion_csv, write_confusion_png
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
    # class 0: 3 of 4 right, class 1: 0 of 1, class 2: no clip
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


def test_unlabelled_clips_cannot_be_evaluated() -> None:
    with pytest.raises(HeatpoolError, match="1 of 2 clips have no label"):
        evaluate_scores(scores_of([0, 1], [0, -1], 2))


def test_confusion_files(tmp_path: Path) -> None:
    metrics = evaluate_scores(scores_of([0, 1, 1], [0, 1, 0], 2))
    write_confusion_csv(tmp_path / "c.csv", metrics)
    with (tmp_path / "c.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0][1:] == ["class 0", "class 1"]
    assert rows[1:] == [["class 0", "1", "1"], ["class 1", "0", "1"]]
    before = mpl.get_backend()
    write_confusion_png(tmp_path / "c.png", metrics, title="two classes")
    assert mpl.get_backend() == before
    with Image.open(tmp_path / "c.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    assert min(pixels.shape[:2]) > 300
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20
