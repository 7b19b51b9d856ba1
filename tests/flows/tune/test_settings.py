"""What a tuning is asked for: ranges, studies, and what is refused before any work."""

from pathlib import Path
from typing import Any

import pytest

from flows.tracking.tracker import Tracker
from flows.tune.flow import tune
from flows.tune.settings import TuneSettings
from flows.tune.studies import first_recipe, problem_of, searched, study_url
from ncf.config import GMFRecipe, PretrainedRecipe
from ncf.errors import ConfigError, ModelError
from tests.flows.registry.registered_models import make_champion
from tests.flows.tune.tunings import short_tuning
from tests.ncf.serving.bundles import bundle_of, some_data
from tuning.database import StudyError
from tuning.ranges import FloatRange, IntRange


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"space": {"gmf.training.learning_rat": None}}, "learning_rat.*nearest.*learning_rate"),
        (
            {"space": {"gmf.training.learning_rate": {"low": -1.0, "high": 0.1}}},
            r"learning_rate.*-1\.0.*greater than 0",
        ),
        ({"space": {"ease.l2": None}}, "ease.l2.*gmf"),
        ({"space_file": "missing.yaml"}, "missing.yaml can't be read"),
        ({"space_file": "list.yaml"}, "list.yaml"),
        ({"hardware": {"devices": 2}}, "one device.*2.*workers"),
        ({"storage": {"url": "sqlite:///not-a-database.db"}}, "not-a-database.db"),
        ({"storage": {"url": "postgresql://user@127.0.0.1:9/studies"}}, "127.0.0.1"),
        ({"storage": {"url": "nosuchdatabase://host/studies"}}, "nosuchdatabase"),
    ],
)
def test_bad_input_is_refused_before_any_work(
    workspace: Path,
    prefect_server: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("list.yaml").write_text("- gmf.training.learning_rate\n")
    Path("not-a-database.db").write_text("plain text, longer than a header of SQLite's, and nothing else at all\n" * 50)
    with pytest.raises((ConfigError, StudyError, ModelError), match=words):
        tune(short_tuning(**changes))
    assert not Path("mlruns/mlflow.db").exists(), "work began"


def test_ranges_come_from_a_file_and_the_settings_go_before_it(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(
        "gmf.training.num_negatives: {low: 2, high: 8, step: 2}\nneumf_pretrained.alpha: {low: 0, high: 1}\n"
    )
    settings = short_tuning(space_file=path, space={"gmf.training.learning_rate": {"low": 0.001, "high": 0.1}})
    gmf = searched(settings, "gmf", GMFRecipe())
    assert gmf["training.num_negatives"] == IntRange(low=2, high=8, step=2)
    assert gmf["training.learning_rate"] == FloatRange(low=0.001, high=0.1)
    assert searched(settings, "neumf-pretrained", PretrainedRecipe())["alpha"] == FloatRange(low=0.0, high=1.0)


@pytest.mark.parametrize(
    ("negatives", "batches"),
    [("uniform", IntRange(low=512, high=16384, log=True)), ("all", IntRange(low=2**15, high=2**20, log=True))],
)
def test_what_is_searched_goes_by_the_negatives_of_the_champion_that_a_search_starts_from(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, negatives: str, batches: IntRange
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = GMFRecipe.model_validate({"model": {"embedding_dim": 4}, "training": {"negatives": negatives}})
    data = some_data()
    about: dict[str, Any] = {"name": "gmf", "settings": recipe.model_dump(mode="json")}
    make_champion("ml-100k", bundle_of(data, recipe.model, **about))
    settings = TuneSettings.model_validate({"model": "gmf", "start": "champion"})
    problem = problem_of(Tracker("ml-100k"), settings, "gmf", data, {})
    assert problem.recipe == recipe
    assert problem.space["training.batch_size"] == batches


def test_a_champion_of_settings_that_are_no_more_is_no_start(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_champion("ml-100k", bundle_of(some_data(), GMFRecipe().model, name="gmf", settings={"momentum": 0.9}))
    settings = TuneSettings.model_validate({"model": "gmf", "start": "champion"})
    with pytest.raises(ConfigError, match="champion .gmf. are not settings of this version.*momentum.*--start preset"):
        first_recipe(Tracker("ml-100k"), settings, "gmf")


def test_the_studies_url_comes_from_the_environment_with_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    assert study_url(short_tuning()) == f"sqlite:///{Path.cwd()}/mlruns/optuna.db"
    monkeypatch.setenv("NCF_STUDY_URL", "postgresql://user:s3cret@host/studies")
    assert study_url(short_tuning(storage={"url": "sqlite:///other.db"})) == "postgresql://user:s3cret@host/studies"
    with pytest.raises(ConfigError, match="password"):
        short_tuning(storage={"url": "postgresql://user:s3cret@host/studies"})
