"""Stage two: light classifiers on cached features."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "ClipDataset": "data.dataset",
    "ClipScores": "scores.scores",
    "ClipSet": "data.clips",
    "CTRGCN": "networks.ctrgcn",
    "LoaderCache": "data.cache",
    "Recipe": "training.recipe",
    "compare_scores": "scores.compare",
    "evaluate_scores": "scores.metrics",
    "fit_fusion": "scores.fuse",
    "fuse_scores": "scores.fuse",
    "load_model": "training.stream",
    "load_splits": "data.batches",
    "make_stream": "data.streams",
    "predict_scores": "training.predict",
    "recipe_with": "training.recipe",
    "split_rows": "data.splits",
    "train_stream": "training.stream",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: scores need no torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
