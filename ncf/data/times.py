"""Times of a log: numbers of any unit, datetimes, or text, as microseconds since the epoch."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from ncf.data import TimeUnit
from ncf.data.faults import Fault, fault_in
from ncf.data.time_formats import format_advice, formatted_times, iso_times

Unit: TypeAlias = Literal["s", "ms", "us", "ns"]
OtherUnit: TypeAlias = Literal["d", "excel", "ticks", "filetime", "webkit"]
UNITS: tuple[Unit, ...] = ("s", "ms", "us", "ns")
# Below the first bound: seconds, to the year 5138. From one bound to the next: 1973-03-03 to 5138 in the unit that is
# a thousandth. So a time of today has one reading; only ms, us and ns before 1973-03-03 need their unit said.
BOUNDS = (10**11, 10**14, 10**17)
# Not since 1970, or not a power of a thousand: where 1970 is, and microseconds of a unit as a fraction.
ORIGINS: dict[OtherUnit, tuple[int, int, int]] = {
    "d": (0, 86_400 * 10**6, 1),
    "excel": (25_569, 86_400 * 10**6, 1),
    "ticks": (621_355_968 * 10**9, 1, 10),
    "filetime": (116_444_736 * 10**9, 1, 10),
    "webkit": (11_644_473_600 * 10**6, 1, 1),
}
WORDS: dict[OtherUnit, str] = {
    "d": "days since 1970",
    "excel": "days since 1900, as Excel counts",
    "ticks": "ticks of .NET",
    "filetime": "file times of Windows",
    "webkit": "microseconds since 1601, as browsers count",
}
PLAUSIBLE = (788_918_400 * 10**6, 2_051_222_400 * 10**6)  # 1995 to 2035: read so, such numbers are no coincidence
LATEST_MEDIAN = 7_258_118_400 * 10**6  # the year 2200
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
DAY, YEAR = 86_400 * 10**6, 365 * 86_400 * 10**6
FAR = "far from the others"
SAMPLE = 100_000  # rows that tell where most times are
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def read_times(times: "pd.Series[Any]", unit: TimeUnit = "auto", time_format: str | None = None) -> Read:
    """int64[rows] microseconds since the epoch, and what is wrong with them; an unusable time is 0.

    A numpy column of int64 microseconds is not copied.

    Args:
        times: numbers, datetimes (without a zone: UTC), or text of either; what is finer than microseconds is cut off.
        unit: of numbers; iso reads even 20250131 as a date; auto tells by the values.
        time_format: of text, as for `datetime.strptime`.
    """
    column = times
    if isinstance(times.dtype, pd.CategoricalDtype) or times.dtype == object:
        column = times.astype(object).infer_objects()
    if types.is_datetime64_any_dtype(column.dtype) or _holds_dates(column):
        return _from_datetimes(pd.to_datetime(column, utc=True, errors="coerce"), times, NUMBER_OR_ISO)
    if types.is_bool_dtype(column.dtype) or types.is_complex_dtype(column.dtype):
        return _all_unusable(times, NUMBER_OR_ISO)
    if time_format is not None:
        words = f"text in the format {time_format!r}, as time_format says"
        return _from_datetimes(formatted_times(column, time_format), times, words)
    if unit == "iso":
        return _from_datetimes(iso_times(column), times, ISO)
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


def _from_datetimes(times: "pd.Series[pd.Timestamp]", raw: "pd.Series[Any]", allowed: str, do: str = "") -> Read:
    unit: Unit = times.dt.unit
    return _checked(times.astype("int64").to_numpy(), times.isna().to_numpy(), raw, unit, allowed, do)


def _from_numbers(numbers: "pd.Series[Any]", raw: "pd.Series[Any]", unit: Unit | OtherUnit | Literal["auto"]) -> Read:
    values, missing = _finite(numbers)
    if unit != "auto":
        return _checked(values, missing, raw, unit, NUMBER_OR_ISO)
    if _are_dates(values):
        return _all_unusable(raw, **YYYYMMDD)
    unit, odd = _unit_of(values, raw)
    if odd:
        return _unusable(raw, [*fault_in(raw, missing, NUMBER_OR_ISO), *odd])
    times, faults = _checked(values, missing, raw, unit, NUMBER_OR_ISO)
    return (times, faults) if faults or not len(times) else odd_unit(values, times, raw, unit)


def odd_unit(values: NDArray[Any], times: Microseconds, raw: "pd.Series[Any]", unit: Unit) -> Read:
    """Numbers that are times of today in a unit of another kind, or that lie centuries ahead in theirs."""
    telling = values[values > 0]
    ends = np.array([telling.min(), telling.max()]) if len(telling) else values[:1]
    for other, words in WORDS.items():
        since_epoch, outside = scaled(ends, other)
        if not outside.any() and (since_epoch >= PLAUSIBLE[0]).all() and (since_epoch <= PLAUSIBLE[1]).all():
            first = shown(time_of(int(scaled(values[:1], other)[0][0])))
            as_taken = shown(time_of(int(times[0])))
            do = f"set time_unit to {other} if the first is {first}, to {unit} if it is {as_taken}"
            return _all_unusable(raw, f"times since 1970; these numbers look like {words}", do)
    if np.median(times) <= LATEST_MEDIAN:
        return times, []
    allowed = f"times of our age; taken as {unit}, as its size tells, this is of the year {time_of(int(times[0])).year}"
    return _all_unusable(raw, allowed, f"set time_unit to what the numbers are; to {unit} if this is right")


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


def _checked(
    values: NDArray[Any],
    missing: NDArray[np.bool_],
    raw: "pd.Series[Any]",
    unit: Unit | OtherUnit,
    allowed: str,
    do: str = "",
) -> Read:
    since_epoch, outside = scaled(values, unit)
    faults = fault_in(raw, missing, allowed, do)
    if faults:
        since_epoch, outside = np.where(missing, 0, since_epoch), outside & ~missing
    return since_epoch, [*faults, *fault_in(raw, outside, IN_RANGE)]


def _from_text(column: "pd.Series[Any]", raw: "pd.Series[Any]", unit: Unit | OtherUnit | Literal["auto"]) -> Read:
    """Text goes by its first value; all must be of that kind."""
    first = column.dropna().head(1)
    if unit != "auto" or pd.to_numeric(first, errors="coerce").notna().all():
        numbers = pd.to_numeric(column, errors="coerce")
        other = numbers.isna() & iso_times(column).notna() if numbers.hasnans else None
        words = "numbers as elsewhere in the column, not ISO 8601 text; time_unit iso takes text only"
        odd = [] if other is None else fault_in(raw, other.to_numpy(), words)
        return _unusable(raw, odd) if odd else _from_numbers(numbers, raw, unit)
    times = iso_times(column)
    other = times.isna() & pd.to_numeric(column, errors="coerce").notna() if times.hasnans else None
    odd = [] if other is None else fault_in(raw, other.to_numpy(), "ISO 8601 text as elsewhere in the column")
    if odd:
        return _unusable(raw, odd)
    return _from_datetimes(times, raw, NUMBER_OR_ISO, format_advice(column) if times.isna().any() else "")


def scaled(values: NDArray[Any], unit: Unit | OtherUnit) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """int64[rows] microseconds, and bool[rows]: those outside 1970 to 9999, which are 0."""
    if unit in ORIGINS:
        return _since_origin(values, unit)
    outside = (values < 0) | (values > LAST_SECOND * PER_SECOND[unit])
    inside = np.where(outside, 0, values) if outside.any() else values
    if unit == "ns":
        return (inside // 1_000).astype(np.int64), outside
    factor = 10**6 // PER_SECOND[unit]
    if np.issubdtype(inside.dtype, np.floating):
        return np.rint(inside * factor).astype(np.int64), outside
    whole = inside.astype(np.int64, copy=False)
    return whole if factor == 1 else whole * factor, outside


def _since_origin(values: NDArray[Any], unit: OtherUnit) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """As `_scaled`; days of Excel, which are floats, are exact to the millisecond."""
    origin, times, parts = ORIGINS[unit]
    values = values.astype(np.float64 if np.issubdtype(values.dtype, np.floating) else np.int64, copy=False)
    outside = (values < origin) | (values > origin + LAST_SECOND * 10**6 * parts // times)
    since = np.where(outside, origin, values) - origin
    if np.issubdtype(since.dtype, np.floating) and times > parts:
        return np.rint(since * (times / 1_000)).astype(np.int64) * 1_000, outside
    return (since.astype(np.int64) * times // parts), outside


def far_times(times: Microseconds, now: datetime) -> list[tuple[str, NDArray[np.int64]]]:
    """What is odd in times that are far from the others, and the rows that have them; quick where none are.

    Args:
        times: int64[rows] microseconds since the epoch.
        now: what is later than this by a day is in the future.
    """
    sample = times[:: max(1, len(times) // SAMPLE)]
    low, middle, high = np.quantile(sample, (0.05, 0.5, 0.95), method="nearest").tolist()
    first, last, tomorrow = int(times.min()), int(times.max()), microseconds_of(now) + DAY
    found = []
    begin, end = 0, max(tomorrow, last) + 1  # of what is not told yet
    if first < DAY and middle > YEAR:
        found.append(("of 1970-01-01, perhaps 0 for none; they count as the oldest", np.flatnonzero(times < DAY)))
        begin = DAY
    if last > tomorrow:
        rows = np.flatnonzero(times > tomorrow)
        found.append(("in the future; they count as the newest, which are held out", rows))
        end = tomorrow + 1
    width = max(high - low, YEAR)
    if first >= low - width and last <= high + width:
        return found
    for far, side in (((times < low - width) & (times >= begin), -1), ((times > high + width) & (times < end), 1)):
        rows = np.flatnonzero(far)
        near = times[(times >= low - width) & (times <= high + width)]
        if len(rows) and (side * times[rows]).min() - (side * near).max() > width // 2:
            found.append((FAR, rows))
    return found


def microseconds_of(time: datetime) -> int:
    """Microseconds since the epoch of a time that has its zone."""
    return (time - BEGINNING) // timedelta(microseconds=1)


def time_of(microseconds: int) -> datetime:
    """The time, in UTC, of so many microseconds since the epoch."""
    return BEGINNING + timedelta(microseconds=microseconds)


def shown(time: datetime) -> str:
    """A time in a message."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
