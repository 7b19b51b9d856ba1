"""The files of one location as one table, be they text or Parquet: its columns found, and read block by block."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa

from ncf.data.columns import ITEM_ID, RATING, TIMESTAMP, TITLE, USER_ID
from ncf.errors import DataError
from ncf.ingest.bad_lines import Kind, TextColumn, line_of
from ncf.ingest.columns import SETTINGS, find_columns, is_position, looks_named
from ncf.ingest.config import ColumnName, FileSource
from ncf.ingest.decoding import BLOCK_BYTES
from ncf.ingest.dialect import Dialect, Start, check_same_header, find_dialect, read_start
from ncf.ingest.locations import PARQUET_ENDINGS, File, find_files, reading
from ncf.ingest.parquet import BLOCK_ROWS, read_schema, read_table_blocks
from ncf.ingest.text import read_blocks, time_kind

Wanted: TypeAlias = Callable[[Sequence[str]], dict[str, ColumnName | None]]
Block: TypeAlias = dict[str, Any]

UUID_TYPE = str(pa.uuid())
KINDS = {USER_ID: "id", ITEM_ID: "id", RATING: "number", TIMESTAMP: "time", TITLE: "text"}


@dataclass(frozen=True)
class TextTable:
    """Text files with the same columns.

    Attributes:
        files: in the order they are read.
        names: role -> what the files call the column.
        guessed: roles whose column was found by a known spelling of its name.
        dialects: how each is written.
        columns: role -> where the column is, and what.
        typed: whether the columns have types of their own, so that text is text even where it reads as a number.
        uuids: roles whose column is of UUIDs; the blocks have them as text.
    """

    files: list[File]
    names: dict[str, str]
    guessed: frozenset[str]
    dialects: dict[File, Dialect]
    columns: dict[str, TextColumn]
    typed: bool = False
    uuids: frozenset[str] = frozenset()

    def blocks(self, file: File, *, integer_times: bool = True, small: bool = False) -> Iterator[Block]:
        """Role -> Arrow array, block by block; times that begin as integers are read so, or as any numbers.

        Small blocks take a sixteenth of the memory.
        """
        columns = self.columns
        if not integer_times:
            number = {r: TextColumn(c.index, c.name, "number") for r, c in columns.items() if c.kind == "integer"}
            columns = columns | number
        return read_blocks(file, self.dialects[file], columns, BLOCK_BYTES >> 4 if small else BLOCK_BYTES)

    def locate(self, file: File, row: int) -> str:
        """Where a row, from 0, is, in words."""
        return f"{file}, line {line_of(file, self.dialects[file], row)}"


@dataclass(frozen=True)
class ParquetTable:
    """Parquet files with the same columns; the attributes are those of `TextTable`."""

    files: list[File]
    names: dict[str, str]
    guessed: frozenset[str]
    typed: bool = True
    uuids: frozenset[str] = frozenset()

    def blocks(self, file: File, *, integer_times: bool = True, small: bool = False) -> Iterator[Block]:
        """As those of `TextTable`."""
        return read_table_blocks(file, self.names, KINDS, BLOCK_ROWS >> 4 if small else BLOCK_ROWS)

    def locate(self, file: File, row: int) -> str:
        """As those of `TextTable`."""
        return f"{file}, row {row + 1}"


Table: TypeAlias = TextTable | ParquetTable


def open_table(location: str, source: FileSource, wanted: Wanted, settings: dict[str, str] = SETTINGS) -> Table:
    """Find the files and their columns; nothing but their beginnings is read.

    Args:
        location: path, folder, glob or URL.
        source: how the files are written.
        wanted: from the columns' names to role -> name or position.
        settings: role -> the setting that names it, for errors.

    Raises:
        DataError: there are no files, they are not what they should be, or lack a column.
    """
    files = find_files(location, source.format)
    if _is_parquet(files, source):
        return _open_parquet(files, wanted, settings)
    return _open_text(files, source, wanted, settings)


def _is_parquet(files: list[File], source: FileSource) -> bool:
    if source.format != "auto":
        return source.format == "parquet"
    tables = [file.ending in PARQUET_ENDINGS and not file.compression for file in files]
    if any(tables) != all(tables):
        got = f"{files[tables.index(True)]} and {files[tables.index(False)]}"
        raise DataError("Parquet and text files together", got=got, do="set format, or give a narrower glob")
    return all(tables)


def _open_parquet(files: list[File], wanted: Wanted, settings: dict[str, str]) -> ParquetTable:
    opened: list[dict[str, tuple[str, str]]] = []
    for file in files:
        schema = read_schema(file)
        found = find_columns(schema.names, wanted(schema.names), file, settings)
        opened.append({role: (schema.names[at], str(schema.field(at).type)) for role, at in found.items()})
        if opened[-1] != opened[0]:
            raise DataError(
                f"{file} has other columns than {files[0]}",
                got=", ".join(" ".join(column) for column in opened[-1].values()),
                allowed=", ".join(" ".join(column) for column in opened[0].values()),
                do="give a glob that takes only files of one kind",
            )
    names = {role: name for role, (name, _) in opened[0].items()}
    uuids = frozenset(role for role, (_, kind) in opened[0].items() if kind == UUID_TYPE)
    return ParquetTable(files, names, _guessed(names, wanted(list(names.values()))), uuids=uuids)


def _open_text(files: list[File], source: FileSource, wanted: Wanted, settings: dict[str, str]) -> TextTable:
    start = read_start(files[0], source.encoding)
    with reading(files[0]):
        first = _dialect(start, source, wanted, source.separator)
        records = start.records(first.separator, quoting=first.quoting)[first.header :]
    found = find_columns(first.names, wanted(first.names), files[0], settings, header=first.header)
    dialects = {files[0]: first}
    for file in files[1:]:
        other = read_start(file, source.encoding)
        with reading(file):
            dialects[file] = _dialect(other, source, wanted, first.separator)
        check_same_header(first, dialects[file], files[0], file)
    columns = {
        role: TextColumn(index, first.names[index], _kind(role, index, records), optional=role == TITLE)
        for role, index in found.items()
    }
    names = {role: column.name for role, column in columns.items()}
    return TextTable(files, names, _guessed(names, wanted(first.names)), dialects, columns)


def _guessed(names: dict[str, str], wanted: dict[str, ColumnName | None]) -> frozenset[str]:
    asked = {role: role if column is None else column for role, column in wanted.items()}
    return frozenset(role for role, name in names.items() if not is_position(asked[role]) and name != asked[role])


def _kind(role: str, index: int, records: list[tuple[int, list[str]]]) -> Kind:
    kinds: dict[str, Kind] = {USER_ID: "id", ITEM_ID: "id", RATING: "number", TITLE: "text"}
    return time_kind(records, index) if role == TIMESTAMP else kinds[role]


def _dialect(start: Start, source: FileSource, wanted: Wanted, separator: str | None) -> Dialect:
    inter = source.format == "inter" or (source.format == "auto" and start.file.ending in (".inter", ".item"))

    def fits(cells: list[str]) -> bool:
        columns = wanted(cells)
        for role, column in columns.items():
            if column is not None and is_position(column) and column not in cells:
                return int(column) < len(cells) and looks_named(cells[int(column)], role)
        try:
            return bool(find_columns(cells, columns, start.file))
        except DataError:
            return False

    by_position = all(column is None or is_position(column) for column in wanted(()).values())
    header = source.header if source.header is not None or by_position else True
    return find_dialect(start, separator, source.encoding, inter=inter, header=header, fits=fits)
