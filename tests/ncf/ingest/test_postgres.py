"""A log in a real PostgreSQL."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest
from sqlalchemy import Connection, Engine, event

from ncf.data.config import DataConfig
from ncf.data.ratings import Ratings
from ncf.errors import DataError, NCFError
from ncf.ingest.config import SQLSource
from ncf.ingest.load import load_ratings
from ncf.prepare import prepare_ratings
from tests.postgres import PASSWORD, QUOTED, Postgres

START = datetime(2024, 3, 30, 22, 0, 0, 250_000, tzinfo=UTC)  # 31 March has 23 hours in Berlin
MICROSECONDS = [1_711_836_000_250_000 + 3_600_000_000 * hour for hour in range(6)]
USERS = [UUID(int=(n + 1) << 100) for n in range(3)]


@pytest.fixture
def shop(postgres: Postgres) -> Iterator[Postgres]:
    """Schema shop: six purchases, an hour apart, of three users with UUIDs, and the products' codes."""
    postgres.run("DROP SCHEMA IF EXISTS shop CASCADE")
    postgres.run("CREATE SCHEMA shop")
    postgres.run(
        "CREATE TABLE shop.products (number bigint PRIMARY KEY, code text)",
        "INSERT INTO shop.products VALUES (%s, %s)",
        rows=[(n, f"00{n}") for n in range(6)],
    )
    postgres.run(
        "CREATE TABLE shop.bought (id serial, buyer uuid, product bigint, stars numeric(3, 1), at timestamptz, "
        "at_local timestamp, day date, seconds bigint, exact double precision, iso text)",
        "INSERT INTO shop.bought (buyer, product, stars, at, at_local, day, seconds, exact, iso) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        rows=[purchase(n) for n in range(6)],
    )
    yield postgres
    postgres.run("DROP SCHEMA shop CASCADE")


def purchase(n: int) -> tuple[Any, ...]:
    at = START + timedelta(hours=n)
    local = at.replace(tzinfo=None)
    seconds = int(at.timestamp())
    return (USERS[n % 3], n, 1 + n / 2, at, local, local.date(), seconds, seconds + 0.25, at.isoformat())


def load(postgres: Postgres, url: str | None = None, **settings: Any) -> Ratings:
    columns = {"user": "buyer", "item": "product", "rating": "stars", "timestamp": "at"}
    source = SQLSource.model_validate({"columns": columns, **settings})
    return load_ratings(source, database_url=url or postgres.url())


@pytest.mark.parametrize("chunk_rows", [1, 2, 4, 6, 500_000])
def test_a_table_in_a_schema_in_chunks_of_any_size(shop: Postgres, chunk_rows: int) -> None:
    ratings = load(shop, table="shop.bought", chunk_rows=chunk_rows)
    assert ratings.frame["user_id"].tolist() == [*USERS, *USERS]
    assert ratings.frame["item_id"].tolist() == list(range(6))
    assert ratings.frame["rating"].tolist() == [1.0, 1.5, 2.0, 2.5, 3.0, 3.5]
    assert ratings.frame["timestamp"].tolist() == MICROSECONDS
    assert ratings.frame["rating"].dtype == np.float64
    assert ratings.tally.rows_read == 6


def test_a_table_of_the_default_schema_and_a_view(shop: Postgres) -> None:
    shop.run("CREATE VIEW public.purchases AS SELECT * FROM shop.bought")
    assert len(load(shop, table="purchases").frame) == 6
    shop.run("DROP VIEW public.purchases")


def test_a_query_with_a_join(shop: Postgres) -> None:
    query = (
        "SELECT b.buyer, p.code AS product, b.stars, b.at FROM shop.bought b JOIN shop.products p "
        "ON p.number = b.product WHERE p.code LIKE '00%' AND b.stars > 1.5 ORDER BY b.at DESC -- newest first"
    )
    frame = load(shop, query=query, chunk_rows=3).frame
    assert frame["item_id"].tolist() == ["005", "004", "003", "002"]
    assert frame["user_id"].tolist() == [USERS[2], USERS[1], USERS[0], USERS[2]]


def test_more_rows_than_a_chunk_are_all_there(postgres: Postgres) -> None:
    query = (
        "SELECT n / 7 AS buyer, 'item ' || n % 11 AS product, 1 AS stars, n AS at FROM generate_series(0, 9999) AS n"
    )
    frame = load(postgres, query=query, chunk_rows=333).frame
    assert frame["user_id"].tolist() == [n // 7 for n in range(10_000)]
    assert frame["item_id"].tolist() == [f"item {n % 11}" for n in range(10_000)]
    assert frame["timestamp"].tolist() == [n * 1_000_000 for n in range(10_000)]


@pytest.mark.parametrize("column", ["at", "at_local"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns"])
def test_times_with_a_zone_and_without_are_the_same_moments_whatever_the_sessions_zone(
    shop: Postgres, column: str, zone: str
) -> None:
    url = f"{shop.url()}?options=-c%20TimeZone%3D{zone}"
    columns = {"user": "buyer", "item": "product", "timestamp": column}
    assert load(shop, url, table="shop.bought", columns=columns).frame["timestamp"].tolist() == MICROSECONDS
    stripped = f"SELECT buyer, product, stars, {column}::timestamp AS at FROM shop.bought"
    assert load(shop, url, query=stripped).frame["timestamp"].tolist() == MICROSECONDS


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("seconds", [value - 250_000 for value in MICROSECONDS]),
        ("exact", MICROSECONDS),
        ("extract(epoch FROM at)", MICROSECONDS),  # numeric
        ("day", [1_711_756_800_000_000] * 2 + [1_711_843_200_000_000] * 4),
        ("iso", MICROSECONDS),
    ],
)
def test_times_as_numbers_dates_and_text(shop: Postgres, expression: str, expected: list[int]) -> None:
    query = f"SELECT buyer, product, stars, {expression} AS at FROM shop.bought ORDER BY id"
    assert load(shop, query=query).frame["timestamp"].tolist() == expected


def test_whole_numerics_are_integer_ids_and_large_ones_keep_every_digit(postgres: Postgres) -> None:
    query = "SELECT n::numeric(20, 0) + 9007199254740993 AS buyer, n::smallint AS product, 1 AS stars, 5 AS at FROM "
    frame = load(postgres, query=query + "generate_series(0, 2) AS n").frame
    assert frame["user_id"].tolist() == [9007199254740993, 9007199254740994, 9007199254740995]
    assert (frame["user_id"].dtype, frame["item_id"].dtype) == (np.int64, np.int64)


def test_prepared_data_have_the_uuids(shop: Postgres) -> None:
    products = "generate_series(1, 5) AS n WHERE id < 4 AND n + id < 8"  # the third buyer lacks the fifth
    query = f"SELECT buyer, n AS product, 1 AS stars, n AS at FROM shop.bought, {products}"
    data = prepare_ratings(load(shop, query=query), DataConfig(num_candidates=2), name="shop")
    assert data.user_ids.tolist() == USERS


def test_the_database_itself_refuses_to_write(shop: Postgres) -> None:
    shop.run(
        "CREATE FUNCTION shop.buy() RETURNS bigint LANGUAGE sql AS "
        "'INSERT INTO shop.products VALUES (99, ''x'') RETURNING number'"
    )
    with pytest.raises(DataError, match="cannot execute INSERT in a read-only transaction"):
        load(shop, query="SELECT buyer, shop.buy() AS product, stars, at FROM shop.bought")
    assert shop.run("SELECT count(*) FROM shop.products") == [(6,)]


def test_a_delete_is_refused_before_anything_is_connected(shop: Postgres) -> None:
    connected = []

    def note(connection: Connection) -> None:
        connected.append(connection)

    event.listen(Engine, "engine_connect", note)
    try:
        for query in ("DELETE FROM shop.bought", "WITH d AS (DELETE FROM shop.bought RETURNING *) SELECT * FROM d"):
            with pytest.raises(NCFError, match="query must be one SELECT that only reads"):
                load(shop, query=query)
    finally:
        event.remove(Engine, "engine_connect", note)
    assert connected == []
    assert shop.run("SELECT count(*) FROM shop.bought") == [(6,)]


@pytest.mark.parametrize("column", ["buyer", "product", "stars", "at"])
def test_nulls_are_refused_with_their_number(shop: Postgres, column: str) -> None:
    shop.run(f"UPDATE shop.bought SET {column} = NULL WHERE id IN (2, 5, 6)")
    with pytest.raises(DataError, match="(?s)unusable .*3 such rows"):
        load(shop, table="shop.bought", chunk_rows=2)


def test_an_empty_table_is_refused(shop: Postgres) -> None:
    shop.run("DELETE FROM shop.bought")
    with pytest.raises(
        DataError, match="shop.bought has no rows; what to do: check that it is the right one in the data"
    ):
        load(shop, table="shop.bought")


WRONG = {
    "table": (
        {"table": "shop.bougt"},
        "no such table in the schema shop: 'bougt'; allowed: bought, products; .*'bought'",
    ),
    "schema": ({"table": "shpo.bought"}, "in the schema shpo: 'bought'; allowed: there are none; schemas: .*shop"),
    "column": (
        {"table": "shop.bought", "columns": {"user": "byer", "item": "product"}},
        "the table shop.bought has no column: 'byer'; allowed: id, buyer, product.*perhaps 'buyer' is meant",
    ),
    "column of a query": ({"query": "SELECT buyr FROM shop.bought"}, 'column "buyr" does not exist'),
    "syntax": (
        {"query": "SELECT buyer product FRM shop.bought"},
        "can't be read from the database postgres at 127.0.0.1",
    ),
    "runtime": ({"query": "SELECT buyer, 1 / 0 AS product FROM shop.bought"}, "division by zero"),
    "no date": (
        {"query": "SELECT buyer, product, stars, 'infinity'::timestamp AS at FROM shop.bought"},
        "timestamp too",
    ),
}


def assert_untold(error: BaseException | None, *texts: str) -> None:
    """The password, its pieces and its spellings are nowhere in an error, its causes, a log or a terminal."""
    while error is not None:
        texts = (*texts, str(error), repr(error.args))
        error = error.__cause__ or error.__context__
    for text in texts:
        for secret in (PASSWORD, QUOTED, repr(PASSWORD)[1:-1], "s3cr", "w#rd", "w%23rd"):
            assert secret not in text


@pytest.mark.parametrize(("settings", "told"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_without_the_password(
    shop: Postgres,
    settings: dict[str, Any],
    told: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(DataError, match=f"(?s){told}") as caught:
        load(shop, **settings)
    assert_untold(caught.value, caplog.text, *capfd.readouterr())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda url: url.replace("w%23rd", "w%23rd-old"), "password authentication failed"),
        (lambda url: url.replace("//postgres:", "//nobody:"), "password authentication failed"),
        (lambda url: url.rpartition(":")[0] + ":1/postgres", "Connection refused"),
        (
            lambda url: url.replace("/postgres", "/nowhere").replace("//nowhere", "//postgres"),
            '"nowhere" does not exist',
        ),
        (lambda url: url + "?application_name=x&nonsense=1", "nonsense"),
    ],
    ids=["password", "user", "server", "database", "option"],
)
def test_no_connection_is_told_without_the_password(
    postgres: Postgres, change: Any, told: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(DataError, match=f"(?s)no connection to the .*{told}") as caught:
        load(postgres, change(postgres.url()), table="t")
    assert_untold(caught.value, caplog.text, *capfd.readouterr())


def test_a_table_one_may_not_read_is_told(shop: Postgres) -> None:
    shop.run("DROP ROLE IF EXISTS guest")
    shop.run("CREATE ROLE guest LOGIN PASSWORD 'guest-word'")
    shop.run("GRANT USAGE ON SCHEMA shop TO guest")
    with pytest.raises(DataError, match="permission denied for table bought.*the user of the URL may read") as caught:
        load(shop, shop.url("guest-word", "guest"), table="shop.bought")
    assert "guest-word" not in str(caught.value)


def test_the_servers_end_within_a_reading_is_told(shop: Postgres) -> None:
    query = "SELECT buyer, product, stars, at FROM shop.bought WHERE pg_terminate_backend(pg_backend_pid())"
    with pytest.raises(DataError, match="can't be read from the database postgres"):
        load(shop, query=query)


def test_the_servers_password_is_asked_for(postgres: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host="127.0.0.1", port=postgres.port, user="postgres", password="x", dbname="postgres")
