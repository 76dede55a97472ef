"""A run folder made of weights that their authors trained, for evaluate and predict."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from heatpool.classify.data.batches import load_clips
from heatpool.classify.training.architecture import Architecture, Trained
from heatpool.classify.training.checkpoint import save_checkpoint
from heatpool.classify.training.published import CTRGCNSizes, ctrgcn_sizes, load_tensors
from heatpool.classify.training.recipe import Recipe, recipe_with
from heatpool.classify.training.state_dict import read_state_dict
from heatpool.classify.training.stream import StreamArchitecture
from heatpool.pipelines.options.weights_import import WeightsImportOptions
from heatpool.pipelines.process.machine import machine
from heatpool.pipelines.runs.run_dir import prepare_run_dir
from heatpool.pipelines.training.features import extraction_facts, lasting_name, pick_protocol
from heatpool.pipelines.training.joints import choose_graph, describe_graph, features_skeleton
from heatpool.pipelines.training.streams import HPNET, stream_source
from heatpool.pool.disk.atomic import write_json
from heatpool.pool.disk.class_names import read_class_names
from heatpool.pool.disk.files import hash_file
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.skeleton import Skeleton
from heatpool.pool.store.reader import FeatureStore

__all__ = ["ImportedRun", "import_weights"]

_log = logging.getLogger(__name__)
_KEYPOINT_CHANNELS = 3  # x, y, score


@dataclass(frozen=True)
class ImportedRun:
    """What was made of a file of weights.

    Attributes:
        path: run folder.
        text: what the network is, in a line.
    """

    path: Path
    text: str

    def __str__(self) -> str:
        todo = f"heatpool evaluate {self.path}"
        return f"{self.path}: {self.text}\nfor compare and fuse: {todo}; {todo} --split val"


def import_weights(options: WeightsImportOptions) -> ImportedRun:
    """Make the run folder that options ask for.

    Raises:
        HeatpoolError: if the file is none of a published CTR-GCN or HP-Net, the store or the class names do
            not fit it, or the folder exists.
    """
    state, store = read_state_dict(options.weights), FeatureStore.open(options.features)
    if not any(".gcn1." in name or name.startswith("GCN1.") for name in state):
        some = ", ".join([*state][:3])
        raise HeatpoolError(
            f"{options.weights}: expected tensors named as in the published CTR-GCN (l1.gcn1.PA, …) or "
            f"HP-Net (GCN1.l1.gcn1.PA, …), got {len(state)} others ({some}); runs of heatpool need no import"
        )
    of_hpnet = any(name.startswith("GCN1.") for name in state)
    trained = (_hpnet if of_hpnet else _ctrgcn)(state, options, store)
    protocol = pick_protocol(store, options.protocol) if options.protocol or store.clips.protocols else None
    for line in _notes(trained.architecture):
        _log.info(line)
    out = options.out or Path("work_dirs") / options.weights.stem
    stream = HPNET if of_hpnet else f"{trained.source['input']}_{trained.architecture.shared.stream}"
    imported = {"weights": str(options.weights.resolve()), "sha256": hash_file(options.weights)[1]}
    about = {
        "model": HPNET if of_hpnet else "ctrgcn",
        "protocol": protocol or "",
        "features": lasting_name(store),
        "imported": imported,
    }
    prepare_run_dir(out, about, machine(), resume=False, overwrite=options.overwrite)
    save_checkpoint(out / stream / "checkpoints" / "best.safetensors", trained)
    parameters = sum(weight.numel() for weight in trained.model.parameters())
    summary = {
        **about,
        "class_names": trained.class_names,
        "clips": {},
        "extraction": extraction_facts(store),
        "machine": machine(),
        "streams": {stream: {"parameters": parameters}},
        "fused": {"weights": {stream: 1.0}},
        "seed": 0,
    }
    write_json(out / "summary.json", summary, overwrite=True)
    return ImportedRun(out, f"{stream}, {len(trained.class_names)} classes, {parameters:,} parameters")


def _ctrgcn(state: Mapping[str, Tensor], options: WeightsImportOptions, store: FeatureStore) -> Trained:
    """A trained CTR-GCN of one stream."""
    sizes = ctrgcn_sizes(state)
    default = "keypoints_joint" if sizes.shape.channels == _KEYPOINT_CHANNELS else "pooled_joint"
    source, kind = stream_source(options.stream or default)
    if source not in ("pooled", "keypoints"):
        raise HeatpoolError(f"expected --stream of pooled or keypoints, got {options.stream}")
    skeleton = _check_sizes(sizes, options, store, channels=store.layout.features[source].item_shape[-1])
    least = 1.0 if options.whole_clips else Recipe.p_interval[0]
    changes = {"stream": kind, "p_interval": (least, 1.0), "normalise": False}
    architecture = StreamArchitecture(
        recipe_with(Recipe(), {**changes, **_common(options, sizes, skeleton)}), skeleton
    )
    network = architecture.build(sizes.shape)
    load_tensors(network, state)
    names = _class_names(options, store, classes=sizes.shape.classes)
    return _trained(network, architecture, sizes, names, store, input=source)


def _hpnet(state: Mapping[str, Tensor], options: WeightsImportOptions, store: FeatureStore) -> Trained:
    """A trained HP-Net that reads pictures."""
    from heatpool.classify.hpnet.architecture import HPNetArchitecture
    from heatpool.classify.hpnet.published import (
        build_published_hpnet,
        embed_published_labels,
        hpnet_sizes,
    )
    from heatpool.classify.hpnet.recipe import HPNetRecipe
    from heatpool.pipelines.training.hpnet import load_tokenizer

    sizes = hpnet_sizes(state)
    if options.stream:
        raise HeatpoolError(f"expected --stream with a CTR-GCN only, {options.weights} is an HP-Net")
    skeleton = _check_sizes(sizes, options, store, channels=store.spec.channels)
    names = _class_names(options, store, classes=sizes.shape.classes)
    text = embed_published_labels(state, load_tokenizer(options.text), names, source=options.text)
    recipe = HPNetRecipe(rgb="crops", image=str(options.weights), text=options.text)
    changes = {"p_interval": (1.0, 1.0), **_common(options, sizes, skeleton)}
    architecture = HPNetArchitecture(recipe_with(recipe, changes), skeleton)
    network = build_published_hpnet(architecture, sizes.shape, state, text)
    return _trained(network, architecture, sizes, names, store, input="pooled", rgb="crops")


def _common(options: WeightsImportOptions, sizes: CTRGCNSizes, skeleton: Skeleton) -> dict[str, Any]:
    """Fields of either recipe."""
    return {"graph": choose_graph(None, skeleton), "window": options.window, "width": sizes.width}


def _trained(
    network: nn.Module,
    architecture: Architecture,
    sizes: CTRGCNSizes,
    names: tuple[str, ...],
    store: FeatureStore,
    **reads: Any,
) -> Trained:
    """All that a checkpoint takes; what its features are made of is what those of the store are."""
    clips = load_clips(store, store.clips.rows()[:1], **reads)
    trained = Trained(
        model=network.eval(), architecture=architecture, shape=sizes.shape, stats=None, class_names=names,
        source=clips.source, epoch=0, metrics={},
    )  # fmt: skip
    frames = clips.source.get("rgb_frames", sizes.shape.frames)
    if frames != sizes.shape.frames:
        raise HeatpoolError(
            f"expected {sizes.shape.frames} crops a clip in {store.source.name}, got {frames}; extract with "
            f"--rgb crops --rgb-frames {sizes.shape.frames}"
        )
    return trained


def _check_sizes(
    sizes: CTRGCNSizes, options: WeightsImportOptions, store: FeatureStore, *, channels: int
) -> Skeleton:
    """Return the joints of the features; refuse those that the network is not made for."""
    spec, shape = store.spec, sizes.shape
    if not len(store.clips.rows()):
        raise HeatpoolError(f"expected at least one clip with features in {store.source.name}, got none")
    if (got := (spec.persons, spec.joints, channels)) != (shape.persons, sizes.joints, shape.channels):
        raise HeatpoolError(
            f"{options.weights} is made for {shape.persons} persons, {sizes.joints} joints and "
            f"{shape.channels} channels, {store.source.name} has {got[0]}, {got[1]} and {got[2]}: it takes "
            "features of the network and tap that it was trained on"
        )
    return features_skeleton(options.skeleton, store)


def _class_names(options: WeightsImportOptions, store: FeatureStore, *, classes: int) -> tuple[str, ...]:
    """Names in the network's order: of the file that was given, or else of the store."""
    names, where = store.clips.class_names, store.source.name
    if options.class_names is not None:
        where = str(options.class_names)
        names = read_class_names(options.class_names).names
    if len(names) != classes or len(set(names)) != classes:
        raise HeatpoolError(
            f"{options.weights} knows {classes} classes, {where} names {len(set(names))}; --class-names "
            "takes a text file with a name per line, in the network's order"
        )
    return names


def _notes(architecture: Architecture) -> list[str]:
    """What a user should know that the file does not say."""
    shared, skeleton = architecture.shared, architecture.skeleton
    assert skeleton is not None
    share = "whole clips" if shared.p_interval[0] == 1 else "the middle 95 % of clips"
    lines = [f"{share}, in {shared.window} steps, are scored; features are not normalised"]
    graph = describe_graph(shared.graph, skeleton)
    return [*lines, graph] if graph and "bone" in shared.stream else lines
