"""Settings that a data set brings along, and where they give way."""

import re
from importlib import resources
from typing import Any

import pytest

from flows.retrain.resolve_settings import FOLDER, Preset, fill_in, preset_for, resolve_settings
from flows.retrain.settings import RetrainSettings
from flows.tune.settings import TuneSettings
from ncf.config import RECIPES, GMFRecipe, MLPRecipe
from ncf.errors import ConfigError
from ncf.ingest.config import MOVIELENS
from tests.flows.tune.tunings import GMF, tuning

FILES = sorted(
    path.name for path in (resources.files("flows.retrain") / FOLDER).iterdir() if path.name.endswith(".json")
)
PRESET = Preset(
    dataset="ml-100k",
    found_by="by hand",
    measured="today",
    validation={"gmf": 0.1},
    recipes={"gmf": {"model": {"embedding_dim": 48}}, "mlp": {"training": {"num_negatives": 5}}},
)


@pytest.mark.parametrize("name", FILES)
def test_every_preset_can_be_read_and_is_of_a_data_set_known_by_name(name: str) -> None:
    preset = preset_for(RetrainSettings.model_validate({"dataset": name.removesuffix(".json")}))
    assert preset is not None
    assert preset.dataset in MOVIELENS and preset.recipes.keys() == RECIPES.keys() == preset.validation.keys()
    for model in preset.recipes:
        assert preset.recipe(model).training.validate_by == "full"


def test_the_help_names_the_data_sets_that_have_a_preset() -> None:
    for help_text in (
        RetrainSettings.model_fields["settings"].description,
        TuneSettings.model_fields["start"].description,
    ):
        assert help_text is not None
        assert sorted(re.findall(r"ml-\d+[km]", help_text)) == [name.removesuffix(".json") for name in FILES]


def test_another_log_of_the_same_name_has_no_preset() -> None:
    own: dict[str, Any] = {"dataset": "ml-100k", "source": {"kind": "files", "path": "plays.csv"}}
    assert preset_for(RetrainSettings.model_validate(own)) is None
    assert preset_for(RetrainSettings.model_validate({"dataset": "ml-20m"})) is None


def test_the_preset_fills_what_is_not_given() -> None:
    given = RetrainSettings.model_validate({"gmf": {"training": {"learning_rate": 0.003}}})
    chosen = fill_in(given, {}, PRESET)
    assert chosen.settings.gmf == GMFRecipe.model_validate(
        {"model": {"embedding_dim": 48}, "training": {"learning_rate": 0.003}}
    )
    assert chosen.settings.mlp == MLPRecipe.model_validate({"training": {"num_negatives": 5}})
    assert chosen.settings.neumf == RetrainSettings().neumf
    assert chosen.tags() == {"ncf.settings": "preset"}
    assert (chosen.tags_of("gmf"), chosen.tags_of("neumf")) == (
        {"ncf.settings": "preset"},
        {"ncf.settings": "defaults"},
    )
    assert chosen.summary == "Settings of the preset ml-100k."


def test_what_was_tuned_here_goes_before_the_preset() -> None:
    chosen = fill_in(RetrainSettings(settings="tuned"), {"gmf": tuning("gmf", GMF)}, PRESET)
    assert chosen.settings.gmf.model.embedding_dim == 8
    assert chosen.settings.mlp.training.num_negatives == 5
    assert chosen.tags()["ncf.settings"] == "tuned"
    assert [chosen.origins[model] for model in ("gmf", "mlp", "neumf")] == ["tuned", "preset", "defaults"]
    assert chosen.summary.endswith("for these settings of the preset ml-100k.")


def test_defaults_are_the_defaults() -> None:
    chosen = resolve_settings(RetrainSettings(settings="defaults"))
    assert chosen.settings.gmf == GMFRecipe() and chosen.tags() == {"ncf.settings": "defaults"}


def test_what_does_not_go_with_the_preset_is_refused_with_the_way_out() -> None:
    all_pairs = PRESET.model_copy(update={"recipes": {"gmf": {"training": {"negatives": "all"}}}})
    given = RetrainSettings.model_validate({"gmf": {"training": {"loss": "bpr"}}})
    with pytest.raises(ConfigError, match="bpr needs drawn negatives.*--settings defaults"):
        fill_in(given, {}, all_pairs)
