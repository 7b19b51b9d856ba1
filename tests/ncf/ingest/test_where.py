"""Rows that `where` takes, from every kind of log: counted, told, with a rating for each value."""

import contextlib
import io
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pandas as pd
import pytest

from flows.cli.command import parse
from flows.prepare.settings import DataSettings
from ncf.data.config import FeedbackConfig, FilterConfig
from ncf.data.filters import filter_ratings
from ncf.data.ratings import Ratings
from ncf.errors import ConfigError, DataError
from ncf.ingest.config import FileSource, SQLSource
from ncf.ingest.load import load_ratings
from tests.postgres import Postgres

EVENTS = [  # visitor, event, item, amount, sure
    (1, "view", 10, 0, True),
    (1, "addtocart", 10, 1, True),
    (2, "view", 11, 0, False),
    (2, "transaction", 11, 2, True),
    (3, "view", 12, 0, None),
]
NAMES = ["user_id", "event", "item_id", "amount", "sure"]
FRAME = pd.DataFrame(EVENTS, columns=NAMES)
Load: TypeAlias = Callable[..., Ratings]


def as_csv(folder: Path, **settings: Any) -> Ratings:
    FRAME.to_csv(folder / "log.csv", index=False)
    return load_ratings(FileSource(path=str(folder / "log.csv"), **settings))


def as_parquet(folder: Path, **settings: Any) -> Ratings:
    FRAME.assign(event=FRAME["event"].astype("category")).to_parquet(folder / "log.parquet")
    return load_ratings(FileSource(path=str(folder / "log.parquet"), **settings))


def as_json(folder: Path, **settings: Any) -> Ratings:
    FRAME.to_json(folder / "log.jsonl", orient="records", lines=True)
    return load_ratings(FileSource(path=str(folder / "log.jsonl"), **settings))


def as_folders(folder: Path, **settings: Any) -> Ratings:
    for row, event in enumerate(FRAME["event"]):
        path = folder / f"{row}" / f"event={event}"
        path.mkdir(parents=True, exist_ok=True)
        FRAME.iloc[[row]].drop(columns="event").to_csv(path / "part.csv", index=False)
    return load_ratings(FileSource(path=str(folder), **settings))


def as_frame(folder: Path, **settings: Any) -> Ratings:
    return load_ratings(FRAME, **settings)


def as_database(folder: Path) -> str:
    (folder / "log.db").unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(folder / "log.db")) as connection:
        FRAME.assign(sure=FRAME["sure"].astype("str")).to_sql("log", connection, index=False)
    return f"sqlite:///{folder / 'log.db'}"


def as_table(folder: Path, **settings: Any) -> Ratings:
    return load_ratings(SQLSource(url=as_database(folder), table="log", **settings))


def as_query(folder: Path, **settings: Any) -> Ratings:
    query = "SELECT *, '12:30 %s :x' AS odd FROM log -- the events;\n;"
    return load_ratings(SQLSource(url=as_database(folder), query=query, **settings))


@pytest.fixture(params=[as_csv, as_parquet, as_json, as_folders, as_frame, as_table, as_query])
def load(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    monkeypatch.delenv("NCF_DATABASE_URL", raising=False)
    return lambda **settings: request.param(tmp_path, **settings)


def pairs(ratings: Ratings) -> list[tuple[int, int, float]]:
    return list(ratings.frame[["user_id", "item_id", "rating"]].itertuples(index=False, name=None))


def test_rows_with_one_of_the_values_are_taken_and_the_others_counted(load: Load) -> None:
    ratings = load(where={"event": ["addtocart", "transaction"]})
    assert pairs(ratings) == [(1, 10, 1.0), (2, 11, 1.0)]
    assert ratings.tally.rows_read == 5
    assert ratings.tally.dropped == (("where: event is not addtocart or transaction", 3),)
    assert ratings.tally.notes == ()


def test_values_may_have_ratings(load: Load) -> None:
    assert pairs(load(where={"event": {"view": 1, "transaction": 5}})) == [
        (1, 10, 1.0),
        (2, 11, 1.0),
        (2, 11, 5.0),
        (3, 12, 1.0),
    ]


def test_of_several_columns_all_must_hold(load: Load) -> None:
    ratings = load(where={"amount": ["1", 2.0], "event": ["transaction", "view"]})
    assert pairs(ratings) == [(2, 11, 1.0)]
    assert ratings.tally.dropped == (
        ("where: amount is not 1 or 2", 3),
        ("where: event is not transaction or view", 1),
    )


@pytest.mark.parametrize("value", [True, "true", "True"])
def test_booleans_are_found_however_they_are_written(load: Load, value: object) -> None:
    assert len(pairs(load(where={"sure": [value]}))) == 3


def test_a_value_that_no_row_has_is_told_with_the_nearest(load: Load) -> None:
    ratings = load(where={"event": ["view", "transactions"]})
    assert ratings.tally.notes == (
        "where: no row has the event 'transactions'; there are 'transaction' (1), 'addtocart' (1), 'view' (3)",
    )


def test_if_no_row_is_taken_the_log_is_refused_with_the_values_there_are(load: Load) -> None:
    with pytest.raises(DataError, match=r"none has the event: 'purchase'; allowed: .*'view' \(3\)"):
        load(where={"event": "purchase"})


def test_a_column_that_is_not_there_is_refused(load: Load) -> None:
    with pytest.raises(DataError, match="no column:? '?evnt'?.*(event|in where)"):
        load(where={"evnt": ["view"]})


def test_a_column_that_is_used_otherwise_can_be_asked(load: Load) -> None:
    assert pairs(load(where={"user_id": [2], "amount": [2]}, columns={"rating": "amount"})) == [(2, 11, 2.0)]


@pytest.mark.parametrize(
    ("source", "where", "expected"),
    [
        ({"table": "events"}, {"event": ["addtocart", "transaction"]}, [(1, 10, 1.0), (2, 11, 1.0)]),
        ({"table": "events"}, {"sure": [True], "amount": ["2"]}, [(2, 11, 1.0)]),
        ({"table": "events"}, {"sure": [None]}, [(3, 12, 1.0)]),
        ({"query": "SELECT * FROM events WHERE event LIKE '%t%'"}, {"event": {"transaction": 5}}, [(2, 11, 5.0)]),
        (
            {"query": "WITH e AS (SELECT user_id::text, item_id, ':x' AS x, event FROM events) SELECT * FROM e -- all"},
            {"event": ["transaction"]},
            [("2", 11, 1.0)],
        ),
    ],
)
def test_postgresql_takes_the_rows(postgres: Postgres, source: Any, where: Any, expected: list[Any]) -> None:
    postgres.run(
        "CREATE TABLE events (user_id int, event varchar, item_id bigint, amount numeric(5, 2), sure boolean)",
        "INSERT INTO events VALUES (%s, %s, %s, %s, %s)",
        rows=EVENTS,
    )
    try:
        assert pairs(load_ratings(SQLSource(**source, where=where), database_url=postgres.url())) == expected
    finally:
        postgres.run("DROP TABLE events")


def test_kinds_of_events_are_told_if_no_rows_are_chosen(tmp_path: Path) -> None:
    told = (
        "the column event has 2 kinds in the first 4 rows: view 3, buy 1; all are taken; "
        'set where to take some, as {"event": ["view"]}',
    )
    log = pd.DataFrame({"user_id": [1, 2, 3, 4], "item_id": [1, 2, 1, 2], "event": ["view", "view", "buy", "view"]})
    assert load_ratings(log).tally.notes == told
    log.to_csv(tmp_path / "log.csv", index=False)
    assert load_ratings(tmp_path / "log.csv").tally.notes == told
    log.to_parquet(tmp_path / "log.parquet")
    assert load_ratings(tmp_path / "log.parquet").tally.notes == told
    log.to_json(tmp_path / "log.jsonl", orient="records", lines=True)
    assert load_ratings(tmp_path / "log.jsonl").tally.notes == told
    with contextlib.closing(sqlite3.connect(tmp_path / "log.db")) as connection:
        log.to_sql("log", connection, index=False)
    assert load_ratings(SQLSource(url=f"sqlite:///{tmp_path / 'log.db'}", table="log")).tally.notes == told
    assert load_ratings(log, where={"event": ["buy", "view"]}).tally.notes == ()


def test_what_is_left_out_may_be_empty_and_lines_stay_right(tmp_path: Path) -> None:
    head, lines = "event,user_id,item_id,rating\n", "view,,,\nbuy,1,5,3\nview,,6,\n"
    (tmp_path / "log.csv").write_text(head + lines)
    assert pairs(load_ratings(tmp_path / "log.csv", where={"event": "buy"})) == [(1, 5, 3.0)]
    for bad, words in (("buy,,6,2\n", "line 5 has an unusable user_id"), ("buy,NULL,6,2\n", "line 5 has an unus")):
        (tmp_path / "log.csv").write_text(head + lines + bad)
        with pytest.raises(DataError, match=words):
            load_ratings(tmp_path / "log.csv", where={"event": "buy"})
    (tmp_path / "log.jsonl").write_text(
        '{"event": "view", "item_id": 5}\n{"event": "buy", "item_id": 6, "user_id": 1}\n'
    )
    assert pairs(load_ratings(tmp_path / "log.jsonl", where={"event": "buy"})) == [(1, 6, 1.0)]
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"event": "view", "item_id": 5}\n{"event": "buy", "item_id": 5}\n')
    with pytest.raises(DataError, match="line 4 has no user_id"):
        load_ratings(tmp_path / "log.jsonl", where={"event": "buy"})
    frame = pd.read_csv(io.StringIO(head + lines + bad), dtype={"user_id": "str"}, keep_default_na=False)
    with pytest.raises(DataError, match="row 4 has an unusable user_id: 'NULL'"):
        load_ratings(frame.assign(rating=1), where={"event": "buy"})


def test_a_parquet_row_keeps_its_number(tmp_path: Path) -> None:
    log = pd.DataFrame({"event": ["view", "buy", "buy"], "user_id": [None, "a", None], "item_id": ["x", "y", "z"]})
    log.to_parquet(tmp_path / "log.parquet")
    with pytest.raises(DataError, match=r"log\.parquet, row 3 has an empty user_id"):
        load_ratings(tmp_path / "log.parquet", where={"event": "buy"})


def test_splits_are_filtered_alike(tmp_path: Path) -> None:
    as_csv(tmp_path)
    (tmp_path / "test.csv").write_text("user_id,event,item_id\n1,transaction,12\n2,view,12\n")
    path, test = str(tmp_path / "log.csv"), str(tmp_path / "test.csv")
    ratings = load_ratings(FileSource(path=path, test_path=test, where={"event": ["transaction"]}))
    assert ratings.frame["item_id"].tolist() == [11, 12]
    assert ratings.splits is not None
    assert ratings.splits.tolist() == [0, 2]


def test_a_column_by_its_position(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("1,view,10\n2,buy,11\n")
    columns = {"user": 0, "item": 2}
    assert pairs(load_ratings(tmp_path / "log.csv", columns=columns, where={1: ["buy"]})) == [(2, 11, 1.0)]


def test_two_ratings_of_a_row_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"several are given: by event and columns\.rating"):
        load_ratings(FRAME, where={"event": {"view": 1}}, columns={"rating": "amount"})
    with pytest.raises(ConfigError, match="where"):
        load_ratings(FRAME, where={"event": []})


@pytest.mark.parametrize(("repeated", "rating"), [("last", 5.0), ("first", 1.0), ("sum", 9.0)])
def test_what_a_user_did_several_times_with_an_item_is_kept_or_added_up(
    repeated: Literal["last", "first", "sum"], rating: float
) -> None:
    kinds = ["view", "cart", "purchase"]
    log = pd.DataFrame({"user_id": 1, "item_id": 2, "timestamp": [1, 2, 3], "event": kinds})
    ratings = load_ratings(log, where={"event": {"view": 1, "cart": 3, "purchase": 5}})
    assert filter_ratings(ratings, FilterConfig(repeated=repeated), FeedbackConfig()).ratings.tolist() == [rating]


def test_the_weights_replace_a_usual_column_of_ratings() -> None:
    log = FRAME.assign(rating=[9, 9, 9, 9, 9])
    assert {rating for _, _, rating in pairs(load_ratings(log, where={"event": {"view": 2}}))} == {2.0}


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ('{"event": ["purchase"]}', {"event": ("purchase",)}),
        ('{"event": {"view": 1, "purchase": 5}}', {"event": {"view": 1.0, "purchase": 5.0}}),
        ('{"event": "purchase", "amount": [1, 2]}', {"event": ("purchase",), "amount": ("1", "2")}),
    ],
)
def test_a_command_line_takes_it_and_the_settings_keep_it(option: str, expected: object) -> None:
    settings = parse(DataSettings, ["--dataset", "shop", "--source.path", "log.csv", "--source.where", option])
    assert isinstance(settings.source, FileSource)
    assert settings.source.where == expected
    assert DataSettings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize("values", ["[]", "{}", '{"view": "x"}', '[["view"]]'])
def test_values_that_are_none_are_refused_in_one_line_with_the_option(values: str) -> None:
    option = f'{{"event": {values}}}'
    with pytest.raises(ConfigError) as error:
        parse(DataSettings, ["--dataset", "shop", "--source.path", "log.csv", "--source.where", option])
    assert str(error.value).startswith("--source.where.event: got ")
    assert 'allowed are values, such as ["view", "purchase"], or a rating for each, {"view": 1}' in str(error.value)
    assert "\n" not in str(error.value)
