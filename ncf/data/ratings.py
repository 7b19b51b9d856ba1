"""The raw log: who rated what, how, and when; checked once, at birth."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from ncf.data import COLUMNS, ITEM_ID, RATING, TIMESTAMP, USER_ID, TimeUnit
from ncf.data.config import IdRules
from ncf.data.faults import Fault, Locate, fault_in, refuse, row_number
from ncf.data.ids import are_ids, are_not_empty, as_ids
from ncf.data.times import far_times, read_times, shown, time_of
from ncf.data.written_ids import SHOWN, WrittenIds, is_text, odd_integer
from ncf.errors import DataError

ID_CHECKS = (
    (are_not_empty, "an id must not be empty, nor white space alone"),
    (are_ids, "whole numbers below 2**63, text, or UUIDs: one of these in the whole column"),
)


@dataclass(frozen=True)
class Tally:
    """Rows read, rows dropped and why, and what else the user must know; handed from stage to stage.

    Attributes:
        rows_read: rows of the source.
        dropped: (reason, rows), in the order of the stages; a stage that dropped none is left out.
        repeated_pairs: rows whose pair had occurred before.
        first_time, last_time: microseconds since the epoch, of the rows read; None without times.
        notes: what was decided for the user, such as a random split for want of times.
    """

    rows_read: int = 0
    dropped: tuple[tuple[str, int], ...] = ()
    repeated_pairs: int = 0
    first_time: int | None = None
    last_time: int | None = None
    notes: tuple[str, ...] = ()

    def drop(self, reason: str, rows: int) -> Self:
        """The tally after a stage that left out so many rows; a reason that comes again is added up."""
        if not rows:
            return self
        before = dict(self.dropped)
        return replace(self, dropped=tuple((before | {reason: before.get(reason, 0) + rows}).items()))

    def note(self, text: str) -> Self:
        """The tally with one more note; the same words twice are one note."""
        return self if text in self.notes else replace(self, notes=(*self.notes, text))


NOTHING_READ = Tally()


@dataclass(frozen=True)
class Ratings:
    """Explicit ratings as they came, in the order of the log.

    Attributes:
        frame: columns user_id and item_id (integers, `str` or uuid.UUID; one of these a column), rating (float64),
            timestamp (int64, microseconds since the epoch, 0 where the log has no times); one row a rating.
        titles: item_id -> title (str), for the items that have one; may be empty.
        has_times: whether the log has times at all.
        splits: int8[rows]: TRAIN, VALIDATION or TEST, if the source brings its own split; else None.
        candidates: columns user_id, item_id, if the source brings the test holdout's candidates; else None.
        tally: what was read.
    """

    frame: pd.DataFrame
    titles: "pd.Series[str]"
    has_times: bool = True
    splits: NDArray[np.int8] | None = None
    candidates: pd.DataFrame | None = None
    tally: Tally = NOTHING_READ

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        titles: "pd.Series[str] | None" = None,
        *,
        time_unit: TimeUnit = "auto",
        time_format: str | None = None,
        splits: NDArray[np.int8] | None = None,
        candidates: pd.DataFrame | None = None,
        locate: Locate = row_number,
        ids: IdRules = IdRules(),  # noqa: B008 (frozen)
        names: Mapping[str, str] = MappingProxyType({}),
        untyped: bool = False,
    ) -> Self:
        """Check a frame and bring it to our types. The caller's frame is left as it is; good columns are shared.

        Args:
            frame: user_id and item_id; rating (1 if there is none) and timestamp if known. Other columns are ignored.
            titles: item_id -> title; of an item's several the first counts.
            time_unit: of the timestamps; auto tells by the values.
            time_format: of timestamps that are text, as for `datetime.strptime`; None: ISO 8601.
            splits: see the class.
            candidates: see the class.
            locate: turns a position from 0 into words for the user, such as "log.csv, line 7" or "row 8".
            ids: which ids that are written differently are one, and whether NULL is one.
            names: our columns -> what the log calls them; none where its columns have no names.
            untyped: whether the log has no types, so that ids are integers if all of them can be.

        Raises:
            DataError: a column is missing, or has a value that is empty, not a number, no time, or out of range.
        """
        raw = _known_columns(frame)
        if splits is not None and len(splits) != len(raw):
            raise DataError("splits must name one split a row", got=len(splits), allowed=f"{len(raw)} splits")
        checked, notes = _checked(raw, _How(time_unit, time_format, ids, names, untyped, locate))
        offered = None if candidates is None else _offered(candidates, checked)
        has_times = TIMESTAMP in raw
        titles = pd.Series(dtype=str) if titles is None else first_titles(titles)
        times = checked[TIMESTAMP]
        span = (int(times.min()), int(times.max())) if has_times else (None, None)
        tally = tally_of(len(checked), *span)
        for note in notes:
            tally = tally.note(note)
        return cls(checked, titles, has_times, splits, offered, tally)


def first_titles(titles: "pd.Series[str]") -> "pd.Series[str]":
    """Of an item's several titles the first, if it is not missing; the caller's are left as they are."""
    return titles[titles.notna() & ~titles.index.duplicated()].copy()


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


@dataclass(frozen=True)
class _How:
    """How a frame is read; the attributes are arguments of `Ratings.from_frame`."""

    time_unit: TimeUnit
    time_format: str | None
    ids: IdRules
    names: Mapping[str, str]
    untyped: bool
    locate: Locate


def _checked(raw: pd.DataFrame, how: _How) -> tuple[pd.DataFrame, list[str]]:
    """The four columns in our types, and what is odd in them.

    Raises:
        DataError: with the first unusable row of every column.
    """
    columns: dict[str, Any] = {USER_ID: as_ids(raw[USER_ID]), ITEM_ID: as_ids(raw[ITEM_ID])}
    faults: list[Fault] = []
    text: dict[str, WrittenIds] = {}
    for column, ids in columns.items():
        for check, allowed in ID_CHECKS:
            good = check(ids)
            if not isinstance(good, bool):
                faults += fault_in(raw[column], ~good.to_numpy(bool), allowed)
        if is_text(ids):
            text[column] = WrittenIds.of(ids, how.ids, untyped=how.untyped)
            faults += text[column].faults(how.names.get(column), words=how.ids.null_words == "refuse")
    columns[RATING], columns[TIMESTAMP] = 1.0, 0
    if RATING in raw:
        columns[RATING] = _numbers(raw[RATING])
        faults += fault_in(raw[RATING], ~np.isfinite(columns[RATING].to_numpy()), "it must be a finite number")
    if TIMESTAMP in raw:
        columns[TIMESTAMP], of_times = read_times(raw[TIMESTAMP], how.time_unit, how.time_format)
        faults += of_times
    refuse(faults, how.locate)
    notes: list[str] = []
    for column in (USER_ID, ITEM_ID):
        if column in text:
            written = text.pop(column)
            notes += written.notes(how.ids, how.locate, untyped=how.untyped)
            columns[column] = written.settled()
        else:
            notes += odd_integer(columns[column], how.locate)
    if TIMESTAMP in raw:
        notes += _of_far_times(np.asarray(columns[TIMESTAMP]), how.locate)
    return pd.DataFrame(columns, index=raw.index, copy=False), notes


def _of_far_times(times: NDArray[np.int64], locate: Locate) -> list[str]:
    return [
        f"{TIMESTAMP}: rows {words}: {len(rows):,}, as "
        + ", ".join(f"{shown(time_of(int(times[row])))} in {locate(int(row))}" for row in rows[:SHOWN])
        for words, rows in far_times(times, datetime.now(UTC))
    ]


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
    """Ratings as float64; what is no number is NaN."""
    if values.dtype == np.float64:
        return values
    if values.dtype == object:
        values = values.infer_objects()  # datetimes would pass for numbers
    kind = values.cat.categories.dtype if isinstance(values.dtype, pd.CategoricalDtype) else values.dtype
    number = types.is_numeric_dtype(kind) and not types.is_complex_dtype(kind)
    if not (number or types.is_string_dtype(kind) or types.is_object_dtype(kind)):
        return pd.Series(np.nan, index=values.index, dtype="float64")
    return pd.to_numeric(values, errors="coerce").astype("float64")


def tally_of(rows: int, first: int | None, last: int | None) -> Tally:
    """What was read: rows, and the microseconds of the oldest and the newest; None without times."""
    tally = Tally(rows_read=rows, first_time=first, last_time=last)
    if first is not None and first == last and rows > 1:
        return tally.note("all rows have the same time: their order in the log decides which is the newer")
    return tally
