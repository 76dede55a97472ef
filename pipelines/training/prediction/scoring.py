"""The networks of a run, loaded once, and what they say of clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from heatpool.classify.data.batches import load_clips
from heatpool.classify.data.cache import LoaderCache
from heatpool.classify.data.clips import ClipSet
from heatpool.classify.data.one_clip import one_clip
from heatpool.classify.scores.fuse import fuse_scores
from heatpool.classify.training.predict import predict_scores
from heatpool.pipelines.training.streams import load_best, stream_reads
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipFeatures, ClipResult
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import StoreSpec

__all__ = ["RunScorer"]

# Clips whose features are in memory at once: some 0.1 GB, whatever the length of a video.
_BLOCK = 256


class RunScorer:
    """Scores clips with every stream of a run and fuses them as its training did.

    Args:
        folder: of the run, or of one of its seeds.
        summary: what its training wrote.
        device: to score on.

    Attributes:
        class_names: K names in label order.

    Raises:
        HeatpoolError: if a checkpoint is missing, or is of other classes than the summary says.
    """

    def __init__(self, folder: Path, summary: Mapping[str, Any], *, device: torch.device) -> None:
        self.class_names: tuple[str, ...] = tuple(summary["class_names"])
        self._weights = summary["fused"]["weights"]
        self._streams = {name: load_best(folder / name, device) for name in summary["streams"]}
        for name, best in self._streams.items():
            if best.class_names != self.class_names:
                path = folder / "summary.json"
                raise HeatpoolError(f"expected the classes of the network {name} in {path}, got others")

    def probabilities(self, store: FeatureStore, rows: np.ndarray) -> np.ndarray:
        """Return (n, K) float64 probabilities of the clips `rows` ((n,) int64, distinct) of a store.

        Raises:
            HeatpoolError: if the features are not such as the run was trained on.
        """
        if not len(rows):
            return np.zeros((0, len(self.class_names)))
        blocks = np.split(rows, range(_BLOCK, len(rows), _BLOCK))
        return np.concatenate([self._fused_rows(store, block) for block in blocks])

    def _fused_rows(self, store: FeatureStore, rows: np.ndarray) -> np.ndarray:
        return self._fused(lambda reads: load_clips(store, rows, **reads, cache=LoaderCache()))

    def probabilities_of(self, features: ClipFeatures, result: ClipResult, spec: StoreSpec) -> np.ndarray:
        """Return (K,) float64 probabilities of one clip with a person, whose features are in no store.

        Raises:
            HeatpoolError: if the features are not such as the run was trained on.
        """
        found: np.ndarray = self._fused(
            lambda reads: one_clip(features, result, spec, class_names=self.class_names, **reads)
        )[0]
        return found

    def _fused(self, load: Callable[[Mapping[str, Any]], ClipSet]) -> np.ndarray:
        """Score clips stream by stream; `load` gets what a stream reads."""
        scores = {}
        for name, best in self._streams.items():
            clips = load(stream_reads(name, best.recipe)).with_classes(best.class_names)
            scores[name] = predict_scores(best, clips)
        found: np.ndarray = np.exp(fuse_scores(scores, self._weights).log_probabilities())
        return found
