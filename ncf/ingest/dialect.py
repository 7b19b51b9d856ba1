"""How a text file is written: its encoding, its separator, its header, and what its first lines say about it."""

import codecs
import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ncf.errors import DataError
from ncf.ingest.locations import File, reading

SEPARATORS = (",", "\t", "::", ";", "|", " ")
TYPED_NAME = re.compile(r"(.+):(token|float|token_seq|float_seq)")  # RecBole's header
START_LINES = 100
START_BYTES = 1 << 18

Record = tuple[int, list[str]]


@dataclass(frozen=True)
class Dialect:
    """What must be known to read a text file.

    Attributes:
        separator: of columns.
        encoding: a Python codec.
        quoting: whether a field may stand in double quotes, with separators and newlines in it.
        header: whether the first line names the columns.
        names: of the columns, without RecBole's types; their positions where there is no header.
        skip: lines before the first row.
    """

    separator: str
    encoding: str
    quoting: bool
    header: bool
    names: tuple[str, ...]
    skip: int


@dataclass(frozen=True)
class Start:
    """The first lines of a text file, and whether the file ends with them."""

    file: File
    text: str
    whole: bool

    def records(self, separator: str, *, quoting: bool) -> list[Record]:
        """Line number and cells of the first rows; the last one only if it is surely whole."""
        rows = list(split_lines(io.StringIO(self.text, newline=""), separator, quoting=quoting))
        return (rows if self.whole or len(rows) < 2 else rows[:-1])[:START_LINES]


def read_start(file: File, encoding: str) -> Start:
    """The first lines of a file.

    Raises:
        DataError: it is empty, compressed in another way than its name says, or no text.
    """
    _check_content(file)
    start, whole = _open_start(file, encoding)
    if not start.strip():
        raise DataError(f"{file} is empty", do="check that it was written to the end, and that it is the right one")
    if "\0" in start:
        do = "give a text or a Parquet file, or set encoding if this is UTF-16 or the like"
        raise DataError(f"{file} is no text in {encoding}: it has zero bytes", do=do)
    return Start(file, start, whole)


def split_lines(lines: Iterable[str], separator: str, *, quoting: bool, after: int = 0) -> Iterator[Record]:
    """Line number, from 1, where a row begins, and its cells; the first `after` rows are passed over, faster.

    Blank lines are passed over, as Arrow does. With quoting, a field may stand in double quotes.
    """
    number = rows = 0
    lines = iter(lines)
    for line in lines:
        number = begin = number + 1
        if quoting and '"' in line:
            cells, read = _quoted_row(itertools.chain([line], lines), separator, begin)
            number += read - 1
        elif not (text := line.rstrip("\r\n")):
            continue
        else:
            cells = text.split(separator) if rows >= after else []
        rows += 1
        if rows > after:
            yield begin, cells


def _quoted_row(lines: Iterable[str], separator: str, begin: int) -> tuple[list[str], int]:
    reader = csv.reader(lines, delimiter=separator)
    try:
        return next(reader), reader.line_num
    except csv.Error as error:
        raise ValueError(f"line {begin}: {error}; is a double quote open there?") from error


def find_dialect(
    start: Start,
    separator: str | None,
    encoding: str,
    *,
    inter: bool,
    header: bool | None,
    fits: Callable[[list[str]], bool],
) -> Dialect:
    """Find out how a file is written.

    Args:
        start: its first lines.
        separator: of columns; found out if None.
        encoding: a Python codec.
        inter: RecBole's format, in which nothing is quoted.
        header: whether the first line names the columns; if None, it does if `fits` says so of it.
        fits: whether these cells of a first line are names of the wanted columns.

    Raises:
        DataError: the lines are not divided by the separator, or by none that is usual.
    """
    found = ("\t" if inter else None) if separator is None else separator
    found = _sniffed(start, fits) if found is None else found
    quoting = len(found) == 1 and not inter
    records = start.records(found, quoting=quoting)
    line, first = records[0]
    _check_separator(start, found, first, fits)
    if header is None:
        header = fits([name_of(cell) for cell in first])
    if header and "\ufffd" in "".join(first):
        do = "set encoding to what the file is in, such as latin-1 or cp1252"
        raise DataError(f"{start.file}, line {line} is not in {encoding}", got=first, do=do)
    names = tuple(name_of(cell) for cell in first) if header else tuple(str(index) for index in range(len(first)))
    return Dialect(
        found, encoding, quoting, header, names, _lines_before_rows(start, found, quoting, line) if header else 0
    )


def name_of(cell: str) -> str:
    """A column's name without spaces around it and without RecBole's type."""
    typed = TYPED_NAME.fullmatch(cell.strip())
    return typed[1] if typed else cell.strip()


def _lines_before_rows(start: Start, separator: str, quoting: bool, line: int) -> int:
    rows = split_lines(io.StringIO(start.text, newline=""), separator, quoting=quoting)
    next(rows)
    return next((number for number, _ in rows), line + 1) - 1


def _sniffed(start: Start, fits: Callable[[list[str]], bool]) -> str:
    """The separator whose first line names the wanted columns, or that divides most lines alike, into most columns."""

    def merit(separator: str) -> tuple[bool, float, int]:
        records = start.records(separator, quoting=len(separator) == 1)
        counts = Counter(len(cells) for _, cells in records)
        columns = len(records[0][1])
        if columns < 2:
            return False, 0.0, 0
        return fits([name_of(cell) for cell in records[0][1]]), counts[columns] / len(records), columns

    best = max(SEPARATORS, key=merit)
    if merit(best)[2] < 2:
        if fits([name_of(start.text.strip().splitlines()[0])]):
            return SEPARATORS[0]  # one column is all that is wanted
        raise DataError(
            f"no separator divides the first line of {start.file}",
            got=start.text.strip().splitlines()[0][:100],
            allowed="two columns or more",
            do=f"set separator, unless it is one of {' '.join(map(repr, SEPARATORS))}; or check the file; "
            "a file of one column has its name in the first line",
        )
    return best


def _check_separator(start: Start, separator: str, first: list[str], fits: Callable[[list[str]], bool]) -> None:
    if len(first) > 1 or fits([name_of(first[0])]):
        return
    try:
        advice = f"set separator to {_sniffed(start, fits)!r}, or leave it out"
    except DataError:
        advice = "check separator"
    raise DataError(
        f"the separator {separator!r} does not divide the first line of {start.file}", got=first[0][:100], do=advice
    )


def _check_content(file: File) -> None:
    with reading(file):
        found = file.content()
    if found == file.compression:
        return
    if found is None:
        raise DataError(
            f"{file} is not {file.compression}-compressed as its name says",
            do="take the ending off, or compress it again",
        )
    ending = {"gzip": ".gz", "zstd": ".zst", "bz2": ".bz2"}.get(found)
    do = "unpack it first"
    if ending:
        do = f"let its name end in {ending}"
    elif found == "Parquet":
        do = "set format to parquet, or let its name end in .parquet"
    raise DataError(f"{file} is no text", got=found, do=do)


def is_utf8(encoding: str) -> bool:
    """Whether this is a name of UTF-8, with or without the byte order mark."""
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")


@contextmanager
def text_lines(file: File, encoding: str) -> Iterator[Iterator[str]]:
    """The lines of a file with their ends, for what Arrow does not tell; bytes that are no text become surrogates."""
    with reading(file), file.open() as stream:
        codec = "utf-8-sig" if is_utf8(encoding) else encoding
        yield io.TextIOWrapper(stream, codec, errors="surrogateescape", newline="")


def _open_start(file: File, encoding: str) -> tuple[str, bool]:
    """The first letters of a file, and whether they are all.

    Raises:
        DataError: it can't be read, or is in another encoding.
    """
    with reading(file), file.open() as stream:
        start = stream.read(START_BYTES)
        whole = len(start) < START_BYTES
    if is_utf8(encoding) and start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise DataError(f"{file} is not in UTF-8, but in UTF-16", do="set encoding to utf-16")
    decoder = codecs.getincrementaldecoder("utf-8-sig" if is_utf8(encoding) else encoding)("replace")
    return decoder.decode(start), whole
