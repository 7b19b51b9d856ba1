"""Folders such as date=2024-01-31 are columns, whatever format the files have."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ncf.errors import DataError
from tests.ncf.ingest.log_files import Case, assert_refused, ids, load, write

DAY = 86_400_000000
START = 1_704_067_200_000000  # 2024-01-01


def part(path: Path, **columns: list[Any]) -> None:
    """A file in the format of its ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(columns)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")))


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_the_date_of_a_folder_is_the_time_of_its_rows(tmp_path: Path, kind: str) -> None:
    for day in (2, 1):
        part(tmp_path / f"date=2024-01-0{day}" / f"part-0.{kind}", user_id=[day, 9], item_id=["a", "b"])
    for path in (str(tmp_path), f"{tmp_path}/*/*.{kind}", f"{tmp_path}/date=*/part-0.{kind}"):
        ratings = load(path)
        assert ids(ratings) == ([1, 9, 2, 9], ["a", "b"] * 2)
        assert ratings.frame["timestamp"].tolist() == [START, START, START + DAY, START + DAY]
        assert ratings.has_times
        assert ratings.tally.notes == ("columns taken: date as timestamp",)
    assert load(tmp_path / "date=2024-01-02" / f"part-0.{kind}").frame["timestamp"].tolist() == [START + DAY] * 2


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_ids_and_ratings_may_come_from_folders(tmp_path: Path, kind: str) -> None:
    for user in ("7", "10"):
        part(tmp_path / f"who={user}" / f"stars={int(user) / 2}" / f"a.{kind}", item_id=[1, 2])
    ratings = load(tmp_path, columns={"user": "who", "rating": "stars"})
    assert ids(ratings) == ([10, 10, 7, 7], [1, 2, 1, 2])
    assert ratings.frame["rating"].tolist() == [5.0, 5.0, 3.5, 3.5]
    part(tmp_path / "who=é%2Fx 07" / "stars=1" / f"a.{kind}", item_id=[3])
    assert set(ids(load(tmp_path, columns={"user": "who", "rating": "stars"}))[0]) == {"7", "10", "é/x 07"}


def test_a_column_of_the_files_comes_before_that_of_their_folders(tmp_path: Path) -> None:
    part(tmp_path / "user=7" / "date=2024-01-01" / "a.csv", user_id=[1], item_id=[2], ts=[START])
    ratings = load(tmp_path)
    assert ids(ratings) == ([1], [2])
    assert ratings.frame["timestamp"].tolist() == [START]
    assert load(tmp_path, columns={"timestamp": "date", "user": "user"}).frame["user_id"].tolist() == [7]


def test_files_without_a_header_take_the_date_of_their_folder(tmp_path: Path) -> None:
    write(tmp_path / "day=2024-01-01" / "a.csv", "7,1\n")
    write(tmp_path / "day=2024-01-02" / "a.csv", "8,2\n")
    ratings = load(tmp_path, columns={"user": 0, "item": 1, "timestamp": "day"})
    assert ids(ratings) == ([7, 8], [1, 2])
    assert ratings.frame["timestamp"].tolist() == [START, START + DAY]


def test_numbers_of_folders_are_times_too(tmp_path: Path) -> None:
    for second in (1_500_000_000, 1_500_000_001):
        part(tmp_path / f"ts={second}" / "a.parquet", user_id=[1], item_id=[second])
    assert load(tmp_path).frame["timestamp"].tolist() == [1_500_000_000_000000, 1_500_000_001_000000]
    for day in ("20240101", "20240102"):
        part(tmp_path / "days" / f"dt={day}" / "a.parquet", user_id=[1], item_id=[2])
    ratings = load(tmp_path / "days", columns={"timestamp": "dt"}, time_unit="iso")
    assert ratings.frame["timestamp"].tolist() == [START, START + DAY]


REFUSED: dict[str, Case] = {
    "one file lies outside": (
        {"date=2024-01-01/a.csv": "user_id,item_id\n1,2\n", "b.csv": "user_id,item_id\n1,2\n"},
        "",
        {},
        r"log/b.csv has no date, which is in the names of other files' folders.*move it into such a folder, or give",
    ),
    "one lies in a folder of another kind": (
        {"date=2024-01-01/a.csv": "user_id,item_id\n1,2\n", "day=1/b.csv": "user_id,item_id\n1,2\n"},
        "",
        {},
        r"day=1/b.csv has no date.*\{'day': '1'\}",
    ),
    "a folder without a value": (
        {f"date={value}/a.csv": "user_id,item_id\n1,2\n" for value in ("2024-01-01", "__HIVE_DEFAULT_PARTITION__")},
        "",
        {},
        r"date=__HIVE_DEFAULT_PARTITION__/a.csv has no date",
    ),
    "a rating that is no number": (
        {"stars=good/a.csv": "user_id,item_id\n1,2\n"},
        "",
        {},
        r"the folder of .*stars=good/a.csv gives no rating \(stars\): 'good'",
    ),
    "a date that is none": (
        {"date=x/a.csv": "user_id,item_id\n1,2\n", "date=2024-01-01/a.csv": "user_id,item_id\n1,2\n"},
        "",
        {},
        r"date=x/a.csv, line 2 has an unusable timestamp",
    ),
    "several that may be the time": (
        {"date=2024-01-01/time=1/a.csv": "user_id,item_id\n1,2\n"},
        "",
        {},
        r"several columns that may be timestamp: \['date', 'time'\]; what to do: set columns.timestamp",
    ),
    "nothing in the files": ({"user=1/item=2/a.csv": "x,y\n1,2\n"}, "", {}, r"a.csv has none of the columns"),
    "a name that is nowhere": (
        {"date=2024-01-01/a.csv": "user_id,item_id\n1,2\n"},
        "",
        {"columns": {"timestamp": "hour"}},
        r"has no column hour; it has: \['user_id', 'item_id'\]",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_folders_that_do_not_go_together_are_refused(tmp_path: Path, case: str) -> None:
    files, path, settings, words = REFUSED[case]
    assert_refused(tmp_path / "log", (files, path, settings, words))


def test_the_advice_is_followed(tmp_path: Path) -> None:
    part(tmp_path / "date=2024-01-01" / "a.csv", user_id=[1], item_id=[2])
    part(tmp_path / "b.csv", user_id=[1], item_id=[2])
    with pytest.raises(DataError, match="give a glob"):
        load(tmp_path)
    assert len(load(f"{tmp_path}/date=*/*.csv").frame) == 1
    (tmp_path / "date=2024-01-02").mkdir()
    (tmp_path / "b.csv").rename(tmp_path / "date=2024-01-02" / "b.csv")
    assert load(tmp_path).frame["timestamp"].tolist() == [START, START + DAY]
