"""Times of a log: numbers of any unit, datetimes, or text, as microseconds since the epoch."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from ncf.data.columns import TimeUnit
from ncf.data.faults import Fault, fault_in

Unit: TypeAlias = Literal["s", "ms", "us", "ns"]
UNITS: tuple[Unit, ...] = ("s", "ms", "us", "ns")
# Below the first bound: seconds, to the year 5138. From one bound to the next: 1973-03-03 to 5138 in the unit that is
# a thousandth. So a time of today has one reading; only ms, us and ns before 1973-03-03 need their unit said.
BOUNDS = (10**11, 10**14, 10**17)
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z, Python's last
YYYYMMDD = {
    "allowed": "seconds or dates, and this could be either",
    "do": "set time_unit to iso for dates such as 20250131, to s for seconds",
}
Microseconds: TypeAlias = NDArray[np.int64]
Read: TypeAlias = tuple[Microseconds, list[Fault]]
ISO = "an ISO 8601 time such as 2025-01-31T12:00:00Z"
NUMBER_OR_ISO = f"a finite number of s, ms, us or ns since 1970, or {ISO}"
IN_RANGE = "a time from 1970-01-01 to 9999-12-31; is it the right time_unit?"
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
NOT_ISO = ("now", "today")  # pandas reads them as the time of the run


def read_times(times: "pd.Series[Any]", unit: TimeUnit = "auto") -> Read:
    """int64[rows] microseconds since the epoch, and what is wrong with them; an unusable time is 0.

    A numpy column of int64 microseconds is not copied.

    Args:
        times: numbers, datetimes (without a zone: UTC), or text of either; what is finer than microseconds is cut off.
        unit: of numbers; iso reads even 20250131 as a date; auto tells by the values.
    """
    column = times
    if isinstance(times.dtype, pd.CategoricalDtype) or times.dtype == object:
        column = times.astype(object).infer_objects()
    if types.is_datetime64_any_dtype(column.dtype) or _holds_dates(column):
        return _from_datetimes(pd.to_datetime(column, utc=True, errors="coerce"), times, NUMBER_OR_ISO)
    if types.is_bool_dtype(column.dtype) or types.is_complex_dtype(column.dtype):
        return _all_unusable(times, NUMBER_OR_ISO)
    if unit == "iso":
        return _from_datetimes(_iso(column), times, ISO)
    if types.is_numeric_dtype(column.dtype):
        return _from_numbers(column, times, unit)
    if column.dtype == object or types.is_string_dtype(column.dtype):
        return _from_text(column, times, unit)
    return _all_unusable(times, NUMBER_OR_ISO)


def _holds_dates(column: "pd.Series[Any]") -> bool:
    return column.dtype == object and types.infer_dtype(column, skipna=True) in ("datetime", "date", "datetime64")


def _unusable(raw: "pd.Series[Any]", faults: list[Fault]) -> Read:
    return np.zeros(len(raw), dtype=np.int64), faults


def _all_unusable(raw: "pd.Series[Any]", allowed: str, do: str = "") -> Read:
    return _unusable(raw, fault_in(raw, np.ones(len(raw), dtype=bool), allowed, do))


def _iso(column: "pd.Series[Any]") -> "pd.Series[pd.Timestamp]":
    if types.is_integer_dtype(column.dtype):
        column = column.astype("str")  # 20250131
    elif column.dtype == object:
        column = column.where(column.map(lambda value: isinstance(value, str)))
    elif not types.is_string_dtype(column.dtype):
        column = pd.Series(pd.NaT, index=column.index)
    parsed = pd.to_datetime(column, format="ISO8601", utc=True, errors="coerce")
    return parsed.mask(column.isin(NOT_ISO))


def _from_datetimes(times: "pd.Series[pd.Timestamp]", raw: "pd.Series[Any]", allowed: str) -> Read:
    unit: Unit = times.dt.unit
    return _checked(times.astype("int64").to_numpy(), times.isna().to_numpy(), raw, unit, allowed)


def _from_numbers(numbers: "pd.Series[Any]", raw: "pd.Series[Any]", unit: Unit | Literal["auto"]) -> Read:
    values, missing = _finite(numbers)
    if unit == "auto":
        if _are_dates(values):
            return _all_unusable(raw, **YYYYMMDD)
        unit, odd = _unit_of(values, raw)
        if odd:
            return _unusable(raw, [*fault_in(raw, missing, NUMBER_OR_ISO), *odd])
    return _checked(values, missing, raw, unit, NUMBER_OR_ISO)


def _unit_of(values: NDArray[Any], raw: "pd.Series[Any]") -> tuple[Unit, list[Fault]]:
    """The unit of most values, told by their size, and the fault of those that look like another one.

    Zero and less say nothing.
    """
    highest = values.max(initial=0)
    lowest_unit, highest_unit = np.searchsorted(BOUNDS, [values.min(initial=highest), highest], side="right")
    if lowest_unit == highest_unit:
        return UNITS[highest_unit], []
    telling = (values > 0) & (values <= LAST_SECOND * PER_SECOND["ns"])
    units = np.searchsorted(BOUNDS, values, side="right")
    most = int(np.bincount(units[telling], minlength=1).argmax())
    odd = telling & (units != most)
    if not odd.any():
        return UNITS[most], []
    usual, other = raw.iloc[int((telling & ~odd).argmax())], UNITS[units[odd.argmax()]]
    plain = usual.item() if isinstance(usual, np.generic) else usual
    allowed = f"one unit in the whole column; by its size this is {other}, while {plain!r} is {UNITS[most]}"
    return UNITS[most], fault_in(raw, odd, allowed, "bring the column to one unit, or set time_unit")


def _are_dates(values: NDArray[Any]) -> bool:
    """Whether all numbers read as dates YYYYMMDD from 1970 to 2100; as seconds they would be of autumn 1970."""
    if not len(values) or values.min() < 1970_01_01 or values.max() > 2100_12_31:
        return False
    month, day = values // 100 % 100, values % 100
    return bool(((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all())


def _finite(numbers: "pd.Series[Any]") -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The numbers with 0 for what is none, and bool[rows]: where, or nothing at all if nowhere."""
    if types.is_integer_dtype(numbers.dtype) and not numbers.hasnans:
        plain = isinstance(numbers.dtype, np.dtype)
        return numbers.to_numpy() if plain else numbers.to_numpy(np.int64), np.zeros(0, dtype=bool)
    values = numbers.to_numpy(np.float64, na_value=np.nan)
    missing = ~np.isfinite(values)
    return np.where(missing, 0, values) if missing.any() else values, missing


def _checked(values: NDArray[Any], missing: NDArray[np.bool_], raw: "pd.Series[Any]", unit: Unit, allowed: str) -> Read:
    since_epoch, outside = _scaled(values, unit)
    faults = fault_in(raw, missing, allowed)
    if faults:
        since_epoch, outside = np.where(missing, 0, since_epoch), outside & ~missing
    return since_epoch, [*faults, *fault_in(raw, outside, IN_RANGE)]


def _from_text(column: "pd.Series[Any]", raw: "pd.Series[Any]", unit: Unit | Literal["auto"]) -> Read:
    """Text goes by its first value; all must be of that kind."""
    first = column.dropna().head(1)
    if unit != "auto" or pd.to_numeric(first, errors="coerce").notna().all():
        numbers = pd.to_numeric(column, errors="coerce")
        other = numbers.isna() & _iso(column).notna() if numbers.hasnans else None
        words = "numbers as elsewhere in the column, not ISO 8601 text; time_unit iso takes text only"
        odd = [] if other is None else fault_in(raw, other.to_numpy(), words)
        return _unusable(raw, odd) if odd else _from_numbers(numbers, raw, unit)
    times = _iso(column)
    other = times.isna() & pd.to_numeric(column, errors="coerce").notna() if times.hasnans else None
    odd = [] if other is None else fault_in(raw, other.to_numpy(), "ISO 8601 text as elsewhere in the column")
    return _unusable(raw, odd) if odd else _from_datetimes(times, raw, NUMBER_OR_ISO)


def _scaled(values: NDArray[Any], unit: Unit) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """int64[rows] microseconds, and bool[rows]: those outside 1970 to 9999, which are 0."""
    outside = (values < 0) | (values > LAST_SECOND * PER_SECOND[unit])
    inside = np.where(outside, 0, values) if outside.any() else values
    if unit == "ns":
        return (inside // 1_000).astype(np.int64), outside
    factor = 10**6 // PER_SECOND[unit]
    if np.issubdtype(inside.dtype, np.floating):
        return np.rint(inside * factor).astype(np.int64), outside
    whole = inside.astype(np.int64, copy=False)
    return whole if factor == 1 else whole * factor, outside


def microseconds_of(time: datetime) -> int:
    """Microseconds since the epoch of a time that has its zone."""
    return (time - BEGINNING) // timedelta(microseconds=1)


def time_of(microseconds: int) -> datetime:
    """The time, in UTC, of so many microseconds since the epoch."""
    return BEGINNING + timedelta(microseconds=microseconds)


def shown(time: datetime) -> str:
    """A time in a message."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
