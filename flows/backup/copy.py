"""Back up databases and files to a folder, and restore them from it."""

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from pydantic import Field, ValidationError

from flows.tracking.locations import BUSY_SECONDS, LOCK, SQLITE, forget_folders, is_beside
from flows.up.settings import FolderSettings
from ncf import __version__
from ncf.config import Settings
from ncf.errors import ConfigError, ModelError
from ncf.files import new_folder

DATABASES = ("mlflow.db", "mlflow-auth.db", "optuna.db", "prefect/prefect.db")
FOLDERS = ("artifacts", "prefect/storage")
MANIFEST = "backup.json"
MOST_MODELS = 1000  # MLflow's limit


class BackupSettings(FolderSettings):
    """Copy databases and files into a new folder; servers and trainings may be running."""

    to: Path = Field(description="folder of the backup, which must not exist; it appears complete or not at all")


class RestoreSettings(FolderSettings):
    """Restore a backup into a folder without databases, on this or another machine."""

    source: Path = Field(description="folder of the backup")


class Manifest(Settings):
    """The list of files of a backup.

    Attributes:
        made: time of the backup, in UTC.
        version: of ncf.
        folder: that was copied.
        files: size in bytes of each file, by its path in the backup.
    """

    made: datetime
    version: str
    folder: Path
    files: dict[str, int]


def read_manifest(source: Path) -> Manifest:
    """Read the list of files, and check that they are all there.

    Raises:
        ConfigError: the folder is not a backup, or files are missing or of another size.
    """
    try:
        manifest = Manifest.model_validate_json((source / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise ConfigError(
            "the folder is not a backup", got=str(source), do="name one that make backup wrote"
        ) from error
    found = files_in(source)
    broken = [name for name, size in manifest.files.items() if found.get(name) != size]
    if broken:
        raise ConfigError(
            "files of the backup are missing or of another size",
            got=", ".join(broken[:5]) + (f" and {len(broken) - 5} more" if len(broken) > 5 else ""),
            do="copy the backup again from where it was made, or use another one",
        )
    return manifest


def files_in(folder: Path) -> dict[str, int]:
    """Size in bytes of every file under a folder, by its path in it."""
    return {str(path.relative_to(folder)): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()}


def backup(folder: Path, to: Path) -> Manifest:
    """Copy databases, then files, to a new folder: a file is written before a database refers to it.

    Raises:
        ConfigError: there is nothing to copy, `to` exists or is inside a copied folder, or its disk has no space.
        ModelError: the copy has a champion that can't serve.
        TrackingError: the files of the runs and models are not in the folder.
    """
    check_target(folder, to)
    with new_folder(to) as building:
        for name in present(folder, DATABASES):
            copy_database(folder / name, building / name)
        for name in present(folder, FOLDERS):
            copy_files(folder / name, building / name)
        check_champions(building)
        manifest = Manifest(made=datetime.now(UTC), version=__version__, folder=folder, files=files_in(building))
        (building / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    to.chmod(0o700)  # Prefect's database holds its blocks, and may hold secrets
    return manifest


def check_target(folder: Path, to: Path) -> None:
    """Check that the backup can be written."""
    if not (folder / "mlflow.db").exists():
        raise ConfigError("there is no MLflow database to back up", got=str(folder), do="name its folder: --folder")
    if to.exists():
        raise ConfigError("the folder of the new backup exists already", got=str(to), do="name another: --to")
    if any(to.is_relative_to(folder / name) for name in FOLDERS):
        raise ConfigError("the backup would be inside what it copies", got=str(to), do="name another folder: --to")
    forget_folders(folder / "mlflow.db")
    needed = sum(size for name in present(folder, FOLDERS) for size in files_in(folder / name).values())
    needed += sum((folder / name).stat().st_size for name in present(folder, DATABASES))
    check_space(to, needed)


def check_space(target: Path, needed: int) -> None:
    """Check that a disk has so many free bytes."""
    existing = next(parent for parent in (target, *target.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise ConfigError(
            f"the disk of {existing} has too little free space; bytes",
            got=free,
            allowed=f"at least {needed}",
            do="free some space, or choose another disk",
        )


def copy_database(source: Path, target: Path) -> None:
    """Copy a SQLite database as it is at one moment, while others write to it.

    Raises:
        ConfigError: the copy is damaged, which means that the original is.
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
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without the original's -wal and -shm
            (found,) = copy.execute("PRAGMA integrity_check").fetchone()
        except sqlite3.DatabaseError as error:
            found = str(error)
    if found != "ok":
        raise ConfigError(
            f"the database {source} can't be copied", got=str(found)[:300], do="try again, or restore an earlier one"
        )


def copy_files(source: Path, target: Path) -> None:
    """Copy a folder's files, except those that are removed meanwhile, as old weights are."""
    for parent, _, names in os.walk(source):
        folder = target / Path(parent).relative_to(source)
        for name in names:
            folder.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                shutil.copy2(Path(parent, name), folder / name)


def present(folder: Path, names: tuple[str, ...]) -> list[str]:
    """The names that exist in a folder."""
    return [name for name in names if (folder / name).exists()]


def restore(source: Path, folder: Path) -> Manifest:
    """Put a backup into a folder, which may have neither databases nor files.

    Raises:
        ConfigError: the backup is incomplete, the folder has files already, or its disk has no space.
        ModelError: the backup has a champion that can't serve; the folder stays as it was.
    """
    manifest = read_manifest(source)
    taken = present(folder, (*DATABASES, *FOLDERS))
    if taken:
        raise ConfigError(
            f"the folder {folder} already has {', '.join(taken)}",
            do="stop the servers (make down) and move these away, or restore into another folder: --folder",
        )
    check_space(folder, sum(manifest.files.values()))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".restoring.", dir=folder) as building:
        copy_files(source, Path(building))
        check_champions(Path(building))
        for name in reversed(present(Path(building), (*DATABASES, *FOLDERS))):  # mlflow.db last: it completes them
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(Path(building) / name, folder / name)
    return manifest


def check_champions(folder: Path) -> None:
    """Read every champion and its newest log from the folder with the copied database and files, as serving does.

    A champion whose files are elsewhere on purpose, such as in s3://, is not in a backup, and is not read.

    Raises:
        ModelError: files of a champion or of its newest log are missing, damaged, or not those that were registered.
    """
    from flows.registry.alias import CHAMPION, version_by_alias  # late, as are these: with MLflow they take seconds
    from flows.registry.models import BUNDLE_SUM, load_champion
    from flows.registry.newest_log import load_log, published_log
    from flows.tracking.tracker import Tracker

    uri = f"{SQLITE}{folder / 'mlflow.db'}"
    client = Tracker("", uri).client
    for model in client.search_registered_models(max_results=MOST_MODELS):
        champion = version_by_alias(client, model.name, CHAMPION)
        if champion is None or BUNDLE_SUM not in champion.tags:  # not a model of ours
            continue
        if is_beside(client.get_model_version_download_uri(model.name, champion.version)):
            try:
                load_champion(Tracker(model.name, uri), model.name)
                if (published := published_log(client, model.name)) is not None:
                    load_log(Tracker(model.name, uri), published)
            except ModelError as error:
                what = f"the copy has a champion that can't serve, so it is no backup: {error.what}"
                raise ModelError(what, got=error.got, allowed=error.allowed, do=error.do) from error
    (folder / LOCK).unlink(missing_ok=True)
