"""Parquet files as a table: their columns found, and read block by block."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from ncf.data import ITEM_ID, RATING, TIMESTAMP, TITLE, USER_ID
from ncf.errors import DataError
from ncf.ingest.columns import Wanted, find_columns, guessed_roles, whole_numbers
from ncf.ingest.config import FileSource
from ncf.ingest.locations import COMPRESSIONS, File, reading
from ncf.ingest.where import EVENTS, FIRST_ROWS, RowFilter, kinds_note

BLOCK_ROWS = 1 << 20
KINDS = {USER_ID: "id", ITEM_ID: "id", RATING: "number", TIMESTAMP: "time", TITLE: "text"}


MEANINGS = {"integers": "numbers", "decimals": "numbers", "floats": "numbers", "dates": "timestamps", "binary": "text"}
UTC = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class ParquetTable:
    """Parquet files with the same columns; attributes and methods are those of `TextTable`.

    Attributes:
        empty: the files without a row.
    """

    files: list[File]
    names: dict[str, str]
    guessed: frozenset[str]
    uuids: frozenset[str]
    empty: frozenset[File]
    told: tuple[str, ...] = ()
    kinds: Sequence[str] = ()
    typed: ClassVar[bool] = True
    named: ClassVar[bool] = True
    how: ClassVar[str] = "Parquet"

    def blocks(
        self, file: File, *, integer_times: bool = True, small: bool = False, rows: RowFilter | None = None
    ) -> Iterator[dict[str, Any]]:
        """As those of `TextTable`."""
        if file in self.empty:
            return iter(())
        return _read_blocks(file, self.names, BLOCK_ROWS >> 4 if small else BLOCK_ROWS, rows or RowFilter({}))

    def notes(self) -> list[str]:
        """As those of `TextTable`."""
        return list(self.told)

    def locate(self, file: File, row: int) -> str:
        """As those of `TextTable`."""
        return f"{file}, row {row + 1}"


def open_parquet(files: list[File], source: FileSource, wanted: Wanted, settings: dict[str, str]) -> ParquetTable:
    """Find the columns of Parquet files; the arguments are those of `open_table`.

    The files may have other columns that are not wanted, other orders, and other types of the same meaning. The columns
    of a file without a row do not matter if another has rows.
    """
    opened: dict[File, dict[str, tuple[str, str]]] = {}
    schemas = {file: _read_schema(file) for file in files}
    empty = frozenset(file for file, (_, rows) in schemas.items() if not rows)
    used = [file for file in files if file not in empty] or files[:1]
    for file in used:
        columns = _columns(schemas[file][0])
        names = list(columns)
        found = find_columns(names, wanted(names), file, settings)
        opened[file] = {role: (names[at], _meaning(columns[names[at]])) for role, at in found.items()}
        if opened[file] != opened[used[0]]:
            raise DataError(
                f"{file} has other columns than {used[0]}",
                got=", ".join(" ".join(column) for column in opened[file].values()),
                allowed=", ".join(" ".join(column) for column in opened[used[0]].values()),
                do="write the files with the same types, or give a glob that takes only files of one kind",
            )
    names_of = {role: name for role, (name, _) in opened[used[0]].items()}
    uuids = frozenset(role for role, (_, meaning) in opened[used[0]].items() if meaning == "UUIDs")
    guessed = guessed_roles(names_of, wanted(list(names_of.values())))
    binary = {
        name for file in used for name in names_of.values() if _kind(_columns(schemas[file][0])[name]) == "binary"
    }
    notes = tuple(f"the column {name} is of bytes: they are read as text in UTF-8" for name in sorted(binary))
    kinds = [] if source.where else _kinds(used[0], frozenset(names_of.values()))
    return ParquetTable(files, names_of, guessed, uuids, empty, notes, kinds)


def _kinds(file: File, wanted: frozenset[str]) -> list[str]:
    """What is to be said of columns that look like kinds of events, by the first rows of a file."""
    with reading(file), file.open_raw() as stream:
        table = parquet.ParquetFile(stream)
        names = [name for name in table.schema_arrow.names if name not in wanted and EVENTS.fullmatch(name)]
        first = next(table.iter_batches(batch_size=FIRST_ROWS, columns=names), None) if names else None
    notes = [] if first is None else [kinds_note(name, first.column(name).to_pylist()) for name in names]
    return [note for note in notes if note]


def _read_schema(file: File) -> tuple[Any, int]:
    """The Arrow schema of a Parquet file, and how many rows it has.

    Raises:
        DataError: it is empty, cut short or no Parquet file at all.
    """
    with reading(file), file.open_raw() as stream:
        if stream.size() == 0:
            raise DataError(f"{file} is empty", do="check that it was written to the end")
        stream.seek(0)
        if stream.read(4) != b"PAR1":
            do = "unpack it first" if file.packed in COMPRESSIONS.values() else "check format and the name"
            raise DataError(f"{file} is no Parquet file", got=file.packed or "text", do=do)
        stream.seek(0)
        opened = parquet.ParquetFile(stream)
        return opened.schema_arrow, opened.metadata.num_rows


def _columns(schema: Any) -> dict[str, Any]:
    """Name -> type; those of a struct are called a.b."""
    found: dict[str, Any] = {}

    def add(name: str, kind: Any) -> None:
        if pa.types.is_struct(kind) and kind.num_fields:
            for field in kind:
                add(f"{name}.{field.name}", field.type)
        else:
            found.setdefault(name, kind)

    for field in schema:
        add(field.name, field.type)
    return found


def _kind(kind: Any) -> str:
    """Integers, floats, text, ...: an Arrow type without its width, unit and encoding."""
    if pa.types.is_dictionary(kind):
        return _kind(kind.value_type)
    if isinstance(kind, pa.UuidType):
        return "UUIDs"
    known = {
        "integers": pa.types.is_integer,
        "floats": pa.types.is_floating,
        "decimals": pa.types.is_decimal,
        "timestamps": pa.types.is_timestamp,
        "dates": pa.types.is_date,
        "text": lambda kind: (
            pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
        ),
        "binary": lambda kind: (
            pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
        ),
    }
    return next((name for name, is_so in known.items() if is_so(kind)), str(kind))


def _meaning(kind: Any) -> str:
    """What must be the same in all files."""
    zone = " with a time zone" if pa.types.is_timestamp(kind) and kind.tz else ""
    return MEANINGS.get(_kind(kind), _kind(kind)) + zone


def _read_blocks(file: File, columns: dict[str, str], block_rows: int, rows: RowFilter) -> Iterator[dict[str, Any]]:
    """Arrow arrays of the wanted columns by role, block by block; no others are read.

    Raises:
        DataError: it is damaged, or a column has values of a type that can't be used.
    """
    done = 0
    with reading(file), file.open_raw() as stream:
        table = parquet.ParquetFile(stream)
        names = list(dict.fromkeys(columns.values()))
        for batch in table.iter_batches(batch_size=block_rows, columns=names):
            block = rows.block({role: _column(batch, name) for role, name in columns.items()})
            places = (
                (done + np.flatnonzero(rows.masks[-1])).tolist() if rows.columns else range(done, done + len(batch))
            )
            yield {
                role: _Column(file, role, columns.get(role, role), places).read(values)
                for role, values in block.items()
            }
            done += len(batch)


def _column(batch: Any, name: str) -> Any:
    """A column, or one in a struct, by its name."""
    if name in batch.schema.names:
        return batch.column(name)
    parts = name.split(".")
    top = next(".".join(parts[:n]) for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in batch.schema.names)
    return pc.struct_field(batch.column(top), name[len(top) + 1 :].split("."))


@dataclass(frozen=True)
class _Column:
    """A wanted column of a file, and the places of its rows there, from 0, for errors."""

    file: File
    role: str
    name: str
    places: Sequence[int]

    def read(self, values: Any) -> Any:
        """int64 or text of ids, float64 of ratings, text of titles; times are numbers, timestamps or text."""
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        kind, wanted = _kind(values.type), KINDS[self.role]
        if wanted != "text" and values.null_count:
            do = "fix or remove every such row"  # how many there are, this block does not know
            raise DataError(
                f"{self._at(pc.is_null(values))} has an empty {self.role} (column {self.name})",
                allowed="a value",
                do=do,
            )
        if wanted == "number" and kind in ("integers", "floats", "decimals"):
            return values.cast(pa.float64())
        if kind in ("text", "binary") and wanted != "number":
            return self._as(pa.string(), values)
        if wanted == "id" and kind == "UUIDs":
            return pa.array([str(value) for value in values.to_pylist()], pa.string())
        if wanted == "id" and kind == "floats":
            whole, bad = whole_numbers(values)
            return whole if bad is None else self._refuse(bad, values[bad].as_py())
        if wanted in ("id", "time") and kind in ("integers", "decimals"):
            return self._as(pa.int64(), values)
        if wanted == "time" and kind in ("floats", "timestamps", "dates"):
            return _instants(values)
        raise self._unusable(values)

    def _as(self, kind: Any, values: Any) -> Any:
        try:
            return values.cast(kind)
        except pa.ArrowInvalid:
            bad = next(row for row in range(len(values)) if _fails(values[row : row + 1], kind))
            return self._refuse(bad, values[bad].as_py())

    def _refuse(self, row: int, value: Any) -> Any:
        allowed = {
            "id": "integers or text, below 2**63 and without a fraction",
            "time": "integers below 2**63 without a fraction",
        }
        raise DataError(
            f"{self.file}, row {self.places[row] + 1} has an unusable {self.role} (column {self.name})",
            got=value,
            allowed="text in UTF-8" if isinstance(value, bytes) else allowed.get(KINDS[self.role], "text"),
            do="write the column anew",
        )

    def _at(self, bad: Any) -> str:
        return f"{self.file}, row {self.places[pc.index(bad, True).as_py()] + 1}"

    def _unusable(self, values: Any) -> DataError:
        usable = {
            "id": ("has ids of an unusable type", "integers or text"),
            "number": ("has no numbers", "integers, floats or decimals"),
            "time": ("has no times", "timestamps, dates, numbers or text"),
            "text": ("has no text", "strings"),
        }
        what, allowed = usable[KINDS[self.role]]
        do = "name another column, or write this one anew"
        if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
            code = (
                f"import sys, pandas as p; p.read_parquet(sys.argv[1]).explode({self.name!r}).to_parquet('log.parquet')"
            )
            do = f'if each element is a row, write them so: python -c "{code}" {shlex.quote(str(self.file))}'
        return DataError(f"{self.file}, column {self.name} {what}", got=str(values.type), allowed=allowed, do=do)


def _fails(value: Any, kind: Any) -> bool:
    try:
        value.cast(kind)
    except pa.ArrowInvalid:
        return True
    return False


def _instants(values: Any) -> Any:
    """Times in one unit: what is less than a microsecond is cut off."""
    if pa.types.is_floating(values.type):
        return values
    zone = values.type.tz if pa.types.is_timestamp(values.type) else None
    nanoseconds = pa.types.is_timestamp(values.type) and values.type.unit == "ns"
    return values.cast(UTC if zone else pa.timestamp("us"), safe=not nanoseconds)
