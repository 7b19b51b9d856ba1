"""The URL of a database from a Prefect Secret block, through a real flow."""

import sqlite3
from pathlib import Path

import pytest
from prefect.blocks.system import Secret

from flows.prepare.flow import database_url, prepare
from flows.prepare.settings import DataSettings
from ncf.errors import ConfigError
from ncf.ingest.config import MovieLensSource, SQLSource


def test_other_sources_and_none_named_need_no_block() -> None:
    assert database_url(MovieLensSource()) is None
    assert database_url(SQLSource(table="t")) is None


def test_the_block_is_read(prefect_server: None) -> None:
    Secret(value="postgresql://ann:geheim@db.example/shop").save("shop-db", overwrite=True)
    assert database_url(SQLSource(table="t", secret_block="shop-db")) == "postgresql://ann:geheim@db.example/shop"


def test_an_unknown_block_is_refused_with_how_to_make_it(prefect_server: None) -> None:
    with pytest.raises(
        ConfigError, match=r"database: 'no-such'; what to do: .*Secret\(value=.*\)\.save\(\"no-such\""
    ) as error:
        database_url(SQLSource(table="t", secret_block="no-such"))
    code = str(error.value).split("python -c '")[1].rpartition("'")[0]
    exec(code)
    assert str(database_url(SQLSource(table="t", secret_block="no-such"))).startswith("postgresql://user:password@host")


def test_a_block_with_something_else_is_refused_and_not_shown(prefect_server: None) -> None:
    Secret(value={"password": "geheim"}).save("odd", overwrite=True)
    with pytest.raises(ConfigError, match="no Secret block of this name with the URL of a database: 'odd'") as error:
        database_url(SQLSource(table="t", secret_block="odd"))
    assert "geheim" not in str(error.value)


def test_a_flow_reads_the_database_that_the_block_names(prefect_server: None, workspace: Path) -> None:
    path = workspace / "log.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bought (user_id TEXT, item_id TEXT, timestamp INTEGER)")
        rows = [(f"user {user}", f"item {(user + n) % 9}", 100 * n) for user in range(5) for n in range(4)]
        connection.executemany("INSERT INTO bought VALUES (?, ?, ?)", rows)
    connection.close()
    Secret(value=f"sqlite:///{path}").save("bought-db", overwrite=True)
    settings = DataSettings.model_validate(
        {"dataset": "bought", "source": {"table": "bought", "secret_block": "bought-db"}, "data": {"num_candidates": 3}}
    )
    report = prepare(settings)
    assert (report.rows_read, report.users, report.test) == (20, 5, 5)
