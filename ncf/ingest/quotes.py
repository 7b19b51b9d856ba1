"""What double quotes do in a text file: what of it is odd, and whether a stray one swallows rows.

While Arrow reads, a few numbers are taken of each block. Only if they are odd, the file is read again, line by line.
"""

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ncf.ingest.dialect import QUOTED_AFTER_BLANK, Dialect, is_number
from ncf.ingest.locations import File
from ncf.ingest.start import quoted_row, split_lines

QUOTE, SPACE = b'" '
LEARNED_ROWS = 200  # from which it is learned what a row looks like
MANY_ROWS = 50  # from which on no other makes of values are to be expected
SHOWN_LETTERS = 80
OPEN = "opens a double quote that is never closed"
SWALLOWED = "opens a double quote that is closed lines further on; between them are other rows"
LOOSE = "has text after a closing double quote"
BLANK = "has a blank before a double quote"


class QuotesSeen:
    """Numbers of the double quotes in a file, from its blocks.

    Attributes:
        begin: whether one stands where a field begins.
        inner: whether one has neither a separator, a newline nor another one beside it; RFC 4180 allows none such.
        count: all of them that are not escaped.
        blank: some of the blank lines from the first quote on; of those within quotes fewer than there are newlines.
        last: the last bytes of the file so far.
    """

    def __init__(self, separator: str, escape: str | None) -> None:
        self.begin = self.inner = False
        self.count = self.blank = 0
        self.last = b"\n\n\n"
        self._separator = ord(separator)
        self._edge = np.zeros(256, bool)
        self._edge[[*b"\r\n", self._separator]] = True
        self._escape = None if escape is None else ord(escape)
        self._beside = self._edge.copy()
        self._beside[QUOTE] = True

    def add(self, block: bytes) -> None:
        """Look at the next block."""
        if b'"' in block or self.last[-1] == QUOTE:
            self._look_at(np.frombuffer(self.last + block, np.uint8))
        if self.begin:
            self.blank += block.count(b"\n\n") + block.count(b"\n\r\n")
        self.last = (self.last + block[-3:])[-3:]

    def _look_at(self, letters: "np.ndarray[tuple[int], np.dtype[np.uint8]]") -> None:
        at = np.flatnonzero(letters == QUOTE)
        at = at[(at > 1) & (at < len(letters) - 1)]  # the last one waits for the letter after it
        at = at[letters[at - 1] != self._escape] if self._escape else at
        before, after = letters[at - 1], letters[at + 1]
        blank = (before == SPACE) & (letters[at - 2] == self._separator)
        self.begin = self.begin or bool((self._edge[before] | blank).any())
        self.inner = self.inner or bool((~self._beside[before] & ~self._beside[after]).any())
        self.count += len(at)

    def are_odd(self, ends: int, rows: int, dialect: Dialect) -> bool:
        """Whether a closer look is needed at a file of so many ends of lines in which so many rows were read."""
        lines = ends + (self.last[-1] not in b"\r\n")
        above = dialect.skip - sum(len(re.findall("\r?\n|\r", name)) for name in dialect.names)
        blank = self.blank if above < 2 else 0  # some of them may be above the rows
        closing = self.last[-1] == QUOTE
        return self.begin and (self.inner or lines - blank != rows + above or (self.count + closing) % 2 == 1)


@dataclass(frozen=True)
class Example:
    """Something odd: how often, the line of the first, and what stands there."""

    times: int
    line: int
    text: str


class Told:
    """What the user must know about files that are read; of a file that is read twice it is told once."""

    def __init__(self) -> None:
        self._found: dict[str, dict[File, tuple[int, str]]] = {}

    def add(self, file: File, what: str, times: int, example: str = "") -> None:
        """What was found in a file, how often, and an example."""
        if times:
            self._found.setdefault(what, {})[file] = times, example

    def add_example(self, file: File, what: str, found: Example | None) -> None:
        """The same, if anything was found."""
        if found:
            self.add(file, what, found.times, f"{file}, line {found.line}: {found.text!r}")

    def notes(self) -> list[str]:
        """A note for each kind of finding, with all files together."""
        notes = []
        for what, files in self._found.items():
            example = next(iter(files.values()))[1]
            notes.append(f"{what}: {sum(times for times, _ in files.values()):,}{example and f', such as {example}'}")
        return notes


@dataclass
class Quotes:
    """What was found.

    Attributes:
        spans: fields in quotes that go over several lines.
        loose: rows with text after a closing quote, in columns that are not wanted.
        wrong: the line, the fault and the text of the first that makes no sense; then nothing further was read.
    """

    spans: Example | None = None
    loose: Example | None = None
    wrong: tuple[int, str, str] | None = None


def look_at_quotes(lines: Iterable[str], sample: Iterable[str], dialect: Dialect, kinds: dict[int, str]) -> Quotes:
    """Go through all rows.

    Args:
        lines: of the file.
        sample: the same lines again, from which it is learned what a row looks like.
        dialect: how they are written.
        kinds: index -> kind of the values of a wanted column.
    """
    found = Quotes()
    looks_like_row = _row_test(sample, dialect, kinds)
    fields = _field_pattern(dialect)
    for line, text, cells in _odd_rows(lines, dialect):
        raw = list(_fields(text, fields))
        spanning = next((index for index, field in enumerate(raw) if re.search("[\r\n]", field[0])), None)
        loose = {index for index, field in enumerate(raw) if field["quoted"] and field["rest"]}
        swallowed = (
            spanning is not None
            and dialect.quoting != "rfc"
            and _is_swallowed(raw[spanning], spanning, text, dialect, looks_like_row)
        )
        shown = text[:SHOWN_LETTERS]
        if any(field["quoted"] and not field["close"] for field in raw):
            found.wrong = line, OPEN, shown
        elif swallowed:
            found.wrong = line, SWALLOWED, shown
        elif loose and (spanning is not None or loose & kinds.keys()):
            found.wrong = line, LOOSE, shown
        elif any(QUOTED_AFTER_BLANK.fullmatch(cells[index]) for index in kinds if index < len(cells)):
            found.wrong = line, BLANK, shown
        if found.wrong:
            return found
        if spanning is not None:
            found.spans = _one_more(found.spans, line, raw[spanning][0][:SHOWN_LETTERS])
        elif loose:
            found.loose = _one_more(found.loose, line, shown)
    return found


def _odd_rows(lines: Iterable[str], dialect: Dialect) -> Iterator[tuple[int, str, list[str]]]:
    """Line, text and cells of the rows with quotes, but for those on one line in which all is as it should be."""
    plain = _plain_row(dialect)
    rest = iter(lines)
    number = 0
    for line in rest:
        number += 1
        if plain.fullmatch(line):
            continue
        taken: list[str] = []
        row = _keeping(itertools.chain([line], rest), taken)
        cells, read = quoted_row(row, dialect.separator, dialect.quoting, number)
        yield number, "".join(taken).rstrip("\r\n"), cells
        number += read - 1


def _keeping(lines: Iterable[str], taken: list[str]) -> Iterator[str]:
    for line in lines:
        taken.append(line)
        yield line


def _plain_row(dialect: Dialect) -> "re.Pattern[str]":
    separator = re.escape(dialect.separator)
    field = rf'(?:"(?:[^"\r\n]++|"")*+"|[^"{separator}\r\n]*+)'
    if dialect.escape:
        field = rf'(?:"(?:[^"\\\r\n]++|""|\\.)*+"|[^"\\{separator}\r\n]*+)'
    return re.compile(rf"{field}(?:{separator}{field})*+[\r\n]*+")


def _one_more(before: Example | None, line: int, text: str) -> Example:
    return Example(1, line, text) if before is None else Example(before.times + 1, before.line, before.text)


def _field_pattern(dialect: Dialect) -> "re.Pattern[str]":
    """A field as it is written: what is in quotes, if it begins with one; and the rest, up to the separator."""
    separator = re.escape(dialect.separator)
    quoted, rest = r'[^"]++|""', rf"[^{separator}\r\n]*+"
    if dialect.escape:
        quoted, rest = r'[^"\\]++|""|\\.', rf"(?:[^{separator}\r\n\\]|\\.)*+"
    return re.compile(rf'(?P<quoted>"(?:{quoted})*+(?P<close>"?))?+(?P<rest>{rest})', re.DOTALL)


def _fields(text: str, pattern: "re.Pattern[str]") -> Iterator["re.Match[str]"]:
    at = 0
    while at <= len(text) and (field := pattern.match(text, at)):
        yield field
        at = field.end() + 1


def _is_swallowed(field: "re.Match[str]", index: int, text: str, dialect: Dialect, looks_like_row: "_RowTest") -> bool:
    """Whether a field over several lines begins in a line that is whole without it, and a row follows within it."""
    first, *others = re.split("\r\n|\r|\n", text[field.start() :])
    columns = len(dialect.names)
    return index + 1 + first.count(dialect.separator) == columns and any(map(looks_like_row, others))


class _RowTest:
    """Whether a line, its quotes taken as they are, has the columns of a row, with values like those of its columns."""

    def __init__(self, rows: list[list[str]], dialect: Dialect, kinds: dict[int, str]) -> None:
        self._dialect, self._kinds = dialect, kinds
        self._many = len(rows) >= MANY_ROWS
        cells = zip(*(row for row in rows if len(row) == len(dialect.names)), strict=True)
        self._makes = [{_make(cell) for cell in column if "\n" not in cell} for column in cells]

    def __call__(self, line: str) -> bool:
        """Whether it does."""
        cells = line.split(self._dialect.separator)
        return len(cells) == len(self._dialect.names) and all(map(self._is_like, itertools.count(), cells))

    def _is_like(self, index: int, cell: str) -> bool:
        """Whether a value can be one of a column; few rows tell little of what is usual there."""
        kind, make = self._kinds.get(index, "text"), _make(cell)
        makes = self._makes[index] if self._many else set()
        if kind in ("number", "integer"):
            return is_number(cell.strip('"'), self._dialect.decimal)
        if makes and not any(" " in make for make in makes):
            return make in makes or (not make and kind == "text")
        return kind == "text" or (bool(make) and (self._many or " " not in make))


def _row_test(lines: Iterable[str], dialect: Dialect, kinds: dict[int, str]) -> "_RowTest":
    rows = split_lines(lines, dialect.separator, dialect.quoting, after=int(dialect.header))
    return _RowTest([cells for _, cells in itertools.islice(rows, LEARNED_ROWS)], dialect, kinds)


def _make(cell: str) -> str:
    """Of what a value is made: letters, digits, blanks, others; "" of nothing."""
    kinds = {"a" if c.isalpha() else "9" if c.isdigit() else " " if c.isspace() else "." for c in cell.strip('"')}
    return "".join(sorted(kinds))
