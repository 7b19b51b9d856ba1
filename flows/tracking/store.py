"""Where MLflow is, whether it answers, and how to speak to it without disturbing others."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
import requests
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repository_registry import get_registered_artifact_repositories
from requests.adapters import HTTPAdapter, Retry

from flows.tracking.locations import (
    LOCK,
    SCHEME,
    SQLITE,
    TrackingError,
    files_beside,
    forget_folders,
    location,
    sqlite_file,
)
from ncf.files import new_file

URI_VARIABLE = "MLFLOW_TRACKING_URI"
ANSWER_SECONDS = 10.0
STARTING = (502, 503, 504)  # what a proxy says while the server behind it is started


def tracking_folder() -> Path:
    """MLflow's own folder, in the folder that the command runs in."""
    return Path.cwd() / "mlruns"


def server_file() -> Path:
    """Where `make up` writes the address of its MLflow server and this folder, for the commands in the same folder."""
    return tracking_folder() / "server"


def tracking_uri() -> str:
    """$MLFLOW_TRACKING_URI, else the server of `make up` while there is one, else the SQLite file mlruns/mlflow.db.

    Raises:
        TrackingError: this folder is a copy, or was moved, and the server is that of the original.
    """
    given = os.environ.get(URI_VARIABLE)
    if not given and server_file().exists():
        given, *folder = server_file().read_text(encoding="utf-8").splitlines() or [""]
        if folder and not (Path(folder[0]).exists() and Path(folder[0]).samefile(Path.cwd())):
            raise TrackingError(
                "mlruns/server and prefect.toml lead to the servers of another folder; this one was copied or moved",
                got=folder[0],
                allowed=str(Path.cwd()),
                do="make down (it stops only servers of this folder, and removes both files), then go on or make up",
            )
    return given or f"{SQLITE}{tracking_folder() / 'mlflow.db'}"


def check_tracking(retries: int = 0) -> None:
    """Make sure that MLflow's server answers, where it is one, before any work.

    Args:
        retries: how often a server that does not answer is asked again, after 0, 2, 4, 8, ... seconds.

    Raises:
        TrackingError: it does not.
    """
    uri = tracking_uri()
    if urlsplit(uri).scheme in ("http", "https"):
        asked_again = HTTPAdapter(max_retries=Retry(retries, backoff_factor=1, status_forcelist=STARTING))
        try:
            with requests.Session() as session:
                session.mount(uri, asked_again)
                session.get(f"{uri.rstrip('/')}/health", timeout=ANSWER_SECONDS).raise_for_status()
        except requests.RequestException as error:
            raise TrackingError(
                f"the MLflow server at {uri} does not answer",
                got=str(error)[:300],
                do=f"start it, or correct ${URI_VARIABLE}, or unset it to use {tracking_folder()}"
                if os.environ.get(URI_VARIABLE)
                else "make up starts it again; make down lets the commands work without it",
            ) from error


def store_exists(uri: str) -> bool:
    """Whether there is a store to read; a server counts as one."""
    database = sqlite_file(uri)
    return database is None or database.exists()


def connect(uri: str) -> MlflowClient:
    """A client. A new SQLite database is made by one process alone, and is there whole or not at all.

    Raises:
        TrackingError: the files of a SQLite store are not beside it.
    """
    database = sqlite_file(uri)
    if database is None:
        return MlflowClient(uri)
    get_registered_artifact_repositories()[SCHEME] = files_beside  # type: ignore[assignment]  # also without pip
    with quiet_mlflow():
        if not database.exists():
            _make_database(database)
        forget_folders(database)
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    return client


def _make_database(database: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # late: a client of a server does without it

    database.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(database.parent / LOCK):  # two processes would break each other's migration
        if not database.exists():
            for left in database.parent.glob(f".{database.name}.*"):
                left.unlink()  # by one that was killed while it made the database
            with new_file(database) as building:  # so would a kill in the middle of it
                SqlAlchemyStore(f"{SQLITE}{building}", location(""))  # type: ignore[no-untyped-call]


@contextmanager
def global_store(uri: str) -> Iterator[None]:
    """Point MLflow's global at a store, and back: "models:/", logging a model and Lightning's logger need it."""
    before = os.environ.get(URI_VARIABLE)
    mlflow.set_tracking_uri(uri)  # sets the variable as well
    try:
        with quiet_mlflow():
            yield
    finally:
        mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None makes it forget
        if before is None:
            os.environ.pop(URI_VARIABLE, None)


@contextmanager
def quiet_mlflow() -> Iterator[None]:
    """Keep from the user what MLflow tells those who write models, and the hundred lines of a new database."""
    loggers = [logging.getLogger(name) for name in ("alembic", "mlflow")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
