"""The rows as a Parquet or CSV file, here or at an fsspec URL; a reader sees the old file or the new one, whole."""

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.csv as arrow_csv
from pyarrow import parquet

from ncf.errors import ConfigError, DataError
from ncf.files import new_file
from ncf.ingest.locations import File, file_system, first_line
from ncf.serving.batch.lists import COLUMNS, CSV_COLUMNS, Lists, Rows
from ncf.serving.config import FileOutput

OBJECT_STORES = frozenset(  # a name gets its new object in one step
    {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "memory"}
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileTarget:
    """A file that is written whole or not at all.

    Attributes:
        file: its location.
    """

    file: File

    @classmethod
    def of(cls, output: FileOutput) -> "FileTarget":
        """From the settings; a relative path starts at the working folder.

        Raises:
            DataError: the file system is unknown, or its driver is not installed.
        """
        return cls(File(*file_system(output.path)))

    def __str__(self) -> str:
        return str(self.file)

    @property
    def text_uuids(self) -> bool:
        """Whether UUIDs are written as text."""
        return not self._is_parquet

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return COLUMNS if self._is_parquet else CSV_COLUMNS

    @property
    def _is_parquet(self) -> bool:
        return self.file.path.lower().endswith(".parquet")

    @property
    def _is_object_store(self) -> bool:
        return not OBJECT_STORES.isdisjoint(self.file.protocols)

    def check(self, lists: Lists) -> None:
        """Try to write beside the file.

        Raises:
            ConfigError: it can't be written, or is a folder.
        """
        try:
            is_folder = self.file.system.isdir(self.file.path)
            if not is_folder:
                probe = f".{uuid4().hex}.writable"  # another machine may try the same name, and remove its own
                with self._opened(probe) as stream:
                    stream.write(b"0")
                self.file.system.rm(self._beside(probe))
        except Exception as error:  # a driver raises whatever its service's client does
            do = "check the path, and whether this account may write there"
            raise ConfigError(f"{self} can't be written", got=first_line(error), do=do) from error
        if is_folder:
            raise ConfigError("the output is a folder, not a file", got=str(self), do="name another file")
        if not (self.file.is_local or self._is_object_store):
            log.warning("%s: for a moment readers may find no file, depending on how its file system moves files", self)

    def write(self, rows: Rows, blocks: Iterable[Any]) -> None:
        """Write all rows, and only then replace the old file.

        Raises:
            OSError: a local file can't be written.
            DataError: a remote one can't.
        """
        if self.file.is_local:
            with new_file(Path(self.file.path)) as new:
                self._write(pa.OSFile(str(new), "wb"), rows, blocks)
            return
        building = self._beside(".new")
        try:
            with self._opened(".new") as stream:
                self._write(pa.PythonFile(stream, mode="w"), rows, blocks)
            self.file.system.mv(building, self.file.path)
        except Exception as error:  # a driver raises whatever its service's client does
            with suppress(Exception):  # what can't be removed is overwritten next time
                self.file.system.rm(building)
            raise DataError(
                f"{self} could not be written",
                got=first_line(error),
                do="repair the output, and run the same command: it continues from there",
            ) from error

    def _write(self, sink: Any, rows: Rows, blocks: Iterable[Any]) -> None:
        """Block by block; the bytes depend only on the rows. Closes the sink."""
        tables = (rows.table(block) for block in blocks)
        with sink:
            if self._is_parquet:
                with parquet.ParquetWriter(sink, rows.schema) as writer:
                    for table in tables:
                        writer.write_table(table)
                return
            packed = pa.CompressedOutputStream(sink, "gzip") if self.file.compression else sink
            with arrow_csv.CSVWriter(packed, rows.schema) as writer:
                for table in tables:
                    writer.write_table(table)
            if packed is not sink:
                packed.close()

    def _beside(self, ending: str) -> str:
        """A hidden name in the same folder, always the same for a file, so that at most one is left over."""
        folder, slash, name = self.file.path.rpartition("/")
        return f"{folder}{slash}.{name}{ending}"

    def _opened(self, ending: str) -> Any:
        folder = self.file.path.rpartition("/")[0]
        if folder and not self._is_object_store:  # object stores need none, and some would make a bucket
            self.file.system.makedirs(folder, exist_ok=True)
        return self.file.system.open(self._beside(ending), "wb")
