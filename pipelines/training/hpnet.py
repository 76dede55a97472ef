"""HP-Net in a run of stage two: its recipe, its network and its texts, and what it has to learn from."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from heatpool.classify.data.clips import ClipSet
from heatpool.classify.data.rgb import RgbInput
from heatpool.classify.hpnet.architecture import HPNetArchitecture, build_hpnet
from heatpool.classify.hpnet.frames import FrameEncoder, import_transformers
from heatpool.classify.hpnet.integration import integration_from_xclip
from heatpool.classify.hpnet.network import HPNet
from heatpool.classify.hpnet.recipe import SMALL, HPNetRecipe
from heatpool.classify.hpnet.text import LabelText, embed_labels, load_label_text, save_label_text
from heatpool.classify.training.architecture import NetworkShape
from heatpool.classify.training.recipe import recipe_with
from heatpool.pipelines.options.train import TrainOptions
from heatpool.pipelines.training.streams import RunPlan
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore

__all__ = ["load_tokenizer", "make_recipe", "prepare_hpnet"]

_log = logging.getLogger(__name__)

_WIDTH = 512  # of video and class vectors where no network gives it; that of CLIP ViT-B
_LEARNED = "learned"
_TEXT_FILE = "label_text.safetensors"
_TEXT_CLASSES = {
    "clip": "CLIPModel",
    "clip_text_model": "CLIPTextModelWithProjection",
    "xclip": "XCLIPModel",
}


def make_recipe(config: TrainOptions, store: FeatureStore) -> HPNetRecipe:
    """Return the recipe, small or as published, for a store with the user's changes.

    Raises:
        HeatpoolError: if options contradict each other.
    """
    base = SMALL if config.recipe == "small" else HPNetRecipe()
    rgb = _rgb_input(config, store)
    image = config.rgb_weights or ""
    if image and rgb != "crops":
        raise HeatpoolError("expected --rgb-weights with --rgb crops only: stored embeddings have their own")
    if rgb == "crops" and not image:
        from heatpool.extract.rgb.networks import DEFAULT_SOURCES  # of stage one, for this option only

        image = DEFAULT_SOURCES["xclip"]
    text = config.text or image
    changed = recipe_with(base, {"seed": config.seed, **config.recipe_changes, **config.hpnet_changes})
    return replace(changed, rgb=rgb, image=image, text="" if text == _LEARNED else text)


def _rgb_input(config: TrainOptions, store: FeatureStore) -> RgbInput:
    if config.rgb != "auto":
        return config.rgb
    return "embeddings" if "rgb" in store.layout.features else "none"


def prepare_hpnet(
    resolved: HPNetRecipe, clips: Mapping[str, ClipSet], plan: RunPlan
) -> tuple[HPNetArchitecture, dict[str, Any], dict[str, Any]]:
    """Build the untrained network for some clips.

    Returns:
        The architecture, the `network` and its `shape` as arguments of `train_network`, and for summary.json
        the `modalities` that it has to learn from.

    Raises:
        HeatpoolError: if the store lacks what is asked for, or weights cannot be loaded.
    """
    text = _label_text(resolved, plan.store.clips.class_names, plan.out / _TEXT_FILE)
    architecture = HPNetArchitecture(resolved, plan.skeleton)
    network, shape = _network(architecture, clips["train"], text)
    modalities = _modalities(resolved, plan.store, clips)
    for line in modalities:
        plan.log(line)
        _log.info(line)
    return architecture, {"network": network, "shape": shape}, {"modalities": modalities}


def _label_text(resolved: HPNetRecipe, class_names: tuple[str, ...], path: Path) -> LabelText | None:
    """Embed the class names, or take what the run folder has of them; None where they are learned."""
    if not resolved.text:
        return None
    if path.is_file():
        kept = load_label_text(path)
        if (kept.source, kept.class_names) == (resolved.text, class_names):
            return kept
    from heatpool.extract.networks.transformers import load_pretrained  # of stage one: nobody else needs it

    model = load_pretrained(resolved.text, _TEXT_CLASSES, kind="a CLIP or X-CLIP model")
    text = embed_labels(model, load_tokenizer(resolved.text), class_names, source=resolved.text)
    save_label_text(path, text)
    return text


def load_tokenizer(source: str) -> Any:
    """Load the tokenizer of a CLIP from a folder or the Hugging Face hub.

    Raises:
        HeatpoolError: if transformers is missing, or the tokenizer is.
    """
    try:
        return import_transformers().AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise HeatpoolError(f"expected the tokenizer of {source} beside it: {reason}") from error


def _network(
    architecture: HPNetArchitecture, clips: ClipSet, text: LabelText | None
) -> tuple[HPNet, NetworkShape]:
    """Build the untrained network for some clips.

    Raises:
        HeatpoolError: if image network, text network and the store's frames do not belong together.
    """
    resolved, encoder, xclip = architecture.recipe, None, None
    frames = int(clips.source.get("rgb_frames", 0))
    width = _WIDTH if text is None else text.embeddings.shape[1]
    rgb_width = clips.rgb.shape[2] if isinstance(clips.rgb, torch.Tensor) else width
    if resolved.rgb == "crops":
        from heatpool.extract.networks.transformers import load_pretrained

        xclip = load_pretrained(resolved.image, {"xclip": "XCLIPModel"}, kind="an X-CLIP model")
        encoder = FrameEncoder(xclip.vision_model, xclip.visual_projection)
        rgb_width = encoder.projection.out_features
        if encoder.frames != frames:
            raise HeatpoolError(
                f"expected {encoder.frames} crops a clip, which {resolved.image} is made for, the store has "
                f"{frames}; extract with --rgb crops --rgb-frames {encoder.frames}"
            )
    if text is not None and rgb_width != width:
        raise HeatpoolError(
            f"expected text and RGB of one width, {resolved.text} has {width} values, the RGB {rgb_width}; "
            "take both from the same network"
        )
    shape = NetworkShape(
        channels=clips.features.shape[-1],
        classes=len(clips.class_names),
        persons=clips.persons,
        width=rgb_width,
        frames=frames,
        vision=None if encoder is None else encoder.describe(),
    )
    model = build_hpnet(resolved, shape, skeleton=architecture.skeleton, text=text, encoder=encoder)
    if xclip is not None and model.mit is not None:
        try:
            model.mit.load_state_dict(integration_from_xclip(xclip.mit.state_dict()))
        except RuntimeError as error:
            raise HeatpoolError(
                f"expected an X-CLIP whose frame integration has {resolved.mit_layers} block(s), 4 times as "
                f"wide inside as outside, {resolved.image} has another: {' '.join(str(error).split())[:150]}"
            ) from error
    return model, shape


def _modalities(resolved: HPNetRecipe, store: FeatureStore, clips: Mapping[str, ClipSet]) -> tuple[str, ...]:
    """Describe what the network learns from, and what is missing."""
    if resolved.rgb == "crops":
        rgb = f"crops, {resolved.image} is trained on them"
    elif store.spec.rgb is not None and resolved.rgb == "embeddings":
        rgb = f"frozen {store.spec.rgb.kind} embeddings of {store.spec.rgb.frames} frames a clip"
    else:
        held = "not used" if "rgb" in store.layout.features else "the store has no embeddings"
        rgb = f"none ({held}); a linear map of the skeleton vector stands in for the video vector"
    text = f"class names embedded by {resolved.text}"
    if not resolved.text:
        text = "no text network was given (--text), class embeddings are learned from the labels alone"
    lines = [f"HP-Net, RGB: {rgb}", f"HP-Net, text: {text}"]
    for split, of_split in clips.items():
        if of_split.without_rgb:
            lines.append(f"HP-Net, RGB: missing in {of_split.without_rgb} of {len(of_split)} {split} clips")
    return tuple(lines)
