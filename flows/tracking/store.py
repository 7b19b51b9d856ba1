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
from requests.adapters import HTTPAdapter, Retry

from ncf.errors import NCFError
from ncf.files import new_file

URI_VARIABLE = "MLFLOW_TRACKING_URI"
ANSWER_SECONDS = 10.0
STARTING = (502, 503, 504)  # what a proxy says while the server behind it is started
SQLITE = "sqlite:///"


class TrackingError(NCFError):
    """MLflow does not answer, or does not have what it should."""


def tracking_folder() -> Path:
    """MLflow's own folder, in the folder that the command runs in."""
    return Path.cwd() / "mlruns"


def server_file() -> Path:
    """Where `make up` writes the address of its MLflow server, for the commands in the same folder."""
    return tracking_folder() / "server"


def tracking_uri() -> str:
    """$MLFLOW_TRACKING_URI, else the server of `make up` while there is one, else the SQLite file mlruns/mlflow.db."""
    given = os.environ.get(URI_VARIABLE)
    if not given and server_file().exists():
        given = server_file().read_text(encoding="utf-8").strip()
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


def sqlite_folder(uri: str) -> Path | None:
    """The folder of a SQLite store, or None for any other."""
    return Path(uri.removeprefix(SQLITE)).parent if uri.startswith(SQLITE) else None


def store_exists(uri: str) -> bool:
    """Whether there is a store to read; a server counts as one."""
    return not uri.startswith(SQLITE) or Path(uri.removeprefix(SQLITE)).exists()


def connect(uri: str) -> MlflowClient:
    """A client. A new SQLite database is made by one process alone, and is there whole or not at all."""
    folder = sqlite_folder(uri)
    if folder is None:
        return MlflowClient(uri)
    folder.mkdir(parents=True, exist_ok=True)
    database = Path(uri.removeprefix(SQLITE))
    with quiet_mlflow(), FileLock(folder / ".migration.lock"):  # two processes would break each other's migration
        if not store_exists(uri):
            for left in folder.glob(f".{database.name}.*"):
                left.unlink()  # by one that was killed while it made the database
            with new_file(database) as building:  # so would a kill in the middle of it
                MlflowClient(f"{SQLITE}{building}").search_experiments(max_results=1)
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    return client


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
