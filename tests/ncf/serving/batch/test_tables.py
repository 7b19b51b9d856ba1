"""Tables of SQLite and PostgreSQL: what is in them, and that readers see the old or the new whole."""

import multiprocessing
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError, DataError, NCFError
from ncf.serving.batch.tables import TableTarget
from ncf.serving.config import TableOutput
from tests.ncf.serving.batch.outputs import expected_rows, output_of, read_table, write
from tests.ncf.serving.batch.table_poller import poll
from tests.ncf.serving.bundles import bundle_of, every_kind_of_ids, some_data
from tests.postgres import PASSWORD, Postgres

VARIABLE = "NCF_OUTPUT_DATABASE_URL"
both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


def with_driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty database, which is also in the environment."""
    url = f"sqlite:///{tmp_path / 'lists.db'}"
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        server.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        url = server.url()
    monkeypatch.setenv(VARIABLE, url)
    return with_driver(url)


def names(url: str) -> list[str]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    return sa.inspect(engine).get_table_names()


def run(url: str, *statements: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


@both
@every_kind_of_ids
def test_a_table_has_what_a_recommender_gives_bit_for_bit(database: str, data: PreparedData, tmp_path: Path) -> None:
    bundle = bundle_of(data)
    done = write(bundle, tmp_path, output_of(table="lists"))
    expected = sorted(expected_rows(bundle), key=lambda row: (row[0], row[2]))
    if database.startswith("sqlite"):  # which has no type for UUIDs
        expected = [tuple(str(v) if isinstance(v, UUID) else v for v in row) for row in expected]
    assert read_table(database, "lists") == expected
    assert done["rows"] == len(expected)
    assert names(database) == ["lists"]


@both
def test_the_old_table_is_replaced_and_what_a_crash_left_is_removed(database: str, tmp_path: Path) -> None:
    old, new = bundle_of(some_data()), bundle_of(some_data(), seed=1)
    write(old, tmp_path, output_of(table="lists"))
    run(database, "CREATE TABLE lists__ncf_new (half integer)")
    write(new, tmp_path, output_of(table="lists"), new.user_ids[:5])
    assert read_table(database, "lists") == expected_rows(new, new.user_ids[:5])
    assert names(database) == ["lists"]
    write(old, tmp_path, output_of(table="lists"))  # the primary keys' names don't collide
    assert read_table(database, "lists") == expected_rows(old)


@both
def test_a_user_and_rank_are_there_once(database: str, tmp_path: Path) -> None:
    write(bundle_of(some_data()), tmp_path, output_of(table="lists"))
    key = sa.inspect(sa.create_engine(database, poolclass=sa.NullPool)).get_pk_constraint("lists")
    assert key["constrained_columns"] == ["user_id", "rank"]


@both
def test_a_reader_that_polls_never_sees_a_partial_or_missing_table(database: str, tmp_path: Path) -> None:
    bundles = [bundle_of(some_data(), seed=seed) for seed in range(2)]
    write(bundles[0], tmp_path, output_of(table="lists"))
    context = multiprocessing.get_context("spawn")
    ready, stop, found = context.Event(), context.Event(), context.Queue()
    reader = context.Process(target=poll, args=(database, ready, stop, found))
    reader.start()
    assert ready.wait(60)
    for turn in range(12):
        write(bundles[(turn + 1) % 2], tmp_path, output_of(table="lists"), block_rows=8)
    stop.set()
    seen = found.get(timeout=60)
    reader.join(60)
    scores = [[row[3] for row in expected_rows(bundle)] for bundle in bundles]
    whole = {(min(values), max(values), len(values)) for values in scores}
    assert seen <= whole, seen - whole
    assert seen


@both
def test_two_runs_for_one_table_take_turns(database: str, tmp_path: Path) -> None:
    bundles = [bundle_of(some_data(), seed=seed) for seed in range(2)]
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(write, bundle, tmp_path, output_of(table="lists"), block_rows=4) for bundle in bundles * 3]
        assert [run.result()["users"] for run in runs] == [25] * 6
    assert read_table(database, "lists") in [expected_rows(bundle) for bundle in bundles]
    assert names(database) == ["lists"]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_transaction_with_an_old_snapshot_is_as_the_documentation_says(database: str, tmp_path: Path) -> None:
    write(bundle_of(some_data()), tmp_path, output_of(table="lists"))
    engine = sa.create_engine(database, poolclass=sa.NullPool, isolation_level="REPEATABLE READ")
    with engine.connect() as reader:
        reader.execute(sa.text("SELECT 1 FROM pg_class LIMIT 1"))
        write(bundle_of(some_data(), seed=1), tmp_path, output_of(table="lists"))
        assert reader.execute(sa.text("SELECT count(*) FROM lists")).scalar() == 0


@both
@pytest.mark.parametrize("kind", ["TABLE lists (user_id integer, bought integer)", "VIEW lists AS SELECT 1 AS user_id"])
def test_another_table_or_view_of_the_name_is_left_alone(database: str, kind: str, tmp_path: Path) -> None:
    run(database, f"CREATE {kind}")
    with pytest.raises(ConfigError, match="exists already, and does not contain recommendations|is a view"):
        write(bundle_of(some_data()), tmp_path, output_of(table="lists"))
    assert not list((tmp_path / "parts").glob("*/"))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_views_of_sqlite_go_on_reading_the_new_table(database: str, tmp_path: Path) -> None:
    write(bundle_of(some_data()), tmp_path, output_of(table="lists"))
    run(database, "CREATE VIEW first AS SELECT user_id, item_id FROM lists WHERE rank = 1")
    bundle = bundle_of(some_data(), seed=1)
    write(bundle, tmp_path, output_of(table="lists"))
    with sqlite3.connect(database.removeprefix("sqlite:///")) as connection:
        found = connection.execute("SELECT * FROM first ORDER BY user_id").fetchall()
    connection.close()
    assert found == [row[:2] for row in expected_rows(bundle) if row[2] == 1]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_views_of_postgresql_forbid_the_swap_and_are_named(database: str, postgres: Postgres, tmp_path: Path) -> None:
    write(bundle_of(some_data()), tmp_path, output_of(table="lists"))
    run(database, "CREATE VIEW first AS SELECT user_id, item_id FROM lists WHERE rank = 1")
    with pytest.raises(ConfigError, match=r"can't be replaced: views depend on it: \['public.first'\]"):
        write(bundle_of(some_data(), seed=1), tmp_path, output_of(table="lists"))


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_schema_and_the_rights_of_readers_stay(database: str, postgres: Postgres, tmp_path: Path) -> None:
    postgres.run("DROP SCHEMA IF EXISTS shop CASCADE", "CREATE SCHEMA shop")
    output = output_of(table="shop.lists")
    write(bundle_of(some_data()), tmp_path, output)
    postgres.run("DROP ROLE IF EXISTS website", 'CREATE ROLE website; GRANT SELECT ON shop.lists TO website, "public"')
    write(bundle_of(some_data(), seed=1), tmp_path, output)
    granted = postgres.run(
        "SELECT grantee, privilege_type FROM information_schema.table_privileges "
        "WHERE table_name = 'lists' AND grantee IN ('website', 'PUBLIC') ORDER BY 1"
    )
    assert granted == [("PUBLIC", "SELECT"), ("website", "SELECT")]
    postgres.run("DROP SCHEMA shop CASCADE", "DROP ROLE website")


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_reader_that_does_not_end_keeps_the_old_table(database: str, postgres: Postgres, tmp_path: Path) -> None:
    old = bundle_of(some_data())
    write(old, tmp_path, output_of(table="lists"))
    engine = sa.create_engine(database, poolclass=sa.NullPool)
    with engine.connect() as reader:
        reader.execute(sa.text("SELECT count(*) FROM lists"))  # and its transaction stays open
        with pytest.raises(DataError, match=r"could not be written.*lock timeout.*run the same command"):
            write(bundle_of(some_data(), seed=1), tmp_path, output_of(table="lists", wait_seconds=1))
    assert read_table(database, "lists") == expected_rows(old)
    new = bundle_of(some_data(), seed=1)
    with engine.connect() as reader:
        reader.execute(sa.text("SELECT count(*) FROM lists"))
        ending = threading.Timer(3, reader.rollback)
        ending.start()
        write(new, tmp_path, output_of(table="lists", wait_seconds=60))
        ending.join()
    assert read_table(database, "lists") == expected_rows(new)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_the_password_is_never_shown(database: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = postgres.url(password="wr0ng-geheim")
    for url in (wrong, wrong.replace(str(postgres.port), "9")):
        monkeypatch.setenv(VARIABLE, url)
        with pytest.raises(NCFError) as refused:
            write(bundle_of(some_data()), Path("/nowhere"), output_of(table="lists"))
        text = f"{refused.value!r} {refused.value.__cause__!r} {refused.value.__context__!r}"
        assert "the table lists of the database postgres at 127.0.0.1" in text
        assert "wr0ng" not in text
        assert PASSWORD not in text


@pytest.mark.parametrize(
    "table", ["", "lists; DROP TABLE users", "1st", 'a"b', "a.b.c", "a b", "x" * 51, "liste-der-nutzer"]
)
def test_a_name_that_is_none_is_refused(table: str) -> None:
    with pytest.raises(ValidationError, match="allowed: letters, digits"):
        TableOutput(table=table)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "either path"),
        ({"path": "a.csv", "table": "lists"}, "either path"),
        ({"path": "lists.xlsx"}, "must end in one of .parquet, .csv, .csv.gz"),
        ({"path": "lists"}, "must end in one of"),
    ],
)
def test_outputs_that_are_none(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        output_of(**values)


@pytest.mark.parametrize(
    "values",
    [{"table": "lists", "url": "postgresql://a:geheim@h/d"}, {"path": "ftp://ann:geheim@host/lists.csv"}],
)
def test_a_password_in_the_settings_is_refused_and_not_repeated(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must not have a password") as refused:
        output_of(**values)
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "table", "words"),
    [
        ("mysql://h/d", "lists", "'mysql'; allowed: PostgreSQL, or a SQLite file"),
        ("sqlite://", "lists", "'SQLite in memory'"),
        ("sqlite:///a.db", "s.lists", "SQLite has no schemas: 's.lists'; allowed: a name alone, such as lists"),
        ("no url at all", "lists", "can't be read"),
    ],
)
def test_databases_that_can_not_swap_are_refused(url: str, table: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        TableTarget.of(TableOutput(table=table), url)


def test_without_a_url_the_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ConfigError, match=f"the database's URL is not known.*set \\${VARIABLE}"):
        TableTarget.of(TableOutput(table="lists"))


def test_an_unreachable_sqlite_file_is_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"sqlite:///{tmp_path}/nowhere/lists.db")
    with pytest.raises(DataError, match="unable to open database file"):
        write(bundle_of(some_data()), tmp_path, output_of(table="lists"))
    assert not list((tmp_path / "parts").glob("*/"))
