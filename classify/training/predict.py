"""Scores of clips by a trained network."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor

from heatpool.classify.data.batches import batches
from heatpool.classify.data.clips import ClipSet
from heatpool.classify.data.rgb import StoredCrops
from heatpool.classify.scores.scores import ClipScores
from heatpool.classify.training.architecture import Trained
from heatpool.classify.training.checkpoint import check_compatible

__all__ = ["on_device", "predict_heads", "predict_logits", "predict_scores"]

_BATCH = 64
_PICTURE_BATCH = 8


@torch.no_grad()
def predict_logits(trained: Trained, clips: ClipSet) -> dict[str, Tensor]:
    """Return (N, K) float32 logits of some clips by head, the main head first.

    Computed on the device that the model is on, which is left in eval mode.
    """
    architecture, model = trained.architecture, trained.model.eval()
    device = next(model.parameters()).device
    found = defaultdict[str, list[Tensor]](list)
    for chosen in batches(len(clips), size=_PICTURE_BATCH if isinstance(clips.rgb, StoredCrops) else _BATCH):
        inputs, _ = architecture.inputs(clips, chosen, stats=trained.stats)
        for head, logits in architecture.logits(model, on_device(inputs, device)).items():
            found[head].append(logits.float().cpu())
    return {head: torch.cat(parts) for head, parts in found.items()}


def predict_heads(trained: Trained, clips: ClipSet) -> dict[str, ClipScores]:
    """Score one or more clips with a trained network: logits by clip id, head by head, the main one first.

    Raises:
        HeatpoolError: if channels, classes or origin of the clips are not those of the training.
    """
    check_compatible(trained, clips)
    return {
        head: ClipScores(
            clip_ids=clips.clip_ids,
            scores=logits.numpy(),
            labels=clips.labels.numpy(),
            class_names=clips.class_names,
            kind="logits",
        )
        for head, logits in predict_logits(trained, clips).items()
    }


def predict_scores(trained: Trained, clips: ClipSet) -> ClipScores:
    """Return the scores of the main head; see `predict_heads`."""
    return next(iter(predict_heads(trained, clips).values()))


def on_device(inputs: dict[str, object], device: torch.device) -> dict[str, object]:
    """Move the tensors among some arguments to a device, those in dicts too."""
    return {
        name: value.to(device, non_blocking=True)
        if isinstance(value, Tensor)
        else on_device(value, device)
        if isinstance(value, dict)
        else value
        for name, value in inputs.items()
    }
