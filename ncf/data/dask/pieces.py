"""A log in pieces: files of some hundred thousand rows each, as they were read, and what is known of each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import parquet

from ncf.data.columns import ITEM_ID, TIMESTAMP, USER_ID
from ncf.data.times import are_dates, finite, kinds_of, telling
from ncf.ingest.files import as_series
from ncf.ingest.id_types import NULLS, integers_of

IDS = (USER_ID, ITEM_ID)
OCCURS = "rows"  # column of a file of ids: how often each is there


class IdsSeen(NamedTuple):
    """What the ids of one piece look like.

    Attributes:
        integers: whether they are kept as integers; else as text.
        others_integers: whether all but words such as NULL are written as integers.
        null: position and value of the first such word.
    """

    integers: bool
    others_integers: bool
    null: tuple[int, str] | None


@dataclass(frozen=True)
class TimesSeen:
    """What the times of one piece look like.

    Attributes:
        first: the first value that is there.
        text: whether they are text.
        dates: whether all are numbers that read as dates YYYYMMDD.
        units: place in UNITS -> how many numbers look like it, and position and value of the first.
    """

    first: object
    text: bool
    dates: bool
    units: dict[int, tuple[int, int, object]]


@dataclass(frozen=True)
class Piece:
    """One piece.

    Attributes:
        path: Parquet file of the columns as they came.
        rows: how many.
        ids: what the ids look like, of users and of items.
        types: Arrow's, of the other columns.
        times: what the times look like; None without times, or if nothing must be found out.
    """

    path: Path
    rows: int
    ids: dict[str, IdsSeen]
    types: dict[str, Any]
    times: TimesSeen | None

    def ids_path(self, role: str) -> Path:
        """Parquet file of the ids that occur, and how often."""
        return ids_path(self.path, role)


def ids_path(path: Path, role: str) -> Path:
    """See `Piece`."""
    return path.with_suffix(f".{role}.parquet")


def write_piece(path: Path, block: dict[str, Any], *, typed: bool) -> Piece:
    """Write Arrow arrays as a piece.

    Args:
        path: where to.
        block: role -> array.
        typed: whether ids that are text are known to be so, even where they read as integers.
    """
    columns, seen = dict(block), {}
    for role in IDS:
        columns[role], seen[role] = _ids(block[role], typed)
        found = pc.value_counts(columns[role])
        counted = pa.table({role: found.field("values"), OCCURS: found.field("counts")})
        parquet.write_table(counted, ids_path(path, role), compression="lz4")
    parquet.write_table(pa.table(columns), path, compression="lz4")
    times = _times(as_series(pa.chunked_array([block[TIMESTAMP]]))) if TIMESTAMP in block else None
    types = {role: values.type for role, values in block.items() if role not in IDS}
    return Piece(path, len(block[USER_ID]), seen, types, times)


def _ids(values: Any, typed: bool) -> tuple[Any, IdsSeen]:
    if pa.types.is_integer(values.type):
        return values, IdsSeen(True, True, None)
    integers = integers_of(values)
    if integers is not None:
        return (values, IdsSeen(False, True, None)) if typed else (integers, IdsSeen(True, True, None))
    null = pc.is_in(values, pa.array(NULLS))
    if not pc.any(null).as_py():
        return values, IdsSeen(False, False, None)
    first = int(pc.index(null, True).as_py())
    others = integers_of(values.filter(pc.invert(null))) is not None
    return values, IdsSeen(False, others, (first, values[first].as_py()))


def _times(times: "pd.Series[Any]") -> TimesSeen | None:
    if pd.api.types.is_datetime64_any_dtype(times.dtype):
        return None
    text = not pd.api.types.is_numeric_dtype(times.dtype)
    numbers = pd.to_numeric(times, errors="coerce") if text else times
    values, _ = finite(numbers)
    known = times.dropna()
    first = known.iloc[0] if len(known) else None
    return TimesSeen(first, text, are_dates(values), _units(values, times))


def _units(values: NDArray[Any], raw: "pd.Series[Any]") -> dict[int, tuple[int, int, object]]:
    tells, kinds = telling(values), kinds_of(values)
    found = {}
    for kind in np.unique(kinds[tells]):
        rows = np.flatnonzero(tells & (kinds == kind))
        found[int(kind)] = len(rows), int(rows[0]), raw.iloc[rows[0]]
    return found
