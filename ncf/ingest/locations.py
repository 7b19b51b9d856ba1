"""From a path, a folder, a glob or an fsspec URL to the files that are meant, in a fixed order."""

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeAlias

import fsspec
import pyarrow as pa
from fsspec.registry import known_implementations

from ncf.errors import DataError

Format: TypeAlias = Literal["auto", "text", "inter", "parquet"]

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd", ".bz2": "bz2"}
PARQUET_ENDINGS = (".parquet", ".pq", ".parq")
TEXT_ENDINGS = (".csv", ".tsv", ".txt", ".dat", ".data", ".inter", ".rating", ".ratings", ".item", ".psv")
SIGNATURES = (  # first bytes of what people take for text
    (re.compile(rb"\x1f\x8b"), "gzip"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "zstd"),
    (re.compile(rb"BZh[1-9]1AY&SY"), "bz2"),
    (re.compile(rb"\xfd7zXZ"), "xz"),
    (re.compile(rb"PK\x03\x04"), "zip archive or Excel"),
    (re.compile(rb"7z\xbc\xaf"), "7-Zip"),
    (re.compile(rb"PAR1"), "Parquet"),
    (re.compile(rb"ARROW1"), "Arrow"),
    (re.compile(rb"SQLite format 3"), "SQLite"),
    (re.compile(rb"\x89HDF"), "HDF5"),
    (re.compile(rb"%PDF-"), "PDF"),
    (re.compile(rb"\x80[\x02-\x05]"), "Python pickle"),
    (re.compile(rb"\x93NUMPY"), "NumPy"),
)


@dataclass(frozen=True)
class File:
    """One file, here or elsewhere; as text it is its absolute path or its URL."""

    system: Any
    path: str

    def __str__(self) -> str:
        return self.path if self.is_local else str(self.system.unstrip_protocol(self.path))

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine."""
        return "file" in self.protocols

    @property
    def protocols(self) -> tuple[str, ...]:
        """What fsspec calls its file system, such as "s3" and "s3a"."""
        names = self.system.protocol
        return (names,) if isinstance(names, str) else tuple(names)

    @property
    def compression(self) -> str | None:
        """What the name's ending says: gzip, zstd, bz2 or nothing."""
        return COMPRESSIONS.get(PurePosixPath(self.path).suffix.lower())

    @property
    def ending(self) -> str:
        """The name's ending below that of the compression, in small letters, such as ".csv"."""
        path = PurePosixPath(self.path)
        return (path.with_suffix("") if self.compression else path).suffix.lower()

    def open_raw(self) -> Any:
        """The bytes as they lie there, as an Arrow stream."""
        return pa.OSFile(self.path) if self.is_local else pa.PythonFile(self.system.open(self.path, "rb"), mode="r")

    def open(self) -> Any:
        """The bytes, decompressed, as an Arrow stream."""
        return pa.CompressedInputStream(self.open_raw(), self.compression) if self.compression else self.open_raw()

    def content(self) -> str | None:
        """What the first bytes say that it is, such as "gzip" or "Parquet"; None for plain text."""
        with self.open_raw() as stream:
            return content_of(stream.read(16))


def content_of(start: bytes) -> str | None:
    """What a file is by its first bytes; None if it is none of the known ones."""
    return next((name for signature, name in SIGNATURES if signature.match(start)), None)


@contextmanager
def reading(file: object) -> Iterator[None]:
    """Turn what a file system, Arrow or a driver says about a file into a DataError."""
    try:
        yield
    except PermissionError as error:
        raise DataError(
            f"{file} may not be read", got=first_line(error), do="give this account the right to"
        ) from error
    except (OSError, ValueError, EOFError) as error:  # ArrowInvalid is a ValueError
        raise DataError(f"{file} can't be read", got=first_line(error), do="copy or write it again") from error


def find_files(location: str, form: Format = "auto") -> list[File]:
    """The files of a path, folder, glob or URL, sorted by path.

    Of a folder with everything below it, those are taken whose ending fits the format; names with a leading "." or "_"
    are left out.

    Raises:
        DataError: there are none, or the file system can't be reached.
    """
    system, path = file_system(location)
    with _reached(system, location):
        if system.isfile(path):
            return [File(system, path)]
        if system.isdir(path):
            return _in_folder(system, path, form)
        if any(mark in path for mark in "*?["):
            found = [name for name in system.glob(path) if system.isfile(name)]
            if found:
                return [File(system, name) for name in sorted(found)]
            raise DataError("no file matches", got=str(File(system, path)), do="check the pattern and the folder")
        raise _no_such(File(system, path))


def file_system(location: str) -> tuple[Any, str]:
    """The fsspec file system of a path or URL, and the path in it.

    Raises:
        DataError: it is unknown, or its driver is not installed.
    """
    try:
        text = location if "://" in location or "::" in location else str(Path(location).expanduser())
        system, path = fsspec.core.url_to_fs(text)
        return system, str(path)
    except ImportError as error:
        scheme = location.split("://")[0]
        known = known_implementations.get(scheme, {})
        raise DataError(
            f"{location} needs a driver that is not installed",
            got=str(known.get("err") or error),
            do=f"pip install fsspec[{scheme}], or copy the file to this machine",
        ) from error
    except ValueError as error:
        allowed = "a path, or a URL that fsspec knows, such as s3://bucket/log.parquet"
        raise DataError("this location is unknown", got=location, allowed=allowed, do=first_line(error)) from error


@contextmanager
def _reached(system: Any, location: str) -> Iterator[None]:
    with reading(location):
        try:
            yield
        except (DataError, OSError, ValueError):
            raise
        except Exception as error:  # a driver raises whatever its service's client does
            raise OSError(f"{type(error).__name__}: {first_line(error)}") from error


def _in_folder(system: Any, path: str, form: Format) -> list[File]:
    below = len(path.rstrip("/")) + 1
    names = sorted(name for name in system.find(path) if not re.search(r"(^|/)[._]", name[below:]))
    files = [File(system, name) for name in names]
    tables = [file for file in files if file.ending in PARQUET_ENDINGS]
    texts = [file for file in files if file.ending in TEXT_ENDINGS]
    if form == "auto" and tables and texts:
        got = f"{tables[0]} and {texts[0]}"
        raise DataError(f"{path} has both Parquet and text files", got=got, do="set format, or give a glob")
    named = [file for file in files if file.ending not in PARQUET_ENDINGS] if form == "text" else texts
    kept = {"auto": tables or texts, "parquet": tables, "text": named}.get(
        form, [file for file in files if file.ending == ".inter"]
    )
    if not kept:
        allowed = ", ".join(PARQUET_ENDINGS if form == "parquet" else (".inter",) if form == "inter" else TEXT_ENDINGS)
        raise DataError(
            f"the folder {File(system, path)} has no file to read",
            got=", ".join(PurePosixPath(name).name for name in names[:5]) or "an empty folder",
            allowed=f"{allowed}{', .parquet' if form == 'auto' else ''}",
            do="check the folder, set format, or give a glob",
        )
    return kept


def _no_such(file: File) -> DataError:
    path = PurePosixPath(file.path)
    try:
        names = [PurePosixPath(name).name for name in file.system.ls(str(path.parent), detail=False)]
    except (OSError, ValueError):
        return DataError("no such file", got=str(file), do=f"its folder {path.parent} is not there either")
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    return DataError("no such file", got=str(file), do=f"did you mean {near[0]}?" if near else "check the path")


def first_line(error: Exception) -> str:
    """The first line of what an error says; its type, if it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
