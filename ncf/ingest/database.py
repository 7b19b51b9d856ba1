"""The way into a database: its URL, its driver, a connection that only reads, and errors without the password."""

import os
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine
from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

from ncf.errors import ConfigError, DataError
from ncf.ingest.config import EXAMPLE_URL, Database, parse_url, url_secrets

T = TypeVar("T")
CONNECT_SECONDS = 10  # without it a host that drops packets holds a run for minutes
PACKAGES = {  # of a driver's module
    "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
    "cx_Oracle": "cx-Oracle",
}
SHORT = 4  # a password below this stands in many a word: then nothing of a message is shown


def find_url(source: Database, given: str | None) -> URL:
    """The URL as given, or else that of the environment variable, or else that of the settings.

    Raises:
        ConfigError: there is none, or it can't be read.
    """
    if source.secret_block and not given:
        raise ConfigError(
            "the URL in a Prefect Secret block is read by the flows alone",
            got=source.secret_block,
            do="hand the URL over as database_url, or leave secret_block empty",
        )
    text = given or os.environ.get(source.url_variable) or source.url
    if not text:
        raise ConfigError(
            "the database's URL is not known",
            allowed=f"an SQLAlchemy URL such as {EXAMPLE_URL}",
            do=f"set ${source.url_variable} to it, or the setting secret_block, or url if it needs no password",
        )
    return with_installed_driver(parse_url(text))


def with_installed_driver(url: URL) -> URL:
    """A PostgreSQL URL that names no driver gets psycopg where psycopg2, SQLAlchemy's own default, is not there."""
    if url.drivername in ("postgres", "postgresql") and not find_spec("psycopg2"):
        return url.set(drivername="postgresql+psycopg")
    return url


def open_engine(url: URL, *, may_make: bool = False) -> Engine:
    """Find the driver; nothing is connected yet. A SQLite file has to exist, unless it may be made.

    Raises:
        ConfigError: the kind of database is unknown, or its driver is not installed, or is an asynchronous one.
        DataError: it is SQLite, and there is no such file.
    """
    if not may_make:
        _refuse_missing_file(url)
    driver = url.drivername
    try:
        if url.get_dialect().is_async:
            raise ConfigError(
                "an asynchronous driver can't be used", got=driver, do=f"name another, as in {EXAMPLE_URL}"
            )
        return create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=connect_args(url))
    except NoSuchModuleError:
        problem = ConfigError("this kind of database is unknown", got=driver, do="install its SQLAlchemy dialect")
    except ImportError as error:
        module = (error.name or driver.rpartition("+")[2]).partition(".")[0]
        package = PACKAGES.get(module, module)
        extra = " (the extra postgresql of this package)" if module == "psycopg" else ""
        problem = ConfigError(
            f"the driver {module} of the database is not installed", got=driver, do=f"pip install '{package}'{extra}"
        )
    raise problem


def connect_args(url: URL) -> dict[str, Any]:
    """What a driver is told beside the URL: how long to wait for a server that does not answer."""
    if url.get_backend_name() != "postgresql" or "connect_timeout" in url.query:
        return {}
    return {"connect_timeout": CONNECT_SECONDS}


def connect(engine: Engine) -> Connection:
    """A connection that only reads, where the database can promise that (PostgreSQL, SQLite).

    Raises:
        DataError: the database can't be reached, or refuses.
    """

    def opened() -> Connection:
        connection = engine.connect()
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(postgresql_readonly=True)
            connection.exec_driver_sql("SET TIME ZONE 'UTC'")  # times that a query strips of their zone are then UTC
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA query_only = ON")
        return connection

    do = "check host, port, database, user and password in the URL, and that the server runs"
    return guarded(opened, engine.url, f"no connection to {database_location(engine.url)}", do)


def guarded(call: Callable[[], T], url: URL, what: str, do: str) -> T:
    """Call, and tell a database's error in our words and without the password.

    Raises:
        DataError: the database gave an error.
    """
    try:
        return call()
    except SQLAlchemyError as error:
        message = scrub(str(getattr(error, "orig", None) or error), url) or type(error).__name__
    raise DataError(what, got=message, do=do)  # out here, the driver's own error is not chained to it


def scrub(message: str, url: URL) -> str:
    """One line of a message, without the secrets of the URL in any spelling; empty if they are too short to find."""
    secrets = url_secrets(url)
    if any(len(secret) < SHORT for secret in secrets):
        return ""
    spellings = {
        spelling
        for secret in secrets
        for spelling in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1])
    }
    for spelling in sorted(spellings, key=len, reverse=True):
        message = re.sub(re.escape(spelling), "***", message, flags=re.IGNORECASE)
    return " ".join(message.split())[:500]


def database_location(url: URL) -> str:
    """Where a database is, in words; neither user nor password."""
    port = f":{url.port}" if url.port else ""
    host = f" at {url.host}{port}" if url.host else ""
    return f"the database {url.database or ''}{host} ({url.get_backend_name()})"


def _refuse_missing_file(url: URL) -> None:
    name = url.database or ":memory:"
    if url.get_backend_name() != "sqlite" or name == ":memory:" or name.startswith("file:"):
        return
    if not Path(name).is_file():  # SQLite would make an empty one
        raise DataError(
            "there is no SQLite database",
            got=str(Path(name).absolute()),
            do="check the path; sqlite:////var/log.db is absolute, sqlite:///log.db relative",
        )
