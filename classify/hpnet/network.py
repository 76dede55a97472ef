"""The HP-Net classifier.

Axis letters: B clips, Q persons present (packed), T steps, V joints, C channels, F frames, K classes,
D values of an RGB or text embedding, S of the skeleton vector.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from heatpool.classify.data.streams import StreamName
from heatpool.classify.hpnet.frames import FrameEncoder
from heatpool.classify.hpnet.integration import MultiframeIntegration
from heatpool.classify.hpnet.trmm import TextRefinement
from heatpool.classify.networks.ctrgcn import CTRGCN

__all__ = ["SKELETONS", "HPNet", "HPNetOutput"]

SKELETONS: tuple[StreamName, ...] = ("joint", "joint_motion", "bone")
"""Streams of the spatial-motion co-learning module, in the order of the published skeleton vector."""


@dataclass(frozen=True, eq=False)
class HPNetOutput:
    """What HP-Net says of B clips.

    Attributes:
        logits: (B, K), scaled cosine of the video vector and the refined texts.
        auxiliary: (B, K) logits of each skeleton stream's own head.
        video: (B, D).
        skeleton: (B, S).
        refinement: (B, K, D), what the skeletons add to the texts.
    """

    logits: Tensor
    auxiliary: dict[StreamName, Tensor]
    video: Tensor
    skeleton: Tensor
    refinement: Tensor


class HPNet(nn.Module):
    """Three CTR-GCNs trained together, RGB, and texts refined by the skeletons (HP-Net, section 3).

    The score of a class is the cosine of the clip's video vector and the class's text, to which the skeleton
    vector adds its refinement. Without RGB there is no video vector: a linear map of the skeleton vector
    stands in. Without a text network the class texts are learned as free vectors.

    Args:
        skeletons: a network a stream of `SKELETONS`; their last layers are the auxiliary heads.
        labels: (K, D) embeddings of the class names; a parameter is trained, a tensor stays as it is.
        frames: F, 0 for no RGB.
        mit_layers: blocks of the multi-frame integration.
        encoder: cross-frame ViT, when pictures are the input and not their embeddings.
        logit_scale: natural logarithm of the cosine's factor; not trained, as published.

    Raises:
        ValueError: if streams are missing, or an encoder comes without frames.
    """

    def __init__(
        self,
        skeletons: Mapping[StreamName, CTRGCN],
        labels: Tensor,
        *,
        frames: int,
        mit_layers: int = 1,
        encoder: FrameEncoder | None = None,
        logit_scale: float = math.log(1 / 0.07),
    ) -> None:
        super().__init__()
        if set(skeletons) != set(SKELETONS) or (encoder is not None and not frames):
            raise ValueError(
                f"expected streams {SKELETONS} and frames for an encoder, got {[*skeletons]}, {frames}"
            )
        self.skeletons = nn.ModuleDict({name: skeletons[name] for name in SKELETONS})
        width = labels.shape[1]
        skeleton_dim = sum(skeletons[name].fc.in_features for name in SKELETONS)
        self.trmm = TextRefinement(skeleton_dim, width)
        self.encoder = encoder
        self.mit = MultiframeIntegration(frames, width, layers=mit_layers) if frames else None
        self.stand_in = None if frames else nn.Linear(skeleton_dim, width)
        self.labels: Tensor
        if isinstance(labels, nn.Parameter):
            self.labels = labels
        else:
            self.register_buffer("labels", labels)
        self.logit_scale: Tensor
        self.register_buffer("logit_scale", torch.tensor(logit_scale))

    def forward(
        self,
        streams: Mapping[StreamName, Tensor],
        clip: Tensor,
        slot: Tensor,
        *,
        clips: int,
        rgb: Tensor | None = None,
        blend: Callable[[Tensor], Tensor] | None = None,
    ) -> HPNetOutput:
        """Classify B = `clips` clips.

        Args:
            streams: (Q, T, V, C) features of the persons, a tensor a stream.
            clip: (Q,) int64, which clip a person belongs to.
            slot: (Q,) int64.
            clips: B.
            rgb: (B, F, D) embeddings, or with an encoder (B, F, 3, H, W) normalised pictures; None for a
                network without RGB.
            blend: mixes the clips' skeleton vectors (B, S / 3) in training, as their RGB was mixed.

        Raises:
            ValueError: if RGB comes to a network without, or the other way round.
        """
        if (rgb is None) != (self.mit is None):
            raise ValueError(
                f"expected RGB exactly for a network that was built with it, got {rgb is not None}"
            )
        parts, auxiliary = [], {}
        for name in SKELETONS:
            network: Any = self.skeletons[name]
            part = network.features(streams[name], clip, slot, clips=clips)
            parts.append(blend(part) if blend else part)
            auxiliary[name] = network.fc(network.dropout(parts[-1]))
        skeleton = torch.cat(parts, 1)
        video = self._video(rgb, skeleton)
        refinement = self.trmm(self.labels, skeleton)
        text = nn.functional.normalize(self.labels + refinement, dim=-1)
        cosine = torch.einsum("bd,bkd->bk", nn.functional.normalize(video, dim=-1), text)
        return HPNetOutput(self.logit_scale.exp() * cosine, auxiliary, video, skeleton, refinement)

    def _video(self, rgb: Tensor | None, skeleton: Tensor) -> Tensor:
        video: Tensor
        if self.mit is None or rgb is None:
            assert self.stand_in is not None
            video = self.stand_in(skeleton)
        else:
            video = self.mit(rgb if self.encoder is None else self.encoder(rgb))
        return video
