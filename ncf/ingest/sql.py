"""A log from a database: a table or a query that only reads, in chunks, so that not all rows are in memory twice."""

import difflib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pandas as pd
from sqlalchemy import (
    ColumnClause,
    ColumnElement,
    Connection,
    CursorResult,
    Select,
    TableClause,
    TextClause,
    column,
    false,
    func,
    inspect,
    literal_column,
    or_,
    select,
    table,
    text,
)
from sqlalchemy.exc import NoSuchTableError, SAWarning

from ncf.data import RATING, TIMESTAMP, TimeUnit
from ncf.data.faults import row_number
from ncf.data.ratings import Ratings
from ncf.errors import DataError
from ncf.ingest.columns import FILTER, by_role, is_position, with_filters
from ncf.ingest.config import ColumnName, SQLSource
from ncf.ingest.database import connect, database_location, find_url, guarded, open_engine
from ncf.ingest.where import EVENTS, FIRST_ROWS, RowFilter, kinds_note

SHOWN = 20  # names in a message
MOST_VALUES = 100_000  # of a column that is filtered by


def load_sql(source: SQLSource, database_url: str | None = None) -> Ratings:
    """Read a table or a query of the database at the URL, or at that of the environment or the settings.

    Equal times of one user keep the order in which the database gives the rows. The database takes the rows of `where`:
    it first counts the values of each column.

    Raises:
        ConfigError: the URL is missing or wrong, or its driver is not installed.
        DataError: the database refuses, or the log is not what it should be.
    """
    chunks: dict[str, list[pd.Series[Any]]] = {}
    unit = source.time_unit
    rows = RowFilter(source.where)
    for chunk, unit in _read_chunks(source, rows, database_url):  # noqa: B007 (the last is that of all)
        for ours, values in chunk.items():
            chunks.setdefault(ours, []).append(values)
    frame = pd.DataFrame({ours: pd.concat(chunks.pop(ours), ignore_index=True) for ours in list(chunks)})
    ratings = Ratings.from_frame(
        frame,
        time_unit=unit,
        time_format=source.time_format,
        locate=lambda row: f"{row_number(row)} of {_name_of(source)}",
        ids=source.ids,
        names={ours: str(name) for ours, name in by_role(source.columns).items() if not is_position(name)},
    )
    return replace(ratings, tally=rows.told(ratings.tally))


def _name_of(source: SQLSource) -> str:
    """What messages call the table or query."""
    return source.table or "the query"


def _read_chunks(
    source: SQLSource, filters: RowFilter, database_url: str | None = None
) -> Iterator[tuple[dict[str, "pd.Series[Any]"], TimeUnit]]:
    """The rows in our columns, chunk by chunk, and the unit of the times; arguments and errors are `load_sql`'s."""
    url = find_url(source, database_url)
    engine = open_engine(url)
    what = f"the {'query' if source.query else 'table'} can't be read from {database_location(url)}"
    do = "check the query" if source.query else "check that the user of the URL may read the table"
    unit = source.time_unit
    with connect(engine) as connection:
        rows, wanted = guarded(lambda: _select(connection, source, filters), url, what, do)
        chunks = rows.yield_per(source.chunk_rows).partitions()
        some = False
        while (chunk := guarded(lambda: next(chunks, None), url, what, do)) is not None:
            some = True
            columns = {ours: [row[at] for row in chunk] for ours, at in wanted.items()}
            if TIMESTAMP in columns and isinstance(_first(columns[TIMESTAMP]), date):
                columns[TIMESTAMP], unit = _microseconds(columns[TIMESTAMP]), "us"
            yield _rated({ours: _column(values) for ours, values in columns.items()}, filters), unit
    if not some:
        raise DataError(
            f"{_name_of(source)} has no rows", do=f"check that it is the right one in {database_location(url)}"
        )


def _rated(columns: dict[str, "pd.Series[Any]"], filters: RowFilter) -> dict[str, "pd.Series[Any]"]:
    """Our columns, with the ratings that `where` gives."""
    by = {role: columns.pop(role) for role in list(columns) if role.startswith(FILTER)}
    for role, values in by.items():
        columns[RATING] = filters.ratings(role.removeprefix(FILTER), values)
    return columns


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


def _select(
    connection: Connection, source: SQLSource, filters: RowFilter
) -> tuple[CursorResult[tuple[object, ...]], dict[str, int]]:
    """Ask for the rows, from a cursor of the server where there is one.

    Returns:
        The rows to come, and our columns -> their indices in a row; by a column of `where` goes the rating.

    Raises:
        DataError: there is no such table or column, or `where` takes no row.
        SQLAlchemyError: the database refuses.
    """
    streaming = connection.execution_options(stream_results=True)
    if source.query is not None and not source.where:
        verbatim = streaming.execution_options(no_parameters=True)  # else % and : would be taken for parameters
        rows = verbatim.exec_driver_sql(source.query.strip().rstrip(";"))
        return rows, _find_columns(list(rows.keys()), source, "the query")
    if source.query is not None:
        log: TextClause | TableClause = _as_table(source.query)
        found = list(connection.execute(select(literal_column("*")).select_from(log).where(false())).keys())
        wanted = _find_columns(found, source, "the query")
    else:
        schema, _, name = (source.table or "").rpartition(".")
        found = _columns_of(connection, name, schema or None)
        wanted = _find_columns(found, source, f"the table {source.table}")
        log = table(name, schema=schema or None)
        filters.kinds = (
            [] if source.where else _kinds(connection, log, set(found) - {found[at] for at in wanted.values()})
        )
    conditions: list[ColumnElement[bool]] = []
    for filtered in filters.columns:
        by: ColumnClause[Any] = column(found[wanted[FILTER + filtered]])
        conditions.append(_condition(connection, by, log, conditions, filtered, filters, _name_of(source)))
    roles = {ours: at for ours, at in wanted.items() if ours not in (FILTER + each for each in filters.unrated)}
    chosen: list[ColumnClause[object]] = [column(found[at]) for at in roles.values()]
    statement = select(*chosen).select_from(log).where(*conditions)
    return streaming.execute(statement), {ours: index for index, ours in enumerate(roles)}


def _kinds(connection: Connection, log: TableClause, others: set[str]) -> list[str]:
    """What is to be said of columns that look like kinds of events, by a few rows."""
    notes = []
    for name in sorted(filter(EVENTS.fullmatch, others)):
        some: Select[Any] = select(column(name)).select_from(log).limit(FIRST_ROWS)
        notes.append(kinds_note(name, [row[0] for row in connection.execute(some)]))
    return [note for note in notes if note]


def _as_table(query: str) -> TextClause:
    """A query as a table to select from; a colon in it is no parameter."""
    verbatim = query.strip().rstrip(";").replace(":", "\\:")
    return text(f"(\n{verbatim}\n) AS log")


def _condition(
    connection: Connection,
    by: ColumnClause[Any],
    log: Any,
    before: Sequence[ColumnElement[bool]],
    filtered: str,
    filters: RowFilter,
    name: str,
) -> ColumnElement[bool]:
    """That a column has one of the values that `where` takes, as the database has them.

    Raises:
        DataError: none is taken, or the column has too many.
    """
    counts = select(by, func.count()).select_from(log).where(*before).group_by(by).limit(MOST_VALUES + 1)
    groups = {row[0]: row[1] for row in connection.execute(counts)}
    if len(groups) > MOST_VALUES:
        do = "put the condition into query"
        raise DataError(f"the column {filtered} of where has more than {MOST_VALUES:,} different values", do=do)
    values, rows = filters.of_groups(filtered, groups)
    if filters.seen_any and not rows:
        raise filters.refusal(name)
    one_of = by.in_([value for value in values if value is not None])
    return or_(one_of, by.is_(None)) if None in values else one_of


def _find_columns(found: Sequence[str], source: SQLSource, where: str) -> dict[str, int]:
    """Our columns -> their indices among the columns found.

    Raises:
        DataError: one is missing, or is there twice.
    """
    roles = with_filters(source.columns, source.where)
    asked = {ours: ours if name is None and ours in found else name for ours, name in roles.items()}
    return {ours: _find_column(name, found, where) for ours, name in asked.items() if name is not None}


def _find_column(name: ColumnName, found: Sequence[str], where: str) -> int:
    if name not in found and is_position(name) and int(name) < len(found):
        return int(name)
    times = found.count(str(name))
    if times == 1:
        return found.index(str(name))
    raise DataError(
        f"{where} has {'no column' if not times else 'several columns of the name'}",
        got=name,
        allowed=_listed(found),
        do=_nearest(str(name), found, "name another in columns") if not times else "name them apart with AS",
    )


def _columns_of(connection: Connection, name: str, schema: str | None) -> list[str]:
    inspector = inspect(connection)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # of types it does not know, such as an extension's
            return [str(found["name"]) for found in inspector.get_columns(name, schema)]
    except NoSuchTableError:
        pass
    known = sorted({*inspector.get_table_names(schema), *inspector.get_view_names(schema)})
    raise DataError(
        f"there is no such table in the schema {schema or inspector.default_schema_name or 'main'}",
        got=name,
        allowed=_listed(known) if known else f"there are none; schemas: {_listed(inspector.get_schema_names())}",
        do=_nearest(name, known, "name another, with its schema: schema.table"),
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _nearest(name: str, known: Sequence[str], otherwise: str) -> str:
    by_lower = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return f"perhaps {by_lower[near[0]]!r} is meant; else {otherwise}" if near else otherwise
