"""Which names and values the index of a store can have, and its journal; others are damage or a forgery."""

from __future__ import annotations

import re

import numpy as np

from heatpool.pool.records import Split, Status
from heatpool.pool.store.layout import RESULT_DTYPES

__all__ = ["INDEX_DTYPES", "check_codes", "check_results", "check_splits", "check_texts", "is_name"]

INDEX_DTYPES = {**RESULT_DTYPES, "label": "i4", "clip_id": "T", "path": "T"}
"""Types of the index arrays that every store has."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def is_name(name: str) -> bool:
    """Whether a manifest column or a split protocol can be called so; some such names are taken."""
    return _NAME.fullmatch(name) is not None


def check_results(name: str, values: np.ndarray, *, persons: int) -> None:
    """Check outcomes of stage one.

    Args:
        name: status, frames, fps, width_px, height_px or persons.
        values: of some clips, (n,).
        persons: M of the store.

    Raises:
        ValueError: if they are no numbers of that kind, negative, or more than there can be.
    """
    dtype = np.dtype(RESULT_DTYPES[name])
    if values.ndim != 1 or values.dtype.kind not in ("iu" if dtype.kind in "iu" else "iuf"):
        raise ValueError(f"expected {dtype} in {name}, got {values.dtype} {values.shape}")
    most = np.finfo(dtype).max if dtype.kind == "f" else np.iinfo(dtype).max
    _check_range(name, values, 0, {"status": max(Status), "persons": persons}.get(name, most))


def check_splits(name: str, values: np.ndarray) -> None:
    """Raise ValueError unless values (n,) uint8 are of `Split`; `name` is the array's."""
    _check_range(name, values, 0, max(Split))


def check_codes(name: str, values: np.ndarray, *, count: int) -> None:
    """Check class numbers, or a column's numbers of texts.

    Args:
        name: of the array.
        values: (n,), -1 for none.
        count: of the classes or texts that there are.

    Raises:
        ValueError: if they are no whole numbers, or beyond those that there are.
    """
    if values.dtype.kind != "i":
        raise ValueError(f"expected whole numbers in {name}, got {values.dtype}")
    _check_range(name, values, -1, count - 1)


def check_texts(name: str, values: np.ndarray) -> None:
    """Raise ValueError unless values are texts; `name` is the array's."""
    if values.dtype.kind != "T":
        raise ValueError(f"expected texts in {name}, got {values.dtype}")


def _check_range(name: str, values: np.ndarray, least: float, most: float) -> None:
    if values.size and not (values.min() >= least and values.max() <= most):  # which NaN is not, too
        wrong = values[~((values >= least) & (values <= most))]
        raise ValueError(f"expected {least:g} to {most:g} in {name}, got {wrong[0]!s}")
