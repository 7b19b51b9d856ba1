"""JSON Lines as a table: one object a line, its fields found in the first lines."""

import itertools
import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ncf.data import RATING, TIMESTAMP
from ncf.errors import DataError
from ncf.ingest.columns import FILTER, Wanted, find_columns, guessed_roles
from ncf.ingest.config import FileSource
from ncf.ingest.json_reader import LINES, JsonField, JsonReader, Path, parse_line, parse_literal, written_lines
from ncf.ingest.locations import File, reading
from ncf.ingest.parquet import KINDS
from ncf.ingest.start import JSON, START_LINES, open_start, text_of
from ncf.ingest.text import BLOCK_BYTES
from ncf.ingest.where import RowFilter, kinds_note


@dataclass(frozen=True)
class JsonTable:
    """Files of JSON Lines with the same fields; attributes and methods are those of `TextTable`.

    Attributes:
        fields: of each file: role -> field.
        literals: the files whose lines are Python's literals.
        encoding: of the files.
    """

    files: list[File]
    names: dict[str, str]
    guessed: frozenset[str]
    fields: dict[File, dict[str, JsonField]]
    literals: frozenset[File]
    encoding: str
    told: tuple[str, ...] = ()
    kinds: Sequence[str] = ()
    typed: ClassVar[bool] = True
    named: ClassVar[bool] = True
    how: ClassVar[str] = "JSON Lines"
    uuids: ClassVar[frozenset[str]] = frozenset()

    def blocks(
        self, file: File, *, integer_times: bool = True, small: bool = False, rows: RowFilter | None = None
    ) -> Iterator[dict[str, Any]]:
        """As those of `TextTable`."""
        fields = self.fields[file]
        if not integer_times and TIMESTAMP in fields and fields[TIMESTAMP].kind == "integer":
            fields = fields | {TIMESTAMP: replace(fields[TIMESTAMP], kind="number")}
        reader = JsonReader(file, self.encoding, fields, file in self.literals)
        return reader.blocks(BLOCK_BYTES >> (4 if small else 0), rows or RowFilter({}))

    def notes(self) -> list[str]:
        """As those of `TextTable`."""
        return list(self.told)

    def locate(self, file: File, row: int) -> str:
        """As those of `TextTable`."""
        with reading(file), file.open() as stream:
            return f"{file}, line {next(itertools.islice(written_lines(text_of(stream, self.encoding)), row, None))[0]}"


def open_json_lines(files: list[File], source: FileSource, wanted: Wanted, settings: dict[str, str]) -> JsonTable:
    """Find the fields of JSON Lines in their first lines; the arguments are those of `open_table`."""
    opened: dict[File, dict[str, JsonField]] = {}
    literals = set()
    kinds: list[str | None] = []
    rows_taken = RowFilter(source.where)
    for file in files:
        rows, literal = _first_rows(file, source.encoding)
        if literal:
            literals.add(file)
        leaves = _leaves(rows)
        names = [".".join(path) for path in leaves]
        found = find_columns(names, wanted(names), file, settings)
        paths = list(leaves)
        opened[file] = {
            role: _filter_field(rows_taken.wanted(role.removeprefix(FILTER)), names[at], paths[at], leaves[paths[at]])
            if role.startswith(FILTER)
            else _field(role, names[at], paths[at], leaves[paths[at]], file)
            for role, at in found.items()
        }
        if file == files[0] and not source.where:
            kinds = [kinds_note(names[at], leaves[paths[at]]) for at in set(range(len(names))) - set(found.values())]
        _refuse_differing(file, opened[file], files[0], opened[files[0]])
    names_of = {role: field.name for role, field in opened[files[0]].items()}
    guessed = guessed_roles(names_of, wanted(list(names_of.values())))
    notes = (f"{min(literals, key=str)} is not JSON, but Python's literals: they are read slowly",) if literals else ()
    return JsonTable(
        files, names_of, guessed, opened, frozenset(literals), source.encoding, notes, list(filter(None, kinds))
    )


def _first_rows(file: File, encoding: str) -> tuple[list[dict[str, Any]], bool]:
    """The first objects of a file, and whether they are Python's literals."""
    start, _ = open_start(file, encoding)
    if start.lstrip()[:1] == "[":
        raise _array(file)
    with reading(file), file.open() as stream:
        text = text_of(stream, encoding)
        lines = list(itertools.islice(written_lines(iter(lambda: text.readline(BLOCK_BYTES), "")), START_LINES))
    if not lines:
        raise DataError(f"{file} is empty", do="check that it was written to the end, or remove it")
    literal = not _is_object(lines[0][1], json.loads)
    if literal and not _is_object(lines[0][1], parse_literal):
        if not lines[0][1].lstrip().startswith("{"):
            do = "set format to text, or leave it out"
            raise DataError(f"{file} is no JSON", got=lines[0][1].strip()[:100], allowed=LINES, do=do)
        code = (
            "from pyarrow import json as j, parquet as p; p.write_table(j.read_json(sys.argv[1], "
            "parse_options=j.ParseOptions(newlines_in_values=True)), 'log.parquet')"
        )
        do = f"{_script(file, code, 'objects over several lines become a Parquet file by')}"
        raise DataError(f"{file} is {JSON}", got=lines[0][1].strip()[:100], allowed=LINES, do=do)
    rows = [parse_line(file, line, text, literal=literal) for line, text in lines]
    if len(rows) == 1 and rows[0] and all(map(_is_column, rows[0].values())):
        code = (
            "import pandas as p; p.read_json(sys.argv[1], dtype=False, convert_dates=False).to_parquet('log.parquet')"
        )
        do = _script(file, code, "if it has columns in place of rows, write it as Parquet by")
        raise DataError(f"{file} is {JSON}", got=lines[0][1][:100], allowed=LINES, do=do)
    return rows, literal


def _is_column(value: Any) -> bool:
    """Whether a value has the values of many rows, as pandas and others write columns."""
    return isinstance(value, list) or (isinstance(value, dict) and bool(value) and all(map(str.isdigit, value)))


def _is_object(text: str, parse: Callable[[str], Any]) -> bool:
    try:
        return isinstance(parse(text), dict)
    except ValueError:
        return False


def _script(file: File, code: str, what: str) -> str:
    return f'{what}: python -c "import sys; {code}" {shlex.quote(str(file))}'


def _array(file: File) -> DataError:
    code = "import json; [print(json.dumps(row)) for row in json.load(open(sys.argv[1], encoding='utf-8'))]"
    return DataError(
        f"{file} is {JSON}",
        got="an array",
        allowed=LINES,
        do=_script(file, code, "unpack it if it is packed, and write its lines by") + " > log.jsonl",
    )


def _leaves(rows: list[dict[str, Any]]) -> dict[Path, list[Any]]:
    """The paths of all fields that are no objects -> their values that are not null."""
    found: dict[Path, list[Any]] = {}

    def add(path: Path, value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                add((*path, str(key)), inner)
        else:
            found.setdefault(path, []).extend([] if value is None else [value])

    for row in rows:
        for key, value in row.items():
            add((str(key),), value)
    return found


def _field(role: str, name: str, path: Path, values: list[Any], file: File) -> JsonField:
    odd = next((value for value in values if isinstance(value, bool | list | dict)), None)
    if odd is not None:
        do = "name another field"
        if isinstance(odd, list):
            read = "import pandas as p; p.read_json(sys.argv[1], lines=True, dtype=False, convert_dates=False)"
            code = f"{read}.explode({path[0]!r}).to_parquet('log.parquet')"
            do += f"; or, if each element is one, {_script(file, code, 'write a row for each by')}"
        raise DataError(f"{file}: the field {name} has no {role}", got=odd, allowed="an integer or text", do=do)
    if not values or isinstance(values[0], str):
        return JsonField(name, path, "text")
    whole = role != RATING and not any(isinstance(value, float) for value in values)
    return JsonField(name, path, "integer" if whole else "number")


def _filter_field(taken: frozenset[str], name: str, path: Path, values: list[Any]) -> JsonField:
    """A field by which rows are taken; lists and objects are never equal to a value."""
    first = next((value for value in values if isinstance(value, bool | int | float)), "")
    return JsonField(name, path, "boolean" if isinstance(first, bool) else "text" if first == "" else "number", taken)


def _refuse_differing(file: File, fields: dict[str, JsonField], first: File, of_first: dict[str, JsonField]) -> None:
    """Refuse a file with other fields than the first, or with ids of another type."""

    def words(fields: dict[str, JsonField]) -> list[str]:
        kinds = {role: "text" if field.kind == "text" else "numbers" for role, field in fields.items()}
        return [
            f"{field.name} {kinds[role] if KINDS.get(role) == 'id' else ''}".strip() for role, field in fields.items()
        ]

    if dict(zip(fields, words(fields), strict=True)) != dict(zip(of_first, words(of_first), strict=True)):
        raise DataError(
            f"{file} has other columns than {first}",
            got=", ".join(words(fields)),
            allowed=", ".join(words(of_first)),
            do="give a glob that takes only files of one kind",
        )
