"""Unusable values of a log, told as one error with its place, value and remedy."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

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
        do: the remedy; empty: to mend or remove the rows.
    """

    column: str
    row: int
    value: object
    allowed: str
    rows: int
    do: str = ""


def row_number(position: int) -> str:
    """Words for a row of a frame."""
    return f"row {position + 1}"


def row_of(name: str, position: int) -> str:
    """Words for a row of a table in a database."""
    return f"{row_number(position)} of {name}"


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


def joined_faults(pieces: Iterable[tuple[int, Sequence[Fault]]]) -> list[Fault]:
    """The faults of a log that was checked in pieces, as one look at the whole would tell them.

    Args:
        pieces: the position of each piece's first row, and its faults, in the order of the log.
    """
    joined: dict[tuple[str, str], Fault] = {}
    for start, faults in pieces:
        for fault in faults:
            kind = fault.column, fault.allowed
            known = joined.get(kind)
            moved = replace(fault, row=start + fault.row)
            joined[kind] = moved if known is None else replace(known, rows=known.rows + fault.rows)
    return list(joined.values())


def refuse(faults: Sequence[Fault], locate: Locate = row_number) -> None:
    """Raise one error for all faults; the first is told in full.

    Raises:
        DataError: there is a fault.
    """
    if not faults:
        return
    first, *others = faults
    do = first.do or ("mend or remove this row" if first.rows == 1 else f"mend or remove the {first.rows:,} such rows")
    also = [
        f"{locate(fault.row)} has an unusable {fault.column}: {_shown(fault.value)!r} ({fault.rows:,} such)"
        for fault in others
    ]
    raise DataError(
        f"{locate(first.row)} has an unusable {first.column}",
        got=_shown(first.value),
        allowed=first.allowed,
        do="; also ".join([do, *also]),
    )


def _shown(value: object) -> object:
    if value is None:
        return pd.NA  # None would leave the value out of the message
    if isinstance(value, str) and len(value) > LONGEST:
        return value[:LONGEST] + "..."
    return value.item() if isinstance(value, np.generic) else value


@dataclass(frozen=True)
class Problem:
    """One kind of wrong rows.

    Attributes:
        kind: outside of the scale, or one pair in two parts of a given split.
        user, item: codes of the first such row.
        got: its rating, or its parts.
        rows: how many there are.
    """

    kind: Literal["scale", "leak"]
    user: int
    item: int
    got: object
    rows: int

    def error(self, user_ids: NDArray[Any], item_ids: NDArray[Any], scale: tuple[float, float] | None) -> DataError:
        """The same in words; ids by code."""
        user, item = user_ids[self.user], item_ids[self.item]
        if self.kind == "scale" and scale is not None:
            return DataError(
                f"the rating of user {user!s} for item {item!s} is outside of the scale",
                got=self.got,
                allowed=f"{scale[0]:g} to {scale[1]:g}",
                do=f"correct data.feedback.scale, or mend or remove the {self.rows:,} such ratings",
            )
        others = f", as the other {self.rows - 1:,} such pairs" if self.rows > 1 else ""
        return DataError(
            f"user {user!s} has item {item!s} in two parts of the split that the log brings",
            got=self.got,
            allowed="a pair in one part",
            do=f"take it out of one of them{others}",
        )


def first_problem(found: Iterable[Problem]) -> Problem | None:
    """The first, with the rows of all of its kind."""
    problems = list(found)
    if not problems:
        return None
    return replace(problems[0], rows=sum(other.rows for other in problems if other.kind == problems[0].kind))
