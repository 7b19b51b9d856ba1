"""What is wrong with a command about the registry is told in one message, before anything is touched."""

from pathlib import Path

import pytest

from flows.cli.command import run_command
from flows.registry.__main__ import run
from flows.registry.settings import RegistrySettings


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "log, rollback, promote"),
        (["promote", "--version", "3", "--reason", "better", "--force", "false"], "--no-force off"),
        (["undo"], "undo"),
        (["log", "--dataset", "it's"], '--dataset: got "it\'s"'),
        (["rollback", "--version", "3"], "--version"),
        (["promote", "--reason", "better"], "--version"),
        (["promote", "--version", "0", "--reason", "better"], "--version: got '0'"),
        (["promote", "--version", "3", "--reason", ""], "--reason: got ''"),
    ],
)
def test_a_wrong_command_is_refused(args: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(RegistrySettings, run, args) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and words in told and "Traceback" not in told


def test_without_a_store_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/nowhere/mlflow.db")
    assert run_command(RegistrySettings, run, ["log"]) == 1
    assert "there is no MLflow store" in capsys.readouterr().err
