"""The rows as a Parquet or CSV file, here or at an fsspec URL; a reader sees the old file or the new one, whole."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv
from pyarrow import parquet

from ncf.errors import ConfigError, DataError
from ncf.files import new_file
from ncf.ingest.locations import File, file_system, first_line
from ncf.serving.batch.config import FileOutput
from ncf.serving.batch.lists import Lists
from ncf.serving.batch.rows import COLUMNS, TITLED, Rows

AT_ONCE = frozenset(  # a name gets a new object in one step: object stores
    {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "memory"}
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileTarget:
    """A file to be written whole or not at all.

    Attributes:
        file: where.
    """

    file: File

    @classmethod
    def of(cls, output: FileOutput) -> "FileTarget":
        """From the settings; a relative path is one of the working folder.

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
        return COLUMNS if self._is_parquet else TITLED

    @property
    def _is_parquet(self) -> bool:
        return self.file.path.lower().endswith(".parquet")

    @property
    def _at_once(self) -> bool:
        return not AT_ONCE.isdisjoint(self.file.protocols)

    def check(self, lists: Lists) -> None:
        """Try to write beside the file.

        Raises:
            ConfigError: it can't be written, or a folder is in the way.
        """
        with self._writable():
            if self.file.system.isdir(self.file.path):
                raise ConfigError("a folder is in the way of the file", got=str(self), do="name another file")
            with self._opened(".writable") as stream:
                stream.write(b"0")
            self.file.system.rm(self._beside(".writable"))
        if not (self.file.is_local or self._at_once):
            log.warning("%s: whether a reader sees a gap at the end depends on how its file system moves files", self)

    def write(self, rows: Rows, parts: Iterable[Any]) -> None:
        """Write all rows, and only then take the place of the old file.

        Raises:
            OSError: a local file can't be written.
            DataError: a remote one can't.
        """
        if self.file.is_local:
            with new_file(Path(self.file.path)) as new:
                self._write(pa.OSFile(str(new), "wb"), rows, parts)
            return
        building = self._beside(".new")
        try:
            with self._opened(".new") as stream:
                self._write(pa.PythonFile(stream, mode="w"), rows, parts)
            self.file.system.mv(building, self.file.path)
        except Exception as error:  # a driver raises whatever its service's client does
            _remove(self.file.system, building)
            raise DataError(
                f"{self} could not be written", got=first_line(error), do="nothing is lost: the same command goes on"
            ) from error

    def _write(self, sink: Any, rows: Rows, parts: Iterable[Any]) -> None:
        """Part by part; the bytes depend on the rows alone. Closes the sink."""
        tables = (rows.table(part) for part in parts)
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
        """A hidden name in the same folder; of the same file always the same, so that no more than one is left over."""
        folder, slash, name = self.file.path.rpartition("/")
        return f"{folder}{slash}.{name}{ending}"

    def _opened(self, ending: str) -> Any:
        folder = self.file.path.rpartition("/")[0]
        if folder and not self._at_once:  # object stores need none, and some would make a bucket
            self.file.system.makedirs(folder, exist_ok=True)
        return self.file.system.open(self._beside(ending), "wb")

    @contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except ConfigError:
            raise
        except Exception as error:  # a driver raises whatever its service's client does
            raise ConfigError(
                f"{self} can't be written", got=first_line(error), do="check the path, and this account's rights to it"
            ) from error


def _remove(system: Any, path: str) -> None:
    try:
        system.rm(path)
    except Exception as error:  # what can't be removed is overwritten next time
        log.debug("%s stays: %s", path, error)
