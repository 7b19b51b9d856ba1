"""What can go wrong with a study."""

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
    """A study, or the database it is in, can't be used."""


OPTUNA_TABLES = frozenset({"studies", "trials", "version_info"})
ATTEMPTS = 8  # of making the tables, while other machines make them too


@dataclass(frozen=True)
class Database:
    """An open database of studies.

    Attributes:
        storage: Optuna's; it holds the only connections.
        url: with its password; never shown.
        lock: a file of this machine, held by one worker at a time.
    """

    storage: RDBStorage
    url: URL = field(repr=False)
    lock: Path

    @property
    def place(self) -> str:
        """Where it is, in words; neither user nor password."""
        return database_location(self.url)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tell the database's errors in our words and without the password.

        Raises:
            StudyError: the database gave an error.
        """
        with _told(self.url), quiet_optuna():
            yield


def open_database(url: str, config: StorageConfig) -> Database:
    """Open a database, and make its tables if it is new. A new SQLite file is there whole or not at all.

    Raises:
        StudyError: it can't be reached, is locked, is no database, is of another Optuna version, or has other tables.
        ConfigError: the URL can't be read, or names a kind of database or a driver that is not there.
    """
    parsed = with_installed_driver(parse_url(url))
    lock = _lock_of(parsed)
    _make_folder(lock.parent)
    with _told(parsed), quiet_optuna():
        if parsed.get_backend_name() == "sqlite":
            _make_sqlite(parsed, config, lock)
        _refuse_other_tables(parsed, config)
        return Database(_connected(parsed, config), parsed, lock)


def check_database(url: str, config: StorageConfig) -> None:
    """Find out whether studies can be kept there, before any work; a new database is made.

    Raises:
        StudyError, ConfigError: as `open_database`.
    """
    open_database(url, config).storage.engine.dispose()


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna's and Alembic's notes, and warnings about experimental parts, from the user."""
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
def _told(url: URL) -> Iterator[None]:
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
        return "wait for the program that holds it, or end that; nothing was lost, and the same command goes on"
    if "not a database" in message or "malformed" in message:
        return "name another file; this one was not changed"
    return "check the URL, and that the server runs and the account may make tables; then the same command goes on"


def _lock_of(url: URL) -> Path:
    if url.get_backend_name() == "sqlite":
        path = _sqlite_file(url)
        return path.with_name(f".{path.name}.lock")
    known = hashlib.sha256(url.set(password=None).render_as_string().encode()).hexdigest()[:16]
    return cache_dir() / "locks" / f"studies-{known}.lock"


def _sqlite_file(url: URL) -> Path:
    name = url.database or ":memory:"
    if name == ":memory:" or name.startswith("file:"):
        raise ConfigError(
            "studies need a file that stays", got=name, allowed="a URL such as sqlite:///mlruns/optuna.db"
        )
    return Path(name).absolute()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(
            f"the folder {folder} can't be made", got=error.strerror or str(error), do="choose another place"
        ) from error


def _make_sqlite(url: URL, config: StorageConfig, lock: Path) -> None:
    path = _sqlite_file(url)
    try:
        with FileLock(lock):  # two processes would break each other's tables, and so would a kill in the middle
            if not path.exists() or path.stat().st_size == 0:
                with new_file(path) as building:
                    _connected(url.set(database=str(building)), config).engine.dispose()
    except OSError as error:
        raise StudyError(
            f"the file {path} can't be made", got=error.strerror or str(error), do="name a file in another folder"
        ) from error


def _refuse_other_tables(url: URL, config: StorageConfig) -> None:
    engine = open_engine(_patient(url, config))
    try:
        tables = inspect(engine).get_table_names()
    finally:
        engine.dispose()
    if tables and not set(tables) >= OPTUNA_TABLES:
        raise StudyError(
            f"{database_location(url)} is not one of studies; it has the tables",
            got=", ".join(sorted(tables)[:10]),
            allowed="an empty database, or one that Optuna made",
            do="give the studies a database of their own; this one was not changed",
        )


def _connected(url: URL, config: StorageConfig) -> RDBStorage:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _rdb_storage(url, config)
        except RuntimeError as error:  # Optuna's word for another version of its tables
            raise StudyError(
                f"{database_location(url)} was made by another version of Optuna",
                got=str(error),
                do="copy it, then run `optuna storage upgrade --storage URL`, or use a new database",
            ) from error
        except (SQLAlchemyError, StorageInternalError):
            if attempt == ATTEMPTS or url.get_backend_name() == "sqlite":
                raise
            time.sleep(0.25 * attempt)  # another machine makes the same tables just now
    raise AssertionError("unreachable")


def _rdb_storage(url: URL, config: StorageConfig) -> RDBStorage:
    # no heartbeat_interval: Optuna's own takes a failing trial for a dead one, and loses one that died in between
    text = url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")  # Optuna formats it
    own: dict[str, Any] = {"connect_args": connect_args(url), "pool_pre_ping": True}
    if url.get_backend_name() == "sqlite":
        own = {"connect_args": {"timeout": config.lock_seconds}}
    return RDBStorage(text, {"hide_parameters": True, **own})


def _patient(url: URL, config: StorageConfig) -> URL:
    """The URL for an engine that is not Optuna's, as patient as that one is."""
    return url.update_query_dict({"timeout": str(config.lock_seconds)}) if url.get_backend_name() == "sqlite" else url
