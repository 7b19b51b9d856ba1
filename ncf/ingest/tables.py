"""Files as one table, whatever they are written in; some columns may come from their folders' names."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa

from ncf.data import RATING, TITLE
from ncf.errors import DataError
from ncf.ingest.columns import FILTER, SETTINGS, Wanted, guessed_roles, integers_of, is_position, looks_named
from ncf.ingest.config import ColumnName, FileSource
from ncf.ingest.folders import NAMES, Form, find_files, form_of
from ncf.ingest.json_lines import JsonTable, open_json_lines
from ncf.ingest.locations import File
from ncf.ingest.parquet import ParquetTable, open_parquet
from ncf.ingest.text import TextTable, open_text
from ncf.ingest.where import RowFilter

Reader: TypeAlias = TextTable | JsonTable | ParquetTable


@dataclass(frozen=True)
class Table:
    """Files with the same columns, some of which their folders' names may give (Hive's partitions).

    Attributes:
        reader: of the files.
        keys: role -> the name before the = in a folder's name, for columns that are not in the files.
        names: role -> what the log calls the column.
        guessed: roles whose column was found by a known spelling of its name.
        told: what the user must know of the files that are not read.
    """

    reader: Reader
    keys: dict[str, str]
    names: dict[str, str]
    guessed: frozenset[str]
    told: tuple[str, ...]

    @property
    def files(self) -> list[File]:
        """In the order they are read."""
        return self.reader.files

    @property
    def typed(self) -> bool:
        """Whether the columns have types of their own, so that text is text even where it reads as a number."""
        return self.reader.typed

    @property
    def uuids(self) -> frozenset[str]:
        """Roles whose column is of UUIDs; the blocks have them as text."""
        return self.reader.uuids

    @property
    def kinds(self) -> Sequence[str]:
        """What is to be said of columns that look like kinds of events."""
        return self.reader.kinds

    def blocks(
        self, file: File, *, integer_times: bool = True, small: bool = False, rows: RowFilter | None = None
    ) -> Iterator[dict[str, Any]]:
        """Role -> Arrow array, block by block; see `TextTable`."""
        rows = rows or RowFilter({})
        given = {role: given_by_folder(role, key, file) for role, key in self.keys.items()}
        rows.given = {role: given.pop(role) for role in list(given) if role.startswith(FILTER)}
        for block in self.reader.blocks(file, integer_times=integer_times, small=small, rows=rows):
            length = len(next(iter(block.values())))
            yield block | {role: pa.repeat(value, length) for role, value in given.items()}

    @property
    def named(self) -> bool:
        """Whether the columns have names."""
        return self.reader.named

    def understood(self) -> str:
        """How the files are read, in one line."""
        columns = ", ".join(f"{role} = {name}" for role, name in self.names.items() if not role.startswith(FILTER))
        others = f" and {len(self.files) - 1:,} more" if len(self.files) > 1 else ""
        return f"{self.files[0]}{others}: {self.reader.how}; {columns}"

    def notes(self) -> list[str]:
        """What the user must know; complete when all blocks are read."""
        return [*self.told, *self.reader.notes()]

    def locate(self, file: File, row: int) -> str:
        """Where a row, from 0, is, in words."""
        return self.reader.locate(file, row)


def open_table(location: str, source: FileSource, wanted: Wanted, settings: dict[str, str] = SETTINGS) -> Table:
    """Find the files and their columns; nothing but their beginnings is read.

    Args:
        location: path, folder, glob or URL.
        source: how the files are written.
        wanted: from the columns' names to role -> name or position.
        settings: role -> the setting that names it, for errors.

    Raises:
        DataError: there are no files, they are not what they should be, or lack a column.
    """
    found = find_files(location, source.format)
    keys = list(dict.fromkeys(key for file in found.files for key in file.partitions))

    def in_files(names: Sequence[str]) -> dict[str, ColumnName | None]:
        columns = wanted(names)
        return {role: column for role, column in columns.items() if role not in _from_folders(keys, names, columns)}

    readers: dict[Form, Callable[[list[File], FileSource, Wanted, dict[str, str]], Reader]]
    readers = {"text": open_text, "json": open_json_lines, "parquet": open_parquet}
    reader = readers[_form(found.files, source)](found.files, source, in_files, settings)
    names = list(reader.names.values())
    fitting = {r: k for r, k in _from_folders(keys, names, wanted(names)).items() if r not in reader.names}
    for role, several in fitting.items():
        if len(several) > 1:
            do = f"set {settings.get(role, role)} to the right one"
            raise DataError(f"the folders' names have several columns that may be {role}", got=several, do=do)
    of_folders = {role: key for role, (key,) in fitting.items()}
    _refuse_other_folders(found.files, of_folders)
    if not reader.names:
        raise DataError(f"{found.files[0]} has none of the columns", got=list(of_folders.values()), do="name others")
    guessed = reader.guessed | guessed_roles(of_folders, wanted([*names, *of_folders.values()]))
    return Table(reader, of_folders, reader.names | of_folders, guessed, found.notes)


def _from_folders(keys: list[str], names: Sequence[str], columns: dict[str, ColumnName | None]) -> dict[str, list[str]]:
    """Role -> fitting keys of the folders' names, for the columns that the files do not have."""
    found: dict[str, list[str]] = {}
    for role, column in columns.items():
        name = role if column is None else column
        if is_position(name) or name in names:
            continue
        usual = name == role and not any(looks_named(other, role) for other in names)
        fitting = [key for key in keys if key == name] or [key for key in keys if usual and looks_named(key, role)]
        if fitting:
            found[role] = fitting
    return found


def _refuse_other_folders(files: list[File], of_folders: dict[str, str]) -> None:
    for key in of_folders.values():
        bad = next((file for file in files if file.partitions.get(key) is None), None)
        if bad is not None:
            raise DataError(
                f"{bad} has no {key}, which is in the names of other files' folders",
                got=bad.partitions or None,
                allowed=f"a folder {key}=... with a value",
                do="move it into such a folder, or give a glob that leaves it out",
            )


def given_by_folder(role: str, key: str, file: File) -> Any:
    """The value that a file's folder gives to a column, as a text file would: an integer if it is written as one."""
    value = pa.scalar(file.partitions[key])
    if role == TITLE or role.startswith(FILTER):
        return value
    if role != RATING:
        integers = integers_of(pa.array([value.as_py()]))
        return value if integers is None else integers[0]
    try:
        return value.cast(pa.float64())
    except pa.ArrowInvalid as error:
        do = "name the folder by a number, or name another column"
        raise DataError(f"the folder of {file} gives no {role} ({key})", got=value.as_py(), do=do) from error


def _form(files: list[File], source: FileSource) -> Form:
    """How the files are read.

    Raises:
        DataError: in different ways.
    """
    if source.format != "auto":
        return "text" if source.format == "inter" else source.format
    first: dict[Form, File] = {}
    for file in files:
        first.setdefault(form_of(file), file)
    if len(first) > 1:
        one, other = sorted(first, key=list(NAMES).index)[:2]
        got = f"{first[one]} and {first[other]}"
        raise DataError(
            f"{NAMES[one]} and {NAMES[other]} files together", got=got, do="set format, or give a narrower glob"
        )
    return next(iter(first))
