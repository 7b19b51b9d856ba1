"""Unusable values of a log, told as one error with its place, value and remedy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncf.errors import DataError

Locate: TypeAlias = Callable[[int], str]
LONGEST = 80  # characters of a value that are shown


@dataclass(frozen=True)
class Fault:
    """One kind of unusable value in one column.

    Attributes:
        column: where.
        row: position of the first, from 0.
        value: that value, as it came.
        allowed: what would have been right.
        rows: how many such rows there are.
        do: the remedy; empty: to fix or remove the rows.
        more: positions of a few further rows, which are told, too.
    """

    column: str
    row: int
    value: object
    allowed: str
    rows: int
    do: str = ""
    more: tuple[int, ...] = ()


def row_number(position: int) -> str:
    """Words for a row of a frame."""
    return f"row {position + 1}"


def fault_in(raw: "pd.Series[Any]", bad: NDArray[np.bool_], allowed: str, do: str = "") -> list[Fault]:
    """The fault of the marked rows, or none.

    Args:
        raw: the column as it came.
        bad: bool[rows].
        allowed: see the class.
        do: see the class.
    """
    rows = int(np.count_nonzero(bad))
    if not rows:
        return []
    first = int(bad.argmax())
    return [Fault(str(raw.name), first, raw.iloc[first], allowed, rows, do)]


def refuse(faults: Sequence[Fault], locate: Locate = row_number) -> None:
    """Raise one error for all faults; the first is told in full.

    Raises:
        DataError: there is a fault.
    """
    if not faults:
        return
    first, *others = faults
    do = first.do or ("fix or remove this row" if first.rows == 1 else f"fix or remove the {first.rows:,} such rows")
    also = [
        f"{locate(fault.row)} has an unusable {fault.column}: {_shown(fault.value)!r} ({fault.rows:,} such)"
        for fault in others
    ]
    further = [f"more of the first: {', '.join(map(locate, first.more))}"] if first.more else []
    raise DataError(
        f"{locate(first.row)} has an unusable {first.column}",
        got=_shown(first.value),
        allowed=first.allowed,
        do="; ".join(["; also ".join([do, *also]), *further]),
    )


def _shown(value: object) -> object:
    if value is None:
        return pd.NA  # None would leave the value out of the message
    if isinstance(value, str) and len(value) > LONGEST:
        return value[:LONGEST] + "..."
    return value.item() if isinstance(value, np.generic) else value
