"""The raw log: who rated what, how, and when; checked once, at birth."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from ncf.data.columns import TimeUnit
from ncf.data.faults import Fault, Locate, row_number
from ncf.data.ids import as_ids
from ncf.data.tally import NOTHING_READ, Tally
from ncf.data.times import read_times
from ncf.errors import DataError

USER_ID, ITEM_ID, RATING, TIMESTAMP, TITLE = "user_id", "item_id", "rating", "timestamp", "title"
COLUMNS = (USER_ID, ITEM_ID, RATING, TIMESTAMP)
TRAIN, VALIDATION, TEST = 0, 1, 2  # parts of a split that a source brings


@dataclass(frozen=True)
class Ratings:
    """Explicit ratings as they came, in the order of the log.

    Attributes:
        frame: columns user_id and item_id (integers, `str` or uuid.UUID; one of these a column), rating (float64),
            timestamp (int64, microseconds since the epoch, 0 where the log has no times); one row a rating.
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
        locate: Locate | None = None,
    ) -> Self:
        """Check a frame and bring it to our types. The caller's frame is left as it is; good columns are shared.

        Args:
            frame: user_id and item_id; rating (1 if there is none) and timestamp if known. Other columns are ignored.
            titles: item_id -> title; of an item's several the first counts.
            time_unit: of the timestamps; auto tells by the values.
            parts: see the class.
            candidates: see the class.
            locate: turns a position from 0 into words for the user, such as "log.csv, line 7"; None: "row 8".

        Raises:
            DataError: a column is missing, or has a value that is empty, not a number, no time, or out of range.
        """
        from ncf.data.schema import check_frame  # pandera takes a third of a second; serving needs only the names

        raw = _known_columns(frame)
        if parts is not None and len(parts) != len(raw):
            raise DataError("parts must name one part a row", got=len(parts), allowed=f"{len(raw)} parts")
        checked, faults = _converted(raw, time_unit)
        check_frame(checked, raw, faults, locate or row_number)
        offered = None if candidates is None else _offered(candidates, checked)
        has_times = TIMESTAMP in raw
        since_epoch = checked[TIMESTAMP]
        span = (int(since_epoch.min()), int(since_epoch.max())) if has_times else None
        tally = tally_of(len(checked), span)
        titles = pd.Series(dtype=str) if titles is None else titles.copy()
        titles = titles[titles.notna() & ~titles.index.duplicated()]
        return cls(checked, titles, has_times, parts, offered, tally)


def _known_columns(frame: pd.DataFrame) -> pd.DataFrame:
    known = [column for column in frame.columns if column in COLUMNS]
    allowed = f"the columns {', '.join(COLUMNS)}; {USER_ID} and {ITEM_ID} are a must"
    for column in COLUMNS:
        times = known.count(column)
        if times > 1:
            raise DataError(
                f"the column {column} is there more than once", got=list(frame.columns), do="leave one of them"
            )
        if not times and column in (USER_ID, ITEM_ID):
            raise DataError(
                f"ratings lack the column {column}",
                got=list(frame.columns),
                allowed=allowed,
                do="rename the columns of the log",
            )
    if frame.empty:
        raise DataError("the ratings have no rows", do="check that the file is the right one")
    return frame[[column for column in COLUMNS if column in known]].reset_index(drop=True)


def _converted(raw: pd.DataFrame, time_unit: TimeUnit) -> tuple[pd.DataFrame, list[Fault]]:
    """The four columns in our types; a rating that is no number is NaN.

    Args:
        raw: some of the four columns, two at least.
        time_unit: of the timestamps.
    """
    since_epoch, faults = read_times(raw[TIMESTAMP], time_unit) if TIMESTAMP in raw else (0, [])
    columns = {
        USER_ID: as_ids(raw[USER_ID]),
        ITEM_ID: as_ids(raw[ITEM_ID]),
        RATING: _numbers(raw[RATING]) if RATING in raw else 1.0,
        TIMESTAMP: since_epoch,
    }
    return pd.DataFrame(columns, index=raw.index, copy=False), faults


def _offered(candidates: pd.DataFrame, checked: pd.DataFrame) -> pd.DataFrame:
    """The candidates with ids of the same kind as the log's."""
    columns = {column: as_ids(candidates[column].reset_index(drop=True)) for column in (USER_ID, ITEM_ID)}
    for column, ids in columns.items():
        if len(ids) and types.is_integer_dtype(ids.dtype) != types.is_integer_dtype(checked[column].dtype):
            raise DataError(
                f"the candidates have {column}s of another type than the log",
                got=str(ids.dtype),
                allowed=str(checked[column].dtype),
                do="write both in the same way",
            )
    return pd.DataFrame(columns, copy=False)


def _numbers(values: "pd.Series[Any]") -> "pd.Series[float]":
    if values.dtype == np.float64:
        return values
    if values.dtype == object:
        values = values.infer_objects()  # datetimes would pass for numbers
    kind = values.cat.categories.dtype if isinstance(values.dtype, pd.CategoricalDtype) else values.dtype
    number = types.is_numeric_dtype(kind) and not types.is_complex_dtype(kind)
    if not (number or types.is_string_dtype(kind) or types.is_object_dtype(kind)):
        return pd.Series(np.nan, index=values.index, dtype="float64")
    return pd.to_numeric(values, errors="coerce").astype("float64")


def tally_of(rows: int, span: tuple[int, int] | None) -> Tally:
    """What was read: so many rows, of the times from first to last in microseconds since the epoch, if known."""
    if span is None:
        return Tally(rows_read=rows)
    tally = Tally(rows_read=rows, first_time=span[0], last_time=span[1])
    if span[0] == span[1] and rows > 1:
        return tally.note("all rows have the same time: their order in the log decides which is the newer")
    return tally
