"""Text files as a table: their columns found, and read block by block by Arrow's reader."""

import codecs
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pyarrow as pa
from pyarrow import csv as arrow_csv

from ncf.data import ITEM_ID, RATING, TIMESTAMP, TITLE, USER_ID
from ncf.errors import DataError
from ncf.ingest.bad_lines import INTEGER, Kind, TextColumn, check_quotes, explain, line_of
from ncf.ingest.columns import FILTER, Wanted, find_columns, guessed_roles, refuse_lists
from ncf.ingest.config import FileSource
from ncf.ingest.dialect import Dialect, first_dialect, is_number, null_pattern, other_dialect
from ncf.ingest.locations import File, reading
from ncf.ingest.quotes import QuotesSeen, Told
from ncf.ingest.start import Record, is_utf8, read_start, refuse_mark
from ncf.ingest.where import RowFilter, kinds_note

TYPES = {"where": pa.string(), "id": pa.string(), "text": pa.string(), "number": pa.float64(), "integer": pa.int64()}
BLOCK_BYTES = 1 << 24
UNIT_SEPARATOR = "\x1f"  # ASCII's own; stands in for a separator that Arrow can't take


class NotAllIntegersError(Exception):
    """A column whose first values are integers has a fraction further on: read it again as numbers."""


class _ArrowFeed(io.RawIOBase):
    """A stream for `pyarrow.csv`, which takes UTF-8, a separator of one byte, and no comments.

    Attributes:
        lines: ends of lines fed so far; one more where CR and LF come in two blocks.
        quotes: what was seen of double quotes.
        comments: lines passed over, and now blank.
    """

    def __init__(self, stream: Any, file: File, dialect: Dialect) -> None:
        self._stream, self._file, self._dialect = stream, file, dialect
        self._decoder = None if is_utf8(dialect.encoding) else codecs.getincrementaldecoder(dialect.encoding)()
        short = _arrow_separator(dialect.separator) == dialect.separator
        self._separator = b"" if short else dialect.separator.encode()
        comment = dialect.comment
        self._comment = None if comment is None else re.compile(rb"(?m)^%b[^\r\n]*" % re.escape(comment.encode()))
        null = null_pattern(dialect)
        self._null = None if null is None else re.compile(null.pattern.encode())
        self._rest = self._last = b""
        self._ended = False
        self.lines = self.comments = 0
        self.quotes = QuotesSeen(_arrow_separator(dialect.separator), dialect.escape)

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
                self._look_at(block)
                return block
        return b""

    def _replaced(self, block: bytes) -> bytes:
        """Whole lines with the short separator, without comments and null fields, if there is something to replace."""
        if not self._separator and self._comment is None and self._null is None:
            return block
        block = self._rest + block
        end = len(block) if self._ended else block.rfind(b"\n") + 1
        self._rest, block = block[end:], block[:end]
        if self._comment is not None:
            block, comments = self._comment.subn(b"", block)
            self.comments += comments
        block = block if self._null is None else self._null.sub(b"", block)
        if self._separator and UNIT_SEPARATOR.encode() in block:
            raise ValueError("a separator of several letters can't be used in a file with the control character 0x1F")
        return block.replace(self._separator, UNIT_SEPARATOR.encode()) if self._separator else block

    def _look_at(self, block: bytes) -> None:
        mark = b"\n" + codecs.BOM_UTF8
        if mark in self._last + block[:3]:
            refuse_mark(self._file, self.lines + 1)
        if (at := block.find(mark)) >= 0:
            refuse_mark(self._file, self.lines + block.count(b"\n", 0, at) + 2)
        self._last = (self._last + block[-3:])[-3:]
        self.lines += block.count(b"\n")
        if b"\r" in block:
            self.lines += block.count(b"\r") - block.count(b"\r\n")
        if self._dialect.quoting != "none":
            self.quotes.add(block)


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
        columns: of each, role -> where the column is, and what.
        told: what the user must know; complete when all blocks are read.
        kinds: what is to be said of columns that look like kinds of events.
        typed: whether the columns have types of their own, so that text is text even where it reads as a number.
        uuids: roles whose column is of UUIDs; the blocks have them as text.
    """

    files: list[File]
    names: dict[str, str]
    guessed: frozenset[str]
    dialects: dict[File, Dialect]
    columns: dict[File, dict[str, TextColumn]]
    told: Told
    kinds: Sequence[str] = ()
    typed: ClassVar[bool] = False
    uuids: ClassVar[frozenset[str]] = frozenset()

    def blocks(
        self, file: File, *, integer_times: bool = True, small: bool = False, rows: RowFilter | None = None
    ) -> Iterator[dict[str, Any]]:
        """Role -> Arrow array, block by block; times that begin as integers are read so, or as any numbers.

        Small blocks take a sixteenth of the memory. Rows that the filter does not take are left out.
        """
        columns = self.columns[file]
        if not integer_times:
            number = {r: TextColumn(c.index, c.name, "number") for r, c in columns.items() if c.kind == "integer"}
            columns = columns | number
        block_bytes = BLOCK_BYTES >> 4 if small else BLOCK_BYTES
        return _read_blocks(file, self.dialects[file], columns, self.told, block_bytes, rows or RowFilter({}))

    def notes(self) -> list[str]:
        """What the report says about these files."""
        return self.told.notes()

    @property
    def how(self) -> str:
        """How the first file is written, in words."""
        first = self.dialects[self.files[0]]
        return f"text divided by {first.separator!r}, {'a header' if first.header else 'no header'}, {first.encoding}"

    @property
    def named(self) -> bool:
        """Whether the files say how their columns are called."""
        return self.dialects[self.files[0]].header

    def locate(self, file: File, row: int) -> str:
        """Where a row, from 0, is, in words."""
        return f"{file}, line {line_of(file, self.dialects[file], row)}"


def open_text(files: list[File], source: FileSource, wanted: Wanted, settings: dict[str, str]) -> TextTable:
    """Find the columns of text files from their first lines; the arguments are those of `open_table`."""
    start = read_start(files[0], source)
    with reading(files[0]):
        first = first_dialect(start, source, wanted, source.separator)
        records = start.records(first.separator, first.quoting)[first.header :]
    found = find_columns(first.names, wanted(first.names), files[0], settings, header=first.header)
    names = {role: first.names[index] for role, index in found.items()}
    dialects, told = {files[0]: first}, Told()
    columns = {files[0]: _columns(found, first, records, RowFilter(source.where))}
    if source.time_format and TIMESTAMP in found:  # numbers keep their zeros
        columns[files[0]][TIMESTAMP] = replace(columns[files[0]][TIMESTAMP], kind="text")
    for file in files[1:]:
        dialects[file] = other = other_dialect(read_start(file, source), source, wanted, first, files[0])
        columns[file] = columns[files[0]]
        if other.header != first.header:
            told.add(file, "files without a header, read with that of the first", 1, str(file))
        if other.names != first.names:
            told.add(file, "files with their columns in another order, matched by name", 1, str(file))
            columns[file] = {r: replace(c, index=other.names.index(c.name)) for r, c in columns[file].items()}
    kinds = [
        kinds_note(name, [cells[at] for _, cells in records if at < len(cells)])
        for at, name in enumerate(first.names)
        if not source.where and at not in found.values()
    ]
    for role in [role for role in (USER_ID, ITEM_ID) if role in found]:
        if role == ITEM_ID and source.item_separator:
            columns = {file: of | {role: replace(of[role], optional=True)} for file, of in columns.items()}
        else:
            refuse_lists(files[0], role, found[role], records, first.separator)
        if first.quoting == "none":
            _refuse_quoted(
                files[0], role, [cells[found[role]] for _, cells in records if found[role] < len(cells)], first
            )
    return TextTable(
        files,
        names,
        guessed_roles(names, wanted(first.names)),
        dialects,
        columns,
        told,
        kinds=[note for note in kinds if note],
    )


def _refuse_quoted(file: File, role: str, values: list[str], dialect: Dialect) -> None:
    """Refuse ids in double quotes, where quotes are said to be letters or can't be anything else."""
    whole = [value for value in values if re.fullmatch('".*"', value)]
    if 2 * len(whole) > len(values):
        do = "set quoting to auto, and format to text"
        if len(dialect.separator) > 1:
            do = "write the file with a separator of one letter, or without the quotes"
        raise DataError(f"{file} has each {role} in double quotes, and quotes are letters here", got=whole[0], do=do)


def _columns(found: dict[str, int], dialect: Dialect, records: list[Record], rows: RowFilter) -> dict[str, TextColumn]:
    return {
        role: TextColumn(
            index,
            dialect.names[index],
            _kind(role, index, records, dialect),
            optional=role == TITLE or role.startswith(FILTER),
            taken=rows.wanted(role.removeprefix(FILTER)) if role.startswith(FILTER) else None,
        )
        for role, index in found.items()
    }


def _kind(role: str, index: int, records: list[Record], dialect: Dialect) -> Kind:
    kinds: dict[str, Kind] = {USER_ID: "id", ITEM_ID: "id", RATING: "number", TITLE: "text"}
    return _time_kind(records, index, dialect) if role == TIMESTAMP else kinds.get(role, "where")


def _time_kind(records: list[Record], index: int, dialect: Dialect) -> Kind:
    """What the first rows have for times: integers, numbers, or text such as ISO 8601."""
    values = [cells[index] for _, cells in records if index < len(cells) and cells[index]]
    if values and all(INTEGER.fullmatch(value) for value in values):
        return "integer"
    numbers = sum(is_number(value, dialect.decimal) for value in values)
    return "number" if 2 * numbers > len(values) else "text"


def _read_blocks(
    file: File, dialect: Dialect, columns: dict[str, TextColumn], told: Told, block_bytes: int, rows: RowFilter
) -> Iterator[dict[str, Any]]:
    """Arrow arrays of the wanted columns by role, block by block; other columns are not converted.

    Arrow reads up to 32 blocks ahead of whoever takes them.

    Raises:
        DataError: a line has too many or too few columns, or a value is empty or not of its kind; with its line.
        NotAllIntegersError: nothing is wrong, but that a column of integers has other numbers, too.
    """
    good = 0
    with reading(file), file.open() as stream:
        feed = _ArrowFeed(stream, file, dialect)
        try:
            for batch in _open_csv(feed, dialect, columns, block_bytes):
                yield _wanted(batch, columns, rows)
                good += len(batch)
        except ValueError as error:  # Arrow's errors about the content, and those of the encoding
            raise _explained(file, dialect, columns, good, error) from error
    told.add(file, f"lines that begin with {dialect.comment!r}, passed over", feed.comments)
    if feed.quotes.are_odd(feed.lines, good, dialect):
        quotes = check_quotes(file, dialect, columns)
        told.add_example(file, "fields in quotes that go over several lines", quotes.spans)
        told.add_example(file, "rows with text after a closing quote, in columns that are not read", quotes.loose)


def _open_csv(feed: _ArrowFeed, dialect: Dialect, columns: dict[str, TextColumn], block_bytes: int) -> Any:
    filters_first = sorted(
        columns.values(), key=lambda column: column.kind != "where"
    )  # their columns may be others', too
    needed = {str(column.index): TYPES[column.kind] for column in filters_first}
    return arrow_csv.open_csv(
        pa.PythonFile(feed, mode="r"),
        arrow_csv.ReadOptions(
            block_size=block_bytes,
            skip_rows=dialect.skip,
            column_names=[str(index) for index in range(len(dialect.names))],
        ),
        arrow_csv.ParseOptions(
            delimiter=_arrow_separator(dialect.separator),
            quote_char=False if dialect.quoting == "none" else '"',
            escape_char=dialect.escape or False,
            newlines_in_values=dialect.quoting != "none",
        ),
        arrow_csv.ConvertOptions(
            column_types=needed,
            include_columns=list(needed),
            null_values=[""],
            strings_can_be_null=True,
            decimal_point=dialect.decimal,
        ),
    )


def _wanted(batch: Any, columns: dict[str, TextColumn], rows: RowFilter) -> dict[str, Any]:
    block = rows.block({role: batch.column(str(column.index)) for role, column in columns.items()})
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
    if dialect.quoting != "none":
        check_quotes(file, dialect, columns)
    return DataError(f"{file} can't be read", got=str(error)[:300], do="check the separator and the quotes")
