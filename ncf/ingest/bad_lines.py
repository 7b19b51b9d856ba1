"""Which line of a text file is at fault: slow, exact, and asked only when Arrow or a check has refused the file."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from ncf.data.config import plain_value
from ncf.errors import DataError
from ncf.ingest.config import Quoting
from ncf.ingest.dialect import DECIMAL, Dialect, is_number, name_of, refuse_blanks, text_lines
from ncf.ingest.locations import File
from ncf.ingest.quotes import BLANK, OPEN, Quotes, look_at_quotes
from ncf.ingest.start import LongFieldError, Record, split_lines

Kind: TypeAlias = Literal["id", "integer", "number", "text", "where"]

SHOWN = 10
MOST = 100_000  # faults that are counted; a wrong setting would take minutes
QUOTINGS: tuple[Quoting, ...] = ("auto", "backslash", "none", "rfc")  # the likeliest first; rfc believes every quote
MOST_QUOTED = 0.1  # of the rows; in a file in which quotes are letters, few values stand between two
BAD_BYTE = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of bytes that are no text
INTEGER = re.compile(r"\s*-?[0-9]+\s*")


@dataclass(frozen=True)
class TextColumn:
    """A wanted column: its index, its name in the file, what its values are, and whether they may be empty.

    Rows whose value is not among the `taken`, if there are some, are left out.
    """

    index: int
    name: str
    kind: Kind
    optional: bool = False
    taken: frozenset[str] | None = None


@dataclass
class _Findings:
    """What was found in the lines so far."""

    wrong_lines: int = 0
    shown: list[str] = field(default_factory=list)
    first: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    values: Counter[str] = field(default_factory=Counter)
    quoted: bool = False
    decimal: bool = False
    blank: Record | None = None

    @property
    def total(self) -> int:
        """Faults of all kinds."""
        return self.wrong_lines + self.values.total()


def explain(file: File, dialect: Dialect, columns: dict[str, TextColumn], good: int = 0) -> DataError | None:
    """What is wrong with a file that Arrow refused after so many good rows; None if nothing is found here."""
    try:
        found = _search(file, dialect, columns, good, MOST)
    except LongFieldError as error:
        return _senseless(file, dialect, columns, (error.args[0], OPEN, None))
    do = _setting_that_helps(file, dialect, columns, found) if found.total else ""
    if found.blank and not do:
        refuse_blanks(file, found.blank[0], dialect.separator, found.blank[1])
    return (
        _wrong_lines(file, dialect, found, do) if found.wrong_lines else _wrong_value(file, dialect, columns, found, do)
    )


def check_quotes(file: File, dialect: Dialect, columns: dict[str, TextColumn]) -> Quotes:
    """Look closely at a file whose quotes are odd.

    Raises:
        DataError: they make no sense; with the line, and the setting with which the file can be read, if one does.
    """
    found = _quotes(file, dialect, columns)
    if found.wrong is None:
        return found
    if found.wrong[1] == BLANK:
        refuse_blanks(file, found.wrong[0], dialect.separator, [found.wrong[2]])
    raise _senseless(file, dialect, columns, found.wrong)


def _senseless(
    file: File, dialect: Dialect, columns: dict[str, TextColumn], wrong: tuple[int, str, str | None]
) -> DataError:
    line, fault, text = wrong
    return DataError(
        f"{file}, line {line} {fault}",
        got=text,
        allowed='fields in double quotes as a whole, with a quote in them written twice: "" (RFC 4180)',
        do=_quoting_that_helps(file, dialect, columns) or "correct the line",
    )


def _quotes(file: File, dialect: Dialect, columns: dict[str, TextColumn]) -> Quotes:
    kinds: dict[int, str] = {column.index: column.kind for column in columns.values()}
    with text_lines(file, dialect) as lines, text_lines(file, dialect) as sample:
        return look_at_quotes(lines, sample, dialect, kinds)


def _setting_that_helps(file: File, dialect: Dialect, columns: dict[str, TextColumn], found: _Findings) -> str:
    """The setting with which the whole file can be read, if there is one."""
    if found.quoted and (do := _quoting_that_helps(file, dialect, columns)):
        return do
    other = replace(dialect, decimal="." if dialect.decimal == "," else ",")
    if found.decimal and not found.wrong_lines and not _search(file, other, columns, 0, 1).total:
        return f"set decimal to {other.decimal!r}"
    return ""


def _quoting_that_helps(file: File, dialect: Dialect, columns: dict[str, TextColumn]) -> str:
    if len(dialect.separator) > 1:
        return ""
    others = [replace(dialect, quoting=quoting) for quoting in QUOTINGS if quoting != dialect.quoting]
    helps = next((other.quoting for other in others if _makes_sense(file, other, columns)), None)
    believed = ", if the rows between the quotes belong to the field; else correct the line"
    return f"set quoting to {helps}{believed if helps == 'rfc' else ''}" if helps else ""


def _makes_sense(file: File, dialect: Dialect, columns: dict[str, TextColumn]) -> bool:
    """Whether every row of a file can be read so, with the same header, and no quotes remain around the values."""
    with text_lines(file, dialect) as lines:
        first = next(split_lines(lines, dialect.separator, dialect.quoting))[1]
    if dialect.header and tuple(map(name_of, first)) != dialect.names:
        return False
    try:
        if _search(file, dialect, columns, 0, 1).total:
            return False
        if dialect.quoting != "none":
            return _quotes(file, dialect, columns).wrong is None
    except LongFieldError:
        return False
    rows = whole = 0
    with text_lines(file, dialect) as lines:
        for _, cells in _rows(lines, dialect, 0):
            rows += 1
            whole += any(re.fullmatch('".*"', cells[column.index]) for column in columns.values())
    return MOST_QUOTED * rows >= whole


def _search(file: File, dialect: Dialect, columns: dict[str, TextColumn], good: int, most: int) -> _Findings:
    """The first faults, up to so many, after so many good rows."""
    found = _Findings()
    with text_lines(file, dialect) as lines:
        for line, cells in _rows(lines, dialect, good):
            if found.total >= most:
                break
            before = found.total
            if len(cells) != len(dialect.names):
                found.wrong_lines += 1
                if found.wrong_lines <= SHOWN:
                    found.shown.append(f"line {line} has {len(cells)}")
            else:
                _search_values(line, cells, columns, dialect, found)
            if found.total > before and not found.blank and any(re.match(' +"', cell) for cell in cells):
                found.blank = line, cells
            if found.total > before and not found.quoted:  # what quotes do, or what they would do
                found.quoted = any(mark in cell for cell in cells for mark in ('"', "\n", "\r", dialect.separator))
    return found


def _search_values(
    line: int, cells: list[str], columns: dict[str, TextColumn], dialect: Dialect, found: _Findings
) -> None:
    filters = [column for column in columns.values() if column.taken is not None]
    left_out = not all(plain_value(cells[column.index]) in (column.taken or ()) for column in filters)
    for role, column in columns.items():
        if left_out and not cells[column.index]:
            continue
        if allowed := _fault(cells[column.index], column, dialect.decimal):
            found.first.setdefault(role, (line, cells[column.index], allowed))
            found.values[role] += 1
            other = cells[column.index].replace(".", ",") if dialect.decimal == "," else cells[column.index]
            found.decimal = found.decimal or DECIMAL.fullmatch(other) is not None


def _number(faults: int) -> str:
    return f"{faults:,}{' or more' if faults >= MOST else ''}"


def _wrong_lines(file: File, dialect: Dialect, found: _Findings, do: str) -> DataError:
    more = ", ..." if found.wrong_lines > SHOWN else ""
    return DataError(
        f"{file}: {_number(found.wrong_lines)} lines have too many or too few columns",
        got=", ".join(found.shown) + more,
        allowed=f"{len(dialect.names)} columns divided by {dialect.separator!r}, as in the first line",
        do=do or "fix or remove these lines; a field with a separator in it needs double quotes",
    )


def _wrong_value(
    file: File, dialect: Dialect, columns: dict[str, TextColumn], found: _Findings, setting: str
) -> DataError | None:
    if not found.values:
        return None
    role = min(found.first, key=lambda role: found.first[role])
    (line, value, allowed), faults = found.first[role], found.values[role]
    bad = _bad_bytes(value)
    do = f"fix or remove {f'the {_number(faults)} such lines' if faults > 1 else 'the line'}"
    if bad:
        do = "set encoding to what the file is in, such as latin-1 or cp1252"
    elif setting:
        do = setting
    elif line == 1 and faults == 1:
        do += "; if it names the columns, set header to true"
    name = f"column {columns[role].name}" if dialect.header else f"column at position {columns[role].index}"
    return DataError(
        f"{file}, line {line} has an unusable {role} ({name})",
        got=value.encode(errors="surrogateescape") if bad else value,
        allowed=f"text in {dialect.encoding}" if bad else allowed,
        do=do,
    )


def _fault(value: str, column: TextColumn, decimal: str) -> str:
    """What is allowed, if the value is not; else nothing."""
    if _bad_bytes(value):
        return "text"
    if value == "":
        return "" if column.optional else "an id must not be empty" if column.kind == "id" else "it must not be empty"
    if column.kind in ("number", "integer"):
        if not is_number(value, decimal):
            return "it must be a finite number"
        if column.kind == "integer" and INTEGER.fullmatch(value) and not -(2**63) <= int(value) < 2**63:
            return "it must fit in 64 bits"
    return ""


def _bad_bytes(value: str) -> bool:
    return not value.isascii() and BAD_BYTE.search(value) is not None


def line_of(file: File, dialect: Dialect, row: int) -> int:
    """The line, from 1, where a row begins, from 0."""
    with text_lines(file, dialect) as lines:
        return next(_rows(lines, dialect, row))[0]


def _rows(lines: Iterable[str], dialect: Dialect, after: int) -> Iterator[Record]:
    """Without the header and so many rows after it."""
    return split_lines(lines, dialect.separator, dialect.quoting, after=after + dialect.header)
