"""The settings of backups."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from pydantic import Field, ValidationError

from flows.up.settings import FolderSettings
from ncf import __version__
from ncf.config import Settings
from ncf.errors import ConfigError
from ncf.files import new_folder


class BackupSettings(FolderSettings):
    """Copy databases and files into a new folder; the servers may run, and trainings as well."""

    to: Path = Field(description="folder to make; it is there whole or not at all")


class RestoreSettings(FolderSettings):
    """Put a backup into a folder that has no databases yet, here or on another machine."""

    source: Path = Field(description="folder that a backup made")


DATABASES = ("mlflow.db", "mlflow-auth.db", "optuna.db", "prefect/prefect.db")
FOLDERS = ("artifacts", "prefect/storage")
MANIFEST = "backup.json"


class Manifest(Settings):
    """What a backup holds.

    Attributes:
        made: when, in UTC.
        version: of ncf.
        folder: that was copied; what lies in files is found by this path.
        files: size in bytes of each file, by its path in the backup.
    """

    made: datetime
    version: str
    folder: Path
    files: dict[str, int]


def read_manifest(source: Path) -> Manifest:
    """The list of a backup whose files are all there.

    Raises:
        ConfigError: the folder is no backup, or files are missing or of another size.
    """
    try:
        manifest = Manifest.model_validate_json((source / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise ConfigError("not a backup", got=str(source), do="name the folder that make backup made") from error
    broken = [name for name, size in manifest.files.items() if size_of(source / name) != size]
    if broken:
        raise ConfigError(
            "the backup is not as it was made; missing or of another size",
            got=", ".join(broken[:5]) + (f" and {len(broken) - 5} more" if len(broken) > 5 else ""),
            do="copy it again from where it was made, or take another",
        )
    return manifest


def size_of(path: Path) -> int | None:
    """Size in bytes of a file, or None if there is none."""
    return path.stat().st_size if path.is_file() else None


def files_in(folder: Path) -> dict[str, int]:
    """Size in bytes of every file under a folder, by its path in it."""
    return {str(path.relative_to(folder)): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()}


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


PLACES = {  # where MLflow's database says in which folder something lies
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}


def restore(source: Path, folder: Path) -> Manifest:
    """Put a backup into a folder.

    Args:
        source: the backup.
        folder: of databases and files; neither may be there yet.

    Raises:
        ConfigError: the source is no whole backup, the folder is not free, or its disk has no room.
    """
    manifest = read_manifest(source)
    taken = present(folder, (*DATABASES, *FOLDERS))
    if taken:
        raise ConfigError(
            f"the folder {folder} has its own {', '.join(taken)}",
            do="make down, and move them away, or restore into another folder: --folder",
        )
    check_room(folder, sum(manifest.files.values()))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".restoring.", dir=folder) as building:
        copy_files(source, Path(building))
        move_places(Path(building) / "mlflow.db", manifest.folder, folder)
        for name in reversed(present(Path(building), (*DATABASES, *FOLDERS))):  # mlflow.db last: then all is there
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(Path(building) / name, folder / name)
    return manifest


def move_places(database: Path, before: Path, after: Path) -> None:
    """Let MLflow's database speak of the new folder, where it names the old one.

    A server's own files have no folder in their address; those of commands without a server do.
    """
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, columns in PLACES.items():
            known = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            for column in known.intersection(columns):
                for old, new in ((before.as_uri(), after.as_uri()), (str(before), str(after))):
                    connection.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                        (f"{new}/", len(old) + 2, len(old) + 1, f"{old}/"),
                    )
