"""The report's map of the test clips: features and answers, each laid out on two axes by PCA.

Axis letters: N clips, M persons, T steps, V joints, C channels, D values a clip, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heatpool.classify.scores.scores import ClipScores
from heatpool.pipelines.report.charts import ChartFrame
from heatpool.pool.store.reader import FeatureStore

__all__ = ["Embedding", "Point", "ScatterChart", "class_colour", "make_embedding", "two_components"]

_FRAME = ChartFrame(width=460, height=330, left=12, right=448, top=12, bottom=318)
_MOST_CLIPS = 300  # a picture of more shows no more, and each is read from the store
_READ_CLIPS = 32  # at a time: a clip of a large network takes megabytes
_GOLDEN_ANGLE_DEG = 137.508


@dataclass(frozen=True)
class Point:
    """A clip in a drawing: where, in which colour, whether it is correct, and what to say of it."""

    x: float
    y: float
    colour: str
    correct: bool
    text: str


@dataclass(frozen=True)
class ScatterChart:
    """Clips on two axes without a scale; positions are those of `frame`.

    Attributes:
        frame: size of the drawing.
        label: what a screen reader says.
        name: what is laid out.
        points: correct clips first, so that the others lie on top.
    """

    frame: ChartFrame
    label: str
    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Embedding:
    """The test clips on two maps.

    Attributes:
        features: what the classifier was given, of a clip's first and second half.
        answers: what it made of them: log-probabilities of the classes.
        classes: (name, colour) of those that occur.
        clips: that are shown.
        total: that there are.
    """

    features: ScatterChart
    answers: ScatterChart
    classes: tuple[tuple[str, str], ...]
    clips: int
    total: int


def make_embedding(scores: ClipScores, store: FeatureStore, *, rows: np.ndarray) -> Embedding:
    """Lay out the test clips; of more than 300, every so many.

    Args:
        scores: of the test split.
        store: holds these clips.
        rows: (N,) their rows in the store.

    Raises:
        HeatpoolError: if a shard is damaged.
    """
    shown = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _MOST_CLIPS)).astype(np.int64))
    chosen = scores.take(shown)
    vectors = _half_means(store, rows[shown])
    spread = vectors.std(0)
    standard = (vectors - vectors.mean(0)) / np.where(spread > 0, spread, 1)  # a loud channel is one of many
    return Embedding(
        features=_chart("features", standard, chosen),
        answers=_chart("class probabilities", chosen.log_probabilities(), chosen),
        classes=tuple((chosen.class_names[label], class_colour(label)) for label in np.unique(chosen.labels)),
        clips=len(shown),
        total=len(rows),
    )


def two_components(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first two principal components (N, 2) of vectors (N, D), and their shares of the variance.

    The sign of each is such that the clip farthest from the middle is on the positive side.
    """
    centred = vectors - vectors.mean(0)
    # By the inner products of clips, of which there are fewer than values: D may be 16,000.
    values, directions = np.linalg.eigh(centred @ centred.T)
    values = np.maximum(values[::-1][:2], 0)
    found = np.zeros((len(vectors), 2))
    found[:, : len(values)] = directions[:, ::-1][:, :2] * np.sqrt(values)
    farthest = found[np.abs(found).argmax(0), [0, 1]]
    shares = np.zeros(2)
    shares[: len(values)] = values / max(float((centred**2).sum()), 1e-12)
    return found * np.where(farthest < 0, -1, 1), shares


def class_colour(label: int) -> str:
    """Return the colour of a class in CSS: neighbours are far apart on the wheel."""
    return f"hsl({label * _GOLDEN_ANGLE_DEG % 360:.0f} 62% {(48, 60, 40)[label % 3]}%)"


def _half_means(store: FeatureStore, rows: np.ndarray) -> np.ndarray:
    """Mean features of each clip's first and second half over its persons: (N, 2 V C) float64."""
    name = "pooled" if "pooled" in store.layout.features else "keypoints"
    means = []
    for at in range(0, len(rows), _READ_CLIPS):
        read = store.read(rows[at : at + _READ_CLIPS], (name, "mask"))
        features, seen = read[name].astype(np.float32), read["mask"]  # (N, M, T, V, C), (N, M, T)
        late = np.arange(seen.shape[2]) >= seen.shape[2] / 2
        for half in (~late, late):
            weight = (seen & half).astype(np.float32)
            weight /= np.maximum(weight.sum((1, 2), keepdims=True), 1)
            means.append(np.einsum("nmtvc,nmt->nvc", features, weight).reshape(len(seen), -1))
    early, late_means = np.concatenate(means[::2]), np.concatenate(means[1::2])
    return np.concatenate([early, late_means], axis=1).astype(np.float64)


def _chart(name: str, vectors: np.ndarray, scores: ClipScores) -> ScatterChart:
    found, shares = two_components(vectors)
    low, size = found.min(0), np.maximum(np.ptp(found, axis=0), 1e-9)
    xs = _FRAME.left + (found[:, 0] - low[0]) / size[0] * (_FRAME.right - _FRAME.left)
    ys = _FRAME.bottom - (found[:, 1] - low[1]) / size[1] * (_FRAME.bottom - _FRAME.top)
    guesses, names = scores.scores.argmax(1), scores.class_names
    points = [
        Point(
            x=round(float(x), 1),
            y=round(float(y), 1),
            colour=class_colour(int(label)),
            correct=bool(guess == label),
            text=f"{clip_id}: {names[label]}" + ("" if guess == label else f", taken for {names[guess]}"),
        )
        for x, y, label, guess, clip_id in zip(xs, ys, scores.labels, guesses, scores.clip_ids, strict=True)
    ]
    return ScatterChart(
        frame=_FRAME,
        label=f"{len(points)} test clips by two principal components of their {name}",
        name=f"{name}: {100 * shares.sum():.0f} % of their variance",
        points=tuple(sorted(points, key=lambda point: not point.correct)),
    )
