"""The commands that make a store and a run again, as far as their files tell."""

from __future__ import annotations

import json
import shlex
from dataclasses import fields
from typing import Any

import yaml

from heatpool.classify.training.recipe import HEADS, TrainConfig
from heatpool.pipelines.extraction.run_file import read_run_file
from heatpool.pipelines.options import DEFAULT_STREAMS, ExtractOptions, TrainOptions
from heatpool.pipelines.report.run import Run
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore

__all__ = ["command_lines"]

_HOW_NOT_WHAT = {"resume", "overwrite", "quiet"}


def command_lines(run: Run, store: FeatureStore) -> list[str]:
    """Return the command lines of both stages; a stage whose options are not on record is left out.

    Raises:
        HeatpoolError: if a file of options is damaged.
    """
    options = read_run_file(store).get("options", {})
    lines = [_line("extract", _changed(ExtractOptions, options))] if options else []
    try:
        config = yaml.safe_load(run.config_text) or {}
    except yaml.YAMLError as error:
        raise HeatpoolError(
            f"cannot read {run.folder / 'config.yaml'}: {' '.join(str(error).split())}"
        ) from error
    recipe = config.get("recipe") if isinstance(config, dict) else None
    if isinstance(recipe, dict):
        model, names = config.get("model", "ctrgcn"), tuple(stream.name for stream in run.streams)
        own = model == "hpnet" or names == DEFAULT_STREAMS
        image, text = recipe.get("image"), recipe.get("text")  # of hpnet
        chosen = {
            "rgb": recipe.get("rgb", "auto"),
            "rgb_weights": image or None,
            "text": text or ("learned" if image else None),
        }
        recipe = recipe.get("shared", recipe)
        paper = recipe.get("width") == TrainConfig().width
        chosen |= {
            "features": config.get("features", store.source.name),
            "protocol": run.protocol,
            "streams": () if own else ",".join(names),
            "model": model,
            "out": str(run.folder),
            "recipe": "auto" if model in HEADS else ("paper" if paper else "small"),
            "epochs": recipe.get("epochs", 0),
            "batch_size": recipe.get("batch", 0),
            "learning_rate": recipe.get("lr", 0.0),
            "seed": recipe.get("seed", 0),
            "seeds": config.get("seeds", 1),
        }
        lines.append(_line("train", _changed(TrainOptions, chosen)))
    return lines


def _changed(config: type, options: dict[str, Any]) -> dict[str, Any]:
    """Options of a command that are not at their defaults."""
    defaults = {field.name: field.default for field in fields(config) if field.name not in _HOW_NOT_WHAT}
    return {name: options[name] for name in defaults if name in options and options[name] != defaults[name]}


def _line(command: str, options: dict[str, Any]) -> str:
    words = ["heatpool", command]
    for name, value in options.items():
        text = json.dumps(value) if isinstance(value, list | tuple) else str(value)
        words += [f"--{name.replace('_', '-')}", text]
    return shlex.join(words)
