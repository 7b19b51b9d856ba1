"""How a text file is written: its encoding, its separator, its header, and what its first lines say about it."""

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ncf.errors import DataError
from ncf.ingest.columns import Wanted, find_columns, is_position, looks_named
from ncf.ingest.config import FileSource, Quoting
from ncf.ingest.locations import File, reading
from ncf.ingest.start import Record, Start, passed_over, split_lines, text_of

SEPARATORS = (",", "\t", "::", ";", "|", " ")
QUOTED_AFTER_BLANK = re.compile(' +".*" *', re.DOTALL)
DECIMAL = re.compile("[+-]?[0-9]+,[0-9]+")
NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
SWAPPED = str.maketrans(",.", ".,")
TYPED_NAME = re.compile(r"(.+):(token|float|token_seq|float_seq)")  # RecBole's header


@dataclass(frozen=True)
class Dialect:
    """What must be known to read a text file.

    Attributes:
        separator: of columns.
        encoding: a Python codec.
        quoting: what double quotes mean.
        header: whether the first line names the columns.
        names: of the columns, without RecBole's types; their positions where there is no header.
        skip: lines before the first row.
        first: of these, the lines that are passed over before the header.
        comment: how lines begin that are passed over.
        decimal: what divides a number's fraction from the rest.
    """

    separator: str
    encoding: str
    quoting: Quoting
    header: bool
    names: tuple[str, ...]
    skip: int
    first: int = 0
    comment: str | None = None
    decimal: str = "."

    @property
    def escape(self) -> str | None:
        """The letter that may stand before a quote, if one may."""
        return "\\" if self.quoting == "backslash" else None


def first_dialect(start: Start, source: FileSource, wanted: Wanted, separator: str | None) -> Dialect:
    """How the first of some files is written; the separator is found out if None."""
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
    return _find_dialect(start, source, separator, inter=inter, header=header, fits=fits)


def other_dialect(start: Start, source: FileSource, wanted: Wanted, first: Dialect, first_file: File) -> Dialect:
    """How a further file is written: as the first one, or in its own way if its columns are the same.

    Raises:
        DataError: it has other columns.
    """
    separators = dict.fromkeys((source.separator or start.separator or first.separator, source.separator))
    tried: list[Dialect] = []
    for separator in separators:
        try:
            with reading(start.file):
                tried.append(dialect := first_dialect(start, source, wanted, separator))
        except DataError:
            if not tried and separator == source.separator:
                raise
            continue
        if dialect.names == first.names:
            return dialect
        if dialect.header and sorted(set(dialect.names)) == sorted(first.names):
            return dialect
        values = sum(is_number(name, dialect.decimal) for name in dialect.names)
        if values and source.header is None and first.header and len(dialect.names) == len(first.names):
            return replace(dialect, header=False, names=first.names, skip=dialect.first)
    raise DataError(
        f"{start.file} has other columns than {first_file}",
        got=list(tried[0].names),
        allowed=str(list(first.names)),
        do="give a glob that takes only files of one kind",
    )


def _find_dialect(
    start: Start,
    source: FileSource,
    separator: str | None,
    *,
    inter: bool,
    header: bool | None,
    fits: Callable[[list[str]], bool],
) -> Dialect:
    """Find out how a file is written.

    Args:
        start: its first lines.
        source: what the user says of it.
        separator: of columns; found out if None.
        inter: RecBole's format, in which nothing is quoted.
        header: whether the first line names the columns; if None, it does if `fits` says so of it.
        fits: whether these cells of a first line are names of the wanted columns.

    Raises:
        DataError: the lines are not divided by the separator, or by none that is usual.
    """
    found = separator or start.separator or ("\t" if inter else _sniffed(start, source.quoting, fits))
    quoting: Quoting = "none" if inter or len(found) > 1 else source.quoting
    records = start.records(found, quoting)
    line, first = records[0]
    _check_separator(start, found, quoting, first, fits)
    _check_blanks(start.file, found, records)
    if header is None:
        header = fits([name_of(cell) for cell in first])
    if header and "\ufffd" in "".join(first):
        do = "set encoding to what the file is in, such as latin-1 or cp1252"
        raise DataError(f"{start.file}, line {line} is not in {source.encoding}", got=first, do=do)
    return Dialect(
        found,
        source.encoding,
        quoting,
        header,
        names=tuple(name_of(cell) for cell in first) if header else tuple(map(str, range(len(first)))),
        skip=_lines_before_rows(start, found, quoting, line) if header else start.first,
        first=start.first,
        comment=source.comment,
        decimal=source.decimal,
    )


def is_number(value: str, decimal: str) -> bool:
    """Whether a value is a finite number."""
    value = value.translate(SWAPPED) if decimal == "," else value
    return NUMBER.fullmatch(value) is not None and math.isfinite(float(value))


def name_of(cell: str) -> str:
    """A column's name without spaces around it and without RecBole's type."""
    typed = TYPED_NAME.fullmatch(cell.strip())
    return typed[1] if typed else cell.strip()


def _lines_before_rows(start: Start, separator: str, quoting: Quoting, line: int) -> int:
    rows = split_lines(start.lines(), separator, quoting)
    next(rows)
    return next((number for number, _ in rows), line + 1) - 1


def _sniffed(start: Start, quoting: Quoting, fits: Callable[[list[str]], bool]) -> str:
    """The separator whose first line names the wanted columns, or that divides most lines alike, into most columns.

    Raises:
        DataError: none does, or two do, each within the columns of the other.
    """
    found = {separator: _division(start, separator, quoting, fits) for separator in SEPARATORS}
    named = [separator for separator, (names, _, _) in found.items() if names]
    alike = [separator for separator, (_, share, _) in found.items() if share == 1]
    believed = named or _outer(alike, start, quoting) or SEPARATORS
    best = max(believed, key=found.__getitem__)
    first = start.text.strip().splitlines()[0]
    if found[best][2] < 2:
        if fits([name_of(first)]):
            return SEPARATORS[0]  # one column is all that is wanted
        raise DataError(
            f"no separator divides the first line of {start.file}",
            got=first[:100],
            allowed="two columns or more",
            do=f"set separator, unless it is one of {' '.join(map(repr, SEPARATORS))}; or check the file; "
            "a file of one column has its name in the first line",
        )
    if not named and len(believed) > 1 and believed is not SEPARATORS:
        do = f"set separator to one of {' '.join(map(repr, believed))}"
        raise DataError(f"several separators divide all lines of {start.file} alike", got=first[:100], do=do)
    return best


def _division(
    start: Start, separator: str, quoting: Quoting, fits: Callable[[list[str]], bool]
) -> tuple[bool, float, int]:
    """Whether a separator divides the first line into names, which share of lines into as many cells, and how many."""
    plain = start.records(separator, "none")
    records = plain if len(separator) > 1 else start.records(separator, quoting)
    columns = len(records[0][1])
    if columns < 2:
        return False, 0.0, 0
    if separator == " " and all(cell[-1:] in SEPARATORS for _, cells in records for cell in cells[:-1]):
        return False, 0.0, columns  # it follows the true one
    shares = (sum(len(cells) == columns for _, cells in rows) / len(rows) for rows in (plain, records))
    return fits([name_of(cell) for cell in records[0][1]]), max(shares), columns  # a stray quote may swallow lines


def _outer(alike: list[str], start: Start, quoting: Quoting) -> list[str]:
    """Of separators that divide all lines alike those that can be the file's: others stand within its cells.

    A tab or :: is hardly ever in a cell, and a blank often is; a comma may be a decimal one.
    """
    for sure in ("\t", "::"):
        if sure in alike:
            return [sure]
    decimals = [
        other
        for other in alike
        if other != "," in alike
        and all(
            "," not in cell or DECIMAL.fullmatch(cell) for _, cells in start.records(other, quoting) for cell in cells
        )
    ]
    believed = decimals or alike
    return [separator for separator in believed if separator != " "] or believed


def _check_separator(
    start: Start, separator: str, quoting: Quoting, first: list[str], fits: Callable[[list[str]], bool]
) -> None:
    if len(first) > 1 or fits([name_of(first[0])]):
        return
    try:
        advice = f"set separator to {_sniffed(start, quoting, fits)!r}, or leave it out"
    except DataError:
        advice = "check separator"
    raise DataError(
        f"the separator {separator!r} does not divide the first line of {start.file}", got=first[0][:100], do=advice
    )


def _check_blanks(file: File, separator: str, records: list[Record]) -> None:
    for line, cells in records:
        if any(QUOTED_AFTER_BLANK.fullmatch(cell) for cell in cells):
            refuse_blanks(file, line, separator, cells)


def refuse_blanks(file: File, line: int, separator: str, cells: list[str]) -> None:
    """Refuse a file with blanks between a separator and a double quote, which are no part of what is quoted."""
    raise DataError(
        f"{file}, line {line} has a blank between the separator {separator!r} and a double quote",
        got=separator.join(cells)[:100],
        allowed="a quote right after the separator (RFC 4180)",
        do=f"write it without these blanks, for example with pandas.read_csv({str(file)!r}, sep={separator!r}, "
        "skipinitialspace=True, header=None, dtype=str).to_csv('log.csv', index=False, header=False)",
    )


def null_pattern(dialect: Dialect) -> "re.Pattern[str] | None":
    """Backslash and N alone in a field, as MySQL and others write no value, if a backslash escapes what follows it."""
    beside = rf"[^{re.escape(dialect.separator)}\r\n]"
    return re.compile(rf"(?<!{beside})\\N(?!{beside})") if dialect.escape else None


@contextmanager
def text_lines(file: File, dialect: Dialect) -> Iterator[Iterator[str]]:
    """The lines of a file with their ends, for what Arrow does not tell; bytes that are no text become surrogates."""
    with reading(file), file.open() as stream:
        lines = passed_over(text_of(stream, dialect.encoding), dialect.first, dialect.comment)
        null = null_pattern(dialect)
        yield lines if null is None else (null.sub("", line) for line in lines)
