"""The first lines of a text file, its lines as rows of cells, and the formats that are no table of columns."""

import codecs
import csv
import io
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from ncf.errors import DataError
from ncf.ingest.config import FileSource, Quoting
from ncf.ingest.locations import File, reading

START_LINES = 100
START_BYTES = 1 << 18
MARK = "\ufeff"  # the byte order mark

Record = tuple[int, list[str]]

csv.field_size_limit(1 << 24)  # Arrow takes no longer ones; Python's 131,072 letters are fewer than a long review has

JSON = "JSON, but not one object a line"
ARRAY = (
    "write it as JSON Lines, one object a line, for example with pandas.read_json(PATH, dtype=False)"
    ".to_json('log.jsonl', orient='records', lines=True), and set format to json"
)
AWK = (
    'write a row for each rating: awk -F, \'BEGIN {print "user_id,item_id,rating,timestamp"} /:/ {sub(/:.*/, ""); '
    'item = $0; next} {sub(/\\r/, ""); print $1 "," item "," $2 "," $3}\' PATH > ratings.csv'
)
EXPORT = "export the table as CSV, or load it into its database and read it from there (kind sql)"
PICKLE = "read it in Python, if you trust who made it, and write its rows as CSV or Parquet"
OTHER_FORMATS = (  # how the text begins, what it then is, and what to do
    (r"<\?xml|<\w+(\s[^>]*)?>\s*<(?!/?(head|body))", "XML", "write its rows as CSV, for example with pandas.read_xml"),
    (r"(?i)<(!doctype html|html|head|body)", "an HTML page", "look at it in a browser, and download the file itself"),
    (r"\(lp\d|\(dp\d|c(copy_reg|numpy|pandas)", "a Python pickle", PICKLE),
    (r"version https://git-lfs", "a pointer of Git LFS in place of the file", "run git lfs pull"),
    (r"(?i)(--[^\n]*\n\s*)*(insert into|create table|-- \w+ (database )?dump|pragma )", "an SQL dump", EXPORT),
    (r"%%MatrixMarket", "a Matrix Market file", "write its entries as CSV, for example with scipy.io.mmread"),
    (r"(?i)@relation", "an ARFF file", "write its rows as CSV, for example with scipy.io.arff.loadarff"),
    (r"\d+:[ \t]*\r?\n\s*\d+,", "in the shape of the Netflix Prize, where a line such as 1: names the film", AWK),
    (r"\{u?'", "Python dictionaries, one a line", "set format to json"),
    (r"\{[ \t]*\"", "JSON Lines", "set format to json"),
    (r"\{\s*(\"|\})|\[\s*(\{|\[|\])", JSON, ARRAY),
)


class LongFieldError(Exception):
    """A field in quotes has no end where it could be read; its argument is the line."""


@dataclass(frozen=True)
class Start:
    """The first lines of a text file; those that are passed over are blank.

    Attributes:
        file: it.
        text: its first letters, without the byte order mark.
        whole: whether the file ends with them.
        first: lines at its top that are passed over.
        separator: the one that the file names in a line such as `sep=;`, if it does.
    """

    file: File
    text: str
    whole: bool
    first: int = 0
    separator: str | None = None

    def records(self, separator: str, quoting: Quoting) -> list[Record]:
        """Line number and cells of the first rows; the last one only if it is surely whole."""
        rows = list(split_lines(self.lines(), separator, quoting))
        return (rows if self.whole or len(rows) < 2 else rows[:-1])[:START_LINES]

    def lines(self) -> io.StringIO:
        """Its lines, with their ends."""
        return io.StringIO(self.text, newline="")


def read_start(file: File, source: FileSource) -> Start:
    """The first lines of a file.

    Raises:
        DataError: it is empty, compressed in another way than its name says, no text, or no table of columns.
    """
    start, whole = open_start(file, source.encoding)
    first, separator = _preamble(passed_over(io.StringIO(start, newline=""), source.skip_rows, source.comment))
    first = first or source.skip_rows
    text = "".join(passed_over(io.StringIO(start, newline=""), first, source.comment))
    if not text.strip():
        after = f" after its first {first} lines" if first and start.strip() else ""
        do = "check that it was written to the end, and that it is the right one; or remove it"
        raise DataError(f"{file} is empty{after}", do=do)
    if mark := re.search(rf"^{MARK}", text, re.MULTILINE):
        refuse_mark(file, text.count("\n", 0, mark.start()) + 1)
    _check_format(file, text.lstrip())
    return Start(file, text, whole, first, separator)


def passed_over(lines: Iterable[str], first: int, comment: str | None) -> Iterator[str]:
    """The lines; the first ones and those that are comments are blank, so that the others keep their numbers."""
    if not first and comment is None:
        yield from lines
        return
    for number, line in enumerate(lines):
        yield "\n" if number < first or (comment is not None and line.startswith(comment)) else line


def split_lines(lines: Iterable[str], separator: str, quoting: Quoting, *, after: int = 0) -> Iterator[Record]:
    """Line number, from 1, where a row begins, and its cells; the first `after` rows are passed over, faster.

    Blank lines are passed over, as Arrow does.
    """
    number = rows = 0
    lines = iter(lines)
    for line in lines:
        number = begin = number + 1
        if quoting != "none" and ('"' in line or (quoting == "backslash" and "\\" in line)):
            cells, read = quoted_row(itertools.chain([line], lines), separator, quoting, begin)
            number += read - 1
        elif not (text := line.rstrip("\r\n")):
            continue
        else:
            cells = text.split(separator) if rows >= after else []
        rows += 1
        if rows > after:
            yield begin, cells


def quoted_row(lines: Iterable[str], separator: str, quoting: Quoting, begin: int) -> tuple[list[str], int]:
    """The cells of the row that begins in a line, and how many lines it takes from all that follow.

    Raises:
        LongFieldError: a field is longer than any can be.
    """
    reader = csv.reader(lines, delimiter=separator, escapechar="\\" if quoting == "backslash" else None)
    try:
        return next(reader), reader.line_num
    except csv.Error as error:
        raise LongFieldError(begin) from error


def refuse_mark(file: File, line: int) -> None:
    """Refuse a file in which a byte order mark stands at the start of a line that is not its first."""
    raise DataError(
        f"{file}, line {line} begins with a byte order mark, as where files were joined",
        allowed="one at the start of the file",
        do="take it out, and the header with it if this line is one; or give the folder with the single files",
    )


def _preamble(lines: Iterable[str]) -> tuple[int, str | None]:
    """Lines up to one such as `sep=;`, which Excel takes, and what it names; 0 and None if the text has none."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            said = re.fullmatch(r'"?sep=(.)"?', line.rstrip("\r\n"), re.IGNORECASE)
            return (number, said[1]) if said else (0, None)
    return 0, None


def _check_format(file: File, text: str) -> None:
    """Refuse what is no table of columns, by what it is."""
    for begin, name, do in OTHER_FORMATS:
        if re.match(begin, text) or (name == JSON and _is_list(text)):
            raise DataError(
                f"{file} is {name}",
                got=text.splitlines()[0][:100],
                allowed="a line for each interaction, divided into columns",
                do=do.replace("PATH", repr(str(file))),
            )


def _is_list(text: str) -> bool:
    """Whether the first line is a list of values as JSON has it."""
    try:
        return text[0] == "[" and isinstance(json.loads(text.splitlines()[0]), list)
    except ValueError:
        return False


def _check_content(file: File) -> None:
    with reading(file):
        found = file.content
    if file.compression and file.packed in (None, "JSON"):
        raise DataError(
            f"{file} is not {file.compression}-compressed as its name says",
            do="take the ending off, or compress it again",
        )
    if found in (None, "JSON"):
        return
    do = "unpack it first" if found in ("7-Zip", "RAR", "tar") else "write it as CSV or Parquet"
    if found in ("Python pickle", "NumPy"):
        do = PICKLE
    elif found == "Parquet":
        do = "unpack it first" if file.packed != found else "set format to parquet, or let its name end in .parquet"
    raise DataError(f"{file} is no text", got=found, do=do)


def is_utf8(encoding: str) -> bool:
    """Whether this is a name of UTF-8, with or without the byte order mark."""
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")


def text_of(stream: IO[bytes], encoding: str) -> io.TextIOWrapper:
    """A stream as text without a byte order mark; lines keep their ends, bytes that are no text become surrogates."""
    codec = "utf-8-sig" if is_utf8(encoding) else encoding
    return io.TextIOWrapper(stream, codec, errors="surrogateescape", newline="")


def open_start(file: File, encoding: str) -> tuple[str, bool]:
    """The first letters of a file, and whether they are all.

    Raises:
        DataError: it can't be read, is compressed in another way than its name says, no text, or in another encoding.
    """
    _check_content(file)
    with reading(file), file.open() as stream:
        start = stream.read(START_BYTES)
        whole = len(start) < START_BYTES
    if is_utf8(encoding) and start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise DataError(f"{file} is not in UTF-8, but in UTF-16", do="set encoding to utf-16")
    decoder = codecs.getincrementaldecoder("utf-8-sig" if is_utf8(encoding) else encoding)("replace")
    text = decoder.decode(start)
    if "\0" in text:
        do = "give a text or a Parquet file, or set encoding if this is UTF-16 or the like"
        raise DataError(f"{file} is no text in {encoding}: it has zero bytes", do=do)
    return text, whole
