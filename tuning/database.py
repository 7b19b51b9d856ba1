"""The database of the studies: opened, checked, and with errors that name neither user nor password."""

import hashlib
import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import URL, inspect
from sqlalchemy.exc import SQLAlchemyError

from ncf.errors import ConfigError, NCFError
from ncf.files import cache_dir, new_file
from ncf.ingest.config import parse_url
from ncf.ingest.database import connect_args, database_location, open_engine, scrub, with_installed_driver
from tuning.config import StorageConfig


class StudyError(NCFError):
    """A study, or its database, can't be used."""


OPTUNA_TABLES = frozenset({"studies", "trials", "version_info"})
ATTEMPTS = 8  # to create the tables, while other machines create them too


@dataclass(frozen=True)
class Database:
    """An open database of studies.

    Attributes:
        storage: of Optuna; it has the only connections.
        url: with its password; never printed.
        lock: a lock file of this machine, for one worker at a time.
    """

    storage: RDBStorage
    url: URL = field(repr=False)
    lock: Path

    @property
    def location(self) -> str:
        """Where it is, in words, without user and password."""
        return database_location(self.url)

    @contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Raise errors of the database as `StudyError`, without the password.

        Raises:
            StudyError: the database failed.
        """
        with _translated_errors(self.url), quiet_optuna():
            yield


def open_database(url: str, config: StorageConfig) -> Database:
    """Open a database, and create its tables if it is new. A new SQLite file is created atomically.

    Raises:
        StudyError: it can't be reached, is locked, is not a database, has another Optuna version, or has other tables.
        ConfigError: the URL can't be read, or names a database or a driver that is not installed.
    """
    parsed = with_installed_driver(parse_url(url))
    lock = _lock_of(parsed)
    _make_folder(lock.parent)
    with _translated_errors(parsed), quiet_optuna():
        if parsed.get_backend_name() == "sqlite":
            _make_sqlite(parsed, config, lock)
        _refuse_other_tables(parsed, config)
        return Database(_connected(parsed, config), parsed, lock)


def check_database(url: str, config: StorageConfig) -> None:
    """Check that studies can be stored there; a new database is created.

    Raises:
        StudyError, ConfigError: as `open_database`.
    """
    open_database(url, config).storage.engine.dispose()


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Silence notes of Optuna and Alembic, and warnings about experimental features."""
    loggers = [logging.getLogger(name) for name in ("alembic", "optuna")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            warnings.filterwarnings("ignore", message="PedAnova")  # it takes a target for a cost: see `tuning.summary`
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _translated_errors(url: URL) -> Iterator[None]:
    try:
        yield
        return
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        message = scrub(str(getattr(cause, "orig", None) or cause), url) or type(cause).__name__
    # the driver's own error may show the password, and is not chained to it
    raise StudyError(f"{database_location(url)} can't be used", got=message, do=_remedy(message)) from None


def _remedy(message: str) -> str:
    if "database is locked" in message:
        return "wait for the program that uses it, or end that; nothing was lost, and the same command continues"
    if "not a database" in message or "malformed" in message:
        return "choose another file; this one was not changed"
    return "check the URL, the server, and whether the account may create tables; then the same command continues"


def _lock_of(url: URL) -> Path:
    if url.get_backend_name() == "sqlite":
        path = _sqlite_file(url)
        return path.with_name(f".{path.name}.lock")
    known = hashlib.sha256(url.set(password=None).render_as_string().encode()).hexdigest()[:16]
    return cache_dir() / "locks" / f"studies-{known}.lock"


def _sqlite_file(url: URL) -> Path:
    name = url.database or ":memory:"
    if name == ":memory:" or name.startswith("file:"):
        raise ConfigError("studies need a database file", got=name, allowed="a URL such as sqlite:///mlruns/optuna.db")
    return Path(name).absolute()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(
            f"the folder {folder} can't be created", got=error.strerror or str(error), do="choose another folder"
        ) from error


def _make_sqlite(url: URL, config: StorageConfig, lock: Path) -> None:
    path = _sqlite_file(url)
    try:
        with FileLock(lock):  # protects the tables from a second process; the new file, from a kill
            if not path.exists() or path.stat().st_size == 0:
                with new_file(path) as building:
                    _connected(url.set(database=str(building)), config).engine.dispose()
    except OSError as error:
        raise StudyError(
            f"the file {path} can't be created", got=error.strerror or str(error), do="choose a file in another folder"
        ) from error


def _refuse_other_tables(url: URL, config: StorageConfig) -> None:
    engine = open_engine(_with_timeout(url, config))
    try:
        tables = inspect(engine).get_table_names()
    finally:
        engine.dispose()
    if tables and not set(tables) >= OPTUNA_TABLES:
        raise StudyError(
            f"{database_location(url)} does not contain studies; it has the tables",
            got=", ".join(sorted(tables)[:10]),
            allowed="an empty database, or one that Optuna created",
            do="use a separate database for the studies; this one was not changed",
        )


def _connected(url: URL, config: StorageConfig) -> RDBStorage:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _rdb_storage(url, config)
        except RuntimeError as error:  # Optuna raises it for another version of its tables
            raise StudyError(
                f"{database_location(url)} was created by another version of Optuna",
                got=str(error),
                do="copy it, then run `optuna storage upgrade --storage URL`, or use a new database",
            ) from error
        except (SQLAlchemyError, StorageInternalError):
            if attempt == ATTEMPTS or url.get_backend_name() == "sqlite":
                raise
            time.sleep(0.25 * attempt)  # another machine is creating the same tables
    raise AssertionError("unreachable")


def _rdb_storage(url: URL, config: StorageConfig) -> RDBStorage:
    # no heartbeat_interval: Optuna's own heartbeats can take a failing trial for a dead one, and miss a dead one
    text = url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")  # Optuna formats it
    own: dict[str, Any] = {"connect_args": connect_args(url), "pool_pre_ping": True}
    if url.get_backend_name() == "sqlite":
        own = {"connect_args": {"timeout": config.lock_seconds}}
    return RDBStorage(text, {"hide_parameters": True, **own})


def _with_timeout(url: URL, config: StorageConfig) -> URL:
    """The URL of an engine besides Optuna's, with the same timeout."""
    return url.update_query_dict({"timeout": str(config.lock_seconds)}) if url.get_backend_name() == "sqlite" else url
