"""Restoring: a backup into a folder without databases, wherever it lies."""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from flows.backup.copy import check_room, copy_files, present
from flows.backup.manifest import DATABASES, FOLDERS, Manifest, read_manifest
from ncf.errors import ConfigError

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
