"""Presets: settings that ncf brings along for the data sets that it knows by name, one small file each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Literal, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from flows.prepare.settings import DataSettings
from flows.retrain.settings import RetrainSettings
from flows.tracking.tracking import Tracker
from flows.tracking.tuned_settings import SETTINGS, TUNED_BY, Tuning, find_tunings
from ncf.content import flatten
from ncf.errors import ConfigError
from ncf.ingest.config import MovieLensSource
from tuning.observer import Recipe
from tuning.space import RECIPES, ModelName, with_values

FOLDER = "presets"


class Preset(BaseModel):
    """The file presets/DATASET.json, written by `python -m benchmarks.presets`.

    Attributes:
        dataset: which data set.
        found_by: where the settings come from, in words.
        measured: day and machine.
        validation: NDCG@10 of full ranking on the validation holdout, by model, in the search.
        recipes: the whole settings, by model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    dataset: str
    found_by: str
    measured: str
    validation: dict[ModelName, float]
    recipes: dict[ModelName, dict[str, JsonValue]] = Field(min_length=1)

    def said(self) -> str:
        """One sentence about where the settings come from."""
        return f"Settings of the preset {self.dataset}."

    def recipe(self, model: ModelName) -> Recipe:
        """The settings of a model, which must have some."""
        return RECIPES[model].model_validate(self.recipes[model])


def preset_for(settings: DataSettings) -> Preset | None:
    """The preset of the MovieLens data set that these settings name; None for any other log, whatever its name."""
    source = settings.log_source
    if not isinstance(source, MovieLensSource) or source.name != settings.dataset:
        return None
    file = resources.files("flows.retrain") / FOLDER / f"{settings.dataset}.json"
    return Preset.model_validate_json(file.read_text(encoding="utf-8")) if file.is_file() else None


def preset_recipe(preset: Preset | None, model: ModelName) -> Recipe | None:
    """The preset's settings of a model, if there are any."""
    return preset.recipe(model) if preset is not None and model in preset.recipes else None


Origin: TypeAlias = Literal["tuned", "preset", "defaults"]


@dataclass(frozen=True)
class Chosen:
    """The settings of a retraining with the tuned ones, or the preset's, in their places.

    Attributes:
        settings: to retrain with.
        origins: where each model's settings come from.
        tuned_by: the tuning's MLflow run, by model.
        said: one sentence about it; empty for the defaults.
    """

    settings: RetrainSettings
    origins: Mapping[ModelName, Origin] = field(default_factory=dict)
    tuned_by: Mapping[ModelName, str] = field(default_factory=dict)
    said: str = ""

    def tags(self) -> dict[str, str]:
        """For the MLflow run."""
        named = [origin for origin in ("tuned", "preset") if origin in self.origins.values()]
        return {SETTINGS: named[0] if named else "defaults", **self._tag(self.tuned_by)}

    def tags_of(self, model: str) -> dict[str, str]:
        """For the MLflow run of one model."""
        mine = {name: run for name, run in self.tuned_by.items() if name == model}
        return {SETTINGS: self.origins.get(cast(ModelName, model), "defaults"), **self._tag(mine)}

    @staticmethod
    def _tag(tuned_by: Mapping[ModelName, str]) -> dict[str, str]:
        return {TUNED_BY: ", ".join(f"{model} {run}" for model, run in tuned_by.items())} if tuned_by else {}


def choose_settings(settings: RetrainSettings) -> Chosen:
    """Put the settings that the retraining asks for into their places.

    Raises:
        ConfigError: it asks for tuned ones, and nothing was ever tuned on this data set.
        TrackingError: the files of a tuning are gone.
    """
    if settings.settings == "defaults":
        return Chosen(settings)
    found: Mapping[ModelName, Tuning] = {}
    if settings.settings == "tuned":
        found = find_tunings(Tracker(settings.dataset))
        if not found:
            raise ConfigError(
                f"there are no tuned settings of {settings.dataset}: no tuning of it is finished",
                do=f"tune first: python -m flows.tune --dataset {settings.dataset}; or leave out --settings tuned",
            )
    return with_found(settings, found, preset_for(settings))


def with_found(settings: RetrainSettings, found: Mapping[ModelName, Tuning], preset: Preset | None = None) -> Chosen:
    """Put tuned settings into their places, and the preset's where nothing was tuned; what was given goes before both.

    neumf-pretrained takes tuned ones only if its GMF and MLP are those that it was tuned with.
    """
    gmf = preferred(settings.gmf, _found(found.get("gmf"), preset, "gmf"))
    mlp = preferred(settings.mlp, _found(found.get("mlp"), preset, "mlp"))
    neumf = preferred(settings.neumf, _found(found.get("neumf"), preset, "neumf"))
    usable, why = dict(found), {model: "never tuned on this data set" for model in RECIPES if model not in found}
    if "neumf-pretrained" in found and found["neumf-pretrained"].parts() != (gmf, mlp):
        del usable["neumf-pretrained"]
        why["neumf-pretrained"] = "tuned with another GMF or MLP than those of this retraining"
    pretrained = preferred(
        settings.neumf_pretrained, _found(usable.get("neumf-pretrained"), preset, "neumf-pretrained")
    )
    recipes = {"gmf": gmf, "mlp": mlp, "neumf": neumf, "neumf_pretrained": pretrained}
    chosen = settings.model_copy(update=recipes)
    tuned_by = {model: tuning.run_id for model, tuning in usable.items()}
    origins = {model: _origin(model, usable, preset) for model in RECIPES}
    said = _say(tuned_by, why, preset) if found else preset.said() if preset is not None else ""
    return Chosen(_checked(chosen), origins, tuned_by, said)


def _found(tuning: Tuning | None, preset: Preset | None, model: ModelName) -> Recipe | None:
    return tuning.recipe() if tuning is not None else preset_recipe(preset, model)


def _origin(model: ModelName, tunings: Mapping[ModelName, Tuning], preset: Preset | None) -> Origin:
    if model in tunings:
        return "tuned"
    return "preset" if preset is not None and model in preset.recipes else "defaults"


def given_values(recipe: Recipe) -> dict[str, Any]:
    """The settings of a recipe that the user gave, by dotted name.

    A form gives every value: where all are given, those that are the defaults count as not given.
    """
    given = flatten(recipe.model_dump(exclude_unset=True))
    defaults = flatten(type(recipe)().model_dump())
    if given.keys() != defaults.keys():
        return given
    return {name: value for name, value in given.items() if value != defaults[name]}


def preferred(given: Recipe, found: Recipe | None) -> Recipe:
    """The settings found, if there are any, with what was given explicitly in their place."""
    try:
        return given if found is None else with_values(found, given_values(given))
    except ConfigError as error:
        raise ConfigError(
            f"what is given does not go with the settings found for the rest: {error}",
            do="give the others too, or take the defaults for the rest: --settings defaults",
        ) from error


def _checked(settings: RetrainSettings) -> RetrainSettings:
    try:
        return RetrainSettings.model_validate(settings.model_dump())
    except ValidationError as error:
        problem = error.errors()[0]
        raise ConfigError(
            f"the tuned settings do not go with the others: {'.'.join(map(str, problem['loc']))}: {problem['msg']}",
            do="tune again with the same data settings, or give this one explicitly",
        ) from error


def _say(tuned_by: Mapping[ModelName, str], why: Mapping[ModelName, str], preset: Preset | None) -> str:
    tuned = ", ".join(f"{model} (MLflow run {run})" for model, run in tuned_by.items()) or "none"
    rest = "".join(f"; not {model}, {reason}" for model, reason in why.items())
    instead = f"; for these {preset.said()[0].lower()}{preset.said()[1:]}" if why and preset is not None else "."
    return f"Tuned settings: {tuned}{rest}{instead}"
