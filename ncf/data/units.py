"""Units of times that are numbers, told by their size."""

from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncf.data.faults import Fault, fault_in

Unit: TypeAlias = Literal["s", "ms", "us", "ns"]
UNITS: tuple[Unit, ...] = ("s", "ms", "us", "ns")
# Below the first bound: seconds, to the year 5138. From one bound to the next: 1973-03-03 to 5138 in the unit that is
# a thousandth. So a time of today has one reading; only ms, us and ns before 1973-03-03 need their unit said.
BOUNDS = (10**11, 10**14, 10**17)
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z, Python's last
TO_ONE_UNIT = "bring the column to one unit, or set time_unit"
YYYYMMDD = {
    "allowed": "seconds or dates, and this could be either",
    "do": "set time_unit to iso for dates such as 20250131, to s for seconds",
}


def unit_of(values: NDArray[Any]) -> Unit:
    """The unit of most of the values; zero and less say nothing."""
    highest = values.max(initial=0)
    if kinds_of(values.min(initial=highest)) == kinds_of(highest):
        return UNITS[int(kinds_of(highest))]
    kinds = kinds_of(values[telling(values)])
    return UNITS[int(np.bincount(kinds, minlength=1).argmax())]


def mixed_units(values: NDArray[Any], unit: Unit, raw: "pd.Series[Any]") -> list[Fault]:
    """The fault of values that look like another unit than `unit`, with an example of either."""
    highest = values.max(initial=0)
    if kinds_of(values.min(initial=highest)) == kinds_of(highest):
        return []
    tells, kinds = telling(values), kinds_of(values)
    odd = tells & (kinds != UNITS.index(unit))
    if not odd.any():
        return []
    usual, other = raw.iloc[int((tells & ~odd).argmax())], UNITS[int(kinds[odd.argmax()])]
    return fault_in(raw, odd, one_unit(usual, unit, other), TO_ONE_UNIT)


def one_unit(usual: object, unit: Unit, other: Unit) -> str:
    """What is allowed where a time looks like another unit than most, of which `usual` is one."""
    plain = usual.item() if isinstance(usual, np.generic) else usual
    return f"one unit in the whole column; by its size this is {other}, while {plain!r} is {unit}"


def are_dates(values: NDArray[Any]) -> bool:
    """Whether all numbers read as dates YYYYMMDD from 1970 to 2100; as seconds they would be of autumn 1970."""
    if not len(values) or values.min() < 1970_01_01 or values.max() > 2100_12_31:
        return False
    month, day = values // 100 % 100, values % 100
    return bool(((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all())


def scaled(values: NDArray[Any], unit: Unit) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
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


def kinds_of(values: Any) -> NDArray[np.intp]:
    """The unit that each value looks like, as its place in `UNITS`."""
    return np.asarray(np.searchsorted(BOUNDS, values, side="right"), dtype=np.intp)


def telling(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which values say something about their unit."""
    return (values > 0) & (values <= LAST_SECOND * PER_SECOND["ns"])
