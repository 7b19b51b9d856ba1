"""Parquet files as a table: their columns found, and read block by block."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from ncf.data.columns import ITEM_ID, RATING, TIMESTAMP, TITLE, USER_ID
from ncf.errors import DataError
from ncf.ingest.columns import Wanted, find_columns, guessed_roles, whole_numbers
from ncf.ingest.locations import File, reading

BLOCK_ROWS = 1 << 20
UUID_TYPE = str(pa.uuid())
KINDS = {USER_ID: "id", ITEM_ID: "id", RATING: "number", TIMESTAMP: "time", TITLE: "text"}


@dataclass(frozen=True)
class ParquetTable:
    """Parquet files with the same columns; attributes and methods are those of `TextTable`."""

    files: list[File]
    names: dict[str, str]
    guessed: frozenset[str]
    uuids: frozenset[str]
    typed: ClassVar[bool] = True
    named: ClassVar[bool] = True

    def blocks(self, file: File, *, integer_times: bool = True, small: bool = False) -> Iterator[dict[str, Any]]:
        """As those of `TextTable`."""
        return _read_blocks(file, self.names, BLOCK_ROWS >> 4 if small else BLOCK_ROWS)

    def notes(self) -> list[str]:
        """As those of `TextTable`."""
        return []

    def locate(self, file: File, row: int) -> str:
        """As those of `TextTable`."""
        return f"{file}, row {row + 1}"


def open_parquet(files: list[File], wanted: Wanted, settings: dict[str, str]) -> ParquetTable:
    """Find the columns of Parquet files; the arguments are those of `open_table`."""
    opened: list[dict[str, tuple[str, str]]] = []
    for file in files:
        schema = _read_schema(file)
        found = find_columns(schema.names, wanted(schema.names), file, settings)
        opened.append({role: (schema.names[at], str(schema.field(at).type)) for role, at in found.items()})
        if opened[-1] != opened[0]:
            raise DataError(
                f"{file} has other columns than {files[0]}",
                got=", ".join(" ".join(column) for column in opened[-1].values()),
                allowed=", ".join(" ".join(column) for column in opened[0].values()),
                do="give a glob that takes only files of one kind",
            )
    names = {role: name for role, (name, _) in opened[0].items()}
    uuids = frozenset(role for role, (_, kind) in opened[0].items() if kind == UUID_TYPE)
    return ParquetTable(files, names, guessed_roles(names, wanted(list(names.values()))), uuids)


def _read_schema(file: File) -> Any:
    """The Arrow schema of a Parquet file.

    Raises:
        DataError: it is empty, cut short or no Parquet file at all.
    """
    with reading(file), file.open_raw() as stream:
        if stream.size() == 0:
            raise DataError(f"{file} is empty", do="check that it was written to the end")
        stream.seek(0)
        if stream.read(4) != b"PAR1":
            raise DataError(f"{file} is no Parquet file", got=file.content() or "text", do="check format and the name")
        stream.seek(0)
        return parquet.read_schema(stream)


def _read_blocks(file: File, columns: dict[str, str], block_rows: int) -> Iterator[dict[str, Any]]:
    """Arrow arrays of the wanted columns by role, block by block; no others are read.

    Raises:
        DataError: it is damaged, or a column has values of a type that can't be used.
    """
    done = 0
    with reading(file), file.open_raw() as stream:
        table = parquet.ParquetFile(stream)
        names = list(dict.fromkeys(columns.values()))
        for batch in table.iter_batches(batch_size=block_rows, columns=names):
            yield {
                role: _of_kind(batch.column(name), KINDS[role], file, role, name, done)
                for role, name in columns.items()
            }
            done += len(batch)


def _of_kind(values: Any, kind: str, file: File, role: str, name: str, done: int) -> Any:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    where = f"{file}, column {name}"
    if kind == "text":
        return _text(values, where)
    if values.null_count:
        row = done + int(pc.index(pc.is_null(values), True).as_py())
        do = "fix or remove every such row"  # how many there are, this block does not know
        raise DataError(f"{file}, row {row + 1} has an empty {role} (column {name})", allowed="a value", do=do)
    return {"id": _id, "number": _number, "time": _time}[kind](values, where)


def _id(values: Any, where: str) -> Any:
    if pa.types.is_integer(values.type):
        with reading(where):
            return values.cast(pa.int64())
    if pa.types.is_floating(values.type):
        return whole_numbers(values, where)
    if isinstance(values.type, pa.UuidType):
        return pa.array([str(value) for value in values.to_pylist()], pa.string())
    if not _is_text(values.type):
        raise DataError(f"{where} has ids of an unusable type", got=str(values.type), allowed="integers or text")
    return values.cast(pa.string())


def _number(values: Any, where: str) -> Any:
    kind = values.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise DataError(f"{where} has no numbers", got=str(kind), allowed="integers, floats or decimals")
    return values.cast(pa.float64())


def _time(values: Any, where: str) -> Any:
    kind = values.type
    if pa.types.is_integer(kind):
        with reading(where):
            return values.cast(pa.int64())
    if pa.types.is_floating(kind) or pa.types.is_timestamp(kind):
        return values
    if pa.types.is_date(kind):
        return values.cast(pa.timestamp("us"))
    if not _is_text(kind):
        raise DataError(f"{where} has no times", got=str(kind), allowed="timestamps, dates, numbers or text")
    return values.cast(pa.string())


def _text(values: Any, where: str) -> Any:
    if not _is_text(values.type):
        raise DataError(f"{where} has no text", got=str(values.type), allowed="strings")
    return values.cast(pa.string())


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
