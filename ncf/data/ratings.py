"""The raw log: who rated what, how, and when; checked once, at birth."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncf.data.sources.config import TimeUnit
from ncf.data.tally import NOTHING_READ, Tally
from ncf.data.times import to_microseconds
from ncf.errors import DataError

USER_ID, ITEM_ID, RATING, TIMESTAMP, TITLE = "user_id", "item_id", "rating", "timestamp", "title"
COLUMNS = (USER_ID, ITEM_ID, RATING, TIMESTAMP)
Locate: TypeAlias = Callable[[int], str] | None
TRAIN, VALIDATION, TEST = 0, 1, 2  # parts of a split that a source brings


@dataclass(frozen=True)
class Ratings:
    """Explicit ratings as they came, in the order of the log.

    Attributes:
        frame: columns user_id and item_id (integers, strings or UUIDs), rating (float64), timestamp (int64,
            microseconds since the epoch, 0 where the log has no times); one row a rating.
        titles: item_id -> title (str), for the items that have one; may be empty.
        has_times: whether the log has times at all.
        parts: int8[rows]: TRAIN, VALIDATION or TEST, if the source brings its own split; else None.
        candidates: columns user_id, item_id, if the source brings the test holdout's candidates; else None.
        tally: what was read.
    """

    frame: pd.DataFrame
    titles: "pd.Series[str]"
    has_times: bool = True
    parts: NDArray[np.int8] | None = None
    candidates: pd.DataFrame | None = None
    tally: Tally = NOTHING_READ

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        titles: "pd.Series[str] | None" = None,
        *,
        time_unit: TimeUnit = "auto",
        parts: NDArray[np.int8] | None = None,
        candidates: pd.DataFrame | None = None,
        locate: Locate = None,
    ) -> Self:
        """Check and copy a frame. The caller's frame is left as it is.

        Args:
            frame: user_id and item_id; rating (1 if there is none) and timestamp if known. Other columns are ignored.
            titles: item_id -> title.
            time_unit: of the timestamps; auto tells by the values.
            parts: see the class.
            candidates: see the class.
            locate: from a row, from 0, to words for its place, such as "log.csv, line 7"; None counts rows from 1.

        Raises:
            DataError: a column is missing, or has a value that is empty, not a number, or out of range.
        """
        missing = [column for column in (USER_ID, ITEM_ID) if column not in frame.columns]
        if missing:
            raise DataError(
                f"ratings lack the column {missing[0]}",
                got=list(frame.columns),
                allowed=f"the columns {', '.join(COLUMNS)}",
                do="rename the columns of the log",
            )
        if frame.empty:
            raise DataError("the ratings have no rows", do="check that the file is the right one")
        checked = frame.loc[:, [column for column in COLUMNS if column in frame.columns]].reset_index(drop=True)
        for column in (USER_ID, ITEM_ID):
            _refuse_first(
                checked, column, checked[column].isna() | (checked[column] == ""), "an id must not be empty", locate
            )
            checked[column] = _of_one_type(checked, column, locate)
        checked[RATING] = _numbers(checked, RATING, locate).astype(np.float64) if RATING in checked else 1.0
        has_times = TIMESTAMP in checked
        tally = Tally(rows_read=len(checked))
        if has_times:
            times = _numbers(checked, TIMESTAMP, locate)
            _refuse_first(checked, TIMESTAMP, times.abs() >= 2**63, "it must fit in 64 bits", locate)
            since_epoch = to_microseconds(times, time_unit)
            tally = replace(tally, first_time=int(since_epoch.min()), last_time=int(since_epoch.max()))
            checked[TIMESTAMP] = since_epoch
        else:
            checked[TIMESTAMP] = 0
        titles = pd.Series(dtype=str) if titles is None else titles.copy()
        return cls(checked[list(COLUMNS)], titles, has_times, parts, candidates, tally)


def _of_one_type(frame: pd.DataFrame, column: str, locate: Locate) -> "pd.Series[Any]":
    """Ids as a column of their own type, since a Parquet file would not give an object column back as it was."""
    ids = frame[column].infer_objects()
    if ids.dtype == object:
        types = ids.map(type)
        _refuse_first(frame, column, types != types.iloc[0], "all ids integers, or all text", locate)
    return ids


def _numbers(frame: pd.DataFrame, column: str, locate: Locate) -> "pd.Series[float]":
    numbers = pd.to_numeric(frame[column], errors="coerce")
    bad = frame[column].isna() | ~pd.Series(np.isfinite(numbers.astype(np.float64)))
    _refuse_first(frame, column, bad, "it must be a finite number", locate)
    return numbers


def _refuse_first(frame: pd.DataFrame, column: str, bad: "pd.Series[bool]", allowed: str, locate: Locate) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad.to_numpy())[0])
        raise DataError(
            f"{f'row {row + 1}' if locate is None else locate(row)} has an unusable {column}",
            got=frame[column].iloc[row],
            allowed=allowed,
            do=f"mend or remove the {int(bad.sum())} such rows",
        )
