"""A log in SQLite, and what holds for every database."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from ncf.data.config import DataConfig
from ncf.data.ratings import Ratings
from ncf.errors import DataError
from ncf.ingest.config import SQLSource
from ncf.ingest.load import load_ratings
from ncf.prepare import prepare_ratings

Load: TypeAlias = Callable[..., Ratings]
LOG = [(7, 1, 4.0, 100), (7, 2, 5.0, 200), (9, 1, 3.5, 300)]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("NCF_DATABASE_URL", raising=False)
    make(tmp_path / "log.db", "ratings (user_id, item_id, rating, timestamp)", LOG)
    return tmp_path / "log.db"


def make(path: Path, table: str, rows: Sequence[Sequence[Any]]) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE {table}")
        places = ", ".join("?" * len(rows[0])) if rows else ""
        connection.executemany(f"INSERT INTO {table.split('(')[0]} VALUES ({places})", rows) if rows else None
    connection.close()


@pytest.fixture
def load(database: Path) -> Load:
    return lambda **settings: load_ratings(SQLSource(url=f"sqlite:///{database}", **settings))


def test_a_table_by_its_usual_column_names(load: Load) -> None:
    frame = load(table="ratings").frame
    assert frame.to_dict("list") == {
        "user_id": [7, 7, 9],
        "item_id": [1, 2, 1],
        "rating": [4.0, 5.0, 3.5],
        "timestamp": [100_000_000, 200_000_000, 300_000_000],
    }
    assert frame.dtypes.astype(str).to_dict() == {
        "user_id": "int64",
        "item_id": "int64",
        "rating": "float64",
        "timestamp": "int64",
    }


@pytest.mark.parametrize("chunk_rows", [1, 2, 3, 4, 500_000])
def test_the_size_of_the_chunks_does_not_matter(load: Load, chunk_rows: int) -> None:
    assert load(table="ratings", chunk_rows=chunk_rows).frame.equals(load(table="ratings").frame)


def test_names_that_want_quotes_and_columns_that_are_not_needed(database: Path, load: Load) -> None:
    make(database, '"my Order" ("from", "what it""s", note)', [("ann", "x", b"\x00"), ("bob", "007", b"\x01")])
    frame = load(table="my Order", columns={"user": "from", "item": 'what it"s'}).frame
    assert frame["user_id"].tolist() == ["ann", "bob"]
    assert frame["item_id"].tolist() == ["x", "007"]


@pytest.mark.parametrize("columns", [{"user": 2, "item": 1}, {"user": "2", "item": "1"}], ids=["numbers", "digits"])
def test_columns_by_place(columns: dict[str, Any], load: Load) -> None:
    frame = load(query="SELECT rating, item_id, user_id FROM ratings", columns=columns).frame
    assert frame["user_id"].tolist() == [7, 7, 9]
    assert frame["item_id"].tolist() == [1, 2, 1]


def test_without_ratings_and_times(database: Path, load: Load) -> None:
    make(database, "plays (user_id, item_id)", [(1, 2), (1, 3)])
    ratings = load(table="plays")
    assert not ratings.has_times
    assert ratings.frame["rating"].tolist() == [1.0, 1.0]


def test_a_query_reaches_the_database_as_it_is_written(load: Load) -> None:
    frame = load(
        query="SELECT user_id, ':x 50%' || item_id AS item_id FROM ratings WHERE item_id % 2 = 1 ORDER BY user_id DESC;"
    ).frame
    assert frame["user_id"].tolist() == [9, 7]
    assert frame["item_id"].tolist() == [":x 50%1", ":x 50%1"]


def test_equal_times_keep_the_order_of_the_query(load: Load) -> None:
    query = "SELECT user_id, item_id, 5 AS timestamp FROM ratings ORDER BY item_id {}"
    assert load(query=query.format("DESC")).frame["item_id"].tolist() == [2, 1, 1]
    assert load(query=query.format("ASC")).frame["item_id"].tolist() == [1, 1, 2]


def test_where_times_differ_the_order_of_the_rows_does_not_matter(database: Path, load: Load) -> None:
    rng = np.random.default_rng(0)
    rows = [
        (user, int(item), 1, 1000 * user + place)
        for user in range(8)
        for place, item in enumerate(rng.permutation(12)[:5])
    ]
    make(database, "one (user_id, item_id, rating, timestamp)", rows)
    make(database, "other (user_id, item_id, rating, timestamp)", [rows[n] for n in rng.permutation(len(rows))])
    one, other = (
        prepare_ratings(load(table=name), DataConfig(num_candidates=3), name="log") for name in ("one", "other")
    )
    assert one.fingerprint == other.fingerprint


def test_a_table_that_is_not_there_is_refused_with_the_nearest(database: Path, load: Load) -> None:
    make(database, "users (id)", [])
    with pytest.raises(
        DataError, match="no such table in the schema main: 'Rating'; allowed: ratings, users; .*'ratings'"
    ):
        load(table="Rating")


@pytest.mark.parametrize("column", ["user", "item", "rating", "timestamp"])
def test_a_column_that_is_not_there_is_refused_with_those_found(load: Load, column: str) -> None:
    found = "allowed: user_id, item_id, rating, timestamp; what to do: "
    with pytest.raises(
        DataError, match=f"the table ratings has no column: 'user_ids'; {found}perhaps 'user_id' is meant"
    ):
        load(table="ratings", columns={column: "user_ids"})
    with pytest.raises(DataError, match=f"the query has no column: 4; {found}name another in columns"):
        load(query="SELECT * FROM ratings", columns={column: 4})


def test_a_column_that_is_there_twice_is_refused(load: Load) -> None:
    with pytest.raises(
        DataError, match="the query has several columns of the name: 'user_id'.*name them apart with AS"
    ):
        load(query="SELECT a.user_id, b.user_id, a.item_id FROM ratings a JOIN ratings b ON a.user_id = b.user_id")


@pytest.mark.parametrize("chosen", [{"table": "empty"}, {"query": "SELECT * FROM ratings WHERE user_id < 0"}])
def test_no_rows_are_refused(database: Path, load: Load, chosen: dict[str, str]) -> None:
    make(database, "empty (user_id, item_id)", [])
    with pytest.raises(DataError, match="(empty|the query) has no rows; what to do: check that it is the right one"):
        load(**chosen)


@pytest.mark.parametrize("chunk_rows", [1, 2, 100])
@pytest.mark.parametrize("column", ["user_id", "item_id", "rating", "timestamp"])
def test_nulls_are_refused_with_their_number(database: Path, load: Load, column: str, chunk_rows: int) -> None:
    names = ["user_id", "item_id", "rating", "timestamp"]
    place = names.index(column)
    rows = [tuple(None if n in (1, 3) and at == place else 7 for at in range(4)) for n in range(5)]
    make(database, f"holes ({', '.join(names)})", rows)
    with pytest.raises(DataError, match=f"(?s)unusable {column}.*2 such rows"):
        load(table="holes", chunk_rows=chunk_rows)


@pytest.mark.parametrize("values", [[1, "a"], [1.5, 2.5], [b"x", b"y"]], ids=["mixed", "float", "bytes"])
def test_ids_of_an_unfit_type_are_refused(database: Path, load: Load, values: list[Any]) -> None:
    make(database, "odd (user_id, item_id)", [(value, 1) for value in values])
    with pytest.raises(DataError, match=r"unusable user_id: .*allowed|: .*allowed: integers .*or text, or UUIDs"):
        load(table="odd")


def test_an_error_within_the_query_is_told(load: Load) -> None:
    with pytest.raises(DataError, match="the query can't be read from the database .*no such function: nosuch"):
        load(query="SELECT nosuch(user_id) AS user_id, item_id FROM ratings")
