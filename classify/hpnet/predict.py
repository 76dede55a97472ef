"""Scores of clips by a trained HP-Net."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from heatpool.classify.data.batches import Batch, batches, clip_batch
from heatpool.classify.data.streams import StreamName, make_stream
from heatpool.classify.hpnet.checkpoint import TrainedHPNet, check_modalities
from heatpool.classify.hpnet.data import ModalClips, StoredCrops
from heatpool.classify.hpnet.network import SKELETONS, HPNetOutput
from heatpool.classify.hpnet.pictures import normalise
from heatpool.classify.networks.graph import GRAPHS, JointGraph
from heatpool.classify.scores.scores import ClipScores

__all__ = ["predict_hpnet", "skeleton_streams"]

_EVAL_BATCH = 64
_PICTURE_BATCH = 8


def skeleton_streams(joint: Tensor, graph: JointGraph) -> dict[StreamName, Tensor]:
    """The three skeleton inputs of joint features (..., T, V, C); none shares memory with another.

    The published loader overwrites joint with joint motion in place, so both branches saw motion.
    """
    return {name: make_stream(joint, name, graph) for name in SKELETONS}


@torch.no_grad()
def predict_hpnet(trained: TrainedHPNet, clips: ModalClips) -> dict[str, ClipScores]:
    """Score clips with a trained HP-Net, on the device its model is on.

    Returns:
        Logits by clip id: "hpnet", and those of the auxiliary heads by stream.

    Raises:
        HeatpoolError: if the clips do not fit the run.
    """
    check_modalities(trained, clips)
    trained.model.eval()
    outputs = list(_outputs(trained, clips))
    logits = {"hpnet": [output.logits for output in outputs]}
    for name in SKELETONS:
        logits[name] = [output.auxiliary[name] for output in outputs]
    none = torch.zeros(0, len(clips.clips.class_names))
    return {
        name: ClipScores(
            clip_ids=clips.clips.clip_ids,
            scores=torch.cat([none, *(each.float().cpu() for each in of_head)]).numpy(),
            labels=clips.clips.labels.numpy(),
            class_names=clips.clips.class_names,
            kind="logits",
        )
        for name, of_head in logits.items()
    }


def _outputs(trained: TrainedHPNet, clips: ModalClips) -> Iterator[HPNetOutput]:
    model, shared = trained.model, trained.config.shared
    device = model.logit_scale.device
    size = _PICTURE_BATCH if isinstance(clips.rgb, StoredCrops) else _EVAL_BATCH
    for chosen in batches(len(clips), size=size):
        batch: Batch = clip_batch(clips.clips, chosen, window=shared.window, stats=trained.stats)
        streams = skeleton_streams(batch.x.to(device), GRAPHS[shared.graph])
        rgb = None
        if isinstance(clips.rgb, StoredCrops):
            rgb = normalise(clips.rgb.pictures(chosen)).to(device)
        elif clips.rgb is not None:
            rgb = clips.rgb[chosen].float().to(device)
        yield model(streams, batch.clip.to(device), batch.slot.to(device), clips=len(batch), rgb=rgb)
