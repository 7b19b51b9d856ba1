"""A log from a database, in chunks, so that the driver's own rows are never all in memory."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pandas as pd
from sqlalchemy import Connection

from ncf.data.ratings import TIMESTAMP, Ratings
from ncf.data.sources.config import SQLSource, TimeUnit
from ncf.data.sources.database import connect, find_url, guarded, open_engine, place
from ncf.data.sources.select import ask
from ncf.errors import DataError


def load_sql(source: SQLSource, database_url: str | None = None) -> Ratings:
    """Read a table or a query; equal times of one user keep the order in which the database gives the rows.

    Args:
        source: what to read.
        database_url: SQLAlchemy URL, password included; None: the environment's or the settings'.

    Raises:
        ConfigError: the URL is missing or wrong, or its driver is not installed.
        DataError: the database refuses, or the log is not what it should be.
    """
    url = find_url(source, database_url)
    engine = open_engine(url)
    with connect(engine) as connection:
        what = f"the {'query' if source.query else 'table'} can't be read from {place(url)}"
        do = "check the query" if source.query else "check that the user of the URL may read the table"
        frame, unit = guarded(lambda: _read(connection, source), url, what, do)
    name = source.table or "the query"
    if frame.empty:
        raise DataError(f"{name} has no rows", do=f"check that it is the right one in {place(url)}")
    return Ratings.from_frame(frame, time_unit=unit, locate=lambda row: f"row {row + 1} of {name}")


def _read(connection: Connection, source: SQLSource) -> tuple[pd.DataFrame, TimeUnit]:
    """The rows in our columns, and the unit of the times."""
    rows, wanted = ask(connection, source)
    chunks: dict[str, list[pd.Series[Any]]] = {ours: [] for ours in wanted}
    unit = source.time_unit
    for chunk in rows.yield_per(source.chunk_rows).partitions():
        for ours, at in wanted.items():
            values = [row[at] for row in chunk]
            if ours == TIMESTAMP and isinstance(_first(values), date):
                values, unit = _microseconds(values), "us"
            chunks[ours].append(_column(values))
    if not any(chunks.values()):
        return pd.DataFrame(columns=list(wanted)), unit
    return pd.DataFrame({ours: pd.concat(chunks.pop(ours), ignore_index=True) for ours in wanted}), unit


def _column(values: Sequence[Any]) -> "pd.Series[Any]":
    """Integers, text and numbers as columns of their own type; exact decimals as integers or floats."""
    if isinstance(_first(values), Decimal):
        values = [_number(value) for value in values]
    return pd.Series(values, dtype=object).infer_objects()


def _number(value: Any) -> Any:
    if not isinstance(value, Decimal):
        return value
    return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)


def _microseconds(values: Sequence[Any]) -> list[int | None]:
    """Dates and times, those without a zone taken as UTC."""
    times = pd.Series(pd.to_datetime(pd.Series(values, dtype=object), utc=True)).dt.as_unit("us")
    return times.astype("int64").astype(object).where(times.notna(), None).to_list()


def _first(values: Sequence[Any]) -> Any:
    return next((value for value in values if value is not None), None)
