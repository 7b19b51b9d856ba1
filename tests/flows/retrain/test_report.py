"""What a retraining proposes to try next fits the data and the settings that ran."""

import shlex
from typing import Any

import pytest

from flows.cli.command import parse
from flows.retrain.report import command, next_runs
from flows.retrain.resolve_settings import resolve_settings
from flows.retrain.settings import RetrainSettings


def proposals(**given: Any) -> dict[str, str]:
    settings = RetrainSettings.model_validate(given)
    return next_runs(settings, resolve_settings(settings).settings)


def options(line: str) -> list[str]:
    """The options of a command, as the shell hands them to the program."""
    words = shlex.split(line)
    return words[3:] if words[1] == "-m" else shlex.split(words[2].removeprefix("ARGS="))


def test_a_wider_gmf_is_wider_than_the_presets() -> None:
    ran = resolve_settings(RetrainSettings()).settings.gmf.model.embedding_dim
    assert ran != RetrainSettings().gmf.model.embedding_dim, "the preset of ml-100k has a width of its own"
    assert proposals() == {
        "Try another seed": 'make retrain ARGS="--seed 1"',
        "Try a wider GMF": f'make retrain ARGS="--gmf.model.embedding-dim {2 * ran}"',
    }


def test_another_seed_is_another_than_the_one_that_ran() -> None:
    assert proposals(seed=1)["Try another seed"] == 'make retrain ARGS="--seed 2"'


def test_a_width_at_the_limit_is_not_doubled() -> None:
    assert list(proposals(gmf={"model": {"embedding_dim": 4096}})) == ["Try another seed"]


@pytest.mark.parametrize(
    "given",
    [
        {"dataset": "ml-1m"},
        {"dataset": "films", "source": {"kind": "movielens", "name": "ml-100k"}},
        {"dataset": "shop", "source": {"path": "my log.csv", "columns": {"user": "who", "item": 2}}},
        {"dataset": "shop", "source": {"path": "log.csv", "header": False, "separator": "\\t"}},
        {"dataset": "shop", "source": {"table": "ratings"}, "data": {"filters": {"max_users": 500}}},
        {"settings": "defaults", "warm_start": True, "mlp": {"model": {"layers": [16, 8]}}},
        {"gmf": {"training": {"learning_rate": 0.001}}, "baselines": {"ials": {"enabled": False}}},
    ],
)
def test_the_command_has_the_data_and_the_settings_that_were_given(given: dict[str, Any]) -> None:
    settings = RetrainSettings.model_validate(given | {"force": True})
    line = command("retrain", settings, {"seed": 7})
    assert parse(RetrainSettings, options(line)) == settings.model_copy(update={"seed": 7, "force": False})


def test_what_make_can_not_hand_on_is_a_command_of_python() -> None:
    plain = command("retrain", RetrainSettings(), {"seed": 1})
    quoted = RetrainSettings.model_validate({"dataset": "shop", "source": {"path": "my log.csv"}})
    assert plain.startswith("make retrain ARGS=")
    assert command("retrain", quoted, {}).startswith(
        ".venv/bin/python -m flows.retrain --dataset shop --source.path 'my "
    )
