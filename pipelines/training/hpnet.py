"""HP-Net in `heatpool train` and `evaluate`: what it learns from, its training, scores of all heads."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from heatpool.classify.data.cache import LoaderCache
from heatpool.classify.hpnet.checkpoint import HPNetShape, TrainedHPNet, build_hpnet, load_hpnet
from heatpool.classify.hpnet.data import ModalClips, load_modal_parts
from heatpool.classify.hpnet.frames import FrameEncoder
from heatpool.classify.hpnet.integration import integration_from_xclip
from heatpool.classify.hpnet.network import HPNet
from heatpool.classify.hpnet.predict import predict_hpnet
from heatpool.classify.hpnet.recipe import SMALL, HPNetConfig, RgbInput
from heatpool.classify.hpnet.text import LabelText, embed_labels, load_label_text, save_label_text
from heatpool.classify.hpnet.train import train_hpnet
from heatpool.classify.scores.scores import ClipScores, save_scores
from heatpool.classify.training.loop import EpochReport, Training
from heatpool.classify.training.processes import process_count
from heatpool.extract.networks.transformers import load_pretrained
from heatpool.extract.rgb.networks import DEFAULT_SOURCES
from heatpool.pipelines.options import TrainOptions
from heatpool.pipelines.process.progress import Progress
from heatpool.pipelines.training.streams import RunPlan, StreamLog, StreamResult, side_by_side
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore, SplitName

__all__ = ["recipe", "score", "train_seeds"]

_NAME = "hpnet"
_WIDTH = 512  # of video and class vectors where no network gives it; that of CLIP ViT-B
_LEARNED = "learned"
_TEXT_FILE = "label_text.safetensors"
_TEXT_CLASSES = {
    "clip": "CLIPModel",
    "clip_text_model": "CLIPTextModelWithProjection",
    "xclip": "XCLIPModel",
}


def recipe(config: TrainOptions, store: FeatureStore) -> HPNetConfig:
    """Return the recipe for a store with the user's changes; `auto` is small for stores of the tiny backend.

    Raises:
        HeatpoolError: if options contradict each other.
    """
    small = config.recipe == "small" or (config.recipe == "auto" and store.spec.backbone == "tiny")
    base = SMALL if small else HPNetConfig()
    rgb = _rgb_input(config, store)
    image = (config.rgb_weights or DEFAULT_SOURCES["xclip"]) if rgb == "crops" else ""
    if config.rgb_weights and not image:
        raise HeatpoolError("expected --rgb-weights with --rgb crops only: stored embeddings have their own")
    text = config.text or image
    return replace(
        base,
        shared=replace(base.shared, seed=config.seed, **config.recipe_changes),
        rgb=rgb,
        image=image,
        text="" if text == _LEARNED else text,
    )


def _rgb_input(config: TrainOptions, store: FeatureStore) -> RgbInput:
    if config.rgb != "auto":
        return config.rgb
    return "embeddings" if "rgb" in store.layout.features else "none"


def train_seeds(
    config: TrainOptions, resolved: HPNetConfig, plans: Sequence[RunPlan]
) -> list[dict[str, StreamResult]]:
    """Train HP-Net for each seed; scores of its auxiliary heads go into files beside its own.

    On a CPU seeds are trained side by side: skeletons do not fill its cores, an image network does.

    Returns:
        Of each seed {"hpnet": its scores and summary}; the summary's `modalities` say what it had to learn
        from.

    Raises:
        HeatpoolError: if the store lacks what is asked for, weights cannot be loaded, or training diverges.
    """
    small = plans[0].device == "cpu" and process_count() == 1 and resolved.rgb != "crops"
    processes = min(len(plans), plans[0].threads) if small else 1
    jobs = [(config, plan) for plan in plans]
    if processes == 1:
        return _train_in_turn(jobs)
    quiet = [(config, replace(plan, quiet=True)) for plan in plans]
    total = resolved.shared.epochs * len(plans)
    with Progress("train", total, "epochs", quiet=config.quiet) as progress:
        return side_by_side(
            _train_in_turn,
            [[quiet[at] for at in part] for part in np.array_split(range(len(plans)), processes)],
            threads=plans[0].threads // processes,
            folders=[plan.out / _NAME for plan in plans],
            progress=progress,
        )


def _train_in_turn(jobs: Sequence[tuple[TrainOptions, RunPlan]]) -> list[dict[str, StreamResult]]:
    return [_train_seed(config, plan) for config, plan in jobs]


def _train_seed(config: TrainOptions, plan: RunPlan) -> dict[str, StreamResult]:
    store = FeatureStore.open(plan.location)
    resolved = recipe(config, store)
    resolved = replace(resolved, shared=replace(resolved.shared, seed=plan.seed, device=plan.device))
    clips = load_modal_parts(store, plan.rows, rgb=resolved.rgb, input="pooled", cache=plan.cache)
    text = _label_text(resolved, store.clips.class_names, plan.out / _TEXT_FILE)
    model, shape = _network(resolved, clips["train"], text)
    modalities = _modalities(resolved, store, clips)
    for line in modalities:
        plan.log(line)
        if not plan.quiet:
            print(line, file=sys.stderr)
    run = _train(resolved, clips, model, shape, plan)
    best = load_hpnet(run.best)
    best.model.to(plan.device)
    return {_NAME: _result(best, run, clips, plan.out / _NAME, modalities)}


def _train(
    resolved: HPNetConfig,
    clips: dict[str, ModalClips],
    model: HPNet,
    shape: HPNetShape,
    plan: RunPlan,
) -> Training:
    with Progress("train", resolved.shared.epochs, "epochs", quiet=plan.quiet) as progress:
        log = StreamLog(plan, _NAME, resolved.shared.epochs, progress)

        def count(report: EpochReport) -> None:
            if report.resumed:
                log.skip()
            else:
                log.epoch(report.epoch, report.figures)

        return train_hpnet(
            resolved,
            clips["train"],
            val=clips["val"],
            model=model,
            shape=shape,
            out_dir=plan.out / _NAME,
            resume=plan.resume,
            progress=count,
        )


def _result(
    best: TrainedHPNet,
    run: Training,
    clips: dict[str, ModalClips],
    folder: Path,
    modalities: tuple[str, ...],
) -> StreamResult:
    scores: dict[SplitName, ClipScores] = {}
    splits: tuple[SplitName, ...] = ("val", "test")
    for split in splits:
        heads = predict_hpnet(best, clips[split])
        scores[split] = heads.pop(_NAME)
        for stream, of_head in heads.items():
            save_scores(folder / f"scores_{split}_{stream}.npz", of_head)
    return StreamResult(
        scores=scores,
        summary={
            "best_epoch": best.epoch,
            "epochs": len(run.history),
            "seconds": round(run.seconds, 1),
            "parameters": sum(weight.numel() for weight in best.model.parameters()),
            "modalities": modalities,
        },
    )


def score(
    folder: Path, store: FeatureStore, rows: np.ndarray, *, device: torch.device, cache: LoaderCache
) -> ClipScores:
    """Score clips with the best weights of a trained HP-Net.

    Args:
        folder: of its training, `<run>/hpnet`.
        store: like the one of its training.
        rows: (n,) of the clips.
        device: to score on.
        cache: of decoded features.

    Raises:
        HeatpoolError: if there is no checkpoint or it does not fit the store.
    """
    best = load_hpnet(folder / "checkpoints" / "best.safetensors")
    best.model.to(device)
    clips = load_modal_parts(store, {"all": rows}, rgb=best.config.rgb, input="pooled", cache=cache)
    return predict_hpnet(best, clips["all"])[_NAME]


def _label_text(resolved: HPNetConfig, class_names: tuple[str, ...], path: Path) -> LabelText | None:
    """Embed the class names, or take what the run folder has of them; None where they are learned."""
    if not resolved.text:
        return None
    if path.is_file():
        kept = load_label_text(path)
        if (kept.source, kept.class_names) == (resolved.text, class_names):
            return kept
    model = load_pretrained(resolved.text, _TEXT_CLASSES, kind="a CLIP or X-CLIP model")
    try:
        tokenizer = importlib.import_module("transformers").AutoTokenizer.from_pretrained(resolved.text)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise HeatpoolError(f"expected the tokenizer of {resolved.text} beside it: {reason}") from error
    text = embed_labels(model, tokenizer, class_names, source=resolved.text)
    save_label_text(path, text)
    return text


def _network(resolved: HPNetConfig, clips: ModalClips, text: LabelText | None) -> tuple[HPNet, HPNetShape]:
    """Build the untrained network for some clips.

    Raises:
        HeatpoolError: if image network, text network and the store's frames do not belong together.
    """
    encoder, xclip = None, None
    frames = int(clips.rgb_source["rgb_frames"]) if clips.rgb_source else 0
    width = _WIDTH if text is None else text.embeddings.shape[1]
    rgb_width = clips.rgb.shape[2] if isinstance(clips.rgb, torch.Tensor) else width
    if resolved.rgb == "crops":
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
    shape = HPNetShape(
        channels=clips.clips.features.shape[-1],
        classes=len(clips.clips.class_names),
        persons=clips.clips.persons,
        width=rgb_width,
        frames=frames,
        vision=None if encoder is None else encoder.describe(),
    )
    model = build_hpnet(resolved, shape, text=text, encoder=encoder)
    if xclip is not None and model.mit is not None:
        try:
            model.mit.load_state_dict(integration_from_xclip(xclip.mit.state_dict()))
        except RuntimeError as error:
            raise HeatpoolError(
                f"expected an X-CLIP whose frame integration has {resolved.mit_layers} block(s), 4 times as "
                f"wide inside as outside, {resolved.image} has another: {' '.join(str(error).split())[:150]}"
            ) from error
    return model, shape


def _modalities(resolved: HPNetConfig, store: FeatureStore, clips: dict[str, ModalClips]) -> tuple[str, ...]:
    """Say what the network learns from, and what is missing."""
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
