"""What Spark prepares is what pandas prepares: the same fingerprint, report and left-out pairs."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from ncf.data.config import DataConfig
from ncf.ingest.config import SparkSource
from ncf.prepare import prepare_source
from tests.ncf.ingest.spark.conftest import SPARK, by_both, of

pytestmark = pytest.mark.usefixtures("spark")


def random_log(seed: int, rows: int = 1500) -> pd.DataFrame:
    """Repeated pairs, equal times, and ratings whose sums depend on their order in the last digits."""
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "user_id": random.zipf(1.2, rows) % 60,
            "item_id": random.zipf(1.2, rows) % 50,
            "rating": random.integers(1, 50, rows) / 10,
            "timestamp": 1_500_000_000 + random.integers(0, 40, rows) * 86_400,
        }
    )


def write(log: pd.DataFrame, folder: Path, form: str) -> Path:
    """Several files, whose names are not in the order of their size."""
    for number, rows in enumerate(np.array_split(np.arange(len(log)), [100, 1200])):
        part = log.iloc[rows]
        name = folder / f"part {number} [é].{form}"
        part.to_csv(name, index=False) if form == "csv" else part.to_parquet(name, index=False)
    return folder


CHOICES: list[dict[str, Any]] = [
    {},
    {
        "filters": {"repeated": "first", "min_per_user": 5, "min_per_item": 6, "as_of": "2017-08-20T00:00:00Z"},
        "feedback": {"threshold": 2.5},
    },
    {
        "filters": {"repeated": "sum", "min_per_user": 3, "max_users": 20, "items_active_since": "2017-08-10T00:00Z"},
        "feedback": {"threshold": 3.3, "below_threshold": "unseen"},
    },
    {
        "filters": {"users_active_since": "2017-08-15T00:00:00Z", "items_active_since": "2017-08-18T00:00:00Z"},
        "feedback": {"kind": "explicit", "scale": [0, 5]},
        "split": {"kind": "random", "seed": 7},
    },
    {
        "filters": {"repeated": "sum", "min_per_item": 8},
        "feedback": {"kind": "explicit", "scale": [0, 900]},
        "split": {
            "kind": "temporal",
            "validation_from": "2017-08-10T00:00:00Z",
            "test_from": "2017-08-15T00:00:00Z",
        },
    },
]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, len(CHOICES)))])
def test_random_logs(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ncf.ingest.spark_pairs.SLICE_ROWS", 400)
    log, form = random_log(seed), ("csv", "parquet")[seed % 2]
    if seed % 3 == 0:
        log["user_id"] = "u" + log["user_id"].astype("str")  # u10 before u9
    data = by_both(of(write(log, tmp_path, form)), CHOICES[seed])
    assert data.report.rows_read == len(log)


def test_a_log_without_times_and_ratings_is_split_at_random(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user;item\n" + "".join(f"{n % 7};x{n % 9}\n" for n in range(40)))
    assert "random" in " ".join(by_both(of(tmp_path / "log.csv"), {}).report.notes)


def test_titles_go_to_their_items(tmp_path: Path) -> None:
    (tmp_path / "titles.csv").write_text("item_id,title\n1,Alien\n3,Brazil\n99,Nobody's\n")
    log = pd.DataFrame({"user_id": [1, 1, 1, 2, 2, 3], "item_id": [1, 2, 3, 1, 3, 2], "timestamp": range(10, 16)})
    log.to_csv(tmp_path / "log.csv", index=False)
    data = by_both(of(tmp_path / "log.csv", titles_path=str(tmp_path / "titles.csv")), {})
    assert data.titles.tolist() == ["Alien", "", "Brazil"]


@pytest.mark.parametrize(
    "times",
    [
        ["2020-01-01", "2020-01-02 10:00", "2020-01-02T09:00:00.123456789Z", "2020-01-02T12:00+05:30"],
        ["1577836800.25", "1577836801.1234567", "1577836802", "1577836800"],
        ["1577836800123", "1577836800999", "1577836800000", "1577836801000"],
        ["1577836800123456789", "1577836800123456001", "1577836800123457999", "1577836800123456789"],
        ["1", "2", "3", "0"],
    ],
    ids=["iso", "fractions", "milliseconds", "nanoseconds", "counters"],
)
def test_times_are_read_alike(times: list[str], tmp_path: Path) -> None:
    pairs = [(user, item) for user in "ab" for item in "vwxyz"][:-1]
    rows = [f"{user},{item},{times[n % len(times)]}" for n, (user, item) in enumerate(pairs)]
    (tmp_path / "log.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows, ""]))
    by_both(of(tmp_path / "log.csv"), {})


def test_parquet_with_dictionaries_and_nanoseconds_and_other_columns_that_spark_can_not_read(tmp_path: Path) -> None:
    users = pa.array([2**62, 5, 5, 5, 2**62, 2**62, 7, 7])
    table = pa.table(
        {
            "user_id": users,
            "item_id": pa.array(["a", "b", "a", "c", "c", "d", "a", "d"]).dictionary_encode(),
            "timestamp": pa.array([3, 1, 1, 1, 2, 9, 10, 11], pa.timestamp("ns")),
            "rating": pa.array([1, 2, 3, 4, 5, 5, 5, 1], pa.float32()),
            "other": pa.array([b"0123456789abcdef"] * 8, pa.uuid()),
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    by_both(of(tmp_path / "a.parquet"), {})


def test_ids_go_by_the_same_rules(tmp_path: Path) -> None:
    """' b' and 'b' are one with ids.strip, and 1.0 is 1 in a column of integers."""
    rows = [("1.0", " b", 1), ("1", "b", 2), ("1", "c", 3), ("2", "d", 4), ("2", "b ", 5), ("2", "c", 6), ("3", "c", 7)]
    text = "".join(f"{user},{item},{time}\n" for user, item, time in rows)
    (tmp_path / "log.csv").write_text(f"user_id,item_id,timestamp\n{text}")
    assert by_both(of(tmp_path / "log.csv", ids={"strip": True}), {}).user_ids.tolist() == [1, 2, 3]


PAIRS = [(user, item, time) for time, (user, item) in enumerate(((u, i) for u in range(4) for i in range(6)), 50)][:-1]


def test_files_with_separators_and_orders_of_their_own(tmp_path: Path) -> None:
    comma = [f'{user},{item},"{user + item},5",{time}' for user, item, time in PAIRS[:10]]
    tab = [f"{time}\t{item}\t{user}\t{item},25" for user, item, time in PAIRS[10:]]
    (tmp_path / "a.csv").write_text("\n".join(["user_id,item_id,rating,timestamp", *comma, ""]))
    (tmp_path / "b.tsv").write_text("\n".join(["timestamp\titem_id\tuser_id\trating", "# half", *tab, ""]))
    data = by_both(of(tmp_path, decimal=",", comment="#"), {"feedback": {"kind": "explicit", "scale": [0, 10]}})
    assert data.report.rows_read == 23


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_json_lines_with_nested_names(name: str, tmp_path: Path) -> None:
    rows = [{"who": {"id": f"é{u}"}, "item_id": i, "rating": i + (0.5 if u else 0), "ts": t} for u, i, t in PAIRS]
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n"
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    by_both(of(tmp_path, columns={"user": "who.id", "timestamp": "ts"}), {"feedback": {"threshold": 2.5}})


def test_parts_in_folders_that_give_a_column_and_whose_types_agree(tmp_path: Path) -> None:
    for user in range(4):
        rows = [(item, time) for own, item, time in PAIRS if own == user]
        integer, when = (pa.int32(), pa.int64()) if user % 2 else (pa.int64(), pa.int32())
        ids = pa.StructArray.from_arrays([pa.array([item for item, _ in rows], integer)], ["id"])
        table = pa.table({"item": ids, "timestamp": pa.array([time for _, time in rows], when)})
        (tmp_path / f"user_id={user} x").mkdir()
        parquet.write_table(table, tmp_path / f"user_id={user} x" / "part.parquet")
    data = by_both(of(tmp_path, columns={"item": "item.id"}), {})
    assert data.user_ids.tolist() == ["0 x", "1 x", "2 x", "3 x"]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_rows_are_taken_by_the_values_of_a_column(form: str, tmp_path: Path) -> None:
    log = pd.DataFrame(PAIRS * 3, columns=["user_id", "item_id", "timestamp"])
    log["event"] = [("view", "buy", "cart", None, "view")[row % 5] for row in range(len(log))]
    if form == "csv":
        log.to_csv(tmp_path / "log.csv", index=False)
    elif form == "jsonl":
        log.to_json(tmp_path / "log.jsonl", orient="records", lines=True)
    else:
        log.to_parquet(tmp_path / "log.parquet", index=False)
    source = of(tmp_path / f"log.{form}", where={"event": {"view": 1, "buy": 5, "like": 9}})
    data = by_both(source, {"filters": {"repeated": "sum"}, "feedback": {"threshold": 2}})
    assert data.report.dropped["where: event is not view or buy or like"] == 28
    assert "no row has the event 'like'" in " ".join(data.report.notes)


def test_a_table_and_a_query_of_spark(spark: Any, tmp_path: Path) -> None:
    log = random_log(9, 300).drop_duplicates(["user_id", "item_id"]).drop_duplicates(["user_id", "timestamp"])
    log.to_parquet(tmp_path / "log.parquet", index=False)
    shared = spark.newSession()  # as the log's own is: tables are seen by all of them
    shared.read.parquet(str(tmp_path / "log.parquet")).createOrReplaceGlobalTempView("log")
    theirs = [
        prepare_source("log", SparkSource(**source), DataConfig(), engine=SPARK)
        for source in ({"table": "global_temp.log"}, {"query": "SELECT * FROM global_temp.log WHERE rating > 0;"})
    ]
    ours = prepare_source("log", of(tmp_path / "log.parquet"), DataConfig())
    assert {each.fingerprint for each in theirs} == {ours.fingerprint}
