"""Files here or at an fsspec URL: how each is compressed, what is in it, and opening it."""

import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import fsspec
import pyarrow as pa
from fsspec.registry import known_implementations

from ncf.errors import DataError

COMPRESSIONS = {
    **{".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd"},
    **{".bz2": "bz2", ".xz": "xz", ".lz4": "lz4", ".zip": "zip"},
}
ROTATED = re.compile(r"\.[0-9][0-9_-]*")  # log.csv.1, log.csv.2024-01-31
SIGNATURES = (  # first bytes of what people take for text
    (re.compile(rb"\x1f\x8b"), "gzip"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "zstd"),
    (re.compile(rb"BZh[1-9]1AY&SY"), "bz2"),
    (re.compile(rb"\xfd7zXZ"), "xz"),
    (re.compile(rb"\x04\x22\x4d\x18"), "lz4"),
    (re.compile(rb"PK(\x03\x04|\x05\x06)"), "zip"),
    (re.compile(rb"7z\xbc\xaf"), "7-Zip"),
    (re.compile(rb"Rar!"), "RAR"),
    (re.compile(rb".{257}ustar", re.DOTALL), "tar"),
    (re.compile(rb"PAR1"), "Parquet"),
    (re.compile(rb"ORC[^\0]*\0", re.DOTALL), "ORC"),
    (re.compile(rb"Obj\x01"), "Avro"),
    (re.compile(rb"ARROW1|FEA1|\xff{4}.\0{3}", re.DOTALL), "Arrow or Feather"),
    (re.compile(rb"\xd0\xcf\x11\xe0"), "Excel"),
    (re.compile(rb"SQLite format 3"), "SQLite"),
    (re.compile(rb"\x89HDF"), "HDF5"),
    (re.compile(rb"\x93NUMPY"), "NumPy"),
    (re.compile(rb"\x80[\x02-\x05]"), "Python pickle"),
    (re.compile(rb"%PDF-"), "PDF"),
    (re.compile(rb"""(\xef\xbb\xbf)?\s*(\{\s*(u?["']|\})|\[\s*[\[{])"""), "JSON"),
)
BROKEN = (OSError, ValueError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile)  # ArrowInvalid is a ValueError


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
    def name(self) -> str:
        """The last part of its path."""
        return PurePosixPath(self.path).name

    @property
    def compression(self) -> str | None:
        """What the name's ending says: gzip, zstd, bz2, xz, lz4, zip or nothing."""
        return COMPRESSIONS.get(PurePosixPath(self.path).suffix.lower())

    @property
    def ending(self) -> str:
        """The name's ending in small letters, such as ".csv", below those of compression and of rotated logs."""
        path = PurePosixPath(self.path)
        while path.suffix.lower() in COMPRESSIONS or ROTATED.fullmatch(path.suffix):
            path = path.with_suffix("")
        return path.suffix.lower()

    @property
    def partitions(self) -> dict[str, str | None]:
        """What folders such as date=2024-01-31 say (Hive's partitions)."""
        pairs = [part.split("=", 1) for part in PurePosixPath(self.path).parts[:-1] if "=" in part]
        return {unquote(key): None if value == "__HIVE_DEFAULT_PARTITION__" else unquote(value) for key, value in pairs}

    @cached_property
    def packed(self) -> str | None:
        """What its first bytes say that it is, such as "gzip" or "Parquet"; None for plain text."""
        with self.open_raw() as stream:
            return content_of(stream.read(1 << 10))

    @cached_property
    def content(self) -> str | None:
        """The same of what is in it, if it is compressed."""
        if self.packed not in COMPRESSIONS.values():
            return self.packed
        with self.open() as stream:
            return content_of(stream.read(1 << 10))

    def open_raw(self) -> Any:
        """The bytes as they lie there, as an Arrow stream."""
        return pa.OSFile(self.path) if self.is_local else pa.PythonFile(self.system.open(self.path, "rb"), mode="r")

    def open(self) -> Any:
        """The bytes, decompressed as the first of them say, as an Arrow stream.

        Raises:
            DataError: it is a zip archive of no file, of several, or an Excel file.
        """
        packed, raw = self.packed, self.open_raw()
        if packed == "xz":
            return pa.PythonFile(lzma.open(raw), mode="r")
        if packed == "zip":
            return pa.PythonFile(_only_member(self, raw), mode="r")
        return pa.CompressedInputStream(raw, packed) if packed in COMPRESSIONS.values() else raw


def _only_member(file: File, raw: Any) -> Any:
    with zipfile.ZipFile(raw) as archive:
        names = [name for name in archive.namelist() if not re.search(r"(^|/)(\.|__MACOSX/)|/$", name)]
        if "[Content_Types].xml" in names:
            raise DataError(f"{file} is no text", got="Excel", do="save the sheet as CSV")
        if len(names) != 1:
            got = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
            do = "unpack it, and give the right one of these files"
            raise DataError(f"{file} has not one file in it, but {len(names)}", got=got, do=do)
        try:
            return archive.open(names[0])
        except RuntimeError as error:  # it asks for a password, or for another program
            raise OSError(str(error)) from error


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
    except BROKEN as error:
        raise DataError(f"{file} can't be read", got=first_line(error), do="copy or write it again") from error


def is_here(location: str) -> bool:
    """Whether a path or URL is of this machine's file system."""
    return "://" not in location or location.startswith("file://")


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


def first_line(error: Exception) -> str:
    """The first line of what an error says; its type, if it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
