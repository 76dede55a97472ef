"""Scores of clips by a trained network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from heatpool.classify.data.batches import batches
from heatpool.classify.data.clips import ClipSet
from heatpool.classify.data.rgb import StoredCrops
from heatpool.classify.scores.scores import ClipScores
from heatpool.classify.training.architecture import Trained
from heatpool.classify.training.checkpoint import check_compatible
from heatpool.pool.errors import HeatpoolError

__all__ = ["eval_inputs", "logits_of", "on_device", "predict_heads", "predict_scores"]

_BATCH = 64
_PICTURE_BATCH = 8


def eval_inputs(trained: Trained, clips: ClipSet) -> Iterator[dict[str, Any]]:
    """Yield what the network takes of some clips, batch by batch, on the device that it is on."""
    device = next(trained.model.parameters()).device
    for chosen in batches(len(clips), size=_PICTURE_BATCH if isinstance(clips.rgb, StoredCrops) else _BATCH):
        inputs, _ = trained.architecture.inputs(clips, chosen, stats=trained.stats)
        yield on_device(inputs, device)


@torch.no_grad()
def logits_of(trained: Trained, prepared: Iterable[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Return (N, K) float32 logits of the clips of `eval_inputs` by head, the main head first, on the CPU.

    The model is left in eval mode.
    """
    model, found = trained.model.eval(), defaultdict[str, list[Tensor]](list)
    for inputs in prepared:
        for head, logits in trained.architecture.logits(model, inputs).items():
            found[head].append(logits.float().cpu())
    return {head: torch.cat(parts) for head, parts in found.items()}


def predict_heads(trained: Trained, clips: ClipSet) -> dict[str, ClipScores]:
    """Score one or more clips with a trained network: logits by clip id, head by head, the main one first.

    Raises:
        HeatpoolError: if channels, classes or origin of the clips are not those of the training, or the
            network answers with what is no finite number.
    """
    check_compatible(trained, clips)
    found = logits_of(trained, eval_inputs(trained, clips))
    if not all(logits.isfinite().all() for logits in found.values()):
        raise HeatpoolError(
            "the network's scores are no finite numbers: its training diverged, so train it again with a "
            "lower --learning-rate; or its weights are damaged"
        )
    return {
        head: ClipScores(
            clip_ids=clips.clip_ids,
            scores=logits.numpy(),
            labels=clips.labels.numpy(),
            class_names=clips.class_names,
            kind="logits",
        )
        for head, logits in found.items()
    }


def predict_scores(trained: Trained, clips: ClipSet) -> ClipScores:
    """Return the scores of the main head; see `predict_heads`."""
    return next(iter(predict_heads(trained, clips).values()))


def on_device(inputs: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """Move the tensors among some arguments to a device, those in dicts too."""
    return {
        name: value.to(device, non_blocking=True)
        if isinstance(value, Tensor)
        else on_device(value, device)
        if isinstance(value, dict)
        else value
        for name, value in inputs.items()
    }
