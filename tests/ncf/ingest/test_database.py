"""The way into a database, and what of it is told."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import make_url

from ncf.errors import ConfigError, DataError
from ncf.ingest.config import SourceConfig, SQLSource
from ncf.ingest.database import connect, database_location, find_url, guarded, open_engine, scrub
from ncf.ingest.load import load_ratings

PASSWORD = "hunter2:geheim"
QUOTED = "hunter2%3Ageheim"
WITH_PASSWORD = [
    f"postgresql://ann:{QUOTED}@db.example:5432/shop",
    f"postgresql://ann:{PASSWORD}@db.example/shop",
    f"mysql+pymysql://ann:{QUOTED}@db.example/shop?charset=utf8",
    f"postgresql://db.example/shop?user=ann&password={QUOTED}",
    f"mssql+pyodbc://?odbc_connect=Driver%3DX%3BUID%3Dann%3BPWD%3D{QUOTED}%3B",
    f"postgresql://ann:pä@{PASSWORD}@db.example/shop",
    f"postgresql:ann:{PASSWORD}@db.example",
]


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NCF_DATABASE_URL", raising=False)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def assert_untold(error: BaseException) -> None:
    for link in chain(error):
        assert "hunter2" not in f"{link} {link!r} {link.args}"
        assert "geheim" not in f"{link} {link!r} {link.args}"


@pytest.mark.parametrize("url", WITH_PASSWORD)
@pytest.mark.parametrize("more", [{"table": "t"}, {}, {"table": "t", "query": "SELECT 1"}, {"tabel": "t"}], ids=str)
def test_a_password_in_the_settings_is_refused_and_not_repeated(url: str, more: dict[str, Any]) -> None:
    any_source: TypeAdapter[SourceConfig] = TypeAdapter(SourceConfig)
    for read in (SQLSource.model_validate, any_source.validate_python):
        with pytest.raises(ConfigError, match=r"must not have a password|can't be read") as caught:
            read({"url": url, **more})
        assert_untold(caught.value)


@pytest.mark.parametrize(
    "url", ["sqlite:///log.db", "postgresql://ann@db.example/shop?sslmode=require", "postgresql:///shop"]
)
def test_a_url_without_a_password_may_be_a_setting(url: str) -> None:
    assert SQLSource(url=url, table="t").url == url


def test_the_given_url_goes_before_the_variable_and_that_before_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    source = SQLSource(url="sqlite:///setting.db", url_variable="SHOP_URL", table="t")
    assert find_url(source, None).database == "setting.db"
    monkeypatch.setenv("SHOP_URL", "sqlite:///variable.db")
    assert find_url(source, None).database == "variable.db"
    assert find_url(source, "sqlite:///given.db").database == "given.db"


def test_without_any_url_the_places_to_put_it_are_named() -> None:
    with pytest.raises(ConfigError, match=r"URL is not known.*set \$NCF_DATABASE_URL to it, or the setting"):
        load_ratings(SQLSource(table="t"))


def test_a_secret_block_is_not_passed_over_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCF_DATABASE_URL", "sqlite:///another.db")
    with pytest.raises(ConfigError, match="Secret block is read by the flows alone: 'shop-db'"):
        load_ratings(SQLSource(table="t", secret_block="shop-db"))


@pytest.mark.parametrize("url", [*WITH_PASSWORD[-2:], f"postgresql://ann:{PASSWORD}@db.example:port/shop"])
def test_an_unreadable_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="database's URL can't be read; allowed: an SQLAlchemy URL") as caught:
        load_ratings(SQLSource(table="t"), database_url=url)
    assert_untold(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_postgresql_means_the_driver_that_is_there(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ncf.ingest.database.find_spec", lambda _name: None)
    url = find_url(SQLSource(table="t"), f"{scheme}://ann@db.example/shop")
    assert url.drivername == "postgresql+psycopg"
    assert open_engine(url).dialect.driver == "psycopg"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://ann:{}@db.example/shop", "the driver MySQLdb .*not installed.*pip install 'mysqlclient'"),
        ("oracle+oracledb://ann:{}@db.example/shop", "the driver oracledb .*not installed.*pip install 'oracledb'"),
        ("nosuch://ann:{}@db.example/shop", "this kind of database is unknown: 'nosuch'"),
        ("postgresql+asyncpg://ann:{}@db.example/shop", "asynchronous driver can't be used: 'postgresql\\+asyncpg'"),
    ],
)
def test_a_driver_that_is_not_there_is_named_with_its_package(url: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        load_ratings(SQLSource(table="t"), database_url=url.format(QUOTED))
    assert_untold(caught.value)


def test_without_psycopg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"driver psycopg .*pip install 'psycopg\[binary\]' \(the extra postgresql"):
        open_engine(make_url("postgresql+psycopg://db.example/shop"))


def test_a_missing_sqlite_file_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"no SQLite database: '{tmp_path / 'log.db'}'"):
        load_ratings(SQLSource(table="t", url=f"sqlite:///{tmp_path / 'log.db'}"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "log.db").write_text("user_id,item_id\n" * 100)
    with pytest.raises(DataError, match="file is not a database"):
        load_ratings(SQLSource(table="t", url=f"sqlite:///{tmp_path / 'log.db'}"))


def test_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "log.db").touch()
    url = make_url(f"sqlite:///{tmp_path / 'log.db'}")
    with (
        connect(open_engine(url)) as connection,
        pytest.raises(DataError, match="odd: 'attempt to write a readonly database'; what to do: nothing"),
    ):
        guarded(lambda: connection.exec_driver_sql("CREATE TABLE t (a)"), url, "odd", "nothing")


@pytest.mark.parametrize(
    "spelling", [PASSWORD, QUOTED, QUOTED.lower(), f"ann:{PASSWORD}@db", f"ann:{QUOTED}@db", f"x={PASSWORD!r}"]
)
def test_the_password_is_struck_out_in_every_spelling(spelling: str) -> None:
    message = scrub(f"no\n  {spelling} here", make_url(WITH_PASSWORD[0]))
    assert "hunter2" not in message
    assert "geheim" not in message
    assert message.startswith("no ")
    assert message.endswith(" here")


def test_a_password_that_many_words_contain_hides_the_whole_message() -> None:
    assert scrub("no access to data", make_url("postgresql://ann:da@db.example/shop")) == ""


def test_where_a_database_is_names_no_user() -> None:
    assert database_location(make_url(WITH_PASSWORD[0])) == "the database shop at db.example:5432 (postgresql)"
