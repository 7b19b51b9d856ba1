"""The settings of a training: given by the user, else tuned, of a preset, or the defaults; and their check."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Literal, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from flows.cli.checks import RETRIES, check_cache, check_folder
from flows.cli.next_command import command, given_values
from flows.prepare.settings import DataSettings
from flows.retrain.settings import ModelSettings, RetrainSettings
from flows.tracking import SETTINGS, TUNED_BY
from flows.tracking.locations import sqlite_folder
from flows.tracking.store import check_tracking, tracking_uri
from flows.tracking.tracker import Tracker
from flows.tracking.tuned_settings import Tuning, find_tunings
from ncf.config import RECIPES, ModelName, Recipe
from ncf.errors import ConfigError
from ncf.ingest.config import MovieLensSource
from ncf.ingest.load import check_source
from ncf.training.devices import check_hardware
from tuning.space import with_values

FOLDER = "presets"


class Preset(BaseModel):
    """Settings for a well-known data set: the file presets/DATASET.json, written by `python -m benchmarks.presets`.

    Attributes:
        dataset: the data set's name.
        found_by: where the settings come from, in words.
        measured: day and machine of the search.
        validation: NDCG@10 of full ranking on the validation holdout in the search, by model.
        recipes: all settings of a model, by model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    dataset: str
    found_by: str
    measured: str
    validation: dict[ModelName, float]
    recipes: dict[ModelName, dict[str, JsonValue]] = Field(min_length=1)

    def recipe(self, model: ModelName) -> Recipe:
        """The settings of a model of the preset."""
        return RECIPES[model].model_validate(self.recipes[model])


def preset_for(settings: DataSettings) -> Preset | None:
    """The preset of the MovieLens data set that these settings name; None for any other log, whatever its name."""
    source = settings.log_source
    if not isinstance(source, MovieLensSource) or source.name != settings.dataset:
        return None
    file = resources.files("flows.retrain") / FOLDER / f"{settings.dataset}.json"
    return Preset.model_validate_json(file.read_text(encoding="utf-8")) if file.is_file() else None


def preset_recipe(preset: Preset | None, model: ModelName) -> Recipe | None:
    """The preset's settings of a model, or None."""
    return preset.recipe(model) if preset is not None and model in preset.recipes else None


Origin: TypeAlias = Literal["tuned", "preset", "defaults"]


@dataclass(frozen=True)
class ResolvedSettings:
    """The settings of a retraining with tuned settings or a preset filled in.

    Attributes:
        settings: to retrain with.
        given: as the user gave them.
        origins: where each model's settings come from.
        tuned_by: the tuning's MLflow run, by model.
        summary: a sentence about where the settings come from; empty for the defaults.
    """

    settings: RetrainSettings
    given: RetrainSettings
    origins: Mapping[ModelName, Origin] = field(default_factory=dict)
    tuned_by: Mapping[ModelName, str] = field(default_factory=dict)
    summary: str = ""

    def tags(self) -> dict[str, str]:
        """Tags of the retraining's MLflow run."""
        named = [origin for origin in ("tuned", "preset") if origin in self.origins.values()]
        return {SETTINGS: named[0] if named else "defaults", **self._tag(self.tuned_by)}

    def tags_of(self, model: str) -> dict[str, str]:
        """Tags of a model's MLflow run."""
        tuned_by = {name: run for name, run in self.tuned_by.items() if name == model}
        return {SETTINGS: self.origins.get(cast(ModelName, model), "defaults"), **self._tag(tuned_by)}

    @staticmethod
    def _tag(tuned_by: Mapping[ModelName, str]) -> dict[str, str]:
        return {TUNED_BY: ", ".join(f"{model} {run}" for model, run in tuned_by.items())} if tuned_by else {}


def resolve_settings(settings: RetrainSettings) -> ResolvedSettings:
    """Fill in tuned settings or a preset, as `settings.settings` says.

    Raises:
        ConfigError: tuned settings are wanted, and no tuning of this data set is finished.
        TrackingError: the files of a tuning are missing.
    """
    if settings.settings == "defaults":
        return ResolvedSettings(settings, settings)
    found: Mapping[ModelName, Tuning] = {}
    if settings.settings == "tuned":
        found = find_tunings(Tracker(settings.dataset))
        if not found:
            raise ConfigError(
                f"there are no tuned settings of {settings.dataset}: no tuning of it is finished",
                do=f"tune first: {command('tune', DataSettings.of(settings), {})}; or leave out --settings tuned",
            )
    return fill_in(settings, found, preset_for(settings))


def fill_in(
    settings: RetrainSettings, found: Mapping[ModelName, Tuning], preset: Preset | None = None
) -> ResolvedSettings:
    """Fill in tuned settings, and the preset where a model was never tuned; what the user gave takes precedence.

    neumf-pretrained takes tuned settings only if its GMF and MLP are those that it was tuned with.
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
    filled = settings.model_copy(update=recipes)
    tuned_by = {model: tuning.run_id for model, tuning in usable.items()}
    origins = {model: _origin(model, usable, preset) for model in RECIPES}
    summary = f"Settings of the preset {preset.dataset}." if preset is not None else ""
    if found:
        summary = _summarize(tuned_by, why, summary)
    return ResolvedSettings(_validate(filled), settings, origins, tuned_by, summary)


def _found(tuning: Tuning | None, preset: Preset | None, model: ModelName) -> Recipe | None:
    return tuning.recipe() if tuning is not None else preset_recipe(preset, model)


def _origin(model: ModelName, tunings: Mapping[ModelName, Tuning], preset: Preset | None) -> Origin:
    if model in tunings:
        return "tuned"
    return "preset" if preset is not None and model in preset.recipes else "defaults"


def preferred(given: Recipe, found: Recipe | None) -> Recipe:
    """The settings found, if there are any, with those that the user gave explicitly."""
    try:
        return given if found is None else with_values(found, given_values(given))
    except ConfigError as error:
        raise ConfigError(
            f"the given settings don't fit the tuned settings or the preset: {error}",
            do="give the others too, or use the defaults for the rest: --settings defaults",
        ) from error


def _validate(settings: RetrainSettings) -> RetrainSettings:
    try:
        return RetrainSettings.model_validate(settings.model_dump())
    except ValidationError as error:
        problem = error.errors()[0]
        raise ConfigError(
            f"the tuned settings don't fit the others: {'.'.join(map(str, problem['loc']))}: {problem['msg']}",
            do="tune again with the same data settings, or give this one explicitly",
        ) from error


def _summarize(tuned_by: Mapping[ModelName, str], why: Mapping[ModelName, str], preset: str) -> str:
    tuned = ", ".join(f"{model} (MLflow run {run})" for model, run in tuned_by.items()) or "none"
    others = "".join(f"; not {model}, {reason}" for model, reason in why.items())
    instead = f"; for these {preset[0].lower()}{preset[1:]}" if why and preset else "."
    return f"Tuned settings: {tuned}{others}{instead}"


def check_training(settings: ModelSettings, retries: int = RETRIES) -> None:
    """Check that the log can be read, and models trained on it and stored.

    Args:
        settings: of the flow.
        retries: how often an MLflow server that does not answer is asked again.

    Raises:
        ConfigError: the hardware is not there, a folder can't be written, its disk is nearly full, or
            the engine can't read the log.
        DataError: the log is not there, or its columns are not what they should be.
        TrackingError: MLflow does not answer.
    """
    check_source(settings.log_source, settings.engine)
    check_hardware(settings.hardware)
    store = sqlite_folder(tracking_uri())
    if store is not None:
        check_folder(store, "run in a folder that can be written, or set $MLFLOW_TRACKING_URI")
    check_tracking(retries)
    check_cache()
