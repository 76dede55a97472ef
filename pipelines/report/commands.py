"""The commands that make a store and a run again, as far as their files tell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from heatpool.classify.training.recipe import HEADS, Recipe, modern_names
from heatpool.pipelines.extraction.run_file import read_run_file
from heatpool.pipelines.options.extract import ExtractOptions
from heatpool.pipelines.options.train import DEFAULT_STREAMS, TrainOptions
from heatpool.pipelines.report.run_files import RunFiles
from heatpool.pool.disk.limits import parse_yaml
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore

__all__ = ["command_lines"]

_HOW_NOT_WHAT = {"resume", "overwrite", "quiet"}


def command_lines(run: RunFiles, store: FeatureStore) -> list[str]:
    """Return the command lines of both stages; a stage whose options are not on record is left out.

    Raises:
        HeatpoolError: if a file of options is damaged.
    """
    options = read_run_file(store).get("options", {})
    lines = [_line("extract", _changed(ExtractOptions, options))] if options else []
    config_file = run.folder / "config.yaml"
    try:
        config = parse_yaml(run.config_text) or {}
    except ValueError as error:
        raise HeatpoolError(f"cannot read {config_file}: {error}") from error
    if not isinstance(config, Mapping):
        return lines
    if isinstance(config.get("recipe"), Mapping):
        lines.append(_line("train", _changed(TrainOptions, _former_options(config, run, store))))
    elif "features" in config:
        lines.append(_line("train", {"config": config_file, "out": run.folder}))
    return lines


def _former_options(config: Mapping[str, Any], run: RunFiles, store: FeatureStore) -> dict[str, Any]:
    """Return the options of a run before 0.9, whose config.yaml holds a recipe and cannot be run again."""
    recipe = modern_names(config["recipe"])
    model, streams = config.get("model", "ctrgcn"), tuple(stream.name for stream in run.streams)
    image, text = recipe.get("image"), recipe.get("text")  # of hpnet
    shared = recipe.get("shared", recipe)
    paper = shared.get("width") == Recipe().width
    return {
        "features": config.get("features", store.source.name),
        "protocol": run.protocol,
        "streams": () if model == "hpnet" or streams == DEFAULT_STREAMS else streams,
        "model": model,
        "out": str(run.folder),
        "recipe": "auto" if model in HEADS else ("paper" if paper else "small"),
        "epochs": shared.get("epochs"),
        "batch_size": shared.get("batch_size"),
        "learning_rate": shared.get("learning_rate"),
        "seed": shared.get("seed", 0),
        "seeds": config.get("seeds", 1),
        "rgb": recipe.get("rgb", "auto"),
        "rgb_weights": image or None,
        "text": text or ("learned" if image else None),
    }


def _changed(options: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a command's options that are not at their defaults."""
    defaults = {field.name: field.default for field in fields(options) if field.name not in _HOW_NOT_WHAT}
    return {
        name: value
        for name, value in values.items()
        if name in defaults and value not in (defaults[name], None)
    }


def _line(command: str, options: Mapping[str, Any]) -> str:
    words = ["heatpool", command]
    for name, value in options.items():
        text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        words += [f"--{name.replace('_', '-')}", text]
    return shlex.join(words)
