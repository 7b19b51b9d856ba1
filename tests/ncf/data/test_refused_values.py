"""What a user gets to read about values that can't be used: column, row, value, what is allowed, how many."""

import datetime as dt
import decimal
import uuid
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from ncf.data.ratings import Ratings
from ncf.errors import DataError

NOW = 1_735_732_800  # 2025-01-01T12:00:00Z, in seconds


class Case(NamedTuple):
    column: str
    given: Any
    row: int
    shown: str
    allowed: str


EMPTY, ONE_KIND, FINITE = "an id must not be empty", r"whole numbers below 2\*\*63, text, or UUIDs", "a finite number"
RANGE, ONE_UNIT, TIME = "from 1970-01-01 to 9999-12-31", "one unit in the whole column", "ISO 8601"

IDS = {
    "none": ([7, None, 9], 2, "nan", EMPTY),
    "not a number": ([7.0, 8.0, np.nan], 3, "nan", EMPTY),
    "nullable integer": (pd.array([7, 8, None], dtype="Int64"), 3, "<NA>", EMPTY),
    "empty text": (["a", "", "c"], 2, "''", EMPTY),
    "white space": (["a", " \t", "c"], 2, r"' \\t'", EMPTY),
    "missing category": (pd.Categorical(["a", None, "c"]), 2, "nan", EMPTY),
    "empty category": (pd.Categorical(["a", "", "c"]), 2, "''", EMPTY),
    "half a number": ([7.0, 8.5, 9.0], 2, "8.5", ONE_KIND),
    "infinite": ([7.0, np.inf, 9.0], 2, "inf", ONE_KIND),
    "text among integers": ([7, 8, "x9"], 3, "'x9'", ONE_KIND),
    "integer among text": (["a", 8, "c"], 2, "8", ONE_KIND),
    "UUID among text": (["a", "b", uuid.UUID(int=7)], 3, "UUID", ONE_KIND),
    "bytes": ([b"a", b"b", b"c"], 1, "b'a'", ONE_KIND),
    "booleans": ([True, False, True], 1, "True", ONE_KIND),
    "dates": (pd.to_datetime(["2025-01-01"] * 3), 1, "2025-01-01", ONE_KIND),
    "decimals": ([decimal.Decimal(7)] * 3, 1, "Decimal", ONE_KIND),
    "past 64 bits": ([7, 2**64, 9], 2, "18446744073709551616", ONE_KIND),
    "past 63 bits": (np.array([7, 2**63, 9], dtype=np.uint64), 2, "9223372036854775808", ONE_KIND),
    "lists": ([["a"], ["b"], ["c"]], 1, r"\['a'\]", ONE_KIND),
}
RATINGS = {
    "text": ([4, "five", 3], 2, "'five'", FINITE),
    "comma": (["4", "3,5", "3"], 2, "'3,5'", FINITE),
    "empty text": (["4", "", "3"], 2, "''", FINITE),
    "none": ([4, None, 3], 2, "nan", FINITE),
    "nullable": (pd.array([4, None, 3], dtype="Int64"), 2, "<NA>", FINITE),
    "infinite": ([4, 5, np.inf], 3, "inf", FINITE),
    "infinite text": (["4", "-inf", "3"], 2, "'-inf'", FINITE),
    "date": (pd.to_datetime(["2025-01-01"] * 3), 1, "2025-01-01", FINITE),
    "date among numbers": ([4, dt.datetime(2025, 1, 1), 3], 2, "2025", FINITE),
    "complex": ([4, 1j, 3], 1, "4", FINITE),
}
TIMES = {
    "text": ([NOW, "five", NOW], 2, "'five'", TIME),
    "empty text": (["2025-01-01", "", "2025-01-02"], 2, "''", TIME),
    "no such day": (["2025-01-01", "2025-02-30", "2025-03-01"], 2, "'2025-02-30'", TIME),
    "another order": (["2025-01-01", "31/12/2024", "2025-03-01"], 2, "'31/12/2024'", TIME),
    "a word that pandas knows": (["2025-01-01", "now", "2025-03-01"], 2, "'now'", TIME),
    "none": ([NOW, None, NOW], 2, "nan", FINITE),
    "not a time": (pd.to_datetime(pd.Series(["2025-01-01", None, "2025-01-01"])), 2, "NaT", FINITE),
    "infinite": ([NOW, np.inf, NOW], 2, "inf", FINITE),
    "booleans": ([True, False, True], 1, "True", FINITE),
    "span of time": (pd.to_timedelta(["1s", "2s", "3s"]), 1, "0 days", FINITE),
    "negative": ([NOW, -1, NOW], 2, "-1", RANGE),
    "before 1970": (["2025-01-01", "1969-12-31T23:59:59Z", "2025-01-01"], 2, "'1969-12-31", RANGE),
    "date before 1970": (pd.to_datetime(["2025-01-01", "1969-12-31", "2025-01-01"]), 2, "1969-12-31", RANGE),
    "past any calendar": ([NOW, NOW, 1e300], 3, "1e[+]300", RANGE),
    "milliseconds among seconds": ([NOW, NOW * 1_000, NOW], 2, str(NOW * 1_000), f"{ONE_UNIT}.*ms, while {NOW} is s"),
    "seconds among nanoseconds": ([NOW * 10**9, NOW * 10**9, NOW], 3, str(NOW), f"{ONE_UNIT}.* is s, while .* is ns"),
    "units of text": ([str(NOW), str(NOW), f"{NOW}000"], 3, f"'{NOW}000'", ONE_UNIT),
    "ISO among numbers": ([str(NOW), "2025-01-01", str(NOW)], 2, "'2025-01-01'", "numbers as elsewhere"),
    "number among ISO": (["2025-01-01", "2025-01-02", str(NOW)], 3, f"'{NOW}'", "ISO 8601 text as elsewhere"),
}
CATALOGUE = {
    f"{column}: {name}": Case(column, *case)
    for columns, cases in ((("user_id", "item_id"), IDS), (("rating",), RATINGS), (("timestamp",), TIMES))
    for column in columns
    for name, case in cases.items()
}


def log(**columns: Any) -> pd.DataFrame:
    default = {"user_id": [7, 7, 9], "item_id": [1, 2, 1], "rating": [4, 5, 3], "timestamp": [NOW, NOW, NOW]}
    return pd.DataFrame(default | columns)


@pytest.mark.parametrize("case", CATALOGUE.values(), ids=CATALOGUE)
def test_a_value_that_cannot_be_used_is_told_with_its_place(case: Case) -> None:
    words = f"^row {case.row} has an unusable {case.column}: .*{case.shown}.*; allowed: .*{case.allowed}.*; what to do"
    with pytest.raises(DataError, match=words) as error:
        Ratings.from_frame(log(**{case.column: case.given}))
    assert error.value.__cause__ is None  # one error, without another's traceback


@pytest.mark.parametrize("case", CATALOGUE.values(), ids=CATALOGUE)
def test_the_place_is_said_in_the_words_of_the_source(case: Case) -> None:
    with pytest.raises(DataError, match=f"^log.csv, line {case.row + 1} has an unusable {case.column}"):
        Ratings.from_frame(log(**{case.column: case.given}), locate=lambda row: f"log.csv, line {row + 2}")


def test_every_column_and_the_number_of_rows_are_told_at_once() -> None:
    bad = log(user_id=["a", "", ""], rating=["x", 2, "y"], timestamp=[-1, NOW, NOW])
    with pytest.raises(DataError) as error:
        Ratings.from_frame(bad)
    assert str(error.value) == (
        "row 2 has an unusable user_id: ''; allowed: an id must not be empty, nor white space alone; what to do: fix "
        "or remove the 2 such rows; also row 1 has an unusable rating: 'x' (2 such); also row 1 has an unusable "
        "timestamp: -1 (1 such)"
    )


def test_a_long_value_is_cut() -> None:
    with pytest.raises(DataError) as error:
        Ratings.from_frame(log(rating=["x" * 10_000, 1, 2]))
    assert len(str(error.value)) < 300
