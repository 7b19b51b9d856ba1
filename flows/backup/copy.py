"""Copying: databases through SQLite itself, so that a copy is of one moment, and then the files they speak of."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from flows.backup.manifest import DATABASES, FOLDERS, MANIFEST, Manifest, files_in
from ncf import __version__
from ncf.errors import ConfigError
from ncf.files import new_folder

BUSY_SECONDS = 60.0  # to wait for a writer


def backup(folder: Path, to: Path) -> Manifest:
    """Copy everything; the databases first, since what they speak of is written before they speak of it.

    Args:
        folder: of the databases and files.
        to: the folder to make.

    Raises:
        ConfigError: there is nothing to copy, or `to` is there, lies in what is copied, or does not fit on its disk.
    """
    check(folder, to)
    with new_folder(to) as building:
        for name in present(folder, DATABASES):
            copy_database(folder / name, building / name)
        for name in present(folder, FOLDERS):
            copy_files(folder / name, building / name)
        manifest = Manifest(made=datetime.now(UTC), version=__version__, folder=folder, files=files_in(building))
        (building / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    to.chmod(0o700)  # Prefect's database holds its blocks, and may hold secrets
    return manifest


def check(folder: Path, to: Path) -> None:
    """Refuse what could not end well."""
    if not (folder / "mlflow.db").exists():
        raise ConfigError("there is no MLflow database to back up", got=str(folder), do="name its folder: --folder")
    if to.exists():
        raise ConfigError("the folder of the new backup is there already", got=str(to), do="name another: --to")
    if any(to.is_relative_to(folder / name) for name in FOLDERS):
        raise ConfigError("the backup would be part of what it copies", got=str(to), do="name another folder: --to")
    needed = sum(size for name in present(folder, FOLDERS) for size in files_in(folder / name).values())
    needed += sum((folder / name).stat().st_size for name in present(folder, DATABASES))
    check_room(to, needed)


def check_room(target: Path, needed: int) -> None:
    """Raise ConfigError if a disk has less room than is needed, in bytes."""
    existing = next(parent for parent in (target, *target.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise ConfigError(
            f"the disk of {existing} has too little room; free bytes",
            got=free,
            allowed=f"at least {needed}",
            do="make room, or choose another disk",
        )


def copy_database(source: Path, target: Path) -> None:
    """Copy a SQLite database as it is at one moment, while others write to it.

    Raises:
        ConfigError: the copy is damaged; so is the original, then.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch(mode=0o600)
    uri = f"file:{quote(str(source))}?mode=ro"
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as original,
        closing(sqlite3.connect(target)) as copy,
    ):
        try:
            original.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, whatever the original keeps beside itself
            (found,) = copy.execute("PRAGMA integrity_check").fetchone()
        except sqlite3.DatabaseError as error:
            found = str(error)
    if found != "ok":
        raise ConfigError(
            f"the database {source} can't be copied", got=str(found)[:300], do="try again, or restore an earlier one"
        )


def copy_files(source: Path, target: Path) -> None:
    """Copy a folder's files; one that is removed meanwhile, as old weights are, is left out."""
    for path in _files(source):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            shutil.copy2(path, place)


def present(folder: Path, names: tuple[str, ...]) -> list[str]:
    """Those of the names that are in a folder."""
    return [name for name in names if (folder / name).exists()]


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent) / name for name in names)
