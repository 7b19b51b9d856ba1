import uuid
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ncf.data.ratings import Ratings
from ncf.errors import DataError


def log(**columns: Any) -> pd.DataFrame:
    """Three ratings, with some columns replaced."""
    default = {"user_id": [7, 7, 9], "item_id": [1, 2, 1], "rating": [4, 5, 3], "timestamp": [100, 200, 300]}
    return pd.DataFrame(default | columns)


def test_good_log_is_kept_in_its_order() -> None:
    frame = Ratings.from_frame(log()).frame
    assert frame.to_dict("list") == {
        "user_id": [7, 7, 9],
        "item_id": [1, 2, 1],
        "rating": [4.0, 5.0, 3.0],
        "timestamp": [100_000_000, 200_000_000, 300_000_000],
    }
    assert frame["rating"].dtype == np.float64
    assert frame["timestamp"].dtype == np.int64


@pytest.mark.parametrize("column", ["user_id", "item_id"])
def test_missing_column_is_named(column: str) -> None:
    with pytest.raises(DataError, match=f"ratings lack the column {column}: .*allowed: the columns user_id, item_id"):
        Ratings.from_frame(log().drop(columns=column))


@pytest.mark.parametrize("column", ["user_id", "item_id"])
@pytest.mark.parametrize("empty", [None, np.nan, pd.NA, ""])
def test_empty_id_is_refused_with_its_row(column: str, empty: object) -> None:
    with pytest.raises(DataError, match=f"row 2 has an unusable {column}.*must not be empty"):
        Ratings.from_frame(log(**{column: ["a", empty, "c"]}))


@pytest.mark.parametrize("column", ["user_id", "item_id"])
def test_ids_that_are_partly_numbers_and_partly_text_are_refused_with_the_first_odd_row(column: str) -> None:
    with pytest.raises(DataError, match=f"row 3 has an unusable {column}: 'x9'"):
        Ratings.from_frame(log(**{column: [1, 2, "x9"]}))


@pytest.mark.parametrize("column", ["rating", "timestamp"])
@pytest.mark.parametrize(
    ("bad", "shown"), [("five", "'five'"), ("", "''"), (np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")]
)
def test_value_that_is_no_finite_number_is_refused_with_row_and_value(column: str, bad: object, shown: str) -> None:
    with pytest.raises(DataError, match=f"row 3 has an unusable {column}: .*{shown}.*finite number"):
        Ratings.from_frame(log(**{column: [1, 2, bad]}))


@pytest.mark.parametrize("bad", [1e300, -1e300, float(2**63)])
def test_timestamp_out_of_range_is_refused_with_row_and_value(bad: float) -> None:
    with pytest.raises(DataError, match="row 1 has an unusable timestamp"):
        Ratings.from_frame(log(timestamp=[bad, 2, 3]))


def test_empty_date_is_refused() -> None:
    dates = pd.to_datetime(pd.Series(["2024-01-01", None, "2024-01-02"]))
    with pytest.raises(DataError, match="unusable timestamp"):
        Ratings.from_frame(log(timestamp=dates))


def test_the_number_of_bad_rows_is_told() -> None:
    with pytest.raises(DataError, match=r"row 1 has .* the 2 such rows"):
        Ratings.from_frame(log(rating=["x", 2, "y"]))


def test_rows_are_counted_by_place_whatever_the_frames_index() -> None:
    frame = log(rating=[1, 2, np.nan]).set_index(pd.Index([50, 50, 50]))
    with pytest.raises(DataError, match="row 3 has an unusable rating"):
        Ratings.from_frame(frame)


def test_the_frames_index_does_not_matter() -> None:
    odd = Ratings.from_frame(log().set_index(pd.Index([50, 50, 7]))).frame
    pd.testing.assert_frame_equal(odd, Ratings.from_frame(log()).frame)


def test_numbers_written_as_text_are_read() -> None:
    frame = Ratings.from_frame(log(rating=["4", "4.5", "3"], timestamp=["100", "20", "3"])).frame
    assert frame["rating"].tolist() == [4.0, 4.5, 3.0]
    assert frame["timestamp"].tolist() == [100_000_000, 20_000_000, 3_000_000]


def test_large_timestamps_keep_every_microsecond() -> None:
    nanoseconds = [1_700_000_000_000_001_000, 1_700_000_000_000_002_000, 1_700_000_000_000_003_000]
    found = Ratings.from_frame(log(timestamp=nanoseconds)).frame["timestamp"]
    assert found.tolist() == [1_700_000_000_000_001, 1_700_000_000_000_002, 1_700_000_000_000_003]


def test_the_unit_of_the_times_can_be_said() -> None:
    assert Ratings.from_frame(log(), time_unit="ms").frame["timestamp"].tolist() == [100_000, 200_000, 300_000]


def test_without_ratings_every_row_counts_one() -> None:
    assert Ratings.from_frame(log().drop(columns="rating")).frame["rating"].tolist() == [1.0, 1.0, 1.0]


def test_without_times_they_are_zero_and_unknown() -> None:
    ratings = Ratings.from_frame(log().drop(columns="timestamp"))
    assert not ratings.has_times
    assert ratings.frame["timestamp"].tolist() == [0, 0, 0]
    assert (ratings.tally.rows_read, ratings.tally.first_time, ratings.tally.last_time) == (3, None, None)


def test_rows_and_their_span_of_time_are_tallied() -> None:
    tally = Ratings.from_frame(log(timestamp=[300, 100, 200])).tally
    assert (tally.rows_read, tally.first_time, tally.last_time) == (3, 100_000_000, 300_000_000)
    assert tally.notes == ()


def test_equal_times_everywhere_are_noted() -> None:
    assert "all rows have the same time" in Ratings.from_frame(log(timestamp=[5, 5, 5])).tally.notes[0]


UUIDS = [uuid.UUID(int=9), uuid.UUID(int=9), uuid.UUID(int=7)]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (pd.Series([7, 7, 9]), "int64"),
        (pd.Series([7, 7, 9], dtype="int32"), "int32"),
        (pd.Series([7, 7, 9], dtype="uint64"), "int64"),
        (pd.Series([7, 7, 9], dtype="Int64"), "int64"),
        (pd.Series([7, 7, 9], dtype="int64[pyarrow]"), "int64"),
        (pd.Series([7.0, 7.0, 9.0]), "int64"),
        (pd.Series([7, 7, 9], dtype=object), "int64"),
        (pd.Series(["b", "b", "a"]), "str"),
        (pd.Series(["b", "b", "a"], dtype=object), "str"),
        (pd.Series(["b", "b", "a"], dtype="string"), "str"),
        (pd.Series(["b", "b", "a"], dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))), "str"),
        (pd.Series(["b", "b", "a"], dtype="category"), "category"),
        (pd.Series([7, 7, 9], dtype="category"), "category"),
        (pd.Series(UUIDS), "object"),
        (pd.Series(UUIDS, dtype="category"), "category"),
    ],
    ids=lambda value: str(getattr(value, "dtype", value)),
)
def test_ids_are_integers_text_or_uuids_whatever_the_dtype(given: "pd.Series[Any]", kept: str) -> None:
    ids = Ratings.from_frame(log(item_id=given)).frame["item_id"]
    assert (str(ids.dtype), ids.tolist()) == (kept, given.tolist())


def test_good_columns_are_not_copied() -> None:
    frame = log(rating=[4.0, 5.0, 3.0], timestamp=[10**15, 10**15, 10**15])
    checked = Ratings.from_frame(frame).frame
    for column in frame:
        assert np.shares_memory(checked[column].to_numpy(), frame[column].to_numpy())


def test_a_column_that_is_there_twice_is_refused() -> None:
    twice = pd.concat([log(), log()[["rating"]]], axis=1)
    with pytest.raises(DataError, match="the column rating is there more than once"):
        Ratings.from_frame(twice)


def test_of_an_items_two_titles_the_first_counts_and_an_empty_one_is_none() -> None:
    titles = pd.Series(["Alien", "Brazil", None], index=[1, 1, 2])
    assert Ratings.from_frame(log(), titles).titles.to_dict() == {1: "Alien"}


def test_splits_are_one_a_row() -> None:
    with pytest.raises(DataError, match="one split a row: 2; allowed: 3 splits"):
        Ratings.from_frame(log(), splits=np.zeros(2, dtype=np.int8))


def test_candidates_with_ids_of_another_type_are_refused() -> None:
    candidates = pd.DataFrame({"user_id": [7], "item_id": ["2"]})
    with pytest.raises(DataError, match="candidates have item_ids of another type.*'str'; allowed: int64"):
        Ratings.from_frame(log(), candidates=candidates)


def test_empty_frame_is_refused() -> None:
    with pytest.raises(DataError, match="no rows"):
        Ratings.from_frame(log().iloc[:0])


def test_further_columns_are_left_out() -> None:
    assert list(Ratings.from_frame(log(device=["tv", "tv", "tv"])).frame) == [
        "user_id",
        "item_id",
        "rating",
        "timestamp",
    ]


def test_the_callers_frame_is_left_as_it_is() -> None:
    frame = log(rating=["4", "5", "3"], extra=[1, 2, 3]).set_index(pd.Index([5, 6, 7]))
    before = frame.copy(deep=True)
    Ratings.from_frame(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_later_changes_of_the_callers_frame_and_titles_are_not_seen() -> None:
    frame, titles = log(), pd.Series(["Alien"], index=[1])
    ratings = Ratings.from_frame(frame, titles)
    frame.loc[0, "rating"] = 1
    titles.iloc[0] = "Brazil"
    assert ratings.frame["rating"].tolist() == [4.0, 5.0, 3.0]
    assert ratings.titles.to_dict() == {1: "Alien"}


def test_titles_may_be_absent() -> None:
    assert Ratings.from_frame(log()).titles.empty
