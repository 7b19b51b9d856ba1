"""Which line of a text file is at fault: slow, exact, and asked only when Arrow or a check has refused the file."""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ncf.errors import DataError
from ncf.ingest.dialect import Dialect, Record, split_lines, text_lines
from ncf.ingest.locations import File

Kind: TypeAlias = Literal["id", "integer", "number", "text"]

SHOWN = 10
MOST = 100_000  # faults that are counted; a wrong setting would take minutes
NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
BAD_BYTE = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of bytes that are no text
INTEGER = re.compile(r"\s*-?[0-9]+\s*")


@dataclass(frozen=True)
class TextColumn:
    """A wanted column: its index, its name in the file, what its values are, and whether they may be empty."""

    index: int
    name: str
    kind: Kind
    optional: bool = False


@dataclass
class _Findings:
    """What was found in the lines so far."""

    wrong_lines: int = 0
    shown: list[str] = field(default_factory=list)
    first: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    values: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """Faults of all kinds."""
        return self.wrong_lines + self.values.total()


def explain(file: File, dialect: Dialect, columns: dict[str, TextColumn], good: int = 0) -> DataError | None:
    """What is wrong with a file that Arrow refused after so many good rows; None if nothing is found here."""
    found = _Findings()
    with text_lines(file, dialect.encoding) as lines:
        for line, cells in _rows(lines, dialect, good):
            if found.total >= MOST:
                break
            if len(cells) != len(dialect.names):
                found.wrong_lines += 1
                if found.wrong_lines <= SHOWN:
                    found.shown.append(f"line {line} has {len(cells)}")
                continue
            for role, column in columns.items():
                if allowed := _fault(cells[column.index], column):
                    found.first.setdefault(role, (line, cells[column.index], allowed))
                    found.values[role] += 1
    return _wrong_lines(file, dialect, found) if found.wrong_lines else _wrong_value(file, dialect, columns, found)


def _number(faults: int) -> str:
    return f"{faults:,}{' or more' if faults >= MOST else ''}"


def _wrong_lines(file: File, dialect: Dialect, found: _Findings) -> DataError:
    more = ", ..." if found.wrong_lines > SHOWN else ""
    return DataError(
        f"{file}: {_number(found.wrong_lines)} lines have too many or too few columns",
        got=", ".join(found.shown) + more,
        allowed=f"{len(dialect.names)} columns divided by {dialect.separator!r}, as in the first line",
        do="fix or remove these lines; a field with a separator in it needs double quotes",
    )


def _wrong_value(file: File, dialect: Dialect, columns: dict[str, TextColumn], found: _Findings) -> DataError | None:
    if not found.values:
        return None
    role = min(found.first, key=lambda role: found.first[role])
    (line, value, allowed), faults = found.first[role], found.values[role]
    bad = _bad_bytes(value)
    do = f"fix or remove {f'the {_number(faults)} such lines' if faults > 1 else 'the line'}"
    if bad:
        do = "set encoding to what the file is in, such as latin-1 or cp1252"
    elif line == 1 and faults == 1:
        do += "; if it names the columns, set header to true"
    name = f"column {columns[role].name}" if dialect.header else f"column at position {columns[role].index}"
    return DataError(
        f"{file}, line {line} has an unusable {role} ({name})",
        got=value.encode(errors="surrogateescape") if bad else value,
        allowed=f"text in {dialect.encoding}" if bad else allowed,
        do=do,
    )


def _fault(value: str, column: TextColumn) -> str:
    """What is allowed, if the value is not; else nothing."""
    if _bad_bytes(value):
        return "text"
    if value == "":
        return "" if column.optional else "an id must not be empty" if column.kind == "id" else "it must not be empty"
    if column.kind in ("number", "integer"):
        if not NUMBER.fullmatch(value) or not math.isfinite(float(value)):
            return "it must be a finite number"
        if column.kind == "integer" and INTEGER.fullmatch(value) and not -(2**63) <= int(value) < 2**63:
            return "it must fit in 64 bits"
    return ""


def _bad_bytes(value: str) -> bool:
    return not value.isascii() and BAD_BYTE.search(value) is not None


def line_of(file: File, dialect: Dialect, row: int) -> int:
    """The line, from 1, where a row begins, from 0."""
    with text_lines(file, dialect.encoding) as lines:
        return next(_rows(lines, dialect, row))[0]


def refuse_open_quote(file: File, dialect: Dialect) -> None:
    """Refuse a file whose last row is in a quote that is not closed: it would have swallowed the rows after it."""
    kept: list[str] = []
    begin, last = 0, ""

    def keeping(lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            kept.append(line)
            yield line

    with text_lines(file, dialect.encoding) as lines:
        for line, _ in split_lines(keeping(lines), dialect.separator, quoting=True):
            begin, last = line, "".join(kept)
            kept.clear()
    try:
        list(csv.reader(io.StringIO(last, newline=""), delimiter=dialect.separator, strict=True))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            do = "close the quote; one that stands for itself is doubled, in a field in quotes"
            raise DataError(f"{file}, line {begin} opens a double quote that is never closed", do=do) from error


def _rows(lines: Iterable[str], dialect: Dialect, after: int) -> Iterator[Record]:
    """Without the header and so many rows after it."""
    return split_lines(lines, dialect.separator, quoting=dialect.quoting, after=after + dialect.header)
