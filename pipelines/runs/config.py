"""`config.yaml` of a run: all that makes it what it is, as options that `--config` takes again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from heatpool.classify.training.recipe import flat_recipe, modern_names
from heatpool.pool.sources.locate import is_remote

__all__ = ["describe_run", "full_location", "same_run"]


def describe_run(options: Any, recipe: Any, /, **resolved: Any) -> dict[str, Any]:
    """Return the options that make a run what it is, with every choice made.

    Device, threads and caches are not among them: a run may go on elsewhere.

    Args:
        options: of the command, whose names are used.
        recipe: of the training.
        resolved: what else was chosen, None for nothing.
    """
    names = {field.name for field in fields(options)}
    chosen = {name: value for name, value in resolved.items() if value is not None}
    recipes = {name: value for name, value in flat_recipe(recipe).items() if name in names - {"device"}}
    return {**chosen, **{name: value for name, value in recipes.items() if name not in resolved}}


def same_run(begun: Any, config: Mapping[str, Any]) -> bool:
    """Whether a folder was begun with this configuration; builds before 0.9 spelled it otherwise."""
    if not isinstance(begun, Mapping) or not isinstance(begun.get("recipe"), Mapping):
        return bool(begun == config)
    recipe = modern_names(begun["recipe"])
    former = {**recipe, **recipe.pop("shared", {}), **begun}
    former["features"] = full_location(begun["features"])  # as the user had typed it
    former["protocol"] = begun["split"] or config["protocol"]  # theirs might not name the only one
    former["text"] = recipe.get("text") or "learned"
    if isinstance(begun["seeds"], list):  # of an ablation
        former |= {"seeds": len(begun["seeds"]), "seed": begun["seeds"][0]}
    # "recipe" was the whole recipe then, and is the name of a preset now
    return all(former.get(name, value) == value for name, value in config.items() if name != "recipe")


def full_location(features: str) -> str:
    """Return where a store is, whatever folder is worked in: an address as it is, a path in full."""
    return features if is_remote(features) else str(Path(features).resolve())
