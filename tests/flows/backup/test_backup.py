"""Backups of SQLite databases and files; tests/e2e/test_up.py restores a real champion."""

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache

from flows.backup.__main__ import Command, run
from flows.backup.copy import backup, restore
from flows.cli.command import run_command
from flows.registry.alias import Registry
from ncf.errors import ConfigError
from tests.flows.registry.placeholder_versions import NAME, count_weights, new_registry


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
