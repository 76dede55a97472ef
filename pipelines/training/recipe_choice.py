"""Which model and recipe suit the clips there are, where the user leaves it to us.

The figures behind the rule are in docs/training.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from heatpool.classify.training.recipe import Recipe, modern_names
from heatpool.pipelines.options.train import TrainOptions
from heatpool.pool.disk.limits import parse_yaml
from heatpool.pool.disk.text_files import parsing

__all__ = ["RecipeChoice", "choose_preset", "choose_recipe", "read_begun"]

Preset = Literal["paper", "small"]

_HEAD_BELOW_CLIPS, _HEAD_BELOW_PER_CLASS = 100, 8
"""With fewer train clips, or fewer in the middle one of the classes, mlp is better than CTR-GCN."""
_PAPER_FROM_CLIPS = 2_000
"""The published recipe was made for tens of thousands of clips; its networks learn some hundred by heart."""


@dataclass(frozen=True)
class RecipeChoice:
    """A model and its recipe.

    Attributes:
        model: as `--model` has it, never auto.
        recipe: paper or small, of ctrgcn and hpnet; the heads have one recipe each.
        reason: what was chosen and why, in a line; empty where the user chose both.
        warnings: where the user's choice is far from what the clips suggest, a line each.
    """

    model: str
    recipe: Preset
    reason: str = ""
    warnings: tuple[str, ...] = ()

    def apply(self, options: TrainOptions) -> TrainOptions:
        """Return options that ask for this choice."""
        return replace(options, model=self.model, recipe=self.recipe)  # type: ignore[arg-type]


def choose_recipe(
    options: TrainOptions,
    train_labels: np.ndarray,
    *,
    device: str,
    begun: Mapping[str, Any] | None = None,
) -> RecipeChoice:
    """Choose the model and the recipe by clips and device, as far as options leave it open.

    Args:
        options: of the training; with `--recipe`, `--layers` or `--graph`, which are of ctrgcn, it is that.
        train_labels: (n,) class numbers of the train clips, at least one.
        device: that will train, as torch knows it.
        begun: `config.yaml` of the run that is resumed; what was chosen then stays.
    """
    if begun is not None:
        return _as_begun(options, begun)
    clips, per_class = len(train_labels), _middle_class(train_labels)
    preset = choose_preset(options.recipe, clips=clips, device=device)
    counted = f"for {clips:,} train clips, {per_class:g} a class"
    few = clips < _HEAD_BELOW_CLIPS or per_class < _HEAD_BELOW_PER_CLASS
    enough = f"{_HEAD_BELOW_CLIPS} clips and {_HEAD_BELOW_PER_CLASS} a class"
    if options.model == "auto" and few and not _asks_for_ctrgcn(options):
        return RecipeChoice("mlp", preset, f"chosen: mlp, {counted}; ctrgcn is for {enough} or more")
    model = "ctrgcn" if options.model == "auto" else options.model
    if model not in ("ctrgcn", "hpnet"):
        return RecipeChoice(model, preset)
    warnings: tuple[str, ...] = ()
    if few and model == "ctrgcn":
        warnings = (f"ctrgcn {counted}: with so few mlp, which --model auto takes, is as good or better",)
    elif preset == "paper" and clips < _PAPER_FROM_CLIPS:
        warnings = (f"paper recipe {counted}: it was made for tens of thousands, --recipe auto takes small",)
    if options.recipe != "auto":
        return RecipeChoice(model, preset, warnings=warnings)
    return RecipeChoice(model, preset, f"chosen: {model}, {preset} recipe, {counted}, on {device}", warnings)


def _asks_for_ctrgcn(options: TrainOptions) -> bool:
    """Whether an option is given that only ctrgcn understands."""
    return options.recipe != "auto" or options.layers is not None or options.graph is not None


def choose_preset(asked: str, *, clips: int, device: str) -> Preset:
    """Return the recipe that is asked for; for `auto`, paper where there are clips and a GPU for it.

    Args:
        asked: as `--recipe` has it.
        clips: to train on.
        device: that will train, as torch knows it.
    """
    if asked != "auto":
        return "paper" if asked == "paper" else "small"
    return "paper" if clips >= _PAPER_FROM_CLIPS and device != "cpu" else "small"


def read_begun(out: Path) -> Mapping[str, Any] | None:
    """Return the options that a run folder was begun with; None where none was.

    Raises:
        HeatpoolError: if their file is damaged.
    """
    path = out / "config.yaml"
    if not path.exists():
        return None
    with parsing(path, "read the options of the run in"):
        content = parse_yaml(path.read_text(encoding="utf-8"))
    return content if isinstance(content, Mapping) else None


def _as_begun(options: TrainOptions, begun: Mapping[str, Any]) -> RecipeChoice:
    """What a run was begun with, where options leave it open; builds before 0.9 wrote the whole recipe."""
    written = begun.get("recipe")
    if isinstance(written, Mapping):
        recipe = modern_names(written)
        written = "paper" if recipe.get("shared", recipe).get("width") == Recipe().width else "small"
    model = begun.get("model", "ctrgcn") if options.model == "auto" else options.model
    recipe_name = (written or "small") if options.recipe == "auto" else options.recipe
    return RecipeChoice(str(model), "paper" if recipe_name == "paper" else "small")


def _middle_class(labels: np.ndarray) -> float:
    """Median of the clips of the classes that occur."""
    clips = np.bincount(labels)
    return float(np.median(clips[clips > 0]))
