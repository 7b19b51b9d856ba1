"""Text files as a stream of blocks of the wanted columns, by Arrow's reader."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow_csv

from ncf.errors import DataError
from ncf.ingest.bad_lines import INTEGER, NUMBER, Kind, TextColumn, explain, refuse_open_quote
from ncf.ingest.decoding import BLOCK_BYTES, Feed, arrow_separator
from ncf.ingest.dialect import Dialect, Record
from ncf.ingest.locations import File, reading

TYPES = {"id": pa.string(), "text": pa.string(), "number": pa.float64(), "integer": pa.int64()}


class NotAllIntegersError(Exception):
    """A column whose first values are integers has a fraction further on: read it again as numbers."""


def read_blocks(
    file: File, dialect: Dialect, columns: dict[str, TextColumn], block_bytes: int = BLOCK_BYTES
) -> Iterator[dict[str, Any]]:
    """Arrow arrays of the wanted columns, block by block; other columns are not converted.

    Args:
        file: the file.
        dialect: how it is written.
        columns: role -> where the column is, and what.
        block_bytes: of text in a block; Arrow reads up to 32 blocks ahead of whoever takes them.

    Raises:
        DataError: a line has too many or too few columns, or a value is empty or not of its kind; with its line.
        NotAllIntegersError: nothing is wrong, but that a column of integers has other numbers, too.
    """
    good = 0
    with reading(file), file.open() as stream:
        feed = Feed(stream, dialect.encoding, dialect.separator)
        try:
            for batch in _open(feed, dialect, columns, block_bytes):
                yield _wanted(batch, columns)
                good += len(batch)
        except ValueError as error:  # Arrow's errors about the content, and those of the encoding
            raise _explained(file, dialect, columns, good, error) from error
    if dialect.quoting and feed.quotes % 2:
        refuse_open_quote(file, dialect)


def time_kind(records: list[Record], index: int) -> Kind:
    """What the first rows have for times: integers, numbers, or text such as ISO 8601."""
    values = [cells[index] for _, cells in records if index < len(cells) and cells[index]]
    if values and all(INTEGER.fullmatch(value) for value in values):
        return "integer"
    numbers = sum(NUMBER.fullmatch(value) is not None for value in values)
    return "number" if 2 * numbers > len(values) else "text"


def _open(feed: Feed, dialect: Dialect, columns: dict[str, TextColumn], block_bytes: int) -> Any:
    needed = {str(column.index): TYPES[column.kind] for column in columns.values()}
    return arrow_csv.open_csv(
        pa.PythonFile(feed, mode="r"),
        arrow_csv.ReadOptions(
            block_size=block_bytes,
            skip_rows=dialect.skip,
            column_names=[str(index) for index in range(len(dialect.names))],
        ),
        arrow_csv.ParseOptions(
            delimiter=arrow_separator(dialect.separator),
            quote_char='"' if dialect.quoting else False,
            newlines_in_values=dialect.quoting,
        ),
        arrow_csv.ConvertOptions(
            column_types=needed, include_columns=list(needed), null_values=[""], strings_can_be_null=True
        ),
    )


def _wanted(batch: Any, columns: dict[str, TextColumn]) -> dict[str, Any]:
    block = {role: batch.column(str(column.index)) for role, column in columns.items()}
    if any(block[role].null_count for role, column in columns.items() if not column.optional):
        raise ValueError("a value is empty")
    return block


def _explained(
    file: File, dialect: Dialect, columns: dict[str, TextColumn], good: int, error: ValueError
) -> DataError | NotAllIntegersError:
    known = explain(file, dialect, columns, good)
    if (
        known is None
        and isinstance(error, pa.ArrowInvalid)
        and any(column.kind == "integer" for column in columns.values())
    ):
        return NotAllIntegersError()
    return known or DataError(f"{file} can't be read", got=str(error)[:300], do="check the separator and the quotes")
