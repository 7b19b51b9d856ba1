"""Times of a log as microseconds since the epoch, whatever they were written in."""

from typing import Any

import pandas as pd

from ncf.data.sources.config import TimeUnit

PER_SECOND = 1_000_000


def to_microseconds(times: "pd.Series[Any]", unit: TimeUnit = "auto") -> "pd.Series[int]":
    """int64 microseconds since the epoch.

    Args:
        times: finite numbers, or datetimes.
        unit: of numbers.
    """
    factor = {"auto": PER_SECOND, "s": PER_SECOND, "ms": 1_000, "us": 1}[unit]
    return (times.astype("int64") * factor).astype("int64")
