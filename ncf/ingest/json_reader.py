"""Reads JSON Lines block by block with Arrow's reader, and says which line is at fault where Arrow refuses the file.

The lines may also be Python's literals, such as {'asin': 'B01'}: older published logs call that JSON.
"""

import ast
import io
import itertools
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from ncf.data import RATING, TIMESTAMP, TITLE
from ncf.data.config import plain_value
from ncf.errors import DataError
from ncf.ingest.bad_lines import BAD_BYTE, MOST
from ncf.ingest.columns import FILTER, whole_numbers
from ncf.ingest.dialect import is_number
from ncf.ingest.locations import File, reading
from ncf.ingest.parquet import KINDS
from ncf.ingest.start import is_utf8, text_of
from ncf.ingest.text import BLOCK_BYTES, NotAllIntegersError
from ncf.ingest.where import RowFilter

Kind: TypeAlias = Literal["integer", "number", "text", "boolean"]
Path: TypeAlias = tuple[str, ...]

TYPES: dict[Kind, Any] = {"integer": pa.int64(), "number": pa.float64(), "text": pa.string(), "boolean": pa.bool_()}
WORDS: dict[Kind, str] = {
    "integer": "an integer",
    "number": "a number",
    "text": "text in quotes",
    "boolean": "true or false",
}
LINES = 'one JSON object a line, such as {"user_id": 1, "item_id": 2}'


@dataclass(frozen=True)
class JsonField:
    """A wanted field: its name, such as user.id, the names on the way to it, and what its values are.

    Rows whose value is not among the `taken`, if there are some, are left out.
    """

    name: str
    path: Path
    kind: Kind
    taken: frozenset[str] | None = None

    def of(self, row: Any) -> Any:
        """Its value in an object; None if it is not there."""
        for part in self.path:
            row = row.get(part) if isinstance(row, dict) else None
        return row


class _Feed(io.RawIOBase):
    """Lines as a stream for Arrow."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """About as many bytes; none at the end."""
        return "".join(itertools.islice(self._lines, 1 + max(size, 0) // 1000)).encode()


@dataclass(frozen=True)
class JsonReader:
    """Reads one file.

    Attributes:
        file: the file.
        encoding: of its text.
        fields: role -> wanted field.
        literal: whether its lines are Python's literals.
    """

    file: File
    encoding: str
    fields: dict[str, JsonField]
    literal: bool

    def blocks(self, block_bytes: int, rows: RowFilter) -> Iterator[dict[str, Any]]:
        """Arrow arrays of the wanted fields by role, block by block; others are passed over.

        Raises:
            DataError: a line is no object, or a value is missing or not of its kind; with its line.
            NotAllIntegersError: nothing is wrong, but that times that begin as integers have other numbers, too.
        """
        good = 0
        with reading(self.file):
            try:
                for batch in self._batches(block_bytes):
                    block = rows.block({role: _column(batch, field) for role, field in self.fields.items()})
                    yield {role: self._values(values, role) for role, values in block.items()}
                    good += len(batch)
            except ValueError as error:  # Arrow's errors about the content, and those of the encoding
                raise self._explained(good, error) from error

    def _batches(self, block_bytes: int) -> Iterator[Any]:
        with self.file.open() as stream:
            if is_utf8(self.encoding) and not self.literal:
                yield from self._open(stream, block_bytes)
                return
            lines: Iterator[str] = text_of(stream, self.encoding)
            if self.literal:
                lines = (json.dumps(parse_literal(line)) + "\n" for _, line in written_lines(lines))
            yield from self._open(pa.PythonFile(_Feed(lines), mode="r"), block_bytes)

    def _open(self, stream: Any, block_bytes: int) -> Any:
        return arrow_json.open_json(
            stream,
            arrow_json.ReadOptions(block_size=block_bytes),
            arrow_json.ParseOptions(explicit_schema=self._schema(), unexpected_field_behavior="ignore"),
        )

    def _schema(self) -> Any:
        tree: dict[str, Any] = {}
        others_last = sorted(self.fields.items(), key=lambda item: not item[0].startswith(FILTER))  # they say the type
        for _, field in others_last:
            node = tree
            for part in field.path[:-1]:
                node = node.setdefault(part, {})
            node[field.path[-1]] = TYPES[field.kind]
        return pa.schema(list(_struct(tree)))

    def _values(self, values: Any, role: str) -> Any:
        if role == TITLE or role not in self.fields:
            return values
        field = self.fields[role]
        if values.null_count:
            raise ValueError("a value is missing")
        if KINDS[role] == "number":
            return pc.utf8_trim_whitespace(values).cast(pa.float64()) if field.kind == "text" else values
        if KINDS[role] == "id" and field.kind == "number":
            whole, bad = whole_numbers(values)
            if bad is not None:
                raise ValueError("an id is not whole")
            return whole
        values.validate(full=True)  # Arrow does not look whether text is UTF-8
        return values

    def _explained(self, good: int, error: ValueError) -> Exception:
        """What is wrong after so many good rows: the first line at fault, and how many are so."""
        first: tuple[int, str, Any, str] | None = None
        faults, fractions = 0, False
        with self.file.open() as stream:
            for line, text in itertools.islice(written_lines(text_of(stream, self.encoding)), good, None):
                row = parse_line(self.file, line, text, literal=self.literal)
                filters = [field for field in self.fields.values() if field.taken is not None]
                left_out = not all(plain_value(field.of(row)) in (field.taken or ()) for field in filters)
                for role, field in self.fields.items():
                    value = field.of(row)
                    if left_out and value is None:
                        continue
                    if field.kind == "integer" and role == TIMESTAMP and isinstance(value, float):
                        fractions = True
                    elif allowed := _fault(role, field.kind, value):
                        first = (line, role, value, allowed) if first is None else first
                        faults += role == first[1]
                if faults >= MOST:
                    break
        if first is not None:
            return self._wrong(*first, faults)
        return NotAllIntegersError() if fractions else self._refused_by_arrow(good, error)

    def _wrong(self, line: int, role: str, value: Any, allowed: str, faults: int) -> DataError:
        such = "the line" if faults == 1 else f"the {faults:,}{' or more' if faults >= MOST else ''} such lines"
        name = self.fields[role].name
        what = f"{self.file}, line {line} has an unusable {role} (field {name})"
        do = f"fix or remove {such}"
        if value is None:
            what = f"{self.file}, line {line} has no {role} (field {name})"
            do += ", or name another field"
        return DataError(what, got=value, allowed=allowed, do=do)

    def _refused_by_arrow(self, good: int, error: ValueError) -> DataError:
        """The line that Arrow refuses, though it is JSON."""
        with self.file.open() as stream:
            for line, text in itertools.islice(written_lines(text_of(stream, self.encoding)), good, None):
                try:
                    list(self._open(pa.BufferReader(text.encode()), BLOCK_BYTES))
                except ValueError as refused:
                    do = "write it anew, or remove it"
                    return DataError(f"{self.file}, line {line} can't be read", got=str(refused)[:300], do=do)
        return DataError(f"{self.file} can't be read", got=str(error)[:300], do="write one object a line")


def _column(batch: Any, field: JsonField) -> Any:
    values = batch.column(field.path[0])
    return pc.struct_field(values, list(field.path[1:])) if field.path[1:] else values


def _struct(tree: dict[str, Any]) -> Any:
    return pa.struct([(name, _struct(kind) if isinstance(kind, dict) else kind) for name, kind in tree.items()])


def _fault(role: str, kind: Kind, value: Any) -> str:
    """What is allowed, if the value is not; else nothing."""
    if value is None:
        return "" if role == TITLE or role.startswith(FILTER) else "a value in every line"
    if kind == "boolean":
        return "" if isinstance(value, bool) else f"{WORDS[kind]}, as in the lines before"
    if kind == "text":
        if not isinstance(value, str):
            return f"{WORDS[kind]}, as in the lines before"
        if BAD_BYTE.search(value):
            return "text in the encoding that is set"
        return "it must be a finite number" if role == RATING and not is_number(value, ".") else ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{WORDS[kind]}, as in the lines before"
    if kind == "integer":
        if isinstance(value, float):
            return f"{WORDS[kind]}, as in the lines before"
        return "" if -(2**63) <= value < 2**63 else "it must fit in 64 bits"
    if not math.isfinite(value):
        return "it must be a finite number"
    return "a whole number below 2**53" if KINDS.get(role) == "id" and (value % 1 or abs(value) >= 2**53) else ""


def parse_line(file: File, line: int, text: str, *, literal: bool) -> dict[str, Any]:
    """The object in a line.

    Raises:
        DataError: it has none.
    """
    try:
        row = parse_literal(text) if literal else json.loads(text)
    except ValueError as error:
        do = "fix or remove the line; was the file written to its end?"
        raise DataError(
            f"{file}, line {line} can't be read: {error}", got=text.strip()[:100], allowed=LINES, do=do
        ) from error
    if not isinstance(row, dict):
        raise DataError(f"{file}, line {line} is no object", got=text.strip()[:100], allowed=LINES, do="remove it")
    return row


def parse_literal(text: str) -> Any:
    """The value of a Python literal.

    Raises:
        ValueError: it is none.
    """
    try:
        return ast.literal_eval(text.strip())
    except (SyntaxError, TypeError) as error:
        raise ValueError(str(error)) from error


def written_lines(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Line numbers, from 1, and lines that are not blank."""
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip("\ufeff \t\r\n"))
