"""The tuned settings of a data set: kept with a tuning, and found again by a retraining that asks for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from flows.settings import RetrainSettings
from flows.tracking import Tracker
from ncf.config import GMFRecipe, MLPRecipe, NeuMFRecipe, PretrainedRecipe
from ncf.content import flatten
from ncf.errors import ConfigError
from tuning.observer import Recipe
from tuning.space import RECIPES, ModelName, with_values

R = TypeVar("R", GMFRecipe, MLPRecipe, NeuMFRecipe, PretrainedRecipe)

TUNED = "tuned.json"
SETTINGS, TUNED_BY = "ncf.settings", "ncf.tuned_by"


class Gain(BaseModel):
    """NDCG@10 of full ranking on the validation holdout, tuned less base: mean over users, 95 % interval."""

    model_config = ConfigDict(frozen=True)
    mean: float
    low: float
    high: float


class Tuned(BaseModel):
    """What a tuning found, and how: the file tuned.json of its MLflow run.

    Attributes:
        model: the model's name.
        recipe: the settings to use: the winner's if it is believed, else those that the tuning began with.
        winner: the best trial's settings.
        base: those that the tuning began with.
        searched: names of the settings that were searched.
        parts: the settings of the GMF and the MLP that neumf-pretrained was tuned with.
        believed: whether the winner, trained again with other seeds, is better than the base.
        study, storage: the Optuna study and its database, without its password.
        fingerprint: of the data.
        seed: of the search.
        confirm_seeds: of the trainings that compare winner and base.
        score, base_score: best validation NDCG@10 in the search.
        winner_mean, base_mean: the same, mean over the confirming seeds.
        trials: ended trials by state.
    """

    model_config = ConfigDict(frozen=True)
    model: ModelName
    dataset: str
    recipe: dict[str, JsonValue]
    winner: dict[str, JsonValue]
    base: dict[str, JsonValue]
    searched: list[str]
    parts: dict[str, JsonValue] | None = None
    believed: bool
    gain: Gain
    winner_mean: float
    base_mean: float
    score: float
    base_score: float | None
    trial: int
    trials: dict[str, int]
    seed: int
    confirm_seeds: list[int]
    study: str
    storage: str
    fingerprint: str
    ncf_version: str
    commit: str | None
    date: str


@dataclass(frozen=True)
class Tuning:
    """A finished tuning: its MLflow run and what it found."""

    run_id: str
    tuned: Tuned

    def recipe(self) -> Recipe:
        """The settings to use.

        Raises:
            ConfigError: this version has other settings than the one that tuned.
        """
        return self._read(self.tuned.recipe, self.tuned.model)

    def parts(self) -> tuple[GMFRecipe, MLPRecipe] | None:
        """What neumf-pretrained was tuned with."""
        parts = self.tuned.parts
        if parts is None:
            return None
        gmf, mlp = self._read(parts["gmf"], "gmf"), self._read(parts["mlp"], "mlp")
        return cast(GMFRecipe, gmf), cast(MLPRecipe, mlp)

    def _read(self, values: JsonValue, model: ModelName) -> Recipe:
        try:
            return RECIPES[model].model_validate(values)
        except ValidationError as error:
            raise ConfigError(
                f"the tuned settings of {model} (MLflow run {self.run_id}, ncf {self.tuned.ncf_version}) are not "
                f"settings of this version: {error.errors()[0]['msg']}",
                do=f"tune it again: python -m flows.tune --dataset {self.tuned.dataset} --model {self.tuned.model}",
            ) from error


@dataclass(frozen=True)
class Chosen:
    """The settings of a retraining with the tuned ones in their places.

    Attributes:
        settings: to retrain with.
        tuned_by: the tuning's MLflow run, by model.
        said: one sentence about where the settings come from; empty for the defaults.
    """

    settings: RetrainSettings
    tuned_by: Mapping[ModelName, str] = field(default_factory=dict)
    said: str = ""

    def tags(self) -> dict[str, str]:
        """For the MLflow run."""
        return {SETTINGS: self.settings.settings, **self._tag(self.tuned_by)}

    def tags_of(self, model: str) -> dict[str, str]:
        """For the MLflow run of one model."""
        mine = {name: run for name, run in self.tuned_by.items() if name == model}
        return {SETTINGS: "tuned" if mine else "defaults", **self._tag(mine)}

    @staticmethod
    def _tag(tuned_by: Mapping[ModelName, str]) -> dict[str, str]:
        return {TUNED_BY: ", ".join(f"{model} {run}" for model, run in tuned_by.items())} if tuned_by else {}


def choose_settings(settings: RetrainSettings) -> Chosen:
    """Put the tuned settings into their places, if the retraining asks for them.

    Raises:
        ConfigError: it does, and nothing was ever tuned on this data set.
        TrackingError: the files of a tuning are gone.
    """
    if settings.settings == "defaults":
        return Chosen(settings)
    found = find_tunings(Tracker(settings.dataset))
    if not found:
        raise ConfigError(
            f"there are no tuned settings of {settings.dataset}: no tuning of it is finished",
            do=f"tune first: python -m flows.tune --dataset {settings.dataset}; or leave out --settings tuned",
        )
    return with_tunings(settings, found)


def find_tunings(tracker: Tracker) -> dict[ModelName, Tuning]:
    """The newest finished tuning of each model, on this data set."""
    found = {}
    for model in RECIPES:
        run = tracker.newest_tuning(model)
        if run is not None:
            run_id = str(run.info.run_id)
            found[model] = Tuning(run_id, Tuned.model_validate(tracker.artifacts.read_json(run_id, TUNED)))
    return found


def with_tunings(settings: RetrainSettings, found: Mapping[ModelName, Tuning]) -> Chosen:
    """Put tuned settings into their places; what was given explicitly goes before them.

    neumf-pretrained takes its own only if its GMF and MLP are those that it was tuned with.
    """
    gmf = preferred(settings.gmf, found.get("gmf"))
    mlp = preferred(settings.mlp, found.get("mlp"))
    neumf = preferred(settings.neumf, found.get("neumf"))
    usable, why = dict(found), {model: "never tuned on this data set" for model in RECIPES if model not in found}
    if "neumf-pretrained" in found and found["neumf-pretrained"].parts() != (gmf, mlp):
        del usable["neumf-pretrained"]
        why["neumf-pretrained"] = "tuned with another GMF or MLP than those of this retraining"
    pretrained = preferred(settings.neumf_pretrained, usable.get("neumf-pretrained"))
    recipes = {"gmf": gmf, "mlp": mlp, "neumf": neumf, "neumf_pretrained": pretrained}
    chosen = settings.model_copy(update=recipes)
    tuned_by = {model: tuning.run_id for model, tuning in usable.items()}
    return Chosen(_checked(chosen), tuned_by, _say(tuned_by, why))


def given_values(recipe: Recipe) -> dict[str, Any]:
    """The settings of a recipe that the user gave, by dotted name.

    A form gives every value: where all are given, those that are the defaults count as not given.
    """
    given = flatten(recipe.model_dump(exclude_unset=True))
    defaults = flatten(type(recipe)().model_dump())
    if given.keys() != defaults.keys():
        return given
    return {name: value for name, value in given.items() if value != defaults[name]}


def preferred(given: R, tuning: Tuning | None) -> R:
    """The tuned settings, if there are any, with what was given explicitly in its place."""
    return given if tuning is None else cast(R, with_values(tuning.recipe(), given_values(given)))


def _checked(settings: RetrainSettings) -> RetrainSettings:
    try:
        return RetrainSettings.model_validate(settings.model_dump())
    except ValidationError as error:
        problem = error.errors()[0]
        raise ConfigError(
            f"the tuned settings do not go with the others: {'.'.join(map(str, problem['loc']))}: {problem['msg']}",
            do="tune again with the same data settings, or give this one explicitly",
        ) from error


def _say(tuned_by: Mapping[ModelName, str], why: Mapping[ModelName, str]) -> str:
    tuned = ", ".join(f"{model} (MLflow run {run})" for model, run in tuned_by.items()) or "none"
    rest = "".join(f"; not {model}, {reason}" for model, reason in why.items())
    return f"Tuned settings: {tuned}{rest}."
