"""A trained HP-Net of its authors: sizes, class texts and network, all from its tensors.

Axis letters: K classes, D values of a video or text vector.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from heatpool.classify.hpnet.architecture import HPNetArchitecture, build_hpnet
from heatpool.classify.hpnet.frames import import_transformers
from heatpool.classify.hpnet.network import HPNet
from heatpool.classify.hpnet.published_names import from_published
from heatpool.classify.hpnet.text import LabelText, embed_labels
from heatpool.classify.training.architecture import NetworkShape
from heatpool.classify.training.published import CTRGCNSizes, ctrgcn_sizes, load_tensors
from heatpool.pool.errors import HeatpoolError

__all__ = ["build_published_hpnet", "embed_published_labels", "hpnet_sizes"]

_HEAD_WIDTH = 64  # of every transformer of CLIP
_TEXT = "text."  # what the text network's tensors begin with among ours


def hpnet_sizes(state: Mapping[str, Tensor]) -> CTRGCNSizes:
    """Read the sizes of an HP-Net off its published tensors.

    Raises:
        HeatpoolError: if a tensor is missing, or its skeleton networks are not the published ones.
    """
    first = {name.removeprefix("GCN1."): tensor for name, tensor in state.items() if name.startswith("GCN1.")}
    try:
        # the networks' own last layers are never called
        sizes = ctrgcn_sizes({**first, "fc.weight": state["ske_fc1.weight"]})
        frames, width = state["mit.positional_embedding"].shape[1:]
        vision = _vision(state, frames)
    except (KeyError, ValueError, TypeError) as error:
        raise HeatpoolError(f"expected the tensors of a published HP-Net, they lack {error}") from error
    return replace(sizes, shape=replace(sizes.shape, width=width, frames=frames, vision=vision))


def _vision(state: Mapping[str, Tensor], frames: int) -> dict[str, Any]:
    """Values of the cross-frame ViT, as `FrameEncoder.from_config` takes them."""
    hidden, _, patch_px, _ = state["visual.conv1.weight"].shape
    return {
        "hidden_size": hidden,
        "intermediate_size": len(state["visual.transformer.resblocks.0.mlp.c_fc.weight"]),
        "num_hidden_layers": _blocks(state, "visual.transformer"),
        "num_attention_heads": max(hidden // _HEAD_WIDTH, 1),
        "patch_size": patch_px,
        "image_size": patch_px * math.isqrt(len(state["visual.positional_embedding"]) - 1),
        "num_frames": frames,
    }


def _blocks(state: Mapping[str, Tensor], prefix: str) -> int:
    """Blocks of a transformer."""
    first = f"{prefix}.resblocks."
    return len({name.removeprefix(first).partition(".")[0] for name in state if name.startswith(first)})


def embed_published_labels(
    state: Mapping[str, Tensor], tokenizer: Any, class_names: Sequence[str], *, source: str
) -> LabelText:
    """Embed class names by the text network among the published tensors.

    Args:
        state: published tensors.
        tokenizer: transformers' `CLIPTokenizer`, which they do not hold.
        class_names: K.
        source: of the tokenizer, for the record.

    Raises:
        HeatpoolError: if transformers is missing, or tensors are.
    """
    transformers = import_transformers()
    try:
        vocabulary, width = state["token_embedding.weight"].shape
        config = transformers.CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=len(state["transformer.resblocks.0.mlp.c_fc.weight"]),
            num_hidden_layers=_blocks(state, "transformer"),
            num_attention_heads=max(width // _HEAD_WIDTH, 1),
            max_position_embeddings=len(state["positional_embedding"]),
            projection_dim=state["text_projection"].shape[1],
            eos_token_id=vocabulary - 1,  # CLIP's answer lies at the end of the text, its last token
        )
    except KeyError as error:
        raise HeatpoolError(f"expected the text network of a published HP-Net, it lacks {error}") from error
    network = transformers.CLIPTextModelWithProjection(config).eval()
    ours = from_published(state)
    load_tensors(network, {name.removeprefix(_TEXT): ours[name] for name in ours if name.startswith(_TEXT)})
    return embed_labels(network, tokenizer, class_names, source=source)


def build_published_hpnet(
    architecture: HPNetArchitecture, shape: NetworkShape, state: Mapping[str, Tensor], text: LabelText
) -> HPNet:
    """Build the network and load the published tensors into it.

    Raises:
        HeatpoolError: if transformers is missing, or a tensor is missing, left over or of another shape.
    """
    network = build_hpnet(architecture.recipe, shape, skeleton=architecture.skeleton, text=text)
    ours = {name: tensor for name, tensor in from_published(state).items() if not name.startswith(_TEXT)}
    load_tensors(network, {**ours, "labels": text.embeddings})
    return network.eval()
