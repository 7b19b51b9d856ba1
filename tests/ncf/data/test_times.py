import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ncf.data import TimeUnit
from ncf.data.faults import refuse
from ncf.data.times import read_times
from ncf.errors import DataError

NOON = 1_735_732_800  # 2025-01-01T12:00:00Z, as `date -u -d 2025-01-01T12:00:00Z +%s` says


def read(values: Any, unit: TimeUnit = "auto", dtype: Any = None) -> list[int]:
    found, faults = read_times(pd.Series(values, dtype=dtype, name="timestamp"), unit)
    refuse(faults)
    assert found.dtype == np.int64
    return found.tolist()


@pytest.mark.parametrize(("unit", "per_second"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
@pytest.mark.parametrize("year", [1974, 1999, 2025, 2100])
def test_auto_tells_the_unit_of_a_time_of_our_age(unit: TimeUnit, per_second: int, year: int) -> None:
    seconds = int(dt.datetime(year, 6, 1, tzinfo=dt.UTC).timestamp())
    given = [seconds * per_second, (seconds + 1) * per_second]
    assert read(given) == [seconds * 10**6, (seconds + 1) * 10**6]
    assert read(given) == read(given, unit)


def test_small_logical_times_count_as_seconds() -> None:
    assert read([3, 1, 2]) == [3_000_000, 1_000_000, 2_000_000]


def test_before_1973_a_finer_unit_must_be_said() -> None:
    assert read([5, 6], "ms") == [5_000, 6_000]


def test_zero_says_nothing_about_the_unit() -> None:
    assert read([0, NOON * 1_000]) == [0, NOON * 10**6]


def test_fractions_keep_their_microseconds() -> None:
    assert read([NOON + 0.25, NOON + 0.123457]) == [NOON * 10**6 + 250_000, NOON * 10**6 + 123_457]
    assert read([f"{NOON}.123457", str(NOON)]) == [NOON * 10**6 + 123_457, NOON * 10**6]
    assert read([NOON * 1_000 + 0.5]) == [NOON * 10**6 + 500]


def test_nanoseconds_are_cut_to_microseconds_without_passing_through_floats() -> None:
    assert read([NOON * 10**9 + 1_999]) == [NOON * 10**6 + 1]


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32", "float64", "Int64", "int64[pyarrow]", "object", "str"])
def test_the_dtype_of_the_numbers_does_not_matter(dtype: str) -> None:
    given = [str(NOON)] if dtype == "str" else [NOON]
    assert read(given, dtype=dtype) == [NOON * 10**6]


def test_microseconds_are_not_copied() -> None:
    times = pd.Series([NOON * 10**6], name="timestamp")
    assert np.shares_memory(read_times(times)[0], times.to_numpy())


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_datetimes_of_any_resolution_without_a_zone_are_utc(unit: str) -> None:
    assert read(np.array(["2025-01-01T12:00:00"], dtype=f"datetime64[{unit}]")) == [NOON * 10**6]


def test_datetimes_with_a_zone_are_converted() -> None:
    berlin = pd.Series(pd.to_datetime(["2025-01-01T13:00:00"]), name="timestamp").dt.tz_localize("Europe/Berlin")
    assert read(berlin) == [NOON * 10**6]


def test_python_and_arrow_dates_and_times_are_read() -> None:
    midnight = (NOON - 12 * 3600) * 10**6
    assert read([dt.date(2025, 1, 1)]) == [midnight]
    assert read([dt.date(2025, 1, 1)], dtype=pd.ArrowDtype(pa.date32())) == [midnight]
    aware = [dt.datetime(2025, 1, 1, 12), dt.datetime(2025, 1, 1, 13, tzinfo=dt.timezone(dt.timedelta(hours=1)))]
    assert read(aware, dtype=object) == [NOON * 10**6] * 2


@pytest.mark.parametrize(
    "text",
    [
        "2025-01-01T12:00:00Z",
        "2025-01-01 12:00:00",
        "2025-01-01T12:00",
        "2025-01-01T13:00:00+01:00",
        "2025-01-01T07:00:00.000000-0500",
    ],
)
@pytest.mark.parametrize("unit", ["auto", "iso"])
def test_iso_8601_text_is_read_with_and_without_a_zone(text: str, unit: TimeUnit) -> None:
    assert read([text, "2025-01-01"], unit) == [NOON * 10**6, (NOON - 12 * 3600) * 10**6]
    assert read([text], unit, dtype="category") == [NOON * 10**6]


def test_iso_text_keeps_its_microseconds() -> None:
    assert read(["2025-01-01T12:00:00.123457Z", "2025-01-01T12:00:00Z"]) == [NOON * 10**6 + 123_457, NOON * 10**6]


@pytest.mark.parametrize("dates", [[20250101, 20250131], ["20250101", "20250131"]])
def test_numbers_that_may_be_dates_are_read_only_when_said(dates: list[Any]) -> None:
    with pytest.raises(DataError, match="could be either; what to do: set time_unit to iso for dates"):
        read(dates)
    assert read(dates, "iso")[0] == (NOON - 12 * 3600) * 10**6
    assert read(dates, "s")[0] == 20250101 * 10**6


def test_the_last_time_is_the_end_of_the_year_9999() -> None:
    assert read(["9999-12-31T23:59:59Z"]) == [253_402_300_799_000_000]
    with pytest.raises(DataError, match="row 1 has an unusable timestamp: 253402300800; allowed: .*9999-12-31"):
        read([253_402_300_800], "s")


def test_a_wrong_unit_shows_as_a_time_out_of_range() -> None:
    with pytest.raises(DataError, match=r"allowed: .*is it the right time_unit"):
        read([NOON * 1_000], "s")
