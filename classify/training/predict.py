"""Scores of clips by a trained stream."""

from __future__ import annotations

import numpy as np
import torch

from heatpool.classify.data.batches import batches, clip_batch
from heatpool.classify.data.clips import ClipSet
from heatpool.classify.data.streams import make_stream
from heatpool.classify.networks.graph import GRAPHS
from heatpool.classify.scores.scores import ClipScores
from heatpool.classify.training.checkpoint import TrainedStream, check_compatible

__all__ = ["predict_scores"]

_EVAL_BATCH = 64


@torch.no_grad()
def predict_scores(trained: TrainedStream, clips: ClipSet) -> ClipScores:
    """Score clips with a trained stream, on the device its model is on.

    Args:
        trained: network, recipe and channel statistics; its model is left in eval mode.
        clips: whose channels, classes and origin must be those of the training.

    Returns:
        (N, K) float32 logits by clip id.

    Raises:
        HeatpoolError: if the clips do not fit the run.
    """
    check_compatible(trained, clips)
    model, graph = trained.model.eval(), GRAPHS[trained.config.graph]
    device = next(model.parameters()).device
    logits = []
    for chosen in batches(len(clips), size=_EVAL_BATCH):
        batch = clip_batch(clips, chosen, window=trained.config.window, stats=trained.stats)
        x = make_stream(batch.x, trained.config.stream, graph).to(device)
        out = model.forward_packed(x, batch.clip.to(device), batch.slot.to(device), clips=len(batch))
        logits.append(out.float().cpu())
    scores = torch.cat(logits).numpy() if logits else np.zeros((0, len(clips.class_names)), np.float32)
    return ClipScores(
        clip_ids=clips.clip_ids,
        scores=scores,
        labels=clips.labels.numpy(),
        class_names=clips.class_names,
        kind="logits",
    )
