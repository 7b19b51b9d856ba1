"""Times that are text: ISO 8601, what is nearly that, and any other format, which is asked for."""

from datetime import datetime
from typing import Any

import pandas as pd
from pandas.api import types

NEARLY_ISO = (  # what databases and loggers make of it
    (r"([+-][0-9]{2}:?[0-9]{2}) ?(?:UTC|GMT|Z)$", r"\1"),
    (r" ?(?:UTC|GMT|Z)$", "Z"),
    (r"([0-9]),([0-9]+)", r"\1.\2"),
)
DATES = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%m.%d.%Y"),
    *("%d.%m.%Y", "%m/%d/%y", "%d/%m/%y", "%y/%m/%d", "%m-%d-%y", "%d-%m-%y", "%y-%m-%d", "%d.%m.%y", "%d %b %Y"),
    *("%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%d-%b-%Y", "%d-%b-%y", "%a, %d %b %Y", "%d/%b/%Y"),
)
CLOCKS = ("", "%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%H:%M:%S,%f", "%H%M%S", "%H%M", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p")
FORMATS = (
    *(f"{date}{gap}{clock}" for date in DATES for clock in CLOCKS for gap in ((" ", "T", ", ") if clock else ("",))),
    *(f"{date} {clock} {zone}" for date in DATES for clock in CLOCKS[1:] for zone in ("%z", "%Z")),
    *("%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S %Z %Y"),
    *("%d/%b/%Y:%H:%M:%S %z", "[%d/%b/%Y:%H:%M:%S %z]"),
)
NOT_ISO = ("now", "today")  # pandas reads them as the time of the run


def iso_times(column: "pd.Series[Any]") -> "pd.Series[pd.Timestamp]":
    """Times of ISO 8601 text, or of what databases and loggers make of it; NaT for what is neither."""
    if types.is_integer_dtype(column.dtype):
        column = column.astype("str")  # 20250131
    elif column.dtype == object:
        column = column.where(column.map(lambda value: isinstance(value, str)))
    elif not types.is_string_dtype(column.dtype):
        column = pd.Series(pd.NaT, index=column.index)
    parsed = pd.to_datetime(column, format="ISO8601", utc=True, errors="coerce")
    if parsed.hasnans:
        other = column[parsed.isna()].astype("str")
        for pattern, iso in NEARLY_ISO:
            other = other.str.replace(pattern, iso, regex=True)
        parsed = parsed.fillna(pd.to_datetime(other, format="ISO8601", utc=True, errors="coerce"))
    return parsed.mask(column.isin(NOT_ISO))


def formatted_times(column: "pd.Series[Any]", time_format: str) -> "pd.Series[pd.Timestamp]":
    """Times of text in a format of `datetime.strptime`; NaT for what is not."""
    return pd.to_datetime(column.astype("str"), format=time_format, utc=True, errors="coerce")


def format_advice(column: "pd.Series[Any]") -> str:
    """The formats that read most of a column, each with what it makes of the first value; empty if there are none."""
    text = column.dropna().astype("str")
    first = str(text.iloc[0])
    read = {each: formatted_times(text, each) for each in FORMATS if _reads(first, each)}
    counts = {each: int(times.notna().sum()) for each, times in read.items()}
    most = max(counts.values(), default=0)
    if 2 * most <= len(text):
        return ""
    best = [f"{each!r} ({read[each].iloc[0]:%Y-%m-%dT%H:%M:%SZ})" for each, count in counts.items() if count == most]
    rest = "" if most == len(text) else f", and fix or remove the {len(text) - most:,} rows that it can't read"
    return f"set time_format to {' or '.join(best)}, whichever makes of {first!r} the right time{rest}"


def _reads(text: str, time_format: str) -> bool:
    try:
        datetime.strptime(text, time_format)
    except ValueError:
        return False
    return True
