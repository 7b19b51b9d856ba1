"""A log from a database, in chunks, so that the driver's own rows are never all in memory."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pandas as pd

from ncf.data.columns import TIMESTAMP, TimeUnit
from ncf.data.faults import row_of
from ncf.data.ratings import Ratings
from ncf.errors import DataError
from ncf.ingest.config import SQLSource
from ncf.ingest.database import connect, find_url, guarded, open_engine, place
from ncf.ingest.select import ask


def load_sql(source: SQLSource, database_url: str | None = None) -> Ratings:
    """Read a table or a query; equal times of one user keep the order in which the database gives the rows.

    Args:
        source: what to read.
        database_url: SQLAlchemy URL, password included; None: the environment's or the settings'.

    Raises:
        ConfigError: the URL is missing or wrong, or its driver is not installed.
        DataError: the database refuses, or the log is not what it should be.
    """
    chunks: dict[str, list[pd.Series[Any]]] = {}
    unit = source.time_unit
    for chunk, unit in read_chunks(source, database_url):  # noqa: B007 (the last is that of all)
        for ours, values in chunk.items():
            chunks.setdefault(ours, []).append(values)
    frame = pd.DataFrame({ours: pd.concat(chunks.pop(ours), ignore_index=True) for ours in list(chunks)})
    return Ratings.from_frame(frame, time_unit=unit, locate=lambda row: row_of(name_of(source), row))


def name_of(source: SQLSource) -> str:
    """What messages call the table or query."""
    return source.table or "the query"


def read_chunks(
    source: SQLSource, database_url: str | None = None
) -> Iterator[tuple[dict[str, "pd.Series[Any]"], TimeUnit]]:
    """The rows in our columns, chunk by chunk, and the unit of the times; arguments and errors are `load_sql`'s."""
    url = find_url(source, database_url)
    engine = open_engine(url)
    what = f"the {'query' if source.query else 'table'} can't be read from {place(url)}"
    do = "check the query" if source.query else "check that the user of the URL may read the table"
    unit = source.time_unit
    with connect(engine) as connection:
        rows, wanted = guarded(lambda: ask(connection, source), url, what, do)
        chunks = rows.yield_per(source.chunk_rows).partitions()
        some = False
        while (chunk := guarded(lambda: next(chunks, None), url, what, do)) is not None:
            some = True
            columns = {ours: [row[at] for row in chunk] for ours, at in wanted.items()}
            if TIMESTAMP in columns and isinstance(_first(columns[TIMESTAMP]), date):
                columns[TIMESTAMP], unit = _microseconds(columns[TIMESTAMP]), "us"
            yield {ours: _column(values) for ours, values in columns.items()}, unit
    if not some:
        raise DataError(f"{name_of(source)} has no rows", do=f"check that it is the right one in {place(url)}")


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
