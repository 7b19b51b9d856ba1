"""Presets: settings that ncf brings along for the data sets that it knows by name, one small file each."""

from importlib import resources

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from flows.settings import DataSettings
from ncf.data.sources.config import MovieLensSource
from tuning.observer import Recipe
from tuning.space import RECIPES, ModelName

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
    file = resources.files("flows") / FOLDER / f"{settings.dataset}.json"
    return Preset.model_validate_json(file.read_text(encoding="utf-8")) if file.is_file() else None


def preset_recipe(preset: Preset | None, model: ModelName) -> Recipe | None:
    """The preset's settings of a model, if there are any."""
    return preset.recipe(model) if preset is not None and model in preset.recipes else None
