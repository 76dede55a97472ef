"""Score files of other programs: `.npy` arrays with `.txt` lists of names, and pickled dicts.

What the authors of HP-Net and of CTR-GCN publish. Axis letters: N clips, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heatpool.classify.scores.scores import ScoreKind
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.plain_pickle import load_plain_pickle, plain_array

__all__ = ["RawScores", "read_pickled_scores", "read_score_parts"]

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
        if self.values.dtype != np.float32 or not np.isfinite(self.values).all():
            raise ValueError(f"expected finite float32 scores, got {self.values.dtype} or NaN or infinity")
        seen: set[str] = set()
        for name in self.clip_ids:
            if name in seen:
                raise ValueError(f"expected every clip once, got {name!r} twice")
            seen.add(name)

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
    if not isinstance(content, dict) or not content or not all(isinstance(name, str) for name in content):
        raise HeatpoolError(f"{path}: expected a dict from clip name to scores, got {_what(content)}")
    try:
        rows = [np.asarray(plain_array(row), np.float32).reshape(-1) for row in content.values()]
        return RawScores(tuple(content), np.stack(rows))
    except ValueError as error:
        raise HeatpoolError(f"{path}: {error}") from error


def read_score_parts(paths: Sequence[Path]) -> RawScores:
    """Read the parts of a test, `<rank>_best_score.npy` each with its `<rank>_best_name.txt`.

    Beside `0_best_j_score.npy`, the scores of an auxiliary head, lies `0_best_name.txt` too.

    Raises:
        HeatpoolError: if a list of names is missing, does not fit, or the parts share a clip.
    """
    names: list[str] = []
    values = []
    for path in paths:
        listed = _names_file(path)
        try:
            part = np.load(path, allow_pickle=False)
            lines = [line for line in listed.read_text(encoding="utf-8").splitlines() if line.strip()]
        except (OSError, ValueError, EOFError) as error:
            raise HeatpoolError(f"cannot read scores from {path} and {listed.name}: {error}") from error
        if not isinstance(part, np.ndarray) or part.ndim != 2 or part.dtype.kind != "f":
            raise HeatpoolError(f"{path}: expected a float array (clips, classes)")
        if len(part) != len(lines):
            raise HeatpoolError(
                f"{path} holds scores of {len(part)} clips, {listed.name} names {len(lines)}; "
                "they are not of one run"
            )
        names += lines
        values.append(part.astype(np.float32))
    try:
        return RawScores(tuple(names), np.concatenate(values))
    except ValueError as error:
        raise HeatpoolError(f"{', '.join(path.name for path in paths)}: {error}") from error


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
        return "a dict without entries" if not content else "a dict with other keys"
    return f"a {type(content).__name__}"
