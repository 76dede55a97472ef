from __future__ import annotations

from dataclasses import fields, replace

from heatpool.classify.hpnet.recipe import HPNetRecipe
from heatpool.classify.training.recipe import Recipe
from heatpool.pipelines.options import TrainOptions
from heatpool.pipelines.options.fields import option_table
from heatpool.pipelines.options.recipe import HPNetRecipeOptions, RecipeOptions

CHOSEN = {"stream", "model", "seed", "device"}
"""Keys of a recipe that options of their own decide, and `rgb`, `image`, `text` of HP-Net."""


def names(kind: type) -> set[str]:
    return {field.name for field in fields(kind)}


def test_every_key_of_a_recipe_is_an_option() -> None:
    assert names(RecipeOptions) == names(Recipe) - CHOSEN
    assert names(HPNetRecipeOptions) == names(HPNetRecipe) - {"shared", "rgb", "image", "text"}


def test_only_what_is_given_changes_a_recipe() -> None:
    options = TrainOptions(weight_decay=0.0, milestones=(1, 2), normalise=False)
    assert options.recipe_changes == {"weight_decay": 0.0, "milestones": (1, 2), "normalise": False}
    assert replace(Recipe(), **options.recipe_changes).weight_decay == 0
    assert TrainOptions(model="hpnet", grey=0.5).hpnet_changes == {"grey": 0.5}


def test_choices_of_the_recipe_are_those_of_the_options() -> None:
    table = option_table(RecipeOptions)
    for name in ("optimizer", "schedule", "dtype", "graph"):
        for value in table[name].choices:
            replace(Recipe(), **{name: value})  # refuses what it does not know
        assert len(table[name].choices) >= 2
