"""Stage two: light classifiers on cached features."""

from __future__ import annotations

from heatpool.pool.exports import lazy_exports

__all__, __getattr__, __dir__ = lazy_exports(
    __name__,
    {
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
        "StreamArchitecture": "training.stream",
        "train_network": "training.loop",
    },
)
