"""Databases that are new, foreign, damaged, locked, old, or not there."""

import sqlite3
from pathlib import Path

import psycopg
import pytest
from optuna.storages import RDBStorage

from ncf.errors import ConfigError, NCFError
from tests.postgres import Postgres
from tests.tuning.small_studies import QUICK, sqlite
from tuning.config import StorageConfig
from tuning.database import StudyError, check_database, open_database


def test_a_new_file_is_made_with_its_folder(tmp_path: Path) -> None:
    check_database(sqlite(tmp_path / "new folder"), QUICK)
    database = open_database(sqlite(tmp_path / "new folder"), QUICK)
    assert (tmp_path / "new folder" / "studies.db").is_file()
    assert database.storage.get_all_studies() == []


def test_an_empty_file_counts_as_new(tmp_path: Path) -> None:
    (tmp_path / "studies.db").touch()
    assert open_database(sqlite(tmp_path), QUICK).storage.get_all_studies() == []


def test_a_database_of_optunas_own_making_is_taken(tmp_path: Path) -> None:
    RDBStorage(sqlite(tmp_path))
    assert open_database(sqlite(tmp_path), QUICK).storage.get_all_studies() == []


def test_braces_in_a_path_stay(tmp_path: Path) -> None:
    folder = tmp_path / "{SCHEMA_VERSION} {x}"
    open_database(sqlite(folder), QUICK)
    assert (folder / "studies.db").is_file()


def test_a_file_that_is_no_database_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "studies.db"
    path.write_text("user_id,item_id\n" * 100, encoding="utf-8")
    with pytest.raises(StudyError, match="file is not a database.*choose another file; this one was not changed"):
        open_database(sqlite(tmp_path), QUICK)
    assert path.read_text(encoding="utf-8") == "user_id,item_id\n" * 100


def test_a_database_of_something_else_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "studies.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE experiments (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(StudyError, match="does not contain studies; it has the tables: 'experiments'"):
        open_database(sqlite(tmp_path), QUICK)
    assert path.read_bytes() == before


def test_a_database_of_another_optuna_version_is_refused(tmp_path: Path) -> None:
    open_database(sqlite(tmp_path), QUICK)
    with sqlite3.connect(tmp_path / "studies.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v99.0.0'")
    with pytest.raises(StudyError, match="created by another version of Optuna.*optuna storage upgrade"):
        open_database(sqlite(tmp_path), QUICK)


def test_a_locked_database_is_refused_after_its_patience(tmp_path: Path) -> None:
    open_database(sqlite(tmp_path), QUICK)
    holder = sqlite3.connect(tmp_path / "studies.db", isolation_level=None)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StudyError, match="database is locked.*the same command continues"):
            open_database(sqlite(tmp_path), StorageConfig(lock_seconds=0.2))
    finally:
        holder.close()
    assert open_database(sqlite(tmp_path), QUICK).storage.get_all_studies() == []


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:studies?mode=memory&uri=true"])
def test_a_database_that_does_not_stay_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="studies need a database file"):
        open_database(url, QUICK)


@pytest.mark.parametrize("url", ["mlruns/optuna.db", "", "fancydb://host/x"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="can't be read|unknown"):
        open_database(url, QUICK)


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "studies.db").mkdir()
    with pytest.raises(NCFError, match=r"studies\.db"):
        open_database(sqlite(tmp_path), QUICK)


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    with pytest.raises(StudyError, match="studies at 127.0.0.1:1 .*the same command continues") as caught:
        open_database("postgresql://me:hidden-word@127.0.0.1:1/studies", QUICK)
    assert "hidden-word" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_wrong_password_is_told_without_it(postgres: Postgres) -> None:
    with pytest.raises(StudyError, match="authentication failed") as caught:
        open_database(postgres.url(password="hidden-word"), QUICK)
    assert "hidden-word" not in str(caught.value)


def test_a_server_database_of_something_else_is_refused_and_stays(postgres: Postgres) -> None:
    postgres.run("DROP DATABASE IF EXISTS foreign_tables")
    postgres.run("CREATE DATABASE foreign_tables")
    url = postgres.url().removesuffix("/postgres") + "/foreign_tables"
    open_database(url, QUICK).storage.engine.dispose()  # empty: taken
    postgres.run("DROP DATABASE foreign_tables")
    postgres.run("CREATE DATABASE foreign_tables TEMPLATE template0")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE experiments (name TEXT)")
    with pytest.raises(StudyError, match="it has the tables: 'experiments'"):
        open_database(url, QUICK)
    with psycopg.connect(url) as connection:
        [[number]] = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert number == 1
