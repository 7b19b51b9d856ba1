import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.tracking.locations import TrackingError
from flows.tracking.store import check_tracking, connect, tracking_uri
from flows.tracking.tracker import Tracker
from flows.up.settings import UpSettings, remove_addresses, write_addresses
from tests.e2e.processes import free_port


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def test_commands_find_the_servers_while_they_are_up(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tracking_uri()
    assert write_addresses(UpSettings(mlflow_port=5001, prefect_port=4201), checkout) == []
    assert tracking_uri() == "http://127.0.0.1:5001"
    assert 'url = "http://127.0.0.1:4201/api"' in (checkout / "prefect.toml").read_text()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere:5000")
    assert tracking_uri() == "http://elsewhere:5000"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    remove_addresses(checkout)
    assert tracking_uri() == before and not (checkout / "prefect.toml").exists()


@pytest.mark.parametrize("how", [shutil.copytree, shutil.move])
def test_a_copied_or_moved_folder_does_not_use_the_servers_of_the_original(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, how: Callable[[Path, Path], object]
) -> None:
    original, other, link = checkout / "original", checkout / "other", checkout / "link"
    original.mkdir()
    write_addresses(UpSettings(), original)
    link.symlink_to(original)
    monkeypatch.chdir(link)
    assert tracking_uri() == "http://127.0.0.1:5000", "another path to the same folder"
    how(original, other)
    monkeypatch.chdir(other)
    with pytest.raises(TrackingError, match=r"make down.*this folder") as raised:
        tracking_uri()
    assert str(original) in str(raised.value)
    remove_addresses(other)
    assert tracking_uri() == f"sqlite:///{other}/mlruns/mlflow.db"
    assert original.exists() is ((original / "mlruns" / "server").exists())


def test_a_prefect_toml_that_somebody_wrote_stays(checkout: Path) -> None:
    (checkout / "prefect.toml").write_text("[logging]\nlevel = 'DEBUG'\n")
    exports = write_addresses(UpSettings(), checkout)
    assert exports == ["export PREFECT_API_URL=http://127.0.0.1:4200/api"]
    remove_addresses(checkout)
    assert (checkout / "prefect.toml").read_text() == "[logging]\nlevel = 'DEBUG'\n"


def test_a_server_that_is_gone_is_missed_with_what_to_do(checkout: Path) -> None:
    write_addresses(UpSettings(mlflow_port=free_port()), checkout)
    with pytest.raises(TrackingError, match="make up"):
        check_tracking()


def test_an_experiment_of_a_server_is_not_used_without_it(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(store).create_experiment("shop", artifact_location="mlflow-artifacts:/1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    with pytest.raises(TrackingError, match="make up"):
        _ = Tracker("shop").experiment_id
