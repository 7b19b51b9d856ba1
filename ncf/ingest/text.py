"""Text files as a table: their columns found, and read block by block by Arrow's reader."""

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa
from pyarrow import csv as arrow_csv

from ncf.data.columns import ITEM_ID, RATING, TIMESTAMP, TITLE, USER_ID
from ncf.errors import DataError
from ncf.ingest.bad_lines import INTEGER, NUMBER, Kind, TextColumn, explain, line_of, refuse_open_quote
from ncf.ingest.columns import Wanted, find_columns, guessed_roles, is_position, looks_named
from ncf.ingest.config import FileSource
from ncf.ingest.dialect import Dialect, Record, Start, find_dialect, is_utf8, read_start
from ncf.ingest.locations import File, reading

TYPES = {"id": pa.string(), "text": pa.string(), "number": pa.float64(), "integer": pa.int64()}
BLOCK_BYTES = 1 << 24
UNIT_SEPARATOR = "\x1f"  # ASCII's own; stands in for a separator that Arrow can't take


class NotAllIntegersError(Exception):
    """A column whose first values are integers has a fraction further on: read it again as numbers."""


class _ArrowFeed(io.RawIOBase):
    """A stream for `pyarrow.csv`, which takes UTF-8 and a separator of one byte.

    Args:
        stream: the decompressed bytes.
        encoding: they are in.
        separator: if longer than one byte, it is replaced by `UNIT_SEPARATOR`.

    Attributes:
        quotes: double quotes seen so far.
    """

    def __init__(self, stream: Any, encoding: str, separator: str) -> None:
        self._stream = stream
        self._decoder = None if is_utf8(encoding) else codecs.getincrementaldecoder(encoding)()
        self._separator = b"" if _arrow_separator(separator) == separator else separator.encode()
        self._rest = b""
        self._ended = False
        self.quotes = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Some bytes, perhaps fewer than `size`; none at the end."""
        while not self._ended:
            read = self._stream.read(size if size > 0 else BLOCK_BYTES)
            self._ended = not read
            block = read if self._decoder is None else self._decoder.decode(read, final=not read).encode()
            if b"\0" in block:
                raise ValueError("it is no text further on: it has zero bytes")
            if block := self._replaced(block):
                self.quotes += block.count(b'"')
                return block
        return b""

    def _replaced(self, block: bytes) -> bytes:
        """With the short separator; what follows the last newline waits, since a separator may be cut there."""
        if not self._separator:
            return block
        if UNIT_SEPARATOR.encode() in block:
            raise ValueError("a separator of several letters can't be used in a file with the control character 0x1F")
        block = self._rest + block
        end = len(block) if self._ended else block.rfind(b"\n") + 1
        self._rest = block[end:]
        return block[:end].replace(self._separator, UNIT_SEPARATOR.encode())


def _arrow_separator(separator: str) -> str:
    """The separator that Arrow sees."""
    return separator if len(separator.encode()) == 1 else UNIT_SEPARATOR


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
    typed: ClassVar[bool] = False
    uuids: ClassVar[frozenset[str]] = frozenset()

    def blocks(self, file: File, *, integer_times: bool = True, small: bool = False) -> Iterator[dict[str, Any]]:
        """Role -> Arrow array, block by block; times that begin as integers are read so, or as any numbers.

        Small blocks take a sixteenth of the memory.
        """
        columns = self.columns
        if not integer_times:
            number = {r: TextColumn(c.index, c.name, "number") for r, c in columns.items() if c.kind == "integer"}
            columns = columns | number
        return _read_blocks(file, self.dialects[file], columns, BLOCK_BYTES >> 4 if small else BLOCK_BYTES)

    @property
    def named(self) -> bool:
        """Whether the files say how their columns are called."""
        return self.dialects[self.files[0]].header

    def locate(self, file: File, row: int) -> str:
        """Where a row, from 0, is, in words."""
        return f"{file}, line {line_of(file, self.dialects[file], row)}"


def open_text(files: list[File], source: FileSource, wanted: Wanted, settings: dict[str, str]) -> TextTable:
    """Find the columns of text files from their first lines; the arguments are those of `open_table`."""
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
        if first.names != dialects[file].names:
            raise DataError(
                f"{file} has other columns than {files[0]}",
                got=list(dialects[file].names),
                allowed=str(list(first.names)),
                do="give a glob that takes only files of one kind",
            )
    columns = {
        role: TextColumn(index, first.names[index], _kind(role, index, records), optional=role == TITLE)
        for role, index in found.items()
    }
    names = {role: column.name for role, column in columns.items()}
    return TextTable(files, names, guessed_roles(names, wanted(first.names)), dialects, columns)


def _kind(role: str, index: int, records: list[tuple[int, list[str]]]) -> Kind:
    kinds: dict[str, Kind] = {USER_ID: "id", ITEM_ID: "id", RATING: "number", TITLE: "text"}
    return _time_kind(records, index) if role == TIMESTAMP else kinds[role]


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


def _time_kind(records: list[Record], index: int) -> Kind:
    """What the first rows have for times: integers, numbers, or text such as ISO 8601."""
    values = [cells[index] for _, cells in records if index < len(cells) and cells[index]]
    if values and all(INTEGER.fullmatch(value) for value in values):
        return "integer"
    numbers = sum(NUMBER.fullmatch(value) is not None for value in values)
    return "number" if 2 * numbers > len(values) else "text"


def _read_blocks(
    file: File, dialect: Dialect, columns: dict[str, TextColumn], block_bytes: int
) -> Iterator[dict[str, Any]]:
    """Arrow arrays of the wanted columns by role, block by block; other columns are not converted.

    Arrow reads up to 32 blocks ahead of whoever takes them.

    Raises:
        DataError: a line has too many or too few columns, or a value is empty or not of its kind; with its line.
        NotAllIntegersError: nothing is wrong, but that a column of integers has other numbers, too.
    """
    good = 0
    with reading(file), file.open() as stream:
        feed = _ArrowFeed(stream, dialect.encoding, dialect.separator)
        try:
            for batch in _open_csv(feed, dialect, columns, block_bytes):
                yield _wanted(batch, columns)
                good += len(batch)
        except ValueError as error:  # Arrow's errors about the content, and those of the encoding
            raise _explained(file, dialect, columns, good, error) from error
    if dialect.quoting and feed.quotes % 2:
        refuse_open_quote(file, dialect)


def _open_csv(feed: _ArrowFeed, dialect: Dialect, columns: dict[str, TextColumn], block_bytes: int) -> Any:
    needed = {str(column.index): TYPES[column.kind] for column in columns.values()}
    return arrow_csv.open_csv(
        pa.PythonFile(feed, mode="r"),
        arrow_csv.ReadOptions(
            block_size=block_bytes,
            skip_rows=dialect.skip,
            column_names=[str(index) for index in range(len(dialect.names))],
        ),
        arrow_csv.ParseOptions(
            delimiter=_arrow_separator(dialect.separator),
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
    if known := explain(file, dialect, columns, good):
        return known
    if isinstance(error, pa.ArrowInvalid) and any(column.kind == "integer" for column in columns.values()):
        return NotAllIntegersError()
    return DataError(f"{file} can't be read", got=str(error)[:300], do="check the separator and the quotes")
