"""The tuned settings of a data set: kept with a tuning, and found again by a retraining that asks for them."""

from dataclasses import dataclass
from typing import cast

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from flows.tracking.tracker import Tracker
from ncf.config import RECIPES, GMFRecipe, MLPRecipe, ModelName, Recipe
from ncf.errors import ConfigError

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
        tried: their values in the trials: of numbers the smallest and the largest, of others every one.
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
    tried: dict[str, list[JsonValue]] = {}
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
                do=f"tune {self.tuned.model} on {self.tuned.dataset} again",
            ) from error


def find_tunings(tracker: Tracker) -> dict[ModelName, Tuning]:
    """The newest finished tuning of each model, on this data set."""
    found = {}
    for model in RECIPES:
        run = tracker.newest_tuning(model)
        if run is not None:
            run_id = str(run.info.run_id)
            found[model] = Tuning(run_id, Tuned.model_validate(tracker.files.read_json(run_id, TUNED)))
    return found
