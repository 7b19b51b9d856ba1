"""The bytes of a text file on their way to Arrow's reader: decompressed, in UTF-8, with a separator of one byte."""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ncf.errors import DataError
from ncf.ingest.locations import File, reading

UNIT_SEPARATOR = "\x1f"  # ASCII's own; stands in for a separator that Arrow can't take
START_BYTES = 1 << 18
BLOCK_BYTES = 1 << 24


class Feed(io.RawIOBase):
    """A stream for `pyarrow.csv`, which takes UTF-8 and a separator of one byte.

    Args:
        stream: the decompressed bytes.
        encoding: they are in.
        separator: if longer than one byte, it is replaced by `UNIT_SEPARATOR`.

    Attributes:
        quotes: double quotes seen so far.
    """

    def __init__(self, stream: Any, encoding: str, separator: str) -> None:
        self._stream = stream
        self._decoder = None if is_utf8(encoding) else codecs.getincrementaldecoder(encoding)()
        self._separator = b"" if arrow_separator(separator) == separator else separator.encode()
        self._rest = b""
        self._ended = False
        self.quotes = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Some bytes, not always as many as asked for; none at the end."""
        while not self._ended:
            read = self._stream.read(size if size > 0 else BLOCK_BYTES)
            self._ended = not read
            block = read if self._decoder is None else self._decoder.decode(read, final=not read).encode()
            if b"\0" in block:
                raise ValueError("it is no text further on: it has zero bytes")
            if block := self._replaced(block):
                self.quotes += block.count(b'"')
                return block
        return b""

    def _replaced(self, block: bytes) -> bytes:
        """With the short separator; what follows the last newline waits, since a separator may be cut there."""
        if not self._separator:
            return block
        if UNIT_SEPARATOR.encode() in block:
            raise ValueError("a separator of several letters can't be used in a file with the control character 0x1F")
        block = self._rest + block
        end = len(block) if self._ended else block.rfind(b"\n") + 1
        self._rest = block[end:]
        return block[:end].replace(self._separator, UNIT_SEPARATOR.encode())


def arrow_separator(separator: str) -> str:
    """The separator that Arrow sees."""
    return separator if len(separator.encode()) == 1 else UNIT_SEPARATOR


def is_utf8(encoding: str) -> bool:
    """Whether this is a name of UTF-8, with or without the byte order mark."""
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")


@contextmanager
def text_lines(file: File, encoding: str) -> Iterator[Iterator[str]]:
    """The lines of a file with their ends, for what Arrow does not tell; bytes that are no text become surrogates."""
    with reading(file), file.open() as stream:
        text = io.TextIOWrapper(
            io.BufferedReader(_Readable(stream), BLOCK_BYTES),
            encoding="utf-8-sig" if is_utf8(encoding) else encoding,
            errors="surrogateescape",
            newline="",
        )
        yield iter(text)


class _Readable(io.RawIOBase):
    """An Arrow stream as one of Python's."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read = self._stream.read(len(buffer))
        buffer[: len(read)] = read
        return len(read)


def open_text_start(file: File, encoding: str) -> tuple[str, bool]:
    """The first letters of a file, and whether they are all.

    Raises:
        DataError: it can't be read, or is in another encoding.
    """
    with reading(file), file.open() as stream:
        start = stream.read(START_BYTES)
        whole = len(start) < START_BYTES
    if is_utf8(encoding) and start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise DataError(f"{file} is not in UTF-8, but in UTF-16", do="set encoding to utf-16")
    decoder = codecs.getincrementaldecoder("utf-8-sig" if is_utf8(encoding) else encoding)("replace")
    return decoder.decode(start), whole
