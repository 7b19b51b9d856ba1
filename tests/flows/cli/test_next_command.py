"""A command that is printed is the one to type: in this folder, for the same data, with the same settings."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from docs.site.commands import COMMANDS
from flows.backtest.settings import BacktestSettings
from flows.cli.command import parse
from flows.cli.next_command import command, command_line, look_at, retrain_command
from flows.monitor.settings import MonitorSettings
from flows.prepare.settings import DataSettings
from flows.recommend.settings import RecommendSettings
from flows.retrain.settings import RetrainSettings
from flows.serve.settings import ServeSettings
from flows.tune.settings import TuneSettings
from ncf.config import Settings
from ncf.errors import ConfigError
from tests.docs.pages import REPOSITORY

SHOP: dict[str, Any] = {"dataset": "shop", "source": {"path": "log.csv", "columns": {"user": "who", "item": "what"}}}
SPACE: dict[str, Any] = {
    "gmf.training.learning_rate": {"low": 0.001, "high": 0.01, "log": True},
    "gmf.model.embedding_dim": None,
    "mlp.model.layers": {"choices": [[16, 8], [32]]},
}
GIVEN: list[tuple[type[Settings], dict[str, Any]]] = [
    (DataSettings, {}),
    (DataSettings, SHOP),
    (RetrainSettings, {"dataset": "ml-1m"}),
    (RetrainSettings, {"dataset": "films", "source": {"kind": "movielens", "name": "ml-100k"}}),
    (RetrainSettings, {"source": {"path": "of the default name.csv"}}),
    (RetrainSettings, {"dataset": "shop", "source": {"path": "my log.csv", "columns": {"user": "who", "item": 2}}}),
    (RetrainSettings, {"dataset": "shop", "source": {"path": "log.csv", "header": False, "separator": "\\t"}}),
    (RetrainSettings, {"dataset": "shop", "source": {"table": "t"}, "data": {"filters": {"max_users": 500}}}),
    (RetrainSettings, {"dataset": "shop", "source": {"path": "log.csv", "where": {"event": ["view", "buy it"]}}}),
    (RetrainSettings, {"dataset": "shop", "source": {"path": "a.jsonl", "where": {"a.b": {"1": 1.0, "x": 5.0}}}}),
    (
        RetrainSettings,
        {"dataset": "shop", "source": {"path": "a.csv", "item_separator": "|", "ids": {"nfc": True}}},
    ),
    (RetrainSettings, {"dataset": "shop", "source": {"path": "a.csv", "time_format": "%d/%m/%Y", "quoting": "rfc"}}),
    (RetrainSettings, {"dataset": "shop", "source": {"path": "a.csv", "comment": "#", "decimal": ",", "skip_rows": 2}}),
    (RetrainSettings, {"dataset": "shop", "source": {"kind": "spark", "table": "t"}, "engine": {"kind": "spark"}}),
    (RetrainSettings, {**SHOP, "engine": {"kind": "spark", "conf": {"spark.executor.memory": "4g", "a": "b c"}}}),
    (RetrainSettings, {"settings": "defaults", "warm_start": True, "mlp": {"model": {"layers": [16, 8]}}}),
    (RetrainSettings, {"gmf": {"training": {"learning_rate": 1e-07}}, "baselines": {"ials": {"enabled": False}}}),
    (RetrainSettings, {"data": {"feedback": {"scale": [-1.0, 5.0]}, "filters": {"as_of": "2025-01-31T00:00:00Z"}}}),
    (TuneSettings, SHOP | {"model": "gmf", "budget": {"trials": 3, "minutes": 5.0}, "space": SPACE}),
    (TuneSettings, {"sampler": {"kind": "grid"}, "workers": 2, "storage": {"secret_block": "studies"}}),
    (TuneSettings, {"space_file": "a space.yaml", "start": "champion", "second": "size"}),
    (BacktestSettings, SHOP | {"policies": ["10d", "weekly", "never"], "start": "2025-01-31T00:00:00Z"}),
    (MonitorSettings, SHOP | {"thresholds": {"psi": 0.1, "unknown_items": None}}),
    (RecommendSettings, {"dataset": "shop", "users": {"ids": ["007", "8"]}, "filters": {"unseen": False}}),
    (RecommendSettings, {"output": {"table": "shop.lists", "secret_block": "lists-db"}, "top_k": 20}),
    (ServeSettings, {"port": 8001, "trusted_proxies": ["10.0.0.1", "10.0.0.2"], "limits": {"max_k": 7}}),
]
NAMES = {command.settings: command.name for command in COMMANDS}


def options(line: str) -> list[str]:
    """The options of a command line, as the shell hands them to the program."""
    words = shlex.split(line)
    match words:
        case ["make", _, *rest]:
            return [option for word in rest for option in shlex.split(word.removeprefix("ARGS="))]
        case [".venv/bin/python", "-m", _, *rest] | ["ncf", _, *rest]:
            return rest
    raise AssertionError(line)


@pytest.mark.parametrize("checkout", [True, False], ids=["in a checkout", "elsewhere"])
@pytest.mark.parametrize(("kind", "given"), GIVEN, ids=[f"{kind.__name__}-{n}" for n, (kind, _) in enumerate(GIVEN)])
def test_a_printed_command_gives_the_same_settings_with_the_change(
    kind: type[Settings], given: dict[str, Any], checkout: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(REPOSITORY if checkout else tmp_path)
    task = NAMES[kind]
    settings = kind.model_validate(given)
    assert parse(kind, options(command(task, settings, {}))) == settings
    line = command(task, settings, {"dataset": "ml-100k" if given.get("dataset") != "ml-100k" else "ml-1m"})
    changed = settings.model_copy(update={"dataset": "ml-100k"})
    assert parse(kind, options(line)) == changed
    starts = (f"make {task}", f".venv/bin/python -m flows.{task}") if checkout else (f"ncf {task}",)
    assert line.startswith(starts)


def test_a_forced_run_is_not_forced_again() -> None:
    settings = RetrainSettings(force=True)
    assert command("retrain", settings, {"seed": 7}) == 'make retrain ARGS="--seed 7"'


def test_what_make_can_not_hand_on_is_a_command_of_python() -> None:
    quoted = DataSettings.model_validate({"dataset": "shop", "source": {"path": "my log.csv"}})
    assert command("retrain", quoted, {}).startswith(
        ".venv/bin/python -m flows.retrain --dataset shop --source.path 'my "
    )


def test_commands_of_the_registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert command_line("registry rollback", "--dataset", "shop") == 'make rollback ARGS="--dataset shop"'
    assert command_line("registry log", "--dataset", "shop") == ".venv/bin/python -m flows.registry log --dataset shop"
    monkeypatch.chdir(tmp_path)
    assert command_line("registry rollback", "--dataset", "shop") == "ncf registry rollback --dataset shop"
    assert command_line("tune") == "ncf tune"


def test_a_data_set_of_which_only_the_name_is_known() -> None:
    assert retrain_command("ml-1m") == 'make retrain ARGS="--dataset ml-1m"'
    assert retrain_command("shop") == 'make retrain ARGS="--dataset shop" with the options of its log (--source...)'


def test_where_a_page_of_mlflow_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = "experiments/1/runs/abc"
    assert look_at("https://ann:secret@mlflow.example/base/", page) == f"https://mlflow.example/base/#/{page}"
    assert look_at("sqlite:////data/mlruns/mlflow.db", page) == f"make mlflow, then http://127.0.0.1:5000/#/{page}"
    monkeypatch.chdir(tmp_path)
    served, _, address = look_at("sqlite:////my data/mlflow.db", page).partition(", then ")
    options = ["--backend-store-uri", "sqlite:////my data/mlflow.db", "--artifacts-destination", "/my data/artifacts"]
    assert shlex.split(served) == ["mlflow", "server", *options] and address.endswith(f"/#/{page}")


@pytest.mark.parametrize(
    ("name", "proposed"),
    [("Shop", "shop"), ("My Shop", "my-shop"), ("MÜSLI", "m-sli"), ("_x", "x"), ("a" * 70, "a" * 64)],
)
@pytest.mark.parametrize("kind", [RetrainSettings, RecommendSettings, TuneSettings])
def test_a_name_that_is_not_lower_case_is_refused_with_one_that_is(
    kind: type[Settings], name: str, proposed: str
) -> None:
    log = [] if kind is RecommendSettings else ["--source.path", "log.csv"]
    words = f"--dataset: got '{name}'; the name of a data set is lower case.*did you mean {proposed}\\?"
    with pytest.raises(ConfigError, match=words):
        parse(kind, ["--dataset", name, *log])
