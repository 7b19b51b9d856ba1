"""What the commands refuse."""

from pathlib import Path

import pytest
from rich.console import Console

from flows.up.commands import down
from flows.up.passwords import MLFLOW_PASSWORD, MLFLOW_USER, PREFECT
from flows.up.settings import DownSettings
from ncf.errors import ConfigError


class Running:
    """A supervisor that is not to be asked to stop anything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def runs(self) -> bool:
        return True

    def stop_program(self, name: str) -> None:
        pytest.fail(f"{name} was stopped")


def test_nothing_is_stopped_with_half_of_the_passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.up.commands.Supervisor", Running)
    monkeypatch.setenv(PREFECT, "ncf:a-long-password")
    for name in (MLFLOW_USER, MLFLOW_PASSWORD):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=f"not set: {MLFLOW_USER}, {MLFLOW_PASSWORD}"):
        down(DownSettings(folder=tmp_path), Console())
