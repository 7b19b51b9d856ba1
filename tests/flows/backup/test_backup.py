"""Backups of SQLite databases and files; tests/e2e/test_up.py restores a real champion."""

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache

from flows.backup.__main__ import Command, run
from flows.backup.copy import backup, restore
from flows.cli.command import run_command
from flows.registry.alias import Registry
from flows.registry.models import load_champion
from flows.registry.newest_log import publish_log
from flows.tracking.tracker import Tracker
from ncf.errors import ConfigError, ModelError
from ncf.serving.log import ServingLog
from tests.flows.registry.placeholder_versions import NAME, count_weights, name_folders, new_registry
from tests.flows.registry.registered_models import DATASET, register_version, set_champion
from tests.flows.registry.registered_models import NAME as MODEL
from tests.ncf.serving.bundles import some_data


@pytest.fixture
def home(store: str, tmp_path: Path) -> Path:
    """A folder with one registered version, whose files are found by its path."""
    new_registry(store, versions=1)
    folder = tmp_path / "mlruns"
    (folder / "prefect").mkdir()
    with closing(sqlite3.connect(folder / "prefect" / "prefect.db")) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE run (id INTEGER)")
        connection.execute("INSERT INTO run VALUES (7)")
    return folder


def test_a_version_has_its_files_where_it_is_restored_if_the_old_folder_is_gone(home: Path, tmp_path: Path) -> None:
    backup(home, tmp_path / "backup")
    home.rename(tmp_path / "gone")
    restored = tmp_path / "100% new" / "mlruns"
    restore(tmp_path / "backup", restored)
    _artifact_repos_cache.clear()  # MLflow remembers places by run for the life of a process
    client = MlflowClient(f"sqlite:///{restored}/mlflow.db")
    assert count_weights(client, 1) == (2, 2)
    assert Registry(f"sqlite:///{restored}/mlflow.db", NAME).version(1).run_id
    with closing(sqlite3.connect(restored / "prefect" / "prefect.db")) as connection:
        assert connection.execute("SELECT id FROM run").fetchall() == [(7,)]


@pytest.fixture
def serving(home: Path, store: str) -> Path:
    """The folder of a store whose champion serves."""
    set_champion(Tracker(DATASET, store), register_version(Tracker(DATASET, store), some_data())[0])
    return home


def weights_of(folder: Path) -> list[Path]:
    """The files of the champion's weights: of its run, and of the logged model that serves."""
    return sorted(folder.glob(f"artifacts/{DATASET}/**/weights.safetensors"))


def change(path: Path) -> None:
    """Change the last byte of a file, which keeps its size."""
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_what_is_restored_elsewhere_serves_without_the_original(serving: Path, tmp_path: Path) -> None:
    before = load_champion(Tracker(DATASET, f"sqlite:///{serving}/mlflow.db"), MODEL)
    backup(serving, tmp_path / "backup")
    serving.rename(tmp_path / "gone")
    restored = tmp_path / "100% neu, über" / "mlruns"
    restore(tmp_path / "backup", restored)
    after = load_champion(Tracker(DATASET, f"sqlite:///{restored}/mlflow.db"), MODEL)
    assert before is not None and after is not None and after.version == before.version
    assert after.bundle.user_ids.tolist() == before.bundle.user_ids.tolist()
    assert not serving.exists()
    assert sorted(path.name for path in restored.iterdir()) == ["artifacts", "mlflow.db", "prefect"]


@pytest.mark.parametrize("damage", [change, Path.unlink])
def test_a_copy_whose_champion_can_not_be_read_is_not_called_a_backup(
    serving: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    for weights in weights_of(serving):
        damage(weights)
    with pytest.raises(ModelError, match="no backup"):
        backup(serving, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_a_copy_whose_newest_log_can_not_be_read_is_not_called_a_backup(serving: Path, tmp_path: Path) -> None:
    tracker = Tracker(DATASET, f"sqlite:///{serving}/mlflow.db")
    champion = load_champion(tracker, MODEL)
    assert champion is not None
    publish_log(tracker, MODEL, champion.run_id, ServingLog.of(some_data()), None, only_newer=False)
    backup(serving, tmp_path / "whole")
    [pairs] = serving.glob("artifacts/**/serving_log/*/pairs.parquet")
    change(pairs)
    with pytest.raises(ModelError, match="no backup"):
        backup(serving, tmp_path / "backup")


def test_a_backup_whose_champion_can_not_be_read_is_not_restored(serving: Path, tmp_path: Path) -> None:
    backup(serving, tmp_path / "backup")
    for weights in weights_of(tmp_path / "backup"):
        change(weights)
    with pytest.raises(ModelError, match="no backup"):
        restore(tmp_path / "backup", tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_store_of_an_earlier_version_that_was_moved_is_backed_up_with_its_own_files(
    serving: Path, tmp_path: Path
) -> None:
    name_folders(serving / "mlflow.db", serving)
    moved = tmp_path / "moved"
    shutil.copytree(serving, moved)
    for weights in weights_of(serving):
        change(weights)  # whoever still reads the original notices
    backup(moved, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "new")
    assert load_champion(Tracker(DATASET, f"sqlite:///{tmp_path / 'new'}/mlflow.db"), MODEL) is not None


def test_a_champion_with_files_elsewhere_is_not_read(serving: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(serving / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE model_versions SET storage_location = 's3://bucket/model' WHERE name = ?", (MODEL,))
    assert backup(serving, tmp_path / "backup").files


def test_a_copy_is_of_one_moment_while_others_write(home: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(home / "mlflow.db")) as connection, connection:
        connection.execute("CREATE TABLE pair (a INTEGER, b INTEGER)")
        connection.execute("INSERT INTO pair VALUES (0, 0)")
    stop = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(home / "mlflow.db", timeout=60)) as connection:
            while not stop.is_set():
                with connection:
                    connection.execute("UPDATE pair SET a = a + 1")
                    connection.execute("UPDATE pair SET b = b + 1")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        backup(home, tmp_path / "backup")
    finally:
        stop.set()
        thread.join()
    with closing(sqlite3.connect(tmp_path / "backup" / "mlflow.db")) as connection:
        a, b = connection.execute("SELECT a, b FROM pair").fetchone()
    assert a == b


def test_a_backup_that_is_not_whole_is_not_restored(home: Path, tmp_path: Path) -> None:
    backup(home, tmp_path / "backup")
    weights = next((tmp_path / "backup" / "artifacts").rglob("users.parquet"))
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ConfigError, match=r"users\.parquet"):
        restore(tmp_path / "backup", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_nothing_is_overwritten(home: Path, tmp_path: Path) -> None:
    backup(home, tmp_path / "backup")
    with pytest.raises(ConfigError, match="exists already"):
        backup(home, tmp_path / "backup")
    with pytest.raises(ConfigError, match=r"already has mlflow\.db"):
        restore(tmp_path / "backup", home)


def test_a_backup_is_its_owners_alone(home: Path, tmp_path: Path) -> None:
    backup(home, tmp_path / "backup")
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0


def test_a_damaged_database_is_not_taken_for_a_backup(home: Path, tmp_path: Path) -> None:
    database = home / "prefect" / "prefect.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany("INSERT INTO run VALUES (?)", [(number,) for number in range(5000)])
    content = bytearray(database.read_bytes())
    content[8192:12288] = os.urandom(4096)
    database.write_bytes(content)
    assert run_command(Command, run, ["backup", "--folder", str(home), "--to", str(tmp_path / "backup")]) == 1
    assert not (tmp_path / "backup").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["backup"], ["--to"]),
        (["backup", "--folder", "nothing-here", "--to", "x"], ["no MLflow database", "--folder"]),
        (["backup", "--folder", "mlruns", "--to", "mlruns/artifacts/x"], ["inside what it copies"]),
        (["restore", "--source", "mlruns"], ["not a backup"]),
    ],
)
def test_what_can_not_work_is_said_in_a_line(
    options: list[str],
    words: list[str],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(home.parent)
    assert run_command(Command, run, options) != 0
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    for word in words:
        assert word in error
