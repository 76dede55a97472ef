from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from heatpool.classify.hpnet.recipe import SMALL, HPNetRecipe
from heatpool.classify.training.recipe import DEMO, HEADS, Recipe, modern_names, read_recipe, recipe_with
from heatpool.pool.errors import HeatpoolError


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"weight_decay": 0, "width": 32}, {"weight_decay": 0.0, "width": 32}),
        ({"weight_decay": "1e-4", "epochs": "7"}, {"weight_decay": 1e-4, "epochs": 7}),
        ({"milestones": [30, 50]}, {"milestones": (30, 50)}),
        ({"milestones": "30,50"}, {"milestones": (30, 50)}),
        ({"layers": [[1, 1], [2, 2]]}, {"layers": ((1, 1), (2, 2))}),
        ({"layers": "[[1, 1], [2, 2]]"}, {"layers": ((1, 1), (2, 2))}),
        ({"normalise": "false", "optimizer": "adamw"}, {"normalise": False, "optimizer": "adamw"}),
    ],
)
def test_every_field_can_be_changed_by_name(given: dict[str, object], expected: dict[str, object]) -> None:
    found = recipe_with(DEMO, given)
    assert found == replace(DEMO, **expected)  # type: ignore[arg-type]
    assert {name: type(getattr(found, name)) for name in expected} == {
        name: type(value) for name, value in expected.items()
    }


def test_milestones_move_along_with_the_epochs_unless_they_are_given() -> None:
    assert recipe_with(Recipe(), {"epochs": 130}).milestones == (70, 110)
    assert recipe_with(Recipe(), {"epochs": 13, "seed": 1}).milestones == (7, 11)
    assert recipe_with(Recipe(), {"epochs": 13, "milestones": (9,)}).milestones == (9,)
    assert [recipe_with(Recipe(), {"epochs": n}).warmup_epochs for n in (5, 13, 130)] == [1, 1, 5]
    assert recipe_with(Recipe(), {"epochs": 5, "warmup_epochs": 2}).warmup_epochs == 2
    assert recipe_with(DEMO, {"epochs": 72}).milestones == DEMO.milestones  # a cosine has none
    written = asdict(replace(Recipe(), epochs=13))  # by an older build: as it was trained
    assert read_recipe(Recipe(), written).milestones == (35, 55)


def test_a_recipe_inside_a_recipe_is_reached_by_the_same_names() -> None:
    found = recipe_with(HPNetRecipe(), {"dropout": 0.3, "mixup": 0, "betas": [0.9, 0.95]})
    assert (found.shared.dropout, found.mixup, found.betas) == (0.3, 0.0, (0.9, 0.95))
    assert found.shared.epochs == 30


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"weigth_decay": 1},
            r"^expected a field of the recipe, got 'weigth_decay'; did you mean weight_decay\?$",
        ),
        ({"zzz": 1}, "got 'zzz'; there are stream, model, "),
        ({"width": "wide"}, "^recipe: expected width to be a value such as 64, got 'wide'$"),
        ({"width": 8.5}, "expected width"),
        ({"width": True}, "expected width"),
        ({"normalise": 1}, "expected normalise to be a value such as True, got 1"),
        ({"optimizer": "adam"}, "expected optimizer to be one of sgd, adamw, got 'adam'"),
        ({"milestones": 3}, r"expected milestones to be a value such as \(35, 55\), got 3"),
        ({"p_interval": [0.5]}, "expected p_interval"),
        ({"batch_size": 1}, "recipe: batch_size must be at least 2"),
        ({"window": 2**70}, "recipe: window must be at most 10,000"),
    ],
)
def test_what_makes_no_sense_is_one_line(given: dict[str, object], said: str) -> None:
    with pytest.raises(HeatpoolError, match=said) as error:
        recipe_with(Recipe(), given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("recipe", [Recipe(), DEMO, *HEADS.values(), HPNetRecipe(), SMALL])
def test_recipes_come_back_from_json_of_this_build_and_older_ones(recipe: Recipe | HPNetRecipe) -> None:
    plain = json.dumps(asdict(recipe))
    base = type(recipe)()
    assert read_recipe(base, json.loads(plain)) == recipe
    older = plain.replace('"batch_size"', '"batch"').replace('"learning_rate"', '"lr"')
    assert older != plain
    assert read_recipe(base, json.loads(older)) == recipe
    assert modern_names(json.loads(older)) == json.loads(plain)
