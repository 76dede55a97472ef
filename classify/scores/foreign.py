"""Score files of other programs: `.npy` arrays with `.txt` lists of names, and pickled dicts.

What the authors of HP-Net and of CTR-GCN publish. Axis letters: N clips, K classes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.classify.scores.scores import ScoreKind, check_finite, check_unique
from heatpool.pool.disk.text_files import read_text
from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.exchange.array_files import read_array
from heatpool.pool.exchange.plain_pickle import load_plain_pickle, plain_array

__all__ = ["RawScores", "read_pickled_scores", "read_score_parts"]

_log = logging.getLogger(__name__)

_SCORE, _NAME = "_score", "_name.txt"
_SUM_TOLERANCE = 1e-2  # half-precision softmax sums to 1 within this


@dataclass(frozen=True, eq=False)
class RawScores:
    """Scores of N clips as a file holds them, without labels and class names.

    Attributes:
        clip_ids: N names; unique.
        values: (N, K) float32, finite.

    Raises:
        ValueError: if a shape, dtype or value is not as stated, or a name occurs twice.
    """

    clip_ids: tuple[str, ...]
    values: np.ndarray

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or len(self.values) != len(self.clip_ids) or not self.values.size:
            raise ValueError(
                f"expected scores of shape ({len(self.clip_ids)}, classes), got {self.values.shape}"
            )
        if self.values.dtype != np.float32:
            raise ValueError(f"expected float32 scores, got {self.values.dtype}")
        check_finite(self.clip_ids, self.values)
        check_unique(self.clip_ids)

    @property
    def kind(self) -> ScoreKind:
        """What the numbers are, as far as they tell: rows in [0, 1] that sum to 1 are probabilities."""
        sums = self.values.sum(1)
        is_share = self.values.min() >= 0 and np.abs(sums - 1).max() < _SUM_TOLERANCE
        return "probabilities" if is_share else "logits"


def read_pickled_scores(path: Path) -> RawScores:
    """Read a pickled dict from clip name to scores (K,), as CTR-GCN and its kin write them.

    Nothing but plain containers and numpy arrays is unpickled.

    Raises:
        HeatpoolError: if the file holds anything else, or the scores do not fit together.
    """
    content = load_plain_pickle(path)
    if isinstance(content, dict) and "annotations" in content:
        raise HeatpoolError(f"{path}: expected scores, got annotations of PYSKL, which archive import reads")
    if not isinstance(content, dict) or not content or not all(isinstance(name, str) for name in content):
        raise HeatpoolError(f"{path}: expected a dict from clip name to scores, got {_what(content)}")
    try:
        rows = [_row(name, scores) for name, scores in content.items()]
        classes = len(rows[0])
        odd = next((name for name, row in zip(content, rows, strict=True) if len(row) != classes), None)
        if odd is not None:
            both = f"{len(plain_array(content[odd]).reshape(-1))} for clip {shorten(odd)}"
            raise ValueError(f"expected as many scores for each clip, got {classes} for the first and {both}")
        return RawScores(tuple(content), np.stack(rows))
    except ValueError as error:
        raise HeatpoolError(f"{path}: {error}") from error


def _row(name: str, scores: Any) -> np.ndarray:
    """Return the scores (K,) of a clip."""
    values = plain_array(scores)
    if values.dtype.kind not in "iuf" or values.size != max(values.shape, default=0):
        got = f"{values.dtype} {values.shape}"
        raise ValueError(f"expected one score per class for clip {shorten(name)}, got {got}")
    with np.errstate(over="ignore"):  # what is too large for float32 is infinite, and named as such
        return values.reshape(-1).astype(np.float32)


def read_score_parts(paths: Sequence[Path]) -> RawScores:
    """Read the parts of a test, `<rank>_best_score.npy` each with its `<rank>_best_name.txt`.

    Beside `0_best_j_score.npy`, the scores of an auxiliary head, lies `0_best_name.txt` too.

    Raises:
        HeatpoolError: if a list of names is missing, does not fit, or the parts share a clip.
    """
    names: list[str] = []
    values: list[np.ndarray] = []
    for path in paths:
        part, lines = _read_part(path)
        if values and part.shape[1] != values[0].shape[1]:
            both = f"{values[0].shape[1]} in {paths[0].name} and {part.shape[1]} in {path.name}"
            raise HeatpoolError(f"expected parts of one test, with as many classes each, got {both}")
        names += lines
        values.append(part)
    try:
        return _without_padding(names, np.concatenate(values))
    except ValueError as error:
        raise HeatpoolError(f"{', '.join(path.name for path in paths)}: {error}") from error


def _read_part(path: Path) -> tuple[np.ndarray, list[str]]:
    """Return scores (n, K) of a part, and its n names."""
    listed = _names_file(path)
    part = read_array(path)
    lines = [line.strip() for line in read_text(listed).splitlines() if line.strip()]
    if part.ndim != 2 or part.dtype.kind != "f":
        raise HeatpoolError(f"{path}: expected a float array (clips, classes)")
    if len(part) != len(lines):
        raise HeatpoolError(
            f"{path} holds scores of {len(part)} clips, {listed.name} names {len(lines)}; "
            "they are not of one run"
        )
    with np.errstate(over="ignore"):  # what is too large for float32 is infinite, and named as such
        return part.astype(np.float32), lines


def _without_padding(names: Sequence[str], values: np.ndarray) -> RawScores:
    """Join parts; a distributed test gives some clips to two processes, so that all have as many."""
    first: dict[str, int] = {}
    for row, name in enumerate(names):
        before = first.setdefault(name, row)
        if before != row and not np.allclose(values[row], values[before], atol=1e-3):
            raise ValueError(f"expected every clip once, got {shorten(name)} twice, with other scores")
    kept = list(first.values())
    if len(kept) < len(names):
        _log.warning("%d clips stand twice with the same scores, and count once", len(names) - len(kept))
    return RawScores(tuple(first), values[kept])


def _names_file(path: Path) -> Path:
    """The list of names beside an array of scores: `_score` goes, then words from the right."""
    words = path.stem.removesuffix(_SCORE).split("_")
    for count in range(len(words), 0, -1):
        listed = path.with_name("_".join(words[:count]) + _NAME)
        if listed.is_file():
            return listed
    expected = f"{'_'.join(words)}{_NAME}"
    raise HeatpoolError(f"expected the clips' names beside {path}, in {expected}; there is no such file")


def _what(content: object) -> str:
    if isinstance(content, dict):
        return "a dict without entries" if not content else f"a dict with {shorten(next(iter(content)))}"
    if isinstance(content, list):
        return f"a list of {len(content)} without clip names, as MMAction2 and PYSKL write them"
    return f"a {type(content).__name__.lstrip('_').lower()}"
