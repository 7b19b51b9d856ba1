"""A file from the web: goes on where it stopped, and has its name only when it is whole and right."""

import hashlib
import logging
import re
import shutil
import sys
from pathlib import Path

import requests
from tqdm import tqdm

from ncf.errors import DataError

logger = logging.getLogger(__name__)

CONNECT_SECONDS, READ_SECONDS = 5.0, 60.0
CHUNK_BYTES = 2**16  # at most so much of the end is lost when a connection breaks
MD5 = re.compile(r"\b[0-9a-fA-F]{32}\b")


def download(url: str, file: Path, *, size: int | None = None, md5: str | None = None) -> None:
    """Fetch a file whose size in bytes and MD5 may be known; its folder exists.

    What an earlier attempt left in `file`.part is gone on with, if the server can do that.

    Raises:
        DataError: what came is not the published file (nothing of it is kept), or it does not fit on the disk.
        requests.RequestException: the server can't be reached or does not have it. What came is kept for next time.
    """
    part = partial(file)
    anew = _size(part) == 0
    while True:
        _fetch_all(url, part)
        try:
            check(part, size, md5)
        except DataError:
            part.unlink()
            if anew:
                raise
            logger.info("What an earlier attempt had left of %s did not fit: fetching it anew", url)
            anew = True
        else:
            part.replace(file)
            return


def partial(file: Path) -> Path:
    """Where the beginning of a file lies until the rest has come."""
    return file.with_name(f"{file.name}.part")


def published_md5(url: str) -> str | None:
    """The MD5 in the file url.md5, or None if there is none."""
    try:
        answer = requests.get(f"{url}.md5", timeout=(CONNECT_SECONDS, READ_SECONDS))
        answer.raise_for_status()
    except requests.RequestException:
        return None
    found = MD5.search(answer.text[:1000])
    return found[0].lower() if found else None


def check(file: Path, size: int | None, md5: str | None) -> None:
    """Refuse a file of another size or content.

    Raises:
        DataError: it is not the published file.
    """
    again = "fetch it again"
    if size is not None and _size(file) != size:
        raise DataError(f"{file} has a wrong size in bytes", got=_size(file), allowed=str(size), do=again)
    if md5 is None:
        return
    with file.open("rb") as content:
        found = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5:
        raise DataError(f"{file} has a wrong MD5", got=found, allowed=md5, do=again)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _fetch_all(url: str, part: Path) -> None:
    """Fetch until nothing is missing; a cut connection is opened again as long as that brings the file forward."""
    while True:
        before = _size(part)
        try:
            _fetch(url, part)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            if _size(part) <= before:
                raise
            logger.info("The connection broke after %s bytes (%s): going on", f"{_size(part):,}", error)
        else:
            return


def _fetch(url: str, part: Path) -> None:
    """Fetch what is missing, in one request."""
    have = _size(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as answer:
        told = answer.headers.get("Content-Range", "")
        beyond_end = answer.status_code == requests.codes.requested_range_not_satisfiable
        if beyond_end and told == f"bytes */{have}":
            return  # whole already
        if not (beyond_end and have):
            answer.raise_for_status()  # with what is here kept for next time
        if answer.status_code == requests.codes.ok:
            have = 0  # a server without ranges sends the whole again
        elif have and not told.startswith(f"bytes {have}-"):
            part.unlink()
            return _fetch(url, part)
        length = answer.headers.get("Content-Length")
        _write(answer, part, have, None if length is None else int(length))


def _write(answer: requests.Response, part: Path, have: int, length: int | None) -> None:
    if length is not None and shutil.disk_usage(part.parent).free < length:
        raise _no_space(part, f"{shutil.disk_usage(part.parent).free:,} bytes are free", f"{length:,} bytes")
    total = None if length is None else have + length
    logger.info("Fetching %s%s", answer.url, "" if total is None else f": {have:,} of {total:,} bytes are here")
    bar = tqdm(total=total, initial=have, unit="B", unit_scale=True, disable=not sys.stderr.isatty())
    with bar, part.open("ab" if have else "wb") as out:
        for chunk in answer.iter_content(CHUNK_BYTES):
            try:
                out.write(chunk)
                out.flush()
            except OSError as error:
                raise _no_space(part, str(error), "a disk with enough space") from error
            bar.update(len(chunk))


def _no_space(part: Path, got: str, allowed: str) -> DataError:
    do = f"make room in {part.parent}, or move the cache; the download then goes on where it stopped"
    return DataError(f"{part} can't be written", got=got, allowed=allowed, do=do)
