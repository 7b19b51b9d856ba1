"""From the settings of a tuning to Optuna studies: the space, the first trial, the parts, the database."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import yaml
from pydantic import TypeAdapter, ValidationError

from flows.prepare.flow import secret_url
from flows.registry.models import load_champion
from flows.retrain.resolve_settings import preferred, preset_for, preset_recipe
from flows.tracking.store import tracking_folder
from flows.tracking.tracker import Tracker
from flows.tracking.tuned_settings import Tuning, find_tunings
from flows.tune.settings import CHAIN, Overrides, TuneSettings
from ncf.config import RECIPES, GMFRecipe, MLPRecipe, ModelName, Recipe, content_key
from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError
from ncf.ingest.config import parse_url
from tuning.database import check_database
from tuning.problem import Problem
from tuning.ranges import Range
from tuning.space import check_space, space_of


def check_search(settings: TuneSettings) -> None:
    """Refuse, before any work, a space that is impossible and a database that can't be used.

    Raises:
        ConfigError: a name is unknown, a range is empty or outside of a setting's limits, or more than one device is
            asked for.
        StudyError: the database can't be reached, is locked, or is none of Optuna's.
    """
    if settings.hardware.devices > 1:
        raise ConfigError(
            "a trial is trained on one device; hardware.devices is",
            got=settings.hardware.devices,
            allowed="1",
            do="ask for several workers instead",
        )
    check_database(study_url(settings), settings.storage)
    for model in settings.models():
        recipe = usual_recipe(settings, model)
        check_space(model, recipe, searched(settings, model, recipe))


def searched(settings: TuneSettings, model: ModelName, first: Recipe) -> dict[str, Range]:
    """What is searched of a model whose first trial has these settings: its own ranges, and those given instead."""
    return space_of(model, given_ranges(settings)[model], all_pairs=first.training.negatives == "all")


def given_ranges(settings: TuneSettings) -> dict[ModelName, dict[str, Range | None]]:
    """The ranges that the settings and their file give, by model.

    Raises:
        ConfigError: a name is no model's, or the file can't be read.
    """
    overrides: dict[ModelName, dict[str, Range | None]] = {model: {} for model in CHAIN}
    for name, range_ in {**read_space(settings.space_file), **settings.space}.items():
        prefix, _, path = name.partition(".")
        model = cast(ModelName, prefix.replace("_", "-"))
        if model not in overrides or not path:
            raise ConfigError(
                "a range's name begins with its model's", got=name, allowed=", ".join(f"{known}..." for known in CHAIN)
            )
        overrides[model][path] = range_
    return overrides


def read_space(path: Path | None) -> Overrides:
    """Ranges by name from a YAML or JSON file.

    Raises:
        ConfigError: it can't be read, or is none.
    """
    if path is None:
        return {}
    example = "gmf.training.learning_rate: {low: 0.001, high: 0.01, log: true}"
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
        return TypeAdapter(Overrides).validate_python({} if given is None else given)
    except OSError as error:
        raise ConfigError(f"the file of ranges {path} can't be read", got=error.strerror or str(error)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is neither YAML nor JSON", got=str(error)[:300], allowed=example) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: {place}: {first['msg']}", got=first["input"], allowed=example) from error


def given_recipe(settings: TuneSettings, model: ModelName) -> Recipe:
    """The settings of a model as they were given."""
    return cast(Recipe, getattr(settings, model.replace("-", "_")))


def usual_recipe(settings: TuneSettings, model: ModelName) -> Recipe:
    """What a retraining takes without a tuning: the preset's settings, with what was given explicitly."""
    given = given_recipe(settings, model)
    return given if settings.start == "defaults" else preferred(given, preset_recipe(preset_for(settings), model))


def first_recipe(tracker: Tracker, settings: TuneSettings, model: ModelName) -> Recipe:
    """The first trial: as a retraining has it, or the champion's settings with what was given explicitly."""
    if settings.start != "champion":
        return usual_recipe(settings, model)
    champion = load_champion(tracker, settings.model_name)
    if champion is None or champion.bundle.about["name"] != model:
        return usual_recipe(settings, model)
    try:
        serving = RECIPES[model].model_validate(champion.bundle.about["settings"])
    except ValidationError as error:
        raise ConfigError(
            f"the settings of the champion ({model}) are not settings of this version: {error.errors()[0]['msg']}",
            got=champion.bundle.about["settings"],
            do="search from other settings: --start preset, or --start defaults",
        ) from error
    return preferred(given_recipe(settings, model), serving)


def parts_of(tracker: Tracker, settings: TuneSettings, done: Mapping[ModelName, Tuning]) -> tuple[GMFRecipe, MLPRecipe]:
    """GMF and MLP that neumf-pretrained starts from: just tuned, or tuned before, or as given."""
    before = find_tunings(tracker)

    def part(model: ModelName) -> Recipe:
        if model in done:
            return done[model].recipe()
        if model in before:
            return preferred(given_recipe(settings, model), before[model].recipe())
        return usual_recipe(settings, model)

    return cast(GMFRecipe, part("gmf")), cast(MLPRecipe, part("mlp"))


def problem_of(
    tracker: Tracker,
    settings: TuneSettings,
    model: ModelName,
    data: PreparedData,
    done: Mapping[ModelName, Tuning],
) -> Problem:
    """What is searched for one model."""
    recipe = first_recipe(tracker, settings, model)
    return Problem(
        model=model,
        recipe=recipe,
        space=searched(settings, model, recipe),
        data=data,
        seed=settings.seed,
        hardware=settings.hardware,
        parts=parts_of(tracker, settings, done) if model == "neumf-pretrained" else None,
        second=settings.second,
    )


def study_name(settings: TuneSettings, problem: Problem) -> str:
    """The name given, or one that other data, another space or other settings do not share."""
    if settings.study is None:
        return f"{settings.dataset}-{problem.model}-{content_key(problem.identity())}"
    return settings.study if settings.model != "all" else f"{settings.study}-{problem.model}"


def study_url(settings: TuneSettings) -> str:
    """Where the studies are: a Secret block, the environment, the setting, or mlruns/optuna.db.

    Raises:
        ConfigError: the URL can't be read, or there is no such block.
    """
    storage = settings.storage
    if storage.secret_block is not None:
        url = secret_url(storage.secret_block)
    else:
        url = os.environ.get(storage.url_variable) or storage.url or f"sqlite:///{tracking_folder() / 'optuna.db'}"
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        parsed = parsed.set(database=str(Path(parsed.database).absolute()))
    return parsed.render_as_string(hide_password=False)
