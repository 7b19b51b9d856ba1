from typing import Any, get_args

import pytest

from ncf.config import RECIPES, GMFRecipe, GMFTraining, MLPRecipe, ModelName, NeuMFRecipe, PretrainedRecipe, Recipe
from ncf.errors import ConfigError
from tuning.ranges import Choices, FloatRange, IntRange, Range, limits_of, nearest
from tuning.space import SPACES, check_space, space_of, values_of, with_values

MODELS: tuple[ModelName, ...] = get_args(ModelName)
RATE = "training.learning_rate"


@pytest.mark.parametrize("model", MODELS)
def test_the_default_space_fits_the_model_and_has_its_defaults_in_it(model: ModelName) -> None:
    recipe, space = RECIPES[model](), space_of(model)
    check_space(model, recipe, space)
    defaults = values_of(recipe, space)
    assert {name: nearest(space[name], value) for name, value in defaults.items()} == defaults
    assert with_values(recipe, defaults) == recipe


@pytest.mark.parametrize("model", MODELS)
def test_every_default_range_says_why(model: ModelName) -> None:
    assert all(len(searched.because) > 20 for searched in SPACES[model])


@pytest.mark.parametrize("model", MODELS)
def test_every_value_at_an_end_gives_a_recipe(model: ModelName) -> None:
    for name, range_ in space_of(model).items():
        for value in limits_of(range_):
            changed = with_values(RECIPES[model](), {name: value})
            assert values_of(changed, {name: range_}) == {name: value}


def test_a_range_is_replaced_added_and_left_out() -> None:
    space = space_of(
        "gmf",
        {
            RATE: FloatRange(low=0.01, high=0.02),
            "training.patience": IntRange(low=2, high=9),
            "training.schedule": None,
        },
    )
    assert space[RATE] == FloatRange(low=0.01, high=0.02)
    assert space["training.patience"] == IntRange(low=2, high=9)
    assert "training.schedule" not in space
    assert "training.embedding_l2" in space


def test_whole_numbers_for_a_setting_with_fractions_mean_all_between_them() -> None:
    space = space_of(
        "neumf-pretrained", {"alpha": IntRange(low=0, high=1), "training.gradient_clip": IntRange(low=1, high=9)}
    )
    assert space["alpha"] == FloatRange(low=0, high=1)
    assert space["training.gradient_clip"] == FloatRange(low=1, high=9)
    assert space["training.num_negatives"] == IntRange(low=1, high=10)


def test_leaving_out_what_is_not_searched_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(
        ConfigError, match=r"training.learnig_rate is not searched .* nearest name is training.learning_"
    ):
        space_of("gmf", {"training.learnig_rate": None})


def test_nothing_to_search_is_refused() -> None:
    everything: dict[str, Range | None] = dict.fromkeys((searched.name for searched in SPACES["gmf"]), None)
    with pytest.raises(ConfigError, match="no setting of gmf is searched"):
        space_of("gmf", everything)
    with pytest.raises(ConfigError, match="no setting of gmf is searched"):
        check_space("gmf", GMFRecipe(), {})


def test_an_unknown_setting_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="gmf has no setting training.droput.*the nearest name is training"):
        check_space("gmf", GMFRecipe(), {"training.droput": FloatRange(low=0, high=0.5)})
    with pytest.raises(ConfigError, match="gmf has no setting training;"):
        check_space("gmf", GMFRecipe(), {"training": Choices(choices=("a", "b"))})


@pytest.mark.parametrize(
    ("recipe", "name", "range_", "value", "limit"),
    [
        (MLPRecipe(), "model.dropout", FloatRange(low=0.0, high=1.5), "1.5", "less than 1"),
        (GMFRecipe(), "model.embedding_dim", IntRange(low=0, high=8), "0", "greater than or equal to 1"),
        (GMFRecipe(), "model.embedding_dim", FloatRange(low=8.5, high=16.0), "8.5", "valid integer"),
        (GMFRecipe(), "training.optimizer", Choices(choices=("adam", "lion")), "'lion'", "'adam', 'adamw' or 'sgd'"),
        (MLPRecipe(), "model.layers", Choices(choices=((16, 8), (15, 8))), r"\[15, 8\]", "must be even"),
        (MLPRecipe(), "model.layers", Choices(choices=((16, 8), (16,))), r"\[16\]", "at least 2"),
        (NeuMFRecipe(), "training.max_epochs", IntRange(low=-10, high=10), "-10", "greater than or equal to 0"),
        (PretrainedRecipe(), "alpha", FloatRange(low=-0.5, high=0.5), "-0.5", "greater than or equal to 0"),
    ],
)
def test_a_range_outside_of_a_settings_limits_is_refused(
    recipe: Recipe, name: str, range_: Range, value: str, limit: str
) -> None:
    model = next(model for model, kind in RECIPES.items() if isinstance(recipe, kind))
    with pytest.raises(ConfigError, match=f"the range of {name} .*: {value}; allowed: .*{limit}"):
        check_space(model, recipe, {name: range_})


def test_a_value_that_needs_certain_others_passes_if_these_are_searched_too() -> None:
    weight: dict[str, Range] = {"training.unobserved_weight": FloatRange(low=0.1, high=1.0)}
    with pytest.raises(ConfigError, match="unobserved_weight is only for negatives all"):
        check_space("gmf", GMFRecipe(), weight)
    check_space("gmf", GMFRecipe(), {**weight, "training.negatives": Choices(choices=("uniform", "all"))})


def test_the_range_that_is_wrong_is_told_and_not_one_whose_name_its_name_begins_with() -> None:
    recipe = GMFRecipe(training=GMFTraining(negatives="all", unobserved_weight=0.1))
    space: dict[str, Range] = {
        "training.negatives": Choices(choices=("all", "uniform")),
        "training.negatives_beta": FloatRange(low=0.0, high=20.0),
        "training.unobserved_weight": Choices(choices=(0.1, None)),
    }
    with pytest.raises(ConfigError, match=r"the range of training\.negatives_beta has an invalid value: 20\.0"):
        check_space("gmf", recipe, space)


@pytest.mark.parametrize("name", ["training.validate_by", "model.kind"])
def test_what_decides_the_measure_or_the_model_is_not_searched(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} can't be searched"):
        check_space("gmf", GMFRecipe(), {name: Choices(choices=("full", "sampled"))})


def test_with_values_changes_these_alone() -> None:
    recipe = MLPRecipe()
    changed = with_values(recipe, {RATE: 0.01, "model.layers": (16, 8)})
    assert isinstance(changed, MLPRecipe)
    assert changed.model.layers == (16, 8)
    assert changed.training == recipe.training.model_copy(update={"learning_rate": 0.01})
    assert recipe == MLPRecipe()


def test_values_that_do_not_go_together_are_refused_with_the_reason() -> None:
    values: dict[str, Any] = {"training.negatives": "all", "training.loss": "bpr"}
    with pytest.raises(ConfigError, match="bpr needs drawn negatives"):
        with_values(GMFRecipe(), values)
