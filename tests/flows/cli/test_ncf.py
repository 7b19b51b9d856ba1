"""The command `ncf`, and what Prefect is told wherever a command runs."""

import tomllib
from importlib.util import find_spec

import pytest

from flows import PREFECT_SETTINGS
from flows.cli.ncf import MODULES, main
from ncf.config import flatten
from tests.e2e.processes import REPOSITORY


def test_prefect_is_told_the_same_with_and_without_the_checkout() -> None:
    section = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["prefect"]
    by_variable = {f"PREFECT_{name.replace('.', '_').upper()}": value for name, value in flatten(section).items()}
    as_text = {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in by_variable.items()
    }
    assert as_text == PREFECT_SETTINGS


def test_every_command_is_listed_and_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("usage: ncf COMMAND")
    for name, (module, what) in MODULES.items():
        assert f"  {name} " in shown
        assert what in shown
        assert find_spec(module) is not None


def test_an_unknown_command_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retrian"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: unknown command: 'retrian'; allowed: prepare, retrain, ")
