"""What is asked of a database: the columns of a table, or a query that only reads."""

import difflib
import warnings
from collections.abc import Sequence

from sqlalchemy import ColumnClause, Connection, CursorResult, Inspector, column, inspect, select, table
from sqlalchemy.exc import NoSuchTableError, SAWarning

from ncf.errors import DataError
from ncf.ingest.config import ColumnName, Columns, SQLSource
from ncf.ingest.naming import by_role, is_place

SHOWN = 20  # names in a message


def ask(connection: Connection, source: SQLSource) -> tuple[CursorResult[tuple[object, ...]], dict[str, int]]:
    """Ask for the rows, from a cursor of the server where there is one.

    Returns:
        The rows to come, and our columns -> their places in a row.

    Raises:
        DataError: there is no such table or column.
        SQLAlchemyError: the database refuses.
    """
    streaming = connection.execution_options(stream_results=True)
    if source.query is not None:
        verbatim = streaming.execution_options(no_parameters=True)  # else % and : would be taken for parameters
        rows = verbatim.exec_driver_sql(source.query.strip().rstrip(";"))
        return rows, places(list(rows.keys()), source.columns, "the query")
    schema, _, name = (source.table or "").rpartition(".")
    found = _columns_of(connection, name, schema or None)
    wanted = places(found, source.columns, f"the table {source.table}")
    chosen: list[ColumnClause[object]] = [column(found[place]) for place in wanted.values()]
    statement = select(*chosen).select_from(table(name, *chosen, schema=schema or None))
    return streaming.execute(statement), {ours: place for place, ours in enumerate(wanted)}


def places(found: Sequence[str], columns: Columns, where: str) -> dict[str, int]:
    """Our columns -> their places among the columns found.

    Raises:
        DataError: one is missing, or is there twice.
    """
    asked = {ours: ours if name is None and ours in found else name for ours, name in by_role(columns).items()}
    return {ours: _place(name, found, where) for ours, name in asked.items() if name is not None}


def _place(name: ColumnName, found: Sequence[str], where: str) -> int:
    if name not in found and is_place(name) and int(name) < len(found):
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
    known = _tables(inspector, schema)
    raise DataError(
        f"there is no such table in the schema {schema or inspector.default_schema_name or 'main'}",
        got=name,
        allowed=_listed(known) if known else f"there are none; schemas: {_listed(inspector.get_schema_names())}",
        do=_nearest(name, known, "name another, with its schema: schema.table"),
    )


def _tables(inspector: Inspector, schema: str | None) -> list[str]:
    return sorted({*inspector.get_table_names(schema), *inspector.get_view_names(schema)})


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _nearest(name: str, known: Sequence[str], otherwise: str) -> str:
    by_lower = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return f"perhaps {by_lower[near[0]]!r} is meant; else {otherwise}" if near else otherwise
