"""Files and folders that are either wholly there or not at all."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import platformdirs


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path` that takes its place when the block ends without an error.

    A folder that stood there before is replaced; after an error it is still there and whole. (A kill just between the
    two renames leaves none: what is kept this way can be made again.)
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield building
        building.chmod(0o755)  # mkdtemp's 0700 would hide the result from other accounts
        while not _takes_place(building, path):
            pass  # another process was faster; the later one replaces it
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _takes_place(building: Path, path: Path) -> bool:
    """Rename a folder to `path`, what stands there being moved away first; False if something came in between."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.old.", dir=path.parent) as aside:
        old = Path(aside) / path.name
        with suppress(FileNotFoundError):
            path.rename(old)
        try:
            building.rename(path)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            if old.exists():
                old.rename(path)
            raise
    return True


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it replaces `path` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f".{path.name}.{uuid4().hex}")  # a process id is not unique: threads, other containers
    try:
        yield building
        building.replace(path)
    finally:
        building.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON with sorted keys."""
    path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


SUMS = "SHA256SUMS"


def write_sums(folder: Path) -> None:
    """Write the sums of all files of a folder and of the folders in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SUMS)
    text = "".join(f"{_sum_of(path)}  {path.relative_to(folder).as_posix()}\n" for path in files)
    (folder / SUMS).write_text(text, encoding="ascii")


def sum_of_sums(folder: Path) -> str:
    """The sum that stands for the whole folder, hexadecimal.

    Raises:
        OSError: the file with the sums is not there.
    """
    return _sum_of(folder / SUMS)


def check_sums(folder: Path, names: tuple[str, ...]) -> None:
    """Make sure that each of these files is as it was when the sums were written.

    Raises:
        OSError: a file, or that with the sums, is not there.
        ValueError: a file is another, or the sums are not of exactly these files.
    """
    *lines, end = (folder / SUMS).read_bytes().decode("ascii").split("\n")
    sums = {name: told for told, _, name in (line.partition("  ") for line in lines)}
    if sorted(sums) != sorted(names) or len(lines) != len(sums) or end:
        raise ValueError(f"{SUMS} is about {', '.join(sorted(sums)) or 'nothing'}, not about {', '.join(names)}")
    for name in names:
        if (found := _sum_of(folder / name)) != sums[name]:
            raise ValueError(f"{name} has the SHA-256 sum {found}, not {sums[name]}: damaged, or of another bundle")


def _sum_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


CACHE_VARIABLE = "NCF_CACHE_DIR"


def cache_dir() -> Path:
    """Folder for downloads and prepared data: $NCF_CACHE_DIR, or the system's place for caches."""
    return Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("ncf")).expanduser().absolute()
