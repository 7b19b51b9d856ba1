"""Where the files of MLflow's runs and models are: beside the SQLite database, wherever that lies.

MLflow keeps a location for each experiment, run and model. `mlflow-artifacts:/shop` has no folder in it: a server looks
in its `--artifacts-destination`, and without a server `files_beside` looks in the folder `artifacts` beside the
database. So a store can be moved, copied and mounted elsewhere. MLflow loads `files_beside` by the entry point in
pyproject.toml while it is imported itself, so this module imports MLflow late.
"""

import shlex
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from filelock import FileLock

from ncf.errors import NCFError

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

SQLITE = "sqlite:///"
SCHEME = "mlflow-artifacts"
FILES = "artifacts"  # the folder beside the database
LOCK = ".migration.lock"  # beside the database, while it is made or corrected
BUSY_SECONDS = 60.0  # to wait for another process that writes to a database
COLUMNS = {  # of MLflow's database: each has locations, by table
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}


class TrackingError(NCFError):
    """MLflow does not answer, or does not have what it should."""


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite store, or None for any other."""
    return Path(uri.removeprefix(SQLITE).partition("?")[0]) if uri.startswith(SQLITE) else None


def sqlite_folder(uri: str) -> Path | None:
    """The folder of a SQLite store, or None for any other."""
    file = sqlite_file(uri)
    return None if file is None else file.parent


def files_folder(database: Path) -> Path:
    """The folder with the files of the runs and models of a SQLite database."""
    return database.resolve().parent / FILES  # a link to another store's database shares that store's files


def location(name: str) -> str:
    """The location of an experiment's files, which names no folder."""
    return f"{SCHEME}:/{quote(name)}"


def is_beside(place: str) -> bool:
    """Whether a location names no folder and no server."""
    return place.startswith(f"{SCHEME}:") and not urlsplit(place).netloc


def files_beside(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> "ArtifactRepository":
    """The files at a location of the scheme `mlflow-artifacts`: a server's, or those beside a SQLite database."""
    from mlflow import get_tracking_uri
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
    from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository
    from mlflow.utils.uri import validate_path_is_safe

    store = tracking_uri or get_tracking_uri()
    database = sqlite_file(store)
    parts = urlsplit(artifact_uri)
    if database is None or parts.netloc:
        return MlflowArtifactsRepository(artifact_uri, tracking_uri, registry_uri)
    folder = files_folder(database) / validate_path_is_safe(parts.path.lstrip("/"))  # type: ignore[no-untyped-call]
    return LocalArtifactRepository(folder.as_uri(), store, registry_uri)


def check_files(database: Path, experiment: str, place: str) -> None:
    """Check that the files of an experiment are found without a server.

    Args:
        database: of the store.
        experiment: its name.
        place: its location.

    Raises:
        TrackingError: a server stores them elsewhere.
    """
    path = unquote(urlsplit(place).path).lstrip("/")
    is_here = path == experiment or (files_folder(database) / path).is_dir()
    if place.startswith(f"{SCHEME}:") and (urlsplit(place).netloc or not is_here):
        raise TrackingError(
            "an MLflow server stores the files of this experiment; they can't be read without it",
            got=experiment,
            do="start it (make up), or set $MLFLOW_TRACKING_URI to it",
        )


def forget_folders(database: Path) -> None:
    """Replace the locations in a database that name a folder, as earlier versions wrote them, in one transaction.

    A location `.../artifacts/NAME` counts if its files are beside the database, whatever folder it names: a store that
    was copied never uses the files of the original. Locations of other kinds (s3://, a folder of another name) stay.

    Raises:
        TrackingError: the files are not beside the database, or it can't be written.
    """
    with closing(sqlite3.connect(database, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        if not _replacements(connection, database):
            return
        try:
            with FileLock(database.parent / LOCK, timeout=BUSY_SECONDS):
                connection.execute("BEGIN IMMEDIATE")
                for old, new in _replacements(connection, database).items():
                    _replace(connection, old, new)
                connection.execute("COMMIT")
        except (sqlite3.OperationalError, OSError) as error:
            raise TrackingError(
                f"{database} names the folder of its files, which should be beside it, and can't be corrected",
                got=str(error),
                do="run a command once where the database can be written, or try again",
            ) from error


def _replacements(connection: sqlite3.Connection, database: Path) -> dict[str, str]:
    """The new location of each experiment whose location names a folder, by the old one."""
    try:
        rows = connection.execute(
            "SELECT name, artifact_location, EXISTS (SELECT * FROM runs WHERE runs.experiment_id = e.experiment_id) "
            "FROM experiments e WHERE artifact_location LIKE 'file:%' OR artifact_location LIKE '/%'"
        ).fetchall()
    except sqlite3.DatabaseError:
        return {}  # MLflow itself says what is wrong with it
    files = files_folder(database)
    found = {}
    for name, place, has_runs in rows:
        path = _path(place)
        is_ours = path.parts[-2:] == (FILES, name)
        is_default = path.parts[-2:] == ("mlruns", "0")  # of MLflow's experiment Default, which nothing here uses
        is_beside = path.parent.name == FILES and (path.parent == files or (files / path.name).is_dir())
        if is_beside or ((is_ours or is_default) and not has_runs):
            found[place] = location(path.name)
        elif is_ours:
            raise TrackingError(
                f"the files of the experiment {name} are not beside {database}; it was moved or copied without them",
                got=place,
                allowed=str(files / name),
                do=f"copy them: mkdir -p {shlex.quote(str(files))} && cp -a {shlex.quote(str(path))} "
                f"{shlex.quote(str(files))}",
            )
    return found


def _path(place: str) -> Path:
    return Path(unquote(urlsplit(place).path) if place.startswith("file:") else place)


def _replace(connection: sqlite3.Connection, old: str, new: str) -> None:
    for table, columns in COLUMNS.items():
        for column in columns:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column} || '/', 1, ?) = ?",
                (new, len(old) + 1, len(old) + 1, f"{old}/"),
            )
