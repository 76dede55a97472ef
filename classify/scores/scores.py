"""Scores of every clip of a split, kept by clip id in `scores_<split>.npz`. Light: numpy, no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from heatpool.pool.disk.atomic import atomic_file
from heatpool.pool.disk.text_files import parsing
from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.exchange.array_files import read_whole
from heatpool.pool.split_findings.labels import require_labels

__all__ = [
    "ClipScores", "ScoreKind", "align_scores", "check_finite", "check_unique", "join_scores", "load_scores",
    "log_softmax", "save_scores",
]  # fmt: skip

ScoreKind = Literal["logits", "probabilities"]

_FIELDS = ("clip_id", "scores", "labels", "class_names", "kind")


@dataclass(frozen=True, eq=False)
class ClipScores:
    """Class scores of N clips.

    Attributes:
        clip_ids: N ids; unique.
        scores: (N, K) float32.
        labels: (N,) int64, -1 where unknown.
        class_names: K names in label order.
        kind: "logits" (any real numbers; softmax gives probabilities) or "probabilities".

    Raises:
        ValueError: if a shape, dtype or value is not as stated.
    """

    clip_ids: tuple[str, ...]
    scores: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    kind: ScoreKind = "logits"

    def __post_init__(self) -> None:
        shape = (len(self.clip_ids), len(self.class_names))
        if self.scores.shape != shape or self.scores.dtype != np.float32:
            raise ValueError(f"expected scores {shape} float32, got {self.scores.shape} {self.scores.dtype}")
        check_finite(self.clip_ids, self.scores)
        if self.labels.shape != shape[:1] or self.labels.dtype != np.int64:
            got = f"{self.labels.shape} {self.labels.dtype}"
            raise ValueError(f"expected labels {shape[:1]} int64, got {got}")
        if len(self.labels) and not -1 <= self.labels.min() <= self.labels.max() < shape[1]:
            raise ValueError(f"expected labels from -1 to {shape[1] - 1}, got others")
        if self.kind not in get_args(ScoreKind):
            raise ValueError(f"expected kind of {get_args(ScoreKind)}, got {self.kind!r}")
        if self.kind == "probabilities" and len(self.scores) and self.scores.min() < 0:
            raise ValueError(f"expected probabilities >= 0, got {self.scores.min()}")
        check_unique(self.clip_ids)

    def __len__(self) -> int:
        return len(self.clip_ids)

    def log_probabilities(self) -> np.ndarray:
        """Return (N, K) float64 log probabilities, whatever the kind; each row sums to 1 after exp."""
        scores = self.scores.astype(np.float64)
        if self.kind == "probabilities":
            scores = np.log(np.maximum(scores, 1e-12))
        return log_softmax(scores)

    def require_labels(self, what: str) -> np.ndarray:
        """Return the labels (N,).

        Args:
            what: what needs them, to begin a refusal with, such as "cannot evaluate".

        Raises:
            HeatpoolError: if there is no clip, or one without a label.
        """
        if not len(self):
            raise HeatpoolError(f"{what}: there is no clip")
        require_labels(self.labels, self.clip_ids, what)
        return self.labels

    def take(self, places: np.ndarray) -> ClipScores:
        """Return the clips at `places` ((B,) integers), in that order."""
        return ClipScores(
            clip_ids=tuple(self.clip_ids[place] for place in places),
            scores=self.scores[places],
            labels=self.labels[places],
            class_names=self.class_names,
            kind=self.kind,
        )

    def with_classes(self, class_names: tuple[str, ...]) -> ClipScores:
        """Return the scores with the same classes in another order."""
        if class_names == self.class_names:
            return self
        columns = np.array([self.class_names.index(name) for name in class_names], np.int64)
        number = np.append(np.argsort(columns), -1)  # the last one is for label -1
        return replace(
            self, scores=self.scores[:, columns], labels=number[self.labels], class_names=class_names
        )

    def by_group(self, values: Mapping[str, str]) -> dict[str, ClipScores]:
        """Divide the clips by a value (subject, ...) known by clip id, sorted; unknown ones are left out."""
        own = np.array([values.get(clip_id, "") for clip_id in self.clip_ids], dtype=object)
        return {value: self.take(np.flatnonzero(own == value)) for value in sorted(set(own) - {""})}


def check_finite(clip_ids: Sequence[str], scores: np.ndarray) -> None:
    """Raise ValueError, naming a clip, if one of the scores (N, K) is NaN or infinite."""
    bad = np.flatnonzero(~np.isfinite(scores).all(1))
    if len(bad):
        row = scores[bad[0]]
        first = f"{row[~np.isfinite(row)][0]} for clip {shorten(clip_ids[int(bad[0])])}"
        more = f" and others for {len(bad) - 1} more clips" if len(bad) > 1 else ""
        raise ValueError(f"expected finite scores, got {first}{more}")


def check_unique(clip_ids: Sequence[str]) -> None:
    """Raise ValueError, naming it, if a clip id stands twice."""
    repeated = [clip_id for clip_id, count in Counter(clip_ids).items() if count > 1]
    if repeated:
        named = f"{len(repeated)} repeated, such as {shorten(repeated[0])}"
        raise ValueError(f"expected unique clip ids, got {named}")


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return log probabilities of logits along the last axis."""
    shifted = logits - logits.max(-1, keepdims=True)
    logs: np.ndarray = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return logs


def save_scores(path: Path, scores: ClipScores) -> None:
    """Write a .npz (clip_id, scores, labels, class_names, kind), whole or not at all."""
    with atomic_file(path, overwrite=True) as aside, aside.open("wb") as file:
        np.savez_compressed(
            file,
            clip_id=np.array(scores.clip_ids, dtype=np.str_),
            scores=scores.scores,
            labels=scores.labels,
            class_names=np.array(scores.class_names, dtype=np.str_),
            kind=np.array(scores.kind, dtype=np.str_),
        )


def load_scores(path: Path) -> ClipScores:
    """Read a file of `save_scores`.

    Raises:
        HeatpoolError: if the file is missing, is no score file or contradicts itself.
    """
    if not path.is_file():
        raise HeatpoolError(f"no score file {path}; train or evaluate first")
    with parsing(path, "read scores from"):
        file = read_whole(path, _FIELDS)
        missing = [name for name in _FIELDS if name not in file]
        if missing:
            raise HeatpoolError(f"{path} is no score file of heatpool: it lacks {', '.join(missing)}")
        for name in ("clip_id", "class_names"):
            if file[name].dtype.kind != "U":
                raise ValueError(f"expected texts as {name}, got {file[name].dtype}")
        return ClipScores(
            clip_ids=tuple(file["clip_id"].tolist()),
            scores=file["scores"],
            labels=file["labels"],
            class_names=tuple(file["class_names"].tolist()),
            kind=str(file["kind"]),  # type: ignore[arg-type]
        )


def join_scores(parts: Sequence[ClipScores]) -> ClipScores:
    """Return scores of different clips, of one kind and the same classes, one after another."""
    first = parts[0]
    return ClipScores(
        clip_ids=tuple(clip_id for part in parts for clip_id in part.clip_ids),
        scores=np.concatenate([part.scores for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        class_names=first.class_names,
        kind=first.kind,
    )


def align_scores(sets: dict[str, ClipScores]) -> dict[str, ClipScores]:
    """Bring score sets into the clip and class order of the first one.

    Args:
        sets: by the name of their source; at least one.

    Returns:
        The same names, all with the clip ids and classes of the first, in its order.

    Raises:
        HeatpoolError: if clips or classes are missing from a set or only in it, or labels differ.
    """
    if not sets:
        raise HeatpoolError("no scores to fuse: name at least one stream")
    lead_name, lead = next(iter(sets.items()))
    aligned = {}
    for name, scores in sets.items():
        both = f"{lead_name} and {name}"
        strange = sorted(set(scores.class_names) ^ set(lead.class_names))
        if strange:
            raise HeatpoolError(
                f"{both} know different classes ({len(lead.class_names)} and {len(scores.class_names)}): "
                f"{len(strange)} are in one only, for example {strange[0]!r}"
            )
        odd = sorted(set(scores.clip_ids) ^ set(lead.clip_ids))
        if odd:
            raise HeatpoolError(
                f"{both} score different clips: {len(odd)} are in one only, for example {odd[0]!r}; evaluate "
                "both on the same split"
            )
        scores = scores.with_classes(lead.class_names)
        place = {clip: number for number, clip in enumerate(scores.clip_ids)}
        aligned[name] = scores.take(np.array([place[clip] for clip in lead.clip_ids], np.int64))
        wrong = np.flatnonzero(aligned[name].labels != lead.labels)
        if len(wrong):
            raise HeatpoolError(
                f"{both} disagree on {len(wrong)} labels, for example of {lead.clip_ids[wrong[0]]!r}"
            )
    return aligned
