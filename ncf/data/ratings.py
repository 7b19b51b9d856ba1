"""The raw log: who rated what, how, and when; checked once, at birth."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from ncf.errors import DataError

USER_ID, ITEM_ID, RATING, TIMESTAMP, TITLE = "user_id", "item_id", "rating", "timestamp", "title"
COLUMNS = (USER_ID, ITEM_ID, RATING, TIMESTAMP)


@dataclass(frozen=True)
class Ratings:
    """Explicit ratings as they came, in the order of the file.

    Attributes:
        frame: columns user_id and item_id (integers or strings), rating (float64), timestamp (int64, seconds since
            the epoch); one row a rating.
        titles: item_id -> title (str), for the items that have one; may be empty.
    """

    frame: pd.DataFrame
    titles: "pd.Series[str]"

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, titles: "pd.Series[str] | None" = None) -> Self:
        """Check and copy a frame. The caller's frame is left as it is.

        Raises:
            DataError: a column is missing, or has a value that is empty, not a number, or out of range.
        """
        missing = [column for column in COLUMNS if column not in frame.columns]
        if missing:
            raise DataError(
                f"ratings lack the column {missing[0]}",
                got=list(frame.columns),
                allowed=f"the columns {', '.join(COLUMNS)}",
                do="rename the columns of the log",
            )
        if frame.empty:
            raise DataError("the ratings have no rows", do="check that the file is the right one")
        checked = frame.loc[:, list(COLUMNS)].reset_index(drop=True)
        for column in (USER_ID, ITEM_ID):
            _refuse_first(checked, column, checked[column].isna() | (checked[column] == ""), "an id must not be empty")
            checked[column] = _of_one_type(checked, column)
        checked[RATING] = _numbers(checked, RATING).astype(np.float64)
        times = _numbers(checked, TIMESTAMP)
        _refuse_first(checked, TIMESTAMP, times.abs() >= 2**63, "it must fit in 64 bits")
        checked[TIMESTAMP] = times.astype(np.int64)
        return cls(checked, pd.Series(dtype=str) if titles is None else titles.copy())


def _of_one_type(frame: pd.DataFrame, column: str) -> "pd.Series[Any]":
    """Ids as a column of their own type, since a Parquet file would not give an object column back as it was."""
    ids = frame[column].infer_objects()
    if ids.dtype == object:
        types = ids.map(type)
        _refuse_first(frame, column, types != types.iloc[0], "all ids integers, or all text")
    return ids


def _numbers(frame: pd.DataFrame, column: str) -> "pd.Series[float]":
    numbers = pd.to_numeric(frame[column], errors="coerce")
    bad = frame[column].isna() | ~pd.Series(np.isfinite(numbers.astype(np.float64)))
    _refuse_first(frame, column, bad, "it must be a finite number")
    return numbers


def _refuse_first(frame: pd.DataFrame, column: str, bad: "pd.Series[bool]", allowed: str) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad.to_numpy())[0])
        raise DataError(
            f"row {row + 1} has an unusable {column}",
            got=frame[column].iloc[row],
            allowed=allowed,
            do=f"mend or remove the {int(bad.sum())} such rows",
        )
